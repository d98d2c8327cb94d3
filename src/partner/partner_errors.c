/* partner_errors.c - from a vendor's words to our faults: by its code, then its type, then HTTP's status.
 *
 * Never by its message: messages change, repeat each other's words, and may repeat the question. A profile's own map
 * goes first; the table here has what the OpenAI dialect and Alibaba's compatible mode say (facts of November 2026).
 */
#include <stdio.h>
#include <string.h>

#include "partner/partner_internal.h"

typedef struct meaning {
    const char *name;
    int value;
} meaning;

static const meaning codes[] = {
    {"data_inspection_failed", TDM__PARTNER_REFUSED},
    {"DataInspectionFailed", TDM__PARTNER_REFUSED},
    {"content_filter", TDM__PARTNER_REFUSED},
    {"content_filter_error", TDM__PARTNER_REFUSED},
    {"content_policy_violation", TDM__PARTNER_REFUSED},
    {"unsafe_request", TDM__PARTNER_REFUSED},
    {"insufficient_quota", TDM__PARTNER_QUOTA},
    {"billing_hard_limit_reached", TDM__PARTNER_QUOTA},
    {"Arrearage", TDM__PARTNER_QUOTA},
    {"Throttling.AllocationQuota", TDM__PARTNER_QUOTA},
    {"rate_limit_exceeded", TDM__PARTNER_RATE},
    {"rate_limit_error", TDM__PARTNER_RATE},
    {"limit_requests", TDM__PARTNER_RATE},
    {"Throttling", TDM__PARTNER_RATE},
    {"Throttling.RateQuota", TDM__PARTNER_RATE},
    {"invalid_api_key", TDM__PARTNER_AUTH},
    {"invalid_authentication_error", TDM__PARTNER_AUTH},
    {"authentication_error", TDM__PARTNER_AUTH},
    {"permission_error", TDM__PARTNER_AUTH},
    {"access_denied", TDM__PARTNER_AUTH},
    {"unsupported_country_region_territory", TDM__PARTNER_TERRITORY},
    {"context_length_exceeded", TDM__PARTNER_TOO_LONG},
    {"exceed_context_size_error", TDM__PARTNER_TOO_LONG},
    {"string_above_max_length", TDM__PARTNER_TOO_LONG},
    {"tokens_too_long", TDM__PARTNER_TOO_LONG},
    {"model_not_found", TDM__PARTNER_BAD_REQUEST},
    {NULL, 0},
};

/* Names so general that HTTP's status, when it is an error's, says more. */
static const meaning types[] = {
    {"invalid_request_error", TDM__PARTNER_BAD_REQUEST},
    {"server_error", TDM__PARTNER_SERVER},
    {NULL, 0},
};

static const meaning finishes[] = {
    {"stop", TDM__PARTNER_FINISH_STOP},
    {"normal", TDM__PARTNER_FINISH_STOP},
    {"length", TDM__PARTNER_FINISH_LENGTH},
    {"model_context_window_exceeded", TDM__PARTNER_FINISH_LENGTH},
    {"content_filter", TDM__PARTNER_FINISH_FILTERED},
    {"sensitive", TDM__PARTNER_FINISH_FILTERED},
    {"tool_calls", TDM__PARTNER_FINISH_TOOLS},
    {"function_call", TDM__PARTNER_FINISH_TOOLS},
    {"network_error", TDM__PARTNER_FINISH_CUT},
    {"insufficient_system_resource", TDM__PARTNER_FINISH_CUT},
    {NULL, 0},
};

static int look_up(const meaning *table, const char *name)
{
    while (table->name && strcmp(table->name, name) != 0)
        table++;
    return table->value;
}

static int look_up_own(const tdm__field_pair *pairs, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(pairs[i].from, name) == 0)
            return pairs[i].to;
    return 0;
}

int tdm__partner_finish_of(const tdm__partner_profile *p, const char *name)
{
    const int own = look_up_own(p->quirks.finish, p->quirks.n_finish, name);
    return own ? own : look_up(finishes, name);
}

void tdm__partner_plain(const char *text, char *out, size_t cap)
{
    size_t n = 0;
    for (; text[n] && n + 1 < cap; n++) {
        const char c = text[n];
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                              strchr("._-:/", c) != NULL;
        out[n] = is_plain ? c : '?';
    }
    out[n] = '\0';
}

/* A code as text: vendors send strings and numbers. Empty for "", 0 and null, which mean that all is well. */
static void code_of(const json_t *v, char out[TDM__PARTNER_CODE_MAX])
{
    out[0] = '\0';
    if (json_is_string(v))
        tdm__partner_plain(json_string_value(v), out, TDM__PARTNER_CODE_MAX);
    else if (json_is_integer(v) && json_integer_value(v) != 0)
        snprintf(out, TDM__PARTNER_CODE_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
}

/* Where vendors put it: {"error":{code,type}}, {"error":"text"}, {"base_resp":{status_code}}, {"error_code":n}, and
 * flat {"code","message"}. False: nowhere. */
static bool find_names(const json_t *d, bool is_failure, char code[TDM__PARTNER_CODE_MAX],
                       char type[TDM__PARTNER_CODE_MAX])
{
    const json_t *error = json_object_get(d, "error");
    code[0] = type[0] = '\0';
    if (error && !json_is_null(error)) {
        code_of(json_object_get(error, "code"), code);
        code_of(json_object_get(error, "type"), type);
        return true;
    }
    code_of(json_object_get(json_object_get(d, "base_resp"), "status_code"), code);
    if (!code[0])
        code_of(json_object_get(d, "error_code"), code);
    if (!code[0] && (is_failure || !json_object_get(d, "choices")))
        code_of(json_object_get(d, "code"), code);
    if (is_failure)
        code_of(json_object_get(d, "type"), type);
    return code[0] != '\0';
}

tdm__partner_fault tdm__partner_fault_of_http(int http_status)
{
    switch (http_status) {
    case 401:
    case 403: return TDM__PARTNER_AUTH;
    case 402: return TDM__PARTNER_QUOTA;
    case 408: return TDM__PARTNER_TIMEOUT;
    case 413: return TDM__PARTNER_TOO_LONG;
    case 429: return TDM__PARTNER_RATE;
    case 451: return TDM__PARTNER_REFUSED;
    default: break;
    }
    if (http_status >= 500)
        return TDM__PARTNER_SERVER;
    if (http_status >= 400)
        return TDM__PARTNER_BAD_REQUEST;
    return http_status >= 200 && http_status < 300 ? TDM__PARTNER_FINE : TDM__PARTNER_NOT_API;
}

bool tdm__partner_find_error(const tdm__partner_profile *p, int http_status, const json_t *document,
                             tdm__partner_fault *fault, char code[TDM__PARTNER_CODE_MAX])
{
    char type[TDM__PARTNER_CODE_MAX];
    const tdm__partner_fault by_http = tdm__partner_fault_of_http(http_status);
    if (!find_names(document, by_http != TDM__PARTNER_FINE, code, type) && by_http == TDM__PARTNER_FINE)
        return false;
    const char *names[] = {code, type};
    int found = 0;
    for (size_t i = 0; i < 2 && !found; i++) {
        found = look_up_own(p->quirks.errors, p->quirks.n_errors, names[i]);
        if (!found)
            found = look_up(codes, names[i]);
    }
    if (!found)
        found = (int)by_http;
    if (!found)
        found = look_up(types, type);
    *fault = found ? (tdm__partner_fault)found : TDM__PARTNER_SERVER;
    if (!code[0])
        memcpy(code, type, TDM__PARTNER_CODE_MAX);
    return true;
}
