/* rules.h - all signed facts that a decision rests on, compiled once: record, policy, filings.
 *
 * Immutable after create, so requests on any thread share it; a new policy or filing makes a new one. What can be
 * looked up ahead is: each candidate of each cell holds the case that covers it. What depends on time is kept as times,
 * because a decision is a function of the moment it is handed.
 */
#ifndef TDM_ROUTE_RULES_H
#define TDM_ROUTE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "filing/filing.h"
#include "policy/market.h"
#include "policy/trust.h"
#include "route/reasons.h"
#include "route/record.h"

/* The case that speaks for a candidate: an approved one that covers it if there is one, else the one nearest to it. */
typedef struct tdm__rule_filing {
    char id[65];
    tdm__filing_state state;
    tdm__reason why_not;      /* NONE when state is APPROVED and it covers the candidate */
    int64_t since_unix_s;
    int64_t expires_unix_s;   /* INT64_MAX: never */
    char head_sha256[TDM__SHA256_TEXT];
    bool is_hypothetical;
} tdm__rule_filing;

typedef struct tdm__rule_candidate {
    const tdm__policy_backend *backend;
    tdm__rule_filing filing; /* id "" when none is needed or there is none */
    bool is_in_canary;       /* this device: SHA-256(device, feature, partner) below the percentage */
} tdm__rule_candidate;

typedef struct tdm__rule_cell {
    const tdm__policy_cell *cell;
    tdm__rule_candidate *candidates; /* as many as the cell has back ends */
} tdm__rule_cell;

typedef struct tdm__rules {
    bool has_record;
    tdm__device_record record;        /* zero without one */
    tdm__reason why_off;              /* the whole device: RECORD_.., MARKET_UNKNOWN, POLICY_MISSING, .. or NONE */
    const tdm__market_policy *policy; /* NULL only when why_off says so */
    int64_t policy_expires_unix_s;    /* INT64_MAX under ZZ */
    int64_t trust_version;            /* of the repository's timestamp; 0 under ZZ */
    char own_model_sha256[TDM__SHA256_TEXT]; /* of the model that is loaded, "" while there is none */
    tdm__rule_cell *cells;            /* as the policy's, sorted by feature */
    size_t n_cells;
    struct tdm__rules_memory *memory; /* what the above lie in */
} tdm__rules;

typedef struct tdm__rules_sources {
    const tdm__trust *trust;             /* NULL: nothing was installed */
    tdm__str record_json;                /* ptr NULL: no record; an empty one is a bad one */
    const tdm__filing_case *const *cases;
    size_t n_cases;
    const char *own_model_sha256;        /* of the loaded model, or "" */
    int64_t now_unix_s;                  /* trusted; for what is checked once */
} tdm__rules_sources;

/* Never fails for what the sources hold: that becomes why_off or a candidate's reason, and a sentence in *note (which
 * may be NULL) for the log. Without a record and without trust: the built-in market ZZ; with trust alone: off.
 * ERR_NOMEM. The rules copy what they need. */
tdm_status tdm__rules_create(const tdm__rules_sources *s, tdm__rules **out, tdm_error *note, tdm_error *err);
void tdm__rules_destroy(tdm__rules *r); /* NULL-safe */

/* NULL when there is no such cell. */
const tdm__rule_cell *tdm__rules_cell(const tdm__rules *r, const char *feature);

/* The back end by which a feature has the partner; NULL: it has not. Borrowed from the policy. */
const tdm__policy_backend *tdm__rules_find_partner(const tdm__rules *r, const char *partner, const char *feature);

#endif
