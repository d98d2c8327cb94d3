/* explain_json.c - the decision as a document: what route explain prints, pages show, and the journal keeps.
 *
 * It is made from the decision alone. Its facts and rules parts are what replaying needs and no more: lengths and
 * choices, hashes of what was signed; no text of the user is in a decision, so none can come out here.
 */
#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "route/decide.h"

enum { SENTENCE_MAX = 1024 };

/* Steals v; false when either could not be had. */
static bool put(json_t *object, const char *key, json_t *v) { return json_object_set_new(object, key, v) == 0; }

static bool put_text(json_t *object, const char *key, const char *text) { return put(object, key, json_string(text)); }

static bool put_time(json_t *object, const char *key, int64_t unix_s)
{
    char text[TDM__RFC3339_TEXT];
    if (unix_s < 0 || unix_s > 253402300799) /* beyond what the format can say: never, or not known */
        return put(object, key, json_null());
    tdm__rfc3339_put(unix_s, text);
    return put_text(object, key, text);
}

static bool put_sentence(json_t *object, const char *key, const tdm__decision *d, const tdm__refusal *r,
                         const char *language)
{
    tdm__buf text;
    tdm__buf_init(&text, SENTENCE_MAX);
    bool good = tdm__decision_sentence(d, r, language, &text) >= 0 && put_text(object, key, tdm__buf_cstr(&text));
    tdm__buf_fini(&text);
    return good;
}

static bool put_reason(json_t *object, const tdm__decision *d, const tdm__refusal *r)
{
    return put_text(object, "reason", tdm__reason_name(r ? r->reason : d->off)) &&
           put_sentence(object, "text", d, r, "en") && put_sentence(object, "text_zh", d, r, "zh");
}

static json_t *partner_json(const tdm__policy_partner *p)
{
    return p ? json_pack("{s:s, s:{s:s, s:s}, s:s, s:b}", "id", p->id, "name", "en", p->name_en, "zh", p->name_zh,
                         "legal_entity", p->legal_entity, "emulated", p->is_emulated)
             : json_null();
}

const char *tdm__role_name(tdm__role r)
{
    switch (r) {
    case TDM__ROLE_ENGINE:
        return "engine";
    case TDM__ROLE_HANDOFF:
        return "hand-off";
    case TDM__ROLE_FILTER:
        return "filter";
    }
    return "unknown";
}

/* What a step and a refusal have in common. */
static bool put_candidate(json_t *object, const tdm__rule_candidate *c)
{
    const tdm__policy_backend *b = c->backend;
    tdm__buf name;
    tdm__buf_init(&name, SENTENCE_MAX);
    bool good = tdm__candidate_name(b, &name) >= 0 && put_text(object, "candidate", tdm__buf_cstr(&name)) &&
                put_text(object, "backend", b->partner ? b->partner->id : "own") &&
                put(object, "partner", partner_json(b->partner)) && put_text(object, "role", tdm__role_name(b->role)) &&
                put_text(object, "model", b->model) && put_text(object, "model_name", b->model_name) &&
                put(object, "filing", c->filing.id[0] != '\0' ? json_string(c->filing.id) : json_null()) &&
                put(object, "hypothetical", json_boolean(c->filing.is_hypothetical)) &&
                put(object, "emulated", json_boolean(b->partner && b->partner->is_emulated));
    tdm__buf_fini(&name);
    return good;
}

static bool put_plan(json_t *root, const tdm__decision *d)
{
    json_t *plan = json_array();
    bool good = plan != NULL;
    for (size_t i = 0; i < d->n_plan && good; i++) {
        json_t *step = json_object();
        good = put_candidate(step, d->plan[i].candidate) &&
               put(step, "needs_consent", json_boolean(d->plan[i].needs_consent));
        good = json_array_append_new(plan, step) == 0 && good;
    }
    return put(root, "plan", plan) && good;
}

/* A partner that was named and is none of the cell's stands among the refused, though it never was a candidate. */
static bool put_unknown(json_t *refused, const tdm__decision *d)
{
    const tdm__refusal unknown = {.reason = TDM__REASON_PARTNER_UNKNOWN};
    json_t *row = json_object();
    bool good = put_text(row, "candidate", d->named_partner) && put_text(row, "backend", d->named_partner) &&
                put(row, "partner", json_null()) && put_reason(row, d, &unknown);
    return json_array_append_new(refused, row) == 0 && good;
}

