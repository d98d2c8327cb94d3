/* sums_of_16.h - sums of bytes, as the quantising of every level from AVX2 on needs them. */
#ifndef TDM_KERNEL_X86_SUMS_OF_16_H
#define TDM_KERNEL_X86_SUMS_OF_16_H

#include <immintrin.h>
#include <stdint.h>

/* Of the first and of the last 16 of q, signed, none of them -128. */
static inline void sums_of_16(__m256i q, int32_t sums[2])
{
    __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), q);
    __m256i s = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0x4e));
    s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0xb1));
    sums[0] = _mm256_cvtsi256_si32(s);
    sums[1] = _mm_cvtsi128_si32(_mm256_extracti128_si256(s, 1));
}

#endif
