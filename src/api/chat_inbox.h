/* chat_inbox.h - one request's events on their way from the engine's thread to the loop.
 *
 * The engine must not wait and its event's memory is gone after the call, so events are copied into a bounded byte
 * queue; the loop is woken once for many. Two buffers change places at each reading, so a running answer allocates
 * nothing after its first events. When the loop does not keep up and the bound is reached, the rest of the text is
 * dropped and the reader is told: an answer with a hole is never shown as whole.
 */
#ifndef TDM_API_CHAT_INBOX_H
#define TDM_API_CHAT_INBOX_H

#include <pthread.h>
#include <stdbool.h>

#include "base/buf.h"
#include "net/http_loop.h"
#include "request/request.h"

enum { TDM__INBOX_BYTES_MAX = 1024 * 1024, TDM__INBOX_NOTE_MAX = 512, TDM__INBOX_SENTENCE_MAX = 512 };

typedef struct tdm__chat_done {
    tdm__finish finish;
    tdm__finish finishes[TDM__CANDIDATES_MAX]; /* [n_candidates] */
    size_t n_candidates;
    tdm__request_end end;
    tdm__reason reason;
    char sentence[TDM__INBOX_SENTENCE_MAX]; /* of OFF */
    tdm_error error;
    tdm__job_timings timings;
    char screening[TDM__INBOX_NOTE_MAX];
    char label[TDM__INBOX_NOTE_MAX];
} tdm__chat_done;

typedef struct tdm__chat_inbox {
    tdm__loop *loop;
    tdm__loop_note note;
    pthread_mutex_t lock; /* guards all below */
    tdm__buf buffers[2];
    int i_write;
    bool overflowed;
    bool decided; /* decision_id and model_name are there */
    bool is_done; /* done is there: the last */
    char decision_id[TDM__DECISION_ID_TEXT];
    char model_name[128];
    tdm__chat_done done;
} tdm__chat_inbox;

/* fn(user) is called on the loop thread when there is something to read. */
void tdm__chat_inbox_init(tdm__chat_inbox *in, tdm__loop *loop, void (*fn)(void *user), void *user);
void tdm__chat_inbox_fini(tdm__chat_inbox *in); /* loop thread, after the last event */

/* Any thread: the tdm__event_fn of a request whose user is the inbox. */
void tdm__chat_inbox_put(void *inbox, const tdm__event *ev);

/* One text event, read back. tokens point into the record. */
typedef struct tdm__chat_piece {
    size_t candidate;
    tdm__str text;
    size_t n_tokens;
    const char *tokens; /* for tdm__chat_piece_token */
} tdm__chat_piece;

/* Loop thread: takes all text events that are there; they are read by tdm__chat_inbox_next until the next take. */
typedef struct tdm__chat_batch {
    tdm__str rest;
    bool overflowed;
    bool decided;
    bool is_done;
} tdm__chat_batch;

tdm__chat_batch tdm__chat_inbox_take(tdm__chat_inbox *in);

/* False when the batch is read. */
bool tdm__chat_batch_next(tdm__chat_batch *b, tdm__chat_piece *out);

/* The next token of the piece; top gets at most TDM__TOP_LOGPROBS_MAX entries. Advances the piece. */
typedef struct tdm__chat_token {
    tdm__token_prob chosen;
    int n_top;
    tdm__token_prob top[TDM__TOP_LOGPROBS_MAX];
} tdm__chat_token;

bool tdm__chat_piece_token(tdm__chat_piece *p, tdm__chat_token *out);

#endif
