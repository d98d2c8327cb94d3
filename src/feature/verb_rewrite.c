/* verb_rewrite.c - a text in another style, line by line, each with its own check.
 *
 * A line (a paragraph of a mail, a message of a chat) is rewritten alone, so that the structure of the whole stays and
 * a small model has little to lose. Where a line does not pass after its attempts, its sentences are tried one by one,
 * and a sentence that cannot be rewritten without losing a name or a number stays as it was: wrong is worse than
 * unchanged. Only when nothing at all could be rewritten there is an error. Greetings, headings and addresses are no
 * prose and stay, unless they are all there is; so does who speaks in a chat.
 *
 * One suggestion is told line by line. Of several each is told when it is whole, because one that could not be
 * rewritten, or is the same as another, is left out.
 */
#include <string.h>

#include "base/error.h"
#include "feature/verb_internal.h"
#include "feature/verb_text.h"

enum {
    ATTEMPTS = 2,
    ROUNDS_MORE = 2,        /* for suggestions that are left out */
    CHUNK_TOKENS_MAX = 300, /* of a line at once */
    PROSE_WORDS_MIN = 5,    /* a line with fewer is a greeting, a heading, a signature */
    PROSE_HAN_MIN = 7,
};

typedef struct rewriting {
    tdm__verb_run *w;
    tdm__request *r;
    size_t candidate; /* as many suggestions are there */
    size_t round;     /* of the seeds */
    bool is_held;     /* told when it is whole */
    bool is_one_line;
    size_t chunk_tokens;
    tdm__buf out;
    size_t n_rewritten;
    const char *prompt;
} rewriting;

static tdm__style style_of(const tdm__verb_run *w)
{
    return w->ask.style == TDM__STYLE_NONE ? TDM__STYLE_PROFESSIONAL : w->ask.style;
}

/* How long a rewritten piece may be. */
static void set_lengths(const rewriting *t, tdm__check_rule *rule)
{
    const size_t n = tdm__str_n_chars(rule->source);
    switch (style_of(t->w)) {
    case TDM__STYLE_CONCISE:
    case TDM__STYLE_SHORTER:
        rule->chars_max = n > 1 ? n - 1 : n;
        rule->chars_min = n / 8;
        break;
    case TDM__STYLE_ELABORATE:
        rule->chars_max = 4 * n + 120;
        rule->chars_min = n;
        break;
    case TDM__STYLE_CUSTOM:
        rule->chars_max = 4 * n + 400;
        break;
    default:
        rule->chars_max = 2 * n + 60;
        rule->chars_min = n / 3;
    }
}

static tdm_status release(rewriting *t, tdm__str text, tdm_error *err)
{
    if (tdm__buf_append_str(&t->out, text) != TDM_OK)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a text of %zu bytes", t->out.len + text.len);
    return t->is_held ? TDM_OK : tdm__compose_release(t->r, t->candidate, text, err);
}

/* One piece through the model, until it passes. *out is empty when it never did. */
static tdm_status try_piece(rewriting *t, tdm__str piece, tdm__str *out, tdm_error *err)
{
    tdm__verb_run *w = t->w;
    tdm__check_rule rule;
    size_t n_tokens;
    *out = (tdm__str){NULL, 0};
    TDM_TRY(tdm__check_rule_init(&rule, piece, &w->scratch, err));
    TDM_TRY(tdm__compose_count_tokens(t->r, piece, &n_tokens, err));
    rule.keeps_facts = true;
    set_lengths(t, &rule);
    const size_t times = style_of(w) == TDM__STYLE_ELABORATE || style_of(w) == TDM__STYLE_CUSTOM ? 3 : 1;
    for (size_t i = 0; i < ATTEMPTS; i++) {
        const tdm__verb_question q = {.prompt = t->prompt,
                                      .text = piece,
                                      .is_copy = true,
                                      .max_tokens = times * n_tokens + n_tokens / 2 + 24,
                                      .attempt = i + t->round * ATTEMPTS};
        tdm__verb_answer a;
        tdm__flaw flaw;
        TDM_TRY(tdm__verb_ask_model(w, t->r, &q, &a, err));
        TDM_TRY(tdm__check_text(&rule, a.text, &w->scratch, &flaw, err));
        if (flaw == TDM__FLAW_NONE && a.is_cut)
            flaw = TDM__FLAW_CUT;
        if (flaw == TDM__FLAW_NONE && memchr(a.text.ptr, '\n', a.text.len))
            flaw = TDM__FLAW_TOO_LONG; /* one line was given */
        if (flaw == TDM__FLAW_NONE && tdm__str_eq(a.text, piece))
            flaw = TDM__FLAW_UNCHANGED;
        if (flaw == TDM__FLAW_NONE) {
            *out = a.text;
            t->n_rewritten++;
            return TDM_OK;
        }
        w->last_flaw = flaw;
    }
    return TDM_OK;
}

/* Sentence by sentence: what does not pass stays. */
static tdm_status rewrite_sentences(rewriting *t, tdm__str piece, tdm_error *err)
{
    for (size_t at = 0, end; at < piece.len; at = end) {
        end = tdm__sentence_end(piece, at);
        const tdm__str whole = tdm__str_sub(piece, at, end), core = tdm__str_trim(whole);
        tdm__str text = {NULL, 0};
        if (core.len > 0)
            TDM_TRY(try_piece(t, core, &text, err));
        TDM_TRY(release(t, text.len > 0 ? text : core, err));
        const size_t lead = core.len > 0 ? (size_t)(core.ptr - whole.ptr) + core.len : 0;
        TDM_TRY(release(t, tdm__str_sub(whole, lead, whole.len), err));
    }
    return TDM_OK;
}

