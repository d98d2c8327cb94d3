/* test_trust.c - the TUF client against the attacks of TUF's specification, each refused with its own fault; rotation of
 * every role, thresholds, recovery. State, clock and crashes: test_trust_state.c. Against python-tuf: tests/e2e.
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

/* Signs a published document again after change has been at its signed part. */
static void resign(trust_maker *m, const char *name, trust_maker_role r, void (*change)(json_t *))
{
    json_t *envelope = trust_maker_get(m, name), *part = json_object_get(envelope, "signed");
    change(part);
    trust_maker_put(m, name, r, part);
    json_decref(envelope);
}

static void resign_role(trust_maker *m, trust_maker_role r, void (*change)(json_t *))
{
    resign(m, trust_maker_file_name(m, r), r, change);
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

/* Attacks: what the repository becomes. They come after a whole version 2, whose policy is "two". */
static void set_version_9(json_t *part) { json_object_set_new(part, "version", json_integer(9)); }
static void set_spec_2(json_t *part) { json_object_set_new(part, "spec_version", json_string("2.0")); }
static void set_fraction(json_t *part) { json_object_set_new(part, "more", json_real(0.5)); }
static void set_bad_time(json_t *part) { json_object_set_new(part, "expires", json_string("tomorrow")); }
static void set_inconsistent(json_t *part) { json_object_set_new(part, "consistent_snapshot", json_false()); }
static void set_past(json_t *part) { json_object_set_new(part, "expires", json_string("2025-06-15T15:06:40Z")); }

static void expire(trust_maker *m, trust_maker_role r)
{
    m->plan[r].expires_unix_s = TRUST_MAKER_NOW; /* "expired at", so now is too late */
    if (r == MAKER_ROOT)
        trust_maker_publish_root(m);
    trust_maker_advance(m);
}

static void freeze_root(trust_maker *m) { expire(m, MAKER_ROOT); }
static void freeze_timestamp(trust_maker *m) { expire(m, MAKER_TIMESTAMP); }
static void freeze_snapshot(trust_maker *m) { expire(m, MAKER_SNAPSHOT); }
static void freeze_targets(trust_maker *m) { expire(m, MAKER_TARGETS); }
static void freeze_market(trust_maker *m) { expire(m, MAKER_CN); }


static void lower_snapshot_meta(json_t *part)
{
    json_object_set_new(json_object_get(json_object_get(part, "meta"), "snapshot.json"), "version", json_integer(1));
}
static void lower_market_meta(json_t *part)
{
    json_object_set_new(json_object_get(json_object_get(part, "meta"), "market-CN.json"), "version", json_integer(1));
}
static void lower_targets_meta(json_t *part)
{
    json_object_set_new(json_object_get(json_object_get(part, "meta"), "targets.json"), "version", json_integer(1));
}
static void lose_market_meta(json_t *part) { json_object_del(json_object_get(part, "meta"), "market-CN.json"); }

static void advance_snapshot_with(trust_maker *m, void (*change)(json_t *))
{
    m->plan[MAKER_TIMESTAMP].version++;
    m->plan[MAKER_SNAPSHOT].version++;
    trust_maker_publish(m);
    resign_role(m, MAKER_SNAPSHOT, change);
}

static void rollback_timestamp(trust_maker *m)
{
    m->plan[MAKER_TIMESTAMP].version = 1;
    trust_maker_publish(m);
}
static void rollback_snapshot(trust_maker *m)
{
    m->plan[MAKER_TIMESTAMP].version++;
    trust_maker_publish(m);
    resign_role(m, MAKER_TIMESTAMP, lower_snapshot_meta);
}
static void rollback_targets(trust_maker *m) { advance_snapshot_with(m, lower_targets_meta); }
static void rollback_market(trust_maker *m) { advance_snapshot_with(m, lower_market_meta); }
static void rollback_by_omission(trust_maker *m) { advance_snapshot_with(m, lose_market_meta); }
static void rollback_root(trust_maker *m)
{
    trust_maker_put_text(m, "2.root.json", trust_maker_first_root(m).ptr);
}

static void mix_root(trust_maker *m)
{
    m->plan[MAKER_ROOT].version++;
    trust_maker_publish_root(m); /* version 3, put where 2 is expected */
    trust_maker_put_text(m, "2.root.json", json_string_value(json_object_get(m->files, "3.root.json")));
}
static void mix_snapshot_version(trust_maker *m)
{
    trust_maker_advance(m);
    resign_role(m, MAKER_SNAPSHOT, set_version_9);
}
static void mix_targets_version(trust_maker *m)
{
    trust_maker_advance(m);
    resign_role(m, MAKER_TARGETS, set_version_9);
}
static void mix_market_version(trust_maker *m)
{
    trust_maker_advance(m);
    resign_role(m, MAKER_CN, set_version_9);
}
static void mix_hash(trust_maker *m, trust_maker_role r)
{
    m->has_hashes = true;
    trust_maker_advance(m);
    resign_role(m, r, set_past); /* signed, as long, and not the one that is named */
}
static void mix_snapshot_hash(trust_maker *m) { mix_hash(m, MAKER_SNAPSHOT); }
static void mix_targets_hash(trust_maker *m) { mix_hash(m, MAKER_TARGETS); }
static void mix_market_hash(trust_maker *m) { mix_hash(m, MAKER_CN); }
static void mix_unnamed_delegation(trust_maker *m)
{
    /* a new market in targets that the snapshot does not know */
    trust_maker_advance(m);
    json_t *envelope = trust_maker_get(m, trust_maker_file_name(m, MAKER_TARGETS));
    json_t *part = json_object_get(envelope, "signed");
    json_t *roles = json_object_get(json_object_get(part, "delegations"), "roles");
    json_t *more = json_deep_copy(json_array_get(roles, 0));
    json_object_set_new(more, "name", json_string("market-HK"));
    json_object_set_new(more, "paths", json_pack("[s]", "markets/HK/*"));
    json_array_append_new(roles, more);
    trust_maker_put(m, trust_maker_file_name(m, MAKER_TARGETS), MAKER_TARGETS, part);
    json_decref(envelope);
}

static char *filled(size_t n)
{
    char *text = malloc(n + 1);
    assert_non_null(text);
    memset(text, ' ', n);
    text[n] = '\0';
    return text;
}
static void put_long(trust_maker *m, const char *name, size_t n)
{
    char *text = filled(n);
    trust_maker_put_text(m, name, text);
    free(text);
}
static void endless_root(trust_maker *m) { put_long(m, "2.root.json", (512 << 10) + 1); }
static void endless_timestamp(trust_maker *m) { put_long(m, "timestamp.json", (16 << 10) + 1); }
static void endless_snapshot(trust_maker *m)
{
    trust_maker_advance(m);
    put_long(m, trust_maker_file_name(m, MAKER_SNAPSHOT), (2 << 20) + 1);
}
static void endless_targets(trust_maker *m)
{
    trust_maker_advance(m);
    put_long(m, trust_maker_file_name(m, MAKER_TARGETS), (5 << 20) + 1);
}
static void endless_stated_length(trust_maker *m) /* within our limit, not within the stated one */
{
    m->has_hashes = true;
    trust_maker_advance(m);
    put_long(m, trust_maker_file_name(m, MAKER_CN), 100000);
}

/* The name under which the only file with this text lies. */
static const char *name_of_text(const trust_maker *m, const char *text)
{
    const char *name;
    json_t *value;
    json_object_foreach(m->files, name, value)
        if (strncmp(name, "targets/", 8) == 0 && strcmp(json_string_value(value), text) == 0)
            return name;
    fail_msg("no file has the text");
    return NULL;
}
static void publish_policy(trust_maker *m, const char *text)
{
    trust_maker_set(m, MAKER_CN, POLICY, text);
    trust_maker_advance(m);
}
static void endless_file(trust_maker *m)
{
    publish_policy(m, "three");
    trust_maker_put_text(m, name_of_text(m, "three"), "three and more");
}
static void endless_file_stated(trust_maker *m)
{
    char *text = filled((4 << 20) + 1);
    publish_policy(m, text);
    free(text);
}
static void endless_together(trust_maker *m)
{
    char path[64];
    char *text = filled(4 << 20);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "markets/CN/packs/%d", i);
        trust_maker_set(m, MAKER_CN, path, text);
    }
    trust_maker_advance(m);
    free(text);
}
static void hash_of_file(trust_maker *m)
{
    publish_policy(m, "three");
    trust_maker_put_text(m, name_of_text(m, "three"), "thrEe");
}
static void hash_of_shorter_file(trust_maker *m)
{
    publish_policy(m, "three");
    trust_maker_put_text(m, name_of_text(m, "three"), "thre");
}

