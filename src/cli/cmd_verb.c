/* cmd_verb.c - tandem proofread, rewrite, summarize, reply, prioritise: the verbs, from a file or stdin to stdout.
 *
 * The same spine, journal and device as tandem assistant, the same checks and codes as POST /v1/features. A result is
 * written when it is whole: what may be taken back is nothing for a pipe. Ctrl-C cancels the run.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/local_service.h"
#include "cli/verb_source.h"
#include "cli/verb_turn.h"

enum { ROWS_MAX = 12, SYNOPSIS_BYTES = 256, SLOTS = 4 /* suggestions that are made side by side */ };

/* A signal handler has no other way to tell anybody. */
static volatile sig_atomic_t n_interrupts;

typedef struct work {
    tdm__common common;
    const char *model, *record, *style, *instruction, *kind, *source, *language, *draft;
    size_t n;
    uint64_t seed;
    tdm__verb_ask ask;
} work;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    n_interrupts++;
}

/* ---- options ---- */

/* A row an option that the verb takes; field NULL: all do. */
static void put_row(tdm__option *rows, size_t *n, tdm__verb verb, const char *field, tdm__option row)
{
    if (!field || tdm__verb_takes(verb, field))
        rows[(*n)++] = row;
}

static void put_rows(work *w, tdm__option rows[ROWS_MAX + 1])
{
    const tdm__verb v = w->ask.verb;
    size_t n = 0;
    put_row(rows, &n, v, NULL, (tdm__option){"-m", "MODEL", "this device's model (" TDM__MODEL_DEFAULT ")",
                                             TDM__OPTION_TEXT, &w->model, 0, 0});
    put_row(rows, &n, v, NULL, (tdm__option){"--device", "F", "a device record to install", TDM__OPTION_TEXT,
                                             &w->record, 0, 0});
    put_row(rows, &n, v, "style", (tdm__option){"--style", "S",
                                                "friendly, professional, concise, elaborate, shorter (professional)",
                                                TDM__OPTION_TEXT, &w->style, 0, 0});
    put_row(rows, &n, v, "instruction", (tdm__option){"--instruction", "TEXT", "how else to rewrite it",
                                                      TDM__OPTION_TEXT, &w->instruction, 0, 0});
    put_row(rows, &n, v, "kind", (tdm__option){"--kind", "K", "paragraph, points, line (paragraph)", TDM__OPTION_TEXT,
                                               &w->kind, 0, 0});
    put_row(rows, &n, v, "source", (tdm__option){"--source", "S", "article, chat, mail, notifications (article)",
                                                 TDM__OPTION_TEXT, &w->source, 0, 0});
    put_row(rows, &n, v, "lang", (tdm__option){"--lang", "L", "of the result: en, zh (the text's own)",
                                               TDM__OPTION_TEXT, &w->language, 0, 0});
    if (v != TDM__VERB_PROOFREAD && v != TDM__VERB_PRIORITISE)
        put_row(rows, &n, v, "n", (tdm__option){"-n", "N", v == TDM__VERB_REPLY ? "suggestions (3)" : "suggestions (1)",
                                                TDM__OPTION_COUNT, &w->n, 1, TDM__CANDIDATES_MAX});
    put_row(rows, &n, v, "seed", (tdm__option){"--seed", "N", "the same seed gives the same result", TDM__OPTION_U64,
                                               &w->seed, 0, 0});
    put_row(rows, &n, v, NULL, (tdm__option){"--draft", "HOW", "off, auto: the result is the same (auto)",
                                             TDM__OPTION_TEXT, &w->draft, 0, 0});
    rows[n] = (tdm__option){0};
}

static void put_synopsis(const tdm__option *rows, char out[SYNOPSIS_BYTES])
{
    size_t n = 0;
    for (const tdm__option *r = rows; r->name; r++)
        n += (size_t)snprintf(out + n, SYNOPSIS_BYTES - n, "[%s %s] ", r->name, r->value);
    snprintf(out + n, SYNOPSIS_BYTES - n, "[FILE]");
}

static bool bad_name(const char *name, const char *option, const char *value, const char *names, int *code)
{
    *code = tdm__command_usage(name, "%s is %s, one of %s is needed", option, value, names);
    return false;
}

/* The options' words into the ask. */
static bool read_options(work *w, int *code)
{
    tdm__verb_ask *a = &w->ask;
    const char *name = tdm__verb_name(a->verb);
    if (w->style && (a->style = tdm__style_from(tdm__str_from(w->style))) == TDM__STYLE_NONE)
        return bad_name(name, "--style", w->style, "friendly, professional, concise, elaborate, shorter, custom", code);
    if (w->kind && (a->kind = tdm__kind_from(tdm__str_from(w->kind))) == TDM__KIND_NONE)
        return bad_name(name, "--kind", w->kind, "paragraph, points, line", code);
    if (w->source && (a->source = tdm__source_from(tdm__str_from(w->source))) == TDM__SOURCE_NONE)
        return bad_name(name, "--source", w->source, "article, chat, mail, notifications", code);
    if (w->language && strcmp(w->language, "en") != 0 && strcmp(w->language, "zh") != 0)
        return bad_name(name, "--lang", w->language, "en, zh", code);
    if (w->draft && strcmp(w->draft, "off") != 0 && strcmp(w->draft, "auto") != 0)
        return bad_name(name, "--draft", w->draft, "off, auto", code);
    if (w->instruction) {
        a->instruction = tdm__str_from(w->instruction);
        if (a->instruction.len == 0 || a->instruction.len > TDM__VERB_INSTRUCTION_BYTES_MAX) {
            *code = tdm__command_usage(name, "--instruction has %zu bytes, 1 to %d are taken", a->instruction.len,
                                       TDM__VERB_INSTRUCTION_BYTES_MAX);
            return false;
        }
    }
    a->language = w->language;
    a->no_draft = w->draft && strcmp(w->draft, "off") == 0;
    a->n = w->n;
    a->has_seed = w->seed != UINT64_MAX;
    a->seed = w->seed;
    return true;
}

