/* packed_file.c - head, names, and the two files.
 *
 *      head:  0 "tandem-panels" and zeros, 16 bytes | 16 layout's version, u64 | 24 length of the file, u64
 *            32 source | 64 plan | 96 digest of the panels | 128 SHA-256 of all before | zeros to 4,096
 * Numbers are little-endian, as the panels are.
 */
#define _GNU_SOURCE /* realpath */
#include "model/packed_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hex.h"
#include "base/little_endian.h"
#include "base/sha256_stream.h"
#include "kernel/packed.h"
#include "os/file.h"
#include "os/heap.h"
#include "os/map_new.h"

enum { PATH_BYTES = 4096, IDENTITY_BYTES = 64 << 10, HEAD_SIGNED = 128, SOURCE_AT = 32, PLAN_AT = 64, PANELS_AT = 96,
       DIGEST_BYTES = 4 << 20 };

static const char magic[16] = "tandem-panels";

void tdm__packed_digest(const uint8_t *ptr, size_t len, uint8_t out[TDM__SHA256_BYTES])
{
    tdm__sha256_stream s;
    tdm__sha256_begin(&s);
    for (size_t at = 0; at < len; at += DIGEST_BYTES) {
        const size_t n = len - at < DIGEST_BYTES ? len - at : DIGEST_BYTES;
        tdm__sha256_push(&s, ptr + at, n);
        tdm__map_release(ptr + at, n);
    }
    tdm__sha256_get(&s, out);
}

/* ---- names ---- */

static tdm_status path_of(char out[PATH_BYTES], const char *dir, const uint8_t digest[TDM__SHA256_BYTES],
                          const char *suffix, tdm_error *err)
{
    char hex[TDM__SHA256_TEXT];
    tdm__hex_put(digest, TDM__SHA256_BYTES, hex);
    int n = snprintf(out, PATH_BYTES, "%s/%s%s", dir, hex, suffix);
    if (n < 0 || n >= PATH_BYTES)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the folder %.200s is too long, %d bytes are the most", dir, PATH_BYTES - 1);
    return TDM_OK;
}

static tdm_status panels_path(char out[PATH_BYTES], const char *dir, const tdm__packed_key *key, tdm_error *err)
{
    char suffix[32];
    snprintf(suffix, sizeof suffix, "-%d.panels", TDM__PACKED_VERSION);
    return path_of(out, dir, key->source, suffix, err);
}

static tdm_status source_path(char out[PATH_BYTES], const char *dir, const tdm__map *gguf)
{
    const tdm__map_identity id = tdm__map_identify(gguf);
    uint8_t digest[TDM__SHA256_BYTES];
    tdm__sha256_stream s;
    tdm__sha256_begin(&s);
    tdm__sha256_push(&s, &id, sizeof id);
    tdm__sha256_push(&s, gguf->ptr, gguf->len < IDENTITY_BYTES ? gguf->len : IDENTITY_BYTES);
    tdm__sha256_get(&s, digest);
    return path_of(out, dir, digest, ".source", NULL);
}

/* ---- the source's hash ---- */

tdm_status tdm__packed_source_find(const char *dir, const tdm__map *gguf, uint8_t source[TDM__SHA256_BYTES])
{
    char path[PATH_BYTES], *text = NULL;
    size_t len = 0;
    TDM_TRY(source_path(path, dir, gguf));
    if (tdm__file_read_regular(path, TDM__PACKED_NOTE_BYTES_MAX, &text, &len) != 0)
        return TDM_ERR_NOT_FOUND;
    tdm__str hash, of;
    const bool is_note = tdm__packed_note_split((tdm__str){text, len}, &hash, &of) &&
                         tdm__hex_get(hash, source, TDM__SHA256_BYTES);
    tdm__free(text);
    return is_note ? TDM_OK : TDM_ERR_NOT_FOUND;
}

