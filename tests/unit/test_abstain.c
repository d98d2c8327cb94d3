/* test_abstain.c - the rule over recorded answers of real models: the rates in docs/internals/abstain.md come out
 * again, without a model; and the rule's own corners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "feature/abstain.h"

typedef struct counts {
    size_t n_answerable, n_offered; /* of these: false offers */
    size_t n_unanswerable, n_answered; /* of these: misses */
} counts;

static FILE *open_golden(const char *name)
{
    const char *folder = getenv("TANDEM_TEST_ABSTAIN");
    char path[512];
    snprintf(path, sizeof path, "%s/%s.jsonl", folder ? folder : "tests/golden/abstain", name);
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s is missing", path);
    return f;
}

/* One object a line; false at the end. */
static bool next(FILE *f, json_t **row)
{
    json_decref(*row);
    *row = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL);
    return *row != NULL;
}

static const char *text_of(const json_t *row, const char *key) { return json_string_value(json_object_get(row, key)); }

/* The rule as the assistant uses it, but over a whole recorded answer. */
static tdm__abstain_verdict replay(const char *model, const json_t *row)
{
    tdm__abstain a;
    tdm__abstain_init(&a, tdm__abstain_rule_for(model));
    const json_t *logprobs = json_object_get(row, "logprobs"), *tops = json_object_get(row, "top");
    for (size_t i = 0; i < json_array_size(logprobs); i++) {
        float top[TDM__ABSTAIN_TOP];
        const json_t *t = json_array_get(tops, i);
        assert_int_equal(json_array_size(t), TDM__ABSTAIN_TOP);
        for (size_t k = 0; k < TDM__ABSTAIN_TOP; k++)
            top[k] = (float)json_number_value(json_array_get(t, k));
        tdm__abstain_push(&a, (float)json_number_value(json_array_get(logprobs, i)), top, TDM__ABSTAIN_TOP);
        tdm__abstain_verdict v = tdm__abstain_decide(&a, TDM_STR(""), false);
        if (v == TDM__ABSTAIN_ABSTAIN)
            return v;
    }
    return tdm__abstain_decide(&a, tdm__str_from(text_of(row, "text")), true);
}

static counts count(const char *file, const char *model, const char *half)
{
    counts c = {0};
    FILE *items = open_golden("items"), *rows = open_golden(file);
    json_t *item = NULL, *row = NULL;
    while (next(items, &item)) {
        assert_true(next(rows, &row));
        assert_string_equal(text_of(item, "id"), text_of(row, "id"));
        if (strcmp(text_of(item, "half"), half) != 0)
            continue;
        const bool abstains = replay(model, row) == TDM__ABSTAIN_ABSTAIN;
        if (json_is_true(json_object_get(item, "answerable"))) {
            c.n_answerable++;
            c.n_offered += abstains;
        } else {
            c.n_unanswerable++;
            c.n_answered += !abstains;
        }
    }
    json_decref(item);
    json_decref(row);
    fclose(items);
    fclose(rows);
    print_message("%s, %s: %zu of %zu offered though answerable, %zu of %zu answered though not\n", file, half,
                  c.n_offered, c.n_answerable, c.n_answered, c.n_unanswerable);
    return c;
}

static void the_items_are_halved_by_their_hash_and_both_kinds_are_there(void **state)
{
    (void)state;
    FILE *f = open_golden("items");
    json_t *row = NULL;
    size_t n = 0, n_answerable = 0, n_chinese = 0;
    while (next(f, &row)) {
        const char *text = text_of(row, "text");
        uint8_t hash[TDM__SHA256_BYTES];
        tdm__sha256(text, strlen(text), hash);
        assert_string_equal(text_of(row, "half"), hash[0] % 2 == 0 ? "train" : "test");
        n++;
        n_answerable += json_is_true(json_object_get(row, "answerable"));
        n_chinese += strcmp(text_of(row, "lang"), "zh") == 0;
    }
    json_decref(row);
    fclose(f);
    assert_true(n >= 200);
    assert_true(n_answerable * 10 > n * 4 && n_answerable * 10 < n * 6);
    assert_true(n_chinese * 10 > n * 4 && n_chinese * 10 < n * 6);
}

static void the_rates_of_the_document_come_out_again(void **state)
{
    (void)state;
    static const struct {
        const char *file, *half;
        size_t n_offered, n_answered;
    } expected[] = {
        {"qwen2.5-coder-0.5b", "train", 9, 14},
        {"qwen2.5-coder-0.5b", "test", 15, 22},
        {"qwen2.5-coder-1.5b", "train", 6, 9},
        {"qwen2.5-coder-1.5b", "test", 13, 17},
        {"smollm2-135m", "test", 0, 84}, /* no thresholds: it never abstains, and never says so */
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const counts c = count(expected[i].file, expected[i].file, expected[i].half);
        assert_int_equal(c.n_offered, expected[i].n_offered);
        assert_int_equal(c.n_answered, expected[i].n_answered);
    }
}

