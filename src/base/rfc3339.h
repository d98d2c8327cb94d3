/* rfc3339.h - times as text: "2025-02-11T08:00:00Z". Only UTC, only whole seconds, years 1970 to 9999. */
#ifndef TDM_BASE_RFC3339_H
#define TDM_BASE_RFC3339_H

#include <stdint.h>

#include "base/str.h"
#include "tandem/status.h"

enum { TDM__RFC3339_TEXT = 21 };

/* ERR_FORMAT: the sentence has what stands there (a time is never a user's text). */
tdm_status tdm__rfc3339_parse(tdm__str text, int64_t *unix_s, tdm_error *err);

void tdm__rfc3339_put(int64_t unix_s, char out[TDM__RFC3339_TEXT]);

#endif
