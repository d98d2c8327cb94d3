/* best_rows.c - a lane a row of the panels, so that comparing 16 results is a few instructions. */
#include "kernel/best_rows.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

/* What a member has seen of a token's results. */
typedef struct best_lanes {
    float value[TDM__PANEL_ROWS];
    uint32_t panel[TDM__PANEL_ROWS]; /* the first with that value */
    uint32_t bad[TDM__PANEL_ROWS];   /* not 0: NaN or +infinity was there */
} best_lanes;

size_t tdm__best_bytes(size_t n_tokens, int n_threads)
{
    return (size_t)n_threads * n_tokens * sizeof(best_lanes);
}

static best_lanes *lanes_of(const tdm__matmul_job *job, size_t member, size_t i)
{
    return (best_lanes *)job->best_scratch + member * job->n_best + i;
}

void tdm__best_rows_begin(const tdm__matmul_job *job, size_t member)
{
    for (size_t i = 0; i < job->n_best; i++) {
        best_lanes *lanes = lanes_of(job, member, i);
        for (size_t r = 0; r < TDM__PANEL_ROWS; r++) {
            lanes->value[r] = -INFINITY;
            lanes->panel[r] = lanes->bad[r] = 0;
        }
    }
}

void tdm__best_rows_note(const tdm__matmul_job *job, size_t member, size_t i, const float *results, size_t panel)
{
    best_lanes *best = lanes_of(job, member, i);
    for (size_t r = 0; r < TDM__PANEL_ROWS; r++) {
        bool is_better = results[r] > best->value[r];
        best->bad[r] |= !(results[r] <= FLT_MAX);
        best->value[r] = is_better ? results[r] : best->value[r];
        best->panel[r] = is_better ? (uint32_t)panel : best->panel[r];
    }
}

tdm__best tdm__best_rows_get(const tdm__matmul_job *job, size_t i, size_t n_members)
{
    tdm__best best = {.row = 0, .value = -INFINITY};
    uint32_t bad = 0;
    for (size_t member = 0; member < n_members; member++) {
        const best_lanes *lanes = lanes_of(job, member, i);
        for (size_t r = 0; r < TDM__PANEL_ROWS; r++) {
            int32_t row = (int32_t)(lanes->panel[r] * TDM__PANEL_ROWS + r);
            bad |= lanes->bad[r];
            if (lanes->value[r] > best.value || (lanes->value[r] == best.value && row < best.row))
                best = (tdm__best){row, lanes->value[r]};
        }
    }
    if (bad)
        best.value = NAN;
    return best;
}
