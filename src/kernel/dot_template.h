/* dot_template.h - packed slabs times the activations of some tokens, in the vec of x86/panel_*.h.
 *
 * Included once by the file of each level; everything here is static, so no code of one instruction set can be linked
 * into another. Few tokens: a run's weights are loaded, brought to bytes by a few shifts and masks, multiplied, and
 * forgotten. More: blocks of them (dot_block.h). The units that multiply bytes do floats too, so what counts is to have
 * few operations beside the products: a run of a block takes a subtraction, which others do, and one fused addition.
 * The including file gives:
 *      DOT_PANELS, DOT_TOKENS                what its registers hold of a block; DOT_PANELS 1: no blocks, few are all
 *      DOT_STEP                              columns of a step, 8 or 16
 *      vec vec_dot_8(start, q, a)            start + the sums over 8 columns: q[2] as stored, a[8] activations
 *      vec vec_dot_8_signed(start, q, a)     the same with 128 subtracted from each weight
 *      vec vec_dot_16(start, q, a)           vec_dot_8 twice, of weights up to 31
 *      DOT_IS_WIDE                           true: vec_dot_8 takes weights up to 255, else only up to 63
 *      vec vec_dot_words(start, w, a)        start + w[0] a[0] + w[1] a[1] in each row, of signed words
 */
#ifndef TDM_KERNEL_DOT_TEMPLATE_H
#define TDM_KERNEL_DOT_TEMPLATE_H

#include "kernel/dot_block.h"

/* ---- few tokens ---- */

enum { DOT_SOME = 4 }; /* tokens whose sums stay in registers beside a run's weights */

/* One part of run b, whose weights are in q, for n tokens (a constant), onto slab. */
DOT_INLINE void dot_few_part(size_t n, dot_kind kind, int shift, const vec *q, vec_f32 scale, size_t b, size_t half,
                             const tdm__act_slab *a, vec_f32 slab[DOT_SOME])
{
    vec sum[DOT_SOME];
#pragma GCC unroll 4
    for (size_t t = 0; t < n; t++)
        sum[t] = dot_start(kind.way, shift, 0, dot_minus_sum(&a[t], kind.part, b, half));
#pragma GCC unroll 4
    for (size_t c = 0; c < kind.part; c += DOT_STEP)
#pragma GCC unroll 4
        for (size_t t = 0; t < n; t++)
            sum[t] = dot_step(kind, sum[t], q + c / 4, a[t].q + 32 * b + 16 * half + c);
#pragma GCC unroll 4
    for (size_t t = 0; t < n; t++)
        slab[t] = vec_f32_fma(vec_to_f32(sum[t]), vec_f32_mul(scale, vec_f32_set1(a[t].multiplier[b])), slab[t]);
}

/* Where two panels at once do not fit into the registers, few are all. */
enum { DOT_FEW_MAX = DOT_PANELS > 1 ? (int)TDM__DOT_FEW : (int)TDM__DOT_TOKENS_MAX };

/* function(n, ..) with n a constant: so many tokens as n says, at most DOT_SOME. */
#define DOT_SOME_OF(n, function, ...)                                                                                \
    if ((n) == 1)                                                                                                    \
        function(1, __VA_ARGS__);                                                                                    \
    else if ((n) == 2)                                                                                               \
        function(2, __VA_ARGS__);                                                                                    \
    else if ((n) == 3)                                                                                               \
        function(3, __VA_ARGS__);                                                                                    \
    else                                                                                                             \
        function(DOT_SOME, __VA_ARGS__);

/* ---- the functions of a type ---- */

