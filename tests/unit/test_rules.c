/* test_rules.c - from signed files to rules: whose record counts, which policy, which case; and for everything that
 * does not count, the reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "route/decide.h"
#include "route/rules_internal.h"
#include "rules_world.h"

typedef struct world {
    char *keys, *cn, *us, *record;
    tdm__trust trust;
    tdm__filing_case *cases[4];
    size_t n_cases;
} world;

static world world_make(const char *sold_in)
{
    world w = {.keys = rules_keys_json(), .cn = rules_policy_json("CN"), .us = rules_policy_json("US")};
    w.record = rules_record_json(sold_in, TDM__PROFILE_ADULT, SIGNED_MAKER);
    return w;
}

static void trust_both(world *w)
{
    const rules_policy both[] = {{"CN", w->cn}, {"US", w->us}, {NULL, NULL}};
    rules_trust(&w->trust, w->keys, both);
}

static void world_free(world *w)
{
    free(w->keys);
    free(w->cn);
    free(w->us);
    free(w->record);
    for (size_t i = 0; i < w->n_cases; i++)
        tdm__filing_case_destroy(w->cases[i]);
}

static tdm__rules *rules_of(const world *w, const tdm__trust *trust, tdm_error *note)
{
    tdm__rules *r = NULL;
    const tdm__rules_sources s = {.trust = trust,
                                  .record_json = tdm__str_from(w->record),
                                  .cases = (const tdm__filing_case *const *)w->cases,
                                  .n_cases = w->n_cases,
                                  .own_model_sha256 = RULES_OWN_SHA256,
                                  .now_unix_s = RULES_NOW};
    assert_int_equal(tdm__rules_create(&s, &r, note, NULL), TDM_OK);
    return r;
}

static void assert_off(const world *w, const tdm__trust *trust, tdm__reason expected)
{
    tdm_error note = {0};
    tdm__rules *r = rules_of(w, trust, &note);
    tdm__decision d;
    const tdm__decision_facts facts = {.now_unix_s = RULES_NOW, .feature = "assistant", .named_partner = ""};
    if (r->why_off != expected)
        fail_msg("%s, expected %s", tdm__reason_name(r->why_off), tdm__reason_name(expected));
    assert_true(note.msg[0] != '\0');
    tdm__decide(r, &facts, &d);
    assert_int_equal(d.off, expected);
    assert_int_equal(d.n_plan, 0);
    tdm__rules_destroy(r);
}

static void the_region_of_sale_chooses_the_policy(void **state)
{
    (void)state;
    static const char *const sold[][2] = {{"CN", "CN"}, {"US", "US"}};
    for (size_t i = 0; i < 2; i++) {
        world w = world_make(sold[i][0]);
        trust_both(&w);
        tdm__rules *r = rules_of(&w, &w.trust, NULL);
        assert_int_equal(r->why_off, TDM__REASON_NONE);
        assert_string_equal(r->policy->market, sold[i][1]);
        assert_int_equal(r->policy_expires_unix_s, RULES_NOW + RULES_DAY);
        assert_int_equal(r->trust_version, 7);
        tdm__rules_destroy(r);
        world_free(&w);
    }
}

static void without_a_record_it_is_zz_and_with_a_bad_one_it_is_not(void **state)
{
    (void)state;
    world w = world_make("CN");
    trust_both(&w);
    free(w.record);
    w.record = NULL;
    tdm__rules *r = rules_of(&w, NULL, NULL);
    assert_ptr_equal(r->policy, tdm__market_policy_zz());
    assert_int_equal(r->policy_expires_unix_s, INT64_MAX);
    tdm__rules_destroy(r);
    assert_off(&w, &w.trust, TDM__REASON_RECORD_MISSING); /* it was a phone: its policy is still here */
    static const char *const bad[] = {"", " ", "{}", "not json", "{\"signed\":{},\"signatures\":[]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        w.record = strdup(bad[i]);
        assert_off(&w, &w.trust, TDM__REASON_RECORD_INVALID);
        free(w.record);
    }
    w.record = NULL;
    world_free(&w);
}

static void a_record_of_somebody_else_opens_nothing(void **state)
{
    (void)state;
    world w = world_make("CN");
    trust_both(&w);
    static const signed_maker_who others[] = {SIGNED_REGULATOR, SIGNED_PROVIDER, SIGNED_STRANGER};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        free(w.record);
        w.record = rules_record_json("CN", TDM__PROFILE_ADULT, others[i]);
        assert_off(&w, &w.trust, TDM__REASON_RECORD_INVALID);
    }
    free(w.record); /* a maker of CN alone makes no device of the US */
    w.record = rules_record_json("US", TDM__PROFILE_ADULT, SIGNED_OTHER_MAKER);
    assert_off(&w, &w.trust, TDM__REASON_RECORD_INVALID);
    free(w.record);
    w.record = rules_record_json("CN", TDM__PROFILE_ADULT, SIGNED_MAKER);
    char *at = strstr(w.record, "\"CN\"");
    assert_non_null(at);
    memcpy(at, "\"US\"", 4); /* edited by hand */
    assert_off(&w, &w.trust, TDM__REASON_RECORD_INVALID);
    world_free(&w);
}

