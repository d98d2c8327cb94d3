/* compose.c - a composed answer: the feature's thread, its generations, what it releases.
 *
 * The thread blocks in a generation while the engine's thread fills its buffers; so at any time one thread touches what
 * is released.
 */
#include "request/compose.h"

#include <string.h>

#include "base/error.h"
#include "os/heap.h"
#include "os/thread.h"
#include "request/prompt.h"
#include "request/request_internal.h"

/* ---- a generation ---- */

static tdm_status check_generation(const tdm__request *r, const tdm__generation *g, tdm_error *err)
{
    if (g->n < 1 || g->n > r->n_places)
        TDM_FAIL(err, TDM_ERR_INVAL, "%zu candidates side by side, the request was admitted for 1 to %zu", g->n,
                 r->n_places);
    if (g->n_stops > TDM__STOPS_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "%zu stop strings, allowed are at most %d", g->n_stops, TDM__STOPS_MAX);
    return TDM_OK;
}

static tdm_status begin_generation(tdm__request *r, const tdm__generation *g, tdm_error *err)
{
    const tdm__service *s = r->service;
    tdm__job_params p = r->params;
    p.max_tokens = g->max_tokens;
    p.sampling = g->sampling;
    p.n_stops = g->n_stops;
    memcpy(p.stops, g->stops, sizeof p.stops);
    int32_t *ids = NULL;
    TDM_TRY(tdm__prompt_make(s->template, s->tokenizer, g->messages, r->now_unix_s, &ids, &p.n_prompt, err));
    p.prompt = ids;
    p.n_public = tdm__prompt_count_public(s->template, s->tokenizer, g->messages, g->n_public_turns, r->now_unix_s, ids,
                                          p.n_prompt);
    tdm_status status = tdm__request_generate_like(r, &p, g->source, g->n, err);
    tdm__free(ids);
    return status;
}

/* Until all candidates have ended; then nothing of them is left in the engine. */
static void wait_for_jobs(tdm__request *r)
{
    tdm__job *jobs[TDM__CANDIDATES_MAX] = {0};
    pthread_mutex_lock(&r->mutex);
    while (r->n_generating > 0)
        pthread_cond_wait(&r->changed, &r->mutex);
    for (size_t i = 0; i < r->n_jobs; i++) {
        tdm__candidate *c = &r->candidates[i];
        jobs[i] = c->job;
        c->job = NULL;
        if (c->finish == TDM__FINISH_CANCELLED && c->is_enough && !r->is_cancelled)
            c->finish = TDM__FINISH_LENGTH;
    }
    pthread_mutex_unlock(&r->mutex);
    for (size_t i = 0; i < TDM__CANDIDATES_MAX; i++)
        tdm__job_destroy(&jobs[i]);
}

static tdm_status end_generation(tdm__request *r, size_t n, tdm__buf *texts, tdm__generated *out, tdm_error *err)
{
    tdm__finish finish = tdm__request_group_finish(r, err);
    if (finish == TDM__FINISH_ERROR)
        return err->code;
    if (finish == TDM__FINISH_CANCELLED)
        TDM_FAIL(err, TDM_ERR_CANCELLED, "the answer was cancelled");
    for (size_t i = 0; i < n; i++) {
        out[i] = (tdm__generated){.len = texts[i].len, .finish = r->candidates[i].finish};
        out[i].text = tdm__buf_detach(&texts[i]);
        if (out[i].text)
            continue;
        for (size_t k = 0; k < i; k++)
            tdm__free(out[k].text);
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for what was generated");
    }
    return TDM_OK;
}

