/* forward_rows.c - what is done with one row by itself, between the products.
 *
 * Rows are independent, so a team shares them. A step goes over a row once, from what the last product left to the
 * activations that the next one reads: the sums of floats are those of the kernels one by one, in the same order.
 */
#include <math.h>

#include "model/forward_internal.h"

enum { TEAM_ROWS_MIN = 4 /* fewer rows are done faster than a team is woken */ };

/* Rows are independent: a team shares them when there are enough. */
static void for_rows(const tdm__pass *p, tdm__team_fn fn)
{
    if (p->n < TEAM_ROWS_MIN)
        fn((void *)(uintptr_t)p, 0, 1);
    else
        tdm__team_run(p->f->team, fn, (void *)(uintptr_t)p);
}

static void embed_rows(void *ctx, int member, int n_members)
{
    const tdm__pass *p = ctx;
    const tdm__model *m = p->f->model;
    size_t begin, end, n_angles = m->hp.n_rot / 2;
    tdm__team_range(p->n, member, n_members, &begin, &end);
    for (size_t r = begin; r < end; r++) {
        const tdm__weight *w = &m->token_embd;
        tdm__packed_row(w, (size_t)p->rows[r].token, p->f->x + r * m->hp.n_embd);
        for (size_t i = 0; i < n_angles; i++) {
            double angle = (double)p->rows[r].pos * p->f->frequencies[i];
            p->f->cos[r * n_angles + i] = (float)cos(angle);
            p->f->sin[r * n_angles + i] = (float)sin(angle);
        }
    }
}

static void quantize_row(const tdm__pass *p, size_t r)
{
    if (p->quantizes)
        tdm__acts_quantize(p->f->kernels, &p->acts, r, r + 1);
}

static void norm_rows(void *ctx, int member, int n_members)
{
    const tdm__pass *p = ctx;
    const tdm__hparams *hp = &p->f->model->hp;
    const tdm__kernels *kn = p->f->kernels;
    size_t begin, end;
    tdm__team_range(p->n, member, n_members, &begin, &end);
    for (size_t r = begin; r < end; r++) {
        float *x = p->f->x + r * hp->n_embd, *h = p->f->h + r * hp->n_embd;
        if (p->has_branch)
            kn->add(x, h, hp->n_embd);
        kn->rms_norm(x, p->norm_weight, hp->norm_eps, h, hp->n_embd);
        quantize_row(p, r);
    }
}

static void quantize_rows(void *ctx, int member, int n_members)
{
    const tdm__pass *p = ctx;
    size_t begin, end;
    tdm__team_range(p->n, member, n_members, &begin, &end);
    tdm__acts_quantize(p->f->kernels, &p->acts, begin, end);
}

/* Whether pair i of a head turns by less than one radian over all positions that the model was trained for. */
static bool pair_stands(const tdm__pass *p, size_t i)
{
    return p->f->frequencies[i] * (double)p->f->model->hp.n_ctx_train <= 1.0;
}

/* Adding one vector to all keys of a head changes no softmax. Some models have biases of keys that are a hundred times
 * what the keys tell, in pairs that hardly turn (Qwen 2.5: 145 in the first layer, decision 026); q8 would spend its
 * steps on them. So they are taken away again: a key gets nearer to zero by that at every position. */
static void take_common_away(const tdm__pass *p, const float *bias, float *k)
{
    const tdm__hparams *hp = &p->f->model->hp;
    const bool is_neox = p->f->model->family->rope == TDM__ROPE_NEOX;
    for (size_t h = 0; h < hp->n_kv_heads; h++, k += hp->head_dim, bias += hp->head_dim) {
        for (size_t i = 0; i < hp->n_rot / 2; i++)
            if (pair_stands(p, i)) {
                size_t first = is_neox ? i : 2 * i, second = is_neox ? i + hp->n_rot / 2 : 2 * i + 1;
                k[first] -= bias[first];
                k[second] -= bias[second];
            }
        for (size_t d = hp->n_rot; d < hp->head_dim; d++)
            k[d] -= bias[d];
    }
}

static void store_rows(void *ctx, int member, int n_members)
{
    const tdm__pass *p = ctx;
    const tdm__model *m = p->f->model;
    const tdm__hparams *hp = &m->hp;
    const tdm__kernels *kn = p->f->kernels;
    const tdm__attention_shape shape = tdm__forward_shape(hp);
    const float *k_bias = m->layers[p->i_layer].k_bias;
    size_t begin, end, n_q = hp->n_heads * hp->head_dim, n_kv = hp->n_kv_heads * hp->head_dim;
    tdm__team_range(p->n, member, n_members, &begin, &end);
    for (size_t r = begin; r < end; r++) {
        const float *cos = p->f->cos + r * (hp->n_rot / 2), *sin = p->f->sin + r * (hp->n_rot / 2);
        float *q = p->f->q + r * n_q, *k = p->f->k + r * n_kv;
        if (m->family->rope == TDM__ROPE_NEOX) {
            kn->rope_neox(q, hp->n_heads, hp->head_dim, hp->n_rot, cos, sin);
            kn->rope_neox(k, hp->n_kv_heads, hp->head_dim, hp->n_rot, cos, sin);
        } else {
            kn->rope_norm(q, hp->n_heads, hp->head_dim, hp->n_rot, cos, sin);
            kn->rope_norm(k, hp->n_kv_heads, hp->head_dim, hp->n_rot, cos, sin);
        }
        tdm__kv_layer *kv = &p->rows[r].kv->layers[p->i_layer];
        if (kv->type == TDM__KV_Q8 && k_bias)
            take_common_away(p, k_bias, k);
        tdm__kv_store(kn, &shape, kv, p->rows[r].pos, k, p->f->v + r * n_kv);
        p->f->queries[r] =
            (tdm__attention_row){.q = q, .out = p->f->mixed + r * n_q, .kv = kv, .pos = p->rows[r].pos};
    }
}

void tdm__rows_embed(const tdm__pass *p) { for_rows(p, embed_rows); }
void tdm__rows_norm(const tdm__pass *p) { for_rows(p, norm_rows); }
void tdm__rows_store(const tdm__pass *p) { for_rows(p, store_rows); }
void tdm__rows_quantize(const tdm__pass *p) { for_rows(p, quantize_rows); }
