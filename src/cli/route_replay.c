/* route_replay.c - tandem route replay: every decision of a journal, decided again from what was signed.
 *
 * A leaf holds the facts that were handed in and names record, policy and cases by hash. Replaying finds those files,
 * cuts each case back to the entry that was its last one then, decides, and compares the documents byte for byte. What
 * no file says any more (how long the timestamp of that hour was good for, which weights were loaded) is taken from the
 * leaf. A leaf whose files are not here is not replayed, and the line says which is missing.
 */
#include <stdio.h>
#include <string.h>

#include "audit/journal.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "cli/route_facts.h"
#include "cli/route_input.h"
#include "os/heap.h"

static const char command[] = "route replay";

typedef struct replay {
    const tdm__common *common;
    const tdm__route_input *in;
    size_t n_same, n_different, n_missing;
} replay;

/* A leaf's document taken apart; texts are borrowed from it. */
typedef struct leaf_document {
    json_t *json;
    const char *policy_sha256, *record_sha256, *own_model, *feature; /* the first two "" when there was none */
    const json_t *filings;                                           /* id -> head */
    int64_t trust_version, policy_expires_unix_s;
    tdm__decision_facts facts;
} leaf_document;

static tdm_status read_facts(const json_t *facts, leaf_document *doc, tdm_error *err)
{
    static const char what[] = "a leaf's facts";
    const char *network, *own, *text;
    const json_t *backends;
    int64_t n;
    tdm__decision_facts *f = &doc->facts;
    TDM_TRY(tdm__json_get_str(facts, "named_partner", what, &f->named_partner, err));
    TDM_TRY(tdm__json_get_int(facts, "prompt_tokens", what, 0, INT64_MAX, &n, err));
    f->prompt_tokens = (size_t)n;
    TDM_TRY(tdm__json_get_int(facts, "device_tokens_max", what, 0, INT64_MAX, &n, err));
    f->device_tokens_max = (size_t)n;
    TDM_TRY(tdm__json_get_bool(facts, "attachments", what, &f->has_attachments, err));
    TDM_TRY(tdm__json_get_bool(facts, "clock_suspect", what, &f->clock_is_suspect, err));
    TDM_TRY(tdm__json_get_str(facts, "network", what, &network, err));
    TDM_TRY(tdm__json_get_str(facts, "own", what, &own, err));
    TDM_TRY(tdm__json_get_array(facts, "backends", what, TDM__CELL_BACKENDS_MAX, &backends, err));
    f->network_is_off = strcmp(network, "off") == 0;
    bool good = tdm__route_state_parse(own, &f->own_state);
    for (size_t i = 0; i < json_array_size(backends) && good; i++) {
        TDM_TRY(tdm__json_get_str(json_array_get(backends, i), "consent", what, &text, err));
        good = tdm__route_consent_parse(text, &f->consents[i]);
        TDM_TRY(tdm__json_get_str(json_array_get(backends, i), "state", what, &text, err));
        good = good && tdm__route_state_parse(text, &f->partner_states[i]);
    }
    if (!good)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s have a state or consent that is none", what);
    return TDM_OK;
}

static tdm_status read_rules(const json_t *rules, leaf_document *doc, tdm_error *err)
{
    static const char what[] = "a leaf's rules";
    doc->record_sha256 = "";
    doc->policy_expires_unix_s = INT64_MAX;
    if (!json_is_null(json_object_get(rules, "record")))
        TDM_TRY(tdm__json_get_str(rules, "record", what, &doc->record_sha256, err));
    if (!json_is_null(json_object_get(rules, "policy_expires")))
        TDM_TRY(tdm__json_get_time(rules, "policy_expires", what, &doc->policy_expires_unix_s, err));
    TDM_TRY(tdm__json_get_str(rules, "own_model", what, &doc->own_model, err));
    TDM_TRY(tdm__json_get_int(rules, "trust_version", what, 0, INT64_MAX, &doc->trust_version, err));
    return tdm__json_get_object(rules, "filings", what, &doc->filings, err);
}

