/* signed_maker.c - key pairs from one byte each, through libsodium; whatever fails here ends the test program. */
#include "signed_maker.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "policy/envelope.h"

static void check(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "signed_maker: %s failed\n", what);
    abort();
}

static const struct {
    const char *id, *role, *market, *valid_from, *valid_to;
    bool is_revoked;
} owners[SIGNED_IN_KEYRING] = {
    [SIGNED_MAKER] = {"DEMO-MAKER", "maker", "CN", "2025-01-01", "2030-01-01", false},
    [SIGNED_PROVIDER] = {"DEMO-PROVIDER", "provider", "CN", "2025-01-01", "2030-01-01", false},
    [SIGNED_REGULATOR] = {"DEMO-REGULATOR", "regulator", "CN", "2025-01-01", "2030-01-01", false},
    [SIGNED_REGULATOR_2] = {"DEMO-REGULATOR-2", "regulator", "CN", "2025-01-01", "2030-01-01", false},
    [SIGNED_REGULATOR_US] = {"DEMO-REGULATOR-US", "regulator", "US", "2025-01-01", "2030-01-01", false},
    [SIGNED_GATEWAY] = {"DEMO-GATEWAY", "gateway", "CN", "2025-01-01", "2030-01-01", false},
    [SIGNED_OTHER_MAKER] = {"DEMO-OTHER-MAKER", "maker", "CN", "2025-01-01", "2030-01-01", false},
    [SIGNED_OTHER_PROVIDER] = {"DEMO-OTHER-PROVIDER", "provider", "CN", "2025-01-01", "2030-01-01", false},
    [SIGNED_REVOKED] = {"DEMO-REVOKED", "regulator", "CN", "2025-01-01", "2030-01-01", true},
    [SIGNED_PAST] = {"DEMO-PAST", "regulator", "CN", "2024-01-01", "2025-01-01", false},
};

void signed_maker_key(signed_maker_who who, tdm__secret_key *out)
{
    uint8_t seed[crypto_sign_SEEDBYTES] = {(uint8_t)(who + 1)};
    char hex[65];
    tdm__public_key parsed;
    check(sodium_init() >= 0 && crypto_sign_seed_keypair(out->public_key.bytes, out->bytes, seed) == 0, "a key pair");
    tdm__hex_put(out->public_key.bytes, sizeof out->public_key.bytes, hex);
    json_t *object =
        json_pack("{s:s, s:{s:s}, s:s}", "keytype", "ed25519", "keyval", "public", hex, "scheme", "ed25519");
    check(tdm__public_key_parse(object, "key", &parsed, NULL) == TDM_OK, "the key's object");
    out->public_key = parsed;
    json_decref(object);
}

json_t *signed_maker_keys_json(signed_maker_who revoked)
{
    json_t *keys = json_array();
    for (signed_maker_who w = 0; w < SIGNED_IN_KEYRING; w++) {
        tdm__secret_key k;
        char from[32], to[32];
        signed_maker_key(w, &k);
        snprintf(from, sizeof from, "%sT00:00:00Z", owners[w].valid_from);
        snprintf(to, sizeof to, "%sT00:00:00Z", owners[w].valid_to);
        json_t *one = json_pack("{s:s, s:o, s:{s:s, s:s}, s:s, s:[s], s:s, s:s, s:b, s:b}", "id", owners[w].id, "key",
                                tdm__public_key_json(&k.public_key), "name", "en", owners[w].id + 5, "zh", "名", "role",
                                owners[w].role, "markets", owners[w].market, "valid_from", from, "valid_to", to,
                                "revoked", owners[w].is_revoked || w == revoked, "demo", true);
        check(json_array_append_new(keys, one) == 0, "a key's entry");
    }
    return json_pack("{s:s, s:b, s:o}", "_type", "keys", "demo", true, "keys", keys);
}

tdm__keyring *signed_maker_keyring(void)
{
    tdm__keyring *k = NULL;
    tdm_error err = {0};
    json_t *json = signed_maker_keys_json(SIGNED_ALL);
    check(tdm__keyring_create(json, true, &k, &err) == TDM_OK, err.msg);
    json_decref(json);
    return k;
}

json_t *signed_maker_sign(json_t *body, signed_maker_who who)
{
    tdm__secret_key k;
    signed_maker_key(who, &k);
    json_t *envelope = tdm__envelope_create(body);
    json_decref(body);
    if (envelope && tdm__envelope_sign(envelope, &k, NULL) == TDM_OK)
        return envelope;
    json_decref(envelope);
    return NULL; /* the body has no canonical form */
}
