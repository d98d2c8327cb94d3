/* clock.h - monotonic time for durations, wall time for records. */
#ifndef TDM_OS_CLOCK_H
#define TDM_OS_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t tdm__clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline int64_t tdm__clock_unix_s(void) { return (int64_t)time(NULL); }

#endif
