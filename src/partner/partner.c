/* partner.c - one call: checked, sent by the one transfer function, read as it comes, and judged. */
#include "partner/partner.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/heap.h"
#include "partner/partner_internal.h"

static const tdm__partner_dialect *const dialects[] = {&tdm__partner_openai};

const char *tdm__partner_fault_name(tdm__partner_fault f)
{
    switch (f) {
    case TDM__PARTNER_FINE: return "fine";
    case TDM__PARTNER_UNREACHABLE: return "unreachable";
    case TDM__PARTNER_TIMEOUT: return "timeout";
    case TDM__PARTNER_CUT: return "cut";
    case TDM__PARTNER_NOT_API: return "not_api";
    case TDM__PARTNER_AUTH: return "auth";
    case TDM__PARTNER_QUOTA: return "quota";
    case TDM__PARTNER_RATE: return "rate";
    case TDM__PARTNER_REFUSED: return "refused";
    case TDM__PARTNER_TERRITORY: return "territory";
    case TDM__PARTNER_BAD_REQUEST: return "bad_request";
    case TDM__PARTNER_SERVER: return "server";
    case TDM__PARTNER_TOO_LONG: return "too_long";
    }
    return "unknown";
}

static tdm_status status_of(tdm__partner_fault f)
{
    return f == TDM__PARTNER_TIMEOUT ? TDM_ERR_TIMEOUT : f == TDM__PARTNER_TOO_LONG ? TDM_ERR_LIMIT : TDM_ERR_UPSTREAM;
}

tdm_status tdm__partner_fail(const tdm__partner_call *c, tdm__partner_result *result, tdm__partner_fault fault,
                             tdm_error *err, const char *fmt, ...)
{
    char text[sizeof err->msg];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    result->fault = fault;
    return tdm__fail(err, status_of(fault), "%s: %s", c->profile->id, text);
}

/* ---- before it ---- */

static tdm_status find_dialect(const tdm__partner_call *c, const tdm__partner_dialect **out, tdm_error *err)
{
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++)
        if (strcmp(dialects[i]->name, c->profile->dialect) == 0) {
            *out = dialects[i];
            return TDM_OK;
        }
    TDM_FAIL(err, TDM_ERR_INVAL, "%s: the adapter for its dialect '%s' is not built", c->profile->id,
             c->profile->dialect);
}

