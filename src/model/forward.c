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
#include "model/forward_internal.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "os/heap.h"

enum { SCRATCH_ALIGN = 64 };

static size_t widest_input(const tdm__hparams *hp)
{
    return tdm__max_size(tdm__max_size(hp->n_embd, hp->n_ff), hp->n_heads * hp->head_dim);
}

/* Gives every buffer its place in one block at base, or with f NULL only counts; the bytes in all. */
static size_t lay_out(tdm__forward *f, unsigned char *base, const tdm__hparams *hp, size_t n_rows, size_t n_ctx,
                      int n_threads)
{
    tdm__attention_shape shape = tdm__forward_shape(hp);
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
        {&to->gated, n_rows * hp->n_ff * sizeof(float)},
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

static bool reads_quantized(tdm__type type)
{
    return type != TDM__TYPE_F32 && type != TDM__TYPE_F16 && type != TDM__TYPE_BF16;
}

/* x [n][columns of the jobs' matrices] is what the jobs will read. */
static void set_acts(tdm__pass *p, const float *x, const tdm__matmul_job *jobs, size_t n_jobs)
{
    p->acts = (tdm__acts){.x = x,
                          .q = p->f->quantized,
                          .n_tokens = p->n,
                          .n_cols = jobs[0].w->n_cols,
                          .terms = p->f->model->hp.act_terms};
    p->quantizes = false;
    for (size_t i = 0; i < n_jobs; i++)
        p->quantizes = p->quantizes || reads_quantized(jobs[i].w->type) ||
                       (jobs[i].gate && reads_quantized(jobs[i].gate->type));
}

/* out[i] = W_i x for the acts that were set and, by a row function, computed. */
static void multiply(const tdm__pass *p, const tdm__matmul_job *jobs, size_t n_jobs)
{
    tdm__matmul(p->f->kernels, p->f->team, jobs, n_jobs, &p->acts);
}

static tdm__matmul_job product(const tdm__weight *w, const float *bias, float *out)
{
    return (tdm__matmul_job){.w = w, .bias = bias, .out = out, .out_stride = w->n_rows};
}

/* The jobs' outputs from norm(x), once the branch that waits in h is added. */
static void multiply_normed(tdm__pass *p, const float *weight, const tdm__matmul_job *jobs, size_t n_jobs)
{
    p->norm_weight = weight;
    set_acts(p, p->f->h, jobs, n_jobs);
    tdm__rows_norm(p);
    p->has_branch = false;
    multiply(p, jobs, n_jobs);
}

/* mixed = attention over the cache, in which the batch's own keys and values are stored first. */
static void attend(tdm__pass *p, const tdm__layer *l)
{
    tdm__forward *f = p->f;
    const tdm__attention_shape shape = tdm__forward_shape(&f->model->hp);
    const tdm__matmul_job jobs[] = {product(&l->q, l->q_bias, f->q), product(&l->k, l->k_bias, f->k),
                                    product(&l->v, l->v_bias, f->v)};
    multiply_normed(p, l->attn_norm, jobs, 3);
    tdm__rows_store(p);
    tdm__attention(f->kernels, f->team, &shape, f->queries, p->n, f->attention_scratch, f->attention_bytes);
}

/* Copies the rows of a kind behind the *n that are there. */
static void keep(const tdm__pass *p, tdm__wants wants, float *x, float *mixed, size_t *n)
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
static void keep_wanted(tdm__pass *p)
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

static void quantize_acts(const tdm__pass *p)
{
    if (p->quantizes)
        tdm__rows_quantize(p);
}

/* The branch of the attention: W_o mixed. */
static void project_attention(tdm__pass *p, const tdm__layer *l)
{
    const tdm__matmul_job job = product(&l->o, NULL, p->f->h);
    set_acts(p, p->f->mixed, &job, 1);
    quantize_acts(p);
    multiply(p, &job, 1);
    p->has_branch = true;
}

static void feed_forward(tdm__pass *p, const tdm__layer *l)
{
    tdm__forward *f = p->f;
    tdm__matmul_job up = product(&l->up, NULL, f->gated);
    const tdm__matmul_job down = product(&l->down, NULL, f->h);
    up.gate = &l->gate;
    multiply_normed(p, l->ffn_norm, &up, 1);
    set_acts(p, f->gated, &down, 1);
    quantize_acts(p);
    multiply(p, &down, 1);
    p->has_branch = true;
}

tdm_status tdm__forward_run(tdm__forward *f, const tdm__row *rows, size_t n, float *logits, tdm__best *best,
                            const atomic_bool *cancel)
{
    assert(n >= 1 && n <= f->n_rows_max);
    const tdm__model *m = f->model;
    tdm__pass p = {.f = f, .rows = rows, .n = n};

    tdm__rows_embed(&p);
    for (; p.i_layer < m->hp.n_layers; p.i_layer++) {
        const tdm__layer *l = &m->layers[p.i_layer];
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
            return TDM_ERR_CANCELLED;
        attend(&p, l);
        if (p.i_layer + 1 == m->hp.n_layers)
            keep_wanted(&p);
        if (p.n == 0)
            return TDM_OK;
        project_attention(&p, l);
        feed_forward(&p, l);
    }
    tdm__matmul_job job = product(&m->output, NULL, logits);
    job.n_best = p.n_best;
    job.best = best;
    job.best_scratch = f->best_scratch;
    multiply_normed(&p, m->output_norm, &job, 1);
    return TDM_OK;
}
