/* test_sampler.c - the sampler against transformers' warpers (tools/make_sampler_vectors.py), a chi-square of its
 * draws, and broken logits. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/sampler.h"
#include "os/clock.h"

static tdm__kernels kernels;

static tdm__sampler *sampler_of(size_t n_vocab)
{
    tdm__sampler *s = NULL;
    assert_int_equal(tdm__sampler_create(&kernels, n_vocab, &s, NULL), TDM_OK);
    return s;
}

static float number(const json_t *object, const char *key)
{
    return (float)json_number_value(json_object_get(object, key));
}

static void check_case(const json_t *c)
{
    enum { MAX = 256 };
    const json_t *list = json_object_get(c, "logits"), *tokens = json_object_get(c, "tokens");
    const json_t *ids = json_object_get(c, "ids"), *probs = json_object_get(c, "probs");
    const json_t *params = json_object_get(c, "params");
    float logits[MAX], seen[MAX] = {0};
    int32_t history[MAX];
    size_t n = json_array_size(list), n_history = json_array_size(tokens);
    assert_in_range(n, 1, MAX);
    for (size_t i = 0; i < n; i++)
        logits[i] = (float)json_number_value(json_array_get(list, i));
    for (size_t i = 0; i < n_history; i++)
        history[i] = (int32_t)json_integer_value(json_array_get(tokens, i));

    tdm__sampling p = tdm__sampling_default();
    p.temperature = number(params, "temperature");
    p.top_k = (int)number(params, "top_k");
    p.top_p = number(params, "top_p");
    p.min_p = number(params, "min_p");
    p.repeat_penalty = number(params, "repeat_penalty");
    tdm__sampler *s = sampler_of(n);
    tdm__distribution d;
    tdm__history h = {history, n_history, n_history};
    assert_int_equal(tdm__sampler_filter(s, &p, &h, logits, &d, NULL), TDM_OK);
    assert_int_equal(d.n, json_array_size(ids));

    double sum = 0;
    for (size_t i = 0; i < d.n; i++)
        sum += (double)d.probs[i];
    for (size_t i = 0; i < d.n; i++)
        seen[d.ids[i]] = (float)((double)d.probs[i] / sum);
    for (size_t i = 0; i < d.n; i++) {
        double want = json_number_value(json_array_get(probs, i));
        double have = (double)seen[json_integer_value(json_array_get(ids, i))];
        if (fabs(want - have) > 2e-5 * want + 1e-9)
            fail_msg("entry %zu: probability %.8g, transformers has %.8g", i, have, want);
    }
    tdm__sampler_destroy(s);
}

static void filtered_distributions_are_those_of_transformers(void **state)
{
    (void)state;
    json_error_t e;
    json_t *cases = json_load_file(getenv("TANDEM_TEST_SAMPLER"), 0, &e), *c;
    assert_non_null(cases);
    assert_true(json_array_size(cases) > 50);
    size_t i;
    json_array_foreach(cases, i, c)
        check_case(c);
    json_decref(cases);
}

static int32_t next_id(tdm__sampler *s, const tdm__sampling *p, const float *logits, size_t n_generated)
{
    static const int32_t tokens[4096];
    tdm__draw d;
    assert_int_equal(tdm__sampler_next(s, p, &(tdm__history){tokens, n_generated, 0}, logits, -1, &d, NULL), TDM_OK);
    return d.id;
}

/* The generator's outputs for seed 1234567 as others publish them, to tell a slip in a constant from a feature. */
static void random_numbers_are_those_of_splitmix64(void **state)
{
    (void)state;
    static const uint64_t published[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                         4593380528125082431u, 16408922859458223821u};
    enum { N = 1024 }; /* equal logits: the id drawn is the top 10 bits of the random number */
    float logits[N] = {0};
    tdm__sampling p = tdm__sampling_default();
    p.temperature = 1;
    p.seed = 1234567;
    tdm__sampler *s = sampler_of(N);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(next_id(s, &p, logits, i), published[i] >> 54);
    tdm__sampler_destroy(s);
}

/* Chi-square with 7 degrees of freedom: beyond 24.3 in one of a thousand seeds. */
static void draws_follow_the_distribution(void **state)
{
    (void)state;
    enum { N = 8, DRAWS = 4000 };
    const float logits[N] = {1.0f, 0.0f, -1.0f, 2.0f, 0.5f, -0.5f, 1.5f, 0.25f};
    tdm__sampling p = tdm__sampling_default();
    p.temperature = 0.8f;
    tdm__sampler *s = sampler_of(N);
    double weight[N], total = 0;
    for (int i = 0; i < N; i++)
        total += weight[i] = exp((double)logits[i] / 0.8);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        int seen[N] = {0};
        double chi = 0;
        p.seed = seed;
        for (size_t i = 0; i < DRAWS; i++)
            seen[next_id(s, &p, logits, i)]++;
        for (int i = 0; i < N; i++) {
            double expected = DRAWS * weight[i] / total;
            chi += (seen[i] - expected) * (seen[i] - expected) / expected;
        }
        assert_true(chi < 30);
    }
    tdm__sampler_destroy(s);
}