/* ---- the result ---- */

static int refuse(const work *w, const tdm__api_error *e)
{
    fprintf(stderr, "tandem %s: %s (%s)\n", tdm__verb_name(w->ask.verb), e->message, e->code ? e->code : "refused");
    const bool is_policy = e->status == 403 || (e->code && strcmp(e->code, "content_filter") == 0);
    return is_policy ? TDM__EXIT_REFUSED : TDM__EXIT_FAILED;
}

static void put_line(const char *text, size_t len)
{
    tdm__command_put_text(stdout, text, len, isatty(STDOUT_FILENO) == 1);
    if (len == 0 || text[len - 1] != '\n')
        putchar('\n');
}

/* A message's text in one line. */
static void put_priority(const json_t *s)
{
    const char *reason = json_string_value(json_object_get(s, "reason"));
    const char *text = json_string_value(json_object_get(s, "text"));
    printf("%lld\t%s\t", (long long)json_integer_value(json_object_get(s, "score")), reason ? reason : "");
    for (const char *at = text ? text : ""; *at;) {
        const size_t n = strcspn(at, "\r\n\t");
        tdm__command_put_text(stdout, at, n, isatty(STDOUT_FILENO) == 1);
        at += n;
        if (*at) {
            putchar(' ');
            at += strspn(at, "\r\n\t");
        }
    }
    putchar('\n');
}

static void print_result(const work *w, const tdm__verb_turn *t)
{
    size_t i;
    json_t *s;
    json_array_foreach(json_object_get(t->result, "suggestions"), i, s)
    {
        const json_t *text = json_object_get(s, "text");
        if (w->ask.verb == TDM__VERB_PRIORITISE) {
            put_priority(s);
            continue;
        }
        if (i > 0)
            puts("---");
        put_line(json_string_value(text), json_string_length(text));
    }
    if (strcmp(t->end.label, "none") != 0)
        put_line(t->end.label, strlen(t->end.label));
    const tdm__job_timings *m = &t->end.timings;
    if (!w->common.quiet)
        fprintf(stderr, "%zu tokens read in %.0f ms, %zu written in %.0f ms\n", m->n_prompt, m->prompt_ms,
                m->n_generated, m->decode_ms);
}

static int finish(const work *w, tdm__verb_turn *t)
{
    if (!w->common.json) {
        print_result(w, t);
        return TDM__EXIT_DONE;
    }
    json_t *result = t->result;
    t->result = NULL;
    return tdm__command_print_json(tdm__verb_name(w->ask.verb), result);
}

/* ---- the run ---- */

static int run(work *w)
{
    tdm__local_service local;
    tdm__verb_turn turn = {0};
    tdm__api_error e;
    tdm_error err = {0};
    int code;
    const size_t n_slots = w->ask.n > SLOTS ? w->ask.n : SLOTS;
    if (tdm__local_service_open(&w->common, w->model, w->record, n_slots, &local, &err) != TDM_OK) {
        code = tdm__command_fail(tdm__verb_name(w->ask.verb), &err);
    } else {
        struct sigaction sa = {.sa_handler = on_interrupt};
        sigemptyset(&sa.sa_mask);
        sigaction(SIGINT, &sa, NULL);
        code = tdm__verb_turn_run(&turn, local.service, &w->ask, &n_interrupts, &e) ? finish(w, &turn) : refuse(w, &e);
    }
    tdm__verb_turn_fini(&turn);
    tdm__local_service_close(&local);
    return code;
}

int tdm__cmd_verb(int argc, char **argv)
{
    work w = {.model = TDM__MODEL_DEFAULT, .record = "", .seed = UINT64_MAX};
    w.ask.verb = tdm__verb_from(tdm__str_from(argv[0]));
    const char *name = tdm__verb_name(w.ask.verb), *path = NULL;
    tdm__option rows[ROWS_MAX + 1];
    char synopsis[SYNOPSIS_BYTES];
    size_t n_args;
    int code;
    put_rows(&w, rows);
    put_synopsis(rows, synopsis);
    if (!tdm__options_parse(name, synopsis, rows, argc, argv, &w.common, &path, 1, &n_args, &code) ||
        !read_options(&w, &code))
        return code;
    tdm__verb_source source;
    tdm__api_error e;
    if (tdm__verb_source_read(&source, path, &w.ask, &e) && tdm__verb_ask_check(&w.ask, &e))
        code = run(&w);
    else
        code = refuse(&w, &e);
    tdm__verb_source_fini(&source);
    return code;
}
