/* assistant.h - the assistant: this device's model first; a partner after consent.
 *
 * Why a partner is offered is one of four: the user names it ("ask ChatGPT ..."), the policy gives it the feature, the
 * text is too long for the device, or the device's model abstains. An offer shows exactly what would leave, to whom,
 * under which filing; it lives five minutes, is good for one answer and binds those bytes and the rules of its moment.
 * Nothing is sent to prepare one. All functions may be called from any thread.
 */
#ifndef TDM_FEATURE_ASSISTANT_H
#define TDM_FEATURE_ASSISTANT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "request/device.h"
#include "request/request.h"
#include "tandem/status.h"

enum { TDM__OFFER_LIFE_S = 300, TDM__OFFERS_MAX = 64, TDM__ANSWERS_MAX = 64 };

typedef struct tdm__assistant tdm__assistant;

/* Borrows service and device, which outlive it. */
tdm_status tdm__assistant_create(tdm__service *s, tdm__device *d, tdm__assistant **out, tdm_error *err);
/* Cancels what runs and waits until each has had its DONE; handles may be given back later. No start is under way.
 * NULL-safe. */
void tdm__assistant_destroy(tdm__assistant *a);

/* Why a partner is offered. */
typedef enum tdm__offer_cause {
    TDM__OFFER_NONE = 0,
    TDM__OFFER_NAMED,
    TDM__OFFER_POLICY,
    TDM__OFFER_TOO_LONG,
    TDM__OFFER_ABSTAINED,
} tdm__offer_cause;

const char *tdm__offer_cause_name(tdm__offer_cause c); /* "abstained" */

typedef enum tdm__consent_answer {
    TDM__ANSWER_NONE = 0,
    TDM__ANSWER_ONCE,
    TDM__ANSWER_ALWAYS,
    TDM__ANSWER_NEVER,
} tdm__consent_answer;

/* A new question (messages), or the answer to an offer (offer id and consent). */
typedef struct tdm__assistant_ask {
    const json_t *messages;    /* [{role, content}], the last one the user's; copied */
    const char *named_partner; /* an id; "" or NULL: whom the question begins by naming, if any */
    const char *language;      /* of labels and sentences: "en", "zh" */
    bool has_attachments;
    const char *app;           /* as in tdm__chat_request; copied */
    uint64_t app_key_id;
    const char *offer_id;      /* "" for a new question */
    tdm__consent_answer consent;
    size_t n_earlier_turns;    /* that the user ticked on the sheet; 0: the question alone */
    size_t max_tokens;         /* 0: the default */
} tdm__assistant_ask;

typedef enum tdm__assistant_kind {
    TDM__ASSISTANT_DECISION = 1, /* data: route explain's document, with "path": what was taken */
    TDM__ASSISTANT_TEXT,         /* text, screened; data: {source: "own" or the partner's id, label: bool} */
    TDM__ASSISTANT_OFFER,        /* data: the offer */
    TDM__ASSISTANT_RETRACT,      /* what was shown of this answer is to be taken back; data: reason */
    TDM__ASSISTANT_RECEIPT,      /* data: what left */
    TDM__ASSISTANT_ERROR,        /* data: {code, text}; DONE follows */
    TDM__ASSISTANT_DONE,         /* data: {state, source, model, label, timings, ..}; the last, exactly one */
} tdm__assistant_kind;

typedef struct tdm__assistant_event {
    tdm__assistant_kind kind;
    const char *decision_id;
    tdm__str text;       /* TEXT */
    const json_t *data;  /* borrowed during the call; never NULL */
} tdm__assistant_event;

typedef void (*tdm__assistant_fn)(void *user, const tdm__assistant_event *ev); /* any thread; must not block */

typedef struct tdm__answer tdm__answer;

/* Refused at once: ERR_INVAL (messages; offer unknown, used, too old, or made under other rules or consents: the
 * sentence says which), ERR_BUSY, and what the service refuses (ERR_UPSTREAM while there is no model). An answer to an
 * offer may wait for the disk: what the owner said is durable before a byte leaves. OFF is no error: it comes as
 * DECISION and DONE with state "off". Events may come before this returns. */
tdm_status tdm__assistant_start(tdm__assistant *a, const tdm__assistant_ask *ask, tdm__assistant_fn fn, void *user,
                                tdm__answer **out, tdm_error *err);
void tdm__answer_cancel(tdm__answer *w);
/* Waits until DONE was delivered and its call returned; not from inside an event. NULL-safe, sets *w = NULL. */
void tdm__answer_destroy(tdm__answer **w);

#endif
