/* assistant_run.c - one asking from its body to its last event.
 *
 * Events come from other threads: they are framed there, into a bounded buffer under a lock, and the loop is woken to
 * send what is there. The head goes out with the first frame, which always is the decision. Two sides must be over
 * before the object goes: the client's and the assistant's.
 */
#include "api/assistant_run.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "api/assistant_ask.h"
#include "api/json_out.h"
#include "base/error.h"
#include "base/json.h"
#include "net/sse.h"
#include "os/clock.h"
#include "os/heap.h"

enum { FRAMES_BYTES_MAX = 4 << 20, SIGN_OF_LIFE_MS = 10000 };

struct tdm__asking {
    tdm__exchange exchange; /* first: what the connection holds */
    tdm__api *api;
    tdm__asking *next, *previous;
    tdm__http_conn *conn; /* NULL: gone or answered */
    uint64_t exchange_id, begin_ns;
    const char *app;
    tdm__answer *answer;
    tdm__loop_timer *silence;
    tdm__loop_note note;
    tdm__buf sending; /* loop thread */
    bool head_sent;

    pthread_mutex_t mutex; /* all below */
    tdm__buf frames;
    bool overflowed, is_done;
    char decision_id[TDM__DECISION_ID_TEXT]; /* the last one, for the log */
    char state[16];                          /* of DONE, for the log */
    /* Of the first decision, for the head; never written again, so the loop may read them. */
    char head_decision_id[TDM__DECISION_ID_TEXT], route[TDM__PARTNER_ID_MAX + 1], model[128], filing[128];
};

/* ---- the assistant's threads ---- */

static const char *event_name(tdm__assistant_kind kind)
{
    static const char *const names[] = {"",        "decision", "text",  "offer",
                                        "retract", "receipt",  "error", "done"};
    return names[kind];
}

static tdm_status frame(tdm__buf *out, const tdm__assistant_event *ev)
{
    char *text = tdm__json_text(ev->data, JSON_COMPACT);
    if (!text)
        return TDM_ERR_NOMEM;
    tdm_status s = tdm__sse_event(out, event_name(ev->kind), tdm__str_from(text));
    tdm__free(text);
    return s;
}

static tdm_status frame_text(tdm__buf *out, const tdm__assistant_event *ev)
{
    tdm__buf json;
    tdm__buf_init(&json, FRAMES_BYTES_MAX);
    const json_t *source = json_object_get(ev->data, "source");
    tdm_status s = tdm__buf_append_z(&json, "{\"text\":");
    if (s == TDM_OK)
        s = tdm__json_put_string(&json, ev->text);
    if (s == TDM_OK)
        s = tdm__buf_append_z(&json, ",\"source\":");
    if (s == TDM_OK)
        s = tdm__json_put_string(&json, tdm__str_from(source ? json_string_value(source) : "own"));
    if (s == TDM_OK)
        s = tdm__buf_printf(&json, ",\"label\":%s}",
                            json_is_true(json_object_get(ev->data, "label")) ? "true" : "false");
    if (s == TDM_OK)
        s = tdm__sse_event(out, "text", tdm__buf_str(&json));
    tdm__buf_fini(&json);
    return s;
}

/* What the head says of the first decision: the path, and the step of its plan that takes it. */
static void keep_head(tdm__asking *a, const tdm__assistant_event *ev)
{
    const char *path = json_string_value(json_object_get(ev->data, "path"));
    memcpy(a->head_decision_id, a->decision_id, sizeof a->head_decision_id);
    snprintf(a->route, sizeof a->route, "%s", path ? path : "");
    size_t i;
    json_t *step;
    json_array_foreach(json_object_get(ev->data, "plan"), i, step)
    {
        const char *backend = json_string_value(json_object_get(step, "backend"));
        const char *model = json_string_value(json_object_get(step, "model"));
        const char *filing = json_string_value(json_object_get(step, "filing"));
        if (!backend || strcmp(backend, a->route) != 0)
            continue;
        snprintf(a->model, sizeof a->model, "%s", model ? model : "");
        snprintf(a->filing, sizeof a->filing, "%s", filing ? filing : "");
    }
}

