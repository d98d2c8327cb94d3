/* panel_avx512.h - a vec of the panel kernels: 32 bits of each of the 16 rows of a panel, in one 512-bit register.
 *
 * What dot_template.h and quantize_template.h are written in.
 */
#ifndef TDM_KERNEL_X86_PANEL_AVX512_H
#define TDM_KERNEL_X86_PANEL_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernel/x86/sums_of_16.h"

typedef __m512i vec;   /* 16 x 32 bits */
typedef __m512 vec_f32; /* 16 x float */

static inline vec vec_set1(uint32_t x) { return _mm512_set1_epi32((int)x); }
static inline vec vec_and(vec a, vec b) { return _mm512_and_si512(a, b); }
static inline vec vec_or(vec a, vec b) { return _mm512_or_si512(a, b); }
static inline vec vec_shift_left(vec a, int n) { return _mm512_slli_epi32(a, (unsigned)n); }
static inline vec vec_shift_right(vec a, int n) { return _mm512_srli_epi32(a, (unsigned)n); }
static inline vec vec_load(const void *p) { return _mm512_load_si512(p); }

static inline vec_f32 vec_to_f32(vec a) { return _mm512_cvtepi32_ps(a); }
static inline vec_f32 vec_as_f32(vec a) { return _mm512_castsi512_ps(a); }
/* 16 values of one row each: f16, unsigned and signed bytes, 16-bit words. */
static inline vec_f32 vec_f32_load_halves(const void *p) { return _mm512_cvtph_ps(_mm256_load_si256(p)); }
static inline vec vec_load_bytes(const void *p) { return _mm512_cvtepu8_epi32(_mm_load_si128(p)); }
static inline vec vec_load_signed_bytes(const void *p) { return _mm512_cvtepi8_epi32(_mm_load_si128(p)); }
static inline vec vec_load_words(const void *p) { return _mm512_cvtepu16_epi32(_mm256_load_si256(p)); }
static inline vec_f32 vec_f32_mul(vec_f32 a, vec_f32 b) { return _mm512_mul_ps(a, b); }
static inline vec_f32 vec_f32_sub(vec_f32 a, vec_f32 b) { return _mm512_sub_ps(a, b); }
static inline vec_f32 vec_f32_negate(vec_f32 a)
{
    return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(a), _mm512_set1_epi32(INT32_MIN)));
}
static inline vec_f32 vec_f32_set1(float x) { return _mm512_set1_ps(x); }
static inline vec_f32 vec_f32_fma(vec_f32 a, vec_f32 b, vec_f32 c) { return _mm512_fmadd_ps(a, b, c); }
static inline vec_f32 vec_f32_load(const float *p) { return _mm512_load_ps(p); }
static inline vec_f32 vec_f32_load_unaligned(const float *p) { return _mm512_loadu_ps(p); }
static inline void vec_f32_store(float *p, vec_f32 a) { _mm512_store_ps(p, a); }

/* The largest |x| of 32 values; +infinity if one of them is not finite. */
static inline float vec_f32_abs_max(vec_f32 a, vec_f32 b)
{
    const __m512i magnitude = _mm512_set1_epi32(INT32_MAX); /* positive floats are ordered as integers, NaN last */
    __m512i x = _mm512_and_si512(_mm512_castps_si512(a), magnitude);
    __m512i y = _mm512_and_si512(_mm512_castps_si512(b), magnitude);
    int32_t max = _mm512_reduce_max_epi32(_mm512_max_epi32(x, y));
    return max >= 0x7f800000 ? __builtin_inff() : _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(max)));
}

/* 32 values, each of magnitude at most 127, to the nearest integers; the sums of the first and the last 16 of these. */
static inline void vec_f32_to_int8(vec_f32 a, vec_f32 b, int8_t *out, int32_t sums[2])
{
    __m128i low = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a)), high = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(b));
    __m256i q = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    _mm256_storeu_si256((__m256i *)(void *)out, q);
    sums_of_16(q, sums);
}

/* 4 bytes, or 2 words, to all rows. */
static inline vec vec_set1_bytes(const void *a)
{
    int32_t x;
    memcpy(&x, a, sizeof x);
    return _mm512_set1_epi32(x);
}

/* 16 values, each of magnitude at most 32767, to the nearest integers. */
static inline void vec_f32_to_int16(vec_f32 a, int16_t *out)
{
    _mm256_storeu_si256((__m256i *)(void *)out, _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(a)));
}

#endif
