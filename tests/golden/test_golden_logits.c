/* test_golden_logits.c - the forward pass against transformers in float32 on the same GGUF.
 *
 * Each file of tests/golden/logits holds, for 8 texts, the most probable tokens at some positions as transformers
 * sees them (tools/make_golden.py). We dequantise the same weights but quantise activations to 8 bits, so the bounds
 * below are those of that step: measured values stand in docs/speed.md's quality table; a wrong RoPE pairing, norm,
 * bias or head mapping misses them by orders of magnitude. Models come from -Dmodels; without them the test says so.
 */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/session.h"
#include "model/model.h"

/* Mean absolute difference of the log probabilities of the reference's top tokens, and the share of positions at
 * which both put the same token first. */
static const double mean_difference_max = 0.10;
static const double same_top_min = 0.94;

enum { SLICE_TOKENS = 128 };

typedef struct tally {
    double difference;
    size_t n_differences, n_same_top, n_rows;
} tally;

static double log_sum_exp(const float *x, size_t n)
{
    float max = x[0];
    for (size_t i = 1; i < n; i++)
        max = fmaxf(max, x[i]);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)(x[i] - max));
    return (double)max + log(sum);
}

static size_t best_of(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

static void compare_row(const json_t *row, const float *logits, size_t n_vocab, tally *t)
{
    const float *x = logits + (size_t)json_integer_value(json_object_get(row, "pos")) * n_vocab;
    const json_t *top = json_object_get(row, "top"), *logprob = json_object_get(row, "logprob");
    double norm = log_sum_exp(x, n_vocab);
    for (size_t i = 0; i < json_array_size(top); i++) {
        size_t id = (size_t)json_integer_value(json_array_get(top, i));
        assert_in_range(id, 0, n_vocab - 1);
        t->difference += fabs((double)x[id] - norm - json_number_value(json_array_get(logprob, i)));
        t->n_differences++;
    }
    t->n_same_top += best_of(x, n_vocab) == (size_t)json_integer_value(json_array_get(top, 0));
    t->n_rows++;
}

static void compare_text(tdm__session *s, const tdm__model *m, const json_t *text, tally *t)
{
    int32_t ids[SLICE_TOKENS];
    const json_t *list = json_object_get(text, "ids");
    assert_int_equal(json_array_size(list), SLICE_TOKENS);
    for (size_t i = 0; i < SLICE_TOKENS; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    float *logits = calloc(SLICE_TOKENS * m->hp.n_vocab, sizeof *logits);
    assert_non_null(logits);
    assert_int_equal(tdm__session_eval(s, ids, SLICE_TOKENS, 0, logits, true), TDM_OK);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(text, "rows"), i, row)
        compare_row(row, logits, m->hp.n_vocab, t);
    free(logits);
}

static void compare_model(const char *name)
{
    const char *models = getenv("TANDEM_TEST_MODELS"), *golden = getenv("TANDEM_TEST_GOLDEN");
    char path[1024];
    if (!models || !golden) {
        print_message("skipped: no folder of models given (-Dmodels=DIR)\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/%s.gguf", models, name);
    tdm__model *m = NULL;
    tdm_error err = {0};
    if (tdm__model_open(path, NULL, &m, &err) != TDM_OK) {
        print_message("skipped: %s\n", err.msg);
        skip();
    }
    snprintf(path, sizeof path, "%s/%s.json", golden, name);
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    tdm__session_options o = {.isa_max = TDM__ISA_COUNT - 1, .n_ctx = SLICE_TOKENS};
    tdm__session *s = NULL;
    assert_int_equal(tdm__session_create(m, &o, &s, &err), TDM_OK);

    tally t = {0};
    size_t i;
    json_t *text;
    json_array_foreach(json_object_get(root, "texts"), i, text)
        compare_text(s, m, text, &t);
    double difference = t.difference / (double)t.n_differences, same = (double)t.n_same_top / (double)t.n_rows;
    print_message("%s: mean difference of log probabilities %.4f, same top %.1f%% of %zu\n", name, difference,
                  100 * same, t.n_rows);
    assert_true(t.n_rows > 100);
    assert_true(difference <= mean_difference_max);
    assert_true(same >= same_top_min);

    tdm__session_destroy(s);
    tdm__model_close(m);
    json_decref(root);
}

static void smollm2_agrees_with_transformers(void **state)
{
    (void)state;
    compare_model("smollm2-135m-instruct-q4_1");
}

static void qwen_half_billion_agrees_with_transformers(void **state)
{
    (void)state;
    compare_model("qwen2.5-coder-0.5b-instruct-q4_k_m");
}

static void qwen_one_and_a_half_billion_agrees_with_transformers(void **state)
{
    (void)state;
    compare_model("qwen2.5-coder-1.5b-instruct-q4_k_m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smollm2_agrees_with_transformers),
        cmocka_unit_test(qwen_half_billion_agrees_with_transformers),
        cmocka_unit_test(qwen_one_and_a_half_billion_agrees_with_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
