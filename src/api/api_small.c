/* api_small.c - the small endpoints: health, metrics, models. Each fills a body and gives its status. */
#include "api/api.h"
#include "api/api_access.h"
#include "api/json_out.h"
#include "base/error.h"

enum { SMALL_BODY_BYTES_MAX = 64 * 1024 };

typedef struct small_answer {
    int status;
    const char *content_type;
    tdm__buf body;
} small_answer;

/* Who has no key where one is needed sees the state alone. */
static tdm_status put_health(tdm__api *api, small_answer *a, bool state_only)
{
    static const char *const states[] = {"downloading", "loading", "ready", "failed"};
    tdm__service_status s;
    tdm__service_get_status(api->service, &s);
    a->status = s.state == TDM__SERVICE_READY && !api->draining ? 200 : 503;
    const int percent = s.state == TDM__SERVICE_DOWNLOADING ? s.percent : s.state == TDM__SERVICE_FAILED ? 0 : 100;
    TDM_TRY(tdm__buf_printf(&a->body, "{\"state\":\"%s\"", api->draining ? "stopping" : states[s.state]));
    if (state_only)
        return tdm__buf_append_z(&a->body, "}\n");
    TDM_TRY(tdm__buf_printf(&a->body, ",\"percent\":%d,\"model\":", percent));
    TDM_TRY(tdm__json_put_string(&a->body, tdm__str_from(s.model_name[0] ? s.model_name : api->model_asked)));
    TDM_TRY(tdm__buf_printf(&a->body, ",\"context\":%zu,\"slots\":%zu,\"running\":%zu,\"queued\":%zu", s.n_ctx,
                            s.stats.n_slots, s.stats.n_running, s.stats.n_queued));
    if (s.state == TDM__SERVICE_FAILED) {
        TDM_TRY(tdm__buf_append_z(&a->body, ",\"message\":"));
        TDM_TRY(tdm__json_put_string(&a->body, tdm__str_from(s.error.msg)));
    }
    return tdm__buf_append_z(&a->body, "}\n");
}

static tdm_status put_metrics(tdm__api *api, small_answer *a)
{
    tdm__service_status s;
    tdm__service_get_status(api->service, &s);
    a->content_type = "text/plain; version=0.0.4; charset=utf-8";
    const tdm__api_gauges g = {.service = &s,
                               .n_connections = tdm__http_server_n_connections(api->server),
                               .n_turned_away = tdm__http_server_n_turned_away(api->server),
                               .n_handshakes_failed = tdm__http_server_n_handshakes_failed(api->server),
                               .certificate_expires_unix_s = api->tls ? tdm__tls_expires_unix_s(api->tls) : 0};
    return tdm__metrics_put(&a->body, &api->metrics, &g);
}

static tdm_status put_model(tdm__buf *out, const tdm__service_status *s)
{
    TDM_TRY(tdm__buf_append_z(out, "{\"id\":"));
    TDM_TRY(tdm__json_put_string(out, tdm__str_from(s->model_name)));
    return tdm__buf_printf(out, ",\"object\":\"model\",\"created\":%lld,\"owned_by\":\"tandem\",\"context\":%zu}",
                           (long long)s->loaded_unix_s, s->n_ctx);
}

/* GET /v1/models and /v1/models/NAME. False: refused in *e. */
static bool put_models(tdm__api *api, tdm__str path, small_answer *a, tdm__api_error *e)
{
    tdm__service_status s;
    tdm__service_get_status(api->service, &s);
    if (s.state != TDM__SERVICE_READY) {
        tdm__api_not_ready(&s, e);
        return false;
    }
    const size_t prefix_len = sizeof "/v1/models/" - 1;
    if (path.len >= prefix_len) {
        const tdm__str name = {path.ptr + prefix_len, path.len - prefix_len};
        if (!tdm__api_is_model(name, s.model_name))
            return tdm__api_refuse(e, 404, "model_not_found", "model", "this model is not loaded; %s is",
                                   s.model_name);
        return put_model(&a->body, &s) == TDM_OK ||
               tdm__api_refuse(e, 500, "internal_error", NULL, "no memory for the answer");
    }
    tdm_status st = tdm__buf_append_z(&a->body, "{\"object\":\"list\",\"data\":[");
    if (st == TDM_OK)
        st = put_model(&a->body, &s);
    if (st == TDM_OK)
        st = tdm__buf_append_z(&a->body, "]}");
    return st == TDM_OK || tdm__api_refuse(e, 500, "internal_error", NULL, "no memory for the answer");
}

static bool put_small(tdm__api *api, const tdm__http_request *q, tdm__route_name route, small_answer *a,
                      tdm__api_error *e)
{
    tdm__api_error ignored;
    if (route == TDM__ROUTE_MODELS)
        return put_models(api, q->path, a, e);
    const tdm_status s = route == TDM__ROUTE_HEALTH
                             ? put_health(api, a, !tdm__access_check_key(api, q, &ignored))
                             : put_metrics(api, a);
    return s == TDM_OK || tdm__api_refuse(e, 500, "internal_error", NULL, "no memory for the answer");
}

static void answer_small(tdm__api *api, tdm__http_conn *c, tdm__route_name route, const tdm__http_request *q)
{
    static const tdm__http_header no_store = {"Cache-Control", "no-store"};
    small_answer a = {.status = 200, .content_type = "application/json"};
    tdm__api_error e;
    tdm__buf_init(&a.body, SMALL_BODY_BYTES_MAX);
    if (!put_small(api, q, route, &a, &e)) {
        tdm__api_answer_error(api, c, route, &e, NULL);
    } else { /* 503 of /healthz is an answer, no error: it is not logged */
        if (route == TDM__ROUTE_HEALTH)
            tdm__metrics_count(&api->metrics, route, a.status, tdm__http_conn_age_ms(c) / 1e3);
        else
            tdm__api_ended_at_once(api, c, route, a.status);
        tdm__http_respond(c, a.status, &no_store, 1, a.content_type, tdm__buf_str(&a.body));
    }
    tdm__buf_fini(&a.body);
}

void tdm__api_answer_health(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    answer_small(api, c, TDM__ROUTE_HEALTH, q);
}

void tdm__api_answer_metrics(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    answer_small(api, c, TDM__ROUTE_METRICS, q);
}

void tdm__api_answer_models(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    answer_small(api, c, TDM__ROUTE_MODELS, q);
}
