/* journal_file.c - the journal's three files under one lock: lock, journal, keys.
 *
 * Keys go to the disk before their leaves, so that a leaf that is promised can always be shown. An append that fails is
 * taken back from both files; when even that fails, or a sync does, nobody knows what the disk holds (the system may
 * have dropped the pages and say yes the next time), and the journal stays broken until it is opened anew.
 */
#define _GNU_SOURCE /* flock */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "audit/journal_internal.h"
#include "base/error.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/heap.h"

enum { MODE_DIR = 0700, MODE_FILE = 0600, PATH_BYTES = 4096, OWN = O_RDWR | O_CREAT | O_NOFOLLOW };

int tdm__journal_pwrite(int fd, const void *bytes, size_t n, uint64_t at)
{
    const char *p = bytes;
    while (n > 0) {
        ssize_t done = pwrite(fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? errno : EIO;
        p += done;
        n -= (size_t)done;
        at += (size_t)done;
    }
    return 0;
}

static int cut(int fd, uint64_t len) { return ftruncate(fd, (off_t)len) == 0 ? 0 : errno; }

static int sync_data(int fd)
{
    int rc;
    do
        rc = fdatasync(fd) == 0 ? 0 : errno;
    while (rc == EINTR);
    return rc;
}

tdm_status tdm__journal_open_part(const char *dir, const char *name, int flags, int *fd, tdm_error *err)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof path)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the path of the journal is longer than %zu bytes", sizeof path - 1);
    *fd = open(path, flags | O_CLOEXEC, MODE_FILE);
    if (*fd < 0)
        return tdm__fail_os(err, errno, "%s cannot be opened", path);
    return TDM_OK;
}

static tdm_status sync_folder(const char *dir, tdm_error *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "the folder %s cannot be synced", dir);
}

