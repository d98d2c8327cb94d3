/* unpack_template.h - rows of a GGUF file to slabs, 16 rows at once, in the vec of x86/panel_*.h.
 *
 * Included once by the file of each level, after dot_template.h; everything here is static, so no code of one
 * instruction set can be linked into another. 16 bytes are loaded from each of 16 rows and transposed as 4-byte
 * groups, which is how a slab holds them; from then on all rows are handled by the same few shifts and masks. Each
 * load lies within a block of its row. A panel of fewer than 16 rows, at most one in a matrix, goes to the reference.
 *
 * What a block's function makes goes to a sink: into the slab, or, for a single token, straight into its sums, which
 * saves writing and reading 4 KB a slab and, from cache, a quarter of the time.
 */
#ifndef TDM_KERNEL_UNPACK_TEMPLATE_H
#define TDM_KERNEL_UNPACK_TEMPLATE_H

#include "kernel/unpack.h"

typedef struct sink {
    tdm__slab *slab;        /* scales and minima in any case */
    const tdm__act_slab *a; /* the single token, or NULL: quants into the slab */
    vec *sum;               /* [16], of halves of runs, without start values */
    dot_way way;
} sink;

/* Half a run: 4 groups of 4 columns. half: 0 or 1. */
DOT_INLINE void put(sink s, size_t run, size_t half, const vec q[4])
{
    if (s.a)
        s.sum[2 * run + half] = dot_16(s.way, vec_set1(0), q, s.a->q + 32 * run + 16 * half);
    for (size_t g = 0; !s.a && g < 4; g++)
        vec_store(s.slab->q[run][4 * half + g], q[g]);
}

#define MASK_4_BITS 0x0f0f0f0fu

static inline vec low_nibbles(vec x) { return vec_and(x, vec_set1(MASK_4_BITS)); }
static inline vec high_nibbles(vec x) { return vec_and(vec_shift_right(x, 4), vec_set1(MASK_4_BITS)); }

/* 16 bytes of nibbles: a run of 32, low ones first. */
DOT_INLINE void put_nibbles(const uint8_t *p, size_t row_bytes, size_t run, sink s)
{
    vec x[4], low[4], high[4];
    vec_load_rows(p, row_bytes, x);
    for (int g = 0; g < 4; g++) {
        low[g] = low_nibbles(x[g]);
        high[g] = high_nibbles(x[g]);
    }
    put(s, run, 0, low);
    put(s, run, 1, high);
}

DOT_INLINE void put_nibbles_and_fifth_bits(const uint8_t *p, size_t row_bytes, vec bits, size_t run, sink s)
{
    vec x[4], low[4], high[4];
    vec_load_rows(p, row_bytes, x);
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        low[g] = vec_or(low_nibbles(x[g]), vec_fifth_bits(bits, g));
        high[g] = vec_or(high_nibbles(x[g]), vec_fifth_bits(bits, g + 4));
    }
    put(s, run, 0, low);
    put(s, run, 1, high);
}

DOT_INLINE void block_q4_0(const uint8_t *p, size_t row_bytes, size_t b, sink s)
{
    vec head[4];
    vec_load_rows(p, row_bytes, head);
    vec_f32_store(s.slab->scale[b], vec_half_to_f32(head[0]));
    put_nibbles(p + 2, row_bytes, b, s);
}

DOT_INLINE void block_q4_1(const uint8_t *p, size_t row_bytes, size_t b, sink s)
{
    vec head[4];
    vec_load_rows(p, row_bytes, head);
    vec_f32_store(s.slab->scale[b], vec_half_to_f32(head[0]));
    vec_f32_store(s.slab->min[b], vec_half_to_f32(vec_shift_right(head[0], 16)));
    put_nibbles(p + 4, row_bytes, b, s);
}

DOT_INLINE void block_q5_0(const uint8_t *p, size_t row_bytes, size_t b, sink s)
{
    vec head[4];
    vec_load_rows(p, row_bytes, head);
    vec_f32_store(s.slab->scale[b], vec_half_to_f32(head[0]));
    vec bits = vec_or(vec_shift_right(head[0], 16), vec_shift_left(head[1], 16));
    put_nibbles_and_fifth_bits(p + 6, row_bytes, bits, b, s);
}

