/* assistant.c - answers and their lives: what is asked is checked and copied, requests of the spine are started and
 * given back, nothing outlives its owner. What happens in between is assistant_walk.c. */
#include "feature/assistant.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "feature/assistant_internal.h"
#include "os/clock.h"
#include "os/heap.h"

enum { MESSAGES_MAX = 512, HELD_BYTES_MAX = 1 << 20 };

const char *tdm__offer_cause_name(tdm__offer_cause c)
{
    static const char *const names[] = {"none", "named", "policy", "too_long", "abstained"};
    return (size_t)c < sizeof names / sizeof names[0] ? names[c] : names[0];
}

tdm_status tdm__assistant_create(tdm__service *s, tdm__device *d, tdm__assistant **out, tdm_error *err)
{
    tdm__assistant *a = tdm__calloc(1, sizeof *a);
    if (!a)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the assistant");
    a->service = s;
    a->device = d;
    pthread_mutex_init(&a->mutex, NULL);
    pthread_cond_init(&a->changed, NULL);
    *out = a;
    return TDM_OK;
}

void tdm__assistant_destroy(tdm__assistant *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->mutex);
    a->is_closing = true;
    for (tdm__answer *w = a->live; w; w = w->next)
        tdm__answer_cancel(w);
    while (a->n_live > 0)
        pthread_cond_wait(&a->changed, &a->mutex);
    pthread_mutex_unlock(&a->mutex);
    for (size_t i = 0; i < TDM__OFFERS_MAX; i++)
        tdm__offer_fini(&a->offers[i]);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->mutex);
    tdm__free(a);
}

static tdm_status check_messages(const json_t *messages, tdm_error *err)
{
    const size_t n = json_array_size(messages);
    if (n == 0 || n > MESSAGES_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "a question has %zu messages, 1 to %d are taken", n, MESSAGES_MAX);
    for (size_t i = 0; i < n; i++) {
        const json_t *m = json_array_get(messages, i);
        const char *role = json_string_value(json_object_get(m, "role"));
        if (!role || !json_is_string(json_object_get(m, "content")))
            TDM_FAIL(err, TDM_ERR_INVAL, "message %zu is not {role, content: string}", i + 1);
        if (i + 1 == n && strcmp(role, "user") != 0)
            TDM_FAIL(err, TDM_ERR_INVAL, "the last message is not the user's");
    }
    return TDM_OK;
}

static void answer_free(tdm__answer *w)
{
    json_decref(w->messages);
    json_decref(w->outgoing);
    json_decref(w->last_resort);
    tdm__buf_fini(&w->held);
    pthread_cond_destroy(&w->ended);
    pthread_mutex_destroy(&w->mutex);
    tdm__free(w);
}

static tdm_status answer_create(tdm__assistant *a, const char *language, bool has_attachments, size_t max_tokens,
                                tdm__answer **out, tdm_error *err)
{
    tdm__answer *w = tdm__calloc(1, sizeof *w);
    if (!w)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for an answer");
    w->assistant = a;
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->ended, NULL);
    tdm__buf_init(&w->held, HELD_BYTES_MAX);
    snprintf(w->language, sizeof w->language, "%s", language && strcmp(language, "zh") == 0 ? "zh" : "en");
    w->has_attachments = has_attachments;
    w->max_tokens = max_tokens;
    w->last_resort = json_pack("{s:s, s:s, s:s}", "state", "failed", "reason", "NONE", "text", "out of memory");
    if (!w->last_resort) {
        answer_free(w);
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for an answer");
    }
    *out = w;
    return TDM_OK;
}

/* Takes a place among those that run. */
static tdm_status enlist(tdm__assistant *a, tdm__answer *w, tdm_error *err)
{
    tdm_status s = TDM_OK;
    pthread_mutex_lock(&a->mutex);
    if (a->is_closing || a->n_live == TDM__ANSWERS_MAX) {
        s = tdm__fail(err, TDM_ERR_BUSY, "%zu answers are under way, the limit is %d", a->n_live, TDM__ANSWERS_MAX);
    } else {
        w->next = a->live;
        if (a->live)
            a->live->previous = w;
        a->live = w;
        a->n_live++;
    }
    pthread_mutex_unlock(&a->mutex);
    return s;
}

