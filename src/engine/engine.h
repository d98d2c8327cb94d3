/* engine.h - one model serving several sequences at once on one thread that owns them all.
 *
 * Callers on any thread submit jobs (token ids in, text events out); a bounded queue refuses what it cannot hold.
 * The engine's thread keeps n_slots sequences, each with its KV cache and the tokens in it. What a prompt shares with
 * any of them is not computed again. Each turn of the loop is one batch: the next token of every running answer, and
 * as many rows of prompts as its time allows, of the app that has had least. Rows do not influence each other
 * (forward.h), so an answer has the same bits alone and in company, whatever waited for whom. Raw text of a model: no
 * policy here.
 */
#ifndef TDM_ENGINE_ENGINE_H
#define TDM_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/app_name.h"
#include "base/str.h"
#include "engine/prefix_store.h"
#include "engine/sampler.h"
#include "engine/text_stream.h"
#include "model/kv.h"
#include "model/model.h"
#include "os/cpu.h"
#include "tandem/status.h"
#include "text/tokenizer.h"

typedef struct tdm__engine tdm__engine;
typedef struct tdm__job tdm__job;

typedef struct tdm__engine_options {
    int n_threads;     /* 0: as many as the process may use */
    tdm__isa isa_max;
    size_t n_ctx;      /* positions a slot; 0: 4096 or what the model was trained for, if that is less */
    size_t n_slots;    /* sequences at once; 0: 1 */
    size_t n_queue;    /* jobs that may wait beyond those; 0: none */
    tdm__kv_type kv_type;
    uint64_t memory_bytes_max; /* 0: what the machine has free */
    bool no_drafts;    /* for no job, whatever it says; and no memory for them */
    tdm__prefix_options prefix; /* where beginnings of prompts are kept beyond the engine's life; zeros: nowhere */
} tdm__engine_options;

enum { TDM__SLOTS_MAX = 256, TDM__QUEUE_MAX = 65536 };

/* What an engine takes beside the mapped file. */
typedef struct tdm__engine_memory {
    uint64_t kv_bytes;
    uint64_t scratch_bytes; /* forward pass, logits, samplers, token histories */
    uint64_t job_bytes;     /* as many jobs as may run and wait, each as long as the context: taken at submit, what an
                               evicted one keeps included, and given back at their ends */
} tdm__engine_memory;

/* What create will take, and jobs after it, under the defaults that it would choose. ERR_INVAL, and ERR_LIMIT for a
 * context beyond what the model was trained for. */
tdm_status tdm__engine_estimate(const tdm__model *m, const tdm__engine_options *o, tdm__engine_memory *out,
                                tdm_error *err);

/* m and t are borrowed and outlive the engine. ERR_LIMIT when the estimate exceeds the memory, before any of it is
 * taken. Starts the engine's thread. */
tdm_status tdm__engine_create(const tdm__model *m, const tdm__tokenizer *t, const tdm__engine_options *o,
                              tdm__engine **out, tdm_error *err);

/* Cancels what runs, waits for the thread. Every job has had its DONE event when it returns. */
void tdm__engine_destroy(tdm__engine *e);

size_t tdm__engine_n_ctx(const tdm__engine *e);

typedef enum tdm__finish {
    TDM__FINISH_NONE = 0,
    TDM__FINISH_STOP,      /* the model ended its turn, or a stop string came */
    TDM__FINISH_LENGTH,    /* max_tokens or the context's end */
    TDM__FINISH_CANCELLED,
    TDM__FINISH_ERROR,
} tdm__finish;

/* One generated token. Valid during the event. */
typedef struct tdm__token_info {
    tdm__token_prob chosen;     /* its logprob is 0 unless logprobs were asked for */
    const tdm__token_prob *top; /* [n_top] */
    int n_top;
} tdm__token_info;

typedef struct tdm__job_timings {
    size_t n_prompt;         /* tokens of the prompt */
    size_t n_prompt_reused;  /* of these, found in a cache */
    size_t n_generated;      /* tokens of the answer; the end token is none of them */
    size_t n_draft;          /* tokens that were proposed before the model had drawn them */
    size_t n_draft_accepted; /* of these, so many were what the model drew */
    double queue_ms;        /* until it got a slot */
    double prompt_ms;       /* from there to the first token */
    double decode_ms;       /* from there to the end */
    double max_gap_ms;      /* the longest time between two tokens, waits of evicted background work included */
    size_t n_gaps;          /* between two tokens; of several jobs the sum */
    double gaps_ms;         /* all of them together */
} tdm__job_timings;

typedef enum tdm__job_event_kind {
    TDM__JOB_TEXT = 1, /* one or more a token: released text; zero bytes while a token's text is held back */
    TDM__JOB_DONE,     /* the last one, always exactly one */
} tdm__job_event_kind;

typedef struct tdm__job_event {
    tdm__job_event_kind kind;
    tdm__str text;                 /* TEXT: whole UTF-8 characters, never part of a stop string */
    const tdm__token_info *tokens; /* TEXT: the tokens that were generated since the last event */
    size_t n_tokens;
    tdm__finish finish;            /* DONE */
    tdm_error error;               /* DONE with FINISH_ERROR */
    tdm__job_timings timings;      /* DONE */
} tdm__job_event;

