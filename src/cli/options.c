/* options.c - a command's table of options is its parser and its help.
 *
 * "--name value", "--name=value" and "-p value" are read; "--" ends the options; the last of several wins, but for the
 * kind that collects. What is wrong is said in one line that names the option, the value and the limit, and for a name
 * that is none the nearest.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "base/nearest.h"
#include "engine/thread_count.h"

enum { COMMON_ROWS = 10, GENERAL_ROWS = 3 }; /* the first three are of use to every command, the rest to an engine */

typedef struct parser {
    const char *command;
    const tdm__option *rows;   /* the command's, ended by a NULL name */
    const tdm__option *common; /* [COMMON_ROWS], the last one ends them */
} parser;

int tdm__command_usage(const char *command, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "tandem %s: ", command);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, " (tandem %s --help lists the options)\n", command);
    return TDM__EXIT_USAGE;
}

int tdm__command_fail(const char *command, const tdm_error *err)
{
    fprintf(stderr, "tandem %s: %s\n", command, err->msg[0] ? err->msg : tdm_status_text(err->code));
    return err->code == TDM_ERR_INTEGRITY ? TDM__EXIT_INTEGRITY
           : err->code == TDM_ERR_REFUSED ? TDM__EXIT_REFUSED
                                          : TDM__EXIT_FAILED;
}

static const tdm__option *row_find(const parser *p, const char *name, size_t len)
{
    const tdm__option *tables[] = {p->rows, p->common};
    for (size_t t = 0; t < 2; t++)
        for (const tdm__option *row = tables[t]; row->name; row++)
            if (strlen(row->name) == len && memcmp(row->name, name, len) == 0)
                return row;
    return NULL;
}

static int unknown_option(const parser *p, const char *name, size_t len)
{
    tdm__nearest near = {.wanted = name, .wanted_len = len};
    for (const tdm__option *row = p->rows; row->name; row++)
        tdm__nearest_offer(&near, row->name);
    for (const tdm__option *row = p->common; row->name; row++)
        tdm__nearest_offer(&near, row->name);
    if (near.best)
        return tdm__command_usage(p->command, "%.*s is no option, %s is the nearest", (int)len, name, near.best);
    return tdm__command_usage(p->command, "%.*s is no option", (int)len, name);
}

static int parse_count(const parser *p, const tdm__option *row, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    bool digits = text[0] >= '0' && text[0] <= '9' && *end == '\0'; /* strtoull would take blanks and a minus */
    if (row->kind == TDM__OPTION_U64) {
        if (!digits || errno == ERANGE)
            return tdm__command_usage(p->command, "%s is %s, a whole number from 0 to %" PRIu64 " is needed", row->name,
                                      text, UINT64_MAX);
        *(uint64_t *)row->out = v;
        return TDM__EXIT_DONE;
    }
    if (!digits || errno == ERANGE || (double)v < row->min || (double)v > row->max)
        return tdm__command_usage(p->command, "%s is %s, a whole number from %.0f to %.0f is needed", row->name, text,
                                  row->min, row->max);
    *(size_t *)row->out = (size_t)v;
    return TDM__EXIT_DONE;
}

static int parse_real(const parser *p, const tdm__option *row, const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(v) || v < row->min || v > row->max)
        return tdm__command_usage(p->command, "%s is %s, a number from %g to %g is needed", row->name, text, row->min,
                                  row->max);
    *(double *)row->out = v;
    return TDM__EXIT_DONE;
}

static int collect(const parser *p, const tdm__option *row, const char *text)
{
    tdm__texts *texts = row->out;
    if (texts->n == TDM__TEXTS_MAX)
        return tdm__command_usage(p->command, "%s comes more than %d times", row->name, TDM__TEXTS_MAX);
    texts->items[texts->n++] = text;
    return TDM__EXIT_DONE;
}

static int store(const parser *p, const tdm__option *row, const char *text)
{
    switch (row->kind) {
    case TDM__OPTION_FLAG:
        *(bool *)row->out = true;
        return TDM__EXIT_DONE;
    case TDM__OPTION_TEXT:
        *(const char **)row->out = text;
        return TDM__EXIT_DONE;
    case TDM__OPTION_COUNT:
    case TDM__OPTION_U64:
        return parse_count(p, row, text);
    case TDM__OPTION_REAL:
        return parse_real(p, row, text);
    case TDM__OPTION_TEXTS:
        return collect(p, row, text);
    }
    return TDM__EXIT_FAILED;
}

/* The option at argv[*i]; *i moves on over a value that stands behind it. */
static int parse_option(const parser *p, int argc, char **argv, int *i)
{
    const char *arg = argv[*i];
    const char *equals = arg[1] == '-' ? strchr(arg, '=') : NULL;
    size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
    const tdm__option *row = row_find(p, arg, len);
    if (!row)
        return unknown_option(p, arg, len);
    if (row->kind == TDM__OPTION_FLAG) {
        if (equals)
            return tdm__command_usage(p->command, "%s takes no value", row->name);
        return store(p, row, NULL);
    }
    if (equals)
        return store(p, row, equals + 1);
    if (*i + 1 == argc)
        return tdm__command_usage(p->command, "%s needs a value (%s)", row->name, row->value);
    return store(p, row, argv[++*i]);
}

