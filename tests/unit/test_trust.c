/* test_trust.c - the TUF client against the attacks of TUF's specification (tests/harness/trust_attacks.c), each with
 * its own fault; rotation of every role, thresholds, recovery. State, clock and crashes: test_trust_state.c. Against
 * python-tuf: tests/e2e.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "trust_attacks.h"
#include "trust_maker.h"

#define POLICY "markets/CN/policy.json"

typedef struct fixture {
    trust_maker m;
    char dir[64], path[80];
    tdm__trust *t;
    tdm__trust_fault fault;
    tdm_error err;
} fixture;

static void setup(fixture *f)
{
    memset(f, 0, sizeof *f);
    trust_maker_init(&f->m);
    snprintf(f->dir, sizeof f->dir, "/tmp/tandem-trust-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/policy.json", f->dir);
}

static void teardown(fixture *f)
{
    tdm__trust_destroy(f->t);
    trust_maker_fini(&f->m);
    unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0); /* no temporary file was left either */
}

static tdm_status install(fixture *f)
{
    tdm__trust_source s = trust_maker_source(&f->m);
    return tdm__trust_install(f->path, trust_maker_first_root(&f->m), &s, TRUST_MAKER_NOW, &f->t, &f->fault, &f->err);
}

static tdm_status update(fixture *f)
{
    tdm__trust_source s = trust_maker_source(&f->m);
    return tdm__trust_update(f->t, &s, TRUST_MAKER_NOW, &f->fault, &f->err);
}

static void assert_updates(fixture *f)
{
    if (update(f) != TDM_OK)
        fail_msg("%s: %s", tdm__trust_fault_name(f->fault), f->err.msg);
    assert_int_equal(f->fault, TDM__TRUST_NONE);
}

static void assert_refused(fixture *f, tdm__trust_fault fault)
{
    tdm_status s = update(f);
    assert_int_not_equal(s, TDM_OK);
    if (f->fault != fault)
        fail_msg("%s instead of %s: %s", tdm__trust_fault_name(f->fault), tdm__trust_fault_name(fault), f->err.msg);
    assert_true(f->err.msg[0] != '\0');
}

static void reopen(fixture *f)
{
    tdm__trust_destroy(f->t);
    f->t = NULL;
    if (tdm__trust_open(f->path, TRUST_MAKER_NOW, &f->t, &f->err) != TDM_OK)
        fail_msg("%s", f->err.msg);
}

static void assert_policy_is(const fixture *f, const char *text)
{
    tdm__trust_target t;
    assert_int_equal(tdm__trust_get_target(f->t, POLICY, &t, NULL), TDM_OK);
    assert_int_equal(t.bytes.len, strlen(text));
    assert_memory_equal(t.bytes.ptr, text, t.bytes.len);
}

static void a_repository_is_installed_updated_and_opened_again(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    assert_int_equal(install(&f), TDM_OK);
    assert_int_equal(tdm__trust_n_targets(f.t), 4);
    assert_int_equal(tdm__trust_version(f.t), 1);
    assert_true(tdm__trust_is_demo(f.t));
    trust_maker_set(&f.m, MAKER_CN, POLICY, "two");
    trust_maker_advance(&f.m);
    assert_updates(&f);
    for (int round = 0; round < 2; round++) {
        tdm__trust_target t;
        assert_policy_is(&f, "two");
        assert_int_equal(tdm__trust_version(f.t), 2);
        assert_int_equal(tdm__trust_market_version(f.t, "CN"), 2);
        assert_int_equal(tdm__trust_market_version(f.t, "HK"), 0);
        assert_int_equal(tdm__trust_expires_unix_s(f.t, "CN"), TRUST_MAKER_NOW + 86400);
        assert_int_equal(tdm__trust_expires_unix_s(f.t, "HK"), 0);
        assert_int_equal(tdm__trust_get_target(f.t, "markets/CN/partners/alibaba.json", &t, NULL), TDM_OK);
        assert_int_equal(tdm__trust_get_target(f.t, "markets/HK/policy.json", &t, NULL), TDM_ERR_NOT_FOUND);
        reopen(&f);
    }
    assert_updates(&f); /* the same once more is nothing new, and no error */
    assert_int_equal(install(&f), TDM_ERR_INVAL);
    teardown(&f);
}

static void copy_maker(const trust_maker *from, trust_maker *to)
{
    *to = *from;
    to->files = json_copy(from->files);
    for (int r = 0; r < MAKER_ROLES; r++)
        to->content[r] = json_copy(from->content[r]);
}

