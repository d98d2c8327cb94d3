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

/* The integers that a K type's minima are, times the words of activations: a min is a negative multiple of d_min. */
static int32_t sum_minima(const tdm__slab *w, size_t r, size_t n_parts, const int16_t *sums)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n_parts; i++)
        sum += w->min_q[i][r] * sums[i];
    return sum;
}

static float dot_slab(const tdm__slab *w, tdm__dot_traits traits, size_t r, size_t n_cols, const tdm__act_slab *a)
{
    const size_t n_parts = n_cols / traits.run;
    float slab = 0;
    for (size_t i = 0; i < n_parts; i++) {
        const size_t c = i * traits.run, b = c / 32;
        int32_t sum = sum_products(w, r, c, traits.run, traits.offset, a->q);
        slab = fmaf((float)sum, w->scale[i][r] * a->multiplier[b], slab);
        if (traits.min == TDM__MIN_RUN)
            slab = fmaf(w->min[i][r], a->sum[b], slab);
    }
    if (traits.min == TDM__MIN_SLAB) {
        int32_t sum = sum_minima(w, r, n_parts, traits.run == 32 ? a->small_sum : a->small_sum_half);
        slab = fmaf((float)sum * w->minus_d_min[r], a->sum_unit, slab);
    }
    return slab;
}

static void dot(tdm__type type, const tdm__dot_panel *panels, size_t n_panels, size_t n_cols, const tdm__act_slab *a,
                size_t n_tokens)
{
    tdm__slab w;
    for (size_t p = 0; p < n_panels; p++) {
        tdm__slab_read(type, panels[p].slab, n_cols, &w);
        for (size_t t = 0; t < n_tokens; t++)
            for (size_t r = 0; r < TDM__PANEL_ROWS; r++)
                panels[p].acc[t][r] = fmaf(dot_slab(&w, tdm__dot_traits_get(type), r, n_cols, &a[t]), a[t].unit,
                                           panels[p].acc[t][r]);
    }
}

static void dot_float(tdm__type type, const tdm__dot_panel *panel, size_t n_cols, const float *x, size_t x_stride,
                      size_t n_tokens)
{
    const size_t bytes = TDM__PANEL_ROWS * tdm__type_get((uint32_t)type)->block_bytes;
    for (size_t k = 0; k < n_cols; k++) {
        float w[TDM__PANEL_ROWS];
        tdm__dequantize_row(type, panel->slab + k * bytes, w, TDM__PANEL_ROWS);
        for (size_t t = 0; t < n_tokens; t++)
            for (size_t r = 0; r < TDM__PANEL_ROWS; r++)
                panel->acc[t][r] = fmaf(w[r], x[t * x_stride + k], panel->acc[t][r]);
    }
}

#define DOT(name, TYPE)                                                                                              \
    static void dot_##name##_c(const tdm__dot_panel *panels, size_t n_panels, size_t n_cols, const tdm__act_slab *a, \
                               size_t n_tokens)                                                                      \
    {                                                                                                                \
        dot(TYPE, panels, n_panels, n_cols, a, n_tokens);                                                            \
    }

#define DOT_FLOAT(name, TYPE)                                                                                        \
    static void dot_##name##_c(const tdm__dot_panel *panel, size_t n_cols, const float *x, size_t x_stride,          \
                               size_t n_tokens)                                                                      \
    {                                                                                                                \
        dot_float(TYPE, panel, n_cols, x, x_stride, n_tokens);                                                       \
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
