/* trust_source.c - where an update's files come from: a repository's folder, or a bundle that holds them all. Neither
 * is believed in anything; names come from the walk, which makes them of checked parts.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/file.h"
#include "os/heap.h"
#include "policy/trust.h"

enum { BUNDLE_BYTES_MAX = 32 << 20 };

static tdm_status folder_read(void *user, const char *name, size_t bytes_max, tdm__buf *out, tdm_error *err)
{
    char path[PATH_MAX], *bytes = NULL;
    size_t len = 0;
    bool is_target = strncmp(name, "targets/", strlen("targets/")) == 0;
    int n = snprintf(path, sizeof path, "%s/%s%s", (const char *)user, is_target ? "" : "metadata/", name);
    if (n < 0 || (size_t)n >= sizeof path)
        TDM_FAIL(err, TDM_ERR_IO, "the path of %.80s is too long", name);
    int rc = tdm__file_read(path, bytes_max, &bytes, &len);
    if (rc == EFBIG)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%.200s is longer than %zu bytes", path, bytes_max);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%.200s cannot be read", path);
    tdm_status s = tdm__buf_append(out, bytes, len);
    tdm__free(bytes);
    if (s != TDM_OK)
        TDM_FAIL(err, s, "no room for %zu bytes of %.200s", len, path);
    return TDM_OK;
}

static void folder_fini(void *user) { tdm__free(user); }

tdm_status tdm__trust_source_folder(const char *dir, tdm__trust_source *out, tdm_error *err)
{
    char *copy = tdm__strdup(dir);
    if (!copy)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a path");
    *out = (tdm__trust_source){.read = folder_read, .fini = folder_fini, .user = copy};
    return TDM_OK;
}

static tdm_status bundle_read(void *user, const char *name, size_t bytes_max, tdm__buf *out, tdm_error *err)
{
    const json_t *text = json_object_get(user, name);
    if (!text)
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "the bundle has no %.120s", name);
    size_t len = json_string_length(text);
    if (len > bytes_max)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%.120s of the bundle is longer than %zu bytes", name, bytes_max);
    tdm_status s = tdm__buf_append(out, json_string_value(text), len);
    if (s != TDM_OK)
        TDM_FAIL(err, s, "no room for %zu bytes of %.120s", len, name);
    return TDM_OK;
}

static void bundle_fini(void *user) { json_decref(user); }

/* The bundle's files, borrowed from it. */
static tdm_status bundle_files(const json_t *bundle, const json_t **out, tdm_error *err)
{
    static const char *const known[] = {"_type", "files", NULL};
    const char *type = NULL, *name;
    const json_t *files = NULL;
    json_t *text;
    TDM_TRY(tdm__json_check_keys(bundle, "the bundle", known, err));
    TDM_TRY(tdm__json_get_str(bundle, "_type", "the bundle", &type, err));
    if (strcmp(type, "bundle") != 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "the bundle: _type is %.40s, bundle is needed", type);
    TDM_TRY(tdm__json_get_object(bundle, "files", "the bundle", &files, err));
    json_object_foreach((json_t *)files, name, text)
        if (!json_is_string(text))
            TDM_FAIL(err, TDM_ERR_FORMAT, "the bundle: %.80s must be a string, it is %s", name, tdm__json_kind(text));
    *out = files;
    return TDM_OK;
}

tdm_status tdm__trust_source_bundle(tdm__str bytes, tdm__trust_source *out, tdm_error *err)
{
    json_t *bundle = NULL;
    const json_t *files = NULL;
    TDM_TRY(tdm__json_parse(bytes, "the bundle", BUNDLE_BYTES_MAX, &bundle, err));
    tdm_status s = bundle_files(bundle, &files, err);
    if (s == TDM_OK)
        *out = (tdm__trust_source){
            .read = bundle_read, .fini = bundle_fini, .user = json_incref((json_t *)files)};
    json_decref(bundle);
    return s;
}

void tdm__trust_source_fini(tdm__trust_source *s)
{
    if (s->fini)
        s->fini(s->user);
    *s = (tdm__trust_source){0};
}
