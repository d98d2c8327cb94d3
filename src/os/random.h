/* random.h - unpredictable bytes from the kernel. */
#ifndef TDM_OS_RANDOM_H
#define TDM_OS_RANDOM_H

#include <errno.h>
#include <stddef.h>
#include <sys/random.h>

/* Fills out with n (<= 256) bytes; 0 or an errno value. */
static inline int tdm__random_fill(void *out, size_t n)
{
    ssize_t got;
    do
        got = getrandom(out, n, 0);
    while (got < 0 && errno == EINTR);
    return got < 0 ? errno : (size_t)got == n ? 0 : EIO; /* up to 256 bytes come whole */
}

#endif
