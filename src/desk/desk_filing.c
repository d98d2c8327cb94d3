/* desk_filing.c - the regulator's and the filers' acts on a case, each signed by the demo key that may.
 *
 * In the demonstration an approval is always hypothetical: in February 2025 the case was submitted, no more is known.
 * A case that has ended can be filed again: a new case of the next number, submitted by both filers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "desk/authority.h"
#include "os/heap.h"

typedef struct act {
    const char *name;
    tdm__filing_action action;
    const char *by; /* "regulator", "maker", "ender": the maker before the verdict, the regulator after it */
} act;

static const act acts[] = {
    {"review", TDM__FILING_REVIEW, "regulator"}, {"ask", TDM__FILING_ASK, "regulator"},
    {"answer", TDM__FILING_ANSWER, "maker"},     {"approve", TDM__FILING_APPROVE, "regulator"},
    {"refuse", TDM__FILING_REFUSE, "regulator"}, {"withdraw", TDM__FILING_WITHDRAW, "ender"},
};

static const act *find_act(const char *name)
{
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        if (strcmp(acts[i].name, name) == 0)
            return &acts[i];
    return NULL;
}

static tdm_status load_key(const tdm__authority *a, const char *by, const tdm__filing_case *c, int64_t now_unix_s,
                           tdm__secret_key *out, tdm_error *err)
{
    char path[TDM__AUTHORITY_PATH_MAX];
    const bool is_after = tdm__filing_case_state(c, now_unix_s) == TDM__FILING_APPROVED;
    if (strcmp(by, "ender") == 0)
        by = is_after ? "regulator" : "maker";
    if (strcmp(by, "regulator") == 0)
        tdm__authority_path(a, path, "keys/regulator-%s.key", tdm__filing_case_market(c));
    else
        tdm__authority_path(a, path, "keys/%s.key", by);
    return tdm__key_load(path, out, err);
}

static tdm_status open_case(const tdm__authority *a, const char *id, int64_t now_unix_s, tdm__filing_case **out,
                            tdm_error *err)
{
    char path[TDM__AUTHORITY_PATH_MAX];
    if (!tdm__authority_is_name(id))
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "there is no case of that id");
    tdm__authority_path(a, path, "cases/%s.json", id);
    return tdm__case_file_read(path, a->keys, now_unix_s, out, err);
}

static tdm_status keep(const tdm__authority *a, const char *json, int64_t now_unix_s, tdm_error *err)
{
    char dir[TDM__AUTHORITY_PATH_MAX];
    tdm__authority_path(a, dir, "cases");
    return tdm__case_folder_put(dir, tdm__str_from(json), a->keys, now_unix_s, err);
}

/* Takes over from the action what the entry may have. */
static json_t *fields_of(const act *what, const json_t *action)
{
    static const char *const names[] = {"text", "conditions", "expires"};
    json_t *fields = json_object();
    for (size_t i = 0; fields && i < sizeof names / sizeof *names; i++) {
        json_t *v = json_object_get(action, names[i]);
        if (v && !json_is_null(v) && !(json_is_string(v) && json_string_length(v) == 0))
            json_object_set(fields, names[i], v);
    }
    if (fields && what->action == TDM__FILING_APPROVE)
        json_object_set_new(fields, "hypothetical", json_true());
    return fields;
}

/* One entry behind the case; *out is the case as text. */
static tdm_status extend(tdm__authority *a, const tdm__filing_case *c, const act *what, const json_t *action,
                         int64_t now_unix_s, char **out, tdm_error *err)
{
    tdm__secret_key key;
    TDM_TRY(load_key(a, what->by, c, now_unix_s, &key, err));
    json_t *fields = fields_of(what, action);
    tdm_status s = fields ? tdm__filing_case_extend(c, what->action, fields, &key, a->keys, now_unix_s, out, err)
                          : tdm__fail(err, TDM_ERR_NOMEM, "no memory for an entry");
    json_decref(fields);
    tdm__key_wipe(&key);
    return s;
}

/* A verdict or a question on a case that nobody has taken up takes it up first, by an entry of its own. */
static tdm_status take_up(tdm__authority *a, tdm__filing_case **c, const act *what, int64_t now_unix_s, tdm_error *err)
{
    static const act review = {"review", TDM__FILING_REVIEW, "regulator"};
    char *json = NULL;
    tdm__filing_case *taken = NULL;
    const bool is_verdict = what->action == TDM__FILING_APPROVE || what->action == TDM__FILING_REFUSE ||
                            what->action == TDM__FILING_ASK;
    if (!is_verdict || tdm__filing_case_state(*c, now_unix_s) != TDM__FILING_SUBMITTED)
        return TDM_OK;
    TDM_TRY(extend(a, *c, &review, NULL, now_unix_s, &json, err));
    tdm_status s = tdm__filing_case_create(tdm__str_from(json), a->keys, now_unix_s, &taken, err);
    tdm__free(json);
    TDM_TRY(s);
    tdm__filing_case_destroy(*c);
    *c = taken;
    return TDM_OK;
}

/* ---- filing again ---- */

/* "DEMO-CN-2025-0001" to "DEMO-CN-2025-0002", the next number that is free. */
static tdm_status next_id(const tdm__authority *a, const char *id, char out[TDM__AUTHORITY_NAME_MAX + 1],
                          tdm_error *err)
{
    const char *dash = strrchr(id, '-');
    if (!dash)
        TDM_FAIL(err, TDM_ERR_INVAL, "case %s has no number to count on from", id);
    for (long n = strtol(dash + 1, NULL, 10) + 1; n < 10000; n++) {
        char name[TDM__AUTHORITY_NAME_MAX + 32];
        json_t *there = NULL;
        snprintf(out, TDM__AUTHORITY_NAME_MAX + 1, "%.*s-%04ld", (int)(dash - id), id, n);
        snprintf(name, sizeof name, "cases/%s.json", out);
        tdm_status s = tdm__authority_read_json(a, name, &there, NULL);
        json_decref(there);
        if (s == TDM_ERR_NOT_FOUND)
            return TDM_OK;
    }
    TDM_FAIL(err, TDM_ERR_LIMIT, "no number up to 9999 is free after case %s", id);
}

