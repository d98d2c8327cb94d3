/* journal_walk.c - a journal file from front to back, in bounded memory; and where a crash has torn its end.
 *
 * Torn is only what an append that was not finished can leave behind: a last leaf that is short, or whose end, and all
 * that follows, is zero (a file system that had made the file longer before it wrote the bytes). A whole leaf that does
 * not verify is a fault or a hand, and is never cut away.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit/journal_internal.h"
#include "base/error.h"
#include "os/heap.h"

enum { LEAF_LENGTH_BYTES = 8, WINDOW_BYTES = 2 * TDM__LEAF_BYTES_MAX };

typedef struct window {
    int fd;
    uint8_t *bytes; /* [WINDOW_BYTES] */
    size_t at, len; /* what is not read yet: bytes[at .. len) */
    uint64_t offset; /* of bytes[len] in the file */
    bool has_ended;
} window;

/* Reads more behind what is there. */
static tdm_status refill(window *w, tdm_error *err)
{
    memmove(w->bytes, w->bytes + w->at, w->len - w->at);
    w->len -= w->at;
    w->at = 0;
    while (w->len < WINDOW_BYTES) {
        ssize_t n = pread(w->fd, w->bytes + w->len, WINDOW_BYTES - w->len, (off_t)w->offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tdm__fail_os(err, errno, "the journal cannot be read");
        if (n == 0) {
            w->has_ended = true;
            break;
        }
        w->len += (size_t)n;
        w->offset += (size_t)n;
    }
    return TDM_OK;
}

static bool is_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

/* Whether the bad leaf at the front of the window ends in zeros that go on to the end of the file. */
static tdm_status check_zero_tail(window *w, bool *out, tdm_error *err)
{
    size_t n, left = w->len - w->at, from = LEAF_LENGTH_BYTES;
    if (tdm__leaf_length((tdm__str){(const char *)w->bytes + w->at, left}, &n))
        from = n - TDM__SHA256_BYTES;
    *out = is_zero(w->bytes + w->at + from, left - from);
    while (*out && !w->has_ended) {
        w->at = w->len;
        TDM_TRY(refill(w, err));
        *out = is_zero(w->bytes, w->len);
    }
    return TDM_OK;
}

static tdm_status walk_leaves(window *w, tdm__leaf_fn fn, void *user, tdm__journal_end *end, tdm_error *err)
{
    for (;;) {
        tdm__leaf_read leaf;
        tdm_error cause = {0};
        size_t used;
        tdm__str rest = {(const char *)w->bytes + w->at, w->len - w->at};
        tdm_status s = tdm__leaf_next(&end->chain, rest, &leaf, &used, &cause);
        if (s == TDM_AGAIN && !w->has_ended) {
            TDM_TRY(refill(w, err));
            continue;
        }
        if (s == TDM_AGAIN) {
            end->is_torn = rest.len > 0;
            return TDM_OK;
        }
        if (s == TDM_ERR_INTEGRITY) {
            TDM_TRY(check_zero_tail(w, &end->is_torn, err));
            if (end->is_torn)
                return TDM_OK;
        }
        if (s < 0)
            TDM_FAIL(err, s, "%s", cause.msg);
        w->at += used;
        end->offset += used;
        end->at_unix_s = leaf.at_unix_s;
        if (fn)
            TDM_TRY(fn(user, &leaf, err));
    }
}

tdm_status tdm__journal_walk(int fd, tdm__leaf_fn fn, void *user, tdm__journal_end *end, tdm_error *err)
{
    window w = {.fd = fd, .bytes = tdm__malloc(WINDOW_BYTES)};
    *end = (tdm__journal_end){0};
    if (!w.bytes)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory to read the journal");
    tdm_status s = refill(&w, err);
    if (s < 0)
        goto done;
    size_t n = w.len < TDM__JOURNAL_MAGIC_BYTES ? w.len : TDM__JOURNAL_MAGIC_BYTES;
    bool is_ours = memcmp(w.bytes, tdm__journal_magic, n) == 0;
    if (n < TDM__JOURNAL_MAGIC_BYTES && (is_ours || is_zero(w.bytes, n))) {
        end->is_torn = n > 0; /* a crash while it was made */
    } else if (!is_ours && is_zero(w.bytes, w.len) && w.has_ended) {
        end->is_torn = true;
    } else if (!is_ours) {
        s = tdm__fail(err, TDM_ERR_INTEGRITY, "the journal does not begin as a journal of this version does");
    } else {
        w.at = TDM__JOURNAL_MAGIC_BYTES;
        end->offset = TDM__JOURNAL_MAGIC_BYTES;
        s = walk_leaves(&w, fn, user, end, err);
    }
done:
    tdm__free(w.bytes);
    return s;
}

tdm_status tdm__journal_read(const char *dir, tdm_status (*fn)(void *user, const tdm__leaf_read *leaf, tdm_error *err),
                             void *user, tdm_error *err)
{
    int fd;
    tdm__journal_end end;
    TDM_TRY(tdm__journal_open_part(dir, "journal", O_RDONLY, &fd, err));
    tdm_status s = tdm__journal_walk(fd, fn, user, &end, err);
    close(fd);
    return s < 0 ? s : TDM_OK;
}

tdm_status tdm__journal_check_content(const char *dir, const tdm__leaf_read *leaf, tdm__str content, bool *out,
                                      tdm_error *err)
{
    uint8_t key[TDM__JOURNAL_KEY_BYTES] = {0}, commitment[TDM__SHA256_BYTES];
    int fd;
    TDM_TRY(tdm__journal_open_part(dir, "keys", O_RDONLY, &fd, err));
    ssize_t n = pread(fd, key, sizeof key, (off_t)(leaf->index * sizeof key));
    close(fd);
    if (!leaf->has_commitment || n != (ssize_t)sizeof key || is_zero(key, sizeof key))
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "leaf %llu of the journal has no key any more",
                 (unsigned long long)leaf->index);
    if (!tdm__journal_commit(key, content, commitment))
        TDM_FAIL(err, TDM_ERR_NOMEM, "no commitment could be computed");
    *out = memcmp(commitment, leaf->commitment, sizeof commitment) == 0;
    return TDM_OK;
}
