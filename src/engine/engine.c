/* engine.c - what an engine is made of: sized first, refused or taken whole, given back whole. */
#include "engine/engine.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "engine/engine_internal.h"
#include "os/heap.h"
#include "os/thread.h"

enum { CTX_DEFAULT = 4096, CTX_MIN = 2 };

/* Fills in the defaults. */
static tdm_status resolve_options(const tdm__model *m, const tdm__engine_options *o, tdm__engine_options *out,
                                  tdm_error *err)
{
    *out = *o;
    if (out->n_threads <= 0)
        out->n_threads = tdm__cpu_count();
    if (out->n_slots == 0)
        out->n_slots = 1;
    if (out->n_ctx == 0)
        out->n_ctx = tdm__min_size(CTX_DEFAULT, m->hp.n_ctx_train);
    if (out->n_slots > TDM__SLOTS_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "%zu sequences at once, allowed are at most %d", out->n_slots, TDM__SLOTS_MAX);
    if (out->n_queue > TDM__QUEUE_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "a queue of %zu, allowed is at most %d", out->n_queue, TDM__QUEUE_MAX);
    if (out->n_ctx < CTX_MIN)
        TDM_FAIL(err, TDM_ERR_INVAL, "a context of %zu positions, the least is %d", out->n_ctx, CTX_MIN);
    if (out->n_ctx > m->hp.n_ctx_train)
        TDM_FAIL(err, TDM_ERR_LIMIT, "a context of %zu positions, the model was trained for %zu", out->n_ctx,
                 m->hp.n_ctx_train);
    return TDM_OK;
}

static size_t rows_max(const tdm__engine_options *o) { return TDM__ENGINE_ROWS + o->n_slots; }

static size_t draft_rows(const tdm__engine_options *o) { return o->no_drafts ? 0 : TDM__DRAFT_ROWS_MAX; }

static size_t draft_logits(const tdm__engine_options *o) { return o->no_drafts ? 0 : TDM__DRAFT_LOGITS_MAX; }

static tdm_status estimate(const tdm__model *m, const tdm__engine_options *o, tdm__engine_memory *out, tdm_error *err)
{
    const uint64_t store = o->prefix.dir ? tdm__prefix_store_bytes(m, o->kv_type, o->n_slots, o->n_ctx) : 0;
    uint64_t slot_scratch = m->hp.n_vocab * sizeof(float) + sizeof(tdm__best) + o->n_ctx * sizeof(int32_t) +
                            sizeof(tdm__slot);
    uint64_t shared = tdm__forward_bytes(m, rows_max(o), o->n_ctx, o->n_threads) +
                      tdm__sampler_bytes(m->hp.n_vocab) + rows_max(o) * sizeof(tdm__row) + sizeof(tdm__engine) + store +
                      draft_logits(o) * m->hp.n_vocab * sizeof(float) + draft_rows(o) * sizeof(tdm__best);
    out->job_bytes = tdm__job_bytes(o->n_ctx) * (o->n_slots + o->n_queue); /* below 2^32 jobs of some MiB */
    if (!tdm__mul_u64(tdm__kv_bytes(m, o->n_ctx, o->kv_type), o->n_slots, &out->kv_bytes) ||
        !tdm__mul_u64(slot_scratch, o->n_slots, &slot_scratch) ||
        !tdm__add_u64(slot_scratch, shared, &out->scratch_bytes))
        TDM_FAIL(err, TDM_ERR_LIMIT, "%zu sequences of %zu positions are more than can be counted", o->n_slots,
                 o->n_ctx);
    return TDM_OK;
}

tdm_status tdm__engine_estimate(const tdm__model *m, const tdm__engine_options *o, tdm__engine_memory *out,
                                tdm_error *err)
{
    tdm__engine_options resolved;
    TDM_TRY(resolve_options(m, o, &resolved, err));
    return estimate(m, &resolved, out, err);
}

static tdm_status check_memory(const tdm__model *m, const tdm__engine_options *o, tdm__engine_memory *out,
                               tdm_error *err)
{
    tdm__engine_memory need = {0};
    TDM_TRY(estimate(m, o, &need, err));
    *out = need;
    uint64_t have = tdm__memory_available(), sum;
    if (o->memory_bytes_max > 0 && o->memory_bytes_max < have)
        have = o->memory_bytes_max;
    uint64_t beside = need.scratch_bytes + need.job_bytes;
    if (!tdm__add_u64(need.kv_bytes, beside, &sum) || sum > have)
        TDM_FAIL(err, TDM_ERR_LIMIT,
                 "%zu sequences of %zu positions need %.1f MiB of memory (%.1f of them caches), %.1f MiB may be taken: "
                 "lower -c or --parallel%s",
                 o->n_slots, o->n_ctx, (double)need.kv_bytes / 1048576 + (double)beside / 1048576,
                 (double)need.kv_bytes / 1048576, (double)have / 1048576,
                 o->kv_type == TDM__KV_F16 ? ", or take --kv q8" : "");
    return TDM_OK;
}

