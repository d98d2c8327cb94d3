/* attention.h - causal grouped-query attention over a KV cache in f16 or q8, and the layout of that cache.
 *
 * Keys lie in tiles of 16 positions, transposed ([tile][d][16]), so that 16 scores are 16 lanes and no lane is ever
 * summed across; values lie by position ([pos][d]), so that lanes are dimensions. Both are read once for all query
 * heads of a group and all tokens of a tile. What is computed for one query is defined below and does not depend on
 * which queries are computed beside it:
 *      score[j] = (sum over ascending d, by fma, of q[d] * k[j][d]) * scale        for j = 0 .. pos
 *      p[j]     = exp(score[j] - max) * (1 / sum of them), 16 partial sums (j mod 16) joined by a fixed tree
 *      out[d]   = sum over ascending j, by fma, of p[j] * v[j][d]
 * Sums start from +0. What lies in the cache behind pos, NaN included, has no influence.
 *
 * k and v are the floats that the cache stands for: a half as it is; in q8 a whole number times the scale of its run,
 * which is up to 32 neighbours of one position and head. Scales are halves, so that this product is exact in float (8
 * bits by 11) and one definition serves both types. What stands for a position depends on that position alone.
 */
#ifndef TDM_KERNEL_ATTENTION_H
#define TDM_KERNEL_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

#include "os/team.h"

struct tdm__kernels;

enum { TDM__KV_TILE = 16, TDM__KV_RUN = 32 };

typedef enum tdm__kv_type {
    TDM__KV_F16 = 0,
    TDM__KV_Q8, /* int8, -127 .. 127, and a half as scale for each run of TDM__KV_RUN dimensions or what is left */
    TDM__KV_N_TYPES,
} tdm__kv_type;

/* Keys or values: f16 (uint16_t) or q8 (int8_t), in the layouts of tdm__kv_layer; of q8 also scales. */
typedef struct tdm__kv_numbers {
    void *at;
    uint16_t *scales; /* NULL for f16 */
} tdm__kv_numbers;

/* The cache of one sequence in one layer. Memory is the owner's; capacity is a multiple of TDM__KV_TILE. n_runs is
 * tdm__kv_runs(head_dim). */
typedef struct tdm__kv_layer {
    tdm__kv_type type;
    tdm__kv_numbers k; /* [n_kv_heads][capacity / 16][head_dim][16]; scales [n_kv_heads][capacity / 16][n_runs][16] */
    tdm__kv_numbers v; /* [n_kv_heads][capacity][head_dim]; scales [n_kv_heads][capacity][n_runs] */
    size_t capacity;
} tdm__kv_layer;

static inline size_t tdm__kv_runs(size_t head_dim) { return (head_dim + TDM__KV_RUN - 1) / TDM__KV_RUN; }

/* One query row: a token of some sequence. Rows of one sequence with ascending positions should be neighbours, they
 * then share the reading of the cache. */
typedef struct tdm__attention_row {
    const float *q; /* [n_heads][head_dim], rotated */
    float *out;     /* [n_heads][head_dim] */
    const tdm__kv_layer *kv;
    size_t pos; /* attends to positions 0 .. pos; pos < kv->capacity */
} tdm__attention_row;

typedef struct tdm__attention_shape {
    size_t n_heads;
    size_t n_kv_heads; /* divides n_heads */
    size_t head_dim;   /* a multiple of 2, at most 256 */
    float scale;       /* usually 1 / sqrt(head_dim) */
} tdm__attention_shape;

/* Writes one token's keys and values ([n_kv_heads][head_dim] each) at pos. f16: rounded as kernels.h's store_f16 does.
 * q8: whole numbers as kernels.h's quantize makes them of each run, its scale rounded to a half; what is not finite, or
 * beyond 8 million, gives a run that is not finite. Different positions may be written at the same time. */
void tdm__kv_store(const struct tdm__kernels *kn, const tdm__attention_shape *s, tdm__kv_layer *kv, size_t pos,
                   const float *k, const float *v);

/* Scratch that tdm__attention needs for a team of n_threads at a context of n_ctx positions; 64-byte aligned. About
 * 1 MiB a thread, or one query's scores where these are longer (4 bytes a position). */
size_t tdm__attention_scratch_bytes(const tdm__attention_shape *s, size_t n_ctx, int n_threads);

/* All rows in one run of the team. Keys and values of positions 0 .. pos of each row are stored before. The scratch is
 * for this team and an n_ctx above every pos. A row's bits are the same beside any other rows and in any team. */
void tdm__attention(const struct tdm__kernels *kn, tdm__team *team, const tdm__attention_shape *s,
                    const tdm__attention_row *rows, size_t n_rows, void *scratch, size_t scratch_bytes);

#endif
