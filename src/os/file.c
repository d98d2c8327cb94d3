/* file.c - the POSIX side of file.h. */
#define _GNU_SOURCE /* mkostemp */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "os/heap.h"

static int read_all(int fd, size_t len_max, char **out, size_t *len)
{
    size_t cap = 4096, n = 0;
    char *bytes = tdm__malloc(cap + 1);
    while (bytes) {
        ssize_t got = read(fd, bytes + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || n + (size_t)got > len_max) {
            int rc = got < 0 ? errno : EFBIG;
            tdm__free(bytes);
            return rc;
        }
        if (got == 0) {
            bytes[n] = '\0';
            *out = bytes;
            *len = n;
            return 0;
        }
        n += (size_t)got;
        if (n == cap) {
            cap *= 2;
            char *more = tdm__realloc(bytes, cap + 1);
            if (!more)
                tdm__free(bytes);
            bytes = more;
        }
    }
    return ENOMEM;
}

int tdm__file_read(const char *path, size_t len_max, char **out, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int rc = read_all(fd, len_max, out, len);
    close(fd);
    return rc;
}

/* Opened for reading, and what it is; EINVAL when that is no regular file. */
static int open_regular(const char *path, int *out, struct stat *st)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a pipe of that name must not hold us */
    if (fd < 0)
        return errno;
    int rc = fstat(fd, st) == 0 ? 0 : errno;
    if (rc == 0 && !S_ISREG(st->st_mode))
        rc = EINVAL;
    if (rc != 0)
        close(fd);
    else
        *out = fd;
    return rc;
}

int tdm__file_read_regular(const char *path, size_t len_max, char **out, size_t *len)
{
    struct stat st;
    int fd = -1, rc = open_regular(path, &fd, &st);
    if (rc != 0)
        return rc;
    rc = read_all(fd, len_max, out, len);
    close(fd);
    return rc;
}

int tdm__file_read_private(const char *path, size_t len_max, char **out, size_t *len, unsigned *mode)
{
    struct stat st;
    *mode = 0;
    int fd = -1, rc = open_regular(path, &fd, &st);
    if (rc != 0)
        return rc;
    if ((st.st_mode & 077) != 0) {
        *mode = (unsigned)st.st_mode & 07777;
        rc = EPERM;
    }
    if (rc == 0 && st.st_uid != geteuid() && st.st_uid != 0)
        rc = EACCES; /* its owner is one of the others */
    if (rc == 0) /* of the file that was looked at, whatever its name has come to mean */
        rc = read_all(fd, len_max, out, len);
    close(fd);
    return rc;
}

static int write_all(int fd, const char *bytes, size_t len, bool is_durable)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        bytes += n;
        len -= (size_t)n;
    }
    return !is_durable || fsync(fd) == 0 ? 0 : errno;
}

int tdm__file_sync_name(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int n = slash ? snprintf(dir, sizeof dir, "%.*s/", (int)(slash - path), path) : snprintf(dir, sizeof dir, ".");
    if (n < 0 || (size_t)n >= sizeof dir)
        return ENAMETOOLONG;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? 0 : errno;
    int rc = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return rc;
}

static int write_by_rename(const char *path, const void *bytes, size_t len, unsigned mode, bool is_durable)
{
    char tmp[PATH_MAX];
    int n = snprintf(tmp, sizeof tmp, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof tmp)
        return ENAMETOOLONG;
    int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0)
        return errno;
    int rc = fchmod(fd, (mode_t)mode) == 0 ? write_all(fd, bytes, len, is_durable) : errno;
    if (close(fd) != 0 && rc == 0)
        rc = errno;
    if (rc == 0 && rename(tmp, path) != 0)
        rc = errno;
    if (rc != 0) {
        unlink(tmp);
        return rc;
    }
    return is_durable ? tdm__file_sync_name(path) : 0;
}

int tdm__file_write_atomic(const char *path, const void *bytes, size_t len, unsigned mode)
{
    return write_by_rename(path, bytes, len, mode, true);
}

int tdm__file_write_disposable(const char *path, const void *bytes, size_t len, unsigned mode)
{
    return write_by_rename(path, bytes, len, mode, false);
}

int tdm__dir_make(const char *path, unsigned mode)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return len == 0 ? ENOENT : ENAMETOOLONG;
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, (mode_t)mode) != 0 && errno != EEXIST)
            return errno;
        part[i] = kept;
    }
    struct stat st;
    if (stat(path, &st) != 0)
        return errno;
    return S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
}

int tdm__disk_free(const char *path, uint64_t *bytes)
{
    struct statvfs vfs;
    if (statvfs(path, &vfs) != 0)
        return errno;
    *bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    return 0;
}
