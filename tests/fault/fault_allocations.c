/* fault_allocations.c - the journey again and again, each time with another allocation that fails.
 *
 *     fault_allocations MODEL ours|jansson|sqlite|libcrypto RUNS [FIRST]
 *
 * One call of the allocator fails, the others work. RUNS spreads them over all calls of the journey (0: every call).
 * The libraries' own allocators are replaced before their first use, so one process tests one of them. A journey that
 * hangs is ended by SIGALRM, and the line before says which allocation it was.
 */
#define _POSIX_C_SOURCE 200809L
#include <jansson.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journey.h"
#include "marked_heap.h"
#include "temp_folder.h"

enum { SECONDS_MAX = 60 };

static marked_heap heap;
static tdm_allocator hooks;

/* ---- jansson, SQLite, libcrypto in terms of the marked heap ---- */

static void *hooked_malloc(size_t n) { return hooks.alloc(&heap, n > 0 ? n : 1); }

static void hooked_free(void *p)
{
    if (p)
        hooks.release(&heap, p);
}

/* The block's size stands before it. */
static void *sized_malloc(int n)
{
    int *p = hooked_malloc((size_t)n + 16);
    if (!p)
        return NULL;
    *p = n;
    return (char *)p + 16;
}
static void sized_free(void *p) { hooked_free(p ? (char *)p - 16 : NULL); }
static int sized_size(void *p) { return p ? *(int *)(void *)((char *)p - 16) : 0; }
static void *sized_realloc(void *p, int n)
{
    char *q = hooks.resize(&heap, (char *)p - 16, (size_t)n + 16);
    if (!q)
        return NULL;
    *(int *)(void *)q = n;
    return q + 16;
}
static int sized_roundup(int n) { return (n + 7) & ~7; }
static int sized_init(void *user)
{
    (void)user;
    return SQLITE_OK;
}
static void sized_shutdown(void *user) { (void)user; }

static void *placed_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return hooked_malloc(n);
}
static void *placed_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    if (n == 0) {
        hooked_free(p);
        return NULL;
    }
    return hooks.resize(&heap, p, n);
}
static void placed_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    hooked_free(p);
}

static bool set_hooks(const char *whose)
{
    static const sqlite3_mem_methods methods = {.xMalloc = sized_malloc,
                                                .xFree = sized_free,
                                                .xRealloc = sized_realloc,
                                                .xSize = sized_size,
                                                .xRoundup = sized_roundup,
                                                .xInit = sized_init,
                                                .xShutdown = sized_shutdown};
    hooks = marked_heap_allocator(&heap);
    if (strcmp(whose, "ours") == 0)
        return tdm_set_allocator(&hooks, NULL) == TDM_OK;
    if (strcmp(whose, "libcrypto") == 0)
        return CRYPTO_set_mem_functions(placed_malloc, placed_realloc, placed_free) == 1;
    if (strcmp(whose, "sqlite") == 0)
        return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK;
    if (strcmp(whose, "jansson") == 0)
        json_set_alloc_funcs(hooked_malloc, hooked_free);
    return strcmp(whose, "jansson") == 0;
}

/* ---- the sweep ---- */

static void run(journey *j, const char *model, const char *folder, size_t fail_at)
{
    char state_dir[128], path[160];
    snprintf(state_dir, sizeof state_dir, "%s/state", folder);
    *j = (journey){.model = model, .state_dir = state_dir};
    alarm(SECONDS_MAX);
    marked_heap_arm(&heap, fail_at);
    journey_run(j);
    atomic_store(&heap.fail_at, 0);
    j->state_dir = NULL;
    static const char *const files[] = {"usage.sqlite", "usage.sqlite-wal", "usage.sqlite-shm", "usage.sqlite-journal"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) { /* made anew each time: that is part of the journey */
        snprintf(path, sizeof path, "%s/%s", state_dir, files[i]);
        unlink(path);
    }
}

static int sweep(const char *model, const char *folder, size_t n_runs, size_t first)
{
    journey usual, j;
    run(&usual, model, folder, 0); /* what is made once in a process */
    run(&usual, model, folder, 0);
    const size_t n_calls = atomic_load(&heap.n_calls), n_left = atomic_load(&heap.n_blocks);
    printf("%zu allocations, %zu calls of which %zu fail by themselves (%s), %zu blocks stay\n", n_calls, usual.n_calls,
           usual.n_failed, usual.first_failure, n_left);
    if (usual.wrong[0] != '\0') {
        printf("already without a failure: %s\n", usual.wrong);
        return 1;
    }
    const size_t step = n_runs > 0 && n_runs < n_calls ? n_calls / n_runs : 1;
    size_t n_wrong = 0, n_as_ever = 0, n = 0;
    for (size_t at = first; at <= n_calls; at += step, n++) {
        printf("\r%zu", at);
        fflush(stdout);
        run(&j, model, folder, at);
        const bool fails_as_ever = strcmp(j.failures, usual.failures) == 0; /* noise seldom passes a verb's checks */
        const bool as_ever = fails_as_ever && strcmp(j.answer, usual.answer) == 0;
        n_as_ever += as_ever;
        if (j.wrong[0] == '\0' && !as_ever && fails_as_ever)
            snprintf(j.wrong, sizeof j.wrong, "success with another end");
        if (j.wrong[0] != '\0')
            printf("\rallocation %zu: %s (%s)\n", at, j.wrong, j.first_failure);
        n_wrong += j.wrong[0] != '\0';
    }
    printf("\r%zu journeys, %zu went as ever, %zu failed as they should, %zu wrong\n", n, n_as_ever,
           n - n_as_ever - n_wrong, n_wrong);
    return n_wrong > 0;
}

int main(int argc, char **argv)
{
    char folder[TDM__TEMP_FOLDER_TEXT];
    if (argc < 4) {
        fprintf(stderr, "usage: fault_allocations MODEL ours|jansson|sqlite|libcrypto RUNS [FIRST]\n");
        return 2;
    }
    if (!set_hooks(argv[2])) {
        fprintf(stderr, "fault_allocations: the allocator of %s cannot be set\n", argv[2]);
        return 2;
    }
    tdm__temp_folder_make(folder);
    const int rc = sweep(argv[1], folder, strtoul(argv[3], NULL, 10), argc > 4 ? strtoul(argv[4], NULL, 10) : 1);
    tdm__temp_folder_remove(folder);
    return rc;
}
