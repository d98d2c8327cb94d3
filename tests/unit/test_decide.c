/* test_decide.c - each reason, the order in which reasons come, the plan's order, what off says, and the sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide_world.h"
#include "os/file.h"

/* A world with its own model and the partners p0000 and p0001. */
static decide_world *small_world(void) { return decide_world_create(2, 3, 2); }

static tdm__decision decide(const decide_world *w)
{
    tdm__decision d;
    tdm__decide(&w->rules, &w->facts, &d);
    return d;
}

/* The reason for which the back end i of the first cell was refused; NONE: it is in the plan. */
static tdm__reason reason_of(const tdm__decision *d, const decide_world *w, size_t i)
{
    for (size_t k = 0; k < d->n_refused; k++)
        if (d->refused[k].candidate == &w->candidates[i])
            return d->refused[k].reason;
    for (size_t k = 0; k < d->n_plan; k++)
        if (d->plan[k].candidate == &w->candidates[i])
            return TDM__REASON_NONE;
    fail_msg("back end %zu is neither in the plan nor refused", i);
    return TDM__REASON_NONE;
}

static void assert_reason(tdm__reason got, tdm__reason expected)
{
    if (got != expected)
        fail_msg("%s, expected %s", tdm__reason_name(got), tdm__reason_name(expected));
}

static void everything_allowed_is_a_plan_in_the_policy_s_order(void **state)
{
    (void)state;
    decide_world *w = small_world();
    memset(w->facts.random, 0xab, sizeof w->facts.random);
    tdm__decision d = decide(w);
    assert_string_equal(d.id, "abababababababababababababababab");
    assert_reason(d.off, TDM__REASON_NONE);
    assert_int_equal(d.n_plan, 3);
    assert_int_equal(d.n_refused, 0);
    assert_int_equal(d.freshness, TDM__FRESH);
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(d.plan[i].candidate, &w->candidates[i]);
        assert_int_equal(d.plan[i].needs_consent, i > 0);
    }
    decide_world_destroy(w);
}

/* The faults of a partner's back end (the second one), in the order in which they are looked for. */
typedef struct fault {
    tdm__reason reason;
    void (*make)(decide_world *w);
} fault;

static void record_unsigned(decide_world *w) { w->rules.why_off = TDM__REASON_RECORD_INVALID; }
static void record_ended(decide_world *w) { w->rules.record.expires_unix_s = WORLD_NOW; }
static void record_ahead(decide_world *w) { w->rules.record.issued_unix_s = WORLD_NOW + WORLD_DAY; }
static void clock_back(decide_world *w) { w->facts.clock_is_suspect = true; }
static void policy_ended(decide_world *w) { w->rules.policy_expires_unix_s = WORLD_NOW; }
static void feature_killed(decide_world *w) { w->cells[0].is_killed = true; }
static void policy_in_grace(decide_world *w)
{
    w->rules.policy_expires_unix_s = WORLD_NOW;
    w->policy.grace_s = 1;
}
static void shape_own(decide_world *w) { w->policy.shape = TDM__SHAPE_OWN_ONLY; }
static void role_filter(decide_world *w) { w->backends[1].role = TDM__ROLE_FILTER; }
static void profile_locked(decide_world *w) { w->backends[1].profiles = TDM__PROFILE_MANAGED; }
static void backend_killed(decide_world *w) { w->backends[1].is_killed = true; }
static void canary_out(decide_world *w) { w->candidates[1].is_in_canary = false; }
static void no_accreditation(decide_world *w) { w->partners[0].accreditation = ""; }
static void accreditation_ended(decide_world *w) { w->partners[0].accreditation_expires_unix_s = WORLD_NOW; }
static void filing_submitted(decide_world *w)
{
    w->candidates[1].filing.state = TDM__FILING_SUBMITTED;
    w->candidates[1].filing.why_not = TDM__REASON_FILING_SUBMITTED;
}
static void filing_ended(decide_world *w) { w->candidates[1].filing.expires_unix_s = WORLD_NOW; }
static void filing_ahead(decide_world *w) { w->candidates[1].filing.since_unix_s = WORLD_NOW + WORLD_DAY; }
static void other_named(decide_world *w) { w->facts.named_partner = "p0001"; }
static void child_attaches(decide_world *w)
{
    w->rules.record.profile = TDM__PROFILE_CHILD;
    w->facts.has_attachments = true;
}
static void never(decide_world *w) { w->facts.consents[1] = TDM__CONSENT_NEVER; }
static void network_off(decide_world *w) { w->facts.network_is_off = true; }
static void partner_down(decide_world *w) { w->facts.partner_states[1] = TDM__BACKEND_DOWN; }