static bool is_prose(tdm__str line)
{
    const tdm__language_found f = tdm__language_find(line);
    return f.n_words >= (f.kind == TDM__TEXT_CHINESE ? PROSE_HAN_MIN : PROSE_WORDS_MIN);
}

/* As many sentences as fit the chunk; at least one. */
static tdm_status chunk_end(rewriting *t, tdm__str line, size_t at, size_t *out, tdm_error *err)
{
    *out = tdm__sentence_end(line, at);
    while (*out < line.len) {
        const size_t more = tdm__sentence_end(line, *out);
        size_t n;
        TDM_TRY(tdm__compose_count_tokens(t->r, tdm__str_sub(line, at, more), &n, err));
        if (n > t->chunk_tokens)
            break;
        *out = more;
    }
    return TDM_OK;
}

static tdm_status rewrite_chunk(rewriting *t, tdm__str chunk, tdm_error *err)
{
    const tdm__str core = tdm__str_trim(chunk);
    tdm__str text = {NULL, 0};
    size_t n;
    tdm__arena_reset(&t->w->scratch);
    TDM_TRY(tdm__compose_count_tokens(t->r, core, &n, err));
    if (n <= t->chunk_tokens)
        TDM_TRY(try_piece(t, core, &text, err));
    if (text.len > 0)
        TDM_TRY(release(t, text, err));
    else if (n <= t->chunk_tokens && tdm__count_sentences(core) > 1)
        TDM_TRY(rewrite_sentences(t, core, err));
    else
        TDM_TRY(release(t, core, err));
    return release(t, tdm__str_sub(chunk, (size_t)(core.ptr - chunk.ptr) + core.len, chunk.len), err);
}

static tdm_status rewrite_line(rewriting *t, tdm__str line, tdm_error *err)
{
    size_t at = tdm__speaker_len(line);
    while (at < line.len && (line.ptr[at] == ' ' || line.ptr[at] == '\t'))
        at++;
    if (!t->is_one_line && !is_prose(tdm__str_sub(line, at, line.len)))
        return release(t, line, err);
    TDM_TRY(release(t, tdm__str_sub(line, 0, at), err));
    while (at < line.len) {
        size_t end;
        TDM_TRY(chunk_end(t, line, at, &end, err));
        TDM_TRY(rewrite_chunk(t, tdm__str_sub(line, at, end), err));
        at = end;
    }
    return TDM_OK;
}

static tdm_status rewrite_text(rewriting *t, tdm_error *err)
{
    const tdm__str source = t->w->source;
    for (size_t at = 0, end; at < source.len; at = end) {
        const char *newline = memchr(source.ptr + at, '\n', source.len - at);
        end = newline ? (size_t)(newline - source.ptr) + 1 : source.len;
        TDM_TRY(rewrite_line(t, tdm__str_sub(source, at, end), err));
    }
    return TDM_OK;
}

static bool is_another(const rewriting *t)
{
    for (size_t i = 0; i < t->candidate; i++)
        if (tdm__str_eq(t->w->suggestions[i].text, tdm__buf_str(&t->out)))
            return false;
    return true;
}

/* One more suggestion, if it comes to one. */
static tdm_status add_suggestion(rewriting *t, tdm_error *err)
{
    tdm__buf_clear(&t->out);
    t->n_rewritten = 0;
    TDM_TRY(rewrite_text(t, err));
    if (t->n_rewritten == 0 || !is_another(t))
        return TDM_OK;
    if (t->is_held)
        TDM_TRY(tdm__compose_release(t->r, t->candidate, tdm__buf_str(&t->out), err));
    return tdm__verb_copy(t->w, tdm__buf_str(&t->out), &t->w->suggestions[t->candidate++].text, err);
}

tdm_status tdm__verb_rewrite(tdm__verb_run *w, tdm__request *r, tdm_error *err)
{
    const size_t n = w->ask.n > 0 ? w->ask.n : 1;
    const size_t n_rounds = n > 1 ? n + ROUNDS_MORE : 1;
    const tdm__str text = tdm__str_trim(w->source);
    rewriting t = {.w = w,
                   .r = r,
                   .is_held = n > 1,
                   .is_one_line = !memchr(text.ptr, '\n', text.len),
                   .prompt = tdm__style_name(style_of(w))};
    size_t budget;
    TDM_TRY(tdm__verb_reserve(w, n, err));
    TDM_TRY(tdm__verb_budget(w, r, t.prompt, &budget, err));
    t.chunk_tokens = budget / 5 < CHUNK_TOKENS_MAX ? budget / 5 : CHUNK_TOKENS_MAX;
    tdm__buf_init(&t.out, TDM__GENERATED_BYTES_MAX * 4);
    tdm_status s = TDM_OK;
    for (; s == TDM_OK && t.candidate < n && t.round < n_rounds; t.round++)
        s = add_suggestion(&t, err);
    tdm__buf_fini(&t.out);
    if (s == TDM_OK && t.candidate == 0)
        s = tdm__verb_fail_checks(w, err);
    if (s == TDM_OK)
        w->n_suggestions = t.candidate;
    return s;
}
