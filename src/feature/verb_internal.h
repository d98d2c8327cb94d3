/* verb_internal.h - what the verbs' files share: a run, its memory, and how it asks the model.
 *
 * A run is one composed request of the spine (compose.h): a verb's function runs on that request's thread, calls
 * the model as often as it needs, checks what comes, and releases what has passed. Everything between start and DONE
 * belongs to that thread; only cancel comes from others.
 */
#ifndef TDM_FEATURE_VERB_INTERNAL_H
#define TDM_FEATURE_VERB_INTERNAL_H

#include <pthread.h>

#include "base/arena.h"
#include "base/buf.h"
#include "feature/verb.h"
#include "feature/verb_check.h"
#include "feature/verb_prompt.h"
#include "request/compose.h"

enum {
    TDM__VERB_REPLIES = 3, /* the default of reply */
    TDM__VERB_DRAFTS = 3,  /* of proofreading Chinese, beside the greedy one */
    TDM__VERB_ARENA_BYTES = 16 * 1024 * 1024,
    TDM__VERB_SCRATCH_BYTES = 64 * 1024 * 1024,
};

struct tdm__verb_run {
    tdm__verb_fn fn;
    void *user;
    tdm__verb_ask ask;            /* what it points to is the arena's */
    tdm__str source;              /* what is worked on: the text, or the messages as lines "from: text" */
    char language[3];             /* of the source, so of the suggestions */
    tdm__arena arena;             /* until destroy */
    tdm__arena scratch;           /* of one step of the work; the verb resets it */
    tdm__suggestion *suggestions; /* [n_suggestions], the arena's */
    size_t n_suggestions;
    size_t n_places;     /* generations side by side that the request was admitted for */
    unsigned told;       /* bit i: a piece of candidate i was told */
    tdm__flaw last_flaw; /* why the last attempt did not pass */
    pthread_mutex_t mutex;
    tdm__request *request; /* under mutex until start has returned */
};

/* ---- verb_model.c: asking the model ---- */

/* One question to the model. */
typedef struct tdm__verb_question {
    const char *prompt; /* its name in the verb's file */
    tdm__str text;      /* the last turn */
    size_t max_tokens;
    size_t attempt;  /* 0: greedy; else sampled, with another seed each */
    bool is_sampled; /* attempt 0, too */
    bool is_copy;    /* the answer is mostly the text again */
    size_t n;        /* texts, side by side where the engine has the places; 0: 1. Sampled, then */
    bool (*on_text)(void *user, size_t candidate, tdm__str piece); /* as in compose.h */
    void *user;
} tdm__verb_question;

/* What the model wrote. */
typedef struct tdm__verb_answer {
    tdm__str text; /* unwrapped; w's scratch */
    bool is_cut;   /* it had not ended */
} tdm__verb_answer;

/* out [q->n]. Errors as tdm__compose_generate; ERR_NOMEM. */
tdm_status tdm__verb_ask_model(tdm__verb_run *w, tdm__request *r, const tdm__verb_question *q, tdm__verb_answer *out,
                               tdm_error *err);

/* Tokens of text, and of what a generation of this prompt may read and write beside its text. */
tdm_status tdm__verb_budget(tdm__verb_run *w, tdm__request *r, const char *prompt, size_t *text_tokens_max,
                            tdm_error *err);

/* ERR_UPSTREAM with the reason of the last attempt. */
tdm_status tdm__verb_fail_checks(tdm__verb_run *w, tdm_error *err);

/* A copy that lives as long as the run. ERR_NOMEM. */
tdm_status tdm__verb_copy(tdm__verb_run *w, tdm__str text, tdm__str *out, tdm_error *err);

/* Room for the suggestions. ERR_NOMEM. */
tdm_status tdm__verb_reserve(tdm__verb_run *w, size_t n, tdm_error *err);

/* verb_stack.c: the lines of a stack of notifications, the most urgent first, without advertisements. *out stays where
 * there are no others. ERR_NOMEM. */
tdm_status tdm__verb_order_stack(tdm__verb_run *w, tdm__str *out, tdm_error *err);

/* ---- the verbs: compose functions ---- */
tdm_status tdm__verb_proofread(tdm__verb_run *w, tdm__request *r, tdm_error *err);
tdm_status tdm__verb_rewrite(tdm__verb_run *w, tdm__request *r, tdm_error *err);
tdm_status tdm__verb_summarize(tdm__verb_run *w, tdm__request *r, tdm_error *err);
tdm_status tdm__verb_reply(tdm__verb_run *w, tdm__request *r, tdm_error *err);
tdm_status tdm__verb_prioritise(tdm__verb_run *w, tdm__request *r, tdm_error *err);

/* verb_ask.c: checks of what is asked, and the copy. Sets w->ask, source, language. */
tdm_status tdm__verb_take_ask(tdm__verb_run *w, const tdm__verb_ask *ask, tdm_error *err);

#endif
