/* forward.c - the block of a transformer, step by step, for a batch of rows.
 *
 *      x = embedding[token]
 *      each layer:  h = norm(x);  q, k, v = W h + b;  rotate q, k;  store k, v
 *                   x += W_o attention(q)
 *                   h = norm(x);  x += W_down (silu(W_gate h) * (W_up h))
 *      logits = W_out norm(x)              only for the rows that want them, or their largest one
 *
 * It owns the scratch of all these names, sized at create; nothing is allocated in a run. What differs between
 * families is in the family's row and in which weights are present. Behind the last attention only the rows that
 * want logits go on: nobody reads the others.
 */
#include "model/forward.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "kernel/attention.h"
#include "kernel/matmul.h"
#include "os/heap.h"

enum { SCRATCH_ALIGN = 64, TEAM_ROWS_MIN = 4 /* fewer rows are done faster than a team is woken */ };

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
    float *gate, *up;              /* [n_rows][n_ff] */
    tdm__act_slab *quantized;      /* the activations that the next matrices read */
    tdm__attention_row *queries;   /* [n_rows] */
    void *attention_scratch;
    void *best_scratch;
};

static tdm__attention_shape shape_of(const tdm__hparams *hp)
{
    return (tdm__attention_shape){.n_heads = hp->n_heads,
                                  .n_kv_heads = hp->n_kv_heads,
                                  .head_dim = hp->head_dim,
                                  .scale = hp->attention_scale};
}

static size_t widest_input(const tdm__hparams *hp)
{
    return tdm__max_size(tdm__max_size(hp->n_embd, hp->n_ff), hp->n_heads * hp->head_dim);
}

/* Gives every buffer its place in one block at base, or with f NULL only counts; the bytes in all. */
static size_t lay_out(tdm__forward *f, unsigned char *base, const tdm__hparams *hp, size_t n_rows, size_t n_ctx,
                      int n_threads)
{
    tdm__attention_shape shape = shape_of(hp);
    size_t n_q = hp->n_heads * hp->head_dim, n_kv = hp->n_kv_heads * hp->head_dim, n_angles = hp->n_rot / 2;
    size_t attention_bytes = tdm__attention_scratch_bytes(&shape, n_ctx, n_threads);
    tdm__forward counted_only;
    tdm__forward *to = f ? f : &counted_only;
    const struct {
        void *slot; /* a pointer to an object type */
        size_t bytes;
    } parts[] = {
        {&to->frequencies, n_angles * sizeof(double)},
        {&to->cos, n_rows * n_angles * sizeof(float)},
        {&to->sin, n_rows * n_angles * sizeof(float)},
        {&to->x, n_rows * hp->n_embd * sizeof(float)},
        {&to->h, n_rows * hp->n_embd * sizeof(float)},
        {&to->q, n_rows * n_q * sizeof(float)},
        {&to->k, n_rows * n_kv * sizeof(float)},
        {&to->v, n_rows * n_kv * sizeof(float)},
        {&to->mixed, n_rows * n_q * sizeof(float)},
        {&to->gate, n_rows * hp->n_ff * sizeof(float)},
        {&to->up, n_rows * hp->n_ff * sizeof(float)},
        {&to->quantized, tdm__acts_bytes(n_rows, widest_input(hp), hp->act_terms)},
        {&to->queries, n_rows * sizeof(tdm__attention_row)},
        {&to->attention_scratch, attention_bytes},
        {&to->best_scratch, tdm__best_bytes(n_rows, n_threads)},
    };
    size_t total = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (f) {
            void *at = base + total;
            memcpy(parts[i].slot, &at, sizeof at);
        }
        total += tdm__align_up(parts[i].bytes, SCRATCH_ALIGN);
    }
    to->attention_bytes = attention_bytes;
    return total;
}

size_t tdm__forward_bytes(const tdm__model *m, size_t n_rows_max, size_t n_ctx_max, int n_threads)
{
    return lay_out(NULL, NULL, &m->hp, n_rows_max, n_ctx_max, n_threads);
}

/* Angles of RoPE: base^(-2i / n_rot), divided by the file's factors and stretched by linear scaling. */
static void fill_frequencies(tdm__forward *f)
{
    const tdm__hparams *hp = &f->model->hp;
    for (size_t i = 0; i < hp->n_rot / 2; i++) {
        double factor = f->model->rope_factors ? (double)f->model->rope_factors[i] : 1.0;
        f->frequencies[i] =
            pow((double)hp->rope_base, -2.0 * (double)i / (double)hp->n_rot) * (double)hp->rope_scale / factor;
    }
}

