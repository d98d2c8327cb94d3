/* matmul.c - splits products over the team and walks their panels, slab by slab.
 *
 * The panels (16 rows) of all jobs of a run lie end to end; each member gets one contiguous part of their bytes, the
 * same in every call, because decoding is bound by memory and a steady forward stream is what the prefetchers follow.
 * Tokens are walked in tiles whose activations stay in the second-level cache while all panels pass by. What a member
 * keeps beside that are 16 sums a token, on its stack. A token of two terms is two lines of activations: the
 * kernels do not know, their sums are added at the end.
 */
#include "kernel/matmul.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/checked.h"
#include "kernel/kernels.h"

enum {
    TILE_LINES_MAX = 128,        /* 8 KB of sums */
    TILE_LINES_MIN = 16,         /* so that a slab in cache is used often enough, however wide the rows */
    TILE_ACTS_BYTES = 512 << 10, /* activations of a tile: half of a usual second-level cache */
};

static size_t slabs_of(size_t n_cols) { return (n_cols + TDM__SLAB_COLS - 1) / TDM__SLAB_COLS; }

size_t tdm__acts_bytes(size_t n_tokens, size_t n_cols, size_t terms)
{
    return slabs_of(n_cols) * n_tokens * terms * sizeof(tdm__act_slab);
}

/* Each slab of token t, and behind it the slab of what its 8 bits leave. */
static void quantize_twice(const tdm__kernels *k, const tdm__acts *a, size_t t)
{
    const float *x = a->x + t * a->n_cols;
    float rest[TDM__SLAB_COLS];
    for (size_t s = 0; s < slabs_of(a->n_cols); s++, x += TDM__SLAB_COLS) {
        size_t n = tdm__slab_cols(a->n_cols, s * TDM__SLAB_COLS);
        tdm__act_slab *first = a->q + 2 * (s * a->n_tokens + t);
        k->quantize(x, n, first, 1);
        for (size_t i = 0; i < n; i++)
            rest[i] = x[i] - first->scale[i / 32] * (float)first->q[i];
        k->quantize(rest, n, first + 1, 1);
    }
}

void tdm__acts_quantize(const tdm__kernels *k, const tdm__acts *a, size_t begin, size_t end)
{
    for (size_t t = begin; t < end; t++)
        if (a->terms == 1)
            k->quantize(a->x + t * a->n_cols, a->n_cols, a->q + t, a->n_tokens);
        else
            quantize_twice(k, a, t);
}

typedef struct matmul_run {
    const tdm__kernels *kernels;
    const tdm__matmul_job *jobs;
    size_t n_jobs;
    const tdm__acts *acts;
    size_t bytes; /* of all panels */
} matmul_run;

/* What a member has seen of a token's results: a lane is a row of the panels. */
typedef struct best_lanes {
    float value[TDM__PANEL_ROWS];
    uint32_t panel[TDM__PANEL_ROWS]; /* the first with that value */
    uint32_t bad[TDM__PANEL_ROWS];   /* not 0: NaN or +infinity was there */
} best_lanes;

size_t tdm__best_bytes(size_t n_tokens, int n_threads)
{
    return (size_t)n_threads * n_tokens * sizeof(best_lanes);
}

/* A member's, [n_best]. */
static best_lanes *best_of(const tdm__matmul_job *job, size_t member)
{
    return job->n_best > 0 ? (best_lanes *)job->best_scratch + member * job->n_best : NULL;
}

static void best_begin(const tdm__matmul_job *job, size_t member)
{
    best_lanes *lanes = best_of(job, member);
    for (size_t t = 0; t < job->n_best; t++)
        for (size_t r = 0; r < TDM__PANEL_ROWS; r++) {
            lanes[t].value[r] = -INFINITY;
            lanes[t].panel[r] = lanes[t].bad[r] = 0;
        }
}

static void best_note(best_lanes *best, const float *out, uint32_t panel)
{
    for (size_t r = 0; r < TDM__PANEL_ROWS; r++) {
        bool is_better = out[r] > best->value[r];
        best->bad[r] |= !(out[r] <= FLT_MAX);
        best->value[r] = is_better ? out[r] : best->value[r];
        best->panel[r] = is_better ? panel : best->panel[r];
    }
}

