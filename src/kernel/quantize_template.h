/* quantize_template.h - quantize.c in the vec of x86/panel_*.h: 32 values are two vecs of floats.
 *
 * Rounding to nearest even is that of the processor's default mode.
 */
#ifndef TDM_KERNEL_QUANTIZE_TEMPLATE_H
#define TDM_KERNEL_QUANTIZE_TEMPLATE_H

#include <math.h>
#include <string.h>

#include "kernel/act_run.h"
#include "kernel/kernels.h"

static inline float run_max(const float *x)
{
    return vec_f32_abs_max(vec_f32_load_unaligned(x), vec_f32_load_unaligned(x + 16));
}

static inline void quantize_slab(const float *x, size_t n_runs, tdm__act_slab *out)
{
    float max[TDM__SLAB_RUNS], most = 0, half_sums[2 * TDM__SLAB_RUNS] = {0};
    int32_t sums[2 * TDM__SLAB_RUNS];
    for (size_t b = 0; b < n_runs; b++)
        max[b] = run_max(x + 32 * b);
    for (size_t b = 0; b < n_runs; b++)
        most = most > max[b] ? most : max[b];
    if (!tdm__act_open(out, max, most, n_runs))
        return;
    for (size_t b = 0; b < n_runs; b++) {
        const vec_f32 factor = vec_f32_set1(1.0f / tdm__act_scale(out, b));
        const float *run = x + 32 * b;
        vec_f32_to_int8(vec_f32_mul(vec_f32_load_unaligned(run), factor),
                        vec_f32_mul(vec_f32_load_unaligned(run + 16), factor), out->q + 32 * b, sums + 2 * b);
    }
    tdm__act_set_sums(out, n_runs, sums, half_sums);
    const vec_f32 halves = vec_f32_load_unaligned(half_sums);
    const float factor = tdm__act_set_sum_unit(out, vec_f32_abs_max(halves, halves));
    int16_t rounded[2 * TDM__SLAB_RUNS];
    vec_f32_to_int16(vec_f32_mul(halves, vec_f32_set1(factor)), rounded);
    memcpy(out->small_sum_half, rounded, 2 * n_runs * sizeof rounded[0]);
    tdm__act_add_halves(out, n_runs);
}

static void quantize(const float *x, size_t n, tdm__act_slab *out, size_t stride)
{
    for (size_t c = 0; c < n; c += TDM__SLAB_COLS, out += stride)
        quantize_slab(x + c, tdm__slab_cols(n, c) / 32, out);
}

static void quantize_runs(const float *x, size_t n, int8_t *q, float *scales)
{
    for (size_t c = 0; c < n; c += 32) {
        float max = run_max(x + c), inverse = 127.0f / max;
        if (max == __builtin_inff() || inverse == __builtin_inff()) { /* not finite, or as small as zero */
            memset(q + c, 0, 32);
            scales[c / 32] = max == __builtin_inff() ? NAN : 0.0f;
            continue;
        }
        int32_t sums[2];
        vec_f32_to_int8(vec_f32_mul(vec_f32_load_unaligned(x + c), vec_f32_set1(inverse)),
                        vec_f32_mul(vec_f32_load_unaligned(x + c + 16), vec_f32_set1(inverse)), q + c, sums);
        scales[c / 32] = max / 127.0f;
    }
}

#endif
