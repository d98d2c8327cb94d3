/* rows_template.h - the kernels of rows.c on registers of VEC_LANES floats.
 *
 * Included once by the file of each level, after the header that gives it `vec` (x86/lanes_avx2.h is one). A new level
 * is such a header:
 *      load_left(p, n, fill), store_left(p, n, v), keep_left(v, n)   the lanes before n (or all); no memory behind is
 *                                                                    touched; the others are fill, untouched, zero
 *      load_twice(p, n)                  p0 p0 p1 p1 ..: a float for each pair of lanes, zeros from n on
 *      load_halves, store_halves         IEEE halves, round to nearest even
 *      fma, fmsub, fmaddsub              a * b + c, a * b - c, and - c in even lanes but + c in odd ones; rounded once
 *      swap_pairs(a)                     a1 a0 a3 a2 ..
 *      scale(y, n)                       y * 2^n for whole n in -150 .. 128, rounded once
 *      min, max                          their second operand where one is NaN
 * The rounds of a row take VEC_LANES values and the last one what is left.
 */
#ifndef TDM_KERNEL_ROWS_TEMPLATE_H
#define TDM_KERNEL_ROWS_TEMPLATE_H

#include <math.h>

#include "kernel/kernels_init.h"
#include "kernel/lanes.h"
#include "kernel/vec_exp.h"

enum { VECS_OF_LANES = TDM__LANES / VEC_LANES }; /* registers that hold the 16 partial sums */

static void rms_norm_vec(const float *x, const float *weight, float eps, float *out, size_t n)
{
    float lanes[TDM__LANES];
    vec sums[VECS_OF_LANES];
    for (size_t s = 0; s < VECS_OF_LANES; s++)
        sums[s] = vec_all(0.0f);
    for (size_t i = 0; i < n; i += TDM__LANES)
        for (size_t s = 0, at = i; s < VECS_OF_LANES && at < n; s++, at += VEC_LANES) {
            vec v = vec_load_left(x + at, n - at, 0.0f);
            sums[s] = vec_fma(v, v, sums[s]);
        }
    for (size_t s = 0; s < VECS_OF_LANES; s++)
        vec_store_left(lanes + s * VEC_LANES, VEC_LANES, sums[s]);
    vec inverse = vec_all(1.0f / sqrtf(tdm__lanes_sum(lanes) / (float)n + eps));
    for (size_t i = 0; i < n; i += VEC_LANES) {
        vec v = vec_mul(vec_load_left(x + i, n - i, 0.0f), inverse);
        vec_store_left(out + i, n - i, vec_mul(v, vec_load_left(weight + i, n - i, 0.0f)));
    }
}

static void add_vec(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i += VEC_LANES)
        vec_store_left(x + i, n - i, vec_add(vec_load_left(x + i, n - i, 0.0f), vec_load_left(y + i, n - i, 0.0f)));
}

static void silu_mul_vec(const float *gate, const float *up, float *out, size_t n)
{
    for (size_t i = 0; i < n; i += VEC_LANES) {
        vec g = vec_load_left(gate + i, n - i, 0.0f);
        vec silu = vec_div(g, vec_add(vec_all(1.0f), vec_exp(vec_negate(g))));
        vec_store_left(out + i, n - i, vec_mul(silu, vec_load_left(up + i, n - i, 0.0f)));
    }
}

static void rope_norm_vec(float *x, size_t n_heads, size_t head_dim, size_t n_rot, const float *cos,
                          const float *sin)
{
    for (size_t h = 0; h < n_heads; h++, x += head_dim)
        for (size_t i = 0; i < n_rot; i += VEC_LANES) {
            size_t left = n_rot - i;
            vec c = vec_load_twice(cos + i / 2, left / 2), s = vec_load_twice(sin + i / 2, left / 2);
            vec v = vec_load_left(x + i, left, 0.0f);
            vec_store_left(x + i, left, vec_fmaddsub(v, c, vec_mul(vec_swap_pairs(v), s)));
        }
}

static void rope_neox_vec(float *x, size_t n_heads, size_t head_dim, size_t n_rot, const float *cos,
                          const float *sin)
{
    size_t half = n_rot / 2;
    for (size_t h = 0; h < n_heads; h++, x += head_dim)
        for (size_t i = 0; i < half; i += VEC_LANES) {
            size_t left = half - i;
            vec c = vec_load_left(cos + i, left, 0.0f), s = vec_load_left(sin + i, left, 0.0f);
            vec a = vec_load_left(x + i, left, 0.0f), b = vec_load_left(x + half + i, left, 0.0f);
            vec_store_left(x + i, left, vec_fmsub(a, c, vec_mul(b, s)));
            vec_store_left(x + half + i, left, vec_fma(b, c, vec_mul(a, s)));
        }
}

static void rows_init(tdm__kernels *k)
{
    k->rms_norm = rms_norm_vec;
    k->add = add_vec;
    k->silu_mul = silu_mul_vec;
    k->rope_norm = rope_norm_vec;
    k->rope_neox = rope_neox_vec;
}

#endif
