/* request.c - one request's way, step by step in one place.
 *
 *      start:            decide ─► admit ─► queue
 *      prepare thread:   tell decision ─► screen(in) ─► render + tokenise ─► engine
 *      engine's thread:  screen(out) ─► tell text ... ─► label ─► tell done
 *
 * Steps that are not built yet stand where they will work, and say so in DONE.
 */
#include "request/request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/clock.h"
#include "os/random.h"
#include "request/prompt.h"
#include "request/request_internal.h"

static const char not_built[] = "not built";

static void tell(tdm__request *r, tdm__event ev)
{
    ev.decision_id = r->decision.id;
    ev.decision = &r->decision;
    ev.model_name = r->service->model_name;
    r->fn(r->user, &ev);
}

/* Its place in the service is free before the owner hears of the end, so that an answered client may ask at once. */
static void leave_service(tdm__request *r)
{
    tdm__service *s = r->service;
    pthread_mutex_lock(&s->mutex);
    *(r->live_previous ? &r->live_previous->live_next : &s->live) = r->live_next;
    if (r->live_next)
        r->live_next->live_previous = r->live_previous;
    s->n_live--;
    pthread_mutex_unlock(&s->mutex);
}

static void tell_done(tdm__request *r, tdm__event ev)
{
    ev.kind = TDM__EVENT_DONE;
    ev.screening = not_built;
    ev.label = not_built;
    ev.timings.queue_ms += r->prepare_ms;
    leave_service(r);
    tell(r, ev);
    pthread_mutex_lock(&r->mutex);
    r->was_told = true;
    pthread_cond_signal(&r->ended);
    pthread_mutex_unlock(&r->mutex);
}

/* An answer out of a file that changed under it is none. */
static void tell_job_done(tdm__request *r, const tdm__job_event *ev)
{
    tdm__event done = {.finish = ev->finish, .error = ev->error, .timings = ev->timings};
    bool answered = ev->finish == TDM__FINISH_STOP || ev->finish == TDM__FINISH_LENGTH;
    if (answered && !tdm__service_model_is_intact(r->service, &done.error))
        done.finish = TDM__FINISH_ERROR;
    tell_done(r, done);
}

static void on_job_event(void *user, const tdm__job_event *ev)
{
    tdm__request *r = user;
    if (ev->kind == TDM__JOB_TEXT) /* screen(out) will stand here */
        tell(r, (tdm__event){
                    .kind = TDM__EVENT_TEXT, .text = ev->text, .tokens = ev->tokens, .n_tokens = ev->n_tokens});
    else /* and label here */
        tell_job_done(r, ev);
}

/* Renders, tokenises and hands over. ERR_CANCELLED when that was asked for meanwhile. */
static tdm_status prepare(tdm__request *r, tdm_error *err)
{
    tdm__service *s = r->service;
    int32_t *ids = NULL;
    TDM_TRY(tdm__prompt_make(s->template, s->tokenizer, r->messages, r->now_unix_s, &ids, &r->params.n_prompt, err));
    r->params.prompt = ids;
    r->prepare_ms = (double)(tdm__clock_ns() - r->started_ns) / 1e6;
    pthread_mutex_lock(&r->mutex);
    tdm_status status = r->is_cancelled
                            ? TDM_ERR_CANCELLED
                            : tdm__engine_submit(s->engine, &r->params, on_job_event, r, &r->job, err);
    pthread_mutex_unlock(&r->mutex);
    r->params.prompt = NULL; /* the engine has its copy */
    free(ids);
    return status;
}

static bool is_cancelled(tdm__request *r)
{
    pthread_mutex_lock(&r->mutex);
    bool cancelled = r->is_cancelled;
    pthread_mutex_unlock(&r->mutex);
    return cancelled;
}

void tdm__request_walk(tdm__request *r)
{
    tdm_error err = {0};
    tell(r, (tdm__event){.kind = TDM__EVENT_DECISION});
    /* screen(in) will stand here */
    tdm_status status = is_cancelled(r) ? TDM_ERR_CANCELLED : prepare(r, &err);
    if (status == TDM_ERR_CANCELLED)
        tell_done(r, (tdm__event){.finish = TDM__FINISH_CANCELLED});
    else if (status != TDM_OK)
        tell_done(r, (tdm__event){.finish = TDM__FINISH_ERROR, .error = err});
    pthread_mutex_lock(&r->mutex);
    r->was_prepared = true;
    pthread_cond_signal(&r->ended);
    pthread_mutex_unlock(&r->mutex);
}

