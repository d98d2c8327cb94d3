/* kernels.h - the table of kernels of one instruction set level, chosen once at run time (dav1d's way).
 *
 * A table is filled with the reference C first, then by each level in ascending order up to the wanted one; a level
 * replaces what it does better. Every entry gives the same bits at every level: the order of float operations is
 * part of its definition (stated here), integers are exact. Tables are plain memory of the owner, immutable after
 * init, shared by all threads.
 */
#ifndef TDM_KERNEL_KERNELS_H
#define TDM_KERNEL_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/attention.h"
#include "kernel/packed.h"
#include "kernel/quant.h"
#include "os/cpu.h"

/* One token's activations for one slab: x = unit * multiplier * q, a run of 32 having its own multiplier: one of four
 * levels times one of few powers of two. So what differs between runs is taken into the dots as one of four multiples
 * of the weights' scales and by the base, without a product, and a token's float is multiplied only once a slab. The
 * other fields are what a dot would else compute for each panel anew: offsets and minima of the weights multiply sums
 * of q. 64-byte aligned. */
typedef struct tdm__act_slab {
    int8_t q[TDM__SLAB_COLS];             /* -127 .. 127 */
    int32_t base[TDM__SLAB_RUNS];         /* bits of the float 1.5 * 2^(23 + shift): with an integer |i| < 2^22 added
                                             they are those of that float + i * 2^shift */
    int32_t level[TDM__SLAB_RUNS];        /* 0 .. TDM__ACT_LEVELS - 1 */
    float multiplier[TDM__SLAB_RUNS];     /* (1 + level / 4) * 2^shift, shift being 0 .. TDM__ACT_SHIFT_MAX */
    int32_t minus_sum[TDM__SLAB_RUNS];    /* minus the sum of the run's q */
    int32_t minus_sum_half[TDM__SLAB_RUNS]; /* the same of its first 16 */
    float sum[TDM__SLAB_RUNS];            /* of the run's x, in units: exact */
    int16_t small_sum[TDM__SLAB_RUNS];    /* the same in units * sum_unit: the sum of its two halves' */
    int16_t small_sum_half[2 * TDM__SLAB_RUNS]; /* of 16 x, rounded; -16383 .. 16383 */
    float sum_unit;
    float unit;
} tdm__act_slab;

enum { TDM__ACT_SHIFT_MAX = 5, TDM__ACT_LEVELS = 4 };

/* So many tokens or fewer gain nothing from panels at once: weights are brought to bytes in registers, and one stream
 * from memory is better than two. So many a dot takes at most. */
enum { TDM__DOT_FEW = 16, TDM__DOT_TOKENS_MAX = 128 };

static inline float tdm__act_level(int32_t level) { return 1.0f + 0.25f * (float)level; }

/* A panel, as a dot sees it: one of its slabs, and the sums of all tokens. */
typedef struct tdm__dot_panel {
    const uint8_t *slab;           /* packed (packed.h) */
    const uint8_t *ahead;          /* as many bytes, needed soon, are asked for; they may lie behind the matrix */
    float (*acc)[TDM__PANEL_ROWS]; /* [n_tokens] */
} tdm__dot_panel;

/* acc[t][r] of each panel continues the sum defined in matmul.h over one slab of n_cols columns: a multiple of the
 * type's block, at most 256. 1 .. TDM__DOT_TOKENS_MAX tokens. */
typedef void (*tdm__dot_fn)(const tdm__dot_panel *panels, size_t n_panels, size_t n_cols, const tdm__act_slab *a,
                            size_t n_tokens);
typedef void (*tdm__dot_float_fn)(const tdm__dot_panel *panel, size_t n_cols, const float *x, size_t x_stride,
                                  size_t n_tokens);

