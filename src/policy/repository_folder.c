/* repository_folder.c - the folder: one writer at a time, and one step from the old repository to the new.
 *
 * A new metadata folder is filled beside the old one (its unchanged files are hard links) and the two are exchanged by
 * one renameat2. Replacing the files one by one would show, between a new root and the timestamp that its keys sign, a
 * repository that nobody can verify; a kill there would leave it so.
 */
#define _GNU_SOURCE /* renameat2 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "os/file.h"
#include "os/heap.h"
#include "policy/repository_internal.h"

enum { FOLDER_MODE = 0755, FILE_MODE = 0644 };

#define STAGED "staged.json"

static tdm_status join(const tdm__repository *r, const char *name, char path[PATH_MAX], tdm_error *err)
{
    int n = snprintf(path, PATH_MAX, "%s/%s", r->dir, name);
    if (n < 0 || n >= PATH_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the path of %.80s in the repository is too long", name);
    return TDM_OK;
}

tdm_status tdm__repository_folder_lock(const char *dir, tdm__repository *r, tdm_error *err)
{
    int n = snprintf(r->dir, sizeof r->dir, "%s", dir);
    r->lock_fd = -1;
    if (n < 0 || (size_t)n >= sizeof r->dir)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the path of the repository is too long");
    r->lock_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->lock_fd < 0)
        return tdm__fail_os(err, errno, "the repository %.200s cannot be opened", dir);
    while (flock(r->lock_fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return tdm__fail_os(err, errno, "the repository %.200s cannot be locked", dir);
    return TDM_OK;
}

void tdm__repository_folder_unlock(tdm__repository *r)
{
    if (r->lock_fd >= 0)
        close(r->lock_fd);
    r->lock_fd = -1;
}

tdm_status tdm__repository_read(const tdm__repository *r, const char *name, size_t bytes_max, tdm__str *out,
                                tdm_error *err)
{
    char path[PATH_MAX], *bytes = NULL;
    size_t len = 0;
    TDM_TRY(join(r, name, path, err));
    int rc = tdm__file_read(path, bytes_max, &bytes, &len);
    if (rc == EFBIG)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%.200s is longer than %zu bytes", path, bytes_max);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%.200s cannot be read", path);
    *out = (tdm__str){bytes, len};
    return TDM_OK;
}

void tdm__repository_metadata_name(const char *role, int64_t version, char out[64])
{
    if (strcmp(role, "timestamp") == 0)
        snprintf(out, 64, "timestamp.json");
    else
        snprintf(out, 64, "%" PRId64 ".%s.json", version, role);
}

tdm_status tdm__repository_target_name(const char *path, const char *sha256, char out[TDM__TRUST_NAME_MAX],
                                       tdm_error *err)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    TDM_TRY(tdm__trust_check_path(path, err));
    snprintf(out, TDM__TRUST_NAME_MAX, "targets/%.*s%s.%s", (int)(base - path), path, sha256, base);
    return TDM_OK;
}

static tdm_status write_file(const tdm__repository *r, const char *name, tdm__str bytes, tdm_error *err)
{
    char path[PATH_MAX];
    TDM_TRY(join(r, name, path, err));
    int rc = tdm__file_write_atomic(path, bytes.ptr, bytes.len, FILE_MODE);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%.200s cannot be written", path);
    return TDM_OK;
}

static tdm_status write_json(const tdm__repository *r, const char *name, const json_t *json, tdm_error *err)
{
    tdm__buf bytes;
    tdm__buf_init(&bytes, TDM__REPOSITORY_STAGED_BYTES_MAX);
    tdm_status s = tdm__json_canonical(json, &bytes, err);
    if (s == TDM_OK)
        s = write_file(r, name, tdm__buf_str(&bytes), err);
    tdm__buf_fini(&bytes);
    return s;
}

