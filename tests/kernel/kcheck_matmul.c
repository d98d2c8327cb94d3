/* kcheck_matmul.c - whole products: the same bits for every level, team and batch; and what they mean, in double. */
#include "kcheck.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/act_run.h"
#include "kernel/matmul.h"
#include "os/team.h"

enum { TEAMS = 3, JOBS_MAX = 3 };

typedef struct setting {
    tdm__team *team[TEAMS]; /* of 1, 2, 3 */
} setting;

/* A matrix of random rows of a file, packed. */
static tdm__weight matrix(kcheck *c, tdm__type type, size_t n_rows, size_t n_cols)
{
    const tdm__type_traits *t = tdm__type_get((uint32_t)type);
    const size_t row_bytes = n_cols / t->block_values * t->block_bytes;
    tdm__weight w = {.type = type, .n_rows = n_rows, .n_cols = n_cols};
    w.panel_bytes = tdm__packed_panel_bytes(type, n_cols);
    uint8_t *rows = kcheck_buffer(c, n_rows * row_bytes);
    uint8_t *panels = kcheck_buffer(c, tdm__packed_bytes(type, n_rows, n_cols));
    kcheck_fill_weights(c, type, rows, n_rows * row_bytes);
    for (size_t r = 0; r < n_rows; r += TDM__PANEL_ROWS)
        tdm__pack_panel(type, rows + r * row_bytes, row_bytes,
                        n_rows - r < TDM__PANEL_ROWS ? n_rows - r : TDM__PANEL_ROWS, n_cols,
                        panels + r / TDM__PANEL_ROWS * w.panel_bytes);
    w.panels = panels;
    return w;
}

/* The product of row r and token t in double, from the quantised activations where the weights are quantised; *size is
 * the sum of magnitudes, against which rounding is measured. */
static double meant(const tdm__weight *w, size_t r, const tdm__acts *a, size_t t, double *size)
{
    float row[4864];
    double sum = 0;
    tdm__packed_row(w, r, row);
    *size = 0;
    for (size_t k = 0; k < w->n_cols; k++) {
        double x = (double)a->x[t * a->n_cols + k];
        if (tdm__type_get((uint32_t)w->type)->block_values > 1) {
            const tdm__act_slab *s = &a->q[(k / TDM__SLAB_COLS * a->n_tokens + t) * a->terms];
            x = 0;
            for (size_t i = 0; i < a->terms; i++)
                x += (double)tdm__act_scale(&s[i], k % TDM__SLAB_COLS / 32) * s[i].q[k % TDM__SLAB_COLS];
        }
        sum += (double)row[k] * x;
        *size += fabs((double)row[k] * x);
    }
    return sum;
}

static void check_meaning(kcheck *c, const tdm__matmul_job *job, const tdm__acts *a)
{
    for (size_t t = 0; t < a->n_tokens; t++)
        for (size_t r = 0; r < job->w->n_rows; r++) {
            double size, sum = meant(job->w, r, a, t, &size) + (job->bias ? (double)job->bias[r] : 0.0);
            double got = (double)job->out[t * job->out_stride + r];
            kcheck_that(c, fabs(got - sum) <= 1e-5 * (size + 1), "far from the product in double");
        }
}

static void multiply(const tdm__kernels *k, tdm__team *team, const tdm__matmul_job *jobs, size_t n_jobs, tdm__acts *a)
{
    if (a->q)
        tdm__acts_quantize(k, a, 0, a->n_tokens);
    tdm__matmul(k, team, jobs, n_jobs, a);
}

/* Each token by itself gives the bits that it had in the batch. */
static void check_alone(kcheck *c, const setting *s, const tdm__matmul_job *job, const tdm__acts *batch)
{
    float *out = malloc(job->w->n_rows * sizeof *out);
    tdm__matmul_job alone = {.w = job->w, .bias = job->bias, .out = out, .out_stride = job->w->n_rows};
    for (size_t t = 0; out && t < batch->n_tokens; t++) {
        tdm__acts a = {.x = batch->x + t * batch->n_cols, .n_tokens = 1, .n_cols = batch->n_cols,
                       .terms = batch->terms};
        a.q = batch->q ? aligned_alloc(64, tdm__acts_bytes(1, a.n_cols, a.terms)) : NULL;
        multiply(kcheck_level(c), s->team[t % TEAMS], &alone, 1, &a);
        kcheck_same_floats(c, "token alone", job->out + t * job->out_stride, out, job->w->n_rows);
        free(a.q);
    }
    kcheck_that(c, out != NULL, "no memory");
    free(out);
}

