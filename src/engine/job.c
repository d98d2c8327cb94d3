/* job.c - one answer as its owner sees it: checked, handed over, told about, ended.
 *
 * A job does not need its engine once it has ended: its mutex and its memory are its own, so that owners and the
 * engine may go in any order.
 */
#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "engine/engine_internal.h"
#include "os/clock.h"
#include "os/heap.h"

static tdm_status check_stops(const tdm__job_params *p, tdm_error *err)
{
    if (p->n_stops > TDM__STOPS_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "%zu stop strings, allowed are at most %d", p->n_stops, TDM__STOPS_MAX);
    for (size_t i = 0; i < p->n_stops; i++) {
        if (p->stops[i].len < 1 || p->stops[i].len > TDM__STOP_BYTES_MAX)
            TDM_FAIL(err, TDM_ERR_INVAL, "stop string %zu has %zu bytes, allowed are 1 to %d", i, p->stops[i].len,
                     TDM__STOP_BYTES_MAX);
        if (!tdm__text_is_utf8(p->stops[i]))
            TDM_FAIL(err, TDM_ERR_INVAL, "stop string %zu is not UTF-8", i);
    }
    return TDM_OK;
}

static tdm_status check_ids(const tdm__engine *e, const char *what, const int32_t *ids, size_t n, tdm_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= e->model->hp.n_vocab)
            TDM_FAIL(err, TDM_ERR_INVAL, "token %zu of the %s has id %d, the vocabulary ends at %zu", i, what,
                     (int)ids[i], e->model->hp.n_vocab - 1);
    return TDM_OK;
}

static size_t source_kept(const tdm__engine *e, const tdm__job_params *p)
{
    return tdm__min_size(p->n_draft_source, e->n_ctx);
}

static tdm_status check_drafting(const tdm__engine *e, const tdm__job_params *p, tdm_error *err)
{
    if ((unsigned)p->drafting > TDM__DRAFTING_ALWAYS)
        TDM_FAIL(err, TDM_ERR_INVAL, "drafting is %d, allowed are 0 (off), 1 (auto) and 2 (always)", (int)p->drafting);
    return check_ids(e, "draft's source", p->draft_source, source_kept(e, p), err);
}

static tdm_status check_params(const tdm__engine *e, const tdm__job_params *p, tdm_error *err)
{
    if (p->n_prompt < 1)
        TDM_FAIL(err, TDM_ERR_INVAL, "the prompt is empty");
    if (p->n_prompt >= e->n_ctx)
        TDM_FAIL(err, TDM_ERR_LIMIT,
                 "the prompt has %zu tokens; the context of %zu takes at most %zu, and one for the answer", p->n_prompt,
                 e->n_ctx, e->n_ctx - 1);
    TDM_TRY(check_ids(e, "prompt", p->prompt, p->n_prompt, err));
    TDM_TRY(check_drafting(e, p, err));
    if (p->n_public > p->n_prompt)
        TDM_FAIL(err, TDM_ERR_INVAL, "the first %zu tokens are said to be public, the prompt has %zu", p->n_public,
                 p->n_prompt);
    if (p->app && strnlen(p->app, TDM__APP_NAME_MAX + 1) > TDM__APP_NAME_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "the name of the app is longer than %d bytes", TDM__APP_NAME_MAX);
    if (p->priority != TDM__FOREGROUND && p->priority != TDM__BACKGROUND)
        TDM_FAIL(err, TDM_ERR_INVAL, "priority is %d, allowed are 0 (foreground) and 1 (background)", (int)p->priority);
    if (p->n_top_logprobs < -1 || p->n_top_logprobs > TDM__TOP_LOGPROBS_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "top_logprobs is %d, allowed are 0 to %d", p->n_top_logprobs,
                 TDM__TOP_LOGPROBS_MAX);
    TDM_TRY(check_stops(p, err));
    return tdm__sampling_check(&p->sampling, err);
}

static void free_job(tdm__job *j)
{
    pthread_cond_destroy(&j->ended);
    pthread_mutex_destroy(&j->mutex);
    tdm__free(j->prefix.keys);
    tdm__free(j->tokens);
    tdm__free(j);
}

