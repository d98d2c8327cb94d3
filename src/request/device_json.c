/* device_json.c - what the device says about itself and its features, for pages and programs.
 *
 * A feature's state is not stored anywhere: it is what a decision of this moment would come to, so it cannot disagree
 * with one. What this program cannot do with a decision counts too: a feature that is not built is off whatever the
 * policy says, and one that only this device's model answers is not on because a partner could.
 */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/clock.h"
#include "request/device_internal.h"

typedef struct feature_kind {
    const char *name;
    bool is_built;
    bool asks_partners; /* else its plan's first step must be this device's own model */
} feature_kind;

/* Named here although no market may have a cell for them: then they are off, with that reason. */
static const feature_kind features_known[] = {
    {"chat", true, false},      {"assistant", true, true}, {"proofread", true, false},  {"rewrite", true, false},
    {"summarize", true, false}, {"reply", true, false},    {"prioritise", true, false}, {"visual", false, true},
};

enum { SENTENCE_BYTES_MAX = 1024 };

static json_t *names_json(const char *en, const char *zh) { return json_pack("{s:s, s:s}", "en", en, "zh", zh); }

static json_t *sentence_json(const tdm__decision *d, const tdm__refusal *refusal, const char *language)
{
    tdm__buf text;
    tdm__buf_init(&text, SENTENCE_BYTES_MAX);
    json_t *s = tdm__decision_sentence(d, refusal, language, &text) == TDM_OK ? json_string(tdm__buf_cstr(&text))
                                                                              : NULL;
    tdm__buf_fini(&text);
    return s;
}

/* ---- features ---- */

static const tdm__plan_step *find_step(const tdm__decision *d, bool of_partner)
{
    for (size_t i = 0; i < d->n_plan; i++)
        if ((d->plan[i].candidate->backend->partner != NULL) == of_partner)
            return &d->plan[i];
    return NULL;
}

/* Why no partner helps, where one could: the first that was refused. */
static const tdm__refusal *first_partner_refusal(const tdm__decision *d)
{
    for (size_t i = 0; i < d->n_refused; i++)
        if (d->refused[i].candidate->backend->partner)
            return &d->refused[i];
    return NULL;
}

static json_t *partner_json(const tdm__plan_step *step)
{
    if (!step)
        return json_null();
    const tdm__policy_partner *p = step->candidate->backend->partner;
    return json_pack("{s:s, s:o, s:b, s:s, s:b}", "id", p->id, "name", names_json(p->name_en, p->name_zh), "emulated",
                     p->is_emulated, "model", step->candidate->backend->model_name, "asks", step->needs_consent);
}

static const tdm__refusal *own_refusal(const tdm__decision *d)
{
    for (size_t i = 0; i < d->n_refused; i++)
        if (!d->refused[i].candidate->backend->partner)
            return &d->refused[i];
    return NULL;
}

/* What a page is told: a state, and the cause when there is one. */
typedef struct feature_state {
    const char *name;
    const tdm__plan_step *own, *partner; /* of the plan, as far as the feature uses them */
    bool is_other;                       /* other says why; else the decision does */
    tdm__refusal other;
} feature_state;

static feature_state off_because(tdm__refusal other)
{
    const bool is_coming = other.reason == TDM__REASON_MODEL_NOT_HERE;
    return (feature_state){.name = is_coming ? "downloading" : "off", .is_other = true, .other = other};
}

/* The own model alone: what the policy gives to a partner is nothing that this feature takes. */
static feature_state state_of_own_only(const tdm__decision *d)
{
    const tdm__plan_step *partner = find_step(d, true);
    const tdm__refusal *own = own_refusal(d);
    const tdm__refusal not_taken = {.candidate = partner ? partner->candidate : NULL,
                                    .reason = TDM__REASON_ROLE_NOT_BUILT};
    if (d->plan[0].candidate->backend->partner)
        return off_because(own ? *own : not_taken);
    return (feature_state){
        .name = "device_only", .own = find_step(d, false), .is_other = partner != NULL, .other = not_taken};
}

