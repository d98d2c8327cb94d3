/* api.c - the table of endpoints: path, method, who may, and what answers. */
#include "api/api.h"

#include <stdio.h>
#include <string.h>

#include "api/api_access.h"
#include "api/api_guard.h"
#include "api/assistant_run.h"
#include "api/verb_serve.h"
#include "base/error.h"

enum { SMALL_BODY_BYTES_MAX = 64 * 1024 };

/* Who looks in on us often is counted, and logged only when refused. */
static bool is_watcher(tdm__route_name r)
{
    return r == TDM__ROUTE_HEALTH || r == TDM__ROUTE_METRICS || r == TDM__ROUTE_PAGE;
}

void tdm__api_ended(tdm__api *api, const tdm__api_end *end)
{
    tdm__metrics_count(&api->metrics, end->route, end->status, end->ms / 1e3);
    if (end->timings && end->timings->n_prompt > 0)
        tdm__metrics_queue(&api->metrics, end->timings->queue_ms / 1e3);
    if (end->timings && end->timings->n_generated > 1)
        tdm__metrics_longest_gap(&api->metrics, end->timings->max_gap_ms / 1e3);
    if (end->status < 400 && is_watcher(end->route))
        return;
    const tdm__log_request line = {.id = end->exchange_id,
                                   .route = tdm__route_text(end->route),
                                   .status = end->status,
                                   .ms = end->ms,
                                   .app = end->app,
                                   .decision_id = end->decision_id,
                                   .has_tokens = end->timings != NULL,
                                   .n_prompt = end->timings ? end->timings->n_prompt : 0,
                                   .n_generated = end->timings ? end->timings->n_generated : 0,
                                   .note = end->note};
    tdm__daemon_log_request(&api->log, &line);
}

/* Bytes that were no request have nobody who asked. */
static tdm__api_end end_at_once(tdm__api *api, tdm__http_conn *c, tdm__route_name route, int status)
{
    return (tdm__api_end){.exchange_id = tdm__http_conn_exchange_id(c),
                          .route = route,
                          .status = status,
                          .ms = tdm__http_conn_age_ms(c),
                          .app = route == TDM__ROUTE_OTHER ? NULL : tdm__api_app_of(api, c)};
}

void tdm__api_ended_at_once(tdm__api *api, tdm__http_conn *c, tdm__route_name route, int status)
{
    const tdm__api_end end = end_at_once(api, c, route, status);
    tdm__api_ended(api, &end);
}

static void count_refusal(tdm__api *api, tdm__http_conn *c, tdm__route_name route, const tdm__api_error *e,
                          const char *decision_id)
{
    tdm__api_end end = end_at_once(api, c, route, e->status);
    end.decision_id = decision_id;
    end.note = e->code ? e->code : "refused";
    tdm__metrics_refused(&api->metrics, e->code);
    tdm__api_ended(api, &end);
}

/* When a client may try again: a queue moves soon, an app's hour may be long. */
static int wait_s(const tdm__api *api, const tdm__http_conn *c, const tdm__api_error *e)
{
    if (e->code && strcmp(e->code, "app_quota_exceeded") == 0)
        return tdm__service_quota_wait_s(api->service, tdm__api_app_of(api, c));
    return e->status == 429 ? 1 : 5;
}

