/* assistant_internal.h - what the assistant's files share.
 *
 * An answer walks through at most ANSWER_REQUESTS requests of the spine, one after the other; each is started in the
 * last act of the event that ended the one before, so its events never overlap and what is marked "events" needs no
 * lock. Locks, in the order in which they may be taken: assistant.mutex, answer.mutex, the service's.
 */
#ifndef TDM_FEATURE_ASSISTANT_INTERNAL_H
#define TDM_FEATURE_ASSISTANT_INTERNAL_H

#include <pthread.h>

#include "base/buf.h"
#include "base/sha256.h"
#include "feature/abstain.h"
#include "feature/assistant.h"

#define TDM__ASSISTANT_FEATURE "assistant"

enum {
    TDM__OFFER_ID_TEXT = 33,
    TDM__EARLIER_TURNS_MAX = 20,
    TDM__ANSWER_REQUESTS = 3, /* own, partner, own again when the partner failed */
    TDM__ANSWER_TOKENS = 1024,
    TDM__NAME_TEXT = 65,
    TDM__MODEL_TEXT = 256,
};

/* Whom a question would go to, as copies: the rules that named them may go. */
typedef struct tdm__offer_target {
    char partner[TDM__NAME_TEXT];
    char partner_name[TDM__MODEL_TEXT]; /* in the answer's language */
    char model[TDM__MODEL_TEXT];
    char profile_sha256[TDM__SHA256_TEXT];
    bool needs_consent, is_emulated;
} tdm__offer_target;

typedef enum tdm__offer_state { TDM__OFFER_FREE = 0, TDM__OFFER_OPEN, TDM__OFFER_USED } tdm__offer_state;

typedef struct tdm__offer {
    tdm__offer_state state;
    char id[TDM__OFFER_ID_TEXT];
    uint64_t made_ns;
    tdm__offer_cause cause;
    tdm__offer_target target;
    uint64_t rules_generation;
    tdm__consent_mode mode; /* what the owner had said before */
    json_t *question;       /* [the one message] */
    json_t *earlier;        /* messages that may go along */
    char language[3];
    bool has_attachments;
    size_t max_tokens;
} tdm__offer;

struct tdm__assistant {
    tdm__service *service;
    tdm__device *device;
    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t changed;
    tdm__offer offers[TDM__OFFERS_MAX];
    tdm__answer *live;
    size_t n_live;
    bool is_closing;
};

typedef enum tdm__answer_phase {
    TDM__PHASE_OWN = 1,  /* the plan's first step */
    TDM__PHASE_PARTNER,
    TDM__PHASE_FALLBACK, /* this device's model, because the partner failed */
} tdm__answer_phase;

struct tdm__answer {
    tdm__assistant *assistant;
    tdm__answer *next, *previous; /* under assistant.mutex */
    tdm__assistant_fn fn;
    void *user;
    char language[3];
    char app[TDM__APP_NAME_TEXT];
    uint64_t app_key_id;
    char named[TDM__NAME_TEXT];
    bool has_attachments;
    size_t max_tokens;
    json_t *messages;    /* of the device's model: the conversation */
    json_t *last_resort; /* DONE's data when there is no memory for better */

    pthread_mutex_t mutex; /* of these */
    pthread_cond_t ended;
    tdm__request *requests[TDM__ANSWER_REQUESTS];
    size_t n_requests;
    bool is_cancelled, was_told;

    /* events */
    tdm__answer_phase phase;
    tdm__abstain abstain;
    tdm__abstain_verdict verdict;
    tdm__buf held;
    bool has_target;     /* target: the plan's next partner, or the one that is asked */
    tdm__offer_target target;
    bool was_shown;      /* text was told */
    bool is_released;    /* nothing is held any more */
    bool is_once;        /* the owner said yes to this very question */
    json_t *outgoing;    /* what the partner gets */
    size_t n_earlier;
    char body_sha256[TDM__SHA256_TEXT];
    char note[512];      /* for DONE's text */
};

