/* rows.c - what a pass of m rows costs, beside what it may: 1.15 x max(one row, m x a row of a prompt).
 *
 * m tokens that follow each other, as drafts and prompts have them, m from 1 to 128, in turn, the least of some rounds.
 * Twice: with the best token of the last row, as a prompt wants it, and of every row, as a draft's check does. A row of
 * a prompt is the 128th part of the pass of 128. With one thread it is the time on the processor, so that neighbours
 * count little.
 *
 *      meson compile -C build tests/unit/bench_rows && build/tests/unit/bench_rows MODEL PACKED [THREADS [ISA]]
 *
 * PACKED is the folder of packed weights that tandem uses (CACHE/packed).
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model/forward.h"
#include "os/team.h"

enum { ROWS_MAX = 128, ROUNDS = 7, N_SIZES = 14 };

static const double MARGIN = 1.15;
static const size_t sizes[N_SIZES] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, ROWS_MAX};

static double now_ms(int n_threads)
{
    struct timespec t;
    clock_gettime(n_threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

/* least[i]: milliseconds of a pass of sizes[i] rows. */
static tdm_status measure(tdm__forward *f, tdm__kv *kv, size_t n_vocab, bool wants_all, int n_threads, double *least)
{
    tdm__row rows[ROWS_MAX];
    tdm__best best[ROWS_MAX];
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < N_SIZES; i++) {
            for (size_t r = 0; r < sizes[i]; r++)
                rows[r] = (tdm__row){.token = (int32_t)(r * 7919 % n_vocab), .pos = r, .kv = kv,
                                     .wants = wants_all || r + 1 == sizes[i] ? TDM__WANTS_BEST : TDM__WANTS_NONE};
            double begin = now_ms(n_threads);
            tdm_status s = tdm__forward_run(f, rows, sizes[i], NULL, best, NULL);
            double ms = now_ms(n_threads) - begin;
            if (s != TDM_OK)
                return s;
            if (round == 0 || ms < least[i])
                least[i] = ms;
        }
    return TDM_OK;
}

static void print(const char *what, const double *ms)
{
    printf("%s\n%6s %10s %10s %8s\n", what, "rows", "ms", "may", "of it");
    for (size_t i = 0; i < N_SIZES; i++) {
        double shared = (double)sizes[i] * ms[N_SIZES - 1] / ROWS_MAX;
        double may = MARGIN * (shared > ms[0] ? shared : ms[0]);
        printf("%6zu %10.3f %10.3f %8.2f%s\n", sizes[i], ms[i], may, ms[i] / may, ms[i] > may ? "  beyond" : "");
    }
}

int main(int argc, char **argv)
{
    tdm_error err = {0};
    tdm__model *m = NULL;
    tdm__forward *f = NULL;
    tdm__kv kv = {0};
    tdm__kernels kernels;
    tdm__isa isa = tdm__cpu_isa();
    double last[N_SIZES], all[N_SIZES];
    int n_threads = argc > 3 ? (int)strtol(argv[3], NULL, 10) : tdm__cpu_count();
    if (argc < 3 || n_threads < 1 || (argc > 4 && tdm__isa_parse(argv[4], &isa) != 0)) {
        fprintf(stderr, "usage: bench_rows MODEL PACKED [THREADS [ISA]]\n");
        return 2;
    }
    tdm__kernels_init(&kernels, isa);
    tdm__team *team = tdm__team_create(n_threads);
    tdm_status s = team ? tdm__model_open(argv[1], argv[2], &m, &err) : TDM_ERR_NOMEM;
    if (s == TDM_OK)
        s = tdm__forward_create(m, &kernels, team, ROWS_MAX, ROWS_MAX, &f, &err);
    if (s == TDM_OK)
        s = tdm__kv_init(&kv, m, ROWS_MAX, TDM__KV_F16, &err);
    if (s == TDM_OK)
        s = measure(f, &kv, m->hp.n_vocab, false, n_threads, last);
    if (s == TDM_OK)
        s = measure(f, &kv, m->hp.n_vocab, true, n_threads, all);
    if (s == TDM_OK) {
        printf("%d threads, %s\n", n_threads, tdm__isa_name(kernels.isa));
        print("the last row's best token", last);
        print("every row's best token", all);
    } else {
        fprintf(stderr, "bench_rows: %s\n", err.msg);
    }
    tdm__kv_fini(&kv);
    tdm__forward_destroy(f);
    tdm__model_close(m);
    tdm__team_destroy(team);
    return s == TDM_OK ? 0 : 1;
}
