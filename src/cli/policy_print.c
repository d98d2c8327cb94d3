/* policy_print.c - see policy_print.h. What is printed was verified before; its texts have no control characters. */
#include "cli/policy_print.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/rfc3339.h"

enum { POLICY_BYTES_MAX = 4 << 20 };

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static long long number_at(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* "CN" of "markets/CN/policy.json", else false. */
static bool policy_market(const char *path, char market[3])
{
    if (strncmp(path, "markets/", 8) != 0 || strlen(path) < 10 || strcmp(path + 10, "/policy.json") != 0)
        return false;
    snprintf(market, 3, "%.2s", path + 8);
    return true;
}

static json_t *market_state(const tdm__trust *t, const char *market, int64_t now)
{
    char expires[TDM__RFC3339_TEXT];
    const int64_t at = tdm__trust_expires_unix_s(t, market);
    tdm__rfc3339_put(at, expires);
    return json_pack("{s:I, s:s, s:s}", "version", (json_int_t)tdm__trust_market_version(t, market), "expires",
                     expires, "state", now < at ? "in_time" : "expired");
}

json_t *tdm__policy_trust_json(const tdm__trust *t, int64_t now_unix_s)
{
    char time[TDM__RFC3339_TEXT], market[3];
    bool is_suspect = false, is_whole = true;
    const int64_t now = tdm__trust_now(t, now_unix_s, &is_suspect);
    json_t *markets = json_object(), *targets = json_object(), *out = NULL;
    for (size_t i = 0; i < tdm__trust_n_targets(t); i++) {
        tdm__trust_target one;
        tdm__trust_target_at(t, i, &one);
        json_t *entry = json_pack("{s:s, s:I}", "sha256", one.sha256, "bytes", (json_int_t)one.bytes.len);
        is_whole = json_object_set_new(targets, one.path, entry) == 0 && is_whole;
        if (policy_market(one.path, market))
            is_whole = json_object_set_new(markets, market, market_state(t, market, now)) == 0 && is_whole;
    }
    tdm__rfc3339_put(now, time);
    if (is_whole)
        out = json_pack("{s:b, s:I, s:s, s:b, s:O, s:O}", "demo", tdm__trust_is_demo(t), "version",
                        (json_int_t)tdm__trust_version(t), "time", time, "suspect", is_suspect, "markets", markets,
                        "targets", targets);
    json_decref(markets);
    json_decref(targets);
    return out;
}

void tdm__policy_print_trust(const json_t *view)
{
    const char *name;
    json_t *one;
    printf("version    %lld%s\n", number_at(view, "version"),
           json_is_true(json_object_get(view, "demo")) ? ", a demonstration's" : "");
    if (json_is_true(json_object_get(view, "suspect")))
        printf("clock      lies behind what was seen; %s is taken, and nothing is fresh\n", text_at(view, "time"));
    json_object_foreach(json_object_get(view, "markets"), name, one)
        printf("market     %s version %lld, %s %s\n", name, number_at(one, "version"),
               strcmp(text_at(one, "state"), "in_time") == 0 ? "until" : "EXPIRED at", text_at(one, "expires"));
    json_object_foreach(json_object_get(view, "targets"), name, one)
        printf("target     %s, %lld bytes, sha256 %s\n", name, number_at(one, "bytes"), text_at(one, "sha256"));
}

tdm_status tdm__policy_market_json(const tdm__trust *t, const char *market, json_t **out, tdm_error *err)
{
    char path[64], expires[TDM__RFC3339_TEXT];
    tdm__trust_target target;
    json_t *policy = NULL;
    snprintf(path, sizeof path, "markets/%.2s/policy.json", market);
    if (strlen(market) != 2 || tdm__trust_get_target(t, path, &target, NULL) != TDM_OK)
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "no policy of a market '%.20s' is there", market);
    TDM_TRY(tdm__json_parse(target.bytes, path, POLICY_BYTES_MAX, &policy, err));
    tdm__rfc3339_put(tdm__trust_expires_unix_s(t, market), expires);
    json_t *view = json_pack("{s:s, s:I, s:s, s:s, s:o}", "market", market, "role_version",
                             (json_int_t)tdm__trust_market_version(t, market), "expires", expires, "sha256",
                             target.sha256, "policy", policy);
    if (!view)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the policy of %s", market);
    *out = view;
    return TDM_OK;
}

static void print_cell(const char *feature, const json_t *cell)
{
    size_t i;
    json_t *b;
    printf("feature    %s%s:", feature, json_is_true(json_object_get(cell, "kill")) ? " (killed)" : "");
    json_array_foreach(json_object_get(cell, "backends"), i, b)
    {
        printf("%s %s (%s, %s", i > 0 ? "," : "", text_at(b, "backend"), text_at(b, "role"), text_at(b, "model"));
        if (json_object_get(b, "canary_bp"))
            printf(", %.2f %% of devices", (double)number_at(b, "canary_bp") / 100);
        printf("%s)", json_is_true(json_object_get(b, "kill")) ? ", killed" : "");
    }
    printf("\n");
}

void tdm__policy_print_market(const json_t *view)
{
    const char *name;
    json_t *one;
    const json_t *policy = json_object_get(view, "policy"), *names = json_object_get(policy, "name");
    printf("market     %s, %s (%s)%s\n", text_at(view, "market"), text_at(names, "en"), text_at(names, "zh"),
           json_is_true(json_object_get(policy, "demo")) ? ", a demonstration's" : "");
    printf("policy     version %lld, sha256 %s\n", number_at(policy, "version"), text_at(view, "sha256"));
    printf("signed by  market-%s version %lld, until %s\n", text_at(view, "market"), number_at(view, "role_version"),
           text_at(view, "expires"));
    printf("shape      %s; %s\n", text_at(policy, "shape"),
           json_is_true(json_object_get(policy, "needs_filing")) ? "only an approved case opens a back end"
                                                                 : "no filing is needed");
    json_object_foreach(json_object_get(policy, "partners"), name, one)
        printf("partner    %s, %s%s\n", name, text_at(one, "legal_entity"),
               json_is_true(json_object_get(one, "emulated")) ? ", EMULATED" : "");
    json_object_foreach(json_object_get(policy, "features"), name, one) print_cell(name, one);
}

void tdm__policy_print_repository(const json_t *status)
{
    const char *role;
    json_t *one;
    if (json_object_size(json_object_get(status, "published")) == 0)
        printf("published  nothing\n");
    json_object_foreach(json_object_get(status, "published"), role, one)
        printf("published  %s version %lld, until %s\n", role, number_at(one, "version"), text_at(one, "expires"));
    json_object_foreach(json_object_get(status, "staged"), role, one)
    {
        printf("staged     %s version %lld, until %s", role, number_at(one, "version"), text_at(one, "expires"));
        if (number_at(one, "missing") > 0)
            printf(", needs %lld signature%s\n", number_at(one, "missing"), number_at(one, "missing") == 1 ? "" : "s");
        else
            printf(", signed\n");
    }
}