/* A name that is a hash has its bytes already, unless somebody changed them. */
tdm_status tdm__repository_write_target(const tdm__repository *r, const tdm__repository_target *t, tdm_error *err)
{
    char name[TDM__TRUST_NAME_MAX], folder[PATH_MAX];
    tdm__str there = {0};
    TDM_TRY(tdm__repository_target_name(t->path, t->sha256, name, err));
    if (tdm__repository_read(r, name, TDM__REPOSITORY_TARGET_BYTES_MAX, &there, NULL) == TDM_OK) {
        const bool is_same = tdm__str_eq(there, (tdm__str){t->bytes, t->len});
        tdm__free((char *)there.ptr);
        if (is_same)
            return TDM_OK;
    }
    TDM_TRY(join(r, name, folder, err));
    *strrchr(folder, '/') = '\0';
    int rc = tdm__dir_make(folder, FOLDER_MODE);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%.200s cannot be made", folder);
    return write_file(r, name, (tdm__str){t->bytes, t->len}, err);
}

tdm_status tdm__repository_store_staged(const tdm__repository *r, tdm_error *err)
{
    char path[PATH_MAX];
    if (json_object_size(r->staged) == 0) {
        TDM_TRY(join(r, "metadata/" STAGED, path, err));
        if (unlink(path) != 0 && errno != ENOENT)
            return tdm__fail_os(err, errno, "%.200s cannot be removed", path);
        return TDM_OK;
    }
    json_t *document = json_pack("{s:s, s:O}", "_type", "staged", "roles", r->staged);
    if (!document)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for what is staged");
    tdm_status s = write_json(r, "metadata/" STAGED, document, err);
    json_decref(document);
    return s;
}

tdm_status tdm__repository_store_timestamp(const tdm__repository *r, const json_t *envelope, tdm_error *err)
{
    return write_json(r, "metadata/timestamp.json", envelope, err);
}

/* Removes a folder of files; nothing deeper can be in it. Absent is fine. */
static void remove_folder(const char *path)
{
    DIR *d = opendir(path);
    if (!d)
        return;
    for (const struct dirent *e = readdir(d); e; e = readdir(d))
        (void)unlinkat(dirfd(d), e->d_name, 0); /* "." and ".." refuse */
    closedir(d);
    rmdir(path);
}

/* What goes over as it is: all metadata but what waited, and what a killed write left. */
static bool is_kept(const char *name)
{
    const size_t len = strlen(name);
    return len > 5 && strcmp(name + len - 5, ".json") == 0 && strcmp(name, STAGED) != 0;
}

/* Hard links of the old folder's files in the new one. */
static tdm_status link_old(const char *from, const char *to, tdm_error *err)
{
    DIR *d = opendir(from);
    int fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = d && fd >= 0 ? 0 : errno;
    for (const struct dirent *e = rc == 0 ? readdir(d) : NULL; e && rc == 0; e = readdir(d))
        if (is_kept(e->d_name) && linkat(dirfd(d), e->d_name, fd, e->d_name, 0) != 0)
            rc = errno;
    if (d)
        closedir(d);
    if (fd >= 0)
        close(fd);
    return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "the files of %.200s cannot be linked in %.200s", from, to);
}

static tdm_status write_staged_roles(const tdm__repository *r, tdm_error *err)
{
    const char *role;
    json_t *envelope;
    json_object_foreach(r->staged, role, envelope)
    {
        char file[64], name[96];
        tdm__repository_metadata_name(role, tdm__repository_version(envelope), file);
        snprintf(name, sizeof name, "metadata.next/%s", file);
        TDM_TRY(write_json(r, name, envelope, err));
    }
    return TDM_OK;
}

tdm_status tdm__repository_publish(const tdm__repository *r, tdm_error *err)
{
    char now[PATH_MAX], next[PATH_MAX];
    TDM_TRY(join(r, "metadata", now, err));
    TDM_TRY(join(r, "metadata.next", next, err));
    remove_folder(next); /* of a publication that was killed */
    if (mkdir(next, FOLDER_MODE) != 0)
        return tdm__fail_os(err, errno, "%.200s cannot be made", next);
    tdm_status s = link_old(now, next, err);
    if (s == TDM_OK)
        s = write_staged_roles(r, err); /* each syncs the folder */
    if (s == TDM_OK && renameat2(AT_FDCWD, next, AT_FDCWD, now, RENAME_EXCHANGE) != 0)
        s = tdm__fail_os(err, errno, "%.200s cannot take the place of %.200s", next, now);
    if (s == TDM_OK && fsync(r->lock_fd) != 0)
        s = tdm__fail_os(err, errno, "%.200s cannot be synced", r->dir);
    remove_folder(next);
    return s;
}
