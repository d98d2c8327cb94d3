/* cmd_route.c - tandem route explain: what would be decided, and why; tandem route replay: whether what was decided
 * follows from what was signed.
 *
 * explain runs the very function that requests run and prints the decision that it made; it opens nothing and asks
 * nobody. Exit 0: something would answer; 3: off.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rfc3339.h"
#include "cli/route_facts.h"
#include "cli/route_input.h"
#include "os/random.h"

static const char command[] = "route explain";

typedef struct explain_options {
    const char *feature, *consent, *state, *at, *partner;
    tdm__route_paths paths;
} explain_options;

/* The file that the device is taken to have when nobody says: what the policy names, else what the case does. */
static const char *assumed_model(const tdm__rules *r, const tdm__route_input *in, const char *feature)
{
    const tdm__rule_cell *cell = tdm__rules_cell(r, feature);
    for (size_t i = 0; cell && i < cell->cell->n_backends; i++) {
        const tdm__policy_backend *b = &cell->cell->backends[i];
        if (b->partner)
            continue;
        if (b->model_sha256[0] != '\0')
            return b->model_sha256;
        for (size_t k = 0; k < in->cases.n; k++) {
            const tdm__filing_case *c = in->cases.cases[k];
            if (strcmp(tdm__filing_case_id(c), cell->candidates[i].filing.id) != 0)
                continue;
            for (size_t m = 0; m < tdm__filing_case_n_models(c); m++)
                if (tdm__filing_case_model(c, m)->partner[0] == '\0')
                    return tdm__filing_case_model(c, m)->sha256;
        }
    }
    return "";
}

static tdm_status make_rules(const tdm__route_input *in, const char *own_model, tdm__rules **out, tdm_error *note,
                             tdm_error *err)
{
    return tdm__route_input_rules(in, (const tdm__filing_case *const *)in->cases.cases, in->cases.n, own_model,
                                  in->now_unix_s, out, note, err);
}

/* Rules are made twice where the device's model has to be assumed: it is known only from the rules. */
static tdm_status rules_for(const tdm__route_input *in, const tdm__route_facts *f, const char *feature,
                            tdm__rules **out, tdm_error *note, tdm_error *err)
{
    TDM_TRY(make_rules(in, f->own_model_sha256, out, note, err));
    if (f->own_model_sha256[0] != '\0')
        return TDM_OK;
    char model[TDM__SHA256_TEXT];
    snprintf(model, sizeof model, "%s", assumed_model(*out, in, feature));
    tdm__rules_destroy(*out);
    *out = NULL;
    return make_rules(in, model, out, NULL, err);
}

static bool print_line(const char *name, const char *what)
{
    return printf("  %-40s %s\n", name, what) > 0;
}

static tdm_status print_plan(const tdm__decision *d, tdm__buf *b)
{
    printf("plan\n");
    for (size_t i = 0; i < d->n_plan; i++) {
        const tdm__rule_candidate *c = d->plan[i].candidate;
        char what[256];
        tdm__buf_clear(b);
        TDM_TRY(tdm__candidate_name(c->backend, b));
        snprintf(what, sizeof what, "%s%s%s%s%s", tdm__role_name(c->backend->role),
                 d->plan[i].needs_consent ? ", after consent" : "", c->filing.id[0] ? ", case " : "", c->filing.id,
                 c->filing.is_hypothetical ? " (hypothetical)" : "");
        print_line(tdm__buf_cstr(b), what);
    }
    return TDM_OK;
}

static tdm_status print_refused(const tdm__decision *d, tdm__buf *b)
{
    printf("refused\n");
    for (size_t i = 0; i < d->n_refused; i++) {
        tdm__buf_clear(b);
        TDM_TRY(tdm__candidate_name(d->refused[i].candidate->backend, b));
        TDM_TRY(tdm__buf_append_char(b, '\0'));
        size_t at = b->len;
        TDM_TRY(tdm__buf_printf(b, "%s: ", tdm__reason_name(d->refused[i].reason)));
        TDM_TRY(tdm__decision_sentence(d, &d->refused[i], "en", b));
        print_line(tdm__buf_cstr(b), tdm__buf_cstr(b) + at);
    }
    if (d->named != TDM__REASON_NONE)
        print_line(d->named_partner, tdm__reason_name(d->named));
    return TDM_OK;
}

static tdm_status print_text(const tdm__decision *d)
{
    const tdm__market_policy *p = d->rules->policy;
    tdm__buf b;
    tdm__buf_init(&b, 4096);
    tdm_status s = tdm__decision_sentence(d, NULL, "en", &b);
    printf("%s, sold in %s, market %s: %s\n", d->feature, d->rules->record.sold_in[0] ? d->rules->record.sold_in : "-",
           p ? p->market : "-", d->off == TDM__REASON_NONE ? "on" : "off");
    if (s >= 0 && d->off != TDM__REASON_NONE)
        printf("%s: %s\n", tdm__reason_name(d->off), tdm__buf_cstr(&b));
    if (s >= 0 && d->n_plan > 0)
        s = print_plan(d, &b);
    if (s >= 0 && (d->n_refused > 0 || d->named != TDM__REASON_NONE))
        s = print_refused(d, &b);
    if (p)
        printf("policy version %lld, %s, sha256 %s\n", (long long)p->version, tdm__freshness_name(d->freshness),
               p->sha256);
    printf("decision %s\n", d->id);
    tdm__buf_fini(&b);
    return s;
}

