/* device_record.c - the record that a device is installed with, once, and what may take its place.
 *
 * The first record is installed as it is: when it does not verify, everything is off with the reason, and the built-in
 * market ZZ is gone for good. Afterwards a device stays that device: only a newer record of the same device that the
 * trusted keys verify replaces a good one. So neither another device's record, nor an older one, nor one that somebody
 * has written can change what is here, and a false one cannot lock a good one out by its date.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "os/file.h"
#include "os/heap.h"
#include "request/device_internal.h"

/* NULL in *out when the file is not there. */
static tdm_status read_record(const char *path, char **out, size_t *len, tdm_error *err)
{
    int rc = tdm__file_read(path, TDM__RECORD_BYTES_MAX, out, len);
    if (rc == ENOENT)
        return TDM_OK;
    if (rc != 0)
        return tdm__fail_os(err, rc, "the device record %s cannot be read", path);
    return TDM_OK;
}

/* Reads it, and whether a maker's key of the trusted keyring has signed it; its dates are the moment's to judge. *out
 * is filled whenever it could be read. */
static bool is_believed(tdm__device *d, tdm__str json, tdm__device_record *out, bool *is_read, tdm_error *why)
{
    json_t *envelope = NULL;
    *is_read = tdm__device_record_parse(json, out, &envelope, why) == TDM_OK;
    if (!*is_read)
        return false;
    tdm__keyring *keys = tdm__device_keyring(d);
    bool ok = keys && tdm__device_record_verify(envelope, out, keys, tdm__trust_is_demo(d->trust), out->issued_unix_s,
                                                why) == TDM__RECORD_FINE;
    if (!keys)
        tdm__fail(why, TDM_ERR_INTEGRITY, "no policy is here whose keys could verify it");
    tdm__keyring_destroy(keys);
    json_decref(envelope);
    return ok;
}

static tdm_status check_successor(tdm__device *d, tdm__str given, const char *path, tdm_error *err)
{
    tdm__device_record before, after;
    tdm_error why = {0};
    bool before_is_read, after_is_read;
    if (!is_believed(d, given, &after, &after_is_read, &why))
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s does not take the place of the record that is installed: %s", path,
                 why.msg);
    const bool was_believed =
        is_believed(d, (tdm__str){d->record_json, d->record_len}, &before, &before_is_read, NULL);
    if (before_is_read && strcmp(before.device, after.device) != 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s is the record of another device (%s) than the one installed here (%s)", path,
                 after.device, before.device);
    if (was_believed && strcmp(before.sold_in, after.sold_in) != 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s says that this device was sold in %s; it was sold in %s, once", path,
                 after.sold_in, before.sold_in);
    if (was_believed && after.issued_unix_s <= before.issued_unix_s)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s is not newer than the record that is installed", path);
    return TDM_OK;
}

static tdm_status install(tdm__device *d, const char *path, tdm_error *err)
{
    char own[TDM__DEVICE_PATH_MAX], *given = NULL;
    size_t len = 0;
    tdm__device_path(d, "device.json", own);
    TDM_TRY(read_record(path, &given, &len, err));
    if (!given)
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "there is no device record at %s", path);
    const tdm__str text = {given, len}, installed = {d->record_json, d->record_len};
    tdm_status s = TDM_OK;
    if (d->record_json && tdm__str_eq(text, installed)) {
        tdm__free(given);
        return TDM_OK;
    }
    if (d->record_json)
        s = check_successor(d, text, path, err);
    if (s == TDM_OK) {
        int rc = tdm__file_write_atomic(own, given, len, 0600);
        if (rc != 0)
            s = tdm__fail_os(err, rc, "the device record cannot be installed at %s", own);
    }
    if (s != TDM_OK) {
        tdm__free(given);
        return s;
    }
    tdm__free(d->record_json);
    d->record_json = given;
    d->record_len = len;
    return TDM_OK;
}

tdm_status tdm__device_record_load(tdm__device *d, const char *record_path, tdm_error *err)
{
    char path[TDM__DEVICE_PATH_MAX];
    tdm__device_path(d, "device.json", path);
    TDM_TRY(read_record(path, &d->record_json, &d->record_len, err));
    return record_path && *record_path ? install(d, record_path, err) : TDM_OK;
}