/* named.c: the id of the partner that a question begins by naming ("ask ChatGPT ..", "问阿里巴巴.."), "" else. */
void tdm__assistant_find_named(const tdm__market_policy *policy, const char *feature, tdm__str question,
                               char out[TDM__NAME_TEXT]);

/* offer.c. The table's functions take assistant.mutex themselves. */

/* Copies whom step speaks of. */
void tdm__offer_target_set(tdm__offer_target *t, const tdm__plan_step *step, const char *language);

/* Makes an offer for the answer's target, and its document (new reference). ERR_CANCELLED: the rules of ev's decision
 * are not in force any more. */
tdm_status tdm__offer_make(tdm__answer *w, const tdm__event *ev, tdm__offer_cause cause, json_t **out,
                           tdm_error *err);

/* Takes an offer out for good: ERR_INVAL when it is unknown, used, too old, or no longer what was shown. The caller
 * has what it holds and gives it back by fini. */
tdm_status tdm__offer_take(tdm__assistant *a, const char *id, tdm__offer *out, tdm_error *err);
void tdm__offer_fini(tdm__offer *o);

/* The SHA-256 of the body that messages become; body (may be NULL) gets it, malloc'd. */
tdm_status tdm__offer_body(tdm__device *d, const tdm__rules_set *set, const tdm__offer_target *t,
                           const json_t *messages, size_t max_tokens, char sha256[TDM__SHA256_TEXT], char **body,
                           size_t *body_len, tdm_error *err);

/* assistant_tell.c: the events' documents. */
void tdm__answer_tell_decision(tdm__answer *w, const tdm__event *ev);
void tdm__answer_tell_text(tdm__answer *w, const tdm__event *ev, tdm__str text);
void tdm__answer_tell_retract(tdm__answer *w, const tdm__event *ev);
void tdm__answer_tell_error(tdm__answer *w, const char *decision_id, const char *code, const char *detail);
void tdm__answer_tell(tdm__answer *w, const char *decision_id, tdm__assistant_kind kind, const json_t *data);
/* The last event. ev: of the request that ended, or NULL when none was started. After it *w belongs to whoever
 * destroys it. */
void tdm__answer_tell_done(tdm__answer *w, const tdm__event *ev, const char *state);

/* assistant_partner.c */

/* Starts the partner's request: what would leave is counted, the rules and consents of the moment are remembered. */
tdm_status tdm__answer_start_partner(tdm__answer *w, tdm_error *err);
void tdm__answer_on_partner(tdm__answer *w, const tdm__event *ev);

/* assistant_walk.c */
void tdm__answer_on_event(void *user, const tdm__event *ev);
void tdm__answer_offer(tdm__answer *w, const tdm__event *ev, tdm__offer_cause cause);
/* Sets w's target to whom the plan would go to, if its signed profile is here. */
void tdm__answer_find_target(tdm__answer *w, const tdm__decision *d);

/* assistant.c: starts one more request of the spine. ERR_CANCELLED when the answer was cancelled in between. */
tdm_status tdm__answer_start_request(tdm__answer *w, tdm__chat_request *q, tdm_error *err);
/* DONE was told. */
void tdm__answer_end(tdm__answer *w);

/* assistant_words.c: sentences in the answer's language. */
typedef enum tdm__words {
    TDM__WORDS_NONE = 0,
    TDM__WORDS_UNSURE_ALONE,
    TDM__WORDS_PARTNER_FAILED, /* %s: the partner */
    TDM__WORDS_OFFER_NAMED,
    TDM__WORDS_OFFER_POLICY,
    TDM__WORDS_OFFER_TOO_LONG,
    TDM__WORDS_OFFER_ABSTAINED,
    TDM__WORDS_DECLINED,
    TDM__WORDS_N,
} tdm__words;

/* Sets w->note: the sentence, with the target's name where it has a place for one. */
void tdm__answer_note(tdm__answer *w, tdm__words which);
/* The sentence of an error's code; name: the partner's. Never NULL. */
const char *tdm__error_words(const char *code, const char *language);

#endif
