/* route_input.c - see route_input.h. Nothing is written but a copy of the installed state that an update may change.
 *
 * A repository is judged by the root that is given, or brought to what is installed here as an update would be. Without
 * either its own first root is believed, which the command says: explaining opens nothing.
 */
#include "cli/route_input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "os/file.h"
#include "os/heap.h"
#include "route/record.h"

enum { ROOT_BYTES_MAX = 1 << 20, BUNDLE_BYTES_MAX = 32 << 20, PATH_BYTES = 1024 };

/* A source and the bytes that it borrows. */
typedef struct source {
    tdm__trust_source from;
    char *bundle;
} source;

static tdm_status source_open(const char *path, source *s, tdm_error *err)
{
    struct stat st;
    size_t len = 0;
    if (stat(path, &st) != 0)
        return tdm__fail_os(err, errno, "the policy %s cannot be read", path);
    if (S_ISDIR(st.st_mode))
        return tdm__trust_source_folder(path, &s->from, err);
    int rc = tdm__file_read(path, BUNDLE_BYTES_MAX, &s->bundle, &len);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the bundle %s cannot be read", path);
    return tdm__trust_source_bundle((tdm__str){s->bundle, len}, &s->from, err);
}

static void source_close(source *s)
{
    tdm__trust_source_fini(&s->from);
    tdm__free(s->bundle);
}

/* An expired repository verifies as of the beginning of time: only expiry looks at the clock. */
static tdm_status verify_at_any_time(tdm__str root, const source *s, int64_t at_unix_s, tdm__trust **out,
                                     tdm_error *err)
{
    tdm__trust_fault fault = TDM__TRUST_NONE;
    tdm_error first = {0};
    tdm_status status = tdm__trust_verify(root, &s->from, at_unix_s, out, &fault, &first);
    if (status < 0 && fault == TDM__TRUST_FREEZE)
        status = tdm__trust_verify(root, &s->from, 0, out, &fault, NULL);
    if (status >= 0)
        return TDM_OK;
    if (fault != TDM__TRUST_NONE)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s: %.320s", tdm__trust_fault_name(fault), first.msg);
    TDM_FAIL(err, status, "%s", first.msg);
}

static tdm_status open_under_root(const char *root_path, const source *s, int64_t at_unix_s, tdm__trust **out,
                                  tdm_error *err)
{
    tdm__buf root;
    tdm__buf_init(&root, ROOT_BYTES_MAX);
    char *bytes = NULL;
    size_t len = 0;
    tdm_status status = TDM_OK;
    if (root_path) {
        int rc = tdm__file_read(root_path, ROOT_BYTES_MAX, &bytes, &len);
        status = rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "the root %s cannot be read", root_path);
    } else {
        status = s->from.read(s->from.user, "1.root.json", ROOT_BYTES_MAX, &root, err);
    }
    if (status >= 0)
        status = verify_at_any_time(root_path ? (tdm__str){bytes, len} : tdm__buf_str(&root), s, at_unix_s, out, err);
    tdm__buf_fini(&root);
    tdm__free(bytes);
    return status;
}

/* The installed state as it would be after this update, by a copy. An update that is refused is an error. */
static tdm_status open_as_update(const char *installed, const source *s, int64_t at_unix_s, tdm__trust **out,
                                 tdm_error *err)
{
    char copy[] = "/tmp/tandem-route-XXXXXX", path[sizeof copy + 16], *bytes = NULL;
    size_t len = 0;
    tdm__trust_fault fault = TDM__TRUST_NONE;
    if (!mkdtemp(copy))
        return tdm__fail_os(err, errno, "no folder for a copy of the installed policy");
    snprintf(path, sizeof path, "%s/policy.json", copy);
    int rc = tdm__file_read(installed, BUNDLE_BYTES_MAX, &bytes, &len);
    if (rc == 0)
        rc = tdm__file_write_atomic(path, bytes, len, 0600);
    tdm_status status = rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "%s cannot be copied", installed);
    if (status >= 0)
        status = tdm__trust_open(path, at_unix_s, out, err);
    if (status >= 0)
        status = tdm__trust_update(*out, &s->from, at_unix_s, &fault, err);
    if (status < 0 && fault != TDM__TRUST_NONE)
        status = TDM_ERR_INTEGRITY;
    tdm__free(bytes);
    unlink(path);
    rmdir(copy);
    return status;
}