size_t tdm__job_bytes(size_t n_tokens)
{
    return sizeof(tdm__job) + 2 * n_tokens * sizeof(int32_t) + n_tokens / TDM__KV_TILE * sizeof(tdm__prefix_key);
}

/* What an eviction keeps is reserved now, so that the engine's thread takes no memory for it. */
static size_t tokens_kept(const tdm__engine *e, const tdm__job_params *p)
{
    size_t n_max = p->max_tokens > 0 ? p->max_tokens : e->n_ctx;
    return p->priority == TDM__FOREGROUND ? p->n_prompt : p->n_prompt + tdm__min_size(n_max, e->n_ctx - p->n_prompt);
}

static tdm__str piece_of(const void *tokenizer, int32_t id) { return tdm__tokenizer_piece(tokenizer, id, false); }

/* Where the head has rows beyond the vocabulary, the best of all is no answer. */
static tdm__wants wants_of(const tdm__engine *e, const tdm__job_params *p)
{
    const bool is_whole = e->n_vocab == e->model->hp.n_vocab;
    return is_whole && tdm__sampling_reads_best_only(&p->sampling, p->n_top_logprobs) ? TDM__WANTS_BEST
                                                                                     : TDM__WANTS_LOGITS;
}

static tdm__job *create_job(tdm__engine *e, const tdm__job_params *p, tdm__job_fn fn, void *user)
{
    tdm__job *j = tdm__calloc(1, sizeof *j);
    const size_t n_kept = tokens_kept(e, p), n_source = source_kept(e, p);
    int32_t *tokens = tdm__malloc((n_kept + n_source) * sizeof *tokens);
    if (!j || !tokens) {
        tdm__free(j);
        tdm__free(tokens);
        return NULL;
    }
    memcpy(tokens, p->prompt, p->n_prompt * sizeof *tokens);
    if (n_source > 0)
        memcpy(tokens + n_kept, p->draft_source, n_source * sizeof *tokens);
    *j = (tdm__job){.fn = fn,
                    .user = user,
                    .priority = p->priority,
                    .app_key_id = p->app_key_id,
                    .n_public = p->n_public,
                    .tokens = tokens,
                    .n_tokens = p->n_prompt,
                    .n_prompt = p->n_prompt,
                    .max_tokens = p->max_tokens > 0 ? p->max_tokens : SIZE_MAX,
                    .sampling = p->sampling,
                    .n_top_logprobs = p->n_top_logprobs,
                    .ignore_end = p->ignore_end,
                    .wants = wants_of(e, p),
                    .drafting = e->n_draft_rows > 0 ? p->drafting : TDM__DRAFTING_OFF,
                    .interrupt = &e->queue_interrupt,
                    .submitted_ns = tdm__clock_ns()};
    if (p->app)
        memcpy(j->app, p->app, strlen(p->app));
    tdm__prefix_store_find(e->prefix, j->app, j->app_key_id, j->tokens, j->n_prompt, j->n_public, &j->prefix);
    tdm__drafter_init(&j->drafter, tokens + n_kept, n_source, piece_of, e->tokenizer);
    tdm__text_stream_init(&j->text, p->stops, p->n_stops);
    pthread_mutex_init(&j->mutex, NULL);
    pthread_cond_init(&j->ended, NULL);
    return j;
}

tdm_status tdm__engine_prepare(tdm__engine *e, const tdm__job_params *p, tdm__job_fn fn, void *user, tdm__job **out,
                               tdm_error *err)
{
    TDM_TRY(check_params(e, p, err));
    tdm__job *j = create_job(e, p, fn, user);
    if (!j)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a job of %zu tokens", p->n_prompt);
    *out = j;
    return TDM_OK;
}

void tdm__job_discard(tdm__job *prepared)
{
    if (prepared)
        free_job(prepared);
}

