/* kcheck_quants.c - tensor types: rows to float against the gguf package, packing, quantize and the dots. */
#include "kcheck.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernel/act_run.h"
#include "quant_vectors.h"

enum { ROWS = TDM__PANEL_ROWS };

/* How the bytes of a slab are made. */
typedef enum slab_fill {
    SLAB_FINITE = 0, /* packed from random rows with scales of usual size */
    SLAB_MOST,       /* the same with every bit of the quants set: sums at their largest */
    SLAB_RANDOM,     /* random bytes: any half, NaN and infinities too */
    SLAB_ZERO,
    SLAB_FILL_COUNT
} slab_fill;

static size_t row_bytes_of(tdm__type type, size_t n_cols)
{
    const tdm__type_traits *t = tdm__type_get((uint32_t)type);
    return n_cols / t->block_values * t->block_bytes;
}

static void fill_slab(kcheck *c, slab_fill kind, tdm__type type, size_t n_cols, uint8_t *slab)
{
    const size_t bytes = tdm__packed_slab_bytes(type, n_cols);
    if (kind == SLAB_RANDOM)
        kcheck_fill_bytes(c, slab, bytes);
    else if (kind == SLAB_ZERO)
        memset(slab, 0, bytes);
    if (kind == SLAB_RANDOM || kind == SLAB_ZERO)
        return;
    const size_t row_bytes = row_bytes_of(type, n_cols);
    uint8_t *rows = kcheck_buffer(c, ROWS * row_bytes);
    kcheck_fill_weights(c, type, rows, ROWS * row_bytes);
    tdm__pack_panel(type, rows, row_bytes, ROWS, n_cols, slab);
    if (kind == SLAB_MOST)
        memset(slab, 0xff, n_cols / 32 * tdm__packed_run_bytes(type));
}

static void check_golden(kcheck *c)
{
    for (size_t i = 0; i < sizeof quant_vectors / sizeof quant_vectors[0]; i++) {
        size_t n = quant_vectors[i].n;
        kcheck_begin(c, "%s to float, as the gguf package", tdm__type_get((uint32_t)quant_vectors[i].type)->name);
        float *expected = kcheck_buffer(c, n * sizeof *expected), *got = kcheck_buffer(c, n * sizeof *got);
        memcpy(expected, quant_vectors[i].floats, n * sizeof *expected);
        tdm__dequantize_row(quant_vectors[i].type, quant_vectors[i].bytes, got, n);
        kcheck_same_floats(c, "value", expected, got, n);
        kcheck_end(c);
    }
}

/* What was packed is what the rows held, bit for bit, and missing rows are zero. */
static void check_pack(kcheck *c, tdm__type type, size_t n_rows, size_t n_cols, size_t gap)
{
    const size_t used = row_bytes_of(type, n_cols), row_bytes = used + gap;
    kcheck_begin(c, "pack %s, %zu rows of %zu columns, %zu apart", tdm__type_get((uint32_t)type)->name, n_rows, n_cols,
                 row_bytes);
    uint8_t *rows = kcheck_buffer(c, (n_rows - 1) * row_bytes + used);
    for (size_t r = 0; r < n_rows; r++)
        kcheck_fill_bytes(c, rows + r * row_bytes, used);
    tdm__weight w = {.type = type, .n_rows = ROWS, .n_cols = n_cols};
    w.panel_bytes = tdm__packed_panel_bytes(type, n_cols);
    uint8_t *panel = kcheck_buffer(c, w.panel_bytes);
    w.panels = panel;
    tdm__pack_panel(type, rows, row_bytes, n_rows, n_cols, panel);
    float *expected = kcheck_buffer(c, n_cols * sizeof *expected), *got = kcheck_buffer(c, n_cols * sizeof *got);
    for (size_t r = 0; r < ROWS; r++) {
        if (r < n_rows)
            tdm__dequantize_row(type, rows + r * row_bytes, expected, n_cols);
        tdm__packed_row(&w, r, got);
        for (size_t k = 0; k < n_cols && r >= n_rows; k++)
            kcheck_that(c, fabsf(got[k]) == 0, "a row that is not there is zero");
        if (r < n_rows)
            kcheck_same_floats(c, "weight", expected, got, n_cols);
    }
    kcheck_end(c);
}