static tdm_status open_policy(const tdm__common *common, const tdm__route_paths *paths, int64_t at_unix_s,
                              tdm__route_input *out, tdm_error *err)
{
    char installed[PATH_BYTES];
    source s = {0};
    tdm_status status;
    snprintf(installed, sizeof installed, "%s/policy.json", common->home.state);
    bool is_installed = access(installed, F_OK) == 0;
    if (!paths->policy) {
        status = tdm__trust_open(installed, at_unix_s, &out->trust, err);
        if (status == TDM_ERR_NOT_FOUND)
            return TDM_OK;
        TDM_TRY(status);
        out->now_unix_s = tdm__trust_now(out->trust, at_unix_s, &out->clock_is_suspect);
        return TDM_OK;
    }
    status = source_open(paths->policy, &s, err);
    if (status >= 0 && !paths->root && is_installed) {
        status = open_as_update(installed, &s, at_unix_s, &out->trust, err);
    } else if (status >= 0) {
        out->has_own_root = !paths->root;
        status = open_under_root(paths->root, &s, at_unix_s, &out->trust, err);
    }
    source_close(&s);
    return status;
}

static tdm_status open_keyring(tdm__route_input *in, tdm_error *err)
{
    tdm__trust_target target;
    json_t *keys = NULL;
    TDM_TRY(tdm__trust_get_target(in->trust, "keys.json", &target, err));
    TDM_TRY(tdm__json_parse(target.bytes, "keys.json", ROOT_BYTES_MAX, &keys, err));
    tdm_status s = tdm__keyring_create(keys, tdm__trust_is_demo(in->trust), &in->keyring, err);
    json_decref(keys);
    return s;
}

static tdm_status open_record(const tdm__common *common, const char *path, tdm__route_input *out, tdm_error *err)
{
    char installed[PATH_BYTES];
    snprintf(installed, sizeof installed, "%s/device.json", common->home.state);
    int rc = tdm__file_read(path ? path : installed, TDM__RECORD_BYTES_MAX, &out->record, &out->record_len);
    if (rc == ENOENT && !path)
        return TDM_OK;
    if (rc != 0)
        return tdm__fail_os(err, rc, "the device record %s cannot be read", path ? path : installed);
    if (out->record_len == 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "the device record %s is empty", path ? path : installed);
    return TDM_OK;
}

tdm_status tdm__route_input_open(const tdm__common *common, const tdm__route_paths *paths, int64_t at_unix_s,
                                 tdm__route_input *out, tdm_error *err)
{
    char installed[PATH_BYTES];
    *out = (tdm__route_input){.now_unix_s = at_unix_s};
    TDM_TRY(open_policy(common, paths, at_unix_s, out, err));
    TDM_TRY(open_record(common, paths->device, out, err));
    if (!out->trust || open_keyring(out, &out->note) < 0)
        return TDM_OK; /* no case is believed then; the rules say why everything is off */
    snprintf(installed, sizeof installed, "%s/filings", common->home.state);
    tdm_status s = tdm__case_folder_read(paths->cases ? paths->cases : installed, out->keyring, out->now_unix_s,
                                         &out->cases, &out->note);
    if (s == TDM_ERR_NOMEM)
        TDM_FAIL(err, s, "no memory for the cases");
    return TDM_OK;
}

void tdm__route_input_close(tdm__route_input *in)
{
    tdm__case_folder_fini(&in->cases);
    tdm__keyring_destroy(in->keyring);
    tdm__trust_destroy(in->trust);
    tdm__free(in->record);
}

tdm_status tdm__route_input_rules(const tdm__route_input *in, const tdm__filing_case *const *cases, size_t n_cases,
                                  const char *own_model_sha256, int64_t now_unix_s, tdm__rules **out, tdm_error *note,
                                  tdm_error *err)
{
    const tdm__rules_sources s = {.trust = in->trust,
                                  .record_json = {in->record, in->record_len},
                                  .cases = cases,
                                  .n_cases = n_cases,
                                  .own_model_sha256 = own_model_sha256,
                                  .now_unix_s = now_unix_s};
    return tdm__rules_create(&s, out, note, err);
}
