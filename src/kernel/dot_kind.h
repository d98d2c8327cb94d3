/* dot_kind.h - the six ways in which types are multiplied, and what the dots of few and of many tokens have in common.
 *
 * Included by dot_template.h and dot_block.h alone, behind what the including file of a level gives.
 */
#ifndef TDM_KERNEL_DOT_KIND_H
#define TDM_KERNEL_DOT_KIND_H

#include <stdbool.h>

#include "kernel/dot_weights.h"
#include "kernel/kernels.h"

/* What the stored weights mean, known at compile time where the functions below are inlined. */
typedef enum dot_way {
    DOT_PLAIN = 0, /* themselves: types with minima */
    DOT_OFFSET,    /* plus 2^shift, taken off by the start value */
    DOT_SIGNED     /* plus 128, taken off by vec_dot_8_signed */
} dot_way;

typedef enum dot_min {
    DOT_NO_MIN = 0,
    DOT_MIN_RUN,  /* a float each run */
    DOT_MIN_WORDS /* integers each part, times a float common to the slab */
} dot_min;

/* How a type is multiplied. */
typedef struct dot_kind {
    size_t part; /* columns of one scale: 32, or 16 */
    dot_way way;
    dot_min min;
    bool is_narrow; /* weights as stored are at most 31 */
} dot_kind;

#define DOT_KIND_offset {32, DOT_OFFSET, DOT_NO_MIN, true}
#define DOT_KIND_wide {32, DOT_IS_WIDE ? DOT_OFFSET : DOT_SIGNED, DOT_NO_MIN, false}
#define DOT_KIND_min_run {32, DOT_PLAIN, DOT_MIN_RUN, true}
#define DOT_KIND_min_words {32, DOT_PLAIN, DOT_MIN_WORDS, true}
#define DOT_KIND_half_offset {16, DOT_OFFSET, DOT_NO_MIN, false}
#define DOT_KIND_half_min_words {16, DOT_PLAIN, DOT_MIN_WORDS, true}

DOT_INLINE vec dot_start(dot_way way, int shift, int32_t base, int32_t minus_sum)
{
    return vec_set1((uint32_t)base + (way == DOT_OFFSET ? (uint32_t)minus_sum << shift : 0));
}

DOT_INLINE vec dot_step(dot_kind kind, vec start, const vec *q, const int8_t *a)
{
    if (DOT_STEP == 16 && kind.is_narrow)
        return vec_dot_16(start, q, a);
#pragma GCC unroll 2
    for (size_t c = 0; c < DOT_STEP; c += 8)
        start = kind.way == DOT_SIGNED ? vec_dot_8_signed(start, q + c / 4, a + c) : vec_dot_8(start, q + c / 4, a + c);
    return start;
}

/* minus the sum of the activations of run b, or of one half of it. */
DOT_INLINE int32_t dot_minus_sum(const tdm__act_slab *a, size_t part, size_t b, size_t half)
{
    return part == 32 ? a->minus_sum[b]
           : half == 0 ? a->minus_sum_half[b]
                       : a->minus_sum[b] - a->minus_sum_half[b];
}

/* Two minima of each row times two of the token's words. */
DOT_INLINE vec dot_add_words(vec sum, vec words, size_t part, const tdm__act_slab *a, size_t i)
{
    return vec_dot_words(sum, words, part == 32 ? a->small_sum + 2 * i : a->small_sum_half + 2 * i);
}

DOT_INLINE vec_f32 dot_close(vec_f32 slab, vec words, vec_f32 minus_d_min, const tdm__act_slab *a)
{
    return vec_f32_fma(vec_f32_mul(vec_to_f32(words), minus_d_min), vec_f32_set1(a->sum_unit), slab);
}

/* Asks for what is needed some KB later, line by line between other work, so that the requests of a slab do not come
 * all at once and wait for each other. */
DOT_INLINE void dot_prefetch(const uint8_t *p, size_t bytes)
{
#pragma GCC unroll 8
    for (size_t at = 0; at < bytes; at += VECTOR)
        __builtin_prefetch((const void *)((uintptr_t)p + at), 0, 2); /* may lie behind the matrix */
}

#endif