static void on_event(void *user, const tdm__assistant_event *ev)
{
    tdm__asking *a = user;
    pthread_mutex_lock(&a->mutex);
    snprintf(a->decision_id, sizeof a->decision_id, "%s", ev->decision_id ? ev->decision_id : "");
    if (!a->head_decision_id[0])
        keep_head(a, ev);
    tdm_status s = ev->kind == TDM__ASSISTANT_TEXT ? frame_text(&a->frames, ev) : frame(&a->frames, ev);
    a->overflowed = a->overflowed || s != TDM_OK;
    if (ev->kind == TDM__ASSISTANT_DONE) {
        const char *state = json_string_value(json_object_get(ev->data, "state"));
        snprintf(a->state, sizeof a->state, "%s", state ? state : "");
        a->is_done = true;
    }
    tdm__loop_post(a->api->loop, &a->note); /* under the lock: the loop may end this object once it has seen DONE */
    pthread_mutex_unlock(&a->mutex);
}

/* ---- the loop's thread ---- */

static void asking_free(tdm__asking *a)
{
    tdm__api *api = a->api;
    tdm__answer_destroy(&a->answer);
    tdm__loop_unpost(api->loop, &a->note);
    tdm__loop_timer_destroy(a->silence);
    tdm__buf_fini(&a->sending);
    tdm__buf_fini(&a->frames);
    pthread_mutex_destroy(&a->mutex);
    *(a->previous ? &a->previous->next : &api->askings) = a->next;
    if (a->next)
        a->next->previous = a->previous;
    api->metrics.chats--;
    tdm__free(a);
    tdm__api_idle_now(api);
}

static void log_end(tdm__asking *a, int status, const char *what)
{
    const tdm__api_end end = {.exchange_id = a->exchange_id,
                              .route = TDM__ROUTE_ASSISTANT,
                              .status = status,
                              .ms = (double)(tdm__clock_ns() - a->begin_ns) / 1e6,
                              .app = a->app,
                              .decision_id = a->decision_id,
                              .note = what};
    tdm__api_ended(a->api, &end);
}

static void asking_gone(tdm__exchange *exchange)
{
    tdm__asking *a = (tdm__asking *)exchange;
    a->conn = NULL;
    a->api->metrics.clients_gone++;
    tdm__answer_cancel(a->answer);
}

static void give_up(tdm__asking *a)
{
    tdm__http_conn *c = a->conn;
    a->conn = NULL;
    a->api->metrics.clients_slow++;
    tdm__answer_cancel(a->answer);
    tdm__http_abort(c);
}

