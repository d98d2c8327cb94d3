/* test_device.c - one phone's folder under attack: records, policies and cases that somebody has forged, edited, cut,
 * deleted, put back or replaced while it runs; and the reason that is told for each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "case_maker.h"
#include "device_world.h"
#include "request/device_internal.h"

enum { EDITS = 400, CUTS = 60, ROUNDS = 30, READERS = 3 };

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

/* ---- helpers ---- */

static tdm__device *open_with(const char *record)
{
    tdm__device *d = NULL;
    tdm_error err = {0};
    if (tdm__device_open(world.state, record, &d, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    tdm__device_set_model(d, RULES_OWN_SHA256, 4096);
    return d;
}

static tdm__decision decide(tdm__device *d, const char *feature, const char *partner)
{
    const tdm__ask ask = {.feature = feature, .named_partner = partner, .own_state = TDM__BACKEND_UP};
    const tdm__rules_set *set = tdm__device_acquire(d);
    tdm__decision decision;
    assert_int_equal(tdm__device_decide(d, set, &ask, &decision, NULL), TDM_OK);
    tdm__device_release(d, set);
    decision.rules = NULL; /* may be gone */
    return decision;
}

/* All of it, whatever is asked for and whoever is named; and the page is told the same. */
static void assert_all_off(tdm__device *d, tdm__reason expected)
{
    static const char *const features[] = {"chat", "assistant", "rewrite", "visual", "unheard-of"};
    static const char *const partners[] = {"", "alibaba", "openai", "nobody"};
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++)
        for (size_t k = 0; k < sizeof partners / sizeof partners[0]; k++) {
            const tdm__decision decision = decide(d, features[i], partners[k]);
            assert_int_equal(decision.n_plan, 0);
            if (decision.off != expected)
                fail_msg("%s: %s, expected %s", features[i], tdm__reason_name(decision.off),
                         tdm__reason_name(expected));
        }
    const char *name;
    json_t *all = tdm__device_features(d, TDM__BACKEND_UP, 100), *one;
    json_object_foreach(all, name, one)
    {
        assert_string_equal(json_string_value(json_object_get(one, "state")), "off");
        assert_string_equal(json_string_value(json_object_get(one, "reason")), tdm__reason_name(expected));
        assert_true(json_string_length(json_object_get(one, "text_zh")) > 0);
    }
    json_decref(all);
    json_t *shown = tdm__device_json(d);
    assert_non_null(shown);
    json_decref(shown);
}

static void assert_off_when_opened(const char *record, tdm__reason expected)
{
    tdm__device *d = open_with(record);
    assert_all_off(d, expected);
    tdm__device_close(d);
}

/* A phone that was sold in China, its own model approved for the assistant. */
static void make_phone(void)
{
    const device_world_record r = device_world_usual();
    device_world_write_record(&world, &r);
    device_world_install(&world);
    device_world_write_case(&world, "approved", "DEMO-CN-2025-0001", "");
}

static bool answers(tdm__device *d, const char *feature)
{
    return decide(d, feature, "").n_plan > 0;
}

static void assert_on_as_sold_in_china(tdm__device *d)
{
    assert_true(answers(d, "assistant"));
    assert_int_equal(decide(d, "chat", "").off, TDM__REASON_FILING_MISSING);
    const tdm__rules_set *set = tdm__device_acquire(d);
    assert_string_equal(set->rules->policy->market, "CN");
    tdm__device_release(d, set);
}

static void assert_refused(const char *record, const char *words)
{
    tdm__device *d = NULL;
    tdm_error err = {0};
    assert_true(tdm__device_open(world.state, record, &d, &err) < 0);
    if (!strstr(err.msg, words))
        fail_msg("\"%s\" has no \"%s\"", err.msg, words);
}

/* ---- the record ---- */

static void a_record_is_installed_once_and_zz_cannot_come_back(void **state)
{
    (void)state;
    tdm__device *d = open_with("");
    assert_true(answers(d, "chat")); /* self-hosted */
    assert_int_equal(decide(d, "chat", "openai").plan[0].needs_consent, 0);
    tdm__device_close(d);
    make_phone();
    for (int i = 0; i < 2; i++) { /* given, and found again */
        d = open_with(i == 0 ? world.record : "");
        assert_on_as_sold_in_china(d);
        tdm__device_close(d);
    }
    assert_int_equal(unlink(world.installed_record), 0);
    assert_off_when_opened("", TDM__REASON_RECORD_MISSING);
    d = open_with(world.record);
    assert_on_as_sold_in_china(d);
    tdm__device_close(d);
}

static void each_bad_record_has_its_own_reason_and_all_is_off(void **state)
{
    (void)state;
    const device_world_record usual = device_world_usual();
    static const struct {
        const char *device, *sold_in;
        signed_maker_who signer;
        int begins_days, ends_days;
        bool is_real;
        tdm__reason reason;
    } rows[] = {
        {"DEMO-1", "CN", SIGNED_STRANGER, -1, 1, false, TDM__REASON_RECORD_INVALID},
        {"DEMO-1", "CN", SIGNED_REGULATOR, -1, 1, false, TDM__REASON_RECORD_INVALID}, /* a foreign role */
        {"DEMO-1", "CN", SIGNED_PAST, -1, 1, false, TDM__REASON_RECORD_INVALID},
        {"DEMO-1", "US", SIGNED_OTHER_MAKER, -1, 1, false, TDM__REASON_RECORD_INVALID}, /* speaks for CN only */
        {"DEMO-1", "CN", SIGNED_MAKER, -9, -1, false, TDM__REASON_RECORD_EXPIRED},
        {"DEMO-1", "CN", SIGNED_MAKER, 1, 9, false, TDM__REASON_RECORD_NOT_YET_VALID},
        {"PHONE-1", "CN", SIGNED_MAKER, -1, 1, true, TDM__REASON_RECORD_DEMO},
        {"DEMO-1", "JP", SIGNED_MAKER, -1, 1, false, TDM__REASON_MARKET_UNKNOWN},
        {"DEMO-1", "ZZ", SIGNED_MAKER, -1, 1, false, TDM__REASON_MARKET_UNKNOWN},
    };
    device_world_install(&world);
    device_world_write_case(&world, "approved", "DEMO-CN-2025-0001", "");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        device_world_record r = usual;
        r.device = rows[i].device;
        r.sold_in = rows[i].sold_in;
        r.signer = rows[i].signer;
        r.issued_unix_s = DEVICE_NOW + rows[i].begins_days * DEVICE_DAY;
        r.expires_unix_s = DEVICE_NOW + rows[i].ends_days * DEVICE_DAY;
        r.is_real = rows[i].is_real;
        device_world_write_record(&world, &r);
        unlink(world.installed_record);
        assert_off_when_opened(world.record, rows[i].reason);
        assert_off_when_opened("", rows[i].reason); /* it is installed all the same */
    }
}