/* Two or three matrices of these types and numbers of rows, in one run. */
static void check_product(kcheck *c, const setting *s, const tdm__type *types, const size_t *rows, size_t n_jobs,
                          size_t n_cols, size_t n_tokens, size_t terms)
{
    kcheck_begin(c, "%s and %zu more, %zu rows, %zu columns, %zu tokens, %zu terms",
                 tdm__type_get((uint32_t)types[0])->name, n_jobs - 1, rows[0], n_cols, n_tokens, terms);
    float *x = kcheck_buffer(c, n_tokens * n_cols * sizeof *x);
    kcheck_fill_floats(c, KCHECK_NORMAL, x, n_tokens * n_cols);
    size_t acts_bytes = tdm__acts_bytes(n_tokens, n_cols, terms);
    tdm__acts a = {.x = x, .n_tokens = n_tokens, .n_cols = n_cols, .terms = terms};
    if (n_cols % 32 == 0)
        a.q = kcheck_buffer(c, acts_bytes);
    tdm__weight w[JOBS_MAX];
    tdm__matmul_job expected[JOBS_MAX], got[JOBS_MAX];
    for (size_t j = 0; j < n_jobs; j++) {
        w[j] = matrix(c, types[j], rows[j], n_cols);
        float *bias = j % 2 == 0 ? kcheck_buffer(c, rows[j] * sizeof *bias) : NULL;
        if (bias)
            kcheck_fill_floats(c, KCHECK_NORMAL, bias, rows[j]);
        size_t stride = rows[j] + 3 * j, n = ((n_tokens - 1) * stride + rows[j]) * sizeof(float);
        expected[j] = (tdm__matmul_job){.w = &w[j], .bias = bias, .out = kcheck_buffer(c, n), .out_stride = stride};
        got[j] = (tdm__matmul_job){.w = &w[j], .bias = bias, .out = kcheck_buffer(c, n), .out_stride = stride};
    }
    multiply(kcheck_reference(c), s->team[0], expected, n_jobs, &a);
    for (size_t i = 0; i < TEAMS; i++) {
        multiply(kcheck_level(c), s->team[i], got, n_jobs, &a);
        for (size_t j = 0; j < n_jobs; j++)
            kcheck_same_floats(c, "out", expected[j].out, got[j].out, (n_tokens - 1) * got[j].out_stride + rows[j]);
    }
    for (size_t j = 0; j < n_jobs; j++) {
        check_meaning(c, &got[j], &a);
        check_alone(c, s, &got[j], &a);
    }
    kcheck_end(c);
}

static void check_type(kcheck *c, const setting *s, tdm__type type)
{
    size_t block = tdm__type_get((uint32_t)type)->block_values, step = block < 256 ? 32 : 256;
    const tdm__type types[] = {type, TDM__TYPE_F16, type};
    check_product(c, s, types, (const size_t[]){1}, 1, step, 1, 1);
    check_product(c, s, types, (const size_t[]){16}, 1, step, 3, 1);
    check_product(c, s, types, (const size_t[]){33}, 1, 256 + step, 5, 1);
    check_product(c, s, types, (const size_t[]){50, 1, 31}, 3, 512, 2, 1);
    check_product(c, s, types, (const size_t[]){17, 49}, 2, 3 * step, 18, 1);
    check_product(c, s, types, (const size_t[]){85, 31, 5}, 3, 512, 29, 1);
    check_product(c, s, types, (const size_t[]){16}, 1, step, 1, 2);
    check_product(c, s, types, (const size_t[]){50, 1, 31}, 3, 256 + step, 5, 2);
    if (block == 1) /* odd numbers of columns, too narrow for whole loads */
        check_product(c, s, types, (const size_t[]){20, 2}, 2, 288 - 32 + 5, 3, 1);
}

