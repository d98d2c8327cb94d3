/* map.c - mmap, and the SIGBUS guard over a fixed table of what is mapped.
 *
 * The table is the one piece of state in the tree that belongs to the process and not to a caller: a signal handler
 * has no other way to know what an address is. It is written with atomics only, so the handler may read it anywhere.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS, mincore */
#include "os/map.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GUARDED_MAX = 64 /* maps beyond these work, unguarded */ };

typedef struct guarded {
    _Atomic uintptr_t begin; /* 0: free */
    _Atomic uintptr_t end;   /* 0: not yet complete */
} guarded;

static guarded guarded_maps[GUARDED_MAX];

static bool guard(const tdm__map *m)
{
    for (int i = 0; i < GUARDED_MAX; i++) {
        uintptr_t nobody = 0;
        if (atomic_compare_exchange_strong(&guarded_maps[i].begin, &nobody, (uintptr_t)m->ptr)) {
            atomic_store(&guarded_maps[i].end, (uintptr_t)m->ptr + m->len);
            return true;
        }
    }
    return false;
}

static void unguard(const tdm__map *m)
{
    for (int i = 0; i < GUARDED_MAX; i++)
        if (atomic_load(&guarded_maps[i].begin) == (uintptr_t)m->ptr) {
            atomic_store(&guarded_maps[i].end, 0);
            atomic_store(&guarded_maps[i].begin, 0);
            return;
        }
}

/* Only async-signal-safe calls: mmap is a bare system call here. */
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    (void)context;
    int kept_errno = errno;
    uintptr_t at = (uintptr_t)info->si_addr, page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < GUARDED_MAX; i++) {
        if (at < atomic_load(&guarded_maps[i].begin) || at >= atomic_load(&guarded_maps[i].end))
            continue;
        void *zeros = mmap((void *)(at & ~(page - 1)), page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        errno = kept_errno;
        if (zeros != MAP_FAILED)
            return;
    }
    signal(number, SIG_DFL); /* the instruction is repeated and ends the process */
}

int tdm__map_guard_install(void)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, NULL) == 0 ? 0 : errno;
}

static int64_t modified_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static int map_fd(int fd, tdm__map *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    *out = (tdm__map){.len = (size_t)st.st_size, .fd = fd, .modified_ns = modified_ns(&st)};
    if (st.st_size == 0)
        return 0;
    void *ptr = mmap(NULL, out->len, PROT_READ, MAP_SHARED, fd, 0);
    if (ptr == MAP_FAILED)
        return errno;
    out->ptr = ptr;
    return 0;
}

int tdm__map_open(const char *path, tdm__map *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us before it is refused */
    if (fd < 0)
        return errno;
    tdm__map m = {0};
    int rc = map_fd(fd, &m);
    if (rc != 0 || !m.ptr)
        close(fd);
    if (rc != 0)
        return rc;
    if (m.ptr)
        m.is_guarded = guard(&m);
    *out = m;
    return 0;
}

void tdm__map_close(tdm__map *m)
{
    if (m->ptr) {
        unguard(m);
        munmap((void *)(uintptr_t)m->ptr, m->len);
        close(m->fd);
    }
    *m = (tdm__map){0};
}

bool tdm__map_is_intact(const tdm__map *m)
{
    struct stat st;
    if (!m->ptr)
        return true;
    return fstat(m->fd, &st) == 0 && (size_t)st.st_size == m->len && modified_ns(&st) == m->modified_ns;
}

tdm__map_identity tdm__map_identify(const tdm__map *m)
{
    struct stat st;
    if (!m->ptr || fstat(m->fd, &st) != 0)
        return (tdm__map_identity){.len = m->len};
    return (tdm__map_identity){(uint64_t)st.st_dev, (uint64_t)st.st_ino, m->len, m->modified_ns};
}

bool tdm__map_is_private(const tdm__map *m)
{
    struct stat st;
    return m->ptr && fstat(m->fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

void tdm__map_warm(const tdm__map *m)
{
    enum { LOOK = 256 }; /* pages at a time */
    unsigned char resident[LOOK];
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t at = 0; at < m->len; at += LOOK * page) {
        const size_t left = m->len - at, n = left < LOOK * page ? left : LOOK * page;
        const bool is_known = mincore((void *)(uintptr_t)(m->ptr + at), n, resident) == 0;
        for (size_t i = 0; i * page < n; i++)
            if (!is_known || !(resident[i] & 1))
                (void)*(const volatile unsigned char *)(m->ptr + at + i * page);
    }
}

void tdm__map_release(const void *ptr, size_t len)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)ptr;
    const uintptr_t begin = (at + page - 1) / page * page, end = (at + len) / page * page;
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}