static const fault faults[] = {
    {TDM__REASON_RECORD_INVALID, record_unsigned},
    {TDM__REASON_RECORD_EXPIRED, record_ended},
    {TDM__REASON_RECORD_NOT_YET_VALID, record_ahead},
    {TDM__REASON_POLICY_CLOCK, clock_back},
    {TDM__REASON_POLICY_STALE, policy_ended},
    {TDM__REASON_FEATURE_KILLED, feature_killed},
    {TDM__REASON_POLICY_GRACE, policy_in_grace},
    {TDM__REASON_SHAPE_OWN_ONLY, shape_own},
    {TDM__REASON_ROLE_NOT_BUILT, role_filter},
    {TDM__REASON_PROFILE_LOCKED, profile_locked},
    {TDM__REASON_BACKEND_KILLED, backend_killed},
    {TDM__REASON_CANARY_NOT_CHOSEN, canary_out},
    {TDM__REASON_PARTNER_NOT_ACCREDITED, no_accreditation},
    {TDM__REASON_ACCREDITATION_EXPIRED, accreditation_ended},
    {TDM__REASON_FILING_SUBMITTED, filing_submitted},
    {TDM__REASON_FILING_EXPIRED, filing_ended},
    {TDM__REASON_FILING_NOT_YET, filing_ahead},
    {TDM__REASON_PARTNER_NOT_NAMED, other_named},
    {TDM__REASON_ATTACHMENTS_LOCKED, child_attaches},
    {TDM__REASON_CONSENT_NEVER, never},
    {TDM__REASON_NETWORK_OFF, network_off},
    {TDM__REASON_PARTNER_DOWN, partner_down},
};

enum { N_FAULTS = sizeof faults / sizeof faults[0] };

static void of_two_faults_the_first_in_the_order_is_the_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FAULTS; i++)
        for (size_t k = i; k < N_FAULTS; k++) {
            bool is_grace = faults[i].make == policy_in_grace || faults[k].make == policy_in_grace;
            if (is_grace && (faults[i].make == policy_ended || faults[k].make == policy_ended))
                continue; /* one policy cannot be both in and past its grace */
            decide_world *w = small_world();
            faults[k].make(w);
            faults[i].make(w);
            tdm__decision d = decide(w);
            assert_reason(reason_of(&d, w, 1), faults[i].reason);
            decide_world_destroy(w);
        }
}

/* Faults of this device's own model. */
static void wrong_model(decide_world *w) { w->rules.own_model_sha256[0] = 'b'; }
static void no_model(decide_world *w) { w->rules.own_model_sha256[0] = '\0'; }
static void loading(decide_world *w) { w->facts.own_state = TDM__BACKEND_LOADING; }
static void own_failed(decide_world *w) { w->facts.own_state = TDM__BACKEND_DOWN; }
static void shape_partner(decide_world *w) { w->policy.shape = TDM__SHAPE_PARTNER_ONLY; }
static void too_long(decide_world *w)
{
    w->facts.prompt_tokens = 5;
    w->facts.device_tokens_max = 4;
}

static void this_device_s_model_has_reasons_of_its_own(void **state)
{
    (void)state;
    static const fault own[] = {
        {TDM__REASON_SHAPE_PARTNER_ONLY, shape_partner}, {TDM__REASON_MODEL_NOT_HERE, no_model},
        {TDM__REASON_MODEL_NOT_HERE, loading},           {TDM__REASON_MODEL_OTHER, wrong_model},
        {TDM__REASON_TOO_LONG_FOR_DEVICE, too_long},     {TDM__REASON_DEVICE_FAILED, own_failed},
    };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        decide_world *w = small_world();
        own[i].make(w);
        tdm__decision d = decide(w);
        assert_reason(reason_of(&d, w, 0), own[i].reason);
        assert_reason(d.off, TDM__REASON_NONE); /* partners answer */
        assert_int_equal(d.n_plan, 2);
        decide_world_destroy(w);
    }
}