tdm_status tdm__forward_create(const tdm__model *m, const tdm__kernels *k, tdm__team *team, size_t n_rows_max,
                               size_t n_ctx_max, tdm__forward **out, tdm_error *err)
{
    assert(n_rows_max >= 1);
    int n_threads = tdm__team_size(team);
    size_t bytes = tdm__forward_bytes(m, n_rows_max, n_ctx_max, n_threads);
    tdm__forward *f = tdm__calloc(1, sizeof *f);
    unsigned char *memory = tdm__aligned_alloc(SCRATCH_ALIGN, bytes);
    if (!f || !memory) {
        tdm__free(f);
        tdm__free(memory);
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the scratch of %zu rows: it takes %zu bytes", n_rows_max, bytes);
    }
    *f = (tdm__forward){.model = m, .kernels = k, .team = team, .n_rows_max = n_rows_max, .memory = memory};
    lay_out(f, memory, &m->hp, n_rows_max, n_ctx_max, n_threads);
    fill_frequencies(f);
    *out = f;
    return TDM_OK;
}

void tdm__forward_destroy(tdm__forward *f)
{
    if (!f)
        return;
    tdm__free(f->memory);
    tdm__free(f);
}

/* One run over the batch: what the row functions below read. */
typedef struct pass {
    tdm__forward *f;
    const tdm__row *rows;
    size_t n;      /* rows still on their way */
    size_t n_best; /* of these the last, behind the last attention: they want their best token */
    const float *norm_weight;
} pass;

/* Rows are independent: a team shares them when there are enough. */
static void for_rows(const pass *p, tdm__team_fn fn)
{
    if (p->n < TEAM_ROWS_MIN)
        fn((void *)(uintptr_t)p, 0, 1);
    else
        tdm__team_run(p->f->team, fn, (void *)(uintptr_t)p);
}

static void embed_rows(void *ctx, int member, int n_members)
{
    const pass *p = ctx;
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

static void norm_rows(void *ctx, int member, int n_members)
{
    const pass *p = ctx;
    const tdm__hparams *hp = &p->f->model->hp;
    size_t begin, end;
    tdm__team_range(p->n, member, n_members, &begin, &end);
    for (size_t r = begin; r < end; r++)
        p->f->kernels->rms_norm(p->f->x + r * hp->n_embd, p->norm_weight, hp->norm_eps, p->f->h + r * hp->n_embd,
                                hp->n_embd);
}

static void add_rows(void *ctx, int member, int n_members)
{
    const pass *p = ctx;
    size_t begin, end, n_embd = p->f->model->hp.n_embd;
    tdm__team_range(p->n, member, n_members, &begin, &end);
    p->f->kernels->add(p->f->x + begin * n_embd, p->f->h + begin * n_embd, (end - begin) * n_embd);
}

static void rotate_rows(void *ctx, int member, int n_members)
{
    const pass *p = ctx;
    const tdm__model *m = p->f->model;
    const tdm__hparams *hp = &m->hp;
    const tdm__kernels *kn = p->f->kernels;
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
    }
}

static void silu_rows(void *ctx, int member, int n_members)
{
    const pass *p = ctx;
    size_t begin, end, n_ff = p->f->model->hp.n_ff;
    tdm__team_range(p->n, member, n_members, &begin, &end);
    p->f->kernels->silu_mul(p->f->gate + begin * n_ff, p->f->up + begin * n_ff, p->f->gate + begin * n_ff,
                            (end - begin) * n_ff);
}

static bool reads_quantized(tdm__type type)
{
    return type != TDM__TYPE_F32 && type != TDM__TYPE_F16 && type != TDM__TYPE_BF16;
}

/* out[i] = W_i x for matrices that read the same x [n][n_cols]. */
static void multiply(const pass *p, const float *x, const tdm__matmul_job *jobs, size_t n_jobs)
{
    tdm__acts acts = {.x = x,
                      .q = p->f->quantized,
                      .n_tokens = p->n,
                      .n_cols = jobs[0].w->n_cols,
                      .terms = p->f->model->hp.act_terms};
    bool quantized = false;
    for (size_t i = 0; i < n_jobs; i++)
        quantized = quantized || reads_quantized(jobs[i].w->type);
    if (quantized)
        tdm__acts_quantize(p->f->kernels, p->f->team, &acts);
    tdm__matmul(p->f->kernels, p->f->team, jobs, n_jobs, &acts);
}

static tdm__matmul_job product(const tdm__weight *w, const float *bias, float *out)
{
    return (tdm__matmul_job){.w = w, .bias = bias, .out = out, .out_stride = w->n_rows};
}

