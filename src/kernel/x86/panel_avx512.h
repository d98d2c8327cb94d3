/* panel_avx512.h - a vec of the panel kernels: 32 bits of each of the 16 rows of a panel, in one 512-bit register.
 *
 * What unpack_template.h, dot_template.h and quantize_template.h are written in.
 */
#ifndef TDM_KERNEL_X86_PANEL_AVX512_H
#define TDM_KERNEL_X86_PANEL_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef __m512i vec;   /* 16 x 32 bits */
typedef __m512 vec_f32; /* 16 x float */

static inline vec vec_set1(uint32_t x) { return _mm512_set1_epi32((int)x); }
static inline vec vec_and(vec a, vec b) { return _mm512_and_si512(a, b); }
static inline vec vec_or(vec a, vec b) { return _mm512_or_si512(a, b); }
static inline vec vec_xor(vec a, vec b) { return _mm512_xor_si512(a, b); }
static inline vec vec_shift_left(vec a, int n) { return _mm512_slli_epi32(a, (unsigned)n); }
static inline vec vec_shift_left_by(vec a, int n) { return _mm512_sll_epi32(a, _mm_cvtsi32_si128(n)); }
static inline vec vec_shift_right(vec a, int n) { return _mm512_srli_epi32(a, (unsigned)n); }
static inline vec vec_shift_right_signed(vec a, int n) { return _mm512_srai_epi32(a, (unsigned)n); }
static inline vec vec_add(vec a, vec b) { return _mm512_add_epi32(a, b); }
static inline vec vec_load(const void *p) { return _mm512_load_si512(p); }
static inline void vec_store(void *p, vec a) { _mm512_store_si512(p, a); }

static inline vec_f32 vec_to_f32(vec a) { return _mm512_cvtepi32_ps(a); }
static inline vec_f32 vec_as_f32(vec a) { return _mm512_castsi512_ps(a); }
/* The f16 in the low half of each 32 bits. */
static inline vec_f32 vec_half_to_f32(vec a) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(a)); }
static inline vec_f32 vec_f32_mul(vec_f32 a, vec_f32 b) { return _mm512_mul_ps(a, b); }
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

/* 16 values, each of magnitude at most 127, to the nearest integers; returns their sum. */
static inline int32_t vec_f32_to_int8(vec_f32 a, int8_t *out)
{
    __m512i q = _mm512_cvtps_epi32(a);
    _mm_storeu_si128((__m128i *)out, _mm512_cvtepi32_epi8(q));
    return _mm512_reduce_add_epi32(q);
}

/* Byte j of a row is 16 if bit 4 g + j of its 32 bits is set, else 0; g is a constant. */
static inline vec vec_fifth_bits(vec bits, int g)
{
    const __m512i one_byte = _mm512_set1_epi32((int)(0x08040201u << (g % 2 * 4)));
    const __m512i spread = _mm512_add_epi32(_mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0x00000000),
                                            _mm512_set1_epi32(0x01010101 * (g / 2)));
    __mmask64 set = _mm512_test_epi8_mask(_mm512_shuffle_epi8(bits, spread), one_byte);
    return _mm512_maskz_mov_epi8(set, _mm512_set1_epi8(16));
}

/* Rows r, r + 4, r + 8, r + 12: 16 bytes of each in one lane. */
static inline __m512i load_4_rows(const uint8_t *p, size_t row_bytes)
{
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)p));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + 4 * row_bytes)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + 8 * row_bytes)), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(p + 12 * row_bytes)), 3);
}

/* 16 bytes of 16 rows, row_bytes apart: out[i] has the i-th 4 bytes of every row. */
static inline void vec_load_rows(const uint8_t *p, size_t row_bytes, vec out[4])
{
    __m512i r0 = load_4_rows(p, row_bytes), r1 = load_4_rows(p + row_bytes, row_bytes);
    __m512i r2 = load_4_rows(p + 2 * row_bytes, row_bytes), r3 = load_4_rows(p + 3 * row_bytes, row_bytes);
    __m512i low01 = _mm512_unpacklo_epi32(r0, r1), low23 = _mm512_unpacklo_epi32(r2, r3);
    __m512i high01 = _mm512_unpackhi_epi32(r0, r1), high23 = _mm512_unpackhi_epi32(r2, r3);
    out[0] = _mm512_unpacklo_epi64(low01, low23);
    out[1] = _mm512_unpackhi_epi64(low01, low23);
    out[2] = _mm512_unpacklo_epi64(high01, high23);
    out[3] = _mm512_unpackhi_epi64(high01, high23);
}

/* 4 values to all rows. */
static inline vec vec_set1_bytes(const int8_t *a)
{
    int32_t x;
    memcpy(&x, a, sizeof x);
    return _mm512_set1_epi32(x);
}

#endif