static void a_forged_or_cut_record_turns_all_off(void **state)
{
    (void)state;
    make_phone();
    char *good = device_world_read(world.record), *sold = strstr(good, "\"CN\"");
    assert_non_null(sold);
    memcpy(sold, "\"US\"", 4);
    device_world_write(world.record, good);
    assert_off_when_opened(world.record, TDM__REASON_RECORD_INVALID);
    memcpy(sold, "\"CN\"", 4);
    const size_t len = strlen(good);
    for (size_t i = 0; i < CUTS; i++) { /* an empty file too: it is no missing record */
        const size_t cut = i * len / CUTS;
        const char kept = good[cut];
        good[cut] = '\0';
        device_world_write(world.installed_record, good);
        good[cut] = kept;
        tdm__device *d = open_with("");
        assert_all_off(d, TDM__REASON_RECORD_INVALID);
        tdm__device_close(d);
    }
    device_world_write(world.record, good); /* a good one mends it */
    tdm__device *d = open_with(world.record);
    assert_on_as_sold_in_china(d);
    tdm__device_close(d);
    free(good);
}

static void a_makers_key_that_is_revoked_later_takes_its_phones_with_it(void **state)
{
    (void)state;
    tdm__trust_fault fault;
    make_phone();
    tdm__device *d = open_with(world.record);
    assert_on_as_sold_in_china(d);
    device_world_set_keys(&world, SIGNED_MAKER);
    trust_maker_advance(&world.maker);
    assert_int_equal(device_world_put(&world, d, &fault, NULL), TDM_OK);
    assert_all_off(d, TDM__REASON_RECORD_KEY_REVOKED);
    tdm__device_close(d);
    assert_off_when_opened("", TDM__REASON_RECORD_KEY_REVOKED);
}