static void what_concerns_partners_leaves_the_own_model(void **state)
{
    (void)state;
    static const fault partners[] = {{TDM__REASON_POLICY_GRACE, policy_in_grace},
                                     {TDM__REASON_SHAPE_OWN_ONLY, shape_own},
                                     {TDM__REASON_NETWORK_OFF, network_off}};
    for (size_t i = 0; i < sizeof partners / sizeof partners[0]; i++) {
        decide_world *w = small_world();
        partners[i].make(w);
        tdm__decision d = decide(w);
        assert_int_equal(d.n_plan, 1);
        assert_reason(reason_of(&d, w, 0), TDM__REASON_NONE);
        assert_reason(reason_of(&d, w, 2), partners[i].reason);
        decide_world_destroy(w);
    }
}

static void a_missing_or_empty_cell_is_off(void **state)
{
    (void)state;
    decide_world *w = small_world();
    w->facts.feature = "visual";
    tdm__decision d = decide(w);
    assert_reason(d.off, TDM__REASON_FEATURE_NOT_OFFERED);
    assert_int_equal(d.n_plan + d.n_refused, 0);
    w->facts.feature = w->cells[0].feature;
    w->cells[0].n_backends = 0;
    d = decide(w);
    assert_reason(d.off, TDM__REASON_FEATURE_NO_BACKEND);
    decide_world_destroy(w);
}

static void a_named_partner_goes_first_and_the_own_model_stays_behind_it(void **state)
{
    (void)state;
    decide_world *w = small_world();
    w->facts.named_partner = "p0001";
    tdm__decision d = decide(w);
    assert_int_equal(d.n_plan, 2);
    assert_ptr_equal(d.plan[0].candidate, &w->candidates[2]);
    assert_ptr_equal(d.plan[1].candidate, &w->candidates[0]);
    assert_reason(reason_of(&d, w, 1), TDM__REASON_PARTNER_NOT_NAMED);
    assert_reason(d.named, TDM__REASON_NONE);
    decide_world_destroy(w);
}

static void a_named_partner_that_the_market_has_not_leaves_the_own_model_and_is_told(void **state)
{
    (void)state;
    decide_world *w = small_world();
    w->facts.named_partner = "openai";
    tdm__decision d = decide(w);
    assert_reason(d.off, TDM__REASON_NONE);
    assert_reason(d.named, TDM__REASON_PARTNER_UNKNOWN);
    assert_int_equal(d.n_plan, 1);
    assert_ptr_equal(d.plan[0].candidate, &w->candidates[0]);
    json_t *json = tdm__decision_json(&d);
    json_t *refused = json_object_get(json, "refused"), *last = json_array_get(refused, 2);
    assert_int_equal(json_array_size(refused), 3);
    assert_string_equal(json_string_value(json_object_get(last, "candidate")), "openai");
    assert_string_equal(json_string_value(json_object_get(last, "reason")), "PARTNER_UNKNOWN");
    json_decref(json);
    shape_partner(w); /* and with nothing else that could answer it is the cause */
    d = decide(w);
    assert_reason(d.off, TDM__REASON_SHAPE_PARTNER_ONLY);
    w->rule_cells[0].candidates = w->candidates + 1;
    w->cells[0].n_backends = 2;
    d = decide(w);
    assert_reason(d.off, TDM__REASON_PARTNER_UNKNOWN);
    decide_world_destroy(w);
}

static void always_needs_no_question_and_never_takes_the_partner_out(void **state)
{
    (void)state;
    decide_world *w = small_world();
    w->facts.consents[1] = TDM__CONSENT_ALWAYS;
    w->facts.consents[2] = TDM__CONSENT_NEVER;
    tdm__decision d = decide(w);
    assert_int_equal(d.n_plan, 2);
    assert_false(d.plan[1].needs_consent);
    assert_reason(reason_of(&d, w, 2), TDM__REASON_CONSENT_NEVER);
    decide_world_destroy(w);
}

static void off_says_what_stands_nearest(void **state)
{
    (void)state;
    decide_world *w = small_world();
    network_off(w);
    own_failed(w);
    tdm__decision d = decide(w);
    assert_reason(d.off, TDM__REASON_DEVICE_FAILED); /* the own model before a partner */
    w->candidates[0].filing.why_not = TDM__REASON_FILING_MISSING;
    d = decide(w);
    assert_reason(d.off, TDM__REASON_FILING_MISSING);
    filing_submitted(w); /* a case that has a state before none */
    d = decide(w);
    assert_reason(d.off, TDM__REASON_FILING_SUBMITTED);
    assert_ptr_equal(d.off_candidate, &w->candidates[1]);
    decide_world_destroy(w);
}