static tdm_status open_parts(const char *dir, tdm__journal_file *f, tdm_error *err)
{
    int rc = tdm__dir_make(dir, MODE_DIR);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the journal's folder %s cannot be made", dir);
    TDM_TRY(tdm__journal_open_part(dir, "lock", OWN, &f->lock_fd, err));
    if (flock(f->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            TDM_FAIL(err, TDM_ERR_BUSY, "another process writes the journal in %s", dir);
        return tdm__fail_os(err, errno, "the lock of the journal in %s cannot be taken", dir);
    }
    TDM_TRY(tdm__journal_open_part(dir, "journal", OWN, &f->journal_fd, err));
    TDM_TRY(tdm__journal_open_part(dir, "keys", OWN, &f->keys_fd, err));
    return sync_folder(dir, err);
}

/* Decisions whose second leaf has not come yet, as the walk goes. */
typedef struct open_ids {
    char (*ids)[33]; /* [TDM__JOURNAL_OPEN_MAX] */
    size_t n;
} open_ids;

static tdm_status note_leaf(void *user, const tdm__leaf_read *leaf, tdm_error *err)
{
    open_ids *open = user;
    if (leaf->kind == TDM__LEAF_OPENED) {
        if (open->n == TDM__JOURNAL_OPEN_MAX)
            TDM_FAIL(err, TDM_ERR_INTEGRITY, "leaf %llu of the journal: more than %d answers are open at once",
                     (unsigned long long)leaf->index, TDM__JOURNAL_OPEN_MAX);
        memcpy(open->ids[open->n++], leaf->decision_id, sizeof open->ids[0]);
        return TDM_OK;
    }
    for (size_t i = open->n; i-- > 0;)
        if (strcmp(open->ids[i], leaf->decision_id) == 0) {
            memmove(open->ids + i, open->ids + i + 1, (open->n - i - 1) * sizeof open->ids[0]);
            open->n--;
            break;
        }
    return TDM_OK;
}

/* Cuts what a crash has left, or begins a new file; and makes the keys as many as the leaves. */
static tdm_status trim(tdm__journal_file *f, const tdm__journal_end *end, tdm_error *err)
{
    uint64_t keys = end->chain.index * TDM__JOURNAL_KEY_BYTES;
    int rc = end->is_torn ? cut(f->journal_fd, end->offset) : 0;
    if (rc == 0 && end->offset == 0)
        rc = tdm__journal_pwrite(f->journal_fd, tdm__journal_magic, TDM__JOURNAL_MAGIC_BYTES, 0);
    if (rc == 0)
        rc = cut(f->keys_fd, keys);
    if (rc == 0)
        rc = sync_data(f->journal_fd);
    if (rc == 0)
        rc = sync_data(f->keys_fd);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the journal's end cannot be put in order");
    f->chain = end->chain;
    f->end = end->offset > 0 ? end->offset : TDM__JOURNAL_MAGIC_BYTES;
    return TDM_OK;
}

static tdm_status close_lost(tdm__journal_file *f, const open_ids *open, int64_t at_unix_s, tdm_error *err)
{
    static const uint8_t no_key[TDM__JOURNAL_KEY_BYTES];
    tdm_status s = TDM_OK;
    tdm__buf bytes;
    tdm__buf_init(&bytes, TDM__LEAF_BYTES_MAX);
    for (size_t i = 0; i < open->n && s >= 0; i++) {
        tdm__leaf_chain chain = f->chain;
        tdm__leaf_read leaf = {
            .kind = TDM__LEAF_CLOSED, .at_unix_s = at_unix_s, .outcome = TDM__OUTCOME_LOST};
        memcpy(leaf.decision_id, open->ids[i], sizeof leaf.decision_id);
        tdm__buf_clear(&bytes);
        s = tdm__leaf_encode(&leaf, &chain, &bytes, err);
        if (s >= 0)
            s = tdm__journal_file_append(f, tdm__buf_str(&bytes), no_key, 1, &chain, err);
    }
    tdm__buf_fini(&bytes);
    return s;
}

tdm_status tdm__journal_file_open(const char *dir, tdm__journal_file *f, tdm_error *err)
{
    tdm__journal_end end;
    *f = (tdm__journal_file){.lock_fd = -1, .journal_fd = -1, .keys_fd = -1};
    open_ids open = {.ids = tdm__malloc(TDM__JOURNAL_OPEN_MAX * sizeof open.ids[0])};
    tdm_status s = open.ids ? open_parts(dir, f, err) : tdm__fail(err, TDM_ERR_NOMEM, "no memory for the journal");
    if (s >= 0)
        s = tdm__journal_walk(f->journal_fd, note_leaf, &open, &end, err);
    if (s >= 0)
        s = trim(f, &end, err);
    if (s >= 0) {
        int64_t now = tdm__clock_unix_s();
        s = close_lost(f, &open, now > end.at_unix_s ? now : end.at_unix_s, err);
    }
    tdm__free(open.ids);
    if (s < 0)
        tdm__journal_file_close(f);
    return s;
}

void tdm__journal_file_close(tdm__journal_file *f)
{
    int *const fds[] = {&f->keys_fd, &f->journal_fd, &f->lock_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

static int write_both(tdm__journal_file *f, tdm__str leaves, const uint8_t *keys, size_t n)
{
    uint64_t at = f->chain.index * TDM__JOURNAL_KEY_BYTES;
    int rc = tdm__journal_pwrite(f->keys_fd, keys, n * TDM__JOURNAL_KEY_BYTES, at);
    if (rc == 0)
        rc = tdm__journal_pwrite(f->journal_fd, leaves.ptr, leaves.len, f->end);
    return rc;
}

tdm_status tdm__journal_file_append(tdm__journal_file *f, tdm__str leaves, const uint8_t *keys, size_t n,
                                    const tdm__leaf_chain *chain, tdm_error *err)
{
    if (f->broken != 0)
        return tdm__fail_os(err, f->broken, "the journal takes nothing more until it is opened anew");
    int rc = write_both(f, leaves, keys, n);
    if (rc != 0) {
        f->broken = cut(f->journal_fd, f->end);
        if (f->broken == 0)
            f->broken = cut(f->keys_fd, f->chain.index * TDM__JOURNAL_KEY_BYTES);
    } else {
        rc = sync_data(f->keys_fd);
        if (rc == 0)
            rc = sync_data(f->journal_fd);
        f->broken = rc;
    }
    if (rc != 0) {
        (void)tdm__fail_os(err, rc, "the journal cannot be written");
        return TDM_ERR_IO;
    }
    f->chain = *chain;
    f->end += leaves.len;
    return TDM_OK;
}

typedef struct erasure {
    int keys_fd;
    const char *decision_id;
    size_t n;
} erasure;

static tdm_status erase_leaf(void *user, const tdm__leaf_read *leaf, tdm_error *err)
{
    static const uint8_t zero[TDM__JOURNAL_KEY_BYTES];
    erasure *e = user;
    if (strcmp(leaf->decision_id, e->decision_id) != 0)
        return TDM_OK;
    int rc = tdm__journal_pwrite(e->keys_fd, zero, sizeof zero, leaf->index * sizeof zero);
    e->n++;
    return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "a key of the journal cannot be erased");
}

tdm_status tdm__journal_file_erase(tdm__journal_file *f, const char *decision_id, size_t *n, tdm_error *err)
{
    erasure e = {.keys_fd = f->keys_fd, .decision_id = decision_id};
    tdm__journal_end end;
    TDM_TRY(tdm__journal_walk(f->journal_fd, erase_leaf, &e, &end, err));
    if (e.n == 0)
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "the journal has no decision of that id");
    int rc = sync_data(f->keys_fd);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the journal's keys cannot be synced");
    if (n)
        *n = e.n;
    return TDM_OK;
}
