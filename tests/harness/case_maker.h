/* case_maker.h - approval cases with entries that nobody has asked the rules about.
 *
 * forge signs whatever it is told and links it as the rules want it, unless the fields say otherwise: so a test can
 * hold the reader against entries that tdm__filing_case_extend would never write.
 */
#ifndef TDM_HARNESS_CASE_MAKER_H
#define TDM_HARNESS_CASE_MAKER_H

#include <stdint.h>

#include "filing/filing.h"
#include "signed_maker.h"

enum { CASE_T0 = 1739260800 }; /* 2025-02-11T08:00:00Z, the day of the first report */

/* What a new case says (JSON): DEMO-CN-2025-0001, market CN, two features, own model and partner's. */
extern const char case_maker_new[];

/* Fields that an action needs, as JSON; section is of a SUBMIT. */
const char *case_maker_fields(tdm__filing_action action, const char *section);

/* The case json (NULL: none) with one more entry by who; members of fields (JSON, NULL: none) replace the usual ones.
 * malloc'd. */
char *case_maker_forge(const char *json, tdm__filing_action action, signed_maker_who who, const char *fields,
                       int64_t at_unix_s);

/* A case by its shortest way to a state: "draft", "draft+maker", "draft+provider", "submitted", "under_review",
 * "asked", "approved", "ending" (approved until CASE_T0 + 1000), "refused", "withdrawn" (by a filer), "revoked"
 * (approved, then withdrawn by the regulator). The n-th entry is dated CASE_T0 + 10 * n. malloc'd. */
char *case_maker_in(const char *state);

#endif
