/* pack_panel.c - rows of a GGUF file to panels, run by run: done once for a file.
 *
 * A block's quants are read by the functions that the reference reads them with (quant_blocks.h), so a layout of the
 * file is written down once.
 */
#include "kernel/packed.h"

#include <assert.h>
#include <string.h>

#include "kernel/packed_parts.h"
#include "kernel/quant_blocks.h"

enum { RUN = 32 /* columns */, GROUPS = 8 /* of 4 columns in a run */, VECTOR = 64 /* bytes */ };

static uint64_t each_byte(uint8_t x) { return x * 0x0101010101010101u; }

/* The bits of 4 bytes of a plane, one for each of 32 values, into bit 4 of these. A byte is copied to 8, of which each
 * keeps its own bit, and what is not zero there carries into the byte's highest bit. */
static void add_fifth_bits(const uint8_t *plane, uint8_t q[RUN])
{
    static const uint8_t own_bits[8] = {1, 2, 4, 8, 16, 32, 64, 128};
    uint64_t own, eight;
    memcpy(&own, own_bits, sizeof own);
    for (size_t i = 0; i < RUN / 8; i++) {
        uint64_t bits = each_byte(plane[i]) & own;
        bits = (bits + each_byte(0x7f)) >> 7 & each_byte(1);
        memcpy(&eight, q + 8 * i, sizeof eight);
        eight |= bits << 4;
        memcpy(q + 8 * i, &eight, sizeof eight);
    }
}

/* The quants of a run of a block, as stored. */
static void read_run(tdm__type type, const uint8_t *b, int run, uint8_t q[RUN])
{
#define READ_RUN(value)                                                                                              \
    for (int k = 0; k < RUN; k++)                                                                                    \
        q[k] = (uint8_t)(value)
    switch (type) {
    case TDM__TYPE_Q4_0: READ_RUN(tdm__block_nibble(b + 2, k)); return;
    case TDM__TYPE_Q4_1: READ_RUN(tdm__block_nibble(b + 4, k)); return;
    case TDM__TYPE_Q5_0:
        READ_RUN(tdm__block_nibble(b + 6, k));
        add_fifth_bits(b + 2, q);
        return;
    case TDM__TYPE_Q5_1:
        READ_RUN(tdm__block_nibble(b + 8, k));
        add_fifth_bits(b + 4, q);
        return;
    case TDM__TYPE_Q2_K: READ_RUN(tdm__block_two_bits(b + 16, run, k)); return;
    case TDM__TYPE_Q3_K: READ_RUN(tdm__block_quant_q3_k(b, run, k)); return;
    case TDM__TYPE_Q4_K: READ_RUN(tdm__block_nibble_k(b + 16, run, k)); return;
    case TDM__TYPE_Q5_K: READ_RUN(tdm__block_quant_q5_k(b, run, k)); return;
    case TDM__TYPE_Q6_K: READ_RUN(tdm__block_quant_q6_k(b, run, k)); return;
    default: READ_RUN(b[2 + k] ^ 0x80); return; /* Q8_0 */
    }
#undef READ_RUN
}

/* One vector: `bits` bits from bit `from` on of n groups, the first group's lowest. A word is 4 columns of a row, whose
 * bytes do not meet: what is shifted across is masked. */
static void put_vector(const uint32_t (*groups)[TDM__PANEL_ROWS], size_t n, unsigned step, unsigned from, unsigned bits,
                       uint8_t *out)
{
    uint32_t vector[TDM__PANEL_ROWS] = {0};
    const uint32_t mask = (uint32_t)each_byte((uint8_t)((1u << bits) - 1));
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < TDM__PANEL_ROWS; r++)
            vector[r] |= (groups[i * step][r] >> from & mask) << i * bits;
    memcpy(out, vector, sizeof vector);
}

/* The vectors of a run (packed.h): group g of row r is word r of groups[g]. */
static void put_run(tdm__packed_shape s, const uint32_t (*groups)[TDM__PANEL_ROWS], uint8_t *run)
{
    uint8_t *high = run + VECTOR * s.n_low;
    for (size_t v = 0; v < s.n_low; v++)
        if (s.low_bits == 2)
            put_vector(groups + 4 * v, 4, 1, 0, 2, run + VECTOR * v);
        else
            put_vector(groups + v, GROUPS / s.n_low, 4, 0, s.low_bits, run + VECTOR * v);
    for (size_t v = 0; v < s.n_high; v++)
        put_vector(groups + GROUPS / s.n_high * v, GROUPS / s.n_high, 1, s.low_bits, s.high_bits, high + VECTOR * v);
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

/* n_rows rows, of which the first is at rows, times n_cols columns. */
static void pack_slab(tdm__type type, const uint8_t *rows, size_t row_bytes, size_t n_rows, size_t n_cols,
                      uint8_t *slab)
{
    const tdm__type_traits *t = tdm__type_get((uint32_t)type);
    const tdm__packed_shape shape = tdm__packed_shape_of(type);
    const size_t run_bytes = tdm__packed_run_bytes(type);
    uint8_t *scales = slab + n_cols / RUN * run_bytes;
    uint32_t groups[GROUPS][TDM__PANEL_ROWS] = {{0}};
    for (size_t c = 0; c < n_cols; c += RUN) {
        for (size_t r = 0; r < n_rows; r++) {
            uint8_t q[RUN];
            const uint8_t *block = rows + r * row_bytes + c / t->block_values * t->block_bytes;
            read_run(type, block, (int)(c % t->block_values / RUN), q);
            for (size_t g = 0; g < GROUPS; g++)
                memcpy(&groups[g][r], q + 4 * g, 4);
        }
        put_run(shape, (const uint32_t(*)[TDM__PANEL_ROWS])groups, slab + c / RUN * run_bytes);
    }
    for (size_t r = 0; r < n_rows; r++)
        for (size_t i = 0; i < n_cols / t->block_values; i++)
            put_scales(type, rows + r * row_bytes + i * t->block_bytes, i, r, scales);
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
        const uint8_t *first = rows + c / t->block_values * t->block_bytes;
        if (t->block_values > 1)
            pack_slab(type, first, row_bytes, n_rows, n, out);
        for (size_t r = 0; t->block_values == 1 && r < n_rows; r++)
            pack_floats(type, first + r * row_bytes, r, n, out);
        out += tdm__packed_slab_bytes(type, n);
    }
}