typedef struct tdm__kernels {
    tdm__isa isa;
    /* matmul */
    tdm__dot_fn dot[TDM__TYPE_COUNT];             /* quantised types, else NULL */
    tdm__dot_float_fn dot_float[TDM__TYPE_COUNT]; /* F32, F16, BF16, else NULL */
    /* One token's n (multiple of 32) values to act slabs, `stride` slabs apart, as quantize.c defines it. */
    void (*quantize)(const float *x, size_t n, tdm__act_slab *out, size_t stride);
    /* n (multiple of 32) values for a cache of 8 bits: of each run of 32, scale = max|x| / 127 and q = round to nearest
     * even(x * (127 / max|x|)), or all zero where 127 / max|x| is not finite. A value that is not finite gives scale
     * NaN. */
    void (*quantize_runs)(const float *x, size_t n, int8_t *q, float *scales);
    /* Rows: out may be an input. "16 partial sums": value i goes to sum i mod 16, in ascending order, from +0; then sum
     * l += sum l + 8 for l < 8, and so on with 4, 2, 1 (lanes.h).
     * sum = 16 partial sums by fma(x, x, sum); out = (x * (1 / sqrt(sum / n + eps))) * weight. n >= 1. */
    void (*rms_norm)(const float *x, const float *weight, float eps, float *out, size_t n);
    /* x += y */
    void (*add)(float *x, const float *y, size_t n);
    /* out = (gate / (1 + tdm__expf(-gate))) * up */
    void (*silu_mul)(const float *gate, const float *up, float *out, size_t n);
    /* Turns the first n_rot values (even, at most head_dim) of n_heads heads of head_dim in place; cos, sin:
     * [n_rot / 2]. Pair i is norm: (2i, 2i + 1), neox: (i, i + n_rot / 2);
     *      x0, x1 = fma(x0, cos, -(x1 * sin)), fma(x1, cos, x0 * sin) */
    void (*rope_norm)(float *x, size_t n_heads, size_t head_dim, size_t n_rot, const float *cos, const float *sin);
    void (*rope_neox)(float *x, size_t n_heads, size_t head_dim, size_t n_rot, const float *cos, const float *sin);
    /* Attention (sums as attention.h defines them). store_f16: out[i * out_stride] = half of x[i], round to nearest
     * even, infinity from 65520 on, NaN made quiet. */
    void (*store_f16)(const float *x, uint16_t *out, size_t n, size_t out_stride);
    /* scores[i][0 .. 16 n_tiles - 1] of n_q queries [head_dim] (q_stride apart) against the key tiles
     * [tile][head_dim][16] of one kv head; what lies in a tile behind the last position gives scores of no meaning. */
    void (*scores[TDM__KV_N_TYPES])(const tdm__kv_numbers *k_tiles, size_t n_tiles, size_t head_dim, const float *q,
                                    size_t q_stride, size_t n_q, float scale, float *scores, size_t scores_stride);
    /* In place over n >= 1 values: x = tdm__expf(x - max), then x * (1 / sum), sum as 16 partial sums. */
    void (*softmax)(float *x, size_t n);
    /* out[i][d] = sum over j < n_pos[i] (>= 1), ascending from +0, by fma(p[i][j], v[j][d], sum): n_q queries that
     * read the same values v [pos][head_dim]; nothing behind the largest n_pos is read. */
    void (*mix[TDM__KV_N_TYPES])(const tdm__kv_numbers *v, size_t head_dim, const float *p, size_t p_stride,
                                 const size_t *n_pos, size_t n_q, float *out, size_t out_stride);
} tdm__kernels;

/* Fills *k for the lower of `ceiling` and what the machine has. */
void tdm__kernels_init(tdm__kernels *k, tdm__isa ceiling);

typedef enum tdm__min_kind {
    TDM__MIN_NONE = 0,
    TDM__MIN_RUN, /* a float for each run */
    TDM__MIN_SLAB /* an integer for each run, times a float of the row's slab */
} tdm__min_kind;

/* What a quantised type's slab means: w = scale * (q - offset) + min. */
typedef struct tdm__dot_traits {
    size_t run; /* columns of one scale: 32 or 16 */
    tdm__min_kind min;
    int offset; /* 0 with minima */
} tdm__dot_traits;

/* type: a quantised one. */
tdm__dot_traits tdm__dot_traits_get(tdm__type type);

/* exp in float, the same bits at every level, within 1.02 units in the last place (exp_constants.h). 0 below -104,
 * infinity from 88.73 on, NaN for NaN. */
float tdm__expf(float x);

#endif
