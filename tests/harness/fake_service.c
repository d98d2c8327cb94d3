/* fake_service.c - one thread a request, a counting gate for the slots. */
#include "fake_service.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "os/clock.h"
#include "request/device.h"
#include "request/request.h"

struct tdm__service {
    tdm__device *device;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    tdm__service_status status;
    tdm__request *requests; /* all whose thread has not ended */
};

struct tdm__request {
    tdm__service *service;
    tdm__request *next;
    pthread_t thread;
    json_t *messages;
    size_t max_tokens;
    bool with_logprobs;
    tdm__event_fn fn;
    void *user;
    bool cancelled, ended;
    tdm__event event;
    const tdm__rules_set *rules;
    tdm__decision decision;
};

static tdm__fake_options options = {.n_slots = 2, .n_queue = 2, .word_ms = 5, .prompt_ms = 5};

void tdm__fake_service_set(const tdm__fake_options *o) { options = *o; }

tdm_status tdm__service_create(tdm__device *device, tdm__service **out, tdm_error *err)
{
    tdm__service *s = calloc(1, sizeof *s);
    if (!s)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the service");
    s->device = device;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    *out = s;
    return TDM_OK;
}

tdm__device *tdm__service_device(tdm__service *s) { return s->device; }

void tdm__service_destroy(tdm__service *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    for (tdm__request *r = s->requests; r; r = r->next)
        r->cancelled = true;
    pthread_cond_broadcast(&s->changed);
    while (s->requests)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void tdm__service_set_downloading(tdm__service *s, int percent)
{
    pthread_mutex_lock(&s->lock);
    s->status.state = TDM__SERVICE_DOWNLOADING;
    s->status.percent = percent;
    pthread_mutex_unlock(&s->lock);
}

void tdm__service_set_failed(tdm__service *s, const tdm_error *err)
{
    pthread_mutex_lock(&s->lock);
    s->status.state = TDM__SERVICE_FAILED;
    s->status.error = *err;
    pthread_mutex_unlock(&s->lock);
}

tdm_status tdm__service_load(tdm__service *s, const char *path, const char *model_name,
                             const tdm__engine_options *o, tdm_error *err)
{
    (void)path;
    (void)o;
    (void)err;
    pthread_mutex_lock(&s->lock);
    s->status.state = TDM__SERVICE_READY;
    snprintf(s->status.model_name, sizeof s->status.model_name, "%s", model_name);
    s->status.n_ctx = 4096;
    s->status.loaded_unix_s = tdm__clock_unix_s();
    s->status.stats.n_slots = options.n_slots;
    pthread_mutex_unlock(&s->lock);
    return TDM_OK;
}

void tdm__service_set_prefix_dir(tdm__service *s, const char *dir)
{
    (void)s;
    (void)dir;
}

tdm_status tdm__service_erase_prefixes(tdm__service *s, tdm_error *err)
{
    (void)s;
    (void)err;
    return TDM_OK;
}

void tdm__service_get_status(tdm__service *s, tdm__service_status *out)
{
    pthread_mutex_lock(&s->lock);
    *out = s->status;
    pthread_mutex_unlock(&s->lock);
}

/* Sleeps ms, or until the request is cancelled; the lock is held. */
static bool pause_unless_cancelled(tdm__request *r, int ms)
{
    const uint64_t end = tdm__clock_ns() + (uint64_t)ms * 1000000u;
    const struct timespec until = {.tv_sec = (time_t)(end / 1000000000u), .tv_nsec = (long)(end % 1000000000u)};
    while (!r->cancelled && pthread_cond_timedwait(&r->service->changed, &r->service->lock, &until) != ETIMEDOUT)
        ;
    return !r->cancelled;
}

static void deliver(tdm__request *r, tdm__event_kind kind)
{
    r->event.kind = kind;
    pthread_mutex_unlock(&r->service->lock);
    r->fn(r->user, &r->event);
    pthread_mutex_lock(&r->service->lock);
}

static void deliver_word(tdm__request *r, tdm__str word)
{
    const tdm__token_prob top[2] = {{.id = 1, .logprob = -0.25f}, {.id = 2, .logprob = -1.5f}};
    const tdm__token_info token = {.chosen = top[0], .top = top, .n_top = 2};
    r->event.text = word;
    r->event.tokens = r->with_logprobs ? &token : NULL;
    r->event.n_tokens = r->with_logprobs ? 1 : 0;
    r->event.timings.n_generated++;
    if (r->event.timings.n_generated > 1) {
        r->event.timings.n_gaps++;
        r->event.timings.gaps_ms += options.word_ms;
    }
    r->service->status.stats.n_generated_tokens++;
    deliver(r, TDM__EVENT_TEXT);
}

static tdm__finish fail_with(tdm__request *r, tdm_status code, const char *sentence)
{
    tdm__fail(&r->event.error, code, "%s", sentence);
    return TDM__FINISH_ERROR;
}

/* As the spine ends what was decided by rules that do not hold any more. */
static tdm__finish end_by_change(tdm__request *r)
{
    r->event.reason = TDM__REASON_FILING_WITHDRAWN;
    return fail_with(r, TDM_ERR_CANCELLED, "the answer was ended, because what it was decided by has changed");
}

/* The words of text, each with the blank behind it. */
static tdm__finish say(tdm__request *r, tdm__str text)
{
    if (tdm__str_starts(text, TDM_STR("!limit")))
        return fail_with(r, TDM_ERR_LIMIT, "the prompt has 5000 tokens, the context holds 4096");
    if (tdm__str_starts(text, TDM_STR("!broken")))
        return fail_with(r, TDM_ERR_IO, "the model broke");
    if (tdm__str_starts(text, TDM_STR("!changed")))
        return end_by_change(r);
    const bool mute = tdm__str_starts(text, TDM_STR("!mute"));
    if (!pause_unless_cancelled(r, mute ? 3600 * 1000 : options.prompt_ms))
        return TDM__FINISH_CANCELLED;
    for (size_t begin = 0, n = 0; begin < text.len; n++) {
        size_t end = begin;
        while (end < text.len && text.ptr[end] != ' ')
            end++;
        end += end < text.len;
        if (r->max_tokens > 0 && n == r->max_tokens)
            return TDM__FINISH_LENGTH;
        if (n == 2 && tdm__str_starts(text, TDM_STR("!late changed")))
            return end_by_change(r);
        if (n == 2 && tdm__str_starts(text, TDM_STR("!late")))
            return fail_with(r, TDM_ERR_IO, "the model broke");
        if (n > 0 && !pause_unless_cancelled(r, options.word_ms))
            return TDM__FINISH_CANCELLED;
        deliver_word(r, (tdm__str){text.ptr + begin, end - begin});
        begin = end;
    }
    return TDM__FINISH_STOP;
}

static void leave(tdm__request *r)
{
    tdm__request **at = &r->service->requests;
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    r->ended = true;
    pthread_cond_broadcast(&r->service->changed);
}

static void *request_main(void *user)
{
    tdm__request *r = user;
    tdm__service *s = r->service;
    const json_t *last = json_array_get(r->messages, json_array_size(r->messages) - 1);
    const json_t *content = json_object_get(last, "content");
    pthread_mutex_lock(&s->lock);
    deliver(r, TDM__EVENT_DECISION);
    while (s->status.stats.n_running >= options.n_slots && !r->cancelled)
        pthread_cond_wait(&s->changed, &s->lock);
    s->status.stats.n_queued--;
    s->status.stats.n_running++;
    r->event.timings.n_prompt = json_string_length(content);
    s->status.stats.n_prompt_tokens += r->event.timings.n_prompt;
    r->event.finish = r->cancelled ? TDM__FINISH_CANCELLED
                                   : say(r, (tdm__str){json_string_value(content), json_string_length(content)});
    r->event.text = (tdm__str){NULL, 0};
    r->event.n_tokens = 0;
    r->event.screening = r->event.label = "none";
    r->event.finishes = &r->event.finish;
    r->event.n_candidates = 1;
    r->event.end = r->event.finish == TDM__FINISH_CANCELLED ? TDM__END_CANCELLED
                   : r->event.finish == TDM__FINISH_ERROR   ? TDM__END_FAILED
                                                            : TDM__END_ANSWERED;
    s->status.stats.n_running--;
    s->status.stats.n_jobs_done++;
    pthread_cond_broadcast(&s->changed);
    deliver(r, TDM__EVENT_DONE);
    leave(r);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* The device's own, as the spine makes it. */
static tdm_status decide(tdm__request *r, const tdm__chat_request *q, tdm_error *err)
{
    const tdm__ask ask = {.feature = q->feature ? q->feature : "chat", .own_state = TDM__BACKEND_UP};
    r->rules = tdm__device_acquire(r->service->device);
    TDM_TRY(tdm__device_decide(r->service->device, r->rules, &ask, &r->decision, err));
    r->event.decision = &r->decision;
    r->event.decision_id = r->decision.id;
    r->event.filing_id = r->event.partner_id = "";
    return TDM_OK;
}

/* Takes a place, unless there is none. */
static tdm_status enter(tdm__service *s, tdm__request *r, tdm_error *err)
{
    tdm_status status = TDM_OK;
    pthread_mutex_lock(&s->lock);
    const tdm__engine_stats *st = &s->status.stats;
    if (s->status.state != TDM__SERVICE_READY) {
        status = tdm__fail(err, TDM_ERR_UPSTREAM, "the model is not there yet");
    } else if (st->n_running + st->n_queued >= options.n_slots + options.n_queue) {
        status = tdm__fail(err, TDM_ERR_BUSY, "%zu answers run and %zu requests wait; no more are taken",
                           options.n_slots, options.n_queue);
    } else {
        r->event.model_name = s->status.model_name;
        r->next = s->requests;
        s->requests = r;
        s->status.stats.n_queued++;
    }
    pthread_mutex_unlock(&s->lock);
    return status;
}

static void free_request(tdm__request *r)
{
    tdm__device_release(r->service->device, r->rules);
    json_decref(r->messages);
    free(r);
}

tdm_status tdm__request_start(tdm__service *s, const tdm__chat_request *q, tdm__event_fn fn, void *user,
                              tdm__request **out, tdm_error *err)
{
    tdm__request *r = calloc(1, sizeof *r);
    if (!r)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a request");
    *r = (tdm__request){.service = s, .max_tokens = q->max_tokens, .with_logprobs = q->n_top_logprobs >= 0,
                        .fn = fn, .user = user, .messages = json_deep_copy(q->messages)};
    tdm_status status = decide(r, q, err);
    if (status == TDM_OK)
        status = enter(s, r, err);
    if (status != TDM_OK) {
        free_request(r);
        return status;
    }
    if (pthread_create(&r->thread, NULL, request_main, r) != 0)
        abort();
    *out = r;
    return TDM_OK;
}

void tdm__request_cancel(tdm__request *r)
{
    pthread_mutex_lock(&r->service->lock);
    r->cancelled = true;
    pthread_cond_broadcast(&r->service->changed);
    pthread_mutex_unlock(&r->service->lock);
}

void tdm__request_destroy(tdm__request **r)
{
    if (!*r)
        return;
    pthread_join((*r)->thread, NULL);
    free_request(*r);
    *r = NULL;
}

tdm__str tdm__service_token_text(tdm__service *s, int32_t id)
{
    (void)s;
    return id == 1 ? TDM_STR("word") : TDM_STR("\xE4\xB8"); /* the second: part of a character */
}
