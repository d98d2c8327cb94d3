/* request_end.c - the two leaves of an answer, and the events that they hold back.
 *
 * DECISION is told at once. TEXT waits until the opened leaf is durable, which it is long before the first token; DONE
 * is told by the journal's thread when the closed leaf is.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/clock.h"
#include "os/heap.h"
#include "request/request_internal.h"

void tdm__request_tell(tdm__request *r, tdm__event ev)
{
    const tdm__policy_backend *b = r->step ? r->step->candidate->backend : NULL;
    ev.decision_id = r->decision.id;
    ev.decision = &r->decision;
    ev.model_name = b && b->partner ? b->model_name : r->service->model_name;
    ev.filing_id = r->step ? r->step->candidate->filing.id : "";
    ev.partner_id = b && b->partner ? b->partner->id : "";
    r->fn(r->user, &ev);
}

/* Its place in the service is free before the owner hears of the end, so that an answered client may ask at once. */
static void give_place(tdm__request *r)
{
    tdm__service *s = r->service;
    pthread_mutex_lock(&s->mutex);
    s->n_live -= r->n_places;
    pthread_mutex_unlock(&s->mutex);
    tdm__quota_leave(s->quota, r->app, r->timings.n_prompt + r->timings.n_generated, tdm__clock_unix_s());
}

/* After the end was told, for it is told out of what the service has; the service may be gone when this returns. */
static void leave_service(tdm__request *r)
{
    tdm__service *s = r->service;
    pthread_mutex_lock(&s->mutex);
    *(r->live_previous ? &r->live_previous->live_next : &s->live) = r->live_next;
    if (r->live_next)
        r->live_next->live_previous = r->live_previous;
    pthread_cond_broadcast(&s->left);
    pthread_mutex_unlock(&s->mutex);
}

static void tell_done(tdm__request *r)
{
    r->done.kind = TDM__EVENT_DONE;
    r->done.timings = r->timings;
    r->done.timings.queue_ms += r->prepare_ms;
    r->done.finishes = r->finishes;
    r->done.n_candidates = r->n_candidates;
    give_place(r);
    tdm__request_tell(r, r->done);
    leave_service(r);
    pthread_mutex_lock(&r->mutex);
    r->was_told = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
}

/* ---- leaves ---- */

static void on_opened(void *user, tdm_status status)
{
    tdm__request *r = user;
    pthread_mutex_lock(&r->mutex);
    r->opened = status == TDM_OK ? TDM__LEAF_DURABLE : TDM__LEAF_FAILED;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
}

static void on_closed(void *user, tdm_status status)
{
    tdm__request *r = user;
    if (status != TDM_OK && r->done.end == TDM__END_ANSWERED) {
        r->done.end = TDM__END_FAILED;
        r->done.finish = TDM__FINISH_ERROR;
        tdm__fail(&r->done.error, TDM_ERR_IO, "the answer could not be entered in the decision journal");
    }
    tell_done(r);
}

/* What is committed to: the messages in one fixed spelling. */
static tdm_status digest_messages(const tdm__request *r, uint8_t out[TDM__SHA256_BYTES], tdm_error *err)
{
    char *text = tdm__json_text(r->messages, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the digest of a question");
    const tdm__str s = tdm__str_from(text);
    tdm__sha256(s.ptr, s.len, out);
    tdm__free(text);
    return TDM_OK;
}

static tdm_status append_opened(tdm__request *r, tdm_error *err)
{
    uint8_t digest[TDM__SHA256_BYTES];
    tdm__buf text;
    TDM_TRY(digest_messages(r, digest, err));
    tdm__buf_init(&text, TDM__DECISION_JSON_MAX);
    tdm_status s = tdm__decision_canonical(&r->decision, &text, err);
    tdm__leaf leaf = {.kind = TDM__LEAF_OPENED,
                      .at_unix_s = r->now_unix_s,
                      .decision = tdm__buf_str(&text),
                      .committed = {(const char *)digest, sizeof digest}};
    memcpy(leaf.decision_id, r->decision.id, sizeof leaf.decision_id);
    if (s == TDM_OK)
        s = tdm__journal_append(tdm__device_journal(r->device), &leaf, on_opened, r, err);
    tdm__buf_fini(&text);
    return s;
}

tdm_status tdm__request_open_leaf(tdm__request *r, tdm_error *err)
{
    tdm_status s = append_opened(r, err);
    if (s != TDM_OK)
        on_opened(r, s); /* nobody else will say so */
    return s;
}

tdm_status tdm__request_wait_opened(tdm__request *r, tdm_error *err)
{
    pthread_mutex_lock(&r->mutex);
    while (r->opened == TDM__LEAF_WAITS)
        pthread_cond_wait(&r->changed, &r->mutex);
    bool durable = r->opened == TDM__LEAF_DURABLE;
    pthread_mutex_unlock(&r->mutex);
    if (!durable)
        TDM_FAIL(err, TDM_ERR_IO, "the decision could not be entered in the decision journal, so nothing is answered");
    return TDM_OK;
}

static tdm__outcome outcome_of(tdm__request_end end)
{
    static const tdm__outcome of[] = {[TDM__END_NONE] = TDM__OUTCOME_FAILED,
                                      [TDM__END_ANSWERED] = TDM__OUTCOME_ANSWERED,
                                      [TDM__END_OFF] = TDM__OUTCOME_OFF,
                                      [TDM__END_NEEDS_CONSENT] = TDM__OUTCOME_OFF,
                                      [TDM__END_STOPPED_BY_SCREEN] = TDM__OUTCOME_STOPPED_BY_SCREEN,
                                      [TDM__END_CANCELLED] = TDM__OUTCOME_CANCELLED,
                                      [TDM__END_FAILED] = TDM__OUTCOME_FAILED};
    return of[end];
}

void tdm__request_finish(tdm__request *r, tdm__event done)
{
    uint8_t digest[TDM__SHA256_BYTES];
    tdm__buf peer;
    tdm_error why = {0};
    done.reason = done.reason ? done.reason : r->reason;
    done.rule = r->rule;
    done.label = r->label[0] ? r->label : "none";
    done.screening = done.end == TDM__END_STOPPED_BY_SCREEN ? "stopped"
                     : tdm__screen_is_empty(r->rules->screen) ? "none"
                                                              : "passed";
    r->done = done;
    for (size_t i = 0; i < r->n_candidates; i++)
        if (r->finishes[i] == TDM__FINISH_NONE)
            r->finishes[i] = done.finish;
    tdm__output_digest(r, digest);
    tdm__buf_init(&peer, 256);
    const tdm__transfer_result *t = &r->partner.transfer;
    if (t->peer[0])
        tdm__buf_printf(&peer, "%s %s", t->peer, t->certificate_sha256);
    tdm__leaf leaf = {.kind = TDM__LEAF_CLOSED,
                      .at_unix_s = tdm__clock_unix_s(),
                      .committed = {(const char *)digest, sizeof digest},
                      .outcome = outcome_of(done.end),
                      .peer = tdm__buf_str(&peer),
                      .bytes_out = t->bytes_sent};
    memcpy(leaf.decision_id, r->decision.id, sizeof leaf.decision_id);
    tdm_status s = tdm__journal_append(tdm__device_journal(r->device), &leaf, on_closed, r, &why);
    tdm__buf_fini(&peer);
    if (s != TDM_OK) { /* the journal must not come back to a request that is gone */
        tdm__request_wait_opened(r, NULL);
        on_closed(r, s);
    }
}
