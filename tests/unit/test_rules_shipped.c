/* test_rules_shipped.c - every shipped market x feature x back end x state of a filing: what is decided, and whether
 * the explanation says the same.
 *
 * For each back end of each cell there is one case about exactly it, in each state in turn; then the shape of the
 * market is switched. What must be true is worked out here from the policy's JSON, not from the structures that decide.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "route/decide.h"
#include "rules_world.h"

static const struct {
    const char *market, *sold_in;
} shipped[] = {{"CN", "CN"}, {"HK", "HK"}, {"MO", "MO"}, {"TW", "TW"}, {"US", "US"}, {"EU", "DE"}};

static const struct {
    const char *name;
    tdm__reason reason; /* of the back end that the case is about, where a case is needed */
} states[] = {
    {"none", TDM__REASON_FILING_MISSING},         {"draft", TDM__REASON_FILING_DRAFT},
    {"submitted", TDM__REASON_FILING_SUBMITTED},  {"under_review", TDM__REASON_FILING_UNDER_REVIEW},
    {"approved", TDM__REASON_NONE},               {"expired", TDM__REASON_FILING_EXPIRED},
    {"refused", TDM__REASON_FILING_REFUSED},      {"withdrawn", TDM__REASON_FILING_WITHDRAWN},
    {"revoked", TDM__REASON_FILING_WITHDRAWN},    {"other_model", TDM__REASON_FILING_OTHER_MODEL},
};

static const char *const shapes[] = {"own-and-partner", "own-only", "partner-only"};

static size_t n_decisions, n_plans;

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static json_t *with_shape(const char *policy, const char *shape)
{
    json_t *json = json_loads(policy, 0, NULL);
    assert_non_null(json);
    assert_int_equal(json_object_set_new(json, "shape", json_string(shape)), 0);
    return json;
}

/* The one case, about back end k of a feature; NULL with "none". */
static tdm__filing_case *case_about(const char *market, const char *feature, const tdm__policy_backend *b,
                                    const char *state)
{
    static const char other[] = "0000000000000000000000000000000000000000000000000000000000000002";
    bool is_other = strcmp(state, "other_model") == 0;
    const char *way = is_other ? "approved" : strcmp(state, "expired") == 0 ? "ending" : state;
    if (strcmp(state, "none") == 0)
        return NULL;
    const char *mark = b->partner ? b->model_date : is_other ? other : RULES_OWN_SHA256;
    char *json = rules_case_json(way, "DEMO-1", market, feature, b->partner ? b->partner->id : "",
                                 is_other ? "another" : b->model, mark);
    tdm__filing_case *c = rules_case(json);
    free(json);
    return c;
}

/* What the policy's JSON says of back end i, for an adult's device with all up: the reasons before its filing. */
static tdm__reason expected_before_filing(const json_t *policy, const json_t *backend)
{
    const char *shape = text_of(policy, "shape");
    bool is_own = strcmp(text_of(backend, "backend"), "own") == 0;
    if (strcmp(shape, "own-only") == 0 && !is_own)
        return TDM__REASON_SHAPE_OWN_ONLY;
    if (strcmp(shape, "partner-only") == 0 && is_own)
        return TDM__REASON_SHAPE_PARTNER_ONLY;
    if (strcmp(text_of(backend, "role"), "filter") == 0)
        return TDM__REASON_ROLE_NOT_BUILT;
    if (json_is_true(json_object_get(backend, "killed")))
        return TDM__REASON_BACKEND_KILLED;
    const json_t *partner = json_object_get(json_object_get(policy, "partners"), text_of(backend, "backend"));
    bool is_accredited = text_of(json_object_get(partner, "accreditation"), "number")[0] != '\0';
    if (!is_own && json_is_true(json_object_get(policy, "needs_accreditation")) && !is_accredited)
        return TDM__REASON_PARTNER_NOT_ACCREDITED;
    return TDM__REASON_NONE;
}

