/* dot_template.h - a packed slab times the activations of some tokens, in the vec of x86/panel_*.h.
 *
 * Included once by the file of each level; everything here is static, so no code of one instruction set can be linked
 * into another. A run's weights are loaded, brought to bytes by a few shifts and masks, and stay in registers while all
 * tokens pass by; a token's 4 values of a group are broadcast to all rows. One token takes the same way, with its sums
 * in a register. The including file gives the integer part:
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

/* ---- the weights of a run ---- */

enum { VECTOR = 64 }; /* bytes */

/* Bytes of a run's quants (packed.h). */
enum {
    QUANTS_2 = 2 * VECTOR,
    QUANTS_3 = 3 * VECTOR,
    QUANTS_4 = 4 * VECTOR,
    QUANTS_5 = 5 * VECTOR,
    QUANTS_6 = 6 * VECTOR,
    QUANTS_8 = 8 * VECTOR,
};

enum { SCALES_K = 5 * VECTOR }; /* and of the scales of a slab of the K types */

#define BYTES(x) ((x) * 0x01010101u)

DOT_INLINE vec bits_of(vec x, int shift, uint32_t mask) { return vec_and(vec_shift_right(x, shift), vec_set1(mask)); }

DOT_INLINE void load_nibbles(const uint8_t *p, vec q[8])
{
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        vec x = vec_load(p + VECTOR * v);
        q[v] = vec_and(x, vec_set1(BYTES(15)));
        q[v + 4] = bits_of(x, 4, BYTES(15));
    }
}

/* Bit g of each byte of the plane becomes bit `to` of group g. */
DOT_INLINE void add_bit_plane(const uint8_t *p, int to, vec q[8])
{
    const vec plane = vec_load(p);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        vec moved = g <= to ? vec_shift_left(plane, to - g) : vec_shift_right(plane, g - to);
        q[g] = vec_or(q[g], vec_and(moved, vec_set1(BYTES(1u << to))));
    }
}

DOT_INLINE void load_5_bits(const uint8_t *p, vec q[8])
{
    load_nibbles(p, q);
    add_bit_plane(p + QUANTS_4, 4, q);
}

DOT_INLINE void load_6_bits(const uint8_t *p, vec q[8])
{
    load_nibbles(p, q);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        const vec plane = vec_load(p + QUANTS_4 + VECTOR * (g / 4));
        const int from = g % 4 * 2;
        vec moved = from <= 4 ? vec_shift_left(plane, 4 - from) : vec_shift_right(plane, from - 4);
        q[g] = vec_or(q[g], vec_and(moved, vec_set1(BYTES(0x30u))));
    }
}

DOT_INLINE void load_8_bits(const uint8_t *p, vec q[8])
{
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        q[g] = vec_load(p + VECTOR * g);
}

DOT_INLINE void load_2_bits(const uint8_t *p, vec q[8])
{
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++)
        q[g] = bits_of(vec_load(p + VECTOR * (g / 4)), g % 4 * 2, BYTES(3));
}

DOT_INLINE void load_3_bits(const uint8_t *p, vec q[8])
{
    load_2_bits(p, q);
    add_bit_plane(p + QUANTS_2, 2, q);
}

/* ---- scales ---- */

/* The part of a slab behind its quants, with what is common to its runs. */
typedef struct scales {
    const uint8_t *bytes;
    vec_f32 d, minus_d_min;
} scales;

DOT_INLINE scales scales_plain(const uint8_t *p) { return (scales){.bytes = p}; }

DOT_INLINE scales scales_d(const uint8_t *p) { return (scales){.bytes = p, .d = vec_f32_load_halves(p + 256)}; }

DOT_INLINE scales scales_d_min(const uint8_t *p)
{
    return (scales){p, vec_f32_load_halves(p + 256), vec_f32_negate(vec_f32_load_halves(p + 288))};
}

/* Scale and min of part i of a slab: a run of 32, or a half of one. */
DOT_INLINE void scale_half(const scales *s, size_t i, vec_f32 *scale, vec_f32 *min)
{
    (void)min;
    *scale = vec_f32_load_halves(s->bytes + 32 * i);
}

DOT_INLINE void scale_half_min(const scales *s, size_t i, vec_f32 *scale, vec_f32 *min)
{
    *scale = vec_f32_load_halves(s->bytes + 64 * i);
    *min = vec_f32_load_halves(s->bytes + 64 * i + 32);
}

