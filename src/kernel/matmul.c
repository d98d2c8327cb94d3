/* matmul.c - splits products over the team and walks their panels, slab by slab.
 *
 * The panels (16 rows) of all jobs of a run lie end to end. With few tokens each member gets one contiguous part of
 * their bytes, the same in every call, because decoding is bound by memory and a steady forward stream is what the
 * prefetchers follow; one panel after the other is one stream. Many tokens are a matter of arithmetic: smaller parts
 * are taken as they come, since a core that is held up must not hold up the others. They are walked in tiles, and
 * panels two at a time, so that an activation is loaded once for both: neighbours, or a gate's panel and the one that
 * it gates, whose results then never leave the first-level cache. What a member keeps beside that are 32 sums a token,
 * on its stack. A token of two terms is two lines of activations: the kernels do not know, their sums are added at the
 * end.
 */
#include "kernel/matmul.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/checked.h"
#include "kernel/act_run.h"
#include "kernel/best_rows.h"
#include "kernel/kernels.h"

enum {
    TILE_LINES_MAX = TDM__DOT_TOKENS_MAX, /* 16 KB of sums */
    TILE_LINES_MIN = 16,          /* so that a slab in cache is used often enough, however wide the rows */
    TILE_ACTS_BYTES = 4096 << 10, /* activations of a tile: they stream through the caches once a pair of panels */
    PARTS_PER_MEMBER = 8,         /* of many tokens, to be taken */
    AHEAD_BYTES = 12 << 10,       /* weights are asked for so long before; 8 to 16 KB are equally good */
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
            rest[i] = x[i] - tdm__act_scale(first, i / 32) * (float)first->q[i];
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
    size_t bytes;       /* of all panels */
    atomic_size_t next; /* part to be taken */
} matmul_run;

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
    size_t index; /* in w */
    size_t lines_per_token;
    float (*acc)[TDM__PANEL_ROWS]; /* [lines] */
} panel;

/* The panels of a job are shared out by two: neighbours, or one and its gate. */
static size_t units_of(const tdm__matmul_job *job)
{
    size_t n = tdm__panels_of(job->w->n_rows);
    return job->gate ? n : (n + 1) / 2;
}

static size_t unit_bytes(const tdm__matmul_job *job)
{
    return job->w->panel_bytes + (job->gate ? job->gate->panel_bytes : job->w->panel_bytes);
}

/* A panel whose sums of the part's tokens, at acc [TILE_LINES_MAX], are zero. */
static void panel_open(const matmul_run *run, const tdm__weight *w, size_t index, const part *of,
                       float (*acc)[TDM__PANEL_ROWS], panel *out)
{
    out->w = w;
    out->bytes = w->panels + index * w->panel_bytes;
    out->index = index;
    out->lines_per_token = run->kernels->dot[w->type] ? run->acts->terms : 1;
    out->acc = acc;
    memset(acc, 0, of->n_tokens * out->lines_per_token * sizeof acc[0]);
}

/* What is multiplied in a while, byte `at` of a panel: behind its end comes what has its place next, skip bytes on. */
static const uint8_t *ahead_of(const panel *p, size_t at, size_t skip)
{
    return (const uint8_t *)((uintptr_t)p->bytes + at + (at < p->w->panel_bytes ? 0 : skip));
}

/* Slab by slab through n panels of one type and width. */
static void multiply_slabs(const matmul_run *run, const part *of, const panel *panels, size_t n, size_t skip)
{
    const tdm__weight *w = panels[0].w;
    const tdm__acts *a = run->acts;
    const tdm__dot_fn dot = run->kernels->dot[w->type];
    const size_t lines = panels[0].lines_per_token, slab_bytes = tdm__packed_slab_bytes(w->type, TDM__SLAB_COLS);
    const size_t distance = n == 1 ? AHEAD_BYTES : AHEAD_BYTES / 2;
    tdm__dot_panel slabs[2];
    size_t at = 0, line = of->first_token * lines; /* of the slab: in a panel, in the activations */
    for (size_t first = 0; first < w->n_cols; first += TDM__SLAB_COLS) {
        const size_t n_cols = tdm__slab_cols(w->n_cols, first);
        for (size_t i = 0; i < n; i++) {
            slabs[i].slab = panels[i].bytes + at;
            slabs[i].ahead = ahead_of(&panels[i], at + distance, skip);
            slabs[i].acc = panels[i].acc;
        }
        if (dot)
            dot(slabs, n, n_cols, a->q + line, of->n_tokens * lines);
        for (size_t i = 0; i < n && !dot; i++)
            run->kernels->dot_float[w->type](&slabs[i], n_cols, a->x + of->first_token * a->n_cols + first, a->n_cols,
                                             of->n_tokens);
        at += slab_bytes;
        line += a->n_tokens * lines;
    }
}

