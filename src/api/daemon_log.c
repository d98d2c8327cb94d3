/* daemon_log.c - a line is put together in a buffer of fixed size and written at one stroke. */
#include "api/daemon_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/json_out.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/rfc3339.h"

enum { LINE_BYTES_MAX = 4096, MESSAGE_BYTES_MAX = 1024 };

static const char *const level_names[] = {
    [TDM__LOG_NONE] = "info", [TDM__LOG_ERROR] = "error", [TDM__LOG_WARNING] = "warning", [TDM__LOG_NOTE] = "note"};

void tdm__daemon_log_init(tdm__daemon_log *l, bool is_quiet)
{
    *l = (tdm__daemon_log){.is_quiet = is_quiet};
    pthread_mutex_init(&l->lock, NULL);
}

void tdm__daemon_log_fini(tdm__daemon_log *l) { pthread_mutex_destroy(&l->lock); }

void tdm__daemon_log_configure(tdm__daemon_log *l, bool is_json, size_t lines_a_second_max)
{
    pthread_mutex_lock(&l->lock);
    l->is_json = is_json;
    l->lines_a_second_max = lines_a_second_max;
    pthread_mutex_unlock(&l->lock);
}

/* ---- a line ---- */

typedef struct line {
    tdm__buf text;
    bool is_json;
    tdm_status status; /* of all that was put so far */
} line;

static void put_text(line *n, const char *name, const char *value)
{
    if (!value || value[0] == '\0' || n->status != TDM_OK)
        return;
    n->status = tdm__buf_printf(&n->text, n->is_json ? ",\"%s\":" : " %s=", name);
    if (n->status == TDM_OK && (n->is_json || strcspn(value, " \"=") != strlen(value)))
        n->status = tdm__json_put_string(&n->text, tdm__str_from(value));
    else if (n->status == TDM_OK)
        n->status = tdm__buf_append_z(&n->text, value);
}

static void put_number(line *n, const char *name, double value)
{
    if (n->status == TDM_OK)
        n->status = tdm__buf_printf(&n->text, n->is_json ? ",\"%s\":%.0f" : " %s=%.0f", name, value);
}

static void line_begin(line *n, bool is_json, tdm__log_level level, const char *event)
{
    struct timespec now;
    char time[TDM__RFC3339_TEXT];
    clock_gettime(CLOCK_REALTIME, &now);
    tdm__rfc3339_put(now.tv_sec, time);
    time[strcspn(time, "Z")] = '\0';
    *n = (line){.is_json = is_json};
    tdm__buf_init(&n->text, LINE_BYTES_MAX);
    const char *fmt = is_json ? "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"event\":\"%s\"" : "%s.%03ldZ %s %s";
    n->status = tdm__buf_printf(&n->text, fmt, time, now.tv_nsec / 1000000, level_names[level], event);
}

static void line_end(line *n)
{
    if (n->status == TDM_OK)
        n->status = tdm__buf_append_z(&n->text, n->is_json ? "}\n" : "\n");
    if (n->status == TDM_OK && write(STDERR_FILENO, n->text.ptr, n->text.len) < 0) {
        /* nobody to tell */
    }
    tdm__buf_fini(&n->text);
}

void tdm__daemon_log_event(tdm__daemon_log *l, tdm__log_level level, const char *event, const char *fmt, ...)
{
    char message[MESSAGE_BYTES_MAX];
    line n;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    for (char *c = message; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = '?'; /* a path may hold a line break */
    pthread_mutex_lock(&l->lock);
    const bool is_json = l->is_json;
    pthread_mutex_unlock(&l->lock);
    line_begin(&n, is_json, level, event);
    if (is_json)
        put_text(&n, "message", message);
    else if (n.status == TDM_OK)
        n.status = tdm__buf_printf(&n.text, " %s", message);
    line_end(&n);
}

static void take_line(void *user, tdm__log_level level, const char *text)
{
    const tdm__daemon_log_part *part = user;
    tdm__daemon_log_event(part->log, level, part->event, "%s", text);
}

tdm__log tdm__daemon_log_of(tdm__daemon_log_part *part) { return (tdm__log){take_line, part}; }

/* Whether this second has room for a line more; *n_dropped are to be told of first. */
static bool take_turn(tdm__daemon_log *l, size_t *n_dropped, bool *is_json)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&l->lock);
    *is_json = l->is_json;
    *n_dropped = 0;
    if (now.tv_sec != l->second) {
        l->second = now.tv_sec;
        l->n_lines = 0;
        *n_dropped = l->n_dropped;
        l->n_dropped = 0;
    }
    const bool fits = l->lines_a_second_max == 0 || l->n_lines < l->lines_a_second_max;
    *(fits ? &l->n_lines : &l->n_dropped) += 1;
    pthread_mutex_unlock(&l->lock);
    return fits;
}

void tdm__daemon_log_request(tdm__daemon_log *l, const tdm__log_request *r)
{
    size_t n_dropped;
    bool is_json;
    line n;
    if (l->is_quiet || !take_turn(l, &n_dropped, &is_json))
        return;
    if (n_dropped > 0)
        tdm__daemon_log_event(l, TDM__LOG_WARNING, "log", "%zu lines of requests were left out", n_dropped);
    line_begin(&n, is_json, TDM__LOG_NONE, "request");
    put_number(&n, "request", (double)r->id);
    put_text(&n, "route", r->route);
    put_number(&n, "status", r->status);
    put_number(&n, "ms", r->ms);
    put_text(&n, "app", r->app);
    put_text(&n, "decision", r->decision_id);
    if (r->has_tokens) {
        put_number(&n, "prompt_tokens", (double)r->n_prompt);
        put_number(&n, "tokens", (double)r->n_generated);
    }
    put_text(&n, "note", r->note);
    line_end(&n);
}
