/* request_partner.c - a question's way to a partner and back: one thread a hand-off, ended with its request.
 *
 * It runs only for a step of the plan, with the owner's consent where the step asks, after the opened leaf is durable.
 * Before the question leaves, which is when the connection stands, and before each piece of the answer is told the
 * rules and consents of that moment are asked again.
 */
#include <string.h>

#include "base/error.h"
#include "os/thread.h"
#include "request/request_internal.h"

static tdm_status on_text(void *user, tdm__str text, tdm_error *err)
{
    tdm__request *r = user;
    if (!tdm__output_push(&r->candidates[0], text, NULL, 0))
        TDM_FAIL(err, TDM_ERR_CANCELLED, "the answer was stopped");
    return TDM_OK;
}

/* Consent and rules of this moment, and whether the network is still on. */
static bool may_leave(void *user) { return tdm__request_still_stands(user); }

/* The partner is well and says so: the question is what it does not take. */
static bool is_of_question(tdm__partner_fault f)
{
    return f == TDM__PARTNER_REFUSED || f == TDM__PARTNER_BAD_REQUEST || f == TDM__PARTNER_TOO_LONG;
}

static tdm_status call_partner(tdm__request *r, tdm_error *err)
{
    const tdm__policy_backend *b = r->step->candidate->backend;
    const tdm__market_policy *p = r->rules->rules->policy;
    const tdm__partner_profile *profile;
    TDM_TRY(tdm__request_wait_opened(r, err));
    TDM_TRY(tdm__device_profile(r->device, r->rules, b->partner->id, &profile, err));
    if (!tdm__request_still_stands(r))
        TDM_FAIL(err, TDM_ERR_CANCELLED, "what was decided does not stand any more");
    const tdm__partner_call call = {.profile = profile,
                                    .decision_id = r->decision.id,
                                    .market = p->market,
                                    .dns_server = p->dns_server,
                                    .model = b->model,
                                    .messages = r->messages,
                                    .max_tokens = r->params.max_tokens,
                                    .cancel = &r->stop_partner,
                                    .may_leave = may_leave,
                                    .on_text = on_text,
                                    .user = r};
    tdm_status s = tdm__partner_chat(&call, &r->partner, err);
    if (s != TDM_ERR_CANCELLED)
        tdm__device_note_partner(r->device, b->partner->id, s == TDM_OK || is_of_question(r->partner.fault));
    return s;
}

static tdm__finish finish_of(tdm__request *r, tdm_status status)
{
    if (tdm__request_is_cancelled(r))
        return TDM__FINISH_CANCELLED;
    if (status != TDM_OK)
        return TDM__FINISH_ERROR;
    return strcmp(r->partner.finish, "length") == 0 ? TDM__FINISH_LENGTH : TDM__FINISH_STOP;
}

static void *partner_main(void *user)
{
    tdm__request *r = user;
    tdm_error why = {0};
    tdm_status s = call_partner(r, &why);
    /* What is found out before the question leaves stops it too, without a piece of an answer. */
    r->is_stopped = r->is_stopped || r->reason != TDM__REASON_NONE;
    tdm__event done = tdm__request_end_of(r, finish_of(r, s), &why);
    done.partner = &r->partner;
    if (done.end == TDM__END_ANSWERED)
        tdm__output_end(&r->candidates[0]);
    tdm__request_finish(r, done);
    return NULL;
}

tdm_status tdm__request_ask_partner(tdm__request *r, tdm_error *err)
{
    int rc = tdm__thread_start(&r->writer, partner_main, r);
    if (rc != 0)
        return tdm__fail_os(err, rc, "cannot start a thread for a partner's answer");
    r->has_writer = true;
    return TDM_OK;
}
