/* record.c - the device record: read, judged, made.
 *
 * Reading and judging are two steps: what a record says is shown also when it is not believed (tandem device show), and
 * the reason for which it is not believed is one of a closed list. A demonstration's record and a real policy never go
 * together, nor the reverse: that is looked at first, because it is the cause that a person can mend.
 */
#include "route/record.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "policy/envelope.h"

static const char what[] = "device record";

static const struct {
    const char *name;
    tdm__profile profile;
} profiles[] = {
    {"adult", TDM__PROFILE_ADULT},
    {"child", TDM__PROFILE_CHILD},
    {"managed", TDM__PROFILE_MANAGED},
};

enum { N_PROFILES = sizeof profiles / sizeof profiles[0] };

const char *tdm__device_profile_name(tdm__profile p)
{
    for (size_t i = 0; i < N_PROFILES; i++)
        if (profiles[i].profile == p)
            return profiles[i].name;
    return "";
}

bool tdm__device_profile_parse(const char *name, tdm__profile *out)
{
    for (size_t i = 0; i < N_PROFILES; i++)
        if (strcmp(profiles[i].name, name) == 0) {
            *out = profiles[i].profile;
            return true;
        }
    return false;
}

/* 1 to cap - 1 letters, digits and .-_/ into out. */
static tdm_status get_word(const json_t *body, const char *key, char *out, size_t cap, tdm_error *err)
{
    const char *text;
    TDM_TRY(tdm__json_get_str(body, key, what, &text, err));
    const size_t len = strlen(text);
    if (len == 0 || len >= cap ||
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-") != len)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s has %zu characters; 1 to %zu of letters, digits and ._/- are needed",
                 what, key, len, cap - 1);
    memcpy(out, text, len + 1);
    return TDM_OK;
}

static bool is_country(const char *code)
{
    return strlen(code) == 2 && code[0] >= 'A' && code[0] <= 'Z' && code[1] >= 'A' && code[1] <= 'Z';
}

static tdm_status read_sale(const json_t *body, tdm__device_record *r, tdm_error *err)
{
    const char *sold_in, *profile;
    TDM_TRY(tdm__json_get_str(body, "sold_in", what, &sold_in, err));
    TDM_TRY(tdm__json_get_str(body, "profile", what, &profile, err));
    if (!is_country(sold_in))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: sold_in is no ISO 3166-1 code of two upper-case letters", what);
    if (!tdm__device_profile_parse(profile, &r->profile))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: profile is none of adult, child, managed", what);
    memcpy(r->sold_in, sold_in, sizeof r->sold_in);
    return TDM_OK;
}

static tdm_status read_times(const json_t *body, tdm__device_record *r, tdm_error *err)
{
    TDM_TRY(tdm__json_get_time(body, "issued", what, &r->issued_unix_s, err));
    TDM_TRY(tdm__json_get_time(body, "expires", what, &r->expires_unix_s, err));
    if (r->expires_unix_s <= r->issued_unix_s)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: it ends before it begins", what);
    return TDM_OK;
}

static tdm_status read_body(const json_t *body, tdm__device_record *r, tdm_error *err)
{
    static const char *const known[] = {"_type",  "demo",    "device", "device_key", "expires",
                                        "issued", "profile", "sku",    "sold_in",    NULL};
    const json_t *key;
    TDM_TRY(tdm__json_check_keys(body, what, known, err));
    TDM_TRY(get_word(body, "device", r->device, sizeof r->device, err));
    TDM_TRY(get_word(body, "sku", r->sku, sizeof r->sku, err));
    TDM_TRY(read_sale(body, r, err));
    TDM_TRY(read_times(body, r, err));
    TDM_TRY(tdm__json_get_bool(body, "demo", what, &r->is_demo, err));
    if (r->is_demo != (strncmp(r->device, "DEMO-", 5) == 0))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: the id of a demonstration's device, and of no other, begins with DEMO-",
                 what);
    TDM_TRY(tdm__json_get_object(body, "device_key", what, &key, err));
    return tdm__public_key_parse(key, "device record's device_key", &r->device_key, err);
}

static tdm_status read_record(const json_t *envelope, tdm__device_record *out, tdm_error *err)
{
    tdm__device_record r = {0};
    TDM_TRY(read_body(tdm__envelope_signed(envelope), &r, err));
    const char *signer = tdm__envelope_signer(envelope);
    if (!signer)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s: it needs exactly one signature", what);
    if (strcmp(signer, r.device_key.id) == 0)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s: the device has signed it itself", what);
    snprintf(r.signer, sizeof r.signer, "%s", signer);
    TDM_TRY(tdm__envelope_digest(envelope, r.sha256, err));
    *out = r;
    return TDM_OK;
}

tdm_status tdm__device_record_parse(tdm__str json, tdm__device_record *out, json_t **envelope, tdm_error *err)
{
    json_t *parsed = NULL;
    if (json.len > TDM__RECORD_BYTES_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%s: it has %zu bytes, at most %d are read", what, json.len,
                 TDM__RECORD_BYTES_MAX);
    TDM_TRY(tdm__envelope_parse(json, "device-record", what, &parsed, err));
    tdm_status s = read_record(parsed, out, err);
    if (s == TDM_OK && envelope)
        *envelope = json_incref(parsed);
    json_decref(parsed);
    return s;
}