static feature_state state_of(const tdm__decision *d, const feature_kind *kind)
{
    const bool is_coming = d->off == TDM__REASON_MODEL_NOT_HERE;
    if ((!kind || !kind->is_built) && (d->n_plan > 0 || is_coming))
        return off_because((tdm__refusal){.reason = TDM__REASON_FEATURE_NOT_BUILT});
    if (d->n_plan == 0)
        return (feature_state){.name = is_coming ? "downloading" : "off"};
    if (!kind->asks_partners)
        return state_of_own_only(d);
    const tdm__plan_step *own = find_step(d, false), *partner = find_step(d, true);
    const tdm__refusal *refusal = partner ? NULL : first_partner_refusal(d);
    feature_state s = {
        .name = partner ? "on" : "device_only", .own = own, .partner = partner, .is_other = refusal != NULL};
    if (refusal)
        s.other = *refusal;
    return s;
}

static json_t *feature_json(const tdm__decision *d, const feature_kind *kind, int percent)
{
    const feature_state s = state_of(d, kind);
    const tdm__refusal *refusal = s.is_other ? &s.other : NULL;
    const tdm__plan_step *first = s.own ? s.own : s.partner;
    const char *filing = first ? first->candidate->filing.id : "";
    json_t *o = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "state", s.name, "reason",
                          tdm__reason_name(refusal ? refusal->reason : d->off), "text",
                          sentence_json(d, refusal, "en"), "text_zh", sentence_json(d, refusal, "zh"), "partner",
                          partner_json(s.partner), "filing", *filing ? json_string(filing) : json_null());
    if (o && strcmp(s.name, "downloading") == 0)
        json_object_set_new(o, "percent", json_integer(percent));
    return o;
}

static const feature_kind *find_kind(const char *feature)
{
    for (size_t i = 0; i < sizeof features_known / sizeof *features_known; i++)
        if (strcmp(features_known[i].name, feature) == 0)
            return &features_known[i];
    return NULL;
}

static bool put_feature(tdm__device *d, const tdm__rules_set *s, json_t *all, const char *feature,
                        tdm__backend_state own_state, int percent)
{
    const tdm__ask ask = {.feature = feature, .own_state = own_state};
    tdm__decision decision;
    if (json_object_get(all, feature))
        return true;
    return tdm__device_decide(d, s, &ask, &decision, NULL) == TDM_OK &&
           json_object_set_new(all, feature, feature_json(&decision, find_kind(feature), percent)) == 0;
}

json_t *tdm__device_features(tdm__device *d, tdm__backend_state own_state, int percent)
{
    const tdm__rules_set *s = tdm__device_acquire(d);
    json_t *all = json_object();
    bool ok = all != NULL;
    for (size_t i = 0; ok && i < sizeof features_known / sizeof *features_known; i++)
        ok = put_feature(d, s, all, features_known[i].name, own_state, percent);
    for (size_t i = 0; ok && i < s->rules->n_cells; i++)
        ok = put_feature(d, s, all, s->rules->cells[i].cell->feature, own_state, percent);
    tdm__device_release(d, s);
    if (ok)
        return all;
    json_decref(all);
    return NULL;
}

/* ---- the device ---- */

static json_t *features_of_partner(const tdm__rules *r, const char *partner)
{
    json_t *all = json_array();
    for (size_t i = 0; all && i < r->n_cells; i++)
        for (size_t k = 0; k < r->cells[i].cell->n_backends; k++) {
            const tdm__policy_partner *p = r->cells[i].cell->backends[k].partner;
            if (p && strcmp(p->id, partner) == 0) {
                json_array_append_new(all, json_string(r->cells[i].cell->feature));
                break;
            }
        }
    return all;
}