/* A gated product is the two products and silu, on any team, in any batch. */
static void check_gated(kcheck *c, const setting *s, tdm__type gate_type, tdm__type type, size_t n_rows, size_t n_cols,
                        size_t n_tokens, size_t terms)
{
    kcheck_begin(c, "%s gates %s, %zu rows, %zu columns, %zu tokens, %zu terms",
                 tdm__type_get((uint32_t)gate_type)->name, tdm__type_get((uint32_t)type)->name, n_rows, n_cols,
                 n_tokens, terms);
    const size_t stride = n_rows + 5, n = (n_tokens - 1) * stride + n_rows;
    float *x = kcheck_buffer(c, n_tokens * n_cols * sizeof *x), *gate_out = kcheck_buffer(c, n * sizeof *gate_out);
    float *expected = kcheck_buffer(c, n * sizeof *expected), *got = kcheck_buffer(c, n * sizeof *got);
    kcheck_fill_floats(c, KCHECK_NORMAL, x, n_tokens * n_cols);
    tdm__acts a = {.x = x, .n_tokens = n_tokens, .n_cols = n_cols, .terms = terms};
    a.q = kcheck_buffer(c, tdm__acts_bytes(n_tokens, n_cols, terms));
    tdm__weight gate = matrix(c, gate_type, n_rows, n_cols), w = matrix(c, type, n_rows, n_cols);
    const tdm__matmul_job apart[] = {{.w = &gate, .out = gate_out, .out_stride = stride},
                                     {.w = &w, .out = expected, .out_stride = stride}};
    const tdm__matmul_job gated = {.w = &w, .gate = &gate, .out = got, .out_stride = stride};
    multiply(kcheck_reference(c), s->team[0], apart, 2, &a);
    for (size_t t = 0; t < n_tokens; t++)
        kcheck_reference(c)->silu_mul(gate_out + t * stride, expected + t * stride, expected + t * stride, n_rows);
    for (size_t i = 0; i < TEAMS; i++) {
        multiply(kcheck_level(c), s->team[i], &gated, 1, &a);
        kcheck_same_floats(c, "out", expected, got, n);
    }
    kcheck_end(c);
}

static void check_gates(kcheck *c, const setting *s)
{
    static const size_t tokens[] = {1, 2, 16, 17, 140};
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        check_gated(c, s, TDM__TYPE_Q4_K, TDM__TYPE_Q4_K, 80, 512, tokens[i], 1);
        check_gated(c, s, TDM__TYPE_Q5_0, TDM__TYPE_Q5_0, 50, 288, tokens[i], 1);
        check_gated(c, s, TDM__TYPE_Q4_1, TDM__TYPE_Q4_1, 33, 64, tokens[i], 2);
        check_gated(c, s, TDM__TYPE_Q6_K, TDM__TYPE_Q8_0, 31, 256, tokens[i], 1);
        check_gated(c, s, TDM__TYPE_F16, TDM__TYPE_Q4_0, 17, 96, tokens[i], 2);
        check_gated(c, s, TDM__TYPE_BF16, TDM__TYPE_BF16, 40, 96, tokens[i], 1);
    }
}

/* More tokens than a tile takes. */
static void check_tiles(kcheck *c, const setting *s)
{
    const tdm__type types[] = {TDM__TYPE_Q8_0};
    check_product(c, s, types, (const size_t[]){5}, 1, 64, 300, 1);
    check_product(c, s, types, (const size_t[]){5}, 1, 4864, 100, 1);
    check_product(c, s, types, (const size_t[]){5}, 1, 64, 150, 2);
}

/* The first of the largest, or NaN where one is NaN or +infinity. */
static tdm__best best_of(const float *x, size_t n)
{
    tdm__best best = {0, -INFINITY};
    bool is_bad = false;
    for (size_t i = 0; i < n; i++) {
        is_bad = is_bad || isnan(x[i]) || x[i] == INFINITY;
        if (x[i] > best.value)
            best = (tdm__best){(int32_t)i, x[i]};
    }
    if (is_bad)
        best.value = NAN;
    return best;
}

