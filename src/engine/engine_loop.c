/* engine_loop.c - the engine's thread: admit, compute one batch, draw, tell; sleep when there is nothing to do.
 *
 *      turn = end what was cancelled
 *           + queued jobs into free slots
 *           + one batch: the next token of each answer, and of prompts what fits
 *           + for each sequence whose last token was computed: draw, release text, perhaps end
 *
 * A cancelled job's batch is given up within a layer. The others lose that work and repeat it, with the same bits. So
 * that callers who cancel all the time cannot hold up the rest, a batch that repeats somebody's work runs to its end;
 * it is a smaller one (slot.c).
 */
#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "engine/engine_internal.h"
#include "os/clock.h"

/* Ends the job of a slot. The slot counts as free before its owner hears of it. */
static void end_job(tdm__engine *e, tdm__slot *s, tdm__finish finish, const tdm_error *error)
{
    tdm__job *j = s->job;
    s->job = NULL;
    s->logits = NULL;
    pthread_mutex_lock(&e->mutex);
    e->n_jobs--;
    e->stats.n_running--;
    e->stats.n_jobs_done++;
    pthread_mutex_unlock(&e->mutex);
    tdm__job_emit_done(j, finish, error);
}

static void end_queued(tdm__engine *e, tdm__job *j)
{
    pthread_mutex_lock(&e->mutex);
    e->n_jobs--;
    e->stats.n_jobs_done++;
    pthread_mutex_unlock(&e->mutex);
    tdm__job_emit_done(j, TDM__FINISH_CANCELLED, NULL);
}

/* Takes the cancelled jobs (on stop: all) out of the queue, as a list. */
static tdm__job *unlink_cancelled(tdm__engine *e)
{
    tdm__job *taken = NULL, *last = NULL;
    for (tdm__job **at = &e->queue_first; *at;) {
        tdm__job *j = *at;
        if (e->stop || atomic_load(&j->cancelled)) {
            *at = j->next;
            j->next = taken;
            taken = j;
            e->stats.n_queued--;
        } else {
            last = j;
            at = &j->next;
        }
    }
    e->queue_last = last;
    return taken;
}

/* Sleeps until there is work; false: the engine stops. */
static bool wait_for_work(tdm__engine *e, tdm__job **cancelled)
{
    pthread_mutex_lock(&e->mutex);
    while (!e->stop && e->n_jobs == 0)
        pthread_cond_wait(&e->work, &e->mutex);
    *cancelled = unlink_cancelled(e);
    bool go_on = !e->stop;
    pthread_mutex_unlock(&e->mutex);
    return go_on;
}

static tdm__job *take_queued(tdm__engine *e)
{
    pthread_mutex_lock(&e->mutex);
    tdm__job *j = e->queue_first;
    if (j) {
        e->queue_first = j->next;
        if (!e->queue_first)
            e->queue_last = NULL;
        j->next = NULL;
        e->stats.n_queued--;
        e->stats.n_running++;
    }
    pthread_mutex_unlock(&e->mutex);
    return j;
}

static bool has_free_slot(const tdm__engine *e)
{
    for (size_t i = 0; i < e->n_slots; i++)
        if (!e->slots[i].job)
            return true;
    return false;
}

static void admit_jobs(tdm__engine *e)
{
    for (tdm__job *j; has_free_slot(e) && (j = take_queued(e)) != NULL;) {
        tdm__slot_begin(tdm__slot_find(e, j->prompt, j->n_prompt), j, ++e->n_admitted);
        j->admitted_ns = tdm__clock_ns();
        pthread_mutex_lock(&j->mutex);
        j->interrupt = &e->interrupt;
        if (atomic_load(&j->cancelled)) /* after the queue was looked through */
            atomic_store(&e->interrupt, true);
        pthread_mutex_unlock(&j->mutex);
    }
}

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
            end_job(e, s, TDM__FINISH_CANCELLED, NULL);
        someone_lost = someone_lost || (s->job && s->n_rows > 0);
    }
    e->must_finish = e->must_finish && someone_lost;
}

