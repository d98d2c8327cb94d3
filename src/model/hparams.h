/* hparams.h - a model's sizes, as its file states them. */
#ifndef TDM_MODEL_HPARAMS_H
#define TDM_MODEL_HPARAMS_H

#include <stddef.h>

#include "model/family.h"
#include "model/gguf.h"
#include "tandem/status.h"

typedef struct tdm__hparams {
    size_t n_layers;
    size_t n_embd;
    size_t n_heads;
    size_t n_kv_heads; /* divides n_heads */
    size_t head_dim;
    size_t n_ff;
    size_t n_vocab;     /* from the embedding's shape, by model.c */
    size_t n_ctx_train; /* the longest context the model says it can take */
    size_t n_rot;       /* rotated dimensions of a head, even */
    float rope_base;
    float rope_scale; /* positions are multiplied by it: 1 / rope.scaling.factor */
    float norm_eps;
    float attention_scale; /* usually 1 / sqrt(head_dim) */
    size_t act_terms;      /* terms of int8 that activations take (kernel/matmul.h); by the model's size */
} tdm__hparams;

/* Fills *hp (all but n_vocab). ERR_FORMAT and ERR_UNSUPPORTED name file, key, value and limit. */
tdm_status tdm__hparams_read(const tdm__gguf *g, const tdm__family *f, tdm__hparams *hp, tdm_error *err);

#endif
