/* attention_product.h - the small product of attention_template.h: a few queries times rows of numbers from the cache.
 *
 *      c[query][column] += a[query][row] * b[row][column]
 * A row of b is COLS columns, two registers wide; each lane is one chain of fma over ascending rows. Numbers are turned
 * to float on the way in, or before by widen, where several blocks of queries read them. In q8 a scale serves
 * TDM__KV_RUN rows of keys in one column, and of values TDM__KV_RUN columns in one row.
 *
 * Included once by attention_template.h, behind the header that gives it `vec`.
 */
#ifndef TDM_KERNEL_ATTENTION_PRODUCT_H
#define TDM_KERNEL_ATTENTION_PRODUCT_H

#include <stdbool.h>

#include "kernel/attention.h"

enum { COLS = 2 * VEC_LANES };

/* How b's rows become floats. */
typedef enum operand_form { WIDE, HALVES, Q8_KEYS, Q8_VALUES } operand_form;

/* `length` rows of COLS columns: numbers where they lie, row i at low + i * stride (the first VEC_LANES columns) and
 * high + i * stride (the others); or floats, [length][COLS], once they are widened. */
typedef struct operand {
    operand_form form;
    const unsigned char *low, *high;
    size_t stride;               /* bytes */
    size_t ahead;                /* bytes from a row to one that is needed later, fetched to L2 meanwhile; 0: none */
    const uint16_t *scales_low;  /* Q8_KEYS: of the low columns, TDM__KV_TILE to the next run; Q8_VALUES: of row 0 */
    const uint16_t *scales_high; /* Q8_KEYS */
    size_t scales_stride;        /* Q8_VALUES: halves from a row's scale to the next row's */
    const float *wide;           /* WIDE */
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

/* Scales of the row under way, for the low and the high columns. */
typedef struct row_scales {
    vec low, high;
} row_scales;

/* To be called for each row in turn, from one whose number is a multiple of TDM__KV_RUN. */
static inline __attribute__((always_inline)) void next_scales(const operand *b, const operand_form form, size_t row,
                                                              row_scales *s)
{
    if (form == Q8_KEYS && row % TDM__KV_RUN == 0) {
        s->low = vec_load_halves(b->scales_low + row / TDM__KV_RUN * TDM__KV_TILE);
        s->high = vec_load_halves(b->scales_high + row / TDM__KV_RUN * TDM__KV_TILE);
    } else if (form == Q8_VALUES) {
        s->low = s->high = vec_all_half(b->scales_low + row * b->scales_stride);
    }
}

/* n columns from p on. */
static inline __attribute__((always_inline)) vec numbers_of(operand_form form, const unsigned char *p, size_t n,
                                                            vec scale)
{
    const uint16_t *halves = (const uint16_t *)(const void *)p;
    const int8_t *bytes = (const int8_t *)p;
    if (form == HALVES)
        return n < VEC_LANES ? vec_load_halves_left(halves, n) : vec_load_halves(halves);
    return vec_mul(n < VEC_LANES ? vec_load_bytes_left(bytes, n) : vec_load_bytes(bytes), scale);
}

/* n_cols as the columns of the first and of the second register. */
static inline size_t low_cols(size_t n_cols) { return n_cols < VEC_LANES ? n_cols : VEC_LANES; }
static inline size_t high_cols(size_t n_cols) { return n_cols - low_cols(n_cols); }

static inline __attribute__((always_inline)) void multiply_block(const product *p, const operand *b,
                                                                 const operand_form form, const size_t n_q)
{
    const size_t n_low = low_cols(p->n_cols), n_high = high_cols(p->n_cols);
    vec sums[VEC_BLOCK][2];
    row_scales s = {vec_all(0.0f), vec_all(0.0f)};
#pragma GCC unroll 8
    for (size_t i = 0; i < n_q; i++) {
        const float *c = p->c + i * p->c_stride;
        sums[i][0] = p->is_scores ? vec_all(0.0f) : vec_load_left(c, n_low, 0.0f);
        sums[i][1] = p->is_scores ? vec_all(0.0f) : vec_load_left(c + VEC_LANES, n_high, 0.0f);
    }
    for (size_t k = 0; k < p->length; k++) {
        if (form != WIDE)
            fetch_ahead(b, k);
        next_scales(b, form, k, &s);
        vec b0 = form == WIDE ? vec_load(b->wide + k * COLS)
                              : numbers_of(form, b->low + k * b->stride, VEC_LANES, s.low);
        vec b1 = form == WIDE ? vec_load(b->wide + k * COLS + VEC_LANES)
                              : numbers_of(form, b->high + k * b->stride, VEC_LANES, s.high);
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
static inline __attribute__((always_inline)) void multiply_form(const product *p, const operand *b,
                                                                const operand_form form, size_t n_q)
{
    switch (n_q) {
    case 1: multiply_block(p, b, form, 1); break;
    case 2: multiply_block(p, b, form, 2); break;
    case 3: multiply_block(p, b, form, 3); break;
    case 4: multiply_block(p, b, form, 4); break;
    case 5: multiply_block(p, b, form, 5); break;
#if VEC_BLOCK == 8
    case 6: multiply_block(p, b, form, 6); break;
    case 7: multiply_block(p, b, form, 7); break;
#elif VEC_BLOCK != 6
#error "multiply_form needs a case for each number of queries"
#endif
    default: multiply_block(p, b, form, VEC_BLOCK); break;
    }
}

/* n_q: 1 .. VEC_BLOCK. */
static void multiply(const product *p, const operand *b, size_t n_q)
{
    switch (b->form) {
    case WIDE: multiply_form(p, b, WIDE, n_q); break;
    case HALVES: multiply_form(p, b, HALVES, n_q); break;
    case Q8_KEYS: multiply_form(p, b, Q8_KEYS, n_q); break;
    case Q8_VALUES: multiply_form(p, b, Q8_VALUES, n_q); break;
    }
}

static inline __attribute__((always_inline)) void widen_form(const operand *b, const operand_form form, size_t n_rows,
                                                             size_t n_cols, float *buffer)
{
    const size_t n_low = low_cols(n_cols), n_high = high_cols(n_cols);
    row_scales s = {vec_all(0.0f), vec_all(0.0f)};
    for (size_t k = 0; k < n_rows; k++) {
        fetch_ahead(b, k);
        next_scales(b, form, k, &s);
        vec low = numbers_of(form, b->low + k * b->stride, n_low, s.low);
        vec high = numbers_of(form, b->high + k * b->stride, n_high, s.high);
        vec_store_left(buffer + k * COLS, VEC_LANES, low);
        vec_store_left(buffer + k * COLS + VEC_LANES, VEC_LANES, high);
    }
}

/* Turns the first n_cols columns of n_rows rows of b to float in `buffer`; the columns beyond are of no meaning. */
static void widen(operand *b, size_t n_rows, size_t n_cols, float *buffer)
{
    switch (b->form) {
    case WIDE: return;
    case HALVES: widen_form(b, HALVES, n_rows, n_cols, buffer); break;
    case Q8_KEYS: widen_form(b, Q8_KEYS, n_rows, n_cols, buffer); break;
    case Q8_VALUES: widen_form(b, Q8_VALUES, n_rows, n_cols, buffer); break;
    }
    b->form = WIDE;
    b->wide = buffer;
}

/* Begins n rows later; not for keys. */
static inline void operand_skip(operand *b, size_t n)
{
    if (b->form == WIDE) {
        b->wide += n * COLS;
        return;
    }
    b->low += n * b->stride;
    b->high += n * b->stride;
    if (b->form == Q8_VALUES)
        b->scales_low += n * b->scales_stride;
}

#endif
