/* packed.h - the layout that weights are multiplied from: panels of 16 rows, every load a whole 64-byte line.
 *
 *      matrix  = panels of 16 rows, the last one filled up with zero rows
 *      panel   = slabs of 256 columns (the last one may be narrower), one after the other
 *      slab    = quants of all runs of 32 columns, then their scales
 *      vector  = 64 bytes: byte 4 r + j belongs to row r and column 4 g + j of the run, g being the group, 0 .. 7
 *
 *                quants of a run                                            scales of a slab
 *      Q4_0      4 vectors of nibbles: low group g, high group g + 4        [run][16] f16
 *      Q4_1      the same                                                   [run]{scale [16], min [16]} f16
 *      Q5_0      nibbles, 1 vector whose bit g is the fifth bit of group g  as Q4_0
 *      Q5_1      the same                                                   as Q4_1
 *      Q8_0      8 vectors                                                  as Q4_0
 *      Q2_K      2 vectors: bits 2 i of vector p are group 4 p + i          [half run][16] scale | min << 4, d, d_min
 *      Q3_K      the same, 1 vector whose bit g is the third bit            [half run][16] i8, d
 *      Q4_K      nibbles                                                    [run][16] u8, [run][16] u8 min, d, d_min
 *      Q5_K      as Q5_0                                                    as Q4_K
 *      Q6_K      nibbles, 2 vectors of high bits as Q2_K                    [half run][16] i8, d
 *      floats    [column][16], as in the file                               none
 *
 * d and d_min are [16] f16. Quants are stored as unsigned: Q4_0 + 8, Q5_0 + 16, Q8_0 + 128, Q3_K + 4, Q6_K + 32. A slab
 * is rounded up to 64 bytes. Sizes are those of the file but for Q4_K (144 -> 148 a row and slab, its scales as bytes),
 * Q5_K (176 -> 180), Q6_K (210 -> 212) and Q3_K (110 -> 116). The layout is the same for all instruction sets: lanes
 * are rows, so nothing is ever summed across lanes.
 */
#ifndef TDM_KERNEL_PACKED_H
#define TDM_KERNEL_PACKED_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/quant.h"

enum {
    TDM__PANEL_ROWS = 16,  /* lanes of one 512-bit register */
    TDM__SLAB_COLS = 256,  /* the super-block of the K types */
    TDM__SLAB_RUNS = 8,    /* runs of 32 columns in a slab */
    TDM__PACKED_VERSION = 1, /* of all that stands above */
};

/* A matrix of n_rows rows of n_cols values, packed; 64-byte aligned. Borrowed, immutable. */
typedef struct tdm__weight {
    const uint8_t *panels;
    tdm__type type;
    size_t n_rows;
    size_t n_cols; /* multiple of the type's block_values */
    size_t panel_bytes;
} tdm__weight;

/* How many panels n_rows make, and how many columns the slab has that begins at column c of n_cols. */
static inline size_t tdm__panels_of(size_t n_rows) { return (n_rows + TDM__PANEL_ROWS - 1) / TDM__PANEL_ROWS; }
static inline size_t tdm__slab_cols(size_t n_cols, size_t c)
{
    return n_cols - c < TDM__SLAB_COLS ? n_cols - c : TDM__SLAB_COLS;
}

/* Bytes of a slab of that many columns; a multiple of 64. */
size_t tdm__packed_slab_bytes(tdm__type type, size_t n_cols);

/* Bytes of a panel, and of all panels of a matrix. */
size_t tdm__packed_panel_bytes(tdm__type type, size_t n_cols);
size_t tdm__packed_bytes(tdm__type type, size_t n_rows, size_t n_cols);

/* Packs one panel from n_rows (1 .. 16) rows of a file, row_bytes apart, into out [panel_bytes]. */
void tdm__pack_panel(tdm__type type, const uint8_t *rows, size_t row_bytes, size_t n_rows, size_t n_cols, uint8_t *out);

/* One row back to float, with the bits of tdm__dequantize_row. */
void tdm__packed_row(const tdm__weight *w, size_t row, float *out);

/* ---- the parts of a slab, for the reference and the kernels ---- */

/* Bytes of one run's quants; of floats: of one column. */
size_t tdm__packed_run_bytes(tdm__type type);

#endif