static void sign_elsewhere(trust_maker *m, trust_maker_role r, const char *path)
{
    trust_maker_set(m, r, path, "x");
    trust_maker_advance(m);
}
static void wrong_market(trust_maker *m) { sign_elsewhere(m, MAKER_CN, "markets/US/more.json"); }
static void wrong_top(trust_maker *m) { sign_elsewhere(m, MAKER_CN, "keys2.json"); }
static void wrong_depth(trust_maker *m) { sign_elsewhere(m, MAKER_CN, "markets/CN/a/b/c.json"); }
static void wrong_prefix(trust_maker *m) { sign_elsewhere(m, MAKER_CN, "markets/CNX/a.json"); }
static void wrong_targets_role(trust_maker *m) { sign_elsewhere(m, MAKER_TARGETS, POLICY); }

static json_t *first_delegation(json_t *part)
{
    return json_array_get(json_object_get(json_object_get(part, "delegations"), "roles"), 0);
}
static void delegate_all(json_t *part)
{
    json_object_set_new(first_delegation(part), "paths", json_pack("[s]", "*"));
}
static void delegate_other(json_t *part)
{
    json_object_set_new(first_delegation(part), "paths", json_pack("[s, s]", "markets/CN/*", "markets/US/*"));
}
static void delegate_other_name(json_t *part)
{
    json_object_set_new(first_delegation(part), "name", json_string("everybody"));
}
static void delegate_on(json_t *part) { json_object_set_new(first_delegation(part), "terminating", json_false()); }
static void delegate_twice(json_t *part)
{
    json_array_append(json_object_get(json_object_get(part, "delegations"), "roles"), first_delegation(part));
}
static void change_targets(trust_maker *m, void (*change)(json_t *))
{
    trust_maker_advance(m);
    resign_role(m, MAKER_TARGETS, change);
}
static void wrong_delegated_all(trust_maker *m) { change_targets(m, delegate_all); }
static void wrong_delegated_other(trust_maker *m) { change_targets(m, delegate_other); }
static void wrong_delegated_name(trust_maker *m) { change_targets(m, delegate_other_name); }
static void wrong_delegated_on(trust_maker *m) { change_targets(m, delegate_on); }
static void format_delegated_twice(trust_maker *m) { change_targets(m, delegate_twice); }

