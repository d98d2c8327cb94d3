/* assistant_partner.c - a partner's answer: it ends with a receipt, whatever it ends with.
 *
 * Whether rules and consents still stand is looked at by the spine before each piece; when they do not, the answer ends
 * there. What was shown until then stays: it was allowed when it was said, and taking it back would hide what happened.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hex.h"
#include "feature/assistant_internal.h"
#include "os/clock.h"
#include "os/random.h"

static tdm_status count_body(tdm__answer *w, tdm_error *err)
{
    tdm__device *d = w->assistant->device;
    const tdm__rules_set *set = tdm__device_acquire(d);
    tdm_status s =
        tdm__offer_body(d, set, &w->target, w->outgoing, w->max_tokens, w->body_sha256, NULL, NULL, err);
    tdm__device_release(d, set);
    return s;
}

tdm_status tdm__answer_start_partner(tdm__answer *w, tdm_error *err)
{
    w->phase = TDM__PHASE_PARTNER;
    TDM_TRY(count_body(w, err));
    tdm__chat_request q = {.messages = w->outgoing,
                           .max_tokens = w->max_tokens,
                           .sampling = tdm__sampling_default(),
                           .n_top_logprobs = -1,
                           .named_partner = w->target.partner,
                           .partner = w->target.partner,
                           /* "always" must stand in the owner's file, now and later */
                           .has_consent = w->is_once,
                           .agreed_profile_sha256 = w->target.profile_sha256,
                           .agreed_model = w->target.model};
    return tdm__answer_start_request(w, &q, err);
}

static const char *outcome_of(const tdm__event *ev)
{
    switch (ev->end) {
    case TDM__END_ANSWERED:
        return "answered";
    case TDM__END_STOPPED_BY_SCREEN:
        return "stopped";
    case TDM__END_CANCELLED:
        return "cancelled";
    default:
        if (ev->reason != TDM__REASON_NONE)
            return "cancelled"; /* rules or consent have changed */
        return ev->partner->fault == TDM__PARTNER_CUT ? "cut" : "failed";
    }
}

/* Durable, then told. A receipt that could not be kept is told all the same: it happened. */
static void give_receipt(tdm__answer *w, const tdm__event *ev)
{
    if (!ev->partner || ev->partner->transfer.bytes_sent == 0)
        return;
    char what[64];
    snprintf(what, sizeof what, w->n_earlier > 0 ? "question and %zu earlier turns" : "question", w->n_earlier);
    tdm__receipt r = {.decision_id = ev->decision_id,
                      .partner = w->target.partner,
                      .model = w->target.model,
                      .feature = TDM__ASSISTANT_FEATURE,
                      .filing = ev->filing_id,
                      .market = tdm__decision_market(ev->decision),
                      .what = what,
                      .bytes_sent = ev->partner->transfer.bytes_sent,
                      .bytes_received = ev->partner->transfer.bytes_received,
                      .outcome = outcome_of(ev),
                      .at_unix_s = tdm__clock_unix_s(),
                      .is_emulated = ev->partner->is_emulated || w->target.is_emulated};
    memcpy(r.sha256_sent, w->body_sha256, sizeof r.sha256_sent);
    uint8_t random[16];
    if (tdm__random_fill(random, sizeof random) == 0)
        tdm__hex_put(random, sizeof random, r.id);
    tdm_error err = {0};
    const tdm_status s = tdm__receipt_add(tdm__device_usage(w->assistant->device), &r, &err);
    json_t *data = tdm__receipt_json(&r);
    if (data && json_object_set_new(data, "kept", json_boolean(s == TDM_OK)) == 0)
        tdm__answer_tell(w, ev->decision_id, TDM__ASSISTANT_RECEIPT, data);
    json_decref(data);
}

static const char *code_of(const tdm__event *ev)
{
    static const char *const codes[] = {
        [TDM__PARTNER_FINE] = "internal",
        [TDM__PARTNER_UNREACHABLE] = "partner_unreachable",
        [TDM__PARTNER_TIMEOUT] = "partner_timeout",
        [TDM__PARTNER_CUT] = "partner_cut",
        [TDM__PARTNER_NOT_API] = "partner_not_api",
        [TDM__PARTNER_AUTH] = "partner_auth",
        [TDM__PARTNER_QUOTA] = "partner_quota",
        [TDM__PARTNER_RATE] = "partner_rate",
        [TDM__PARTNER_REFUSED] = "partner_refused",
        [TDM__PARTNER_TERRITORY] = "partner_territory",
        [TDM__PARTNER_BAD_REQUEST] = "partner_bad_request",
        [TDM__PARTNER_SERVER] = "partner_server",
        [TDM__PARTNER_TOO_LONG] = "partner_too_long",
    };
    switch (ev->reason) {
    case TDM__REASON_NONE:
        break;
    case TDM__REASON_CONSENT_NEVER:
    case TDM__REASON_CONSENT_REVOKED:
        return "consent_revoked";
    case TDM__REASON_NETWORK_OFF:
        return "partner_unreachable";
    default:
        return "rules_changed";
    }
    if (!ev->partner)
        return ev->error.code == TDM_ERR_BUSY ? "busy" : "internal";
    return (size_t)ev->partner->fault < sizeof codes / sizeof codes[0] ? codes[ev->partner->fault] : "internal";
}

static bool plan_has_own(const tdm__decision *d)
{
    for (size_t i = 0; i < d->n_plan; i++)
        if (!d->plan[i].candidate->backend->partner)
            return true;
    return false;
}

/* Before its first word: this device's model answers, and says so. Not when what allowed the partner has changed: then
 * the question is to be asked anew. */
static void on_failed(tdm__answer *w, const tdm__event *ev)
{
    tdm__answer_tell_error(w, ev->decision_id, code_of(ev), ev->error.msg);
    if (!w->was_shown && ev->reason == TDM__REASON_NONE && plan_has_own(ev->decision)) {
        w->phase = TDM__PHASE_FALLBACK;
        w->is_released = true;
        tdm__chat_request q = {.messages = w->messages,
                               .max_tokens = w->max_tokens ? w->max_tokens : TDM__ANSWER_TOKENS,
                               .sampling = tdm__sampling_default(),
                               .n_top_logprobs = -1};
        if (tdm__answer_start_request(w, &q, NULL) == TDM_OK)
            return;
    }
    tdm__answer_tell_done(w, ev, "failed");
}

void tdm__answer_on_partner(tdm__answer *w, const tdm__event *ev)
{
    if (ev->kind == TDM__EVENT_TEXT) {
        tdm__answer_tell_text(w, ev, ev->text);
        return;
    }
    give_receipt(w, ev);
    switch (ev->end) {
    case TDM__END_ANSWERED:
        tdm__answer_tell_done(w, ev, "answered");
        break;
    case TDM__END_OFF:
        tdm__answer_tell_done(w, ev, "off");
        break;
    case TDM__END_NEEDS_CONSENT: /* "always" was taken back just now, or the rules name another model: asked anew */
        tdm__answer_find_target(w, ev->decision);
        tdm__answer_offer(w, ev, TDM__OFFER_POLICY);
        break;
    case TDM__END_STOPPED_BY_SCREEN:
        if (w->was_shown)
            tdm__answer_tell_retract(w, ev);
        tdm__answer_tell_done(w, ev, "stopped");
        break;
    case TDM__END_CANCELLED:
        tdm__answer_tell_done(w, ev, "cancelled");
        break;
    case TDM__END_NONE:
    case TDM__END_FAILED:
        on_failed(w, ev);
        break;
    }
}