DOT_INLINE void scale_byte_min(const scales *s, size_t i, vec_f32 *scale, vec_f32 *min)
{
    *scale = vec_f32_mul(s->d, vec_to_f32(vec_load_bytes(s->bytes + 16 * i)));
    *min = vec_f32_mul(s->minus_d_min, vec_to_f32(vec_load_bytes(s->bytes + 128 + 16 * i)));
}

DOT_INLINE void scale_signed_byte(const scales *s, size_t i, vec_f32 *scale, vec_f32 *min)
{
    (void)min;
    *scale = vec_f32_mul(s->d, vec_to_f32(vec_load_signed_bytes(s->bytes + 16 * i)));
}

DOT_INLINE void scale_nibble_min(const scales *s, size_t i, vec_f32 *scale, vec_f32 *min)
{
    vec x = vec_load_bytes(s->bytes + 16 * i);
    *scale = vec_f32_mul(s->d, vec_to_f32(vec_and(x, vec_set1(15))));
    *min = vec_f32_mul(s->minus_d_min, vec_to_f32(vec_shift_right(x, 4)));
}

/* ---- one run, some tokens ---- */

DOT_INLINE vec dot_start(dot_way way, int shift, int32_t minus_sum)
{
    return way == DOT_OFFSET ? vec_set1((uint32_t)minus_sum << shift) : vec_set1(0);
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

/* n tokens (a constant) times run b of 32, onto x. */
DOT_INLINE void dot_run32(size_t n, const vec q[8], const vec_f32 scale[2], const vec_f32 min[2], dot_way way,
                          int shift, size_t b, const tdm__act_slab *a, vec_f32 *x)
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
        x[t] = dot_add_run(x[t], sum[t], scale[0], a[t].scale[b]);
        if (way == DOT_PLAIN)
            x[t] = dot_add_min(x[t], min[0], a[t].scaled_sum[b]);
    }
}

/* n tokens (a constant) times runs 2 b and 2 b + 1 of 16, onto x. */
DOT_INLINE void dot_run16(size_t n, const vec q[8], const vec_f32 scale[2], const vec_f32 min[2], dot_way way,
                          int shift, size_t b, const tdm__act_slab *a, vec_f32 *x)
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
        int32_t sums[2] = {-a[t].minus_sum_half[b], a[t].minus_sum_half[b] - a[t].minus_sum[b]};
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            x[t] = dot_add_run(x[t], sum[half][t], scale[half], a[t].scale[b]);
            if (way == DOT_PLAIN)
                x[t] = dot_add_min(x[t], min[half], a[t].scale[b] * (float)sums[half]);
        }
    }
}

/* Asks for what lies TDM__DOT_AHEAD behind a run, line by line between the dots, so that the requests of a slab do not
 * come all at once and wait for each other. */
DOT_INLINE void dot_prefetch(const uint8_t *p, size_t bytes)
{
#pragma GCC unroll 8
    for (size_t at = 0; at < bytes; at += VECTOR)
        __builtin_prefetch((const void *)((uintptr_t)p + TDM__DOT_AHEAD + at), 0, 2); /* may lie behind the matrix */
}

/* ---- the functions of a type ---- */

#define DOT_SOME(part)                                                                                               \
    DOT_INLINE void dot_some_##part(size_t n, const vec q[8], const vec_f32 scale[2], const vec_f32 min[2],          \
                                    dot_way way, int shift, size_t b, const tdm__act_slab *a,                        \
                                    float (*acc)[TDM__PANEL_ROWS])                                                   \
    {                                                                                                                \
        vec_f32 x[DOT_TOKENS];                                                                                       \
        for (size_t t = 0; t < n; t++)                                                                               \
            x[t] = vec_f32_load(acc[t]);                                                                             \
        dot_run##part(n, q, scale, min, way, shift, b, a, x);                                                        \
        for (size_t t = 0; t < n; t++)                                                                               \
            vec_f32_store(acc[t], x[t]);                                                                             \
    }

DOT_SOME(32)
DOT_SOME(16)

/* Scales of run b, as the two kinds of dots take them. */
#define GET_32(get, s, b, scale, min) get(s, b, scale, min)
#define GET_16(get, s, b, scale, min) (get(s, 2 * (b), scale, min), get(s, 2 * (b) + 1, (scale) + 1, (min) + 1))

/* Tokens that are left beside whole DOT_TOKENS, so many or, where that cannot be, some number that compiles. */
#define DOT_REST(n) ((n) < DOT_TOKENS ? (n) : 1)