/* Another key signs in the role's place. */
static void forge(trust_maker *m, trust_maker_role r)
{
    m->plan[r].keys[0] = TRUST_MAKER_KEYS - 1;
    trust_maker_plan forged = m->plan[r];
    m->plan[r].keys[0] = (int)r;
    trust_maker_advance(m);
    forged.version = m->plan[r].version;
    json_t *envelope = trust_maker_get(m, trust_maker_file_name(m, r));
    m->plan[r] = forged;
    trust_maker_put(m, trust_maker_file_name(m, r), r, json_object_get(envelope, "signed"));
    json_decref(envelope);
}
static void forge_timestamp(trust_maker *m) { forge(m, MAKER_TIMESTAMP); }
static void forge_snapshot(trust_maker *m) { forge(m, MAKER_SNAPSHOT); }
static void forge_targets(trust_maker *m) { forge(m, MAKER_TARGETS); }
static void forge_market(trust_maker *m) { forge(m, MAKER_CN); }
static void forge_market_by_other(trust_maker *m) /* the US key speaks for China */
{
    trust_maker_advance(m);
    json_t *envelope = trust_maker_get(m, trust_maker_file_name(m, MAKER_CN));
    trust_maker_put(m, trust_maker_file_name(m, MAKER_CN), MAKER_US, json_object_get(envelope, "signed"));
    json_decref(envelope);
}
static void forge_root(trust_maker *m) /* a root of its own, not signed by the one before */
{
    m->has_last_root = false;
    m->plan[MAKER_ROOT].keys[0] = 9;
    trust_maker_publish_root(m);
}
static void root_short_of_its_own_threshold(trust_maker *m)
{
    m->plan[MAKER_ROOT].threshold = 2; /* with one key */
    trust_maker_publish_root(m);
}
static void change_a_byte(trust_maker *m)
{
    trust_maker_advance(m);
    json_t *envelope = trust_maker_get(m, trust_maker_file_name(m, MAKER_CN));
    json_object_set_new(json_object_get(envelope, "signed"), "expires", json_string("2035-01-01T00:00:00Z"));
    char *text = json_dumps(envelope, 0);
    trust_maker_put_text(m, trust_maker_file_name(m, MAKER_CN), text);
    free(text);
    json_decref(envelope);
}
static void no_signatures(trust_maker *m)
{
    trust_maker_advance(m);
    m->plan[MAKER_TIMESTAMP].n_keys = 0;
    json_t *envelope = trust_maker_get(m, "timestamp.json");
    trust_maker_put(m, "timestamp.json", MAKER_TIMESTAMP, json_object_get(envelope, "signed"));
    json_decref(envelope);
}

