/* team.h - a worker team of fixed size that runs one function on all its members at a time.
 *
 * The caller is member 0. Workers spin for a while after each run and then sleep on a futex, so that the many short
 * runs of one token cost no system call and an idle daemon costs no CPU. Work is split over output rows and never
 * over a summed dimension: results do not depend on n.
 */
#ifndef TDM_OS_TEAM_H
#define TDM_OS_TEAM_H

#include <stddef.h>

typedef struct tdm__team tdm__team;

/* fn(ctx, i, n) runs on member i of n. It must not block and not call tdm__team_run. */
typedef void (*tdm__team_fn)(void *ctx, int i, int n);

/* Starts n - 1 threads (n >= 1). NULL and errno on failure. One thread at a time may call run. */
tdm__team *tdm__team_create(int n);
void tdm__team_destroy(tdm__team *t);
int tdm__team_size(const tdm__team *t);

/* Runs fn on all members and returns when all have finished. */
void tdm__team_run(tdm__team *t, tdm__team_fn fn, void *ctx);

/* The half-open part [*begin, *end) of n_items that member i of n gets: contiguous and balanced, the same for the
 * same arguments, so that a member touches the same weights in each token. */
void tdm__team_range(size_t n_items, int i, int n, size_t *begin, size_t *end);

#endif
