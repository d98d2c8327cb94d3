/* fuzz_record.c - device records and tokens over arbitrary bytes, and over arbitrary bodies that are well signed.
 *
 * An object without "signed" is taken as a body: it is signed by the maker (record) or the device (token) first, so
 * that what stands behind the signature is reached.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fuzz.h"
#include "route/record.h"
#include "signed_maker.h"

enum { NOW = 1739260800 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void read_record(tdm__str json, const tdm__keyring *keys)
{
    tdm__device_record r = {0};
    json_t *envelope = NULL;
    tdm_error err = {0};
    if (tdm__device_record_parse(json, &r, &envelope, &err) != TDM_OK) {
        check(!envelope && err.msg[0] != '\0');
        return;
    }
    check(strlen(r.sold_in) == 2 && r.sold_in[0] >= 'A' && r.sold_in[1] <= 'Z');
    check(r.device[0] != '\0' && r.sku[0] != '\0' && r.issued_unix_s < r.expires_unix_s);
    check(tdm__device_profile_name(r.profile)[0] != '\0' && strlen(r.sha256) == 64);
    if (tdm__device_record_verify(envelope, &r, keys, true, NOW, &err) == TDM__RECORD_FINE)
        check(r.is_demo && r.expires_unix_s > NOW);
    json_decref(envelope);
}

static void read_token(tdm__str json)
{
    tdm__device_record r = {.device = "DEMO-1"};
    tdm__device_token t = {0};
    tdm__secret_key device;
    signed_maker_key(SIGNED_DEVICE, &device);
    r.device_key = device.public_key;
    memset(r.sha256, 'a', sizeof r.sha256 - 1);
    if (tdm__device_token_verify(json, &r, "gateway.demo", NOW, &t, NULL) == TDM_OK)
        check(strcmp(t.gateway, "gateway.demo") == 0 && strlen(t.nonce) == 32 && t.expires_unix_s > NOW &&
              t.expires_unix_s - t.issued_unix_s <= TDM__TOKEN_LIFE_MAX_S);
}

static void read_signed(json_t *body, signed_maker_who who, const tdm__keyring *keys)
{
    json_t *envelope = signed_maker_sign(json_incref(body), who);
    char *text = envelope ? json_dumps(envelope, JSON_COMPACT) : NULL;
    if (text) {
        read_record(tdm__str_from(text), keys);
        read_token(tdm__str_from(text));
    }
    free(text);
    json_decref(envelope);
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    tdm__keyring *keys = signed_maker_keyring();
    const tdm__str bytes = {(const char *)data, len};
    json_t *body = NULL;
    if (tdm__json_parse(bytes, "input", 65536, &body, NULL) == TDM_OK && json_is_object(body) &&
        !json_object_get(body, "signed")) {
        read_signed(body, SIGNED_MAKER, keys);
        read_signed(body, SIGNED_DEVICE, keys);
    } else {
        read_record(bytes, keys);
        read_token(bytes);
    }
    json_decref(body);
    tdm__keyring_destroy(keys);
    return 0;
}
