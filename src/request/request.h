/* request.h - the spine: the one way from an application's question to an answer.
 *
 * decide -> opened leaf -> screen(in) -> own engine or partner -> screen(out) -> label -> closed leaf -> events. Only
 * this folder reaches a back end. The decision comes first; what its plan does not hold is not done. The opened leaf is
 * durable before the first text is told, the closed one before DONE.
 */
#ifndef TDM_REQUEST_REQUEST_H
#define TDM_REQUEST_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "engine/engine.h"
#include "audit/journal.h"
#include "partner/partner.h"
#include "request/device.h"
#include "tandem/status.h"
#include "usage/quota.h"

/* What a process serves: one model, perhaps still on its way. All functions of the service may be called from any
 * thread. */
typedef struct tdm__service tdm__service;

typedef enum tdm__service_state {
    TDM__SERVICE_DOWNLOADING = 0, /* detail: per cent */
    TDM__SERVICE_LOADING,
    TDM__SERVICE_READY,
    TDM__SERVICE_FAILED, /* detail in the error */
} tdm__service_state;

/* Borrows the device, which outlives the service. */
tdm_status tdm__service_create(tdm__device *device, tdm__service **out, tdm_error *err);
tdm__device *tdm__service_device(tdm__service *s);

/* Cancels all requests and waits until each has had its DONE; their handles may be given back later. No load or start
 * is under way. NULL-safe. */
void tdm__service_destroy(tdm__service *s);

/* What each application may take from now on. */
void tdm__service_set_quota(tdm__service *s, const tdm__quota *q);
void tdm__service_get_quota(tdm__service *s, tdm__quota *out);

/* After ERR_QUOTA: seconds until the app may ask again. */
int tdm__service_quota_wait_s(tdm__service *s, const char *app);

/* Where packed weights are kept (model/packing.h); copied. Before load; without it they are packed in memory. */
void tdm__service_set_pack_dir(tdm__service *s, const char *dir);

/* For the loader: progress, failure, or the model at path under its display name. load blocks while it opens, once
 * with success; when it fails, the state is FAILED. A model without tokenizer.chat_template cannot chat and is refused
 * (ERR_UNSUPPORTED). */
void tdm__service_set_downloading(tdm__service *s, int percent);
void tdm__service_set_failed(tdm__service *s, const tdm_error *err);
tdm_status tdm__service_load(tdm__service *s, const char *path, const char *model_name,
                             const tdm__engine_options *o, tdm_error *err);

/* load with what is open already: m and t are borrowed and outlive the service. Other services may use them, too. */
tdm_status tdm__service_load_opened(tdm__service *s, tdm__model *m, tdm__tokenizer *t, const char *model_name,
                                    const tdm__engine_options *o, tdm_error *err);

/* Where beginnings of prompts are kept, for erase before load; copied. load sets it, too. */
void tdm__service_set_prefix_dir(tdm__service *s, const char *dir);

/* Removes all that is kept of prompts in that folder, whoever put it there and in whatever state s is; what is read
 * just now is not kept either. What slots hold in memory stays until others need them. Fails when a file is still
 * there. */
tdm_status tdm__service_erase_prefixes(tdm__service *s, tdm_error *err);

typedef struct tdm__service_status {
    tdm__service_state state;
    int percent;             /* DOWNLOADING */
    tdm_error error;         /* FAILED */
    char model_name[128];    /* READY, else "" */
    char model_sha256[65];   /* READY, else "" */
    size_t n_ctx;            /* READY */
    int64_t loaded_unix_s;   /* READY */
    tdm__engine_stats stats; /* READY */
} tdm__service_status;

void tdm__service_get_status(tdm__service *s, tdm__service_status *out);

typedef struct tdm__request tdm__request;

/* compose.h */
typedef tdm_status (*tdm__compose_fn)(void *user, tdm__request *r, tdm_error *err);

enum { TDM__CANDIDATES_MAX = 8 };

