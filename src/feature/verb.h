/* verb.h - the typed verbs: proofread, rewrite, summarize, reply, prioritise.
 *
 * Each takes a text or a list of messages and gives suggestions, checked by program before they are released: the
 * language is kept, no preamble, names and numbers are those of the source. Long input is cut by the verb's stated rule
 * (docs/formats/verbs.md). The market decides as for any feature, and its label comes with the result. All functions
 * may be called from any thread.
 */
#ifndef TDM_FEATURE_VERB_H
#define TDM_FEATURE_VERB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "request/request.h"
#include "tandem/status.h"

typedef enum tdm__verb {
    TDM__VERB_NONE = 0,
    TDM__VERB_PROOFREAD,
    TDM__VERB_REWRITE,
    TDM__VERB_SUMMARIZE,
    TDM__VERB_REPLY,
    TDM__VERB_PRIORITISE,
} tdm__verb;

typedef enum tdm__style {                      /* of rewrite */
                          TDM__STYLE_NONE = 0, /* the verb's default: professional */
                          TDM__STYLE_FRIENDLY,
                          TDM__STYLE_PROFESSIONAL,
                          TDM__STYLE_CONCISE,
                          TDM__STYLE_ELABORATE,
                          TDM__STYLE_SHORTER,
                          TDM__STYLE_CUSTOM, /* instruction says how */
} tdm__style;

typedef enum tdm__summary_kind {
    TDM__KIND_NONE = 0, /* paragraph */
    TDM__KIND_PARAGRAPH,
    TDM__KIND_POINTS,
    TDM__KIND_LINE,
} tdm__summary_kind;

typedef enum tdm__source {                       /* what the text is */
                           TDM__SOURCE_NONE = 0, /* an article; a chat where messages are given */
                           TDM__SOURCE_ARTICLE,
                           TDM__SOURCE_CHAT,
                           TDM__SOURCE_MAIL,
                           TDM__SOURCE_NOTIFICATIONS,
} tdm__source;

/* Names as in HTTP and CLI; NONE and NULL for unknown ones. */
const char *tdm__verb_name(tdm__verb v);
tdm__verb tdm__verb_from(tdm__str name);
const char *tdm__style_name(tdm__style s);
tdm__style tdm__style_from(tdm__str name);
const char *tdm__kind_name(tdm__summary_kind k);
tdm__summary_kind tdm__kind_from(tdm__str name);
const char *tdm__source_name(tdm__source s);
tdm__source tdm__source_from(tdm__str name);

enum {
    TDM__VERB_TEXT_BYTES_MAX = 256 * 1024, /* text, or all messages together */
    TDM__VERB_MESSAGES_MAX = 200,
    TDM__VERB_INSTRUCTION_BYTES_MAX = 1000,
};

typedef struct tdm__verb_message {
    tdm__str from; /* who wrote it, or which app notified; empty: unknown */
    bool is_own;   /* the device's owner wrote it */
    tdm__str text;
} tdm__verb_message;

typedef struct tdm__verb_ask {
    tdm__verb verb;
    tdm__str text;                     /* UTF-8; empty where messages are given */
    const tdm__verb_message *messages; /* [n_messages] summarize, reply, prioritise; copied */
    size_t n_messages;
    tdm__style style;
    tdm__str instruction;
    tdm__summary_kind kind;
    tdm__source source;
    const char *language; /* "en", "zh"; NULL or "": the text's own */
    size_t n;             /* suggestions; 0: the verb's default (reply 3, else 1); proofread gives one, prioritise
                             one a message */
    bool has_seed;
    uint64_t seed;
    bool wants_pieces; /* PIECE events */
    bool no_draft;     /* --draft off: the text is the same, it takes longer */
    const char *app;   /* as in tdm__chat_request */
    uint64_t app_key_id;
    tdm__priority priority;
} tdm__verb_ask;

/* Replaces bytes [start, end) of the source. In order, not overlapping. */
typedef struct tdm__verb_edit {
    size_t start, end;
    tdm__str text;
} tdm__verb_edit;

typedef struct tdm__suggestion {
    tdm__str text;               /* of prioritise: the message's */
    const tdm__verb_edit *edits; /* [n_edits]; proofread */
    size_t n_edits;
    size_t item;        /* prioritise: which message */
    int score;          /* prioritise: 0 .. 100; most urgent first */
    const char *reason; /* prioritise: a code of docs/formats/verbs.md; else "" */
} tdm__suggestion;

typedef enum tdm__verb_kind {
    TDM__VERB_DECISION = 1, /* the first */
    TDM__VERB_PIECE,        /* text of a suggestion that has passed its checks and the screen, as it comes */
    TDM__VERB_RETRACT,      /* before a DONE that is not ANSWERED: the pieces of that suggestion are to be taken back */
    TDM__VERB_DONE,         /* the last, exactly one: all suggestions, or why there are none */
} tdm__verb_kind;

typedef struct tdm__verb_event {
    tdm__verb_kind kind;
    const tdm__event *spine;            /* behind it: decision, label, timings, end, error; never NULL */
    size_t candidate;                   /* PIECE, RETRACT */
    tdm__str text;                      /* PIECE */
    const tdm__suggestion *suggestions; /* DONE with end ANSWERED: [n_suggestions], at least one */
    size_t n_suggestions;
    const char *language; /* DONE: of the suggestions: "en", "zh" */
} tdm__verb_event;

typedef void (*tdm__verb_fn)(void *user, const tdm__verb_event *ev); /* a thread of the service; must not block */

typedef struct tdm__verb_run tdm__verb_run;

/* Checks, copies, starts. Refused at once: ERR_INVAL (what is missing, not UTF-8, not for this verb, a language other
 * than the text's), ERR_LIMIT (too long, too short to work on), ERR_UNSUPPORTED (a text neither English nor Chinese),
 * and as tdm__request_start. DONE with end FAILED has ERR_UPSTREAM when no text of the model passed the checks
 * (docs/internals/verbs.md). Events may come before this returns. */
tdm_status tdm__verb_start(tdm__service *s, const tdm__verb_ask *ask, tdm__verb_fn fn, void *user, tdm__verb_run **out,
                           tdm_error *err);
void tdm__verb_cancel(tdm__verb_run *w);   /* any thread, until destroy */
void tdm__verb_destroy(tdm__verb_run **w); /* waits for DONE; not from inside an event; NULL-safe */

/* verb_json.c: the result as HTTP and CLI show it: {suggestions, decision, label, usage, timings, language}. New
 * reference; NULL: out of memory. For a DONE whose end is ANSWERED. */
json_t *tdm__verb_result_json(const tdm__verb_event *done);

#endif
