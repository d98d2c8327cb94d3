/* prefix_folder.c - pages by their names (prefix_trim.c: what of them goes). */
#include "engine/prefix_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/prefix_name.h"
#include "engine/prefix_page.h"
#include "os/file.h"

enum {
    PATH_BYTES = TDM__PREFIX_DIR_MAX + 1 + TDM__PREFIX_NAME_BYTES,
    BLOCK_BYTES = 4096, /* a file takes whole ones */
    SLACK = 16,         /* trimmed to 1 / SLACK below the bound, so that not each page needs a look */
};

static void path_of(char path[PATH_BYTES], const tdm__prefix_folder *f, const tdm__prefix_key *key, size_t index)
{
    char name[TDM__PREFIX_NAME_BYTES];
    tdm__prefix_name_put(name, key, index);
    snprintf(path, PATH_BYTES, "%s/%s", f->dir, name);
}

tdm_status tdm__prefix_folder_open(tdm__prefix_folder *f, const char *dir, uint64_t bytes_max, uint64_t free_bytes_min,
                                   tdm_error *err)
{
    struct stat st;
    if (strlen(dir) > TDM__PREFIX_DIR_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the folder %.200s is too long, %d bytes are the most", dir, TDM__PREFIX_DIR_MAX);
    int rc = tdm__dir_make(dir, 0700);
    if (rc == 0 && stat(dir, &st) != 0)
        rc = errno;
    if (rc != 0)
        return tdm__fail_os(err, rc, "the folder %.200s cannot be made", dir);
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        TDM_FAIL(err, TDM_ERR_IO, "the folder %.200s is not this user's alone: chmod 700 or remove it", dir);
    *f = (tdm__prefix_folder){.bytes_max = bytes_max, .free_bytes_min = free_bytes_min, .looked_bytes = UINT64_MAX};
    memcpy(f->dir, dir, strlen(dir) + 1);
    return TDM_OK;
}

bool tdm__prefix_folder_map(const tdm__prefix_folder *f, const tdm__prefix_key *key, size_t index, size_t len,
                            tdm__map *out)
{
    char path[PATH_BYTES];
    tdm__map m;
    path_of(path, f, key, index);
    const int rc = tdm__map_open(path, &m);
    if (rc == EISDIR || rc == EINVAL || rc == ENXIO || rc == ELOOP) /* folder, pipe or device, socket, links */
        (void)tdm__prefix_name_clear(AT_FDCWD, path);
    if (rc != 0)
        return false;
    if (m.ptr && !m.is_guarded) { /* too many at once: as if it were not there */
        tdm__map_close(&m);
        return false;
    }
    if (tdm__map_is_private(&m) && tdm__prefix_page_has_head(m.ptr, m.len, key, len)) {
        *out = m;
        return true;
    }
    tdm__map_close(&m);
    (void)tdm__prefix_name_clear(AT_FDCWD, path);
    return false;
}

void tdm__prefix_folder_remove(const tdm__prefix_folder *f, const tdm__prefix_key *key, size_t index)
{
    char path[PATH_BYTES];
    path_of(path, f, key, index);
    (void)tdm__prefix_name_clear(AT_FDCWD, path);
}

/* A folder that can only be read keeps its times: that is no failure. */
static bool touch(const char *path, int64_t used_ns)
{
    const struct timespec at = {.tv_sec = (time_t)(used_ns / 1000000000), .tv_nsec = (long)(used_ns % 1000000000)};
    const struct timespec times[2] = {at, at};
    return utimensat(AT_FDCWD, path, times, 0) == 0 || errno != ENOENT;
}

bool tdm__prefix_folder_touch(const tdm__prefix_folder *f, const tdm__prefix_key *key, size_t index, int64_t used_ns)
{
    char path[PATH_BYTES];
    path_of(path, f, key, index);
    return touch(path, used_ns);
}

/* ---- writing ---- */

bool tdm__prefix_folder_has(const tdm__prefix_folder *f, const tdm__prefix_key *key, size_t index,
                            const uint8_t *page, size_t len, int64_t used_ns)
{
    tdm__map m;
    if (!tdm__prefix_folder_map(f, key, index, len, &m))
        return false;
    const bool is_same = memcmp(m.ptr, page, len) == 0;
    tdm__map_close(&m);
    return is_same && tdm__prefix_folder_touch(f, key, index, used_ns);
}

uint64_t tdm__prefix_on_disk(uint64_t bytes) { return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES; }

static tdm_status make_room(tdm__prefix_folder *f, size_t len, tdm_error *err)
{
    const uint64_t need = tdm__prefix_on_disk(len), slack = f->bytes_max / SLACK;
    uint64_t free_bytes;
    if (need > f->bytes_max)
        TDM_FAIL(err, TDM_ERR_LIMIT, "a page of %zu bytes is more than the prefix cache may hold, %llu bytes", len,
                 (unsigned long long)f->bytes_max);
    int rc = tdm__disk_free(f->dir, &free_bytes);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the disk of %.200s does not say what is free", f->dir);
    if (free_bytes < need || free_bytes - need < f->free_bytes_min)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the disk of %.200s has %llu MiB left, %llu MiB stay free for others", f->dir,
                 (unsigned long long)(free_bytes >> 20), (unsigned long long)(f->free_bytes_min >> 20));
    if (f->looked_bytes > slack || f->bytes + need > f->bytes_max) { /* other processes write, too */
        f->bytes = tdm__prefix_folder_trim(f->dir, f->bytes_max - (need > slack ? need : slack));
        f->looked_bytes = 0;
    }
    return TDM_OK;
}

tdm_status tdm__prefix_folder_write(tdm__prefix_folder *f, const tdm__prefix_key *key, size_t index,
                                    const uint8_t *page, size_t len, int64_t used_ns, tdm_error *err)
{
    char path[PATH_BYTES];
    TDM_TRY(make_room(f, len, err));
    path_of(path, f, key, index);
    int rc = tdm__file_write_disposable(path, page, len, 0600);
    if (rc != 0)
        return tdm__fail_os(err, rc, "a page of %zu bytes cannot be written to %.200s", len, f->dir);
    (void)touch(path, used_ns);
    f->bytes += tdm__prefix_on_disk(len);
    f->looked_bytes += tdm__prefix_on_disk(len);
    return TDM_OK;
}
