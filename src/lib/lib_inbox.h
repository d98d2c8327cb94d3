/* lib_inbox.h - events on their way from the runtime's threads to the caller's, and what is kept of the spine's end.
 *
 * The runtime's threads must not wait for a caller, so what comes is kept until it is taken: pieces of text in a row
 * are put together, and an answer is bounded by its context. When there is no memory for an event, the whole answer is
 * lost and says so; the end itself needs none.
 */
#ifndef TDM_LIB_LIB_INBOX_H
#define TDM_LIB_LIB_INBOX_H

#include <jansson.h>
#include <pthread.h>

#include "base/buf.h"
#include "lib/lib_internal.h"
#include "request/request.h"
#include "tandem/generate.h"

typedef struct tdm__inbox_item {
    struct tdm__inbox_item *next;
    int kind;         /* the caller's own; 0 is none */
    size_t candidate; /* text of one kind, candidate and label in a row is one item */
    bool is_label;
    tdm__buf text;
    json_t *data;     /* owned; NULL: none */
    char decision_id[TDM__DECISION_ID_TEXT]; /* "" where the caller keeps it elsewhere */
} tdm__inbox_item;

typedef struct tdm__inbox {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    tdm__inbox_item *first, *last;
    size_t n_bytes;
    bool is_lost, is_ended;
} tdm__inbox;

void tdm__inbox_init(tdm__inbox *x);
void tdm__inbox_fini(tdm__inbox *x);
void tdm__inbox_item_destroy(tdm__inbox_item *i); /* NULL-safe */

/* Any thread. text joins the last item where that has the same key and both have text only. */
void tdm__inbox_put_text(tdm__inbox *x, int kind, size_t candidate, bool is_label, tdm__str text);
/* data is copied; NULL: none. */
void tdm__inbox_put(tdm__inbox *x, int kind, size_t candidate, const char *decision_id, tdm__str text,
                    const json_t *data);
void tdm__inbox_end(tdm__inbox *x);

/* TDM_OK: *item is the caller's, or NULL when all was taken and the end is here. TDM_AGAIN. ERR_NOMEM: something was
 * lost. timeout_ms: -1 waits as long as it takes. */
tdm_status tdm__inbox_take(tdm__inbox *x, int timeout_ms, tdm__inbox_item **item, tdm_error *err);

/* What the spine's events said, in memory of the caller's handle. */
typedef struct tdm__spine {
    char decision_id[TDM__DECISION_ID_TEXT];
    char model[128];
    tdm_end end;
    tdm_finish finishes[TDM_CANDIDATES_MAX];
    size_t n_candidates;
    const char *reason;
    char reason_text[512], label[512], screening[16];
    tdm_timings timings;
    tdm_error error; /* FAILED */
} tdm__spine;

/* From an event of the spine; language is that of the sentence. */
void tdm__spine_keep(tdm__spine *s, const tdm__event *ev, const char *language);

/* Fills what every event has, and for DONE the rest. */
void tdm__spine_tell(const tdm__spine *s, tdm_event_kind kind, tdm_event *out);

/* TDM_OK when answered; ERR_REFUSED with the sentence, ERR_CANCELLED, or how it failed. */
tdm_status tdm__spine_status(const tdm__spine *s, tdm_error *err);

#endif
