/* dot_template.h - a slab times the activations of some tokens, in the vec of x86/panel_*.h.
 *
 * The weights of a run stay in registers while all tokens pass by; a token's 4 values of a group are broadcast to all
 * rows. The including file gives the integer part:
 *      DOT_TOKENS                            tokens taken at a time, to hide latencies
 *      vec vec_dot(start, q, a)              start + the sums over 16 columns: q[4] as stored, a[16] activations
 *      vec vec_dot_signed(start, q, a)       the same with 128 subtracted from each weight
 *      DOT_IS_WIDE                           true: vec_dot takes weights up to 255, else only up to 63
 */
#ifndef TDM_KERNEL_DOT_TEMPLATE_H
#define TDM_KERNEL_DOT_TEMPLATE_H

#include <stdbool.h>

#include "kernel/kernels.h"

#define DOT_INLINE static inline __attribute__((always_inline))

/* What the stored weights mean, known at compile time where the functions below are inlined. */
typedef enum dot_way {
    DOT_PLAIN = 0, /* themselves: types with minima */
    DOT_OFFSET,    /* plus 2^shift, taken off by the start value */
    DOT_SIGNED     /* plus 128, taken off by vec_dot_signed */
} dot_way;

DOT_INLINE vec dot_start(dot_way way, int shift, int32_t minus_sum)
{
    return way == DOT_OFFSET ? vec_shift_left_by(vec_set1((uint32_t)minus_sum), shift) : vec_set1(0);
}

DOT_INLINE vec dot_16(dot_way way, vec start, const vec *q, const int8_t *a)
{
    return way == DOT_SIGNED ? vec_dot_signed(start, q, a) : vec_dot(start, q, a);
}

/* The float part of one run: fma(sum, scale * act_scale, acc), then min * (act_scale * sum of a) the same way. */
DOT_INLINE vec_f32 dot_add_run(vec_f32 acc, vec sum, vec_f32 scale, float act_scale)
{
    return vec_f32_fma(vec_to_f32(sum), vec_f32_mul(scale, vec_f32_set1(act_scale)), acc);
}

DOT_INLINE vec_f32 dot_add_min(vec_f32 acc, vec_f32 min, float scaled_sum)
{
    return vec_f32_fma(min, vec_f32_set1(scaled_sum), acc);
}

/* n tokens (a constant) times run b of 32. */
DOT_INLINE void dot_run32_tokens(size_t n, const vec q[8], vec_f32 scale, vec_f32 min, dot_way way, int shift,
                                 size_t b, const tdm__act_slab *a, float (*acc)[TDM__PANEL_ROWS])
{
    vec sum[DOT_TOKENS];
#pragma GCC unroll 8
    for (size_t t = 0; t < n; t++)
        sum[t] = dot_start(way, shift, a[t].minus_sum[b]);
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; half++)
#pragma GCC unroll 8
        for (size_t t = 0; t < n; t++)
            sum[t] = dot_16(way, sum[t], q + 4 * half, a[t].q + 32 * b + 16 * half);
#pragma GCC unroll 8
    for (size_t t = 0; t < n; t++) {
        vec_f32 x = dot_add_run(vec_f32_load(acc[t]), sum[t], scale, a[t].scale[b]);
        if (way == DOT_PLAIN)
            x = dot_add_min(x, min, a[t].scaled_sum[b]);
        vec_f32_store(acc[t], x);
    }
}

DOT_INLINE void dot_run32_all(const tdm__slab *w, size_t n_cols, dot_way way, int shift, const tdm__act_slab *a,
                              size_t n_tokens, float (*acc)[TDM__PANEL_ROWS])
{
    for (size_t b = 0; b < n_cols / 32; b++) {
        vec q[8];
        for (int g = 0; g < 8; g++)
            q[g] = vec_load(w->q[b][g]);
        vec_f32 scale = vec_f32_load(w->scale[b]), min = vec_f32_load(w->min[way == DOT_PLAIN ? b : 0]);
        size_t t = 0;
        for (; t + DOT_TOKENS <= n_tokens; t += DOT_TOKENS)
            dot_run32_tokens(DOT_TOKENS, q, scale, min, way, shift, b, a + t, acc + t);
        for (; t < n_tokens; t++)
            dot_run32_tokens(1, q, scale, min, way, shift, b, a + t, acc + t);
    }
}