static void assert_row_agrees(const tdm__decision *d, const json_t *row, const tdm__refusal *r)
{
    tdm__buf b;
    tdm__buf_init(&b, 1024);
    assert_string_equal(text_of(row, "reason"), tdm__reason_name(r->reason));
    assert_int_equal(tdm__decision_sentence(d, r, "en", &b), TDM_OK);
    assert_string_equal(text_of(row, "text"), tdm__buf_cstr(&b));
    assert_null(strchr(tdm__buf_cstr(&b), '%'));
    assert_null(strchr(text_of(row, "text_zh"), '%'));
    assert_true(strlen(text_of(row, "text_zh")) > 3);
    if (strstr(tdm__reason_template(r->reason, TDM__LANGUAGE_EN), "%F"))
        assert_non_null(strstr(tdm__buf_cstr(&b), r->candidate->filing.id));
    tdm__buf_fini(&b);
}

/* The document says what the decision is, row by row. */
static void assert_explanation_agrees(const tdm__decision *d)
{
    json_t *json = tdm__decision_json(d);
    assert_non_null(json);
    const json_t *plan = json_object_get(json, "plan"), *refused = json_object_get(json, "refused");
    assert_int_equal(json_array_size(plan), d->n_plan);
    assert_int_equal(json_array_size(refused), d->n_refused + (d->named != TDM__REASON_NONE));
    assert_int_equal(json_is_true(json_object_get(json, "off")), d->n_plan == 0);
    assert_string_equal(text_of(json, "reason"), tdm__reason_name(d->off));
    for (size_t i = 0; i < d->n_plan; i++) {
        const tdm__policy_backend *b = d->plan[i].candidate->backend;
        const json_t *row = json_array_get(plan, i);
        assert_string_equal(text_of(row, "backend"), b->partner ? b->partner->id : "own");
        assert_string_equal(text_of(row, "model"), b->model);
        assert_string_equal(text_of(row, "filing"), d->plan[i].candidate->filing.id);
        assert_int_equal(json_is_true(json_object_get(row, "needs_consent")), b->partner != NULL);
    }
    for (size_t i = 0; i < d->n_refused; i++)
        assert_row_agrees(d, json_array_get(refused, i), &d->refused[i]);
    if (d->off != TDM__REASON_NONE && d->n_refused > 0) { /* off is one of the reasons, in its own words */
        bool is_there = false;
        for (size_t i = 0; i < d->n_refused; i++)
            is_there |= strcmp(text_of(json_array_get(refused, i), "text"), text_of(json, "text")) == 0;
        assert_true(is_there);
    }
    json_decref(json);
}

static tdm__reason reason_of(const tdm__decision *d, const tdm__rule_candidate *c)
{
    for (size_t i = 0; i < d->n_refused; i++)
        if (d->refused[i].candidate == c)
            return d->refused[i].reason;
    return TDM__REASON_NONE;
}

typedef struct setting {
    const json_t *policy;
    const char *feature, *record;
    tdm__trust trust;
} setting;

/* One case about back end about, in one state: every back end of the cell is checked. */
static void check_setting(const setting *s, const json_t *backends, size_t about, size_t state)
{
    bool needs_filing = json_is_true(json_object_get(s->policy, "needs_filing"));
    tdm__rules_sources sources = {.trust = &s->trust,
                                  .record_json = tdm__str_from(s->record),
                                  .own_model_sha256 = RULES_OWN_SHA256,
                                  .now_unix_s = RULES_NOW};
    tdm__rules *blank = NULL, *r = NULL;
    assert_int_equal(tdm__rules_create(&sources, &blank, NULL, NULL), TDM_OK);
    const tdm__policy_backend *subject = tdm__rules_cell(blank, s->feature)->candidates[about].backend;
    tdm__filing_case *c = case_about(text_of(s->policy, "market"), s->feature, subject, states[state].name);
    const tdm__filing_case *cases[] = {c};
    sources.cases = cases;
    sources.n_cases = c ? 1 : 0;
    assert_int_equal(tdm__rules_create(&sources, &r, NULL, NULL), TDM_OK);
    tdm__decision_facts facts = {.now_unix_s = RULES_NOW, .feature = s->feature, .named_partner = ""};
    if (strcmp(states[state].name, "expired") == 0)
        facts.now_unix_s += RULES_DAY;
    tdm__decision d;
    tdm__decide(r, &facts, &d);
    const tdm__rule_cell *cell = tdm__rules_cell(r, s->feature);
    assert_int_equal(d.n_plan + d.n_refused, json_array_size(backends));
    for (size_t i = 0; i < json_array_size(backends); i++) {
        tdm__reason expected = expected_before_filing(s->policy, json_array_get(backends, i)), got;
        if (expected == TDM__REASON_NONE && needs_filing)
            expected = i == about ? states[state].reason : TDM__REASON_FILING_MISSING;
        got = reason_of(&d, &cell->candidates[i]);
        if (got != expected)
            fail_msg("%s %s %s, back end %zu with a case of state %s for %zu: %s, expected %s",
                     text_of(s->policy, "market"), text_of(s->policy, "shape"), s->feature, i, states[state].name,
                     about, tdm__reason_name(got), tdm__reason_name(expected));
    }
    assert_explanation_agrees(&d);
    n_decisions++;
    n_plans += d.n_plan > 0;
    tdm__filing_case_destroy(c);
    tdm__rules_destroy(r);
    tdm__rules_destroy(blank);
}

