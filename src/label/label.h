/* label.h - the visible line that says what made a text, where the market asks for one.
 *
 * The words are the market's (signed); model and filing are the decision's. Hidden labels and files come later.
 */
#ifndef TDM_LABEL_LABEL_H
#define TDM_LABEL_LABEL_H

#include <stdbool.h>

#include "base/buf.h"
#include "policy/market.h"
#include "tandem/status.h"

/* Appends "\n\n[WORDS · MODEL · FILING · EMULATED]" in language "zh" or "en" ("zh" when the policy has no English
 * words, and the other way round); nothing when the market asks for none. filing "" is left out, EMULATED where nothing
 * is. ERR_LIMIT, ERR_NOMEM of out, which is then as it was. */
tdm_status tdm__label_put(const tdm__market_policy *p, const char *language, const char *model_name,
                          const char *filing_id, bool is_emulated, tdm__buf *out);

#endif
