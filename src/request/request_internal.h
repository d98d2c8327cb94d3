/* request_internal.h - what the files of the spine share.
 *
 * Locks, in the order in which they may be taken: service.mutex, request.mutex, the engine's, the device's.
 */
#ifndef TDM_REQUEST_REQUEST_INTERNAL_H
#define TDM_REQUEST_REQUEST_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/sha256_stream.h"
#include "engine/prefix_folder.h"
#include "request/compose.h"
#include "request/request.h"
#include "text/template.h"
#include "usage/quota.h"

enum { TDM__LANGUAGE_TEXT = 8, TDM__LABEL_BYTES_MAX = 512 };

typedef enum tdm__leaf_state { TDM__LEAF_WAITS = 0, TDM__LEAF_DURABLE, TDM__LEAF_FAILED } tdm__leaf_state;

/* One of the n answers. What is released of it, screened, hashed, told, is touched by the one thread that writes at
 * that time: the engine's, a partner's, or the composing one. */
typedef struct tdm__candidate {
    tdm__request *request;
    size_t index;
    tdm__screen_stream screen;
    tdm__buf held; /* bytes of the stream from n_released on, that no term has decided about yet */
    tdm__sha256_stream released;

    /* of the generation of the moment, under request.mutex */
    tdm__job *job;
    tdm__finish finish; /* how it ended */
    tdm_error error;
    tdm__job_timings timings;
    bool is_enough;     /* composed: the feature wants no more of it, or it is as long as it may be */
} tdm__candidate;

struct tdm__request {
    tdm__service *service; /* until DONE; the device outlives the handle */
    tdm__device *device;
    tdm__request *next_waiting;              /* under service.mutex */
    tdm__request *live_next, *live_previous; /* under service.mutex, from start to DONE */
    json_t *messages;                        /* a copy: jansson's counts are not for two threads */
    tdm__job_params params;                  /* without the prompt; stops point into stop_bytes, app to app below */
    char *stop_bytes;
    char *prediction; /* [prediction_len], or NULL */
    size_t prediction_len;
    tdm__event_fn fn;
    void *user;
    tdm__compose_fn compose; /* NULL: the messages are the prompt */
    void *compose_user;
    char feature[65], named_partner[TDM__PARTNER_ID_MAX + 1], language[TDM__LANGUAGE_TEXT];
    char app[TDM__APP_NAME_TEXT];
    bool has_consent, has_attachments;
    const tdm__rules_set *rules;
    tdm__decision decision;
    const tdm__plan_step *step; /* the one that answers; NULL: none, end says why */
    tdm__request_end end;       /* when there is no step */
    tdm__reason reason;
    int64_t now_unix_s;
    uint64_t started_ns;
    uint64_t consent_generation;
    double prepare_ms; /* from start to the engine's queue */
    tdm__candidate candidates[TDM__CANDIDATES_MAX];
    size_t n_candidates; /* of these, so many first ones are told */
    size_t n_places; /* generations that may run side by side: so many places of the service it holds */
    bool is_stopped; /* by a term or changed rules: nothing more is told. Of the thread that writes */
    const char *rule;
    char label[TDM__LABEL_BYTES_MAX];
    tdm__event done; /* kept until the closed leaf is durable */
    tdm__finish finishes[TDM__CANDIDATES_MAX];

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    tdm__leaf_state opened; /* all under mutex */
    bool is_cancelled;
    bool was_told;     /* DONE was delivered */
    bool was_prepared; /* the prepare thread forgot it */
    size_t n_jobs;            /* of the generation of the moment */
    size_t n_generating;      /* of these, so many have not had their DONE */
    tdm_error refused;        /* the engine took the first ones, not all */
    tdm__job_timings timings; /* of the generations that have ended */

    /* a composed answer's generation: set while its thread waits for it, else NULL */
    const tdm__generation *generation;
    tdm__buf *generated; /* [n_jobs] */

    /* a partner's answer, or a composed one */
    pthread_t writer;
    bool has_writer;
    atomic_bool stop_partner;
    tdm__partner_result partner;
};

struct tdm__service {
    tdm__device *device;
    pthread_mutex_t mutex;
    pthread_cond_t work;
    pthread_cond_t left; /* a live request has gone */
    pthread_t preparer;
    bool stop;
    tdm__service_state state;
    int percent;
    tdm_error error;
    tdm__request *waiting_first, *waiting_last; /* for the prepare thread */
    size_t n_waiting;
    tdm__request *live;        /* until each has told its end */
    size_t n_live, n_live_max; /* places, one a generation at once, free just before */
    size_t n_foreground_only;  /* of these: what a flood of background leaves */
    tdm__quota_ledger *quota;

