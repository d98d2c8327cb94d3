/* verb_limits.h - the limits of the verbs in GET /v1/features. */
#ifndef TDM_API_VERB_LIMITS_H
#define TDM_API_VERB_LIMITS_H

#include "api/verb_body.h"
#include "usage/quota.h"

/* Adds "limits" to the rows of the verbs: bytes, messages, suggestions, languages, an app's quota (0: no limit). Takes
 * the reference of features, which may be NULL, and gives it back; NULL: out of memory. */
json_t *tdm__verb_limits_add(json_t *features, const tdm__quota *quota);

#endif