static void each_attack_is_refused_with_its_fault_and_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < trust_attacks_n; i++) {
        fixture f;
        setup(&f);
        assert_int_equal(install(&f), TDM_OK);
        trust_maker_set(&f.m, MAKER_CN, POLICY, "two");
        trust_maker_advance(&f.m);
        assert_updates(&f);
        trust_maker honest;
        copy_maker(&f.m, &honest);
        trust_attacks[i].make(&f.m);
        tdm_status s = update(&f);
        if (s == TDM_OK || f.fault != trust_attacks[i].fault)
            fail_msg("%s: %s instead of %s: %s", trust_attacks[i].name, tdm__trust_fault_name(f.fault),
                     tdm__trust_fault_name(trust_attacks[i].fault), f.err.msg);
        assert_true(f.err.msg[0] != '\0');
        for (int round = 0; round < 2; round++) {
            assert_policy_is(&f, "two");
            assert_int_equal(tdm__trust_version(f.t), 2);
            assert_int_equal(tdm__trust_n_targets(f.t), 4);
            reopen(&f);
        }
        if (!trust_attacks[i].is_of_root) { /* and the true repository is still followed */
            trust_maker_fini(&f.m);
            f.m = honest;
            honest = (trust_maker){0};
            trust_maker_set(&f.m, MAKER_CN, POLICY, "three");
            for (int n = 0; n < 3; n++)
                trust_maker_advance(&f.m);
            assert_updates(&f);
            assert_policy_is(&f, "three");
        }
        trust_maker_fini(&honest);
        teardown(&f);
    }
}

static void an_attack_at_the_first_update_installs_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < trust_attacks_n; i++) {
        if (trust_attacks[i].fault == TDM__TRUST_ROLLBACK || trust_attacks[i].is_of_update)
            continue; /* nothing was seen before */
        fixture f;
        setup(&f);
        trust_attacks[i].make(&f.m);
        assert_int_not_equal(install(&f), TDM_OK);
        if (f.fault != trust_attacks[i].fault)
            fail_msg("%s: %s instead of %s: %s", trust_attacks[i].name, tdm__trust_fault_name(f.fault),
                     tdm__trust_fault_name(trust_attacks[i].fault), f.err.msg);
        assert_null(f.t);
        assert_int_equal(access(f.path, F_OK), -1);
        teardown(&f);
    }
}

static void every_role_can_get_other_keys(void **state)
{
    (void)state;
    for (int r = MAKER_ROOT; r < MAKER_ROLES; r++) {
        fixture f;
        setup(&f);
        assert_int_equal(install(&f), TDM_OK);
        f.m.plan[r].keys[0] = 8;
        if (r <= MAKER_TARGETS)
            trust_maker_publish_root(&f.m);
        trust_maker_set(&f.m, MAKER_CN, POLICY, "two");
        trust_maker_advance(&f.m);
        assert_updates(&f);
        assert_policy_is(&f, "two");
        reopen(&f);
        f.m.plan[r].keys[0] = r; /* the old key signs once more */
        trust_maker_plan now = f.m.plan[r];
        if (r == MAKER_ROOT) {
            f.m.last_root = now;
            trust_maker_publish_root(&f.m);
        } else {
            f.m.plan[r].keys[0] = 8;
            trust_maker_advance(&f.m);
            json_t *envelope = trust_maker_get(&f.m, trust_maker_file_name(&f.m, (trust_maker_role)r));
            f.m.plan[r].keys[0] = r;
            trust_maker_put(&f.m, trust_maker_file_name(&f.m, (trust_maker_role)r), (trust_maker_role)r,
                            json_object_get(envelope, "signed"));
            json_decref(envelope);
        }
        assert_refused(&f, TDM__TRUST_SIGNATURES);
        assert_policy_is(&f, "two");
        teardown(&f);
    }
}

static void two_of_three_keys_are_two_keys(void **state)
{
    (void)state;
    for (int r = MAKER_ROOT; r < MAKER_ROLES; r++) {
        fixture f;
        setup(&f);
        assert_int_equal(install(&f), TDM_OK);
        trust_maker_plan *p = &f.m.plan[r];
        p->keys[1] = 9;
        p->keys[2] = 10;
        p->n_keys = 3;
        p->threshold = 2;
        trust_maker_publish_root(&f.m);
        trust_maker_advance(&f.m);
        for (int n_signers = 1; n_signers <= 2; n_signers++) {
            const char *name = trust_maker_file_name(&f.m, (trust_maker_role)r);
            json_t *envelope = trust_maker_get(&f.m, name);
            json_t *list = json_object_get(envelope, "signatures");
            json_t *first = json_deep_copy(json_array_get(list, 0)), *third = json_deep_copy(json_array_get(list, 2));
            json_array_clear(list);
            json_array_append_new(list, first);
            if (n_signers == 2)
                json_array_append(list, third);
            json_decref(third);
            char *text = json_dumps(envelope, 0);
            char *whole = strdup(json_string_value(json_object_get(f.m.files, name)));
            trust_maker_put_text(&f.m, name, text);
            if (n_signers == 1)
                assert_refused(&f, TDM__TRUST_SIGNATURES);
            else
                assert_updates(&f);
            trust_maker_put_text(&f.m, name, whole);
            free(text);
            free(whole);
            json_decref(envelope);
        }
        teardown(&f);
    }
}

