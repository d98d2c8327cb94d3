/* packed.c - reference C: sizes of the packed layout, and what it means.
 *
 * The products of an f16 scale and an integer of at most 8 bits are exact in float, so what is read back holds no
 * rounding at all: w = scale * (q - offset) + min.
 */
#include "kernel/packed.h"

#include <string.h>

#include "kernel/kernels.h"
#include "kernel/packed_parts.h"
#include "kernel/quant_blocks.h"
#include "kernel/slab.h"

enum { VECTOR_BYTES = 64 };

static size_t round_up(size_t n) { return (n + VECTOR_BYTES - 1) / VECTOR_BYTES * VECTOR_BYTES; }

static size_t scale_bytes(tdm__type type, size_t n_cols)
{
    switch (type) {
    case TDM__TYPE_Q4_0:
    case TDM__TYPE_Q5_0:
    case TDM__TYPE_Q8_0: return n_cols / 32 * 32;
    case TDM__TYPE_Q4_1:
    case TDM__TYPE_Q5_1: return n_cols / 32 * 64;
    case TDM__TYPE_Q2_K:
    case TDM__TYPE_Q4_K:
    case TDM__TYPE_Q5_K: return 256 + 64;
    case TDM__TYPE_Q3_K:
    case TDM__TYPE_Q6_K: return 256 + 32;
    default: return 0;
    }
}

size_t tdm__packed_run_bytes(tdm__type type)
{
    const tdm__packed_shape s = tdm__packed_shape_of(type);
    return s.low_bits == 0 ? TDM__PANEL_ROWS * tdm__type_get((uint32_t)type)->block_bytes
                           : (size_t)VECTOR_BYTES * (s.n_low + s.n_high);
}

size_t tdm__packed_slab_bytes(tdm__type type, size_t n_cols)
{
    const size_t n_runs = tdm__packed_shape_of(type).low_bits == 0 ? n_cols : n_cols / 32;
    return round_up(n_runs * tdm__packed_run_bytes(type) + scale_bytes(type, n_cols));
}

size_t tdm__packed_panel_bytes(tdm__type type, size_t n_cols)
{
    const size_t rest = n_cols % TDM__SLAB_COLS;
    return n_cols / TDM__SLAB_COLS * tdm__packed_slab_bytes(type, TDM__SLAB_COLS) +
           (rest > 0 ? tdm__packed_slab_bytes(type, rest) : 0);
}

size_t tdm__packed_bytes(tdm__type type, size_t n_rows, size_t n_cols)
{
    return tdm__panels_of(n_rows) * tdm__packed_panel_bytes(type, n_cols);
}

/* ---- quants ---- */

static uint8_t get_quant(tdm__packed_shape s, const uint8_t *run, size_t g, size_t at)
{
    const uint8_t *high = run + 64 * s.n_low;
    int q = s.low_bits == 8   ? run[64 * g + at]
            : s.low_bits == 4 ? run[64 * (g % 4) + at] >> g / 4 * 4 & 15
                              : run[64 * (g / 4) + at] >> g % 4 * 2 & 3;
    if (s.high_bits == 1)
        q |= (high[at] >> g & 1) << s.low_bits;
    if (s.high_bits == 2)
        q |= (high[64 * (g / 4) + at] >> g % 4 * 2 & 3) << s.low_bits;
    return (uint8_t)q;
}

/* ---- scales ---- */

static float get_half(const uint8_t *halves, size_t r) { return tdm__block_f16(halves + 2 * r); }

/* The integer of a K type's minimum of part i. */
static int get_min_q(tdm__type type, const uint8_t *s, size_t i, size_t r)
{
    return type == TDM__TYPE_Q2_K ? s[16 * i + r] >> 4 : s[128 + 16 * i + r];
}

static float get_minus_d_min(const uint8_t *s, size_t r) { return -get_half(s + 288, r); }