typedef struct tdm__chat_request {
    json_t *messages;   /* array of {role, content: string}; copied */
    size_t n;           /* candidates, at most TDM__CANDIDATES_MAX, of one decision and one reading of the prompt; the
                           i-th has the seed of the first plus i; 0: 1. A partner's answer has one */
    size_t max_tokens;  /* 0: until the context is full */
    tdm__sampling sampling;
    tdm__str stops[TDM__STOPS_MAX];
    size_t n_stops;
    int n_top_logprobs; /* -1: none wanted */
    bool no_draft;      /* the answer is the same, it takes longer */
    tdm__str prediction; /* what the answer will mostly repeat, copied; empty: unknown. A partner is not told */
    const char *feature;       /* "chat", "assistant": the cell that must allow it */
    const char *language;      /* "en", "zh": of the label and of sentences; NULL: "en" */
    const char *named_partner; /* the user named one; "" or NULL else */
    /* "" or NULL: the plan's first step answers if it is this device's own model. A partner's id: that partner answers,
     * if the plan has it; the messages are then exactly what leaves. */
    const char *partner;
    /* The owner said yes to this very question, to this profile and this model of the partner: a step that asks is
     * taken only then, and not when the rules have come to name another. */
    bool has_consent;
    const char *agreed_profile_sha256, *agreed_model;
    bool has_attachments;
    const char *app;    /* name of the application's key, at most TDM__APP_NAME_MAX bytes; NULL: "", the device's own */
    uint64_t app_key_id; /* of that key (engine.h); 0: none */
    tdm__priority priority;
    /* The answer is put together by the feature (compose.h); messages are then what it is about: what the opened leaf
     * commits to and the screen reads. NULL: the messages are the prompt. */
    tdm__compose_fn compose;
    void *compose_user;
    size_t n_at_once; /* of compose: generations side by side, for which it holds places of the service; 0: n */
} tdm__chat_request;

typedef enum tdm__request_end {
    TDM__END_NONE = 0,
    TDM__END_ANSWERED,
    TDM__END_OFF,
    TDM__END_NEEDS_CONSENT,
    TDM__END_STOPPED_BY_SCREEN,
    TDM__END_CANCELLED,
    TDM__END_FAILED,
} tdm__request_end;

typedef enum tdm__event_kind {
    TDM__EVENT_DECISION = 1, /* always the first */
    TDM__EVENT_TEXT,
    TDM__EVENT_DONE,         /* always the last, exactly one */
} tdm__event_kind;

/* The same events go to HTTP, the CLI and the C API. Pointers are valid during the call. */
typedef struct tdm__event {
    tdm__event_kind kind;
    const char *decision_id;       /* always: hex text */
    const tdm__decision *decision; /* always */
    const char *model_name;        /* always */
    size_t candidate;              /* TEXT: whose, 0 .. n - 1 */
    tdm__str text;                 /* TEXT */
    const tdm__token_info *tokens; /* TEXT: as in engine.h */
    size_t n_tokens;
    bool is_label;                 /* TEXT: the visible line that the market asks for, not the model's words */
    tdm__finish finish;            /* DONE: of the first candidate */
    const tdm__finish *finishes;   /* DONE: [n_candidates] */
    size_t n_candidates;           /* DONE */
    tdm_error error;               /* DONE with FINISH_ERROR */
    tdm__job_timings timings;      /* DONE, own model: tokens of all generations; times of the longest one of those
                                      that ran side by side, summed over those that ran in turn */
    /* DONE: ANSWERED; OFF (the plan is empty); NEEDS_CONSENT (the plan's first step is a partner that must be asked
     * about); STOPPED_BY_SCREEN (reason, and the term's id in rule; text that was told is to be taken back);
     * CANCELLED; FAILED (error; for a partner also partner->fault). */
    tdm__request_end end;
    tdm__reason reason;            /* DONE: OFF, STOPPED_BY_SCREEN, or NONE */
    const char *screening;         /* DONE: "none" (the market has no pack), "passed", "stopped" */
    const char *label;             /* DONE: the market's visible line as told, or "none" */
    const char *rule;              /* DONE, STOPPED_BY_SCREEN: the term's id; never the term */
    const tdm__partner_result *partner; /* DONE of a partner's answer, else NULL */
    const char *filing_id;         /* always: that of the step that answers, "" for none */
    const char *partner_id;        /* always: "" for this device's own model */
} tdm__event;

/* On a thread of the service; must not block. */
typedef void (*tdm__event_fn)(void *user, const tdm__event *ev);

/* Queues the request and returns at once; rendering and tokenising happen on a thread of the service, so a prompt
 * that the template refuses or that is too long comes as DONE with FINISH_ERROR (ERR_INVAL, ERR_LIMIT). Refused at
 * once: ERR_BUSY when the queue is full (for background while anything lives: half full), ERR_QUOTA when the app's
 * share is used up, ERR_LIMIT for more candidates than there are places, ERR_UPSTREAM when the service is not READY
 * (the sentence says its state). */
tdm_status tdm__request_start(tdm__service *s, const tdm__chat_request *q, tdm__event_fn fn, void *user,
                              tdm__request **out, tdm_error *err);

void tdm__request_cancel(tdm__request *r);   /* any thread, until destroy */

/* Waits until DONE was delivered and its call returned; not from inside an event. The service may be gone by then, its
 * device not. NULL-safe, sets *r = NULL. */
void tdm__request_destroy(tdm__request **r);

/* The text of one token, for logprobs ("" for control tokens). Borrowed from the loaded model. */
tdm__str tdm__service_token_text(tdm__service *s, int32_t id);

#endif
