/* quantize.c - reference C: floats to int8.
 *
 * Activations (quantize), for a slab of 256 columns:
 *      unit = M / (127 * 2^5), M being the largest |x| of the slab
 *      each run of 32, m being its largest |x|:
 *          multiplier = m / M * 2^5, at least 1, rounded up to 1, 1.25, 1.5 or 1.75 times a power of two
 *          q = round to nearest even(x * (1 / (unit * multiplier)))
 *      the sums of q as kernels.h has them; sum_unit = the largest |sum of 16 x, in units| / 16383
 * Where M is below 2^-100 all is zero; a value that is not finite gives unit NaN. A scale a run keeps the error of
 * outlier channels local; that it is one of few multiples of the slab's unit saves the dots a product a run and makes a
 * run's steps at most a quarter larger than they had to be.
 *
 * Numbers of a cache (quantize_runs) have a float a run. Rounding is to the nearest even integer, which is what
 * processors do; 127 / max is computed once and multiplied.
 */
#include <math.h>
#include <string.h>

#include "kernel/act_run.h"
#include "kernel/kernels.h"
#include "kernel/kernels_init.h"

enum { RUN = 32 };

/* Nearest even integer for |x| < 2^22, without the rounding mode's help. */
static int round_even(float x)
{
    const float magic = 0x1.8p23f;
    return (int)((x + magic) - magic);
}

/* The largest |x| of a run; infinity if one is not finite. */
static float run_max(const float *x)
{
    float max = 0;
    for (int j = 0; j < RUN; j++)
        max = isfinite(x[j]) ? fmaxf(max, fabsf(x[j])) : INFINITY;
    return max;
}

static void quantize_act_run(const float *x, size_t b, tdm__act_slab *out, int32_t sum[2])
{
    float inverse = 1.0f / tdm__act_scale(out, b);
    sum[0] = sum[1] = 0;
    for (int j = 0; j < RUN; j++) {
        int q = round_even(x[j] * inverse);
        out->q[RUN * b + (size_t)j] = (int8_t)q;
        sum[j / 16] += q;
    }
}

static void quantize_slab(const float *x, size_t n_runs, tdm__act_slab *out)
{
    float max[TDM__SLAB_RUNS], most = 0;
    for (size_t b = 0; b < n_runs; b++) {
        max[b] = run_max(x + RUN * b);
        most = fmaxf(most, max[b]);
    }
    if (!tdm__act_open(out, max, most, n_runs))
        return;
    int32_t sums[2 * TDM__SLAB_RUNS];
    float half_sums[2 * TDM__SLAB_RUNS];
    for (size_t b = 0; b < n_runs; b++)
        quantize_act_run(x + RUN * b, b, out, sums + 2 * b);
    tdm__act_set_sums(out, n_runs, sums, half_sums);
    float most_sum = 0;
    for (size_t i = 0; i < 2 * n_runs; i++)
        most_sum = fmaxf(most_sum, fabsf(half_sums[i]));
    float factor = tdm__act_set_sum_unit(out, most_sum);
    for (size_t i = 0; i < 2 * n_runs; i++)
        out->small_sum_half[i] = (int16_t)round_even(half_sums[i] * factor);
    tdm__act_add_halves(out, n_runs);
}

static void quantize_c(const float *x, size_t n, tdm__act_slab *out, size_t stride)
{
    for (size_t c = 0; c < n; c += TDM__SLAB_COLS, out += stride)
        quantize_slab(x + c, tdm__slab_cols(n, c) / RUN, out);
}

static void quantize_runs_c(const float *x, size_t n, int8_t *q, float *scales)
{
    for (size_t c = 0; c < n; c += RUN) {
        float max = run_max(x + c), inverse = 127.0f / max;
        bool bad = isinf(max), zero = bad || !isfinite(inverse);
        for (size_t j = c; j < c + RUN; j++)
            q[j] = (int8_t)(zero ? 0 : round_even(x[j] * inverse));
        scales[c / RUN] = bad ? NAN : zero ? 0.0f : max / 127.0f;
    }
}

void tdm__kernels_init_quantize_c(tdm__kernels *k)
{
    k->quantize = quantize_c;
    k->quantize_runs = quantize_runs_c;
}
