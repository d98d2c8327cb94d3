/* cpu.c - processor features by compiler built-ins, limits from the affinity mask, /proc and the cgroups. */
#define _GNU_SOURCE
#include "os/cpu.h"

#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "os/cgroup.h"

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

int tdm__cpu_count(void)
{
    cpu_set_t set;
    bool known = sched_getaffinity(0, sizeof set, &set) == 0; /* fails on machines of more than 1,024 processors */
    int n = known ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    tdm__cgroup_limits limits;
    tdm__cgroup_read("/proc/self/cgroup", "/sys/fs/cgroup", &limits);
    if (limits.cores > 0 && limits.cores < n)
        n = limits.cores;
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

uint64_t tdm__memory_available(void)
{
    uint64_t bytes = memory_available_proc();
    tdm__cgroup_limits limits;
    tdm__cgroup_read("/proc/self/cgroup", "/sys/fs/cgroup", &limits);
    return limits.memory_left_bytes < bytes ? limits.memory_left_bytes : bytes;
}