static void a_market_without_filing_or_accreditation_asks_for_neither(void **state)
{
    (void)state;
    decide_world *w = small_world();
    filing_submitted(w);
    no_accreditation(w);
    w->policy.needs_filing = w->policy.needs_accreditation = false;
    tdm__decision d = decide(w);
    assert_int_equal(d.n_plan, 3);
    decide_world_destroy(w);
}

static void zz_answers_without_record_clock_or_hash(void **state)
{
    (void)state;
    const tdm__market_policy *zz = tdm__market_policy_zz();
    tdm__rules rules = {.policy = zz, .policy_expires_unix_s = INT64_MAX};
    tdm__rule_candidate candidates[TDM__CELL_BACKENDS_MAX] = {0};
    tdm__rule_cell cell = {&zz->cells[0], candidates};
    assert_true(zz->cells[0].n_backends <= TDM__CELL_BACKENDS_MAX);
    for (size_t i = 0; i < zz->cells[0].n_backends; i++)
        candidates[i] = (tdm__rule_candidate){.backend = &zz->cells[0].backends[i], .is_in_canary = true};
    rules.cells = &cell;
    rules.n_cells = 1;
    tdm__decision_facts facts = {
        .now_unix_s = WORLD_NOW, .feature = zz->cells[0].feature, .named_partner = "", .clock_is_suspect = true};
    tdm__decision d;
    tdm__decide(&rules, &facts, &d);
    assert_reason(d.off, TDM__REASON_NONE);
    assert_int_equal(d.n_plan, 1);
    assert_false(d.plan[0].needs_consent);
    assert_string_equal(tdm__decision_market(&d), "ZZ");
}

static void a_name_that_may_be_a_user_s_text_is_not_kept(void **state)
{
    (void)state;
    decide_world *w = small_world();
    w->facts.feature = "my secret is 42";
    w->facts.named_partner = "call me at 555";
    tdm__decision d = decide(w);
    assert_string_equal(d.feature, "?");
    assert_string_equal(d.named_partner, "?");
    char longer[66];
    memset(longer, 'a', 65);
    longer[65] = '\0';
    w->facts.feature = longer;
    d = decide(w);
    assert_string_equal(d.feature, "?");
    longer[64] = '\0';
    d = decide(w);
    assert_string_equal(d.feature, longer);
    decide_world_destroy(w);
}

static void assert_sentence(const tdm__decision *d, const char *language, const char *expected)
{
    tdm__buf b;
    tdm__buf_init(&b, 1024);
    assert_int_equal(tdm__decision_sentence(d, NULL, language, &b), TDM_OK);
    assert_string_equal(tdm__buf_cstr(&b), expected);
    tdm__buf_fini(&b);
}

static void sentences_have_names_dates_and_case_ids(void **state)
{
    (void)state;
    decide_world *w = decide_world_create(1, 2, 1);
    tdm__rule_filing *f = &w->candidates[0].filing;
    f->why_not = TDM__REASON_FILING_SUBMITTED;
    f->since_unix_s = 1739232000; /* 2025-02-11 */
    network_off(w);
    tdm__decision d = decide(w);
    assert_sentence(&d, "en", "case CN-2025-0001 was submitted on 2025-02-11 and is not approved");
    assert_sentence(&d, "zh", "备案CN-2025-0001已于2025年2月11日提交，尚未获批");
    w->cells[0].n_backends = 1;
    w->rule_cells[0].candidates++;
    d = decide(w);
    assert_sentence(&d, "en", "the network of this device is off");
    w->facts.network_is_off = false;
    w->partners[0].is_emulated = true;
    w->facts.partner_states[0] = TDM__BACKEND_DOWN;
    d = decide(w);
    assert_sentence(&d, "en", "Partner (emulated) does not answer at present");
    assert_sentence(&d, "zh", "伙伴（模拟）目前没有响应");
    w->rules.policy = NULL;
    w->rules.why_off = TDM__REASON_POLICY_STALE; /* even what cannot be has a sentence */
    d = decide(w);
    assert_sentence(&d, "en", "the signed policy of this market ended on 1970-01-01 and no newer one has come");
    decide_world_destroy(w);
}

