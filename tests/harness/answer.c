/* answer.c - see answer.h. */
#include "answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "answer: %s\n", what);
        abort();
    }
}

static void collect(void *user, const tdm__job_event *ev)
{
    tdm__answer *a = user;
    pthread_mutex_lock(&a->mutex);
    must(a->n_done == 0, "an event after DONE");
    for (size_t i = 0; i < ev->n_tokens; i++) {
        must(ev->kind == TDM__JOB_TEXT && a->n_ids < TDM__ANSWER_TOKENS_MAX, "tokens in DONE, or too many");
        a->ids[a->n_ids] = ev->tokens[i].chosen.id;
        a->logprobs[a->n_ids++] = ev->tokens[i].chosen.logprob;
    }
    must(a->n_text + ev->text.len < TDM__ANSWER_BYTES_MAX, "too much text");
    if (ev->text.len > 0)
        memcpy(a->text + a->n_text, ev->text.ptr, ev->text.len);
    a->n_text += ev->text.len;
    a->text[a->n_text] = '\0';
    if (ev->kind == TDM__JOB_DONE) {
        a->finish = ev->finish;
        a->error = ev->error;
        a->timings = ev->timings;
        a->n_done++;
    }
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->mutex);
    if (a->on_event)
        a->on_event(a, ev);
}

tdm_status tdm__answer_start(tdm__answer *a, tdm__engine *e, const tdm__job_params *p, tdm_error *err)
{
    a->n_ids = a->n_text = a->n_done = 0;
    a->text[0] = '\0';
    a->job = NULL;
    pthread_mutex_init(&a->mutex, NULL);
    pthread_cond_init(&a->changed, NULL);
    return tdm__engine_submit(e, p, collect, a, &a->job, err);
}

void tdm__answer_wait_tokens(tdm__answer *a, size_t n)
{
    pthread_mutex_lock(&a->mutex);
    while (a->n_ids < n && a->n_done == 0)
        pthread_cond_wait(&a->changed, &a->mutex);
    pthread_mutex_unlock(&a->mutex);
}

void tdm__answer_wait(tdm__answer *a)
{
    tdm__answer_wait_tokens(a, SIZE_MAX);
    tdm__job_destroy(&a->job);
    pthread_mutex_destroy(&a->mutex);
    pthread_cond_destroy(&a->changed);
}

tdm__job_params tdm__answer_params(const int32_t *prompt, size_t n_prompt, size_t max_tokens)
{
    return (tdm__job_params){.prompt = prompt,
                             .n_prompt = n_prompt,
                             .max_tokens = max_tokens,
                             .sampling = tdm__sampling_default(),
                             .n_top_logprobs = -1};
}
