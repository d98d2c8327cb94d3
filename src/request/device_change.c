/* device_change.c - what changes the rules: verified, durable, then in force.
 *
 * One change at a time, under device.change; whoever decides meanwhile does so by the set before or the one after.
 */
#include <stdio.h>

#include "base/error.h"
#include "os/clock.h"
#include "policy/keyring.h"
#include "request/device_internal.h"

void tdm__device_set_model(tdm__device *d, const char *sha256, size_t device_tokens_max)
{
    tdm_error why = {0};
    pthread_mutex_lock(&d->change);
    pthread_mutex_lock(&d->mutex);
    snprintf(d->own_model_sha256, sizeof d->own_model_sha256, "%s", sha256);
    d->device_tokens_max = device_tokens_max;
    pthread_mutex_unlock(&d->mutex);
    if (tdm__device_rebuild(d, &why) != TDM_OK) /* the old set stays: it knows no model, so the own one stays off */
        tdm__log_say(&d->log, TDM__LOG_ERROR, "the rules could not be renewed for the loaded model: %s", why.msg);
    pthread_mutex_unlock(&d->change);
}

tdm_status tdm__device_put_policy(tdm__device *d, tdm__str bundle, tdm__trust_fault *fault, tdm_error *err)
{
    tdm__trust_source source;
    *fault = TDM__TRUST_NONE;
    TDM_TRY(tdm__trust_source_bundle(bundle, &source, err));
    pthread_mutex_lock(&d->change);
    tdm_status s = TDM_OK;
    if (!d->trust)
        s = tdm__fail(err, TDM_ERR_NOT_FOUND,
                      d->trust_is_bad ? "the policy that is installed does not verify, so it cannot be renewed"
                                      : "this device was given no root to believe in");
    if (s == TDM_OK) { /* also a refused update may have changed what is believed: a newer root drops what it revokes */
        s = tdm__trust_update(d->trust, &source, tdm__clock_unix_s(), fault, err);
        tdm_error why = {0};
        const tdm_status rebuilt = tdm__device_rebuild(d, &why);
        if (s == TDM_OK && rebuilt != TDM_OK && err)
            *err = why;
        s = s == TDM_OK ? rebuilt : s;
    }
    pthread_mutex_unlock(&d->change);
    tdm__trust_source_fini(&source);
    return s;
}

tdm_status tdm__device_put_filing(tdm__device *d, tdm__str case_json, tdm_error *err)
{
    char dir[TDM__DEVICE_PATH_MAX];
    bool is_suspect = false;
    pthread_mutex_lock(&d->change);
    tdm__keyring *keys = tdm__device_keyring(d);
    tdm_status s = TDM_OK;
    if (!keys) {
        s = tdm__fail(err, TDM_ERR_NOT_FOUND, "this device knows no key whose word on a case it would believe");
    } else {
        tdm__device_path(d, "filings", dir);
        s = tdm__case_folder_put(dir, case_json, keys, tdm__trust_now(d->trust, tdm__clock_unix_s(), &is_suspect),
                                 err);
    }
    if (s == TDM_OK)
        s = tdm__device_rebuild(d, err);
    tdm__keyring_destroy(keys);
    pthread_mutex_unlock(&d->change);
    return s;
}