static tdm_status read_document(tdm__str bytes, leaf_document *doc, tdm_error *err)
{
    static const char what[] = "a leaf's decision";
    const char *id;
    const json_t *policy, *part;
    TDM_TRY(tdm__json_parse(bytes, what, TDM__LEAF_BYTES_MAX, &doc->json, err));
    TDM_TRY(tdm__json_get_str(doc->json, "decision", what, &id, err));
    if (!tdm__hex_get(tdm__str_from(id), doc->facts.random, sizeof doc->facts.random))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s has an id that is none", what);
    TDM_TRY(tdm__json_get_str(doc->json, "feature", what, &doc->feature, err));
    TDM_TRY(tdm__json_get_time(doc->json, "at", what, &doc->facts.now_unix_s, err));
    doc->facts.feature = doc->feature;
    doc->policy_sha256 = "";
    if (!json_is_null(json_object_get(doc->json, "policy"))) {
        TDM_TRY(tdm__json_get_object(doc->json, "policy", what, &policy, err));
        TDM_TRY(tdm__json_get_str(policy, "sha256", what, &doc->policy_sha256, err));
    }
    TDM_TRY(tdm__json_get_object(doc->json, "facts", what, &part, err));
    TDM_TRY(read_facts(part, doc, err));
    TDM_TRY(tdm__json_get_object(doc->json, "rules", what, &part, err));
    return read_rules(part, doc, err);
}

/* The first n entries of a case as a case of its own. */
static tdm_status cut_case(const tdm__filing_case *c, size_t n, const replay *r, tdm__filing_case **out)
{
    json_t *entries = json_array(), *root = json_pack("{s:s, s:o}", "_type", "filing-case", "entries", entries);
    bool good = root != NULL;
    for (size_t i = 0; i < n && good; i++)
        good = json_array_append(entries, (json_t *)tdm__filing_case_entry(c, i)) == 0;
    char *text = good ? tdm__json_text(root, JSON_COMPACT) : NULL;
    tdm_status s = TDM_ERR_NOMEM;
    if (text)
        s = tdm__filing_case_create(tdm__str_from(text), r->in->keyring, r->in->now_unix_s, out, NULL);
    tdm__free(text);
    json_decref(root);
    return s;
}

/* The case as it was when head was its last entry; NULL when no file has it. */
static tdm__filing_case *case_at(const replay *r, const char *id, const char *head)
{
    for (size_t i = 0; i < r->in->cases.n; i++) {
        const tdm__filing_case *c = r->in->cases.cases[i];
        if (strcmp(tdm__filing_case_id(c), id) != 0)
            continue;
        for (size_t n = tdm__filing_case_n_entries(c); n > 0; n--) {
            tdm__filing_case *cut = NULL;
            if (cut_case(c, n, r, &cut) < 0)
                return NULL;
            if (strcmp(tdm__filing_case_head(cut), head) == 0)
                return cut;
            tdm__filing_case_destroy(cut);
        }
    }
    return NULL;
}

typedef struct case_list {
    tdm__filing_case *cases[TDM__CELL_BACKENDS_MAX];
    size_t n;
} case_list;

static tdm_status find_cases(const replay *r, const leaf_document *doc, case_list *list, tdm_error *missing)
{
    const char *id;
    const json_t *head;
    json_object_foreach((json_t *)doc->filings, id, head)
    {
        if (list->n == TDM__CELL_BACKENDS_MAX || !json_is_string(head))
            TDM_FAIL(missing, TDM_ERR_FORMAT, "its list of cases is malformed");
        list->cases[list->n] = case_at(r, id, json_string_value(head));
        if (!list->cases[list->n])
            TDM_FAIL(missing, TDM_ERR_NOT_FOUND, "case %.64s up to entry %.16s.. is not here", id,
                     json_string_value(head));
        list->n++;
    }
    return TDM_OK;
}

static tdm_status check_rules(const tdm__rules *rules, const leaf_document *doc, tdm_error *missing)
{
    if (strcmp(rules->has_record ? rules->record.sha256 : "", doc->record_sha256) != 0)
        TDM_FAIL(missing, TDM_ERR_NOT_FOUND, "the device record %.16s.. is not the one that is here",
                 doc->record_sha256[0] ? doc->record_sha256 : "(none)");
    if (strcmp(rules->policy ? rules->policy->sha256 : "", doc->policy_sha256) != 0)
        TDM_FAIL(missing, TDM_ERR_NOT_FOUND, "the policy %.16s.. is not the one that is here",
                 doc->policy_sha256[0] ? doc->policy_sha256 : "(none)");
    return TDM_OK;
}