tdm_status tdm__compose_generate(tdm__request *r, const tdm__generation *g, tdm__generated *out, tdm_error *err)
{
    tdm__buf texts[TDM__CANDIDATES_MAX];
    tdm_error why = {0};
    TDM_TRY(check_generation(r, g, err));
    for (size_t i = 0; i < g->n; i++)
        tdm__buf_init(&texts[i], TDM__GENERATED_BYTES_MAX);
    r->generation = g;
    r->generated = texts;
    tdm_status s = begin_generation(r, g, &why);
    if (s == TDM_OK) {
        wait_for_jobs(r);
        s = end_generation(r, g->n, texts, out, &why);
    } else if (s == TDM_ERR_CANCELLED) {
        tdm__fail(&why, s, "the answer was cancelled");
    }
    r->generation = NULL;
    r->generated = NULL;
    for (size_t i = 0; i < g->n; i++)
        tdm__buf_fini(&texts[i]);
    if (s != TDM_OK && err)
        *err = why;
    return s;
}

/* ---- what leaves ---- */

static tdm_status refuse_stopped(const tdm__request *r, tdm_error *err)
{
    if (r->reason == TDM__REASON_SCREEN_OUTPUT)
        TDM_FAIL(err, TDM_ERR_REFUSED, "the answer has a term that the market's pack stops");
    TDM_FAIL(err, TDM_ERR_REFUSED, "the answer was ended, because what it was decided by has changed");
}

tdm_status tdm__compose_release(tdm__request *r, size_t candidate, tdm__str text, tdm_error *err)
{
    if (candidate >= r->n_candidates)
        TDM_FAIL(err, TDM_ERR_INVAL, "candidate %zu, the request was admitted for %zu", candidate, r->n_candidates);
    if (tdm__request_is_cancelled(r))
        TDM_FAIL(err, TDM_ERR_CANCELLED, "the answer was cancelled");
    if (r->is_stopped)
        return refuse_stopped(r, err);
    TDM_TRY(tdm__request_wait_opened(r, err));
    if (!tdm__service_model_is_intact(r->service, err))
        return TDM_ERR_UPSTREAM;
    return tdm__output_push(&r->candidates[candidate], text, NULL, 0) ? TDM_OK : refuse_stopped(r, err);
}

/* ---- the rest of what a feature may ask ---- */

tdm_status tdm__compose_count_tokens(tdm__request *r, tdm__str text, size_t *out, tdm_error *err)
{
    const tdm__tokenizer *t = r->service->tokenizer;
    size_t cap = tdm__tokenizer_ids_max(t, text.len);
    int32_t *ids = cap < SIZE_MAX / sizeof *ids - 1 ? tdm__malloc((cap + 1) * sizeof *ids) : NULL;
    if (!ids)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the tokens of a text of %zu bytes", text.len);
    tdm_status s = tdm__tokenizer_encode(t, text, NULL, ids, cap, out, err);
    tdm__free(ids);
    return s;
}

size_t tdm__compose_context(const tdm__request *r) { return tdm__engine_n_ctx(r->service->engine); }

bool tdm__compose_is_cancelled(tdm__request *r) { return tdm__request_is_cancelled(r); }

/* ---- the thread ---- */

static void *compose_main(void *user)
{
    tdm__request *r = user;
    tdm_error why = {0};
    tdm_status s = r->compose(r->compose_user, r, &why);
    if (s == TDM_OK)
        s = tdm__request_wait_opened(r, &why);
    const tdm__finish finish = s == TDM_OK                          ? TDM__FINISH_STOP
                               : tdm__request_is_cancelled(r) ? TDM__FINISH_CANCELLED
                                                                    : TDM__FINISH_ERROR;
    tdm__event done = tdm__request_end_of(r, finish, &why);
    for (size_t i = 0; i < r->n_candidates; i++) {
        r->finishes[i] = done.finish;
        if (done.end == TDM__END_ANSWERED)
            tdm__output_end(&r->candidates[i]);
    }
    tdm__request_finish(r, done);
    return NULL;
}

tdm_status tdm__request_compose(tdm__request *r, tdm_error *err)
{
    int rc = tdm__thread_start(&r->writer, compose_main, r);
    if (rc != 0)
        return tdm__fail_os(err, rc, "cannot start a thread for a composed answer");
    r->has_writer = true;
    return TDM_OK;
}
