/* tandem/assistant.h - FEATURE LAYER: this device's model first, a partner of its market after consent.
 *
 * A question ends in one of two ways: an answer, or an offer. An offer shows exactly what would leave, to whom and
 * under which filing; nothing was sent to prepare it. The program shows it to the owner and goes on with its id and
 * what the owner said. What left is told as a receipt.
 *
 *     ask.messages = ..;                 next: DECISION, TEXT .. DONE "answered"
 *                                              or DECISION, OFFER, DONE "offered"
 *     ask.offer_id = offer's, ask.consent = TDM_CONSENT_ONCE
 *                                        next: DECISION, TEXT .., RECEIPT, DONE "answered"
 *
 * Each event also has its whole document as JSON, which is the one that HTTP gives (docs/formats/phone-api.md).
 */
#ifndef TANDEM_ASSISTANT_H
#define TANDEM_ASSISTANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tandem/export.h"
#include "tandem/generate.h"
#include "tandem/runtime.h"
#include "tandem/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tdm_assistant tdm_assistant;

/* Offers are kept here, 64 at most, each for five minutes. Keeps the runtime. ERR_INVAL, ERR_NOMEM. Any thread. */
TDM_API tdm_status tdm_assistant_create(tdm_runtime *rt, tdm_assistant **out, tdm_error *err);

/* Sets *a to NULL; answers that were started go on until they are destroyed, offers are gone. NULL-safe. */
TDM_API void tdm_assistant_destroy(tdm_assistant **a);

typedef enum tdm_consent {
    TDM_CONSENT_NONE = 0,
    TDM_CONSENT_ONCE,   /* this question, exactly as the offer shows it */
    TDM_CONSENT_ALWAYS, /* this partner with this profile and model; tdm_runtime_revoke_consent takes it back */
    TDM_CONSENT_NEVER,  /* nothing leaves, and it is not offered again */
} tdm_consent;

/* A question, or the answer to an offer. All that it points to is borrowed for the call. */
typedef struct tdm_assistant_ask {
    size_t struct_size;
    const tdm_message *messages; /* [n_messages], the last one the user's; none with an offer's id */
    size_t n_messages;
    const char *partner;         /* an id: the user named one; NULL: whom the question begins by naming, if any */
    const char *language;        /* "en" or "zh", of labels and sentences; NULL: "en" */
    bool has_attachments;
    const char *offer_id;        /* NULL for a question */
    tdm_consent consent;         /* with offer_id: what the owner said */
    size_t n_earlier_turns;      /* with offer_id: so many of the offer's earlier turns the owner ticked; 0: none */
    size_t max_tokens;           /* 0: 1024 */
} tdm_assistant_ask;

/* Sets struct_size and zeros all else. struct_size is sizeof(tdm_assistant_ask) of the caller. NULL-safe. */
TDM_API void tdm_assistant_ask_default(tdm_assistant_ask *a, size_t struct_size);

typedef enum tdm_answer_event_kind {
    TDM_ANSWER_EVENT_NONE = 0,
    TDM_ANSWER_EVENT_DECISION, /* the first */
    TDM_ANSWER_EVENT_TEXT,
    TDM_ANSWER_EVENT_OFFER,
    TDM_ANSWER_EVENT_RETRACT,  /* what was shown of this answer is to be taken back */
    TDM_ANSWER_EVENT_RECEIPT,  /* what left */
    TDM_ANSWER_EVENT_ERROR,    /* text: what went wrong, for the owner; DONE follows */
    TDM_ANSWER_EVENT_DONE,     /* the last */
} tdm_answer_event_kind;

/* The fields of other kinds are zero. Strings are never NULL where the kind has them. */
typedef struct tdm_answer_event {
    tdm_answer_event_kind kind;
    const char *decision_id;   /* "" before there was one */
    const char *text;          /* TEXT; ERROR, RETRACT, DONE: a sentence for the owner, perhaps "" */
    size_t text_len;
    const char *source;        /* TEXT, DONE: "own", or the partner's id */
    bool is_label;             /* TEXT: the market's visible line */
    bool is_emulated;          /* OFFER, RECEIPT, DONE: a stand-in answers and no real partner */
    const char *state;         /* DONE: "answered", "offered", "declined", "off", "stopped", "cancelled", "failed" */
    const char *reason;        /* RETRACT, DONE: a code of docs/formats/reasons.md; ERROR: its code */
    const char *label;         /* DONE: the market's visible line, "" when there is none */
    const char *offer_id;      /* OFFER */
    const char *cause;         /* OFFER: "named", "policy", "too_long", "abstained" */
    const char *partner;       /* OFFER, RECEIPT: id */
    const char *partner_name;  /* OFFER: in English; other languages are in json */
    const char *legal_entity;  /* OFFER: who is behind the partner */
    const char *region;        /* OFFER: where it says its machines stand */
    const char *model;         /* OFFER, DONE: its name */
    const char *filing;        /* OFFER, RECEIPT, DONE: the case's id, "" when the market asks for none */
    const char *body;          /* OFFER: the bytes that would leave */
    const char *sha256;        /* OFFER, RECEIPT: of these bytes, as hex */
    uint64_t bytes;            /* OFFER: how many they are; RECEIPT: how many left */
    size_t n_earlier_turns;    /* OFFER: so many the owner may let go along */
    const char *json;          /* always: the whole document */
} tdm_answer_event;

typedef struct tdm_answer tdm_answer;

/* ERR_INVAL (messages; an offer that is unknown, used, too old, or made under other rules or consents: the sentence
 * says which), ERR_BUSY, ERR_UPSTREAM (no model), ERR_IO, ERR_NOMEM. An answer to an offer may wait for the disk: what
 * the owner said is durable before a byte leaves. Any thread. */
TDM_API tdm_status tdm_assistant_start(tdm_assistant *a, const tdm_assistant_ask *ask, tdm_answer **out,
                                       tdm_error *err);

/* As tdm_gen_next, tdm_gen_cancel, tdm_gen_destroy; only a lack of memory is an error of next, all else is told as
 * ERROR and DONE. The event is valid until the next call of next or destroy. */
TDM_API tdm_status tdm_answer_next(tdm_answer *w, const tdm_answer_event **ev, int timeout_ms, tdm_error *err);
TDM_API void tdm_answer_cancel(tdm_answer *w);
TDM_API void tdm_answer_destroy(tdm_answer **w);

#ifdef __cplusplus
}
#endif
#endif
