/* trust_attacks.c - see trust_attacks.h. An attacker of a role holds the keys of that role and of those below it, where
 * its name says so; "forge" is somebody without the role's key.
 */
#include "trust_attacks.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLICY "markets/CN/policy.json"

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

void trust_attack_snapshot(trust_maker *m, void (*change)(json_t *))
{
    m->plan[MAKER_TIMESTAMP].version++;
    m->plan[MAKER_SNAPSHOT].version++;
    trust_maker_publish(m);
    trust_maker_resign(m, MAKER_SNAPSHOT, change);
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
    trust_maker_resign(m, MAKER_TIMESTAMP, lower_snapshot_meta);
}
static void rollback_targets(trust_maker *m) { trust_attack_snapshot(m, lower_targets_meta); }
static void rollback_market(trust_maker *m) { trust_attack_snapshot(m, lower_market_meta); }
static void rollback_by_omission(trust_maker *m) { trust_attack_snapshot(m, lose_market_meta); }
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
    trust_maker_resign(m, MAKER_SNAPSHOT, set_version_9);
}
static void mix_targets_version(trust_maker *m)
{
    trust_maker_advance(m);
    trust_maker_resign(m, MAKER_TARGETS, set_version_9);
}
static void mix_market_version(trust_maker *m)
{
    trust_maker_advance(m);
    trust_maker_resign(m, MAKER_CN, set_version_9);
}
static void mix_hash(trust_maker *m, trust_maker_role r)
{
    m->has_hashes = true;
    trust_maker_advance(m);
    trust_maker_resign(m, r, set_past); /* signed, as long, and not the one that is named */
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
    assert(text);
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
    fprintf(stderr, "trust_attacks: no file has the text %s\n", text);
    abort();
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
    json_object_set_new(first_delegation(part), "paths",
                        json_pack("[s, s, s]", "markets/CN/*", "markets/CN/*/*", "markets/US/*"));
}
static void delegate_other_name(json_t *part)
{
    json_object_set_new(first_delegation(part), "name", json_string("everybody"));
}
static void delegate_longer_name(json_t *part)
{
    json_object_set_new(first_delegation(part), "name", json_string("market-CNX"));
}
static void delegate_on(json_t *part) { json_object_set_new(first_delegation(part), "terminating", json_false()); }
static void delegate_twice(json_t *part)
{
    json_array_append(json_object_get(json_object_get(part, "delegations"), "roles"), first_delegation(part));
}
static void change_targets(trust_maker *m, void (*change)(json_t *))
{
    trust_maker_advance(m);
    trust_maker_resign(m, MAKER_TARGETS, change);
}
static void wrong_delegated_all(trust_maker *m) { change_targets(m, delegate_all); }
static void wrong_delegated_other(trust_maker *m) { change_targets(m, delegate_other); }
static void wrong_delegated_name(trust_maker *m) { change_targets(m, delegate_other_name); }
static void wrong_delegated_longer_name(trust_maker *m) { change_targets(m, delegate_longer_name); }
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
static void format_spec(trust_maker *m) { trust_maker_resign(m, MAKER_TIMESTAMP, set_spec_2); }
static void format_time(trust_maker *m) { trust_maker_resign(m, MAKER_TIMESTAMP, set_bad_time); }
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
    trust_maker_resign(m, MAKER_ROOT, set_inconsistent);
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
    trust_maker_resign(m, MAKER_ROOT, change);
}
static void format_key_under_another_id(trust_maker *m) { change_root(m, key_under_another_id); }
static void format_key_twice(trust_maker *m) { change_root(m, key_twice); }
static void format_key_of_another_kind(trust_maker *m) { change_root(m, key_of_another_kind); }

#define ATTACK(f, fault) {#f, f, TDM__TRUST_##fault, false, false}
#define ATTACK_LATER(f, fault) {#f, f, TDM__TRUST_##fault, false, true}
#define ATTACK_ROOT(f, fault) {#f, f, TDM__TRUST_##fault, true, false}

const trust_attack trust_attacks[] = {
    ATTACK_ROOT(freeze_root, FREEZE),
    ATTACK(freeze_timestamp, FREEZE),
    ATTACK(freeze_snapshot, FREEZE),
    ATTACK(freeze_targets, FREEZE),
    ATTACK(freeze_market, FREEZE),
    ATTACK_LATER(rollback_root, ROLLBACK),
    ATTACK_LATER(rollback_timestamp, ROLLBACK),
    ATTACK_LATER(rollback_snapshot, ROLLBACK),
    ATTACK_LATER(rollback_targets, ROLLBACK),
    ATTACK_LATER(rollback_market, ROLLBACK),
    ATTACK_LATER(rollback_by_omission, ROLLBACK),
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
    ATTACK(wrong_delegated_longer_name, WRONG_ROLE),
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
    ATTACK_LATER(missing_market, MISSING),
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

const size_t trust_attacks_n = sizeof trust_attacks / sizeof trust_attacks[0];