/* The i-th number is a function of (seed, i), so a stream over seeds must be as even as one over i. */
static void first_draws_of_consecutive_seeds_are_spread(void **state)
{
    (void)state;
    enum { N = 16, DRAWS = 8000 };
    const float logits[N] = {0};
    int seen[N] = {0};
    double chi = 0;
    tdm__sampling p = tdm__sampling_default();
    p.temperature = 1;
    tdm__sampler *s = sampler_of(N);
    for (p.seed = 0; p.seed < DRAWS; p.seed++)
        seen[next_id(s, &p, logits, 0)]++;
    for (int i = 0; i < N; i++)
        chi += (seen[i] - DRAWS / (double)N) * (seen[i] - DRAWS / (double)N) / (DRAWS / (double)N);
    assert_true(chi < 45); /* 15 degrees of freedom */
    tdm__sampler_destroy(s);
}

static void greedy_takes_the_lowest_id_of_the_best(void **state)
{
    (void)state;
    float logits[100] = {0};
    logits[40] = logits[41] = logits[99] = 3;
    tdm__sampler *s = sampler_of(100);
    tdm__sampling p = tdm__sampling_default();
    assert_int_equal(next_id(s, &p, logits, 0), 40);
    for (size_t at = 0; at < 100; at++) { /* at every place of the vector loop and of its rest */
        for (size_t i = 0; i < 100; i++)
            logits[i] = i == at ? 1 : -1;
        assert_int_equal(next_id(s, &p, logits, 0), at);
    }
    tdm__sampler_destroy(s);
}

static void top_k_keeps_exactly_k_of_equals_the_lower_ids(void **state)
{
    (void)state;
    const float logits[10] = {0};
    tdm__sampler *s = sampler_of(10);
    tdm__sampling p = tdm__sampling_default();
    p.temperature = 1;
    p.top_k = 4;
    tdm__distribution d;
    assert_int_equal(tdm__sampler_filter(s, &p, &(tdm__history){0}, logits, &d, NULL), TDM_OK);
    assert_int_equal(d.n, 4);
    for (size_t i = 0; i < d.n; i++)
        assert_in_range(d.ids[i], 0, 3);
    tdm__sampler_destroy(s);
}

/* OpenAI's formula by hand: mu - count * frequency - (count > 0) * presence, generated tokens only. */
static void presence_and_frequency_count_generated_tokens(void **state)
{
    (void)state;
    const float logits[4] = {5, 4.6f, 4.3f, 0};
    const int32_t tokens[] = {0, 0, 1, 1, 2}; /* two of the prompt */
    tdm__sampler *s = sampler_of(4);
    tdm__sampling p = tdm__sampling_default();
    tdm__draw d;
    p.presence_penalty = 0.5f;
    p.frequency_penalty = 0.25f;
    tdm__history h = {tokens, 5, 2};
    assert_int_equal(tdm__sampler_next(s, &p, &h, logits, -1, &d, NULL), TDM_OK);
    assert_int_equal(d.id, 0); /* 5, 3.6, 3.55 */
    h.n_prompt = 0;            /* all generated: 4, 3.6, 3.55 */
    assert_int_equal(tdm__sampler_next(s, &p, &h, logits, -1, &d, NULL), TDM_OK);
    assert_int_equal(d.id, 0);
    p.frequency_penalty = 0.5f; /* 3.5, 3.1, 3.3 */
    assert_int_equal(tdm__sampler_next(s, &p, &h, logits, -1, &d, NULL), TDM_OK);
    assert_int_equal(d.id, 0);
    p.frequency_penalty = 1; /* 2.5, 2.1, 2.8 */
    assert_int_equal(tdm__sampler_next(s, &p, &h, logits, -1, &d, NULL), TDM_OK);
    assert_int_equal(d.id, 2);
    p.penalty_last_n = 1; /* only the last token, which is 2: 5, 4.6, 2.8 */
    assert_int_equal(tdm__sampler_next(s, &p, &h, logits, -1, &d, NULL), TDM_OK);
    assert_int_equal(d.id, 0);
    tdm__sampler_destroy(s);
}