/* Draws the token behind the computed ones, releases its text, and ends the job where it is to end. */
static void advance(tdm__engine *e, tdm__slot *s)
{
    tdm__job *j = s->job;
    tdm_error err = {0};
    tdm__history history = {s->tokens, s->n_tokens, j->n_prompt};
    if (tdm__sampler_next(e->sampler, &j->sampling, &history, s->logits, j->n_top_logprobs, &e->draw, &err) != TDM_OK) {
        end_job(e, s, TDM__FINISH_ERROR, &err);
        return;
    }
    if (j->first_token_ns == 0)
        j->first_token_ns = tdm__clock_ns();
    int32_t id = e->draw.id;
    if (tdm__tokenizer_is_end(e->tokenizer, id) && !j->ignore_end) {
        tdm__job_emit_held(j);
        end_job(e, s, TDM__FINISH_STOP, NULL);
        return;
    }
    assert(s->n_tokens < e->n_ctx);
    s->tokens[s->n_tokens++] = id;
    j->timings.n_generated++;
    tdm__token_info token = {.chosen = {.id = id}};
    if (j->n_top_logprobs >= 0)
        token = (tdm__token_info){.chosen = e->draw.chosen, .top = e->draw.top, .n_top = j->n_top_logprobs};
    tdm__job_emit_token(j, &token, tdm__tokenizer_piece(e->tokenizer, id, false));
    if (j->text.stopped) {
        end_job(e, s, TDM__FINISH_STOP, NULL);
    } else if (j->timings.n_generated >= j->max_tokens || s->n_tokens == e->n_ctx) {
        tdm__job_emit_held(j);
        end_job(e, s, j->text.stopped ? TDM__FINISH_STOP : TDM__FINISH_LENGTH, NULL);
    }
}

static void count_tokens(tdm__engine *e)
{
    size_t n_prompt = 0, n_generated = 0;
    for (size_t i = 0; i < e->n_slots; i++) {
        const tdm__slot *s = &e->slots[i];
        if (s->n_rows == 0)
            continue;
        if (s->n_done < s->job->n_prompt) /* then all rows are the prompt's: the answer's come one a turn */
            n_prompt += s->n_rows;
        n_generated += s->logits != NULL;
    }
    pthread_mutex_lock(&e->mutex);
    e->stats.n_prompt_tokens += n_prompt;
    e->stats.n_generated_tokens += n_generated;
    pthread_mutex_unlock(&e->mutex);
}

static void end_all(tdm__engine *e, tdm_status status)
{
    tdm_error err = {0};
    tdm__fail(&err, status, "the forward pass failed: %s", tdm_status_text(status));
    for (size_t i = 0; i < e->n_slots; i++)
        if (e->slots[i].job)
            end_job(e, &e->slots[i], TDM__FINISH_ERROR, &err);
}

static void run_batch(tdm__engine *e)
{
    size_t n = tdm__slots_fill_batch(e);
    if (n == 0)
        return;
    atomic_bool *interrupt = e->must_finish ? NULL : &e->interrupt;
    tdm_status status = tdm__forward_run(e->forward, e->rows, n, e->logits, interrupt);
    e->must_finish = status == TDM_ERR_CANCELLED;
    if (status == TDM_ERR_CANCELLED)
        return; /* nothing beyond n_done is in the caches */
    if (status != TDM_OK) {
        end_all(e, status);
        return;
    }
    count_tokens(e);
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        s->n_done += s->n_rows;
        s->n_rows = 0;
        if (s->logits)
            advance(e, s);
    }
}

void *tdm__engine_main(void *engine)
{
    tdm__engine *e = engine;
    for (;;) {
        tdm__job *cancelled;
        bool go_on = wait_for_work(e, &cancelled);
        for (tdm__job *next; cancelled; cancelled = next) {
            next = cancelled->next;
            end_queued(e, cancelled);
        }
        end_cancelled(e, !go_on);
        if (!go_on)
            break;
        admit_jobs(e);
        run_batch(e);
    }
    return NULL;
}