static void normalize(pass *p, const float *weight)
{
    p->norm_weight = weight;
    for_rows(p, norm_rows);
}

/* mixed = attention over the cache, in which the batch's own keys and values are stored first. */
static void attend(const pass *p, const tdm__layer *l, size_t i_layer)
{
    tdm__forward *f = p->f;
    const tdm__hparams *hp = &f->model->hp;
    tdm__attention_shape shape = shape_of(hp);
    size_t n_q = hp->n_heads * hp->head_dim, n_kv = hp->n_kv_heads * hp->head_dim;
    tdm__matmul_job jobs[] = {product(&l->q, l->q_bias, f->q), product(&l->k, l->k_bias, f->k),
                              product(&l->v, l->v_bias, f->v)};

    multiply(p, f->h, jobs, 3);
    for_rows(p, rotate_rows);
    for (size_t r = 0; r < p->n; r++) {
        tdm__kv_layer *kv = &p->rows[r].kv->layers[i_layer];
        tdm__kv_store(f->kernels, &shape, kv, p->rows[r].pos, f->k + r * n_kv, f->v + r * n_kv);
        f->queries[r] = (tdm__attention_row){
            .q = f->q + r * n_q, .out = f->mixed + r * n_q, .kv = kv, .pos = p->rows[r].pos};
    }
    tdm__attention(f->kernels, f->team, &shape, f->queries, p->n, f->attention_scratch, f->attention_bytes);
}

/* Copies the rows of a kind behind the *n that are there. */
static void keep(const pass *p, tdm__wants wants, float *x, float *mixed, size_t *n)
{
    const tdm__hparams *hp = &p->f->model->hp;
    size_t n_q = hp->n_heads * hp->head_dim;
    for (size_t r = 0; r < p->n; r++)
        if (p->rows[r].wants == wants) {
            memcpy(x + *n * hp->n_embd, p->f->x + r * hp->n_embd, hp->n_embd * sizeof(float));
            memcpy(mixed + *n * n_q, p->f->mixed + r * n_q, n_q * sizeof(float));
            ++*n;
        }
}

static void swap_floats(float **a, float **b)
{
    float *was = *a;
    *a = *b;
    *b = was;
}

/* Leaves the rows that want logits, then those that want their best token; the others are done. What h and q held is
 * used up, and they are as large as x and mixed. */
static void keep_wanted(pass *p)
{
    tdm__forward *f = p->f;
    size_t n = 0;
    keep(p, TDM__WANTS_LOGITS, f->h, f->q, &n);
    size_t n_logits = n;
    keep(p, TDM__WANTS_BEST, f->h, f->q, &n);
    swap_floats(&f->x, &f->h);
    swap_floats(&f->mixed, &f->q);
    p->n = n;
    p->n_best = n - n_logits;
}

static void add_attention(const pass *p, const tdm__layer *l)
{
    tdm__matmul_job job = product(&l->o, NULL, p->f->h);
    multiply(p, p->f->mixed, &job, 1);
    for_rows(p, add_rows);
}

static void add_feed_forward(pass *p, const tdm__layer *l)
{
    tdm__forward *f = p->f;
    normalize(p, l->ffn_norm);
    tdm__matmul_job jobs[] = {product(&l->gate, NULL, f->gate), product(&l->up, NULL, f->up)};
    multiply(p, f->h, jobs, 2);
    for_rows(p, silu_rows);
    tdm__matmul_job job = product(&l->down, NULL, f->h);
    multiply(p, f->gate, &job, 1);
    for_rows(p, add_rows);
}

tdm_status tdm__forward_run(tdm__forward *f, const tdm__row *rows, size_t n, float *logits, tdm__best *best,
                            const atomic_bool *cancel)
{
    assert(n >= 1 && n <= f->n_rows_max);
    const tdm__model *m = f->model;
    pass p = {.f = f, .rows = rows, .n = n};

    for_rows(&p, embed_rows);
    for (size_t i = 0; i < m->hp.n_layers; i++) {
        const tdm__layer *l = &m->layers[i];
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
            return TDM_ERR_CANCELLED;
        normalize(&p, l->attn_norm);
        attend(&p, l, i);
        if (i + 1 == m->hp.n_layers)
            keep_wanted(&p);
        if (p.n == 0)
            return TDM_OK;
        add_attention(&p, l);
        add_feed_forward(&p, l);
    }
    normalize(&p, m->output_norm);
    tdm__matmul_job job = product(&m->output, NULL, logits);
    job.n_best = p.n_best;
    job.best = best;
    job.best_scratch = f->best_scratch;
    multiply(&p, f->h, &job, 1);
    return TDM_OK;
}
