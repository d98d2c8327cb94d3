/* cmd_consent.c - tandem consent: what the owner has agreed to, beside a running daemon or without one.
 *
 * The file is opened on its own (usage.h): listing and revoking need nothing else. Granting needs the installed policy,
 * because a consent is to a partner's signed profile and model, not to a name.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/route_input.h"
#include "os/clock.h"
#include "os/file.h"
#include "usage/usage.h"

static const char synopsis[] = "list|grant|revoke [--partner P] [--feature NAME] [--mode always|never]";

typedef struct consent {
    tdm__common common;
    const char *partner, *feature, *mode;
    char path[600];
    tdm__usage *usage; /* NULL: there is no file, and list or revoke makes none */
} consent;

static tdm_status open_usage(consent *c, bool make, tdm_error *err)
{
    snprintf(c->path, sizeof c->path, "%s/usage.sqlite", c->common.home.state);
    if (!make && access(c->path, F_OK) != 0)
        return TDM_OK;
    int rc = tdm__dir_make(c->common.home.state, 0700);
    if (rc != 0)
        return tdm__fail_os(err, rc, "cannot make the folder %s", c->common.home.state);
    return tdm__usage_open(c->path, &c->usage, err);
}

static const char *text_of(const json_t *row, const char *key) { return json_string_value(json_object_get(row, key)); }

static tdm_status print_list(consent *c, tdm_error *err)
{
    json_t *list = c->usage ? tdm__consent_list(c->usage) : json_array();
    if (!list)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the list of consents");
    int rc = 0;
    if (c->common.json) {
        json_t *o = json_pack("{s:O}", "consents", list);
        rc = o ? json_dumpf(o, stdout, JSON_COMPACT) : -1;
        json_decref(o);
        putchar('\n');
    } else {
        size_t i;
        json_t *row;
        json_array_foreach(list, i, row)
            printf("%-16s %-12s %-7s since %s, model %s%s\n", text_of(row, "partner"), text_of(row, "feature"),
                   text_of(row, "mode"), text_of(row, "since"), text_of(row, "model"),
                   json_is_true(json_object_get(row, "attachments")) ? ", with attachments" : "");
        if (json_array_size(list) == 0 && !c->common.quiet)
            fprintf(stderr, "every partner is asked about each time\n");
    }
    json_decref(list);
    if (rc != 0)
        TDM_FAIL(err, TDM_ERR_IO, "the list could not be written");
    return TDM_OK;
}

/* "Never" holds for attachments by itself, "always" leaves them out. */
static tdm_status grant(consent *c, tdm__consent_mode mode, tdm_error *err)
{
    const tdm__route_paths installed = {0};
    tdm__route_input in;
    tdm__rules *rules = NULL;
    tdm_status s = tdm__route_input_open(&c->common, &installed, tdm__clock_unix_s(), &in, err);
    if (s == TDM_OK)
        s = tdm__route_input_rules(&in, NULL, 0, "", in.now_unix_s, &rules, NULL, err);
    const tdm__policy_backend *b = s == TDM_OK ? tdm__rules_find_partner(rules, c->partner, c->feature) : NULL;
    if (s == TDM_OK && !b)
        s = tdm__fail(err, TDM_ERR_NOT_FOUND, "the policy of this device's market gives %s no partner %s", c->feature,
                      c->partner);
    if (s == TDM_OK) {
        const tdm__consent_subject subject = {.partner = c->partner,
                                              .feature = c->feature,
                                              .profile_sha256 = b->partner->profile_sha256,
                                              .model = b->model};
        s = tdm__consent_set(c->usage, &subject, mode, tdm__clock_unix_s(), err);
    }
    tdm__rules_destroy(rules);
    tdm__route_input_close(&in);
    return s;
}

static tdm_status revoke(consent *c, tdm_error *err)
{
    size_t n = 0;
    if (c->usage)
        TDM_TRY(tdm__consent_revoke(c->usage, c->partner, c->feature, &n, err));
    if (!c->common.quiet)
        fprintf(stderr, "%zu taken back\n", n);
    return TDM_OK;
}

/* False: a usage error was printed. */
static bool check_grant(const consent *c, tdm__consent_mode *mode)
{
    if (!c->partner || !c->feature || !c->mode) {
        tdm__command_usage("consent", "grant needs --partner, --feature and --mode");
        return false;
    }
    *mode = strcmp(c->mode, "always") == 0  ? TDM__CONSENT_ALWAYS
            : strcmp(c->mode, "never") == 0 ? TDM__CONSENT_NEVER
                                            : TDM__CONSENT_ASK;
    if (strcmp(c->mode, "once") == 0)
        tdm__command_usage("consent", "once belongs to one question and is not kept: tandem assistant --consent once");
    else if (*mode == TDM__CONSENT_ASK)
        tdm__command_usage("consent", "--mode is %s, always or never is needed", c->mode);
    return *mode != TDM__CONSENT_ASK;
}

int tdm__cmd_consent(int argc, char **argv)
{
    consent c = {0};
    const tdm__option rows[] = {
        {"--partner", "P", "the partner's id", TDM__OPTION_TEXT, &c.partner, 0, 0},
        {"--feature", "NAME", "the feature: assistant, rewrite, ..", TDM__OPTION_TEXT, &c.feature, 0, 0},
        {"--mode", "MODE", "always or never", TDM__OPTION_TEXT, &c.mode, 0, 0},
        {0},
    };
    const char *args[1];
    size_t n_args;
    int code;
    if (!tdm__options_parse("consent", synopsis, rows, argc, argv, &c.common, args, 1, &n_args, &code))
        return code;
    const char *verb = n_args == 1 ? args[0] : "";
    const bool is_list = strcmp(verb, "list") == 0, is_grant = strcmp(verb, "grant") == 0;
    if (!is_list && !is_grant && strcmp(verb, "revoke") != 0)
        return tdm__command_usage("consent", "list, grant or revoke is needed");
    tdm__consent_mode mode = TDM__CONSENT_ASK;
    if (is_grant && !check_grant(&c, &mode))
        return TDM__EXIT_USAGE;
    tdm_error err = {0};
    tdm_status s = open_usage(&c, is_grant, &err);
    if (s == TDM_OK)
        s = is_list ? print_list(&c, &err) : is_grant ? grant(&c, mode, &err) : revoke(&c, &err);
    tdm__usage_close(c.usage);
    return s == TDM_OK ? TDM__EXIT_DONE : tdm__command_fail("consent", &err);
}