static void only_a_newer_signed_record_of_this_device_takes_its_place(void **state)
{
    (void)state;
    const device_world_record usual = device_world_usual();
    make_phone();
    tdm__device_close(open_with(world.record));
    device_world_record r = usual;
    r.expires_unix_s += DEVICE_DAY; /* of the same date: not newer */
    device_world_write_record(&world, &r);
    assert_refused(world.record, "not newer");
    r = usual;
    r.sold_in = "US"; /* a device is sold once, whatever a newer record says */
    r.issued_unix_s += 60;
    device_world_write_record(&world, &r);
    assert_refused(world.record, "it was sold in CN, once");
    r = usual;
    r.issued_unix_s -= DEVICE_DAY;
    device_world_write_record(&world, &r);
    assert_refused(world.record, "not newer");
    r = usual;
    r.device = "DEMO-2";
    r.issued_unix_s += 60;
    device_world_write_record(&world, &r);
    assert_refused(world.record, "another device");
    r = usual;
    r.signer = SIGNED_STRANGER; /* would lock the good one out by its date */
    r.issued_unix_s += 60;
    device_world_write_record(&world, &r);
    assert_refused(world.record, "not in the keyring");
    device_world_write(world.record, "{}");
    assert_refused(world.record, "does not take the place");
    unlink(world.record);
    assert_refused(world.record, "there is no device record");
    tdm__device *d = open_with(""); /* after all that */
    assert_on_as_sold_in_china(d);
    tdm__device_close(d);
    r = usual;
    r.issued_unix_s += 60;
    r.expires_unix_s += DEVICE_DAY;
    device_world_write_record(&world, &r);
    d = open_with(world.record);
    assert_on_as_sold_in_china(d);
    tdm__device_close(d);
    device_world_write_record(&world, &usual); /* and the one before does not come back */
    assert_refused(world.record, "not newer");
}

/* ---- the policy ---- */

static void a_policy_that_is_gone_or_cut_turns_all_off(void **state)
{
    (void)state;
    make_phone();
    tdm__device_close(open_with(world.record));
    char *good = device_world_read(world.policy);
    const size_t len = strlen(good);
    for (size_t i = 0; i < CUTS; i++) {
        const size_t cut = i * (len - 2) / CUTS;
        const char kept = good[cut];
        good[cut] = '\0';
        device_world_write(world.policy, good);
        good[cut] = kept;
        assert_off_when_opened("", TDM__REASON_POLICY_INVALID);
        assert_int_equal(unlink(world.installed_record), 0); /* and not even without a record */
        assert_off_when_opened("", TDM__REASON_POLICY_INVALID);
        assert_off_when_opened(world.record, TDM__REASON_POLICY_INVALID);
    }
    assert_int_equal(unlink(world.policy), 0);
    assert_off_when_opened("", TDM__REASON_POLICY_MISSING);
    device_world_write(world.policy, good);
    tdm__device *d = open_with("");
    assert_on_as_sold_in_china(d);
    tdm__device_close(d);
    free(good);
}

