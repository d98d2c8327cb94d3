/* api_error.c - statuses, types and the envelope. */
#include "api/api_error.h"

#include <stdarg.h>
#include <stdio.h>

#include "api/json_out.h"
#include "base/error.h"

bool tdm__api_refuse(tdm__api_error *e, int status, const char *code, const char *param, const char *fmt, ...)
{
    *e = (tdm__api_error){.status = status, .code = code};
    if (param)
        snprintf(e->param, sizeof e->param, "%s", param);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->message, sizeof e->message, fmt, ap);
    va_end(ap);
    return false;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool tdm__api_refuse_field(tdm__api_error *e, const char *key, const char *what, const char *nearest)
{
    char shown[40];
    size_t n = 0;
    for (; key[n] && n + 1 < sizeof shown; n++)
        shown[n] = is_plain(key[n]) ? key[n] : '?';
    shown[n] = '\0';
    if (nearest)
        return tdm__api_refuse(e, 400, "unknown_field", shown, "%s is no %s; is %s meant?", shown, what, nearest);
    return tdm__api_refuse(e, 400, "unknown_field", shown, "%s is no %s", shown, what);
}

/* The names that OpenAI's clients know. */
static const char *type_of(const tdm__api_error *e)
{
    if (e->status == 429)
        return "rate_limit_error";
    return e->status >= 500 ? "server_error" : "invalid_request_error";
}

tdm_status tdm__api_error_put(tdm__buf *out, const tdm__api_error *e)
{
    TDM_TRY(tdm__buf_append_z(out, "{\"error\":{\"message\":"));
    TDM_TRY(tdm__json_put_string(out, tdm__str_from(e->message)));
    TDM_TRY(tdm__buf_printf(out, ",\"type\":\"%s\",\"param\":", type_of(e)));
    if (e->param[0])
        TDM_TRY(tdm__json_put_string(out, tdm__str_from(e->param)));
    else
        TDM_TRY(tdm__buf_append_z(out, "null"));
    TDM_TRY(tdm__buf_append_z(out, ",\"code\":"));
    if (e->code)
        TDM_TRY(tdm__json_put_string(out, tdm__str_from(e->code)));
    else
        TDM_TRY(tdm__buf_append_z(out, "null"));
    if (e->reason)
        TDM_TRY(tdm__buf_printf(out, ",\"reason\":\"%s\"", e->reason));
    return tdm__buf_append_z(out, "}}");
}

void tdm__api_error_from(const tdm_error *from, tdm__api_error *e)
{
    switch (from->code) {
    case TDM_ERR_LIMIT: tdm__api_refuse(e, 400, "context_length_exceeded", "messages", "%s", from->msg); return;
    case TDM_ERR_INVAL: tdm__api_refuse(e, 400, NULL, "messages", "%s", from->msg); return;
    case TDM_ERR_UNSUPPORTED: tdm__api_refuse(e, 400, "not_built", NULL, "%s", from->msg); return;
    case TDM_ERR_QUOTA: tdm__api_refuse(e, 429, "app_quota_exceeded", NULL, "%s", from->msg); return;
    case TDM_ERR_BUSY: tdm__api_refuse(e, 429, "queue_full", NULL, "%s", from->msg); return;
    case TDM_ERR_CANCELLED: tdm__api_refuse(e, 503, "rules_changed", NULL, "%s", from->msg); return;
    case TDM_ERR_UPSTREAM: tdm__api_refuse(e, 503, "not_ready", NULL, "%s", from->msg); return;
    default: tdm__api_refuse(e, 500, "internal_error", NULL, "%s", from->msg); return;
    }
}
