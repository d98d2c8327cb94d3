/* api_device.c - what the phone says about itself, and the signed files that change its rules.
 *
 * The endpoints check the shape of what they get and hand it to the device, which verifies it; a refusal comes back
 * with the fault's own code and sentence.
 */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/verb_limits.h"
#include "base/error.h"
#include "base/json.h"
#include "os/heap.h"

void tdm__api_answer_json(tdm__api *api, tdm__http_conn *c, json_t *document)
{
    static const tdm__http_header no_store = {"Cache-Control", "no-store"};
    char *text = document ? tdm__json_text(document, JSON_COMPACT) : NULL;
    json_decref(document);
    if (text) {
        tdm__api_ended_at_once(api, c, TDM__ROUTE_DEVICE, 200);
        tdm__http_respond(c, 200, &no_store, 1, "application/json", tdm__str_from(text));
    } else {
        tdm__api_error e;
        tdm__api_refuse(&e, 500, "internal_error", NULL, "no memory for the answer");
        tdm__api_answer_error(api, c, TDM__ROUTE_DEVICE, &e, NULL);
    }
    tdm__free(text);
}

bool tdm__api_read_object(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q, const char *const *known,
                          json_t **out)
{
    tdm_error err = {0};
    tdm__api_error e;
    json_t *body = NULL;
    tdm_status s = tdm__json_parse(q->body, "the body", q->body.len, &body, &err);
    if (s == TDM_OK && !json_is_object(body))
        s = tdm__fail(&err, TDM_ERR_FORMAT, "the body must be a JSON object");
    if (s == TDM_OK)
        s = tdm__json_check_keys(body, "the body", known, &err);
    if (s == TDM_OK) {
        *out = body;
        return true;
    }
    json_decref(body);
    tdm__api_refuse(&e, s == TDM_ERR_NOMEM ? 500 : 400, s == TDM_ERR_NOMEM ? "internal_error" : "invalid_json", NULL,
                    "%s", err.msg);
    tdm__api_answer_error(api, c, TDM__ROUTE_DEVICE, &e, NULL);
    return false;
}

static tdm__backend_state own_state_of(const tdm__service_status *s)
{
    return s->state == TDM__SERVICE_READY    ? TDM__BACKEND_UP
           : s->state == TDM__SERVICE_FAILED ? TDM__BACKEND_DOWN
                                             : TDM__BACKEND_LOADING;
}

void tdm__api_get_features(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    (void)q;
    tdm__service_status s;
    tdm__service_get_status(api->service, &s);
    tdm__quota quota;
    tdm__service_get_quota(api->service, &quota);
    json_t *features = tdm__device_features(api->device, own_state_of(&s), s.percent);
    tdm__api_answer_json(api, c, tdm__verb_limits_add(features, &quota));
}

void tdm__api_get_device(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    (void)q;
    static const char *const states[] = {"downloading", "loading", "ready", "failed"};
    tdm__service_status s;
    tdm__service_get_status(api->service, &s);
    json_t *document = tdm__device_json(api->device);
    if (document)
        json_object_set_new(document, "model",
                            json_pack("{s:s, s:s, s:s, s:i}", "name", s.model_name[0] ? s.model_name : api->model_asked,
                                      "sha256", s.model_sha256, "state", states[s.state], "percent",
                                      s.state == TDM__SERVICE_READY ? 100 : s.percent));
    tdm__api_answer_json(api, c, document);
}

void tdm__api_get_filings(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    (void)q;
    json_t *filings = tdm__device_cases(api->device);
    tdm__api_answer_json(api, c, filings ? json_pack("{s:o}", "filings", filings) : NULL);
}

/* ---- explain ---- */

static bool explain_ask(const json_t *body, tdm__ask *ask, tdm_error *err)
{
    int64_t tokens = 0;
    const char *partner = "";
    bool ok = tdm__json_get_str(body, "feature", "the body", &ask->feature, err) == TDM_OK;
    if (ok && json_object_get(body, "partner"))
        ok = tdm__json_get_str(body, "partner", "the body", &partner, err) == TDM_OK;
    if (ok && json_object_get(body, "prompt_tokens"))
        ok = tdm__json_get_int(body, "prompt_tokens", "the body", 0, INT32_MAX, &tokens, err) == TDM_OK;
    if (ok && json_object_get(body, "attachments"))
        ok = tdm__json_get_bool(body, "attachments", "the body", &ask->has_attachments, err) == TDM_OK;
    ask->named_partner = partner;
    ask->prompt_tokens = (size_t)tokens;
    return ok;
}

