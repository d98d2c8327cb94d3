/* quant.c - the table of tensor types, and one row of each back to float.
 *
 * The functions here are the readable meaning of ggml's block formats: one function a type, its formula above it, no
 * concern for speed. The kernels never call them; their results are compared with these, and these with the gguf
 * package of the format's authors (tests/kernel). Where w = d * q + m, the product and the sum are rounded one after
 * the other, as that package does.
 */
#include "kernel/quant.h"

#include <string.h>

#include "kernel/quant_blocks.h"

static const tdm__type_traits traits[TDM__TYPE_COUNT] = {
    [TDM__TYPE_F32] = {"F32", 1, 4},           [TDM__TYPE_F16] = {"F16", 1, 2},
    [TDM__TYPE_BF16] = {"BF16", 1, 2},         [TDM__TYPE_Q4_0] = {"Q4_0", 32, 18},
    [TDM__TYPE_Q4_1] = {"Q4_1", 32, 20},       [TDM__TYPE_Q5_0] = {"Q5_0", 32, 22},
    [TDM__TYPE_Q5_1] = {"Q5_1", 32, 24},       [TDM__TYPE_Q8_0] = {"Q8_0", 32, 34},
    [TDM__TYPE_Q2_K] = {"Q2_K", 256, 84},      [TDM__TYPE_Q3_K] = {"Q3_K", 256, 110},
    [TDM__TYPE_Q4_K] = {"Q4_K", 256, 144},     [TDM__TYPE_Q5_K] = {"Q5_K", 256, 176},
    [TDM__TYPE_Q6_K] = {"Q6_K", 256, 210},
};

const tdm__type_traits *tdm__type_get(uint32_t type)
{
    return type < TDM__TYPE_COUNT && traits[type].name ? &traits[type] : NULL;
}

static void dequantize_f32(const uint8_t *b, float *out) { memcpy(out, b, sizeof *out); }

static void dequantize_f16(const uint8_t *b, float *out) { *out = tdm__block_f16(b); }

static void dequantize_bf16(const uint8_t *b, float *out) { *out = tdm__block_bf16(b); }

/* f16 d, 16 bytes: value j in the low, j + 16 in the high nibble of byte j. w = d * (n - 8) */
static void dequantize_q4_0(const uint8_t *b, float *out)
{
    float d = tdm__block_f16(b);
    for (int j = 0; j < 32; j++)
        out[j] = d * (float)(tdm__block_nibble(b + 2, j) - 8);
}

/* f16 d, f16 m, nibbles as Q4_0. w = d * n + m */
static void dequantize_q4_1(const uint8_t *b, float *out)
{
    float d = tdm__block_f16(b), m = tdm__block_f16(b + 2);
    for (int j = 0; j < 32; j++)
        out[j] = d * (float)tdm__block_nibble(b + 4, j) + m;
}

/* f16 d, 32 fifth bits (bit j of a little-endian word: value j), nibbles as Q4_0. w = d * (n - 16) */
static void dequantize_q5_0(const uint8_t *b, float *out)
{
    float d = tdm__block_f16(b);
    for (int j = 0; j < 32; j++)
        out[j] = d * (float)((tdm__block_nibble(b + 6, j) | tdm__block_bit(b + 2, j) << 4) - 16);
}

/* f16 d, f16 m, fifth bits and nibbles as Q5_0. w = d * n + m */
static void dequantize_q5_1(const uint8_t *b, float *out)
{
    float d = tdm__block_f16(b), m = tdm__block_f16(b + 2);
    for (int j = 0; j < 32; j++)
        out[j] = d * (float)(tdm__block_nibble(b + 8, j) | tdm__block_bit(b + 4, j) << 4) + m;
}

/* f16 d, 32 int8. w = d * n */
static void dequantize_q8_0(const uint8_t *b, float *out)
{
    float d = tdm__block_f16(b);
    for (int j = 0; j < 32; j++)
        out[j] = d * (float)(int8_t)b[2 + j];
}

