/* unpack.c - reference C: rows of a GGUF file to the fixed layout of a slab.
 *
 * Says what every other unpack must write, bit for bit. The products of an f16 scale and an integer of at most 8
 * bits are exact in float, so a slab holds no rounding at all: w = scale * (q - offset) + min.
 */
#include "kernel/unpack.h"

#include <string.h>

#include "kernel/quant_blocks.h"

/* Column c (of the slab) of row r. */
static void put(tdm__slab *s, size_t r, size_t c, int q) { s->q[c / 32][c % 32 / 4][r][c % 4] = (uint8_t)q; }

/* One block of one row, its first column being c of the slab. */
typedef void (*unpack_block_fn)(const uint8_t *b, size_t r, size_t c, tdm__slab *s);

static void unpack_rows(unpack_block_fn fn, tdm__type type, const uint8_t *rows, size_t row_bytes, size_t n_rows,
                        size_t n_cols, tdm__slab *out)
{
    const tdm__type_traits *t = tdm__type_get((uint32_t)type);
    if (n_rows < TDM__PANEL_ROWS)
        memset(out, 0, sizeof *out);
    for (size_t r = 0; r < n_rows; r++) {
        const uint8_t *b = rows + r * row_bytes;
        for (size_t c = 0; c < n_cols; c += t->block_values, b += t->block_bytes)
            fn(b, r, c, out);
    }
}

static void block_q4_0(const uint8_t *b, size_t r, size_t c, tdm__slab *s)
{
    for (int j = 0; j < 32; j++)
        put(s, r, c + (size_t)j, tdm__block_nibble(b + 2, j));
    s->scale[c / 32][r] = tdm__block_f16(b);
}

static void block_q4_1(const uint8_t *b, size_t r, size_t c, tdm__slab *s)
{
    for (int j = 0; j < 32; j++)
        put(s, r, c + (size_t)j, tdm__block_nibble(b + 4, j));
    s->scale[c / 32][r] = tdm__block_f16(b);
    s->min[c / 32][r] = tdm__block_f16(b + 2);
}

static void block_q5_0(const uint8_t *b, size_t r, size_t c, tdm__slab *s)
{
    for (int j = 0; j < 32; j++)
        put(s, r, c + (size_t)j, tdm__block_nibble(b + 6, j) | tdm__block_bit(b + 2, j) << 4);
    s->scale[c / 32][r] = tdm__block_f16(b);
}

static void block_q5_1(const uint8_t *b, size_t r, size_t c, tdm__slab *s)
{
    for (int j = 0; j < 32; j++)
        put(s, r, c + (size_t)j, tdm__block_nibble(b + 8, j) | tdm__block_bit(b + 4, j) << 4);
    s->scale[c / 32][r] = tdm__block_f16(b);
    s->min[c / 32][r] = tdm__block_f16(b + 2);
}

static void block_q8_0(const uint8_t *b, size_t r, size_t c, tdm__slab *s)
{
    for (int j = 0; j < 32; j++)
        put(s, r, c + (size_t)j, b[2 + j] ^ 0x80);
    s->scale[c / 32][r] = tdm__block_f16(b);
}

/* The K types' block is the whole slab: c is 0. */
static void block_q2_k(const uint8_t *b, size_t r, size_t c, tdm__slab *s)
{
    float d = tdm__block_f16(b + 80), d_min = tdm__block_f16(b + 82);
    for (int j = 0; j < 256; j++)
        put(s, r, c + (size_t)j, tdm__block_two_bits(b + 16, j));
    for (int i = 0; i < 16; i++) {
        s->scale[i][r] = d * (float)(b[i] & 15);
        s->min[i][r] = -d_min * (float)(b[i] >> 4);
    }
}

static void block_q3_k(const uint8_t *b, size_t r, size_t c, tdm__slab *s)
{
    float d = tdm__block_f16(b + 108);
    for (int j = 0; j < 256; j++)
        put(s, r, c + (size_t)j, tdm__block_quant_q3_k(b, j));
    for (int i = 0; i < 16; i++)
        s->scale[i][r] = d * (float)tdm__block_scale_q3_k(b + 96, i);
}

static void scales_k(const uint8_t *b, size_t r, tdm__slab *s)
{
    float d = tdm__block_f16(b), d_min = tdm__block_f16(b + 2);
    for (int i = 0; i < 8; i++) {
        tdm__scale_min sm = tdm__block_scale_min(b + 4, i);
        s->scale[i][r] = d * (float)sm.scale;
        s->min[i][r] = -d_min * (float)sm.min;
    }
}