/* n tokens (a constant) times runs 2 b and 2 b + 1 of 16. */
DOT_INLINE void dot_run16_tokens(size_t n, const vec q[8], const vec_f32 scale[2], const vec_f32 min[2], dot_way way,
                                 int shift, size_t b, const tdm__act_slab *a, float (*acc)[TDM__PANEL_ROWS])
{
    vec sum[2][DOT_TOKENS];
#pragma GCC unroll 8
    for (size_t t = 0; t < n; t++) {
        sum[0][t] = dot_16(way, dot_start(way, shift, a[t].minus_sum_half[b]), q, a[t].q + 32 * b);
        sum[1][t] = dot_16(way, dot_start(way, shift, a[t].minus_sum[b] - a[t].minus_sum_half[b]), q + 4,
                           a[t].q + 32 * b + 16);
    }
#pragma GCC unroll 8
    for (size_t t = 0; t < n; t++) {
        vec_f32 x = vec_f32_load(acc[t]);
        int32_t sums[2] = {-a[t].minus_sum_half[b], a[t].minus_sum_half[b] - a[t].minus_sum[b]};
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            x = dot_add_run(x, sum[half][t], scale[half], a[t].scale[b]);
            if (way == DOT_PLAIN)
                x = dot_add_min(x, min[half], a[t].scale[b] * (float)sums[half]);
        }
        vec_f32_store(acc[t], x);
    }
}

DOT_INLINE void dot_run16_all(const tdm__slab *w, size_t n_cols, dot_way way, int shift, const tdm__act_slab *a,
                              size_t n_tokens, float (*acc)[TDM__PANEL_ROWS])
{
    for (size_t b = 0; b < n_cols / 32; b++) {
        vec q[8];
        vec_f32 scale[2], min[2];
        for (int g = 0; g < 8; g++)
            q[g] = vec_load(w->q[b][g]);
        for (size_t half = 0; half < 2; half++) {
            scale[half] = vec_f32_load(w->scale[2 * b + half]);
            min[half] = vec_f32_load(w->min[way == DOT_PLAIN ? 2 * b + half : 0]);
        }
        size_t t = 0;
        for (; t + DOT_TOKENS <= n_tokens; t += DOT_TOKENS)
            dot_run16_tokens(DOT_TOKENS, q, scale, min, way, shift, b, a + t, acc + t);
        for (; t < n_tokens; t++)
            dot_run16_tokens(1, q, scale, min, way, shift, b, a + t, acc + t);
    }
}

/* One token's sums of halves of runs (sum[2 b + half], without start values) to its 16 results. */
DOT_INLINE void dot_fold_run32(const tdm__slab *w, size_t n_cols, dot_way way, int shift, const vec *sum,
                               const tdm__act_slab *a, float (*acc)[TDM__PANEL_ROWS])
{
    vec_f32 x = vec_f32_load(acc[0]);
    for (size_t b = 0; b < n_cols / 32; b++) {
        vec i = vec_add(vec_add(sum[2 * b], sum[2 * b + 1]), dot_start(way, shift, a->minus_sum[b]));
        x = dot_add_run(x, i, vec_f32_load(w->scale[b]), a->scale[b]);
        if (way == DOT_PLAIN)
            x = dot_add_min(x, vec_f32_load(w->min[b]), a->scaled_sum[b]);
    }
    vec_f32_store(acc[0], x);
}

