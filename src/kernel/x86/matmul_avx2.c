/* matmul_avx2.c - the panel kernels on pairs of 256-bit registers.
 *
 * vpmaddubsw saturates its pairs at 32767: weights up to 63 times activations up to 127 stay below even for the sum
 * of two pairs (4 * 63 * 127 = 32004). Weights of 8 bits are taken as magnitude, their sign going to the activation:
 * 2 * 128 * 127 = 32512.
 */
#include "kernel/x86/panel_avx2.h"

#include "kernel/kernels_init.h"

#define DOT_TOKENS 4
#define DOT_PANELS 1 /* 16 registers: a block would hold little more than its sums */
#define DOT_STEP 16
#define DOT_IS_WIDE 0

static inline __m256i four_bytes(const void *a)
{
    int32_t x;
    memcpy(&x, a, sizeof x);
    return _mm256_set1_epi32(x);
}

static inline __m256i sum_pairs(__m256i x) { return _mm256_madd_epi16(x, _mm256_set1_epi16(1)); }

static inline vec vec_dot_8(vec start, const vec *q, const int8_t *a)
{
    __m256i first = four_bytes(a), second = four_bytes(a + 4);
    for (int h = 0; h < 2; h++) {
        __m256i x = _mm256_maddubs_epi16(q[0].half[h], first), y = _mm256_maddubs_epi16(q[1].half[h], second);
        start.half[h] = _mm256_add_epi32(start.half[h], sum_pairs(_mm256_add_epi16(x, y)));
    }
    return start;
}

/* Weights up to 31: 8 * 31 * 127 = 31496. */
static inline vec vec_dot_16(vec start, const vec *q, const int8_t *a)
{
    for (int h = 0; h < 2; h++) {
        __m256i sum = _mm256_maddubs_epi16(q[0].half[h], four_bytes(a));
        for (int g = 1; g < 4; g++)
            sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(q[g].half[h], four_bytes(a + 4 * g)));
        start.half[h] = _mm256_add_epi32(start.half[h], sum_pairs(sum));
    }
    return start;
}

static inline vec vec_dot_8_signed(vec start, const vec *q, const int8_t *a)
{
    for (int g = 0; g < 2; g++) {
        __m256i x = four_bytes(a + 4 * g);
        for (int h = 0; h < 2; h++) {
            __m256i weight = _mm256_xor_si256(q[g].half[h], _mm256_set1_epi8(INT8_MIN));
            __m256i products = _mm256_maddubs_epi16(_mm256_abs_epi8(weight), _mm256_sign_epi8(x, weight));
            start.half[h] = _mm256_add_epi32(start.half[h], sum_pairs(products));
        }
    }
    return start;
}

static inline vec vec_dot_words(vec start, vec w, const int16_t *a)
{
    for (int h = 0; h < 2; h++)
        start.half[h] = _mm256_add_epi32(start.half[h], _mm256_madd_epi16(w.half[h], four_bytes(a)));
    return start;
}

#include "kernel/dot_template.h"
#include "kernel/quantize_template.h"

void tdm__kernels_init_matmul_avx2(tdm__kernels *k)
{
    fill_dot(k);
    k->quantize = quantize;
    k->quantize_runs = quantize_runs;
}
