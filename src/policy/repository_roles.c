/* repository_roles.c - who may sign a role, whether enough did, and what each role says.
 *
 * Signed parts are built whole from the plan, the files and what stands beside them; whether a role has to be signed
 * anew is seen by comparing. The snapshot has the hash of each role below it and the timestamp that of the snapshot,
 * so both can be built only when what they name has its signatures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "policy/repository_internal.h"

enum { DAY_S = 24 * 3600, ENVELOPE_MAX = 8 << 20 };

#define SPEC_VERSION "1.0.31"

static const json_t *signed_of(const json_t *roles, const char *role)
{
    return tdm__envelope_signed(json_object_get(roles, role));
}

/* The staged one, else the published one. */
static const json_t *newest_signed(const tdm__repository *r, const char *role)
{
    const json_t *s = signed_of(r->staged, role);
    return s ? s : signed_of(r->published, role);
}

int64_t tdm__repository_version(const json_t *envelope)
{
    return json_integer_value(json_object_get(tdm__envelope_signed(envelope), "version"));
}

int64_t tdm__repository_expires_days(const json_t *envelope)
{
    const json_t *ours = json_object_get(tdm__envelope_signed(envelope), "x-tandem");
    const int64_t days = json_integer_value(json_object_get(ours, "expires_days"));
    return days >= 1 && days <= TDM__REPOSITORY_EXPIRES_DAYS_MAX ? days : 1;
}

static tdm_status market_signers(const json_t *targets, const char *role, tdm__trust_role *out, tdm_error *err)
{
    const json_t *delegations = json_object_get(targets, "delegations"), *one;
    const json_t *roles = json_object_get(delegations, "roles");
    size_t i;
    json_array_foreach(roles, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name && strcmp(name, role) == 0)
            return tdm__trust_role_read(json_object_get(delegations, "keys"), one, role, out, err);
    }
    TDM_FAIL(err, TDM_ERR_NOT_FOUND, "nothing is delegated to %s", role);
}

tdm_status tdm__repository_signers(const tdm__repository *r, const char *role, bool is_old_root, tdm__trust_role *out,
                                   tdm_error *err)
{
    if (tdm__repository_market_of(role))
        return market_signers(newest_signed(r, "targets"), role, out, err);
    const json_t *root = is_old_root ? signed_of(r->published, "root") : newest_signed(r, "root");
    const json_t *roles = json_object_get(root, "roles");
    if (!json_object_get(roles, role))
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "the root has no role %.40s", role);
    return tdm__trust_role_read(json_object_get(root, "keys"), json_object_get(roles, role), role, out, err);
}

tdm_status tdm__repository_count_good(const json_t *envelope, const tdm__trust_role *signers, size_t *n, tdm_error *err)
{
    const tdm__public_key *keys[TDM__TRUST_ROLE_KEYS_MAX];
    for (size_t i = 0; i < signers->n_keys; i++)
        keys[i] = &signers->keys[i];
    return tdm__envelope_count_good(envelope, keys, signers->n_keys, n, err);
}

static tdm_status count_missing(const tdm__repository *r, const char *role, bool is_old_root, size_t *n, tdm_error *err)
{
    tdm__trust_role signers;
    size_t n_good = 0;
    TDM_TRY(tdm__repository_signers(r, role, is_old_root, &signers, err));
    TDM_TRY(tdm__repository_count_good(json_object_get(r->staged, role), &signers, &n_good, err));
    *n = n_good < signers.threshold ? signers.threshold - n_good : 0;
    return TDM_OK;
}

tdm_status tdm__repository_n_missing(const tdm__repository *r, const char *role, size_t *n, tdm_error *err)
{
    size_t n_old = 0;
    TDM_TRY(count_missing(r, role, false, n, err));
    if (strcmp(role, "root") == 0 && json_object_get(r->published, "root"))
        TDM_TRY(count_missing(r, role, true, &n_old, err));
    *n = n_old > *n ? n_old : *n; /* at least: one signature may count for both */
    return TDM_OK;
}