/* What is not signed in it (floors, the newest time) may be moved; that must close or change nothing. */
static void a_policy_edited_by_hand_opens_nothing(void **state)
{
    (void)state;
    make_phone();
    tdm__device *d = open_with(world.record);
    json_t *before = tdm__device_features(d, TDM__BACKEND_UP, 100);
    tdm__device_close(d);
    char *good = device_world_read(world.policy);
    const size_t len = strlen(good);
    size_t n_off = 0;
    for (size_t i = 0; i < EDITS; i++) {
        const size_t at = i * (len / EDITS) + i % 7;
        const char kept = good[at];
        good[at] = (char)(kept == '1' ? '2' : kept == 'f' ? 't' : kept == '"' ? '\'' : '1');
        device_world_write(world.policy, good);
        good[at] = kept;
        d = open_with("");
        json_t *after = tdm__device_features(d, TDM__BACKEND_UP, 100);
        const bool is_off = !answers(d, "assistant") && !answers(d, "chat");
        n_off += is_off;
        if (!is_off && !json_equal(before, after))
            fail_msg("the edit of byte %zu has changed the features", at);
        json_decref(after);
        tdm__device_close(d);
    }
    assert_true(n_off > EDITS * 9 / 10);
    json_decref(before);
    free(good);
}

static void a_clock_that_is_set_back_and_a_policy_that_has_ended_turn_all_off(void **state)
{
    (void)state;
    make_phone();
    tdm__device *d = open_with(world.record);
    device_world_now = DEVICE_NOW - 200; /* clocks are a little wrong */
    assert_on_as_sold_in_china(d);
    device_world_now = DEVICE_NOW - 1000;
    assert_all_off(d, TDM__REASON_POLICY_CLOCK);
    tdm__device_close(d);
    assert_off_when_opened("", TDM__REASON_POLICY_CLOCK);
    device_world_now = DEVICE_NOW + 2 * DEVICE_DAY;
    assert_off_when_opened("", TDM__REASON_POLICY_STALE);
    device_world_now = DEVICE_NOW;
    d = open_with(""); /* nothing was lost by it */
    assert_on_as_sold_in_china(d);
    tdm__device_close(d);
}

static void in_the_us_grace_leaves_the_own_model_alone(void **state)
{
    (void)state;
    device_world_record r = device_world_usual();
    r.sold_in = "US";
    device_world_write_record(&world, &r);
    device_world_install(&world);
    tdm__device *d = open_with(world.record);
    assert_int_equal(decide(d, "assistant", "").n_plan, 2);
    device_world_now = DEVICE_NOW + DEVICE_DAY + 3600;
    const tdm__decision in_grace = decide(d, "assistant", "openai");
    assert_int_equal(in_grace.n_plan, 1);
    assert_int_equal(in_grace.refused[0].reason, TDM__REASON_POLICY_GRACE);
    device_world_now = DEVICE_NOW + 3 * DEVICE_DAY;
    assert_all_off(d, TDM__REASON_POLICY_STALE);
    tdm__device_close(d);
}

static void a_policy_whose_pack_or_profile_is_not_there_turns_all_off(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text;
    } rows[] = {
        {"markets/CN/packs/demo.json", NULL},
        {"markets/CN/packs/demo.json", "{\"_type\":\"pack\",\"terms\":7}"},
        {"markets/CN/partners/alibaba.json", NULL},
        {"markets/CN/partners/alibaba.json", "{}"}, /* another one than the policy names */
    };
    make_phone();
    tdm__device *d = open_with(world.record);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tdm__trust_fault fault;
        const char *was = json_string_value(json_object_get(world.maker.content[MAKER_CN], rows[i].path));
        char *kept = strdup(was);
        trust_maker_set(&world.maker, MAKER_CN, rows[i].path, rows[i].text);
        trust_maker_advance(&world.maker);
        assert_int_equal(device_world_put(&world, d, &fault, NULL), TDM_OK);
        assert_all_off(d, TDM__REASON_POLICY_INVALID);
        trust_maker_set(&world.maker, MAKER_CN, rows[i].path, kept);
        trust_maker_advance(&world.maker);
        assert_int_equal(device_world_put(&world, d, &fault, NULL), TDM_OK);
        assert_on_as_sold_in_china(d);
        free(kept);
    }
    tdm__device_close(d);
}