static void every_code_has_a_name_and_two_sentences(void **state)
{
    (void)state;
    static const tdm__reason all[] = {
#define REASON(name, value, en, zh) TDM__REASON_##name,
        TDM_REASON_MAP(REASON)
#undef REASON
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_int_equal(tdm__reason_from_name(tdm__reason_name(all[i])), all[i]);
        for (int l = 0; l < 2; l++) {
            const char *t = tdm__reason_template(all[i], (tdm__language)l);
            assert_true(strlen(t) > 10);
            for (const char *p = strchr(t, '%'); p; p = strchr(p + 1, '%'))
                assert_non_null(memchr("PFDMK", p[1], 5));
        }
        for (const char *p = "PFDM"; *p; p++) { /* both languages say the same things */
            char key[3] = {'%', *p, '\0'};
            assert_int_equal(!strstr(tdm__reason_template(all[i], TDM__LANGUAGE_EN), key),
                             !strstr(tdm__reason_template(all[i], TDM__LANGUAGE_ZH), key));
        }
    }
    assert_int_equal(tdm__reason_from_name("NO_SUCH"), TDM__REASON_NONE);
}

static void the_page_of_reasons_has_every_row(void **state)
{
    (void)state;
    static const struct {
        int value;
        const char *name, *en, *zh;
    } rows[] = {
#define ROW(name, value, en, zh) {value, #name, en, zh},
        TDM_REASON_MAP(ROW)
#undef ROW
    };
    const char *path = getenv("TANDEM_TEST_REASONS");
    char *page = NULL, row[1024];
    size_t len;
    if (!path)
        skip();
    assert_int_equal(tdm__file_read(path, 1 << 20, &page, &len), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(row, sizeof row, "| %d | `%s` | %s | %s |\n", rows[i].value, rows[i].name, rows[i].en, rows[i].zh);
        if (!strstr(page, row))
            fail_msg("%s lacks: %s", path, row);
    }
    free(page);
}

static void the_document_has_a_canonical_form_that_fits_a_leaf(void **state)
{
    (void)state;
    decide_world *w = decide_world_create(1, TDM__CELL_BACKENDS_MAX, 15);
    filing_submitted(w);
    for (size_t i = 0; i < w->n_backends; i++)
        w->candidates[i].filing.why_not = TDM__REASON_FILING_SUBMITTED;
    tdm__decision d = decide(w);
    tdm__buf b;
    tdm_error err = {0};
    tdm__buf_init(&b, TDM__DECISION_JSON_MAX);
    if (tdm__decision_canonical(&d, &b, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    print_message("%zu bytes for %d refused back ends\n", b.len, TDM__CELL_BACKENDS_MAX);
    json_t *again = json_loadb(b.ptr, b.len, 0, NULL);
    assert_non_null(again);
    assert_int_equal(json_array_size(json_object_get(again, "refused")), TDM__CELL_BACKENDS_MAX);
    json_decref(again);
    tdm__buf_fini(&b);
    decide_world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_allowed_is_a_plan_in_the_policy_s_order),
        cmocka_unit_test(of_two_faults_the_first_in_the_order_is_the_reason),
        cmocka_unit_test(this_device_s_model_has_reasons_of_its_own),
        cmocka_unit_test(what_concerns_partners_leaves_the_own_model),
        cmocka_unit_test(a_missing_or_empty_cell_is_off),
        cmocka_unit_test(a_named_partner_goes_first_and_the_own_model_stays_behind_it),
        cmocka_unit_test(a_named_partner_that_the_market_has_not_leaves_the_own_model_and_is_told),
        cmocka_unit_test(always_needs_no_question_and_never_takes_the_partner_out),
        cmocka_unit_test(off_says_what_stands_nearest),
        cmocka_unit_test(a_market_without_filing_or_accreditation_asks_for_neither),
        cmocka_unit_test(zz_answers_without_record_clock_or_hash),
        cmocka_unit_test(a_name_that_may_be_a_user_s_text_is_not_kept),
        cmocka_unit_test(sentences_have_names_dates_and_case_ids),
        cmocka_unit_test(every_code_has_a_name_and_two_sentences),
        cmocka_unit_test(the_page_of_reasons_has_every_row),
        cmocka_unit_test(the_document_has_a_canonical_form_that_fits_a_leaf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
