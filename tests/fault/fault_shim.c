/* fault_shim.c - loaded before the C library (LD_PRELOAD): lets one call of a program fail, as a full disk would.
 *
 * FAULT_CALL names the function, FAULT_AT counts its calls from 1, FAULT_ERRNO is what errno gets. With FAULT_COUNTS a
 * file gets "name calls" of all functions when the program ends. Only calls of the program and the libraries below it
 * pass here, not those that the C library makes inside itself.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define CALLS(X)                                                           \
    X(open64) X(read) X(pread64) X(write) X(pwrite64) X(mmap64) X(fstat64) \
    X(opendir) X(fsync) X(fdatasync) X(ftruncate64) X(rename) X(mkdir)     \
    X(mkostemp64) X(fchmod) X(fopen64) X(getrandom) X(pthread_create)      \
    X(malloc)

typedef enum call {
#define CALL_ENUM(name) CALL_##name,
    CALLS(CALL_ENUM) N_CALLS
} call;

static const char *const names[] = {
#define CALL_NAME(name) #name,
    CALLS(CALL_NAME)};

static atomic_size_t counts[N_CALLS];
static int fail_call = -1, fail_errno;
static size_t fail_at;
static char counts_path[512];

/* Before main: nothing here may allocate once the program runs. */
__attribute__((constructor)) static void read_wish(void)
{
    const char *name = getenv("FAULT_CALL"), *at = getenv("FAULT_AT"), *number = getenv("FAULT_ERRNO");
    const char *path = getenv("FAULT_COUNTS");
    if (path)
        snprintf(counts_path, sizeof counts_path, "%s", path);
    fail_errno = number ? (int)strtol(number, NULL, 10) : EIO;
    fail_at = at ? strtoul(at, NULL, 10) : 0;
    for (int i = 0; name && i < N_CALLS; i++)
        if (strcmp(names[i], name) == 0)
            fail_call = i;
    for (int i = 0; i < N_CALLS; i++) /* what the loader and constructors did does not count */
        atomic_store(&counts[i], 0);
}

__attribute__((destructor)) static void write_counts(void)
{
    FILE *f = counts_path[0] != '\0' ? fopen(counts_path, "w") : NULL;
    for (int i = 0; f && i < N_CALLS; i++)
        fprintf(f, "%s %zu\n", names[i], atomic_load(&counts[i]));
    if (f)
        fclose(f);
}

static bool fails(call c)
{
    const size_t n = atomic_fetch_add(&counts[c], 1) + 1;
    if ((int)c != fail_call || n != fail_at)
        return false;
    errno = fail_errno;
    return true;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int open64(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return fails(CALL_open64) ? -1 : NEXT(open64)(path, flags, mode);
}

ssize_t read(int fd, void *bytes, size_t n) { return fails(CALL_read) ? -1 : NEXT(read)(fd, bytes, n); }
ssize_t pread64(int fd, void *bytes, size_t n, off64_t at)
{
    return fails(CALL_pread64) ? -1 : NEXT(pread64)(fd, bytes, n, at);
}

/* Half of it fits, then nothing more does: what a disk does that fills up. */
ssize_t write(int fd, const void *bytes, size_t n)
{
    if (!fails(CALL_write))
        return NEXT(write)(fd, bytes, n);
    if (n > 1 && fail_errno == ENOSPC)
        return NEXT(write)(fd, bytes, n / 2);
    return -1;
}
ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
    return fails(CALL_pwrite64) ? -1 : NEXT(pwrite64)(fd, bytes, n, at);
}

void *mmap64(void *at, size_t n, int protection, int flags, int fd, off64_t offset)
{
    return fails(CALL_mmap64) ? MAP_FAILED : NEXT(mmap64)(at, n, protection, flags, fd, offset);
}

int fstat64(int fd, struct stat64 *st) { return fails(CALL_fstat64) ? -1 : NEXT(fstat64)(fd, st); }
DIR *opendir(const char *path) { return fails(CALL_opendir) ? NULL : NEXT(opendir)(path); }
int fsync(int fd) { return fails(CALL_fsync) ? -1 : NEXT(fsync)(fd); }
int fdatasync(int fd) { return fails(CALL_fdatasync) ? -1 : NEXT(fdatasync)(fd); }
int ftruncate64(int fd, off64_t n) { return fails(CALL_ftruncate64) ? -1 : NEXT(ftruncate64)(fd, n); }
int rename(const char *from, const char *to) { return fails(CALL_rename) ? -1 : NEXT(rename)(from, to); }
int mkdir(const char *path, mode_t mode) { return fails(CALL_mkdir) ? -1 : NEXT(mkdir)(path, mode); }
int mkostemp64(char *path, int flags) { return fails(CALL_mkostemp64) ? -1 : NEXT(mkostemp64)(path, flags); }
int fchmod(int fd, mode_t mode) { return fails(CALL_fchmod) ? -1 : NEXT(fchmod)(fd, mode); }
FILE *fopen64(const char *path, const char *mode) { return fails(CALL_fopen64) ? NULL : NEXT(fopen64)(path, mode); }
ssize_t getrandom(void *bytes, size_t n, unsigned flags)
{
    return fails(CALL_getrandom) ? -1 : NEXT(getrandom)(bytes, n, flags);
}
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *), void *user)
{
    return fails(CALL_pthread_create) ? EAGAIN : NEXT(pthread_create)(thread, attributes, fn, user);
}

/* dlsym allocates: the C library's own name is called instead. */
void *__libc_malloc(size_t n);
void *malloc(size_t n)
{
    if (!fails(CALL_malloc))
        return __libc_malloc(n);
    errno = ENOMEM;
    return NULL;
}
