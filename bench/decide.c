/* decide.c - how long a decision takes: 1,000 rules (100 features x 10 back ends), 100 partners.
 *
 *     bench-decide [ROUNDS]
 *
 * Each timed round decides once for each of 100 features in turn, so that no cell stays hot; the figure is a round's
 * time through 100. Two policies: all is allowed (every check of every back end runs), and a submitted case (all is
 * refused).
 */
#include <stdio.h>
#include <stdlib.h>

#include "../tests/unit/decide_world.h"
#include "os/clock.h"

enum { N_FEATURES = 100, N_BACKENDS = 10, N_PARTNERS = 100, ROUNDS_MAX = 100000 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *what, decide_world *w, double *us, size_t n_rounds)
{
    static tdm__decision d;
    size_t n_steps = 0;
    for (size_t r = 0; r < n_rounds; r++) {
        uint64_t start = tdm__clock_ns();
        for (size_t i = 0; i < N_FEATURES; i++) {
            w->facts.feature = w->cells[(i * 37) % N_FEATURES].feature;
            tdm__decide(&w->rules, &w->facts, &d);
            n_steps += d.n_plan;
        }
        us[r] = (double)(tdm__clock_ns() - start) / 1e3 / N_FEATURES;
    }
    qsort(us, n_rounds, sizeof us[0], by_value);
    printf("%-24s median %.3f us, least %.3f, 99th %.3f (%zu rounds of %d, %.1f steps a plan)\n", what,
           us[n_rounds / 2], us[0], us[n_rounds * 99 / 100], n_rounds, N_FEATURES,
           (double)n_steps / (double)n_rounds / N_FEATURES);
}

int main(int argc, char **argv)
{
    size_t n_rounds = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 2000;
    if (n_rounds == 0 || n_rounds > ROUNDS_MAX)
        return 2;
    decide_world *w = decide_world_create(N_FEATURES, N_BACKENDS, N_PARTNERS);
    double *us = malloc(n_rounds * sizeof *us);
    if (!us)
        return 1;
    measure("all allowed", w, us, n_rounds);
    w->facts.named_partner = "p0007";
    measure("a partner is named", w, us, n_rounds);
    w->facts.named_partner = "";
    for (size_t i = 0; i < (size_t)N_FEATURES * N_BACKENDS; i++)
        w->candidates[i].filing.why_not = TDM__REASON_FILING_SUBMITTED;
    measure("all refused", w, us, n_rounds);
    free(us);
    decide_world_destroy(w);
    return 0;
}