DOT_INLINE void block_q5_1(const uint8_t *p, size_t row_bytes, size_t b, sink s)
{
    vec head[4];
    vec_load_rows(p, row_bytes, head);
    vec_f32_store(s.slab->scale[b], vec_half_to_f32(head[0]));
    vec_f32_store(s.slab->min[b], vec_half_to_f32(vec_shift_right(head[0], 16)));
    put_nibbles_and_fifth_bits(p + 8, row_bytes, head[1], b, s);
}

DOT_INLINE void block_q8_0(const uint8_t *p, size_t row_bytes, size_t b, sink s)
{
    vec head[4], x[4];
    vec_load_rows(p, row_bytes, head);
    vec_f32_store(s.slab->scale[b], vec_half_to_f32(head[0]));
    for (size_t half = 0; half < 2; half++) {
        vec_load_rows(p + 2 + 16 * half, row_bytes, x);
        for (int g = 0; g < 4; g++)
            x[g] = vec_xor(x[g], vec_set1(0x80808080u));
        put(s, b, half, x);
    }
}

/* Stores d times each of the 4 bytes of `bytes` as scales (or minima) first, first + step, .. */
static inline void store_scaled_bytes(vec bytes, vec_f32 d, float (*out)[TDM__PANEL_ROWS])
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        vec_f32_store(out[i], vec_f32_mul(d, vec_to_f32(vec_shift_right(vec_shift_left(bytes, 24 - 8 * i), 24))));
}

static inline void store_scaled_signed_bytes(vec bytes, vec_f32 d, float (*out)[TDM__PANEL_ROWS])
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        vec scale = vec_shift_right_signed(vec_shift_left(bytes, 24 - 8 * i), 24);
        vec_f32_store(out[i], vec_f32_mul(d, vec_to_f32(scale)));
    }
}

/* 64 values of 2 bits each in 16 bytes x 4 runs: value bits `shift` of byte l go to run 32 * (shift / 2) + l. */
static inline vec two_bits(vec x, int shift) { return vec_and(vec_shift_right(x, shift), vec_set1(0x03030303u)); }

DOT_INLINE void block_q2_k(const uint8_t *p, size_t row_bytes, size_t b, sink s)
{
    vec x[4], scales[4], q[4];
    (void)b; /* a block is a slab */
    vec_load_rows(p + 68, row_bytes, x);
    vec_f32 d = vec_half_to_f32(x[3]), minus_d_min = vec_f32_negate(vec_half_to_f32(vec_shift_right(x[3], 16)));
    vec_load_rows(p, row_bytes, scales);
    for (int i = 0; i < 4; i++) {
        store_scaled_bytes(low_nibbles(scales[i]), d, s.slab->scale + 4 * i);
        store_scaled_bytes(high_nibbles(scales[i]), minus_d_min, s.slab->min + 4 * i);
    }
    for (size_t part = 0; part < 4; part++) { /* 16 of the 32 bytes of a half of the block */
        vec_load_rows(p + 16 + 16 * part, row_bytes, x);
#pragma GCC unroll 4
        for (int run = 0; run < 4; run++) {
            for (int g = 0; g < 4; g++)
                q[g] = two_bits(x[g], 2 * run);
            put(s, part / 2 * 4 + (size_t)run, part % 2, q);
        }
    }
}

/* The 16 scales of Q3_K lie as 8 bytes of low nibbles and 4 of high bits; here they are 4 vectors of 4. */
static inline void scales_q3_k(const vec packed[3], vec_f32 d, float (*out)[TDM__PANEL_ROWS])
{
    for (int i = 0; i < 4; i++) {
        vec low = i < 2 ? low_nibbles(packed[i]) : high_nibbles(packed[i - 2]);
        vec scale = vec_or(low, vec_shift_left(two_bits(packed[2], 2 * i), 4));
        /* minus 32 in each byte: 0 .. 63 with bit 5 flipped and extended as the sign */
        vec flipped = vec_xor(scale, vec_set1(0x20202020u));
        vec sign = vec_and(flipped, vec_set1(0x20202020u));
        store_scaled_signed_bytes(vec_or(flipped, vec_or(vec_shift_left(sign, 1), vec_shift_left(sign, 2))), d,
                                  out + 4 * i);
    }
}