static void free_request(tdm__request *r)
{
    json_decref(r->messages);
    free(r->stop_bytes);
    pthread_cond_destroy(&r->ended);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

static bool copy_stops(tdm__request *r, const tdm__chat_request *q)
{
    size_t n = 1, at = 0;
    for (size_t i = 0; i < q->n_stops; i++)
        n += q->stops[i].len;
    r->stop_bytes = malloc(n);
    if (!r->stop_bytes)
        return false;
    for (size_t i = 0; i < q->n_stops; i++) {
        r->params.stops[i] = (tdm__str){r->stop_bytes + at, q->stops[i].len};
        if (q->stops[i].len > 0)
            memcpy(r->stop_bytes + at, q->stops[i].ptr, q->stops[i].len);
        at += q->stops[i].len;
    }
    return true;
}

static tdm_status create_request(tdm__service *s, const tdm__chat_request *q, tdm__event_fn fn, void *user,
                                 tdm__request **out, tdm_error *err)
{
    tdm__decision_facts facts;
    int rc = tdm__random_fill(facts.random, sizeof facts.random);
    if (rc != 0)
        return tdm__fail_os(err, rc, "cannot get random bytes for a decision's id");
    tdm__request *r = calloc(1, sizeof *r);
    if (!r)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a request");
    *r = (tdm__request){.service = s,
                        .messages = json_deep_copy(q->messages),
                        .params = {.max_tokens = q->max_tokens,
                                   .sampling = q->sampling,
                                   .n_stops = q->n_stops,
                                   .n_top_logprobs = q->n_top_logprobs},
                        .fn = fn,
                        .user = user,
                        .decision = tdm__decide(&facts),
                        .now_unix_s = tdm__clock_unix_s(),
                        .started_ns = tdm__clock_ns()};
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->ended, NULL);
    if (!r->messages || !copy_stops(r, q)) {
        free_request(r);
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a request's messages and stop strings");
    }
    *out = r;
    return TDM_OK;
}

/* Under service.mutex. */
static tdm_status check_admission(tdm__service *s, tdm_error *err)
{
    tdm__service_check_model(s);
    switch (s->state) {
    case TDM__SERVICE_DOWNLOADING:
        TDM_FAIL(err, TDM_ERR_UPSTREAM, "the model is not there yet: downloading %d%%", s->percent);
    case TDM__SERVICE_LOADING:
        TDM_FAIL(err, TDM_ERR_UPSTREAM, "the model is not there yet: loading");
    case TDM__SERVICE_FAILED:
        TDM_FAIL(err, TDM_ERR_UPSTREAM, "there is no model: %s", s->error.msg);
    case TDM__SERVICE_READY:
        break;
    }
    if (s->n_live >= s->n_live_max)
        TDM_FAIL(err, TDM_ERR_BUSY, "%zu answers are running or waiting, no more are taken", s->n_live_max);
    return TDM_OK;
}

/* Under service.mutex. */
static void enqueue(tdm__service *s, tdm__request *r)
{
    r->live_next = s->live;
    if (s->live)
        s->live->live_previous = r;
    s->live = r;
    s->n_live++;
    if (s->waiting_last)
        s->waiting_last->next_waiting = r;
    else
        s->waiting_first = r;
    s->waiting_last = r;
    s->n_waiting++;
    pthread_cond_signal(&s->work);
}

tdm_status tdm__request_start(tdm__service *s, const tdm__chat_request *q, tdm__event_fn fn, void *user,
                              tdm__request **out, tdm_error *err)
{
    assert(q->n_stops <= TDM__STOPS_MAX);
    tdm__request *r = NULL;
    TDM_TRY(create_request(s, q, fn, user, &r, err));
    pthread_mutex_lock(&s->mutex);
    tdm_status status = check_admission(s, err);
    if (status == TDM_OK) {
        *out = r; /* before a thread of the service sees it: events may come before this returns */
        enqueue(s, r);
    }
    pthread_mutex_unlock(&s->mutex);
    if (status != TDM_OK)
        free_request(r);
    return status;
}

void tdm__request_cancel(tdm__request *r)
{
    pthread_mutex_lock(&r->mutex);
    r->is_cancelled = true;
    if (r->job)
        tdm__job_cancel(r->job);
    pthread_mutex_unlock(&r->mutex);
}

void tdm__request_destroy(tdm__request **request)
{
    tdm__request *r = *request;
    if (!r)
        return;
    *request = NULL;
    pthread_mutex_lock(&r->mutex);
    while (!r->was_told || !r->was_prepared)
        pthread_cond_wait(&r->ended, &r->mutex);
    pthread_mutex_unlock(&r->mutex);
    tdm__job_destroy(&r->job);
    free_request(r);
}