static void an_older_policy_is_refused_and_the_rules_stay(void **state)
{
    (void)state;
    tdm__trust_fault fault;
    tdm_error err = {0};
    make_phone();
    tdm__device *d = open_with(world.record);
    char *old = trust_maker_bundle(&world.maker);
    device_world_set_market(&world, "CN", "  chat:\n", "  chat:\n    kill: true\n");
    trust_maker_advance(&world.maker);
    assert_int_equal(device_world_put(&world, d, &fault, NULL), TDM_OK);
    assert_int_equal(decide(d, "chat", "").off, TDM__REASON_FEATURE_KILLED);
    assert_true(tdm__device_put_policy(d, tdm__str_from(old), &fault, &err) < 0);
    assert_int_equal(fault, TDM__TRUST_ROLLBACK);
    for (int opened = 0; opened < 2; opened++) {
        assert_int_equal(decide(d, "chat", "").off, TDM__REASON_FEATURE_KILLED);
        assert_true(answers(d, "assistant"));
        tdm__device_close(d);
        d = open_with("");
    }
    tdm__device_close(d);
    free(old);
}

/* The update fails, but its root is good and has another key for China: what the old key has signed is not believed
 * any more from that moment on, not only after the next start. */
static void a_refused_update_whose_root_revokes_a_key_closes_at_once(void **state)
{
    (void)state;
    tdm__trust_fault fault;
    make_phone();
    tdm__device *d = open_with(world.record);
    assert_on_as_sold_in_china(d);
    world.maker.plan[MAKER_TARGETS].keys[0] = 7;
    for (int r = MAKER_TIMESTAMP; r < MAKER_ROLES; r++)
        world.maker.plan[r].version++;
    trust_maker_publish_root(&world.maker);
    trust_maker_remove(&world.maker, "timestamp.json");
    assert_true(device_world_put(&world, d, &fault, NULL) < 0);
    const bool answered = answers(d, "assistant");
    tdm__device_close(d);
    d = open_with("");
    assert_int_equal(answers(d, "assistant"), answered); /* running and started anew are one */
    assert_false(answered);
    tdm__device_close(d);
}

/* ---- cases ---- */

static void a_bad_case_file_does_not_take_the_good_one_with_it(void **state)
{
    (void)state;
    char path[256];
    make_phone();
    tdm__device *d = open_with(world.record);
    assert_int_equal(decide(d, "assistant", "alibaba").n_plan, 1);
    tdm__device_close(d);
    device_world_write_case(&world, "approved", "DEMO-CN-2025-0002", "alibaba");
    d = open_with("");
    assert_int_equal(decide(d, "assistant", "alibaba").n_plan, 2);
    tdm__device_close(d);
    snprintf(path, sizeof path, "%s/filings/DEMO-CN-2025-0002.json", world.state);
    char *good = device_world_read(path), *word = strstr(good, "qwen-max");
    assert_non_null(word);
    word[0] = 'Q'; /* edited by hand */
    device_world_write(path, good);
    d = open_with("");
    assert_int_equal(decide(d, "assistant", "alibaba").n_plan, 1);
    assert_on_as_sold_in_china(d);
    json_t *shown = tdm__device_json(d);
    assert_int_equal(json_array_size(json_object_get(shown, "filings")), 1);
    json_decref(shown);
    word[0] = 'q';
    tdm_error err = {0}; /* nobody knows what an edited one would roll back */
    assert_true(tdm__device_put_filing(d, tdm__str_from(good), &err) < 0);
    assert_true(err.msg[0] != '\0');
    tdm__device_close(d);
    free(good);
}