DOT_INLINE void block_q3_k(const uint8_t *p, size_t row_bytes, size_t b, sink s)
{
    vec tail[4], packed[3], x[4], high[4], q[4];
    (void)b;
    vec_load_rows(p + 94, row_bytes, tail); /* 2 bytes of quants, 12 of scales, d */
    for (int i = 0; i < 3; i++)
        packed[i] = vec_or(vec_shift_right(tail[i], 16), vec_shift_left(tail[i + 1], 16));
    scales_q3_k(packed, vec_half_to_f32(vec_shift_right(tail[3], 16)), s.slab->scale);
    for (size_t part = 0; part < 4; part++) {
        vec_load_rows(p + 32 + 16 * part, row_bytes, x);
        vec_load_rows(p + 16 * (part % 2), row_bytes, high);
#pragma GCC unroll 4
        for (int run = 0; run < 4; run++) {
            for (int g = 0; g < 4; g++) {
                vec bit = vec_and(vec_shift_right(high[g], (int)part / 2 * 4 + run), vec_set1(0x01010101u));
                q[g] = vec_or(two_bits(x[g], 2 * run), vec_shift_left(bit, 2));
            }
            put(s, part / 2 * 4 + (size_t)run, part % 2, q);
        }
    }
}

/* d, dmin and the 6-bit scales and minima of Q4_K and Q5_K. */
DOT_INLINE void scales_k(const uint8_t *p, size_t row_bytes, sink s)
{
    const vec six_bits = vec_set1(0x3f3f3f3fu), two_high_bits = vec_set1(0x30303030u);
    vec x[4];
    vec_load_rows(p, row_bytes, x);
    vec_f32 d = vec_half_to_f32(x[0]), minus_d_min = vec_f32_negate(vec_half_to_f32(vec_shift_right(x[0], 16)));
    store_scaled_bytes(vec_and(x[1], six_bits), d, s.slab->scale);
    store_scaled_bytes(vec_and(x[2], six_bits), minus_d_min, s.slab->min);
    vec scale = vec_or(low_nibbles(x[3]), vec_and(vec_shift_right(x[1], 2), two_high_bits));
    vec min = vec_or(high_nibbles(x[3]), vec_and(vec_shift_right(x[2], 2), two_high_bits));
    store_scaled_bytes(scale, d, s.slab->scale + 4);
    store_scaled_bytes(min, minus_d_min, s.slab->min + 4);
}

DOT_INLINE void block_q4_k(const uint8_t *p, size_t row_bytes, size_t b, sink s)
{
    vec x[4], low[4], high[4];
    (void)b;
    scales_k(p, row_bytes, s);
    for (size_t part = 0; part < 8; part++) { /* 16 of the 32 bytes that two runs share */
        vec_load_rows(p + 16 + 16 * part, row_bytes, x);
        for (int g = 0; g < 4; g++) {
            low[g] = low_nibbles(x[g]);
            high[g] = high_nibbles(x[g]);
        }
        put(s, part / 2 * 2, part % 2, low);
        put(s, part / 2 * 2 + 1, part % 2, high);
    }
}

/* Bit i of each byte, as 16. */
static inline vec fifth_bit(vec x, int i)
{
    return vec_and(i < 4 ? vec_shift_left(x, 4 - i) : vec_shift_right(x, i - 4), vec_set1(0x10101010u));
}

DOT_INLINE void block_q5_k(const uint8_t *p, size_t row_bytes, size_t b, sink s)
{
    vec x[4], bits[4], low[4], high[4];
    (void)b;
    scales_k(p, row_bytes, s);
    for (size_t half = 0; half < 2; half++) { /* 16 of the 32 bytes */
        vec_load_rows(p + 16 + 16 * half, row_bytes, bits);
#pragma GCC unroll 4
        for (size_t pair = 0; pair < 4; pair++) { /* two runs share bytes */
            vec_load_rows(p + 48 + 32 * pair + 16 * half, row_bytes, x);
            for (int g = 0; g < 4; g++) {
                low[g] = vec_or(low_nibbles(x[g]), fifth_bit(bits[g], 2 * (int)pair));
                high[g] = vec_or(high_nibbles(x[g]), fifth_bit(bits[g], 2 * (int)pair + 1));
            }
            put(s, 2 * pair, half, low);
            put(s, 2 * pair + 1, half, high);
        }
    }
}