static tdm_status send_head(tdm__asking *a)
{
    if (a->head_sent)
        return TDM_OK;
    const tdm__http_header known[] = {{"x-tandem-decision", a->head_decision_id},
                                      {"x-tandem-route", a->route},
                                      {"x-tandem-model", a->model},
                                      {"x-tandem-filing", a->filing}};
    tdm__http_header headers[6] = {{"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}};
    size_t n = 2;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) /* "never" to an offer needs no decision */
        if (known[i].value[0])
            headers[n++] = known[i];
    a->head_sent = true;
    return tdm__http_begin(a->conn, 200, headers, n, "text/event-stream; charset=utf-8");
}

static bool send(tdm__asking *a)
{
    tdm_status s = TDM_OK;
    if (a->sending.len > 0) {
        s = send_head(a);
        if (s == TDM_OK)
            s = tdm__http_write(a->conn, tdm__buf_str(&a->sending));
        tdm__buf_clear(&a->sending);
        tdm__loop_timer_set(a->silence, SIGN_OF_LIFE_MS);
    }
    if (s != TDM_OK)
        give_up(a);
    return s == TDM_OK;
}

static void silence_passed(void *user)
{
    tdm__asking *a = user;
    if (!a->conn)
        return;
    tdm__loop_timer_set(a->silence, SIGN_OF_LIFE_MS);
    if (a->head_sent && tdm__sse_comment(&a->sending, TDM_STR("waiting")) == TDM_OK)
        send(a);
}

static void events_came(void *user)
{
    tdm__asking *a = user;
    pthread_mutex_lock(&a->mutex);
    const tdm__buf filled = a->frames;
    a->frames = a->sending; /* empty: send clears it */
    a->sending = filled;
    const bool overflowed = a->overflowed, is_done = a->is_done;
    pthread_mutex_unlock(&a->mutex);
    if (a->conn && overflowed)
        give_up(a); /* never shown with a hole */
    else if (a->conn)
        send(a);
    if (!is_done)
        return;
    log_end(a, a->conn ? 200 : 499, a->conn ? a->state : "the client left");
    if (a->conn) {
        tdm__http_conn *c = a->conn;
        a->conn = NULL;
        tdm__http_end(c);
    }
    asking_free(a);
}

static tdm__asking *asking_create(tdm__api *api, tdm__http_conn *c)
{
    tdm__asking *a = tdm__calloc(1, sizeof *a);
    if (!a)
        return NULL;
    *a = (tdm__asking){.exchange = {.gone = asking_gone},
                       .api = api,
                       .next = api->askings,
                       .conn = c,
                       .exchange_id = tdm__http_conn_exchange_id(c),
                       .begin_ns = tdm__clock_ns(),
                       .note = {.fn = events_came, .user = a}};
    if (a->next)
        a->next->previous = a;
    api->askings = a;
    api->metrics.chats++;
    pthread_mutex_init(&a->mutex, NULL);
    tdm__buf_init(&a->sending, FRAMES_BYTES_MAX);
    tdm__buf_init(&a->frames, FRAMES_BYTES_MAX);
    return a;
}

/* An offer that is unknown, used or too old conflicts with what the device has; the sentence says which. */
static void error_of(const tdm_error *err, bool is_offer, tdm__api_error *e)
{
    if (is_offer && err->code == TDM_ERR_INVAL)
        tdm__api_refuse(e, 409, "offer_gone", "offer", "%s", err->msg);
    else
        tdm__api_error_from(err, e);
}

static bool asking_begin(tdm__asking *a, const tdm__assistant_ask *ask, tdm__api_error *e)
{
    tdm_error err = {0};
    tdm_status s = tdm__loop_timer_create(a->api->loop, silence_passed, a, &a->silence, &err);
    if (s == TDM_OK)
        s = tdm__assistant_start(a->api->assistant, ask, on_event, a, &a->answer, &err);
    if (s == TDM_OK)
        tdm__loop_timer_set(a->silence, SIGN_OF_LIFE_MS);
    else
        error_of(&err, *ask->offer_id != 0, e);
    return s == TDM_OK;
}

void tdm__asking_start(tdm__api *api, tdm__http_conn *c, tdm__str bytes, bool is_owner)
{
    tdm__assistant_body body;
    tdm__api_error e;
    tdm__asking *a = NULL;
    bool ok = tdm__assistant_body_parse(bytes, &body, &e);
    if (ok && api->draining)
        ok = tdm__api_refuse(&e, 503, "stopping", NULL, "the daemon is stopping and takes no new requests");
    if (ok && *body.ask.offer_id && !is_owner)
        ok = tdm__api_refuse(&e, 401, "owner_required", NULL, "only the owner of this device answers an offer");
    if (ok) {
        a = asking_create(api, c);
        ok = a || tdm__api_refuse(&e, 503, "no_memory", NULL, "no memory for another request");
    }
    body.ask.app = tdm__api_app_of(api, c);
    body.ask.app_key_id = tdm__api_app_key_id_of(api, c);
    if (ok)
        a->app = body.ask.app;
    ok = ok && asking_begin(a, &body.ask, &e);
    tdm__assistant_body_fini(&body);
    if (ok) {
        tdm__http_conn_set_data(c, &a->exchange);
        return;
    }
    if (a)
        asking_free(a);
    tdm__api_answer_error(api, c, TDM__ROUTE_ASSISTANT, &e, NULL);
}

void tdm__asking_cancel_all(tdm__api *api)
{
    for (tdm__asking *a = api->askings; a; a = a->next)
        tdm__answer_cancel(a->answer);
}
