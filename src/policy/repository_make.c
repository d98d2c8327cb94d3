/* repository_make.c - from what people wrote to what waits for signatures.
 *
 * A role is staged under its next version when what it says has changed, when its published signatures do not meet the
 * keys that the new root gives it, or when half of its time is over; snapshot and timestamp follow whatever is staged
 * below them. So the same input twice stages nothing, and a change in one market touches that market's role, the
 * snapshot and the timestamp alone. A root whose content is the same waits for a quiet moment, until a quarter of its
 * time is left: a kill switch must not wait for the root's signers.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "os/file.h"
#include "os/heap.h"
#include "policy/repository_internal.h"

enum { HALF = 2, QUARTER = 4 };

typedef struct maker {
    const tdm__repository_plan *plan;
    const tdm__repository_targets *targets;
    tdm__repository *r;
    int64_t now_unix_s;
    tdm_error *err;
} maker;

/* Whether two signed parts say the same, but for version and expiry. */
static bool says_the_same(const json_t *a, const json_t *b)
{
    static const char *const passing[] = {"version", "expires"};
    json_t *x = json_copy((json_t *)a), *y = json_copy((json_t *)b);
    for (size_t i = 0; i < 2; i++) {
        json_object_del(x, passing[i]);
        json_object_del(y, passing[i]);
    }
    const bool is_same = x && y && json_equal(x, y);
    json_decref(x);
    json_decref(y);
    return is_same;
}

/* Whether of its time only one part in parts is left. */
static bool is_due(const maker *m, const json_t *envelope, int64_t expires_days, int64_t parts)
{
    int64_t expires = 0;
    if (tdm__json_get_time(tdm__envelope_signed(envelope), "expires", "expires", &expires, NULL) != TDM_OK)
        return true;
    return expires - m->now_unix_s <= expires_days * 24 * 3600 / parts;
}

/* Whether the published role is signed by the keys that are to be its keys from now on. */
static tdm_status has_its_keys(const maker *m, const json_t *envelope, const tdm__repository_role *role, bool *out)
{
    size_t n_good = 0;
    TDM_TRY(tdm__repository_count_good(envelope, &role->signers, &n_good, m->err));
    *out = n_good >= role->signers.threshold;
    return TDM_OK;
}

/* Takes body, also on failure. */
static tdm_status stage(const maker *m, const char *role, json_t *body)
{
    json_t *envelope = body ? tdm__envelope_create(body) : NULL;
    json_decref(body);
    if (!envelope || json_object_set_new(m->r->staged, role, envelope) != 0)
        TDM_FAIL(m->err, TDM_ERR_NOMEM, "no memory for %s", role);
    return TDM_OK;
}

/* The version after that of whatever was last known under this name, also of a market that was gone for a while. */
static int64_t next_version(const maker *m, const char *role)
{
    char file[TDM__REPOSITORY_ROLE_TEXT + 8];
    const json_t *envelope = json_object_get(m->r->published, role);
    if (envelope)
        return tdm__repository_version(envelope) + 1;
    snprintf(file, sizeof file, "%s.json", role);
    const json_t *snapshot = tdm__envelope_signed(json_object_get(m->r->published, "snapshot"));
    const json_t *entry = json_object_get(json_object_get(snapshot, "meta"), file);
    return json_integer_value(json_object_get(entry, "version")) + 1;
}

static json_t *build(const maker *m, const tdm__repository_role *role, int64_t version)
{
    const char *name = role->name;
    if (strcmp(name, "root") == 0)
        return tdm__repository_root_build(m->plan, version, m->now_unix_s);
    if (strcmp(name, "snapshot") == 0)
        return tdm__repository_snapshot_build(m->r, version, role->expires_days, m->now_unix_s);
    if (strcmp(name, "timestamp") == 0)
        return tdm__repository_timestamp_build(m->r, version, role->expires_days, m->now_unix_s);
    return tdm__repository_targets_build(m->plan, m->targets, name, version, m->now_unix_s);
}

/* Stages the role if there is a reason to. is_forced: something that it names is staged; parts: see is_due. */
static tdm_status consider(const maker *m, const char *name, bool is_forced, int64_t parts)
{
    const tdm__repository_role *role = tdm__repository_plan_role(m->plan, name);
    const json_t *before = json_object_get(m->r->published, name);
    bool is_signed = false;
    json_t *body = build(m, role, next_version(m, name));
    if (!body)
        TDM_FAIL(m->err, TDM_ERR_NOMEM, "no memory for %s", name);
    tdm_status s = before ? has_its_keys(m, before, role, &is_signed) : TDM_OK;
    if (s == TDM_OK && (is_forced || !is_signed || is_due(m, before, role->expires_days, parts) ||
                        !says_the_same(tdm__envelope_signed(before), body)))
        return stage(m, name, body);
    json_decref(body);
    return s;
}

static tdm_status check_demo(const maker *m)
{
    const json_t *root = tdm__envelope_signed(json_object_get(m->r->published, "root"));
    const bool was_demo = json_is_true(json_object_get(json_object_get(root, "x-tandem"), "demo"));
    if (root && was_demo != m->plan->is_demo)
        TDM_FAIL(m->err, TDM_ERR_INVAL, "roles.yaml says demo: %s and the published root %s; it never changes",
                 m->plan->is_demo ? "true" : "false", was_demo ? "true" : "false");
    return TDM_OK;
}

static tdm_status stage_all(const maker *m)
{
    json_object_clear(m->r->staged);
    TDM_TRY(check_demo(m));
    for (size_t i = 0; i < m->plan->n_roles; i++)
        if (tdm__repository_market_of(m->plan->roles[i].name))
            TDM_TRY(consider(m, m->plan->roles[i].name, false, HALF));
    TDM_TRY(consider(m, "targets", false, HALF));
    const bool is_change = json_object_size(m->r->staged) > 0;
    TDM_TRY(consider(m, "snapshot", is_change, HALF));
    TDM_TRY(consider(m, "root", false, is_change ? QUARTER : HALF));
    return consider(m, "timestamp", json_object_size(m->r->staged) > 0, HALF);
}

static tdm_status store(const maker *m)
{
    for (size_t i = 0; i < m->targets->n; i++)
        TDM_TRY(tdm__repository_write_target(m->r, &m->targets->items[i], m->err));
    return tdm__repository_store_staged(m->r, m->err);
}

static tdm_status make_folder(const char *repo_dir, tdm_error *err)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/metadata", repo_dir);
    if (n < 0 || (size_t)n >= sizeof path)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the path of the repository is too long");
    int rc = tdm__dir_make(path, 0755);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%.200s cannot be made", path);
    return TDM_OK;
}

tdm_status tdm__repository_make(const char *in_dir, const char *repo_dir, int64_t now_unix_s, tdm_error *err)
{
    tdm__repository_plan *plan = NULL;
    tdm__repository_targets targets = {0};
    tdm__repository r = {.lock_fd = -1};
    tdm_status s = tdm__repository_plan_read(in_dir, &plan, err);
    if (s == TDM_OK)
        s = tdm__repository_targets_collect(in_dir, plan, &targets, err);
    if (s == TDM_OK)
        s = make_folder(repo_dir, err);
    if (s == TDM_OK)
        s = tdm__repository_open(repo_dir, &r, err);
    maker m = {.plan = plan, .targets = &targets, .r = &r, .now_unix_s = now_unix_s, .err = err};
    if (s == TDM_OK)
        s = stage_all(&m);
    if (s == TDM_OK)
        s = store(&m);
    tdm__repository_close(&r);
    tdm__repository_targets_fini(&targets);
    tdm__free(plan);
    return s;
}
