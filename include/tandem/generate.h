/* tandem/generate.h - FEATURE LAYER: an answer to a conversation, by the rules of the device's market.
 *
 * Pull is the core. The answer is written on threads of the runtime; the caller takes what there is when it likes:
 *
 *     tdm_gen *gen = NULL;
 *     const tdm_event *ev;
 *     tdm_status s = tdm_gen_start(rt, &request, &gen, &err);
 *     while (s == TDM_OK && (s = tdm_gen_next(gen, &ev, -1, &err)) == TDM_OK)
 *         if (ev->kind == TDM_EVENT_TEXT)
 *             fwrite(ev->text, 1, ev->text_len, stdout);
 *     tdm_gen_destroy(&gen);                              // s: END, or a negative error
 *
 * tdm_generate is the same with a callback, on the caller's thread. That a market's rules say no is a result and not an
 * error: the event DONE has it with its reason.
 */
#ifndef TANDEM_GENERATE_H
#define TANDEM_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tandem/export.h"
#include "tandem/runtime.h"
#include "tandem/sampling.h"
#include "tandem/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tdm_role {
    TDM_ROLE_NONE = 0,
    TDM_ROLE_SYSTEM,    /* instructions; at the beginning */
    TDM_ROLE_USER,
    TDM_ROLE_ASSISTANT, /* what was answered before */
} tdm_role;

typedef struct tdm_message {
    tdm_role role;
    const char *text; /* UTF-8 without NUL characters; NULL: empty */
    size_t len;       /* 0: up to the NUL */
} tdm_message;

enum {
    TDM_MESSAGES_MAX = 4096,
    TDM_MESSAGES_BYTES_MAX = 16 * 1024 * 1024, /* all texts together; the context is the nearer limit */
    TDM_STOP_STRINGS_MAX = 8,
    TDM_CANDIDATES_MAX = 8,
};

/* All that it points to is borrowed for the call. */
typedef struct tdm_request {
    size_t struct_size;
    const tdm_message *messages;  /* [n_messages], the whole conversation, the newest last; at least one */
    size_t n_messages;            /* at most TDM_MESSAGES_MAX; what they say must fit into the served context */
    size_t max_tokens;            /* of the answer; 0: until the context is full */
    const tdm_sampling *sampling; /* NULL: always the most probable token */
    const char *const *stops;     /* [n_stops], each 1 to 256 bytes: the answer ends before one of them */
    size_t n_stops;
    size_t n_candidates;          /* answers side by side, of one decision and one reading of the prompt; the i-th has
                                     the seed of the first plus i; 0: 1, at most TDM_CANDIDATES_MAX */
    const char *language;         /* "en" or "zh", of labels and sentences; NULL: "en" */
    const char *app;              /* who asks, at most 64 bytes of UTF-8 without control characters: apps share the
                                     model fairly; NULL: the device itself */
    bool is_background;           /* nobody waits: runs only while no foreground answer does */
    bool no_draft;                /* the text is the same, it takes longer */
    const char *prediction;       /* UTF-8, what the answer will mostly repeat, from its beginning on: it comes sooner
                                     and is the same; at most TDM_MESSAGES_BYTES_MAX; NULL: unknown */
    size_t prediction_len;        /* 0: up to the NUL */
} tdm_request;

/* Sets struct_size and zeros all else. struct_size is sizeof(tdm_request) of the caller. NULL-safe. */
TDM_API void tdm_request_default(tdm_request *r, size_t struct_size);

typedef enum tdm_event_kind {
    TDM_EVENT_NONE = 0,
    TDM_EVENT_DECISION, /* the first */
    TDM_EVENT_TEXT,
    TDM_EVENT_DONE,     /* the last */
} tdm_event_kind;

typedef enum tdm_end {
    TDM_END_NONE = 0,
    TDM_END_ANSWERED,
    TDM_END_OFF,           /* the rules allow nobody to answer: reason and reason_text */
    TDM_END_NEEDS_CONSENT, /* only a partner could: assistant.h asks the owner about that */
    TDM_END_STOPPED,       /* by the market's screen; text that was shown is to be taken back */
    TDM_END_CANCELLED,
} tdm_end;

