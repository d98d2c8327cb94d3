/* model.c - binds the tensors of a file to the places of a block, checking each shape.
 *
 * Matrices are views into the mapping. Norms and biases are too, when the file holds them as aligned F32; otherwise
 * they are converted once into the model's arena (they are thousandths of the file).
 */
#include "model/model.h"

#include <assert.h>
#include <stdalign.h>
#include <stdio.h>

#include "base/error.h"
#include "os/heap.h"

enum { VOCAB_MAX = 1 << 22, ARENA_BYTES_MAX = 256 << 20 };

/* Name of tensor `part` of layer `layer`, or of the whole model when layer < 0. */
typedef struct tensor_name {
    char text[64];
} tensor_name;

static tensor_name name_of(int layer, const char *part)
{
    tensor_name n;
    if (layer < 0)
        snprintf(n.text, sizeof n.text, "%s", part);
    else
        snprintf(n.text, sizeof n.text, "blk.%d.%s", layer, part);
    return n;
}

/* The tensor, or NULL with OK when it may be absent. */
static tdm_status find(const tdm__model *m, const char *name, tdm__presence presence, const tdm__gguf_tensor **out,
                       tdm_error *err)
{
    *out = presence == TDM__ABSENT ? NULL : tdm__gguf_tensor_find(m->gguf, tdm__str_from(name));
    if (!*out && presence == TDM__REQUIRED)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: tensor %s is missing", tdm__gguf_name(m->gguf), name);
    return TDM_OK;
}

static tdm_status bind_matrix(tdm__model *m, int layer, const char *part, size_t n_cols, size_t n_rows,
                              tdm__weight *out, tdm_error *err)
{
    tensor_name name = name_of(layer, part);
    const tdm__gguf_tensor *t;
    TDM_TRY(find(m, name.text, TDM__REQUIRED, &t, err));
    if (t->n_dims > 2 || t->dims[0] != n_cols || t->dims[1] != n_rows)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: tensor %s has shape %llu x %llu, expected %zu x %zu",
                 tdm__gguf_name(m->gguf), name.text, (unsigned long long)t->dims[0], (unsigned long long)t->dims[1],
                 n_cols, n_rows);
    return tdm__packing_add(&m->packing, t, n_rows, n_cols, out, err);
}

static tdm_status bind_vector(tdm__model *m, int layer, const char *part, size_t n, tdm__presence presence,
                              const float **out, tdm_error *err)
{
    tensor_name name = name_of(layer, part);
    const tdm__gguf_tensor *t;
    TDM_TRY(find(m, name.text, presence, &t, err));
    *out = NULL;
    if (!t)
        return TDM_OK;
    if (t->n_dims != 1 || t->dims[0] != n)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: tensor %s has %u dimensions, the first of %llu, expected one of %zu",
                 tdm__gguf_name(m->gguf), name.text, t->n_dims, (unsigned long long)t->dims[0], n);
    if (t->type == TDM__TYPE_F32 && (uintptr_t)t->data % alignof(float) == 0) {
        *out = (const float *)(const void *)t->data;
        return TDM_OK;
    }
    float *copy = tdm__arena_array(&m->arena, n, sizeof *copy);
    if (!copy)
        TDM_FAIL(err, TDM_ERR_NOMEM, "%s: no memory for tensor %s", tdm__gguf_name(m->gguf), name.text);
    tdm__dequantize_row(t->type, t->data, copy, n);
    *out = copy;
    return TDM_OK;
}

static tdm_status bind_layer(tdm__model *m, int i, tdm_error *err)
{
    const tdm__hparams *hp = &m->hp;
    tdm__layer *l = &m->layers[i];
    size_t n_q = hp->n_heads * hp->head_dim, n_kv = hp->n_kv_heads * hp->head_dim;
    tdm__presence bias = m->family->qkv_bias;

    TDM_TRY(bind_vector(m, i, "attn_norm.weight", hp->n_embd, TDM__REQUIRED, &l->attn_norm, err));
    TDM_TRY(bind_matrix(m, i, "attn_q.weight", hp->n_embd, n_q, &l->q, err));
    TDM_TRY(bind_matrix(m, i, "attn_k.weight", hp->n_embd, n_kv, &l->k, err));
    TDM_TRY(bind_matrix(m, i, "attn_v.weight", hp->n_embd, n_kv, &l->v, err));
    TDM_TRY(bind_matrix(m, i, "attn_output.weight", n_q, hp->n_embd, &l->o, err));
    TDM_TRY(bind_vector(m, i, "attn_q.bias", n_q, bias, &l->q_bias, err));
    TDM_TRY(bind_vector(m, i, "attn_k.bias", n_kv, bias, &l->k_bias, err));
    TDM_TRY(bind_vector(m, i, "attn_v.bias", n_kv, bias, &l->v_bias, err));
    TDM_TRY(bind_vector(m, i, "ffn_norm.weight", hp->n_embd, TDM__REQUIRED, &l->ffn_norm, err));
    TDM_TRY(bind_matrix(m, i, "ffn_gate.weight", hp->n_embd, hp->n_ff, &l->gate, err));
    TDM_TRY(bind_matrix(m, i, "ffn_up.weight", hp->n_embd, hp->n_ff, &l->up, err));
    return bind_matrix(m, i, "ffn_down.weight", hp->n_ff, hp->n_embd, &l->down, err);
}

