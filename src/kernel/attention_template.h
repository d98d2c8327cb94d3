/* attention_template.h - the kernels of attention_reference.c on registers of VEC_LANES floats.
 *
 * scores and mix are one small product, softmax and the stores of halves stand beside it:
 *      scores:  c[query][position]  += q[query][d] * k[d][position]     b = columns of key tiles, length = head_dim
 *      mix:     c[query][dimension] += p[query][j] * v[j][dimension]    b = values, length = up to CHUNK positions
 * in the order that attention.h defines. A block of VEC_BLOCK queries hides the latency of the fma and shares the reads
 * of b. b is turned to float on the way in; where several blocks read it, it is turned once and kept in L1.
 *
 * Included once by the file of each level, after the header that gives it `vec`; see rows_template.h.
 */
#ifndef TDM_KERNEL_ATTENTION_TEMPLATE_H
#define TDM_KERNEL_ATTENTION_TEMPLATE_H

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernel/attention.h"
#include "kernel/attention_product.h"
#include "kernel/kernels_init.h"
#include "kernel/lanes.h"
#include "kernel/vec_exp.h"

enum {
    CHUNK = 128,                /* positions of values at a time */
    POSITIONS_AHEAD = 64,       /* of keys: four tiles */
    LENGTH_MAX = 256,           /* of head_dim, and more than CHUNK */
    BUFFER = LENGTH_MAX * COLS, /* floats: 32 KiB at 16 lanes and head_dim 256, else less is touched */
    VECS_OF_LANES = TDM__LANES / VEC_LANES,
};

/* Queries of the next block: all blocks of about the same size. */
static inline size_t block_size(size_t n_left)
{
    size_t n_blocks = (n_left + VEC_BLOCK - 1) / VEC_BLOCK;
    return (n_left + n_blocks - 1) / n_blocks;
}

static inline size_t number_bytes(tdm__kv_type type)
{
    return type == TDM__KV_F16 ? sizeof(uint16_t) : sizeof(int8_t);
}

/* Columns at .. at + n_cols - 1 of the tiles (at: a multiple of VEC_LANES), of n_left that there are. */
static operand key_columns(tdm__kv_type type, const tdm__kv_numbers *k, size_t head_dim, size_t at, size_t n_cols,
                           size_t n_left)
{
    const size_t bytes = number_bytes(type), n_runs = tdm__kv_runs(head_dim);
    const size_t second = n_cols > VEC_LANES ? at + VEC_LANES : at;
    const size_t tile_low = at / TDM__KV_TILE * TDM__KV_TILE, tile_high = second / TDM__KV_TILE * TDM__KV_TILE;
    const size_t lane_low = at - tile_low, lane_high = second - tile_high;
    const unsigned char *numbers = k->at;
    operand b = {.form = type == TDM__KV_F16 ? HALVES : Q8_KEYS,
                 .low = numbers + (tile_low * head_dim + lane_low) * bytes,
                 .high = numbers + (tile_high * head_dim + lane_high) * bytes,
                 .stride = TDM__KV_TILE * bytes,
                 .ahead = n_left >= COLS + POSITIONS_AHEAD ? POSITIONS_AHEAD * head_dim * bytes : 0};
    if (type == TDM__KV_Q8) {
        b.scales_low = k->scales + tile_low * n_runs + lane_low;
        b.scales_high = k->scales + tile_high * n_runs + lane_high;
    }
    return b;
}

static inline __attribute__((always_inline)) void scores_any(tdm__kv_type type, const tdm__kv_numbers *k_tiles,
                                                             size_t n_tiles, size_t head_dim, const float *q,
                                                             size_t q_stride, size_t n_q, float scale, float *scores,
                                                             size_t scores_stride)
{
    _Alignas(64) float buffer[BUFFER];
    size_t n_pos = n_tiles * TDM__KV_TILE;
    assert(head_dim <= LENGTH_MAX);
    for (size_t at = 0; at < n_pos; at += COLS) {
        size_t left = n_pos - at, n_cols = left < COLS ? left : COLS;
        operand b = key_columns(type, k_tiles, head_dim, at, n_cols, left);
        if (n_q > VEC_BLOCK)
            widen(&b, head_dim, n_cols, buffer);
        for (size_t i = 0, n; i < n_q; i += n) {
            n = block_size(n_q - i);
            product p = {.a = q + i * q_stride,
                         .a_stride = q_stride,
                         .length = head_dim,
                         .c = scores + i * scores_stride + at,
                         .c_stride = scores_stride,
                         .n_cols = n_cols,
                         .is_scores = true,
                         .scale = scale};
            multiply(&p, &b, n);
        }
    }
}

