/* request.c - one request's way, step by step in one place.
 *
 *      start:            decide ─► choose the step ─► admit ─► queue
 *      prepare thread:   tell decision ─► opened leaf ─► screen(in) ─► render + tokenise ─► engine (request_own.c)
 *                                                                 ├─► a thread that asks the partner
 *                                                                 └─► a thread that composes (compose.c)
 *      writing thread:   screen(out) ─► tell text ... ─► label ─► closed leaf
 *      journal's thread: tell done
 */
#include "request/request.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/heap.h"
#include "request/request_internal.h"

bool tdm__request_is_cancelled(tdm__request *r)
{
    pthread_mutex_lock(&r->mutex);
    bool cancelled = r->is_cancelled;
    pthread_mutex_unlock(&r->mutex);
    return cancelled;
}

/* ---- the walk ---- */

/* Up to a back end, which finishes the request itself; else gives how it ended here. */
static tdm__request_end walk_to_backend(tdm__request *r, tdm_error *err)
{
    if (!r->step)
        return r->end;
    if (tdm__output_stops_question(r))
        return TDM__END_STOPPED_BY_SCREEN;
    if (tdm__request_is_cancelled(r))
        return TDM__END_CANCELLED;
    tdm_status s = r->step->candidate->backend->partner ? tdm__request_ask_partner(r, err)
                   : r->compose                         ? tdm__request_compose(r, err)
                                                        : tdm__request_ask_own_model(r, err);
    return s == TDM_OK ? TDM__END_NONE : s == TDM_ERR_CANCELLED ? TDM__END_CANCELLED : TDM__END_FAILED;
}

static tdm__finish finish_of(tdm__request_end end)
{
    return end == TDM__END_FAILED      ? TDM__FINISH_ERROR
           : end == TDM__END_CANCELLED ? TDM__FINISH_CANCELLED
                                       : TDM__FINISH_NONE;
}

void tdm__request_walk(tdm__request *r)
{
    tdm_error err = {0};
    tdm__request_tell(r, (tdm__event){.kind = TDM__EVENT_DECISION});
    tdm__request_end end =
        tdm__request_open_leaf(r, &err) == TDM_OK ? walk_to_backend(r, &err) : TDM__END_FAILED;
    if (end != TDM__END_NONE)
        tdm__request_finish(r, (tdm__event){.end = end, .finish = finish_of(end), .error = err});
    pthread_mutex_lock(&r->mutex);
    r->was_prepared = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
}

/* ---- starting ---- */

static void free_request(tdm__request *r)
{
    tdm__output_fini(r);
    tdm__device_release(r->device, r->rules);
    json_decref(r->messages);
    tdm__free(r->stop_bytes);
    tdm__free(r->prediction);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->mutex);
    tdm__free(r);
}

