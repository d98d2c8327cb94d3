/* dot.c - reference C: a packed slab of weights times the activations of some tokens.
 *
 * The order of float operations here is the definition in matmul.h. One function serves all quantised types; the table
 * has one entry a type because the fast versions differ.
 */
#include <math.h>

#include "kernel/kernels.h"
#include "kernel/kernels_init.h"
#include "kernel/slab.h"

/* The exact sum over n columns from column c on. */
static int32_t sum_products(const tdm__slab *w, size_t r, size_t c, size_t n, int offset, const int8_t *a)
{
    int32_t sum = 0;
    for (size_t k = c; k < c + n; k++)
        sum += (w->q[k][r] - offset) * a[k];
    return sum;
}

static int32_t sum_values(const int8_t *a, size_t n)
{
    int32_t sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += a[k];
    return sum;
}

static void dot(tdm__type type, const uint8_t *packed, size_t n_cols, const tdm__act_slab *a, size_t n_tokens,
                float (*acc)[TDM__PANEL_ROWS])
{
    const tdm__dot_traits traits = tdm__dot_traits_get(type);
    const size_t run = traits.run;
    tdm__slab w;
    tdm__slab_read(type, packed, n_cols, &w);
    for (size_t t = 0; t < n_tokens; t++)
        for (size_t r = 0; r < TDM__PANEL_ROWS; r++)
            for (size_t c = 0; c < n_cols; c += run) {
                float scale = a[t].scale[c / 32];
                int32_t i = sum_products(&w, r, c, run, traits.offset, a[t].q);
                acc[t][r] = fmaf((float)i, w.scale[c / run][r] * scale, acc[t][r]);
                if (traits.has_min)
                    acc[t][r] = fmaf(w.min[c / run][r], scale * (float)sum_values(a[t].q + c, run), acc[t][r]);
            }
}

static void dot_float(tdm__type type, const uint8_t *packed, size_t n_cols, const float *x, size_t x_stride,
                      size_t n_tokens, float (*acc)[TDM__PANEL_ROWS])
{
    const size_t bytes = TDM__PANEL_ROWS * tdm__type_get((uint32_t)type)->block_bytes;
    for (size_t k = 0; k < n_cols; k++, packed += bytes) {
        float w[TDM__PANEL_ROWS];
        tdm__dequantize_row(type, packed, w, TDM__PANEL_ROWS);
        for (size_t t = 0; t < n_tokens; t++)
            for (size_t r = 0; r < TDM__PANEL_ROWS; r++)
                acc[t][r] = fmaf(w[r], x[t * x_stride + k], acc[t][r]);
    }
}

#define DOT(name, TYPE)                                                                                              \
    static void dot_##name##_c(const uint8_t *packed, size_t n_cols, const tdm__act_slab *a, size_t n_tokens,        \
                               float (*acc)[TDM__PANEL_ROWS])                                                        \
    {                                                                                                                \
        dot(TYPE, packed, n_cols, a, n_tokens, acc);                                                                 \
    }

#define DOT_FLOAT(name, TYPE)                                                                                        \
    static void dot_##name##_c(const uint8_t *packed, size_t n_cols, const float *x, size_t x_stride,                \
                               size_t n_tokens, float (*acc)[TDM__PANEL_ROWS])                                       \
    {                                                                                                                \
        dot_float(TYPE, packed, n_cols, x, x_stride, n_tokens, acc);                                                 \
    }

DOT(q4_0, TDM__TYPE_Q4_0)
DOT(q4_1, TDM__TYPE_Q4_1)
DOT(q5_0, TDM__TYPE_Q5_0)
DOT(q5_1, TDM__TYPE_Q5_1)
DOT(q8_0, TDM__TYPE_Q8_0)
DOT(q2_k, TDM__TYPE_Q2_K)
DOT(q3_k, TDM__TYPE_Q3_K)
DOT(q4_k, TDM__TYPE_Q4_K)
DOT(q5_k, TDM__TYPE_Q5_K)
DOT(q6_k, TDM__TYPE_Q6_K)
DOT_FLOAT(f32, TDM__TYPE_F32)
DOT_FLOAT(f16, TDM__TYPE_F16)
DOT_FLOAT(bf16, TDM__TYPE_BF16)

void tdm__kernels_init_dot_c(tdm__kernels *k)
{
    k->dot[TDM__TYPE_Q4_0] = dot_q4_0_c;
    k->dot[TDM__TYPE_Q4_1] = dot_q4_1_c;
    k->dot[TDM__TYPE_Q5_0] = dot_q5_0_c;
    k->dot[TDM__TYPE_Q5_1] = dot_q5_1_c;
    k->dot[TDM__TYPE_Q8_0] = dot_q8_0_c;
    k->dot[TDM__TYPE_Q2_K] = dot_q2_k_c;
    k->dot[TDM__TYPE_Q3_K] = dot_q3_k_c;
    k->dot[TDM__TYPE_Q4_K] = dot_q4_k_c;
    k->dot[TDM__TYPE_Q5_K] = dot_q5_k_c;
    k->dot[TDM__TYPE_Q6_K] = dot_q6_k_c;
    k->dot_float[TDM__TYPE_F32] = dot_f32_c;
    k->dot_float[TDM__TYPE_F16] = dot_f16_c;
    k->dot_float[TDM__TYPE_BF16] = dot_bf16_c;
}