static void a_verdict_for_another_model_or_by_another_regulator_opens_nothing(void **state)
{
    (void)state;
    const device_world_record r = device_world_usual();
    device_world_write_record(&world, &r);
    json_t *keys = signed_maker_keys_json(SIGNED_ALL); /* here each regulator speaks for one market */
    char *text = json_dumps(keys, JSON_COMPACT);
    trust_maker_set(&world.maker, MAKER_TARGETS, "keys.json", text);
    trust_maker_publish(&world.maker);
    free(text);
    json_decref(keys);
    device_world_install(&world);
    tdm__device *d = open_with(world.record);
    tdm_error err = {0};
    char *other = rules_case_json("approved", "DEMO-CN-2025-0003", "CN", "assistant", "", "m",
                                  "0000000000000000000000000000000000000000000000000000000000000000");
    assert_int_equal(tdm__device_put_filing(d, tdm__str_from(other), &err), TDM_OK);
    assert_int_equal(decide(d, "assistant", "").off, TDM__REASON_FILING_OTHER_MODEL);
    char *review = rules_case_json("under_review", "DEMO-CN-2025-0001", "CN", "assistant", "", "m", RULES_OWN_SHA256);
    static const signed_maker_who wrong[] = {SIGNED_REGULATOR_US, SIGNED_REVOKED, SIGNED_PAST, SIGNED_MAKER,
                                             SIGNED_STRANGER};
    assert_int_equal(tdm__device_put_filing(d, tdm__str_from(review), &err), TDM_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char *verdict = case_maker_forge(review, TDM__FILING_APPROVE, wrong[i], "{\"hypothetical\":true}", RULES_NOW);
        assert_true(tdm__device_put_filing(d, tdm__str_from(verdict), &err) < 0);
        assert_int_equal(decide(d, "assistant", "").off, TDM__REASON_FILING_UNDER_REVIEW);
        free(verdict);
    }
    char *verdict = case_maker_forge(review, TDM__FILING_APPROVE, SIGNED_REGULATOR_2, "{\"hypothetical\":true}",
                                     RULES_NOW);
    assert_int_equal(tdm__device_put_filing(d, tdm__str_from(verdict), &err), TDM_OK);
    assert_true(answers(d, "assistant")); /* two keys of one regulator are one regulator */
    tdm__device_close(d);
    free(verdict);
    free(review);
    free(other);
}

static void a_case_cannot_be_put_back_to_before_its_withdrawal(void **state)
{
    (void)state;
    tdm_error err = {0};
    make_phone();
    tdm__device *d = open_with(world.record);
    char path[256];
    snprintf(path, sizeof path, "%s/filings/DEMO-CN-2025-0001.json", world.state);
    char *approved = device_world_read(path);
    char *withdrawn =
        case_maker_forge(approved, TDM__FILING_WITHDRAW, SIGNED_REGULATOR, "{\"text\":\"why\"}", RULES_NOW);
    assert_int_equal(tdm__device_put_filing(d, tdm__str_from(withdrawn), &err), TDM_OK);
    assert_int_equal(decide(d, "assistant", "").off, TDM__REASON_FILING_WITHDRAWN);
    assert_true(tdm__device_put_filing(d, tdm__str_from(approved), &err) < 0);
    for (int opened = 0; opened < 2; opened++) {
        assert_int_equal(decide(d, "assistant", "").off, TDM__REASON_FILING_WITHDRAWN);
        tdm__device_close(d);
        d = open_with("");
    }
    tdm__device_close(d);
    free(withdrawn);
    free(approved);
}

/* ---- consents ---- */

static void consent_to_alibaba_for(tdm__device *d, const char *feature)
{
    const tdm__rules_set *set = tdm__device_acquire(d);
    const tdm__policy_backend *b = &tdm__rules_cell(set->rules, feature)->cell->backends[1];
    const tdm__consent_subject s = {.partner = b->partner->id,
                                    .feature = feature,
                                    .profile_sha256 = b->partner->profile_sha256,
                                    .model = b->model};
    assert_int_equal(tdm__consent_set(tdm__device_usage(d), &s, TDM__CONSENT_ALWAYS, device_world_now, NULL), TDM_OK);
    tdm__device_release(d, set);
}

