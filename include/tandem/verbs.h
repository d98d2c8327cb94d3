/* tandem/verbs.h - FEATURE LAYER: proofread, rewrite, summarize, reply, prioritise, with typed results.
 *
 * Each takes a text or a list of messages and gives suggestions that were checked by program before they are told: the
 * language is kept, there is no preamble, names and numbers are those of the source. What each does with a text that is
 * longer than the context is stated in docs/formats/verbs.md.
 *
 *     tdm_verb_ask ask;
 *     tdm_verb_result *result = NULL;
 *     tdm_verb_ask_default(&ask, sizeof ask);
 *     ask.verb = TDM_VERB_PROOFREAD;
 *     ask.text = "Teh cat sat.";
 *     if (tdm_verb_once(rt, &ask, &result, &err) == TDM_OK) {
 *         const tdm_suggestion *first = &tdm_verb_result_get(result)->suggestions[0];
 *         fwrite(first->text, 1, first->text_len, stdout);
 *     }
 *     tdm_verb_result_destroy(&result);
 */
#ifndef TANDEM_VERBS_H
#define TANDEM_VERBS_H

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

typedef enum tdm_verb {
    TDM_VERB_NONE = 0,
    TDM_VERB_PROOFREAD,
    TDM_VERB_REWRITE,
    TDM_VERB_SUMMARIZE,
    TDM_VERB_REPLY,
    TDM_VERB_PRIORITISE,
} tdm_verb;

typedef enum tdm_style { /* of rewrite */
    TDM_STYLE_NONE = 0,  /* professional */
    TDM_STYLE_FRIENDLY,
    TDM_STYLE_PROFESSIONAL,
    TDM_STYLE_CONCISE,
    TDM_STYLE_ELABORATE,
    TDM_STYLE_SHORTER,
    TDM_STYLE_CUSTOM,    /* instruction says how */
} tdm_style;

typedef enum tdm_summary_kind {
    TDM_SUMMARY_NONE = 0, /* paragraph */
    TDM_SUMMARY_PARAGRAPH,
    TDM_SUMMARY_POINTS,
    TDM_SUMMARY_LINE,
} tdm_summary_kind;

typedef enum tdm_source { /* what the text is */
    TDM_SOURCE_NONE = 0,  /* an article; a chat where messages are given */
    TDM_SOURCE_ARTICLE,
    TDM_SOURCE_CHAT,
    TDM_SOURCE_MAIL,
    TDM_SOURCE_NOTIFICATIONS,
} tdm_source;

/* One message of a chat, a mail thread or a stack of notifications. Lengths of 0: up to the NUL. */
typedef struct tdm_verb_message {
    const char *from; /* who wrote it, or which app notified; NULL: unknown */
    size_t from_len;
    const char *text;
    size_t text_len;
    bool is_own;      /* the device's owner wrote it */
} tdm_verb_message;

enum { TDM_VERB_TEXT_BYTES_MAX = 256 * 1024, TDM_VERB_MESSAGES_MAX = 200, TDM_VERB_INSTRUCTION_BYTES_MAX = 1000 };

/* All that it points to is borrowed for the call. */
typedef struct tdm_verb_ask {
    size_t struct_size;
    tdm_verb verb;
    const char *text;                 /* UTF-8, at most TDM_VERB_TEXT_BYTES_MAX; NULL where messages are given */
    size_t text_len;                  /* 0: up to the NUL */
    const tdm_verb_message *messages; /* [n_messages], summarize, reply, prioritise; all texts together as above */
    size_t n_messages;
    tdm_style style;
    const char *instruction;          /* TDM_STYLE_CUSTOM */
    tdm_summary_kind kind;
    tdm_source source;
    const char *language;             /* "en" or "zh", of the suggestions; NULL: the text's own */
    size_t n;                         /* suggestions; 0: the verb's default (reply 3, else 1) */
    bool has_seed;                    /* seed is meant; else the verb's own */
    uint64_t seed;
    bool wants_pieces;                /* PIECE and RETRACT events */
    bool no_draft;                    /* the text is the same, it takes longer */
    const char *app;                  /* as in tdm_request */
    bool is_background;
} tdm_verb_ask;