static void block_q4_k(const uint8_t *b, size_t r, size_t c, tdm__slab *s)
{
    for (int j = 0; j < 256; j++)
        put(s, r, c + (size_t)j, tdm__block_nibble_k(b + 16, j));
    scales_k(b, r, s);
}

static void block_q5_k(const uint8_t *b, size_t r, size_t c, tdm__slab *s)
{
    for (int j = 0; j < 256; j++)
        put(s, r, c + (size_t)j, tdm__block_nibble_k(b + 48, j) | (b[16 + j % 32] >> j / 32 & 1) << 4);
    scales_k(b, r, s);
}

static void block_q6_k(const uint8_t *b, size_t r, size_t c, tdm__slab *s)
{
    float d = tdm__block_f16(b + 208);
    for (int j = 0; j < 256; j++)
        put(s, r, c + (size_t)j, tdm__block_quant_q6_k(b, j));
    for (int i = 0; i < 16; i++)
        s->scale[i][r] = d * (float)(int8_t)b[192 + i];
}

#define UNPACK(name, TYPE)                                                                                           \
    static void unpack_##name##_c(const uint8_t *rows, size_t row_bytes, size_t n_rows, size_t n_cols, tdm__slab *out) \
    {                                                                                                                \
        unpack_rows(block_##name, TYPE, rows, row_bytes, n_rows, n_cols, out);                                       \
    }

UNPACK(q4_0, TDM__TYPE_Q4_0)
UNPACK(q4_1, TDM__TYPE_Q4_1)
UNPACK(q5_0, TDM__TYPE_Q5_0)
UNPACK(q5_1, TDM__TYPE_Q5_1)
UNPACK(q8_0, TDM__TYPE_Q8_0)
UNPACK(q2_k, TDM__TYPE_Q2_K)
UNPACK(q3_k, TDM__TYPE_Q3_K)
UNPACK(q4_k, TDM__TYPE_Q4_K)
UNPACK(q5_k, TDM__TYPE_Q5_K)
UNPACK(q6_k, TDM__TYPE_Q6_K)

const tdm__unpack_fn tdm__unpack_c[TDM__TYPE_COUNT] = {
    [TDM__TYPE_Q4_0] = unpack_q4_0_c, [TDM__TYPE_Q4_1] = unpack_q4_1_c, [TDM__TYPE_Q5_0] = unpack_q5_0_c,
    [TDM__TYPE_Q5_1] = unpack_q5_1_c, [TDM__TYPE_Q8_0] = unpack_q8_0_c, [TDM__TYPE_Q2_K] = unpack_q2_k_c,
    [TDM__TYPE_Q3_K] = unpack_q3_k_c, [TDM__TYPE_Q4_K] = unpack_q4_k_c, [TDM__TYPE_Q5_K] = unpack_q5_k_c,
    [TDM__TYPE_Q6_K] = unpack_q6_k_c,
};

/* Rows of a float type: tdm__dequantize_row is exact for them. */
static void unpack_float(tdm__type type, const uint8_t *rows, size_t row_bytes, size_t n_rows, size_t n_cols,
                         tdm__slab_f32 *out)
{
    float row[TDM__SLAB_COLS];
    if (n_rows < TDM__PANEL_ROWS)
        memset(out, 0, sizeof *out);
    for (size_t r = 0; r < n_rows; r++) {
        tdm__dequantize_row(type, rows + r * row_bytes, row, n_cols);
        for (size_t c = 0; c < n_cols; c++)
            out->w[c][r] = row[c];
    }
}

#define UNPACK_FLOAT(name, TYPE)                                                                                      \
    static void unpack_##name##_c(const uint8_t *rows, size_t row_bytes, size_t n_rows, size_t n_cols,                \
                                  tdm__slab_f32 *out)                                                                 \
    {                                                                                                                 \
        unpack_float(TYPE, rows, row_bytes, n_rows, n_cols, out);                                                     \
    }

UNPACK_FLOAT(f32, TDM__TYPE_F32)
UNPACK_FLOAT(f16, TDM__TYPE_F16)
UNPACK_FLOAT(bf16, TDM__TYPE_BF16)

const tdm__unpack_f32_fn tdm__unpack_f32_c[TDM__TYPE_COUNT] = {
    [TDM__TYPE_F32] = unpack_f32_c,
    [TDM__TYPE_F16] = unpack_f16_c,
    [TDM__TYPE_BF16] = unpack_bf16_c,
};