/* hidden: rows that a row of the same name stands before, or NULL. */
static void print_rows(const tdm__option *rows, size_t n_max, const parser *hidden)
{
    for (const tdm__option *row = rows; row->name && (size_t)(row - rows) < n_max; row++) {
        if (hidden && row_find(hidden, row->name, strlen(row->name)) != row)
            continue;
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", row->name, row->value ? " " : "", row->value ? row->value : "");
        printf("  %-24s %s\n", left, row->help);
    }
}

static int print_help(const parser *p, const char *synopsis)
{
    printf("usage: tandem %s %s\n\n", p->command, synopsis);
    print_rows(p->rows, SIZE_MAX, NULL);
    if (p->rows->name)
        printf("\n");
    print_rows(p->common, row_find(p, "-m", 2) ? SIZE_MAX : GENERAL_ROWS, p);
    return TDM__EXIT_DONE;
}

/* All arguments into the rows' places and args. */
static int parse_all(const parser *p, const char *synopsis, int argc, char **argv, const char **args, size_t args_max,
                     size_t *n_args, bool *helped)
{
    bool options_end = false;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (!options_end && strcmp(arg, "--") == 0) {
            options_end = true;
        } else if (!options_end && (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)) {
            *helped = true;
            return print_help(p, synopsis);
        } else if (!options_end && arg[0] == '-' && arg[1] != '\0') {
            int code = parse_option(p, argc, argv, &i);
            if (code != TDM__EXIT_DONE)
                return code;
        } else if (*n_args == args_max) {
            return tdm__command_usage(p->command, "%s is one argument too many, at most %zu are taken", arg, args_max);
        } else {
            args[(*n_args)++] = arg;
        }
    }
    return TDM__EXIT_DONE;
}

void tdm__options_limit_threads(tdm__common *common, const tdm__log *log)
{
    if (common->n_threads > 0)
        common->n_threads = (size_t)tdm__thread_count((int)common->n_threads, common->quiet, log);
}

bool tdm__options_parse(const char *command, const char *synopsis, const tdm__option *rows, int argc, char **argv,
                        tdm__common *common, const char **args, size_t args_max, size_t *n_args, int *code)
{
    *common = (tdm__common){.isa_max = tdm__cpu_isa()};
    const char *home = NULL, *isa = NULL, *prefix = NULL, *kv = NULL;
    bool helped = false;
    const tdm__option common_rows[COMMON_ROWS] = {
        {"--home", "DIR", "keep all files under DIR (or TANDEM_HOME)", TDM__OPTION_TEXT, &home, 0, 0},
        {"--json", NULL, "answer as JSON", TDM__OPTION_FLAG, &common->json, 0, 0},
        {"--quiet", NULL, "nothing but the answer and errors", TDM__OPTION_FLAG, &common->quiet, 0, 0},
        {"--threads", "N", "threads (default: all cores it may use)", TDM__OPTION_COUNT, &common->n_threads, 1, 1024},
        {"--isa", "LEVEL", "highest instruction set: scalar, avx2, avx512, vnni", TDM__OPTION_TEXT, &isa, 0, 0},
        {"-c", "N", "context, in tokens", TDM__OPTION_COUNT, &common->n_ctx, 1, 16777216},
        {"--parallel", "N", "answers at once", TDM__OPTION_COUNT, &common->n_parallel, 1, 1024},
        {"--prefix", "WHAT", "beginnings of prompts kept for later starts: all, public (no user's text), off",
         TDM__OPTION_TEXT, &prefix, 0, 0},
        {"--kv", "TYPE", "type of the cache: f16, or q8 in a little over half the memory (f16)", TDM__OPTION_TEXT, &kv,
         0, 0},
        {0},
    };
    parser p = {.command = command, .rows = rows, .common = common_rows};
    *n_args = 0;
    *code = parse_all(&p, synopsis, argc, argv, args, args_max, n_args, &helped);
    if (*code != TDM__EXIT_DONE || helped)
        return false;
    tdm__isa ceiling = common->isa_max;
    if (isa && tdm__isa_parse(isa, &ceiling) != 0) {
        *code = tdm__command_usage(command, "--isa is %s, one of scalar, avx2, avx512, vnni is needed", isa);
        return false;
    }
    if (kv && tdm__kv_type_parse(kv, &common->kv_type) != 0) {
        *code = tdm__command_usage(command, "--kv is %s, one of f16, q8 is needed", kv);
        return false;
    }
    if (ceiling < common->isa_max)
        common->isa_max = ceiling;
    tdm__options_limit_threads(common, NULL);
    if (prefix && !tdm__prefix_scope_parse(prefix, &common->prefix_scope)) {
        *code = tdm__command_usage(command, "--prefix is %s, one of all, public, off is needed", prefix);
        return false;
    }
    tdm_error err;
    if (tdm__home_resolve(home, &common->home, &err) != TDM_OK) {
        *code = tdm__command_usage(command, "%s", err.msg);
        return false;
    }
    return true;
}