static size_t rows_of(const panel *p)
{
    return tdm__min_size(p->w->n_rows - p->index * TDM__PANEL_ROWS, TDM__PANEL_ROWS);
}

static void copy_rows(float *to, const float *from, size_t n_rows)
{
    if (n_rows == TDM__PANEL_ROWS) /* a size that is known becomes two or four moves */
        memcpy(to, from, TDM__PANEL_ROWS * sizeof to[0]);
    else
        memcpy(to, from, n_rows * sizeof to[0]);
}

/* Where a token's results of a panel belong. */
static float *out_of(const tdm__matmul_job *job, size_t token, const panel *p)
{
    return job->out + token * job->out_stride + p->index * TDM__PANEL_ROWS;
}

/* The rows behind the matrix's last one are no results. */
static void note_token(const tdm__matmul_job *job, const part *of, size_t index, size_t n_rows, size_t i, float *sums)
{
    for (size_t r = n_rows; r < TDM__PANEL_ROWS; r++)
        sums[r] = -INFINITY;
    tdm__best_rows_note(job, of->member, i, sums, index);
}

/* Results from sums, to where they are wanted. */
static void write_panel(const matmul_run *run, const tdm__matmul_job *job, const part *of, const panel *p)
{
    const size_t n_rows = rows_of(p), n_written = run->acts->n_tokens - job->n_best;
    for (size_t t = 0; t < of->n_tokens; t++) {
        const size_t token = of->first_token + t;
        for (size_t r = 0; job->bias && r < n_rows; r++)
            p->acc[t][r] = job->bias[p->index * TDM__PANEL_ROWS + r] + p->acc[t][r];
        if (token < n_written)
            copy_rows(out_of(job, token, p), p->acc[t], n_rows);
        else
            note_token(job, of, p->index, n_rows, token - n_written, p->acc[t]);
    }
}

/* The sums of two terms become one, in the first lines. */
static void add_terms(const part *of, const panel *p)
{
    for (size_t t = 0; p->lines_per_token == 2 && t < of->n_tokens; t++)
        for (size_t r = 0; r < TDM__PANEL_ROWS; r++)
            p->acc[t][r] = p->acc[2 * t][r] + p->acc[2 * t + 1][r];
}

/* sums = silu(what waits in out) * sums. */
static void gate_panel(const matmul_run *run, const tdm__matmul_job *job, const part *of, const panel *p)
{
    _Alignas(64) float gate[TILE_LINES_MAX][TDM__PANEL_ROWS];
    memset(gate, 0, of->n_tokens * sizeof gate[0]);
    for (size_t t = 0; t < of->n_tokens; t++)
        copy_rows(gate[t], out_of(job, of->first_token + t, p), rows_of(p));
    run->kernels->silu_mul(gate[0], p->acc[0], p->acc[0], of->n_tokens * TDM__PANEL_ROWS);
}

/* One panel alone. A gate's results wait in out for those of the matrix that it gates. */
static void multiply_panel(const matmul_run *run, const tdm__matmul_job *job, const tdm__weight *w, size_t index,
                           const part *of)
{
    _Alignas(64) float acc[TILE_LINES_MAX][TDM__PANEL_ROWS];
    panel p;
    panel_open(run, w, index, of, acc, &p);
    multiply_slabs(run, of, &p, 1, 0);
    add_terms(of, &p);
    if (job->gate && w == job->w)
        gate_panel(run, job, of, &p);
    write_panel(run, job, of, &p);
}

/* Panels 2 i and 2 i + 1, or panel i and its gate, slab by slab. */
static void multiply_pair(const matmul_run *run, const tdm__matmul_job *job, size_t i, const part *of)
{
    _Alignas(64) float acc[2][TILE_LINES_MAX][TDM__PANEL_ROWS];
    panel p[2];
    panel_open(run, job->gate ? job->gate : job->w, job->gate ? i : 2 * i, of, acc[0], &p[0]);
    panel_open(run, job->w, job->gate ? i : 2 * i + 1, of, acc[1], &p[1]);
    multiply_slabs(run, of, p, 2, job->gate ? 0 : job->w->panel_bytes);
    add_terms(of, &p[0]);
    add_terms(of, &p[1]);
    if (job->gate)
        run->kernels->silu_mul(acc[0][0], acc[1][0], acc[1][0], of->n_tokens * TDM__PANEL_ROWS);
    else
        write_panel(run, job, of, &p[0]);
    write_panel(run, job, of, &p[1]);
}