static void logprobs_are_the_models_own_whatever_the_sampling(void **state)
{
    (void)state;
    enum { N = 50 };
    float logits[N];
    double total = 0;
    for (int i = 0; i < N; i++) {
        logits[i] = (float)((i * 37) % N) * 0.2f; /* a permutation: N - 1 is at i with i * 37 = 49 mod 50 */
        total += exp((double)logits[i]);
    }
    tdm__sampling p = tdm__sampling_default();
    p.temperature = 1.5f;
    p.top_p = 0.5f;
    p.repeat_penalty = 1.7f;
    tdm__sampler *s = sampler_of(N);
    tdm__draw d;
    int32_t tokens[] = {1, 2, 3};
    assert_int_equal(tdm__sampler_next(s, &p, &(tdm__history){tokens, 3, 1}, logits, 20, &d, NULL), TDM_OK);
    assert_int_equal(d.chosen.id, d.id);
    assert_true(fabs((double)d.chosen.logprob - ((double)logits[d.id] - log(total))) < 1e-5);
    for (int i = 0; i < 20; i++) {
        assert_true(logits[d.top[i].id] == (float)(N - 1 - i) * 0.2f);
        assert_true(fabs((double)d.top[i].logprob - ((double)logits[d.top[i].id] - log(total))) < 1e-5);
    }
    tdm__sampler_destroy(s);
}

