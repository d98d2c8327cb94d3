/* act_run.h - the few numbers a run of activations has beside its 32 q (quantize.c), for every level alike. */
#ifndef TDM_KERNEL_ACT_RUN_H
#define TDM_KERNEL_ACT_RUN_H

#include <math.h>
#include <string.h>

#include "kernel/kernels.h"

enum { TDM__MANTISSA_BITS = 23, TDM__EXPONENT_BIAS = 127 };

/* The run's multiple of the unit, from ratio = its largest |x| / the slab's * 2^5: what is behind the second bit of
 * the mantissa is rounded up. */
static inline void tdm__act_set_multiplier(tdm__act_slab *a, size_t b, float ratio)
{
    enum { DROPPED = TDM__MANTISSA_BITS - 2 };
    float multiplier = ratio > 1.0f ? ratio : 1.0f;
    uint32_t bits;
    memcpy(&bits, &multiplier, sizeof bits);
    bits = (bits + (1u << DROPPED) - 1) >> DROPPED << DROPPED;
    memcpy(&a->multiplier[b], &bits, sizeof bits);
    int32_t exponent = (int32_t)(bits >> TDM__MANTISSA_BITS);
    a->level[b] = (int32_t)(bits >> DROPPED) % TDM__ACT_LEVELS;
    a->base[b] = (exponent + TDM__MANTISSA_BITS) << TDM__MANTISSA_BITS | 1 << (TDM__MANTISSA_BITS - 1);
}

/* Unit and multipliers from the largest |x| of each run and of all; false where nothing is left to be done. */
static inline bool tdm__act_open(tdm__act_slab *a, const float *max, float most, size_t n_runs)
{
    const bool is_bad = isinf(most), is_zero = is_bad || most < 0x1p-100f;
    if (is_zero)
        memset(a, 0, sizeof *a);
    a->unit = is_bad ? NAN : is_zero ? 0.0f : most / (127.0f * (1 << TDM__ACT_SHIFT_MAX));
    for (size_t b = 0; b < n_runs; b++)
        tdm__act_set_multiplier(a, b, is_zero ? 1.0f : max[b] / most * (1 << TDM__ACT_SHIFT_MAX));
    return !is_zero;
}

/* What one q of run b is worth. */
static inline float tdm__act_scale(const tdm__act_slab *a, size_t b) { return a->unit * a->multiplier[b]; }

/* All sums from those of 16 q each: in units they are exact, a multiplier has three bits and a sum of 16 q eleven. */
static inline void tdm__act_set_sums(tdm__act_slab *a, size_t n_runs, const int32_t *sums, float *half_sums)
{
    for (size_t b = 0; b < n_runs; b++) {
        const int32_t low = sums[2 * b], high = sums[2 * b + 1];
        a->minus_sum[b] = -(low + high);
        a->minus_sum_half[b] = -low;
        a->sum[b] = a->multiplier[b] * (float)(low + high);
        half_sums[2 * b] = a->multiplier[b] * (float)low;
        half_sums[2 * b + 1] = a->multiplier[b] * (float)high;
    }
}

/* Their unit from the largest |sum| of 16; what a sum in units is multiplied by before it is rounded. */
static inline float tdm__act_set_sum_unit(tdm__act_slab *a, float most)
{
    enum { SMALL_MAX = 16383 }; /* so that two of them are a word */
    a->sum_unit = most / SMALL_MAX;
    return most > 0 ? SMALL_MAX / most : 0.0f;
}

static inline void tdm__act_add_halves(tdm__act_slab *a, size_t n_runs)
{
    for (size_t b = 0; b < n_runs; b++)
        a->small_sum[b] = (int16_t)(a->small_sum_half[2 * b] + a->small_sum_half[2 * b + 1]);
}

#endif
