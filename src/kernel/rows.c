/* rows.c - reference C of the kernels that work on one row of activations, and tdm__expf.
 *
 * They define, operation by operation, what the AVX2 and AVX-512 kernels must give to the last bit, so a sum names
 * its partial sums and the tree that joins them. 16 partial sums: the lanes of one 512-bit or two 256-bit registers.
 * It is compiled without contraction: an fma is one only where it is written.
 */
#include <math.h>
#include <string.h>

#include "kernel/exp_constants.h"
#include "kernel/kernels.h"
#include "kernel/kernels_init.h"
#include "kernel/lanes.h"

/* 2^n for a normal result. */
static float power_of_two(int n)
{
    uint32_t u = (uint32_t)(127 + n) << 23;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float tdm__expf(float x)
{
    if (isnan(x))
        return x;
    if (x < TDM__EXP_MIN)
        x = TDM__EXP_MIN;
    if (x > TDM__EXP_MAX)
        x = TDM__EXP_MAX;
    float n = fmaf(x, TDM__EXP_LOG2E, TDM__EXP_ROUND) - TDM__EXP_ROUND;
    float r = fmaf(n, -TDM__EXP_LN2_LOW, fmaf(n, -TDM__EXP_LN2_HIGH, x));
    float p = TDM__EXP_C6;
    p = fmaf(p, r, TDM__EXP_C5);
    p = fmaf(p, r, TDM__EXP_C4);
    p = fmaf(p, r, TDM__EXP_C3);
    p = fmaf(p, r, TDM__EXP_C2);
    float y = fmaf(p, r * r, r) + 1.0f;
    int half = (int)n / 2; /* the first product is exact, the second rounds once */
    return y * power_of_two(half) * power_of_two((int)n - half);
}

static void rms_norm_c(const float *x, const float *weight, float eps, float *out, size_t n)
{
    float lanes[TDM__LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lanes[i % TDM__LANES] = fmaf(x[i], x[i], lanes[i % TDM__LANES]);
    float inverse = 1.0f / sqrtf(tdm__lanes_sum(lanes) / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] * inverse * weight[i];
}

static void add_c(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] += y[i];
}

static void silu_mul_c(const float *gate, const float *up, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = gate[i] / (1.0f + tdm__expf(-gate[i])) * up[i];
}

/* The pair (x0, x1) turned by the angle of that cosine and sine. */
static void rotate_pair(float *x0, float *x1, float cos, float sin)
{
    float a = *x0, b = *x1;
    *x0 = fmaf(a, cos, -(b * sin));
    *x1 = fmaf(b, cos, a * sin);
}

static void rope_norm_c(float *x, size_t n_heads, size_t head_dim, size_t n_rot, const float *cos, const float *sin)
{
    for (size_t h = 0; h < n_heads; h++, x += head_dim)
        for (size_t i = 0; i < n_rot / 2; i++)
            rotate_pair(x + 2 * i, x + 2 * i + 1, cos[i], sin[i]);
}

static void rope_neox_c(float *x, size_t n_heads, size_t head_dim, size_t n_rot, const float *cos, const float *sin)
{
    for (size_t h = 0; h < n_heads; h++, x += head_dim)
        for (size_t i = 0; i < n_rot / 2; i++)
            rotate_pair(x + i, x + n_rot / 2 + i, cos[i], sin[i]);
}

void tdm__kernels_init_rows_c(tdm__kernels *k)
{
    k->rms_norm = rms_norm_c;
    k->add = add_c;
    k->silu_mul = silu_mul_c;
    k->rope_norm = rope_norm_c;
    k->rope_neox = rope_neox_c;
}
