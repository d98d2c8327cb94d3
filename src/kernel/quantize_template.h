/* quantize_template.h - quantize.c in the vec of x86/panel_*.h: 32 values are two vecs of floats.
 *
 * Rounding to nearest even is that of the processor's default mode.
 */
#ifndef TDM_KERNEL_QUANTIZE_TEMPLATE_H
#define TDM_KERNEL_QUANTIZE_TEMPLATE_H

#include <math.h>
#include <string.h>

#include "kernel/kernels.h"

static inline void quantize_run(const float *x, size_t b, tdm__act_slab *out)
{
    vec_f32 low = vec_f32_load_unaligned(x), high = vec_f32_load_unaligned(x + 16);
    float max = vec_f32_abs_max(low, high), inverse = 127.0f / max, scale = max / 127.0f;
    if (max == __builtin_inff() || inverse == __builtin_inff()) { /* not finite, or as small as zero */
        memset(out->q + 32 * b, 0, 32);
        scale = max == __builtin_inff() ? NAN : 0.0f;
        out->minus_sum[b] = out->minus_sum_half[b] = 0;
    } else {
        vec_f32 factor = vec_f32_set1(inverse);
        int32_t sum_low = vec_f32_to_int8(vec_f32_mul(low, factor), out->q + 32 * b);
        int32_t sum_high = vec_f32_to_int8(vec_f32_mul(high, factor), out->q + 32 * b + 16);
        out->minus_sum[b] = -(sum_low + sum_high);
        out->minus_sum_half[b] = -sum_low;
    }
    out->scale[b] = scale;
    out->scaled_sum[b] = scale * (float)-out->minus_sum[b];
}

static void quantize(const float *x, size_t n, tdm__act_slab *out, size_t stride)
{
    for (size_t c = 0; c < n; c += 32)
        quantize_run(x + c, c % TDM__SLAB_COLS / 32, out + c / TDM__SLAB_COLS * stride);
}

#endif
