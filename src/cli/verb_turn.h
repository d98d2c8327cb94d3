/* verb_turn.h - one run of a verb for a program with one thread: started, waited for, its result kept. */
#ifndef TDM_CLI_VERB_TURN_H
#define TDM_CLI_VERB_TURN_H

#include <signal.h>

#include "api/verb_end.h"

typedef struct tdm__verb_turn {
    tdm__verb_end end;
    json_t *result; /* owned; the document of an answer, else NULL */
} tdm__verb_turn;

/* Runs ask to its end; it is cancelled when *interrupts changes. False with a refusal in *e, also when there was no
 * answer. Give the turn back by fini in both cases. */
bool tdm__verb_turn_run(tdm__verb_turn *t, tdm__service *s, const tdm__verb_ask *ask,
                        const volatile sig_atomic_t *interrupts, tdm__api_error *e);
void tdm__verb_turn_fini(tdm__verb_turn *t);

#endif
