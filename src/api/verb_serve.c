/* verb_serve.c - one verb over HTTP, as a stream of events or as a whole.
 *
 * Two sides must be over before the object goes: the client's (answered, or gone) and the verb's (DONE). A client that
 * leaves cancels the run at once; the object then only waits for DONE. The head of a stream goes out with the first
 * text, so that whatever fails before is a plain error with its own status; after HEAD_DELAY_MS of silence it goes out
 * with what is there.
 */
#include "api/verb_serve.h"

#include <stdio.h>
#include <string.h>

#include "api/verb_body.h"
#include "api/verb_inbox.h"
#include "base/error.h"
#include "base/nearest.h"
#include "net/sse.h"
#include "os/clock.h"
#include "os/heap.h"

enum {
    HEAD_DELAY_MS = 10000,
    SENDING_BYTES_MAX = 2 * TDM__VERB_FRAMES_BYTES_MAX + 4096,
    LABEL_HEADER_BYTES = 3 * TDM__VERB_LABEL_BYTES,
    PATH_LEN = sizeof "/v1/features/" - 1,
};

struct tdm__verbing {
    tdm__exchange exchange; /* first: what the connection holds */
    tdm__api *api;
    tdm__verbing *next, *previous;
    tdm__http_conn *conn; /* NULL: gone or answered */
    uint64_t exchange_id, begin_ns;
    tdm__verb_body body;
    tdm__verb_run *run;
    tdm__verb_inbox inbox;
    tdm__loop_timer *silence; /* streams */
    tdm__buf sending;         /* framed and not yet sent */
    bool decided;             /* inbox.head is there */
    bool head_sent;
    bool has_text; /* the first has come */
};

/* ---- the end ---- */

static void verbing_free(tdm__verbing *v)
{
    tdm__api *api = v->api;
    tdm__verb_destroy(&v->run);
    tdm__verb_inbox_fini(&v->inbox);
    tdm__loop_timer_destroy(v->silence);
    tdm__verb_body_fini(&v->body);
    tdm__buf_fini(&v->sending);
    *(v->previous ? &v->previous->next : &api->verbings) = v->next;
    if (v->next)
        v->next->previous = v->previous;
    api->metrics.chats--;
    tdm__free(v);
    tdm__api_idle_now(api);
}

static void log_end(tdm__verbing *v, int status, const char *note)
{
    const tdm__api_end end = {.exchange_id = v->exchange_id,
                              .route = TDM__ROUTE_VERB,
                              .status = status,
                              .ms = (double)(tdm__clock_ns() - v->begin_ns) / 1e6,
                              .app = v->body.ask.app,
                              .decision_id = v->inbox.head.decision_id,
                              .timings = &v->inbox.end.timings,
                              .note = note};
    tdm__api_ended(v->api, &end);
}

static void verbing_gone(tdm__exchange *exchange)
{
    tdm__verbing *v = (tdm__verbing *)exchange;
    v->conn = NULL;
    v->api->metrics.clients_gone++;
    tdm__verb_cancel(v->run);
}

/* A client that does not read, or an answer that is larger than what is kept of it: cut, never shown with a hole. */
static void give_up(tdm__verbing *v)
{
    tdm__http_conn *c = v->conn;
    v->conn = NULL;
    v->api->metrics.clients_slow++;
    tdm__verb_cancel(v->run);
    tdm__http_abort(c);
}

/* ---- the head ---- */

/* A label is any text and a header's value is ASCII: its UTF-8 in the percent-encoding of RFC 3986. */
static void put_label(const char *label, char out[LABEL_HEADER_BYTES])
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (const char *p = label; *p; p++) {
        const unsigned char c = (unsigned char)*p;
        const bool is_plain = c > 0x20 && c < 0x7f && c != '%';
        out[n++] = is_plain ? *p : '%';
        if (!is_plain) {
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        }
    }
    out[n] = '\0';
}

typedef struct head_fields {
    tdm__http_header items[8];
    size_t n;
    char label[LABEL_HEADER_BYTES];
} head_fields;

static void put_head(const tdm__verbing *v, const char *label, head_fields *out)
{
    const tdm__verb_head *h = &v->inbox.head;
    out->label[0] = '\0';
    if (label && strcmp(label, "none") != 0)
        put_label(label, out->label);
    const tdm__http_header known[] = {{"x-tandem-decision", h->decision_id},
                                      {"x-tandem-route", h->route},
                                      {"x-tandem-model", h->model},
                                      {"x-tandem-filing", h->filing},
                                      {"x-tandem-label", out->label}};
    out->n = 0;
    out->items[out->n++] = (tdm__http_header){"Cache-Control", "no-store"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].value[0])
            out->items[out->n++] = known[i];
    if (v->body.stream)
        out->items[out->n++] = (tdm__http_header){"X-Accel-Buffering", "no"};
}