static void check_market(size_t m, const char *shape, const char *keys)
{
    char *shipped_json = rules_policy_json(shipped[m].market);
    json_t *policy = with_shape(shipped_json, shape), *cell;
    char *json = json_dumps(policy, JSON_COMPACT), *record;
    const char *feature;
    record = rules_record_json(shipped[m].sold_in, TDM__PROFILE_ADULT, SIGNED_MAKER);
    setting s = {.policy = policy, .record = record};
    const rules_policy one[] = {{shipped[m].market, json}, {NULL, NULL}};
    rules_trust(&s.trust, keys, one);
    s.trust.expires_unix_s = RULES_NOW + 5 * RULES_DAY;
    assert_true(json_object_size(json_object_get(policy, "features")) > 0);
    json_object_foreach(json_object_get(policy, "features"), feature, cell)
    {
        const json_t *backends = json_object_get(cell, "backends");
        s.feature = feature;
        for (size_t about = 0; about < json_array_size(backends); about++)
            for (size_t state = 0; state < sizeof states / sizeof states[0]; state++)
                check_setting(&s, backends, about, state);
    }
    free(record);
    free(json);
    json_decref(policy);
    free(shipped_json);
}

static void every_cell_in_every_state_of_its_filing_is_decided_and_explained(void **state)
{
    (void)state;
    char *keys = rules_keys_json();
    for (size_t m = 0; m < sizeof shipped / sizeof shipped[0]; m++)
        for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++)
            check_market(m, shapes[k], keys);
    print_message("%zu decisions, %zu of them with a plan\n", n_decisions, n_plans);
    assert_true(n_decisions > 600 && n_plans > 100 && n_plans < n_decisions);
    free(keys);
}

/* A partner that another market has, named by its owner: nothing of it is in this market's plan. */
static void no_market_has_another_s_partner(void **state)
{
    (void)state;
    char *keys = rules_keys_json();
    for (size_t m = 0; m < sizeof shipped / sizeof shipped[0]; m++) {
        char *json = rules_policy_json(shipped[m].market);
        char *record = rules_record_json(shipped[m].sold_in, TDM__PROFILE_ADULT, SIGNED_MAKER);
        const rules_policy one[] = {{shipped[m].market, json}, {NULL, NULL}};
        tdm__trust trust;
        tdm__rules *r = NULL;
        rules_trust(&trust, keys, one);
        const tdm__rules_sources sources = {.trust = &trust,
                                            .record_json = tdm__str_from(record),
                                            .own_model_sha256 = RULES_OWN_SHA256,
                                            .now_unix_s = RULES_NOW};
        assert_int_equal(tdm__rules_create(&sources, &r, NULL, NULL), TDM_OK);
        bool is_china = strcmp(shipped[m].market, "CN") == 0;
        tdm__decision_facts facts = {.now_unix_s = RULES_NOW, .feature = "assistant"};
        facts.named_partner = is_china ? "openai" : "alibaba";
        tdm__decision d;
        tdm__decide(r, &facts, &d);
        assert_int_equal(d.named, TDM__REASON_PARTNER_UNKNOWN);
        for (size_t i = 0; i < d.n_plan; i++)
            assert_null(d.plan[i].candidate->backend->partner);
        assert_explanation_agrees(&d);
        for (size_t i = 0; is_china && i < r->policy->n_partners; i++)
            assert_string_not_equal(r->policy->partners[i].id, "openai");
        tdm__rules_destroy(r);
        free(record);
        free(json);
    }
    free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_in_every_state_of_its_filing_is_decided_and_explained),
        cmocka_unit_test(no_market_has_another_s_partner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
