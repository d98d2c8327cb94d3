/* verb_end.c - statuses and ends to codes: each row of docs/formats/errors.md that a verb can come to. */
#include "api/verb_end.h"

#include <stdio.h>

#include "api/api.h"

static void put_sentence(const tdm__decision *d, tdm__verb_end *out)
{
    tdm__buf text;
    tdm__buf_init(&text, sizeof out->sentence - 1);
    if (d && tdm__decision_sentence(d, NULL, "en", &text) == TDM_OK)
        snprintf(out->sentence, sizeof out->sentence, "%s", tdm__buf_cstr(&text));
    tdm__buf_fini(&text);
}

void tdm__verb_end_from(const tdm__verb_event *done, tdm__verb_end *out)
{
    const tdm__event *ev = done->spine;
    *out = (tdm__verb_end){.end = ev->end, .reason = ev->reason, .timings = ev->timings};
    if (ev->end == TDM__END_FAILED)
        out->error = ev->error;
    if (ev->end == TDM__END_OFF)
        put_sentence(ev->decision, out);
    snprintf(out->label, sizeof out->label, "%s", ev->label && ev->label[0] ? ev->label : "none");
}

/* A failure on the way: the text did not fit, or the model's answers did not pass the verb's checks, or worse. */
static void refuse_failed(const tdm_error *err, const char *param, tdm__api_error *e)
{
    switch (err->code) {
    case TDM_ERR_LIMIT: tdm__api_refuse(e, 400, "text_too_long", param, "%s", err->msg); return;
    case TDM_ERR_UNSUPPORTED: tdm__api_refuse(e, 400, "language_not_supported", "lang", "%s", err->msg); return;
    case TDM_ERR_UPSTREAM: tdm__api_refuse(e, 422, "no_good_answer", NULL, "%s", err->msg); return;
    default: tdm__api_error_from(err, e); return;
    }
}

bool tdm__verb_end_refusal(const tdm__verb_end *end, const tdm__verb_ask *ask, tdm__api_error *e)
{
    const char *param = ask->n_messages > 0 ? "messages" : "text";
    switch (end->end) {
    case TDM__END_ANSWERED: return false;
    case TDM__END_OFF: tdm__api_refuse(e, 403, "feature_off", NULL, "%s", end->sentence); break;
    case TDM__END_NEEDS_CONSENT:
        tdm__api_refuse(e, 403, "consent_needed", NULL,
                        "the market gives this feature to a partner, and a verb asks this device's own model only");
        break;
    case TDM__END_STOPPED_BY_SCREEN:
        tdm__api_refuse(e, 400, "content_filter", end->reason == TDM__REASON_SCREEN_INPUT ? param : NULL,
                        "the %s has a term that the market's pack stops",
                        end->reason == TDM__REASON_SCREEN_INPUT ? "text" : "answer");
        break;
    case TDM__END_CANCELLED: tdm__api_refuse(e, 503, "cancelled", NULL, "the answer was cancelled"); break;
    case TDM__END_NONE:
    case TDM__END_FAILED: refuse_failed(&end->error, param, e); break;
    }
    if (end->reason != TDM__REASON_NONE)
        e->reason = tdm__reason_name(end->reason);
    return true;
}

void tdm__verb_start_refusal(const tdm__verb_ask *ask, const tdm_error *err, const tdm__service_status *s,
                             tdm__api_error *e)
{
    const char *param = ask->n_messages > 0 ? "messages" : "text";
    if (err->code == TDM_ERR_UPSTREAM && s->state != TDM__SERVICE_READY)
        tdm__api_not_ready(s, e);
    else if (err->code == TDM_ERR_INVAL)
        tdm__api_refuse(e, 400, "invalid_field", param, "%s", err->msg);
    else if (err->code == TDM_ERR_LIMIT) /* what is too long was refused when it was read */
        tdm__api_refuse(e, 400, "text_too_short", param, "%s", err->msg);
    else if (err->code == TDM_ERR_UNSUPPORTED)
        tdm__api_refuse(e, 400, "language_not_supported", "lang", "%s", err->msg);
    else
        tdm__api_error_from(err, e);
}