static void check_pack_all(kcheck *c)
{
    static const size_t row_counts[] = {16, 1, 7, 15};
    for (uint32_t type = 0; type < TDM__TYPE_COUNT; type++) {
        const tdm__type_traits *t = tdm__type_get(type);
        const size_t step = t ? t->block_values : 1;
        for (size_t i = 0; t && i < sizeof row_counts / sizeof row_counts[0]; i++)
            for (size_t n = step; n <= 768; n += step == 1 ? 51 - n % 4 : step == 32 ? 96 : step)
                check_pack(c, (tdm__type)type, row_counts[i], n, i * 35);
    }
}

/* Steps are as fine as quantize.c says, sums are those of the steps. */
static void check_slab_means(kcheck *c, const float *x, size_t n, const tdm__act_slab *s)
{
    double most = 0, max[TDM__SLAB_RUNS] = {0};
    bool is_finite = true;
    for (size_t k = 0; k < n; k++) {
        is_finite = is_finite && isfinite(x[k]);
        max[k / 32] = fmax(max[k / 32], fabs((double)x[k]));
        most = fmax(most, max[k / 32]);
    }
    kcheck_that(c, is_finite || isnan(s->unit), "a value that is not finite has a unit");
    if (!is_finite || most < 0x1p-100) {
        kcheck_that(c, !is_finite || s->unit == 0.0f, "a slab as small as zero is zero");
        return;
    }
    for (size_t k = 0; k < n; k++)
        kcheck_that(c, fabs((double)x[k] - (double)tdm__act_scale(s, k / 32) * s->q[k]) <=
                           0.50001 * (double)tdm__act_scale(s, k / 32), "more than half a step away");
    for (size_t b = 0; b < n / 32; b++) {
        double finest = fmax(max[b], most / 32) / 127, scale = (double)tdm__act_scale(s, b);
        kcheck_that(c, scale >= 0.99999 * finest && scale <= 1.25001 * finest, "steps are coarser than a quarter more");
        double sum = 0, half = 0;
        for (size_t j = 0; j < 32; j++) {
            sum += scale * s->q[32 * b + j];
            half += j < 16 ? scale * s->q[32 * b + j] : 0;
        }
        double unit = (double)s->unit, small = unit * (double)s->sum_unit;
        kcheck_that(c, fabs(unit * (double)s->sum[b] - sum) <= 1e-5 * most, "the sum is another");
        kcheck_that(c, fabs(small * s->small_sum[b] - sum) <= 1.001 * small + 1e-5 * most, "the small sum is far off");
        kcheck_that(c, fabs(small * s->small_sum_half[2 * b] - half) <= 0.501 * small + 1e-5 * most,
                    "the small sum of a half is far off");
    }
}

static void check_quantize(kcheck *c, kcheck_fill kind, size_t n, size_t stride)
{
    kcheck_begin(c, "quantize %zu, slabs %zu apart, fill %d", n, stride, (int)kind);
    size_t n_slabs = (n + TDM__SLAB_COLS - 1) / TDM__SLAB_COLS, bytes = (n_slabs - 1) * stride + 1;
    float *x = kcheck_buffer(c, n * sizeof *x);
    kcheck_fill_floats(c, kind, x, n);
    tdm__act_slab *expected = kcheck_buffer(c, bytes * sizeof *expected), *got = kcheck_buffer(c, bytes * sizeof *got);
    kcheck_reference(c)->quantize(x, n, expected, stride);
    kcheck_level(c)->quantize(x, n, got, stride);
    for (size_t i = 0; i < bytes; i++) {
        const tdm__act_slab *e = &expected[i], *g = &got[i];
        kcheck_same_bytes(c, "q", e->q, g->q, sizeof g->q);
        kcheck_same_bytes(c, "base", e->base, g->base, sizeof g->base);
        kcheck_same_floats(c, "multiplier", e->multiplier, g->multiplier, TDM__SLAB_RUNS);
        kcheck_same_bytes(c, "level", e->level, g->level, sizeof g->level);
        kcheck_same_bytes(c, "minus_sum", e->minus_sum, g->minus_sum, sizeof g->minus_sum);
        kcheck_same_bytes(c, "minus_sum_half", e->minus_sum_half, g->minus_sum_half, sizeof g->minus_sum_half);
        kcheck_same_floats(c, "sum", e->sum, g->sum, TDM__SLAB_RUNS);
        kcheck_same_bytes(c, "small_sum", e->small_sum, g->small_sum, sizeof g->small_sum);
        kcheck_same_bytes(c, "small_sum_half", e->small_sum_half, g->small_sum_half, sizeof g->small_sum_half);
        kcheck_same_floats(c, "sum_unit", &e->sum_unit, &g->sum_unit, 1);
        kcheck_same_floats(c, "unit", &e->unit, &g->unit, 1);
    }
    for (size_t k = 0; k < n; k += TDM__SLAB_COLS)
        check_slab_means(c, x + k, tdm__slab_cols(n, k), &got[k / TDM__SLAB_COLS * stride]);
    kcheck_end(c);
}