static tdm__record_fault fail_key(const tdm__device_record *r, tdm__key_fault fault, tdm_error *err)
{
    if (fault == TDM__KEY_REVOKED) {
        (void)tdm__fail(err, TDM_ERR_INTEGRITY, "%s: the key %.16s.. that signed it was revoked", what, r->signer);
        return TDM__RECORD_KEY_REVOKED;
    }
    const char *why = fault == TDM__KEY_UNKNOWN          ? "is not in the keyring"
                      : fault == TDM__KEY_NOT_VALID_THEN ? "was not valid when it was issued"
                                                         : "is no maker's";
    (void)tdm__fail(err, TDM_ERR_INTEGRITY, "%s: the key %.16s.. that signed it %s", what, r->signer, why);
    return TDM__RECORD_KEY_UNKNOWN;
}

static tdm__record_fault check_time(const tdm__device_record *r, int64_t now_unix_s, tdm_error *err)
{
    char date[TDM__RFC3339_TEXT];
    if (r->issued_unix_s - TDM__RECORD_SKEW_S > now_unix_s) {
        tdm__rfc3339_put(r->issued_unix_s, date);
        (void)tdm__fail(err, TDM_ERR_TIMEOUT, "%s: it begins on %s", what, date);
        return TDM__RECORD_NOT_YET_VALID;
    }
    if (r->expires_unix_s <= now_unix_s) {
        tdm__rfc3339_put(r->expires_unix_s, date);
        (void)tdm__fail(err, TDM_ERR_TIMEOUT, "%s: it ended on %s", what, date);
        return TDM__RECORD_EXPIRED;
    }
    return TDM__RECORD_FINE;
}

tdm__record_fault tdm__device_record_verify(const json_t *envelope, const tdm__device_record *r,
                                            const tdm__keyring *keys, bool is_demo_root, int64_t now_unix_s,
                                            tdm_error *err)
{
    tdm__key_fault fault = TDM__KEY_FINE;
    tdm__device_record again;
    tdm_status s = read_record(envelope, &again, err);
    if (s == TDM_OK && strcmp(again.sha256, r->sha256) != 0)
        s = tdm__fail(err, TDM_ERR_INTEGRITY, "%s: it is not the one that was read", what);
    if (s != TDM_OK)
        return s == TDM_ERR_INTEGRITY ? TDM__RECORD_SIGNATURE : TDM__RECORD_FORMAT;
    if (r->is_demo != is_demo_root) {
        (void)tdm__fail(err, TDM_ERR_INVAL, "%s: it is %s demonstration's and the policy is %s", what,
                        r->is_demo ? "a" : "no", is_demo_root ? "one's" : "none's");
        return TDM__RECORD_DEMO;
    }
    const tdm__keyring_entry *maker =
        tdm__keyring_find(keys, r->signer, TDM__KEY_MAKER, NULL, r->issued_unix_s, &fault);
    if (!maker)
        return fail_key(r, fault, err);
    if (maker->is_demo != r->is_demo) {
        (void)tdm__fail(err, TDM_ERR_INVAL, "%s: the key that signed it is %s demonstration's", what,
                        maker->is_demo ? "a" : "no");
        return TDM__RECORD_DEMO;
    }
    if (tdm__envelope_verify(envelope, &maker->key, what, err) != TDM_OK)
        return TDM__RECORD_SIGNATURE;
    return check_time(r, now_unix_s, err);
}

static json_t *body_json(const tdm__device_record *r)
{
    char issued[TDM__RFC3339_TEXT], expires[TDM__RFC3339_TEXT];
    tdm__rfc3339_put(r->issued_unix_s, issued);
    tdm__rfc3339_put(r->expires_unix_s, expires);
    return json_pack("{s:s, s:b, s:s, s:o, s:s, s:s, s:s, s:s, s:s}", "_type", "device-record", "demo", r->is_demo,
                     "device", r->device, "device_key", tdm__public_key_json(&r->device_key), "expires", expires,
                     "issued", issued, "profile", tdm__device_profile_name(r->profile), "sku", r->sku, "sold_in",
                     r->sold_in);
}

tdm_status tdm__device_record_make(const tdm__device_record *r, const tdm__secret_key *maker, char **out,
                                   tdm_error *err)
{
    tdm__device_record again;
    json_t *body = body_json(r);
    json_t *envelope = body ? tdm__envelope_create(body) : NULL;
    char *text = NULL;
    tdm_status s = envelope ? tdm__envelope_sign(envelope, maker, err)
                            : tdm__fail(err, TDM_ERR_NOMEM, "no memory for a device record");
    if (s == TDM_OK)
        s = read_record(envelope, &again, err);
    if (s == TDM_ERR_FORMAT || s == TDM_ERR_INTEGRITY) { /* nobody forged: what was asked for is no record */
        s = TDM_ERR_INVAL;
        if (err)
            err->code = s;
    }
    if (s == TDM_OK) {
        text = tdm__json_text(envelope, JSON_INDENT(2));
        s = text ? TDM_OK : tdm__fail(err, TDM_ERR_NOMEM, "no memory for a device record");
    }
    json_decref(envelope);
    json_decref(body);
    if (s == TDM_OK)
        *out = text;
    return s;
}
