/* api.c - the table of endpoints, and the small ones: health, metrics, models, the page. */
#include "api/api.h"

#include <stdio.h>
#include <string.h>

#include "api/api_guard.h"
#include "api/console.h"
#include "api/json_out.h"
#include "base/error.h"

enum { SMALL_BODY_BYTES_MAX = 64 * 1024 };

static const char model_prefix[] = "/v1/models/";

static const char *const route_names[TDM__N_ROUTES] = {"other", "chat", "models", "healthz", "metrics", "page"};

void tdm__api_log(tdm__api *api, uint64_t exchange_id, tdm__route_name route, int status, double ms, const char *what)
{
    tdm__metrics_count(&api->metrics, route, status);
    if (api->quiet || (status < 400 && route != TDM__ROUTE_CHAT))
        return;
    fprintf(stderr, "request %llu %s %d %.0f ms%s%s\n", (unsigned long long)exchange_id, route_names[route], status,
            ms, what ? ", " : "", what ? what : "");
}

void tdm__api_answer_error(tdm__api *api, tdm__http_conn *c, tdm__route_name route, const tdm__api_error *e,
                           const char *decision_id)
{
    tdm__buf body;
    tdm__buf_init(&body, SMALL_BODY_BYTES_MAX);
    tdm__http_header headers[3] = {{"Cache-Control", "no-store"}};
    size_t n = 1;
    if (decision_id)
        headers[n++] = (tdm__http_header){"x-tandem-decision", decision_id};
    if (e->status == 429 || e->status == 503)
        headers[n++] = (tdm__http_header){"Retry-After", e->status == 429 ? "1" : "5"};
    if (tdm__api_error_put(&body, e) != TDM_OK)
        tdm__buf_clear(&body);
    if (api->draining)
        tdm__http_conn_close_after(c);
    tdm__api_log(api, tdm__http_conn_exchange_id(c), route, e->status, 0, e->code ? e->code : "refused");
    tdm__http_respond(c, e->status, headers, n, "application/json", tdm__buf_str(&body));
    tdm__buf_fini(&body);
}

void tdm__api_not_ready(const tdm__service_status *s, tdm__api_error *e)
{
    if (s->state == TDM__SERVICE_DOWNLOADING)
        tdm__api_refuse(e, 503, "model_loading", NULL, "the model is not here yet: downloading %d%%", s->percent);
    else if (s->state == TDM__SERVICE_LOADING)
        tdm__api_refuse(e, 503, "model_loading", NULL, "the model is not ready yet: loading");
    else
        tdm__api_refuse(e, 503, "model_failed", NULL, "no model is loaded: %s", s->error.msg);
}

/* ---- the small endpoints: each fills a body and gives its status ---- */

typedef struct small_answer {
    int status;
    const char *content_type;
    tdm__buf body;
} small_answer;

