/* turn_rows.c - which rows a turn computes.
 *
 * An answer's next token needs one row, and one more each token that is drafted behind it; a prompt as many as it has
 * new tokens. All streams advance in each turn.
 * Prompts alone get a large batch, which reads the weights once for many rows; beside streams the pace says how many
 * rows these can bear (turn_pace.h), and a batch that cannot be given up for a cancel is smaller still. They go to the
 * app that has had least, within an app to the oldest. How a prompt is cut changes no bit of the result (forward.h).
 */
#include <assert.h>

#include "base/checked.h"
#include "engine/engine_internal.h"

enum { SHARE_OF_REPEATED = 4 };

/* Which row of its kind in the batch is the next one. */
typedef struct wanted {
    size_t n_logits, n_best;
} wanted;

/* Where the results of s's last rows will be. */
static void place_results(tdm__engine *e, tdm__slot *s, wanted *w)
{
    const size_t n = 1 + s->n_drafted;
    if (s->job->wants == TDM__WANTS_BEST) {
        s->best = e->best + w->n_best;
        w->n_best += n;
    } else {
        s->logits = e->logits + w->n_logits * e->model->hp.n_vocab;
        w->n_logits += n;
    }
}

/* Rows for the next n tokens of s; if that is all there are, its drafted ones too, and results of the last and of
 * these. */
static void put_rows(tdm__engine *e, tdm__slot *s, size_t n, tdm__batch *b, wanted *w)
{
    const bool is_last = s->n_done + n == s->n_tokens;
    tdm__row *rows = e->rows + b->n_rows;
    s->rows = rows;
    s->n_rows = n + s->n_drafted;
    assert(n >= 1 && s->n_done + n <= s->n_tokens && (is_last || s->n_drafted == 0));
    assert(b->n_rows + s->n_rows <= e->n_rows_max && s->n_done + s->n_rows <= e->n_ctx);
    for (size_t i = 0; i < s->n_rows; i++)
        rows[i] = (tdm__row){.token = i < n ? s->tokens[s->n_done + i] : s->draft[i - n],
                             .pos = s->n_done + i,
                             .kv = &s->kv,
                             .wants = is_last && i + 1 >= n ? s->job->wants : TDM__WANTS_NONE};
    b->n_rows += s->n_rows;
    b->n_drafted += s->n_drafted;
    b->n_slots++;
    b->is_background = s->job->priority != TDM__FOREGROUND; /* all of them or none: the others are paused */
    s->job->account->n_rows_turn += s->n_rows;
    if (is_last)
        place_results(e, s, w);
}

static bool is_before(const tdm__slot *a, const tdm__slot *b)
{
    if (a->job->account != b->job->account)
        return tdm__account_is_before(a->job->account, b->job->account);
    return a->admitted < b->admitted;
}

/* The prompt whose turn it is, or NULL. */
static tdm__slot *next_prompt(tdm__engine *e)
{
    tdm__slot *next = NULL;
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        if (s->job && s->n_rows == 0 && !s->was_passed && !tdm__slot_is_paused(e, s) && (!next || is_before(s, next)))
            next = s;
    }
    return next;
}

/* Whom s waits for in the end, s itself if for nobody; NULL: for a copy. The way ends, as each one on it was admitted
 * before the last. *n_behind: so many positions are wanted of that one. */
static tdm__slot *who_computes(tdm__slot *s, size_t *n_behind)
{
    tdm__slot *at = s;
    *n_behind = s->n_tokens;
    for (; at->donor; at = at->donor) {
        if (at->donor->n_done >= at->n_shared)
            return NULL;
        *n_behind = at->n_shared;
    }
    return at->restores ? NULL : at;
}

/* Rows for s, or for whom it waits for; how many. */
static size_t put_prompt(tdm__engine *e, tdm__slot *s, size_t room, tdm__batch *b, wanted *w)
{
    size_t n_behind;
    tdm__slot *at = who_computes(s, &n_behind);
    if (!at || !at->job || at->n_rows > 0) {
        s->was_passed = true;
        return 0;
    }
    put_rows(e, at, tdm__min_size(n_behind - at->n_done, room), b, w);
    return at->n_rows;
}

static void forget_turn(tdm__engine *e)
{
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        s->n_rows = 0;
        s->n_drafted = 0;
        s->logits = NULL;
        s->best = NULL;
        s->was_passed = false;
        if (s->job)
            s->job->account->n_rows_turn = 0;
    }
}

/* Of those that are not paused. */
static void count_slots(const tdm__engine *e, size_t *n_streams, size_t *n_prompts)
{
    *n_streams = *n_prompts = 0;
    for (size_t i = 0; i < e->n_slots; i++) {
        const tdm__slot *s = &e->slots[i];
        if (!s->job || tdm__slot_is_paused(e, s))
            continue;
        if (tdm__slot_is_streaming(s))
            ++*n_streams;
        else
            ++*n_prompts;
    }
}

tdm__batch tdm__slots_fill_batch(tdm__engine *e)
{
    tdm__batch b = {0};
    wanted w = {0};
    size_t n_prompts;
    forget_turn(e);
    count_slots(e, &b.n_streams, &n_prompts);
    if (n_prompts == 0 && !e->must_finish)
        tdm__slots_choose_drafts(e, b.n_streams);
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        if (tdm__slot_is_streaming(s) && !tdm__slot_is_paused(e, s))
            put_rows(e, s, 1, &b, &w);
    }
    size_t room = tdm__pace_prompt_rows(&e->pace, b.n_streams, n_prompts, TDM__ENGINE_ROWS);
    if (e->must_finish)
        room = (room + SHARE_OF_REPEATED - 1) / SHARE_OF_REPEATED;
    for (tdm__slot *s; room > 0 && (s = next_prompt(e)) != NULL;)
        room -= put_prompt(e, s, room, &b, &w);
    b.n_prompt_rows = b.n_rows - b.n_streams - b.n_drafted;
    return b;
}
