/* turn_rows.c - which rows a turn computes.
 *
 * An answer's next token needs one row, a prompt as many as it has new tokens. All streams advance in each turn.
 * Prompts alone get a large batch, which reads the weights once for many rows; beside streams the pace says how many
 * rows these can bear (turn_pace.h), and a batch that cannot be given up for a cancel is smaller still. They go to the
 * app that has had least, within an app to the oldest. How a prompt is cut changes no bit of the result (forward.h).
 */
#include <assert.h>

#include "base/checked.h"
#include "engine/engine_internal.h"

enum { SHARE_OF_REPEATED = 4 };

/* Rows for the next n tokens of s; its logits if that is all there are. */
static void put_rows(tdm__engine *e, tdm__slot *s, size_t n, tdm__batch *b, size_t *n_logits)
{
    assert(n >= 1 && s->n_done + n <= s->n_tokens && b->n_rows + n <= e->n_rows_max);
    for (size_t i = 0; i < n; i++)
        e->rows[b->n_rows + i] = (tdm__row){.token = s->tokens[s->n_done + i], .pos = s->n_done + i, .kv = &s->kv};
    b->n_rows += n;
    b->n_slots++;
    b->is_background = s->job->priority != TDM__FOREGROUND; /* all of them or none: the others are paused */
    s->n_rows = n;
    s->job->account->n_rows_turn += n;
    if (s->n_done + n == s->n_tokens) {
        e->rows[b->n_rows - 1].wants = TDM__WANTS_LOGITS;
        s->logits = e->logits + (*n_logits)++ * e->model->hp.n_vocab;
    }
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
    return at;
}

/* Rows for s, or for whom it waits for; how many. */
static size_t put_prompt(tdm__engine *e, tdm__slot *s, size_t room, tdm__batch *b, size_t *n_logits)
{
    size_t n_behind;
    tdm__slot *at = who_computes(s, &n_behind);
    if (!at || !at->job || at->n_rows > 0) {
        s->was_passed = true;
        return 0;
    }
    put_rows(e, at, tdm__min_size(n_behind - at->n_done, room), b, n_logits);
    return at->n_rows;
}

tdm__batch tdm__slots_fill_batch(tdm__engine *e)
{
    tdm__batch b = {0};
    size_t n_logits = 0, n_prompts = 0;
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        s->n_rows = 0;
        s->logits = NULL;
        s->was_passed = false;
        if (s->job)
            s->job->account->n_rows_turn = 0;
    }
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        if (!s->job || tdm__slot_is_paused(e, s))
            continue;
        if (tdm__slot_is_streaming(s))
            put_rows(e, s, 1, &b, &n_logits);
        else
            n_prompts++;
    }
    b.n_streams = b.n_slots;
    size_t room = tdm__pace_prompt_rows(&e->pace, b.n_streams, n_prompts, TDM__ENGINE_ROWS);
    if (e->must_finish)
        room = (room + SHARE_OF_REPEATED - 1) / SHARE_OF_REPEATED;
    for (tdm__slot *s; room > 0 && (s = next_prompt(e)) != NULL;)
        room -= put_prompt(e, s, room, &b, &n_logits);
    b.n_prompt_rows = b.n_rows - b.n_streams;
    return b;
}
