/* prefix_folder.c - names, and what goes when there is no room. */
#include "engine/prefix_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/hex.h"
#include "engine/prefix_page.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/heap.h"

enum {
    NAME_MAX_BYTES = 96, /* of a page's file */
    PATH_BYTES = TDM__PREFIX_DIR_MAX + 1 + NAME_MAX_BYTES,
    LISTED_MAX = 1 << 16, /* pages; what is beyond goes */
    BLOCK_BYTES = 4096,   /* a file takes whole ones */
    START_LIFE_S = 3600,  /* a temporary file that is older was left by a kill */
    SLACK = 16,           /* trimmed to 1 / SLACK below the bound, so that not each page needs a look */
};

static const char suffix[] = ".page";

static void name_page(char name[NAME_MAX_BYTES], const tdm__prefix_key *key, size_t index)
{
    char hex[TDM__SHA256_TEXT];
    tdm__hex_put(key->bytes, sizeof key->bytes, hex);
    snprintf(name, NAME_MAX_BYTES, "%s-%05zu%s", hex, index, suffix);
}

static void path_of(char path[PATH_BYTES], const tdm__prefix_folder *f, const tdm__prefix_key *key, size_t index)
{
    char name[NAME_MAX_BYTES];
    name_page(name, key, index);
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
    if (tdm__map_open(path, &m) != 0)
        return false;
    if (tdm__map_is_private(&m) && tdm__prefix_page_has_head(m.ptr, m.len, key, len)) {
        *out = m;
        return true;
    }
    tdm__map_close(&m);
    unlink(path);
    return false;
}

void tdm__prefix_folder_remove(const tdm__prefix_folder *f, const tdm__prefix_key *key, size_t index)
{
    char path[PATH_BYTES];
    path_of(path, f, key, index);
    unlink(path);
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

static uint64_t on_disk(uint64_t bytes) { return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES; }

static tdm_status make_room(tdm__prefix_folder *f, size_t len, tdm_error *err)
{
    const uint64_t need = on_disk(len), slack = f->bytes_max / SLACK;
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
    f->bytes += on_disk(len);
    f->looked_bytes += on_disk(len);
    return TDM_OK;
}

/* ---- looking through ---- */

typedef struct listed {
    int64_t used_ns;
    uint64_t bytes;
    size_t index;
    tdm__prefix_key key;
} listed;

typedef struct list {
    listed *pages; /* owned */
    size_t n, cap;
    uint64_t bytes;
} list;

/* Whether name is what name_page makes; rest: what stands behind that. */
static bool read_name(const char *name, listed *out, const char **rest)
{
    char again[NAME_MAX_BYTES], *end;
    if (strlen(name) < TDM__SHA256_TEXT || name[TDM__SHA256_TEXT - 1] != '-' || name[TDM__SHA256_TEXT] < '0' ||
        name[TDM__SHA256_TEXT] > '9' ||
        !tdm__hex_get((tdm__str){name, TDM__SHA256_TEXT - 1}, out->key.bytes, sizeof out->key.bytes))
        return false;
    errno = 0;
    out->index = strtoul(name + TDM__SHA256_TEXT, &end, 10);
    name_page(again, &out->key, out->index);
    *rest = name + strlen(again);
    return errno == 0 && strncmp(name, again, strlen(again)) == 0;
}

static bool list_add(list *l, const listed *page)
{
    if (l->n == l->cap) {
        const size_t cap = l->cap > 0 ? 2 * l->cap : 256;
        listed *pages = cap <= LISTED_MAX ? tdm__realloc(l->pages, cap * sizeof *pages) : NULL;
        if (!pages)
            return false;
        l->pages = pages;
        l->cap = cap;
    }
    l->pages[l->n++] = *page;
    l->bytes += page->bytes;
    return true;
}

/* What cannot be listed, for want of memory or as there are too many, goes. */
static void look_at(int dir, const char *name, list *l)
{
    struct stat st;
    listed page;
    const char *rest;
    if (!read_name(name, &page, &rest) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    page.used_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    page.bytes = on_disk((uint64_t)st.st_size);
    const bool goes = *rest ? st.st_mtime < tdm__clock_unix_s() - START_LIFE_S : !list_add(l, &page);
    if (goes)
        unlinkat(dir, name, 0);
}

static int compare_pages(const void *a, const void *b)
{
    const listed *p = a, *q = b;
    if (p->used_ns != q->used_ns)
        return p->used_ns < q->used_ns ? -1 : 1;
    return p->index == q->index ? 0 : p->index > q->index ? -1 : 1;
}

uint64_t tdm__prefix_folder_trim(const char *path, uint64_t bytes_max)
{
    list l = {0};
    DIR *d = opendir(path);
    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        look_at(dirfd(d), e->d_name, &l);
    if (l.bytes > bytes_max)
        qsort(l.pages, l.n, sizeof l.pages[0], compare_pages);
    for (size_t i = 0; i < l.n && l.bytes > bytes_max; i++) {
        char name[NAME_MAX_BYTES];
        name_page(name, &l.pages[i].key, l.pages[i].index);
        unlinkat(dirfd(d), name, 0);
        l.bytes -= l.pages[i].bytes;
    }
    closedir(d);
    tdm__free(l.pages);
    return l.bytes;
}
