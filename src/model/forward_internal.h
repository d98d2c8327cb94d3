/* forward_internal.h - what the two files of a forward pass share: the scratch, and a run over it.
 *
 * forward.c owns the scratch and says in which order things are computed; forward_rows.c does what concerns one row by
 * itself, between the products.
 */
#ifndef TDM_MODEL_FORWARD_INTERNAL_H
#define TDM_MODEL_FORWARD_INTERNAL_H

#include "kernel/attention.h"
#include "kernel/matmul.h"
#include "model/forward.h"

struct tdm__forward {
    const tdm__model *model;
    const tdm__kernels *kernels;
    tdm__team *team;
    void *memory; /* one block that holds all below */
    size_t n_rows_max;
    size_t attention_bytes;
    double *frequencies;           /* [n_rot / 2] radians a position */
    float *cos, *sin;              /* [n_rows][n_rot / 2] */
    float *x;                      /* [n_rows][n_embd]: the residual stream */
    float *h;                      /* [n_rows][n_embd]: normed, and what a branch adds to x */
    float *q;                      /* [n_rows][n_heads * head_dim] */
    float *k, *v;                  /* [n_rows][n_kv_heads * head_dim] */
    float *mixed;                  /* [n_rows][n_heads * head_dim]: attention's result */
    float *gated;                  /* [n_rows][n_ff]: silu(W_gate h) * (W_up h) */
    tdm__act_slab *quantized;      /* the activations that the next matrices read */
    tdm__attention_row *queries;   /* [n_rows] */
    void *attention_scratch;
    void *best_scratch;
};

/* One run over the batch of rows. Between two products there is one run of the team, in which each row goes all the way
 * to the activations of the next product while it lies in the first-level cache. */
typedef struct tdm__pass {
    tdm__forward *f;
    const tdm__row *rows;
    size_t n;      /* rows still on their way */
    size_t n_best; /* of these the last, behind the last attention: they want their best token */
    size_t i_layer;
    const float *norm_weight;
    bool has_branch; /* h holds what a branch adds to x */
    bool quantizes;  /* a matrix that reads acts is quantised */
    tdm__acts acts;  /* of the next product */
} tdm__pass;

static inline tdm__attention_shape tdm__forward_shape(const tdm__hparams *hp)
{
    return (tdm__attention_shape){.n_heads = hp->n_heads,
                                  .n_kv_heads = hp->n_kv_heads,
                                  .head_dim = hp->head_dim,
                                  .scale = hp->attention_scale};
}

/* x = embeddings; the angles of the positions. */
void tdm__rows_embed(const tdm__pass *p);

/* h = norm(x + h), or norm(x) where no branch is to be added; its activations. */
void tdm__rows_norm(const tdm__pass *p);

/* Turns q and k, stores k and v, and says what attention is to do. */
void tdm__rows_store(const tdm__pass *p);

/* The activations of rows that need no more. */
void tdm__rows_quantize(const tdm__pass *p);

#endif
