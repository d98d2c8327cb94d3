/* admission.c - from the callers' threads into slots, and out of them.
 *
 *      submit ─► inbox ─► fair queue ─► slot ─► end
 *                            ▲           │
 *                            └─ evicted ─┘   background, when foreground needs the slot
 *
 * Background gets slots only while there is no foreground at all; those it has then stand still as soon as there is
 * some (slot.c), and are taken one by one, the youngest first, when foreground needs them. An evicted job keeps its
 * tokens in memory that was taken with it; its cache is computed again, with the same bits.
 */
#include <assert.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "os/clock.h"

enum { LEAVES = -1, STAYS = 0, COMES = 1 };

/* A job goes from one place to another, or ends. */
static void count_job(tdm__engine *e, tdm__priority p, int waiting, int running)
{
    pthread_mutex_lock(&e->mutex);
    e->stats.n_queued_of[p] += (size_t)waiting; /* unsigned, so that adding -1 takes one away */
    e->stats.n_running_of[p] += (size_t)running;
    if (waiting + running == LEAVES) {
        e->n_jobs--;
        e->stats.n_jobs_done++;
    }
    if (waiting == COMES)
        e->stats.n_evictions++;
    pthread_mutex_unlock(&e->mutex);
}

/* What a cancel of j sets from now on. One that came before has set the other: it is passed on. */
static void set_interrupt(tdm__job *j, atomic_bool *interrupt)
{
    pthread_mutex_lock(&j->mutex);
    j->interrupt = interrupt;
    if (atomic_load(&j->cancelled))
        atomic_store(interrupt, true);
    pthread_mutex_unlock(&j->mutex);
}

void tdm__engine_end_job(tdm__engine *e, tdm__slot *s, tdm__finish finish, const tdm_error *error)
{
    tdm__job *j = s->job;
    s->job = NULL;
    s->donor = NULL;
    s->logits = NULL;
    s->best = NULL;
    tdm__fair_queue_forget(&e->queue, j);
    count_job(e, j->priority, STAYS, LEAVES);
    tdm__job_emit_done(j, finish, error);
}

static void end_waiting(tdm__engine *e, bool all)
{
    tdm__job *next;
    for (tdm__job *j = tdm__fair_queue_remove_cancelled(&e->queue, all); j; j = next) {
        next = j->next;
        count_job(e, j->priority, LEAVES, STAYS);
        tdm__job_emit_done(j, TDM__FINISH_CANCELLED, NULL);
    }
}

bool tdm__engine_take_jobs(tdm__engine *e)
{
    pthread_mutex_lock(&e->mutex);
    while (!e->stop && e->n_jobs == 0)
        pthread_cond_wait(&e->work, &e->mutex);
    tdm__job *inbox = e->inbox_first;
    e->inbox_first = e->inbox_last = NULL;
    bool go_on = !e->stop;
    pthread_mutex_unlock(&e->mutex);

    for (tdm__job *j = inbox, *next; j; j = next) {
        next = j->next;
        tdm__fair_queue_add(&e->queue, j);
    }
    if (atomic_exchange(&e->queue_interrupt, false) || !go_on)
        end_waiting(e, !go_on);
    return go_on;
}

static bool has_free_slot(const tdm__engine *e)
{
    for (size_t i = 0; i < e->n_slots; i++)
        if (!e->slots[i].job)
            return true;
    return false;
}

/* The youngest of background gives its slot up; false: there is none. */
static bool evict_one(tdm__engine *e)
{
    tdm__slot *youngest = NULL;
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        if (s->job && s->job->priority != TDM__FOREGROUND && (!youngest || s->admitted > youngest->admitted))
            youngest = s;
    }
    if (!youngest)
        return false;
    tdm__job *j = youngest->job;
    memcpy(j->tokens, youngest->tokens, youngest->n_tokens * sizeof j->tokens[0]);
    j->n_tokens = youngest->n_tokens;
    youngest->job = NULL;
    youngest->donor = NULL;
    youngest->logits = NULL;
    youngest->best = NULL;
    tdm__fair_queue_return(&e->queue, j);
    count_job(e, j->priority, COMES, LEAVES);
    set_interrupt(j, &e->queue_interrupt);
    return true;
}

/* Rows that are as good as given: without them, an app that comes with many jobs would get all free slots at once. */
static void set_pending(tdm__engine *e, tdm__priority priority)
{
    for (size_t i = 0; i < e->n_slots; i++) {
        tdm__slot *s = &e->slots[i];
        if (s->job && s->job->priority == priority)
            s->job->account->n_rows_pending += s->n_tokens - s->n_done;
    }
}

static void admit_next(tdm__engine *e, tdm__priority priority)
{
    set_pending(e, priority);
    tdm__job *j = tdm__fair_queue_take(&e->queue, priority);
    tdm__slot *s = tdm__slot_find(e, j);
    tdm__slot_begin(e, s, j);
    e->n_rows_reused += s->n_done;
    tdm__slot_find_donor(e, s);
    if (j->admitted_ns == 0)
        j->admitted_ns = tdm__clock_ns();
    count_job(e, j->priority, LEAVES, COMES);
    set_interrupt(j, &e->interrupt);
}

void tdm__engine_admit_jobs(tdm__engine *e)
{
    const tdm__fair_queue *q = &e->queue;
    while (q->n_waiting[TDM__FOREGROUND] > 0 && (has_free_slot(e) || evict_one(e)))
        admit_next(e, TDM__FOREGROUND);
    while (q->n_jobs[TDM__FOREGROUND] == 0 && q->n_waiting[TDM__BACKGROUND] > 0 && has_free_slot(e))
        admit_next(e, TDM__BACKGROUND);
}
