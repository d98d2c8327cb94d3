/* drafter.c - the cursor, and where it goes when the answer leaves the text.
 *
 * In this order: what the answer wrote stands a little further on (words were left out, or a replacement has ended);
 * two tokens of it stand somewhere, near by if possible; else, for the first token that differs, the edit that its
 * kind suggests. While an edit goes on the cursor waits, so each hypothesis costs one wrong guess at most.
 */
#include "engine/drafter.h"

#include <assert.h>

#include "base/checked.h"

enum {
    REACH = 2,          /* tokens ahead at which one that fits is enough, and as many more as are new since then */
    REACH_MAX = 12,
    LOST_MAX = 32,      /* tokens without an anchor: then the answer goes its own way */
    FIT = 2,            /* tokens that fit, to be anchored near by, or anywhere while there is no anchor */
    FIT_FAR = 3,
    FIT_MAX = 16,       /* more are not counted */
    NEAR_BEFORE = 16,   /* of two places that fit alike the one that is near is taken: so much before the place left */
    NEAR_BEHIND = 96,
    LONG_WORD = 5,      /* bytes with its space: shorter ones are often put in (to, the, a, of), longer ones replace */
    MEMORY = 48,        /* guesses that count about fully */
};

typedef struct text {
    const int32_t *ids;
    size_t n; /* of these the first n can be what the next token repeats */
} text;

/* In the history, the last token has nothing behind it yet. */
static text text_of(const tdm__drafter *d, const int32_t *history, size_t n_history)
{
    return d->source ? (text){d->source, d->n_source} : (text){history, n_history};
}

void tdm__drafter_init(tdm__drafter *d, const int32_t *source, size_t n_source, tdm__piece_fn piece,
                       const void *tokenizer)
{
    const bool has_source = n_source > 0;
    *d = (tdm__drafter){.piece = piece,
                        .tokenizer = tokenizer,
                        .source = has_source ? source : NULL,
                        .n_source = n_source,
                        .is_anchored = has_source,
                        .n_right = {1, 9}, /* before anything is known */
                        .n_wrong = {1, 1}};
}

/* ---- kinds of tokens ---- */

typedef enum token_kind {
    KIND_NONE = 0, /* a control token */
    KIND_WORD,     /* white space, perhaps with a word's beginning behind it */
    KIND_GLUED,    /* letters or digits that go on with a word */
    KIND_MARK,     /* punctuation without space */
    KIND_WIDE,     /* of a script that puts no spaces */
} token_kind;