static bool put_refused(json_t *root, const tdm__decision *d)
{
    json_t *refused = json_array();
    bool good = refused != NULL;
    for (size_t i = 0; i < d->n_refused && good; i++) {
        json_t *row = json_object();
        good = put_candidate(row, d->refused[i].candidate) && put_reason(row, d, &d->refused[i]);
        good = json_array_append_new(refused, row) == 0 && good;
    }
    if (good && d->named != TDM__REASON_NONE)
        good = put_unknown(refused, d);
    return put(root, "refused", refused) && good;
}

static const char *state_name(tdm__backend_state s)
{
    return s == TDM__BACKEND_UP ? "up" : s == TDM__BACKEND_LOADING ? "loading" : "down";
}

static const char *consent_name(tdm__consent_mode m)
{
    return m == TDM__CONSENT_ALWAYS ? "always" : m == TDM__CONSENT_NEVER ? "never" : "ask";
}

static json_t *backends_json(const tdm__decision *d)
{
    const tdm__rule_cell *cell = tdm__rules_cell(d->rules, d->feature);
    json_t *list = json_array();
    bool good = list != NULL;
    for (size_t i = 0; cell && i < cell->cell->n_backends && i < TDM__CELL_BACKENDS_MAX && good; i++)
        good = json_array_append_new(list, json_pack("{s:s, s:s}", "consent", consent_name(d->facts.consents[i]),
                                                     "state", state_name(d->facts.partner_states[i]))) == 0;
    if (good)
        return list;
    json_decref(list);
    return NULL;
}

static bool put_facts(json_t *root, const tdm__decision *d)
{
    const tdm__decision_facts *f = &d->facts;
    json_t *facts = json_object();
    bool good = put_text(facts, "named_partner", d->named_partner) &&
                put(facts, "prompt_tokens", json_integer((json_int_t)f->prompt_tokens)) &&
                put(facts, "device_tokens_max", json_integer((json_int_t)f->device_tokens_max)) &&
                put(facts, "attachments", json_boolean(f->has_attachments)) &&
                put(facts, "clock_suspect", json_boolean(f->clock_is_suspect)) &&
                put_text(facts, "network", f->network_is_off ? "off" : "on") &&
                put_text(facts, "own", state_name(f->own_state)) && put(facts, "backends", backends_json(d));
    return put(root, "facts", facts) && good;
}

/* Each case that spoke for a candidate, once. */
static json_t *filings_json(const tdm__decision *d)
{
    const tdm__rule_cell *cell = tdm__rules_cell(d->rules, d->feature);
    json_t *heads = json_object();
    bool good = heads != NULL;
    for (size_t i = 0; cell && i < cell->cell->n_backends && good; i++) {
        const tdm__rule_filing *f = &cell->candidates[i].filing;
        if (f->id[0] != '\0')
            good = put_text(heads, f->id, f->head_sha256);
    }
    if (good)
        return heads;
    json_decref(heads);
    return NULL;
}

/* What was signed, by hash. */
static bool put_rules(json_t *root, const tdm__decision *d)
{
    const tdm__rules *r = d->rules;
    json_t *rules = json_object();
    bool good = put(rules, "record", r->has_record ? json_string(r->record.sha256) : json_null()) &&
                put(rules, "trust_version", json_integer(r->trust_version)) &&
                put_time(rules, "policy_expires", r->policy_expires_unix_s) &&
                put_text(rules, "own_model", r->own_model_sha256) && put(rules, "filings", filings_json(d));
    return put(root, "rules", rules) && good;
}

static json_t *policy_json(const tdm__market_policy *p)
{
    return p ? json_pack("{s:I, s:s, s:b}", "version", (json_int_t)p->version, "sha256", p->sha256, "demo", p->is_demo)
             : json_null();
}

json_t *tdm__decision_json(const tdm__decision *d)
{
    json_t *root = json_object();
    if (root && put_text(root, "decision", d->id) && put_text(root, "feature", d->feature) &&
        put_text(root, "market", tdm__decision_market(d)) && put_time(root, "at", d->now_unix_s) &&
        put(root, "off", json_boolean(d->off != TDM__REASON_NONE)) && put_reason(root, d, NULL) &&
        put_text(root, "freshness", tdm__freshness_name(d->freshness)) && put_plan(root, d) && put_refused(root, d) &&
        put(root, "policy", policy_json(d->rules->policy)) && put_rules(root, d) && put_facts(root, d))
        return root;
    json_decref(root);
    return NULL;
}

tdm_status tdm__decision_canonical(const tdm__decision *d, tdm__buf *out, tdm_error *err)
{
    json_t *json = tdm__decision_json(d);
    if (!json)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the document of a decision");
    tdm_status s = tdm__json_canonical(json, out, err);
    json_decref(json);
    return s;
}
