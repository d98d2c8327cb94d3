/* envelope.c - see envelope.h. The canonical form is made once for all signatures that are looked at. Members outside
 * of "signed" that we do not know are passed over, as TUF asks: nothing that decides stands there.
 */
#include "policy/envelope.h"

#include <sodium.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"

enum { CANONICAL_BYTES_MAX = 8 << 20, KEYID_BYTES_MAX = 128, SIGNATURE_TEXT = 2 * TDM__SIGNATURE_BYTES + 1 };

static const json_t *signature_list(const json_t *envelope) { return json_object_get(envelope, "signatures"); }

const json_t *tdm__envelope_signed(const json_t *envelope) { return json_object_get(envelope, "signed"); }

static const char *signature_keyid(const json_t *list, size_t i)
{
    return json_string_value(json_object_get(json_array_get(list, i), "keyid"));
}

static tdm_status check_signatures(const json_t *list, const char *what, tdm_error *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *keyid = NULL, *sig = NULL;
        const json_t *one = json_array_get(list, i);
        if (!json_is_object(one))
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: signatures[%zu] must be an object, it is %s", what, i,
                     tdm__json_kind(one));
        TDM_TRY(tdm__json_get_str(one, "keyid", what, &keyid, err));
        TDM_TRY(tdm__json_get_str(one, "sig", what, &sig, err));
        if (keyid[0] == '\0' || strlen(keyid) > KEYID_BYTES_MAX)
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: signatures[%zu] has a keyid of %zu bytes, 1 to %d are allowed", what, i,
                     strlen(keyid), KEYID_BYTES_MAX);
        for (size_t k = 0; k < i; k++)
            if (strcmp(signature_keyid(list, k), keyid) == 0)
                TDM_FAIL(err, TDM_ERR_FORMAT, "%s: the key %.16s signs it twice", what, keyid);
    }
    return TDM_OK;
}

tdm_status tdm__envelope_check_shape(const json_t *envelope, const char *type, const char *what, tdm_error *err)
{
    const json_t *signed_part = NULL, *list = NULL;
    const char *has_type = NULL;
    if (!json_is_object(envelope))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s must be an object, it is %s", what, tdm__json_kind(envelope));
    TDM_TRY(tdm__json_get_object(envelope, "signed", what, &signed_part, err));
    TDM_TRY(tdm__json_get_str(signed_part, "_type", what, &has_type, err));
    if (strcmp(has_type, type) != 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: _type is %.40s, %s is needed", what, has_type, type);
    TDM_TRY(tdm__json_get_array(envelope, "signatures", what, TDM__SIGNATURES_MAX, &list, err));
    return check_signatures(list, what, err);
}

tdm_status tdm__envelope_parse(tdm__str bytes, const char *type, const char *what, json_t **out, tdm_error *err)
{
    json_t *envelope = NULL;
    TDM_TRY(tdm__json_parse(bytes, what, TDM__ENVELOPE_BYTES_MAX, &envelope, err));
    tdm_status s = tdm__envelope_check_shape(envelope, type, what, err);
    if (s == TDM_OK)
        *out = envelope;
    else
        json_decref(envelope);
    return s;
}

const char *tdm__envelope_signer(const json_t *envelope)
{
    const json_t *list = signature_list(envelope);
    return json_array_size(list) == 1 ? signature_keyid(list, 0) : NULL;
}

/* The canonical form of "signed", in an initialised buffer. */
static tdm_status put_canonical(const json_t *envelope, tdm__buf *out, tdm_error *err)
{
    const json_t *signed_part = tdm__envelope_signed(envelope);
    if (!signed_part)
        TDM_FAIL(err, TDM_ERR_FORMAT, "the document has nothing signed");
    return tdm__json_canonical(signed_part, out, err);
}

/* The text of key's signature, NULL when it has none. */
static const char *signature_of(const json_t *envelope, const tdm__public_key *key)
{
    const json_t *list = signature_list(envelope);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *keyid = signature_keyid(list, i);
        if (keyid && strcmp(keyid, key->id) == 0)
            return json_string_value(json_object_get(json_array_get(list, i), "sig"));
    }
    return NULL;
}