/* What the first entry said, under a new id; NULL: out of memory. */
static json_t *first_fields(const tdm__filing_case *c, const char *id)
{
    static const char *const names[] = {"market", "features", "models", "maker", "provider", "demo"};
    const json_t *entry = json_object_get(tdm__filing_case_entry(c, 0), "signed");
    json_t *fields = json_pack("{s:s}", "id", id);
    for (size_t i = 0; fields && i < sizeof names / sizeof *names; i++)
        json_object_set(fields, names[i], json_object_get(entry, names[i]));
    return fields;
}

/* A section as it was filed before: the same documents by the same filer. */
static json_t *section_fields(const tdm__filing_case *c, const char *section)
{
    for (size_t i = 0; i < tdm__filing_case_n_entries(c); i++) {
        const json_t *entry = json_object_get(tdm__filing_case_entry(c, i), "signed");
        const char *own = json_string_value(json_object_get(entry, "section"));
        if (own && strcmp(own, section) == 0)
            return json_pack("{s:s, s:O}", "section", section, "documents", json_object_get(entry, "documents"));
    }
    return NULL;
}

static const char *partner_of(const tdm__filing_case *c)
{
    for (size_t i = 0; i < tdm__filing_case_n_models(c); i++)
        if (tdm__filing_case_model(c, i)->partner[0])
            return tdm__filing_case_model(c, i)->partner;
    return "";
}

/* One more step of the new case: signs by a key, and opens what came out. */
static tdm_status step(tdm__authority *a, tdm__filing_case **c, tdm__filing_action action, const json_t *fields,
                       const char *key_name, int64_t now_unix_s, char **json, tdm_error *err)
{
    char path[TDM__AUTHORITY_PATH_MAX];
    tdm__secret_key key;
    tdm__filing_case *next = NULL;
    tdm__authority_path(a, path, "keys/%s.key", key_name);
    TDM_TRY(tdm__key_load(path, &key, err));
    char *text = NULL;
    tdm_status s = tdm__filing_case_extend(*c, action, fields, &key, a->keys, now_unix_s, &text, err);
    tdm__key_wipe(&key);
    if (s == TDM_OK)
        s = tdm__filing_case_create(tdm__str_from(text), a->keys, now_unix_s, &next, err);
    if (s != TDM_OK) {
        tdm__free(text);
        return s;
    }
    tdm__filing_case_destroy(*c);
    tdm__free(*json);
    *c = next;
    *json = text;
    return TDM_OK;
}

static tdm_status file_again(tdm__authority *a, const tdm__filing_case *old, int64_t now_unix_s, char **out,
                             tdm_error *err)
{
    char id[TDM__AUTHORITY_NAME_MAX + 1], provider[TDM__AUTHORITY_NAME_MAX + 16];
    tdm__filing_case *c = NULL;
    char *json = NULL;
    TDM_TRY(next_id(a, tdm__filing_case_id(old), id, err));
    snprintf(provider, sizeof provider, "provider-%s", partner_of(old));
    json_t *first = first_fields(old, id);
    json_t *as_maker = section_fields(old, "maker"), *as_provider = section_fields(old, "provider");
    tdm_status s = TDM_OK;
    if (!first || !as_maker || !as_provider)
        s = tdm__fail(err, TDM_ERR_INVAL, "case %s was never submitted by both filers", tdm__filing_case_id(old));
    if (s == TDM_OK)
        s = step(a, &c, TDM__FILING_NEW, first, "maker", now_unix_s, &json, err);
    if (s == TDM_OK)
        s = step(a, &c, TDM__FILING_SUBMIT, as_maker, "maker", now_unix_s, &json, err);
    if (s == TDM_OK)
        s = step(a, &c, TDM__FILING_SUBMIT, as_provider, provider, now_unix_s, &json, err);
    tdm__filing_case_destroy(c);
    json_decref(first);
    json_decref(as_maker);
    json_decref(as_provider);
    if (s == TDM_OK)
        *out = json;
    else
        tdm__free(json);
    return s;
}

tdm_status tdm__authority_act(tdm__authority *a, const char *case_id, const json_t *action, int64_t now_unix_s,
                              char **out, tdm_error *err)
{
    const char *name;
    tdm__filing_case *c = NULL;
    char *json = NULL;
    TDM_TRY(tdm__json_get_str(action, "action", "the body", &name, err));
    const act *what = find_act(name);
    const bool is_again = strcmp(name, "again") == 0;
    if (!what && !is_again)
        TDM_FAIL(err, TDM_ERR_FORMAT, "action must be review, ask, answer, approve, refuse, withdraw or again");
    TDM_TRY(open_case(a, case_id, now_unix_s, &c, err));
    tdm_status s = is_again ? TDM_OK : take_up(a, &c, what, now_unix_s, err);
    if (s == TDM_OK)
        s = is_again ? file_again(a, c, now_unix_s, &json, err)
                     : extend(a, c, what, action, now_unix_s, &json, err);
    tdm__filing_case_destroy(c);
    if (s == TDM_OK)
        s = keep(a, json, now_unix_s, err);
    if (s == TDM_OK)
        *out = json;
    else
        tdm__free(json);
    return s;
}
