/* property_decide.c - random rules and facts against an oracle that is written the other way round.
 *
 *     property_decide N [SEED]
 *
 * The decision walks the checks and stops at the first; the oracle lists every fault that a back end has, as a set, in
 * no order, and knows the order only as a list of codes. For each case: each back end is in the plan or refused, once;
 * in the plan is exactly who has no fault; the reason is the first of its faults; off is told iff the plan is empty;
 * the plan keeps the policy's order behind the partner that was named; deciding again gives the same bytes; every 64th
 * case's sentences have no hole.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decide_world.h"

enum { N_CELLS = 3, N_BACKENDS = 8, N_PARTNERS = 5, SENTENCES_EVERY = 64 };

typedef struct dice {
    uint64_t state;
} dice;

static uint64_t next(dice *d) /* splitmix64 */
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static bool one_in(dice *d, unsigned n) { return next(d) % n == 0; }

/* Mostly far from now on the good side, at times exactly now, a second off, or absurd. */
static int64_t moment(dice *d, int64_t now, bool good_is_later)
{
    int64_t far = good_is_later ? WORLD_DAY : -WORLD_DAY;
    switch (next(d) % 16) {
    case 0:
        return now;
    case 1:
        return now + 1;
    case 2:
        return now - 1;
    case 3:
        return now - far;
    case 4:
        return INT64_MAX;
    case 5:
        return INT64_MIN;
    case 6:
        return now + TDM__FILING_SKEW_S;
    case 7:
        return now + TDM__FILING_SKEW_S + 1;
    default:
        return now + far;
    }
}

static void roll_backend(dice *d, decide_world *w, size_t at, int64_t now)
{
    static const tdm__reason why_not[] = {TDM__REASON_FILING_MISSING,   TDM__REASON_FILING_DRAFT,
                                          TDM__REASON_FILING_SUBMITTED, TDM__REASON_FILING_UNDER_REVIEW,
                                          TDM__REASON_FILING_REFUSED,   TDM__REASON_FILING_WITHDRAWN,
                                          TDM__REASON_FILING_OTHER_MODEL};
    tdm__policy_backend *b = &w->backends[at];
    tdm__rule_candidate *c = &w->candidates[at];
    b->partner = one_in(d, 3) ? NULL : &w->partners[next(d) % N_PARTNERS];
    b->role = one_in(d, 8) ? (tdm__role)(next(d) % 6) : one_in(d, 2) ? TDM__ROLE_ENGINE : TDM__ROLE_HANDOFF;
    b->profiles = one_in(d, 6) ? (unsigned)(next(d) % 8) : 7;
    b->is_killed = one_in(d, 10);
    memset(b->model_sha256, 0, sizeof b->model_sha256);
    if (!b->partner && one_in(d, 2))
        memset(b->model_sha256, one_in(d, 6) ? 'b' : 'a', 64);
    c->is_in_canary = !one_in(d, 10);
    c->filing.why_not = one_in(d, 4) ? why_not[next(d) % 7] : TDM__REASON_NONE;
    c->filing.state = one_in(d, 12) ? (tdm__filing_state)(next(d) % 9) : TDM__FILING_APPROVED;
    c->filing.id[0] = one_in(d, 20) ? '\0' : 'C';
    c->filing.since_unix_s = moment(d, now, false);
    c->filing.expires_unix_s = moment(d, now, true);
}