/* What a body needs; whether anything may leave is another question. */
static tdm_status check_body(const tdm__partner_call *c, tdm_error *err)
{
    if (!c->model || !c->model[0] || !json_is_array(c->messages) || json_array_size(c->messages) == 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s: a call needs a model and at least one message", c->profile->id);
    return TDM_OK;
}

static tdm_status check_call(const tdm__partner_call *c, tdm_error *err)
{
    const tdm__partner_profile *p = c->profile;
    if (!c->market || !tdm__partner_profile_serves(p, c->market))
        TDM_FAIL(err, TDM_ERR_INVAL, "%s: its profile is not for the market %.20s", p->id, c->market ? c->market : "");
    if (!p->endpoint.host || !p->endpoint.host[0])
        TDM_FAIL(err, TDM_ERR_INVAL, "%s: its profile has no endpoint", p->id);
    if (strcmp(p->auth, "none") != 0 && strcmp(p->auth, "bearer") != 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s: authentication by '%s' is not built", p->id, p->auth);
    return TDM_OK;
}

tdm_status tdm__partner_body(const tdm__partner_call *c, char **out, size_t *out_len, tdm_error *err)
{
    const tdm__partner_dialect *dialect = NULL;
    json_t *body = NULL;
    TDM_TRY(check_body(c, err));
    TDM_TRY(find_dialect(c, &dialect, err));
    TDM_TRY(dialect->body(c, &body, err));
    char *text = tdm__json_text(body, JSON_COMPACT);
    json_decref(body);
    if (!text)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a partner's request");
    *out = text;
    *out_len = strlen(text);
    return TDM_OK;
}

/* ---- after it ---- */

/* What a failed transfer means: nothing of an answer came, or it broke off, or it took too long. */
static tdm_status judge_failure(tdm__partner_reading *r, tdm_status s, tdm_error *err)
{
    tdm__partner_result *result = r->result;
    const tdm_error why = err ? *err : (tdm_error){.code = s, .msg = ""};
    const bool is_foreign = s == TDM_ERR_UPSTREAM || s == TDM_ERR_TIMEOUT || s == TDM_ERR_LIMIT;
    if (result->fault != TDM__PARTNER_FINE || r->caller_ended || !is_foreign)
        return s;
    if (r->finish[0] && s != TDM_ERR_LIMIT) /* the text is whole; only the end mark is missing */
        return tdm__partner_read_end(r, err);
    tdm__partner_fault fault = s == TDM_ERR_TIMEOUT ? TDM__PARTNER_TIMEOUT : TDM__PARTNER_CUT;
    if (s == TDM_ERR_LIMIT)
        fault = TDM__PARTNER_TOO_LONG;
    else if (!result->transfer.peer[0] || (s == TDM_ERR_UPSTREAM && r->http_status == 0))
        fault = TDM__PARTNER_UNREACHABLE;
    return tdm__partner_fail(r->call, result, fault, err, "%s", why.msg);
}

static bool may_leave(void *reading)
{
    const tdm__partner_call *c = ((const tdm__partner_reading *)reading)->call;
    return !c->may_leave || c->may_leave(c->user);
}

static tdm_status post(tdm__partner_reading *r, tdm__str body, const char *const *headers, tdm_error *err)
{
    const tdm__partner_call *c = r->call;
    const tdm__partner_profile *p = c->profile;
    const tdm__transfer_message t = {.decision_id = c->decision_id,
                                     .market = c->market,
                                     .dns_server = c->dns_server,
                                     .endpoint = &p->endpoint,
                                     .headers = headers,
                                     .body = body,
                                     .answer_bytes_max = TDM__PARTNER_ANSWER_BYTES_MAX,
                                     .connect_timeout_ms = p->connect_timeout_ms,
                                     .first_byte_timeout_ms = p->first_byte_timeout_ms,
                                     .idle_timeout_ms = p->idle_timeout_ms,
                                     .total_timeout_ms = p->total_timeout_ms,
                                     .cancel = c->cancel,
                                     .may_leave = may_leave,
                                     .on_head = tdm__partner_on_head,
                                     .on_bytes = tdm__partner_on_bytes,
                                     .user = r};
    tdm_status s = tdm__transfer_post(&t, &r->result->transfer, err);
    return s < 0 ? judge_failure(r, s, err) : tdm__partner_read_end(r, err);
}

static tdm_status key_line(const tdm__partner_call *c, tdm__partner_result *result, char line[TDM__KEY_LINE_BYTES],
                           tdm_error *err)
{
    tdm_error why = {0};
    if (strcmp(c->profile->auth, "none") == 0)
        return TDM_OK;
    if (tdm__partner_key_line(c->profile->key_ref, line, &why) != TDM_OK)
        return tdm__partner_fail(c, result, TDM__PARTNER_AUTH, err, "%s", why.msg);
    return TDM_OK;
}

tdm_status tdm__partner_chat(const tdm__partner_call *c, tdm__partner_result *result, tdm_error *err)
{
    *result = (tdm__partner_result){.transfer = {.retry_after_s = -1}};
    char line[TDM__KEY_LINE_BYTES] = "", *body = NULL;
    size_t body_len = 0;
    const char *const headers[] = {line, NULL};
    tdm__partner_reading r = {.call = c, .result = result};
    TDM_TRY(check_call(c, err));
    TDM_TRY(tdm__partner_body(c, &body, &body_len, err));
    tdm__partner_reading_init(&r);
    tdm_status s = find_dialect(c, &r.dialect, err);
    if (s == TDM_OK)
        s = key_line(c, result, line, err);
    if (s == TDM_OK)
        s = post(&r, (tdm__str){body, body_len}, line[0] ? headers : NULL, err);
    tdm__partner_key_wipe(line);
    tdm__partner_reading_fini(&r);
    tdm__free(body);
    return s < 0 ? s : TDM_OK;
}
