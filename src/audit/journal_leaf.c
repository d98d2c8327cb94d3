/* journal_leaf.c - one leaf as bytes, and back. docs/formats/journal.md has the layout.
 *
 * All numbers are little-endian. A leaf's length stands twice, the second time inverted: a length that a fault has
 * changed must not look like a leaf that a crash has cut, or everything behind it would be thrown away. What a reader
 * does not know has a length and is passed over; the digest covers it all the same.
 */
#include <openssl/hmac.h>
#include <string.h>

#include "audit/journal_internal.h"
#include "base/error.h"
#include "base/hex.h"

enum {
    VERSION = 1,
    AT_LENGTH = 0,
    AT_INVERTED = 4,
    AT_VERSION = 8,
    AT_KIND = 10,
    AT_ZERO = 12,
    AT_INDEX = 16,
    AT_TIME = 24,
    AT_ID = 32,
    AT_PREVIOUS = 48,
    HEAD_BYTES = 80,
    FIELD_HEAD_BYTES = 6, /* tag of 2 bytes, length of 4 */
};

enum { TAG_DECISION = 1, TAG_COMMITMENT, TAG_OUTCOME, TAG_PEER, TAG_BYTES_OUT, TAG_KNOWN_END };

const char tdm__journal_magic[TDM__JOURNAL_MAGIC_BYTES + 1] = "tandem-journal1\n";

