/* packed_file.c - head, names, and the two files.
 *
 *      head:  0 "tandem-panels" and zeros, 16 bytes | 16 layout's version, u64 | 24 length of the file, u64
 *            32 source | 64 plan | 96 digest of the panels | 128 SHA-256 of all before | zeros to 4,096
 * Numbers are little-endian, as the panels are.
 */
#include "model/packed_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hex.h"
#include "base/sha256_stream.h"
#include "kernel/packed.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/heap.h"
#include "os/map_new.h"

enum { PATH_BYTES = 4096, IDENTITY_BYTES = 64 << 10, HEAD_SIGNED = 128, SOURCE_AT = 32, PLAN_AT = 64, PANELS_AT = 96,
       START_LIFE_S = 3600, DIGEST_BYTES = 4 << 20 };

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
    if (tdm__file_read(path, TDM__SHA256_TEXT, &text, &len) != 0)
        return TDM_ERR_NOT_FOUND;
    const bool is_hash = len == TDM__SHA256_TEXT - 1 && tdm__hex_get((tdm__str){text, len}, source, TDM__SHA256_BYTES);
    tdm__free(text);
    return is_hash ? TDM_OK : TDM_ERR_NOT_FOUND;
}

void tdm__packed_source_note(const char *dir, const tdm__map *gguf, const uint8_t source[TDM__SHA256_BYTES])
{
    char path[PATH_BYTES], hex[TDM__SHA256_TEXT];
    tdm__hex_put(source, TDM__SHA256_BYTES, hex);
    if (source_path(path, dir, gguf) == TDM_OK)
        (void)tdm__file_write_atomic(path, hex, TDM__SHA256_TEXT - 1, 0600);
}

/* ---- head ---- */

static void put_u64(uint8_t *out, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> 8 * i);
}

static void write_head(uint8_t head[TDM__PACKED_HEAD_BYTES], const tdm__packed_key *key, const uint8_t *panels_digest)
{
    memset(head, 0, TDM__PACKED_HEAD_BYTES);
    memcpy(head, magic, sizeof magic);
    put_u64(head + 16, TDM__PACKED_VERSION);
    put_u64(head + 24, TDM__PACKED_HEAD_BYTES + key->panel_bytes);
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

bool tdm__packed_file_verify(const tdm__map *m)
{
    uint8_t digest[TDM__SHA256_BYTES];
    tdm__packed_digest(m->ptr + TDM__PACKED_HEAD_BYTES, m->len - TDM__PACKED_HEAD_BYTES, digest);
    return memcmp(digest, m->ptr + PANELS_AT, sizeof digest) == 0;
}

/* ---- making ---- */

/* Whether it is a packed file of the source, but of another layout, or an old start of one that a kill has ended. One
 * that another process is making now is young. */
static bool is_remains(int dir, const char *name, const char *source, const char *keep)
{
    struct stat st;
    const size_t n = strlen(keep);
    if (strncmp(name, source, TDM__SHA256_TEXT - 1) != 0 || strcmp(name, keep) == 0)
        return false;
    return strncmp(name, keep, n) != 0 ||
           (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime < tdm__clock_unix_s() - START_LIFE_S);
}

static void remove_remains(const char *dir, const tdm__packed_key *key)
{
    char source[TDM__SHA256_TEXT], keep[TDM__SHA256_TEXT + 32];
    tdm__hex_put(key->source, TDM__SHA256_BYTES, source);
    snprintf(keep, sizeof keep, "%s-%d.panels", source, TDM__PACKED_VERSION);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        if (is_remains(dirfd(d), e->d_name, source, keep))
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
}

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
    remove_remains(dir, key);
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
