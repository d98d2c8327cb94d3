/* slot.c - which cached sequence a prompt continues, and which rows a turn computes.
 *
 * An answer's next token needs one row, a prompt as many as it has new tokens. Prompts alone get large batches, which
 * read the weights once for many rows; beside running answers they are cut small, so that a stream's next token does
 * not wait long, and smaller still when the batch cannot be given up for a cancel. How a prompt is cut changes no bit
 * of the result (forward.h).
 */
#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "engine/engine_internal.h"

enum { ROWS_ALONE = TDM__ENGINE_ROWS, ROWS_IN_COMPANY = 32, SHARE_OF_REPEATED = 4 };

static size_t shared_prefix(const tdm__slot *s, const int32_t *prompt, size_t n_prompt)
{
    size_t n = 0, n_max = tdm__min_size(s->n_done, n_prompt);
    while (n < n_max && s->tokens[n] == prompt[n])
        n++;
    return n;
}

tdm__slot *tdm__slot_find(tdm__engine *e, const int32_t *prompt, size_t n_prompt)
{
    tdm__slot *best = NULL;
    size_t best_shared = 0;
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        if (s->job)
            continue;
        size_t shared = shared_prefix(s, prompt, n_prompt);
        if (!best || shared > best_shared || (shared == best_shared && s->admitted < best->admitted)) {
            best = s;
            best_shared = shared;
        }
    }
    return best;
}

void tdm__slot_begin(tdm__slot *s, tdm__job *j, uint64_t admitted)
{
    assert(!s->job && j->n_prompt >= 1);
    size_t shared = shared_prefix(s, j->prompt, j->n_prompt);
    s->n_done = tdm__min_size(shared, j->n_prompt - 1);
    memcpy(s->tokens, j->prompt, j->n_prompt * sizeof s->tokens[0]);
    s->n_tokens = j->n_prompt;
    s->admitted = admitted;
    s->logits = NULL;
    s->job = j;
    j->timings.n_prompt = j->n_prompt;
    j->timings.n_prompt_reused = s->n_done;
}

/* Rows for the next n tokens of s; its logits if that is all there are. */
static size_t put_rows(tdm__engine *e, tdm__slot *s, size_t n, size_t at, size_t *n_logits)
{
    assert(n >= 1 && s->n_done + n <= s->n_tokens && at + n <= e->n_rows_max);
    for (size_t i = 0; i < n; i++)
        e->rows[at + i] = (tdm__row){.token = s->tokens[s->n_done + i], .pos = s->n_done + i, .kv = &s->kv};
    s->n_rows = n;
    if (s->n_done + n == s->n_tokens) {
        e->rows[at + n - 1].wants_logits = true;
        s->logits = e->logits + (*n_logits)++ * e->model->hp.n_vocab;
    }
    return at + n;
}

static tdm__slot *oldest_prompt(tdm__engine *e)
{
    tdm__slot *oldest = NULL;
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        if (s->job && s->n_rows == 0 && (!oldest || s->admitted < oldest->admitted))
            oldest = s;
    }
    return oldest;
}

size_t tdm__slots_fill_batch(tdm__engine *e)
{
    size_t n = 0, n_logits = 0;
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        s->n_rows = 0;
        s->logits = NULL;
        if (s->job && s->n_tokens - s->n_done == 1)
            n = put_rows(e, s, 1, n, &n_logits);
    }
    size_t room = n > 0 ? ROWS_IN_COMPANY : ROWS_ALONE;
    if (e->must_finish)
        room /= SHARE_OF_REPEATED;
    for (tdm__slot *s; room > 0 && (s = oldest_prompt(e)) != NULL; room -= s->n_rows)
        n = put_rows(e, s, tdm__min_size(s->n_tokens - s->n_done, room), n, &n_logits);
    return n;
}
