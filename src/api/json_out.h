/* json_out.h - writing JSON straight into a bounded buffer: no tree, no allocation per piece. */
#ifndef TDM_API_JSON_OUT_H
#define TDM_API_JSON_OUT_H

#include "base/buf.h"
#include "base/str.h"
#include "tandem/status.h"

/* Appends s as a JSON string in quotes. Bytes that are no UTF-8 become U+FFFD, one a byte. */
tdm_status tdm__json_put_string(tdm__buf *out, tdm__str s);

/* Appends a finite number; JSON has no infinity, so the caller has dealt with it. */
tdm_status tdm__json_put_number(tdm__buf *out, double x);

#endif