/* ---- the stream ---- */

/* Sends what is framed. False when the client was given up. */
static bool send(tdm__verbing *v)
{
    tdm_status s = TDM_OK;
    if (!v->head_sent) {
        head_fields head;
        put_head(v, NULL, &head);
        v->head_sent = true;
        s = tdm__http_begin(v->conn, 200, head.items, head.n, "text/event-stream; charset=utf-8");
    }
    if (s == TDM_OK && v->sending.len > 0)
        s = tdm__http_write(v->conn, tdm__buf_str(&v->sending));
    tdm__buf_clear(&v->sending);
    tdm__loop_timer_set(v->silence, HEAD_DELAY_MS);
    if (s != TDM_OK)
        give_up(v);
    return s == TDM_OK;
}

static void silence_passed(void *user)
{
    tdm__verbing *v = user;
    if (!v->conn)
        return;
    tdm__loop_timer_set(v->silence, HEAD_DELAY_MS);
    if (v->decided && tdm__sse_comment(&v->sending, TDM_STR("waiting")) == TDM_OK)
        send(v);
}

static void end_stream(tdm__verbing *v, tdm_status framed)
{
    if (framed == TDM_OK)
        framed = tdm__sse_data(&v->sending, TDM_STR("[DONE]"));
    if (framed != TDM_OK) {
        give_up(v);
    } else if (send(v)) {
        tdm__http_conn *c = v->conn;
        v->conn = NULL;
        tdm__http_end(c);
    }
}

/* ---- answers ---- */

static void answer_refusal(tdm__verbing *v, const tdm__api_error *e)
{
    if (!v->head_sent) {
        tdm__http_conn *c = v->conn;
        v->conn = NULL;
        tdm__api_answer_error(v->api, c, TDM__ROUTE_VERB, e, v->decided ? v->inbox.head.decision_id : NULL);
        return;
    }
    tdm__buf json;
    tdm__buf_init(&json, SENDING_BYTES_MAX);
    tdm_status s = tdm__api_error_put(&json, e);
    if (s == TDM_OK)
        s = tdm__sse_event(&v->sending, "error", tdm__buf_str(&json));
    tdm__buf_fini(&json);
    log_end(v, e->status, e->code ? e->code : "failed while streaming");
    end_stream(v, s);
}

static void answer_result(tdm__verbing *v)
{
    const tdm__str document = tdm__buf_str(&v->inbox.result);
    log_end(v, 200, v->body.stream ? "streamed" : NULL);
    if (v->body.stream) {
        end_stream(v, tdm__sse_event(&v->sending, "result", document));
        return;
    }
    head_fields head;
    put_head(v, v->inbox.end.label, &head);
    tdm__http_conn *c = v->conn;
    v->conn = NULL;
    tdm__http_respond(c, 200, head.items, head.n, "application/json", document);
}

static void answer_end(tdm__verbing *v)
{
    tdm__api_error e;
    if (tdm__verb_end_refusal(&v->inbox.end, &v->body.ask, &e))
        answer_refusal(v, &e);
    else
        answer_result(v);
}

/* What a verb writes is released when it has passed the checks: the first text, not the first token that was drawn. */
static void count_tokens(tdm__verbing *v, const tdm__verb_news *news)
{
    const tdm__job_timings *t = &v->inbox.end.timings;
    const bool is_answer = news->is_done && v->inbox.end.end == TDM__END_ANSWERED;
    if (!v->has_text && (news->told || is_answer)) {
        v->has_text = true;
        tdm__metrics_first_token(&v->api->metrics, TDM__ROUTE_VERB, (double)(tdm__clock_ns() - v->begin_ns) / 1e9);
    }
    if (news->is_done)
        tdm__metrics_between_tokens(&v->api->metrics, TDM__ROUTE_VERB, t->gaps_ms / 1e3, t->n_gaps);
}

static void events_came(void *user)
{
    tdm__verbing *v = user;
    tdm__verb_news news;
    const tdm_status s = tdm__verb_inbox_take(&v->inbox, &v->sending, &news);
    v->decided = news.decided;
    count_tokens(v, &news);
    if (v->conn && (s != TDM_OK || news.overflowed))
        give_up(v);
    if (v->conn && news.is_done)
        answer_end(v);
    else if (news.is_done)
        log_end(v, 499, "the client left");
    else if (v->conn && v->body.stream && (news.told || v->head_sent) && v->sending.len > 0)
        send(v);
    if (!news.is_done)
        return;
    verbing_free(v);
}

