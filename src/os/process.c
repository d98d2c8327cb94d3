/* process.c - /proc/self and getrusage. */
#include "os/process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static uint64_t resident_bytes(void)
{
    unsigned long long total, resident;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    const int n = fscanf(f, "%llu %llu", &total, &resident);
    fclose(f);
    return n == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static uint64_t count_open_files(void)
{
    uint64_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n > 0 ? n - 1 : 0; /* the folder itself */
}

/* Field 22 of stat, behind the name's last parenthesis: ticks between the machine's start and ours. */
static double begin_unix_s(void)
{
    char line[1024];
    unsigned long long ticks = 0;
    FILE *f = fopen("/proc/self/stat", "re");
    if (!f)
        return 0;
    const char *fields = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    fclose(f);
    struct timespec now, up;
    if (!fields ||
        sscanf(fields, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &ticks) != 1 ||
        clock_gettime(CLOCK_REALTIME, &now) != 0 || clock_gettime(CLOCK_BOOTTIME, &up) != 0)
        return 0;
    const double up_s = (double)up.tv_sec + (double)up.tv_nsec / 1e9;
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9 - up_s + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

void tdm__process_look(tdm__process *out)
{
    struct rusage use;
    struct rlimit files;
    *out = (tdm__process){.resident_bytes = resident_bytes(), .n_open_files = count_open_files()};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        out->n_open_files_max = (uint64_t)files.rlim_cur;
    if (getrusage(RUSAGE_SELF, &use) == 0)
        out->cpu_s = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                     (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    out->begin_unix_s = begin_unix_s();
}
