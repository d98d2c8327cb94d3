/* pack_panel.c - rows of a GGUF file to panels, value by value: done once for a file.
 *
 * A block's quants are read by the functions that the reference reads them with (quant_blocks.h), so a layout of the
 * file is written down once.
 */
#include "kernel/packed.h"

#include <assert.h>
#include <string.h>

#include "kernel/packed_parts.h"
#include "kernel/quant_blocks.h"

/* Quants of one block of a row: q[0 .. block_values), as stored. */
static void read_quants(tdm__type type, const uint8_t *b, uint8_t *q)
{
    for (int j = 0; j < 32 && type < TDM__TYPE_Q2_K; j++)
        switch (type) {
        case TDM__TYPE_Q4_0: q[j] = (uint8_t)tdm__block_nibble(b + 2, j); break;
        case TDM__TYPE_Q4_1: q[j] = (uint8_t)tdm__block_nibble(b + 4, j); break;
        case TDM__TYPE_Q5_0: q[j] = (uint8_t)(tdm__block_nibble(b + 6, j) | tdm__block_bit(b + 2, j) << 4); break;
        case TDM__TYPE_Q5_1: q[j] = (uint8_t)(tdm__block_nibble(b + 8, j) | tdm__block_bit(b + 4, j) << 4); break;
        default: q[j] = b[2 + j] ^ 0x80; break; /* Q8_0 */
        }
    for (int j = 0; j < 256 && type >= TDM__TYPE_Q2_K; j++)
        switch (type) {
        case TDM__TYPE_Q2_K: q[j] = (uint8_t)tdm__block_two_bits(b + 16, j); break;
        case TDM__TYPE_Q3_K: q[j] = (uint8_t)tdm__block_quant_q3_k(b, j); break;
        case TDM__TYPE_Q4_K: q[j] = (uint8_t)tdm__block_nibble_k(b + 16, j); break;
        case TDM__TYPE_Q5_K:
            q[j] = (uint8_t)(tdm__block_nibble_k(b + 48, j) | (b[16 + j % 32] >> j / 32 & 1) << 4);
            break;
        default: q[j] = (uint8_t)tdm__block_quant_q6_k(b, j); break; /* Q6_K */
        }
}

/* A column of a row is byte `at` of the vectors of its group g. */
static inline void put_quant(tdm__packed_shape s, uint8_t *run, size_t g, size_t at, uint8_t q)
{
    uint8_t *high = run + 64 * s.n_low;
    if (s.low_bits == 8)
        run[64 * g + at] = q;
    else if (s.low_bits == 4)
        run[64 * (g % 4) + at] |= (uint8_t)((q & 15) << g / 4 * 4);
    else
        run[64 * (g / 4) + at] |= (uint8_t)((q & 3) << g % 4 * 2);
    if (s.high_bits == 1)
        high[at] |= (uint8_t)((q >> s.low_bits & 1) << g);
    if (s.high_bits == 2)
        high[64 * (g / 4) + at] |= (uint8_t)((q >> s.low_bits & 3) << g % 4 * 2);
}

static void put_half(uint8_t *out, size_t r, const uint8_t *half) { memcpy(out + 2 * r, half, 2); }

/* Scales of block number i (of the slab) of row r. */
static void put_scales(tdm__type type, const uint8_t *b, size_t i, size_t r, uint8_t *scales)
{
    switch (type) {
    case TDM__TYPE_Q4_0:
    case TDM__TYPE_Q5_0:
    case TDM__TYPE_Q8_0: put_half(scales + 32 * i, r, b); return;
    case TDM__TYPE_Q4_1:
    case TDM__TYPE_Q5_1:
        put_half(scales + 64 * i, r, b);
        put_half(scales + 64 * i + 32, r, b + 2);
        return;
    case TDM__TYPE_Q2_K:
        for (size_t k = 0; k < 16; k++)
            scales[16 * k + r] = b[k];
        put_half(scales + 256, r, b + 80);
        put_half(scales + 288, r, b + 82);
        return;
    case TDM__TYPE_Q3_K:
        for (size_t k = 0; k < 16; k++)
            scales[16 * k + r] = (uint8_t)tdm__block_scale_q3_k(b + 96, (int)k);
        put_half(scales + 256, r, b + 108);
        return;
    case TDM__TYPE_Q4_K:
    case TDM__TYPE_Q5_K:
        for (size_t k = 0; k < 8; k++) {
            const tdm__scale_min sm = tdm__block_scale_min(b + 4, (int)k);
            scales[16 * k + r] = (uint8_t)sm.scale;
            scales[128 + 16 * k + r] = (uint8_t)sm.min;
        }
        put_half(scales + 256, r, b);
        put_half(scales + 288, r, b + 2);
        return;
    default: /* Q6_K */
        for (size_t k = 0; k < 16; k++)
            scales[16 * k + r] = b[192 + k];
        put_half(scales + 256, r, b + 208);
    }
}

static void pack_slab(tdm__type type, const uint8_t *row, size_t r, size_t n_cols, uint8_t *slab)
{
    const tdm__type_traits *t = tdm__type_get((uint32_t)type);
    const tdm__packed_shape shape = tdm__packed_shape_of(type);
    const size_t run_bytes = tdm__packed_run_bytes(type);
    uint8_t *scales = slab + n_cols / 32 * run_bytes;
    for (size_t c = 0, i = 0; c < n_cols; c += t->block_values, i++, row += t->block_bytes) {
        uint8_t q[TDM__SLAB_COLS];
        read_quants(type, row, q);
        for (size_t k = 0; k < t->block_values; k++)
            put_quant(shape, slab + (c + k) / 32 * run_bytes, k % 32 / 4, 4 * r + k % 4, q[k]);
        put_scales(type, row, i, r, scales);
    }
}

static void pack_floats(tdm__type type, const uint8_t *row, size_t r, size_t n_cols, uint8_t *slab)
{
    const size_t bytes = tdm__type_get((uint32_t)type)->block_bytes;
    for (size_t c = 0; c < n_cols; c++)
        memcpy(slab + (TDM__PANEL_ROWS * c + r) * bytes, row + c * bytes, bytes);
}

void tdm__pack_panel(tdm__type type, const uint8_t *rows, size_t row_bytes, size_t n_rows, size_t n_cols, uint8_t *out)
{
    const tdm__type_traits *t = tdm__type_get((uint32_t)type);
    assert(n_rows >= 1 && n_rows <= TDM__PANEL_ROWS && n_cols % t->block_values == 0);
    memset(out, 0, tdm__packed_panel_bytes(type, n_cols));
    for (size_t c = 0; c < n_cols; c += TDM__SLAB_COLS) {
        const size_t n = tdm__slab_cols(n_cols, c);
        for (size_t r = 0; r < n_rows; r++) {
            const uint8_t *row = rows + r * row_bytes + c / t->block_values * t->block_bytes;
            if (t->block_values == 1)
                pack_floats(type, row, r, n, out);
            else
                pack_slab(type, row, r, n, out);
        }
        out += tdm__packed_slab_bytes(type, n);
    }
}
