/* fake_spine.c - see fake_spine.h. The order of events is the spine's: DECISION, TEXT .., DONE. */
#include "fake_spine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/clock.h"

enum { REQUESTS_MAX = 256 };

struct tdm__request {
    tdm__chat_request q;
    json_t *messages;
    char named[65], partner[65];
    tdm__event_fn fn;
    void *user;
    tdm__decision decision;
    const tdm__plan_step *step;
    tdm__request_end end;
    bool is_cancelled, was_told;
    tdm__partner_result result;
};

tdm__fake_script tdm__fake;

static tdm__rules_set current;
static tdm__usage *usage;
static tdm__request *waiting[REQUESTS_MAX];
static size_t n_waiting, n_sent;
static json_t *last_sent;

void tdm__fake_set_rules(const tdm__rules *rules)
{
    current.rules = rules;
    current.generation++;
}

void tdm__fake_set_usage(tdm__usage *u) { usage = u; }
size_t tdm__fake_n_sent(void) { return n_sent; }
const json_t *tdm__fake_last_sent(void) { return last_sent; }

/* ---- the device ---- */

const tdm__rules_set *tdm__device_acquire(tdm__device *d)
{
    (void)d;
    return &current;
}

void tdm__device_release(tdm__device *d, const tdm__rules_set *s)
{
    (void)d;
    (void)s;
}

tdm__usage *tdm__device_usage(tdm__device *d)
{
    (void)d;
    return usage;
}

tdm_status tdm__device_profile(tdm__device *d, const tdm__rules_set *s, const char *partner,
                               const tdm__partner_profile **out, tdm_error *err)
{
    static const tdm__partner_profile profile = {.region = "US"};
    (void)d;
    (void)s;
    (void)partner;
    (void)err;
    *out = &profile;
    return TDM_OK;
}

static void decide(const char *named, bool has_attachments, tdm__decision *out)
{
    tdm__decision_facts f = {.now_unix_s = tdm__clock_unix_s(),
                             .feature = "assistant",
                             .named_partner = named,
                             .has_attachments = has_attachments};
    f.random[0] = (uint8_t)(n_waiting + 1);
    const tdm__rule_cell *cell = tdm__rules_cell(current.rules, "assistant");
    for (size_t i = 0; cell && i < cell->cell->n_backends; i++) {
        const tdm__policy_backend *b = &cell->cell->backends[i];
        if (!b->partner)
            continue;
        const tdm__consent_subject s = {.partner = b->partner->id,
                                        .feature = "assistant",
                                        .profile_sha256 = b->partner->profile_sha256,
                                        .model = b->model,
                                        .with_attachments = has_attachments};
        f.consents[i] = tdm__consent_get(usage, &s);
    }
    tdm__decide(current.rules, &f, out);
}

/* ---- the partner ---- */

tdm_status tdm__partner_body(const tdm__partner_call *c, char **out, size_t *out_len, tdm_error *err)
{
    json_t *body = json_pack("{s:s, s:O}", "model", c->model, "messages", c->messages);
    *out = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (!*out)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory");
    *out_len = strlen(*out);
    return TDM_OK;
}

/* ---- requests ---- */

static bool is_agreed(const tdm__chat_request *q, const tdm__policy_backend *b)
{
    return q->has_consent && strcmp(q->agreed_profile_sha256, b->partner->profile_sha256) == 0 &&
           strcmp(q->agreed_model, b->model) == 0;
}

static void choose(tdm__request *r)
{
    const tdm__decision *d = &r->decision;
    for (size_t i = 0; i < d->n_plan && !r->step; i++) {
        const tdm__policy_partner *p = d->plan[i].candidate->backend->partner;
        if (r->partner[0] ? p && strcmp(p->id, r->partner) == 0 : i == 0)
            r->step = &d->plan[i];
    }
    if (!r->step) {
        r->end = TDM__END_OFF;
    } else if (r->step->candidate->backend->partner &&
               (!r->partner[0] || (r->step->needs_consent && !is_agreed(&r->q, r->step->candidate->backend)))) {
        r->end = TDM__END_NEEDS_CONSENT;
        r->step = NULL;
    }
}

tdm_status tdm__request_start(tdm__service *s, const tdm__chat_request *q, tdm__event_fn fn, void *user,
                              tdm__request **out, tdm_error *err)
{
    (void)s;
    if (n_waiting == REQUESTS_MAX)
        TDM_FAIL(err, TDM_ERR_BUSY, "too many");
    void (*before)(void) = tdm__fake.before_start;
    tdm__fake.before_start = NULL;
    if (before)
        before();
    tdm__request *r = calloc(1, sizeof *r);
    assert(r);
    r->q = *q;
    r->messages = json_deep_copy(q->messages);
    snprintf(r->named, sizeof r->named, "%s", q->named_partner ? q->named_partner : "");
    snprintf(r->partner, sizeof r->partner, "%s", q->partner ? q->partner : "");
    r->fn = fn;
    r->user = user;
    decide(r->named, q->has_attachments, &r->decision);
    choose(r);
    waiting[n_waiting++] = r;
    *out = r;
    return TDM_OK;
}