/* Bits 2 i and 2 i + 1 of each byte, as 16 and 32. */
static inline vec fifth_bit_pair(vec x, int i)
{
    return vec_and(i < 2 ? vec_shift_left(x, 4 - 2 * i) : vec_shift_right(x, 2 * i - 4), vec_set1(0x30303030u));
}

DOT_INLINE void block_q6_k(const uint8_t *p, size_t row_bytes, size_t b, sink s)
{
    vec tail[4], x[4], y[4], bits[4], q[4];
    (void)b;
    vec_load_rows(p + 194, row_bytes, tail);
    vec_f32 d = vec_half_to_f32(vec_shift_right(tail[3], 16));
    vec_load_rows(p + 192, row_bytes, x);
    for (int i = 0; i < 4; i++)
        store_scaled_signed_bytes(x[i], d, s.slab->scale + 4 * i);
    for (size_t part = 0; part < 4; part++) { /* 16 of the 32 bytes of high bits of a half of the block */
        const uint8_t *low = p + part / 2 * 64 + part % 2 * 16;
        vec_load_rows(p + 128 + 16 * part, row_bytes, bits);
        vec_load_rows(low, row_bytes, x);
        vec_load_rows(low + 32, row_bytes, y);
#pragma GCC unroll 4
        for (int run = 0; run < 4; run++) {
            for (int g = 0; g < 4; g++) {
                vec from = run % 2 == 0 ? x[g] : y[g];
                q[g] = vec_or(run < 2 ? low_nibbles(from) : high_nibbles(from), fifth_bit_pair(bits[g], run));
            }
            put(s, part / 2 * 4 + (size_t)run, part % 2, q);
        }
    }
}

/* The two functions of a type: unpack_NAME and unpack_dot_NAME. */
#define UNPACK(name, TYPE, block_values, block_bytes, run, dot, log2_offset)                                        \
    static void unpack_##name(const uint8_t *rows, size_t row_bytes, size_t n_rows, size_t n_cols, tdm__slab *out)  \
    {                                                                                                               \
        if (n_rows < TDM__PANEL_ROWS) {                                                                             \
            tdm__unpack_c[TYPE](rows, row_bytes, n_rows, n_cols, out);                                              \
            return;                                                                                                 \
        }                                                                                                           \
        for (size_t b = 0; b < n_cols / (block_values); b++)                                                        \
            block_##name(rows + b * (block_bytes), row_bytes, b, (sink){.slab = out});                              \
    }                                                                                                               \
    static void unpack_dot_##name(const uint8_t *rows, size_t row_bytes, size_t n_cols, const tdm__act_slab *a,     \
                                  float (*acc)[TDM__PANEL_ROWS])                                                    \
    {                                                                                                               \
        _Alignas(64) tdm__slab scales;                                                                              \
        vec sum[2 * TDM__SLAB_RUNS];                                                                                \
        for (size_t b = 0; b < n_cols / (block_values); b++)                                                        \
            block_##name(rows + b * (block_bytes), row_bytes, b, (sink){&scales, a, sum, dot});                     \
        dot_fold_##run(&scales, n_cols, dot, log2_offset, sum, a, acc);                                             \
    }

#define DOT_WIDE (DOT_IS_WIDE ? DOT_OFFSET : DOT_SIGNED)

UNPACK(q4_0, TDM__TYPE_Q4_0, 32, 18, run32, DOT_OFFSET, 3)
UNPACK(q4_1, TDM__TYPE_Q4_1, 32, 20, run32, DOT_PLAIN, 0)
UNPACK(q5_0, TDM__TYPE_Q5_0, 32, 22, run32, DOT_OFFSET, 4)
UNPACK(q5_1, TDM__TYPE_Q5_1, 32, 24, run32, DOT_PLAIN, 0)
UNPACK(q8_0, TDM__TYPE_Q8_0, 32, 34, run32, DOT_WIDE, 7)
UNPACK(q2_k, TDM__TYPE_Q2_K, 256, 84, run16, DOT_PLAIN, 0)
UNPACK(q3_k, TDM__TYPE_Q3_K, 256, 110, run16, DOT_OFFSET, 2)
UNPACK(q4_k, TDM__TYPE_Q4_K, 256, 144, run32, DOT_PLAIN, 0)
UNPACK(q5_k, TDM__TYPE_Q5_K, 256, 176, run32, DOT_PLAIN, 0)
UNPACK(q6_k, TDM__TYPE_Q6_K, 256, 210, run16, DOT_OFFSET, 5)