/* Decides again and compares; missing says which file is not here. */
static tdm_status decide_again(const replay *r, const leaf_document *doc, tdm__str recorded, bool *is_same,
                               tdm_error *missing)
{
    case_list list = {0};
    tdm__rules *rules = NULL;
    tdm__decision d;
    tdm__buf again;
    tdm__buf_init(&again, TDM__DECISION_JSON_MAX);
    tdm_status s = find_cases(r, doc, &list, missing);
    if (s >= 0)
        s = tdm__route_input_rules(r->in, (const tdm__filing_case *const *)list.cases, list.n, doc->own_model,
                                   doc->facts.now_unix_s, &rules, NULL, missing);
    if (s >= 0)
        s = check_rules(rules, doc, missing);
    if (s >= 0) {
        rules->policy_expires_unix_s = doc->policy_expires_unix_s;
        rules->trust_version = doc->trust_version;
        tdm__decide(rules, &doc->facts, &d);
        s = tdm__decision_canonical(&d, &again, missing);
    }
    if (s >= 0)
        *is_same = tdm__str_eq(tdm__buf_str(&again), recorded);
    tdm__buf_fini(&again);
    tdm__rules_destroy(rules);
    for (size_t i = 0; i < list.n; i++)
        tdm__filing_case_destroy(list.cases[i]);
    return s;
}

static tdm_status print_leaf(const replay *r, const tdm__leaf_read *leaf, const char *result, const char *text)
{
    if (!r->common->json) {
        printf("%s %s%s%s\n", leaf->decision_id, result, text[0] ? ": " : "", text);
        return TDM_OK;
    }
    json_t *row = json_pack("{s:s, s:I, s:s, s:s}", "decision", leaf->decision_id, "leaf", (json_int_t)leaf->index,
                            "result", result, "text", text);
    int rc = row ? json_dumpf(row, stdout, JSON_COMPACT) : -1;
    json_decref(row);
    return rc == 0 && printf("\n") > 0 ? TDM_OK : TDM_ERR_NOMEM;
}

static tdm_status replay_leaf(void *user, const tdm__leaf_read *leaf, tdm_error *err)
{
    replay *r = user;
    leaf_document doc = {0};
    tdm_error missing = {0};
    bool is_same = false;
    if (leaf->kind != TDM__LEAF_OPENED)
        return TDM_OK;
    tdm_status s = read_document(leaf->decision, &doc, &missing);
    if (s >= 0)
        s = decide_again(r, &doc, leaf->decision, &is_same, &missing);
    json_decref(doc.json);
    if (s == TDM_ERR_NOMEM)
        TDM_FAIL(err, s, "no memory to replay leaf %llu", (unsigned long long)leaf->index);
    if (s < 0) {
        r->n_missing++;
        return print_leaf(r, leaf, "not_replayed", missing.msg);
    }
    r->n_same += is_same;
    r->n_different += !is_same;
    return print_leaf(r, leaf, is_same ? "same" : "different", "");
}

static int run_replay(const char *journal, const tdm__route_paths *paths, const tdm__common *common, int64_t now)
{
    tdm_error err = {0};
    tdm__route_input in = {0};
    replay r = {.common = common, .in = &in};
    tdm_status s = tdm__route_input_open(common, paths, now, &in, &err);
    if (s >= 0)
        s = tdm__journal_read(journal, replay_leaf, &r, &err);
    tdm__route_input_close(&in);
    if (s < 0)
        return tdm__command_fail(command, &err);
    if (!common->quiet)
        fprintf(stderr, "%zu decisions follow from what was signed, %zu do not, %zu could not be replayed\n", r.n_same,
                r.n_different, r.n_missing);
    return r.n_different > 0 ? TDM__EXIT_INTEGRITY : r.n_missing > 0 ? TDM__EXIT_FAILED : TDM__EXIT_DONE;
}

int tdm__route_replay(int argc, char **argv)
{
    const char *journal = NULL;
    tdm__route_paths paths = {0};
    const tdm__option rows[] = {
        {"--journal", "DIR", "the journal's folder", TDM__OPTION_TEXT, &journal, 0, 0},
        {"--device", "F", "the device record (default: the installed one)", TDM__OPTION_TEXT, &paths.device, 0, 0},
        {"--policy", "DIR", "a repository or bundle (default: the installed policy)", TDM__OPTION_TEXT, &paths.policy,
         0, 0},
        {"--root", "F", "the root to believe the repository by", TDM__OPTION_TEXT, &paths.root, 0, 0},
        {"--cases", "DIR", "approval cases (default: the installed ones)", TDM__OPTION_TEXT, &paths.cases, 0, 0},
        {0},
    };
    tdm__common common;
    const char *args[1];
    size_t n_args;
    int code;
    int64_t now;
    tdm_error err = {0};
    if (!tdm__options_parse(command, "--journal DIR [OPTIONS]", rows, argc, argv, &common, args, 0, &n_args, &code))
        return code;
    if (!journal)
        return tdm__command_usage(command, "--journal is missing: the folder that holds it");
    if (tdm__command_time(NULL, &now, &err) != TDM_OK)
        return tdm__command_fail(command, &err);
    return run_replay(journal, &paths, &common, now);
}
