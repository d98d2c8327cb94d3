/* lanes_avx512.h - the 16 floats of one register, as rows_template.h and attention_template.h see them. */
#ifndef TDM_KERNEL_X86_LANES_AVX512_H
#define TDM_KERNEL_X86_LANES_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define VEC_LANES 16
#define VEC_BLOCK 8 /* queries of a block: 2 x 8 sums and 3 operands */

typedef __m512 vec;

static inline __mmask16 vec_mask(size_t n) { return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1); }

static inline vec vec_all(float x) { return _mm512_set1_ps(x); }
static inline vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm512_div_ps(a, b); }
static inline vec vec_max(vec a, vec b) { return _mm512_max_ps(a, b); }
static inline vec vec_min(vec a, vec b) { return _mm512_min_ps(a, b); }
static inline vec vec_negate(vec a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
static inline vec vec_fmsub(vec a, vec b, vec c) { return _mm512_fmsub_ps(a, b, c); }
static inline vec vec_fmaddsub(vec a, vec b, vec c) { return _mm512_fmaddsub_ps(a, b, c); }
static inline vec vec_swap_pairs(vec a) { return _mm512_permute_ps(a, 0xb1); }
static inline vec vec_scale(vec y, vec n) { return _mm512_scalef_ps(y, n); }

static inline vec vec_load(const float *p) { return _mm512_loadu_ps(p); }
static inline vec vec_load_left(const float *p, size_t n, float fill)
{
    return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), vec_mask(n), p);
}
static inline void vec_store_left(float *p, size_t n, vec v) { _mm512_mask_storeu_ps(p, vec_mask(n), v); }
static inline vec vec_keep_left(vec v, size_t n) { return _mm512_maskz_mov_ps(vec_mask(n), v); }

static inline vec vec_load_twice(const float *p, size_t n)
{
    const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    return _mm512_permutexvar_ps(twice, _mm512_maskz_loadu_ps(vec_mask(n < 8 ? n : 8), p));
}

static inline vec vec_load_halves(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
static inline vec vec_load_halves_left(const uint16_t *p, size_t n)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(vec_mask(n), p));
}
static inline vec vec_all_half(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_set1_epi16((short)*p)); }
static inline vec vec_load_bytes(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}
static inline vec vec_load_bytes_left(const int8_t *p, size_t n)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(vec_mask(n), p)));
}
static inline void vec_store_halves(uint16_t *p, vec v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

#endif
