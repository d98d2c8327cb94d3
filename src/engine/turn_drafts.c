/* turn_drafts.c - how many tokens of each answer are drafted in a turn.
 *
 * A draft of k tokens, each right with a chance p if those before it are, brings p + p^2 + .. + p^k tokens beyond the
 * one that a turn brings anyway. Drafted rows go one by one where the next one's chance is best, and of all numbers of
 * rows the one is taken that brings most tokens a second by what the pace has measured; often that is none, and where
 * guesses are seldom right it always is. Beside other streams they keep the turn within the pace's limit: their readers
 * gain nothing by a draft. While a prompt is read beside streams nothing is drafted: what the pace leaves is the
 * prompt's.
 */
#include <string.h>

#include "base/checked.h"
#include "engine/engine_internal.h"

/* A stream with something to draft. */
typedef struct candidate {
    tdm__slot *slot;
    size_t n_max;
    size_t n;     /* rows it would get */
    float chance; /* that all of these and the next one are right */
} candidate;

/* What may be drafted for s, within its context and the tokens that it may have: the last row draws one more. */
static size_t longest_draft(const tdm__slot *s, size_t n_ctx, const int32_t **ids)
{
    const tdm__job *j = s->job;
    const size_t room = tdm__min_size(n_ctx - s->n_tokens, j->max_tokens - j->timings.n_generated);
    const size_t n_max = tdm__min_size(room - 1, TDM__DRAFT_ROWS_MAX);
    return tdm__drafter_propose(&j->drafter, s->tokens, s->n_tokens, n_max, ids);
}

static void raise(candidate *c)
{
    c->n++;
    c->chance = c->n < c->n_max ? c->chance * tdm__drafter_chance(&c->slot->job->drafter, c->n) : 0;
}

static bool takes_logits(const tdm__slot *s) { return s->job->wants == TDM__WANTS_LOGITS; }

/* Whose next row is best; n_logits: so many more rows may want logits. */
static candidate *best_of(candidate *all, size_t n, size_t n_logits)
{
    candidate *best = NULL;
    for (size_t i = 0; i < n; i++) {
        const bool may = all[i].n < all[i].n_max && (n_logits > 0 || !takes_logits(all[i].slot));
        if (may && (!best || all[i].chance > best->chance))
            best = &all[i];
    }
    return best;
}

/* The first of two, if it brings more tokens a second. */
static bool pays_more(float n_tokens, uint64_t ns, float known_tokens, uint64_t known_ns)
{
    return n_tokens * (float)known_ns > known_tokens * (float)ns;
}

static void choose(const tdm__engine *e, candidate *all, size_t n, size_t n_streams)
{
    candidate *order[TDM__DRAFT_ROWS_MAX];
    const uint64_t decode_ns = tdm__pace_draft_turn_ns(&e->pace, n_streams, 0);
    const uint64_t limit_ns = n_streams > 1 ? decode_ns / 100 * TDM__PACE_LIMIT_PERCENT : UINT64_MAX;
    float n_tokens = (float)n_streams, best_tokens = n_tokens;
    uint64_t best_ns = decode_ns;
    size_t n_rows = 0, n_best = 0, n_logits = e->n_draft_logits;
    for (candidate *c; decode_ns > 0 && n_rows < e->n_draft_rows && (c = best_of(all, n, n_logits)) != NULL;) {
        n_logits -= takes_logits(c->slot);
        order[n_rows++] = c;
        n_tokens += c->chance;
        raise(c);
        const uint64_t ns = tdm__pace_draft_turn_ns(&e->pace, n_streams, n_rows);
        if (ns <= limit_ns && pays_more(n_tokens, ns, best_tokens, best_ns)) {
            best_tokens = n_tokens;
            best_ns = ns;
            n_best = n_rows;
        }
    }
    for (size_t i = 0; i < n_best; i++)
        order[i]->slot->n_drafted++;
}

void tdm__slots_choose_drafts(tdm__engine *e, size_t n_streams)
{
    candidate all[TDM__SLOTS_MAX];
    size_t n = 0, n_left = e->n_draft_rows, n_logits = e->n_draft_logits;
    bool is_forced = false;
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        if (!tdm__slot_is_streaming(s) || tdm__slot_is_paused(e, s) || s->job->drafting == TDM__DRAFTING_OFF)
            continue;
        const size_t n_max = longest_draft(s, e->n_ctx, &s->draft);
        if (n_max == 0)
            continue;
        if (s->job->drafting == TDM__DRAFTING_ALWAYS) {
            s->n_drafted = tdm__min_size(n_max, takes_logits(s) ? tdm__min_size(n_left, n_logits) : n_left);
            n_left -= s->n_drafted;
            n_logits -= takes_logits(s) ? s->n_drafted : 0;
            is_forced = true;
            continue;
        }
        all[n++] = (candidate){.slot = s, .n_max = n_max, .chance = tdm__drafter_chance(&s->job->drafter, 0)};
    }
    if (n > 0 && !is_forced)
        choose(e, all, n, n_streams);
}
