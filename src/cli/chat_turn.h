/* chat_turn.h - one question to a service, and its answer as it comes, for a program with one thread.
 *
 * The service speaks on its own threads, which must not wait for a terminal or a pipe: what comes is kept here until
 * the caller takes it.
 */
#ifndef TDM_CLI_CHAT_TURN_H
#define TDM_CLI_CHAT_TURN_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "request/request.h"

typedef struct tdm__chat_turn {
    tdm__buf answer;        /* all of the text, after run */
    char decision_id[TDM__DECISION_ID_TEXT]; /* these after run */
    char screening[16], label[512];
    tdm__finish finish;
    tdm_error error; /* OK, or why there is no answer; ERR_REFUSED: off */
    tdm__job_timings timings;
    bool was_interrupted;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t changed;
    tdm__buf arrived; /* and not taken yet */
    bool is_done, overflowed;
} tdm__chat_turn;

void tdm__chat_turn_init(tdm__chat_turn *t);
void tdm__chat_turn_fini(tdm__chat_turn *t);

/* Asks, and writes the text to `out` (may be NULL) piece by piece as it comes. Cancels when *interrupts changes, or
 * when writing fails. The result says whether the request was taken; how it ended is in *t. */
tdm_status tdm__chat_turn_run(tdm__chat_turn *t, tdm__service *s, const tdm__chat_request *q, FILE *out,
                              const volatile sig_atomic_t *interrupts, tdm_error *err);

#endif