static bool signature_is_good(const char *sig, tdm__str canonical, const tdm__public_key *key)
{
    uint8_t bytes[TDM__SIGNATURE_BYTES];
    return sig && tdm__hex_get(tdm__str_from(sig), bytes, sizeof bytes) &&
           crypto_sign_verify_detached(bytes, (const uint8_t *)canonical.ptr, canonical.len, key->bytes) == 0;
}

tdm_status tdm__envelope_verify(const json_t *envelope, const tdm__public_key *key, const char *what, tdm_error *err)
{
    const char *sig = signature_of(envelope, key);
    if (!sig)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s is not signed by the key %.16s", what, key->id);
    tdm__buf canonical;
    tdm__buf_init(&canonical, CANONICAL_BYTES_MAX);
    tdm_status s = put_canonical(envelope, &canonical, err);
    if (s == TDM_OK && !signature_is_good(sig, tdm__buf_str(&canonical), key))
        s = tdm__fail(err, TDM_ERR_INTEGRITY, "%s: the signature of the key %.16s does not match", what, key->id);
    tdm__buf_fini(&canonical);
    return s;
}

tdm_status tdm__envelope_count_good(const json_t *envelope, const tdm__public_key *const *keys, size_t n_keys,
                                    size_t *n_good, tdm_error *err)
{
    tdm__buf canonical;
    tdm__buf_init(&canonical, CANONICAL_BYTES_MAX);
    tdm_status s = put_canonical(envelope, &canonical, err);
    size_t n = 0;
    for (size_t i = 0; i < n_keys && s == TDM_OK; i++)
        n += signature_is_good(signature_of(envelope, keys[i]), tdm__buf_str(&canonical), keys[i]);
    tdm__buf_fini(&canonical);
    if (s == TDM_OK)
        *n_good = n;
    return s;
}

json_t *tdm__envelope_create(json_t *signed_part)
{
    return json_pack("{s:O, s:[]}", "signed", signed_part, "signatures");
}

/* sig becomes the key's signature in the list. */
static bool put_signature(json_t *list, const tdm__public_key *key, const char *sig)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(signature_keyid(list, i), key->id) == 0)
            return json_object_set_new(json_array_get(list, i), "sig", json_string(sig)) == 0;
    return json_array_append_new(list, json_pack("{s:s, s:s}", "keyid", key->id, "sig", sig)) == 0;
}

tdm_status tdm__envelope_sign(json_t *envelope, const tdm__secret_key *key, tdm_error *err)
{
    uint8_t bytes[TDM__SIGNATURE_BYTES];
    char sig[SIGNATURE_TEXT];
    tdm__buf canonical;
    tdm__buf_init(&canonical, CANONICAL_BYTES_MAX);
    tdm_status s = put_canonical(envelope, &canonical, err);
    if (s == TDM_OK) {
        (void)crypto_sign_detached(bytes, NULL, (const uint8_t *)canonical.ptr, canonical.len, key->bytes);
        tdm__hex_put(bytes, sizeof bytes, sig);
        if (!put_signature(json_object_get(envelope, "signatures"), &key->public_key, sig))
            s = tdm__fail(err, TDM_ERR_NOMEM, "no memory for a signature");
    }
    tdm__buf_fini(&canonical);
    return s;
}

tdm_status tdm__envelope_digest(const json_t *envelope, char hex[TDM__SHA256_TEXT], tdm_error *err)
{
    tdm__buf canonical;
    tdm__buf_init(&canonical, CANONICAL_BYTES_MAX);
    tdm_status s = put_canonical(envelope, &canonical, err);
    if (s == TDM_OK)
        tdm__sha256_hex(canonical.ptr, canonical.len, hex);
    tdm__buf_fini(&canonical);
    return s;
}
