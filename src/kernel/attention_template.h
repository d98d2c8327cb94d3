/* attention_template.h - the kernels of attention_reference.c on registers of VEC_LANES floats.
 *
 * scores and mix are one small product, softmax and the stores of halves stand beside it:
 *      scores:  c[query][position]  += q[query][d] * k[d][position]     b = columns of key tiles, length = head_dim
 *      mix:     c[query][dimension] += p[query][j] * v[j][dimension]    b = values, length = up to CHUNK positions
 * b is always `length` rows of COLS columns, two registers wide; each lane is one chain of fma in the order that
 * attention.h defines. A block of VEC_BLOCK queries hides the latency of the fma and shares the reads of b. b is
 * turned to float on the way in; where several blocks read it, it is turned once and kept in L1.
 *
 * Included once by the file of each level, after the header that gives it `vec`; see rows_template.h.
 */
#ifndef TDM_KERNEL_ATTENTION_TEMPLATE_H
#define TDM_KERNEL_ATTENTION_TEMPLATE_H

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "kernel/attention.h"
#include "kernel/kernels_init.h"
#include "kernel/lanes.h"
#include "kernel/vec_exp.h"

enum {
    COLS = 2 * VEC_LANES,
    CHUNK = 128,                /* positions of values at a time */
    POSITIONS_AHEAD = 64,       /* of keys: four tiles */
    LENGTH_MAX = 256,           /* of head_dim, and more than CHUNK */
    BUFFER = LENGTH_MAX * COLS, /* floats: 32 KiB at 16 lanes and head_dim 256, else less is touched */
    VECS_OF_LANES = TDM__LANES / VEC_LANES,
};

/* `length` rows of COLS columns: halves where they lie, row i at low + i * stride (the first VEC_LANES columns) and
 * high + i * stride (the others); or floats, [length][COLS], once they are widened. */
typedef struct operand {
    const uint16_t *low, *high;
    size_t stride;
    size_t ahead;      /* halves from a row to one that is needed later and fetched to L2 meanwhile; 0: none */
    const float *wide; /* NULL: the halves */
} operand;

/* c = c + a b, or for scores (a b) * scale. */
typedef struct product {
    const float *a; /* [n_q][a_stride] */
    size_t a_stride;
    size_t length;
    float *c; /* [n_q][c_stride] */
    size_t c_stride;
    size_t n_cols; /* of c: 1 .. COLS */
    bool is_scores;
    float scale;
} product;

/* A cache that outgrew L2 is read page by page, and the processor's own prefetch stops at each page's end. */
static inline void fetch_ahead(const operand *b, size_t row)
{
    __builtin_prefetch(b->low + row * b->stride + b->ahead, 0, 2);
    __builtin_prefetch(b->high + row * b->stride + b->ahead, 0, 2);
}

/* n_cols as the columns of the first and of the second register. */
static inline size_t low_cols(size_t n_cols) { return n_cols < VEC_LANES ? n_cols : VEC_LANES; }
static inline size_t high_cols(size_t n_cols) { return n_cols - low_cols(n_cols); }

static inline __attribute__((always_inline)) void multiply_block(const product *p, const operand *b, bool is_wide,
                                                                 const size_t n_q)
{
    const size_t n_low = low_cols(p->n_cols), n_high = high_cols(p->n_cols);
    vec sums[VEC_BLOCK][2];
#pragma GCC unroll 8
    for (size_t i = 0; i < n_q; i++) {
        const float *c = p->c + i * p->c_stride;
        sums[i][0] = p->is_scores ? vec_all(0.0f) : vec_load_left(c, n_low, 0.0f);
        sums[i][1] = p->is_scores ? vec_all(0.0f) : vec_load_left(c + VEC_LANES, n_high, 0.0f);
    }
    for (size_t k = 0; k < p->length; k++) {
        if (!is_wide)
            fetch_ahead(b, k);
        vec b0 = is_wide ? vec_load(b->wide + k * COLS) : vec_load_halves(b->low + k * b->stride);
        vec b1 = is_wide ? vec_load(b->wide + k * COLS + VEC_LANES) : vec_load_halves(b->high + k * b->stride);
#pragma GCC unroll 8
        for (size_t i = 0; i < n_q; i++) {
            vec a = vec_all(p->a[i * p->a_stride + k]);
            sums[i][0] = vec_fma(a, b0, sums[i][0]);
            sums[i][1] = vec_fma(a, b1, sums[i][1]);
        }
    }
    const vec scale = vec_all(p->scale);
#pragma GCC unroll 8
    for (size_t i = 0; i < n_q; i++) {
        float *c = p->c + i * p->c_stride;
        vec_store_left(c, n_low, p->is_scores ? vec_mul(sums[i][0], scale) : sums[i][0]);
        vec_store_left(c + VEC_LANES, n_high, p->is_scores ? vec_mul(sums[i][1], scale) : sums[i][1]);
    }
}