/* Called on the engine's thread; must not block and not call the engine except tdm__job_cancel. */
typedef void (*tdm__job_fn)(void *user, const tdm__job_event *ev);

/* Somebody waits for a foreground answer. Background work runs only while there is none of the foreground: else it
 * stands still, or gives its slot up and is computed again later. Its events go on as if nothing had been. */
typedef enum tdm__priority { TDM__FOREGROUND = 0, TDM__BACKGROUND } tdm__priority;
enum { TDM__N_PRIORITIES = 2 };

/* Tokens that are guessed before the model draws them (drafter.h). Every token is drawn from its own logits as it would
 * be without, so an answer and its events are the same; they come sooner where guesses are right. */
typedef enum tdm__drafting {
    TDM__DRAFTING_OFF = 0,
    TDM__DRAFTING_AUTO,   /* where it pays by what was measured */
    TDM__DRAFTING_ALWAYS, /* as many as there are rows for (tests, measurements) */
} tdm__drafting;

typedef struct tdm__job_params {
    const int32_t *prompt; /* copied; 1 .. n_ctx - 1 ids of the vocabulary */
    size_t n_prompt;
    size_t n_public; /* at most n_prompt; so many first tokens hold no user's text: what was computed for them may serve
                        any app; all behind them serves the same app only, as time would tell apps of others' texts */
    const char *app; /* who asks, at most TDM__APP_NAME_MAX bytes, copied; apps share the engine fairly; NULL: "" */
    uint64_t app_key_id; /* of another key, it is another app of the same name: one that was removed and added again */
    tdm__priority priority;
    size_t max_tokens;     /* 0: until the context is full */
    tdm__sampling sampling;
    tdm__str stops[TDM__STOPS_MAX]; /* copied; each 1 .. TDM__STOP_BYTES_MAX bytes */
    size_t n_stops;
    int n_top_logprobs;    /* -1: no logprobs wanted */
    bool ignore_end;       /* go on after an end token (bench) */
    tdm__drafting drafting;
    const int32_t *draft_source; /* copied, no more than the context's length of it; what the answer will mostly repeat,
                                    from its first token on. None: drafts are looked up in prompt and answer */
    size_t n_draft_source;
} tdm__job_params;

/* ERR_BUSY when slots and queue are full, ERR_LIMIT for a prompt longer than the context, ERR_INVAL. On success
 * exactly one DONE follows, perhaps before this returns. */
tdm_status tdm__engine_submit(tdm__engine *e, const tdm__job_params *p, tdm__job_fn fn, void *user, tdm__job **out,
                              tdm_error *err);

/* submit in two steps, for who must not wait for a disk under a lock: prepare checks p and looks the prompt up in the
 * prefix store, and what it returns is submitted (taken in any case; ERR_BUSY) or discarded. */
tdm_status tdm__engine_prepare(tdm__engine *e, const tdm__job_params *p, tdm__job_fn fn, void *user, tdm__job **out,
                               tdm_error *err);
tdm_status tdm__engine_submit_prepared(tdm__engine *e, tdm__job *prepared, tdm__job **out, tdm_error *err);
void tdm__job_discard(tdm__job *prepared); /* NULL-safe */

/* From any thread, any number of times until destroy. The engine notices a running job's within a layer, gives the
 * batch in work up and computes it again without that job; but a batch that carries another one's next token runs to
 * its end, it is a short one. A job that waits is dropped at the next batch. */
void tdm__job_cancel(tdm__job *j);

/* Gives the handle back: waits until DONE was delivered and its call returned; not from inside an event. The engine may
 * be gone by then. NULL-safe, sets *j = NULL. */
void tdm__job_destroy(tdm__job **j);

/* Any thread: of the prompts that were submitted so far nothing is stored any more when it returns. */
void tdm__engine_stop_storing(tdm__engine *e);

typedef struct tdm__engine_stats {
    size_t n_slots, n_running, n_queued;
    size_t n_running_of[TDM__N_PRIORITIES], n_queued_of[TDM__N_PRIORITIES]; /* by priority; evicted ones are queued */
    uint64_t n_jobs_done;
    uint64_t n_prompt_tokens;    /* computed, again for those that were evicted */
    uint64_t n_generated_tokens;
    uint64_t n_rows_reused;      /* tokens that needed not be computed: found in the slot, copied from another, or
                                    restored from the prefix store */
    uint64_t n_evictions;
    uint64_t n_draft;            /* tokens that were drafted */
    uint64_t n_draft_accepted;   /* of these, so many were what the model drew */
    tdm__prefix_stats prefix;
    tdm__engine_memory memory;   /* as it was estimated when the engine was made */
    double turn_ms;              /* moving average of turns with work */
    double decode_turn_ms;       /* of those that carried nothing but next tokens, one a stream */
} tdm__engine_stats;

void tdm__engine_get_stats(tdm__engine *e, tdm__engine_stats *out); /* any thread */

#endif