/* Sets struct_size and zeros all else. struct_size is sizeof(tdm_verb_ask) of the caller. NULL-safe. */
TDM_API void tdm_verb_ask_default(tdm_verb_ask *a, size_t struct_size);

/* Bytes [start, end) of the source become text. In order, not overlapping. */
typedef struct tdm_verb_edit {
    size_t start, end;
    const char *text; /* also followed by a NUL */
    size_t text_len;
} tdm_verb_edit;

typedef struct tdm_suggestion {
    const char *text;           /* of prioritise: the message's; also followed by a NUL */
    size_t text_len;
    const tdm_verb_edit *edits; /* [n_edits], proofread */
    size_t n_edits;
    size_t item;                /* prioritise: which message */
    int32_t score;              /* prioritise: 0 to 100, the most urgent first */
    const char *reason;         /* prioritise: a code of docs/formats/verbs.md, else "" */
} tdm_suggestion;

typedef enum tdm_verb_event_kind {
    TDM_VERB_EVENT_NONE = 0,
    TDM_VERB_EVENT_DECISION, /* the first */
    TDM_VERB_EVENT_PIECE,    /* text of a suggestion as it comes, screened */
    TDM_VERB_EVENT_RETRACT,  /* the pieces of that suggestion are to be taken back; DONE follows and says why */
    TDM_VERB_EVENT_DONE,     /* the last */
} tdm_verb_event_kind;

/* Belongs to its run or result, with all it points to. */
typedef struct tdm_verb_event {
    tdm_verb_event_kind kind;
    tdm_event spine;                   /* decision, model, end, reason, label, screening, timings as in generate.h */
    size_t candidate;                  /* PIECE, RETRACT: of which suggestion */
    const char *text;                  /* PIECE */
    size_t text_len;
    const tdm_suggestion *suggestions; /* DONE with spine.end ANSWERED: [n_suggestions], at least one */
    size_t n_suggestions;
    const char *language;              /* DONE: of the suggestions, "" when there are none */
} tdm_verb_event;

typedef struct tdm_verb_run tdm_verb_run;

/* Checks, copies, starts. ERR_INVAL (what is missing, no UTF-8, not for this verb), ERR_LIMIT (too long, too short to
 * work on), ERR_UNSUPPORTED (a language that this model is not good for), ERR_BUSY, ERR_UPSTREAM, ERR_NOMEM. Any
 * thread. */
TDM_API tdm_status tdm_verb_start(tdm_runtime *rt, const tdm_verb_ask *a, tdm_verb_run **out, tdm_error *err);

/* As tdm_gen_next, tdm_gen_cancel, tdm_gen_destroy. The event is valid until the next call of next or destroy. */
TDM_API tdm_status tdm_verb_next(tdm_verb_run *v, const tdm_verb_event **ev, int timeout_ms, tdm_error *err);
TDM_API void tdm_verb_cancel(tdm_verb_run *v);
TDM_API void tdm_verb_destroy(tdm_verb_run **v);

typedef struct tdm_verb_result tdm_verb_result;

/* All of it in one call, which waits: *out is the caller's to destroy. ERR_REFUSED with the reason's sentence when the
 * rules said no, and what start and next fail with. Any thread. */
TDM_API tdm_status tdm_verb_once(tdm_runtime *rt, const tdm_verb_ask *a, tdm_verb_result **out, tdm_error *err);

/* The DONE event, valid until the result is destroyed. NULL for NULL. */
TDM_API const tdm_verb_event *tdm_verb_result_get(const tdm_verb_result *r);

/* Sets *r to NULL. NULL-safe. */
TDM_API void tdm_verb_result_destroy(tdm_verb_result **r);

#ifdef __cplusplus
}
#endif
#endif