static void consent_to_alibaba(tdm__device *d) { consent_to_alibaba_for(d, "assistant"); }

static size_t count_consents(tdm__device *d)
{
    json_t *all = tdm__consent_list(tdm__device_usage(d));
    const size_t n = json_array_size(all);
    json_decref(all);
    return n;
}

static void swap_partner(const char *from, const char *to)
{
    device_world_set_market(&world, "CN", from, to);
    trust_maker_advance(&world.maker);
}

static void a_swapped_partner_comes_back_as_a_stranger(void **state)
{
    (void)state;
    tdm__trust_fault fault;
    make_phone();
    device_world_write_case(&world, "approved", "DEMO-CN-2025-0002", "alibaba");
    tdm__device *d = open_with(world.record);
    consent_to_alibaba(d);
    assert_false(decide(d, "assistant", "alibaba").plan[0].needs_consent);
    swap_partner("backend: alibaba", "backend: baidu");
    assert_int_equal(device_world_put(&world, d, &fault, NULL), TDM_OK);
    assert_int_equal(count_consents(d), 0);
    swap_partner("version: 1", "version: 2");
    assert_int_equal(device_world_put(&world, d, &fault, NULL), TDM_OK);
    const tdm__decision again = decide(d, "assistant", "alibaba");
    assert_int_equal(again.n_plan, 2);
    assert_true(again.plan[0].needs_consent);
    tdm__device_close(d);
}

/* The process ends between the policy's rename and the consents: its next start finishes it. */
static void a_swapped_partner_is_forgotten_although_the_process_was_killed_in_between(void **state)
{
    (void)state;
    make_phone();
    tdm__device *d = open_with(world.record);
    consent_to_alibaba(d);
    tdm__device_close(d);
    swap_partner("backend: alibaba", "backend: baidu");
    tdm__trust *t = NULL;
    tdm__trust_fault fault;
    const tdm__trust_source source = trust_maker_source(&world.maker);
    assert_int_equal(tdm__trust_open(world.policy, device_world_now, &t, NULL), TDM_OK);
    assert_int_equal(tdm__trust_update(t, &source, device_world_now, &fault, NULL), TDM_OK);
    tdm__trust_destroy(t);
    d = open_with("");
    assert_int_equal(count_consents(d), 0);
    tdm__device_close(d);
}

/* Off for another reason is no swap: what the owner said stays. */
static void consents_outlive_a_policy_that_is_not_believed(void **state)
{
    (void)state;
    make_phone();
    tdm__device *d = open_with(world.record);
    consent_to_alibaba(d);
    tdm__device_close(d);
    char *good = device_world_read(world.policy);
    device_world_write(world.policy, "{}");
    assert_off_when_opened("", TDM__REASON_POLICY_INVALID);
    device_world_write(world.policy, good);
    d = open_with("");
    assert_int_equal(count_consents(d), 1);
    tdm__device_close(d);
    free(good);
}

/* A feature that the policy does not name any more takes its consents with it. */
static void a_feature_that_is_gone_is_forgotten_too(void **state)
{
    (void)state;
    static const char rewrite[] =
        "  rewrite:\n    backends:\n"
        "      - {backend: own, role: engine, model: qwen2.5-coder-0.5b-instruct-q4_k_m, "
        "model_name: Qwen2.5 Coder 0.5B}\n"
        "      - backend: alibaba\n        role: hand-off\n        model: qwen-max\n"
        "        model_name: Qwen 2.5 Max\n        model_date: 2025-01-25\n        data_region: CN\n"
        "        profiles: [adult]\n";
    tdm__trust_fault fault;
    make_phone();
    tdm__device *d = open_with(world.record);
    consent_to_alibaba_for(d, "rewrite");
    consent_to_alibaba(d);
    swap_partner(rewrite, "");
    assert_int_equal(device_world_put(&world, d, &fault, NULL), TDM_OK);
    assert_int_equal(decide(d, "rewrite", "").off, TDM__REASON_FEATURE_NOT_OFFERED);
    assert_int_equal(count_consents(d), 1); /* the assistant's */
    tdm__device_close(d);
}