/* Of all members and lanes, for token t of those whose best is wanted. */
static tdm__best best_get(const tdm__matmul_job *job, size_t t, size_t n_members)
{
    tdm__best best = {.row = 0, .value = -INFINITY};
    uint32_t bad = 0;
    for (size_t i = 0; i < n_members; i++) {
        const best_lanes *lanes = best_of(job, i) + t;
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

/* What a member computes in one go. */
typedef struct part {
    size_t member;
    size_t begin, end; /* bytes of the run's panels */
    size_t first_token, n_tokens;
} part;

/* A panel within a token tile. A line is a token's activations, or one term of them: 16 sums. */
typedef struct panel {
    const tdm__weight *w;
    const uint8_t *bytes;
    size_t n_rows;
    size_t first_token;
    size_t n_tokens;
    size_t n_written; /* tokens of the run before those whose best row is wanted */
    size_t lines_per_token;
} panel;

static void multiply_slabs(const matmul_run *run, const panel *p, float (*acc)[TDM__PANEL_ROWS])
{
    const tdm__kernels *k = run->kernels;
    const tdm__weight *w = p->w;
    const tdm__acts *a = run->acts;
    const uint8_t *slab = p->bytes;
    const size_t whole_bytes = tdm__packed_slab_bytes(w->type, TDM__SLAB_COLS);
    for (size_t s = 0; s < slabs_of(w->n_cols); s++) {
        size_t n_cols = tdm__slab_cols(w->n_cols, s * TDM__SLAB_COLS), bytes = whole_bytes;
        if (n_cols < TDM__SLAB_COLS)
            bytes = tdm__packed_slab_bytes(w->type, n_cols);
        if (k->dot[w->type])
            k->dot[w->type](slab, n_cols, a->q + (s * a->n_tokens + p->first_token) * p->lines_per_token,
                            p->n_tokens * p->lines_per_token, acc);
        else
            k->dot_float[w->type](slab, n_cols, a->x + p->first_token * a->n_cols + s * TDM__SLAB_COLS, a->n_cols,
                                  p->n_tokens, acc);
        slab += bytes;
    }
}

/* A token's results from its sums, to where they are wanted. The rows behind the matrix's last one are no results. */
static void write_token(const tdm__matmul_job *job, const panel *p, size_t index, size_t token, float *sums,
                        best_lanes *best)
{
    const float *bias = job->bias ? job->bias + index * TDM__PANEL_ROWS : NULL;
    for (size_t r = 0; bias && r < p->n_rows; r++)
        sums[r] = bias[r] + sums[r];
    if (token >= p->n_written) {
        for (size_t r = p->n_rows; r < TDM__PANEL_ROWS; r++)
            sums[r] = -INFINITY;
        best_note(best + (token - p->n_written), sums, (uint32_t)index);
        return;
    }
    float *to = job->out + token * job->out_stride + index * TDM__PANEL_ROWS;
    if (p->n_rows == TDM__PANEL_ROWS) /* a size that is known becomes two or four moves */
        memcpy(to, sums, TDM__PANEL_ROWS * sizeof to[0]);
    else
        memcpy(to, sums, p->n_rows * sizeof to[0]);
}

static void write_results(const tdm__matmul_job *job, const panel *p, size_t index, best_lanes *best,
                          float (*acc)[TDM__PANEL_ROWS])
{
    for (size_t t = 0; t < p->n_tokens; t++) {
        float *sums = acc[t * p->lines_per_token];
        for (size_t r = 0; p->lines_per_token == 2 && r < TDM__PANEL_ROWS; r++)
            sums[r] += sums[TDM__PANEL_ROWS + r];
        write_token(job, p, index, p->first_token + t, sums, best);
    }
}

static void multiply_panel(const matmul_run *run, const tdm__matmul_job *job, size_t index, const part *of)
{
    _Alignas(64) float acc[TILE_LINES_MAX][TDM__PANEL_ROWS];
    size_t n_rows = tdm__min_size(job->w->n_rows - index * TDM__PANEL_ROWS, TDM__PANEL_ROWS);
    panel p = {.w = job->w, .bytes = job->w->panels + index * job->w->panel_bytes, .n_rows = n_rows,
               .first_token = of->first_token, .n_tokens = of->n_tokens,
               .n_written = run->acts->n_tokens - job->n_best,
               .lines_per_token = run->kernels->dot[job->w->type] ? run->acts->terms : 1};
    memset(acc, 0, p.n_tokens * p.lines_per_token * sizeof acc[0]);
    multiply_slabs(run, &p, acc);
    write_results(job, &p, index, best_of(job, of->member), acc);
}

/* The panels of jobs that begin in the part's bytes of the run. */
static void multiply_part(const matmul_run *run, const part *of)
{
    size_t at = 0; /* where the job's panels begin */
    for (size_t j = 0; j < run->n_jobs && at < of->end; j++) {
        const tdm__weight *w = run->jobs[j].w;
        size_t panel_bytes = w->panel_bytes, n_panels = tdm__panels_of(w->n_rows);
        size_t first = of->begin > at ? (of->begin - at + panel_bytes - 1) / panel_bytes : 0;
        for (size_t i = first; i < n_panels && at + i * panel_bytes < of->end; i++)
            multiply_panel(run, &run->jobs[j], i, of);
        at += n_panels * panel_bytes;
    }
}

static void matmul_member(void *ctx, int i, int n)
{
    const matmul_run *run = ctx;
    part p = {.member = (size_t)i};
    size_t tokens = run->acts->n_tokens;
    tdm__team_range(run->bytes, i, n, &p.begin, &p.end);
    for (size_t j = 0; j < run->n_jobs; j++)
        best_begin(&run->jobs[j], p.member);
    size_t tile = TILE_ACTS_BYTES / tdm__acts_bytes(1, run->acts->n_cols, 1);
    if (tile > TILE_LINES_MAX)
        tile = TILE_LINES_MAX;
    if (tile < TILE_LINES_MIN)
        tile = TILE_LINES_MIN;
    tile /= run->acts->terms;
    for (; p.first_token < tokens; p.first_token += tile) {
        p.n_tokens = tdm__min_size(tokens - p.first_token, tile);
        multiply_part(run, &p);
    }
}

void tdm__matmul(const tdm__kernels *k, tdm__team *team, const tdm__matmul_job *jobs, size_t n_jobs, const tdm__acts *a)
{
    assert(a->terms == 1 || a->terms == 2);
    matmul_run run = {.kernels = k, .jobs = jobs, .n_jobs = n_jobs, .acts = a};
    for (size_t j = 0; j < n_jobs; j++)
        run.bytes += tdm__panels_of(jobs[j].w->n_rows) * jobs[j].w->panel_bytes;
    tdm__team_run(team, matmul_member, &run);
    for (size_t j = 0; j < n_jobs; j++)
        for (size_t t = 0; t < jobs[j].n_best; t++)
            jobs[j].best[t] = best_get(&jobs[j], t, (size_t)tdm__team_size(team));
}