static void a_device_that_slept_follows_the_chain_of_roots(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    assert_int_equal(install(&f), TDM_OK);
    f.m.plan[MAKER_ROOT].expires_unix_s = TRUST_MAKER_NOW - 1; /* of those on the way only */
    for (int i = 0; i < 5; i++) {
        f.m.plan[MAKER_ROOT].keys[0] = 6 + i % 3;
        trust_maker_publish_root(&f.m);
    }
    f.m.plan[MAKER_ROOT].expires_unix_s = TRUST_MAKER_NOW + 86400;
    trust_maker_publish_root(&f.m);
    trust_maker_advance(&f.m);
    assert_updates(&f);
    reopen(&f);
    teardown(&f);
}

static void more_roots_than_an_update_takes_are_endless_and_go_on_at_the_next(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    assert_int_equal(install(&f), TDM_OK);
    for (int i = 0; i < 1025; i++)
        trust_maker_publish_root(&f.m);
    assert_refused(&f, TDM__TRUST_ENDLESS);
    reopen(&f);
    assert_policy_is(&f, "{\"market\":\"CN\",\"edition\":1}");
    assert_updates(&f);
    teardown(&f);
}

static void set_high_versions(json_t *part)
{
    const char *name;
    json_t *entry;
    json_object_foreach(json_object_get(part, "meta"), name, entry)
        json_object_set_new(entry, "version", json_integer(INT64_C(1) << 52));
}

/* A stolen key makes versions as high as can be; then the owners rotate the keys of role r. */
static void fast_forward(trust_maker_role stolen, trust_maker_role r, bool is_recovered)
{
    fixture f;
    setup(&f);
    assert_int_equal(install(&f), TDM_OK);
    trust_maker honest;
    copy_maker(&f.m, &honest);
    if (stolen == MAKER_TIMESTAMP) {
        f.m.plan[MAKER_TIMESTAMP].version = INT64_C(1) << 52;
        trust_maker_publish(&f.m);
        assert_updates(&f);
    } else {
        trust_attack_snapshot(&f.m, set_high_versions);
        assert_refused(&f, TDM__TRUST_MISSING);
    }
    reopen(&f);
    trust_maker_fini(&f.m);
    f.m = honest;
    trust_maker_set(&f.m, MAKER_CN, POLICY, "two");
    trust_maker_advance(&f.m);
    trust_maker_advance(&f.m);
    assert_refused(&f, TDM__TRUST_ROLLBACK);
    f.m.plan[r].keys[0] = 8;
    trust_maker_publish_root(&f.m);
    if (is_recovered) {
        assert_updates(&f);
        assert_policy_is(&f, "two");
        reopen(&f);
    } else {
        assert_refused(&f, TDM__TRUST_ROLLBACK);
    }
    teardown(&f);
}

static void rotation_recovers_from_fast_forward(void **state)
{
    (void)state;
    fast_forward(MAKER_TIMESTAMP, MAKER_TIMESTAMP, true);
    fast_forward(MAKER_TIMESTAMP, MAKER_SNAPSHOT, true);
    fast_forward(MAKER_SNAPSHOT, MAKER_SNAPSHOT, true);
    fast_forward(MAKER_SNAPSHOT, MAKER_TIMESTAMP, true);
    fast_forward(MAKER_TIMESTAMP, MAKER_ROOT, false);
    fast_forward(MAKER_SNAPSHOT, MAKER_ROOT, false);
}

static void what_a_newer_root_no_longer_allows_is_dropped_even_when_the_rest_is_withheld(void **state)
{
    (void)state;
    static const trust_maker_role rotated[] = {MAKER_TIMESTAMP, MAKER_SNAPSHOT, MAKER_TARGETS};
    for (size_t i = 0; i < 3; i++) {
        fixture f;
        setup(&f);
        assert_int_equal(install(&f), TDM_OK);
        f.m.plan[rotated[i]].keys[0] = 8;
        trust_maker_publish_root(&f.m);
        trust_maker_advance(&f.m);
        json_t *timestamp = json_incref(json_object_get(f.m.files, "timestamp.json"));
        trust_maker_remove(&f.m, "timestamp.json");
        assert_refused(&f, TDM__TRUST_MISSING);
        for (int round = 0; round < 2; round++) {
            assert_int_equal(tdm__trust_n_targets(f.t), 0);
            assert_int_equal(tdm__trust_expires_unix_s(f.t, "CN"), 0);
            reopen(&f);
        }
        trust_maker_put_text(&f.m, "timestamp.json", json_string_value(timestamp));
        json_decref(timestamp);
        assert_updates(&f);
        assert_int_equal(tdm__trust_n_targets(f.t), 4);
        teardown(&f);
    }
}

