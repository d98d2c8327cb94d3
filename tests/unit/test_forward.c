/* test_forward.c - what a row of a batch may ask for: logits, the best token alone, nothing, beside each other. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/forward.h"
#include "os/team.h"
#include "tiny_model.h"

enum { ROWS = 20, CONTEXT = 32, THREADS_MAX = 3 };

typedef struct world {
    tdm__tiny tiny;
    tdm__kernels kernels;
    tdm__team *team;
    tdm__forward *forward;
    tdm__kv kv;
    tdm__row rows[ROWS];
    size_t n_vocab;
} world;

static void open_world(world *w, const char *arch, tdm__kv_type kv_type, int n_threads)
{
    tdm_error err = {0};
    w->tiny = tdm__tiny_open(&(tdm__tiny_options){.arch = arch});
    w->n_vocab = w->tiny.model->hp.n_vocab;
    tdm__kernels_init(&w->kernels, tdm__cpu_isa());
    w->team = tdm__team_create(n_threads);
    assert_non_null(w->team);
    assert_int_equal(tdm__forward_create(w->tiny.model, &w->kernels, w->team, ROWS, CONTEXT, &w->forward, &err), 0);
    assert_int_equal(tdm__kv_init(&w->kv, w->tiny.model, CONTEXT, kv_type, &err), 0);
    for (size_t i = 0; i < ROWS; i++)
        w->rows[i] = (tdm__row){.token = (int32_t)(i * 37 % 256), .pos = i, .kv = &w->kv};
}

static void close_world(world *w)
{
    tdm__kv_fini(&w->kv);
    tdm__forward_destroy(w->forward);
    tdm__team_destroy(w->team);
    tdm__tiny_close(&w->tiny);
}

static int32_t first_of_the_largest(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return (int32_t)best;
}

/* Rows that want this and that, against the logits of all. */
static void check_mixture(world *w, const float *all, uint64_t seed)
{
    float *logits = malloc(ROWS * w->n_vocab * sizeof *logits);
    tdm__best best[ROWS];
    size_t n_logits = 0, n_best = 0;
    assert_non_null(logits);
    for (size_t i = 0; i < ROWS; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        w->rows[i].wants = (tdm__wants)((seed >> 33) % 3);
    }
    assert_int_equal(tdm__forward_run(w->forward, w->rows, ROWS, logits, best, NULL), TDM_OK);
    for (size_t i = 0; i < ROWS; i++) {
        const float *want = all + i * w->n_vocab;
        if (w->rows[i].wants == TDM__WANTS_LOGITS) {
            assert_memory_equal(logits + n_logits++ * w->n_vocab, want, w->n_vocab * sizeof *want);
        } else if (w->rows[i].wants == TDM__WANTS_BEST) {
            int32_t id = first_of_the_largest(want, w->n_vocab);
            assert_int_equal(best[n_best].row, id);
            assert_memory_equal(&best[n_best++].value, &want[id], sizeof *want);
        }
    }
    free(logits);
}

static void check_arch(const char *arch, int n_threads)
{
    world w;
    open_world(&w, arch, TDM__KV_F16, n_threads);
    float *all = malloc(ROWS * w.n_vocab * sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < ROWS; i++)
        w.rows[i].wants = TDM__WANTS_LOGITS;
    assert_int_equal(tdm__forward_run(w.forward, w.rows, ROWS, all, NULL, NULL), TDM_OK);
    for (uint64_t seed = 0; seed < 10; seed++)
        check_mixture(&w, all, seed);
    free(all);
    close_world(&w);
}

static void a_row_may_want_its_best_token_only_beside_rows_that_want_logits(void **state)
{
    (void)state;
    for (int n = 1; n <= THREADS_MAX; n++) {
        check_arch("qwen2", n);
        check_arch("llama", n);
    }
}

/* The largest difference of logits that a cache in q8 makes, with biases of keys so much larger in the last
 * quarter of each half of a head: pairs that turn by less than a radian within the tiny model's context. */
static double difference_in_q8(float more)
{
    enum { KEYS_MAX = 512 };
    float *logits[TDM__KV_N_TYPES];
    size_t n_vocab = 0;
    for (tdm__kv_type t = 0; t < TDM__KV_N_TYPES; t++) {
        static float biases[KEYS_MAX];
        world w;
        open_world(&w, "qwen2", t, 1);
        const tdm__hparams *hp = &w.tiny.model->hp;
        const size_t n = hp->n_kv_heads * hp->head_dim, half = hp->head_dim / 2;
        assert_true(n <= KEYS_MAX);
        n_vocab = w.n_vocab;
        for (size_t i = 0; i < n; i++)
            biases[i] = i % half >= half * 3 / 4 ? (i % 2 ? more : -more) : 0;
        for (size_t l = 0; l < hp->n_layers; l++)
            w.tiny.model->layers[l].k_bias = biases;
        logits[t] = malloc(ROWS * n_vocab * sizeof *logits[t]);
        assert_non_null(logits[t]);
        for (size_t i = 0; i < ROWS; i++)
            w.rows[i].wants = TDM__WANTS_LOGITS;
        assert_int_equal(tdm__forward_run(w.forward, w.rows, ROWS, logits[t], NULL, NULL), TDM_OK);
        close_world(&w);
    }
    double most = 0;
    for (size_t i = 0; i < ROWS * n_vocab; i++)
        most = fmax(most, fabs((double)logits[TDM__KV_F16][i] - (double)logits[TDM__KV_Q8][i]));
    free(logits[TDM__KV_F16]);
    free(logits[TDM__KV_Q8]);
    return most;
}

static void in_q8_a_bias_that_all_keys_have_costs_no_precision(void **state)
{
    (void)state;
    double none = difference_in_q8(0), large = difference_in_q8(60);
    print_message("logits differ by %g, with the bias by %g\n", none, large);
    assert_true(none > 0 && none < 1);
    assert_true(large < 2 * none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_may_want_its_best_token_only_beside_rows_that_want_logits),
        cmocka_unit_test(in_q8_a_bias_that_all_keys_have_costs_no_precision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
