/* device_token.c - a few minutes' word of a device to one gateway, signed by the key that its record names.
 *
 * A token names the record by its digest, the gateway by its name, its own few minutes, and a nonce. So it is good for
 * one gateway, cannot outlive five minutes, and cannot be carried over to another record (another region of sale). It
 * does not hold the record: a gateway has verified that before, and hands it in.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "policy/envelope.h"
#include "route/record.h"

static const char what[] = "device token";

static bool is_hex(const char *text, size_t n_bytes)
{
    uint8_t bytes[TDM__SHA256_BYTES];
    return tdm__hex_get(tdm__str_from(text), bytes, n_bytes);
}

static tdm_status copy_text(const json_t *body, const char *key, char *out, size_t cap, tdm_error *err)
{
    const char *text;
    TDM_TRY(tdm__json_get_str(body, key, what, &text, err));
    const size_t len = strlen(text);
    if (len >= cap)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s has %zu bytes, at most %zu are allowed", what, key, len, cap - 1);
    memcpy(out, text, len + 1);
    return TDM_OK;
}

static tdm_status read_token(const json_t *body, tdm__device_token *t, tdm_error *err)
{
    static const char *const known[] = {"_type", "consent", "expires", "gateway", "issued", "nonce", "record", NULL};
    TDM_TRY(tdm__json_check_keys(body, what, known, err));
    TDM_TRY(copy_text(body, "record", t->record_sha256, sizeof t->record_sha256, err));
    TDM_TRY(copy_text(body, "gateway", t->gateway, sizeof t->gateway, err));
    TDM_TRY(copy_text(body, "nonce", t->nonce, sizeof t->nonce, err));
    TDM_TRY(copy_text(body, "consent", t->consent, sizeof t->consent, err));
    TDM_TRY(tdm__json_get_time(body, "issued", what, &t->issued_unix_s, err));
    TDM_TRY(tdm__json_get_time(body, "expires", what, &t->expires_unix_s, err));
    if (!is_hex(t->record_sha256, 32) || !is_hex(t->nonce, 16) || (t->consent[0] != '\0' && !is_hex(t->consent, 16)))
        TDM_FAIL(err, TDM_ERR_FORMAT,
                 "%s: record, nonce or consent is not of 64, 32, 32 (or no) lower-case "
                 "hexadecimal digits",
                 what);
    if (t->gateway[0] == '\0')
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: gateway is empty", what);
    const int64_t life_s = t->expires_unix_s - t->issued_unix_s;
    if (life_s <= 0 || life_s > TDM__TOKEN_LIFE_MAX_S)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: it lives %lld s, 1 to %d are allowed", what, (long long)life_s,
                 TDM__TOKEN_LIFE_MAX_S);
    return TDM_OK;
}

static tdm_status check_binding(const json_t *envelope, const tdm__device_token *t, const tdm__device_record *r,
                                const char *gateway, tdm_error *err)
{
    const char *signer = tdm__envelope_signer(envelope);
    if (!signer || strcmp(signer, r->device_key.id) != 0)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s: it is not signed by the key of the device %s", what, r->device);
    TDM_TRY(tdm__envelope_verify(envelope, &r->device_key, what, err));
    if (strcmp(t->record_sha256, r->sha256) != 0)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s: it is bound to another device record", what);
    if (strcmp(t->gateway, gateway) != 0)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s: it is meant for another gateway than %s", what, gateway);
    return TDM_OK;
}

tdm_status tdm__device_token_make(const tdm__device_token *t, const tdm__secret_key *device, char **out, tdm_error *err)
{
    char issued[TDM__RFC3339_TEXT], expires[TDM__RFC3339_TEXT];
    tdm__device_token again;
    tdm__rfc3339_put(t->issued_unix_s, issued);
    tdm__rfc3339_put(t->expires_unix_s, expires);
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "_type", "device-token", "consent", t->consent, "expires",
                  expires, "gateway", t->gateway, "issued", issued, "nonce", t->nonce, "record", t->record_sha256);
    json_t *envelope = body ? tdm__envelope_create(body) : NULL;
    char *text = NULL;
    tdm_status s = envelope ? read_token(body, &again, err) : tdm__fail(err, TDM_ERR_NOMEM, "no memory for a token");
    if (s == TDM_OK)
        s = tdm__envelope_sign(envelope, device, err);
    if (s == TDM_OK) {
        text = tdm__json_text(envelope, JSON_COMPACT);
        s = text ? TDM_OK : tdm__fail(err, TDM_ERR_NOMEM, "no memory for a token");
    }
    json_decref(envelope);
    json_decref(body);
    if (s == TDM_OK)
        *out = text;
    return s;
}

tdm_status tdm__device_token_verify(tdm__str json, const tdm__device_record *r, const char *gateway, int64_t now_unix_s,
                                    tdm__device_token *out, tdm_error *err)
{
    tdm__device_token t;
    json_t *envelope = NULL;
    if (json.len > TDM__TOKEN_BYTES_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%s: it has %zu bytes, at most %d are read", what, json.len, TDM__TOKEN_BYTES_MAX);
    TDM_TRY(tdm__envelope_parse(json, "device-token", what, &envelope, err));
    tdm_status s = read_token(tdm__envelope_signed(envelope), &t, err);
    if (s == TDM_OK)
        s = check_binding(envelope, &t, r, gateway, err);
    if (s == TDM_OK && t.issued_unix_s - TDM__TOKEN_SKEW_S > now_unix_s)
        s = tdm__fail(err, TDM_ERR_TIMEOUT, "%s: it begins %lld s from now", what,
                      (long long)(t.issued_unix_s - now_unix_s));
    if (s == TDM_OK && t.expires_unix_s <= now_unix_s)
        s = tdm__fail(err, TDM_ERR_TIMEOUT, "%s: it ended %lld s ago", what,
                      (long long)(now_unix_s - t.expires_unix_s));
    json_decref(envelope);
    if (s == TDM_OK)
        *out = t;
    return s;
}