DOT_INLINE void dot_fold_run16(const tdm__slab *w, size_t n_cols, dot_way way, int shift, const vec *sum,
                               const tdm__act_slab *a, float (*acc)[TDM__PANEL_ROWS])
{
    vec_f32 x = vec_f32_load(acc[0]);
    for (size_t h = 0; h < n_cols / 16; h++) {
        int32_t first = a->minus_sum_half[h / 2], minus_sum = h % 2 == 0 ? first : a->minus_sum[h / 2] - first;
        vec i = vec_add(sum[h], dot_start(way, shift, minus_sum));
        x = dot_add_run(x, i, vec_f32_load(w->scale[h]), a->scale[h / 2]);
        if (way == DOT_PLAIN)
            x = dot_add_min(x, vec_f32_load(w->min[h]), a->scale[h / 2] * (float)-minus_sum);
    }
    vec_f32_store(acc[0], x);
}

static void dot_run32(const tdm__slab *w, size_t n_cols, int offset, const tdm__act_slab *a, size_t n_tokens,
                      float (*acc)[TDM__PANEL_ROWS])
{
    int shift = __builtin_ctz((unsigned)offset);
    if (offset == 128 && !DOT_IS_WIDE)
        dot_run32_all(w, n_cols, DOT_SIGNED, 0, a, n_tokens, acc);
    else
        dot_run32_all(w, n_cols, DOT_OFFSET, shift, a, n_tokens, acc);
}

static void dot_run32_min(const tdm__slab *w, size_t n_cols, int offset, const tdm__act_slab *a, size_t n_tokens,
                          float (*acc)[TDM__PANEL_ROWS])
{
    (void)offset;
    dot_run32_all(w, n_cols, DOT_PLAIN, 0, a, n_tokens, acc);
}

static void dot_run16(const tdm__slab *w, size_t n_cols, int offset, const tdm__act_slab *a, size_t n_tokens,
                      float (*acc)[TDM__PANEL_ROWS])
{
    dot_run16_all(w, n_cols, DOT_OFFSET, __builtin_ctz((unsigned)offset), a, n_tokens, acc);
}

static void dot_run16_min(const tdm__slab *w, size_t n_cols, int offset, const tdm__act_slab *a, size_t n_tokens,
                          float (*acc)[TDM__PANEL_ROWS])
{
    (void)offset;
    dot_run16_all(w, n_cols, DOT_PLAIN, 0, a, n_tokens, acc);
}

DOT_INLINE void dot_f32_tokens(size_t n, const tdm__slab_f32 *w, size_t n_cols, const float *x, size_t x_stride,
                               float (*acc)[TDM__PANEL_ROWS])
{
    vec_f32 sum[DOT_TOKENS];
#pragma GCC unroll 8
    for (size_t t = 0; t < n; t++)
        sum[t] = vec_f32_load(acc[t]);
    for (size_t k = 0; k < n_cols; k++) {
        vec_f32 weights = vec_f32_load(w->w[k]);
#pragma GCC unroll 8
        for (size_t t = 0; t < n; t++)
            sum[t] = vec_f32_fma(weights, vec_f32_set1(x[t * x_stride + k]), sum[t]);
    }
#pragma GCC unroll 8
    for (size_t t = 0; t < n; t++)
        vec_f32_store(acc[t], sum[t]);
}

static void dot_f32(const tdm__slab_f32 *w, size_t n_cols, const float *x, size_t x_stride, size_t n_tokens,
                    float (*acc)[TDM__PANEL_ROWS])
{
    size_t t = 0;
    for (; t + DOT_TOKENS <= n_tokens; t += DOT_TOKENS)
        dot_f32_tokens(DOT_TOKENS, w, n_cols, x + t * x_stride, x_stride, acc + t);
    for (; t < n_tokens; t++)
        dot_f32_tokens(1, w, n_cols, x + t * x_stride, x_stride, acc + t);
}

static inline void fill_dot(tdm__kernels *k)
{
    k->dot[TDM__DOT_RUN32] = dot_run32;
    k->dot[TDM__DOT_RUN32_MIN] = dot_run32_min;
    k->dot[TDM__DOT_RUN16] = dot_run16;
    k->dot[TDM__DOT_RUN16_MIN] = dot_run16_min;
    k->dot_f32 = dot_f32;
}

#endif