static void a_revoked_maker_s_records_end_at_once(void **state)
{
    (void)state;
    world w = world_make("CN");
    const rules_policy cn[] = {{"CN", w.cn}, {NULL, NULL}};
    json_t *keys = json_loads(w.keys, 0, NULL), *maker = json_array_get(json_object_get(keys, "keys"), SIGNED_MAKER);
    assert_int_equal(json_object_set_new(maker, "revoked", json_true()), 0);
    char *revoked = json_dumps(keys, JSON_COMPACT);
    rules_trust(&w.trust, revoked, cn);
    assert_off(&w, &w.trust, TDM__REASON_RECORD_KEY_REVOKED);
    free(revoked);
    json_decref(keys);
    world_free(&w);
}

static void demo_and_real_do_not_mix(void **state)
{
    (void)state;
    world w = world_make("CN");
    const rules_policy cn[] = {{"CN", w.cn}, {NULL, NULL}};
    static const char no_keys[] = "{\"_type\":\"keys\",\"demo\":false,\"keys\":[]}";
    rules_trust(&w.trust, no_keys, cn);
    w.trust.is_demo = false;
    assert_off(&w, &w.trust, TDM__REASON_RECORD_DEMO);
    rules_trust(&w.trust, w.keys, cn);
    w.trust.is_demo = false; /* a demonstration's keys under a real root */
    assert_off(&w, &w.trust, TDM__REASON_POLICY_INVALID);
    world_free(&w);
}

static void without_a_good_policy_of_its_market_everything_is_off(void **state)
{
    (void)state;
    world w = world_make("CN");
    assert_off(&w, NULL, TDM__REASON_POLICY_MISSING);
    const rules_policy none[] = {{NULL, NULL}}, us[] = {{"US", w.us}, {NULL, NULL}};
    rules_trust(&w.trust, w.keys, none);
    assert_off(&w, &w.trust, TDM__REASON_MARKET_UNKNOWN);
    rules_trust(&w.trust, w.keys, us);
    assert_off(&w, &w.trust, TDM__REASON_MARKET_UNKNOWN);
    w.trust.targets[0].path = "other.json"; /* no keyring */
    assert_off(&w, &w.trust, TDM__REASON_POLICY_INVALID);
    const rules_policy bad[] = {{"CN", "{\"surprise\":1}"}, {NULL, NULL}};
    rules_trust(&w.trust, w.keys, bad);
    assert_off(&w, &w.trust, TDM__REASON_POLICY_INVALID);
    const rules_policy swapped[] = {{"US", w.cn}, {NULL, NULL}}; /* CN's file under the name of the US */
    rules_trust(&w.trust, w.keys, swapped);
    assert_off(&w, &w.trust, TDM__REASON_POLICY_INVALID);
    char *claims = strdup(w.us); /* the US policy says that it covers CN too */
    char *at = strstr(claims, "\"sold_in\"");
    assert_non_null(at);
    at = strstr(at, "\"US\"");
    assert_non_null(at);
    memcpy(at, "\"CN\"", 4);
    const rules_policy two[] = {{"CN", w.cn}, {"US", claims}, {NULL, NULL}};
    rules_trust(&w.trust, w.keys, two);
    assert_off(&w, &w.trust, TDM__REASON_POLICY_INVALID);
    const rules_policy one_bad[] = {{"CN", w.cn}, {"US", "{}"}, {NULL, NULL}}; /* another's fault is not ours */
    rules_trust(&w.trust, w.keys, one_bad);
    tdm__rules *r = rules_of(&w, &w.trust, NULL);
    assert_int_equal(r->why_off, TDM__REASON_NONE);
    tdm__rules_destroy(r);
    free(claims);
    world_free(&w);
}

static void add_case(world *w, const char *state, const char *id, const char *market, const char *sha256)
{
    char *json = rules_case_json(state, id, market, "assistant", "", "own", sha256);
    w->cases[w->n_cases++] = rules_case(json);
    free(json);
}

static const tdm__rule_filing *own_filing(const tdm__rules *r)
{
    return &tdm__rules_cell(r, "assistant")->candidates[0].filing;
}

static void swap_cases(world *w, size_t a, size_t b)
{
    tdm__filing_case *c = w->cases[a];
    w->cases[a] = w->cases[b];
    w->cases[b] = c;
}

