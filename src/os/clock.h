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

/* The wall time in ms, below a second from now: what a condition variable with default attributes waits for. */
static inline struct timespec tdm__clock_deadline(int ms)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_nsec += ms * 1000000L;
    if (ts.tv_nsec >= 1000000000L) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000L;
    }
    return ts;
}

/* The wall time in ns: a file's time stamp. */
static inline int64_t tdm__clock_unix_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline int64_t tdm__clock_unix_s(void) { return (int64_t)time(NULL); }

#endif
