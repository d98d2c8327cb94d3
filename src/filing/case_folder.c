/* case_folder.c - the cases of a folder: read all, replace one.
 *
 * A case is replaced by one rename of a synced file, so a crash leaves the old or the new one; left-over temporary
 * neighbours do not end in .json and are passed over. Between looking at the old case and putting the new one no other
 * writer may come, or a withdrawal could be lost under an older copy: a lock is held on DIR/.lock, which the system
 * takes back when its holder dies.
 */
#define _GNU_SOURCE /* flock */
#include "filing/case_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "os/file.h"
#include "os/heap.h"

static tdm_status path_join(const char *dir, const char *name, char path[PATH_MAX], tdm_error *err)
{
    int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);
    if (n < 0 || n >= PATH_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the path of a case in %s is longer than %d bytes", dir, PATH_MAX);
    return TDM_OK;
}

tdm_status tdm__case_file_read(const char *path, const tdm__keyring *keys, int64_t now_unix_s, tdm__filing_case **out,
                               tdm_error *err)
{
    char *bytes = NULL;
    size_t len = 0;
    tdm_error why = {0};
    int rc = tdm__file_read(path, TDM__FILING_CASE_BYTES_MAX, &bytes, &len);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%s cannot be read", path);
    tdm_status s = keys ? tdm__filing_case_create((tdm__str){bytes, len}, keys, now_unix_s, out, &why)
                        : tdm__filing_case_create_unchecked((tdm__str){bytes, len}, now_unix_s, out, &why);
    tdm__free(bytes);
    if (s != TDM_OK)
        TDM_FAIL(err, s, "%s: %s", path, why.msg);
    return TDM_OK;
}

/* A case under another name would let two files of one case stand side by side. */
static tdm_status check_name(const tdm__filing_case *c, const char *name, const char *path, tdm_error *err)
{
    const size_t len = strlen(tdm__filing_case_id(c));
    if (strncmp(name, tdm__filing_case_id(c), len) != 0 || strcmp(name + len, ".json") != 0)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%s holds the case %s, its name must be that", path, tdm__filing_case_id(c));
    return TDM_OK;
}

