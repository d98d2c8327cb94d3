/* assistant_turn.h - one asking of the assistant, for a program with one thread: its events in their order.
 *
 * The assistant speaks on threads that must not wait for a terminal: what it says is kept here until it is taken.
 */
#ifndef TDM_CLI_ASSISTANT_TURN_H
#define TDM_CLI_ASSISTANT_TURN_H

#include <signal.h>
#include <stdio.h>

#include "base/buf.h"
#include "feature/assistant.h"

typedef struct tdm__assistant_turn {
    tdm__buf answer; /* all of the text without the label, after run; "" when it was taken back */
    json_t *offer;   /* the last one, or NULL; after run, as done */
    json_t *done;
    bool line_is_open; /* text was written and no line end after it */
} tdm__assistant_turn;

typedef struct tdm__assistant_view {
    FILE *out, *notes; /* text; all else. notes NULL: quiet */
    bool json;         /* events as lines to out, nothing to notes */
    bool is_terminal;  /* out may be steered by what is written to it */
    const volatile sig_atomic_t *interrupts; /* the answer ends when it changes */
} tdm__assistant_view;

/* Runs ask to its end. OK also when the answer failed: *t says how. Give it back by fini, also after an error. */
tdm_status tdm__assistant_turn_run(tdm__assistant_turn *t, tdm__assistant *a, const tdm__assistant_ask *ask,
                                   const tdm__assistant_view *view, tdm_error *err);
void tdm__assistant_turn_fini(tdm__assistant_turn *t);

#endif