    char pack_dir[4096]; /* the loader's */
    char prefix_dir[TDM__PREFIX_DIR_MAX + 1]; /* under mutex; "": none */
    bool has_engine; /* under mutex: engine stays until the service ends, whatever state comes */

    /* set once, before the state becomes READY, then immutable */
    char model_name[128];
    char model_sha256[TDM__SHA256_TEXT];
    int64_t loaded_unix_s;
    tdm__model *model;
    tdm__tokenizer *tokenizer;
    bool borrows_model; /* model and tokenizer */
    tdm__template *template;
    tdm__engine *engine;
};

/* service.c, once the state is or was READY: whether the model's file is what was loaded; if not, err says so. */
bool tdm__service_model_is_intact(tdm__service *s, tdm_error *err);

/* service.c, under s->mutex: makes a READY service whose file has changed FAILED. */
void tdm__service_check_model(tdm__service *s);

/* request.c: the spine up to a back end, on the prepare thread. */
void tdm__request_walk(tdm__request *r);

/* request_end.c: tells an event with what each carries. */
void tdm__request_tell(tdm__request *r, tdm__event ev);

/* request_end.c: the opened leaf into the journal's queue. */
tdm_status tdm__request_open_leaf(tdm__request *r, tdm_error *err);

/* request_end.c: waits until the opened leaf is durable. ERR_IO when it is not: then nothing may be told or sent. */
tdm_status tdm__request_wait_opened(tdm__request *r, tdm_error *err);

/* request_end.c: the closed leaf, and behind it DONE. Called once; r may be gone when it returns. */
void tdm__request_finish(tdm__request *r, tdm__event done);

/* request_output.c */
void tdm__output_init(tdm__request *r);
void tdm__output_fini(tdm__request *r);

/* Whether the question holds a term of a pack; then r->reason and the rule are set. */
bool tdm__output_stops_question(tdm__request *r);

/* Takes a piece of the candidate and tells what may leave. False: a term is complete, or what was decided does not
 * stand any more (r->reason says); nothing is told from now on and the back end is to be stopped. */
bool tdm__output_push(tdm__candidate *c, tdm__str text, const tdm__token_info *tokens, size_t n_tokens);

/* The candidate is whole: tells the rest and, where the answer is text and not a composed one, the market's line. */
void tdm__output_end(tdm__candidate *c);

/* What the closed leaf commits to: SHA-256 of the released text; of several candidates, that of their digests. */
void tdm__output_digest(tdm__request *r, uint8_t out[TDM__SHA256_BYTES]);

/* request_own.c: n candidates by this device's own model, which get the seed of p and those that follow. Each ends
 * once, on the engine's thread; when the last one has, n_generating is 0. ERR_CANCELLED, and what the engine refuses:
 * then none has begun. */
tdm_status tdm__request_generate(tdm__request *r, const tdm__job_params *p, size_t n, tdm_error *err);

/* request_own.c: request_generate with what the answer will mostly repeat, as the model's tokens; empty: unknown. */
tdm_status tdm__request_generate_like(tdm__request *r, const tdm__job_params *p, tdm__str source, size_t n,
                                      tdm_error *err);

/* request_own.c: how the generation ended whose candidates all have: ERROR before CANCELLED before the first one's. err
 * is set with ERROR. */
tdm__finish tdm__request_group_finish(tdm__request *r, tdm_error *err);

/* request_own.c: the messages are the prompt. */
tdm_status tdm__request_ask_own_model(tdm__request *r, tdm_error *err);

/* request_own.c: cancels what the engine has of it; any thread, not under r->mutex. */
void tdm__request_cancel_jobs(tdm__request *r);

/* request_own.c: DONE of an answer whose writing has ended so; error is read with FINISH_ERROR. */
tdm__event tdm__request_end_of(tdm__request *r, tdm__finish finish, const tdm_error *error);

/* compose.c: starts the thread that puts the answer together. */
tdm_status tdm__request_compose(tdm__request *r, tdm_error *err);

/* request.c */
bool tdm__request_is_cancelled(tdm__request *r);

/* request_output.c: whether the step that answers would still be taken by the rules and consents of this moment. */
bool tdm__request_still_stands(tdm__request *r);

/* request_partner.c: starts the thread that carries the question to the step's partner. */
tdm_status tdm__request_ask_partner(tdm__request *r, tdm_error *err);

#endif