static void delist(tdm__assistant *a, tdm__answer *w)
{
    pthread_mutex_lock(&a->mutex);
    if (w->previous)
        w->previous->next = w->next;
    else
        a->live = w->next;
    if (w->next)
        w->next->previous = w->previous;
    a->n_live--;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->mutex);
}

void tdm__answer_end(tdm__answer *w)
{
    delist(w->assistant, w); /* before it can be freed, and the assistant may go only after */
    pthread_mutex_lock(&w->mutex);
    w->was_told = true;
    pthread_cond_broadcast(&w->ended);
    pthread_mutex_unlock(&w->mutex);
}

/* The lock is held over the start, so that the request's first event finds its handle in its place. */
tdm_status tdm__answer_start_request(tdm__answer *w, tdm__chat_request *q, tdm_error *err)
{
    q->feature = TDM__ASSISTANT_FEATURE;
    q->language = w->language;
    q->app = w->app;
    q->app_key_id = w->app_key_id;
    q->has_attachments = w->has_attachments;
    pthread_mutex_lock(&w->mutex);
    tdm_status s = TDM_OK;
    if (w->is_cancelled)
        s = tdm__fail(err, TDM_ERR_CANCELLED, "the answer was cancelled");
    else if (w->n_requests == TDM__ANSWER_REQUESTS)
        s = tdm__fail(err, TDM_ERR_LIMIT, "an answer takes %d requests at most", TDM__ANSWER_REQUESTS);
    else
        s = tdm__request_start(w->assistant->service, q, tdm__answer_on_event, w, &w->requests[w->n_requests], err);
    if (s == TDM_OK)
        w->n_requests++;
    pthread_mutex_unlock(&w->mutex);
    return s;
}

static tdm_status start_question(tdm__answer *w, const tdm__assistant_ask *ask, tdm_error *err)
{
    TDM_TRY(check_messages(ask->messages, err));
    w->messages = json_deep_copy(ask->messages);
    if (!w->messages)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a question");
    if (ask->named_partner && ask->named_partner[0] != '\0') {
        if ((size_t)snprintf(w->named, sizeof w->named, "%s", ask->named_partner) >= sizeof w->named)
            TDM_FAIL(err, TDM_ERR_INVAL, "a partner's id has %zu bytes at most", sizeof w->named - 1);
    } else {
        const json_t *last = json_array_get(w->messages, json_array_size(w->messages) - 1);
        const json_t *text = json_object_get(last, "content");
        const tdm__rules_set *set = tdm__device_acquire(w->assistant->device);
        tdm__assistant_find_named(set->rules->policy, TDM__ASSISTANT_FEATURE,
                                  (tdm__str){json_string_value(text), json_string_length(text)}, w->named);
        tdm__device_release(w->assistant->device, set);
    }
    w->phase = TDM__PHASE_OWN;
    tdm__chat_request q = {.messages = w->messages,
                           .max_tokens = w->max_tokens ? w->max_tokens : TDM__ANSWER_TOKENS,
                           .sampling = tdm__sampling_default(), /* greedy: what the thresholds were fitted on */
                           .n_top_logprobs = TDM__ABSTAIN_TOP,
                           .named_partner = w->named};
    return tdm__answer_start_request(w, &q, err);
}

/* The question, and before it the last n of the earlier messages. */
static json_t *with_earlier(const tdm__offer *o, size_t n)
{
    json_t *messages = json_array();
    const size_t n_earlier = json_array_size(o->earlier);
    for (size_t i = n_earlier - n; i < n_earlier; i++)
        json_array_append(messages, json_array_get(o->earlier, i));
    json_array_append(messages, json_array_get(o->question, 0));
    if (json_array_size(messages) != n + 1) {
        json_decref(messages);
        return NULL;
    }
    return messages;
}

