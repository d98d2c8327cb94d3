/* api_admin.c - what the owner may tell the daemon itself: read keys, certificate and settings anew; stop. */
#include "api/api.h"

static const char *const no_fields[] = {NULL};

/* The body of both is {}: no field is accepted and ignored. */
static bool take_empty(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    json_t *body;
    if (!tdm__api_read_object(api, c, q, no_fields, &body))
        return false;
    json_decref(body);
    return true;
}

void tdm__api_post_reload(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    tdm_error err = {0};
    tdm__api_error e;
    if (!take_empty(api, c, q))
        return;
    if (api->on_reload(api->user, &err) == TDM_OK) {
        tdm__api_answer_json(api, c, json_pack("{s:s}", "state", "reloaded"));
        return;
    }
    tdm__api_refuse(&e, 409, "reload_failed", NULL, "nothing has changed: %s", err.msg);
    tdm__api_answer_error(api, c, TDM__ROUTE_DEVICE, &e, NULL);
}

void tdm__api_post_drain(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    if (!take_empty(api, c, q))
        return;
    tdm__http_conn_close_after(c);
    tdm__api_answer_json(api, c, json_pack("{s:s}", "state", "stopping"));
    api->on_drain(api->user);
}