/* The best rows of some tokens are those of the products that are written, and the others are written as ever. The
 * weights are floats, so that results can be equal, infinite and not numbers. */
static void check_best(kcheck *c, const setting *s, kcheck_fill kind, size_t n_rows, size_t n_tokens, size_t n_best)
{
    enum { COLUMNS = 8 };
    kcheck_begin(c, "best of %zu rows, %zu of %zu tokens, fill %d", n_rows, n_best, n_tokens, (int)kind);
    const size_t n_written = n_tokens - n_best;
    float *x = kcheck_buffer(c, n_tokens * COLUMNS * sizeof *x), *bias = kcheck_buffer(c, n_rows * sizeof *bias);
    tdm__weight w = matrix(c, TDM__TYPE_F32, n_rows, COLUMNS);
    float *panels = (float *)(void *)(uintptr_t)w.panels;
    for (size_t i = 0; i < tdm__panels_of(n_rows) * TDM__PANEL_ROWS * COLUMNS; i++)
        panels[i] = (float)(kcheck_random(c) % 3);
    for (size_t i = 0; i < n_tokens * COLUMNS; i++)
        x[i] = (float)(kcheck_random(c) % 2);
    for (size_t i = 0; i < n_rows; i++)
        bias[i] = kind == KCHECK_TINY ? -INFINITY : -100.0f; /* filled-up rows are 0 and would win */
    if (kind == KCHECK_WILD) /* somewhere, for all tokens; the other fills stay finite */
        bias[kcheck_random(c) % n_rows] = kcheck_random(c) & 1 ? NAN : INFINITY;
    tdm__acts a = {.x = x, .n_tokens = n_tokens, .n_cols = COLUMNS, .terms = 1};
    tdm__matmul_job all = {.w = &w, .bias = bias, .out = kcheck_buffer(c, n_tokens * n_rows * sizeof *x)};
    all.out_stride = n_rows;
    tdm__matmul(kcheck_level(c), s->team[0], &all, 1, &a);
    for (int i = 0; i < TEAMS; i++) {
        tdm__matmul_job some = all;
        some.out = n_written > 0 ? kcheck_buffer(c, n_written * n_rows * sizeof *x) : NULL;
        some.n_best = n_best;
        some.best = kcheck_buffer(c, n_best * sizeof *some.best);
        some.best_scratch = kcheck_buffer(c, tdm__best_bytes(n_best, i + 1));
        tdm__matmul(kcheck_level(c), s->team[i], &some, 1, &a);
        kcheck_same_floats(c, "out", all.out, some.out, n_written * n_rows);
        for (size_t t = 0; t < n_best; t++) {
            tdm__best meant_best = best_of(all.out + (n_written + t) * n_rows, n_rows);
            kcheck_same_floats(c, "best", &meant_best.value, &some.best[t].value, 1);
            kcheck_that(c, isnan(meant_best.value) || meant_best.row == some.best[t].row, "another row is the best");
        }
    }
    kcheck_end(c);
}

static void check_bests(kcheck *c, const setting *s)
{
    static const size_t rows[] = {1, 16, 17, 200};
    static const kcheck_fill kinds[] = {KCHECK_NORMAL, KCHECK_TINY, KCHECK_WILD};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            check_best(c, s, kinds[k], rows[i], 1, 1);
            check_best(c, s, kinds[k], rows[i], 5, 3);
            check_best(c, s, kinds[k], rows[i], 150, 140);
        }
}

typedef struct timed {
    const tdm__kernels *kernels;
    tdm__team *team;
    tdm__matmul_job job;
    tdm__acts acts;
} timed;

static void time_matmul(void *ctx)
{
    timed *t = ctx;
    multiply(t->kernels, t->team, &t->job, 1, &t->acts);
}

enum { DRAM_BYTES = 96 << 20, TEAM_BENCH = 2 };

static volatile uint64_t sink;

