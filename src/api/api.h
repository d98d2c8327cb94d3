/* api.h - the endpoints over one service and its device: what a request's path and method lead to.
 *
 * Everything here runs on the loop's thread; other threads reach it only through an inbox (chat_inbox.h,
 * assistant_run.c).
 */
#ifndef TDM_API_API_H
#define TDM_API_API_H

#include <stdbool.h>

#include "api/api_error.h"
#include "api/api_guard.h"
#include "api/daemon_log.h"
#include "api/api_metrics.h"
#include "api/app_keys.h"
#include "api/owner.h"
#include "feature/assistant.h"
#include "net/http_loop.h"
#include "net/http_server.h"
#include "request/request.h"

typedef struct tdm__chat tdm__chat;
typedef struct tdm__asking tdm__asking;
typedef struct tdm__verbing tdm__verbing;

/* What a connection holds while an answer is due; the first member of whatever it is. */
typedef struct tdm__exchange {
    void (*gone)(struct tdm__exchange *e); /* the client has left */
} tdm__exchange;

typedef struct tdm__api {
    tdm__loop *loop;
    tdm__device *device;
    tdm__service *service;
    tdm__assistant *assistant;
    tdm__owner owner;
    tdm__app_names app_names;
    tdm__app_keys apps;
    bool keys_required;       /* a request to /v1 without a key of ours is refused */
    tdm__http_server *server;
    tdm__http_address address; /* where we listen */
    tdm__own_names names;
    tdm__tls *tls;            /* NULL: none */
    tdm__daemon_log log;
    tdm__api_metrics metrics;
    tdm__chat *chats;       /* all that are open, their clients there or gone */
    tdm__asking *askings;
    tdm__verbing *verbings;
    size_t n_lookups;       /* threads that read the journal (api_decision.c) */
    char *page, *page_policy; /* the phone's page and its CSP, with the stage that may frame it */
    size_t page_len;
    const char *model_asked; /* what /healthz names until a model is loaded */
    bool draining;    /* new chats are refused */
    void (*on_idle)(void *user); /* draining: the last chat has ended, or the last connection is closed */
    tdm_status (*on_reload)(void *user, tdm_error *err);
    void (*on_drain)(void *user);
    void *user;
} tdm__api;

/* The handler that the server is created with; its user is the tdm__api. */
extern const tdm__http_handler tdm__api_handler;

/* Answers with an error's envelope, counts it and logs a line. decision_id may be NULL. c is invalid afterwards. */
void tdm__api_answer_error(tdm__api *api, tdm__http_conn *c, tdm__route_name route, const tdm__api_error *e,
                           const char *decision_id);

/* One request's end: it is counted and gets its line in the log. No text may be a user's. */
typedef struct tdm__api_end {
    uint64_t exchange_id;
    tdm__route_name route;
    int status;
    double ms;               /* from the head on */
    const char *app;         /* NULL or "": the device's own */
    const char *decision_id; /* NULL or "": none */
    const tdm__job_timings *timings; /* NULL: nothing was generated */
    const char *note;        /* one of our own words; NULL: none */
} tdm__api_end;

void tdm__api_ended(tdm__api *api, const tdm__api_end *end);

/* The same for an answer that is given at once: before tdm__http_respond. */
void tdm__api_ended_at_once(tdm__api *api, tdm__http_conn *c, tdm__route_name route, int status);

/* The application that asks, by its key: its name, or "" for the device's own (no key, or the owner). Borrowed
 * for the daemon's life. */
const char *tdm__api_app_of(const tdm__api *api, const tdm__http_conn *c);
uint64_t tdm__api_app_key_id_of(const tdm__api *api, const tdm__http_conn *c);

/* The refusal while no model is there: 503 with what goes on. */
void tdm__api_not_ready(const tdm__service_status *s, tdm__api_error *e);

/* Whether a client that names this model means the loaded one: its name, or its beginning up to a hyphen. */
bool tdm__api_is_model(tdm__str asked, const char *loaded);

/* Whether no answer is due to anybody. */
bool tdm__api_is_idle(const tdm__api *api);

/* Tells whoever waits for the end, if this was it. */
void tdm__api_idle_now(tdm__api *api);

/* ---- api_page.c ---- */

/* Prepares the page for a stage's origin ("http://127.0.0.1:8400", checked; NULL: nobody may frame it). */
tdm_status tdm__api_page_open(tdm__api *api, const char *stage, tdm_error *err);
void tdm__api_page_close(tdm__api *api);
void tdm__api_page_answer(tdm__api *api, tdm__http_conn *c);

/* ---- api_small.c: health, metrics, models ---- */

void tdm__api_answer_health(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_answer_metrics(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_answer_models(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);

/* ---- api_admin.c: the owner's reload and drain ---- */

void tdm__api_post_reload(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_post_drain(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);

/* ---- api_device.c, api_owner.c: what the phone says about itself, and what its owner may change ---- */

void tdm__api_get_device(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_get_features(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_get_filings(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_post_explain(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_post_policy(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_post_filing(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_post_network(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_post_link(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_post_session(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_get_consents(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_post_consents(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_get_receipts(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);
void tdm__api_post_erase(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);

/* api_decision.c */
void tdm__api_get_decision(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);

/* Answers with a JSON document and gives the reference back; NULL is answered as a lack of memory. */
void tdm__api_answer_json(tdm__api *api, tdm__http_conn *c, json_t *document);

/* The body as an object with no member but known ones (NULL-terminated). False: answered with a 400. */
bool tdm__api_read_object(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q, const char *const *known,
                          json_t **out);

/* ---- chat_run.c ---- */

/* Takes the request over: parses, starts it, and answers, now or later. */
void tdm__chat_start(tdm__api *api, tdm__http_conn *c, tdm__str body);

/* Cancels all that run; their last events still come. */
void tdm__chat_cancel_all(tdm__api *api);

#endif