static tdm_status print_json(const tdm__decision *d, tdm_error *err)
{
    json_t *json = tdm__decision_json(d);
    int rc = json ? json_dumpf(json, stdout, JSON_INDENT(2)) : -1;
    json_decref(json);
    if (rc != 0 || printf("\n") < 0)
        TDM_FAIL(err, TDM_ERR_NOMEM, "the decision cannot be written");
    return TDM_OK;
}

static tdm_status explain(const explain_options *o, const tdm__common *common, const tdm__route_input *in,
                          tdm__route_facts *f, bool *is_off, tdm_error *err)
{
    tdm_error note = {0};
    tdm__rules *rules = NULL;
    TDM_TRY(rules_for(in, f, o->feature, &rules, &note, err));
    f->facts.now_unix_s = in->now_unix_s;
    f->facts.clock_is_suspect = in->clock_is_suspect;
    f->facts.feature = o->feature;
    f->facts.named_partner = o->partner ? o->partner : "";
    tdm__route_facts_fit(f, tdm__rules_cell(rules, o->feature));
    int rc = tdm__random_fill(f->facts.random, sizeof f->facts.random);
    tdm_status s = rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "no random bytes for the decision's id");
    if (s >= 0) {
        tdm__decision d;
        tdm__decide(rules, &f->facts, &d);
        *is_off = d.off != TDM__REASON_NONE;
        s = common->json ? print_json(&d, err) : print_text(&d);
        if (note.msg[0] != '\0' && !common->quiet)
            fprintf(stderr, "tandem %s: %s\n", command, note.msg);
    }
    tdm__rules_destroy(rules);
    return s;
}

static int run_explain(const explain_options *o, const tdm__common *common, int64_t at)
{
    tdm_error err = {0};
    tdm__route_input in = {0};
    tdm__route_facts facts = {0};
    bool is_off = false;
    tdm_status s = tdm__route_facts_open(o->state, o->consent, &facts, &err);
    if (s >= 0)
        s = tdm__route_input_open(common, &o->paths, at, &in, &err);
    if (s >= 0 && in.note.msg[0] != '\0' && !common->quiet)
        fprintf(stderr, "tandem %s: %s\n", command, in.note.msg);
    if (s >= 0 && in.has_own_root && !common->quiet)
        fprintf(stderr, "tandem %s: the repository's own root is believed: --root says whom to believe\n", command);
    if (s >= 0)
        s = explain(o, common, &in, &facts, &is_off, &err);
    tdm__route_facts_close(&facts);
    tdm__route_input_close(&in);
    if (s < 0)
        return tdm__command_fail(command, &err);
    return is_off ? TDM__EXIT_REFUSED : TDM__EXIT_DONE;
}

static int cmd_explain(int argc, char **argv)
{
    explain_options o = {0};
    const tdm__option rows[] = {
        {"--feature", "NAME", "assistant, chat, proofread, ..", TDM__OPTION_TEXT, &o.feature, 0, 0},
        {"--device", "F", "the device record (default: the installed one)", TDM__OPTION_TEXT, &o.paths.device, 0, 0},
        {"--policy", "DIR", "a repository or bundle (default: the installed policy)", TDM__OPTION_TEXT,
         &o.paths.policy, 0, 0},
        {"--root", "F", "the root to believe the repository by", TDM__OPTION_TEXT, &o.paths.root, 0, 0},
        {"--cases", "DIR", "approval cases (default: the installed ones)", TDM__OPTION_TEXT, &o.paths.cases, 0, 0},
        {"--consent", "F", "consents as JSON: [{partner,feature,mode}]", TDM__OPTION_TEXT, &o.consent, 0, 0},
        {"--state", "F", "what is up, as JSON: {network,own,partners}", TDM__OPTION_TEXT, &o.state, 0, 0},
        {"--partner", "P", "the partner that the user names", TDM__OPTION_TEXT, &o.partner, 0, 0},
        {"--at", "T", "the clock to decide by", TDM__OPTION_TEXT, &o.at, 0, 0},
        {0},
    };
    tdm__common common;
    const char *args[1];
    size_t n_args;
    int code;
    int64_t at;
    tdm_error err = {0};
    if (!tdm__options_parse(command, "--feature NAME [OPTIONS]", rows, argc, argv, &common, args, 0, &n_args, &code))
        return code;
    if (!o.feature)
        return tdm__command_usage(command, "--feature is missing");
    if (tdm__command_time(o.at, &at, &err) != TDM_OK)
        return tdm__command_usage(command, "--at: %s", err.msg);
    return run_explain(&o, &common, at);
}

int tdm__cmd_route(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "explain") == 0)
        return cmd_explain(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "replay") == 0)
        return tdm__route_replay(argc - 1, argv + 1);
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        printf("usage: tandem route explain|replay [OPTIONS]\n\n"
               "tandem route ACTION --help lists the options of one.\n");
        return TDM__EXIT_DONE;
    }
    return tdm__command_usage("route", "an action is needed: explain or replay");
}