static void demo_becomes_real(trust_maker *m)
{
    m->is_demo = false;
    trust_maker_publish_root(m);
}

static void missing_timestamp(trust_maker *m) { trust_maker_remove(m, "timestamp.json"); }
static void missing_snapshot(trust_maker *m)
{
    trust_maker_advance(m);
    trust_maker_remove(m, trust_maker_file_name(m, MAKER_SNAPSHOT));
}
static void missing_targets(trust_maker *m)
{
    trust_maker_advance(m);
    trust_maker_remove(m, trust_maker_file_name(m, MAKER_TARGETS));
}
static void missing_market(trust_maker *m)
{
    trust_maker_advance(m);
    trust_maker_remove(m, trust_maker_file_name(m, MAKER_CN));
}
static void missing_file(trust_maker *m)
{
    publish_policy(m, "three");
    trust_maker_remove(m, name_of_text(m, "three"));
}

static void format_text(trust_maker *m) { trust_maker_put_text(m, "timestamp.json", "<html>"); }
static void format_type(trust_maker *m) { trust_maker_put_text(m, "timestamp.json", trust_maker_first_root(m).ptr); }
static void format_spec(trust_maker *m) { resign_role(m, MAKER_TIMESTAMP, set_spec_2); }
static void format_time(trust_maker *m) { resign_role(m, MAKER_TIMESTAMP, set_bad_time); }
static void format_fraction(trust_maker *m) /* has no canonical form, so nobody can have signed it */
{
    json_t *envelope = trust_maker_get(m, "timestamp.json");
    set_fraction(json_object_get(envelope, "signed"));
    char *text = json_dumps(envelope, 0);
    trust_maker_put_text(m, "timestamp.json", text);
    free(text);
    json_decref(envelope);
}
static void format_inconsistent(trust_maker *m)
{
    trust_maker_publish_root(m);
    resign_role(m, MAKER_ROOT, set_inconsistent);
}
static void format_path(trust_maker *m) { sign_elsewhere(m, MAKER_TARGETS, "../keys.json"); }
static void format_nul(trust_maker *m)
{
    publish_policy(m, "three");
    const char *name = name_of_text(m, "three");
    json_t *envelope = trust_maker_get(m, trust_maker_file_name(m, MAKER_CN));
    json_t *part = json_object_get(envelope, "signed");
    json_t *entry = json_object_get(json_object_get(part, "targets"), POLICY);
    char hex[TDM__SHA256_TEXT], moved[200];
    tdm__sha256_hex("a\0b", 3, hex);
    json_object_set_new(entry, "length", json_integer(3));
    json_object_set_new(json_object_get(entry, "hashes"), "sha256", json_string(hex));
    snprintf(moved, sizeof moved, "targets/markets/CN/%s.policy.json", hex);
    json_object_set_new(m->files, moved, json_stringn("a\0b", 3));
    trust_maker_put(m, trust_maker_file_name(m, MAKER_CN), MAKER_CN, part);
    trust_maker_remove(m, name);
    json_decref(envelope);
}
static json_t *root_roles(json_t *part) { return json_object_get(part, "roles"); }
static void key_under_another_id(json_t *part)
{
    json_t *keys = json_object_get(part, "keys"), *role = json_object_get(root_roles(part), "root");
    const char *id = json_string_value(json_array_get(json_object_get(role, "keyids"), 0));
    json_object_set(keys, "another", json_object_get(keys, id));
    json_array_append_new(json_object_get(role, "keyids"), json_string("another"));
    json_object_set_new(role, "threshold", json_integer(2));
}
static void key_twice(json_t *part)
{
    json_t *ids = json_object_get(json_object_get(root_roles(part), "root"), "keyids");
    json_array_append(ids, json_array_get(ids, 0));
}
static void key_of_another_kind(json_t *part)
{
    const char *id;
    json_t *key;
    json_object_foreach(json_object_get(part, "keys"), id, key)
        json_object_set_new(key, "keytype", json_string("rsa"));
}
static void change_root(trust_maker *m, void (*change)(json_t *))
{
    trust_maker_publish_root(m);
    resign_role(m, MAKER_ROOT, change);
}
static void format_key_under_another_id(trust_maker *m) { change_root(m, key_under_another_id); }
static void format_key_twice(trust_maker *m) { change_root(m, key_twice); }
static void format_key_of_another_kind(trust_maker *m) { change_root(m, key_of_another_kind); }

