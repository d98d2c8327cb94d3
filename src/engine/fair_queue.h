/* fair_queue.h - jobs that wait, by app and priority, and what each app has been given so far.
 *
 * Service is counted in rows computed. Of the apps that want something, the one with the least service goes next;
 * within an app the first come goes first. An app that was away starts where the least served of those present
 * stands, so that idleness is not saved up (start-time fair queueing: Goyal, Vin, Cheng 1996). The two priorities
 * are accounts of their own: what ran while nobody waited is not held against anybody.
 *
 * The table of apps is bounded. One without jobs gives its place to a newcomer, the one longest unused first; apps
 * beyond the table share one more account, and one fair part.
 *
 * Owned by the engine's thread. It links jobs and never frees one.
 */
#ifndef TDM_ENGINE_FAIR_QUEUE_H
#define TDM_ENGINE_FAIR_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

enum { TDM__APPS_MAX = 256 };

/* An app's account at one priority. */
typedef struct tdm__account {
    tdm__job *first, *last;  /* that wait */
    size_t n_jobs;           /* that wait or run */
    uint64_t n_rows;         /* service so far */
    uint64_t n_rows_pending; /* its running jobs are about to take: set by the caller before take, which clears it */
    uint64_t n_rows_turn;    /* in the batch in work: kept by the caller, added to n_rows once that is done */
    uint64_t taken;          /* number of the last take: the one whose turn is longest ago goes first among equals */
} tdm__account;

typedef struct tdm__app {
    char name[TDM__APP_NAME_TEXT];
    uint64_t used; /* when it was last asked for; 0: a free place */
    tdm__account accounts[TDM__N_PRIORITIES];
} tdm__app;

typedef struct tdm__fair_queue {
    tdm__app apps[TDM__APPS_MAX + 1];  /* the last one is for those who found no place */
    size_t n_jobs[TDM__N_PRIORITIES];  /* that wait or run */
    size_t n_waiting[TDM__N_PRIORITIES];
    uint64_t left_at[TDM__N_PRIORITIES]; /* the most service that one had who left: where the first of all starts */
    uint64_t n_used, n_taken;
} tdm__fair_queue;

/* A new job at its app's end. Sets its account. */
void tdm__fair_queue_add(tdm__fair_queue *q, tdm__job *j);

/* A job that was taken and could not stay, at its app's head. */
void tdm__fair_queue_return(tdm__fair_queue *q, tdm__job *j);

/* The job whose turn it is, or NULL: of the account with the least service, pending rows included. */
tdm__job *tdm__fair_queue_take(tdm__fair_queue *q, tdm__priority priority);

/* Whether a is to be served before b, rows of this turn's batch included. */
bool tdm__account_is_before(const tdm__account *a, const tdm__account *b);

/* A job that was taken has ended. */
void tdm__fair_queue_forget(tdm__fair_queue *q, const tdm__job *j);

/* The cancelled (or all) that wait, as a list by `next`, forgotten already. */
tdm__job *tdm__fair_queue_remove_cancelled(tdm__fair_queue *q, bool all);

#endif