/* One body a number of queries, so that the sums stay in registers. */
static inline __attribute__((always_inline)) void multiply_form(const product *p, const operand *b, bool is_wide,
                                                                size_t n_q)
{
    switch (n_q) {
    case 1: multiply_block(p, b, is_wide, 1); break;
    case 2: multiply_block(p, b, is_wide, 2); break;
    case 3: multiply_block(p, b, is_wide, 3); break;
    case 4: multiply_block(p, b, is_wide, 4); break;
    case 5: multiply_block(p, b, is_wide, 5); break;
#if VEC_BLOCK == 8
    case 6: multiply_block(p, b, is_wide, 6); break;
    case 7: multiply_block(p, b, is_wide, 7); break;
#elif VEC_BLOCK != 6
#error "multiply_form needs a case for each number of queries"
#endif
    default: multiply_block(p, b, is_wide, VEC_BLOCK); break;
    }
}

/* n_q: 1 .. VEC_BLOCK. */
static void multiply(const product *p, const operand *b, size_t n_q)
{
    if (b->wide)
        multiply_form(p, b, true, n_q);
    else
        multiply_form(p, b, false, n_q);
}

/* Queries of the next block: all blocks of about the same size. */
static inline size_t block_size(size_t n_left)
{
    size_t n_blocks = (n_left + VEC_BLOCK - 1) / VEC_BLOCK;
    return (n_left + n_blocks - 1) / n_blocks;
}

/* Turns the first n_cols columns of n_rows rows of b to float in `buffer`; the columns beyond are zero. */
static void widen(operand *b, size_t n_rows, size_t n_cols, float *buffer)
{
    const size_t n_low = low_cols(n_cols), n_high = high_cols(n_cols);
    for (size_t k = 0; k < n_rows; k++) {
        fetch_ahead(b, k);
        vec_store_left(buffer + k * COLS, VEC_LANES, vec_load_halves_left(b->low + k * b->stride, n_low));
        vec_store_left(buffer + k * COLS + VEC_LANES, VEC_LANES, vec_load_halves_left(b->high + k * b->stride, n_high));
    }
    b->wide = buffer;
}

/* Row 0 of column `at` of the tiles, a multiple of VEC_LANES. */
static inline const uint16_t *key_column(const uint16_t *k_tiles, size_t head_dim, size_t at)
{
    return k_tiles + at / TDM__KV_TILE * head_dim * TDM__KV_TILE + at % TDM__KV_TILE;
}

static void scores_vec(const uint16_t *k_tiles, size_t n_tiles, size_t head_dim, const float *q, size_t q_stride,
                       size_t n_q, float scale, float *scores, size_t scores_stride)
{
    _Alignas(64) float buffer[BUFFER];
    size_t n_pos = n_tiles * TDM__KV_TILE;
    assert(head_dim <= LENGTH_MAX);
    for (size_t at = 0; at < n_pos; at += COLS) {
        size_t left = n_pos - at, n_cols = left < COLS ? left : COLS, second = n_cols > VEC_LANES ? at + VEC_LANES : at;
        operand b = {.low = key_column(k_tiles, head_dim, at),
                     .high = key_column(k_tiles, head_dim, second),
                     .stride = TDM__KV_TILE,
                     .ahead = left >= COLS + POSITIONS_AHEAD ? POSITIONS_AHEAD * head_dim : 0};
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
    b.low += common * b.stride;
    b.high += common * b.stride;
    if (b.wide)
        b.wide += common * COLS;
    p.a += common;
    for (size_t i = 0; i < n_q; i++, p.a += p.a_stride, p.c += p.c_stride) {
        p.length = counted(n_pos[i], begin) - common;
        if (p.length > 0)
            multiply(&p, &b, 1);
    }
}

static void mix_vec(const uint16_t *v, size_t head_dim, const float *p, size_t p_stride, const size_t *n_pos,
                    size_t n_q, float *out, size_t out_stride)
{
    _Alignas(64) float buffer[CHUNK * COLS];
    size_t n_pos_max = 0;
    for (size_t i = 0; i < n_q; i++) {
        memset(out + i * out_stride, 0, head_dim * sizeof *out);
        n_pos_max = n_pos[i] > n_pos_max ? n_pos[i] : n_pos_max;
    }
    for (size_t begin = 0; begin < n_pos_max; begin += CHUNK)
        for (size_t d = 0; d < head_dim; d += COLS) {
            const uint16_t *low = v + begin * head_dim + d;
            size_t n_cols = head_dim - d < COLS ? head_dim - d : COLS;
            operand b = {.low = low,
                         .high = n_cols > VEC_LANES ? low + VEC_LANES : low,
                         .stride = head_dim,
                         .ahead = n_pos_max - begin >= 2 * CHUNK ? CHUNK * head_dim : 0};
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
    k->scores = scores_vec;
    k->softmax = softmax_vec;
    k->mix = mix_vec;
}

#endif
