/* quant_blocks.h - single fields of ggml's blocks, as the reference C reads them: bytes in, numbers out.
 *
 * Shared by the row reader (quant.c) and the reference unpack (unpack.c), so that a layout is written down once.
 */
#ifndef TDM_KERNEL_QUANT_BLOCKS_H
#define TDM_KERNEL_QUANT_BLOCKS_H

#include <stdint.h>
#include <string.h>

#include "kernel/quant.h"

static inline float tdm__block_f16(const uint8_t *p) { return tdm__f16_to_f32((uint16_t)(p[0] | p[1] << 8)); }

static inline float tdm__block_bf16(const uint8_t *p)
{
    uint32_t u = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 24;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* Value j of 32 in 16 bytes: low nibbles first. */
static inline int tdm__block_nibble(const uint8_t *p, int j) { return j < 16 ? p[j] & 15 : p[j - 16] >> 4; }

static inline int tdm__block_bit(const uint8_t *p, int j) { return p[j / 8] >> j % 8 & 1; }

/* Value j of 256 in 128 bytes: runs of 32 low nibbles, then the 32 high ones of the same bytes. */
static inline int tdm__block_nibble_k(const uint8_t *p, int j)
{
    int byte = p[j / 64 * 32 + j % 32];
    return j / 32 % 2 == 0 ? byte & 15 : byte >> 4;
}

/* Value j of 256 in 64 bytes: each 32 bytes hold 4 runs of 32, the first in their lowest 2 bits. */
static inline int tdm__block_two_bits(const uint8_t *p, int j)
{
    return p[j / 128 * 32 + j % 32] >> j / 32 % 4 * 2 & 3;
}

typedef struct tdm__scale_min {
    int scale;
    int min;
} tdm__scale_min;

/* The 6-bit scale and min of run i (0 .. 7) of Q4_K and Q5_K in their 12 bytes. */
static inline tdm__scale_min tdm__block_scale_min(const uint8_t *p, int i)
{
    if (i < 4)
        return (tdm__scale_min){p[i] & 63, p[i + 4] & 63};
    return (tdm__scale_min){(p[i + 4] & 15) | p[i - 4] >> 6 << 4, p[i + 4] >> 4 | p[i] >> 6 << 4};
}

/* Q3_K: the scale of run i (0 .. 15), -32 .. 31. Low 4 bits in 8 bytes (low nibbles first), high 2 in the next 4. */
static inline int tdm__block_scale_q3_k(const uint8_t *p, int i)
{
    int low = i < 8 ? p[i] & 15 : p[i - 8] >> 4;
    return (low | (p[8 + i % 4] >> i / 4 * 2 & 3) << 4) - 32;
}

/* Q3_K block: value j, 0 .. 7 (weight + 4). */
static inline int tdm__block_quant_q3_k(const uint8_t *block, int j)
{
    return tdm__block_two_bits(block + 32, j) | (block[j % 32] >> j / 32 & 1) << 2;
}

/* Q6_K block: value j, 0 .. 63 (weight + 32). Each half (128 values) has 64 bytes of low nibbles: values l and l + 64
 * share a byte; its 32 bytes of high bits hold 2 bits for each of l, l + 32, l + 64, l + 96. */
static inline int tdm__block_quant_q6_k(const uint8_t *block, int j)
{
    int half = j / 128, l = j % 128;
    int byte = block[half * 64 + l % 64], high = block[128 + half * 32 + l % 32];
    return (l < 64 ? byte & 15 : byte >> 4) | (high >> l / 32 * 2 & 3) << 4;
}

#endif
