/* answer.h - one job of an engine, collected: what tests compare. */
#ifndef TDM_HARNESS_ANSWER_H
#define TDM_HARNESS_ANSWER_H

#include <pthread.h>

#include "engine/engine.h"

enum { TDM__ANSWER_TOKENS_MAX = 4096, TDM__ANSWER_BYTES_MAX = 65536 };

typedef struct tdm__answer {
    int32_t ids[TDM__ANSWER_TOKENS_MAX];
    float logprobs[TDM__ANSWER_TOKENS_MAX]; /* of the chosen ones */
    size_t n_ids;
    char text[TDM__ANSWER_BYTES_MAX]; /* with a NUL */
    size_t n_text;
    tdm__finish finish;
    tdm_error error;
    tdm__job_timings timings;
    tdm__job *job;
    void (*on_event)(struct tdm__answer *a, const tdm__job_event *ev); /* on the engine's thread, or NULL */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t n_done; /* DONE events: exactly one is right */
} tdm__answer;

/* on_event is kept, all else forgotten. */
tdm_status tdm__answer_start(tdm__answer *a, tdm__engine *e, const tdm__job_params *p, tdm_error *err);

/* Waits until n ids have come or the job is done. */
void tdm__answer_wait_tokens(tdm__answer *a, size_t n);

/* Waits for the end and gives the job back. */
void tdm__answer_wait(tdm__answer *a);

/* Greedy over that prompt, nothing else set. */
tdm__job_params tdm__answer_params(const int32_t *prompt, size_t n_prompt, size_t max_tokens);

#endif