static void push(tdm__abstain *a, float logprob)
{
    const float top[1] = {logprob};
    tdm__abstain_push(a, logprob, top, 1);
}

static const tdm__abstain_rule rule = {
    .model = "m", .mean_logprob_min = -1, .least_logprob_min = -4, .entropy_max = INFINITY};

static void a_sure_answer_waits_for_its_first_tokens(void **state)
{
    (void)state;
    tdm__abstain a;
    tdm__abstain_init(&a, &rule);
    for (int i = 0; i < TDM__ABSTAIN_TOKENS; i++) {
        assert_int_equal(tdm__abstain_decide(&a, TDM_STR("Paris"), false), TDM__ABSTAIN_WAIT);
        push(&a, -0.5f);
    }
    assert_int_equal(tdm__abstain_decide(&a, TDM_STR("Paris"), false), TDM__ABSTAIN_ANSWER);
    push(&a, -9); /* what comes later changes nothing */
    assert_int_equal(tdm__abstain_decide(&a, TDM_STR("Paris"), false), TDM__ABSTAIN_ANSWER);
}

static void a_short_answer_is_decided_at_its_end(void **state)
{
    (void)state;
    tdm__abstain a;
    tdm__abstain_init(&a, &rule);
    push(&a, -0.5f);
    assert_int_equal(tdm__abstain_decide(&a, TDM_STR("4"), false), TDM__ABSTAIN_WAIT);
    assert_int_equal(tdm__abstain_decide(&a, TDM_STR("4"), true), TDM__ABSTAIN_ANSWER);
    push(&a, -3);
    assert_int_equal(tdm__abstain_decide(&a, TDM_STR("4"), true), TDM__ABSTAIN_ABSTAIN); /* the mean */
}

static void one_token_below_the_least_is_enough_at_once(void **state)
{
    (void)state;
    tdm__abstain a;
    tdm__abstain_init(&a, &rule);
    push(&a, -0.1f);
    push(&a, -4.5f);
    assert_int_equal(tdm__abstain_decide(&a, TDM_STR("It is"), false), TDM__ABSTAIN_ABSTAIN);
}

static void an_answer_that_declines_is_an_abstention_in_both_languages(void **state)
{
    (void)state;
    static const char *const declines[] = {"I'm sorry, but I can't", " As an AI language model", "AS AN AI",
                                           "抱歉，我无法", "\n对不起，我", "作为一个人工智能"};
    static const char *const answers[] = {"I am sorry for your loss", "As a child", "Sorry means", "抱怨是", "Paris"};
    for (size_t i = 0; i < sizeof declines / sizeof declines[0]; i++) {
        tdm__abstain a;
        tdm__abstain_init(&a, i % 2 ? NULL : &rule);
        assert_int_equal(tdm__abstain_decide(&a, tdm__str_from(declines[i]), false), TDM__ABSTAIN_ABSTAIN);
    }
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        tdm__abstain a;
        tdm__abstain_init(&a, NULL);
        assert_int_equal(tdm__abstain_decide(&a, tdm__str_from(answers[i]), false), TDM__ABSTAIN_ANSWER);
    }
}

static void without_thresholds_only_the_words_are_waited_for(void **state)
{
    (void)state;
    assert_null(tdm__abstain_rule_for("smollm2-135m-instruct-q4_1"));
    assert_non_null(tdm__abstain_rule_for("qwen2.5-coder-0.5b-instruct-q4_k_m"));
    assert_non_null(tdm__abstain_rule_for("/models/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"));
    tdm__abstain a;
    tdm__abstain_init(&a, NULL);
    push(&a, -20);
    assert_int_equal(tdm__abstain_decide(&a, TDM_STR(""), false), TDM__ABSTAIN_WAIT);
    assert_int_equal(tdm__abstain_decide(&a, TDM_STR("As an"), false), TDM__ABSTAIN_WAIT);
    assert_int_equal(tdm__abstain_decide(&a, TDM_STR("As an"), true), TDM__ABSTAIN_ANSWER);
    assert_int_equal(tdm__abstain_decide(&a, TDM_STR("As an old"), false), TDM__ABSTAIN_ANSWER);
}

static void no_token_at_all_is_no_abstention(void **state)
{
    (void)state;
    tdm__abstain a;
    tdm__abstain_init(&a, &rule);
    assert_int_equal(tdm__abstain_decide(&a, TDM_STR(""), true), TDM__ABSTAIN_ANSWER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_items_are_halved_by_their_hash_and_both_kinds_are_there),
        cmocka_unit_test(the_rates_of_the_document_come_out_again),
        cmocka_unit_test(a_sure_answer_waits_for_its_first_tokens),
        cmocka_unit_test(a_short_answer_is_decided_at_its_end),
        cmocka_unit_test(one_token_below_the_least_is_enough_at_once),
        cmocka_unit_test(an_answer_that_declines_is_an_abstention_in_both_languages),
        cmocka_unit_test(without_thresholds_only_the_words_are_waited_for),
        cmocka_unit_test(no_token_at_all_is_no_abstention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