/* Scale and min of part i of a slab (a run of 32, or of 16 where the type has those) in row r. */
static void get_scale(tdm__type type, const uint8_t *s, size_t i, size_t r, float *scale, float *min)
{
    *min = 0;
    switch (type) {
    case TDM__TYPE_Q4_0:
    case TDM__TYPE_Q5_0:
    case TDM__TYPE_Q8_0: *scale = get_half(s + 32 * i, r); return;
    case TDM__TYPE_Q4_1:
    case TDM__TYPE_Q5_1:
        *scale = get_half(s + 64 * i, r);
        *min = get_half(s + 64 * i + 32, r);
        return;
    case TDM__TYPE_Q2_K: *scale = get_half(s + 256, r) * (float)(s[16 * i + r] & 15); break;
    case TDM__TYPE_Q4_K:
    case TDM__TYPE_Q5_K: *scale = get_half(s + 256, r) * (float)s[16 * i + r]; break;
    default: *scale = get_half(s + 256, r) * (float)(int8_t)s[16 * i + r]; return; /* Q3_K, Q6_K */
    }
    *min = get_minus_d_min(s, r) * (float)get_min_q(type, s, i, r);
}

void tdm__slab_read(tdm__type type, const uint8_t *packed, size_t n_cols, tdm__slab *out)
{
    const tdm__packed_shape shape = tdm__packed_shape_of(type);
    const size_t run_bytes = tdm__packed_run_bytes(type), part = tdm__dot_traits_get(type).run;
    const uint8_t *scales = packed + n_cols / 32 * run_bytes;
    for (size_t k = 0; k < n_cols; k++)
        for (size_t r = 0; r < TDM__PANEL_ROWS; r++)
            out->q[k][r] = get_quant(shape, packed + k / 32 * run_bytes, k % 32 / 4, 4 * r + k % 4);
    for (size_t i = 0; i < n_cols / part; i++)
        for (size_t r = 0; r < TDM__PANEL_ROWS; r++)
            get_scale(type, scales, i, r, &out->scale[i][r], &out->min[i][r]);
    if (tdm__dot_traits_get(type).min != TDM__MIN_SLAB)
        return;
    for (size_t r = 0; r < TDM__PANEL_ROWS; r++) {
        out->minus_d_min[r] = get_minus_d_min(scales, r);
        for (size_t i = 0; i < n_cols / part; i++)
            out->min_q[i][r] = get_min_q(type, scales, i, r);
    }
}

/* ---- a row ---- */

static void read_row(tdm__type type, const uint8_t *slab, size_t r, size_t n_cols, float *out)
{
    const tdm__dot_traits traits = tdm__dot_traits_get(type);
    const tdm__packed_shape shape = tdm__packed_shape_of(type);
    const size_t run_bytes = tdm__packed_run_bytes(type);
    const uint8_t *scales = slab + n_cols / 32 * run_bytes;
    float scale = 0, min = 0;
    for (size_t k = 0; k < n_cols; k++) {
        if (k % traits.run == 0)
            get_scale(type, scales, k / traits.run, r, &scale, &min);
        int q = get_quant(shape, slab + k / 32 * run_bytes, k % 32 / 4, 4 * r + k % 4) - traits.offset;
        out[k] = traits.min != TDM__MIN_NONE ? scale * (float)q + min : scale * (float)q;
    }
}

static void read_floats(tdm__type type, const uint8_t *slab, size_t r, size_t n_cols, float *out)
{
    const size_t bytes = tdm__type_get((uint32_t)type)->block_bytes;
    for (size_t k = 0; k < n_cols; k++)
        tdm__dequantize_row(type, slab + (TDM__PANEL_ROWS * k + r) * bytes, out + k, 1);
}

void tdm__packed_row(const tdm__weight *w, size_t row, float *out)
{
    const uint8_t *slab = w->panels + row / TDM__PANEL_ROWS * w->panel_bytes;
    for (size_t c = 0; c < w->n_cols; c += TDM__SLAB_COLS) {
        const size_t n = tdm__slab_cols(w->n_cols, c);
        if (tdm__packed_shape_of(w->type).low_bits == 0)
            read_floats(w->type, slab, row % TDM__PANEL_ROWS, n, out + c);
        else
            read_row(w->type, slab, row % TDM__PANEL_ROWS, n, out + c);
        slab += tdm__packed_slab_bytes(w->type, n);
    }
}
