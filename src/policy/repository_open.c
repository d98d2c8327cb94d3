/* repository_open.c - what a repository's folder holds: the newest published metadata, verified, and what is staged.
 *
 * The maker believes its own folder no more than a device would: somebody who can write there must not get a signature
 * over what he put in. Only expiry is not looked at, because making anew is the cure for it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/heap.h"
#include "policy/repository_internal.h"

enum { METADATA_BYTES_MAX = 8 << 20, ROOTS_MAX = 1 << 16 };

/* The metadata file of a role at a version; *out is a new reference. */
static tdm_status read_envelope(const tdm__repository *r, const char *role, int64_t version, json_t **out,
                                tdm_error *err)
{
    char file[64], name[96];
    tdm__str bytes = {0};
    json_t *envelope = NULL;
    tdm__repository_metadata_name(role, version, file);
    snprintf(name, sizeof name, "metadata/%s", file);
    TDM_TRY(tdm__repository_read(r, name, METADATA_BYTES_MAX, &bytes, err));
    tdm_status s = tdm__json_parse(bytes, name, METADATA_BYTES_MAX, &envelope, err);
    tdm__free((char *)bytes.ptr);
    if (s == TDM_OK)
        s = tdm__envelope_check_shape(envelope, tdm__repository_market_of(role) ? "targets" : role, name, err);
    if (s == TDM_OK && strcmp(role, "timestamp") != 0 && tdm__repository_version(envelope) != version)
        s = tdm__fail(err, TDM_ERR_INTEGRITY, "%s has version %" PRId64, name, tdm__repository_version(envelope));
    if (s == TDM_OK)
        *out = envelope;
    else
        json_decref(envelope);
    return s;
}

/* Takes the role's envelope into published, when enough of its keys signed it. */
static tdm_status take(tdm__repository *r, const char *role, int64_t version, tdm_error *err)
{
    json_t *envelope = NULL;
    tdm__trust_role signers;
    size_t n_good = 0;
    TDM_TRY(read_envelope(r, role, version, &envelope, err));
    if (json_object_set_new(r->published, role, envelope) != 0)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the repository");
    TDM_TRY(tdm__repository_signers(r, role, false, &signers, err));
    TDM_TRY(tdm__repository_count_good(envelope, &signers, &n_good, err));
    if (n_good < signers.threshold)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "the published %s has %zu good signatures of the %zu that are needed", role,
                 n_good, signers.threshold);
    return TDM_OK;
}

/* What the published one above says about a role below. */
static tdm_status named_version(const tdm__repository *r, const char *above, const char *role, int64_t *version,
                                tdm_error *err)
{
    char file[TDM__REPOSITORY_ROLE_TEXT + 8];
    const json_t *meta = NULL, *entry = NULL;
    snprintf(file, sizeof file, "%s.json", role);
    const json_t *body = tdm__envelope_signed(json_object_get(r->published, above));
    TDM_TRY(tdm__json_get_object(body, "meta", above, &meta, err));
    TDM_TRY(tdm__json_get_object(meta, file, above, &entry, err));
    return tdm__json_get_int(entry, "version", above, 1, INT64_C(1) << 53, version, err);
}

/* The newest root, by counting up: the chain has no gaps. */
static tdm_status take_root(tdm__repository *r, tdm_error *err)
{
    int64_t version = 0;
    for (; version < ROOTS_MAX; version++) {
        char name[96];
        tdm__str bytes = {0};
        snprintf(name, sizeof name, "metadata/%" PRId64 ".root.json", version + 1);
        tdm_status s = tdm__repository_read(r, name, METADATA_BYTES_MAX, &bytes, err);
        tdm__free((char *)bytes.ptr);
        if (s == TDM_ERR_NOT_FOUND)
            break;
        TDM_TRY(s);
    }
    return version > 0 ? take(r, "root", version, err) : TDM_OK;
}

static tdm_status take_markets(tdm__repository *r, tdm_error *err)
{
    const json_t *targets = tdm__envelope_signed(json_object_get(r->published, "targets")), *one;
    size_t i;
    json_array_foreach(json_object_get(json_object_get(targets, "delegations"), "roles"), i, one)
    {
        const char *role = json_string_value(json_object_get(one, "name"));
        int64_t version = 0;
        if (!role || !tdm__repository_market_of(role))
            TDM_FAIL(err, TDM_ERR_FORMAT, "the published targets delegate to %.40s, only market-XX may be",
                     role ? role : "nobody");
        TDM_TRY(named_version(r, "snapshot", role, &version, err));
        TDM_TRY(take(r, role, version, err));
    }
    return TDM_OK;
}

static tdm_status take_published(tdm__repository *r, tdm_error *err)
{
    int64_t version = 0;
    TDM_TRY(take_root(r, err));
    if (!json_object_get(r->published, "root"))
        return TDM_OK;
    TDM_TRY(take(r, "timestamp", 0, err));
    TDM_TRY(named_version(r, "timestamp", "snapshot", &version, err));
    TDM_TRY(take(r, "snapshot", version, err));
    TDM_TRY(named_version(r, "snapshot", "targets", &version, err));
    TDM_TRY(take(r, "targets", version, err));
    return take_markets(r, err);
}

static tdm_status take_staged(tdm__repository *r, tdm_error *err)
{
    static const char what[] = "metadata/staged.json";
    const json_t *roles = NULL;
    json_t *document = NULL, *envelope;
    const char *role;
    tdm__str bytes = {0};
    tdm_status s = tdm__repository_read(r, what, TDM__REPOSITORY_STAGED_BYTES_MAX, &bytes, err);
    if (s == TDM_ERR_NOT_FOUND)
        return TDM_OK;
    TDM_TRY(s);
    s = tdm__json_parse(bytes, what, TDM__REPOSITORY_STAGED_BYTES_MAX, &document, err);
    tdm__free((char *)bytes.ptr);
    if (s == TDM_OK)
        s = tdm__json_get_object(document, "roles", what, &roles, err);
    if (s == TDM_OK) {
        json_decref(r->staged);
        r->staged = json_incref((json_t *)roles);
    }
    json_decref(document);
    TDM_TRY(s);
    json_object_foreach(r->staged, role, envelope)
    {
        if (!tdm__repository_role_is_known(role)) /* it becomes a file's name */
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %.40s is no role", what, role);
        TDM_TRY(tdm__envelope_check_shape(envelope, tdm__repository_market_of(role) ? "targets" : role, what, err));
    }
    return TDM_OK;
}

tdm_status tdm__repository_open(const char *dir, tdm__repository *out, tdm_error *err)
{
    *out = (tdm__repository){.published = json_object(), .staged = json_object()};
    TDM_TRY(tdm__repository_folder_lock(dir, out, err));
    if (!out->published || !out->staged)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the repository");
    TDM_TRY(take_published(out, err));
    return take_staged(out, err);
}

void tdm__repository_close(tdm__repository *r)
{
    json_decref(r->published);
    json_decref(r->staged);
    tdm__repository_folder_unlock(r);
    r->published = r->staged = NULL;
}
