/* trust_document.c - one signed document: its bytes, its version and expiry, who may sign it, and whether they did.
 *
 * Members that we do not know are passed over, as TUF asks. A key's id must be the hash of the key, which TUF leaves
 * open: then different ids are different keys, and a threshold cannot be met by one key under two names.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "policy/trust_internal.h"

#define VERSION_MAX (INT64_C(1) << 53) /* what every reader of JSON can hold */

static tdm_status status_of(tdm__trust_fault fault)
{
    switch (fault) {
    case TDM__TRUST_FORMAT: return TDM_ERR_FORMAT;
    case TDM__TRUST_ENDLESS: return TDM_ERR_LIMIT;
    case TDM__TRUST_MISSING: return TDM_ERR_NOT_FOUND;
    default: return TDM_ERR_INTEGRITY;
    }
}

tdm_status tdm__trust_refuse(const tdm__trust_walk *w, tdm__trust_fault fault, const char *fmt, ...)
{
    char text[sizeof w->err->msg];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    *w->fault = fault;
    return tdm__fail(w->err, status_of(fault), "%s", text);
}

tdm__str tdm__trust_text(const json_t *text)
{
    return (tdm__str){json_string_value(text), json_string_length(text)};
}

void tdm__trust_document_fini(tdm__trust_document *d)
{
    json_decref(d->text);
    json_decref(d->json);
    *d = (tdm__trust_document){0};
}

tdm__trust_document tdm__trust_document_share(const tdm__trust_document *d)
{
    tdm__trust_document copy = *d;
    json_incref(copy.text);
    json_incref(copy.json);
    return copy;
}

const json_t *tdm__trust_signed(const tdm__trust_document *d) { return tdm__envelope_signed(d->json); }

tdm_status tdm__trust_document_read(tdm__str bytes, const char *type, const char *name, tdm__trust_document *out,
                                    tdm_error *err)
{
    tdm__trust_document d = {0};
    const char *spec = NULL;
    tdm_status s = tdm__json_parse(bytes, name, bytes.len, &d.json, err);
    if (s == TDM_OK)
        s = tdm__envelope_check_shape(d.json, type, name, err);
    if (s == TDM_OK)
        s = tdm__json_get_str(tdm__trust_signed(&d), "spec_version", name, &spec, err);
    if (s == TDM_OK && strncmp(spec, "1.", 2) != 0)
        s = tdm__fail(err, TDM_ERR_FORMAT, "%s: spec_version is %.20s, 1.x is read", name, spec);
    if (s == TDM_OK)
        s = tdm__json_get_int(tdm__trust_signed(&d), "version", name, 1, VERSION_MAX, &d.version, err);
    if (s == TDM_OK)
        s = tdm__json_get_time(tdm__trust_signed(&d), "expires", name, &d.expires_unix_s, err);
    if (s == TDM_OK) {
        d.text = json_stringn(bytes.ptr, bytes.len);
        if (!d.text)
            s = tdm__fail(err, TDM_ERR_NOMEM, "no memory for %s", name);
    }
    if (s == TDM_OK)
        *out = d;
    else
        tdm__trust_document_fini(&d);
    return s;
}