static bool copy_stops(tdm__request *r, const tdm__chat_request *q)
{
    size_t n = 1, at = 0;
    for (size_t i = 0; i < q->n_stops; i++)
        n += q->stops[i].len;
    r->stop_bytes = tdm__malloc(n);
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

static bool copy_prediction(tdm__request *r, tdm__str text)
{
    r->prediction = text.len > 0 ? tdm__malloc(text.len) : NULL;
    r->prediction_len = text.len;
    if (r->prediction)
        memcpy(r->prediction, text.ptr, text.len);
    return r->prediction || text.len == 0;
}

static void copy_name(char *out, size_t cap, const char *name) { snprintf(out, cap, "%s", name ? name : ""); }

static const tdm__plan_step *find_partner_step(const tdm__decision *d, const char *partner)
{
    for (size_t i = 0; i < d->n_plan; i++) {
        const tdm__policy_partner *p = d->plan[i].candidate->backend->partner;
        if (p && strcmp(p->id, partner) == 0)
            return &d->plan[i];
    }
    return NULL;
}

static tdm__reason why_not_partner(const tdm__decision *d, const char *partner)
{
    for (size_t i = 0; i < d->n_refused; i++) {
        const tdm__policy_partner *p = d->refused[i].candidate->backend->partner;
        if (p && strcmp(p->id, partner) == 0)
            return d->refused[i].reason;
    }
    return d->off != TDM__REASON_NONE ? d->off : TDM__REASON_PARTNER_UNKNOWN;
}

static bool is_agreed(const tdm__chat_request *q, const tdm__policy_backend *b)
{
    return q->has_consent && strcmp(q->agreed_profile_sha256, b->partner->profile_sha256) == 0 &&
           strcmp(q->agreed_model, b->model) == 0;
}

/* Which step of the plan answers: the asked partner's, or the first one if it is this device's own model. */
static void choose_step(tdm__request *r, const tdm__chat_request *q)
{
    const char *partner = q->partner ? q->partner : "";
    const tdm__decision *d = &r->decision;
    const tdm__plan_step *step = *partner ? find_partner_step(d, partner) : d->n_plan > 0 ? &d->plan[0] : NULL;
    if (!step) {
        r->end = TDM__END_OFF;
        r->reason = *partner ? why_not_partner(d, partner) : d->off;
    } else if (step->candidate->backend->partner &&
               (!*partner || q->compose || (step->needs_consent && !is_agreed(q, step->candidate->backend)))) {
        r->end = TDM__END_NEEDS_CONSENT;
    } else {
        r->step = step;
    }
}

static tdm_status decide(tdm__request *r, const tdm__chat_request *q, tdm__backend_state own_state, tdm_error *err)
{
    const tdm__ask ask = {.feature = r->feature,
                          .named_partner = r->named_partner,
                          .has_attachments = q->has_attachments,
                          .own_state = own_state};
    r->consent_generation = tdm__consent_generation(tdm__device_usage(r->device));
    TDM_TRY(tdm__device_decide(r->device, r->rules, &ask, &r->decision, err));
    r->now_unix_s = r->decision.now_unix_s;
    choose_step(r, q);
    tdm__output_init(r);
    return TDM_OK;
}

static tdm_status create_request(tdm__service *s, const tdm__chat_request *q, tdm__backend_state own_state,
                                 tdm__event_fn fn, void *user, tdm__request **out, tdm_error *err)
{
    tdm__request *r = tdm__calloc(1, sizeof *r);
    if (!r)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a request");
    *r = (tdm__request){.service = s,
                        .device = s->device,
                        .messages = json_deep_copy(q->messages),
                        .n_candidates = tdm__max_size(q->n, 1),
                        .n_places = q->n_at_once > 0 ? q->n_at_once : tdm__max_size(q->n, 1),
                        .params = {.max_tokens = q->max_tokens,
                                   .sampling = q->sampling,
                                   .n_stops = q->n_stops,
                                   .n_top_logprobs = q->n_top_logprobs,
                                   .drafting = q->no_draft ? TDM__DRAFTING_OFF : TDM__DRAFTING_AUTO,
                                   .priority = q->priority},
                        .compose = q->compose,
                        .compose_user = q->compose_user,
                        .fn = fn,
                        .user = user,
                        .has_consent = q->has_consent,
                        .has_attachments = q->has_attachments,
                        .rules = tdm__device_acquire(s->device),
                        .started_ns = tdm__clock_ns()};
    copy_name(r->feature, sizeof r->feature, q->feature ? q->feature : "chat");
    copy_name(r->named_partner, sizeof r->named_partner, q->named_partner);
    copy_name(r->language, sizeof r->language, q->language ? q->language : "en");
    copy_name(r->app, sizeof r->app, q->app);
    r->params.app = r->app;
    r->params.app_key_id = q->app_key_id;
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->changed, NULL);
    tdm_status status = TDM_OK;
    if (!r->messages || !copy_stops(r, q) || !copy_prediction(r, q->prediction))
        status = tdm__fail(err, TDM_ERR_NOMEM, "no memory for a request's messages and stop strings");
    if (status == TDM_OK)
        status = decide(r, q, own_state, err);
    if (status != TDM_OK) {
        free_request(r);
        return status;
    }
    *out = r;
    return TDM_OK;
}