static void roll_rules(dice *d, decide_world *w, int64_t now)
{
    tdm__rules *r = &w->rules;
    for (size_t i = 0; i < N_PARTNERS; i++) {
        w->partners[i].accreditation = one_in(d, 6) ? "" : "A";
        w->partners[i].accreditation_expires_unix_s = moment(d, now, true);
    }
    for (size_t i = 0; i < N_CELLS; i++) {
        w->cells[i].is_killed = one_in(d, 16);
        w->cells[i].n_backends = next(d) % (N_BACKENDS + 1);
    }
    for (size_t i = 0; i < N_CELLS * N_BACKENDS; i++)
        roll_backend(d, w, i, now);
    w->policy.shape = one_in(d, 3) ? (tdm__shape)(next(d) % 5) : TDM__SHAPE_OWN_AND_PARTNER;
    w->policy.needs_filing = !one_in(d, 3);
    w->policy.needs_accreditation = !one_in(d, 3);
    w->policy.grace_s = one_in(d, 2) ? (int64_t)(next(d) % (2 * WORLD_DAY)) : one_in(d, 8) ? INT64_MAX : 0;
    r->policy = one_in(d, 64) ? NULL : &w->policy;
    r->why_off = one_in(d, 32) ? TDM__REASON_RECORD_INVALID : TDM__REASON_NONE;
    r->n_cells = r->policy ? N_CELLS : 0;
    r->policy_expires_unix_s = moment(d, now, true);
    r->has_record = !one_in(d, 8);
    r->record.profile = one_in(d, 3) ? TDM__PROFILE_CHILD : TDM__PROFILE_ADULT;
    if (one_in(d, 8))
        r->record.profile = (tdm__profile)(next(d) % 9);
    r->record.issued_unix_s = one_in(d, 2) ? now - 1 : moment(d, now, false);
    r->record.expires_unix_s = one_in(d, 2) ? now + 1 : moment(d, now, true);
    memset(r->own_model_sha256, 0, sizeof r->own_model_sha256);
    if (!one_in(d, 5))
        memset(r->own_model_sha256, 'a', 64);
}

static void roll_facts(dice *d, decide_world *w, int64_t now)
{
    static const char *const names[] = {"p0000", "p0001", "p0002", "p0003", "p0004", "openai", "a b", NULL};
    tdm__decision_facts *f = &w->facts;
    for (size_t i = 0; i < sizeof f->random; i++)
        f->random[i] = (uint8_t)next(d);
    f->now_unix_s = now;
    f->clock_is_suspect = one_in(d, 20);
    f->feature = one_in(d, 10) ? "none" : w->cells[next(d) % N_CELLS].feature;
    f->named_partner = one_in(d, 3) ? names[next(d) % 8] : "";
    f->prompt_tokens = (size_t)(next(d) % 4);
    f->device_tokens_max = one_in(d, 2) ? 0 : (size_t)(next(d) % 4);
    f->has_attachments = one_in(d, 4);
    f->network_is_off = one_in(d, 6);
    f->own_state = one_in(d, 3) ? (tdm__backend_state)(next(d) % 4) : TDM__BACKEND_UP;
    for (size_t i = 0; i < TDM__CELL_BACKENDS_MAX; i++) {
        f->consents[i] = (tdm__consent_mode)(next(d) % 4);
        f->partner_states[i] = one_in(d, 4) ? (tdm__backend_state)(next(d) % 4) : TDM__BACKEND_UP;
    }
}

/* The order of the reasons, as docs/formats/decision.md has it. */
static const tdm__reason order[] = {
    TDM__REASON_RECORD_INVALID,     TDM__REASON_RECORD_EXPIRED,     TDM__REASON_RECORD_NOT_YET_VALID,
    TDM__REASON_POLICY_MISSING,     TDM__REASON_POLICY_CLOCK,       TDM__REASON_POLICY_STALE,
    TDM__REASON_FEATURE_NOT_OFFERED, TDM__REASON_FEATURE_KILLED,    TDM__REASON_FEATURE_NO_BACKEND,
    TDM__REASON_POLICY_GRACE,       TDM__REASON_SHAPE_OWN_ONLY,     TDM__REASON_SHAPE_PARTNER_ONLY,
    TDM__REASON_ROLE_NOT_BUILT,     TDM__REASON_PROFILE_LOCKED,     TDM__REASON_BACKEND_KILLED,
    TDM__REASON_CANARY_NOT_CHOSEN,  TDM__REASON_PARTNER_NOT_ACCREDITED, TDM__REASON_ACCREDITATION_EXPIRED,
    TDM__REASON_FILING_MISSING,     TDM__REASON_FILING_DRAFT,       TDM__REASON_FILING_SUBMITTED,
    TDM__REASON_FILING_UNDER_REVIEW, TDM__REASON_FILING_REFUSED,    TDM__REASON_FILING_WITHDRAWN,
    TDM__REASON_FILING_OTHER_MODEL, TDM__REASON_FILING_EXPIRED,     TDM__REASON_FILING_NOT_YET,
    TDM__REASON_MODEL_NOT_HERE,     TDM__REASON_MODEL_OTHER,        TDM__REASON_PARTNER_NOT_NAMED,
    TDM__REASON_ATTACHMENTS_LOCKED, TDM__REASON_CONSENT_NEVER,      TDM__REASON_TOO_LONG_FOR_DEVICE,
    TDM__REASON_NETWORK_OFF,        TDM__REASON_PARTNER_DOWN,       TDM__REASON_DEVICE_FAILED,
};