static void check_quantize_runs(kcheck *c, kcheck_fill kind, size_t n)
{
    kcheck_begin(c, "quantize runs of %zu, fill %d", n, (int)kind);
    float *x = kcheck_buffer(c, n * sizeof *x);
    const size_t scale_bytes = n / 32 * sizeof(float);
    float *expected_scales = kcheck_buffer(c, scale_bytes), *scales = kcheck_buffer(c, scale_bytes);
    int8_t *expected = kcheck_buffer(c, n), *got = kcheck_buffer(c, n);
    kcheck_fill_floats(c, kind, x, n);
    kcheck_reference(c)->quantize_runs(x, n, expected, expected_scales);
    kcheck_level(c)->quantize_runs(x, n, got, scales);
    kcheck_same_bytes(c, "q", expected, got, n);
    kcheck_same_floats(c, "scale", expected_scales, scales, n / 32);
    for (size_t k = 0; k < n; k++) {
        double scale = (double)scales[k / 32];
        if (scale > 0x1p-120)
            kcheck_that(c, fabs((double)x[k] - scale * got[k]) <= 0.50001 * scale, "more than half a step away");
        kcheck_that(c, isfinite(x[k]) || isnan(scale), "a value that is not finite has a scale");
    }
    kcheck_end(c);
}

/* Activations with every value that the contract allows, and sums that go with them. */
static void fill_acts(kcheck *c, kcheck_fill kind, bool is_extreme, tdm__act_slab *a, size_t n)
{
    for (size_t t = 0; t < n; t++) {
        int sign = kcheck_random(c) & 1 ? 1 : -1;
        for (size_t k = 0; k < TDM__SLAB_COLS; k++)
            a[t].q[k] = (int8_t)(is_extreme ? 127 * sign : (int)(kcheck_random(c) % 255) - 127);
        kcheck_fill_floats(c, kind, &a[t].unit, 1);
        kcheck_fill_floats(c, kind, &a[t].sum_unit, 1);
        for (size_t b = 0; b < TDM__SLAB_RUNS; b++) {
            int32_t sum[2] = {0, 0};
            for (size_t j = 0; j < 32; j++)
                sum[j / 16] += a[t].q[32 * b + j];
            tdm__act_set_multiplier(&a[t], b, is_extreme ? 1 << TDM__ACT_SHIFT_MAX : (float)(kcheck_random(c) % 33));
            a[t].minus_sum[b] = -(sum[0] + sum[1]);
            a[t].minus_sum_half[b] = -sum[0];
            a[t].sum[b] = a[t].multiplier[b] * (float)(sum[0] + sum[1]);
            for (size_t h = 0; h < 2; h++)
                a[t].small_sum_half[2 * b + h] = (int16_t)(is_extreme ? 16383 * sign : sum[h] * 4);
            a[t].small_sum[b] = (int16_t)(a[t].small_sum_half[2 * b] + a[t].small_sum_half[2 * b + 1]);
        }
    }
}

enum { PANELS_MAX = 3 };