static tdm_status refuse_without_model(const tdm__service *s, tdm_error *err)
{
    if (s->state == TDM__SERVICE_DOWNLOADING)
        TDM_FAIL(err, TDM_ERR_UPSTREAM, "the model is not there yet: downloading %d%%", s->percent);
    if (s->state == TDM__SERVICE_LOADING)
        TDM_FAIL(err, TDM_ERR_UPSTREAM, "the model is not there yet: loading");
    TDM_FAIL(err, TDM_ERR_UPSTREAM, "there is no model: %s", s->error.msg);
}

/* Under service.mutex. Needs_model: the own model would answer if it were there. */
static tdm_status check_admission(tdm__service *s, const tdm__request *r, tdm_error *err)
{
    const bool needs_model = r->step ? !r->step->candidate->backend->partner
                                     : r->reason == TDM__REASON_MODEL_NOT_HERE ||
                                           r->reason == TDM__REASON_DEVICE_FAILED;
    tdm__service_check_model(s);
    if (needs_model && s->state != TDM__SERVICE_READY)
        return refuse_without_model(s, err);
    if (r->n_places > s->n_live_max)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%zu answers at once are asked for, this device writes at most %zu", r->n_places,
                 s->n_live_max);
    const bool keeps_free = r->params.priority == TDM__BACKGROUND && s->n_live > 0;
    const size_t most = s->n_live_max - (keeps_free ? s->n_foreground_only : 0);
    if (s->n_live + r->n_places > most)
        TDM_FAIL(err, TDM_ERR_BUSY, "%zu of %zu places for %s are taken, no more than that are running or waiting",
                 s->n_live, most, keeps_free ? "background answers" : "answers");
    return tdm__quota_enter(s->quota, r->app, tdm__clock_unix_s(), err);
}

static tdm__backend_state own_state_of(tdm__service *s)
{
    static const tdm__backend_state of[] = {[TDM__SERVICE_DOWNLOADING] = TDM__BACKEND_LOADING,
                                            [TDM__SERVICE_LOADING] = TDM__BACKEND_LOADING,
                                            [TDM__SERVICE_READY] = TDM__BACKEND_UP,
                                            [TDM__SERVICE_FAILED] = TDM__BACKEND_DOWN};
    pthread_mutex_lock(&s->mutex);
    tdm__service_check_model(s);
    tdm__service_state state = s->state;
    pthread_mutex_unlock(&s->mutex);
    return of[state];
}

/* Under service.mutex. */
static void enqueue(tdm__service *s, tdm__request *r)
{
    r->live_next = s->live;
    if (s->live)
        s->live->live_previous = r;
    s->live = r;
    s->n_live += r->n_places;
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
    assert(q->n_stops <= TDM__STOPS_MAX && q->n <= TDM__CANDIDATES_MAX && q->n_at_once <= TDM__CANDIDATES_MAX);
    tdm__request *r = NULL;
    TDM_TRY(create_request(s, q, own_state_of(s), fn, user, &r, err));
    pthread_mutex_lock(&s->mutex);
    tdm_status status = check_admission(s, r, err);
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
    atomic_store(&r->stop_partner, true);
    pthread_mutex_unlock(&r->mutex);
    tdm__request_cancel_jobs(r);
}

void tdm__request_destroy(tdm__request **request)
{
    tdm__request *r = *request;
    if (!r)
        return;
    *request = NULL;
    pthread_mutex_lock(&r->mutex);
    while (!r->was_told || !r->was_prepared)
        pthread_cond_wait(&r->changed, &r->mutex);
    pthread_mutex_unlock(&r->mutex);
    if (r->has_writer)
        pthread_join(r->writer, NULL);
    for (size_t i = 0; i < r->n_jobs; i++)
        tdm__job_destroy(&r->candidates[i].job);
    free_request(r);
}
