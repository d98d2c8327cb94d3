/* test_os.c - files that are whole or absent, the worker team, what the processor says of itself. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "os/cgroup.h"
#include "os/clock.h"
#include "os/cpu.h"
#include "os/file.h"
#include "os/map.h"
#include "os/team.h"

enum { PATH_BYTES = 512 };

static char folder[64]; /* of this run, empty before each test */

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/tandem_test_os_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static const char *in_folder(const char *name)
{
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static size_t entries_of(const char *path)
{
    size_t n = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void written_files_come_back(void **state)
{
    (void)state;
    char *bytes;
    size_t len;
    struct stat st;
    const char *path = in_folder("f");
    assert_int_equal(tdm__file_write_atomic(path, "hello", 5, 0600), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(tdm__file_read(path, 5, &bytes, &len), 0);
    assert_int_equal(len, 5);
    assert_string_equal(bytes, "hello");
    free(bytes);
    assert_int_equal(tdm__file_read(path, 4, &bytes, &len), EFBIG);
    assert_int_equal(tdm__file_write_atomic(path, "", 0, 0644), 0);
    assert_int_equal(tdm__file_read(path, 0, &bytes, &len), 0);
    assert_int_equal(len, 0);
    free(bytes);
    assert_int_equal(entries_of(folder), 1);
}

static void long_files_come_back_whole(void **state)
{
    (void)state;
    enum { N = 1000003 };
    char *bytes = malloc(N), *back;
    size_t len;
    for (size_t i = 0; i < N; i++)
        bytes[i] = (char)(i * 31 % 256);
    assert_int_equal(tdm__file_write_atomic(in_folder("f"), bytes, N, 0600), 0);
    assert_int_equal(tdm__file_read(in_folder("f"), N, &back, &len), 0);
    assert_int_equal(len, N);
    assert_memory_equal(back, bytes, N);
    free(back);
    free(bytes);
}

static void failed_writes_leave_nothing_and_keep_what_was(void **state)
{
    (void)state;
    assert_int_equal(tdm__file_write_atomic(in_folder("missing/f"), "x", 1, 0600), ENOENT);
    assert_int_equal(tdm__file_write_atomic("/proc/tandem", "x", 1, 0600), ENOENT);
    assert_int_equal(entries_of(folder), 0);
    assert_int_equal(tdm__dir_make(in_folder("taken"), 0700), 0);
    assert_int_not_equal(tdm__file_write_atomic(in_folder("taken"), "x", 1, 0600), 0); /* a folder stands there */
    assert_int_equal(entries_of(folder), 1);
    char path[PATH_MAX + 1];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(tdm__file_write_atomic(path, "x", 1, 0600), ENAMETOOLONG);
}

/* A limit on the size of files stands for a full disk: the write fails in the middle. */
static void a_write_that_stops_halfway_leaves_the_old_file(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    char *bytes = calloc(1, N), *back;
    size_t len;
    struct rlimit old, small;
    assert_non_null(bytes);
    assert_int_equal(tdm__file_write_atomic(in_folder("f"), "old", 3, 0600), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = N / 2;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = tdm__file_write_atomic(in_folder("f"), bytes, N, 0600);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    free(bytes);
    assert_int_equal(rc, EFBIG);
    assert_int_equal(entries_of(folder), 1);
    assert_int_equal(tdm__file_read(in_folder("f"), 10, &back, &len), 0);
    assert_string_equal(back, "old");
    free(back);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    struct stat st;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/a//b/c/", folder);
    assert_int_equal(tdm__dir_make(path, 0700), 0);
    assert_int_equal(tdm__dir_make(path, 0700), 0);
    assert_int_equal(stat(in_folder("a/b/c"), &st), 0);
    assert_true(S_ISDIR(st.st_mode) && (st.st_mode & 0777) == 0700);
    assert_int_equal(tdm__file_write_atomic(in_folder("f"), "", 0, 0600), 0);
    assert_int_equal(tdm__dir_make(in_folder("f"), 0700), ENOTDIR);
    assert_int_equal(tdm__dir_make(in_folder("f/x"), 0700), ENOTDIR);
    assert_int_equal(tdm__dir_make("", 0700), ENOENT);
}

static void maps_show_the_file_and_refuse_what_is_none(void **state)
{
    (void)state;
    tdm__map m;
    assert_int_equal(tdm__file_write_atomic(in_folder("f"), "mapped", 6, 0600), 0);
    assert_int_equal(tdm__map_open(in_folder("f"), &m), 0);
    unlink(in_folder("f"));
    assert_int_equal(m.len, 6);
    tdm__map_warm(&m);
    assert_memory_equal(m.ptr, "mapped", 6);
    tdm__map_close(&m);
    assert_null(m.ptr);
    tdm__map_close(&m);
    assert_int_equal(tdm__file_write_atomic(in_folder("empty"), "", 0, 0600), 0);
    assert_int_equal(tdm__map_open(in_folder("empty"), &m), 0);
    assert_int_equal(m.len, 0);
    tdm__map_close(&m);
    assert_int_equal(tdm__map_open(in_folder("missing"), &m), ENOENT);
    assert_int_equal(tdm__map_open(folder, &m), EISDIR);
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    assert_int_equal(tdm__map_open(in_folder("fifo"), &m), EINVAL); /* and at once: nobody writes into it */
}

static void a_map_knows_that_its_file_was_changed(void **state)
{
    (void)state;
    tdm__map m;
    assert_int_equal(tdm__file_write_atomic(in_folder("f"), "mapped", 6, 0600), 0);
    assert_int_equal(tdm__map_open(in_folder("f"), &m), 0);
    assert_true(tdm__map_is_intact(&m));
    assert_int_equal(tdm__file_write_atomic(in_folder("f"), "another", 7, 0600), 0); /* a new file of that name */
    assert_true(tdm__map_is_intact(&m));
    tdm__map_close(&m);
    assert_int_equal(tdm__map_open(in_folder("f"), &m), 0);
    assert_int_equal(truncate(in_folder("f"), 3), 0);
    assert_false(tdm__map_is_intact(&m));
    tdm__map_close(&m);
}

static void the_guard_gives_zeros_behind_a_cut(void **state)
{
    (void)state;
    enum { BYTES = 64 * 1024 };
    static char bytes[BYTES];
    tdm__map m;
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(tdm__map_guard_install(), 0);
    assert_int_equal(tdm__file_write_atomic(in_folder("f"), bytes, sizeof bytes, 0600), 0);
    assert_int_equal(tdm__map_open(in_folder("f"), &m), 0);
    assert_int_equal(truncate(in_folder("f"), 10), 0);
    const volatile unsigned char *p = m.ptr;
    assert_int_equal(p[0], 'x');
    assert_int_equal(p[BYTES - 1], 0);
    tdm__map_close(&m);
    assert_int_equal(signal(SIGBUS, SIG_DFL) == SIG_ERR, 0);
}

static void free_space_is_known(void **state)
{
    (void)state;
    uint64_t bytes = 0;
    assert_int_equal(tdm__disk_free(folder, &bytes), 0);
    assert_true(bytes > 0);
    assert_int_equal(tdm__disk_free(in_folder("missing"), &bytes), ENOENT);
}

static void parts_of_a_range_cover_it_exactly(void **state)
{
    (void)state;
    for (int n = 1; n <= 9; n++)
        for (size_t items = 0; items < 100; items++) {
            size_t at = 0;
            for (int i = 0; i < n; i++) {
                size_t begin, end;
                tdm__team_range(items, i, n, &begin, &end);
                assert_int_equal(begin, at);
                assert_true(end >= begin && end - begin <= items / (size_t)n + 1 && end - begin >= items / (size_t)n);
                at = end;
            }
            assert_int_equal(at, items);
        }
}

typedef struct tally {
    _Atomic unsigned runs[16];
    size_t plain[16]; /* written by one member, read by the caller after the run */
    int n;
} tally;

static void count_run(void *ctx, int i, int n)
{
    tally *t = ctx;
    if (n == t->n) {
        t->plain[i]++;
        atomic_fetch_add(&t->runs[i], 1);
    }
}

static void every_member_runs_once_each_run(void **state)
{
    (void)state;
    for (int n = 1; n <= 8; n++) {
        unsigned n_runs = n <= 2 ? 5000 : 500; /* more members than cores wait for each other's time slices */
        tally t = {.n = n};
        tdm__team *team = tdm__team_create(n);
        assert_non_null(team);
        assert_int_equal(tdm__team_size(team), n);
        for (unsigned r = 1; r <= n_runs; r++) {
            tdm__team_run(team, count_run, &t);
            for (int i = 0; i < n; i++)
                if (t.plain[i] != r || t.runs[i] != r)
                    fail_msg("member %d of %d ran %zu times in %u runs", i, n, t.plain[i], r);
        }
        tdm__team_destroy(team);
    }
}

static void slow_member(void *ctx, int i, int n)
{
    (void)n;
    if (i == *(int *)ctx)
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
}

static void teams_wake_from_sleep_on_either_side(void **state)
{
    (void)state;
    tdm__team *team = tdm__team_create(3);
    tally t = {.n = 3};
    assert_non_null(team);
    for (unsigned r = 1; r <= 20; r++) {
        for (int slow = 0; slow < 3; slow++) /* member 0: workers fall asleep; others: the caller does */
            tdm__team_run(team, slow_member, &slow);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* all workers asleep */
        tdm__team_run(team, count_run, &t);
        assert_int_equal(t.plain[1], r);
        assert_int_equal(t.plain[2], r);
    }
    tdm__team_destroy(team);
}

static void idle_teams_use_no_cpu(void **state)
{
    (void)state;
    tdm__team *team = tdm__team_create(4);
    tally t = {.n = 4};
    assert_non_null(team);
    tdm__team_run(team, count_run, &t);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double used_s = (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    assert_true(used_s < 0.01);
    tdm__team_destroy(team);
}

static void teams_of_no_size_are_refused(void **state)
{
    (void)state;
    assert_null(tdm__team_create(0));
    assert_null(tdm__team_create(-1));
    assert_null(tdm__team_create(1000000));
    assert_int_equal(errno, EINVAL);
    tdm__team_destroy(NULL);
    for (int i = 0; i < 50; i++) /* ends before the workers have begun, too */
        tdm__team_destroy(tdm__team_create(4));
}

static void instruction_sets_have_names(void **state)
{
    (void)state;
    for (int i = 0; i < TDM__ISA_COUNT; i++) {
        tdm__isa isa = TDM__ISA_COUNT;
        assert_int_equal(tdm__isa_parse(tdm__isa_name((tdm__isa)i), &isa), 0);
        assert_int_equal(isa, i);
    }
    tdm__isa kept = TDM__ISA_AVX2;
    assert_int_equal(tdm__isa_parse("AVX2", &kept), -1);
    assert_int_equal(tdm__isa_parse("", &kept), -1);
    assert_int_equal(kept, TDM__ISA_AVX2);
    assert_string_equal(tdm__isa_name(TDM__ISA_COUNT), "unknown");
    assert_true(tdm__cpu_isa() < TDM__ISA_COUNT);
}

static void put(const char *name, const char *text)
{
    char dir[PATH_BYTES];
    snprintf(dir, sizeof dir, "%s/%s", folder, name);
    *strrchr(dir, '/') = '\0';
    assert_int_equal(tdm__dir_make(dir, 0700), 0);
    assert_int_equal(tdm__file_write_atomic(in_folder(name), text, strlen(text), 0600), 0);
}

static tdm__cgroup_limits limits_in_folder(void)
{
    char proc[PATH_BYTES];
    tdm__cgroup_limits limits;
    snprintf(proc, sizeof proc, "%s/proc", folder);
    tdm__cgroup_read(proc, folder, &limits);
    return limits;
}

static void the_tightest_group_above_the_process_limits_it(void **state)
{
    (void)state;
    put("proc", "0::/a/b\n");
    put("a/cpu.max", "250000 100000\n");
    put("a/b/cpu.max", "max 100000\n");
    put("a/memory.max", "1000000\n");
    put("a/memory.current", "900000\n");
    put("a/memory.stat", "anon 100000\ninactive_file 500000\nactive_file 200000\n");
    put("a/b/memory.max", "max\n");
    put("a/b/memory.current", "900000\n");
    tdm__cgroup_limits limits = limits_in_folder();
    assert_int_equal(limits.cores, 3);
    assert_int_equal(limits.memory_left_bytes, 800000);
    put("a/b/cpu.max", "50000 100000\n");
    put("a/b/memory.max", "899999\n");
    limits = limits_in_folder();
    assert_int_equal(limits.cores, 1);
    assert_int_equal(limits.memory_left_bytes, 0);
    put("proc", "0::/not/visible\n");
    put("cpu.max", "200000 100000\n");
    assert_int_equal(limits_in_folder().cores, 2);
}

static void groups_of_version_1_limit_too_and_nonsense_does_not(void **state)
{
    (void)state;
    put("proc", "9:name=systemd:/\n4:cpu,cpuacct:/x\n3:memory:/x\n0::/\nnonsense\n:\n");
    put("cpu/x/cpu.cfs_quota_us", "-1\n");
    put("cpu/x/cpu.cfs_period_us", "100000\n");
    put("memory/x/memory.limit_in_bytes", "5000\n");
    put("memory/x/memory.usage_in_bytes", "1000\n");
    assert_int_equal(limits_in_folder().cores, 0);
    assert_int_equal(limits_in_folder().memory_left_bytes, 4000);
    put("cpu/x/cpu.cfs_quota_us", "150000\n");
    put("memory/x/memory.limit_in_bytes", "words\n");
    assert_int_equal(limits_in_folder().cores, 2);
    assert_true(limits_in_folder().memory_left_bytes == UINT64_MAX);
    unlink(in_folder("proc"));
    assert_int_equal(limits_in_folder().cores, 0);
}

static void limits_of_the_machine_are_plausible(void **state)
{
    (void)state;
    assert_true(tdm__cpu_count() >= 1 && tdm__cpu_count() <= sysconf(_SC_NPROCESSORS_CONF));
    assert_true(tdm__memory_available() > 1024 * 1024);
    uint64_t a = tdm__clock_ns(), b = tdm__clock_ns();
    assert_true(b >= a);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(written_files_come_back),
        IN_FOLDER(long_files_come_back_whole),
        IN_FOLDER(failed_writes_leave_nothing_and_keep_what_was),
        IN_FOLDER(a_write_that_stops_halfway_leaves_the_old_file),
        IN_FOLDER(folders_are_made_with_their_parents),
        IN_FOLDER(maps_show_the_file_and_refuse_what_is_none),
        IN_FOLDER(a_map_knows_that_its_file_was_changed),
        IN_FOLDER(the_guard_gives_zeros_behind_a_cut),
        IN_FOLDER(free_space_is_known),
        cmocka_unit_test(parts_of_a_range_cover_it_exactly),
        cmocka_unit_test(every_member_runs_once_each_run),
        cmocka_unit_test(teams_wake_from_sleep_on_either_side),
        cmocka_unit_test(idle_teams_use_no_cpu),
        cmocka_unit_test(teams_of_no_size_are_refused),
        cmocka_unit_test(instruction_sets_have_names),
        IN_FOLDER(the_tightest_group_above_the_process_limits_it),
        IN_FOLDER(groups_of_version_1_limit_too_and_nonsense_does_not),
        cmocka_unit_test(limits_of_the_machine_are_plausible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
