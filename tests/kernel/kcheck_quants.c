/* kcheck_quants.c - tensor types: rows to float against the gguf package, unpack, quantize and the dots. */
#include "kcheck.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "quant_vectors.h"

enum { ROWS = TDM__PANEL_ROWS };

/* How the bytes of weights are made. */
typedef enum weight_fill {
    WEIGHTS_FINITE = 0, /* random quants, scales of usual size */
    WEIGHTS_RANDOM,     /* random bytes: any half, NaN and infinities too */
    WEIGHTS_ZERO,
    WEIGHTS_ONES,
    WEIGHT_FILL_COUNT
} weight_fill;

static void fill_weights(kcheck *c, weight_fill kind, tdm__type type, uint8_t *out, size_t bytes)
{
    if (kind == WEIGHTS_FINITE)
        kcheck_fill_weights(c, type, out, bytes);
    else if (kind == WEIGHTS_RANDOM)
        kcheck_fill_bytes(c, out, bytes);
    else
        memset(out, kind == WEIGHTS_ZERO ? 0 : 0xff, bytes);
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

/* What the slab holds, as floats, is what the rows hold. */
static void check_slab_meaning(kcheck *c, tdm__type type, const uint8_t *rows, size_t row_bytes, size_t n_rows,
                               size_t n_cols, const tdm__slab *s)
{
    tdm__dot_traits dot = tdm__dot_traits_get(type);
    size_t run = dot.kind == TDM__DOT_RUN16 || dot.kind == TDM__DOT_RUN16_MIN ? 16 : 32;
    bool has_min = dot.kind == TDM__DOT_RUN32_MIN || dot.kind == TDM__DOT_RUN16_MIN;
    float expected[TDM__SLAB_COLS], got[TDM__SLAB_COLS];
    for (size_t r = 0; r < n_rows; r++) {
        tdm__dequantize_row(type, rows + r * row_bytes, expected, n_cols);
        for (size_t k = 0; k < n_cols; k++) {
            got[k] = s->scale[k / run][r] * (float)(s->q[k / 32][k % 32 / 4][r][k % 4] - dot.offset);
            if (has_min)
                got[k] += s->min[k / run][r];
        }
        kcheck_same_floats(c, "unpacked weight", expected, got, n_cols);
    }
}

/* slack: bytes after the rows, which move them to another alignment. */
static void check_unpack(kcheck *c, tdm__type type, weight_fill kind, size_t n_rows, size_t n_cols, size_t gap,
                         size_t slack)
{
    const tdm__type_traits *t = tdm__type_get((uint32_t)type);
    size_t used = n_cols / t->block_values * t->block_bytes, row_bytes = used + gap;
    kcheck_begin(c, "unpack %s, %zu rows of %zu columns, %zu apart, fill %d, %zu after", t->name, n_rows, n_cols,
                 row_bytes, (int)kind, slack);
    size_t bytes = (n_rows - 1) * row_bytes + used;
    uint8_t *rows = kcheck_buffer(c, bytes + slack);
    for (size_t r = 0; r < n_rows; r++)
        fill_weights(c, kind, type, rows + r * row_bytes, used);
    tdm__slab *expected = kcheck_buffer(c, sizeof *expected), *got = kcheck_buffer(c, sizeof *got);
    kcheck_reference(c)->unpack[type](rows, row_bytes, n_rows, n_cols, expected);
    kcheck_level(c)->unpack[type](rows, row_bytes, n_rows, n_cols, got);
    kcheck_same_bytes(c, "q", expected->q, got->q, sizeof got->q);
    kcheck_same_floats(c, "scale", expected->scale[0], got->scale[0], sizeof got->scale / sizeof(float));
    kcheck_same_floats(c, "min", expected->min[0], got->min[0], sizeof got->min / sizeof(float));
    check_slab_meaning(c, type, rows, row_bytes, n_rows, n_cols, got);
    kcheck_end(c);
}

static void check_unpack_f32(kcheck *c, tdm__type type, weight_fill kind, size_t n_rows, size_t n_cols, size_t slack)
{
    const tdm__type_traits *t = tdm__type_get((uint32_t)type);
    size_t row_bytes = n_cols * t->block_bytes;
    kcheck_begin(c, "unpack %s, %zu rows of %zu columns, fill %d, %zu after", t->name, n_rows, n_cols, (int)kind,
                 slack);
    uint8_t *rows = kcheck_buffer(c, n_rows * row_bytes + slack);
    fill_weights(c, kind, type, rows, n_rows * row_bytes);
    tdm__slab_f32 *expected = kcheck_buffer(c, sizeof *expected), *got = kcheck_buffer(c, sizeof *got);
    kcheck_reference(c)->unpack_f32[type](rows, row_bytes, n_rows, n_cols, expected);
    kcheck_level(c)->unpack_f32[type](rows, row_bytes, n_rows, n_cols, got);
    kcheck_same_floats(c, "w", expected->w[0], got->w[0], sizeof got->w / sizeof(float));
    kcheck_end(c);
}

static void check_unpack_all(kcheck *c)
{
    static const size_t row_counts[] = {16, 1, 7, 15};
    for (uint32_t type = 0; type < TDM__TYPE_COUNT; type++)
        for (size_t i = 0; i < sizeof row_counts / sizeof row_counts[0]; i++)
            for (int kind = 0; kind < WEIGHT_FILL_COUNT; kind++)
                for (size_t slack = 0; slack < 3; slack++) {
                    const tdm__type_traits *t = tdm__type_get(type);
                    size_t step = t && t->block_values > 32 ? t->block_values : 32;
                    for (size_t n = step; t && kcheck_reference(c)->unpack[type] && n <= 256; n += step)
                        check_unpack(c, (tdm__type)type, (weight_fill)kind, row_counts[i], n, slack * 35, slack);
                    for (size_t n = 1; t && kcheck_reference(c)->unpack_f32[type] && n <= 256; n += 51 - n % 4)
                        check_unpack_f32(c, (tdm__type)type, (weight_fill)kind, row_counts[i], n, slack);
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

/* Slab and activations with every value that the contract allows, and sums that go with them. */
static void fill_dot(kcheck *c, kcheck_fill kind, int offset, bool is_extreme, tdm__slab *w, tdm__act_slab *a, size_t n)
{
    uint8_t mask = offset == 128 ? 255 : 63;
    kcheck_fill_bytes(c, w->q, sizeof w->q);
    for (size_t i = 0; i < sizeof w->q; i++)
        ((uint8_t *)w->q)[i] = is_extreme ? (kcheck_random(c) % 8 ? mask : 0) : ((uint8_t *)w->q)[i] & mask;
    kcheck_fill_floats(c, kind, w->scale[0], sizeof w->scale / sizeof(float));
    kcheck_fill_floats(c, kind, w->min[0], sizeof w->min / sizeof(float));
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

static void check_dot(kcheck *c, kcheck_fill fill, tdm__dot_kind kind, int offset, bool is_extreme, size_t n_cols,
                      size_t n_tokens)
{
    kcheck_begin(c, "dot kind %d, offset %d, %zu columns, %zu tokens, fill %d%s", (int)kind, offset, n_cols, n_tokens,
                 (int)fill, is_extreme ? ", extreme" : "");
    tdm__slab *w = kcheck_buffer(c, sizeof *w);
    tdm__act_slab *a = kcheck_buffer(c, n_tokens * sizeof *a);
    float(*expected)[ROWS] = kcheck_buffer(c, n_tokens * sizeof *expected);
    float(*got)[ROWS] = kcheck_buffer(c, n_tokens * sizeof *got);
    fill_dot(c, fill, offset, is_extreme, w, a, n_tokens);
    kcheck_fill_floats(c, KCHECK_NORMAL, expected[0], n_tokens * ROWS);
    memcpy(got, expected, n_tokens * sizeof *got);
    kcheck_reference(c)->dot[kind](w, n_cols, offset, a, n_tokens, expected);
    kcheck_level(c)->dot[kind](w, n_cols, offset, a, n_tokens, got);
    kcheck_same_floats(c, "acc", expected[0], got[0], n_tokens * ROWS);
    kcheck_end(c);
}

/* One token without a slab between: what the reference's unpack and dot give. */
static void check_unpack_dot(kcheck *c, tdm__type type, weight_fill kind, size_t n_cols, size_t slack)
{
    const tdm__type_traits *t = tdm__type_get((uint32_t)type);
    tdm__dot_traits dot = tdm__dot_traits_get(type);
    size_t used = n_cols / t->block_values * t->block_bytes, row_bytes = used + 35 * slack;
    kcheck_begin(c, "unpack_dot %s, %zu columns, fill %d, %zu after", t->name, n_cols, (int)kind, slack);
    uint8_t *rows = kcheck_buffer(c, (ROWS - 1) * row_bytes + used + slack);
    for (size_t r = 0; r < ROWS; r++)
        fill_weights(c, kind, type, rows + r * row_bytes, used);
    tdm__slab *w = kcheck_buffer(c, sizeof *w), *unused = kcheck_buffer(c, sizeof *unused);
    tdm__act_slab *a = kcheck_buffer(c, sizeof *a);
    float(*expected)[ROWS] = kcheck_buffer(c, sizeof *expected), (*got)[ROWS] = kcheck_buffer(c, sizeof *got);
    fill_dot(c, KCHECK_NORMAL, dot.offset, slack == 2, unused, a, 1);
    kcheck_fill_floats(c, KCHECK_NORMAL, expected[0], ROWS);
    memcpy(got, expected, sizeof *got);
    kcheck_reference(c)->unpack[type](rows, row_bytes, ROWS, n_cols, w);
    kcheck_reference(c)->dot[dot.kind](w, n_cols, dot.offset, a, 1, expected);
    kcheck_level(c)->unpack_dot[type](rows, row_bytes, n_cols, a, got);
    kcheck_same_floats(c, "acc", expected[0], got[0], ROWS);
    kcheck_end(c);
}

static void check_unpack_dot_all(kcheck *c)
{
    for (uint32_t type = 0; type < TDM__TYPE_COUNT; type++)
        for (int kind = 0; kcheck_level(c)->unpack_dot[type] && kind < WEIGHT_FILL_COUNT; kind++)
            for (size_t slack = 0; slack < 3; slack++) {
                size_t step = tdm__type_get(type)->block_values;
                for (size_t n = step; n <= 256; n += step)
                    check_unpack_dot(c, (tdm__type)type, (weight_fill)kind, n, slack);
            }
}

static void check_dot_f32(kcheck *c, kcheck_fill fill, size_t n_cols, size_t n_tokens, size_t gap)
{
    kcheck_begin(c, "dot_f32, %zu columns, %zu tokens, fill %d", n_cols, n_tokens, (int)fill);
    tdm__slab_f32 *w = kcheck_buffer(c, sizeof *w);
    size_t stride = n_cols + gap, n = (n_tokens - 1) * stride + n_cols;
    float *x = kcheck_buffer(c, n * sizeof *x);
    float(*expected)[ROWS] = kcheck_buffer(c, n_tokens * sizeof *expected);
    float(*got)[ROWS] = kcheck_buffer(c, n_tokens * sizeof *got);
    kcheck_fill_floats(c, fill, w->w[0], sizeof w->w / sizeof(float));
    kcheck_fill_floats(c, fill, x, n);
    kcheck_fill_floats(c, KCHECK_NORMAL, expected[0], n_tokens * ROWS);
    memcpy(got, expected, n_tokens * sizeof *got);
    kcheck_reference(c)->dot_f32(w, n_cols, x, stride, n_tokens, expected);
    kcheck_level(c)->dot_f32(w, n_cols, x, stride, n_tokens, got);
    kcheck_same_floats(c, "acc", expected[0], got[0], n_tokens * ROWS);
    kcheck_end(c);
}

static void check_dot_all(kcheck *c)
{
    static const struct {
        tdm__dot_kind kind;
        int offset;
    } kinds[] = {
        {TDM__DOT_RUN32, 8},     {TDM__DOT_RUN32, 16}, {TDM__DOT_RUN32, 128}, {TDM__DOT_RUN32_MIN, 0},
        {TDM__DOT_RUN16, 4}, {TDM__DOT_RUN16, 32}, {TDM__DOT_RUN16_MIN, 0},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (int fill = 0; fill < KCHECK_FILL_COUNT; fill++)
            for (size_t tokens = 1; tokens <= 17; tokens += tokens < 9 ? 1 : 8)
                for (size_t cols = 32; cols <= 256; cols += 112) {
                    check_dot(c, (kcheck_fill)fill, kinds[i].kind, kinds[i].offset, false, cols / 32 * 32, tokens);
                    check_dot(c, (kcheck_fill)fill, kinds[i].kind, kinds[i].offset, true, cols / 32 * 32, tokens);
                }
    for (int fill = 0; fill < KCHECK_FILL_COUNT; fill++)
        for (size_t tokens = 1; tokens <= 17; tokens += tokens < 9 ? 1 : 8)
            for (size_t cols = 1; cols <= 256; cols += 51)
                check_dot_f32(c, (kcheck_fill)fill, cols, tokens, tokens % 3);
}

/* Timing: the same call again and again on data in cache. */
typedef struct timed {
    const tdm__kernels *kernels;
    tdm__type type;
    const uint8_t *rows;
    size_t row_bytes;
    tdm__slab *slab;
    tdm__act_slab *acts;
    size_t n_tokens;
    float (*acc)[ROWS];
    const float *x;
} timed;

enum { REPEATS = 200 };

static void time_unpack(void *ctx)
{
    timed *t = ctx;
    for (int i = 0; i < REPEATS; i++)
        t->kernels->unpack[t->type](t->rows, t->row_bytes, ROWS, TDM__SLAB_COLS, t->slab);
}

static void time_unpack_dot(void *ctx)
{
    timed *t = ctx;
    for (int i = 0; i < REPEATS; i++)
        t->kernels->unpack_dot[t->type](t->rows, t->row_bytes, TDM__SLAB_COLS, t->acts, t->acc);
}

static void time_dot(void *ctx)
{
    timed *t = ctx;
    tdm__dot_traits dot = tdm__dot_traits_get(t->type);
    for (int i = 0; i < REPEATS; i++)
        t->kernels->dot[dot.kind](t->slab, TDM__SLAB_COLS, dot.offset, t->acts, t->n_tokens, t->acc);
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
    timed t = {.kernels = kcheck_level(c), .slab = kcheck_buffer(c, sizeof(tdm__slab))};
    float *x = kcheck_buffer(c, TDM__SLAB_COLS * sizeof *x);
    kcheck_fill_floats(c, KCHECK_NORMAL, x, TDM__SLAB_COLS);
    t.x = x;
    t.acts = kcheck_buffer(c, 64 * sizeof *t.acts);
    t.acc = kcheck_buffer(c, 64 * sizeof *t.acc);
    uint8_t *rows = kcheck_buffer(c, 16 * 1024);
    t.rows = rows;
    kcheck_time(c, "quantize 256", REPEATS * TDM__SLAB_COLS, "value", time_quantize, &t);
    for (uint32_t type = 0; type < TDM__TYPE_COUNT; type++) {
        const tdm__type_traits *traits = tdm__type_get(type);
        if (!traits || !t.kernels->unpack[type])
            continue;
        char what[64];
        t.type = (tdm__type)type;
        t.row_bytes = TDM__SLAB_COLS / traits->block_values * traits->block_bytes;
        fill_weights(c, WEIGHTS_FINITE, t.type, rows, ROWS * t.row_bytes);
        fill_dot(c, KCHECK_NORMAL, tdm__dot_traits_get(t.type).offset, false, t.slab, t.acts, 64);
        snprintf(what, sizeof what, "unpack %s", traits->name);
        kcheck_time(c, what, (double)(REPEATS * ROWS * t.row_bytes), "byte", time_unpack, &t);
        snprintf(what, sizeof what, "unpack_dot %s, 1 token", traits->name);
        if (t.kernels->unpack_dot[type])
            kcheck_time(c, what, (double)(REPEATS * ROWS * t.row_bytes), "byte", time_unpack_dot, &t);
        for (size_t i = 0; i < sizeof token_counts / sizeof token_counts[0]; i++) {
            t.n_tokens = token_counts[i];
            memset(t.acc, 0, t.n_tokens * sizeof *t.acc);
            snprintf(what, sizeof what, "dot %s, %zu tokens", traits->name, t.n_tokens);
            kcheck_time(c, what, 2.0 * REPEATS * ROWS * TDM__SLAB_COLS * (double)t.n_tokens, "op", time_dot, &t);
        }
    }
    kcheck_end(c);
}

void kcheck_quants(kcheck *c)
{
    static const size_t lengths[] = {32, 64, 224, 256, 288, 576, 896, 1536};
    if (kcheck_is_bench(c)) {
        bench(c);
        return;
    }
    check_golden(c);
    check_unpack_all(c);
    for (int kind = 0; kind < KCHECK_FILL_COUNT; kind++)
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            check_quantize(c, (kcheck_fill)kind, lengths[i], 1);
            check_quantize(c, (kcheck_fill)kind, lengths[i], 3);
        }
    check_dot_all(c);
    check_unpack_dot_all(c);
}