bool tdm__packed_note_split(tdm__str text, tdm__str *hash, tdm__str *path)
{
    const size_t n = TDM__SHA256_TEXT - 1;
    if (text.len < n || (text.len > n && text.ptr[n] != '\n') || memchr(text.ptr, '\0', text.len))
        return false;
    *hash = (tdm__str){text.ptr, n};
    *path = text.len > n ? (tdm__str){text.ptr + n + 1, text.len - n - 1} : (tdm__str){"", 0};
    return true;
}

void tdm__packed_source_note(const char *dir, const tdm__map *gguf, const char *gguf_path,
                             const uint8_t source[TDM__SHA256_BYTES])
{
    char path[PATH_BYTES], whole[PATH_MAX], hex[TDM__SHA256_TEXT], text[TDM__SHA256_TEXT + PATH_MAX];
    tdm__hex_put(source, TDM__SHA256_BYTES, hex);
    const int n = snprintf(text, sizeof text, "%s\n%s", hex, realpath(gguf_path, whole) ? whole : "");
    if (source_path(path, dir, gguf) == TDM_OK && tdm__dir_make(dir, 0700) == 0)
        (void)tdm__file_write_atomic(path, text, (size_t)n, 0600);
}

/* ---- head ---- */

static void write_head(uint8_t head[TDM__PACKED_HEAD_BYTES], const tdm__packed_key *key, const uint8_t *panels_digest)
{
    memset(head, 0, TDM__PACKED_HEAD_BYTES);
    memcpy(head, magic, sizeof magic);
    tdm__put_u64(head + 16, TDM__PACKED_VERSION);
    tdm__put_u64(head + 24, TDM__PACKED_HEAD_BYTES + key->panel_bytes);
    memcpy(head + SOURCE_AT, key->source, TDM__SHA256_BYTES);
    memcpy(head + PLAN_AT, key->plan, TDM__SHA256_BYTES);
    memcpy(head + PANELS_AT, panels_digest, TDM__SHA256_BYTES);
    tdm__sha256(head, HEAD_SIGNED, head + HEAD_SIGNED);
}

static bool has_head(const tdm__map *m, const tdm__packed_key *key)
{
    uint8_t head[TDM__PACKED_HEAD_BYTES];
    if (m->len != TDM__PACKED_HEAD_BYTES + key->panel_bytes)
        return false;
    write_head(head, key, m->ptr + PANELS_AT);
    return memcmp(head, m->ptr, sizeof head) == 0;
}

tdm_status tdm__packed_file_open(const char *dir, const tdm__packed_key *key, tdm__map *out, tdm_error *err)
{
    char path[PATH_BYTES];
    tdm__map m;
    TDM_TRY(panels_path(path, dir, key, err));
    int rc = tdm__map_open(path, &m);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%s cannot be read", path);
    if (tdm__map_is_private(&m) && has_head(&m, key)) {
        *out = m;
        return TDM_OK;
    }
    tdm__map_close(&m);
    TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s is not what was packed here, or others may write it: it is made anew", path);
}

/* ---- making ---- */

tdm_status tdm__packed_file_make(const char *dir, const tdm__packed_key *key,
                                 void (*fill)(void *user, uint8_t *panels), void *user, tdm_error *err)
{
    char path[PATH_BYTES];
    tdm__map_new m;
    uint8_t digest[TDM__SHA256_BYTES];
    TDM_TRY(panels_path(path, dir, key, err));
    int rc = tdm__dir_make(dir, 0700);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the folder %.200s cannot be made", dir);
    rc = tdm__map_new_begin(path, TDM__PACKED_HEAD_BYTES + (size_t)key->panel_bytes, &m);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%.200s cannot be written with %llu bytes", path,
                            (unsigned long long)(TDM__PACKED_HEAD_BYTES + key->panel_bytes));
    fill(user, m.ptr + TDM__PACKED_HEAD_BYTES);
    tdm__packed_digest(m.ptr + TDM__PACKED_HEAD_BYTES, (size_t)key->panel_bytes, digest);
    write_head(m.ptr, key, digest);
    rc = tdm__map_new_commit(&m, path);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%.200s cannot be written", path);
    return TDM_OK;
}