static void check_dot(kcheck *c, tdm__type type, slab_fill weights, kcheck_fill acts, size_t n_panels, size_t n_cols,
                      size_t n_tokens)
{
    kcheck_begin(c, "dot %s, %zu panels, %zu columns, %zu tokens, weights %d, activations %d",
                 tdm__type_get((uint32_t)type)->name, n_panels, n_cols, n_tokens, (int)weights, (int)acts);
    tdm__dot_panel expected[PANELS_MAX], got[PANELS_MAX];
    tdm__act_slab *a = kcheck_buffer(c, n_tokens * sizeof *a);
    fill_acts(c, acts, weights == SLAB_MOST, a, n_tokens);
    for (size_t p = 0; p < n_panels; p++) {
        uint8_t *slab = kcheck_buffer(c, tdm__packed_slab_bytes(type, n_cols));
        fill_slab(c, weights, type, n_cols, slab);
        expected[p] = (tdm__dot_panel){slab, slab, kcheck_buffer(c, n_tokens * sizeof *expected[p].acc)};
        got[p] = (tdm__dot_panel){slab, slab, kcheck_buffer(c, n_tokens * sizeof *got[p].acc)};
        kcheck_fill_floats(c, KCHECK_NORMAL, expected[p].acc[0], n_tokens * ROWS);
        memcpy(got[p].acc, expected[p].acc, n_tokens * sizeof *got[p].acc);
    }
    kcheck_reference(c)->dot[type](expected, n_panels, n_cols, a, n_tokens);
    kcheck_level(c)->dot[type](got, n_panels, n_cols, a, n_tokens);
    for (size_t p = 0; p < n_panels; p++)
        kcheck_same_floats(c, "acc", expected[p].acc[0], got[p].acc[0], n_tokens * ROWS);
    kcheck_end(c);
}

static void check_dot_float(kcheck *c, tdm__type type, slab_fill weights, kcheck_fill acts, size_t n_cols,
                            size_t n_tokens, size_t gap)
{
    kcheck_begin(c, "dot %s, %zu columns, %zu tokens, weights %d, activations %d",
                 tdm__type_get((uint32_t)type)->name, n_cols, n_tokens, (int)weights, (int)acts);
    size_t stride = n_cols + gap, n = (n_tokens - 1) * stride + n_cols;
    uint8_t *slab = kcheck_buffer(c, tdm__packed_slab_bytes(type, n_cols));
    float *x = kcheck_buffer(c, n * sizeof *x);
    float(*expected)[ROWS] = kcheck_buffer(c, n_tokens * sizeof *expected);
    float(*got)[ROWS] = kcheck_buffer(c, n_tokens * sizeof *got);
    fill_slab(c, weights == SLAB_MOST ? SLAB_FINITE : weights, type, n_cols, slab);
    kcheck_fill_floats(c, acts, x, n);
    kcheck_fill_floats(c, KCHECK_NORMAL, expected[0], n_tokens * ROWS);
    memcpy(got, expected, n_tokens * sizeof *got);
    kcheck_reference(c)->dot_float[type](&(tdm__dot_panel){slab, slab, expected}, n_cols, x, stride, n_tokens);
    kcheck_level(c)->dot_float[type](&(tdm__dot_panel){slab, slab, got}, n_cols, x, stride, n_tokens);
    kcheck_same_floats(c, "acc", expected[0], got[0], n_tokens * ROWS);
    kcheck_end(c);
}

static void check_dot_type(kcheck *c, tdm__type type, slab_fill weights, kcheck_fill acts)
{
    const size_t step = tdm__type_get((uint32_t)type)->block_values;
    for (size_t tokens = 1; tokens <= 17; tokens += tokens < 9 ? 1 : 8)
        for (size_t cols = step; cols <= TDM__SLAB_COLS; cols += step == 1 ? 51 : step == 32 ? 96 : step) {
            if (step == 1)
                check_dot_float(c, type, weights, acts, cols, tokens, tokens % 3);
            else
                check_dot(c, type, weights, acts, 1 + (tokens + cols / step) % PANELS_MAX, cols, tokens);
        }
}

