/* repository_sign.c - one signature at a time, in the order that hashes demand; the last one publishes.
 *
 * Snapshot and timestamp are built anew at their turn: only then are the bytes that they name final, and their short
 * time begins when they are signed, not when somebody ran make. The timestamp goes last, so its completion is the
 * publication. Before its turn the timestamp's key renews the published one: a release that waits a week for its
 * root's signers must not leave devices with a stale timestamp meanwhile.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "policy/repository_internal.h"

typedef struct signing {
    tdm__repository *r;
    const char *role;
    const tdm__secret_key *key;
    int64_t now_unix_s;
    tdm_error *err;
} signing;

static bool has_key(const tdm__trust_role *signers, const tdm__public_key *key)
{
    for (size_t i = 0; i < signers->n_keys; i++)
        if (strcmp(signers->keys[i].id, key->id) == 0)
            return true;
    return false;
}

static tdm_status check_key(const signing *g)
{
    tdm__trust_role signers;
    TDM_TRY(tdm__repository_signers(g->r, g->role, false, &signers, g->err));
    if (has_key(&signers, &g->key->public_key))
        return TDM_OK;
    if (strcmp(g->role, "root") == 0 && json_object_get(g->r->published, "root")) {
        TDM_TRY(tdm__repository_signers(g->r, g->role, true, &signers, g->err));
        if (has_key(&signers, &g->key->public_key))
            return TDM_OK;
    }
    TDM_FAIL(g->err, TDM_ERR_REFUSED, "the key %.16s is none of %s's", g->key->public_key.id, g->role);
}

/* A staged role that must be complete before this one is signed, and is not; NULL: none. */
static tdm_status find_incomplete(const signing *g, const char **found, size_t *n_missing)
{
    const bool is_timestamp = strcmp(g->role, "timestamp") == 0;
    const char *role;
    json_t *envelope;
    *found = NULL;
    json_object_foreach(g->r->staged, role, envelope)
    {
        const bool is_below = strcmp(role, "targets") == 0 || tdm__repository_market_of(role);
        if (strcmp(role, g->role) == 0 || !(is_below || is_timestamp))
            continue;
        TDM_TRY(tdm__repository_n_missing(g->r, role, n_missing, g->err));
        if (*n_missing > 0) {
            *found = role;
            return TDM_OK;
        }
    }
    return TDM_OK;
}

/* The staged snapshot or timestamp as it is now; signatures stay only when they are over just that. */
static tdm_status rebuild(const signing *g)
{
    const bool is_timestamp = strcmp(g->role, "timestamp") == 0;
    json_t *old = json_object_get(g->r->staged, g->role);
    const int64_t days = tdm__repository_expires_days(old);
    const int64_t floor = tdm__repository_version(json_object_get(g->r->published, g->role)) + 1;
    const bool is_signed = json_array_size(json_object_get(old, "signatures")) > 0;
    json_t *body = is_timestamp ? tdm__repository_timestamp_build(g->r, floor, days, g->now_unix_s)
                                : tdm__repository_snapshot_build(g->r, floor, days, g->now_unix_s);
    const json_t *before = tdm__envelope_signed(old);
    if (body && is_signed && tdm__repository_version(old) >= floor &&
        json_equal(json_object_get(before, "meta"), json_object_get(body, "meta"))) {
        json_decref(body);
        return TDM_OK;
    }
    json_t *envelope = body ? tdm__envelope_create(body) : NULL;
    json_decref(body);
    if (!envelope || json_object_set_new(g->r->staged, g->role, envelope) != 0)
        TDM_FAIL(g->err, TDM_ERR_NOMEM, "no memory for %s", g->role);
    return TDM_OK;
}

/* What was signed over other bytes of what it names has to be signed again. */
static void unsign_above(const signing *g)
{
    if (strcmp(g->role, "timestamp") == 0 || strcmp(g->role, "root") == 0)
        return;
    if (strcmp(g->role, "snapshot") != 0)
        json_array_clear(json_object_get(json_object_get(g->r->staged, "snapshot"), "signatures"));
    json_array_clear(json_object_get(json_object_get(g->r->staged, "timestamp"), "signatures"));
}

