/* repository_bundle.c - a published repository as one document for a phone, and its state for people.
 *
 * Files go in with their exact bytes: what is signed is not written anew on the way.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/heap.h"
#include "policy/repository_internal.h"

enum { FILE_BYTES_MAX = 8 << 20 };

/* path in the repository; name is what it is called in the bundle. */
static tdm_status put_file(const tdm__repository *r, json_t *files, const char *path, const char *name, tdm_error *err)
{
    tdm__str bytes = {0};
    TDM_TRY(tdm__repository_read(r, path, FILE_BYTES_MAX, &bytes, err));
    json_t *text = json_stringn(bytes.ptr, bytes.len);
    tdm__free((char *)bytes.ptr);
    if (!text)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s is no text in UTF-8", path);
    if (json_object_set_new(files, name, text) != 0)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for %s", name);
    return TDM_OK;
}

static tdm_status put_metadata(const tdm__repository *r, json_t *files, const char *role, int64_t version,
                               tdm_error *err)
{
    char name[64], path[96];
    tdm__repository_metadata_name(role, version, name);
    snprintf(path, sizeof path, "metadata/%s", name);
    return put_file(r, files, path, name, err);
}

/* The files that a role signs. */
static tdm_status put_targets(const tdm__repository *r, json_t *files, const char *role, tdm_error *err)
{
    const char *path;
    json_t *entry;
    const json_t *body = tdm__envelope_signed(json_object_get(r->published, role));
    json_object_foreach(json_object_get(body, "targets"), path, entry)
    {
        char name[TDM__TRUST_NAME_MAX];
        tdm__trust_meta meta;
        TDM_TRY(tdm__trust_meta_parse(entry, path, &meta, err));
        TDM_TRY(tdm__repository_target_name(path, meta.sha256, name, err));
        TDM_TRY(put_file(r, files, name, name, err));
    }
    return TDM_OK;
}

static tdm_status put_role(const tdm__repository *r, json_t *files, const char *role, tdm_error *err)
{
    TDM_TRY(put_metadata(r, files, role, tdm__repository_version(json_object_get(r->published, role)), err));
    return put_targets(r, files, role, err);
}

static tdm_status put_all(const tdm__repository *r, const char *market, json_t *files, tdm_error *err)
{
    const char *role;
    json_t *envelope;
    bool is_found = market == NULL;
    if (!json_object_get(r->published, "root"))
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "nothing is published in %.200s", r->dir);
    for (int64_t v = 1; v < tdm__repository_version(json_object_get(r->published, "root")); v++)
        TDM_TRY(put_metadata(r, files, "root", v, err));
    json_object_foreach(r->published, role, envelope)
    {
        const char *id = tdm__repository_market_of(role);
        if (id && market && strcmp(id, market) != 0)
            continue;
        is_found = is_found || id != NULL;
        TDM_TRY(put_role(r, files, role, err));
    }
    if (!is_found)
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "nothing is published for the market %.40s in %.200s", market, r->dir);
    return TDM_OK;
}

static int append_text(const char *bytes, size_t n, void *user)
{
    return tdm__buf_append(user, bytes, n) == TDM_OK ? 0 : -1;
}

tdm_status tdm__repository_bundle(const char *repo_dir, const char *market, tdm__buf *out, tdm_error *err)
{
    tdm__repository r;
    const size_t before = out->len;
    json_t *files = json_object(), *bundle = NULL;
    tdm_status s = tdm__repository_open(repo_dir, &r, err);
    if (s == TDM_OK)
        s = files ? put_all(&r, market, files, err) : tdm__fail(err, TDM_ERR_NOMEM, "no memory for a bundle");
    if (s == TDM_OK) {
        bundle = json_pack("{s:s, s:O}", "_type", "bundle", "files", files);
        if (!bundle || json_dump_callback(bundle, append_text, out, JSON_COMPACT | JSON_SORT_KEYS) != 0) {
            tdm__buf_truncate(out, before);
            s = tdm__fail(err, TDM_ERR_LIMIT, "the bundle has no room in %zu bytes", out->len_max);
        }
    }
    json_decref(bundle);
    json_decref(files);
    tdm__repository_close(&r);
    return s;
}

/* {"version","expires"} */
static json_t *role_state(const json_t *envelope)
{
    const json_t *body = tdm__envelope_signed(envelope);
    return json_pack("{s:O?, s:O?}", "version", json_object_get(body, "version"), "expires",
                     json_object_get(body, "expires"));
}

static tdm_status put_states(const tdm__repository *r, json_t *published, json_t *staged, tdm_error *err)
{
    const char *role;
    json_t *envelope;
    bool is_whole = true;
    json_object_foreach(r->published, role, envelope)
        is_whole = json_object_set_new(published, role, role_state(envelope)) == 0 && is_whole;
    json_object_foreach(r->staged, role, envelope)
    {
        size_t n_missing = 0;
        json_t *state = role_state(envelope);
        is_whole = json_object_set_new(staged, role, state) == 0 && is_whole; /* takes it, also on failure */
        TDM_TRY(tdm__repository_n_missing(r, role, &n_missing, err));
        is_whole = is_whole && json_object_set_new(state, "missing", json_integer((json_int_t)n_missing)) == 0;
    }
    return is_whole ? TDM_OK : tdm__fail(err, TDM_ERR_NOMEM, "no memory for the repository's state");
}

tdm_status tdm__repository_status(const char *repo_dir, json_t **out, tdm_error *err)
{
    tdm__repository r;
    json_t *published = json_object(), *staged = json_object();
    tdm_status s = tdm__repository_open(repo_dir, &r, err);
    if (s == TDM_OK)
        s = published && staged ? put_states(&r, published, staged, err)
                                : tdm__fail(err, TDM_ERR_NOMEM, "no memory for the repository's state");
    json_t *state = s == TDM_OK ? json_pack("{s:O, s:O}", "published", published, "staged", staged) : NULL;
    if (s == TDM_OK && !state)
        s = tdm__fail(err, TDM_ERR_NOMEM, "no memory for the repository's state");
    if (s == TDM_OK)
        *out = state;
    json_decref(published);
    json_decref(staged);
    tdm__repository_close(&r);
    return s;
}
