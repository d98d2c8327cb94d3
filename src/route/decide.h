/* decide.h - the decision: from signed facts and the moment to an ordered plan, and a reason for all that is not in it.
 *
 * One pure, total function: no clock, no environment, no memory, no input but its arguments; its 128 random bits are
 * handed in. It comes before any outbound byte, DNS included, and every path is bound by it: what is not in the plan
 * is not done. It stores no text of the user: only lengths and what was asked for.
 */
#ifndef TDM_ROUTE_DECIDE_H
#define TDM_ROUTE_DECIDE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "policy/trust.h"
#include "route/rules.h"
#include "usage/usage.h"

enum { TDM__DECISION_ID_BYTES = 16, TDM__DECISION_ID_TEXT = 2 * TDM__DECISION_ID_BYTES + 1, TDM__PARTNER_ID_MAX = 64 };
enum { TDM__DECISION_JSON_MAX = 64 << 10 }; /* bytes of its canonical form; more is ERR_LIMIT */

typedef enum tdm__backend_state {
    TDM__BACKEND_UP = 0,
    TDM__BACKEND_DOWN,    /* breaker open, or the model has failed */
    TDM__BACKEND_LOADING, /* own: not here yet */
} tdm__backend_state;

/* All that is not signed. Arrays follow the order of the cell's back ends. */
typedef struct tdm__decision_facts {
    uint8_t random[TDM__DECISION_ID_BYTES];
    int64_t now_unix_s;      /* trusted (trust.h) */
    bool clock_is_suspect;
    const char *feature;
    const char *named_partner; /* the user named one; "" else */
    size_t prompt_tokens;      /* 0: not known yet */
    size_t device_tokens_max;  /* what this device's model can read; 0: no limit known */
    bool has_attachments;
    bool network_is_off;
    tdm__backend_state own_state;
    tdm__consent_mode consents[TDM__CELL_BACKENDS_MAX];
    tdm__backend_state partner_states[TDM__CELL_BACKENDS_MAX];
} tdm__decision_facts;

typedef struct tdm__plan_step {
    const tdm__rule_candidate *candidate;
    bool needs_consent; /* ask before a byte leaves; false for this device's own model and for "always" */
} tdm__plan_step;

typedef struct tdm__refusal {
    const tdm__rule_candidate *candidate;
    tdm__reason reason;
    int64_t at_unix_s; /* the date in the reason's sentence, 0 without one */
} tdm__refusal;

/* Points into the rules, which outlive it. Every byte of it is a function of rules and facts, padding too. */
typedef struct tdm__decision {
    char id[TDM__DECISION_ID_TEXT]; /* hex */
    const tdm__rules *rules;
    /* What was asked for. A name that is not an identifier (letters, digits, '-', '_', '.', at most 64) may be a
     * user's text and is kept as "?", which decides the same. */
    char feature[65];
    char named_partner[TDM__PARTNER_ID_MAX + 1];
    tdm__decision_facts facts; /* for the journal; its two texts are NULL: they are the two above */
    int64_t now_unix_s;
    tdm__freshness freshness;
    tdm__reason off;    /* NONE: the plan has a step. Else why nothing is in it: the cause that stands nearest */
    int64_t off_at_unix_s;
    const tdm__rule_candidate *off_candidate; /* whom off speaks of; NULL: the device, the policy or the feature */
    tdm__reason named; /* PARTNER_UNKNOWN: no back end of the cell is the partner that was named */
    tdm__plan_step plan[TDM__CELL_BACKENDS_MAX];
    size_t n_plan;
    tdm__refusal refused[TDM__CELL_BACKENDS_MAX]; /* in the policy's order */
    size_t n_refused;
} tdm__decision;

/* Total: any rules that rules.h makes, any facts. rules and facts are only read. */
void tdm__decide(const tdm__rules *rules, const tdm__decision_facts *facts, tdm__decision *out);

/* "ZZ", "CN", or "" when the market is not known. */
const char *tdm__decision_market(const tdm__decision *d);

/* Appends the sentence of a refusal, or of OFF (refusal NULL), in "zh", else in English. ERR_LIMIT, ERR_NOMEM. */
tdm_status tdm__decision_sentence(const tdm__decision *d, const tdm__refusal *refusal, const char *language,
                                  tdm__buf *out);

/* route explain's document (the contract in docs/formats/decision.md). New reference; NULL: out of memory. */
json_t *tdm__decision_json(const tdm__decision *d);

/* The same document in canonical form, as the journal keeps it: appended. ERR_NOMEM, ERR_LIMIT. */
tdm_status tdm__decision_canonical(const tdm__decision *d, tdm__buf *out, tdm_error *err);

/* "engine", "hand-off", "filter". */
const char *tdm__role_name(tdm__role r);

/* The name of a candidate: "own:MODEL" or "PARTNER:MODEL". */
tdm_status tdm__candidate_name(const tdm__policy_backend *b, tdm__buf *out);

#endif
