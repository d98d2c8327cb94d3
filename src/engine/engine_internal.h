/* engine_internal.h - what the files of the engine share: jobs, slots, and the engine itself.
 *
 * Threads: slots and everything marked so belong to the engine's thread alone. engine.mutex guards the queue and the
 * counters, job.mutex a job's end; engine.mutex is taken first where both are.
 */
#ifndef TDM_ENGINE_ENGINE_INTERNAL_H
#define TDM_ENGINE_ENGINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/engine.h"
#include "engine/text_stream.h"
#include "model/forward.h"
#include "model/kv.h"
#include "os/team.h"

enum { TDM__ENGINE_ROWS = 128 /* of prompts in a batch; beside them at most one a slot */ };

struct tdm__job {
    tdm__job *next; /* in the queue */
    tdm__job_fn fn;
    void *user;
    int32_t *prompt; /* [n_prompt] owned */
    size_t n_prompt;
    size_t max_tokens; /* at least 1 */
    tdm__sampling sampling;
    int n_top_logprobs;
    bool ignore_end;
    tdm__text_stream text;     /* engine's thread */
    tdm__job_timings timings;  /* engine's thread */
    uint64_t submitted_ns, admitted_ns, first_token_ns;
    atomic_bool cancelled;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool has_ended;         /* under mutex: DONE was delivered, the engine forgot the job */
    atomic_bool *interrupt; /* under mutex: set while the job has a slot */
};

/* A sequence: its cache, and the tokens it is about. */
typedef struct tdm__slot {
    tdm__kv kv;
    int32_t *tokens; /* [n_ctx] prompt, then answer */
    size_t n_tokens;
    size_t n_done;         /* of these, so many are in the cache; nothing beyond is valid there */
    tdm__job *job;         /* NULL: free; tokens and cache are kept for the next one */
    uint64_t admitted;     /* number of the job's admission: order among prompts, and age of what a free slot keeps */
    size_t n_rows;         /* in this turn's batch */
    const float *logits;   /* [n_vocab] after this turn, or NULL: its last token was not computed yet */
} tdm__slot;

struct tdm__engine {
    const tdm__model *model;
    const tdm__tokenizer *tokenizer;
    size_t n_ctx, n_slots, n_vocab, n_rows_max, n_jobs_max;
    tdm__kernels kernels;
    pthread_t thread;
    bool has_thread;

    /* of the engine's thread */
    tdm__team *team;
    tdm__forward *forward;
    tdm__sampler *sampler;
    tdm__slot *slots; /* [n_slots] */
    tdm__row *rows;   /* [n_rows_max] */
    float *logits;    /* [n_slots][n_vocab] */
    tdm__draw draw;
    uint64_t n_admitted;
    bool must_finish;      /* the last batch was given up and somebody lost work: the next one runs to its end */
    atomic_bool interrupt; /* set by a cancel of a job that has a slot */

    pthread_mutex_t mutex;
    pthread_cond_t work;
    tdm__job *queue_first, *queue_last; /* under mutex */
    size_t n_jobs;                      /* under mutex: queued and running */
    bool stop;                          /* under mutex */
    tdm__engine_stats stats;            /* under mutex */
};

/* job.c, on the engine's thread: hands out TEXT with what the stream released, or the one DONE. After done the job
 * may be gone. */
void tdm__job_emit_token(tdm__job *j, const tdm__token_info *token, tdm__str piece);
void tdm__job_emit_held(tdm__job *j);
void tdm__job_emit_done(tdm__job *j, tdm__finish finish, const tdm_error *error);

/* slot.c: the free slot that shares most with a prompt, of equals the one that was used longest ago; NULL: none is
 * free. */
tdm__slot *tdm__slot_find(tdm__engine *e, const int32_t *prompt, size_t n_prompt);

/* Puts the job into the slot: what both share stays in the cache, but for the prompt's last token, whose logits are
 * wanted. */
void tdm__slot_begin(tdm__slot *s, tdm__job *j, uint64_t admitted);

/* Lays this turn's rows out: the next token of each running answer, then prompts, the oldest first, as far as the
 * turn's limit goes. The number of rows. */
size_t tdm__slots_fill_batch(tdm__engine *e);

/* engine_loop.c: the engine's thread. */
void *tdm__engine_main(void *engine);

#endif