static json_t *partners_json(const tdm__rules *r)
{
    json_t *all = json_array();
    for (size_t i = 0; all && r->policy && i < r->policy->n_partners; i++) {
        const tdm__policy_partner *p = &r->policy->partners[i];
        json_array_append_new(all, json_pack("{s:s, s:o, s:b, s:s, s:o}", "id", p->id, "name",
                                             names_json(p->name_en, p->name_zh), "emulated", p->is_emulated,
                                             "accreditation", p->accreditation, "features",
                                             features_of_partner(r, p->id)));
    }
    return all;
}

static const char *profile_name(tdm__profile p)
{
    return p == TDM__PROFILE_CHILD ? "child" : p == TDM__PROFILE_MANAGED ? "managed" : "adult";
}

static bool is_of_record(tdm__reason r) { return r >= TDM__REASON_RECORD_INVALID && r <= TDM__REASON_RECORD_DEMO; }

static const char *record_state(const tdm__rules *r, int64_t now)
{
    if (is_of_record(r->why_off))
        return tdm__reason_name(r->why_off);
    return now >= r->record.expires_unix_s ? tdm__reason_name(TDM__REASON_RECORD_EXPIRED) : "fine";
}

static json_t *market_json(const tdm__market_policy *p)
{
    if (!p)
        return json_null();
    return json_pack("{s:s, s:o, s:b, s:b}", "id", p->market, "name", names_json(p->name_en, p->name_zh), "demo",
                     p->is_demo, "needs_filing", p->needs_filing);
}

static json_t *policy_json(const tdm__rules *r, int64_t now, bool is_suspect)
{
    if (!r->policy)
        return json_null();
    const tdm__freshness f = is_suspect                                                ? TDM__SUSPECT
                             : now < r->policy_expires_unix_s                          ? TDM__FRESH
                             : now - r->policy_expires_unix_s < r->policy->grace_s ? TDM__GRACE
                                                                                       : TDM__STALE;
    return json_pack("{s:I, s:s, s:s, s:o}", "version", (json_int_t)r->policy->version, "sha256", r->policy->sha256,
                     "freshness", tdm__freshness_name(f), "expires", tdm__json_time(r->policy_expires_unix_s));
}

/* A copy: jansson's counts are not for two threads. */
static json_t *copy_cases(const tdm__rules_set *s) { return json_deep_copy(((const tdm__device_rules *)s)->cases); }

json_t *tdm__device_cases(tdm__device *d)
{
    const tdm__rules_set *s = tdm__device_acquire(d);
    json_t *cases = copy_cases(s);
    tdm__device_release(d, s);
    return cases;
}

json_t *tdm__device_json(tdm__device *d)
{
    bool is_suspect;
    const int64_t now = tdm__device_now(d, &is_suspect);
    const tdm__rules_set *s = tdm__device_acquire(d);
    const tdm__rules *r = s->rules;
    const bool has_region = r->has_record && r->record.sold_in[0];
    json_t *record = r->has_record ? json_pack("{s:s, s:o, s:b}", "state", record_state(r, now), "expires",
                                               tdm__json_time(r->record.expires_unix_s), "demo", r->record.is_demo)
                                   : json_null();
    json_t *o = json_pack(
        "{s:s, s:s, s:o, s:s, s:o, s:o, s:b, s:o, s:I, s:s, s:s, s:o, s:o}", "device", r->record.device, "sku",
        r->record.sku, "sold_in", has_region ? json_string(r->record.sold_in) : json_null(), "profile",
        profile_name(r->record.profile), "record", record, "market", market_json(r->policy), "needs_label",
        r->policy && r->policy->needs_label, "policy", policy_json(r, now, is_suspect), "trust_version",
        (json_int_t)r->trust_version, "network", tdm__device_network_is_off(d) ? "off" : "on", "off",
        tdm__reason_name(r->why_off), "partners", partners_json(r), "filings", copy_cases(s));
    tdm__device_release(d, s);
    return o;
}