/* One token keeps its sums in a register over all runs; of many they are loaded, continued by one run, and stored. */
#define DOT_TYPE(name, load, run_bytes, open, scale_bytes, part, get, way, shift)                                    \
    static void dot_##name(const uint8_t *slab, size_t n_cols, const tdm__act_slab *a, size_t n_tokens,              \
                           float (*acc)[TDM__PANEL_ROWS])                                                            \
    {                                                                                                                \
        const size_t n_runs = n_cols / 32;                                                                           \
        const scales s = open(slab + n_runs * (run_bytes));                                                          \
        dot_prefetch(slab + n_runs * (run_bytes), scale_bytes);                                                      \
        vec q[8];                                                                                                    \
        vec_f32 scale[2], min[2] = {vec_f32_set1(0), vec_f32_set1(0)};                                               \
        if (n_tokens == 1) {                                                                                         \
            vec_f32 x = vec_f32_load(acc[0]);                                                                        \
            for (size_t b = 0; b < n_runs; b++) {                                                                    \
                dot_prefetch(slab + b * (run_bytes), (run_bytes));                                                   \
                load(slab + b * (run_bytes), q);                                                                     \
                GET_##part(get, &s, b, scale, min);                                                                  \
                dot_run##part(1, q, scale, min, way, shift, b, a, &x);                                               \
            }                                                                                                        \
            vec_f32_store(acc[0], x);                                                                                \
            return;                                                                                                  \
        }                                                                                                            \
        for (size_t b = 0; b < n_runs; b++) {                                                                        \
            size_t t = 0;                                                                                            \
            dot_prefetch(slab + b * (run_bytes), (run_bytes));                                                       \
            load(slab + b * (run_bytes), q);                                                                         \
            GET_##part(get, &s, b, scale, min);                                                                      \
            for (; t + DOT_TOKENS <= n_tokens; t += DOT_TOKENS)                                                      \
                dot_some_##part(DOT_TOKENS, q, scale, min, way, shift, b, a + t, acc + t);                           \
            if (n_tokens - t == 3)                                                                                   \
                dot_some_##part(DOT_REST(3), q, scale, min, way, shift, b, a + t, acc + t);                          \
            else if (n_tokens - t == 2)                                                                              \
                dot_some_##part(DOT_REST(2), q, scale, min, way, shift, b, a + t, acc + t);                          \
            else if (n_tokens - t == 1)                                                                              \
                dot_some_##part(1, q, scale, min, way, shift, b, a + t, acc + t);                                    \
        }                                                                                                            \
    }

#define DOT_WIDE (DOT_IS_WIDE ? DOT_OFFSET : DOT_SIGNED)

DOT_TYPE(q4_0, load_nibbles, QUANTS_4, scales_plain, n_runs * 32, 32, scale_half, DOT_OFFSET, 3)
DOT_TYPE(q4_1, load_nibbles, QUANTS_4, scales_plain, n_runs * 64, 32, scale_half_min, DOT_PLAIN, 0)
DOT_TYPE(q5_0, load_5_bits, QUANTS_5, scales_plain, n_runs * 32, 32, scale_half, DOT_OFFSET, 4)
DOT_TYPE(q5_1, load_5_bits, QUANTS_5, scales_plain, n_runs * 64, 32, scale_half_min, DOT_PLAIN, 0)
DOT_TYPE(q8_0, load_8_bits, QUANTS_8, scales_plain, n_runs * 32, 32, scale_half, DOT_WIDE, 7)
DOT_TYPE(q2_k, load_2_bits, QUANTS_2, scales_d_min, SCALES_K, 16, scale_nibble_min, DOT_PLAIN, 0)
DOT_TYPE(q3_k, load_3_bits, QUANTS_3, scales_d, SCALES_K, 16, scale_signed_byte, DOT_OFFSET, 2)
DOT_TYPE(q4_k, load_nibbles, QUANTS_4, scales_d_min, SCALES_K, 32, scale_byte_min, DOT_PLAIN, 0)
DOT_TYPE(q5_k, load_5_bits, QUANTS_5, scales_d_min, SCALES_K, 32, scale_byte_min, DOT_PLAIN, 0)
DOT_TYPE(q6_k, load_6_bits, QUANTS_6, scales_d, SCALES_K, 16, scale_signed_byte, DOT_OFFSET, 5)

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
    static void dot_##name(const uint8_t *slab, size_t n_cols, const float *x, size_t x_stride, size_t n_tokens,     \
                           float (*acc)[TDM__PANEL_ROWS])                                                            \
    {                                                                                                                \
        size_t t = 0;                                                                                                \
        dot_prefetch(slab, n_cols * (column_bytes));                                                                 \
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
