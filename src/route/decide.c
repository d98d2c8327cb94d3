/* decide.c - the decision itself: one walk over the cell's back ends, each kept or refused by the first check it fails.
 *
 * The checks stand in one order (docs/formats/decision.md), so that each refusal has exactly one reason and the reason
 * does not depend on anything but the arguments. Nothing is looked up here but the cell: what can be joined ahead is in
 * the rules. All that is unknown refuses: an unknown role, profile or state of a filing opens nothing.
 */
#include "route/decide.h"

#include <string.h>

#include "base/hex.h"

typedef struct verdict {
    tdm__reason reason;
    int64_t at_unix_s;
} verdict;

static const verdict fine = {TDM__REASON_NONE, 0};

static verdict refuse(tdm__reason reason) { return (verdict){reason, 0}; }
static verdict refuse_at(tdm__reason reason, int64_t at_unix_s) { return (verdict){reason, at_unix_s}; }

/* Texts from outside are kept only when they cannot be somebody's sentence. */
static void keep_name(const char *name, char *out, size_t cap)
{
    size_t n = 0;
    for (; n + 1 < cap && name[n] != '\0'; n++) {
        char c = name[n];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                    c == '_' || c == '.';
        if (!good)
            break;
        out[n] = c;
    }
    if (name[n] != '\0') {
        memset(out, 0, cap);
        out[0] = '?';
    }
}