static tdm_status bind_vocabulary(tdm__model *m, tdm_error *err)
{
    const tdm__gguf_tensor *t;
    TDM_TRY(find(m, "token_embd.weight", TDM__REQUIRED, &t, err));
    if (t->n_dims != 2 || t->dims[1] < 1 || t->dims[1] > VOCAB_MAX)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: tensor token_embd.weight has %llu rows, allowed are 1 to %d",
                 tdm__gguf_name(m->gguf), (unsigned long long)t->dims[1], VOCAB_MAX);
    size_t n_vocab = m->hp.n_vocab = (size_t)t->dims[1], n_embd = m->hp.n_embd;
    TDM_TRY(bind_matrix(m, -1, "token_embd.weight", n_embd, n_vocab, &m->token_embd, err));
    TDM_TRY(bind_vector(m, -1, "output_norm.weight", n_embd, TDM__REQUIRED, &m->output_norm, err));
    m->is_tied = !tdm__gguf_tensor_find(m->gguf, TDM_STR("output.weight"));
    return m->is_tied ? TDM_OK : bind_matrix(m, -1, "output.weight", n_embd, n_vocab, &m->output, err);
}

/* Tensors that a block of this kind would silently leave out make it another model than its maker's. */
static tdm_status refuse_unused(const tdm__model *m, tdm_error *err)
{
    static const char *const names[] = {
        "blk.0.attn_q_norm.weight",  "blk.0.attn_k_norm.weight",         "blk.0.attn_sinks.weight",
        "blk.0.attn_output.bias",    "blk.0.post_attention_norm.weight", "blk.0.post_ffw_norm.weight",
        "blk.0.ffn_gate.bias",       "blk.0.ffn_up.bias",                "blk.0.ffn_down.bias",
        "rope_factors_long.weight",  "rope_factors_short.weight",        "output.bias",
        "rope_freqs.weight", /* last: some families read it */
    };
    size_t n = sizeof names / sizeof names[0] - (m->family->rope_factors != TDM__ABSENT);
    for (size_t i = 0; i < n; i++)
        if (tdm__gguf_tensor_find(m->gguf, tdm__str_from(names[i])))
            TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "%s: tensor %s is not built for %s models", tdm__gguf_name(m->gguf),
                     names[i], m->family->arch);
    return TDM_OK;
}

static tdm_status refuse_architecture(const tdm__model *m, tdm__str arch, tdm_error *err)
{
    char built[128];
    int n, at = 0;
    const tdm__family *all = tdm__family_all(&n);
    for (int i = 0; i < n && at < (int)sizeof built; i++)
        at += snprintf(built + at, sizeof built - (size_t)at, "%s%s", i ? ", " : "", all[i].arch);
    TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "%s: architecture \"%.*s\" is not built, built are %s", tdm__gguf_name(m->gguf),
             (int)(arch.len < 64 ? arch.len : 64), arch.ptr, built);
}

static tdm_status bind_all(tdm__model *m, const char *pack_dir, tdm_error *err)
{
    tdm__str arch = {0};
    TDM_TRY(tdm__gguf_get_str(m->gguf, "general.architecture", &arch, err));
    if (arch.len == 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: key general.architecture is missing", tdm__gguf_name(m->gguf));
    m->family = tdm__family_find(arch);
    if (!m->family)
        return refuse_architecture(m, arch, err);
    TDM_TRY(tdm__hparams_read(m->gguf, m->family, &m->hp, err));
    TDM_TRY(bind_vocabulary(m, err));
    TDM_TRY(refuse_unused(m, err));
    TDM_TRY(bind_vector(m, -1, "rope_freqs.weight", m->hp.n_rot / 2, m->family->rope_factors, &m->rope_factors, err));

    m->layers = tdm__arena_array(&m->arena, m->hp.n_layers, sizeof m->layers[0]);
    if (!m->layers)
        TDM_FAIL(err, TDM_ERR_NOMEM, "%s: no memory for %zu layers", tdm__gguf_name(m->gguf), m->hp.n_layers);
    for (size_t i = 0; i < m->hp.n_layers; i++)
        TDM_TRY(bind_layer(m, (int)i, err));
    TDM_TRY(tdm__packing_run(&m->packing, m->gguf, pack_dir, err));
    if (m->is_tied)
        m->output = m->token_embd;
    return TDM_OK;
}

tdm_status tdm__model_bind(tdm__gguf *g, const char *pack_dir, tdm__model **out, tdm_error *err)
{
    tdm__model *m = tdm__calloc(1, sizeof *m);
    if (!m)
        TDM_FAIL(err, TDM_ERR_NOMEM, "%s: no memory for the model's head", tdm__gguf_name(g));
    tdm__arena_init(&m->arena, "model", ARENA_BYTES_MAX);
    m->gguf = g;
    tdm_status s = bind_all(m, pack_dir, err);
    if (s != TDM_OK) {
        m->gguf = NULL; /* stays the caller's */
        tdm__model_close(m);
        return s;
    }
    *out = m;
    return TDM_OK;
}

tdm_status tdm__model_open(const char *path, const char *pack_dir, tdm__model **out, tdm_error *err)
{
    tdm__gguf *g = NULL;
    TDM_TRY(tdm__gguf_open(path, &g, err));
    tdm_status s = tdm__model_bind(g, pack_dir, out, err);
    if (s != TDM_OK)
        tdm__gguf_close(g);
    return s;
}

void tdm__model_close(tdm__model *m)
{
    if (!m)
        return;
    tdm__packing_fini(&m->packing);
    tdm__arena_reset(&m->arena);
    tdm__gguf_close(m->gguf);
    tdm__free(m);
}
