/* slot_prefix.c - a slot takes from the prefix store what the store has of its prompt, and gives it what it computed.
 *
 * Restored rows are the ones that were computed, bit by bit, so nothing else changes with them. The last token is
 * computed in any case, as its logits are wanted.
 */
#include <assert.h>

#include "base/checked.h"
#include "engine/engine_internal.h"

enum { RESTORED_AT_ONCE = 1024 /* positions: some ms, before it is looked who else has come */ };

size_t tdm__slot_stored(const tdm__slot *s)
{
    return tdm__min_size(s->job->prefix.n_found * TDM__KV_TILE, s->n_tokens - 1);
}

size_t tdm__slot_restore(tdm__engine *e, tdm__slot *s, size_t n_max)
{
    tdm__job *j = s->job;
    const size_t n_before = s->n_done, begin = s->n_done / TDM__KV_TILE;
    const size_t n_pages = tdm__min_size(n_max, RESTORED_AT_ONCE) / TDM__KV_TILE;
    const size_t end = tdm__min_size(j->prefix.n_found, begin + n_pages);
    if (begin >= end)
        return 0;
    const size_t got = tdm__prefix_store_restore(e->prefix, e->team, &j->prefix, &s->kv, begin, end);
    if (got < end)
        j->prefix.n_found = got; /* the others are computed, and stored anew */
    s->n_done = tdm__min_size(got * TDM__KV_TILE, s->n_tokens - 1);
    const size_t n = s->n_done - tdm__min_size(s->n_done, n_before);
    e->n_rows_reused += n;
    if (j->timings.n_generated == 0) /* fewer than before: the page that ended in a failed one was lost with it */
        j->timings.n_prompt_reused = s->n_done < n_before ? s->n_done : j->timings.n_prompt_reused + n;
    if (s->n_done >= s->n_shared || got < end)
        tdm__slot_find_donor(e, s);
    return n;
}

void tdm__slot_offer(tdm__engine *e, tdm__slot *s)
{
    tdm__job *j = s->job;
    if (!e->prefix || !j || j->was_offered || s->n_done < j->n_prompt)
        return;
    j->was_offered = true;
    if (!tdm__gguf_is_intact(e->model->gguf)) /* what was computed is not of the file that the keys name */
        return;
    tdm__prefix_store_offer(e->prefix, (size_t)(s - e->slots), &s->kv, &j->prefix);
}