static void a_device_takes_its_own_market_and_keeps_asking_for_it(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    trust_maker_remove(&f.m, trust_maker_file_name(&f.m, MAKER_US));
    assert_int_equal(install(&f), TDM_OK);
    assert_int_equal(tdm__trust_n_targets(f.t), 3);
    assert_int_equal(tdm__trust_market_version(f.t, "US"), 0);
    reopen(&f);
    trust_maker_advance(&f.m);
    trust_maker_remove(&f.m, trust_maker_file_name(&f.m, MAKER_US));
    assert_updates(&f);
    trust_maker_advance(&f.m); /* now all of it: the other market comes too, and its files */
    assert_updates(&f);
    assert_int_equal(tdm__trust_n_targets(f.t), 4);
    teardown(&f);
}

static void an_update_may_bring_only_what_is_new(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    assert_int_equal(install(&f), TDM_OK);
    f.m.plan[MAKER_TIMESTAMP].version++;
    f.m.plan[MAKER_TIMESTAMP].expires_unix_s += 86400;
    trust_maker_publish(&f.m);
    json_t *timestamp = json_incref(json_object_get(f.m.files, "timestamp.json"));
    json_object_clear(f.m.files);
    json_object_set_new(f.m.files, "timestamp.json", timestamp);
    assert_updates(&f);
    assert_int_equal(tdm__trust_expires_unix_s(f.t, "CN"), TRUST_MAKER_NOW + 2 * 86400);
    teardown(&f);
}

/* The same version with other bytes is what the level above says it is: the new one. */
static void a_stored_document_that_is_no_longer_named_is_not_used(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    f.m.has_hashes = true;
    trust_maker_publish(&f.m);
    assert_int_equal(install(&f), TDM_OK);
    trust_maker_set(&f.m, MAKER_CN, POLICY, "two");
    f.m.plan[MAKER_TIMESTAMP].version++;
    f.m.plan[MAKER_SNAPSHOT].version++;
    trust_maker_publish(&f.m);
    assert_updates(&f);
    assert_policy_is(&f, "two");
    teardown(&f);
}

static void a_rotated_snapshot_key_needs_no_new_versions(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    f.m.has_hashes = true;
    trust_maker_publish(&f.m);
    assert_int_equal(install(&f), TDM_OK);
    f.m.plan[MAKER_SNAPSHOT].keys[0] = 8;
    trust_maker_publish_root(&f.m);
    assert_updates(&f);
    assert_int_equal(tdm__trust_n_targets(f.t), 4);
    teardown(&f);
}

static void add_unknown(json_t *part)
{
    json_object_set_new(part, "x-later", json_pack("{s:[i, n]}", "a", 1));
}

static void members_that_tuf_may_add_are_passed_over(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    for (int r = MAKER_ROOT; r < MAKER_ROLES; r++)
        trust_maker_resign(&f.m, (trust_maker_role)r, add_unknown);
    json_t *envelope = trust_maker_get(&f.m, "timestamp.json");
    json_object_set_new(envelope, "note", json_string("unsigned"));
    json_array_append_new(json_object_get(envelope, "signatures"),
                          json_pack("{s:s, s:s}", "keyid", "somebody", "sig", "not even hexadecimal"));
    char *text = json_dumps(envelope, JSON_INDENT(2)); /* white space is nobody's business either */
    trust_maker_put_text(&f.m, "timestamp.json", text);
    free(text);
    json_decref(envelope);
    assert_int_equal(install(&f), TDM_OK);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repository_is_installed_updated_and_opened_again),
        cmocka_unit_test(each_attack_is_refused_with_its_fault_and_changes_nothing),
        cmocka_unit_test(an_attack_at_the_first_update_installs_nothing),
        cmocka_unit_test(every_role_can_get_other_keys),
        cmocka_unit_test(two_of_three_keys_are_two_keys),
        cmocka_unit_test(a_device_that_slept_follows_the_chain_of_roots),
        cmocka_unit_test(more_roots_than_an_update_takes_are_endless_and_go_on_at_the_next),
        cmocka_unit_test(rotation_recovers_from_fast_forward),
        cmocka_unit_test(what_a_newer_root_no_longer_allows_is_dropped_even_when_the_rest_is_withheld),
        cmocka_unit_test(a_device_takes_its_own_market_and_keeps_asking_for_it),
        cmocka_unit_test(an_update_may_bring_only_what_is_new),
        cmocka_unit_test(a_stored_document_that_is_no_longer_named_is_not_used),
        cmocka_unit_test(a_rotated_snapshot_key_needs_no_new_versions),
        cmocka_unit_test(members_that_tuf_may_add_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
