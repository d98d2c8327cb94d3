/* prefix_trim.c - looking through the folder: what goes when there is no room, when only public text may stay, and when
 * the owner erases it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "engine/prefix_folder.h"
#include "engine/prefix_name.h"
#include "engine/prefix_page.h"
#include "os/clock.h"
#include "os/heap.h"

enum {
    LISTED_MAX = 1 << 16, /* pages; what is beyond goes */
    START_LIFE_S = 3600,  /* a temporary file that is older was left by a kill */
};

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
    if (!tdm__prefix_name_get(name, &page.key, &page.index, &rest) ||
        fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    page.used_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    page.bytes = tdm__prefix_on_disk((uint64_t)st.st_size);
    const bool goes = *rest ? st.st_mtime < tdm__clock_unix_s() - START_LIFE_S : !list_add(l, &page);
    if (goes)
        (void)tdm__prefix_name_clear(dir, name);
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
        char name[TDM__PREFIX_NAME_BYTES];
        tdm__prefix_name_put(name, &l.pages[i].key, l.pages[i].index);
        if (tdm__prefix_name_clear(dirfd(d), name) == 0)
            l.bytes -= l.pages[i].bytes;
    }
    closedir(d);
    tdm__free(l.pages);
    return l.bytes;
}

static bool says_public(int dir, const char *name)
{
    uint8_t head[TDM__PREFIX_HEAD_BYTES];
    const int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return false;
    const bool is_read = pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head;
    close(fd);
    return is_read && tdm__prefix_page_is_public(head);
}

/* Removes what is the store's, pages that are public only if they may not stay; 0, or why something is still there. */
static int remove_pages(const char *path, bool keeps_public)
{
    int rc = 0;
    DIR *d = opendir(path);
    if (!d)
        return errno == ENOENT || errno == ENOTDIR ? 0 : errno;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        tdm__prefix_key key;
        size_t index;
        const char *rest;
        if (!tdm__prefix_name_get(e->d_name, &key, &index, &rest) ||
            (keeps_public && (*rest || says_public(dirfd(d), e->d_name))))
            continue;
        const int failed = tdm__prefix_name_clear(dirfd(d), e->d_name);
        rc = failed != 0 ? failed : rc;
    }
    closedir(d);
    return rc;
}

void tdm__prefix_folder_tidy(tdm__prefix_folder *f, bool is_public_only)
{
    if (is_public_only)
        (void)remove_pages(f->dir, true);
    f->bytes = tdm__prefix_folder_trim(f->dir, f->bytes_max);
    f->looked_bytes = 0;
}

tdm_status tdm__prefix_folder_erase(const char *dir, tdm_error *err)
{
    const int rc = remove_pages(dir, false);
    return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "what is kept of prompts in %.200s cannot all be erased", dir);
}
