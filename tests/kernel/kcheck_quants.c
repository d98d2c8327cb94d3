/* kcheck_quants.c - tensor types: rows to float against the gguf package, packing, quantize and the dots. */
#include "kcheck.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

static void check_quantize(kcheck *c, kcheck_fill kind, size_t n, size_t stride)
{
    kcheck_begin(c, "quantize %zu, slabs %zu apart, fill %d", n, stride, (int)kind);
    size_t n_slabs = (n + TDM__SLAB_COLS - 1) / TDM__SLAB_COLS, bytes = (n_slabs - 1) * stride + 1;
    float *x = kcheck_buffer(c, n * sizeof *x);
    kcheck_fill_floats(c, kind, x, n);
    tdm__act_slab *expected = kcheck_buffer(c, bytes * sizeof *expected), *got = kcheck_buffer(c, bytes * sizeof *got);
    kcheck_reference(c)->quantize(x, n, expected, stride);
    kcheck_level(c)->quantize(x, n, got, stride);
    for (size_t s = 0; s < bytes; s++) {
        kcheck_same_bytes(c, "q", expected[s].q, got[s].q, sizeof got->q);
        kcheck_same_floats(c, "scale", expected[s].scale, got[s].scale, TDM__SLAB_RUNS);
        kcheck_same_floats(c, "scaled_sum", expected[s].scaled_sum, got[s].scaled_sum, TDM__SLAB_RUNS);
        kcheck_same_bytes(c, "minus_sum", expected[s].minus_sum, got[s].minus_sum, sizeof got->minus_sum);
        kcheck_same_bytes(c, "minus_sum_half", expected[s].minus_sum_half, got[s].minus_sum_half,
                          sizeof got->minus_sum_half);
    }
    for (size_t k = 0; k < n; k++) {
        const tdm__act_slab *s = &got[k / TDM__SLAB_COLS * stride];
        double scale = (double)s->scale[k % TDM__SLAB_COLS / 32];
        if (scale > 0x1p-120)
            kcheck_that(c, fabs((double)x[k] - scale * s->q[k % TDM__SLAB_COLS]) <= 0.50001 * scale,
                        "more than half a step away");
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
        kcheck_fill_floats(c, kind, a[t].scale, TDM__SLAB_RUNS);
        for (size_t b = 0; b < TDM__SLAB_RUNS; b++) {
            int32_t sum[2] = {0, 0};
            for (size_t j = 0; j < 32; j++)
                sum[j / 16] += a[t].q[32 * b + j];
            a[t].minus_sum[b] = -(sum[0] + sum[1]);
            a[t].minus_sum_half[b] = -sum[0];
            a[t].scaled_sum[b] = a[t].scale[b] * (float)(sum[0] + sum[1]);
        }
    }
}

static void check_dot(kcheck *c, tdm__type type, slab_fill weights, kcheck_fill acts, size_t n_cols, size_t n_tokens)
{
    kcheck_begin(c, "dot %s, %zu columns, %zu tokens, weights %d, activations %d",
                 tdm__type_get((uint32_t)type)->name, n_cols, n_tokens, (int)weights, (int)acts);
    uint8_t *slab = kcheck_buffer(c, tdm__packed_slab_bytes(type, n_cols));
    tdm__act_slab *a = kcheck_buffer(c, n_tokens * sizeof *a);
    float(*expected)[ROWS] = kcheck_buffer(c, n_tokens * sizeof *expected);
    float(*got)[ROWS] = kcheck_buffer(c, n_tokens * sizeof *got);
    fill_slab(c, weights, type, n_cols, slab);
    fill_acts(c, acts, weights == SLAB_MOST, a, n_tokens);
    kcheck_fill_floats(c, KCHECK_NORMAL, expected[0], n_tokens * ROWS);
    memcpy(got, expected, n_tokens * sizeof *got);
    kcheck_reference(c)->dot[type](slab, n_cols, a, n_tokens, expected);
    kcheck_level(c)->dot[type](slab, n_cols, a, n_tokens, got);
    kcheck_same_floats(c, "acc", expected[0], got[0], n_tokens * ROWS);
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
    kcheck_reference(c)->dot_float[type](slab, n_cols, x, stride, n_tokens, expected);
    kcheck_level(c)->dot_float[type](slab, n_cols, x, stride, n_tokens, got);
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
                check_dot(c, type, weights, acts, cols, tokens);
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
typedef struct timed {
    const tdm__kernels *kernels;
    tdm__type type;
    const uint8_t *slab;
    tdm__act_slab *acts;
    size_t n_tokens;
    float (*acc)[ROWS];
    const float *x;
} timed;

enum { REPEATS = 200 };

static void time_dot(void *ctx)
{
    timed *t = ctx;
    for (int i = 0; i < REPEATS; i++)
        t->kernels->dot[t->type](t->slab, TDM__SLAB_COLS, t->acts, t->n_tokens, t->acc);
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
    t.acc = kcheck_buffer(c, 64 * sizeof *t.acc);
    kcheck_time(c, "quantize 256", REPEATS * TDM__SLAB_COLS, "value", time_quantize, &t);
    kcheck_end(c);
    for (uint32_t type = 0; type < TDM__TYPE_COUNT; type++) {
        if (!tdm__type_get(type) || !t.kernels->dot[type])
            continue;
        char what[64];
        kcheck_begin(c, "timing");
        t.type = (tdm__type)type;
        const size_t bytes = tdm__packed_slab_bytes(t.type, TDM__SLAB_COLS);
        uint8_t *slab = kcheck_buffer(c, bytes);
        t.acts = kcheck_buffer(c, 64 * sizeof *t.acts);
        t.acc = kcheck_buffer(c, 64 * sizeof *t.acc);
        fill_slab(c, SLAB_FINITE, t.type, TDM__SLAB_COLS, slab);
        fill_acts(c, KCHECK_NORMAL, false, t.acts, 64);
        t.slab = slab;
        for (size_t i = 0; i < sizeof token_counts / sizeof token_counts[0]; i++) {
            t.n_tokens = token_counts[i];
            memset(t.acc, 0, t.n_tokens * sizeof *t.acc);
            snprintf(what, sizeof what, "dot %s, %zu tokens", tdm__type_get(type)->name, t.n_tokens);
            if (t.n_tokens == 1)
                kcheck_time(c, what, (double)(REPEATS * bytes), "byte", time_dot, &t);
            else
                kcheck_time(c, what, 2.0 * REPEATS * ROWS * TDM__SLAB_COLS * (double)t.n_tokens, "op", time_dot, &t);
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
        }
    check_dot_all(c);
}
