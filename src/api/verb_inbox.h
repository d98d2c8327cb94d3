/* verb_inbox.h - a verb's events on their way from the service's threads to the loop.
 *
 * Events must not wait and their memory is gone after the call: a stream's are framed where they come, into a bounded
 * buffer, and the result is written out there once. The loop is woken for what is there. When the bound is reached the
 * rest is dropped and the reader is told: an answer with a hole is never shown as whole.
 */
#ifndef TDM_API_VERB_INBOX_H
#define TDM_API_VERB_INBOX_H

#include <pthread.h>
#include <stdbool.h>

#include "api/verb_end.h"
#include "base/buf.h"
#include "net/http_loop.h"

enum { TDM__VERB_FRAMES_BYTES_MAX = 4 << 20 };

/* Of the decision, for the answer's head. Written before the loop is first woken and never again. */
typedef struct tdm__verb_head {
    char decision_id[TDM__DECISION_ID_TEXT];
    char route[8], model[128], filing[128]; /* "" where not known; route is own or off */
} tdm__verb_head;

typedef struct tdm__verb_inbox {
    tdm__loop *loop;
    tdm__loop_note note;
    bool stream;
    pthread_mutex_t lock; /* guards all below */
    tdm__buf frames;
    tdm__buf result; /* the document of an answer */
    tdm__verb_head head;
    bool decided, told, overflowed, is_done;
    unsigned shown; /* a bit a suggestion: pieces of it were told and not taken back */
    tdm__verb_end end;
} tdm__verb_inbox;

/* fn(user) is called on the loop's thread when there is something to take. */
void tdm__verb_inbox_init(tdm__verb_inbox *in, tdm__loop *loop, bool stream, void (*fn)(void *user), void *user);
void tdm__verb_inbox_fini(tdm__verb_inbox *in); /* loop's thread, after the last event */

/* Any thread: the tdm__verb_fn of a run whose user is the inbox. */
void tdm__verb_inbox_put(void *inbox, const tdm__verb_event *ev);

typedef struct tdm__verb_news {
    bool decided;    /* in->head is there */
    bool told;       /* text was framed: the head is due */
    bool overflowed;
    bool is_done;    /* in->end and in->result are there, the last */
} tdm__verb_news;

/* Loop's thread: what has been framed since is appended to out and forgotten here. ERR_LIMIT, ERR_NOMEM of out. */
tdm_status tdm__verb_inbox_take(tdm__verb_inbox *in, tdm__buf *out, tdm__verb_news *news);

#endif
