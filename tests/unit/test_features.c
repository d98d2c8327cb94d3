/* test_features.c - GET /v1/features: each state that a feature can be in, and that none is called more than it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "device_world.h"
#include "request/device_internal.h"

#define OWN                                                                                                            \
    "      - {backend: own, role: engine, model: qwen2.5-coder-0.5b-instruct-q4_k_m, "                                 \
    "model_name: Qwen2.5 Coder 0.5B}\n"
#define CHATGPT                                                                                                        \
    "      - backend: openai\n        role: hand-off\n        model: gpt-4o\n        model_name: ChatGPT\n"            \
    "        model_date: 2024-11-20\n        data_region: US\n        profiles: [adult]\n"
#define REWRITE "  rewrite:\n    backends:\n"

static const char *const verbs[] = {"proofread", "rewrite", "summarize", "reply", "prioritise"};

enum { N_VERBS = sizeof verbs / sizeof verbs[0] };

static device_world world;

static int set_up(void **state)
{
    (void)state;
    device_world_init(&world);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    device_world_fini(&world);
    return 0;
}

static tdm__device *open_phone(const char *sold_in)
{
    tdm__device *d = NULL;
    tdm_error err = {0};
    device_world_record r = device_world_usual();
    r.sold_in = sold_in;
    if (sold_in[0]) {
        device_world_write_record(&world, &r);
        device_world_install(&world);
    }
    if (tdm__device_open(world.state, sold_in[0] ? world.record : "", &d, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    tdm__device_set_model(d, RULES_OWN_SHA256, 4096);
    return d;
}

/* A phone of the US whose policy says "to" where the shipped one says "from". */
static tdm__device *open_us(const char *from, const char *to)
{
    device_world_set_market(&world, "US", from, to);
    trust_maker_publish(&world.maker);
    return open_phone("US");
}

static const char *get(const json_t *o, const char *key)
{
    const char *z = json_string_value(json_object_get(o, key));
    return z ? z : "";
}

static void assert_state(tdm__device *d, tdm__backend_state own, const char *feature, const char *state,
                         tdm__reason reason)
{
    json_t *all = tdm__device_features(d, own, 38);
    const json_t *one = json_object_get(all, feature);
    if (strcmp(get(one, "state"), state) != 0 || strcmp(get(one, "reason"), tdm__reason_name(reason)) != 0)
        fail_msg("%s is %s, %s; expected %s, %s", feature, get(one, "state"), get(one, "reason"), state,
                 tdm__reason_name(reason));
    assert_true(get(one, "text")[0] != '\0' && get(one, "text_zh")[0] != '\0');
    assert_null(strchr(get(one, "text"), '%'));
    const bool is_coming = strcmp(state, "downloading") == 0;
    assert_int_equal(json_integer_value(json_object_get(one, "percent")), is_coming ? 38 : 0);
    json_decref(all);
}

static void assert_verbs(tdm__device *d, tdm__backend_state own, const char *state, tdm__reason reason)
{
    for (size_t i = 0; i < N_VERBS; i++)
        assert_state(d, own, verbs[i], state, reason);
}

static void self_hosted_the_own_model_answers_all_that_is_built(void **state)
{
    (void)state;
    tdm__device *d = open_phone("");
    assert_verbs(d, TDM__BACKEND_UP, "device_only", TDM__REASON_NONE);
    assert_state(d, TDM__BACKEND_UP, "chat", "device_only", TDM__REASON_NONE);
    assert_state(d, TDM__BACKEND_UP, "visual", "off", TDM__REASON_FEATURE_NOT_OFFERED);
    tdm__device_close(d);
}

static void while_the_model_is_on_its_way_a_feature_says_so(void **state)
{
    (void)state;
    tdm__device *d = open_phone("");
    assert_verbs(d, TDM__BACKEND_LOADING, "downloading", TDM__REASON_MODEL_NOT_HERE);
    tdm__device_close(d);
    d = open_phone("US"); /* a partner that could help does not make a verb ready */
    assert_verbs(d, TDM__BACKEND_LOADING, "downloading", TDM__REASON_MODEL_NOT_HERE);
    assert_state(d, TDM__BACKEND_LOADING, "assistant", "on", TDM__REASON_NONE);
    tdm__device_close(d);
}