void tdm__api_answer_error(tdm__api *api, tdm__http_conn *c, tdm__route_name route, const tdm__api_error *e,
                           const char *decision_id)
{
    tdm__buf body;
    tdm__buf_init(&body, SMALL_BODY_BYTES_MAX);
    tdm__http_header headers[4] = {{"Cache-Control", "no-store"}};
    size_t n = 1;
    if (decision_id)
        headers[n++] = (tdm__http_header){"x-tandem-decision", decision_id};
    if (e->status == 401)
        headers[n++] = (tdm__http_header){"WWW-Authenticate", "Bearer"};
    char seconds[12];
    snprintf(seconds, sizeof seconds, "%d", wait_s(api, c, e));
    if (e->status == 429 || e->status == 503)
        headers[n++] = (tdm__http_header){"Retry-After", seconds};
    if (tdm__api_error_put(&body, e) != TDM_OK)
        tdm__buf_clear(&body);
    if (api->draining)
        tdm__http_conn_close_after(c);
    count_refusal(api, c, route, e, decision_id);
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

bool tdm__api_is_model(tdm__str asked, const char *loaded)
{
    const tdm__str name = tdm__str_from(loaded);
    return asked.len > 0 && tdm__str_starts(name, asked) && (asked.len == name.len || loaded[asked.len] == '-');
}

bool tdm__api_is_idle(const tdm__api *api)
{
    return !api->chats && !api->askings && !api->verbings && api->n_lookups == 0;
}

void tdm__api_idle_now(tdm__api *api)
{
    if (api->draining && tdm__api_is_idle(api) && api->on_idle)
        api->on_idle(api->user);
}

/* ---- routing ---- */

typedef enum caller_need {
    NEEDS_KEY = 0, /* an application's or the owner's, where this daemon wants keys */
    NEEDS_NOTHING, /* shows nothing of anybody, or has a secret of its own in its body */
    NEEDS_OWNER,
} caller_need;

typedef struct endpoint {
    const char *path;
    bool is_prefix; /* the path goes on with a name */
    bool is_post;
    caller_need need;
    tdm__route_name route;
    void (*answer)(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
} endpoint;

static void post_chat(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    tdm__chat_start(api, c, q->body);
}

static void post_assistant(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    tdm__asking_start(api, c, q->body, tdm__caller_of(api, q).kind == TDM__CALLER_OWNER);
}

static void get_page(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    (void)q;
    tdm__api_page_answer(api, c);
}

static const endpoint endpoints[] = {
    {"/", false, false, NEEDS_NOTHING, TDM__ROUTE_PAGE, get_page},
    {"/healthz", false, false, NEEDS_NOTHING, TDM__ROUTE_HEALTH, tdm__api_answer_health},
    {"/metrics", false, false, NEEDS_KEY, TDM__ROUTE_METRICS, tdm__api_answer_metrics},
    {"/v1/models", false, false, NEEDS_KEY, TDM__ROUTE_MODELS, tdm__api_answer_models},
    {"/v1/models/", true, false, NEEDS_KEY, TDM__ROUTE_MODELS, tdm__api_answer_models},
    {"/v1/chat/completions", false, true, NEEDS_KEY, TDM__ROUTE_CHAT, post_chat},
    {"/v1/assistant", false, true, NEEDS_KEY, TDM__ROUTE_ASSISTANT, post_assistant},
    {"/v1/features/", true, true, NEEDS_KEY, TDM__ROUTE_VERB, tdm__api_post_verb},
    {"/v1/features", false, false, NEEDS_KEY, TDM__ROUTE_DEVICE, tdm__api_get_features},
    {"/v1/device", false, false, NEEDS_KEY, TDM__ROUTE_DEVICE, tdm__api_get_device},
    {"/v1/decisions/", true, false, NEEDS_OWNER, TDM__ROUTE_DEVICE, tdm__api_get_decision},
    {"/v1/route/explain", false, true, NEEDS_KEY, TDM__ROUTE_DEVICE, tdm__api_post_explain},
    {"/v1/policy", false, true, NEEDS_OWNER, TDM__ROUTE_DEVICE, tdm__api_post_policy},
    {"/v1/filings", false, false, NEEDS_KEY, TDM__ROUTE_DEVICE, tdm__api_get_filings},
    {"/v1/filings", false, true, NEEDS_OWNER, TDM__ROUTE_DEVICE, tdm__api_post_filing},
    {"/v1/network", false, true, NEEDS_OWNER, TDM__ROUTE_DEVICE, tdm__api_post_network},
    {"/v1/consents", false, false, NEEDS_OWNER, TDM__ROUTE_DEVICE, tdm__api_get_consents},
    {"/v1/consents", false, true, NEEDS_OWNER, TDM__ROUTE_DEVICE, tdm__api_post_consents},
    {"/v1/receipts", false, false, NEEDS_OWNER, TDM__ROUTE_DEVICE, tdm__api_get_receipts},
    {"/v1/receipts/erase", false, true, NEEDS_OWNER, TDM__ROUTE_DEVICE, tdm__api_post_erase},
    {"/v1/reload", false, true, NEEDS_OWNER, TDM__ROUTE_DEVICE, tdm__api_post_reload},
    {"/v1/drain", false, true, NEEDS_OWNER, TDM__ROUTE_DEVICE, tdm__api_post_drain},
    {"/v1/owner/link", false, true, NEEDS_OWNER, TDM__ROUTE_DEVICE, tdm__api_post_link},
    {"/v1/owner/session", false, true, NEEDS_NOTHING, TDM__ROUTE_DEVICE, tdm__api_post_session},
};

enum { N_ENDPOINTS = sizeof endpoints / sizeof *endpoints };

static bool is_at(const endpoint *e, tdm__str path)
{
    const tdm__str own = tdm__str_from(e->path);
    return e->is_prefix ? path.len > own.len && tdm__str_starts(path, own) : tdm__str_eq(path, own);
}

static bool takes(const endpoint *e, const tdm__http_request *q)
{
    return e->is_post ? q->method == TDM__HTTP_POST : q->method == TDM__HTTP_GET || q->method == TDM__HTTP_HEAD;
}

/* The endpoint for path and method; NULL with *at set when the path has others, or not set when there is none. */
static const endpoint *find_endpoint(const tdm__http_request *q, const endpoint **at, bool *reads, bool *writes)
{
    *at = NULL;
    *reads = *writes = false;
    for (size_t i = 0; i < N_ENDPOINTS; i++) {
        if (!is_at(&endpoints[i], q->path))
            continue;
        if (takes(&endpoints[i], q))
            return &endpoints[i];
        *at = &endpoints[i];
        *(endpoints[i].is_post ? writes : reads) = true;
    }
    return NULL;
}

static void answer_wrong_method(tdm__api *api, tdm__http_conn *c, const endpoint *at, bool reads, bool writes)
{
    const tdm__http_header headers[] = {{"Allow", reads && writes ? "GET, HEAD, POST" : writes ? "POST" : "GET, HEAD"}};
    tdm__api_error e;
    tdm__api_refuse(&e, 405, "method_not_allowed", NULL, "this path takes only %s", headers[0].value);
    tdm__buf body;
    tdm__buf_init(&body, SMALL_BODY_BYTES_MAX);
    if (tdm__api_error_put(&body, &e) != TDM_OK)
        tdm__buf_clear(&body);
    count_refusal(api, c, at->route, &e, NULL);
    tdm__http_respond(c, e.status, headers, 1, "application/json", tdm__buf_str(&body));
    tdm__buf_fini(&body);
}

static bool check_caller(tdm__api *api, const endpoint *ep, const tdm__http_request *q, tdm__api_error *e)
{
    if (ep->need == NEEDS_NOTHING)
        return true;
    return ep->need == NEEDS_OWNER ? tdm__access_check_owner(api, q, e) : tdm__access_check_key(api, q, e);
}

static bool on_head(void *user, tdm__http_conn *c, const tdm__http_request *q)
{
    tdm__api *api = user;
    const endpoint *at;
    bool reads, writes;
    const endpoint *ep = find_endpoint(q, &at, &reads, &writes);
    const tdm__route_name route = ep ? ep->route : at ? at->route : TDM__ROUTE_OTHER;
    tdm__api_error e;
    bool ok = tdm__guard_origin(q, &api->names, ep && ep->route == TDM__ROUTE_PAGE, &e);
    if (ok && !ep && !at)
        ok = tdm__api_refuse(&e, 404, "not_found", NULL, "there is nothing at this path");
    if (ok && !ep) {
        answer_wrong_method(api, c, at, reads, writes);
        return false;
    }
    ok = ok && check_caller(api, ep, q, &e);
    if (ok && ep->is_post)
        ok = tdm__guard_body(q, &e);
    if (!ok)
        tdm__api_answer_error(api, c, route, &e, NULL);
    return ok;
}

static void on_request(void *user, tdm__http_conn *c, const tdm__http_request *q)
{
    tdm__api *api = user;
    const endpoint *at;
    bool reads, writes;
    tdm__api_error e;
    const endpoint *ep = find_endpoint(q, &at, &reads, &writes);
    if (check_caller(api, ep, q, &e)) /* once more: a key may have been removed while the body came */
        ep->answer(api, c, q);
    else
        tdm__api_answer_error(api, c, ep->route, &e, NULL);
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
    tdm__exchange *exchange = tdm__http_conn_data(c);
    if (exchange)
        exchange->gone(exchange);
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
