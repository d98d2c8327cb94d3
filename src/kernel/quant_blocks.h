/* quant_blocks.h - single fields of ggml's blocks, as the reference C reads them: bytes in, numbers out.
 *
 * Shared by the row reader (quant.c) and whoever packs (pack_panel.c), so that a layout is written down once.
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

/* Of the K types a value is named by its run of 32, 0 .. 7, and its place k in it: what concerns the run is then the
 * same for 32 values, and compilers see it. */

/* 256 values in 128 bytes: runs of 32 low nibbles, then the 32 high ones of the same bytes. */
static inline int tdm__block_nibble_k(const uint8_t *p, int run, int k)
{
    return p[run / 2 * 32 + k] >> run % 2 * 4 & 15;
}

/* 256 values in 64 bytes: each 32 bytes hold 4 runs of 32, the first in their lowest 2 bits. */
static inline int tdm__block_two_bits(const uint8_t *p, int run, int k)
{
    return p[run / 4 * 32 + k] >> run % 4 * 2 & 3;
}

/* Q5_K block: 0 .. 31. Bit i of byte k of its 32 bytes of fifth bits is run i's. */
static inline int tdm__block_quant_q5_k(const uint8_t *block, int run, int k)
{
    return tdm__block_nibble_k(block + 48, run, k) | (block[16 + k] >> run & 1) << 4;
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

/* Q3_K block: 0 .. 7 (weight + 4). */
static inline int tdm__block_quant_q3_k(const uint8_t *block, int run, int k)
{
    return tdm__block_two_bits(block + 32, run, k) | (block[k] >> run & 1) << 2;
}

/* Q6_K block: 0 .. 63 (weight + 32). Each half (128 values) has 64 bytes of low nibbles: values l and l + 64
 * share a byte; its 32 bytes of high bits hold 2 bits for each of l, l + 32, l + 64, l + 96. */
static inline int tdm__block_quant_q6_k(const uint8_t *block, int run, int k)
{
    const int half = run / 4, byte = block[half * 64 + run % 2 * 32 + k], high = block[128 + half * 32 + k];
    return (byte >> run % 4 / 2 * 4 & 15) | (high >> run % 4 * 2 & 3) << 4;
}

#endif