static void the_case_that_speaks_does_not_depend_on_the_order_of_files(void **state)
{
    (void)state;
    static const struct {
        const char *states[3];
        const char *wins;
    } rows[] = {
        {{"approved", "withdrawn", "submitted"}, "DEMO-0"},     {{"submitted", "ending", "under_review"}, "DEMO-1"},
        {{"ending", "approved", "draft"}, "DEMO-1"},            {{"refused", "submitted", "draft"}, "DEMO-1"},
        {{"draft", "under_review", "submitted"}, "DEMO-1"},     {{"revoked", "draft", "refused"}, "DEMO-1"},
        {{"submitted", "submitted", "submitted"}, "DEMO-0"},
    };
    static const char *const ids[] = {"DEMO-0", "DEMO-1", "DEMO-2"};
    static const size_t swaps[][2] = {{0, 0}, {0, 1}, {1, 2}, {0, 1}, {1, 2}, {0, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world w = world_make("CN");
        trust_both(&w);
        for (size_t k = 0; k < 3; k++)
            add_case(&w, rows[i].states[k], ids[k], "CN", RULES_OWN_SHA256);
        for (size_t k = 0; k < 6; k++) {
            swap_cases(&w, swaps[k][0], swaps[k][1]);
            tdm__rules *r = rules_of(&w, &w.trust, NULL);
            assert_string_equal(own_filing(r)->id, rows[i].wins);
            tdm__rules_destroy(r);
        }
        world_free(&w);
    }
}

static void a_case_of_another_market_feature_or_model_opens_nothing(void **state)
{
    (void)state;
    static const char other[] = "0000000000000000000000000000000000000000000000000000000000000001";
    world w = world_make("CN");
    trust_both(&w);
    add_case(&w, "approved", "DEMO-0", "US", RULES_OWN_SHA256);
    tdm__rules *r = rules_of(&w, &w.trust, NULL);
    assert_int_equal(own_filing(r)->why_not, TDM__REASON_FILING_MISSING);
    tdm__rules_destroy(r);
    add_case(&w, "approved", "DEMO-1", "CN", other);
    r = rules_of(&w, &w.trust, NULL);
    assert_int_equal(own_filing(r)->why_not, TDM__REASON_FILING_OTHER_MODEL);
    assert_string_equal(own_filing(r)->id, "DEMO-1");
    assert_int_equal(tdm__rules_cell(r, "proofread")->candidates[0].filing.why_not, TDM__REASON_FILING_MISSING);
    tdm__rules_destroy(r);
    add_case(&w, "submitted", "DEMO-2", "CN", RULES_OWN_SHA256); /* its own case, though weaker, is nearer */
    r = rules_of(&w, &w.trust, NULL);
    assert_int_equal(own_filing(r)->why_not, TDM__REASON_FILING_SUBMITTED);
    tdm__rules_destroy(r);
    world_free(&w);
}

static void rules_made_before_an_approval_ends_decide_its_end(void **state)
{
    (void)state;
    world w = world_make("CN");
    trust_both(&w);
    w.trust.expires_unix_s = RULES_NOW + 9 * RULES_DAY;
    add_case(&w, "ending", "DEMO-0", "CN", RULES_OWN_SHA256);
    tdm__rules *r = rules_of(&w, &w.trust, NULL);
    tdm__decision_facts facts = {.now_unix_s = RULES_NOW + RULES_DAY - 1, .feature = "assistant", .named_partner = ""};
    tdm__decision d;
    tdm__decide(r, &facts, &d);
    assert_int_equal(d.off, TDM__REASON_NONE);
    facts.now_unix_s++;
    tdm__decide(r, &facts, &d);
    assert_int_equal(d.off, TDM__REASON_FILING_EXPIRED);
    assert_int_equal(d.off_at_unix_s, RULES_NOW + RULES_DAY);
    tdm__rules_destroy(r);
    world_free(&w);
}

static void a_canary_share_is_a_share_and_only_grows(void **state)
{
    (void)state;
    tdm__policy_partner p = {.id = "alibaba"};
    tdm__policy_backend small = {.partner = &p, .canary_bp = 1000}, large = {.partner = &p, .canary_bp = 5000};
    tdm__policy_backend none = {.partner = &p}, all = {.partner = &p, .canary_bp = TDM__BASIS_POINTS};
    size_t n_small = 0, n_large = 0;
    for (unsigned i = 0; i < 20000; i++) {
        char device[32];
        snprintf(device, sizeof device, "device-%u", i);
        bool in_small = tdm__rules_canary(device, "assistant", &small);
        bool in_large = tdm__rules_canary(device, "assistant", &large);
        assert_true(in_large || !in_small);
        assert_false(tdm__rules_canary(device, "assistant", &none));
        assert_true(tdm__rules_canary(device, "assistant", &all));
        n_small += in_small;
        n_large += in_large;
    }
    assert_in_range(n_small, 1800, 2200); /* 4.7 standard deviations about 2,000 */
    assert_in_range(n_large, 9670, 10330);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_region_of_sale_chooses_the_policy),
        cmocka_unit_test(without_a_record_it_is_zz_and_with_a_bad_one_it_is_not),
        cmocka_unit_test(a_record_of_somebody_else_opens_nothing),
        cmocka_unit_test(a_revoked_maker_s_records_end_at_once),
        cmocka_unit_test(demo_and_real_do_not_mix),
        cmocka_unit_test(without_a_good_policy_of_its_market_everything_is_off),
        cmocka_unit_test(the_case_that_speaks_does_not_depend_on_the_order_of_files),
        cmocka_unit_test(a_case_of_another_market_feature_or_model_opens_nothing),
        cmocka_unit_test(rules_made_before_an_approval_ends_decide_its_end),
        cmocka_unit_test(a_canary_share_is_a_share_and_only_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
