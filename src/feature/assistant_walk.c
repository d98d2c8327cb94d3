/* assistant_walk.c - the state machine: what the spine's events become.
 *
 *   question ─► own model ─► first tokens held ─► sure: shown ─► done
 *                  │                          └─► abstains ─► offer, or the partner when the owner said "always"
 *                  ├─► the plan begins with a partner (named, policy, too long) ─► the same
 *                  └─► off, stopped, failed
 *   yes to an offer ─► partner ─► receipt ─► done
 *                         └─► failed before its first word ─► own model, saying so
 *
 * Where there is no partner to offer nothing is held: the owner is told afterwards that the model was not sure.
 */
#include <string.h>

#include "feature/assistant_internal.h"

static const tdm__plan_step *next_partner(const tdm__decision *d)
{
    for (size_t i = 0; i < d->n_plan; i++)
        if (d->plan[i].candidate->backend->partner)
            return &d->plan[i];
    return NULL;
}

void tdm__answer_find_target(tdm__answer *w, const tdm__decision *d)
{
    const tdm__plan_step *step = next_partner(d);
    if (!step)
        return;
    tdm__device *device = w->assistant->device;
    const tdm__rules_set *set = tdm__device_acquire(device);
    const tdm__partner_profile *profile;
    w->has_target = tdm__device_profile(device, set, step->candidate->backend->partner->id, &profile, NULL) == TDM_OK;
    tdm__device_release(device, set);
    if (w->has_target)
        tdm__offer_target_set(&w->target, step, w->language);
}

static void on_decision(tdm__answer *w, const tdm__event *ev)
{
    if (w->phase == TDM__PHASE_OWN) {
        tdm__answer_find_target(w, ev->decision);
        tdm__abstain_init(&w->abstain, tdm__abstain_rule_for(ev->model_name ? ev->model_name : ""));
        w->is_released = !w->has_target;
    }
    tdm__answer_tell_decision(w, ev);
}

static void cancel_last(tdm__answer *w)
{
    pthread_mutex_lock(&w->mutex);
    tdm__request *r = w->requests[w->n_requests - 1];
    pthread_mutex_unlock(&w->mutex);
    tdm__request_cancel(r);
}

static void release(tdm__answer *w, const tdm__event *ev)
{
    tdm__event words = *ev;
    words.is_label = false; /* what was held is the model's own */
    tdm__answer_tell_text(w, &words, tdm__buf_str(&w->held));
    tdm__buf_clear(&w->held);
    w->is_released = true;
}

static void push_tokens(tdm__answer *w, const tdm__event *ev)
{
    for (size_t i = 0; i < ev->n_tokens; i++) {
        const tdm__token_info *t = &ev->tokens[i];
        float top[TDM__TOP_LOGPROBS_MAX];
        size_t n = t->n_top > 0 ? (size_t)t->n_top : 0;
        for (size_t k = 0; k < n; k++)
            top[k] = t->top[k].logprob;
        tdm__abstain_push(&w->abstain, t->chosen.logprob, top, n);
    }
}

/* The rule's word about what is there so far; the label is no word of the model and comes when it has ended. */
static void consider(tdm__answer *w, const tdm__event *ev, bool is_end)
{
    if (w->verdict != TDM__ABSTAIN_WAIT)
        return;
    w->verdict = tdm__abstain_decide(&w->abstain, tdm__buf_str(&w->held), is_end);
    if (w->verdict == TDM__ABSTAIN_ABSTAIN && w->has_target && !is_end)
        cancel_last(w);
    if (w->verdict == TDM__ABSTAIN_ANSWER && !w->is_released)
        release(w, ev);
}

/* No memory for what is held: what is there is shown, and nothing is decided any more. */
static void fail_held(tdm__answer *w, const tdm__event *ev)
{
    w->verdict = TDM__ABSTAIN_ANSWER;
    if (!w->is_released)
        release(w, ev);
    tdm__answer_tell_text(w, ev, ev->text);
}

static void on_own_text(tdm__answer *w, const tdm__event *ev)
{
    const bool is_waiting = w->phase == TDM__PHASE_OWN && w->verdict == TDM__ABSTAIN_WAIT;
    if (is_waiting) {
        const bool was_released = w->is_released;
        push_tokens(w, ev);
        if (!ev->is_label && tdm__buf_append_str(&w->held, ev->text) != TDM_OK) {
            fail_held(w, ev);
            return;
        }
        consider(w, ev, ev->is_label);
        if (!was_released && !ev->is_label)
            return; /* it was told with what was held, or is held */
    }
    if (!w->is_released)
        return; /* abstained */
    tdm__answer_tell_text(w, ev, ev->text);
}

static tdm__offer_cause cause_of(const tdm__answer *w, const tdm__decision *d)
{
    if (w->named[0] != '\0' && strcmp(w->named, w->target.partner) == 0)
        return TDM__OFFER_NAMED;
    for (size_t i = 0; i < d->n_refused; i++)
        if (!d->refused[i].candidate->backend->partner && d->refused[i].reason == TDM__REASON_TOO_LONG_FOR_DEVICE)
            return TDM__OFFER_TOO_LONG;
    return TDM__OFFER_POLICY;
}

static void fail(tdm__answer *w, const tdm__event *ev, const char *code, const char *detail)
{
    tdm__answer_tell_error(w, ev->decision_id, code, detail);
    tdm__answer_tell_done(w, ev, "failed");
}

