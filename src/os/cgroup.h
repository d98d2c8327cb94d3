/* cgroup.h - the limits that containers and service managers set for this process (cgroup versions 1 and 2).
 *
 * A limit may stand at the process's own group or at any group above it: the tightest counts. Inside a container the
 * path that /proc names may not be visible; then the mount's root, which is the container's own group, is what is
 * left to read.
 */
#ifndef TDM_OS_CGROUP_H
#define TDM_OS_CGROUP_H

#include <stdint.h>

typedef struct tdm__cgroup_limits {
    int cores;                  /* that the CPU quota pays for, rounded up; 0: no quota */
    uint64_t memory_left_bytes; /* limit less what is taken and cannot be given back; UINT64_MAX: no limit */
} tdm__cgroup_limits;

/* proc is "/proc/self/cgroup" and mount "/sys/fs/cgroup" outside of tests. What cannot be read is no limit. */
void tdm__cgroup_read(const char *proc, const char *mount, tdm__cgroup_limits *out);

#endif
