/* weights_job.c - the disk side of a fetch: lock, growing file, publication.
 *
 * The lock is a file inside the folder that it guards, so that nothing stays behind when the folder goes; whoever gets
 * it checks that the path still leads to the locked file, because its last owner may just have removed both.
 */
#define _GNU_SOURCE /* flock */
#include "net/weights_job.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "net/weights_tree.h"
#include "os/clock.h"
#include "os/file.h"

enum { REPORT_EVERY_MS = 150, LOCK_POLL_MS = 150, MODE_DIR = 0755, MODE_FILE = 0644 };

static tdm_status path_in(char *out, const char *dir, const char *name, tdm_error *err)
{
    int n = snprintf(out, TDM__WEIGHTS_PATH_MAX, "%s/%s", dir, name);
    if (n < 0 || n >= TDM__WEIGHTS_PATH_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the path %.200s/%s is longer than %d bytes", dir, name,
                 TDM__WEIGHTS_PATH_MAX - 1);
    return TDM_OK;
}

tdm_status tdm__weights_path(const char *cache_dir, const char *name, char *path, size_t path_cap, tdm_error *err)
{
    int n = snprintf(path, path_cap, "%s/models/%s.gguf", cache_dir, name);
    if (n < 0 || (size_t)n >= path_cap)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the path %.200s/models/%.96s.gguf is longer than %zu bytes", cache_dir, name,
                 path_cap - 1);
    return TDM_OK;
}

static tdm_status partial_dir(char *out, const char *cache_dir, const char *name, tdm_error *err)
{
    char tail[TDM__CATALOGUE_NAME_MAX + 24];
    snprintf(tail, sizeof tail, "models/.partial-%s", name);
    return path_in(out, cache_dir, tail, err);
}

tdm__weights_presence tdm__weights_look(const char *cache_dir, const tdm__catalogue_entry *entry, uint64_t *bytes)
{
    char path[TDM__WEIGHTS_PATH_MAX], dir[TDM__WEIGHTS_PATH_MAX];
    struct stat st;
    *bytes = 0;
    if (tdm__weights_path(cache_dir, entry->name, path, sizeof path, NULL) != TDM_OK ||
        partial_dir(dir, cache_dir, entry->name, NULL) != TDM_OK)
        return TDM__WEIGHTS_ABSENT;
    if (stat(path, &st) == 0) {
        *bytes = (uint64_t)st.st_size;
        return S_ISREG(st.st_mode) && *bytes == entry->bytes ? TDM__WEIGHTS_PRESENT : TDM__WEIGHTS_WRONG_SIZE;
    }
    if (path_in(path, dir, "data", NULL) != TDM_OK || stat(path, &st) != 0 || st.st_size == 0)
        return TDM__WEIGHTS_ABSENT;
    *bytes = (uint64_t)st.st_size;
    return TDM__WEIGHTS_PARTIAL;
}

tdm_status tdm__weights_job_init(tdm__weights_job *j, const tdm__weights_request *r, tdm_error *err)
{
    *j = (tdm__weights_job){.r = r, .lock_fd = -1, .data_fd = -1};
    TDM_TRY(tdm__weights_path(r->cache_dir, r->entry->name, j->final_path, sizeof j->final_path, err));
    TDM_TRY(partial_dir(j->dir, r->cache_dir, r->entry->name, err));
    char models[TDM__WEIGHTS_PATH_MAX];
    TDM_TRY(path_in(models, r->cache_dir, "models", err));
    int rc = tdm__dir_make(models, MODE_DIR);
    return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "the folder %s cannot be made", models);
}

bool tdm__weights_job_cancelled(const tdm__weights_job *j)
{
    return j->r->cancel && atomic_load(j->r->cancel);
}

void tdm__weights_job_report(tdm__weights_job *j, tdm__weights_state state, uint64_t bytes_done, const char *note)
{
    uint64_t now = tdm__clock_ns();
    bool counts = state == TDM__WEIGHTS_FETCHING;
    if (counts && bytes_done < j->shown)
        bytes_done = j->shown;
    if (!j->r->progress || (counts && j->shown_ns != 0 && now - j->shown_ns < REPORT_EVERY_MS * 1000000ull))
        return;
    j->shown_ns = counts ? now : 0; /* the first count after another state comes at once */
    j->shown = counts ? bytes_done : 0;
    j->r->progress(j->r->user, &(tdm__weights_progress){.state = state,
                                                        .entry = j->r->entry,
                                                        .source = j->source,
                                                        .bytes_done = bytes_done,
                                                        .bytes_total = j->r->entry->bytes,
                                                        .note = note});
}

/* One try: the lock's descriptor, or -1 with *rc = EWOULDBLOCK (somebody has it), EAGAIN (try again), an error. */
static int try_lock(const tdm__weights_job *j, const char *path, int *rc)
{
    struct stat held, named;
    *rc = mkdir(j->dir, MODE_DIR) == 0 || errno == EEXIST ? 0 : errno;
    if (*rc != 0)
        return -1;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE_FILE);
    if (fd < 0) {
        *rc = errno == ENOENT ? EINTR : errno; /* the folder went between the two calls */
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        *rc = errno;
    else if (fstat(fd, &held) != 0 || stat(path, &named) != 0 || held.st_ino != named.st_ino)
        *rc = EINTR;
    else
        return fd;
    close(fd);
    return -1;
}

