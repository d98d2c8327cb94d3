/* keyring_open.c - whom the command line believes: a keyring file, or that of the policy installed in this home.
 *
 * A policy that is installed and does not open is an error, not the absence of one: nothing falls back to believing
 * nobody in particular.
 */
#include <stdio.h>

#include "base/error.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "cli/command.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/heap.h"
#include "policy/keyring.h"
#include "policy/trust.h"

enum { KEYRING_BYTES_MAX = 1 << 20 };

static tdm_status open_file(const char *path, tdm__command_keys *out, tdm_error *err)
{
    char *bytes = NULL;
    size_t len = 0;
    json_t *keys = NULL;
    tdm_error why = {0};
    int rc = tdm__file_read(path, KEYRING_BYTES_MAX, &bytes, &len);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the keyring %s cannot be read", path);
    tdm_status s = tdm__json_parse((tdm__str){bytes, len}, path, KEYRING_BYTES_MAX, &keys, &why);
    tdm__free(bytes);
    if (s == TDM_OK) {
        out->is_demo = json_is_true(json_object_get(keys, "demo"));
        s = tdm__keyring_create(keys, out->is_demo, &out->keyring, &why);
    }
    json_decref(keys);
    if (s != TDM_OK)
        TDM_FAIL(err, s, "%s: %s", path, why.msg);
    return TDM_OK;
}

static tdm_status open_installed(const char *path, tdm__command_keys *out, tdm_error *err)
{
    tdm__trust *trust = NULL;
    tdm__trust_target t;
    json_t *keys = NULL;
    tdm_status s = tdm__trust_open(path, tdm__clock_unix_s(), &trust, err);
    if (s == TDM_ERR_NOT_FOUND)
        return TDM_OK; /* nothing is installed: out says so */
    TDM_TRY(s);
    out->is_demo = tdm__trust_is_demo(trust);
    s = tdm__trust_get_target(trust, "keys.json", &t, err);
    if (s == TDM_OK)
        s = tdm__json_parse(t.bytes, "keys.json", KEYRING_BYTES_MAX, &keys, err);
    if (s == TDM_OK)
        s = tdm__keyring_create(keys, out->is_demo, &out->keyring, err);
    json_decref(keys);
    tdm__trust_destroy(trust);
    return s;
}

tdm_status tdm__command_keys_open(const tdm__common *common, const char *path, tdm__command_keys *out, tdm_error *err)
{
    char installed[sizeof common->home.state + 16];
    *out = (tdm__command_keys){0};
    if (path)
        return open_file(path, out, err);
    snprintf(installed, sizeof installed, "%s/policy.json", common->home.state);
    return open_installed(installed, out, err);
}

void tdm__command_keys_close(tdm__command_keys *k)
{
    tdm__keyring_destroy(k->keyring);
    *k = (tdm__command_keys){0};
}

tdm_status tdm__command_time(const char *at, int64_t *unix_s, tdm_error *err)
{
    if (at)
        return tdm__rfc3339_parse(tdm__str_from(at), unix_s, err);
    *unix_s = tdm__clock_unix_s();
    return TDM_OK;
}
