/* explain.h - the sentence of a reason with names, ids and dates filled in. */
#ifndef TDM_ROUTE_EXPLAIN_H
#define TDM_ROUTE_EXPLAIN_H

#include "base/buf.h"
#include "policy/market.h"
#include "route/reasons.h"
#include "route/rules.h"
#include "tandem/status.h"

/* What the placeholders stand for. policy and candidate may be NULL: the words are then general ones. */
typedef struct tdm__explain_words {
    const tdm__market_policy *policy;
    const tdm__rule_candidate *candidate;
    int64_t at_unix_s;
} tdm__explain_words;

/* Appends the sentence of reason. ERR_LIMIT, ERR_NOMEM of out. */
tdm_status tdm__explain(tdm__reason reason, const tdm__explain_words *words, tdm__language language, tdm__buf *out);

#endif
