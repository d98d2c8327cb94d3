/* slot_share.c - a prompt's beginning is computed once, however many jobs begin with it.
 *
 * A job that finds its beginning in another slot copies the cache from there; one whose beginning is just being
 * computed waits for it and copies as that goes on. Waiting cannot go round in a circle, as one waits only for who was
 * admitted earlier; and it cannot last longer than computing, as the rows that a waiting job is given go to the one it
 * waits for (turn_rows.c). When that one ends, is evicted or serves somebody else, what it had is copied if it is
 * still there, and another one is looked for: of several that waited, the first computes on and the rest wait for it.
 * What only the prefix store has comes from there first (slot_prefix.c).
 */
#include <assert.h>

#include "base/checked.h"
#include "engine/engine_internal.h"

enum {
    WAIT_MIN = TDM__KV_TILE, /* positions; for fewer it is quicker to compute them in the same batch */
    COPIES_IN_COMPANY = 256, /* positions a turn beside streams: some MiB, where a turn reads all weights */
};

/* Foreground does not wait for background, which may stand still. */
static bool may_wait_for(const tdm__slot *s, const tdm__slot *d)
{
    return d->job && d->admitted < s->admitted && d->job->priority <= s->job->priority;
}

void tdm__slot_find_donor(tdm__engine *e, tdm__slot *s)
{
    size_t best = s->n_done, best_now = s->n_done;
    s->donor = NULL;
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *d = &e->slots[i];
        if (d == s)
            continue;
        size_t shared = tdm__slot_shared(d, s->app, s->app_key_id, s->tokens, s->n_tokens - 1);
        size_t has = tdm__min_size(shared, d->n_done);
        bool waits = may_wait_for(s, d) && shared >= tdm__max_size(has, s->n_done) + WAIT_MIN;
        best_now = tdm__max_size(best_now, has);
        size_t n = waits ? shared : has;
        if (n > best) {
            best = n;
            s->donor = d;
            s->donor_admitted = d->admitted;
        }
    }
    size_t stored = tdm__slot_stored(s);
    s->restores = stored > best_now; /* at once; behind that, it looks again */
    if (s->restores)
        s->donor = NULL;
    s->n_shared = s->restores ? stored : best;
}

/* Takes what the donor has, within n_max positions; how many that were. */
static size_t copy_from_donor(tdm__engine *e, tdm__slot *s, size_t n_max)
{
    tdm__slot *d = s->donor;
    if (d->admitted != s->donor_admitted) {
        tdm__slot_find_donor(e, s);
        return 0;
    }
    size_t has = tdm__min_size(s->n_shared, d->n_done);
    size_t n = has > s->n_done ? tdm__min_size(has - s->n_done, n_max) : 0;
    if (n > 0) {
        tdm__kv_copy(&s->kv, &d->kv, s->n_done, s->n_done + n);
        s->n_done += n;
        e->n_rows_reused += n;
        if (s->job->timings.n_generated == 0)
            s->job->timings.n_prompt_reused += n;
    }
    if (s->n_done >= s->n_shared)
        s->donor = NULL;
    else if (!d->job && s->n_done >= has)
        tdm__slot_find_donor(e, s);
    return n;
}

void tdm__slots_share(tdm__engine *e)
{
    size_t n_left = SIZE_MAX;
    for (size_t i = 0; i < e->n_slots; i++)
        if (tdm__slot_is_streaming(&e->slots[i]))
            n_left = COPIES_IN_COMPANY;
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        if (!s->job || tdm__slot_is_paused(e, s))
            continue;
        if (s->donor)
            n_left -= copy_from_donor(e, s, n_left);
        else if (s->restores)
            n_left -= tdm__slot_restore(e, s, n_left);
    }
}