enum { N_ORDER = sizeof order / sizeof order[0], REASONS_END = 100 };

typedef struct fault_set {
    bool has[REASONS_END];
} fault_set;

static void whole_faults(const decide_world *w, const tdm__policy_cell *cell, fault_set *s)
{
    const tdm__rules *r = &w->rules;
    const int64_t now = w->facts.now_unix_s;
    const bool timed = r->policy && r->policy_expires_unix_s != INT64_MAX;
    s->has[TDM__REASON_RECORD_INVALID] = r->why_off == TDM__REASON_RECORD_INVALID;
    s->has[TDM__REASON_RECORD_EXPIRED] = r->has_record && !(now < r->record.expires_unix_s);
    s->has[TDM__REASON_RECORD_NOT_YET_VALID] =
        r->has_record && (__int128)now + TDM__RECORD_SKEW_S < (__int128)r->record.issued_unix_s;
    s->has[TDM__REASON_POLICY_MISSING] = !r->policy;
    s->has[TDM__REASON_POLICY_CLOCK] = timed && w->facts.clock_is_suspect;
    s->has[TDM__REASON_POLICY_STALE] =
        timed && (__int128)now >= (__int128)r->policy_expires_unix_s + (__int128)w->policy.grace_s;
    s->has[TDM__REASON_FEATURE_NOT_OFFERED] = r->policy && !cell;
    s->has[TDM__REASON_FEATURE_KILLED] = cell && cell->is_killed;
    s->has[TDM__REASON_FEATURE_NO_BACKEND] = cell && cell->n_backends == 0;
}

static void filing_faults(const decide_world *w, const tdm__rule_filing *f, fault_set *s)
{
    if (!w->policy.needs_filing)
        return;
    if (f->why_not != TDM__REASON_NONE) {
        s->has[f->why_not] = true;
        return;
    }
    if (f->id[0] == '\0' || f->state != TDM__FILING_APPROVED) {
        s->has[TDM__REASON_FILING_MISSING] = true;
        return;
    }
    s->has[TDM__REASON_FILING_EXPIRED] = f->expires_unix_s <= w->facts.now_unix_s;
    s->has[TDM__REASON_FILING_NOT_YET] =
        (__int128)f->since_unix_s - TDM__FILING_SKEW_S > (__int128)w->facts.now_unix_s;
}

static void own_faults(const decide_world *w, const tdm__policy_backend *b, fault_set *s)
{
    const tdm__rules *r = &w->rules;
    const bool here = strlen(r->own_model_sha256) == 64, wanted = strlen(b->model_sha256) == 64;
    s->has[TDM__REASON_SHAPE_PARTNER_ONLY] = w->policy.shape == TDM__SHAPE_PARTNER_ONLY;
    s->has[TDM__REASON_MODEL_NOT_HERE] =
        w->facts.own_state == TDM__BACKEND_LOADING || (!here && (wanted || w->policy.needs_filing));
    s->has[TDM__REASON_MODEL_OTHER] = here && wanted && memcmp(r->own_model_sha256, b->model_sha256, 64) != 0;
    s->has[TDM__REASON_TOO_LONG_FOR_DEVICE] =
        w->facts.device_tokens_max != 0 && w->facts.prompt_tokens > w->facts.device_tokens_max;
    s->has[TDM__REASON_DEVICE_FAILED] =
        w->facts.own_state != TDM__BACKEND_UP && w->facts.own_state != TDM__BACKEND_LOADING;
}