static void put_number(uint8_t *at, uint64_t v, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_number(const uint8_t *at, size_t n_bytes)
{
    uint64_t v = 0;
    for (size_t i = n_bytes; i-- > 0;)
        v = v << 8 | at[i];
    return v;
}

bool tdm__journal_commit(const uint8_t key[TDM__JOURNAL_KEY_BYTES], tdm__str content, uint8_t out[TDM__SHA256_BYTES])
{
    unsigned n = 0;
    const char *ptr = content.ptr ? content.ptr : "";
    return HMAC(EVP_sha256(), key, TDM__JOURNAL_KEY_BYTES, (const uint8_t *)ptr, content.len, out, &n) &&
           n == TDM__SHA256_BYTES;
}

static tdm_status put_field(tdm__buf *out, unsigned tag, const void *bytes, size_t n)
{
    uint8_t head[FIELD_HEAD_BYTES];
    put_number(head, tag, 2);
    put_number(head + 2, n, 4);
    TDM_TRY(tdm__buf_append(out, head, sizeof head));
    return tdm__buf_append(out, bytes, n);
}

static tdm_status put_fields(const tdm__leaf_read *leaf, tdm__buf *out)
{
    if (leaf->has_commitment)
        TDM_TRY(put_field(out, TAG_COMMITMENT, leaf->commitment, sizeof leaf->commitment));
    if (leaf->kind == TDM__LEAF_OPENED)
        return put_field(out, TAG_DECISION, leaf->decision.ptr, leaf->decision.len);
    uint8_t outcome = (uint8_t)leaf->outcome, bytes_out[8];
    put_number(bytes_out, leaf->bytes_out, sizeof bytes_out);
    TDM_TRY(put_field(out, TAG_OUTCOME, &outcome, 1));
    TDM_TRY(put_field(out, TAG_PEER, leaf->peer.ptr, leaf->peer.len));
    return put_field(out, TAG_BYTES_OUT, bytes_out, sizeof bytes_out);
}

static tdm_status encode(const tdm__leaf_read *leaf, const tdm__leaf_chain *chain, tdm__buf *out, uint8_t digest[32],
                         tdm_error *err)
{
    uint8_t head[HEAD_BYTES] = {0};
    const size_t start = out->len;
    if (!tdm__hex_get(tdm__str_from(leaf->decision_id), head + AT_ID, TDM__LEAF_ID_BYTES))
        TDM_FAIL(err, TDM_ERR_INVAL, "a leaf's decision id is not 32 lower-case hexadecimal digits");
    put_number(head + AT_VERSION, VERSION, 2);
    put_number(head + AT_KIND, leaf->kind, 2);
    put_number(head + AT_INDEX, chain->index, 8);
    put_number(head + AT_TIME, (uint64_t)leaf->at_unix_s, 8);
    memcpy(head + AT_PREVIOUS, chain->previous, sizeof chain->previous);
    tdm_status s = tdm__buf_append(out, head, sizeof head);
    if (s >= 0)
        s = put_fields(leaf, out);
    const size_t n = out->len - start + TDM__SHA256_BYTES;
    if (s >= 0 && n > TDM__LEAF_BYTES_MAX)
        s = TDM_ERR_LIMIT;
    if (s < 0)
        TDM_FAIL(err, s, "a leaf of %zu bytes does not fit, %d are the most", n, TDM__LEAF_BYTES_MAX);
    uint8_t *at = (uint8_t *)out->ptr + start;
    put_number(at + AT_LENGTH, n, 4);
    put_number(at + AT_INVERTED, ~(uint64_t)n, 4);
    tdm__sha256(at, n - TDM__SHA256_BYTES, digest);
    return tdm__buf_append(out, digest, TDM__SHA256_BYTES);
}

tdm_status tdm__leaf_encode(const tdm__leaf_read *leaf, tdm__leaf_chain *chain, tdm__buf *out, tdm_error *err)
{
    const size_t start = out->len;
    uint8_t digest[TDM__SHA256_BYTES];
    tdm_status s = encode(leaf, chain, out, digest, err);
    if (s < 0) {
        tdm__buf_truncate(out, start);
        return s;
    }
    memcpy(chain->previous, digest, sizeof digest);
    chain->index++;
    return TDM_OK;
}

bool tdm__leaf_length(tdm__str bytes, size_t *length)
{
    const uint8_t *p = (const uint8_t *)bytes.ptr;
    uint64_t n = get_number(p + AT_LENGTH, 4), inverted = get_number(p + AT_INVERTED, 4);
    *length = (size_t)n;
    return (n ^ inverted) == UINT32_MAX && n >= HEAD_BYTES + TDM__SHA256_BYTES && n <= TDM__LEAF_BYTES_MAX;
}

static bool read_field(unsigned tag, const uint8_t *p, size_t n, tdm__leaf_read *out)
{
    switch (tag) {
    case TAG_DECISION:
        out->decision = (tdm__str){(const char *)p, n};
        return out->kind == TDM__LEAF_OPENED;
    case TAG_COMMITMENT:
        if (n != sizeof out->commitment)
            return false;
        memcpy(out->commitment, p, n);
        out->has_commitment = true;
        return true;
    case TAG_OUTCOME:
        if (n != 1 || *p > TDM__OUTCOME_LOST)
            return false;
        out->outcome = (tdm__outcome)*p;
        return out->kind == TDM__LEAF_CLOSED;
    case TAG_PEER:
        out->peer = (tdm__str){(const char *)p, n};
        return out->kind == TDM__LEAF_CLOSED;
    case TAG_BYTES_OUT:
        if (n != 8)
            return false;
        out->bytes_out = get_number(p, 8);
        return out->kind == TDM__LEAF_CLOSED;
    default:
        return true; /* of a later writer */
    }
}

static bool read_fields(const uint8_t *p, size_t n, tdm__leaf_read *out)
{
    unsigned seen = 0;
    while (n > 0) {
        if (n < FIELD_HEAD_BYTES)
            return false;
        unsigned tag = (unsigned)get_number(p, 2);
        size_t len = (size_t)get_number(p + 2, 4);
        p += FIELD_HEAD_BYTES;
        n -= FIELD_HEAD_BYTES;
        if (len > n || (tag < TAG_KNOWN_END && (seen & 1u << tag)) || !read_field(tag, p, len, out))
            return false;
        if (tag < TAG_KNOWN_END)
            seen |= 1u << tag;
        p += len;
        n -= len;
    }
    return true;
}

static tdm_status read_leaf(const tdm__leaf_chain *chain, const uint8_t *p, size_t n, tdm__leaf_read *out,
                            tdm_error *err)
{
    const unsigned long long index = chain->index;
    uint8_t digest[TDM__SHA256_BYTES];
    tdm__sha256(p, n - sizeof digest, digest);
    if (memcmp(digest, p + n - sizeof digest, sizeof digest) != 0)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "leaf %llu of the journal: its digest does not match", index);
    unsigned version = (unsigned)get_number(p + AT_VERSION, 2), kind = (unsigned)get_number(p + AT_KIND, 2);
    if (version != VERSION || (kind != TDM__LEAF_OPENED && kind != TDM__LEAF_CLOSED))
        TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "leaf %llu of the journal has version %u, kind %u: a newer tandem wrote it",
                 index, version, kind);
    if (get_number(p + AT_INDEX, 8) != chain->index || memcmp(p + AT_PREVIOUS, chain->previous, 32) != 0 ||
        get_number(p + AT_ZERO, 4) != 0)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "leaf %llu of the journal does not follow the one before it", index);
    *out = (tdm__leaf_read){.index = chain->index, .kind = (tdm__leaf_kind)kind};
    out->at_unix_s = (int64_t)get_number(p + AT_TIME, 8);
    tdm__hex_put(p + AT_ID, TDM__LEAF_ID_BYTES, out->decision_id);
    if (!read_fields(p + HEAD_BYTES, n - HEAD_BYTES - sizeof digest, out))
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "leaf %llu of the journal: its fields are malformed", index);
    return TDM_OK;
}

tdm_status tdm__leaf_next(tdm__leaf_chain *chain, tdm__str bytes, tdm__leaf_read *out, size_t *used, tdm_error *err)
{
    size_t n;
    *used = AT_VERSION;
    if (bytes.len < AT_VERSION)
        return TDM_AGAIN;
    if (!tdm__leaf_length(bytes, &n))
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "leaf %llu of the journal: no leaf begins there",
                 (unsigned long long)chain->index);
    *used = n;
    if (bytes.len < n)
        return TDM_AGAIN;
    const uint8_t *p = (const uint8_t *)bytes.ptr;
    TDM_TRY(read_leaf(chain, p, n, out, err));
    memcpy(chain->previous, p + n - TDM__SHA256_BYTES, TDM__SHA256_BYTES);
    chain->index++;
    return TDM_OK;
}