static void check_dot_all(kcheck *c)
{
    for (uint32_t type = 0; type < TDM__TYPE_COUNT; type++)
        for (int weights = 0; tdm__type_get(type) && weights < SLAB_FILL_COUNT; weights++)
            for (int acts = 0; acts < KCHECK_FILL_COUNT; acts++)
                check_dot_type(c, (tdm__type)type, (slab_fill)weights, (kcheck_fill)acts);
}

/* Timing: the same call again and again on data in cache. */
enum { REPEATS = 200, BENCH_PANELS = 2 };

typedef struct timed {
    const tdm__kernels *kernels;
    tdm__type type;
    tdm__dot_panel panels[BENCH_PANELS];
    tdm__act_slab *acts;
    size_t n_tokens;
    const float *x;
} timed;

static void time_dot(void *ctx)
{
    timed *t = ctx;
    for (int i = 0; i < REPEATS; i++)
        t->kernels->dot[t->type](t->panels, BENCH_PANELS, TDM__SLAB_COLS, t->acts, t->n_tokens);
}

static void time_quantize(void *ctx)
{
    timed *t = ctx;
    for (int i = 0; i < REPEATS; i++)
        t->kernels->quantize(t->x, TDM__SLAB_COLS, t->acts, 1);
}

static void bench(kcheck *c)
{
    static const size_t token_counts[] = {1, 4, 64};
    kcheck_begin(c, "timing");
    timed t = {.kernels = kcheck_level(c)};
    float *x = kcheck_buffer(c, TDM__SLAB_COLS * sizeof *x);
    kcheck_fill_floats(c, KCHECK_NORMAL, x, TDM__SLAB_COLS);
    t.x = x;
    t.acts = kcheck_buffer(c, 64 * sizeof *t.acts);
    kcheck_time(c, "quantize 256", REPEATS * TDM__SLAB_COLS, "value", time_quantize, &t);
    kcheck_end(c);
    for (uint32_t type = 0; type < TDM__TYPE_COUNT; type++) {
        if (!tdm__type_get(type) || !t.kernels->dot[type])
            continue;
        char what[64];
        kcheck_begin(c, "timing");
        t.type = (tdm__type)type;
        const size_t bytes = tdm__packed_slab_bytes(t.type, TDM__SLAB_COLS);
        t.acts = kcheck_buffer(c, 64 * sizeof *t.acts);
        fill_acts(c, KCHECK_NORMAL, false, t.acts, 64);
        for (size_t p = 0; p < BENCH_PANELS; p++) {
            uint8_t *slab = kcheck_buffer(c, bytes);
            fill_slab(c, SLAB_FINITE, t.type, TDM__SLAB_COLS, slab);
            t.panels[p] = (tdm__dot_panel){slab, slab, kcheck_buffer(c, 64 * sizeof *t.panels[p].acc)};
        }
        for (size_t i = 0; i < sizeof token_counts / sizeof token_counts[0]; i++) {
            t.n_tokens = token_counts[i];
            for (size_t p = 0; p < BENCH_PANELS; p++)
                memset(t.panels[p].acc, 0, t.n_tokens * sizeof *t.panels[p].acc);
            snprintf(what, sizeof what, "dot %s, %zu tokens", tdm__type_get(type)->name, t.n_tokens);
            if (t.n_tokens == 1)
                kcheck_time(c, what, (double)(REPEATS * BENCH_PANELS * bytes), "byte", time_dot, &t);
            else
                kcheck_time(c, what, 2.0 * REPEATS * BENCH_PANELS * ROWS * TDM__SLAB_COLS * (double)t.n_tokens, "op",
                            time_dot, &t);
        }
        kcheck_end(c);
    }
}

void kcheck_quants(kcheck *c)
{
    static const size_t lengths[] = {32, 64, 224, 256, 288, 576, 896, 1536};
    if (kcheck_is_bench(c)) {
        bench(c);
        return;
    }
    check_golden(c);
    check_pack_all(c);
    for (int kind = 0; kind < KCHECK_FILL_COUNT; kind++)
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            check_quantize(c, (kcheck_fill)kind, lengths[i], 1);
            check_quantize(c, (kcheck_fill)kind, lengths[i], 3);
            check_quantize_runs(c, (kcheck_fill)kind, lengths[i]);
        }
    check_dot_all(c);
}