static void partner_faults(const decide_world *w, const tdm__policy_backend *b, size_t i, fault_set *s)
{
    const tdm__decision_facts *f = &w->facts;
    const tdm__policy_partner *p = b->partner;
    const bool is_named = f->named_partner && f->named_partner[0];
    s->has[TDM__REASON_POLICY_GRACE] = f->now_unix_s >= w->rules.policy_expires_unix_s;
    if (w->rules.policy_expires_unix_s == INT64_MAX)
        s->has[TDM__REASON_POLICY_GRACE] = false;
    s->has[TDM__REASON_SHAPE_OWN_ONLY] = w->policy.shape == TDM__SHAPE_OWN_ONLY;
    s->has[TDM__REASON_PARTNER_NOT_ACCREDITED] = w->policy.needs_accreditation && !*p->accreditation;
    s->has[TDM__REASON_ACCREDITATION_EXPIRED] =
        w->policy.needs_accreditation && *p->accreditation && p->accreditation_expires_unix_s <= f->now_unix_s;
    s->has[TDM__REASON_PARTNER_NOT_NAMED] = is_named && strcmp(p->id, f->named_partner) != 0;
    s->has[TDM__REASON_ATTACHMENTS_LOCKED] =
        f->has_attachments && w->rules.has_record && w->rules.record.profile != TDM__PROFILE_ADULT;
    s->has[TDM__REASON_CONSENT_NEVER] = f->consents[i] == TDM__CONSENT_NEVER;
    s->has[TDM__REASON_NETWORK_OFF] = f->network_is_off;
    s->has[TDM__REASON_PARTNER_DOWN] = f->partner_states[i] != TDM__BACKEND_UP;
}

static void all_faults(const decide_world *w, const tdm__policy_cell *cell, size_t i, fault_set *s)
{
    const tdm__rule_candidate *c = &w->candidates[(size_t)(cell - w->cells) * N_BACKENDS + i];
    const tdm__policy_backend *b = c->backend;
    const unsigned owner = w->rules.has_record ? (unsigned)w->rules.record.profile : (unsigned)TDM__PROFILE_ADULT;
    memset(s, 0, sizeof *s);
    whole_faults(w, cell, s);
    s->has[TDM__REASON_ROLE_NOT_BUILT] = !(b->role == TDM__ROLE_ENGINE || b->role == TDM__ROLE_HANDOFF);
    s->has[TDM__REASON_PROFILE_LOCKED] = (owner & b->profiles) == 0;
    s->has[TDM__REASON_BACKEND_KILLED] = b->is_killed;
    s->has[TDM__REASON_CANARY_NOT_CHOSEN] = !c->is_in_canary;
    filing_faults(w, &c->filing, s);
    if (b->partner)
        partner_faults(w, b, i, s);
    else
        own_faults(w, b, s);
}

static tdm__reason first_of(const fault_set *s)
{
    for (size_t i = 0; i < N_ORDER; i++)
        if (s->has[order[i]])
            return order[i];
    return TDM__REASON_NONE;
}

static const char *check_back_end(const decide_world *w, const tdm__policy_cell *cell, size_t i, const tdm__decision *d)
{
    const tdm__rule_candidate *c = &w->candidates[(size_t)(cell - w->cells) * N_BACKENDS + i];
    size_t n_times = 0;
    fault_set faults;
    all_faults(w, cell, i, &faults);
    tdm__reason expected = first_of(&faults), got = TDM__REASON_NONE;
    for (size_t k = 0; k < d->n_plan; k++)
        if (d->plan[k].candidate == c) {
            n_times++;
            if (d->plan[k].needs_consent != (c->backend->partner && w->facts.consents[i] != TDM__CONSENT_ALWAYS))
                return "a step needs consent when it should not, or the reverse";
        }
    for (size_t k = 0; k < d->n_refused; k++)
        if (d->refused[k].candidate == c) {
            n_times++;
            got = d->refused[k].reason;
            if (got == TDM__REASON_NONE)
                return "a refusal has no reason";
        }
    return n_times != 1 ? "a back end is not in exactly one place" : got != expected ? "another reason" : NULL;
}

static const char *check_order(const decide_world *w, const tdm__decision *d)
{
    const char *named = w->facts.named_partner ? w->facts.named_partner : "";
    size_t from = 0;
    while (from < d->n_plan && named[0] && d->plan[from].candidate->backend->partner &&
           strcmp(d->plan[from].candidate->backend->partner->id, named) == 0)
        from++;
    for (size_t k = from; k < d->n_plan; k++) {
        const tdm__policy_partner *p = d->plan[k].candidate->backend->partner;
        if (p && named[0])
            return "behind the named partner stands another, or it does not stand in front";
        if (k > from && d->plan[k].candidate <= d->plan[k - 1].candidate)
            return "the plan is not in the policy's order";
    }
    return NULL;
}