/* 16 bytes (4-bit scale, 4-bit min) of runs of 16, 64 bytes of 2 bits, f16 d, f16 dmin. w = d * sc * n - dmin * m */
static void dequantize_q2_k(const uint8_t *b, float *out)
{
    float d = tdm__block_f16(b + 80), d_min = tdm__block_f16(b + 82);
    for (int j = 0; j < 256; j++) {
        int scales = b[j / 16], n = tdm__block_two_bits(b + 16, j / 32, j % 32);
        out[j] = d * (float)(scales & 15) * (float)n - d_min * (float)(scales >> 4);
    }
}

/* 32 bytes of third bits, 64 bytes of 2 bits, 12 bytes of sixteen 6-bit scales (+32), f16 d. w = d * sc * (n - 4) */
static void dequantize_q3_k(const uint8_t *b, float *out)
{
    float d = tdm__block_f16(b + 108);
    for (int j = 0; j < 256; j++) {
        int n = tdm__block_quant_q3_k(b, j / 32, j % 32) - 4;
        out[j] = d * (float)tdm__block_scale_q3_k(b + 96, j / 16) * (float)n;
    }
}

/* f16 d, f16 dmin, 12 bytes of eight 6-bit (scale, min) of runs of 32, 128 bytes of nibbles.
 * w = d * sc * n - dmin * m */
static void dequantize_q4_k(const uint8_t *b, float *out)
{
    float d = tdm__block_f16(b), d_min = tdm__block_f16(b + 2);
    for (int j = 0; j < 256; j++) {
        tdm__scale_min s = tdm__block_scale_min(b + 4, j / 32);
        out[j] = d * (float)s.scale * (float)tdm__block_nibble_k(b + 16, j / 32, j % 32) - d_min * (float)s.min;
    }
}

/* As Q4_K, and 32 bytes of fifth bits before the nibbles: bit i of byte j % 32 is run i's. */
static void dequantize_q5_k(const uint8_t *b, float *out)
{
    float d = tdm__block_f16(b), d_min = tdm__block_f16(b + 2);
    for (int j = 0; j < 256; j++) {
        tdm__scale_min s = tdm__block_scale_min(b + 4, j / 32);
        out[j] = d * (float)s.scale * (float)tdm__block_quant_q5_k(b, j / 32, j % 32) - d_min * (float)s.min;
    }
}

/* 128 bytes of low 4 bits, 64 bytes of high 2 bits, 16 int8 scales of runs of 16, f16 d. w = d * sc * (n - 32) */
static void dequantize_q6_k(const uint8_t *b, float *out)
{
    float d = tdm__block_f16(b + 208);
    for (int j = 0; j < 256; j++)
        out[j] = d * (float)(int8_t)b[192 + j / 16] * (float)(tdm__block_quant_q6_k(b, j / 32, j % 32) - 32);
}

typedef void (*dequantize_fn)(const uint8_t *block, float *out);

static const dequantize_fn dequantize[TDM__TYPE_COUNT] = {
    [TDM__TYPE_F32] = dequantize_f32,   [TDM__TYPE_F16] = dequantize_f16,   [TDM__TYPE_BF16] = dequantize_bf16,
    [TDM__TYPE_Q4_0] = dequantize_q4_0, [TDM__TYPE_Q4_1] = dequantize_q4_1, [TDM__TYPE_Q5_0] = dequantize_q5_0,
    [TDM__TYPE_Q5_1] = dequantize_q5_1, [TDM__TYPE_Q8_0] = dequantize_q8_0, [TDM__TYPE_Q2_K] = dequantize_q2_k,
    [TDM__TYPE_Q3_K] = dequantize_q3_k, [TDM__TYPE_Q4_K] = dequantize_q4_k, [TDM__TYPE_Q5_K] = dequantize_q5_k,
    [TDM__TYPE_Q6_K] = dequantize_q6_k,
};

void tdm__dequantize_row(tdm__type type, const void *data, float *out, size_t n)
{
    const tdm__type_traits *t = &traits[type];
    const uint8_t *block = data;
    for (size_t done = 0; done < n; done += t->block_values, block += t->block_bytes)
        dequantize[type](block, out + done);
}
