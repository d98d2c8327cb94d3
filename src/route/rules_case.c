/* rules_case.c - which case speaks for a candidate, and which devices a staged introduction has reached.
 *
 * A case opens a candidate only if it names the market, the feature and exactly its model: this maker's own by SHA-256,
 * a partner's by id, model and declared date. Among several, an approval goes before all else, also one that has ended:
 * whether it has is the moment's to say, and the choice must not depend on when the rules were made.
 */
#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "route/rules_internal.h"

enum {
    RANK_NONE,
    RANK_OTHER_MODEL, /* of the same feature and partner */
    RANK_ENDED,       /* refused or withdrawn */
    RANK_DRAFT,
    RANK_SUBMITTED,
    RANK_UNDER_REVIEW,
    RANK_APPROVED,
};

bool tdm__rules_canary(const char *device, const char *feature, const tdm__policy_backend *b)
{
    char text[256];
    uint8_t digest[TDM__SHA256_BYTES];
    int n = snprintf(text, sizeof text, "%s%c%s%c%s", device, '\0', feature, '\0', b->partner ? b->partner->id : "");
    if (b->canary_bp >= TDM__BASIS_POINTS)
        return true;
    if (n < 0 || (size_t)n >= sizeof text)
        return false; /* names longer than any policy has */
    tdm__sha256(text, (size_t)n, digest);
    uint64_t draw = 0;
    for (int i = 0; i < 8; i++)
        draw = draw << 8 | digest[i];
    return draw % TDM__BASIS_POINTS < b->canary_bp;
}

static bool names_feature(const tdm__filing_case *c, const char *feature)
{
    for (size_t i = 0; i < tdm__filing_case_n_features(c); i++)
        if (strcmp(tdm__filing_case_feature(c, i), feature) == 0)
            return true;
    return false;
}

/* The file that would have to be covered: the policy's, else the one that is here; "" when neither is known, and then
 * nothing can answer anyway. */
static const char *own_sha256(const tdm__rules *r, const tdm__policy_backend *b)
{
    return b->model_sha256[0] != '\0' ? b->model_sha256 : r->own_model_sha256;
}

static int rank_model(const tdm__filing_case *c, const tdm__rules *r, const tdm__policy_backend *b)
{
    int rank = RANK_NONE;
    for (size_t i = 0; i < tdm__filing_case_n_models(c); i++) {
        const tdm__filing_model *m = tdm__filing_case_model(c, i);
        if (strcmp(m->partner, b->partner ? b->partner->id : "") != 0)
            continue;
        rank = RANK_OTHER_MODEL;
        const char *sha256 = own_sha256(r, b);
        bool is_it = b->partner ? strcmp(m->model, b->model) == 0 && strcmp(m->date, b->model_date) == 0
                                : sha256[0] == '\0' || strcmp(m->sha256, sha256) == 0;
        if (is_it)
            return RANK_APPROVED;
    }
    return rank;
}

/* EXPIRED is APPROVED here: decide.c asks the clock. */
static tdm__filing_state timeless_state(const tdm__filing_case *c, int64_t now_unix_s)
{
    tdm__filing_state state = tdm__filing_case_state(c, now_unix_s);
    return state == TDM__FILING_EXPIRED ? TDM__FILING_APPROVED : state;
}

static int rank_state(tdm__filing_state state, tdm__reason *why_not)
{
    switch (state) {
    case TDM__FILING_APPROVED:
    case TDM__FILING_EXPIRED:
        *why_not = TDM__REASON_NONE;
        return RANK_APPROVED;
    case TDM__FILING_UNDER_REVIEW:
        *why_not = TDM__REASON_FILING_UNDER_REVIEW;
        return RANK_UNDER_REVIEW;
    case TDM__FILING_SUBMITTED:
        *why_not = TDM__REASON_FILING_SUBMITTED;
        return RANK_SUBMITTED;
    case TDM__FILING_DRAFT:
        *why_not = TDM__REASON_FILING_DRAFT;
        return RANK_DRAFT;
    case TDM__FILING_REFUSED:
        *why_not = TDM__REASON_FILING_REFUSED;
        return RANK_ENDED;
    case TDM__FILING_WITHDRAWN:
        *why_not = TDM__REASON_FILING_WITHDRAWN;
        return RANK_ENDED;
    case TDM__FILING_NONE:
        break;
    }
    *why_not = TDM__REASON_FILING_MISSING;
    return RANK_NONE;
}

/* Of two of one rank: the one that stands longer, then the newer, then by id, so that no order of files matters. */
static bool goes_before(const tdm__rule_filing *a, const tdm__rule_filing *b)
{
    if (a->expires_unix_s != b->expires_unix_s)
        return a->expires_unix_s > b->expires_unix_s;
    if (a->since_unix_s != b->since_unix_s)
        return a->since_unix_s > b->since_unix_s;
    return strcmp(a->id, b->id) < 0;
}

void tdm__rules_find_case(const tdm__rules *r, const tdm__rules_sources *s, const char *feature,
                          tdm__rule_candidate *candidate)
{
    int best = RANK_NONE;
    candidate->filing = (tdm__rule_filing){.why_not = TDM__REASON_FILING_MISSING, .expires_unix_s = INT64_MAX};
    for (size_t i = 0; i < s->n_cases; i++) {
        const tdm__filing_case *c = s->cases[i];
        if (strcmp(tdm__filing_case_market(c), r->policy->market) != 0 || !names_feature(c, feature) ||
            (tdm__filing_case_is_demo(c) && !tdm__trust_is_demo(s->trust)))
            continue;
        int rank = rank_model(c, r, candidate->backend);
        if (rank == RANK_NONE)
            continue;
        tdm__rule_filing f = {.state = timeless_state(c, s->now_unix_s),
                              .why_not = TDM__REASON_FILING_OTHER_MODEL,
                              .since_unix_s = tdm__filing_case_since_unix_s(c),
                              .expires_unix_s = tdm__filing_case_expires_unix_s(c),
                              .is_hypothetical = tdm__filing_case_is_hypothetical(c)};
        snprintf(f.id, sizeof f.id, "%s", tdm__filing_case_id(c));
        snprintf(f.head_sha256, sizeof f.head_sha256, "%s", tdm__filing_case_head(c));
        if (rank == RANK_APPROVED) {
            rank = rank_state(f.state, &f.why_not);
            if (rank == RANK_NONE)
                continue;
        }
        if (rank > best || (rank == best && goes_before(&f, &candidate->filing))) {
            candidate->filing = f;
            best = rank;
        }
    }
}