static void scores_f16(const tdm__kv_numbers *k_tiles, size_t n_tiles, size_t head_dim, const float *q, size_t q_stride,
                       size_t n_q, float scale, float *scores, size_t scores_stride)
{
    scores_any(TDM__KV_F16, k_tiles, n_tiles, head_dim, q, q_stride, n_q, scale, scores, scores_stride);
}

static void scores_q8(const tdm__kv_numbers *k_tiles, size_t n_tiles, size_t head_dim, const float *q, size_t q_stride,
                      size_t n_q, float scale, float *scores, size_t scores_stride)
{
    scores_any(TDM__KV_Q8, k_tiles, n_tiles, head_dim, q, q_stride, n_q, scale, scores, scores_stride);
}

/* Positions of [begin, begin + CHUNK) that a query of n_pos counts. */
static inline size_t counted(size_t n_pos, size_t begin)
{
    size_t n = n_pos > begin ? n_pos - begin : 0;
    return n < CHUNK ? n : CHUNK;
}

/* A block of queries over one chunk: together as far as all count, then each to its own end. */
static void mix_block(product p, operand b, const size_t *n_pos, size_t n_q, size_t begin)
{
    size_t common = CHUNK;
    for (size_t i = 0; i < n_q; i++)
        common = counted(n_pos[i], begin) < common ? counted(n_pos[i], begin) : common;
    p.length = common;
    multiply(&p, &b, n_q);
    operand_skip(&b, common);
    p.a += common;
    for (size_t i = 0; i < n_q; i++, p.a += p.a_stride, p.c += p.c_stride) {
        p.length = counted(n_pos[i], begin) - common;
        if (p.length > 0)
            multiply(&p, &b, 1);
    }
}

/* Columns d .. d + n_cols - 1 of the values from position `begin` on, of n_pos that there are. */
static operand value_columns(tdm__kv_type type, const tdm__kv_numbers *v, size_t head_dim, size_t begin, size_t d,
                             size_t n_cols, size_t n_pos)
{
    const size_t bytes = number_bytes(type), n_runs = tdm__kv_runs(head_dim);
    const unsigned char *low = (const unsigned char *)v->at + (begin * head_dim + d) * bytes;
    operand b = {.form = type == TDM__KV_F16 ? HALVES : Q8_VALUES,
                 .low = low,
                 .high = n_cols > VEC_LANES ? low + VEC_LANES * bytes : low,
                 .stride = head_dim * bytes,
                 .ahead = n_pos - begin >= 2 * CHUNK ? CHUNK * head_dim * bytes : 0};
    if (type == TDM__KV_Q8) {
        b.scales_low = v->scales + begin * n_runs + d / TDM__KV_RUN;
        b.scales_stride = n_runs;
    }
    return b;
}

static inline __attribute__((always_inline)) void mix_any(tdm__kv_type type, const tdm__kv_numbers *v, size_t head_dim,
                                                          const float *p, size_t p_stride, const size_t *n_pos,
                                                          size_t n_q, float *out, size_t out_stride)
{
    _Static_assert(TDM__KV_RUN % COLS == 0, "the columns of a product share their scale");
    _Alignas(64) float buffer[CHUNK * COLS];
    size_t n_pos_max = 0;
    for (size_t i = 0; i < n_q; i++) {
        memset(out + i * out_stride, 0, head_dim * sizeof *out);
        n_pos_max = n_pos[i] > n_pos_max ? n_pos[i] : n_pos_max;
    }
    for (size_t begin = 0; begin < n_pos_max; begin += CHUNK)
        for (size_t d = 0; d < head_dim; d += COLS) {
            size_t n_cols = head_dim - d < COLS ? head_dim - d : COLS;
            operand b = value_columns(type, v, head_dim, begin, d, n_cols, n_pos_max);
            if (n_q > VEC_BLOCK || n_cols % VEC_LANES != 0)
                widen(&b, counted(n_pos_max, begin), n_cols, buffer);
            for (size_t i = 0, n; i < n_q; i += n) {
                n = block_size(n_q - i);
                product sum = {.a = p + i * p_stride + begin,
                               .a_stride = p_stride,
                               .c = out + i * out_stride + d,
                               .c_stride = out_stride,
                               .n_cols = n_cols};
                mix_block(sum, b, n_pos + i, n, begin);
            }
        }
}

