/* dot_weights.h - the packed weights of a slab (packed.h) as the dots want them, in the vec of x86/panel_*.h.
 *
 * Quants become unsigned bytes, 16 rows of 4 columns a vec; scales and minima become floats, minima of the K types
 * words, two runs side by side, as they are multiplied as integers. Included by dot_template.h alone.
 */
#ifndef TDM_KERNEL_DOT_WEIGHTS_H
#define TDM_KERNEL_DOT_WEIGHTS_H

#include "kernel/kernels.h"

#define DOT_INLINE static inline __attribute__((always_inline))

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

/* ---- scales and minima: s is the part of a slab behind its quants ---- */

/* f16 of each run; behind each of them, where there are minima, its minimum. */
DOT_INLINE vec_f32 scale_half(const uint8_t *s, vec_f32 d, size_t i)
{
    (void)d;
    return vec_f32_load_halves(s + 32 * i);
}
DOT_INLINE vec_f32 scale_half_min(const uint8_t *s, vec_f32 d, size_t i)
{
    (void)d;
    return vec_f32_load_halves(s + 64 * i);
}
DOT_INLINE vec_f32 min_half(const uint8_t *s, size_t i) { return vec_f32_load_halves(s + 64 * i + 32); }

/* The K types: small integers times d, which is common to a row's slab. */
DOT_INLINE vec_f32 scale_byte(const uint8_t *s, vec_f32 d, size_t i)
{
    return vec_f32_mul(d, vec_to_f32(vec_load_bytes(s + 16 * i)));
}
DOT_INLINE vec_f32 scale_signed_byte(const uint8_t *s, vec_f32 d, size_t i)
{
    return vec_f32_mul(d, vec_to_f32(vec_load_signed_bytes(s + 16 * i)));
}
DOT_INLINE vec_f32 scale_nibble(const uint8_t *s, vec_f32 d, size_t i)
{
    return vec_f32_mul(d, vec_to_f32(vec_and(vec_load_bytes(s + 16 * i), vec_set1(15))));
}

/* Their minima i and i + 1, in the low and the high word of each row. */
DOT_INLINE vec min_bytes(const uint8_t *s, size_t i)
{
    return vec_or(vec_load_bytes(s + 128 + 16 * i), vec_shift_left(vec_load_bytes(s + 144 + 16 * i), 16));
}
DOT_INLINE vec min_nibbles(const uint8_t *s, size_t i)
{
    return vec_or(vec_shift_right(vec_load_bytes(s + 16 * i), 4),
                  vec_shift_left(vec_shift_right(vec_load_bytes(s + 16 * i + 16), 4), 16));
}

DOT_INLINE vec_f32 factor_none(const uint8_t *s)
{
    (void)s;
    return vec_f32_set1(0);
}
DOT_INLINE vec_f32 factor_d(const uint8_t *s) { return vec_f32_load_halves(s + 256); }
DOT_INLINE vec_f32 factor_minus_d_min(const uint8_t *s) { return vec_f32_negate(vec_f32_load_halves(s + 288)); }

#endif