/* min_of is read where min says that there is one. */
#define DOT_TYPE(name, load, run_bytes, scale_bytes, part, min, shift, d_of, scale_of, min_of, kind_name)            \
    DOT_INLINE void dot_close_##name(size_t n, const tdm__dot_panel *panel, const uint8_t *s,                        \
                                     const tdm__act_slab *a, size_t at, vec_f32 *slab)                               \
    {                                                                                                                \
        vec words[DOT_SOME];                                                                                         \
        DOT_SUM_##min(part, min_of)                                                                                  \
        for (size_t t = 0; t < n; t++) {                                                                             \
            if ((min) == DOT_MIN_WORDS)                                                                              \
                slab[t] = dot_close(slab[t], words[t], factor_minus_d_min(s), &a[at + t]);                           \
            vec_f32 sum = vec_f32_load(panel->acc[at + t]);                                                          \
            vec_f32_store(panel->acc[at + t], vec_f32_fma(slab[t], vec_f32_set1(a[at + t].unit), sum));              \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    DOT_INLINE void dot_run_##name(size_t n, const vec *q, const uint8_t *s, vec_f32 d, size_t b,                    \
                                   const tdm__act_slab *a, vec_f32 *slab)                                            \
    {                                                                                                                \
        const dot_kind kind = DOT_KIND_##kind_name;                                                                  \
        dot_few_part(n, kind, shift, q, scale_of(s, d, b * 32 / (part)), b, 0, a, slab);                             \
        if ((part) == 16)                                                                                            \
            dot_few_part(n, kind, shift, q + 4, scale_of(s, d, 2 * b + 1), b, 1, a, slab);                           \
        DOT_FEW_##min(min_of)                                                                                        \
    }                                                                                                                \
                                                                                                                     \
    /* n tokens (a constant): their sums stay in registers over the slab. */                                         \
    DOT_INLINE void dot_some_##name(size_t n, const tdm__dot_panel *panel, size_t n_runs, const tdm__act_slab *a)    \
    {                                                                                                                \
        const uint8_t *s = panel->slab + n_runs * (run_bytes);                                                       \
        const vec_f32 d = d_of(s);                                                                                   \
        vec_f32 slab[DOT_SOME];                                                                                      \
        vec q[8];                                                                                                    \
        for (size_t t = 0; t < n; t++)                                                                               \
            slab[t] = vec_f32_set1(0);                                                                               \
        for (size_t b = 0; b < n_runs; b++) {                                                                        \
            dot_prefetch(panel->ahead + b * (run_bytes), (run_bytes));                                               \
            load(panel->slab + b * (run_bytes), q);                                                                  \
            dot_run_##name(n, q, s, d, b, a, slab);                                                                  \
        }                                                                                                            \
        dot_close_##name(n, panel, s, a, 0, slab);                                                                   \
    }                                                                                                                \
                                                                                                                     \
    /* More, some at a time: their sums wait in the first-level cache from run to run. */                            \
    static void dot_few_##name(const tdm__dot_panel *panel, size_t n_runs, const tdm__act_slab *a, size_t n_tokens)  \
    {                                                                                                                \
        const uint8_t *s = panel->slab + n_runs * (run_bytes);                                                       \
        const vec_f32 d = d_of(s);                                                                                   \
        vec_f32 slab[DOT_FEW_MAX];                                                                                   \
        vec q[8];                                                                                                    \
        for (size_t t = 0; t < n_tokens; t++)                                                                        \
            slab[t] = vec_f32_set1(0);                                                                               \
        for (size_t b = 0; b < n_runs; b++) {                                                                        \
            dot_prefetch(panel->ahead + b * (run_bytes), (run_bytes));                                               \
            load(panel->slab + b * (run_bytes), q);                                                                  \
            for (size_t at = 0; at < n_tokens; at += DOT_SOME) {                                                     \
                DOT_SOME_OF(n_tokens - at, dot_run_##name, q, s, d, b, a + at, slab + at)                            \
            }                                                                                                        \
        }                                                                                                            \
        for (size_t at = 0; at < n_tokens; at += DOT_SOME) {                                                         \
            DOT_SOME_OF(n_tokens - at, dot_close_##name, panel, s, a, at, slab + at)                                 \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    static void dot_unpack_##name(const tdm__dot_panel *panel, size_t n_runs, dot_weights *w)                        \
    {                                                                                                                \
        const uint8_t *s = panel->slab + n_runs * (run_bytes);                                                       \
        const vec_f32 d = d_of(s);                                                                                   \
        for (size_t b = 0; b < n_runs; b++) {                                                                        \
            load(panel->slab + b * (run_bytes), w->q[b]);                                                            \
            for (size_t i = b * 32 / (part); i < (b + 1) * 32 / (part); i++) {                                       \
                const vec_f32 scale = scale_of(s, d, i);                                                             \
                for (int l = 0; l < TDM__ACT_LEVELS; l++)                                                            \
                    w->scale[i][l] = vec_f32_mul(scale, vec_f32_set1(tdm__act_level(l)));                            \
            }                                                                                                        \
            DOT_UNPACK_##min(part, min_of)                                                                           \
        }                                                                                                            \
        if ((min) == DOT_MIN_WORDS)                                                                                  \
            w->minus_d_min = factor_minus_d_min(s);                                                                  \
    }                                                                                                                \
                                                                                                                     \
    /* Two panels at once, or one twice. */                                                                          \
    static void dot_panels_##name(const tdm__dot_panel *panels, size_t n_panels, size_t n_runs,                      \
                                  const tdm__act_slab *a, size_t n_tokens)                                           \
    {                                                                                                                \
        dot_slabs s;                                                                                                 \
        s.n_runs = n_runs;                                                                                           \
        s.ahead_at = 0;                                                                                              \
        s.ahead_bytes = n_runs * (run_bytes) + (scale_bytes);                                                        \
        for (size_t p = 0; p < DOT_PANELS; p++) {                                                                    \
            const tdm__dot_panel *panel = &panels[p < n_panels ? p : 0];                                             \
            s.acc[p] = panel->acc;                                                                                   \
            s.ahead[p] = panel->ahead;                                                                               \
            dot_unpack_##name(panel, n_runs, &s.w[p]);                                                               \
        }                                                                                                            \
        dot_many_##kind_name(shift, &s, a, n_tokens);                                                                \
    }                                                                                                                \
                                                                                                                     \
    static void dot_##name(const tdm__dot_panel *panels, size_t n_panels, size_t n_cols, const tdm__act_slab *a,     \
                           size_t n_tokens)                                                                          \
    {                                                                                                                \
        const size_t n_runs = n_cols / 32;                                                                           \
        if (DOT_PANELS > 1 && n_tokens > TDM__DOT_FEW) {                                                             \
            for (size_t p = 0; p < n_panels; p += DOT_PANELS)                                                        \
                dot_panels_##name(panels + p, n_panels - p, n_runs, a, n_tokens);                                    \
            return;                                                                                                  \
        }                                                                                                            \
        for (size_t p = 0; p < n_panels; p++) {                                                                      \
            dot_prefetch(panels[p].ahead + n_runs * (run_bytes), scale_bytes);                                       \
            if (n_tokens > DOT_SOME)                                                                                 \
                dot_few_##name(&panels[p], n_runs, a, n_tokens);                                                     \
            else                                                                                                     \
                DOT_SOME_OF(n_tokens, dot_some_##name, &panels[p], n_runs, a)                                        \
        }                                                                                                            \
    }

/* What minima add, for few tokens: a float a run, or words at the slab's end. */
#define DOT_FEW_DOT_NO_MIN(min_of)
#define DOT_FEW_DOT_MIN_WORDS(min_of)
#define DOT_FEW_DOT_MIN_RUN(min_of)                                                                                  \
    for (size_t t = 0; t < n; t++)                                                                                   \
        slab[t] = vec_f32_fma(min_of(s, b), vec_f32_set1(a[t].sum[b]), slab[t]);

#define DOT_SUM_DOT_NO_MIN(part, min_of)
#define DOT_SUM_DOT_MIN_RUN(part, min_of)
#define DOT_SUM_DOT_MIN_WORDS(part, min_of)                                                                          \
    for (size_t t = 0; t < n; t++)                                                                                   \
        words[t] = vec_set1(0);                                                                                      \
    for (size_t i = 0; i < TDM__SLAB_COLS / (part) / 2; i++)                                                         \
        for (size_t t = 0; t < n; t++)                                                                               \
            words[t] = dot_add_words(words[t], min_of(s, 2 * i), part, &a[at + t], i);

/* And what is kept of them for many. */
#define DOT_UNPACK_DOT_NO_MIN(part, min_of)
#define DOT_UNPACK_DOT_MIN_RUN(part, min_of) w->min[b] = min_of(s, b);
#define DOT_UNPACK_DOT_MIN_WORDS(part, min_of)                                                                       \
    if ((part) == 16)                                                                                                \
        w->min_words[b] = min_of(s, 2 * b);                                                                          \
    else if (b % 2 == 1)                                                                                             \
        w->min_words[b / 2] = min_of(s, b - 1);

DOT_TYPE(q4_0, load_nibbles, QUANTS_4, n_runs * 32, 32, DOT_NO_MIN, 3, factor_none, scale_half, , offset)
DOT_TYPE(q4_1, load_nibbles, QUANTS_4, n_runs * 64, 32, DOT_MIN_RUN, 0, factor_none, scale_half_min,
         min_half, min_run)
DOT_TYPE(q5_0, load_5_bits, QUANTS_5, n_runs * 32, 32, DOT_NO_MIN, 4, factor_none, scale_half, , offset)
DOT_TYPE(q5_1, load_5_bits, QUANTS_5, n_runs * 64, 32, DOT_MIN_RUN, 0, factor_none, scale_half_min,
         min_half, min_run)
DOT_TYPE(q8_0, load_8_bits, QUANTS_8, n_runs * 32, 32, DOT_NO_MIN, 7, factor_none, scale_half, , wide)
DOT_TYPE(q2_k, load_2_bits, QUANTS_2, SCALES_K, 16, DOT_MIN_WORDS, 0, factor_d, scale_nibble, min_nibbles,
         half_min_words)
DOT_TYPE(q3_k, load_3_bits, QUANTS_3, SCALES_K, 16, DOT_NO_MIN, 2, factor_d, scale_signed_byte, ,
         half_offset)
DOT_TYPE(q4_k, load_nibbles, QUANTS_4, SCALES_K, 32, DOT_MIN_WORDS, 0, factor_d, scale_byte, min_bytes,
         min_words)
DOT_TYPE(q5_k, load_5_bits, QUANTS_5, SCALES_K, 32, DOT_MIN_WORDS, 0, factor_d, scale_byte, min_bytes,
         min_words)
DOT_TYPE(q6_k, load_6_bits, QUANTS_6, SCALES_K, 16, DOT_NO_MIN, 5, factor_d, scale_signed_byte, ,
         half_offset)

/* ---- weights that are floats ---- */

DOT_INLINE vec_f32 column_f32(const uint8_t *p) { return vec_f32_load((const float *)(const void *)p); }
DOT_INLINE vec_f32 column_f16(const uint8_t *p) { return vec_f32_load_halves(p); }
DOT_INLINE vec_f32 column_bf16(const uint8_t *p) { return vec_as_f32(vec_shift_left(vec_load_words(p), 16)); }

#define DOT_FLOAT_SOME(n, column, column_bytes)                                                                      \
    {                                                                                                                \
        vec_f32 sum[DOT_TOKENS];                                                                                     \
        for (size_t i = 0; i < (n); i++)                                                                             \
            sum[i] = vec_f32_load(acc[t + i]);                                                                       \
        for (size_t k = 0; k < n_cols; k++) {                                                                        \
            vec_f32 w = column(slab + k * (column_bytes));                                                           \
            for (size_t i = 0; i < (n); i++)                                                                         \
                sum[i] = vec_f32_fma(w, vec_f32_set1(x[(t + i) * x_stride + k]), sum[i]);                            \
        }                                                                                                            \
        for (size_t i = 0; i < (n); i++)                                                                             \
            vec_f32_store(acc[t + i], sum[i]);                                                                       \
    }

#define DOT_FLOAT(name, column, column_bytes)                                                                        \
    static void dot_##name(const tdm__dot_panel *panel, size_t n_cols, const float *x, size_t x_stride,              \
                           size_t n_tokens)                                                                          \
    {                                                                                                                \
        const uint8_t *slab = panel->slab;                                                                           \
        float(*acc)[TDM__PANEL_ROWS] = panel->acc;                                                                   \
        size_t t = 0;                                                                                                \
        dot_prefetch(panel->ahead, n_cols * (column_bytes));                                                         \
        for (; t + DOT_TOKENS <= n_tokens; t += DOT_TOKENS)                                                          \
            DOT_FLOAT_SOME(DOT_TOKENS, column, column_bytes)                                                         \
        for (; t < n_tokens; t++)                                                                                    \
            DOT_FLOAT_SOME(1, column, column_bytes)                                                                  \
    }

DOT_FLOAT(f32, column_f32, 64)
DOT_FLOAT(f16, column_f16, 32)
DOT_FLOAT(bf16, column_bf16, 32)

static inline void fill_dot(tdm__kernels *k)
{
    k->dot[TDM__TYPE_Q4_0] = dot_q4_0;
    k->dot[TDM__TYPE_Q4_1] = dot_q4_1;
    k->dot[TDM__TYPE_Q5_0] = dot_q5_0;
    k->dot[TDM__TYPE_Q5_1] = dot_q5_1;
    k->dot[TDM__TYPE_Q8_0] = dot_q8_0;
    k->dot[TDM__TYPE_Q2_K] = dot_q2_k;
    k->dot[TDM__TYPE_Q3_K] = dot_q3_k;
    k->dot[TDM__TYPE_Q4_K] = dot_q4_k;
    k->dot[TDM__TYPE_Q5_K] = dot_q5_k;
    k->dot[TDM__TYPE_Q6_K] = dot_q6_k;
    k->dot_float[TDM__TYPE_F32] = dot_f32;
    k->dot_float[TDM__TYPE_F16] = dot_f16;
    k->dot_float[TDM__TYPE_BF16] = dot_bf16;
}

#endif
