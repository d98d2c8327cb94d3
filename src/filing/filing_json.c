/* filing_json.c - a case as people and pages see it; nothing in it is signed, all of it is computed from what is.
 *
 * One form for the command line, the phone and the desk (docs/formats/filing.md). Texts of filers and regulators are
 * handed on as they stand: who shows them shows them as text.
 */
#include <string.h>

#include "base/json.h"
#include "filing/filing_internal.h"

static const char *role_name(tdm__key_role r)
{
    switch (r) {
    case TDM__KEY_MAKER:
        return "maker";
    case TDM__KEY_PROVIDER:
        return "provider";
    case TDM__KEY_REGULATOR:
        return "regulator";
    case TDM__KEY_NONE:
    case TDM__KEY_GATEWAY:
        break;
    }
    return "";
}

json_t *tdm__filing_signer_json(const tdm__public_key *key, const tdm__keyring_entry *entry)
{
    return json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "key", key->id, "role", entry ? role_name(entry->role) : "", "id",
                     entry ? entry->id : "", "name", "en", entry ? entry->name_en : "", "zh",
                     entry ? entry->name_zh : "");
}

/* The member, or what stands for none. */
static json_t *member(const tdm__filing_entry *e, const char *key, json_t *none)
{
    json_t *value = json_object_get(e->body, key);
    if (!value)
        return none;
    json_decref(none);
    return json_incref(value);
}

static const tdm__filing_entry *find_last(const tdm__filing_case *c, tdm__filing_action a, tdm__filing_action b)
{
    for (size_t i = c->n_entries; i-- > 0;)
        if (c->entries[i].action == a || c->entries[i].action == b)
            return &c->entries[i];
    return NULL;
}

static json_t *models_json(const tdm__filing_case *c)
{
    json_t *all = json_array();
    for (size_t i = 0; all && i < c->n_models; i++) {
        const tdm__filing_model *m = &c->models[i];
        const bool is_own = m->partner[0] == '\0';
        json_array_append_new(all, json_pack("{s:s, s:s, s:s}", "partner", m->partner, "model", m->model,
                                             is_own ? "sha256" : "date", is_own ? m->sha256 : m->date));
    }
    return all;
}

static json_t *features_json(const tdm__filing_case *c)
{
    json_t *all = json_array();
    for (size_t i = 0; all && i < c->n_features; i++)
        json_array_append_new(all, json_string(c->features[i]));
    return all;
}

/* {"maker": section or null, "provider": ..} */
static json_t *sections_json(const tdm__filing_case *c)
{
    json_t *sections = json_pack("{s:n, s:n}", "maker", "provider");
    for (size_t i = 0; sections && i < c->n_entries; i++) {
        const tdm__filing_entry *e = &c->entries[i];
        if (e->action != TDM__FILING_SUBMIT)
            continue;
        json_object_set_new(sections, json_string_value(json_object_get(e->body, "section")),
                            json_pack("{s:o, s:O, s:o}", "submitted", tdm__json_time(e->date_unix_s), "signer",
                                      e->signer_json, "documents", member(e, "documents", json_array())));
    }
    return sections;
}

/* An answer is to the oldest question that has none. */
static json_t *questions_json(const tdm__filing_case *c)
{
    json_t *questions = json_array();
    size_t n_answered = 0;
    for (size_t i = 0; questions && i < c->n_entries; i++) {
        const tdm__filing_entry *e = &c->entries[i];
        if (e->action == TDM__FILING_ASK)
            json_array_append_new(questions,
                                  json_pack("{s:o, s:o, s:O, s:n}", "text", member(e, "text", json_null()), "at",
                                            tdm__json_time(e->date_unix_s), "signer", e->signer_json, "answer"));
        else if (e->action == TDM__FILING_ANSWER)
            json_object_set_new(json_array_get(questions, n_answered++), "answer",
                                json_pack("{s:o, s:o, s:O, s:o}", "text", member(e, "text", json_null()), "at",
                                          tdm__json_time(e->date_unix_s), "signer", e->signer_json, "documents",
                                          member(e, "documents", json_array())));
    }
    return questions;
}

static json_t *verdict_json(const tdm__filing_case *c)
{
    const tdm__filing_entry *e = find_last(c, TDM__FILING_APPROVE, TDM__FILING_REFUSE);
    if (!e)
        return json_null();
    return json_pack("{s:s, s:o, s:O, s:o, s:o, s:o, s:o, s:s}", "action", tdm__filing_action_name(e->action), "at",
                     tdm__json_time(e->date_unix_s), "signer", e->signer_json, "text", member(e, "text", json_null()),
                     "conditions", member(e, "conditions", json_array()), "expires", member(e, "expires", json_null()),
                     "hypothetical", member(e, "hypothetical", json_boolean(c->is_demo)), "sha256", e->sha256);
}

static json_t *withdrawal_json(const tdm__filing_case *c)
{
    const tdm__filing_entry *e = find_last(c, TDM__FILING_WITHDRAW, TDM__FILING_WITHDRAW);
    if (!e)
        return json_null();
    return json_pack("{s:o, s:O, s:o, s:s}", "at", tdm__json_time(e->date_unix_s), "signer", e->signer_json, "text",
                     member(e, "text", json_null()), "sha256", e->sha256);
}

static json_t *history_json(const tdm__filing_case *c)
{
    json_t *all = json_array();
    for (size_t i = 0; all && i < c->n_entries; i++) {
        const tdm__filing_entry *e = &c->entries[i];
        json_array_append_new(all, json_pack("{s:I, s:s, s:o, s:O, s:s}", "n", (json_int_t)i + 1, "action",
                                             tdm__filing_action_name(e->action), "at", tdm__json_time(e->date_unix_s),
                                             "signer", e->signer_json, "sha256", e->sha256));
    }
    return all;
}

json_t *tdm__filing_case_json(const tdm__filing_case *c, int64_t now_unix_s)
{
    const tdm__filing_state state = tdm__filing_case_state(c, now_unix_s);
    const int64_t expires = tdm__filing_case_expires_unix_s(c);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:b, s:b, s:b, s:o, s:o, s:{s:s, s:s}, s:o, s:o, s:o, s:o, s:o, s:s}",
                     "id", c->id, "market", c->market, "state", tdm__filing_state_name(state), "since",
                     tdm__json_time(state == TDM__FILING_EXPIRED ? expires : c->progress.since_unix_s), "expires",
                     tdm__json_time(expires), "demo", c->is_demo, "hypothetical", c->progress.is_hypothetical,
                     "signers_checked", c->is_checked, "features", features_json(c), "models", models_json(c), "filers",
                     "maker", c->maker, "provider", c->provider, "sections", sections_json(c), "questions",
                     questions_json(c), "verdict", verdict_json(c), "withdrawal", withdrawal_json(c), "history",
                     history_json(c), "head", tdm__filing_case_head(c));
}
