/* matmul_avx512.c - the panel kernels on 512-bit registers, without VNNI.
 *
 * vpmaddubsw saturates its pairs at 32767: weights up to 63 times activations up to 127 stay below even for the sum
 * of two pairs (4 * 63 * 127 = 32004). Weights of 8 bits are taken as magnitude, their sign going to the activation:
 * 2 * 128 * 127 = 32512.
 */
#include "kernel/x86/panel_avx512.h"

#include "kernel/kernels_init.h"

#define DOT_TOKENS 4
#define DOT_PANELS 2
#define DOT_STEP 16
#define DOT_IS_WIDE 0

static inline vec sum_pairs(__m512i x) { return _mm512_madd_epi16(x, _mm512_set1_epi16(1)); }

static inline vec vec_dot_8(vec start, const vec *q, const int8_t *a)
{
    __m512i x = _mm512_maddubs_epi16(q[0], vec_set1_bytes(a));
    __m512i y = _mm512_maddubs_epi16(q[1], vec_set1_bytes(a + 4));
    return _mm512_add_epi32(start, sum_pairs(_mm512_add_epi16(x, y)));
}

/* Weights up to 31: 8 * 31 * 127 = 31496. */
static inline vec vec_dot_16(vec start, const vec *q, const int8_t *a)
{
    __m512i sum = _mm512_maddubs_epi16(q[0], vec_set1_bytes(a));
    for (int g = 1; g < 4; g++)
        sum = _mm512_add_epi16(sum, _mm512_maddubs_epi16(q[g], vec_set1_bytes(a + 4 * g)));
    return _mm512_add_epi32(start, sum_pairs(sum));
}

static inline vec vec_dot_8_signed(vec start, const vec *q, const int8_t *a)
{
    for (int g = 0; g < 2; g++) {
        __m512i weight = _mm512_xor_si512(q[g], _mm512_set1_epi8(INT8_MIN)), x = vec_set1_bytes(a + 4 * g);
        __m512i turned = _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(weight), _mm512_setzero_si512(), x);
        start = _mm512_add_epi32(start, sum_pairs(_mm512_maddubs_epi16(_mm512_abs_epi8(weight), turned)));
    }
    return start;
}

static inline vec vec_dot_words(vec start, vec w, const int16_t *a)
{
    return _mm512_add_epi32(start, _mm512_madd_epi16(w, vec_set1_bytes(a)));
}

#include "kernel/dot_template.h"
#include "kernel/quantize_template.h"

void tdm__kernels_init_matmul_avx512(tdm__kernels *k)
{
    fill_dot(k);
    k->quantize = quantize;
    k->quantize_runs = quantize_runs;
}
