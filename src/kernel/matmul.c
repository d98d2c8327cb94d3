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
#include <stdbool.h>

#include "base/checked.h"
#include "kernel/kernels.h"

enum {
    TILE_LINES_MAX = 128,        /* 8 KB of sums */
    TILE_LINES_MIN = 16,         /* so that a slab in cache is used often enough, however wide the rows */
    TILE_ACTS_BYTES = 512 << 10, /* activations of a tile: half of a usual second-level cache */
    CACHE_LINE = 64,
    PREFETCH_AHEAD = 12 << 10,   /* to the second-level cache; 8 to 16 KB are equally good */
};

static size_t slabs_of(size_t n_cols) { return (n_cols + TDM__SLAB_COLS - 1) / TDM__SLAB_COLS; }

size_t tdm__acts_bytes(size_t n_tokens, size_t n_cols, size_t terms)
{
    return slabs_of(n_cols) * n_tokens * terms * sizeof(tdm__act_slab);
}

typedef struct quantize_run {
    const tdm__kernels *kernels;
    const tdm__acts *acts;
} quantize_run;

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

static void quantize_member(void *ctx, int i, int n)
{
    const quantize_run *run = ctx;
    const tdm__acts *a = run->acts;
    size_t begin, end;
    tdm__team_range(a->n_tokens, i, n, &begin, &end);
    for (size_t t = begin; t < end; t++)
        if (a->terms == 1)
            run->kernels->quantize(a->x + t * a->n_cols, a->n_cols, a->q + t, a->n_tokens);
        else
            quantize_twice(run->kernels, a, t);
}

void tdm__acts_quantize(const tdm__kernels *k, tdm__team *team, tdm__acts *a)
{
    quantize_run run = {k, a};
    if (a->n_tokens == 1) /* not worth waking anybody */
        quantize_member(&run, 0, 1);
    else
        tdm__team_run(team, quantize_member, &run);
}

typedef struct matmul_run {
    const tdm__kernels *kernels;
    const tdm__matmul_job *jobs;
    size_t n_jobs;
    const tdm__acts *acts;
    size_t bytes; /* of all panels */
} matmul_run;

/* A panel within a token tile. A line is a token's activations, or one term of them: 16 sums. */
typedef struct panel {
    const tdm__weight *w;
    const uint8_t *bytes;
    size_t n_rows;
    size_t first_token;
    size_t n_tokens;
    size_t lines_per_token;
} panel;

/* Asks for what lies PREFETCH_AHEAD behind a slab, as many bytes as the slab has, while it is multiplied: the panels of
 * a member are one linear stream. Inlined by force: gcc 12 takes a function that only prefetches for one without effect
 * and drops its calls. */
static inline __attribute__((always_inline)) void prefetch(const uint8_t *slab, const uint8_t *end, size_t bytes)
{
    size_t left = (size_t)(end - slab), begin = tdm__min_size(left, PREFETCH_AHEAD);
    for (size_t at = begin; at < tdm__min_size(left, begin + bytes); at += CACHE_LINE)
        __builtin_prefetch(slab + at, 0, 2);
}

static void multiply_slabs(const matmul_run *run, const panel *p, float (*acc)[TDM__PANEL_ROWS])
{
    const tdm__kernels *k = run->kernels;
    const tdm__weight *w = p->w;
    const tdm__acts *a = run->acts;
    const uint8_t *slab = p->bytes, *end = w->panels + tdm__panels_of(w->n_rows) * w->panel_bytes;
    for (size_t s = 0; s < slabs_of(w->n_cols); s++) {
        size_t n_cols = tdm__slab_cols(w->n_cols, s * TDM__SLAB_COLS), bytes = tdm__packed_slab_bytes(w->type, n_cols);
        prefetch(slab, end, bytes);
        if (k->dot[w->type])
            k->dot[w->type](slab, n_cols, a->q + (s * a->n_tokens + p->first_token) * p->lines_per_token,
                            p->n_tokens * p->lines_per_token, acc);
        else
            k->dot_float[w->type](slab, n_cols, a->x + p->first_token * a->n_cols + s * TDM__SLAB_COLS, a->n_cols,
                                  p->n_tokens, acc);
        slab += bytes;
    }
}

