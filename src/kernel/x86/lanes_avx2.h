/* lanes_avx2.h - the 8 floats of one register, as rows_template.h and attention_template.h see them.
 *
 * Full rounds take plain loads and stores: masked stores are slow on many processors that have no AVX-512.
 */
#ifndef TDM_KERNEL_X86_LANES_AVX2_H
#define TDM_KERNEL_X86_LANES_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VEC_LANES 8
#define VEC_BLOCK 6 /* queries of a block: 2 x 6 sums and 3 operands take 15 of 16 registers */

typedef __m256 vec;

static inline __m256i vec_mask(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? (int)n : 8), _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0));
}

static inline vec vec_all(float x) { return _mm256_set1_ps(x); }
static inline vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
static inline vec vec_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
static inline vec vec_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
static inline vec vec_div(vec a, vec b) { return _mm256_div_ps(a, b); }
static inline vec vec_max(vec a, vec b) { return _mm256_max_ps(a, b); }
static inline vec vec_min(vec a, vec b) { return _mm256_min_ps(a, b); }
static inline vec vec_negate(vec a) { return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f)); }
static inline vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
static inline vec vec_fmsub(vec a, vec b, vec c) { return _mm256_fmsub_ps(a, b, c); }
static inline vec vec_fmaddsub(vec a, vec b, vec c) { return _mm256_fmaddsub_ps(a, b, c); }
static inline vec vec_swap_pairs(vec a) { return _mm256_permute_ps(a, 0xb1); }

/* Two factors of about equal size: the first product is exact, the second rounds once. */
static inline vec vec_scale(vec y, vec n)
{
    const __m256i bias = _mm256_set1_epi32(127);
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), rest = _mm256_sub_epi32(whole, half);
    vec first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    vec second = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(y, first), second);
}

static inline vec vec_load(const float *p) { return _mm256_loadu_ps(p); }
static inline vec vec_load_left(const float *p, size_t n, float fill)
{
    if (n >= 8)
        return _mm256_loadu_ps(p);
    __m256i m = vec_mask(n);
    return _mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m));
}
static inline void vec_store_left(float *p, size_t n, vec v)
{
    if (n >= 8)
        _mm256_storeu_ps(p, v);
    else
        _mm256_maskstore_ps(p, vec_mask(n), v);
}
static inline vec vec_keep_left(vec v, size_t n) { return _mm256_and_ps(v, _mm256_castsi256_ps(vec_mask(n))); }

static inline vec vec_load_twice(const float *p, size_t n)
{
    return _mm256_permutevar8x32_ps(vec_load_left(p, n < 4 ? n : 4, 0), _mm256_set_epi32(3, 3, 2, 2, 1, 1, 0, 0));
}

static inline vec vec_load_halves(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
static inline vec vec_load_halves_left(const uint16_t *p, size_t n)
{
    if (n >= 8)
        return vec_load_halves(p);
    uint16_t some[8] = {0};
    memcpy(some, p, n * sizeof *p);
    return vec_load_halves(some);
}
static inline vec vec_all_half(const uint16_t *p) { return _mm256_cvtph_ps(_mm_set1_epi16((short)*p)); }
static inline vec vec_load_bytes(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}
static inline vec vec_load_bytes_left(const int8_t *p, size_t n)
{
    if (n >= 8)
        return vec_load_bytes(p);
    int8_t some[8] = {0};
    memcpy(some, p, n);
    return vec_load_bytes(some);
}
static inline void vec_store_halves(uint16_t *p, vec v)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

#endif