/* A job's units begin .. end - 1 one panel after the other. */
static void multiply_singly(const matmul_run *run, const tdm__matmul_job *job, size_t begin, size_t end, const part *of)
{
    size_t per_unit = job->gate ? 1 : 2, n_panels = tdm__panels_of(job->w->n_rows);
    end = tdm__min_size(end * per_unit, n_panels);
    for (size_t i = begin * per_unit; job->gate && i < end; i++)
        multiply_panel(run, job, job->gate, i, of);
    for (size_t i = begin * per_unit; i < end; i++)
        multiply_panel(run, job, job->w, i, of);
}

/* Few tokens are a matter of memory, where one stream is better than two. */
static bool takes_pairs(const matmul_run *run, const tdm__matmul_job *job, const part *of)
{
    return of->n_tokens * run->acts->terms > TDM__DOT_FEW && (!job->gate || job->gate->type == job->w->type);
}

static void multiply_units(const matmul_run *run, const tdm__matmul_job *job, size_t begin, size_t end, const part *of)
{
    const size_t n_pairs = job->gate ? units_of(job) : tdm__panels_of(job->w->n_rows) / 2;
    if (takes_pairs(run, job, of))
        for (; begin < end && begin < n_pairs; begin++)
            multiply_pair(run, job, begin, of);
    multiply_singly(run, job, begin, end, of);
}

/* The units of jobs that begin in the part's bytes of the run. */
static void multiply_part(const matmul_run *run, const part *of)
{
    size_t at = 0; /* where the job's panels begin */
    for (size_t j = 0; j < run->n_jobs && at < of->end; j++) {
        const tdm__matmul_job *job = &run->jobs[j];
        const size_t bytes = unit_bytes(job), n_units = units_of(job);
        size_t begin = of->begin > at ? (of->begin - at + bytes - 1) / bytes : 0;
        size_t end = tdm__min_size(n_units, (of->end - at + bytes - 1) / bytes);
        multiply_units(run, job, begin, end, of);
        at += n_units * bytes;
    }
}

/* Tokens of a tile. */
static size_t tile_of(const tdm__acts *a)
{
    size_t lines = TILE_ACTS_BYTES / tdm__acts_bytes(1, a->n_cols, 1);
    lines = tdm__max_size(TILE_LINES_MIN, tdm__min_size(TILE_LINES_MAX, lines));
    return lines / a->terms;
}

/* Few tokens: each member has its part of the bytes. */
static void multiply_own(const matmul_run *run, part *p, size_t n_members)
{
    tdm__team_range(run->bytes, (int)p->member, (int)n_members, &p->begin, &p->end);
    p->n_tokens = run->acts->n_tokens;
    multiply_part(run, p);
}

/* Many: parts are taken as they come, tile by tile, so that a member that is slower does less. */
static void multiply_taken(matmul_run *run, part *p, size_t n_members)
{
    const size_t tile = tile_of(run->acts), n_tokens = run->acts->n_tokens, n_parts = n_members * PARTS_PER_MEMBER;
    const size_t n_tiles = (n_tokens + tile - 1) / tile;
    size_t i;
    while ((i = atomic_fetch_add_explicit(&run->next, 1, memory_order_relaxed)) < n_tiles * n_parts) {
        p->first_token = i / n_parts * tile;
        p->n_tokens = tdm__min_size(n_tokens - p->first_token, tile);
        tdm__team_range(run->bytes, (int)(i % n_parts), (int)n_parts, &p->begin, &p->end);
        multiply_part(run, p);
    }
}

static void matmul_member(void *ctx, int i, int n)
{
    matmul_run *run = ctx;
    part p = {.member = (size_t)i};
    for (size_t j = 0; j < run->n_jobs; j++)
        tdm__best_rows_begin(&run->jobs[j], p.member);
    if (run->acts->n_tokens * run->acts->terms <= TDM__DOT_FEW)
        multiply_own(run, &p, (size_t)n);
    else
        multiply_taken(run, &p, (size_t)n);
}

void tdm__matmul(const tdm__kernels *k, tdm__team *team, const tdm__matmul_job *jobs, size_t n_jobs, const tdm__acts *a)
{
    assert(a->terms == 1 || a->terms == 2);
    matmul_run run = {.kernels = k, .jobs = jobs, .n_jobs = n_jobs, .acts = a};
    for (size_t j = 0; j < n_jobs; j++)
        run.bytes += units_of(&jobs[j]) * unit_bytes(&jobs[j]);
    tdm__team_run(team, matmul_member, &run);
    for (size_t j = 0; j < n_jobs; j++)
        for (size_t t = 0; t < jobs[j].n_best; t++)
            jobs[j].best[t] = tdm__best_rows_get(&jobs[j], t, (size_t)tdm__team_size(team));
}