void tdm__request_cancel(tdm__request *r) { r->is_cancelled = true; }

void tdm__request_destroy(tdm__request **request)
{
    tdm__request *r = *request;
    if (!r)
        return;
    assert(r->was_told);
    json_decref(r->messages);
    free(r);
    *request = NULL;
}

static void tell(tdm__request *r, tdm__event ev)
{
    const tdm__policy_backend *b = r->step ? r->step->candidate->backend : NULL;
    ev.decision_id = r->decision.id;
    ev.decision = &r->decision;
    ev.model_name = b && b->partner ? b->model_name : "qwen2.5-coder-0.5b-instruct-q4_k_m";
    ev.filing_id = "";
    ev.partner_id = b && b->partner ? b->partner->id : "";
    if (ev.kind == TDM__EVENT_DONE)
        r->was_told = true;
    r->fn(r->user, &ev);
}

static void done(tdm__request *r, tdm__event ev)
{
    ev.kind = TDM__EVENT_DONE;
    ev.label = "none";
    ev.partner = r->step && r->step->candidate->backend->partner ? &r->result : NULL;
    tell(r, ev);
}

/* As the spine: what was decided must still hold before each piece of a partner. */
static bool still_stands(const tdm__request *r)
{
    tdm__decision now;
    decide(r->named, r->q.has_attachments, &now);
    for (size_t i = 0; i < now.n_plan; i++)
        if (now.plan[i].candidate->backend->partner &&
            strcmp(now.plan[i].candidate->backend->partner->id, r->partner) == 0)
            return r->q.has_consent || !now.plan[i].needs_consent;
    return false;
}

/* True: the request has ended. */
static bool end_early(tdm__request *r, int i)
{
    const bool is_partner = r->partner[0] != '\0';
    if (tdm__fake.before_word)
        tdm__fake.before_word(i);
    if (r->is_cancelled)
        done(r, (tdm__event){.end = TDM__END_CANCELLED, .finish = TDM__FINISH_CANCELLED});
    else if (tdm__fake.stopped_at == i)
        done(r, (tdm__event){
                    .end = TDM__END_STOPPED_BY_SCREEN, .reason = TDM__REASON_SCREEN_OUTPUT, .rule = "term-7"});
    else if (is_partner && tdm__fake.partner_fails_at == i) {
        r->result.fault = tdm__fake.partner_fault;
        done(r, (tdm__event){.end = TDM__END_FAILED, .error = {TDM_ERR_UPSTREAM, "the partner failed"}});
    } else if (is_partner && !still_stands(r))
        done(r, (tdm__event){.end = TDM__END_FAILED, .reason = TDM__REASON_CONSENT_REVOKED});
    else
        return false;
    return true;
}

static void run_words(tdm__request *r, const char *const *words)
{
    const bool is_partner = r->partner[0] != '\0';
    for (int i = 0;; i++) {
        if (end_early(r, i))
            return;
        if (!words[i])
            break;
        const float logprob = i == tdm__fake.own_unsure_at ? -9.0f : tdm__fake.own_logprob;
        const tdm__token_prob chosen = {1, logprob};
        const tdm__token_info token = {chosen, &chosen, 1};
        tell(r, (tdm__event){.kind = TDM__EVENT_TEXT,
                             .text = tdm__str_from(words[i]),
                             .tokens = is_partner ? NULL : &token,
                             .n_tokens = !is_partner});
    }
    if (!is_partner && tdm__fake.own_error != TDM_OK)
        done(r, (tdm__event){.end = TDM__END_FAILED, .error = {tdm__fake.own_error, "the model failed"}});
    else
        done(r, (tdm__event){.end = TDM__END_ANSWERED, .finish = TDM__FINISH_STOP});
}

static void run(tdm__request *r)
{
    tell(r, (tdm__event){.kind = TDM__EVENT_DECISION});
    if (!r->step) {
        done(r, (tdm__event){.end = r->end, .reason = r->decision.off});
        return;
    }
    if (tdm__fake.stops_question) {
        done(r, (tdm__event){
                    .end = TDM__END_STOPPED_BY_SCREEN, .reason = TDM__REASON_SCREEN_INPUT, .rule = "term-7"});
        return;
    }
    if (r->partner[0]) {
        n_sent++;
        json_decref(last_sent);
        last_sent = json_deep_copy(r->messages);
        r->result.transfer.bytes_sent = 100;
    }
    run_words(r, r->partner[0] ? tdm__fake.partner_words : tdm__fake.own_words);
}

size_t tdm__fake_run(void)
{
    size_t n = 0;
    while (n_waiting > 0) {
        tdm__request *r = waiting[0];
        memmove(waiting, waiting + 1, --n_waiting * sizeof waiting[0]);
        run(r);
        n++;
    }
    return n;
}
