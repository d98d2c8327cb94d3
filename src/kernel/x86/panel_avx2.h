/* panel_avx2.h - a vec of the panel kernels: 32 bits of each of the 16 rows of a panel, in two 256-bit registers.
 *
 * What dot_template.h and quantize_template.h are written in.
 */
#ifndef TDM_KERNEL_X86_PANEL_AVX2_H
#define TDM_KERNEL_X86_PANEL_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernel/x86/sums_of_16.h"

typedef struct vec {
    __m256i half[2]; /* rows 0 .. 7, 8 .. 15; 32 bits a row */
} vec;
typedef struct vec_f32 {
    __m256 half[2];
} vec_f32;

static inline vec vec_set1(uint32_t x) { return (vec){{_mm256_set1_epi32((int)x), _mm256_set1_epi32((int)x)}}; }
static inline vec vec_and(vec a, vec b)
{
    return (vec){{_mm256_and_si256(a.half[0], b.half[0]), _mm256_and_si256(a.half[1], b.half[1])}};
}
static inline vec vec_or(vec a, vec b)
{
    return (vec){{_mm256_or_si256(a.half[0], b.half[0]), _mm256_or_si256(a.half[1], b.half[1])}};
}
static inline vec vec_shift_left(vec a, int n)
{
    return (vec){{_mm256_slli_epi32(a.half[0], n), _mm256_slli_epi32(a.half[1], n)}};
}
static inline vec vec_shift_right(vec a, int n)
{
    return (vec){{_mm256_srli_epi32(a.half[0], n), _mm256_srli_epi32(a.half[1], n)}};
}
static inline vec vec_load(const void *p)
{
    const __m256i *v = p;
    return (vec){{_mm256_load_si256(v), _mm256_load_si256(v + 1)}};
}

static inline vec_f32 vec_to_f32(vec a)
{
    return (vec_f32){{_mm256_cvtepi32_ps(a.half[0]), _mm256_cvtepi32_ps(a.half[1])}};
}
static inline vec_f32 vec_as_f32(vec a)
{
    return (vec_f32){{_mm256_castsi256_ps(a.half[0]), _mm256_castsi256_ps(a.half[1])}};
}
/* 16 values of one row each: f16, unsigned and signed bytes, 16-bit words. */
static inline vec_f32 vec_f32_load_halves(const void *p)
{
    const __m128i *v = p;
    return (vec_f32){{_mm256_cvtph_ps(_mm_load_si128(v)), _mm256_cvtph_ps(_mm_load_si128(v + 1))}};
}
static inline vec vec_load_bytes(const void *p)
{
    __m128i x = _mm_load_si128(p);
    return (vec){{_mm256_cvtepu8_epi32(x), _mm256_cvtepu8_epi32(_mm_srli_si128(x, 8))}};
}
static inline vec vec_load_signed_bytes(const void *p)
{
    __m128i x = _mm_load_si128(p);
    return (vec){{_mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_srli_si128(x, 8))}};
}
static inline vec vec_load_words(const void *p)
{
    const __m128i *v = p;
    return (vec){{_mm256_cvtepu16_epi32(_mm_load_si128(v)), _mm256_cvtepu16_epi32(_mm_load_si128(v + 1))}};
}
static inline vec_f32 vec_f32_mul(vec_f32 a, vec_f32 b)
{
    return (vec_f32){{_mm256_mul_ps(a.half[0], b.half[0]), _mm256_mul_ps(a.half[1], b.half[1])}};
}
static inline vec_f32 vec_f32_sub(vec_f32 a, vec_f32 b)
{
    return (vec_f32){{_mm256_sub_ps(a.half[0], b.half[0]), _mm256_sub_ps(a.half[1], b.half[1])}};
}
static inline vec_f32 vec_f32_negate(vec_f32 a)
{
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (vec_f32){{_mm256_xor_ps(a.half[0], sign), _mm256_xor_ps(a.half[1], sign)}};
}
static inline vec_f32 vec_f32_set1(float x) { return (vec_f32){{_mm256_set1_ps(x), _mm256_set1_ps(x)}}; }
static inline vec_f32 vec_f32_fma(vec_f32 a, vec_f32 b, vec_f32 c)
{
    return (vec_f32){
        {_mm256_fmadd_ps(a.half[0], b.half[0], c.half[0]), _mm256_fmadd_ps(a.half[1], b.half[1], c.half[1])}};
}
static inline vec_f32 vec_f32_load(const float *p) { return (vec_f32){{_mm256_load_ps(p), _mm256_load_ps(p + 8)}}; }
static inline vec_f32 vec_f32_load_unaligned(const float *p)
{
    return (vec_f32){{_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}};
}
static inline void vec_f32_store(float *p, vec_f32 a)
{
    _mm256_store_ps(p, a.half[0]);
    _mm256_store_ps(p + 8, a.half[1]);
}

/* The largest |x| of 32 values; +infinity if one of them is not finite. */
static inline float vec_f32_abs_max(vec_f32 a, vec_f32 b)
{
    const __m256i magnitude = _mm256_set1_epi32(INT32_MAX); /* positive floats are ordered as integers, NaN last */
    __m256i x = _mm256_max_epi32(_mm256_and_si256(_mm256_castps_si256(a.half[0]), magnitude),
                                 _mm256_and_si256(_mm256_castps_si256(a.half[1]), magnitude));
    __m256i y = _mm256_max_epi32(_mm256_and_si256(_mm256_castps_si256(b.half[0]), magnitude),
                                 _mm256_and_si256(_mm256_castps_si256(b.half[1]), magnitude));
    x = _mm256_max_epi32(x, y);
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return _mm_cvtsi128_si32(m) >= 0x7f800000 ? __builtin_inff() : _mm_cvtss_f32(_mm_castsi128_ps(m));
}

/* 32 values, each of magnitude at most 127, to the nearest integers; the sums of the first and the last 16 of these. */
static inline void vec_f32_to_int8(vec_f32 a, vec_f32 b, int8_t *out, int32_t sums[2])
{
    const __m256i order = _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0);
    __m256i low = _mm256_packs_epi32(_mm256_cvtps_epi32(a.half[0]), _mm256_cvtps_epi32(a.half[1]));
    __m256i high = _mm256_packs_epi32(_mm256_cvtps_epi32(b.half[0]), _mm256_cvtps_epi32(b.half[1]));
    __m256i q = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
    _mm256_storeu_si256((__m256i *)(void *)out, q);
    sums_of_16(q, sums);
}

/* 16 values, each of magnitude at most 32767, to the nearest integers. */
static inline void vec_f32_to_int16(vec_f32 a, int16_t *out)
{
    __m256i pairs = _mm256_packs_epi32(_mm256_cvtps_epi32(a.half[0]), _mm256_cvtps_epi32(a.half[1]));
    _mm256_storeu_si256((__m256i *)(void *)out, _mm256_permute4x64_epi64(pairs, 0xd8));
}

#endif