static tdm_status take_lock(tdm__weights_job *j, tdm_error *err)
{
    char path[TDM__WEIGHTS_PATH_MAX];
    TDM_TRY(path_in(path, j->dir, "lock", err));
    for (;;) {
        int rc;
        j->lock_fd = try_lock(j, path, &rc);
        if (j->lock_fd >= 0)
            return TDM_OK;
        if (rc == EINTR)
            continue;
        if (rc != EWOULDBLOCK)
            return tdm__fail_os(err, rc, "the lock %s cannot be taken", path);
        if (!j->r->wait_for_other)
            TDM_FAIL(err, TDM_ERR_BUSY, "another process is fetching %s (it holds %s)", j->r->entry->name, path);
        uint64_t bytes;
        (void)tdm__weights_look(j->r->cache_dir, j->r->entry, &bytes);
        tdm__weights_job_report(j, TDM__WEIGHTS_WAITING, bytes, NULL);
        if (tdm__weights_job_cancelled(j))
            TDM_FAIL(err, TDM_ERR_CANCELLED, "cancelled while another process fetches %s", j->r->entry->name);
        nanosleep(&(struct timespec){.tv_nsec = LOCK_POLL_MS * 1000000L}, NULL);
    }
}

tdm_status tdm__weights_job_open(tdm__weights_job *j, tdm_error *err)
{
    char path[TDM__WEIGHTS_PATH_MAX];
    struct stat st;
    TDM_TRY(take_lock(j, err));
    TDM_TRY(path_in(path, j->dir, "data", err));
    j->data_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE_FILE);
    if (j->data_fd < 0 || fstat(j->data_fd, &st) != 0)
        return tdm__fail_os(err, errno, "%s cannot be opened", path);
    j->have = (uint64_t)st.st_size;
    j->mixed = j->have > 0;
    return j->have > j->r->entry->bytes ? tdm__weights_job_truncate(j, 0, err) : TDM_OK;
}

void tdm__weights_job_close(tdm__weights_job *j)
{
    if (j->data_fd >= 0)
        close(j->data_fd);
    if (j->lock_fd >= 0) {
        (void)tdm__weights_job_clear_pip(j, false, NULL);
        if (j->have == 0)
            (void)tdm__tree_remove(j->dir);
        close(j->lock_fd);
    }
    j->data_fd = j->lock_fd = -1;
}

tdm_status tdm__weights_job_truncate(tdm__weights_job *j, uint64_t n, tdm_error *err)
{
    if (ftruncate(j->data_fd, (off_t)n) != 0)
        return tdm__fail_os(err, errno, "%s/data cannot be cut", j->dir);
    j->have = n;
    j->mixed = j->mixed && n > 0;
    return TDM_OK;
}

tdm_status tdm__weights_job_write(tdm__weights_job *j, uint64_t offset, const void *bytes, size_t n, tdm_error *err)
{
    if (offset != j->have)
        TDM_TRY(tdm__weights_job_truncate(j, offset, err));
    const char *p = bytes;
    while (n > 0) {
        ssize_t put = pwrite(j->data_fd, p, n, (off_t)j->have);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && (errno == ENOSPC || errno == EDQUOT))
            TDM_FAIL(err, TDM_ERR_LIMIT,
                     "the disk is full: %" PRIu64 " of %" PRIu64
                     " bytes are kept in %s, tandem pull goes on from there",
                     j->have, j->r->entry->bytes, j->dir);
        if (put < 0)
            return tdm__fail_os(err, errno, "%s/data cannot be written", j->dir);
        p += put;
        n -= (size_t)put;
        j->have += (uint64_t)put;
    }
    return TDM_OK;
}

tdm_status tdm__weights_job_publish(tdm__weights_job *j, tdm_error *err)
{
    char data[TDM__WEIGHTS_PATH_MAX], models[TDM__WEIGHTS_PATH_MAX];
    TDM_TRY(path_in(data, j->dir, "data", err));
    TDM_TRY(path_in(models, j->r->cache_dir, "models", err));
    if (fsync(j->data_fd) != 0 || rename(data, j->final_path) != 0)
        return tdm__fail_os(err, errno, "%s cannot be moved to its place", data);
    j->have = 0; /* nothing is left in the folder */
    int fd = open(models, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd); /* the file is there already; without this it may be fetched again after a power cut */
        close(fd);
    }
    return TDM_OK;
}

tdm_status tdm__weights_job_check_disk(const tdm__weights_job *j, uint64_t more, tdm_error *err)
{
    uint64_t free_bytes;
    int rc = tdm__disk_free(j->dir, &free_bytes);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the free space at %s is not known", j->dir);
    if (free_bytes < more)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%s needs %" PRIu64 " MB more on the disk of %s, which has %" PRIu64 " MB free",
                 j->r->entry->name, more / 1000000 + 1, j->dir, free_bytes / 1000000);
    return TDM_OK;
}

tdm_status tdm__weights_job_clear_pip(tdm__weights_job *j, bool make_again, tdm_error *err)
{
    static const char *const dirs[] = {"pip", "pip/out", "pip/tmp"};
    char path[TDM__WEIGHTS_PATH_MAX];
    TDM_TRY(path_in(path, j->dir, "pip", err));
    int rc = tdm__tree_remove(path);
    for (size_t i = 0; rc == 0 && make_again && i < sizeof dirs / sizeof dirs[0]; i++) {
        TDM_TRY(path_in(path, j->dir, dirs[i], err));
        if (mkdir(path, MODE_DIR) != 0)
            rc = errno;
    }
    return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "the folder %s cannot be prepared", path);
}