static bool is_space(unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static bool is_alphanumeric(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static token_kind kind_of(tdm__str piece)
{
    if (piece.len == 0)
        return KIND_NONE;
    const unsigned char c = (unsigned char)piece.ptr[0];
    if (is_space(c))
        return KIND_WORD;
    if (c >= 0x80)
        return KIND_WIDE;
    return is_alphanumeric(c) ? KIND_GLUED : KIND_MARK;
}

static tdm__str piece_at(const tdm__drafter *d, text t, size_t i) { return d->piece(d->tokenizer, t.ids[i]); }

static tdm__str without_space(tdm__str piece)
{
    while (piece.len > 0 && is_space((unsigned char)piece.ptr[0]))
        piece = (tdm__str){piece.ptr + 1, piece.len - 1};
    while (piece.len > 0 && is_space((unsigned char)piece.ptr[piece.len - 1]))
        piece.len--;
    return piece;
}

/* Without a letter, unlike "(items" and "'clock". */
static bool is_bare_mark(tdm__str piece)
{
    size_t i = 0;
    while (i < piece.len && !is_alphanumeric((unsigned char)piece.ptr[i]) && (unsigned char)piece.ptr[i] < 0x80)
        i++;
    return kind_of(piece) == KIND_MARK && i == piece.len;
}

/* In lower case if it is ASCII. */
static unsigned char letter_at(tdm__str s, size_t i)
{
    const unsigned char c = i < s.len ? (unsigned char)s.ptr[i] : 0;
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c;
}

static unsigned char first_letter(tdm__str piece) { return letter_at(without_space(piece), 0); }

/* But for case and the space around: a sentence's or a line's begin moved. */
static bool is_same_word(tdm__str a, tdm__str b)
{
    a = without_space(a);
    b = without_space(b);
    size_t i = 0;
    while (i < a.len && letter_at(a, i) == letter_at(b, i))
        i++;
    return a.len > 0 && a.len == b.len && i == a.len;
}

/* ---- where the text goes on, by the edit that a token suggests ---- */

static bool is_glued(const tdm__drafter *d, text t, size_t at)
{
    return at < t.n && kind_of(piece_at(d, t, at)) == KIND_GLUED;
}

static size_t skip_glued(const tdm__drafter *d, text t, size_t at)
{
    while (is_glued(d, t, at))
        at++;
    return at;
}

/* As many bytes of the text as the token has: scripts without spaces are corrected character by character. */
static size_t skip_bytes(const tdm__drafter *d, text t, size_t at, size_t n_bytes)
{
    for (size_t n = 0; at < t.n && n < n_bytes; at++)
        n += tdm__max_size(piece_at(d, t, at).len, 1);
    return at;
}

/* The part of a word that a token replaces: about as many bytes, within the word. */
static size_t skip_part(const tdm__drafter *d, text t, size_t at, size_t n_bytes)
{
    size_t n = piece_at(d, t, at++).len;
    for (; n + 1 < n_bytes && is_glued(d, t, at); at++)
        n += piece_at(d, t, at).len;
    return at;
}

/* Where the text goes on if the answer has `piece` where the text has the token `at`. */
static size_t guess_edit(const tdm__drafter *d, text t, size_t at, tdm__str piece)
{
    const tdm__str old = piece_at(d, t, at);
    const token_kind is = kind_of(piece), was = kind_of(old);
    switch (is) {
    case KIND_WIDE:
        return skip_bytes(d, t, at, piece.len);
    case KIND_MARK:
        return was == KIND_MARK ? at + 1 : at;
    case KIND_GLUED:
        return was == KIND_GLUED ? skip_part(d, t, at, piece.len) : at;
    case KIND_WORD:
        if (was == KIND_WORD && first_letter(piece) != first_letter(old) && piece.len < LONG_WORD)
            return at; /* put in */
        at = was == KIND_WORD ? at : skip_glued(d, t, at);
        return at < t.n ? skip_part(d, t, at, piece.len) : at;
    case KIND_NONE:
        break;
    }
    return at;
}

/* ---- anchors ---- */

/* How many tokens before t.ids[end] are the last ones of the history; at most FIT_MAX. */
static size_t count_fit(text t, size_t end, const int32_t *history, size_t n_history)
{
    size_t n = 0, n_max = tdm__min_size(tdm__min_size(end, n_history), FIT_MAX);
    while (n < n_max && t.ids[end - 1 - n] == history[n_history - 1 - n])
        n++;
    return n;
}

static void anchor(tdm__drafter *d, size_t at, size_t n_fit)
{
    d->is_anchored = true;
    d->cursor = at;
    d->n_run = n_fit;
    if (n_fit >= FIT) {
        d->left = at;
        d->n_lost = 0;
    }
}

/* One word that fits is enough a little behind the place that was left. A mark says little: only one word may be
 * missing before it. */
static bool anchor_ahead(tdm__drafter *d, text t, int32_t id)
{
    if (!d->is_anchored)
        return false;
    const tdm__str piece = d->piece(d->tokenizer, id);
    if (is_bare_mark(piece)) {
        const size_t behind = skip_glued(d, t, d->cursor + 1);
        const bool is_next = behind < t.n && t.ids[behind] == id;
        if (is_next)
            anchor(d, behind + 1, 1);
        return is_next;
    }
    size_t end = tdm__min_size(d->left + tdm__min_size(REACH + d->n_lost, REACH_MAX), t.n);
    for (size_t i = d->left; i < end; i++)
        if (t.ids[i] == id || is_same_word(piece, piece_at(d, t, i))) {
            anchor(d, i + 1, 1);
            return true;
        }
    return false;
}

static bool is_near(const tdm__drafter *d, size_t at)
{
    return d->is_anchored && at + NEAR_BEFORE >= d->left && at <= d->left + NEAR_BEHIND;
}

/* The place that fits best: near by, then with most tokens, then the last one. */
static bool anchor_anywhere(tdm__drafter *d, text t, const int32_t *history, size_t n_history)
{
    const int32_t id = history[n_history - 1];
    size_t best = 0, best_fit = FIT - 1;
    bool best_is_near = false;
    for (size_t end = 1; end < t.n + (d->source != NULL); end++) {
        if (t.ids[end - 1] != id)
            continue;
        const size_t fit = count_fit(t, end, history, n_history);
        const bool near = is_near(d, end);
        const size_t wanted = near || !d->is_anchored ? FIT : FIT_FAR;
        if (fit < wanted || (best_is_near && !near) || (near == best_is_near && fit < best_fit))
            continue;
        best = end;
        best_fit = fit;
        best_is_near = near;
    }
    if (best_fit < FIT)
        return false;
    anchor(d, best, best_fit);
    return true;
}

/* ---- the answer goes on ---- */

static size_t mood_of(size_t n_run) { return n_run >= TDM__DRAFT_SURE_RUN; }

static void count_guess(tdm__drafter *d, bool is_right)
{
    const size_t mood = mood_of(d->n_run);
    const float keep = 1 - 1.0f / MEMORY;
    d->n_right[mood] = d->n_right[mood] * keep + (is_right ? 1 : 0);
    d->n_wrong[mood] = d->n_wrong[mood] * keep + (is_right ? 0 : 1);
}

static void follow(tdm__drafter *d)
{
    d->cursor++;
    d->n_run++;
    if (d->n_run >= FIT) {
        d->left = d->cursor;
        d->n_lost = 0;
    }
}

void tdm__drafter_take(tdm__drafter *d, const int32_t *history, size_t n_history)
{
    assert(n_history >= 1);
    const text t = text_of(d, history, n_history);
    const int32_t id = history[n_history - 1];
    const size_t n_known = d->source ? t.n : n_history - 1;
    if (d->is_anchored && d->cursor < n_known) {
        const bool is_right = t.ids[d->cursor] == id;
        count_guess(d, is_right);
        if (is_right) {
            follow(d);
            return;
        }
    }
    const bool was_following = d->n_lost == 0;
    d->n_lost++;
    d->n_run = 0;
    if (anchor_ahead(d, (text){t.ids, n_known}, id) || anchor_anywhere(d, t, history, n_history))
        return;
    if (d->n_lost > LOST_MAX)
        d->is_anchored = false;
    else if (d->is_anchored && was_following && d->cursor < n_known)
        d->cursor = guess_edit(d, (text){t.ids, n_known}, d->cursor, d->piece(d->tokenizer, id));
}

/* ---- drafts ---- */

size_t tdm__drafter_propose(const tdm__drafter *d, const int32_t *history, size_t n_history, size_t n_max,
                            const int32_t **ids)
{
    const text t = text_of(d, history, n_history);
    if (!d->is_anchored || d->cursor >= t.n)
        return 0;
    const size_t n_there = tdm__min_size(t.n - d->cursor, n_max);
    size_t n = 0;
    while (n < n_there && piece_at(d, t, d->cursor + n).len > 0) /* no answer goes on behind a control token */
        n++;
    *ids = t.ids + d->cursor;
    return n;
}

float tdm__drafter_chance(const tdm__drafter *d, size_t i)
{
    const size_t mood = mood_of(d->n_run + i);
    return (d->n_right[mood] + 0.5f) / (d->n_right[mood] + d->n_wrong[mood] + 1);
}
