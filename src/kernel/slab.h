/* slab.h - a slab as the reference C sees it: every quant a byte, every scale a float. */
#ifndef TDM_KERNEL_SLAB_H
#define TDM_KERNEL_SLAB_H

#include "kernel/packed.h"

/* w = scale * (q - offset) + min; scales and minima of runs of 32 or 16, as the type has them (kernels.h). */
typedef struct tdm__slab {
    uint8_t q[TDM__SLAB_COLS][TDM__PANEL_ROWS];
    float scale[2 * TDM__SLAB_RUNS][TDM__PANEL_ROWS];
    float min[2 * TDM__SLAB_RUNS][TDM__PANEL_ROWS];
    int32_t min_q[2 * TDM__SLAB_RUNS][TDM__PANEL_ROWS]; /* TDM__MIN_SLAB: min = minus_d_min * min_q */
    float minus_d_min[TDM__PANEL_ROWS];
} tdm__slab;

/* type: a quantised one. n_cols columns, a multiple of the type's block, at most 256. */
void tdm__slab_read(tdm__type type, const uint8_t *packed, size_t n_cols, tdm__slab *out);

#endif