static tdm_status read_key(const json_t *keys, const json_t *keyid, const char *name, tdm__trust_role *role,
                           tdm_error *err)
{
    const char *id = json_string_value(keyid);
    if (!id)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: a keyid must be a string, it is %s", name, tdm__json_kind(keyid));
    for (size_t i = 0; i < role->n_keys; i++)
        if (strcmp(role->keys[i].id, id) == 0)
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: the key %.16s comes twice in one role", name, id);
    const json_t *object = json_object_get(keys, id);
    if (!object)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: the key %.16s is named and not there", name, id);
    tdm__public_key *key = &role->keys[role->n_keys];
    TDM_TRY(tdm__public_key_parse(object, name, key, err));
    if (strcmp(key->id, id) != 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: the key %.16s has the id %.16s", name, id, key->id);
    role->n_keys++;
    return TDM_OK;
}

tdm_status tdm__trust_role_read(const json_t *keys, const json_t *role, const char *name, tdm__trust_role *out,
                                tdm_error *err)
{
    const json_t *keyids = NULL;
    int64_t threshold = 0;
    *out = (tdm__trust_role){0};
    if (!json_is_object(role))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: a role must be an object, it is %s", name, tdm__json_kind(role));
    TDM_TRY(tdm__json_get_array(role, "keyids", name, TDM__TRUST_ROLE_KEYS_MAX, &keyids, err));
    TDM_TRY(tdm__json_get_int(role, "threshold", name, 1, TDM__TRUST_ROLE_KEYS_MAX, &threshold, err));
    for (size_t i = 0; i < json_array_size(keyids); i++)
        TDM_TRY(read_key(keys, json_array_get(keyids, i), name, out, err));
    out->threshold = (size_t)threshold;
    return TDM_OK;
}

tdm_status tdm__trust_meta_parse(const json_t *entry, const char *name, tdm__trust_meta *out, tdm_error *err)
{
    uint8_t digest[TDM__SHA256_BYTES];
    *out = (tdm__trust_meta){.length = -1};
    if (json_object_get(entry, "length"))
        TDM_TRY(tdm__json_get_int(entry, "length", name, 0, INT64_MAX, &out->length, err));
    const json_t *hashes = json_object_get(entry, "hashes");
    if (!hashes)
        return TDM_OK;
    const char *hex = json_string_value(json_object_get(hashes, "sha256"));
    if (!hex || !tdm__hex_get(tdm__str_from(hex), digest, sizeof digest))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: hashes has no sha256 of 64 lower-case hexadecimal digits", name);
    memcpy(out->sha256, hex, sizeof out->sha256);
    return TDM_OK;
}

tdm_status tdm__trust_meta_read(const tdm__trust_document *d, const char *name, tdm__trust_meta *out, tdm_error *err)
{
    const json_t *meta = NULL, *entry = NULL;
    TDM_TRY(tdm__json_get_object(tdm__trust_signed(d), "meta", "meta", &meta, err));
    TDM_TRY(tdm__json_get_object(meta, name, "meta", &entry, err));
    TDM_TRY(tdm__trust_meta_parse(entry, name, out, err));
    return tdm__json_get_int(entry, "version", name, 1, VERSION_MAX, &out->version, err);
}

tdm_status tdm__trust_check_signatures(const tdm__trust_walk *w, const tdm__trust_document *d,
                                       const tdm__trust_role *role, const char *name)
{
    const tdm__public_key *keys[TDM__TRUST_ROLE_KEYS_MAX];
    size_t n_good = 0;
    for (size_t i = 0; i < role->n_keys; i++)
        keys[i] = &role->keys[i];
    TDM_TRY(tdm__envelope_count_good(d->json, keys, role->n_keys, &n_good, w->err));
    if (n_good < role->threshold)
        return tdm__trust_refuse(w, TDM__TRUST_SIGNATURES, "%s has %zu good signatures of the %zu that are needed",
                                 name, n_good, role->threshold);
    return TDM_OK;
}

tdm_status tdm__trust_check_expiry(const tdm__trust_walk *w, const tdm__trust_document *d, const char *name)
{
    char expires[TDM__RFC3339_TEXT], now[TDM__RFC3339_TEXT];
    if (!w->source || d->expires_unix_s > w->now_unix_s)
        return TDM_OK;
    tdm__rfc3339_put(d->expires_unix_s, expires);
    tdm__rfc3339_put(w->now_unix_s, now);
    return tdm__trust_refuse(w, TDM__TRUST_FREEZE, "%s has expired at %s, it is %s", name, expires, now);
}

tdm_status tdm__trust_fetch(const tdm__trust_walk *w, const char *name, size_t bytes_max, tdm__buf *out)
{
    tdm_status s = TDM_ERR_NOT_FOUND;
    if (w->source)
        s = w->source->read(w->source->user, name, bytes_max, out, w->err);
    if (s == TDM_ERR_NOT_FOUND)
        return tdm__trust_refuse(w, TDM__TRUST_MISSING, "%s is not there", name);
    if (s == TDM_ERR_LIMIT)
        return tdm__trust_refuse(w, TDM__TRUST_ENDLESS, "%s is longer than %zu bytes", name, bytes_max);
    return s;
}

bool tdm__trust_meta_fits(const tdm__trust_meta *meta, tdm__str bytes)
{
    char hex[TDM__SHA256_TEXT];
    if (meta->length >= 0 && (uint64_t)meta->length != bytes.len)
        return false;
    if (meta->sha256[0] == '\0')
        return true;
    tdm__sha256_hex(bytes.ptr, bytes.len, hex);
    return strcmp(hex, meta->sha256) == 0;
}

tdm_status tdm__trust_count_bytes(tdm__trust_walk *w, size_t n, const char *name)
{
    w->n_bytes += n;
    if (w->n_bytes > TDM__TRUST_ALL_BYTES_MAX)
        return tdm__trust_refuse(w, TDM__TRUST_ENDLESS, "with %s all files have more than %d bytes", name,
                                 TDM__TRUST_ALL_BYTES_MAX);
    return TDM_OK;
}
