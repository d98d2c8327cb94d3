/* engine_loop.c - the engine's thread: admit, compute one batch, draw, tell; sleep when there is nothing to do.
 *
 *      turn = take new jobs in, end what was cancelled
 *           + waiting jobs into slots                         (admission.c)
 *           + copies of what other slots hold of a prompt     (slot_share.c)
 *           + one batch: the next token of each answer and its drafted ones (turn_drafts.c), and of prompts what the
 *             pace allows (turn_rows.c)
 *           + for each sequence whose last token was computed: draw, release text, perhaps end; as long as what was
 *             drawn is what was drafted, draw the next one
 *
 * What is drawn depends on the tokens before it and the logits of its row alone, and these have the same bits in any
 * batch: so drafts are no part of the text, greedy or sampled. What was computed behind a wrong one does not count.
 *
 * A cancelled job's batch is given up within a layer, unless it carries the next token of somebody else: such a batch
 * is short, and no stream is to wait for it twice. Where others lose work of their prompts, they repeat it with the
 * same bits. So that callers who cancel all the time cannot hold up the rest, a batch that repeats somebody's work
 * runs to its end; it is a smaller one. A batch of background alone is given up for any foreground job.
 */
#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "engine/engine_internal.h"
#include "os/clock.h"

/* interrupt is cleared first and the jobs' flags are read after: a cancel sets them in the other order, so it is seen
 * here or interrupts the batch. */
static void end_cancelled(tdm__engine *e, bool all)
{
    bool someone_lost = false;
    atomic_store(&e->interrupt, false);
    pthread_mutex_lock(&e->mutex);
    if (e->stop) /* its interrupt may just have been cleared */
        atomic_store(&e->interrupt, true);
    pthread_mutex_unlock(&e->mutex);
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        if (s->job && (all || atomic_load(&s->job->cancelled)))
            tdm__engine_end_job(e, s, TDM__FINISH_CANCELLED, NULL);
        someone_lost = someone_lost || (s->job && s->n_rows > 0 && !tdm__slot_is_paused(e, s));
    }
    e->must_finish = e->must_finish && someone_lost;
}

static void note_first_token(tdm__job *j, uint64_t now_ns)
{
    if (j->first_token_ns == 0)
        j->first_token_ns = now_ns;
}

static void note_token(tdm__job *j, uint64_t now_ns)
{
    note_first_token(j, now_ns);
    double gap_ms = j->last_token_ns ? (double)(now_ns - j->last_token_ns) / 1e6 : 0;
    if (gap_ms > j->timings.max_gap_ms)
        j->timings.max_gap_ms = gap_ms;
    j->last_token_ns = now_ns;
}

/* What a slot's rows gave: the one of both that its job wants. */
typedef struct results {
    const float *logits;
    const tdm__best *best;
} results;

static tdm_status draw(tdm__engine *e, const tdm__slot *s, const results *from, size_t i, tdm_error *err)
{
    const tdm__job *j = s->job;
    const tdm__history history = {s->tokens, s->n_tokens, j->n_prompt};
    if (from->best)
        return tdm__sampling_take_best(&from->best[i], e->n_vocab, &e->draw, err);
    return tdm__sampler_next(e->sampler, &j->sampling, &history, from->logits + i * e->model->hp.n_vocab,
                             j->n_top_logprobs, &e->draw, err);
}

/* Draws the token behind the computed ones, releases its text, and ends the job where it is to end: false. */
static bool advance(tdm__engine *e, tdm__slot *s, const results *from, size_t i)
{
    tdm__job *j = s->job;
    tdm_error err = {0};
    if (draw(e, s, from, i, &err) != TDM_OK) {
        tdm__engine_end_job(e, s, TDM__FINISH_ERROR, &err);
        return false;
    }
    int32_t id = e->draw.id;
    if (tdm__tokenizer_is_end(e->tokenizer, id) && !j->ignore_end) {
        note_first_token(j, tdm__clock_ns());
        tdm__job_emit_held(j);
        tdm__engine_end_job(e, s, TDM__FINISH_STOP, NULL);
        return false;
    }
    assert(s->n_tokens < e->n_ctx);
    s->tokens[s->n_tokens++] = id;
    if (j->drafting != TDM__DRAFTING_OFF)
        tdm__drafter_take(&j->drafter, s->tokens, s->n_tokens);
    j->timings.n_generated++;
    note_token(j, tdm__clock_ns());
    tdm__token_info token = {.chosen = {.id = id}};
    if (j->n_top_logprobs >= 0)
        token = (tdm__token_info){.chosen = e->draw.chosen, .top = e->draw.top, .n_top = j->n_top_logprobs};
    tdm__job_emit_token(j, &token, tdm__tokenizer_piece(e->tokenizer, id, false));
    if (j->text.stopped) {
        tdm__engine_end_job(e, s, TDM__FINISH_STOP, NULL);
    } else if (j->timings.n_generated >= j->max_tokens || s->n_tokens == e->n_ctx) {
        tdm__job_emit_held(j);
        tdm__engine_end_job(e, s, j->text.stopped ? TDM__FINISH_STOP : TDM__FINISH_LENGTH, NULL);
    }
    return s->job != NULL;
}

/* One more was drawn than the batch was counted with. */
static void count_accepted(tdm__engine *e, tdm__job *j)
{
    j->timings.n_draft_accepted++;
    pthread_mutex_lock(&e->mutex);
    e->stats.n_generated_tokens++;
    e->stats.n_draft_accepted++;
    pthread_mutex_unlock(&e->mutex);
}

