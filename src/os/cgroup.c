/* cgroup.c - walks from the process's groups up to the root of each mount. */
#include "os/cgroup.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { GROUP_PATH_BYTES = 1024, GROUP_CORES_MAX = 4096 };

/* Names of one version's files. */
typedef struct version {
    const char *memory_max, *memory_used, *active_file, *inactive_file;
} version;

static const version version_1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file",
                                  "total_inactive_file"};
static const version version_2 = {"memory.max", "memory.current", "active_file", "inactive_file"};

static FILE *open_in(const char *group, const char *name)
{
    char path[GROUP_PATH_BYTES + 64];
    int n = snprintf(path, sizeof path, "%s/%s", group, name);
    return n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
}

/* One number of a kernel file; "max", "-1" and absence give false. */
static bool read_number(const char *group, const char *name, uint64_t *out)
{
    FILE *f = open_in(group, name);
    if (!f)
        return false;
    bool ok = fscanf(f, "%" SCNu64, out) == 1 && *out <= INT64_MAX; /* scanf reads -1 as a very large number */
    fclose(f);
    return ok;
}

/* Cached file pages count as used but are given back on demand; a model that was read once would else look like
 * memory that is gone. */
static uint64_t cached_bytes(const char *group, const version *v)
{
    FILE *f = open_in(group, "memory.stat");
    if (!f)
        return 0;
    char name[64];
    uint64_t n, sum = 0;
    while (fscanf(f, "%63s %" SCNu64, name, &n) == 2)
        if (strcmp(name, v->active_file) == 0 || strcmp(name, v->inactive_file) == 0)
            sum += n;
    fclose(f);
    return sum;
}

static void apply_memory(const char *group, const version *v, tdm__cgroup_limits *out)
{
    uint64_t max, used;
    if (!read_number(group, v->memory_max, &max) || !read_number(group, v->memory_used, &used))
        return;
    uint64_t cached = cached_bytes(group, v);
    used = used > cached ? used - cached : 0;
    uint64_t left = max > used ? max - used : 0;
    if (left < out->memory_left_bytes)
        out->memory_left_bytes = left;
}

static void apply_cpu(const char *group, const version *v, tdm__cgroup_limits *out)
{
    uint64_t quota = 0, period = 0;
    bool known;
    if (v == &version_2) {
        FILE *f = open_in(group, "cpu.max");
        known = f && fscanf(f, "%" SCNu64 " %" SCNu64, &quota, &period) == 2;
        if (f)
            fclose(f);
    } else {
        known = read_number(group, "cpu.cfs_quota_us", &quota) && read_number(group, "cpu.cfs_period_us", &period);
    }
    if (!known || quota == 0 || period == 0 || quota / period >= GROUP_CORES_MAX)
        return;
    int cores = (int)(quota / period + (quota % period != 0));
    if (out->cores == 0 || cores < out->cores)
        out->cores = cores;
}

/* mount/path and every group above it, the mount itself last. */
static void walk_up(const char *mount, const char *path, const version *v, bool memory, bool cpu,
                    tdm__cgroup_limits *out)
{
    char group[GROUP_PATH_BYTES];
    int n = snprintf(group, sizeof group, "%s%s", mount, path);
    if (n < 0 || (size_t)n >= sizeof group)
        n = snprintf(group, sizeof group, "%s", mount);
    for (size_t mount_len = strlen(mount); n > 0 && (size_t)n < sizeof group;) {
        if (memory)
            apply_memory(group, v, out);
        if (cpu)
            apply_cpu(group, v, out);
        if (strlen(group) <= mount_len)
            return;
        *strrchr(group, '/') = '\0';
    }
}

/* Whether a comma-separated list holds the name. */
static bool list_has(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

/* A line of /proc/self/cgroup: "number:controllers:path", no controllers for version 2. */
static void apply_line(char *line, const char *mount, tdm__cgroup_limits *out)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path || path[1] != '/')
        return;
    *path++ = '\0';
    controllers++;
    if (*controllers == '\0') {
        walk_up(mount, path, &version_2, true, true, out);
        return;
    }
    static const char *const wanted[] = {"memory", "cpu"};
    for (size_t i = 0; i < 2; i++) {
        char dir[GROUP_PATH_BYTES];
        int n = snprintf(dir, sizeof dir, "%s/%s", mount, wanted[i]);
        if (n > 0 && (size_t)n < sizeof dir && list_has(controllers, wanted[i]))
            walk_up(dir, path, &version_1, i == 0, i == 1, out);
    }
}

void tdm__cgroup_read(const char *proc, const char *mount, tdm__cgroup_limits *out)
{
    *out = (tdm__cgroup_limits){.memory_left_bytes = UINT64_MAX};
    FILE *f = fopen(proc, "re");
    if (!f)
        return;
    char line[GROUP_PATH_BYTES];
    while (fgets(line, sizeof line, f))
        apply_line(line, mount, out);
    fclose(f);
}
