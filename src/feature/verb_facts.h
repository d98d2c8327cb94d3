/* verb_facts.h - what a verb must not change: numbers, addresses and names, found by their shape.
 *
 * Numbers are runs of digits with what stands between them, thousands commas aside ("18,000" is 18000; "10:30" and
 * "2025-04-23" are one each). Names are, in English, words with a capital that no sentence begins with; in Chinese,
 * what stands in book marks, Latin words, and a surname with a title or 小/老 before it; in both, words of letters and
 * digits with a capital or a hyphen ("BN-77310-K"). Names without such a shape are not seen (a Chinese full name is
 * three characters like any other): docs/internals/verbs.md says so.
 */
#ifndef TDM_FEATURE_VERB_FACTS_H
#define TDM_FEATURE_VERB_FACTS_H

#include "base/arena.h"
#include "base/str.h"
#include "tandem/status.h"

typedef enum tdm__fact_kind {
    TDM__FACT_NONE = 0,
    TDM__FACT_NUMBER,
    TDM__FACT_NAME,
    TDM__FACT_ADDRESS,
} tdm__fact_kind;

typedef struct tdm__fact {
    tdm__fact_kind kind;
    tdm__str text; /* of the text it was found in */
} tdm__fact;

typedef struct tdm__facts {
    tdm__str text;
    const tdm__fact *items; /* [n], in the order of the text */
    size_t n;
} tdm__facts;

/* Borrows text; the list is the arena's. ERR_NOMEM. */
tdm_status tdm__facts_find(tdm__str text, tdm__arena *arena, tdm__facts *out, tdm_error *err);

/* Whether that text has f, too: numbers digit by digit, names and addresses as a word wherever it stands, without
 * regard to case. */
bool tdm__facts_have(const tdm__facts *facts, const tdm__fact *f);

/* The first of `facts` that the text of `others` lacks, or NULL. kind NONE: of any kind. */
const tdm__fact *tdm__facts_find_missing(const tdm__facts *facts, const tdm__facts *others, tdm__fact_kind kind);

#endif