/* What all roles have; members are added by the caller. */
static json_t *common_build(const char *type, int64_t version, int64_t now_unix_s, int64_t expires_days)
{
    char expires[TDM__RFC3339_TEXT];
    tdm__rfc3339_put(now_unix_s + expires_days * DAY_S, expires);
    return json_pack("{s:s, s:s, s:I, s:s}", "_type", type, "spec_version", SPEC_VERSION, "version",
                     (json_int_t)version, "expires", expires);
}

/* The object, or NULL and it is gone, when something in it could not be set. */
static json_t *keep_if(json_t *object, bool is_whole)
{
    if (is_whole)
        return object;
    json_decref(object);
    return NULL;
}

/* {"keyids":[..],"threshold":n}; the keys go into keys. */
static json_t *role_build(const tdm__repository_role *role, json_t *keys)
{
    json_t *ids = json_array(), *object = NULL;
    bool is_whole = ids != NULL;
    for (size_t i = 0; i < role->signers.n_keys && is_whole; i++) {
        const tdm__public_key *key = &role->signers.keys[i];
        is_whole = json_array_append_new(ids, json_string(key->id)) == 0 &&
                   json_object_set_new(keys, key->id, tdm__public_key_json(key)) == 0;
    }
    if (is_whole)
        object = json_pack("{s:O, s:I}", "keyids", ids, "threshold", (json_int_t)role->signers.threshold);
    json_decref(ids);
    return object;
}

json_t *tdm__repository_root_build(const tdm__repository_plan *plan, int64_t version, int64_t now_unix_s)
{
    const tdm__repository_role *own = tdm__repository_plan_role(plan, "root");
    json_t *root = common_build("root", version, now_unix_s, own->expires_days);
    json_t *keys = json_object(), *roles = json_object();
    bool is_whole = root && keys && roles;
    for (size_t i = 0; i < plan->n_roles && is_whole; i++)
        if (!tdm__repository_market_of(plan->roles[i].name))
            is_whole = json_object_set_new(roles, plan->roles[i].name, role_build(&plan->roles[i], keys)) == 0;
    is_whole = is_whole && json_object_set(root, "keys", keys) == 0 && json_object_set(root, "roles", roles) == 0 &&
               json_object_set_new(root, "consistent_snapshot", json_true()) == 0 &&
               json_object_set_new(root, "x-tandem", json_pack("{s:b}", "demo", plan->is_demo)) == 0;
    json_decref(keys);
    json_decref(roles);
    return keep_if(root, is_whole);
}

/* Whether the file is the role's: below markets/XX/ the market's, else the targets role's. */
static bool file_is_of(const char *path, const char *market)
{
    char prefix[32];
    if (!market)
        return !tdm__trust_path_is_of_market(path);
    int n = snprintf(prefix, sizeof prefix, "markets/%s/", market);
    return strncmp(path, prefix, (size_t)n) == 0;
}

/* One delegation a market; roles.yaml's order does not count, so they are sorted. */
static json_t *delegations_build(const tdm__repository_plan *plan)
{
    json_t *keys = json_object(), *roles = json_array(), *out = NULL;
    const char *last = "";
    bool is_whole = keys && roles;
    for (;;) {
        const tdm__repository_role *next = NULL;
        for (size_t i = 0; i < plan->n_roles; i++)
            if (tdm__repository_market_of(plan->roles[i].name) && strcmp(plan->roles[i].name, last) > 0 &&
                (!next || strcmp(plan->roles[i].name, next->name) < 0))
                next = &plan->roles[i];
        if (!next || !is_whole)
            break;
        char files[32], below[32];
        snprintf(files, sizeof files, "markets/%s/*", tdm__repository_market_of(next->name));
        snprintf(below, sizeof below, "markets/%s/*/*", tdm__repository_market_of(next->name));
        json_t *role = role_build(next, keys);
        is_whole = role && json_object_set_new(role, "name", json_string(next->name)) == 0 &&
                   json_object_set_new(role, "terminating", json_true()) == 0 &&
                   json_object_set_new(role, "paths", json_pack("[s, s]", files, below)) == 0 &&
                   json_array_append(roles, role) == 0;
        json_decref(role);
        last = next->name;
    }
    if (is_whole)
        out = json_pack("{s:O, s:O}", "keys", keys, "roles", roles);
    json_decref(keys);
    json_decref(roles);
    return out;
}