static void mix_f16(const tdm__kv_numbers *v, size_t head_dim, const float *p, size_t p_stride, const size_t *n_pos,
                    size_t n_q, float *out, size_t out_stride)
{
    mix_any(TDM__KV_F16, v, head_dim, p, p_stride, n_pos, n_q, out, out_stride);
}

static void mix_q8(const tdm__kv_numbers *v, size_t head_dim, const float *p, size_t p_stride, const size_t *n_pos,
                   size_t n_q, float *out, size_t out_stride)
{
    mix_any(TDM__KV_Q8, v, head_dim, p, p_stride, n_pos, n_q, out, out_stride);
}

static float max_of(const float *x, size_t n)
{
    float each[VEC_LANES];
    vec a = vec_all(-INFINITY), b = a;
    size_t i = 0;
    for (; i + 2 * VEC_LANES <= n; i += 2 * VEC_LANES) {
        a = vec_max(a, vec_load(x + i));
        b = vec_max(b, vec_load(x + i + VEC_LANES));
    }
    for (; i < n; i += VEC_LANES)
        a = vec_max(a, vec_load_left(x + i, n - i, -INFINITY));
    vec_store_left(each, VEC_LANES, vec_max(a, b));
    for (size_t l = 1; l < VEC_LANES; l++)
        each[0] = each[l] > each[0] ? each[l] : each[0];
    return each[0];
}

static void softmax_vec(float *x, size_t n)
{
    float lanes[TDM__LANES];
    vec max = vec_all(max_of(x, n)), sums[VECS_OF_LANES];
    for (size_t s = 0; s < VECS_OF_LANES; s++)
        sums[s] = vec_all(0.0f);
    for (size_t i = 0; i < n; i += TDM__LANES)
        for (size_t s = 0, at = i; s < VECS_OF_LANES && at < n; s++, at += VEC_LANES) {
            vec e = vec_keep_left(vec_exp(vec_sub(vec_load_left(x + at, n - at, 0.0f), max)), n - at);
            vec_store_left(x + at, n - at, e);
            sums[s] = vec_add(sums[s], e);
        }
    for (size_t s = 0; s < VECS_OF_LANES; s++)
        vec_store_left(lanes + s * VEC_LANES, VEC_LANES, sums[s]);
    vec inverse = vec_all(1.0f / tdm__lanes_sum(lanes));
    for (size_t i = 0; i < n; i += VEC_LANES)
        vec_store_left(x + i, n - i, vec_mul(vec_load_left(x + i, n - i, 0.0f), inverse));
}

static void store_f16_vec(const float *x, uint16_t *out, size_t n, size_t out_stride)
{
    for (size_t i = 0; i < n; i += VEC_LANES) {
        size_t left = n - i < VEC_LANES ? n - i : VEC_LANES;
        uint16_t halves[VEC_LANES];
        vec v = vec_load_left(x + i, left, 0.0f);
        if (out_stride == 1 && left == VEC_LANES) {
            vec_store_halves(out + i, v);
            continue;
        }
        vec_store_halves(halves, v);
        for (size_t j = 0; j < left; j++)
            out[(i + j) * out_stride] = halves[j];
    }
}

static void attention_init(tdm__kernels *k)
{
    k->store_f16 = store_f16_vec;
    k->scores[TDM__KV_F16] = scores_f16;
    k->scores[TDM__KV_Q8] = scores_q8;
    k->softmax = softmax_vec;
    k->mix[TDM__KV_F16] = mix_f16;
    k->mix[TDM__KV_Q8] = mix_q8;
}

#endif