static void read_member(void *ctx, int i, int n)
{
    const uint64_t *p = ctx;
    size_t begin, end;
    uint64_t sum[8] = {0};
    tdm__team_range(DRAM_BYTES / 64, i, n, &begin, &end);
    for (size_t line = begin; line < end; line++)
        for (size_t k = 0; k < 8; k++)
            sum[k] |= p[line * 8 + k];
    sink = sum[0] | sum[1] | sum[2] | sum[3] | sum[4] | sum[5] | sum[6] | sum[7];
}

typedef struct plain_read {
    tdm__team *team;
    void *data;
} plain_read;

static void time_read(void *ctx)
{
    plain_read *r = ctx;
    tdm__team_run(r->team, read_member, r->data);
}

/* Weights of more than the caches hold: one token is a matter of memory, many of arithmetic. */
static void bench(kcheck *c, const setting *s)
{
    static const tdm__type types[] = {TDM__TYPE_Q4_1, TDM__TYPE_Q5_0, TDM__TYPE_Q8_0, TDM__TYPE_Q4_K, TDM__TYPE_Q6_K,
                                      TDM__TYPE_F16};
    static const size_t columns[] = {1024, 4864};
    if (kcheck_level(c)->isa == TDM__ISA_SCALAR)
        return;
    tdm__team *team = s->team[TEAM_BENCH - 1];
    kcheck_begin(c, "timing");
    uint8_t *data = kcheck_buffer(c, DRAM_BYTES);
    kcheck_fill_bytes(c, data, DRAM_BYTES);
    plain_read read = {team, data};
    kcheck_time(c, "plain read, 2 threads", DRAM_BYTES, "byte", time_read, &read);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        for (size_t j = 0; j < sizeof columns / sizeof columns[0]; j++)
            for (size_t tokens = 1; tokens <= 512; tokens *= 8) {
                char what[80];
                const tdm__type_traits *t = tdm__type_get((uint32_t)types[i]);
                tdm__weight w = {.type = types[i], .n_cols = columns[j], .panels = data};
                w.panel_bytes = tdm__packed_panel_bytes(w.type, w.n_cols);
                w.n_rows = TDM__PANEL_ROWS * (tokens < 64 ? DRAM_BYTES / w.panel_bytes : (4 << 20) / (16 * w.n_cols));
                size_t n_x = tokens * w.n_cols;
                float *x = malloc(n_x * sizeof *x), *out = malloc(tokens * w.n_rows * sizeof *out);
                timed b = {.kernels = kcheck_level(c), .team = team};
                b.acts = (tdm__acts){.x = x, .n_tokens = tokens, .n_cols = w.n_cols, .terms = 1};
                b.acts.q = aligned_alloc(64, tdm__acts_bytes(tokens, w.n_cols, 1));
                b.job = (tdm__matmul_job){.w = &w, .out = out, .out_stride = w.n_rows};
                if (!x || !out || !b.acts.q)
                    exit(2);
                kcheck_fill_floats(c, KCHECK_NORMAL, x, n_x);
                snprintf(what, sizeof what, "matmul %s, %zu columns, %zu tokens, 2 threads", t->name, columns[j],
                         tokens);
                if (tokens == 1)
                    kcheck_time(c, what, (double)(w.n_rows / TDM__PANEL_ROWS * w.panel_bytes), "byte", time_matmul, &b);
                else
                    kcheck_time(c, what, 2.0 * (double)(w.n_rows * n_x), "op", time_matmul, &b);
                free(x);
                free(out);
                free(b.acts.q);
            }
    kcheck_end(c);
}

void kcheck_matmul(kcheck *c)
{
    setting s;
    for (int i = 0; i < TEAMS; i++) {
        s.team[i] = tdm__team_create(i + 1);
        if (!s.team[i])
            abort();
    }
    if (kcheck_is_bench(c)) {
        bench(c, &s);
    } else {
        for (uint32_t type = 0; type < TDM__TYPE_COUNT; type++)
            if (tdm__type_get(type))
                check_type(c, &s, (tdm__type)type);
        check_tiles(c, &s);
        check_gates(c, &s);
        check_bests(c, &s);
    }
    for (int i = 0; i < TEAMS; i++)
        tdm__team_destroy(s.team[i]);
}
