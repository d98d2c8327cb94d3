/* map_new.c - reserve, map, sync, rename. */
#define _GNU_SOURCE
#include "os/map_new.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/file.h"
#include "os/heap.h"

static void fini(tdm__map_new *m)
{
    if (m->ptr)
        munmap(m->ptr, m->len);
    if (m->fd >= 0)
        close(m->fd);
    tdm__free(m->temporary);
    *m = (tdm__map_new){.fd = -1};
}

static char *name_temporary(const char *path)
{
    static const char suffix[] = ".XXXXXX";
    size_t len = strlen(path);
    char *name = tdm__malloc(len + sizeof suffix);
    if (name) {
        memcpy(name, path, len);
        memcpy(name + len, suffix, sizeof suffix);
    }
    return name;
}

static int reserve_and_map(tdm__map_new *m)
{
    int rc = posix_fallocate(m->fd, 0, (off_t)m->len);
    if (rc != 0)
        return rc;
    void *ptr = mmap(NULL, m->len, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
    if (ptr == MAP_FAILED)
        return errno;
    m->ptr = ptr;
    return 0;
}

int tdm__map_new_begin(const char *path, size_t len, tdm__map_new *out)
{
    tdm__map_new m = {.len = len, .fd = -1, .temporary = name_temporary(path)};
    if (!m.temporary)
        return ENOMEM;
    m.fd = mkostemp(m.temporary, O_CLOEXEC);
    int rc = m.fd < 0 ? errno : reserve_and_map(&m);
    if (rc != 0) {
        if (m.fd >= 0)
            unlink(m.temporary);
        fini(&m);
        return rc;
    }
    *out = m;
    return 0;
}

void tdm__map_new_abort(tdm__map_new *m)
{
    if (m->temporary)
        unlink(m->temporary);
    fini(m);
}

int tdm__map_new_commit(tdm__map_new *m, const char *path)
{
    int rc = msync(m->ptr, m->len, MS_SYNC) != 0 || fsync(m->fd) != 0 || rename(m->temporary, path) != 0 ? errno : 0;
    if (rc != 0) {
        tdm__map_new_abort(m);
        return rc;
    }
    fini(m);
    return tdm__file_sync_name(path);
}