static void write_sums(const tdm__matmul_job *job, const panel *p, size_t first_row,
                       const float (*acc)[TDM__PANEL_ROWS])
{
    for (size_t t = 0; t < p->n_tokens; t++) {
        float *out = job->out + (p->first_token + t) * job->out_stride + first_row;
        const float *sums = acc[t * p->lines_per_token], *rest = p->lines_per_token == 2 ? acc[2 * t + 1] : NULL;
        for (size_t r = 0; r < p->n_rows; r++) {
            float sum = rest ? sums[r] + rest[r] : sums[r];
            out[r] = job->bias ? job->bias[first_row + r] + sum : sum;
        }
    }
}

static void multiply_panel(const matmul_run *run, const tdm__matmul_job *job, size_t index, size_t first_token,
                           size_t n_tokens)
{
    _Alignas(64) float acc[TILE_LINES_MAX][TDM__PANEL_ROWS];
    size_t first_row = index * TDM__PANEL_ROWS, n_rows = job->w->n_rows - first_row;
    if (n_rows > TDM__PANEL_ROWS)
        n_rows = TDM__PANEL_ROWS;
    panel p = {.w = job->w, .bytes = job->w->panels + index * job->w->panel_bytes, .n_rows = n_rows,
               .first_token = first_token, .n_tokens = n_tokens,
               .lines_per_token = run->kernels->dot[job->w->type] ? run->acts->terms : 1};
    for (size_t i = 0; i < n_tokens * p.lines_per_token; i++)
        for (size_t r = 0; r < TDM__PANEL_ROWS; r++)
            acc[i][r] = 0;
    multiply_slabs(run, &p, acc);
    write_sums(job, &p, first_row, (const float(*)[TDM__PANEL_ROWS])acc);
}

/* The panels of jobs that begin in bytes [begin, end) of the run. */
static void multiply_part(const matmul_run *run, size_t begin, size_t end, size_t first_token, size_t n_tokens)
{
    size_t at = 0; /* where the job's panels begin */
    for (size_t j = 0; j < run->n_jobs && at < end; j++) {
        const tdm__weight *w = run->jobs[j].w;
        size_t panel_bytes = w->panel_bytes, n_panels = tdm__panels_of(w->n_rows);
        size_t first = begin > at ? (begin - at + panel_bytes - 1) / panel_bytes : 0;
        for (size_t i = first; i < n_panels && at + i * panel_bytes < end; i++)
            multiply_panel(run, &run->jobs[j], i, first_token, n_tokens);
        at += n_panels * panel_bytes;
    }
}

static void matmul_member(void *ctx, int i, int n)
{
    const matmul_run *run = ctx;
    size_t begin, end, tokens = run->acts->n_tokens;
    tdm__team_range(run->bytes, i, n, &begin, &end);
    size_t tile = TILE_ACTS_BYTES / tdm__acts_bytes(1, run->acts->n_cols, 1);
    if (tile > TILE_LINES_MAX)
        tile = TILE_LINES_MAX;
    if (tile < TILE_LINES_MIN)
        tile = TILE_LINES_MIN;
    tile /= run->acts->terms;
    for (size_t t = 0; t < tokens; t += tile)
        multiply_part(run, begin, end, t, tokens - t < tile ? tokens - t : tile);
}

void tdm__matmul(const tdm__kernels *k, tdm__team *team, const tdm__matmul_job *jobs, size_t n_jobs, const tdm__acts *a)
{
    assert(a->terms == 1 || a->terms == 2);
    matmul_run run = {.kernels = k, .jobs = jobs, .n_jobs = n_jobs, .acts = a};
    for (size_t j = 0; j < n_jobs; j++)
        run.bytes += tdm__panels_of(jobs[j].w->n_rows) * jobs[j].w->panel_bytes;
    tdm__team_run(team, matmul_member, &run);
}