void tdm__api_post_explain(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    static const char *const known[] = {"feature", "partner", "prompt_tokens", "attachments", NULL};
    json_t *body;
    if (!tdm__api_read_object(api, c, q, known, &body))
        return;
    tdm_error err = {0};
    tdm__service_status s;
    tdm__service_get_status(api->service, &s);
    tdm__ask ask = {.own_state = own_state_of(&s)};
    tdm__decision d;
    json_t *document = NULL;
    const tdm__rules_set *rules = tdm__device_acquire(api->device);
    const bool ok = explain_ask(body, &ask, &err);
    if (ok && tdm__device_decide(api->device, rules, &ask, &d, &err) == TDM_OK)
        document = tdm__decision_json(&d);
    tdm__device_release(api->device, rules);
    json_decref(body);
    if (ok) {
        tdm__api_answer_json(api, c, document);
        return;
    }
    tdm__api_error e;
    tdm__api_refuse(&e, 400, "invalid_field", NULL, "%s", err.msg);
    tdm__api_answer_error(api, c, TDM__ROUTE_DEVICE, &e, NULL);
}

/* ---- signed files ---- */

static void answer_refused(tdm__api *api, tdm__http_conn *c, int status, const char *code, const tdm_error *err)
{
    tdm__api_error e;
    tdm__api_refuse(&e, status, code, NULL, "%s", err->msg);
    tdm__api_answer_error(api, c, TDM__ROUTE_DEVICE, &e, NULL);
}

void tdm__api_post_policy(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    static const char *const codes[] = {"policy_refused", "format",  "signatures",  "rollback",   "freeze",
                                        "mix_and_match",  "endless", "target_hash", "wrong_role", "demo",
                                        "missing"};
    tdm__trust_fault fault = TDM__TRUST_NONE;
    tdm_error err = {0};
    tdm_status s = tdm__device_put_policy(api->device, q->body, &fault, &err);
    if (s == TDM_OK) {
        const tdm__rules_set *rules = tdm__device_acquire(api->device);
        json_t *document = json_pack("{s:I, s:I}", "version", (json_int_t)rules->rules->trust_version,
                                     "market_version",
                                     (json_int_t)(rules->rules->policy ? rules->rules->policy->version : 0));
        tdm__device_release(api->device, rules);
        tdm__api_answer_json(api, c, document);
    } else if (fault == TDM__TRUST_NONE && s != TDM_ERR_FORMAT) {
        answer_refused(api, c, s == TDM_ERR_NOT_FOUND ? 409 : 500, codes[0], &err);
    } else {
        answer_refused(api, c, fault == TDM__TRUST_NONE || fault == TDM__TRUST_FORMAT ? 422 : 409, codes[fault], &err);
    }
}

void tdm__api_post_filing(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    tdm_error err = {0};
    tdm_status s = tdm__device_put_filing(api->device, q->body, &err);
    if (s == TDM_OK)
        tdm__api_get_filings(api, c, q);
    else
        answer_refused(api, c, s == TDM_ERR_FORMAT ? 422 : s == TDM_ERR_IO || s == TDM_ERR_NOMEM ? 500 : 409,
                       "filing_refused", &err);
}

void tdm__api_post_network(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    static const char *const known[] = {"off", NULL};
    json_t *body;
    bool is_off = false;
    tdm_error err = {0};
    if (!tdm__api_read_object(api, c, q, known, &body))
        return;
    tdm_status s = tdm__json_get_bool(body, "off", "the body", &is_off, &err);
    json_decref(body);
    if (s != TDM_OK) {
        answer_refused(api, c, 400, "invalid_field", &err);
        return;
    }
    if (tdm__device_set_network(api->device, is_off, &err) != TDM_OK) {
        answer_refused(api, c, 500, "internal_error", &err);
        return;
    }
    tdm__api_answer_json(api, c, json_pack("{s:s}", "network", is_off ? "off" : "on"));
}
