/* engine_internal.h - what the files of the engine share: jobs, slots, and the engine itself.
 *
 * Threads: slots, the fair queue and everything marked so belong to the engine's thread alone. engine.mutex guards the
 * inbox and the counters, job.mutex a job's end; engine.mutex is taken first where both are.
 */
#ifndef TDM_ENGINE_ENGINE_INTERNAL_H
#define TDM_ENGINE_ENGINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/drafter.h"
#include "engine/engine.h"
#include "engine/fair_queue.h"
#include "engine/text_stream.h"
#include "engine/turn_pace.h"
#include "model/forward.h"
#include "model/kv.h"
#include "os/team.h"

enum {
    TDM__ENGINE_ROWS = 128,     /* of prompts or drafts in a batch; beside them at most one a slot */
    TDM__DRAFT_ROWS_MAX = 32,   /* in a batch, of all slots */
    TDM__DRAFT_LOGITS_MAX = 8,  /* of these, so many may want logits: each takes a vocabulary of them */
};

struct tdm__job {
    tdm__job *next; /* in the inbox or in its account's queue */
    tdm__job_fn fn;
    void *user;
    char app[TDM__APP_NAME_TEXT];
    uint64_t app_key_id;
    tdm__priority priority;
    size_t n_public;
    int32_t *tokens; /* owned: the prompt, for background jobs room for all that an eviction has to keep, and behind
                        that what drafts come from */
    size_t n_tokens; /* n_prompt, or more after an eviction */
    size_t n_prompt;
    tdm__prefix_pages prefix; /* keys owned; n_found and was_offered are the engine thread's */
    bool was_offered;
    size_t max_tokens; /* at least 1 */
    tdm__sampling sampling;
    int n_top_logprobs;
    bool ignore_end;
    tdm__wants wants; /* of the rows that it draws from */
    tdm__drafting drafting;
    tdm__drafter drafter;     /* engine's thread */
    tdm__account *account;    /* engine's thread */
    tdm__text_stream text;    /* engine's thread */
    tdm__job_timings timings; /* engine's thread */
    uint64_t submitted_ns, admitted_ns, first_token_ns, last_token_ns;
    atomic_bool cancelled;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool has_ended;         /* under mutex: DONE was delivered, the engine forgot the job */
    atomic_bool *interrupt; /* under mutex: what a cancel sets, the engine's for slots or for waiting jobs; NULL after
                               the end */
};

/* A sequence: its cache, and the tokens it is about. */
typedef struct tdm__slot tdm__slot;
struct tdm__slot {
    tdm__kv kv;
    int32_t *tokens; /* [n_ctx] prompt, then answer */
    size_t n_tokens;
    size_t n_done;         /* of these, so many are in the cache; nothing beyond is valid there */
    char app[TDM__APP_NAME_TEXT]; /* whose tokens they are */
    uint64_t app_key_id;
    size_t n_public;       /* so many of them may serve other apps too */
    tdm__job *job;         /* NULL: free; tokens and cache are kept for the next one */
    uint64_t admitted;     /* number of the job's admission: order among prompts, and age of what a free slot keeps */
    tdm__slot *donor;      /* has, or is about to have, the first n_shared positions; NULL: this one computes itself */
    uint64_t donor_admitted; /* whom donor served then */
    size_t n_shared;
    bool restores;         /* these come from the prefix store, and there is no donor */
    size_t n_rows;         /* in this turn's batch, drafted ones included */
    size_t n_drafted;      /* of these: the last ones */
    const int32_t *draft;  /* [n_drafted], borrowed until the batch is laid out */
    const tdm__row *rows;  /* [n_rows] */
    bool was_passed;       /* this turn: it waits for a donor that gets no more rows */
    const float *logits;   /* [1 + n_drafted][n_vocab] after this turn, or */
    const tdm__best *best; /* [1 + n_drafted], as the job wants; both NULL: its last token was not computed yet */
};

struct tdm__engine {
    const tdm__model *model;
    const tdm__tokenizer *tokenizer;
    size_t n_ctx, n_slots, n_vocab, n_rows_max, n_jobs_max, n_draft_rows, n_draft_logits;
    tdm__kernels kernels;
    tdm__prefix_store *prefix; /* NULL: none */
    pthread_t thread;
    bool has_thread;