static int64_t add_saturated(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static verdict check_record(const tdm__rules *r, int64_t now)
{
    if (r->why_off != TDM__REASON_NONE)
        return refuse(r->why_off);
    if (r->has_record && now >= r->record.expires_unix_s)
        return refuse_at(TDM__REASON_RECORD_EXPIRED, r->record.expires_unix_s);
    if (r->has_record && r->record.issued_unix_s > add_saturated(now, TDM__RECORD_SKEW_S))
        return refuse_at(TDM__REASON_RECORD_NOT_YET_VALID, r->record.issued_unix_s);
    return r->policy ? fine : refuse(TDM__REASON_POLICY_MISSING);
}

static tdm__freshness freshness_of(const tdm__rules *r, const tdm__decision_facts *f)
{
    if (!r->policy)
        return TDM__INVALID;
    if (r->policy_expires_unix_s == INT64_MAX) /* ZZ: no clock can end it */
        return TDM__FRESH;
    if (f->clock_is_suspect)
        return TDM__SUSPECT;
    if (f->now_unix_s < r->policy_expires_unix_s)
        return TDM__FRESH;
    int64_t grace_s = r->policy->grace_s > 0 ? r->policy->grace_s : 0;
    return f->now_unix_s < add_saturated(r->policy_expires_unix_s, grace_s) ? TDM__GRACE : TDM__STALE;
}

static verdict check_freshness(const tdm__rules *r, tdm__freshness freshness)
{
    switch (freshness) {
    case TDM__FRESH:
    case TDM__GRACE:
        return fine;
    case TDM__STALE:
        return refuse_at(TDM__REASON_POLICY_STALE, r->policy_expires_unix_s);
    case TDM__SUSPECT:
        return refuse(TDM__REASON_POLICY_CLOCK);
    case TDM__INVALID:
        break;
    }
    return refuse(TDM__REASON_POLICY_INVALID);
}

static verdict check_cell(const tdm__rule_cell *cell)
{
    if (!cell)
        return refuse(TDM__REASON_FEATURE_NOT_OFFERED);
    if (cell->cell->is_killed)
        return refuse(TDM__REASON_FEATURE_KILLED);
    return cell->cell->n_backends > 0 ? fine : refuse(TDM__REASON_FEATURE_NO_BACKEND);
}

static verdict check_accreditation(const tdm__market_policy *p, const tdm__policy_partner *partner, int64_t now)
{
    if (!p->needs_accreditation)
        return fine;
    if (partner->accreditation[0] == '\0')
        return refuse(TDM__REASON_PARTNER_NOT_ACCREDITED);
    if (now >= partner->accreditation_expires_unix_s)
        return refuse_at(TDM__REASON_ACCREDITATION_EXPIRED, partner->accreditation_expires_unix_s);
    return fine;
}

/* A case is read once and decided on often: what time does to an approval is done here. */
static verdict check_filing(const tdm__market_policy *p, const tdm__rule_filing *filing, int64_t now)
{
    if (!p->needs_filing)
        return fine;
    if (filing->why_not != TDM__REASON_NONE)
        return refuse_at(filing->why_not, filing->since_unix_s);
    if (filing->id[0] == '\0' || filing->state != TDM__FILING_APPROVED)
        return refuse(TDM__REASON_FILING_MISSING);
    if (now >= filing->expires_unix_s)
        return refuse_at(TDM__REASON_FILING_EXPIRED, filing->expires_unix_s);
    if (filing->since_unix_s > add_saturated(now, TDM__FILING_SKEW_S))
        return refuse_at(TDM__REASON_FILING_NOT_YET, filing->since_unix_s);
    return fine;
}

/* Whether the file that is here may answer. Without a hash on either side (ZZ) any model that is up may. */
static verdict check_own_model(const tdm__rules *r, const tdm__policy_backend *b, tdm__backend_state state)
{
    bool needs_hash = r->policy->needs_filing || b->model_sha256[0] != '\0';
    if (state == TDM__BACKEND_LOADING || (needs_hash && r->own_model_sha256[0] == '\0'))
        return refuse(TDM__REASON_MODEL_NOT_HERE);
    if (b->model_sha256[0] != '\0' && strcmp(b->model_sha256, r->own_model_sha256) != 0)
        return refuse(TDM__REASON_MODEL_OTHER);
    return fine;
}

/* What the policy says of a back end, whoever asks. */
static verdict check_policy(const tdm__rules *r, const tdm__rule_candidate *c, int64_t now)
{
    const tdm__policy_backend *b = c->backend;
    unsigned profile = r->has_record ? (unsigned)r->record.profile : (unsigned)TDM__PROFILE_ADULT;
    if (r->policy->shape == TDM__SHAPE_OWN_ONLY && b->partner)
        return refuse(TDM__REASON_SHAPE_OWN_ONLY);
    if (r->policy->shape == TDM__SHAPE_PARTNER_ONLY && !b->partner)
        return refuse(TDM__REASON_SHAPE_PARTNER_ONLY);
    if (b->role != TDM__ROLE_ENGINE && b->role != TDM__ROLE_HANDOFF)
        return refuse(TDM__REASON_ROLE_NOT_BUILT);
    if (!(b->profiles & profile))
        return refuse(TDM__REASON_PROFILE_LOCKED);
    if (b->is_killed)
        return refuse(TDM__REASON_BACKEND_KILLED);
    if (!c->is_in_canary)
        return refuse(TDM__REASON_CANARY_NOT_CHOSEN);
    if (b->partner) {
        verdict v = check_accreditation(r->policy, b->partner, now);
        if (v.reason != TDM__REASON_NONE)
            return v;
    }
    return check_filing(r->policy, &c->filing, now);
}

static verdict check_own(const tdm__rules *r, const tdm__rule_candidate *c, const tdm__decision_facts *f)
{
    verdict v = check_own_model(r, c->backend, f->own_state);
    if (v.reason != TDM__REASON_NONE)
        return v;
    if (f->device_tokens_max > 0 && f->prompt_tokens > f->device_tokens_max)
        return refuse(TDM__REASON_TOO_LONG_FOR_DEVICE);
    return f->own_state == TDM__BACKEND_UP ? fine : refuse(TDM__REASON_DEVICE_FAILED);
}

static verdict check_partner(const tdm__rules *r, const tdm__rule_candidate *c, const tdm__decision_facts *f, size_t i)
{
    const char *named = f->named_partner ? f->named_partner : "";
    if (named[0] != '\0' && strcmp(named, c->backend->partner->id) != 0)
        return refuse(TDM__REASON_PARTNER_NOT_NAMED);
    if (f->has_attachments && r->has_record && r->record.profile != TDM__PROFILE_ADULT)
        return refuse(TDM__REASON_ATTACHMENTS_LOCKED);
    if (f->consents[i] == TDM__CONSENT_NEVER)
        return refuse(TDM__REASON_CONSENT_NEVER);
    if (f->network_is_off)
        return refuse(TDM__REASON_NETWORK_OFF);
    return f->partner_states[i] == TDM__BACKEND_UP ? fine : refuse(TDM__REASON_PARTNER_DOWN);
}

static verdict check_candidate(const tdm__rules *r, const tdm__rule_candidate *c, const tdm__decision_facts *f,
                               tdm__freshness freshness, size_t i)
{
    bool is_partner = c->backend->partner != NULL;
    if (is_partner && freshness == TDM__GRACE)
        return refuse_at(TDM__REASON_POLICY_GRACE, r->policy_expires_unix_s);
    verdict v = check_policy(r, c, f->now_unix_s);
    if (v.reason != TDM__REASON_NONE)
        return v;
    return is_partner ? check_partner(r, c, f, i) : check_own(r, c, f);
}

/* The partner that was named goes first; all others keep the policy's order behind it. */
static void plan_add(tdm__decision *d, const tdm__rule_candidate *c, bool needs_consent, bool is_named)
{
    size_t at = is_named ? 0 : d->n_plan;
    memmove(d->plan + at + 1, d->plan + at, (d->n_plan - at) * sizeof d->plan[0]);
    d->plan[at].candidate = c;
    d->plan[at].needs_consent = needs_consent;
    d->n_plan++;
}

static void refused_add(tdm__decision *d, const tdm__rule_candidate *c, verdict v)
{
    tdm__refusal *r = &d->refused[d->n_refused++];
    r->candidate = c;
    r->reason = v.reason;
    r->at_unix_s = v.at_unix_s;
}

static void decide_cell(tdm__decision *d, const tdm__rule_cell *cell, const tdm__decision_facts *f, verdict whole)
{
    const char *named = f->named_partner ? f->named_partner : "";
    if (named[0] != '\0' && whole.reason == TDM__REASON_NONE)
        d->named = TDM__REASON_PARTNER_UNKNOWN;
    size_t n = cell ? cell->cell->n_backends : 0;
    for (size_t i = 0; i < n && i < TDM__CELL_BACKENDS_MAX; i++) {
        const tdm__rule_candidate *c = &cell->candidates[i];
        const tdm__policy_partner *partner = c->backend->partner;
        bool is_named = partner && named[0] != '\0' && strcmp(named, partner->id) == 0;
        if (is_named)
            d->named = TDM__REASON_NONE;
        verdict v = whole.reason != TDM__REASON_NONE ? whole : check_candidate(d->rules, c, f, d->freshness, i);
        if (v.reason == TDM__REASON_NONE)
            plan_add(d, c, partner && f->consents[i] != TDM__CONSENT_ALWAYS, is_named);
        else
            refused_add(d, c, v);
    }
}

static bool is_case_state(tdm__reason r)
{
    return (r >= TDM__REASON_FILING_DRAFT && r <= TDM__REASON_FILING_EXPIRED) || r == TDM__REASON_FILING_NOT_YET;
}

/* How near a refusal stands to the owner. This device's own model speaks first, unless all it can say is that it has no
 * case while another back end's case has a state; that another partner was named says nothing. */
static int nearness(const tdm__refusal *r)
{
    bool is_own = !r->candidate->backend->partner;
    switch (r->reason) {
    case TDM__REASON_PARTNER_NOT_NAMED:
        return 0;
    case TDM__REASON_SHAPE_OWN_ONLY:
    case TDM__REASON_SHAPE_PARTNER_ONLY:
    case TDM__REASON_ROLE_NOT_BUILT:
        return 1;
    case TDM__REASON_FILING_MISSING:
    case TDM__REASON_FILING_OTHER_MODEL:
        return is_own ? 4 : 2;
    default:
        return is_own ? 6 : is_case_state(r->reason) ? 5 : 3;
    }
}

/* Why nothing is in the plan of a cell that is on; of equally near causes the first in the policy's order. */
static void choose_off(tdm__decision *d)
{
    const tdm__refusal *best = NULL;
    for (size_t i = 0; i < d->n_refused; i++)
        if (!best || nearness(&d->refused[i]) > nearness(best))
            best = &d->refused[i];
    if (d->named != TDM__REASON_NONE && nearness(best) == 0) {
        d->off = d->named;
        return;
    }
    d->off = best->reason;
    d->off_at_unix_s = best->at_unix_s;
    d->off_candidate = best->candidate;
}

void tdm__decide(const tdm__rules *rules, const tdm__decision_facts *facts, tdm__decision *out)
{
    const char *feature = facts->feature ? facts->feature : "";
    memset(out, 0, sizeof *out); /* padding too: equal decisions are equal bytes */
    tdm__hex_put(facts->random, TDM__DECISION_ID_BYTES, out->id);
    out->rules = rules;
    keep_name(facts->named_partner ? facts->named_partner : "", out->named_partner, sizeof out->named_partner);
    memcpy(&out->facts, facts, sizeof *facts);
    out->facts.feature = out->facts.named_partner = NULL;
    out->now_unix_s = facts->now_unix_s;
    out->freshness = freshness_of(rules, facts);

    const tdm__rule_cell *cell = tdm__rules_cell(rules, feature);
    keep_name(cell ? cell->cell->feature : feature, out->feature, sizeof out->feature);
    verdict whole = check_record(rules, facts->now_unix_s);
    if (whole.reason == TDM__REASON_NONE)
        whole = check_freshness(rules, out->freshness);
    if (whole.reason == TDM__REASON_NONE)
        whole = check_cell(cell);
    decide_cell(out, cell, facts, whole);
    if (out->n_plan > 0)
        return;
    if (whole.reason == TDM__REASON_NONE) {
        choose_off(out);
    } else {
        out->off = whole.reason;
        out->off_at_unix_s = whole.at_unix_s;
    }
}

const char *tdm__decision_market(const tdm__decision *d) { return d->rules->policy ? d->rules->policy->market : ""; }
