/* team.c - generation counter + spin, then futex; no lock on the way.
 *
 * Whoever goes to sleep says so first and then looks again; whoever changes the word changes it first and then looks
 * for sleepers. Both in sequential consistency, so one of the two always sees the other (Dekker).
 */
#define _GNU_SOURCE
#include "os/team.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/heap.h"
#include "os/thread.h"

/* About 50 us of spinning: longer than the serial stretches between two runs inside a token, shorter than what a
 * person would see on a battery. */
enum { SPIN_TURNS = 4000, TEAM_SIZE_MAX = 1024 };

typedef struct worker {
    tdm__team *team;
    pthread_t thread;
    int i;
} worker;

struct tdm__team {
    int n;
    int n_started;
    _Atomic uint32_t generation; /* bumped once a run; workers wait for it to change */
    _Atomic uint32_t n_sleeping; /* workers that are (about to be) in the futex on generation */
    _Atomic uint32_t n_busy;     /* workers still inside the run */
    _Atomic bool caller_sleeps;  /* member 0 is (about to be) in the futex on n_busy */
    _Atomic bool stop;
    tdm__team_fn fn;
    void *ctx;
    worker workers[];
};

static void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, (uint32_t *)word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake_all(_Atomic uint32_t *word)
{
    syscall(SYS_futex, (uint32_t *)word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void wait_for_generation(tdm__team *t, uint32_t seen)
{
    for (int i = 0; i < SPIN_TURNS; i++) {
        if (atomic_load_explicit(&t->generation, memory_order_acquire) != seen)
            return;
        cpu_relax();
    }
    atomic_fetch_add(&t->n_sleeping, 1);
    while (atomic_load(&t->generation) == seen)
        futex_wait(&t->generation, seen);
    atomic_fetch_sub(&t->n_sleeping, 1);
}

static void *worker_main(void *arg)
{
    worker *w = arg;
    tdm__team *t = w->team;
    for (uint32_t seen = 0;; seen++) {
        wait_for_generation(t, seen);
        if (atomic_load_explicit(&t->stop, memory_order_relaxed))
            return NULL;
        t->fn(t->ctx, w->i, t->n);
        if (atomic_fetch_sub(&t->n_busy, 1) == 1 && atomic_load(&t->caller_sleeps))
            futex_wake_all(&t->n_busy);
    }
}

static void begin_run(tdm__team *t)
{
    atomic_fetch_add(&t->generation, 1);
    if (atomic_load(&t->n_sleeping) > 0)
        futex_wake_all(&t->generation);
}

void tdm__team_run(tdm__team *t, tdm__team_fn fn, void *ctx)
{
    if (t->n == 1) {
        fn(ctx, 0, 1);
        return;
    }
    t->fn = fn;
    t->ctx = ctx;
    atomic_store_explicit(&t->n_busy, (uint32_t)t->n - 1, memory_order_relaxed);
    begin_run(t);
    fn(ctx, 0, t->n);
    for (int i = 0; i < SPIN_TURNS; i++) {
        if (atomic_load_explicit(&t->n_busy, memory_order_acquire) == 0)
            return;
        cpu_relax();
    }
    atomic_store(&t->caller_sleeps, true);
    for (uint32_t busy; (busy = atomic_load(&t->n_busy)) != 0;)
        futex_wait(&t->n_busy, busy);
    atomic_store(&t->caller_sleeps, false);
}

tdm__team *tdm__team_create(int n)
{
    if (n < 1 || n > TEAM_SIZE_MAX) {
        errno = EINVAL;
        return NULL;
    }
    tdm__team *t = tdm__calloc(1, sizeof *t + (size_t)n * sizeof t->workers[0]);
    if (!t)
        return NULL;
    t->n = n;
    for (int i = 1; i < n; i++) {
        t->workers[i] = (worker){.team = t, .i = i};
        int rc = tdm__thread_start(&t->workers[i].thread, worker_main, &t->workers[i]);
        if (rc != 0) {
            tdm__team_destroy(t);
            errno = rc;
            return NULL;
        }
        t->n_started = i;
    }
    return t;
}

void tdm__team_destroy(tdm__team *t)
{
    if (!t)
        return;
    atomic_store(&t->stop, true);
    begin_run(t);
    for (int i = 1; i <= t->n_started; i++)
        pthread_join(t->workers[i].thread, NULL);
    tdm__free(t);
}

int tdm__team_size(const tdm__team *t) { return t->n; }

void tdm__team_range(size_t n_items, int i, int n, size_t *begin, size_t *end)
{
    size_t each = n_items / (size_t)n, rest = n_items % (size_t)n, at = (size_t)i;
    *begin = each * at + (at < rest ? at : rest);
    *end = *begin + each + (at < rest ? 1 : 0);
}
