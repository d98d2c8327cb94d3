/* hparams.c - the sizes that a model file states about itself, read under bounds and checked against each other.
 *
 * What a key would change but no family here can do (experts, sliding windows, other RoPE scalings) is refused by
 * name: a model that loads is a model that is computed as its maker meant.
 */
#include "model/hparams.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

enum {
    LAYERS_MAX = 512,
    EMBD_MAX = 1 << 16,
    HEADS_MAX = 1 << 10,
    HEAD_DIM_MAX = 256, /* attention.h */
    FF_MAX = 1 << 18,
    CTX_MAX = 1 << 24,
    FINE_EMBD_MAX = 768, /* narrower models get two terms: docs/decisions/004 */
};

/* "ARCH.key" in a static-length buffer; arch names in the family table are short. */
typedef struct key_name {
    char text[128];
} key_name;

static key_name key_of(const tdm__family *f, const char *key)
{
    key_name k;
    snprintf(k.text, sizeof k.text, "%s.%s", f->arch, key);
    return k;
}

/* A size within 1..max; fallback 0 means that the key must be there. */
static tdm_status read_size(const tdm__gguf *g, const tdm__family *f, const char *key, uint64_t fallback, uint64_t max,
                            size_t *out, tdm_error *err)
{
    key_name k = key_of(f, key);
    uint64_t v = fallback;
    TDM_TRY(tdm__gguf_get_u64(g, k.text, &v, err));
    if (v == 0 && fallback == 0 && !tdm__gguf_find(g, k.text))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: key %s is missing", tdm__gguf_name(g), k.text);
    if (v < 1 || v > max)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s is %llu, allowed are 1 to %llu", tdm__gguf_name(g), k.text,
                 (unsigned long long)v, (unsigned long long)max);
    *out = (size_t)v;
    return TDM_OK;
}

static tdm_status read_positive(const tdm__gguf *g, const tdm__family *f, const char *key, float fallback, float *out,
                                tdm_error *err)
{
    key_name k = key_of(f, key);
    float v = fallback;
    TDM_TRY(tdm__gguf_get_f32(g, k.text, &v, err));
    if (!isfinite(v) || v <= 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s is %g, it must be finite and above 0", tdm__gguf_name(g), k.text,
                 (double)v);
    *out = v;
    return TDM_OK;
}

/* Keys whose non-zero value asks for something that forward.c does not compute. */
static tdm_status refuse_unbuilt(const tdm__gguf *g, const tdm__family *f, tdm_error *err)
{
    static const char *const keys[] = {"expert_count", "attention.sliding_window", "attn_logit_softcapping",
                                       "final_logit_softcapping"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        key_name k = key_of(f, keys[i]);
        const tdm__gguf_kv *kv = tdm__gguf_find(g, k.text);
        if (!kv)
            continue;
        float v = 0;
        uint64_t u = 0;
        bool real = kv->type == TDM__GGUF_F32 || kv->type == TDM__GGUF_F64;
        TDM_TRY(real ? tdm__gguf_get_f32(g, k.text, &v, err) : tdm__gguf_get_u64(g, k.text, &u, err));
        if (v != 0 || u != 0)
            TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "%s: %s is set, which is not built for %s models", tdm__gguf_name(g),
                     k.text, f->arch);
    }
    return TDM_OK;
}

static tdm_status read_rope(const tdm__gguf *g, const tdm__family *f, tdm__hparams *hp, tdm_error *err)
{
    TDM_TRY(read_size(g, f, "rope.dimension_count", hp->head_dim, hp->head_dim, &hp->n_rot, err));
    if (hp->n_rot % 2 != 0 || (f->rot_is_head_dim && hp->n_rot != hp->head_dim))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s.rope.dimension_count is %zu, expected %zu", tdm__gguf_name(g), f->arch,
                 hp->n_rot, hp->head_dim);
    TDM_TRY(read_positive(g, f, "rope.freq_base", 10000.0f, &hp->rope_base, err));

    key_name k = key_of(f, "rope.scaling.type");
    tdm__str type = TDM_STR("linear");
    TDM_TRY(tdm__gguf_get_str(g, k.text, &type, err));
    bool linear = tdm__str_eq(type, TDM_STR("linear"));
    if (!linear && !tdm__str_eq(type, TDM_STR("none")))
        TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "%s: %s is \"%.*s\", built are none and linear", tdm__gguf_name(g), k.text,
                 (int)(type.len < 32 ? type.len : 32), type.ptr);
    float factor = 1.0f;
    if (linear) {
        TDM_TRY(read_positive(g, f, "rope.scale_linear", 1.0f, &factor, err));
        TDM_TRY(read_positive(g, f, "rope.scaling.factor", factor, &factor, err));
    }
    hp->rope_scale = 1.0f / factor;
    return TDM_OK;
}

static tdm_status read_attention(const tdm__gguf *g, const tdm__family *f, tdm__hparams *hp, tdm_error *err)
{
    TDM_TRY(read_size(g, f, "attention.head_count", 0, HEADS_MAX, &hp->n_heads, err));
    TDM_TRY(read_size(g, f, "attention.head_count_kv", hp->n_heads, HEADS_MAX, &hp->n_kv_heads, err));
    if (hp->n_heads % hp->n_kv_heads != 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %zu attention heads are no multiple of %zu key-value heads",
                 tdm__gguf_name(g), hp->n_heads, hp->n_kv_heads);
    TDM_TRY(read_size(g, f, "attention.key_length", hp->n_embd / hp->n_heads, HEAD_DIM_MAX, &hp->head_dim, err));
    size_t value_length;
    TDM_TRY(read_size(g, f, "attention.value_length", hp->head_dim, HEAD_DIM_MAX, &value_length, err));
    if (value_length != hp->head_dim || hp->head_dim % 2 != 0)
        TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "%s: heads of %zu key and %zu value dimensions, built are equal even sizes",
                 tdm__gguf_name(g), hp->head_dim, value_length);
    return read_positive(g, f, "attention.scale", 1.0f / sqrtf((float)hp->head_dim), &hp->attention_scale, err);
}

tdm_status tdm__hparams_read(const tdm__gguf *g, const tdm__family *f, tdm__hparams *hp, tdm_error *err)
{
    *hp = (tdm__hparams){0};
    TDM_TRY(refuse_unbuilt(g, f, err));
    TDM_TRY(read_size(g, f, "block_count", 0, LAYERS_MAX, &hp->n_layers, err));
    TDM_TRY(read_size(g, f, "embedding_length", 0, EMBD_MAX, &hp->n_embd, err));
    hp->act_terms = hp->n_embd < FINE_EMBD_MAX ? 2 : 1;
    TDM_TRY(read_size(g, f, "feed_forward_length", 0, FF_MAX, &hp->n_ff, err));
    TDM_TRY(read_size(g, f, "context_length", 0, CTX_MAX, &hp->n_ctx_train, err));
    TDM_TRY(read_attention(g, f, hp, err));
    TDM_TRY(read_positive(g, f, "attention.layer_norm_rms_epsilon", 1e-5f, &hp->norm_eps, err));
    return read_rope(g, f, hp, err);
}