typedef struct attack {
    const char *name;
    void (*make)(trust_maker *m);
    tdm__trust_fault fault;
    bool is_of_root; /* a root that verified on the way stays */
} attack;

#define ATTACK(f, fault) {#f, f, TDM__TRUST_##fault, false}
#define ATTACK_ROOT(f, fault) {#f, f, TDM__TRUST_##fault, true}

static const attack attacks[] = {
    ATTACK_ROOT(freeze_root, FREEZE),
    ATTACK(freeze_timestamp, FREEZE),
    ATTACK(freeze_snapshot, FREEZE),
    ATTACK(freeze_targets, FREEZE),
    ATTACK(freeze_market, FREEZE),
    ATTACK(rollback_root, ROLLBACK),
    ATTACK(rollback_timestamp, ROLLBACK),
    ATTACK(rollback_snapshot, ROLLBACK),
    ATTACK(rollback_targets, ROLLBACK),
    ATTACK(rollback_market, ROLLBACK),
    ATTACK(rollback_by_omission, ROLLBACK),
    ATTACK(mix_root, MIX_AND_MATCH),
    ATTACK(mix_snapshot_version, MIX_AND_MATCH),
    ATTACK(mix_targets_version, MIX_AND_MATCH),
    ATTACK(mix_market_version, MIX_AND_MATCH),
    ATTACK(mix_snapshot_hash, MIX_AND_MATCH),
    ATTACK(mix_targets_hash, MIX_AND_MATCH),
    ATTACK(mix_market_hash, MIX_AND_MATCH),
    ATTACK(mix_unnamed_delegation, MIX_AND_MATCH),
    ATTACK(endless_root, ENDLESS),
    ATTACK(endless_timestamp, ENDLESS),
    ATTACK(endless_snapshot, ENDLESS),
    ATTACK(endless_targets, ENDLESS),
    ATTACK(endless_stated_length, ENDLESS),
    ATTACK(endless_file, ENDLESS),
    ATTACK(endless_file_stated, ENDLESS),
    ATTACK(endless_together, ENDLESS),
    ATTACK(hash_of_file, TARGET_HASH),
    ATTACK(hash_of_shorter_file, TARGET_HASH),
    ATTACK(wrong_market, WRONG_ROLE),
    ATTACK(wrong_top, WRONG_ROLE),
    ATTACK(wrong_depth, WRONG_ROLE),
    ATTACK(wrong_prefix, WRONG_ROLE),
    ATTACK(wrong_targets_role, WRONG_ROLE),
    ATTACK(wrong_delegated_all, WRONG_ROLE),
    ATTACK(wrong_delegated_other, WRONG_ROLE),
    ATTACK(wrong_delegated_name, WRONG_ROLE),
    ATTACK(wrong_delegated_on, WRONG_ROLE),
    ATTACK(forge_timestamp, SIGNATURES),
    ATTACK(forge_snapshot, SIGNATURES),
    ATTACK(forge_targets, SIGNATURES),
    ATTACK(forge_market, SIGNATURES),
    ATTACK(forge_market_by_other, SIGNATURES),
    ATTACK(forge_root, SIGNATURES),
    ATTACK(root_short_of_its_own_threshold, SIGNATURES),
    ATTACK(change_a_byte, SIGNATURES),
    ATTACK(no_signatures, SIGNATURES),
    ATTACK(demo_becomes_real, DEMO),
    ATTACK(missing_timestamp, MISSING),
    ATTACK(missing_snapshot, MISSING),
    ATTACK(missing_targets, MISSING),
    ATTACK(missing_market, MISSING),
    ATTACK(missing_file, MISSING),
    ATTACK(format_text, FORMAT),
    ATTACK(format_type, FORMAT),
    ATTACK(format_spec, FORMAT),
    ATTACK(format_time, FORMAT),
    ATTACK(format_fraction, FORMAT),
    ATTACK(format_inconsistent, FORMAT),
    ATTACK(format_path, FORMAT),
    ATTACK(format_nul, FORMAT),
    ATTACK(format_delegated_twice, FORMAT),
    ATTACK(format_key_under_another_id, FORMAT),
    ATTACK(format_key_twice, FORMAT),
    ATTACK(format_key_of_another_kind, FORMAT),
};

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
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        fixture f;
        setup(&f);
        assert_int_equal(install(&f), TDM_OK);
        trust_maker_set(&f.m, MAKER_CN, POLICY, "two");
        trust_maker_advance(&f.m);
        assert_updates(&f);
        trust_maker honest;
        copy_maker(&f.m, &honest);
        attacks[i].make(&f.m);
        tdm_status s = update(&f);
        if (s == TDM_OK || f.fault != attacks[i].fault)
            fail_msg("%s: %s instead of %s: %s", attacks[i].name, tdm__trust_fault_name(f.fault),
                     tdm__trust_fault_name(attacks[i].fault), f.err.msg);
        assert_true(f.err.msg[0] != '\0');
        for (int round = 0; round < 2; round++) {
            assert_policy_is(&f, "two");
            assert_int_equal(tdm__trust_version(f.t), 2);
            assert_int_equal(tdm__trust_n_targets(f.t), 4);
            reopen(&f);
        }
        if (!attacks[i].is_of_root) { /* and the true repository is still followed */
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
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        if (attacks[i].fault == TDM__TRUST_ROLLBACK || attacks[i].make == missing_market)
            continue; /* nothing was seen before */
        fixture f;
        setup(&f);
        attacks[i].make(&f.m);
        assert_int_not_equal(install(&f), TDM_OK);
        if (f.fault != attacks[i].fault)
            fail_msg("%s: %s instead of %s: %s", attacks[i].name, tdm__trust_fault_name(f.fault),
                     tdm__trust_fault_name(attacks[i].fault), f.err.msg);
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
        advance_snapshot_with(&f.m, set_high_versions);
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
        resign_role(&f.m, (trust_maker_role)r, add_unknown);
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
        cmocka_unit_test(members_that_tuf_may_add_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
