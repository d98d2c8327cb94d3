/* fair_queue.c - one list a priority and app; every choice is a walk over the table, which is small. */
#include "engine/fair_queue.h"

#include <assert.h>
#include <string.h>

#include "base/checked.h"
#include "engine/engine_internal.h"

static bool has_jobs(const tdm__app *a)
{
    for (size_t p = 0; p < TDM__N_PRIORITIES; p++)
        if (a->accounts[p].n_jobs > 0)
            return true;
    return false;
}

/* The app of that name; else a place for it: one never used, or the one that is idle longest, or the shared one. */
static tdm__app *app_named(tdm__fair_queue *q, const char *name)
{
    tdm__app *place = NULL;
    for (size_t i = 0; i < TDM__APPS_MAX; i++) {
        tdm__app *a = &q->apps[i];
        if (a->used > 0 && strcmp(a->name, name) == 0)
            return a;
        if (!has_jobs(a) && (!place || a->used < place->used))
            place = a;
    }
    if (!place)
        return &q->apps[TDM__APPS_MAX];
    *place = (tdm__app){0};
    memcpy(place->name, name, strlen(name) + 1);
    return place;
}

/* Where one starts who joins the others now. */
static uint64_t least_service(const tdm__fair_queue *q, tdm__priority priority)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i <= TDM__APPS_MAX; i++) {
        const tdm__account *a = &q->apps[i].accounts[priority];
        if (a->n_jobs > 0 && a->n_rows < least)
            least = a->n_rows;
    }
    return q->n_jobs[priority] > 0 ? least : q->left_at[priority];
}

void tdm__fair_queue_add(tdm__fair_queue *q, tdm__job *j)
{
    tdm__app *app = app_named(q, j->app);
    tdm__account *a = &app->accounts[j->priority];
    app->used = ++q->n_used;
    if (a->n_jobs == 0) {
        uint64_t least = least_service(q, j->priority);
        a->n_rows = a->n_rows > least ? a->n_rows : least;
    }
    j->account = a;
    j->next = NULL;
    if (a->last)
        a->last->next = j;
    else
        a->first = j;
    a->last = j;
    a->n_jobs++;
    q->n_jobs[j->priority]++;
    q->n_waiting[j->priority]++;
}

void tdm__fair_queue_return(tdm__fair_queue *q, tdm__job *j)
{
    tdm__account *a = j->account;
    j->next = a->first;
    a->first = j;
    if (!a->last)
        a->last = j;
    q->n_waiting[j->priority]++;
}

static bool goes_first(const tdm__account *a, uint64_t a_rows, const tdm__account *b, uint64_t b_rows)
{
    return a_rows < b_rows || (a_rows == b_rows && a->taken < b->taken);
}

bool tdm__account_is_before(const tdm__account *a, const tdm__account *b)
{
    return goes_first(a, a->n_rows + a->n_rows_turn, b, b->n_rows + b->n_rows_turn);
}

tdm__job *tdm__fair_queue_take(tdm__fair_queue *q, tdm__priority priority)
{
    tdm__account *next = NULL;
    uint64_t least = 0;
    for (size_t i = 0; i <= TDM__APPS_MAX; i++) {
        tdm__account *a = &q->apps[i].accounts[priority];
        uint64_t n_rows = a->n_rows + a->n_rows_pending;
        a->n_rows_pending = 0;
        if (a->first && (!next || goes_first(a, n_rows, next, least))) {
            next = a;
            least = n_rows;
        }
    }
    if (!next)
        return NULL;
    tdm__job *j = next->first;
    next->first = j->next;
    if (!next->first)
        next->last = NULL;
    next->taken = ++q->n_taken;
    j->next = NULL;
    q->n_waiting[priority]--;
    return j;
}

void tdm__fair_queue_forget(tdm__fair_queue *q, const tdm__job *j)
{
    tdm__account *a = j->account;
    assert(a->n_jobs > 0);
    q->n_jobs[j->priority]--;
    if (--a->n_jobs == 0 && a->n_rows > q->left_at[j->priority])
        q->left_at[j->priority] = a->n_rows;
}

/* Puts the cancelled ones of an account before *taken. */
static void remove_from(tdm__fair_queue *q, tdm__account *a, bool all, tdm__job **taken)
{
    tdm__job *last = NULL;
    for (tdm__job **at = &a->first; *at;) {
        tdm__job *j = *at;
        if (all || atomic_load(&j->cancelled)) {
            *at = j->next;
            j->next = *taken;
            *taken = j;
            q->n_waiting[j->priority]--;
            tdm__fair_queue_forget(q, j);
        } else {
            last = j;
            at = &j->next;
        }
    }
    a->last = last;
}

tdm__job *tdm__fair_queue_remove_cancelled(tdm__fair_queue *q, bool all)
{
    tdm__job *taken = NULL;
    for (size_t i = 0; i <= TDM__APPS_MAX; i++)
        for (size_t p = 0; p < TDM__N_PRIORITIES; p++)
            remove_from(q, &q->apps[i].accounts[p], all, &taken);
    return taken;
}