static const char *check_off(const decide_world *w, const tdm__policy_cell *cell, const tdm__decision *d)
{
    fault_set whole = {0};
    whole_faults(w, cell, &whole);
    tdm__reason first = first_of(&whole);
    if ((d->off == TDM__REASON_NONE) != (d->n_plan > 0))
        return "off does not go with the plan";
    if (first != TDM__REASON_NONE)
        return d->off == first ? NULL : "off is not the whole's first fault";
    if (d->n_plan > 0 || d->off == TDM__REASON_PARTNER_UNKNOWN)
        return NULL;
    for (size_t k = 0; k < d->n_refused; k++)
        if (d->refused[k].reason == d->off && d->refused[k].candidate == d->off_candidate)
            return NULL;
    return "off is nobody's reason";
}

static const char *check_sentences(const tdm__decision *d)
{
    const char *wrong = NULL;
    for (size_t k = 0; k <= d->n_refused && !wrong; k++)
        for (int l = 0; l < 2; l++) {
            tdm__buf b;
            tdm__buf_init(&b, 1024);
            const tdm__refusal *r = k < d->n_refused ? &d->refused[k] : NULL;
            if (tdm__decision_sentence(d, r, l ? "zh" : "en", &b) != TDM_OK || b.len < 10 ||
                strchr(tdm__buf_cstr(&b), '%'))
                wrong = "a sentence has a hole";
            tdm__buf_fini(&b);
        }
    return wrong;
}

static const char *check_case(const decide_world *w, uint64_t n)
{
    static tdm__decision a, b;
    const tdm__policy_cell *cell = NULL;
    memset(&a, 0x55, sizeof a);
    memset(&b, 0xaa, sizeof b);
    tdm__decide(&w->rules, &w->facts, &a);
    tdm__decide(&w->rules, &w->facts, &b);
    if (memcmp(&a, &b, sizeof a) != 0)
        return "deciding twice differs";
    for (size_t i = 0; i < N_CELLS && w->rules.policy; i++)
        if (strcmp(w->cells[i].feature, w->facts.feature) == 0)
            cell = &w->cells[i];
    const char *wrong = a.n_plan + a.n_refused == (cell ? cell->n_backends : 0) ? NULL : "a back end too few or many";
    for (size_t i = 0; cell && i < cell->n_backends && !wrong; i++)
        wrong = check_back_end(w, cell, i, &a);
    if (!wrong)
        wrong = check_order(w, &a);
    if (!wrong)
        wrong = check_off(w, cell, &a);
    return wrong || n % SENTENCES_EVERY != 0 ? wrong : check_sentences(&a);
}

int main(int argc, char **argv)
{
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, n_plans = 0, n_steps = 0;
    decide_world *w = decide_world_create(N_CELLS, N_BACKENDS, N_PARTNERS);
    static uint64_t n_reasons[REASONS_END];
    for (uint64_t i = 0; i < n; i++) {
        dice d = {.state = seed * 0x100000001 + i};
        roll_rules(&d, w, WORLD_NOW);
        roll_facts(&d, w, WORLD_NOW);
        const char *wrong = check_case(w, i);
        if (wrong) {
            printf("case %" PRIu64 " of seed %" PRIu64 ": %s\n", i, seed, wrong);
            return 1;
        }
        tdm__decision made;
        tdm__decide(&w->rules, &w->facts, &made);
        n_plans += made.n_plan > 0;
        n_steps += made.n_plan;
        for (size_t k = 0; k < made.n_refused; k++)
            n_reasons[made.refused[k].reason]++;
    }
    size_t n_unseen = 0;
    for (size_t i = 0; i < N_ORDER; i++)
        if (n_reasons[order[i]] == 0 && order[i] != TDM__REASON_FEATURE_NOT_OFFERED &&
            order[i] != TDM__REASON_FEATURE_NO_BACKEND && order[i] != TDM__REASON_POLICY_MISSING) {
            printf("%s never came\n", tdm__reason_name(order[i]));
            n_unseen++;
        }
    printf("%" PRIu64 " cases agree with the oracle, %" PRIu64 " with a plan (%" PRIu64 " steps)\n", n, n_plans,
           n_steps);
    decide_world_destroy(w);
    return n_unseen > 0 && n >= 100000;
}