/* The question alone goes to the target, without being asked about: the owner has said "always". */
static void go_on_with_partner(tdm__answer *w, const tdm__event *ev)
{
    tdm_error err = {0};
    w->outgoing = json_pack("[O]", json_array_get(w->messages, json_array_size(w->messages) - 1));
    tdm_status s = w->outgoing ? tdm__answer_start_partner(w, &err) : TDM_ERR_NOMEM;
    if (s == TDM_ERR_CANCELLED)
        tdm__answer_tell_done(w, ev, "cancelled");
    else if (s != TDM_OK)
        fail(w, ev, s == TDM_ERR_BUSY ? "busy" : "internal", err.msg);
}

void tdm__answer_offer(tdm__answer *w, const tdm__event *ev, tdm__offer_cause cause)
{
    static const tdm__words words[] = {
        [TDM__OFFER_NAMED] = TDM__WORDS_OFFER_NAMED,
        [TDM__OFFER_POLICY] = TDM__WORDS_OFFER_POLICY,
        [TDM__OFFER_TOO_LONG] = TDM__WORDS_OFFER_TOO_LONG,
        [TDM__OFFER_ABSTAINED] = TDM__WORDS_OFFER_ABSTAINED,
    };
    if (!w->target.needs_consent) {
        go_on_with_partner(w, ev);
        return;
    }
    json_t *document = NULL;
    tdm_error err = {0};
    tdm_status s = tdm__offer_make(w, ev, cause, &document, &err);
    if (s != TDM_OK) {
        fail(w, ev, s == TDM_ERR_CANCELLED ? "rules_changed" : "internal", err.msg);
        return;
    }
    tdm__answer_tell(w, ev->decision_id, TDM__ASSISTANT_OFFER, document);
    json_decref(document);
    tdm__answer_note(w, words[cause]);
    tdm__answer_tell_done(w, ev, "offered");
}

static void on_own_failed(tdm__answer *w, const tdm__event *ev)
{
    const bool is_too_long = ev->error.code == TDM_ERR_LIMIT;
    if (w->phase == TDM__PHASE_OWN && w->has_target && !w->was_shown && ev->reason == TDM__REASON_NONE) {
        tdm__answer_offer(w, ev, is_too_long ? TDM__OFFER_TOO_LONG : cause_of(w, ev->decision));
        return;
    }
    const char *code = ev->reason != TDM__REASON_NONE       ? "rules_changed"
                       : is_too_long                        ? "too_long"
                       : ev->error.code == TDM_ERR_UPSTREAM ? "model_failed"
                       : ev->error.code == TDM_ERR_BUSY     ? "busy"
                                                            : "internal";
    fail(w, ev, code, ev->error.msg);
}

static void on_own_answered(tdm__answer *w, const tdm__event *ev)
{
    if (w->phase == TDM__PHASE_OWN) {
        consider(w, ev, true);
        if (w->verdict == TDM__ABSTAIN_ABSTAIN && w->has_target) {
            tdm__answer_offer(w, ev, TDM__OFFER_ABSTAINED);
            return;
        }
        if (w->verdict == TDM__ABSTAIN_ABSTAIN && w->named[0] == '\0') /* else: why the one that was named did not */
            tdm__answer_note(w, TDM__WORDS_UNSURE_ALONE);
    } else {
        tdm__answer_note(w, TDM__WORDS_PARTNER_FAILED);
    }
    tdm__answer_tell_done(w, ev, "answered");
}

static bool is_cancelled(tdm__answer *w)
{
    pthread_mutex_lock(&w->mutex);
    bool is = w->is_cancelled;
    pthread_mutex_unlock(&w->mutex);
    return is;
}

static void on_own_done(tdm__answer *w, const tdm__event *ev)
{
    switch (ev->end) {
    case TDM__END_ANSWERED:
        on_own_answered(w, ev);
        break;
    case TDM__END_OFF:
        tdm__answer_tell_done(w, ev, "off");
        break;
    case TDM__END_NEEDS_CONSENT:
        if (w->phase == TDM__PHASE_OWN && w->has_target)
            tdm__answer_offer(w, ev, cause_of(w, ev->decision));
        else
            tdm__answer_tell_done(w, ev, "failed"); /* the partner's error was told */
        break;
    case TDM__END_STOPPED_BY_SCREEN:
        if (w->was_shown)
            tdm__answer_tell_retract(w, ev);
        tdm__answer_tell_done(w, ev, "stopped");
        break;
    case TDM__END_CANCELLED:
        if (w->verdict == TDM__ABSTAIN_ABSTAIN && w->has_target && !is_cancelled(w))
            tdm__answer_offer(w, ev, TDM__OFFER_ABSTAINED);
        else
            tdm__answer_tell_done(w, ev, "cancelled");
        break;
    case TDM__END_NONE:
    case TDM__END_FAILED:
        on_own_failed(w, ev);
        break;
    }
}

void tdm__answer_on_event(void *user, const tdm__event *ev)
{
    tdm__answer *w = user;
    pthread_mutex_lock(&w->mutex); /* the start that this belongs to has returned */
    pthread_mutex_unlock(&w->mutex);
    if (ev->kind == TDM__EVENT_DECISION)
        on_decision(w, ev);
    else if (w->phase == TDM__PHASE_PARTNER)
        tdm__answer_on_partner(w, ev);
    else if (ev->kind == TDM__EVENT_TEXT)
        on_own_text(w, ev);
    else
        on_own_done(w, ev);
}