/* 4 columns of 4 bytes. */
static inline void columns_f32(const vec x[4], float (*w)[TDM__PANEL_ROWS])
{
    for (int i = 0; i < 4; i++)
        vec_f32_store(w[i], vec_as_f32(x[i]));
}

static inline void columns_f16(const vec x[4], float (*w)[TDM__PANEL_ROWS])
{
    for (int i = 0; i < 4; i++) {
        vec_f32_store(w[2 * i], vec_half_to_f32(x[i]));
        vec_f32_store(w[2 * i + 1], vec_half_to_f32(vec_shift_right(x[i], 16)));
    }
}

static inline void columns_bf16(const vec x[4], float (*w)[TDM__PANEL_ROWS])
{
    for (int i = 0; i < 4; i++) {
        vec_f32_store(w[2 * i], vec_as_f32(vec_shift_left(x[i], 16)));
        vec_f32_store(w[2 * i + 1], vec_as_f32(vec_and(x[i], vec_set1(0xffff0000u))));
    }
}

#define UNPACK_FLOAT(name, TYPE, value_bytes)                                                                   \
    static void unpack_##name(const uint8_t *rows, size_t row_bytes, size_t n_rows, size_t n_cols,              \
                              tdm__slab_f32 *out)                                                               \
    {                                                                                                           \
        if (n_rows < TDM__PANEL_ROWS || n_cols * (value_bytes) % 16 != 0) {                                     \
            tdm__unpack_f32_c[TYPE](rows, row_bytes, n_rows, n_cols, out);                                      \
            return;                                                                                             \
        }                                                                                                       \
        for (size_t c = 0; c < n_cols; c += 16 / (value_bytes)) {                                               \
            vec x[4];                                                                                           \
            vec_load_rows(rows + c * (value_bytes), row_bytes, x);                                              \
            columns_##name(x, out->w + c);                                                                      \
        }                                                                                                       \
    }

UNPACK_FLOAT(f32, TDM__TYPE_F32, 4)
UNPACK_FLOAT(f16, TDM__TYPE_F16, 2)
UNPACK_FLOAT(bf16, TDM__TYPE_BF16, 2)

static inline void fill_unpack(tdm__kernels *k)
{
    k->unpack[TDM__TYPE_Q4_0] = unpack_q4_0;
    k->unpack[TDM__TYPE_Q4_1] = unpack_q4_1;
    k->unpack[TDM__TYPE_Q5_0] = unpack_q5_0;
    k->unpack[TDM__TYPE_Q5_1] = unpack_q5_1;
    k->unpack[TDM__TYPE_Q8_0] = unpack_q8_0;
    k->unpack[TDM__TYPE_Q2_K] = unpack_q2_k;
    k->unpack[TDM__TYPE_Q3_K] = unpack_q3_k;
    k->unpack[TDM__TYPE_Q4_K] = unpack_q4_k;
    k->unpack[TDM__TYPE_Q5_K] = unpack_q5_k;
    k->unpack[TDM__TYPE_Q6_K] = unpack_q6_k;
    k->unpack_dot[TDM__TYPE_Q4_0] = unpack_dot_q4_0;
    k->unpack_dot[TDM__TYPE_Q4_1] = unpack_dot_q4_1;
    k->unpack_dot[TDM__TYPE_Q5_0] = unpack_dot_q5_0;
    k->unpack_dot[TDM__TYPE_Q5_1] = unpack_dot_q5_1;
    k->unpack_dot[TDM__TYPE_Q8_0] = unpack_dot_q8_0;
    k->unpack_dot[TDM__TYPE_Q2_K] = unpack_dot_q2_k;
    k->unpack_dot[TDM__TYPE_Q3_K] = unpack_dot_q3_k;
    k->unpack_dot[TDM__TYPE_Q4_K] = unpack_dot_q4_k;
    k->unpack_dot[TDM__TYPE_Q5_K] = unpack_dot_q5_k;
    k->unpack_dot[TDM__TYPE_Q6_K] = unpack_dot_q6_k;
    k->unpack_f32[TDM__TYPE_F32] = unpack_f32;
    k->unpack_f32[TDM__TYPE_F16] = unpack_f16;
    k->unpack_f32[TDM__TYPE_BF16] = unpack_bf16;
}

#endif