static tdm_status sign_staged(const signing *g)
{
    json_t *envelope = json_object_get(g->r->staged, g->role), *before;
    size_t n_missing = 0;
    if (!envelope)
        TDM_FAIL(g->err, TDM_ERR_NOT_FOUND, "nothing of %.40s waits for a signature", g->role);
    TDM_TRY(check_key(g));
    if (strcmp(g->role, "snapshot") == 0 || strcmp(g->role, "timestamp") == 0)
        TDM_TRY(rebuild(g));
    envelope = json_object_get(g->r->staged, g->role);
    before = json_deep_copy(json_object_get(envelope, "signatures"));
    tdm_status s = before ? tdm__envelope_sign(envelope, g->key, g->err)
                          : tdm__fail(g->err, TDM_ERR_NOMEM, "no memory for %s", g->role);
    const bool is_new = s == TDM_OK && !json_equal(before, json_object_get(envelope, "signatures"));
    json_decref(before);
    TDM_TRY(s);
    if (is_new)
        unsign_above(g);
    TDM_TRY(tdm__repository_n_missing(g->r, g->role, &n_missing, g->err));
    if (strcmp(g->role, "timestamp") == 0 && n_missing == 0)
        return tdm__repository_publish(g->r, g->err);
    return tdm__repository_store_staged(g->r, g->err);
}

/* The published timestamp, one version higher and for a new term: one file, replaced as a whole. */
static tdm_status renew_timestamp(const signing *g)
{
    const json_t *published = json_object_get(g->r->published, "timestamp");
    tdm__trust_role signers;
    tdm__repository only_published = *g->r;
    only_published.staged = NULL;
    TDM_TRY(tdm__repository_signers(&only_published, "timestamp", false, &signers, g->err));
    if (!has_key(&signers, &g->key->public_key))
        TDM_FAIL(g->err, TDM_ERR_REFUSED, "the key %.16s is none of timestamp's", g->key->public_key.id);
    if (signers.threshold > 1)
        TDM_FAIL(g->err, TDM_ERR_INVAL, "a timestamp of %zu signers is renewed by make, then signed by each",
                 signers.threshold);
    json_t *body = tdm__repository_timestamp_build(&only_published, tdm__repository_version(published) + 1,
                                                   tdm__repository_expires_days(published), g->now_unix_s);
    json_t *envelope = body ? tdm__envelope_create(body) : NULL;
    tdm_status s = envelope ? tdm__envelope_sign(envelope, g->key, g->err)
                            : tdm__fail(g->err, TDM_ERR_NOMEM, "no memory for the timestamp");
    if (s == TDM_OK)
        s = tdm__repository_store_timestamp(g->r, envelope, g->err);
    json_decref(body);
    json_decref(envelope);
    return s;
}

/* Renews, signs, or says whose turn it is. */
static tdm_status sign(const signing *g)
{
    const char *before = NULL;
    size_t n_missing = 0;
    const bool is_timestamp = strcmp(g->role, "timestamp") == 0;
    const bool is_published = json_object_get(g->r->published, "timestamp") != NULL;
    if (is_timestamp || strcmp(g->role, "snapshot") == 0)
        TDM_TRY(find_incomplete(g, &before, &n_missing));
    if (is_timestamp && is_published && (before || !json_object_get(g->r->staged, "timestamp")))
        return renew_timestamp(g);
    if (before && json_object_get(g->r->staged, g->role))
        TDM_FAIL(g->err, TDM_ERR_INVAL, "it is not %s's turn: %s needs %zu more signature%s first", g->role, before,
                 n_missing, n_missing == 1 ? "" : "s");
    return sign_staged(g);
}

tdm_status tdm__repository_sign(const char *repo_dir, const char *role, const tdm__secret_key *key,
                                int64_t now_unix_s, tdm_error *err)
{
    tdm__repository r;
    tdm_status s = tdm__repository_open(repo_dir, &r, err);
    if (s == TDM_OK && !tdm__repository_role_is_known(role))
        s = tdm__fail(err, TDM_ERR_INVAL, "'%.40s' is no role: root, targets, snapshot, timestamp, market-XX", role);
    if (s == TDM_OK)
        s = sign(&(signing){.r = &r, .role = role, .key = key, .now_unix_s = now_unix_s, .err = err});
    tdm__repository_close(&r);
    return s;
}