/* The slot's rows were computed: draws from the last one, and from the drafted ones as far as they are right. */
static void use_rows(tdm__engine *e, tdm__slot *s)
{
    const size_t n_drafted = s->n_drafted, n_own = s->n_rows - n_drafted;
    const tdm__row *drafted = s->rows + n_own;
    const results from = {s->logits, s->best};
    s->n_done += n_own;
    tdm__slot_offer(e, s);
    s->n_rows = s->n_drafted = 0;
    if (!from.logits && !from.best)
        return;
    s->job->timings.n_draft += n_drafted;
    for (size_t i = 0; advance(e, s, &from, i); i++) {
        if (i == n_drafted || s->tokens[s->n_tokens - 1] != drafted[i].token || atomic_load(&s->job->cancelled))
            return;
        s->n_done++;
        count_accepted(e, s->job);
    }
}

enum { TURN_WEIGHT = 8 /* a turn counts 1 / TURN_WEIGHT in the averages of the statistics */ };

static double averaged(double known, double value)
{
    return known > 0 ? known + (value - known) / TURN_WEIGHT : value;
}

/* Counters, and the service that accounts got. The jobs of the batch are still in their slots. */
static void count_batch(tdm__engine *e, const tdm__batch *b)
{
    size_t n_prompt = 0, n_generated = 0;
    for (size_t i = 0; i < e->n_slots; i++) {
        const tdm__slot *s = &e->slots[i];
        if (s->n_rows == 0)
            continue;
        if (s->n_done < s->job->n_prompt)
            n_prompt += tdm__min_size(s->n_rows, s->job->n_prompt - s->n_done);
        n_generated += s->logits || s->best;
        s->job->account->n_rows += s->n_rows;
    }
    pthread_mutex_lock(&e->mutex);
    e->stats.n_prompt_tokens += n_prompt;
    e->stats.n_generated_tokens += n_generated;
    e->stats.n_draft += b->n_drafted;
    e->stats.n_rows_reused += e->n_rows_reused;
    pthread_mutex_unlock(&e->mutex);
    e->n_rows_reused = 0;
}

/* The next turn's length depends on what this one took, until the last of its readers was told. */
static void learn(tdm__engine *e, const tdm__batch *b, uint64_t begin_ns)
{
    uint64_t ns = tdm__clock_ns() - begin_ns;
    double ms = (double)ns / 1e6;
    if (b->n_drafted > 0)
        tdm__pace_learn_drafts(&e->pace, b->n_streams, b->n_drafted, ns);
    else
        tdm__pace_learn(&e->pace, b->n_streams, b->n_prompt_rows, ns);
    pthread_mutex_lock(&e->mutex);
    e->stats.turn_ms = averaged(e->stats.turn_ms, ms);
    if (b->n_prompt_rows == 0 && b->n_drafted == 0)
        e->stats.decode_turn_ms = averaged(e->stats.decode_turn_ms, ms);
    pthread_mutex_unlock(&e->mutex);
}

static void end_all(tdm__engine *e, tdm_status status)
{
    tdm_error err = {0};
    tdm__fail(&err, status, "the forward pass failed: %s", tdm_status_text(status));
    for (size_t i = 0; i < e->n_slots; i++)
        if (e->slots[i].job)
            tdm__engine_end_job(e, &e->slots[i], TDM__FINISH_ERROR, &err);
}

static tdm_status compute(tdm__engine *e, const tdm__batch *b)
{
    bool stops_nobody = b->n_streams == 0 || b->n_slots == 1 || b->is_background;
    atomic_bool *interrupt = stops_nobody && !e->must_finish ? &e->interrupt : NULL;
    pthread_mutex_lock(&e->mutex);
    e->is_background_batch = b->is_background;
    if (b->is_background && e->stats.n_queued_of[TDM__FOREGROUND] > 0) /* came before that was said */
        atomic_store(&e->interrupt, true);
    pthread_mutex_unlock(&e->mutex);
    tdm_status status = tdm__forward_run(e->forward, e->rows, b->n_rows, e->logits, e->best, interrupt);
    pthread_mutex_lock(&e->mutex);
    e->is_background_batch = false;
    pthread_mutex_unlock(&e->mutex);
    return status;
}

static void run_batch(tdm__engine *e)
{
    uint64_t begin_ns = tdm__clock_ns();
    tdm__slots_share(e);
    tdm__batch b = tdm__slots_fill_batch(e);
    if (b.n_rows == 0)
        return; /* a new donor was found: its rows are copied now */
    tdm_status status = compute(e, &b);
    e->must_finish = status == TDM_ERR_CANCELLED;
    if (status == TDM_ERR_CANCELLED)
        return; /* nothing beyond n_done is in the caches */
    if (status != TDM_OK) {
        end_all(e, status);
        return;
    }
    count_batch(e, &b);
    for (size_t i = 0; i < e->n_slots; i++)
        if (e->slots[i].n_rows > 0)
            use_rows(e, &e->slots[i]);
    learn(e, &b, begin_ns);
}

void *tdm__engine_main(void *engine)
{
    tdm__engine *e = engine;
    for (;;) {
        bool go_on = tdm__engine_take_jobs(e);
        end_cancelled(e, !go_on);
        if (!go_on)
            break;
        tdm__engine_admit_jobs(e);
        run_batch(e);
    }
    return NULL;
}