/* ---- in use while they are replaced ---- */

typedef struct reader {
    tdm__device *device;
    atomic_bool *stop;
    size_t n_decided, n_wrong;
} reader;

/* Every set is whole: the policy that it has and the plan that follows from it belong together. */
static void *read_sets(void *user)
{
    reader *r = user;
    while (!atomic_load(r->stop)) {
        const tdm__rules_set *set = tdm__device_acquire(r->device);
        const tdm__ask ask = {.feature = "assistant", .named_partner = "alibaba", .own_state = TDM__BACKEND_UP};
        const tdm__partner_profile *profile;
        tdm__decision d;
        if (tdm__device_decide(r->device, set, &ask, &d, NULL) != TDM_OK || d.rules != set->rules)
            r->n_wrong++;
        for (size_t i = 0; i < d.n_plan; i++) {
            const tdm__policy_partner *p = d.plan[i].candidate->backend->partner;
            if (p && tdm__device_profile(r->device, set, p->id, &profile, NULL) != TDM_OK)
                r->n_wrong++;
        }
        (void)tdm__device_is_current(r->device, set);
        tdm__device_note_partner(r->device, "alibaba", true);
        tdm__device_release(r->device, set);
        json_t *shown = tdm__device_features(r->device, TDM__BACKEND_UP, 100);
        r->n_wrong += !shown;
        json_decref(shown);
        r->n_decided++;
    }
    return NULL;
}

static void rules_are_replaced_while_others_use_them(void **state)
{
    (void)state;
    pthread_t threads[READERS];
    reader readers[READERS];
    atomic_bool stop = false;
    tdm__trust_fault fault;
    make_phone();
    device_world_write_case(&world, "approved", "DEMO-CN-2025-0002", "alibaba");
    tdm__device *d = open_with(world.record);
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = (reader){.device = d, .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, read_sets, &readers[i]), 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        swap_partner("backend: alibaba", i % 2 ? "backend: alibaba" : "backend: baidu");
        assert_int_equal(device_world_put(&world, d, &fault, NULL), TDM_OK);
        tdm__device_set_network(d, i % 3 == 0, NULL);
        tdm__device_set_model(d, i % 5 ? RULES_OWN_SHA256 : "", 4096);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readers[i].n_wrong, 0);
        assert_true(readers[i].n_decided > 0);
    }
    tdm__device_close(d);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_record_is_installed_once_and_zz_cannot_come_back),
        TEST(each_bad_record_has_its_own_reason_and_all_is_off),
        TEST(a_forged_or_cut_record_turns_all_off),
        TEST(a_makers_key_that_is_revoked_later_takes_its_phones_with_it),
        TEST(only_a_newer_signed_record_of_this_device_takes_its_place),
        TEST(a_policy_that_is_gone_or_cut_turns_all_off),
        TEST(a_policy_edited_by_hand_opens_nothing),
        TEST(a_clock_that_is_set_back_and_a_policy_that_has_ended_turn_all_off),
        TEST(in_the_us_grace_leaves_the_own_model_alone),
        TEST(a_policy_whose_pack_or_profile_is_not_there_turns_all_off),
        TEST(an_older_policy_is_refused_and_the_rules_stay),
        TEST(a_refused_update_whose_root_revokes_a_key_closes_at_once),
        TEST(a_bad_case_file_does_not_take_the_good_one_with_it),
        TEST(a_verdict_for_another_model_or_by_another_regulator_opens_nothing),
        TEST(a_case_cannot_be_put_back_to_before_its_withdrawal),
        TEST(a_swapped_partner_comes_back_as_a_stranger),
        TEST(a_swapped_partner_is_forgotten_although_the_process_was_killed_in_between),
        TEST(consents_outlive_a_policy_that_is_not_believed),
        TEST(a_feature_that_is_gone_is_forgotten_too),
        TEST(rules_are_replaced_while_others_use_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
