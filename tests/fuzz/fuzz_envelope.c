/* fuzz_envelope.c - envelopes, keys and keyrings over arbitrary bytes. What is accepted has one canonical form, which
 * reads back as itself; and the known key's signature stands only under the document that it signed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fuzz.h"
#include "policy/envelope.h"
#include "policy/keyring.h"

/* The first pair of RFC 8032, 7.1; corpus/envelope/signed.json was signed by it with securesystemslib. */
#define PUBLIC "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":"                                                      \
               "\"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"},\"scheme\":\"ed25519\"}"
#define SIGNED_DIGEST "0c8f3a215191a996403ae2785007f2bfa7da15be8a53cf40734788f48625594d"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_canonical(const json_t *v)
{
    tdm__buf once, twice;
    json_t *back = NULL;
    tdm__buf_init(&once, 8 << 20);
    tdm__buf_init(&twice, 8 << 20);
    if (tdm__json_canonical(v, &once, NULL) == TDM_OK && once.len > 0 && strchr("[{", once.ptr[0])) {
        check(tdm__json_parse(tdm__buf_str(&once), "canonical", once.len, &back, NULL) == TDM_OK);
        check(json_equal(back, v));
        check(tdm__json_canonical(back, &twice, NULL) == TDM_OK);
        check(tdm__str_eq(tdm__buf_str(&once), tdm__buf_str(&twice)));
    }
    json_decref(back);
    tdm__buf_fini(&once);
    tdm__buf_fini(&twice);
}

static void check_envelope(const json_t *v)
{
    static tdm__public_key key;
    char digest[TDM__SHA256_TEXT];
    if (key.id[0] == '\0') {
        json_t *object = NULL;
        check(tdm__json_parse(tdm__str_from(PUBLIC), "key", 1000, &object, NULL) == TDM_OK);
        check(tdm__public_key_parse(object, "key", &key, NULL) == TDM_OK);
        json_decref(object);
    }
    if (tdm__envelope_check_shape(v, "device-record", "record", NULL) != TDM_OK)
        return;
    check(json_is_object(tdm__envelope_signed(v)));
    if (tdm__envelope_verify(v, &key, "record", NULL) == TDM_OK)
        check(tdm__envelope_digest(v, digest, NULL) == TDM_OK && strcmp(digest, SIGNED_DIGEST) == 0);
}

static void check_keyring(const json_t *v)
{
    tdm__keyring *k = NULL;
    tdm__key_fault fault;
    if (tdm__keyring_create(v, true, &k, NULL) != TDM_OK)
        return;
    for (size_t i = 0; i < tdm__keyring_n(k); i++) {
        const tdm__keyring_entry *e = tdm__keyring_at(k, i);
        check(e->role != TDM__KEY_NONE && e->n_markets > 0 && e->valid_from_unix_s < e->valid_to_unix_s);
        const tdm__keyring_entry *found =
            tdm__keyring_find(k, e->key.id, e->role, e->markets[0], e->valid_from_unix_s, &fault);
        check(e->is_revoked ? !found && fault == TDM__KEY_REVOKED : found == e && fault == TDM__KEY_FINE);
        check(!tdm__keyring_find(k, e->key.id, e->role, e->markets[0], e->valid_to_unix_s, &fault));
    }
    tdm__keyring_destroy(k);
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    json_t *v = NULL;
    tdm_error err = {0};
    if (tdm__json_parse((tdm__str){(const char *)data, len}, "input", 1 << 20, &v, &err) != TDM_OK) {
        check(!v && err.msg[0] != '\0');
        return 0;
    }
    check_canonical(v);
    check_envelope(v);
    check_keyring(v);
    json_decref(v);
    return 0;
}
