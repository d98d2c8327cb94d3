/* slot.c - which cached sequence a prompt continues.
 *
 * A slot's cache belongs to the app whose job filled it. Another app is served from it only as far as the tokens are
 * public (engine.h): otherwise the time to the first token would tell one app what another one asked.
 */
#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "engine/engine_internal.h"

size_t tdm__slot_shared(const tdm__slot *d, const char *app, uint64_t app_key_id, const int32_t *tokens,
                        size_t n_tokens)
{
    size_t n = 0, n_max = tdm__min_size(d->n_tokens, n_tokens);
    if (strcmp(d->app, app) != 0 || d->app_key_id != app_key_id)
        n_max = tdm__min_size(n_max, d->n_public);
    while (n < n_max && d->tokens[n] == tokens[n])
        n++;
    return n;
}

static size_t cached(const tdm__slot *s, const tdm__job *j)
{
    return tdm__min_size(tdm__slot_shared(s, j->app, j->app_key_id, j->tokens, j->n_tokens), s->n_done);
}

/* A slot that would lose most of what it holds is none to continue, however much it shares: that is copied. */
tdm__slot *tdm__slot_find(tdm__engine *e, const tdm__job *j)
{
    tdm__slot *oldest = NULL, *best = NULL;
    size_t best_shared = 0;
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        if (s->job)
            continue;
        if (!oldest || s->admitted < oldest->admitted)
            oldest = s;
        size_t shared = cached(s, j);
        bool is_ours = shared > 0 && shared >= s->n_done - shared;
        if (is_ours && (shared > best_shared || (shared == best_shared && s->admitted < best->admitted))) {
            best = s;
            best_shared = shared;
        }
    }
    return best ? best : oldest;
}

void tdm__slot_begin(tdm__engine *e, tdm__slot *s, tdm__job *j)
{
    assert(!s->job && j->n_tokens >= 1);
    s->n_done = tdm__min_size(cached(s, j), j->n_tokens - 1);
    if (e->prefix)
        tdm__prefix_store_revoke(e->prefix, (size_t)(s - e->slots), s->n_done);
    memcpy(s->tokens, j->tokens, j->n_tokens * sizeof s->tokens[0]);
    s->n_tokens = j->n_tokens;
    memcpy(s->app, j->app, sizeof s->app);
    s->app_key_id = j->app_key_id;
    s->n_public = j->n_public;
    s->admitted = ++e->n_admitted;
    s->donor = NULL;
    s->restores = false;
    s->n_rows = 0;
    s->n_drafted = 0;
    s->logits = NULL;
    s->best = NULL;
    s->job = j;
    j->timings.n_prompt = j->n_prompt;
    if (j->timings.n_generated == 0) /* else it was evicted, and its prompt had been read once */
        j->timings.n_prompt_reused = s->n_done;
}

bool tdm__slot_is_streaming(const tdm__slot *s)
{
    return s->job && s->job->timings.n_generated > 0 && s->n_tokens - s->n_done == 1;
}

bool tdm__slot_is_paused(const tdm__engine *e, const tdm__slot *s)
{
    return s->job->priority != TDM__FOREGROUND && e->queue.n_jobs[TDM__FOREGROUND] > 0;
}