/* ---- the begin ---- */

static bool find_verb(const tdm__http_request *q, tdm__verb *out, tdm__api_error *e)
{
    const tdm__str name = {q->path.ptr + PATH_LEN, q->path.len - PATH_LEN};
    *out = tdm__verb_from(name);
    if (*out != TDM__VERB_NONE)
        return true;
    tdm__nearest near = {.wanted = name.ptr, .wanted_len = name.len};
    for (tdm__verb v = TDM__VERB_PROOFREAD; v <= TDM__VERB_PRIORITISE; v++)
        tdm__nearest_offer(&near, tdm__verb_name(v));
    return tdm__api_refuse(e, 404, "not_found", NULL, "there is no verb of that name%s%s%s", near.best ? "; is " : "",
                           near.best ? near.best : "", near.best ? " meant?" : "");
}

/* A model that is not here yet is the spine's to refuse: off comes before "not yet". */
static bool check_ready(tdm__api *api, const char *model, const tdm__service_status *s, tdm__api_error *e)
{
    if (api->draining)
        return tdm__api_refuse(e, 503, "stopping", NULL, "the daemon is stopping and takes no new requests");
    return s->state != TDM__SERVICE_READY || !model || tdm__api_is_model(tdm__str_from(model), s->model_name) ||
           tdm__api_refuse(e, 404, "model_not_found", "model", "this model is not loaded; %s is", s->model_name);
}

static tdm__verbing *verbing_create(tdm__api *api, tdm__http_conn *c, tdm__verb_body *body)
{
    tdm__verbing *v = tdm__calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->exchange.gone = verbing_gone;
    v->api = api;
    v->next = api->verbings;
    v->conn = c;
    v->exchange_id = tdm__http_conn_exchange_id(c);
    v->begin_ns = tdm__clock_ns();
    v->body = *body;
    *body = (tdm__verb_body){0};
    if (v->next)
        v->next->previous = v;
    api->verbings = v;
    api->metrics.chats++;
    tdm__verb_inbox_init(&v->inbox, api->loop, v->body.stream, events_came, v);
    tdm__buf_init(&v->sending, SENDING_BYTES_MAX);
    return v;
}

static bool verbing_begin(tdm__verbing *v, const tdm__service_status *status, tdm__api_error *e)
{
    tdm_error err = {0};
    tdm_status s = TDM_OK;
    v->body.ask.app = tdm__api_app_of(v->api, v->conn);
    v->body.ask.app_key_id = tdm__api_app_key_id_of(v->api, v->conn);
    if (v->body.stream)
        s = tdm__loop_timer_create(v->api->loop, silence_passed, v, &v->silence, &err);
    if (s == TDM_OK)
        s = tdm__verb_start(v->api->service, &v->body.ask, tdm__verb_inbox_put, &v->inbox, &v->run, &err);
    if (s == TDM_OK && v->body.stream)
        tdm__loop_timer_set(v->silence, HEAD_DELAY_MS);
    if (s != TDM_OK)
        tdm__verb_start_refusal(&v->body.ask, &err, status, e);
    return s == TDM_OK;
}

void tdm__api_post_verb(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    tdm__verb_body body = {0};
    tdm__service_status status;
    tdm__api_error e;
    tdm__verb verb;
    tdm__verbing *v = NULL;
    tdm__service_get_status(api->service, &status);
    bool ok = find_verb(q, &verb, &e) && tdm__verb_body_parse(verb, q->body, &body, &e) &&
              check_ready(api, body.model, &status, &e);
    if (ok) {
        v = verbing_create(api, c, &body);
        ok = v || tdm__api_refuse(&e, 503, "no_memory", NULL, "no memory for another request");
    }
    ok = ok && verbing_begin(v, &status, &e);
    tdm__verb_body_fini(&body);
    if (ok) {
        tdm__http_conn_set_data(c, &v->exchange);
        return;
    }
    if (v)
        verbing_free(v);
    tdm__api_answer_error(api, c, TDM__ROUTE_VERB, &e, NULL);
}

void tdm__verb_cancel_all(tdm__api *api)
{
    for (tdm__verbing *v = api->verbings; v; v = v->next)
        tdm__verb_cancel(v->run);
}