tdm_status tdm__engine_submit_prepared(tdm__engine *e, tdm__job *j, tdm__job **out, tdm_error *err)
{
    const tdm__priority priority = j->priority;
    pthread_mutex_lock(&e->mutex);
    bool busy = e->n_jobs >= e->n_jobs_max;
    if (!busy) {
        *out = j; /* before the engine can see it: DONE may come before this returns */
        if (e->inbox_last)
            e->inbox_last->next = j;
        else
            e->inbox_first = j;
        e->inbox_last = j;
        e->n_jobs++;
        e->stats.n_queued_of[priority]++;
        if (priority == TDM__FOREGROUND && e->is_background_batch)
            atomic_store(&e->interrupt, true);
        pthread_cond_signal(&e->work);
    }
    pthread_mutex_unlock(&e->mutex);
    if (!busy)
        return TDM_OK;
    free_job(j);
    TDM_FAIL(err, TDM_ERR_BUSY, "%zu answers are running or waiting, no more are taken", e->n_jobs_max);
}

tdm_status tdm__engine_submit(tdm__engine *e, const tdm__job_params *p, tdm__job_fn fn, void *user, tdm__job **out,
                              tdm_error *err)
{
    tdm__job *j;
    TDM_TRY(tdm__engine_prepare(e, p, fn, user, &j, err));
    return tdm__engine_submit_prepared(e, j, out, err);
}

void tdm__job_cancel(tdm__job *j)
{
    pthread_mutex_lock(&j->mutex);
    if (!atomic_exchange(&j->cancelled, true) && j->interrupt)
        atomic_store(j->interrupt, true);
    pthread_mutex_unlock(&j->mutex);
}

void tdm__job_destroy(tdm__job **job)
{
    tdm__job *j = *job;
    if (!j)
        return;
    *job = NULL;
    pthread_mutex_lock(&j->mutex);
    while (!j->has_ended)
        pthread_cond_wait(&j->ended, &j->mutex);
    pthread_mutex_unlock(&j->mutex);
    free_job(j);
}

void tdm__job_emit_token(tdm__job *j, const tdm__token_info *token, tdm__str piece)
{
    size_t n_tokens = 1;
    do {
        tdm__text_stream_feed(&j->text, &piece);
        tdm__str text = tdm__text_stream_take(&j->text);
        if (text.len > 0 || n_tokens > 0)
            j->fn(j->user, &(tdm__job_event){
                               .kind = TDM__JOB_TEXT, .text = text, .tokens = token, .n_tokens = n_tokens});
        n_tokens = 0;
    } while (piece.len > 0 && !j->text.stopped);
}

void tdm__job_emit_held(tdm__job *j)
{
    tdm__text_stream_end(&j->text);
    tdm__str text = tdm__text_stream_take(&j->text);
    if (text.len > 0)
        j->fn(j->user, &(tdm__job_event){.kind = TDM__JOB_TEXT, .text = text});
}

static double ms_between(uint64_t begin_ns, uint64_t end_ns) { return (double)(end_ns - begin_ns) / 1e6; }

static void fill_times(tdm__job *j)
{
    uint64_t now = tdm__clock_ns(); /* stages that were not reached took no time, the one it ended in ends now */
    uint64_t admitted = j->admitted_ns ? j->admitted_ns : now;
    uint64_t first = j->first_token_ns ? j->first_token_ns : now;
    j->timings.queue_ms = ms_between(j->submitted_ns, admitted);
    j->timings.prompt_ms = ms_between(admitted, first);
    j->timings.decode_ms = ms_between(first, now);
    j->timings.n_gaps = j->timings.n_generated > 1 ? j->timings.n_generated - 1 : 0;
    j->timings.gaps_ms = j->timings.n_gaps > 0 ? j->timings.decode_ms : 0;
}

void tdm__job_emit_done(tdm__job *j, tdm__finish finish, const tdm_error *error)
{
    assert(finish != TDM__FINISH_NONE);
    fill_times(j);
    tdm__job_event ev = {.kind = TDM__JOB_DONE, .finish = finish, .timings = j->timings};
    if (error)
        ev.error = *error;
    pthread_mutex_lock(&j->mutex);
    j->interrupt = NULL;
    pthread_mutex_unlock(&j->mutex);
    j->fn(j->user, &ev);
    pthread_mutex_lock(&j->mutex);
    j->has_ended = true;
    pthread_cond_signal(&j->ended);
    pthread_mutex_unlock(&j->mutex);
}
