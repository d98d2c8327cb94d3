/* api.h - the endpoints over one service: what a request's path and method lead to.
 *
 * Everything here runs on the loop's thread; the engine's threads reach it only through chat_inbox.h.
 */
#ifndef TDM_API_API_H
#define TDM_API_API_H

#include <stdbool.h>

#include "api/api_error.h"
#include "api/api_metrics.h"
#include "net/http_loop.h"
#include "net/http_server.h"
#include "request/request.h"

typedef struct tdm__chat tdm__chat;

typedef struct tdm__api {
    tdm__loop *loop;
    tdm__service *service;
    tdm__http_server *server;
    tdm__http_address address; /* where we listen */
    tdm__api_metrics metrics;
    tdm__chat *chats; /* all that are open, their clients there or gone */
    const char *model_asked; /* what /healthz names until a model is loaded */
    bool quiet;       /* no line a request on stderr */
    bool draining;    /* new chats are refused */
    void (*on_idle)(void *user); /* draining: the last chat has ended, or the last connection is closed */
    void *user;
} tdm__api;

/* The handler that the server is created with; its user is the tdm__api. */
extern const tdm__http_handler tdm__api_handler;

/* Answers with an error's envelope, counts it and logs a line. decision_id may be NULL. c is invalid afterwards. */
void tdm__api_answer_error(tdm__api *api, tdm__http_conn *c, tdm__route_name route, const tdm__api_error *e,
                           const char *decision_id);

/* Counts, and writes "tandem: request N route STATUS ..." unless quiet. */
void tdm__api_log(tdm__api *api, uint64_t exchange_id, tdm__route_name route, int status, double ms,
                  const char *what);

/* The refusal while no model is there: 503 with what goes on. */
void tdm__api_not_ready(const tdm__service_status *s, tdm__api_error *e);

/* Whether a client that names this model means the loaded one: its name, or its beginning up to a hyphen. */
bool tdm__api_is_model(tdm__str asked, const char *loaded);

/* ---- chat_run.c ---- */

/* Takes the request over: parses, starts it, and answers, now or later. */
void tdm__chat_start(tdm__api *api, tdm__http_conn *c, tdm__str body);

/* The client of this chat has left. */
void tdm__chat_gone(tdm__chat *chat);

/* Cancels all that run; their last events still come. */
void tdm__chat_cancel_all(tdm__api *api);

#endif
