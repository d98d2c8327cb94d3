/* request_own.c - this device's own model as a back end: n candidates of one prompt, their events, their end.
 *
 * All candidates of a generation end before anything is done with the whole: one that fails or is stopped takes the
 * others with it. An answer out of a file that changed under it is none.
 */
#include "base/checked.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/heap.h"
#include "request/prompt.h"
#include "request/request_internal.h"

void tdm__request_cancel_jobs(tdm__request *r)
{
    pthread_mutex_lock(&r->mutex);
    for (size_t i = 0; i < r->n_jobs; i++)
        if (r->candidates[i].job)
            tdm__job_cancel(r->candidates[i].job);
    pthread_mutex_unlock(&r->mutex);
}

/* ---- text ---- */

/* The first text may have to wait for the opened leaf: it was handed to the journal before the prompt was rendered, so
 * this is over by now unless the disk is slower than the whole prompt. */
static void tell_text(tdm__candidate *c, const tdm__job_event *ev)
{
    tdm__request *r = c->request;
    if (r->is_stopped)
        return;
    if (tdm__request_wait_opened(r, NULL) != TDM_OK || !tdm__output_push(c, ev->text, ev->tokens, ev->n_tokens)) {
        r->is_stopped = true;
        tdm__request_cancel_jobs(r);
    }
}

/* What is composed stays inside. */
static void keep_text(tdm__candidate *c, tdm__str text)
{
    tdm__request *r = c->request;
    const tdm__generation *g = r->generation;
    if (c->is_enough)
        return;
    const bool is_kept = tdm__buf_append_str(&r->generated[c->index], text) == TDM_OK;
    if (is_kept && (!g->on_text || text.len == 0 || g->on_text(g->user, c->index, text)))
        return;
    pthread_mutex_lock(&r->mutex);
    c->is_enough = true;
    if (c->job)
        tdm__job_cancel(c->job);
    pthread_mutex_unlock(&r->mutex);
}

/* ---- ends ---- */

static double longer(double a, double b) { return a > b ? a : b; }

/* One group after the other: candidates ran side by side and read one prompt. */
static void add_timings(tdm__request *r)
{
    tdm__job_timings *sum = &r->timings;
    tdm__job_timings group = r->candidates[0].timings;
    for (size_t i = 1; i < r->n_jobs; i++) {
        const tdm__job_timings *t = &r->candidates[i].timings;
        group.n_prompt_reused = group.n_prompt_reused < t->n_prompt_reused ? group.n_prompt_reused : t->n_prompt_reused;
        group.n_generated += t->n_generated;
        group.n_draft += t->n_draft;
        group.n_draft_accepted += t->n_draft_accepted;
        group.queue_ms = longer(group.queue_ms, t->queue_ms);
        group.prompt_ms = longer(group.prompt_ms, t->prompt_ms);
        group.decode_ms = longer(group.decode_ms, t->decode_ms);
        group.max_gap_ms = longer(group.max_gap_ms, t->max_gap_ms);
        group.n_gaps += t->n_gaps;
        group.gaps_ms += t->gaps_ms;
    }
    sum->n_prompt += group.n_prompt;
    sum->n_prompt_reused += group.n_prompt_reused;
    sum->n_generated += group.n_generated;
    sum->n_draft += group.n_draft;
    sum->n_draft_accepted += group.n_draft_accepted;
    sum->queue_ms += group.queue_ms;
    sum->prompt_ms += group.prompt_ms;
    sum->decode_ms += group.decode_ms;
    sum->max_gap_ms = longer(sum->max_gap_ms, group.max_gap_ms);
    sum->n_gaps += group.n_gaps;
    sum->gaps_ms += group.gaps_ms;
}

tdm__finish tdm__request_group_finish(tdm__request *r, tdm_error *err)
{
    tdm__finish finish = r->candidates[0].finish;
    if (r->refused.code != TDM_OK) {
        *err = r->refused;
        return TDM__FINISH_ERROR;
    }
    for (size_t i = 0; i < r->n_jobs; i++) {
        const tdm__candidate *c = &r->candidates[i];
        if (c->finish == TDM__FINISH_ERROR) {
            *err = c->error;
            return TDM__FINISH_ERROR;
        }
        if (c->finish == TDM__FINISH_CANCELLED)
            finish = TDM__FINISH_CANCELLED;
    }
    return finish;
}

tdm__event tdm__request_end_of(tdm__request *r, tdm__finish finish, const tdm_error *error)
{
    tdm__event done = {.finish = TDM__FINISH_ERROR, .end = TDM__END_FAILED};
    if (r->is_stopped && r->reason == TDM__REASON_SCREEN_OUTPUT) {
        done.finish = TDM__FINISH_CANCELLED;
        done.end = TDM__END_STOPPED_BY_SCREEN;
    } else if (r->is_stopped && r->reason != TDM__REASON_NONE) {
        tdm__fail(&done.error, TDM_ERR_CANCELLED, "the answer was ended, because what it was decided by has changed");
    } else if (r->is_stopped) {
        tdm__request_wait_opened(r, &done.error);
    } else if (finish == TDM__FINISH_ERROR) {
        done.error = *error;
    } else {
        done.finish = finish;
        done.end = finish == TDM__FINISH_CANCELLED ? TDM__END_CANCELLED : TDM__END_ANSWERED;
    }
    return done;
}

static void finish_all(tdm__request *r)
{
    tdm_error error = {0};
    tdm__finish finish = tdm__request_group_finish(r, &error);
    for (size_t i = 0; i < r->n_jobs; i++)
        r->finishes[i] = r->candidates[i].finish;
    tdm__request_finish(r, tdm__request_end_of(r, finish, &error));
}