static void a_model_that_has_failed_turns_the_verbs_off(void **state)
{
    (void)state;
    tdm__device *d = open_phone("US");
    assert_verbs(d, TDM__BACKEND_DOWN, "off", TDM__REASON_DEVICE_FAILED);
    tdm__device_close(d);
}

static void a_partner_behind_the_own_model_is_not_promised_to_a_verb(void **state)
{
    (void)state;
    tdm__device *d = open_phone("US");
    assert_state(d, TDM__BACKEND_UP, "assistant", "on", TDM__REASON_NONE);
    assert_state(d, TDM__BACKEND_UP, "rewrite", "device_only", TDM__REASON_ROLE_NOT_BUILT);
    assert_state(d, TDM__BACKEND_UP, "summarize", "device_only", TDM__REASON_NONE);
    json_t *all = tdm__device_features(d, TDM__BACKEND_UP, 100);
    assert_true(json_is_null(json_object_get(json_object_get(all, "rewrite"), "partner")));
    assert_true(json_is_object(json_object_get(json_object_get(all, "assistant"), "partner")));
    json_decref(all);
    tdm__device_close(d);
}

static void a_verb_that_only_a_partner_has_is_off(void **state)
{
    (void)state;
    tdm__device *d = open_us(REWRITE OWN CHATGPT, REWRITE CHATGPT);
    assert_state(d, TDM__BACKEND_UP, "rewrite", "off", TDM__REASON_ROLE_NOT_BUILT);
    assert_state(d, TDM__BACKEND_LOADING, "rewrite", "off", TDM__REASON_ROLE_NOT_BUILT);
    assert_state(d, TDM__BACKEND_UP, "reply", "device_only", TDM__REASON_NONE);
    tdm__device_close(d);
}

static void a_verb_that_a_partner_has_first_is_off(void **state)
{
    (void)state;
    tdm__device *d = open_us(REWRITE OWN CHATGPT, REWRITE CHATGPT OWN);
    assert_state(d, TDM__BACKEND_UP, "rewrite", "off", TDM__REASON_ROLE_NOT_BUILT);
    tdm__device_close(d);
}

static void another_model_than_the_policy_names_is_the_reason_even_with_a_partner(void **state)
{
    (void)state;
    tdm__device *d = open_us("model: qwen2.5-coder-0.5b-instruct-q4_k_m,",
                             "model: qwen2.5-coder-0.5b-instruct-q4_k_m, model_sha256: "
                             "00000000000000000000000000000000000000000000000000000000000000aa,");
    assert_verbs(d, TDM__BACKEND_UP, "off", TDM__REASON_MODEL_OTHER);
    tdm__device_close(d);
}

static void what_is_not_built_is_off_whatever_the_policy_gives_it(void **state)
{
    (void)state;
    tdm__device *d = open_us("  summarize:\n", "  visual:\n    backends:\n" OWN "  summarize:\n");
    assert_state(d, TDM__BACKEND_UP, "visual", "off", TDM__REASON_FEATURE_NOT_BUILT);
    assert_state(d, TDM__BACKEND_LOADING, "visual", "off", TDM__REASON_FEATURE_NOT_BUILT);
    tdm__device_close(d);
}

static void in_china_an_unapproved_verb_is_off_with_its_filing_state(void **state)
{
    (void)state;
    tdm__device *d = open_phone("CN");
    assert_verbs(d, TDM__BACKEND_UP, "off", TDM__REASON_FILING_MISSING);
    tdm__device_close(d);
}

static void a_killed_verb_is_off(void **state)
{
    (void)state;
    tdm__device *d = open_us(REWRITE, "  rewrite:\n    kill: true\n    backends:\n");
    assert_state(d, TDM__BACKEND_UP, "rewrite", "off", TDM__REASON_FEATURE_KILLED);
    tdm__device_close(d);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(self_hosted_the_own_model_answers_all_that_is_built),
        TEST(while_the_model_is_on_its_way_a_feature_says_so),
        TEST(a_model_that_has_failed_turns_the_verbs_off),
        TEST(a_partner_behind_the_own_model_is_not_promised_to_a_verb),
        TEST(a_verb_that_only_a_partner_has_is_off),
        TEST(a_verb_that_a_partner_has_first_is_off),
        TEST(another_model_than_the_policy_names_is_the_reason_even_with_a_partner),
        TEST(what_is_not_built_is_off_whatever_the_policy_gives_it),
        TEST(in_china_an_unapproved_verb_is_off_with_its_filing_state),
        TEST(a_killed_verb_is_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
