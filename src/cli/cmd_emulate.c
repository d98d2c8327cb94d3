/* cmd_emulate.c - tandem emulate: partners' stand-ins on this machine, for who has no key.
 *
 * PARTNER[@PORT].. each get a port of 127.0.0.1. The local model writes their text, so weights come as for serve.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/model_bring.h"
#include "emulate/emulate.h"

enum { PARTNER_MAX = 32, PORT_DIGITS_MAX = 5, STATE_DIR_MAX = 600 };

typedef struct names {
    char items[TDM__EMULATED_MAX][PARTNER_MAX];
} names;

/* "PARTNER" or "PARTNER@PORT". */
static bool read_partner(const char *arg, char name[PARTNER_MAX], tdm__emulated *out)
{
    const size_t len = strcspn(arg, "@");
    if (len == 0 || len >= PARTNER_MAX)
        return false;
    snprintf(name, PARTNER_MAX, "%.*s", (int)len, arg);
    *out = (tdm__emulated){.partner = name, .port = tdm__emulate_default_port(name)};
    if (arg[len] == '\0')
        return true;
    const char *digits = arg + len + 1;
    const size_t n = strlen(digits);
    if (n == 0 || n > PORT_DIGITS_MAX || strspn(digits, "0123456789") != n)
        return false;
    const unsigned long port = strtoul(digits, NULL, 10);
    out->port = (uint16_t)port;
    return port <= UINT16_MAX;
}

static int run(tdm__emulate_options *o, tdm__bring *bring)
{
    tdm_error err = {0};
    char state_dir[STATE_DIR_MAX];
    snprintf(state_dir, sizeof state_dir, "%s/emulate", bring->common->home.state);
    o->state_dir = state_dir;
    o->load = tdm__bring_load;
    o->load_user = bring;
    tdm_status s = tdm__bring_choose(bring, &err);
    if (s == TDM_OK)
        s = tdm__emulate_run(o, &err);
    tdm__bring_fini(bring);
    if (s == TDM_ERR_INVAL)
        return tdm__command_usage("emulate", "%s", err.msg);
    return s == TDM_OK ? TDM__EXIT_DONE : tdm__command_fail("emulate", &err);
}

int tdm__cmd_emulate(int argc, char **argv)
{
    tdm__common common = {0};
    tdm__bring bring = {.common = &common, .model = TDM__MODEL_DEFAULT, .n_queue = TDM__BRING_QUEUE};
    tdm__emulate_options o = {0};
    const tdm__option rows[] = {
        {"-m", "MODEL", "a GGUF file, or a catalogue's name or its beginning (default " TDM__MODEL_DEFAULT ")",
         TDM__OPTION_TEXT, &bring.model, 0, 0},
        {"--fault", "F",
         "none, down, slow, cut, html, rate, quota, filter, territory, hang, split_utf8, giant_event, server",
         TDM__OPTION_TEXT, &o.fault, 0, 0},
        {"--faults", "DIR", "DIR/PARTNER.fault names that partner's fault at each question (none)", TDM__OPTION_TEXT,
         &o.faults_dir, 0, 0},
        {"--log", "FILE", "a JSON line a request: time, partner, path, bytes, SHA-256, status; never the text",
         TDM__OPTION_TEXT, &o.log_path, 0, 0},
        {0},
    };
    const char *args[TDM__EMULATED_MAX];
    names n;
    int code = 0;
    if (!tdm__options_parse("emulate", "PARTNER[@PORT].. [-m MODEL] [--fault F] [--log FILE]", rows, argc, argv,
                            &common, args, TDM__EMULATED_MAX, &o.n_partners, &code))
        return code;
    if (o.n_partners == 0)
        return tdm__command_usage("emulate", "name at least one partner, such as alibaba or openai@9102");
    for (size_t i = 0; i < o.n_partners; i++)
        if (!read_partner(args[i], n.items[i], &o.partners[i]))
            return tdm__command_usage("emulate", "'%.60s' is not PARTNER or PARTNER@PORT", args[i]);
    return run(&o, &bring);
}
