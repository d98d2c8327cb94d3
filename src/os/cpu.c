/* cpu.c - processor features by compiler built-ins, limits from the affinity mask, /proc and the cgroup. */
#define _GNU_SOURCE
#include "os/cpu.h"

#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const isa_names[TDM__ISA_COUNT] = {"scalar", "avx2", "avx512", "vnni"};

#if defined(__x86_64__)
/* clang 14 has no name for F16C in its built-in. The system's side of it (saved AVX registers) is that of AVX2. */
static bool cpu_has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}
#endif

tdm__isa tdm__cpu_isa(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && cpu_has_f16c();
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512cd");
    bool vnni = avx512 && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
    return vnni ? TDM__ISA_VNNI : avx512 ? TDM__ISA_AVX512 : avx2 ? TDM__ISA_AVX2 : TDM__ISA_SCALAR;
#else
    return TDM__ISA_SCALAR;
#endif
}

const char *tdm__isa_name(tdm__isa isa) { return isa < TDM__ISA_COUNT ? isa_names[isa] : "unknown"; }

int tdm__isa_parse(const char *name, tdm__isa *out)
{
    for (int i = 0; i < TDM__ISA_COUNT; i++)
        if (strcmp(name, isa_names[i]) == 0) {
            *out = (tdm__isa)i;
            return 0;
        }
    return -1;
}

/* Reads one number from a small kernel file; "max" and absence give false. */
static bool read_number(const char *path, uint64_t *out)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool ok = fscanf(f, "%" SCNu64, out) == 1;
    fclose(f);
    return ok;
}

/* Cores the cgroup's quota pays for, rounded up; 0 when there is none. */
static int cgroup_cores(void)
{
    uint64_t quota = 0, period = 0;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (f) {
        if (fscanf(f, "%" SCNu64 " %" SCNu64, &quota, &period) != 2)
            quota = 0;
        fclose(f);
    } else if (!read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota) ||
               !read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period) || quota > INT64_MAX) {
        quota = 0; /* version 1 writes -1 for "no quota" */
    }
    if (quota == 0 || period == 0 || quota / period > 4096)
        return 0;
    return (int)((quota + period - 1) / period);
}

int tdm__cpu_count(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    int quota = cgroup_cores();
    if (quota > 0 && quota < n)
        n = quota;
    return n > 0 ? n : 1;
}

static uint64_t memory_available_proc(void)
{
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f)
        return UINT64_MAX;
    char line[128];
    uint64_t kib, bytes = UINT64_MAX;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) == 1)
            bytes = kib * 1024;
    fclose(f);
    return bytes;
}

/* Cached file pages of the cgroup. They count as its usage but are given back on demand; a model that was read once
 * would else look like memory that is gone. */
static uint64_t cgroup_cache_bytes(const char *path, const char *active, const char *inactive)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    char name[64];
    uint64_t n, sum = 0;
    while (fscanf(f, "%63s %" SCNu64, name, &n) == 2)
        if (strcmp(name, active) == 0 || strcmp(name, inactive) == 0)
            sum += n;
    fclose(f);
    return sum;
}

uint64_t tdm__memory_available(void)
{
    uint64_t bytes = memory_available_proc();
    uint64_t max, current, cache = 0;
    bool v2 = read_number("/sys/fs/cgroup/memory.max", &max) && read_number("/sys/fs/cgroup/memory.current", &current);
    bool v1 = !v2 && read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes", &max) &&
              read_number("/sys/fs/cgroup/memory/memory.usage_in_bytes", &current);
    if (v2)
        cache = cgroup_cache_bytes("/sys/fs/cgroup/memory.stat", "active_file", "inactive_file");
    if (v1)
        cache = cgroup_cache_bytes("/sys/fs/cgroup/memory/memory.stat", "total_active_file", "total_inactive_file");
    if (v1 || v2) {
        uint64_t used = current > cache ? current - cache : 0;
        uint64_t left = max > used ? max - used : 0;
        if (left < bytes)
            bytes = left;
    }
    return bytes;
}