static void the_best_token_alone_is_drawn_as_from_all_logits(void **state)
{
    (void)state;
    const struct {
        tdm__best best;
        tdm_status status;
        const char *says;
    } cases[] = {
        {{29, -1e30f}, TDM_OK, NULL},
        {{3, NAN}, TDM_ERR_FORMAT, "not finite"},
        {{0, -INFINITY}, TDM_ERR_FORMAT, "none of its 37 tokens"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tdm_error err = {0};
        tdm__draw d = {.id = -7};
        assert_int_equal(tdm__sampling_take_best(&cases[i].best, 37, &d, &err), cases[i].status);
        assert_int_equal(d.id, cases[i].status == TDM_OK ? cases[i].best.row : -7);
        assert_true(!cases[i].says || strstr(err.msg, cases[i].says));
    }
    tdm__sampling p = tdm__sampling_default();
    assert_true(tdm__sampling_reads_best_only(&p, -1));
    assert_false(tdm__sampling_reads_best_only(&p, 0));
    p.frequency_penalty = -0.5f;
    assert_false(tdm__sampling_reads_best_only(&p, -1));
    p = tdm__sampling_default();
    p.temperature = 0.1f;
    assert_false(tdm__sampling_reads_best_only(&p, -1));
}

static void logits_that_are_no_numbers_are_an_error_and_no_token(void **state)
{
    (void)state;
    const float wrong[] = {NAN, INFINITY, -NAN};
    float logits[37];
    tdm__sampler *s = sampler_of(37);
    tdm__sampling p = tdm__sampling_default();
    for (int greedy = 0; greedy < 2; greedy++) {
        p.temperature = greedy ? 0 : 1;
        for (size_t w = 0; w < 3; w++)
            for (size_t at = 0; at < 37; at++) {
                tdm_error err = {0};
                tdm__draw d = {.id = -7};
                memset(logits, 0, sizeof logits);
                logits[at] = wrong[w];
                assert_int_equal(tdm__sampler_next(s, &p, &(tdm__history){0}, logits, 5, &d, &err), TDM_ERR_FORMAT);
                assert_int_equal(d.id, -7);
                assert_non_null(strstr(err.msg, "not finite"));
            }
        for (size_t i = 0; i < 37; i++)
            logits[i] = -INFINITY;
        tdm__draw d;
        assert_int_equal(tdm__sampler_next(s, &p, &(tdm__history){0}, logits, 5, &d, NULL), TDM_ERR_FORMAT);
        logits[29] = -1e30f; /* one token is possible: it comes, with probability 1 */
        assert_int_equal(tdm__sampler_next(s, &p, &(tdm__history){0}, logits, 5, &d, NULL), TDM_OK);
        assert_int_equal(d.id, 29);
        assert_int_equal(d.top[0].id, 29);
        assert_true(d.top[0].logprob == 0 && d.top[1].logprob == -INFINITY);
    }
    tdm__sampler_destroy(s);
}

static void extreme_parameters_never_give_an_id_outside(void **state)
{
    (void)state;
    enum { N = 1000 };
    static float logits[N];
    const float temperatures[] = {0, 1e-38f, 1e-6f, 0.5f, 2}, top_ps[] = {1e-30f, 0.5f, 0.9999999f, 1},
                min_ps[] = {0, 1e-30f, 0.9999999f}, scales[] = {0, 1e-30f, 1, 1e37f};
    tdm__sampler *s = sampler_of(N);
    uint64_t x = 1;
    for (int round = 0; round < 240; round++) {
        tdm__sampling p = tdm__sampling_default();
        p.temperature = temperatures[round % 5];
        p.top_p = top_ps[round % 4];
        p.min_p = min_ps[round % 3];
        p.top_k = round % 7 ? 0 : round;
        p.seed = (uint64_t)round;
        assert_int_equal(tdm__sampling_check(&p, NULL), TDM_OK);
        for (size_t i = 0; i < N; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            logits[i] = ((float)(x >> 40) / 8388608.0f - 1) * scales[round / 5 % 4];
        }
        assert_in_range(next_id(s, &p, logits, (size_t)round), 0, N - 1);
    }
    tdm__sampler_destroy(s);
}

static void parameters_out_of_range_are_named(void **state)
{
    (void)state;
    tdm_error err = {0};
    tdm__sampling p = tdm__sampling_default();
    assert_int_equal(tdm__sampling_check(&p, &err), TDM_OK);
    p.temperature = 2.5f;
    assert_int_equal(tdm__sampling_check(&p, &err), TDM_ERR_INVAL);
    assert_string_equal(err.msg, "temperature is 2.5, it must be at least 0 and at most 2");
    p.temperature = NAN;
    assert_int_equal(tdm__sampling_check(&p, &err), TDM_ERR_INVAL);
    p = tdm__sampling_default();
    p.top_p = 0;
    assert_int_equal(tdm__sampling_check(&p, &err), TDM_ERR_INVAL);
    assert_string_equal(err.msg, "top_p is 0, it must be above 0 and at most 1");
    p = tdm__sampling_default();
    p.min_p = 1;
    assert_int_equal(tdm__sampling_check(&p, &err), TDM_ERR_INVAL);
    p = tdm__sampling_default();
    p.frequency_penalty = -2.1f;
    assert_int_equal(tdm__sampling_check(&p, &err), TDM_ERR_INVAL);
    assert_non_null(strstr(err.msg, "frequency_penalty"));
}

/* Printed for the reader; the bound only catches something quadratic or a sort of everything. */
static void a_draw_of_150000_takes_little_time(void **state)
{
    (void)state;
    enum { N = 151936, DRAWS = 20 };
    float *logits = calloc(N, sizeof *logits);
    assert_non_null(logits);
    uint64_t x = 1;
    for (size_t i = 0; i < N; i++) {
        double sum = 0;
        for (int k = 0; k < 6; k++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            sum += (double)(x >> 40) / 8388608.0 - 1;
        }
        logits[i] = (float)(sum * 2.5);
    }
    const tdm__sampling settings[] = {
        {.temperature = 0, .top_p = 1, .repeat_penalty = 1},
        {.temperature = 1, .top_p = 1, .repeat_penalty = 1},
        {.temperature = 0.7f, .top_p = 0.8f, .top_k = 20, .repeat_penalty = 1.1f},
        {.temperature = 1, .top_p = 0.95f, .min_p = 0.02f, .repeat_penalty = 1},
        {.temperature = 2, .top_p = 0.99f, .repeat_penalty = 1},
    };
    tdm__sampler *s = sampler_of(N);
    for (size_t k = 0; k < sizeof settings / sizeof settings[0]; k++) {
        uint64_t begin = tdm__clock_ns();
        for (size_t i = 0; i < DRAWS; i++)
            next_id(s, &settings[k], logits, i);
        double ms = (double)(tdm__clock_ns() - begin) / 1e6 / DRAWS;
        print_message("temperature %.1f top_k %d top_p %.2f min_p %.2f: %.2f ms a draw of %d\n",
                      (double)settings[k].temperature, settings[k].top_k, (double)settings[k].top_p,
                      (double)settings[k].min_p, ms, N);
        assert_true(ms < 200);
    }
    tdm__sampler_destroy(s);
    free(logits);
}

int main(void)
{
    tdm__kernels_init(&kernels, tdm__cpu_isa());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filtered_distributions_are_those_of_transformers),
        cmocka_unit_test(random_numbers_are_those_of_splitmix64),
        cmocka_unit_test(draws_follow_the_distribution),
        cmocka_unit_test(first_draws_of_consecutive_seeds_are_spread),
        cmocka_unit_test(greedy_takes_the_lowest_id_of_the_best),
        cmocka_unit_test(top_k_keeps_exactly_k_of_equals_the_lower_ids),
        cmocka_unit_test(presence_and_frequency_count_generated_tokens),
        cmocka_unit_test(logprobs_are_the_models_own_whatever_the_sampling),
        cmocka_unit_test(logits_that_are_no_numbers_are_an_error_and_no_token),
        cmocka_unit_test(the_best_token_alone_is_drawn_as_from_all_logits),
        cmocka_unit_test(extreme_parameters_never_give_an_id_outside),
        cmocka_unit_test(parameters_out_of_range_are_named),
        cmocka_unit_test(a_draw_of_150000_takes_little_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