json_t *tdm__repository_targets_build(const tdm__repository_plan *plan, const tdm__repository_targets *t,
                                      const char *role, int64_t version, int64_t now_unix_s)
{
    const char *market = tdm__repository_market_of(role);
    json_t *body = common_build("targets", version, now_unix_s, tdm__repository_plan_role(plan, role)->expires_days);
    json_t *files = json_object();
    bool is_whole = body && files;
    for (size_t i = 0; i < t->n && is_whole; i++)
        if (file_is_of(t->items[i].path, market))
            is_whole = json_object_set_new(files, t->items[i].path,
                                           json_pack("{s:I, s:{s:s}}", "length", (json_int_t)t->items[i].len, "hashes",
                                                     "sha256", t->items[i].sha256)) == 0;
    is_whole = is_whole && json_object_set(body, "targets", files) == 0;
    if (is_whole && !market)
        is_whole = json_object_set_new(body, "delegations", delegations_build(plan)) == 0;
    json_decref(files);
    return keep_if(body, is_whole);
}

/* {"version","length","hashes"} of the file that the envelope is written to. */
static json_t *meta_build(const json_t *envelope)
{
    char hex[TDM__SHA256_TEXT];
    json_t *entry = NULL;
    tdm__buf bytes;
    tdm__buf_init(&bytes, ENVELOPE_MAX);
    if (tdm__json_canonical(envelope, &bytes, NULL) == TDM_OK) {
        tdm__sha256_hex(bytes.ptr, bytes.len, hex);
        entry = json_pack("{s:I, s:I, s:{s:s}}", "version", (json_int_t)tdm__repository_version(envelope), "length",
                          (json_int_t)bytes.len, "hashes", "sha256", hex);
    }
    tdm__buf_fini(&bytes);
    return entry;
}

/* What the published one names, with the staged roles that is_named says over it. */
static json_t *named_build(const tdm__repository *r, const char *publisher, bool (*is_named)(const char *role))
{
    const json_t *before = json_object_get(signed_of(r->published, publisher), "meta");
    json_t *meta = before ? json_copy((json_t *)before) : json_object();
    const char *role;
    json_t *envelope;
    bool is_whole = meta != NULL;
    json_object_foreach(r->staged, role, envelope)
    {
        char file[TDM__REPOSITORY_ROLE_TEXT + 8];
        if (!is_whole || !is_named(role))
            continue;
        snprintf(file, sizeof file, "%s.json", role);
        is_whole = json_object_set_new(meta, file, meta_build(envelope)) == 0;
    }
    return keep_if(meta, is_whole);
}

static json_t *naming_build(json_t *meta, const char *type, int64_t version, int64_t expires_days, int64_t now_unix_s)
{
    json_t *body = common_build(type, version, now_unix_s, expires_days);
    bool is_whole =
        body && meta && json_object_set(body, "meta", meta) == 0 &&
        json_object_set_new(body, "x-tandem", json_pack("{s:I}", "expires_days", (json_int_t)expires_days)) == 0;
    json_decref(meta);
    return keep_if(body, is_whole);
}

static bool is_below_snapshot(const char *role)
{
    return strcmp(role, "targets") == 0 || tdm__repository_market_of(role) != NULL;
}

static bool is_snapshot(const char *role) { return strcmp(role, "snapshot") == 0; }

json_t *tdm__repository_snapshot_build(const tdm__repository *r, int64_t version, int64_t expires_days,
                                       int64_t now_unix_s)
{
    return naming_build(named_build(r, "snapshot", is_below_snapshot), "snapshot", version, expires_days, now_unix_s);
}

json_t *tdm__repository_timestamp_build(const tdm__repository *r, int64_t version, int64_t expires_days,
                                        int64_t now_unix_s)
{
    return naming_build(named_build(r, "timestamp", is_snapshot), "timestamp", version, expires_days, now_unix_s);
}
