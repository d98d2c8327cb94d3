/* model.h - an opened model: what its file says about itself, and its weights as views into the mapping.
 *
 * Immutable after open and shared by all threads. The family table (family.h) says how its blocks differ from the
 * plain llama block; forward.c walks them.
 */
#ifndef TDM_MODEL_MODEL_H
#define TDM_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "kernel/matmul.h"
#include "model/family.h"
#include "model/gguf.h"
#include "model/hparams.h"
#include "model/packing.h"
#include "tandem/status.h"

/* One block. A weight with data NULL and a bias that is NULL are absent in this family. */
typedef struct tdm__layer {
    const float *attn_norm; /* [n_embd] */
    tdm__weight q;          /* [n_heads * head_dim][n_embd] */
    tdm__weight k;          /* [n_kv_heads * head_dim][n_embd] */
    tdm__weight v;
    tdm__weight o;          /* [n_embd][n_heads * head_dim] */
    const float *q_bias, *k_bias, *v_bias;
    const float *ffn_norm;  /* [n_embd] */
    tdm__weight gate, up;   /* [n_ff][n_embd] */
    tdm__weight down;       /* [n_embd][n_ff] */
} tdm__layer;

typedef struct tdm__model {
    tdm__gguf *gguf; /* owned */
    const tdm__family *family;
    tdm__hparams hp;
    tdm__weight token_embd;   /* [n_vocab][n_embd] */
    tdm__weight output;       /* [n_vocab][n_embd]; the embedding again when tied */
    const float *output_norm; /* [n_embd] */
    const float *rope_factors; /* [n_rot / 2] that divide the angles, or NULL */
    tdm__layer *layers;       /* [n_layers] */
    bool is_tied;             /* the output matrix is the embedding */
    tdm__packing packing;     /* owns the panels of all matrices */
    tdm__arena arena;         /* layers, and copies of vectors that the file holds unaligned or not as F32 */
} tdm__model;

/* Opens the file, picks the family by general.architecture and checks every shape. pack_dir: where packed weights are
 * kept between starts (packing.h); NULL or "": in memory only. */
tdm_status tdm__model_open(const char *path, const char *pack_dir, tdm__model **out, tdm_error *err);

/* The same over an index that is already open; takes it over on success only. */
tdm_status tdm__model_bind(tdm__gguf *g, const char *pack_dir, tdm__model **out, tdm_error *err);

/* NULL-safe. */
void tdm__model_close(tdm__model *m);

#endif
