/* turn_pace.c - what undisturbed turns cost, and one division.
 *
 * Other processes can make a turn longer and nothing makes it shorter. So the cost of a turn without prompts follows a
 * shorter one at once and a longer one slowly; it errs towards short turns. What a row adds is a difference of two
 * turns, either of which may be disturbed: an average, of turns that can be true.
 */
#include "engine/turn_pace.h"

#include <assert.h>
#include <stdbool.h>

#include "base/checked.h"

enum {
    MEASURED_ENOUGH = 2,
    RISE_PERCENT = 125,   /* of what was known, a measurement: contexts grow slowly */
    WEIGHT = 4,           /* a new value of the average counts 1 / WEIGHT */
    OUTLIER_PERCENT = 200, /* of what was known: so much a single one counts at most */
    DRAFT_ROWS_A_TURN = 16 /* drafted rows of unknown cost are taken to add a turn together: tried rather than not */
};

static uint64_t at_most_percent(uint64_t value, uint64_t known, uint64_t percent)
{
    uint64_t most = known * percent / 100 + 1;
    return value < most ? value : most;
}

static uint64_t average(uint64_t known, uint64_t value)
{
    if (known == 0)
        return value > 0 ? value : 1;
    uint64_t sum = known * (WEIGHT - 1) + at_most_percent(value, known, OUTLIER_PERCENT);
    return (sum + WEIGHT - 1) / WEIGHT;
}

static bool knows_decode(const tdm__pace *p, size_t n_streams)
{
    return p->n_measured[n_streams] >= MEASURED_ENOUGH && p->n_turns - p->measured_at[n_streams] < TDM__PACE_REFRESH;
}

/* decode + n * row <= LIMIT * (decode + n_prompts * row), solved for n. */
size_t tdm__pace_prompt_rows(const tdm__pace *p, size_t n_streams, size_t n_prompts, size_t n_max)
{
    assert(n_streams <= TDM__SLOTS_MAX);
    if (n_streams == 0)
        return n_max;
    if (!knows_decode(p, n_streams))
        return 0;
    if (p->row_ns == 0)
        return tdm__min_size(TDM__PACE_ROWS_MIN, n_max);
    uint64_t spare_ns = p->decode_ns[n_streams] * (TDM__PACE_LIMIT_PERCENT - 100) / 100;
    size_t n = (size_t)(spare_ns / p->row_ns) + n_prompts * TDM__PACE_LIMIT_PERCENT / 100;
    return tdm__min_size(tdm__max_size(n, TDM__PACE_ROWS_MIN), n_max);
}

static void learn_decode(tdm__pace *p, size_t n_streams, uint64_t ns)
{
    bool is_first = p->n_measured[n_streams] == 0;
    if (p->n_measured[n_streams] < MEASURED_ENOUGH)
        p->n_measured[n_streams]++;
    p->decode_ns[n_streams] = is_first ? ns : at_most_percent(ns, p->decode_ns[n_streams], RISE_PERCENT);
    p->measured_at[n_streams] = p->n_turns;
}

void tdm__pace_learn(tdm__pace *p, size_t n_streams, size_t n_prompt_rows, uint64_t ns)
{
    assert(n_streams <= TDM__SLOTS_MAX);
    p->n_turns++;
    if (n_prompt_rows == 0) {
        if (n_streams > 0)
            learn_decode(p, n_streams, ns);
    } else if (n_streams > 0 && ns <= p->decode_ns[n_streams]) {
        p->decode_ns[n_streams] = ns; /* what was measured was disturbed: it is less than this, rows are not free */
    } else if (n_streams > 0) {
        p->row_ns = average(p->row_ns, (ns - p->decode_ns[n_streams]) / n_prompt_rows);
    } else if (p->row_ns == 0) {
        p->row_ns = average(0, ns / n_prompt_rows); /* a first guess, from prompts alone */
    }
}

static size_t draft_group(size_t n_drafted)
{
    size_t group = 0;
    while (((size_t)1 << group) < n_drafted && group + 1 < TDM__PACE_DRAFT_GROUPS)
        group++;
    return group;
}

static bool is_old(const tdm__pace *p, uint64_t measured_at)
{
    return p->n_turns - measured_at >= TDM__PACE_DRAFT_REFRESH;
}

static bool knows_drafts(const tdm__pace *p, size_t group)
{
    return p->draft_measured_at[group] > 0 && !is_old(p, p->draft_measured_at[group]);
}

/* A row of an unknown group is taken to cost what one does in the next smaller group that is known. */
uint64_t tdm__pace_draft_turn_ns(const tdm__pace *p, size_t n_streams, size_t n_drafted)
{
    assert(n_streams <= TDM__SLOTS_MAX);
    if (p->n_measured[n_streams] < MEASURED_ENOUGH || is_old(p, p->measured_at[n_streams]))
        return 0;
    const uint64_t decode_ns = p->decode_ns[n_streams];
    uint64_t row_ns = decode_ns / DRAFT_ROWS_A_TURN;
    for (size_t group = draft_group(n_drafted) + 1; group-- > 0;)
        if (knows_drafts(p, group)) {
            row_ns = p->draft_row_ns[group];
            break;
        }
    return decode_ns + n_drafted * row_ns;
}

void tdm__pace_learn_drafts(tdm__pace *p, size_t n_streams, size_t n_drafted, uint64_t ns)
{
    assert(n_streams <= TDM__SLOTS_MAX && n_drafted > 0);
    const size_t group = draft_group(n_drafted);
    p->n_turns++;
    if (ns < p->decode_ns[n_streams])
        p->decode_ns[n_streams] = ns; /* what was measured was disturbed */
    const uint64_t row_ns = (ns - p->decode_ns[n_streams]) / n_drafted;
    p->draft_row_ns[group] = knows_drafts(p, group) ? average(p->draft_row_ns[group], row_ns) : row_ns;
    p->draft_measured_at[group] = p->n_turns;
}
