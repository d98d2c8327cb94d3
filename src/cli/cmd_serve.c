/* cmd_serve.c - tandem serve: the daemon, and the thread that brings its model.
 *
 * The table of settings (api/settings.h) is the list of options. The address listens first; then a catalogue's model is
 * fetched when it is not in the cache, and loaded. Progress is in /healthz and, by sources, on stderr. Nothing goes to
 * stdout but what --print-config asks for. A name that no catalogue has is refused before anything listens.
 */
#include <stdio.h>
#include <string.h>

#include "api/daemon.h"
#include "cli/command.h"
#include "cli/model_bring.h"

enum { OWN_ROWS = 2, HELP_CAP = 240, CONFIG_BYTES_MAX = 64 * 1024 };

static const char synopsis[] = "[-m MODEL] [--config FILE] [--device FILE] [--listen ADDR:PORT]";

/* What the options are read into. */
typedef struct arguments {
    const char *config_path;
    bool print_config;
    const char *texts[TDM__N_SETTINGS];
    bool is_set[TDM__N_SETTINGS];   /* of FLAG */
    tdm__texts names[TDM__N_SETTINGS]; /* of NAMES */
    char joined[TDM__SETTING_TEXT_MAX + 2];
    char help[TDM__N_SETTINGS][HELP_CAP];
    tdm__option rows[TDM__N_SETTINGS + OWN_ROWS + 1];
} arguments;

static void make_rows(arguments *a)
{
    size_t n = 0;
    for (size_t i = 0; i < TDM__N_SETTINGS; i++) {
        const tdm__setting *s = &tdm__settings_table[i];
        tdm__option row = {.name = s->flag, .value = s->value, .help = a->help[i]};
        const bool has_initial = s->initial[0] != '\0' && s->kind != TDM__SETTING_FLAG;
        snprintf(a->help[i], HELP_CAP, "%s%s%s%s", s->help, has_initial ? " (default " : "",
                 has_initial ? s->initial : "", has_initial ? ")" : "");
        row.kind = s->kind == TDM__SETTING_FLAG    ? TDM__OPTION_FLAG
                   : s->kind == TDM__SETTING_NAMES ? TDM__OPTION_TEXTS
                                                   : TDM__OPTION_TEXT;
        row.out = s->kind == TDM__SETTING_FLAG    ? (void *)&a->is_set[i]
                  : s->kind == TDM__SETTING_NAMES ? (void *)&a->names[i]
                                                  : (void *)&a->texts[i];
        a->rows[n++] = row;
    }
    a->rows[n++] = (tdm__option){"--config", "FILE", "settings as YAML; the options above win over it",
                                 TDM__OPTION_TEXT, &a->config_path, 0, 0};
    a->rows[n++] = (tdm__option){"--print-config", NULL, "print all settings as such a file, and end",
                                 TDM__OPTION_FLAG, &a->print_config, 0, 0};
}

/* Names with blanks between them, as a setting keeps them; what does not fit is too long there as well. */
static const char *join(const tdm__texts *names, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < names->n && len < cap; i++)
        len += (size_t)snprintf(out + len, cap - len, "%s%s", i > 0 ? " " : "", names->items[i]);
    return names->n > 0 ? out : NULL;
}

static tdm__settings_flags flags_of(arguments *a)
{
    tdm__settings_flags f;
    for (size_t i = 0; i < TDM__N_SETTINGS; i++)
        switch (tdm__settings_table[i].kind) {
        case TDM__SETTING_FLAG: f.texts[i] = a->is_set[i] ? "true" : NULL; break;
        case TDM__SETTING_NAMES: f.texts[i] = join(&a->names[i], a->joined, sizeof a->joined); break;
        default: f.texts[i] = a->texts[i]; break;
        }
    return f;
}

static int print_config(const tdm__settings *s)
{
    tdm__buf text;
    tdm_error err = {.code = TDM_ERR_NOMEM};
    tdm__buf_init(&text, CONFIG_BYTES_MAX);
    int code = TDM__EXIT_DONE;
    if (tdm__settings_put(&text, s) != TDM_OK)
        code = tdm__command_fail("serve", &err);
    else
        fputs(tdm__buf_cstr(&text), stdout);
    tdm__buf_fini(&text);
    return code;
}

typedef struct loading {
    tdm__bring bring;
    tdm__common *common;
} loading;

static tdm_status load(void *user, tdm__service *s, const tdm__log *log, const atomic_bool *stop, tdm_error *err)
{
    loading *l = user;
    l->bring.log = log;
    tdm__options_limit_threads(l->common, log);
    return tdm__bring_load(&l->bring, s, stop, err);
}

static int serve(tdm__common *common, const tdm__settings *settings, tdm__daemon_options *o)
{
    tdm_error err = {0};
    common->n_parallel = (size_t)tdm__settings_number(settings, TDM__SET_PARALLEL);
    common->n_ctx = (size_t)tdm__settings_number(settings, TDM__SET_CONTEXT);
    common->n_threads = (size_t)tdm__settings_number(settings, TDM__SET_THREADS);
    /* the table has the same words */
    (void)tdm__prefix_scope_parse(tdm__settings_text(settings, TDM__SET_PREFIX), &common->prefix_scope);
    common->prefix_bytes_max = tdm__settings_number(settings, TDM__SET_PREFIX_CACHE);
    tdm__kv_type_parse(tdm__settings_text(settings, TDM__SET_KV), &common->kv_type); /* a choice: one of its names */
    loading l = {.common = common,
                 .bring = {.common = common,
                           .model = tdm__settings_text(settings, TDM__SET_MODEL),
                           .n_queue = (size_t)tdm__settings_number(settings, TDM__SET_QUEUE),
                           .no_drafts = strcmp(tdm__settings_text(settings, TDM__SET_DRAFT), "off") == 0}};
    tdm_status s = tdm__bring_choose(&l.bring, &err);
    if (s == TDM_OK) {
        o->settings = settings;
        o->model_asked = l.bring.name;
        o->state_dir = common->home.state;
        o->prefix_dir = common->home.prefix;
        o->quiet = common->quiet;
        o->load = load;
        o->load_user = &l;
        s = tdm__daemon_run(o, &err);
    }
    tdm__bring_fini(&l.bring);
    return s == TDM_OK ? TDM__EXIT_DONE : tdm__command_fail("serve", &err);
}

int tdm__cmd_serve(int argc, char **argv)
{
    arguments a = {0};
    tdm__common common = {0};
    tdm__settings settings;
    tdm_error err = {0};
    size_t n_args = 0;
    int code = 0;
    make_rows(&a);
    if (!tdm__options_parse("serve", synopsis, a.rows, argc, argv, &common, NULL, 0, &n_args, &code))
        return code;
    tdm__daemon_options o = {.config_path = a.config_path, .flags = flags_of(&a)};
    const tdm_status s = tdm__settings_load(o.config_path, &o.flags, &settings, &err);
    if (s == TDM_ERR_INVAL)
        return tdm__command_usage("serve", "%s", err.msg);
    if (s != TDM_OK)
        return tdm__command_fail("serve", &err);
    return a.print_config ? print_config(&settings) : serve(&common, &settings, &o);
}
