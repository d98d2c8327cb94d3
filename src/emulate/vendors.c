/* vendors.c - the partners that can be stood in for, and how each of them says no.
 *
 * Codes and shapes are the vendors' (their public error pages, November 2026); messages are ours and say EMULATED.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "emulate/emulate_internal.h"

#define MESSAGE "\"message\":\"EMULATED PARTNER: asked for by a fault\""
#define MARKED ",\"tandem_emulated\":true}"
#define ERROR(code, type) "{\"error\":{\"code\":\"" code "\",\"type\":\"" type "\",\"param\":null," MESSAGE "}" MARKED
#define BASE_RESP(code) "{\"base_resp\":{\"status_code\":" code ",\"status_msg\":\"EMULATED PARTNER\"}" MARKED

const tdm__vendor tdm__vendors[] = {
    {"alibaba", "Alibaba", 9101, "/compatible-mode/v1/chat/completions",
     .rate = {429, ERROR("limit_requests", "limit_requests")},
     .quota = {400, ERROR("Arrearage", "Arrearage")},
     .filter = {400, ERROR("data_inspection_failed", "data_inspection_failed")}},
    {"openai", "ChatGPT", 9102, "/v1/chat/completions",
     .rate = {429, ERROR("rate_limit_exceeded", "requests")},
     .quota = {429, ERROR("insufficient_quota", "insufficient_quota")},
     .filter = {400, ERROR("content_policy_violation", "invalid_request_error")}},
    {"baidu", "Baidu", 9103, "/v2/chat/completions",
     .rate = {429, ERROR("rpm_rate_limit_exceeded", "rate_limit_exceeded")},
     .quota = {429, ERROR("BILLING_INSUFFICIENT_BALANCE", "insufficient_quota")},
     .filter = {400, ERROR("text_unsafe", "unsafe_request")}},
    {"deepseek", "DeepSeek", 9104, "/chat/completions",
     .rate = {429, ERROR("rate_limit_reached", "rate_limit_reached_error")},
     .quota = {402, ERROR("insufficient_balance", "unknown_error")},
     .filter = {400, ERROR("content_filter", "invalid_request_error")}},
    {"tencent", "Tencent", 9105, "/v1/chat/completions",
     .rate = {429, ERROR("429001", "rate_limit_error")},
     .quota = {402, ERROR("401008", "permission_denied")},
     .filter = {451, ERROR("451001", "content_filter_error")}},
    {"bytedance", "ByteDance", 9106, "/api/v3/chat/completions",
     .rate = {429, ERROR("RateLimitExceeded.EndpointRPMExceeded", "TooManyRequests")},
     .quota = {403, ERROR("AccountOverdueError", "Forbidden")},
     .filter = {400, ERROR("InputTextSensitiveContentDetected", "BadRequest")}},
    {"minimax", "MiniMax", 9107, "/v1/text/chatcompletion_v2",
     .rate = {200, BASE_RESP("1002")},
     .quota = {200, BASE_RESP("1008")},
     .filter = {200, BASE_RESP("1026")}},
    {"zhipu", "Zhipu", 9108, "/api/paas/v4/chat/completions",
     .rate = {429, ERROR("1302", "")},
     .quota = {429, ERROR("1113", "")},
     .filter = {400, ERROR("1301", "")}},
};

const size_t tdm__n_vendors = sizeof tdm__vendors / sizeof *tdm__vendors;

static const char *const fault_names[TDM__EMULATED_FAULTS] = {
    [TDM__EMULATED_FINE] = "none",
    [TDM__EMULATED_DOWN] = "down",
    [TDM__EMULATED_SLOW] = "slow",
    [TDM__EMULATED_CUT] = "cut",
    [TDM__EMULATED_HTML] = "html",
    [TDM__EMULATED_RATE] = "rate",
    [TDM__EMULATED_QUOTA] = "quota",
    [TDM__EMULATED_FILTER] = "filter",
    [TDM__EMULATED_TERRITORY] = "territory",
    [TDM__EMULATED_HANG] = "hang",
    [TDM__EMULATED_SPLIT_UTF8] = "split_utf8",
    [TDM__EMULATED_GIANT_EVENT] = "giant_event",
    [TDM__EMULATED_SERVER] = "server",
};

const char *tdm__emulated_fault_name(tdm__emulated_fault f) { return fault_names[f]; }

tdm_status tdm__emulated_fault_find(const char *name, tdm__emulated_fault *out, tdm_error *err)
{
    char known[256] = "";
    size_t n = 0;
    for (size_t i = 0; i < TDM__EMULATED_FAULTS; i++) {
        if (strcmp(fault_names[i], name) == 0) {
            *out = (tdm__emulated_fault)i;
            return TDM_OK;
        }
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i > 0 ? ", " : "", fault_names[i]);
    }
    TDM_FAIL(err, TDM_ERR_INVAL, "'%.40s' is no fault; the faults are %s", name, known);
}

const tdm__vendor *tdm__vendor_find(const char *id)
{
    for (size_t i = 0; i < tdm__n_vendors; i++)
        if (strcmp(tdm__vendors[i].id, id) == 0)
            return &tdm__vendors[i];
    return NULL;
}

uint16_t tdm__emulate_default_port(const char *partner)
{
    const tdm__vendor *v = tdm__vendor_find(partner);
    return v ? v->port : 0;
}

tdm__vendor_error tdm__vendor_error_of(const tdm__vendor *v, tdm__emulated_fault f)
{
    switch (f) {
    case TDM__EMULATED_RATE: return v->rate;
    case TDM__EMULATED_QUOTA: return v->quota;
    case TDM__EMULATED_FILTER: return v->filter;
    case TDM__EMULATED_TERRITORY:
        return (tdm__vendor_error){403, ERROR("unsupported_country_region_territory", "request_forbidden")};
    case TDM__EMULATED_SERVER: return (tdm__vendor_error){500, ERROR("internal_error", "server_error")};
    default: return (tdm__vendor_error){0, NULL};
    }
}