static tdm_status take_memory(tdm__engine *e, const tdm__engine_options *o, tdm_error *err)
{
    e->team = tdm__team_create(o->n_threads);
    if (!e->team)
        TDM_FAIL(err, TDM_ERR_NOMEM, "cannot start %d threads", o->n_threads);
    e->slots = tdm__calloc(e->n_slots, sizeof e->slots[0]);
    e->rows = tdm__calloc(e->n_rows_max, sizeof e->rows[0]);
    e->logits = tdm__calloc((e->n_slots + e->n_draft_logits) * e->model->hp.n_vocab, sizeof e->logits[0]);
    e->best = tdm__calloc(e->n_slots + e->n_draft_rows, sizeof e->best[0]);
    if (!e->slots || !e->rows || !e->logits || !e->best)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the logits of %zu sequences", e->n_slots);
    for (size_t i = 0; i < e->n_slots; i++) {
        TDM_TRY(tdm__kv_init(&e->slots[i].kv, e->model, e->n_ctx, o->kv_type, err));
        e->slots[i].tokens = tdm__calloc(e->n_ctx, sizeof e->slots[i].tokens[0]);
        if (!e->slots[i].tokens)
            TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a history of %zu tokens", e->n_ctx);
    }
    TDM_TRY(tdm__prefix_store_create(e->model, &e->slots[0].kv, e->n_slots, e->n_ctx, &o->prefix, &e->prefix, err));
    TDM_TRY(tdm__sampler_create(&e->kernels, e->n_vocab, &e->sampler, err));
    return tdm__forward_create(e->model, &e->kernels, e->team, e->n_rows_max, e->n_ctx, &e->forward, err);
}

static tdm_status start(tdm__engine *e, const tdm__engine_options *o, tdm_error *err)
{
    TDM_TRY(take_memory(e, o, err));
    int rc = tdm__thread_start(&e->thread, tdm__engine_main, e);
    e->has_thread = rc == 0;
    return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "cannot start the engine's thread");
}

tdm_status tdm__engine_create(const tdm__model *m, const tdm__tokenizer *t, const tdm__engine_options *options,
                              tdm__engine **out, tdm_error *err)
{
    tdm__engine_options o;
    TDM_TRY(resolve_options(m, options, &o, err));
    tdm__engine_memory memory;
    TDM_TRY(check_memory(m, &o, &memory, err));
    tdm__engine *e = tdm__calloc(1, sizeof *e);
    if (!e)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for an engine");
    e->model = m;
    e->tokenizer = t;
    e->n_ctx = o.n_ctx;
    e->n_slots = e->stats.n_slots = o.n_slots;
    e->stats.memory = memory;
    e->n_rows_max = rows_max(&o);
    e->n_draft_rows = draft_rows(&o);
    e->n_draft_logits = draft_logits(&o);
    e->n_jobs_max = o.n_slots + o.n_queue;
    /* Rows of the embedding beyond the tokenizer's vocabulary are padding: no text could be made of them. */
    e->n_vocab = tdm__min_size(m->hp.n_vocab, tdm__tokenizer_vocab_size(t));
    tdm__kernels_init(&e->kernels, o.isa_max);
    pthread_mutex_init(&e->mutex, NULL);
    pthread_cond_init(&e->work, NULL);
    tdm_status status = start(e, &o, err);
    if (status != TDM_OK) {
        tdm__engine_destroy(e);
        return status;
    }
    *out = e;
    return TDM_OK;
}

void tdm__engine_destroy(tdm__engine *e)
{
    if (!e)
        return;
    if (e->has_thread) {
        pthread_mutex_lock(&e->mutex);
        e->stop = true;
        pthread_cond_signal(&e->work);
        pthread_mutex_unlock(&e->mutex);
        atomic_store(&e->interrupt, true);
        pthread_join(e->thread, NULL);
    }
    tdm__prefix_store_destroy(e->prefix); /* while the caches are there that it writes */
    tdm__forward_destroy(e->forward);
    tdm__sampler_destroy(e->sampler);
    for (size_t i = 0; e->slots && i < e->n_slots; i++) {
        tdm__kv_fini(&e->slots[i].kv);
        tdm__free(e->slots[i].tokens);
    }
    tdm__team_destroy(e->team);
    tdm__free(e->slots);
    tdm__free(e->rows);
    tdm__free(e->logits);
    tdm__free(e->best);
    pthread_cond_destroy(&e->work);
    pthread_mutex_destroy(&e->mutex);
    tdm__free(e);
}

void tdm__engine_stop_storing(tdm__engine *e) { tdm__prefix_store_begin_anew(e->prefix); }

size_t tdm__engine_n_ctx(const tdm__engine *e) { return e->n_ctx; }

void tdm__engine_get_stats(tdm__engine *e, tdm__engine_stats *out)
{
    pthread_mutex_lock(&e->mutex);
    *out = e->stats;
    pthread_mutex_unlock(&e->mutex);
    tdm__prefix_store_get_stats(e->prefix, &out->prefix);
    for (size_t p = 0; p < TDM__N_PRIORITIES; p++) {
        out->n_running += out->n_running_of[p];
        out->n_queued += out->n_queued_of[p];
    }
}