/* Of an answer that is told as it is written. */
static tdm__finish end_text(tdm__candidate *c, tdm__finish finish, tdm_error *error)
{
    tdm__request *r = c->request;
    const bool is_whole = finish == TDM__FINISH_STOP || finish == TDM__FINISH_LENGTH;
    if (!is_whole || r->is_stopped)
        return finish;
    if (!tdm__service_model_is_intact(r->service, error) || tdm__request_wait_opened(r, error) != TDM_OK)
        return TDM__FINISH_ERROR;
    tdm__output_end(c);
    return finish;
}

static void end_candidate(tdm__candidate *c, const tdm__job_event *ev)
{
    tdm__request *r = c->request;
    const bool is_composed = r->generation != NULL;
    tdm_error error = ev->error;
    const tdm__finish finish = is_composed ? ev->finish : end_text(c, ev->finish, &error);
    pthread_mutex_lock(&r->mutex);
    c->finish = finish;
    c->error = error;
    c->timings = ev->timings;
    const bool is_last = --r->n_generating == 0;
    if (is_last)
        add_timings(r);
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
    if (!is_last && finish == TDM__FINISH_ERROR)
        tdm__request_cancel_jobs(r);
    if (is_last && !is_composed)
        finish_all(r);
}

static void on_job_event(void *user, const tdm__job_event *ev)
{
    tdm__candidate *c = user;
    if (ev->kind == TDM__JOB_DONE)
        end_candidate(c, ev);
    else if (c->request->generation)
        keep_text(c, ev->text);
    else
        tell_text(c, ev);
}

/* ---- begin ---- */

/* Not under r->mutex: prepare may wait for a disk, and a cancel is not to wait for that. */
static tdm_status prepare(tdm__request *r, tdm__job_params *p, size_t n, tdm__job *jobs[], tdm_error *err)
{
    for (size_t i = 0; i < n; i++, p->sampling.seed++)
        TDM_TRY(tdm__engine_prepare(r->service->engine, p, on_job_event, &r->candidates[i], &jobs[i], err));
    return TDM_OK;
}

/* Under r->mutex, so that no candidate can end before the last one was submitted. What it takes of jobs is NULL
 * then. */
static tdm_status submit(tdm__request *r, tdm__job *jobs[], size_t n, tdm_error *err)
{
    r->n_jobs = r->n_generating = n;
    r->refused = (tdm_error){0};
    for (size_t i = 0; i < n; i++) {
        tdm__candidate *c = &r->candidates[i];
        tdm__job *job = jobs[i];
        c->finish = TDM__FINISH_NONE;
        c->is_enough = false;
        jobs[i] = NULL;
        tdm_status s = tdm__engine_submit_prepared(r->service->engine, job, &c->job, err);
        if (s == TDM_OK)
            continue;
        if (i == 0)
            return s;
        r->n_jobs = r->n_generating = i; /* those that run are given up */
        r->refused = *err;
        for (size_t k = 0; k < i; k++)
            tdm__job_cancel(r->candidates[k].job);
        return TDM_OK;
    }
    return TDM_OK;
}

tdm_status tdm__request_generate(tdm__request *r, const tdm__job_params *params, size_t n, tdm_error *err)
{
    tdm__job_params p = *params;
    tdm__job *jobs[TDM__CANDIDATES_MAX] = {NULL};
    tdm_status s = prepare(r, &p, n, jobs, err);
    if (s == TDM_OK) {
        pthread_mutex_lock(&r->mutex);
        s = r->is_cancelled ? TDM_ERR_CANCELLED : submit(r, jobs, n, err);
        pthread_mutex_unlock(&r->mutex);
    }
    for (size_t i = 0; i < n; i++)
        tdm__job_discard(jobs[i]);
    return s;
}

enum { BYTES_A_TOKEN = 16 };

/* Without its tokens an answer only takes longer: a text that has none is no error, and of a long one only as much is
 * read as the context may hold; where that cuts a character there is one wrong guess. */
tdm_status tdm__request_generate_like(tdm__request *r, const tdm__job_params *params, tdm__str source, size_t n,
                                      tdm_error *err)
{
    const tdm__tokenizer *t = r->service->tokenizer;
    tdm__job_params p = *params;
    int32_t *ids = NULL;
    source.len = tdm__min_size(source.len, BYTES_A_TOKEN * tdm__engine_n_ctx(r->service->engine));
    if (p.drafting != TDM__DRAFTING_OFF && source.len > 0) {
        const size_t cap = tdm__tokenizer_ids_max(t, source.len);
        ids = cap < SIZE_MAX / sizeof *ids ? tdm__malloc(cap * sizeof *ids) : NULL;
        size_t n_ids;
        if (ids && tdm__tokenizer_encode(t, source, NULL, ids, cap, &n_ids, NULL) == TDM_OK) {
            p.draft_source = ids;
            p.n_draft_source = n_ids;
        }
    }
    const tdm_status s = tdm__request_generate(r, &p, n, err);
    tdm__free(ids);
    return s;
}

tdm_status tdm__request_ask_own_model(tdm__request *r, tdm_error *err)
{
    tdm__service *s = r->service;
    tdm__job_params p = r->params;
    int32_t *ids = NULL;
    TDM_TRY(tdm__prompt_make(s->template, s->tokenizer, r->messages, r->now_unix_s, &ids, &p.n_prompt, err));
    p.prompt = ids;
    r->prepare_ms = (double)(tdm__clock_ns() - r->started_ns) / 1e6;
    const tdm__str prediction = {r->prediction, r->prediction_len};
    tdm_status status = tdm__request_generate_like(r, &p, prediction, r->n_candidates, err);
    tdm__free(ids);
    return status;
}