static tdm_status put_health(tdm__api *api, small_answer *a)
{
    static const char *const states[] = {"downloading", "loading", "ready", "failed"};
    tdm__service_status s;
    tdm__service_get_status(api->service, &s);
    a->status = s.state == TDM__SERVICE_READY && !api->draining ? 200 : 503;
    const int percent = s.state == TDM__SERVICE_DOWNLOADING ? s.percent : s.state == TDM__SERVICE_FAILED ? 0 : 100;
    TDM_TRY(tdm__buf_printf(&a->body, "{\"state\":\"%s\",\"percent\":%d,\"model\":",
                            api->draining ? "stopping" : states[s.state], percent));
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
    return tdm__metrics_put(&a->body, &api->metrics, &s, tdm__http_server_n_connections(api->server));
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
    const size_t prefix_len = sizeof model_prefix - 1;
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

bool tdm__api_is_model(tdm__str asked, const char *loaded)
{
    const tdm__str name = tdm__str_from(loaded);
    return asked.len > 0 && tdm__str_starts(name, asked) && (asked.len == name.len || loaded[asked.len] == '-');
}

static void answer_page(tdm__api *api, tdm__http_conn *c)
{
    const tdm__http_header headers[] = {{"Content-Security-Policy", tdm__console_csp},
                                        {"Referrer-Policy", "no-referrer"},
                                        {"Cross-Origin-Opener-Policy", "same-origin"},
                                        {"Cache-Control", "no-cache"}};
    tdm__api_log(api, tdm__http_conn_exchange_id(c), TDM__ROUTE_PAGE, 200, 0, NULL);
    tdm__http_respond(c, 200, headers, 4, "text/html; charset=utf-8",
                      (tdm__str){(const char *)tdm__console_page, tdm__console_page_len});
}

static void answer_small(tdm__api *api, tdm__http_conn *c, tdm__route_name route, tdm__str path)
{
    static const tdm__http_header no_store = {"Cache-Control", "no-store"};
    small_answer a = {.status = 200, .content_type = "application/json"};
    tdm__api_error e;
    bool ok = true;
    tdm__buf_init(&a.body, SMALL_BODY_BYTES_MAX);
    if (route == TDM__ROUTE_MODELS)
        ok = put_models(api, path, &a, &e);
    else if ((route == TDM__ROUTE_HEALTH ? put_health(api, &a) : put_metrics(api, &a)) != TDM_OK)
        ok = tdm__api_refuse(&e, 500, "internal_error", NULL, "no memory for the answer");
    if (!ok) {
        tdm__api_answer_error(api, c, route, &e, NULL);
    } else { /* 503 of /healthz is an answer, no error: it is not logged */
        tdm__metrics_count(&api->metrics, route, a.status);
        tdm__http_respond(c, a.status, &no_store, 1, a.content_type, tdm__buf_str(&a.body));
    }
    tdm__buf_fini(&a.body);
}

/* ---- routing ---- */

static tdm__route_name route_of(tdm__str path)
{
    static const struct {
        const char *path;
        tdm__route_name route;
    } routes[] = {{"/", TDM__ROUTE_PAGE},
                  {"/v1/chat/completions", TDM__ROUTE_CHAT},
                  {"/v1/models", TDM__ROUTE_MODELS},
                  {"/healthz", TDM__ROUTE_HEALTH},
                  {"/metrics", TDM__ROUTE_METRICS}};
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (tdm__str_eq(path, tdm__str_from(routes[i].path)))
            return routes[i].route;
    return tdm__str_starts(path, tdm__str_from(model_prefix)) ? TDM__ROUTE_MODELS : TDM__ROUTE_OTHER;
}

static void answer_wrong_method(tdm__api *api, tdm__http_conn *c, tdm__route_name route)
{
    const bool post = route == TDM__ROUTE_CHAT;
    const tdm__http_header headers[] = {{"Allow", post ? "POST" : "GET, HEAD"}};
    tdm__api_error e;
    tdm__api_refuse(&e, 405, "method_not_allowed", NULL, "this path takes only %s", headers[0].value);
    tdm__buf body;
    tdm__buf_init(&body, SMALL_BODY_BYTES_MAX);
    if (tdm__api_error_put(&body, &e) != TDM_OK)
        tdm__buf_clear(&body);
    tdm__api_log(api, tdm__http_conn_exchange_id(c), route, e.status, 0, e.code);
    tdm__http_respond(c, e.status, headers, 1, "application/json", tdm__buf_str(&body));
    tdm__buf_fini(&body);
}

static bool on_head(void *user, tdm__http_conn *c, const tdm__http_request *q)
{
    tdm__api *api = user;
    const tdm__route_name route = route_of(q->path);
    const bool is_read = q->method == TDM__HTTP_GET || q->method == TDM__HTTP_HEAD;
    tdm__api_error e;
    bool ok = tdm__guard_origin(q, &api->address, route == TDM__ROUTE_PAGE && is_read, &e);
    if (ok && route == TDM__ROUTE_OTHER)
        ok = tdm__api_refuse(&e, 404, "not_found", NULL, "there is nothing at this path");
    if (ok && (route == TDM__ROUTE_CHAT ? q->method != TDM__HTTP_POST : !is_read)) {
        answer_wrong_method(api, c, route);
        return false;
    }
    if (ok && route == TDM__ROUTE_CHAT)
        ok = tdm__guard_body(q, &e);
    if (!ok)
        tdm__api_answer_error(api, c, route, &e, NULL);
    return ok;
}

static void on_request(void *user, tdm__http_conn *c, const tdm__http_request *q)
{
    tdm__api *api = user;
    const tdm__route_name route = route_of(q->path);
    if (route == TDM__ROUTE_CHAT)
        tdm__chat_start(api, c, q->body);
    else if (route == TDM__ROUTE_PAGE)
        answer_page(api, c);
    else
        answer_small(api, c, route, q->path);
}

static void on_fault(void *user, tdm__http_conn *c, const tdm__http_fault *f)
{
    tdm__api_error e;
    tdm__api_refuse(&e, f->status, f->status == 408 ? "request_timeout" : "bad_request", NULL, "%s", f->error.msg);
    tdm__api_answer_error(user, c, TDM__ROUTE_OTHER, &e, NULL);
}

static void on_gone(void *user, tdm__http_conn *c)
{
    (void)user;
    tdm__chat *chat = tdm__http_conn_data(c);
    if (chat)
        tdm__chat_gone(chat);
}

static void on_drained(void *user)
{
    tdm__api *api = user;
    if (api->on_idle)
        api->on_idle(api->user);
}

const tdm__http_handler tdm__api_handler = {.on_head = on_head,
                                            .on_request = on_request,
                                            .on_fault = on_fault,
                                            .on_gone = on_gone,
                                            .on_drained = on_drained};
