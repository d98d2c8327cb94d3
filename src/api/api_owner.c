/* api_owner.c - what only the owner may see or change: links, consents, receipts. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/error.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "os/clock.h"

enum { RECEIPTS_MAX = 1000 };

static void refuse(tdm__api *api, tdm__http_conn *c, int status, const char *code, const tdm_error *err)
{
    tdm__api_error e;
    tdm__api_refuse(&e, status, code, NULL, "%s", err->msg);
    tdm__api_answer_error(api, c, TDM__ROUTE_DEVICE, &e, NULL);
}

static json_t *token_json(const char *name, const tdm__owner_token *t)
{
    char expires[TDM__RFC3339_TEXT];
    tdm__rfc3339_put(t->expires_unix_s, expires);
    return json_pack("{s:s, s:s}", name, t->text, "expires", expires);
}

/* ---- links and sessions ---- */

void tdm__api_post_link(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    (void)q;
    tdm_error err = {0};
    const tdm__owner_token *link;
    if (tdm__owner_draw_link(&api->owner, tdm__clock_unix_s(), &link, &err) == TDM_OK)
        tdm__api_answer_json(api, c, token_json("link", link));
    else
        refuse(api, c, 500, "internal_error", &err);
}

void tdm__api_post_session(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    static const char *const known[] = {"link", NULL};
    json_t *body;
    const char *link = NULL;
    tdm_error err = {0};
    const tdm__owner_token *session = NULL;
    if (!tdm__api_read_object(api, c, q, known, &body))
        return;
    tdm_status s = tdm__json_get_str(body, "link", "the body", &link, &err);
    if (s == TDM_OK)
        s = tdm__owner_redeem(&api->owner, tdm__str_from(link), tdm__clock_unix_s(), &session, &err);
    json_decref(body);
    switch (s) {
    case TDM_OK: tdm__api_answer_json(api, c, token_json("session", session)); return;
    case TDM_ERR_FORMAT: refuse(api, c, 400, "invalid_field", &err); return;
    case TDM_ERR_NOT_FOUND: refuse(api, c, 403, "link_unknown", &err); return;
    case TDM_ERR_CANCELLED: refuse(api, c, 403, "link_used", &err); return;
    case TDM_ERR_TIMEOUT: refuse(api, c, 403, "link_expired", &err); return;
    default: refuse(api, c, 500, "internal_error", &err); return;
    }
}

/* ---- consents ---- */

void tdm__api_get_consents(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    (void)q;
    json_t *list = tdm__consent_list(tdm__device_usage(api->device));
    tdm__api_answer_json(api, c, list ? json_pack("{s:o}", "consents", list) : NULL);
}

/* Says it for the question alone and, but for "always", for attachments too: those are agreed to apart. */
static tdm_status set_consent(tdm__api *api, const char *partner, const char *feature, tdm__consent_mode mode,
                              tdm_error *err)
{
    tdm__usage *usage = tdm__device_usage(api->device);
    if (mode == TDM__CONSENT_ASK)
        return tdm__consent_revoke(usage, partner, feature, NULL, err);
    const tdm__rules_set *set = tdm__device_acquire(api->device);
    const tdm__policy_backend *b = tdm__rules_find_partner(set->rules, partner, feature);
    tdm_status s = TDM_OK;
    if (!b)
        s = tdm__fail(err, TDM_ERR_NOT_FOUND, "the policy of this device's market gives that feature no such partner");
    for (int with = 0; s == TDM_OK && with < (mode == TDM__CONSENT_NEVER ? 2 : 1); with++) {
        const tdm__consent_subject subject = {.partner = partner,
                                              .feature = feature,
                                              .profile_sha256 = b->partner->profile_sha256,
                                              .model = b->model,
                                              .with_attachments = with == 1};
        s = tdm__consent_set(usage, &subject, mode, tdm__clock_unix_s(), err);
    }
    tdm__device_release(api->device, set);
    return s;
}

void tdm__api_post_consents(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    static const char *const known[] = {"partner", "feature", "mode", NULL};
    static const char *const modes[] = {"ask", "always", "never"};
    json_t *body;
    const char *partner = NULL, *feature = NULL, *mode = NULL;
    tdm_error err = {0};
    if (!tdm__api_read_object(api, c, q, known, &body))
        return;
    tdm_status s = tdm__json_get_str(body, "partner", "the body", &partner, &err);
    if (s == TDM_OK)
        s = tdm__json_get_str(body, "feature", "the body", &feature, &err);
    if (s == TDM_OK)
        s = tdm__json_get_str(body, "mode", "the body", &mode, &err);
    size_t i = 0;
    while (s == TDM_OK && i < 3 && strcmp(mode, modes[i]) != 0)
        i++;
    if (s == TDM_OK && i == 3)
        s = tdm__fail(&err, TDM_ERR_FORMAT, "mode must be \"ask\", \"always\" or \"never\"");
    if (s == TDM_OK)
        s = set_consent(api, partner, feature, (tdm__consent_mode)i, &err);
    json_decref(body);
    if (s == TDM_OK)
        tdm__api_get_consents(api, c, q);
    else
        refuse(api, c, s == TDM_ERR_FORMAT ? 400 : s == TDM_ERR_NOT_FOUND ? 404 : 500,
               s == TDM_ERR_FORMAT ? "invalid_field" : s == TDM_ERR_NOT_FOUND ? "not_found" : "internal_error", &err);
}

/* ---- receipts ---- */

void tdm__api_get_receipts(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    (void)q;
    json_t *list = tdm__receipt_list(tdm__device_usage(api->device), RECEIPTS_MAX);
    tdm__api_answer_json(api, c, list ? json_pack("{s:o}", "receipts", list) : NULL);
}

void tdm__api_post_erase(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    static const char *const known[] = {"id", "all", NULL};
    json_t *body;
    const char *id = NULL;
    bool all = false;
    size_t n = 0;
    tdm_error err = {0};
    if (!tdm__api_read_object(api, c, q, known, &body))
        return;
    tdm_status s = json_object_get(body, "id") ? tdm__json_get_str(body, "id", "the body", &id, &err)
                                               : tdm__json_get_bool(body, "all", "the body", &all, &err);
    if (s == TDM_OK && !id && !all)
        s = tdm__fail(&err, TDM_ERR_FORMAT, "either id or \"all\": true says which receipts are to be erased");
    if (s == TDM_OK)
        s = tdm__receipt_erase(tdm__device_usage(api->device), id, &n, &err);
    if (s == TDM_OK && !id) /* what was asked and never left is here, too */
        s = tdm__service_erase_prefixes(api->service, &err);
    json_decref(body);
    if (s == TDM_OK)
        tdm__api_answer_json(api, c, json_pack("{s:I}", "erased", (json_int_t)n));
    else
        refuse(api, c, s == TDM_ERR_FORMAT ? 400 : 500, s == TDM_ERR_FORMAT ? "invalid_field" : "internal_error",
               &err);
}