static tdm_status store_consent(tdm__assistant *a, const tdm__offer *o, tdm__consent_mode mode, tdm_error *err)
{
    const tdm__consent_subject s = {.partner = o->target.partner,
                                    .feature = TDM__ASSISTANT_FEATURE,
                                    .profile_sha256 = o->target.profile_sha256,
                                    .model = o->target.model,
                                    .with_attachments = o->has_attachments};
    return tdm__consent_set(tdm__device_usage(a->device), &s, mode, tdm__clock_unix_s(), err);
}

/* What the owner said is durable before a byte leaves. */
static tdm_status follow_offer(tdm__answer *w, const tdm__assistant_ask *ask, const tdm__offer *o, tdm_error *err)
{
    const size_t n_earlier = json_array_size(o->earlier);
    if (ask->n_earlier_turns > n_earlier)
        TDM_FAIL(err, TDM_ERR_INVAL, "%zu earlier turns were asked for, the offer showed %zu", ask->n_earlier_turns,
                 n_earlier);
    w->target = o->target;
    if (ask->consent == TDM__ANSWER_NEVER) {
        TDM_TRY(store_consent(w->assistant, o, TDM__CONSENT_NEVER, err));
        tdm__answer_note(w, TDM__WORDS_DECLINED);
        tdm__answer_tell_done(w, NULL, "declined");
        return TDM_OK;
    }
    if (ask->consent == TDM__ANSWER_ALWAYS)
        TDM_TRY(store_consent(w->assistant, o, TDM__CONSENT_ALWAYS, err));
    w->is_once = ask->consent == TDM__ANSWER_ONCE;
    w->n_earlier = ask->n_earlier_turns;
    w->outgoing = with_earlier(o, w->n_earlier);
    w->messages = with_earlier(o, n_earlier); /* for this device's model, should the partner fail */
    if (!w->outgoing || !w->messages)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a question");
    return tdm__answer_start_partner(w, err);
}

static tdm_status start_offer(tdm__answer *w, const tdm__assistant_ask *ask, tdm_error *err)
{
    tdm__offer o;
    TDM_TRY(tdm__offer_take(w->assistant, ask->offer_id, &o, err));
    w->has_attachments = o.has_attachments;
    w->max_tokens = o.max_tokens;
    tdm_status s = follow_offer(w, ask, &o, err);
    tdm__offer_fini(&o);
    return s;
}

tdm_status tdm__assistant_start(tdm__assistant *a, const tdm__assistant_ask *ask, tdm__assistant_fn fn, void *user,
                                tdm__answer **out, tdm_error *err)
{
    const bool is_offer = ask->offer_id && ask->offer_id[0] != '\0';
    if (is_offer && (ask->consent < TDM__ANSWER_ONCE || ask->consent > TDM__ANSWER_NEVER))
        TDM_FAIL(err, TDM_ERR_INVAL, "an offer is answered with once, always or never");
    tdm__answer *w = NULL;
    TDM_TRY(answer_create(a, ask->language, ask->has_attachments, ask->max_tokens, &w, err));
    w->fn = fn;
    w->user = user;
    snprintf(w->app, sizeof w->app, "%s", ask->app ? ask->app : "");
    w->app_key_id = ask->app_key_id;
    tdm_status s = enlist(a, w, err);
    if (s == TDM_OK) {
        s = is_offer ? start_offer(w, ask, err) : start_question(w, ask, err);
        if (s != TDM_OK)
            delist(a, w);
    }
    if (s != TDM_OK)
        answer_free(w);
    else
        *out = w;
    return s;
}

void tdm__answer_cancel(tdm__answer *w)
{
    pthread_mutex_lock(&w->mutex);
    w->is_cancelled = true;
    tdm__request *r = w->n_requests > 0 && !w->was_told ? w->requests[w->n_requests - 1] : NULL;
    pthread_mutex_unlock(&w->mutex);
    if (r)
        tdm__request_cancel(r);
}

void tdm__answer_destroy(tdm__answer **answer)
{
    tdm__answer *w = *answer;
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    while (!w->was_told)
        pthread_cond_wait(&w->ended, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
    for (size_t i = 0; i < w->n_requests; i++)
        tdm__request_destroy(&w->requests[i]); /* waits until the last event's call has returned */
    answer_free(w);
    *answer = NULL;
}