typedef enum tdm_finish {
    TDM_FINISH_NONE = 0,
    TDM_FINISH_STOP,   /* the model ended its turn, or a stop string came */
    TDM_FINISH_LENGTH, /* max_tokens, or the context is full */
    TDM_FINISH_CANCELLED,
} tdm_finish;

typedef struct tdm_timings {
    size_t n_prompt;        /* tokens read */
    size_t n_prompt_reused; /* of these, so many were known from before */
    size_t n_generated;     /* tokens written */
    double queue_ms;        /* until it began to read */
    double prompt_ms;       /* from there to the first token */
    double decode_ms;       /* from there to the end */
} tdm_timings;

/* What happened; the fields of other kinds are zero. It and all it points to belong to the generation and are valid
 * until its next call of next or destroy. */
typedef struct tdm_event {
    tdm_event_kind kind;
    const char *decision_id;  /* always: the journal's name of this answer */
    const char *model;        /* always: the name of the model that answers; "" before that is known */
    const char *text;         /* TEXT: what came since the last one: whole characters, also followed by a NUL */
    size_t text_len;
    size_t candidate;         /* TEXT: whose, 0 .. n_candidates - 1 */
    bool is_label;            /* TEXT: the visible line that the market asks for, not the model's words */
    tdm_end end;              /* DONE */
    tdm_finish finish;        /* DONE, ANSWERED: of the first candidate */
    const tdm_finish *finishes; /* DONE, ANSWERED: [n_candidates] */
    size_t n_candidates;
    const char *reason;       /* DONE: a code of docs/formats/reasons.md, "NONE" without one */
    const char *reason_text;  /* DONE: the same as a sentence for the owner, "" without one */
    const char *label;        /* DONE: the market's visible line, "" when there is none */
    const char *screening;    /* DONE: "none" (the market has no pack), "passed", "stopped" */
    tdm_timings timings;      /* DONE: of this device's own model */
} tdm_event;

typedef struct tdm_gen tdm_gen;

/* Checks, copies, queues; reading begins on a thread of the runtime. ERR_INVAL (an argument, with its value and limit;
 * a text that is no UTF-8), ERR_BUSY (all places and the queue are taken: try again later), ERR_QUOTA (the app has used
 * its share), ERR_UPSTREAM (no model is served, or its file has changed), ERR_NOMEM. Any thread. */
TDM_API tdm_status tdm_gen_start(tdm_runtime *rt, const tdm_request *r, tdm_gen **out, tdm_error *err);

/* Waits for the next event, timeout_ms at most; 0: does not wait, -1: for as long as it takes. TDM_OK with *ev,
 * TDM_AGAIN when the time is over, TDM_END behind DONE; or how it failed, and the same again with every further call:
 * ERR_LIMIT (the prompt is longer than the context), ERR_INVAL (the model's template refuses these messages),
 * ERR_NOMEM, ERR_IO (the journal could not be written: nothing may be told), ERR_CANCELLED (the rules that it was
 * decided by were withdrawn). One thread at a time. */
TDM_API tdm_status tdm_gen_next(tdm_gen *g, const tdm_event **ev, int timeout_ms, tdm_error *err);

/* Asks for the end: it comes as DONE with TDM_END_CANCELLED, unless the answer was over before; events that are there
 * already come first. Any thread, any number of times, until destroy begins. NULL-safe. */
TDM_API void tdm_gen_cancel(tdm_gen *g);

/* Cancels, waits until the runtime has forgotten it (some milliseconds; the journal's disk), sets *g to NULL. From the
 * thread that calls next, or when none does. NULL-safe. */
TDM_API void tdm_gen_destroy(tdm_gen **g);

/* Gets each event; false ends the generation. It may block, and may call everything but this very generation. */
typedef bool (*tdm_event_fn)(void *user, const tdm_event *ev);

/* start, next and destroy in one. The result is TDM_OK when all was answered, TDM_END when fn ended it, ERR_REFUSED
 * with the reason's sentence when the rules said no (also told as DONE), else an error of start or next. On the
 * caller's thread. Any thread. */
TDM_API tdm_status tdm_generate(tdm_runtime *rt, const tdm_request *r, tdm_error *err, tdm_event_fn fn, void *user);

#ifdef __cplusplus
}
#endif
#endif