static tdm_status add_case(tdm__case_folder *f, const char *dir, const char *name, const tdm__keyring *keys,
                           int64_t now_unix_s, tdm_error *err)
{
    char path[PATH_MAX];
    tdm__filing_case *c = NULL;
    TDM_TRY(path_join(dir, name, path, err));
    if (f->n == TDM__CASES_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%s is one case too many, %d are read", path, TDM__CASES_MAX);
    TDM_TRY(tdm__case_file_read(path, keys, now_unix_s, &c, err));
    tdm_status s = check_name(c, name, path, err);
    if (s != TDM_OK) {
        tdm__filing_case_destroy(c);
        return s;
    }
    f->cases[f->n++] = c;
    return TDM_OK;
}

static int compare_ids(const void *a, const void *b)
{
    const tdm__filing_case *const *x = a, *const *y = b;
    return strcmp(tdm__filing_case_id(*x), tdm__filing_case_id(*y));
}

static bool is_case_name(const char *name)
{
    const size_t len = strlen(name);
    return len > 5 && name[0] != '.' && strcmp(name + len - 5, ".json") == 0;
}

/* keys NULL: unchecked. */
static tdm_status read_folder(const char *dir, const tdm__keyring *keys, int64_t now_unix_s, tdm__case_folder *out,
                              tdm_error *err)
{
    *out = (tdm__case_folder){0};
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT ? TDM_OK : tdm__fail_os(err, errno, "the folder of cases %s cannot be read", dir);
    out->cases = tdm__calloc(TDM__CASES_MAX, sizeof(tdm__filing_case *));
    tdm_status s = out->cases ? TDM_OK : tdm__fail(err, TDM_ERR_NOMEM, "no memory for the cases of %s", dir);
    const struct dirent *e;
    while (out->cases && (e = readdir(d)) != NULL) {
        tdm_error why = {0};
        tdm_status one = is_case_name(e->d_name) ? add_case(out, dir, e->d_name, keys, now_unix_s, &why) : TDM_OK;
        if (one != TDM_OK && s == TDM_OK)
            s = tdm__fail(err, one, "%s", why.msg);
    }
    closedir(d);
    if (out->n > 1)
        qsort(out->cases, out->n, sizeof(tdm__filing_case *), compare_ids);
    return s;
}

tdm_status tdm__case_folder_read(const char *dir, const tdm__keyring *keys, int64_t now_unix_s, tdm__case_folder *out,
                                 tdm_error *err)
{
    *out = (tdm__case_folder){0};
    if (!keys)
        TDM_FAIL(err, TDM_ERR_INVAL, "the cases in %s need a keyring: without one nobody is believed", dir);
    return read_folder(dir, keys, now_unix_s, out, err);
}

tdm_status tdm__case_folder_read_unchecked(const char *dir, int64_t now_unix_s, tdm__case_folder *out, tdm_error *err)
{
    return read_folder(dir, NULL, now_unix_s, out, err);
}

void tdm__case_folder_fini(tdm__case_folder *f)
{
    for (size_t i = 0; i < f->n; i++)
        tdm__filing_case_destroy(f->cases[i]);
    tdm__free(f->cases);
    *f = (tdm__case_folder){0};
}

/* The case that is there, if one is, must be a beginning of c. Its signers were believed when it was put; what matters
 * now is that nothing of it is lost. */
static tdm_status check_successor(const char *path, const tdm__filing_case *c, int64_t now_unix_s, tdm_error *err)
{
    tdm__filing_case *earlier = NULL;
    tdm_status s = tdm__case_file_read(path, NULL, now_unix_s, &earlier, err);
    if (s == TDM_ERR_NOT_FOUND)
        return TDM_OK;
    if (s == TDM_OK)
        s = tdm__filing_case_check_growth(earlier, c, err);
    tdm__filing_case_destroy(earlier);
    return s;
}

/* Waits for the folder's other writers. */
static tdm_status lock_folder(const char *dir, int *fd, tdm_error *err)
{
    char path[PATH_MAX];
    TDM_TRY(path_join(dir, ".lock", path, err));
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        return tdm__fail_os(err, errno, "%s cannot be opened", path);
    while (flock(*fd, LOCK_EX) != 0)
        if (errno != EINTR) {
            int rc = errno;
            close(*fd);
            return tdm__fail_os(err, rc, "%s cannot be locked", path);
        }
    return TDM_OK;
}

static tdm_status replace(const char *dir, const tdm__filing_case *c, tdm__str json, int64_t now_unix_s, tdm_error *err)
{
    char path[PATH_MAX], name[TDM__FILING_ID_MAX + 8];
    snprintf(name, sizeof name, "%s.json", tdm__filing_case_id(c));
    TDM_TRY(path_join(dir, name, path, err));
    TDM_TRY(check_successor(path, c, now_unix_s, err));
    int rc = tdm__file_write_atomic(path, json.ptr, json.len, 0600);
    return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "%s cannot be written", path);
}

tdm_status tdm__case_folder_put(const char *dir, tdm__str json, const tdm__keyring *keys, int64_t now_unix_s,
                                tdm_error *err)
{
    tdm__filing_case *c = NULL;
    int fd = -1;
    TDM_TRY(tdm__filing_case_create(json, keys, now_unix_s, &c, err));
    int rc = tdm__dir_make(dir, 0700);
    tdm_status s = rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "the folder of cases %s cannot be made", dir);
    if (s == TDM_OK)
        s = lock_folder(dir, &fd, err);
    if (s == TDM_OK) {
        s = replace(dir, c, json, now_unix_s, err);
        close(fd);
    }
    tdm__filing_case_destroy(c);
    return s;
}
