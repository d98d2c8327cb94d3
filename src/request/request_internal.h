/* request_internal.h - what service.c and request.c share.
 *
 * Locks, in the order in which they may be taken: service.mutex, request.mutex, the engine's.
 */
#ifndef TDM_REQUEST_REQUEST_INTERNAL_H
#define TDM_REQUEST_REQUEST_INTERNAL_H

#include <pthread.h>

#include "request/request.h"
#include "text/template.h"

struct tdm__request {
    tdm__service *service;
    tdm__request *next_waiting;       /* under service.mutex */
    tdm__request *live_next, *live_previous; /* under service.mutex, from start to DONE */
    json_t *messages;                 /* a copy: jansson's counts are not for two threads */
    tdm__job_params params;           /* without the prompt; stops point into stop_bytes */
    char *stop_bytes;
    tdm__event_fn fn;
    void *user;
    tdm__decision decision;
    int64_t now_unix_s;
    uint64_t started_ns;
    double prepare_ms; /* from start to the engine's queue */
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool is_cancelled; /* all under mutex */
    bool was_told;     /* DONE was delivered */
    bool was_prepared; /* the prepare thread forgot it */
    tdm__job *job;
};

struct tdm__service {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    pthread_t preparer;
    bool stop;
    tdm__service_state state;
    int percent;
    tdm_error error;
    tdm__request *waiting_first, *waiting_last; /* for the prepare thread */
    size_t n_waiting;
    tdm__request *live;
    size_t n_live, n_live_max;

    /* set once, before the state becomes READY, then immutable */
    char model_name[128];
    int64_t loaded_unix_s;
    tdm__model *model;
    tdm__tokenizer *tokenizer;
    tdm__template *template;
    tdm__engine *engine;
};

/* service.c, once the state is or was READY: whether the model's file is what was loaded; if not, err says so. */
bool tdm__service_model_is_intact(tdm__service *s, tdm_error *err);

/* service.c, under s->mutex: makes a READY service whose file has changed FAILED. */
void tdm__service_check_model(tdm__service *s);

/* request.c: the spine up to the engine, on the prepare thread. */
void tdm__request_walk(tdm__request *r);

#endif
