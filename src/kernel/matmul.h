/* matmul.h - weights times activations: the one way a matrix of a model is multiplied.
 *
 *      packed slab (packed.h: 16 rows x 256 k) ─dot─► 16 sums a token
 *                                                ▲
 *      activations ─quantise once─► int8, steps for each 32 values, shared by all matrices that read them
 *
 * One token or five hundred take the same way, so a row's result has the same bits in any batch, on any number of
 * threads, and on any instruction set.
 *
 * The sum of a row r and a token t is defined as (float operations in this order, no contraction but the fma shown):
 *      acc = 0; for each slab of 256 columns, ascending:
 *          slab = 0; for each run of 32 (or 16) values k, ascending:
 *              i    = exact integer sum of q[r][k] * a[t][k]
 *              slab = fma((float)i, scale[r] * multiplier[t], slab)
 *              where each run has a float min: slab = fma(min[r], sum[t], slab)
 *          where minima are integers: i = exact sum of min[r] * small_sum[t] over the slab's runs;
 *              slab = fma((float)i * -d_min[r], sum_unit[t], slab)
 *          acc = fma(slab, unit[t], acc)
 * multiplier, sums and units are the activations' (kernels.h, quantize.c).
 * With two terms (`terms` = 2) x is taken as a scale times int8, and what that leaves as another scale times int8: the
 * two sums are made as above, each from 0, and added. It doubles the dots and makes the activations' error 1/127: for
 * small models, whose answers 8 bits would change (docs/decisions/004).
 * For F32, F16, BF16 weights the sum is acc = fma(w[r][k], x[t][k], acc) over ascending k, on unquantised activations.
 */
#ifndef TDM_KERNEL_MATMUL_H
#define TDM_KERNEL_MATMUL_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/packed.h"
#include "kernel/quant.h"
#include "os/cpu.h"
#include "os/team.h"

struct tdm__kernels;

/* Activations of n_tokens rows, as both kinds of weights need them. Memory is the caller's, 64-byte aligned. */
typedef struct tdm__acts {
    const float *x;         /* [n_tokens][n_cols], for float weights */
    struct tdm__act_slab *q; /* [ceil(n_cols / 256)][n_tokens][terms], for quantised weights */
    size_t n_tokens;
    size_t n_cols;
    size_t terms; /* 1 or 2 */
} tdm__acts;

/* Bytes of q for that many tokens, columns and terms; a multiple of 64. */
size_t tdm__acts_bytes(size_t n_tokens, size_t n_cols, size_t terms);

/* Fills a->q of tokens begin .. end - 1 from a->x. Different tokens may be filled at the same time. */
void tdm__acts_quantize(const struct tdm__kernels *k, const tdm__acts *a, size_t begin, size_t end);

/* The row of a matrix with a token's largest result, the lowest of equal ones. */
typedef struct tdm__best {
    int32_t row;
    float value; /* -infinity: every result is; NaN: one is NaN or +infinity, and no row is meant */
} tdm__best;

/* Bytes of scratch for the best rows of n_tokens tokens; 64-byte aligned. */
size_t tdm__best_bytes(size_t n_tokens, int n_threads);

/* One product of a shared run: out[t][r] = bias[r] + sum, or, gated, silu(sum of the gate) * sum. Of the last n_best
 * tokens the results are compared instead of written: a vocabulary's row of floats, which would only be read for its
 * maximum, never exists. */
typedef struct tdm__matmul_job {
    const tdm__weight *w;
    const tdm__weight *gate; /* of w's size, or NULL; then bias is NULL and n_best 0 */
    const float *bias;       /* [n_rows] or NULL */
    float *out;              /* [n_tokens - n_best][out_stride] */
    size_t out_stride;       /* floats from one token's row to the next, >= n_rows */
    size_t n_best;
    tdm__best *best;    /* [n_best] */
    void *best_scratch; /* tdm__best_bytes(n_best, size of the team) */
} tdm__matmul_job;

/* All jobs in one run of the team (q, k, v share their activations, gate and up theirs). Every w->n_cols equals
 * a->n_cols; a->q may be NULL when all weights are float. */
void tdm__matmul(const struct tdm__kernels *k, tdm__team *team, const tdm__matmul_job *jobs, size_t n_jobs,
                 const tdm__acts *a);

#endif