    /* of the engine's thread */
    tdm__team *team;
    tdm__forward *forward;
    tdm__sampler *sampler;
    tdm__slot *slots; /* [n_slots] */
    tdm__row *rows;   /* [n_rows_max] */
    float *logits;    /* [n_slots + n_draft_logits][n_vocab] */
    tdm__best *best;  /* [n_slots + n_draft_rows] */
    tdm__draw draw;
    tdm__fair_queue queue;
    tdm__pace pace;
    uint64_t n_admitted;
    size_t n_rows_reused; /* in this turn */
    bool must_finish;     /* the last batch was given up and somebody lost work: the next one runs to its end */

    atomic_bool interrupt;       /* set by a cancel of a job that has a slot, and by foreground while background runs */
    atomic_bool queue_interrupt; /* set by a cancel of a job that waits */

    pthread_mutex_t mutex;
    pthread_cond_t work;
    tdm__job *inbox_first, *inbox_last; /* under mutex: submitted, not seen by the engine's thread */
    size_t n_jobs;                      /* under mutex: waiting and running */
    bool is_background_batch;           /* under mutex: the batch in work is given up for a foreground job */
    bool stop;                          /* under mutex */
    tdm__engine_stats stats;            /* under mutex; n_running and n_queued are summed when asked for */
};

/* This turn's batch. */
typedef struct tdm__batch {
    size_t n_rows;
    size_t n_slots;       /* that have rows in it */
    size_t n_streams;     /* of these, so many compute their next token */
    size_t n_drafted;     /* rows of drafts */
    size_t n_prompt_rows; /* all other rows */
    bool is_background;
} tdm__batch;

/* job.c, on the engine's thread: hands out TEXT with what the stream released, or the one DONE. After done the job
 * may be gone. */
void tdm__job_emit_token(tdm__job *j, const tdm__token_info *token, tdm__str piece);
void tdm__job_emit_held(tdm__job *j);
void tdm__job_emit_done(tdm__job *j, tdm__finish finish, const tdm_error *error);

/* Bytes that a job takes which keeps n_tokens and a source of drafts of as many. */
size_t tdm__job_bytes(size_t n_tokens);

/* slot.c: of `tokens`, how many d holds or is about to compute, as far as that may serve the app. */
size_t tdm__slot_shared(const tdm__slot *d, const char *app, uint64_t app_key_id, const int32_t *tokens,
                        size_t n_tokens);

/* A free slot: one that is mostly about the job's own tokens, else the one that was used longest ago; NULL: none is
 * free. */
tdm__slot *tdm__slot_find(tdm__engine *e, const tdm__job *j);

/* Puts the job into the slot as the youngest: what both share stays in the cache, but for the last token, whose logits
 * are wanted. */
void tdm__slot_begin(tdm__engine *e, tdm__slot *s, tdm__job *j);

/* Next token only: it advances in each turn. */
bool tdm__slot_is_streaming(const tdm__slot *s);

/* Background, and there is foreground. */
bool tdm__slot_is_paused(const tdm__engine *e, const tdm__slot *s);

/* slot_prefix.c: positions of s's prompt that the prefix store had when it was asked. */
size_t tdm__slot_stored(const tdm__slot *s);

/* Restores of them what s has not got, about n_max positions; how many more s has then. When all are there, or one is
 * not any more, s looks for a donor again. */
size_t tdm__slot_restore(tdm__engine *e, tdm__slot *s, size_t n_max);

/* Offers the prompt to the store as soon as it has been computed. */
void tdm__slot_offer(tdm__engine *e, tdm__slot *s);

/* slot_share.c: finds a slot that holds, or computes earlier, more of s's prompt than s has, or has s restore it. */
void tdm__slot_find_donor(tdm__engine *e, tdm__slot *s);

/* Copies from donors what they have by now, and from the store. */
void tdm__slots_share(tdm__engine *e);

/* turn_rows.c: lays this turn's rows out: the next token of each running answer with what is drafted behind it, then
 * prompts as far as the pace allows. */
tdm__batch tdm__slots_fill_batch(tdm__engine *e);

/* turn_drafts.c: how many tokens each of that many streams drafts in a turn without prompts: sets n_drafted, draft. */
void tdm__slots_choose_drafts(tdm__engine *e, size_t n_streams);

/* admission.c: sleeps until there is work and takes new jobs in; those that were cancelled while they waited end.
 * False: the engine stops, nothing waits any more. */
bool tdm__engine_take_jobs(tdm__engine *e);

/* Waiting jobs into slots; foreground takes the slots of background. */
void tdm__engine_admit_jobs(tdm__engine *e);

/* Ends the job of a slot. The slot counts as free before its owner hears of it. */
void tdm__engine_end_job(tdm__engine *e, tdm__slot *s, tdm__finish finish, const tdm_error *error);

/* engine_loop.c: the engine's thread. */
void *tdm__engine_main(void *engine);

#endif
