/* quantize.c - reference C: activations to int8, a scale for each run of 32.
 *
 * A scale a run instead of a scale a token costs one multiplication a run in the dot and keeps the error of outlier
 * channels local. Rounding is to the nearest even integer, which is what processors do; 127 / max is computed once
 * and multiplied. Where max is so small that 127 / max is not finite the run is taken as zero.
 */
#include <math.h>
#include <string.h>

#include "kernel/kernels.h"
#include "kernel/kernels_init.h"

/* Nearest even integer for |x| < 2^22, without the rounding mode's help. */
static int round_even(float x)
{
    const float magic = 0x1.8p23f;
    return (int)((x + magic) - magic);
}

static void quantize_run(const float *x, size_t b, tdm__act_slab *out)
{
    float max = 0;
    int bad = 0;
    for (int j = 0; j < 32; j++) {
        bad |= !isfinite(x[j]);
        max = fmaxf(max, fabsf(x[j]));
    }
    float inverse = 127.0f / max;
    int zero = bad || !isfinite(inverse), sum[2] = {0, 0};
    for (int j = 0; j < 32; j++) {
        int q = zero ? 0 : round_even(x[j] * inverse);
        out->q[32 * b + (size_t)j] = (int8_t)q;
        sum[j / 16] += q;
    }
    out->scale[b] = bad ? NAN : zero ? 0.0f : max / 127.0f;
    out->minus_sum[b] = -(sum[0] + sum[1]);
    out->minus_sum_half[b] = -sum[0];
    out->scaled_sum[b] = out->scale[b] * (float)(sum[0] + sum[1]);
}

static void quantize_c(const float *x, size_t n, tdm__act_slab *out, size_t stride)
{
    for (size_t c = 0; c < n; c += 32)
        quantize_run(x + c, c % TDM__SLAB_COLS / 32, out + c / TDM__SLAB_COLS * stride);
}

void tdm__kernels_init_quantize_c(tdm__kernels *k) { k->quantize = quantize_c; }
