/* json.h - JSON of foreign bytes, bounded; and the one canonical form that is signed.
 *
 * Reading: one pass bounds the nesting before jansson runs; refused are keys that come twice, lone surrogates, NUL
 * characters, bytes that are no UTF-8, anything after the document. Writing: the canonical form is OLPC's, as
 * securesystemslib writes it (keys in order of code points, no white space, only '"' and '\' escaped). Refused there:
 * numbers with a fraction, and strings with control characters, so that one text has one form in every language.
 */
#ifndef TDM_BASE_JSON_H
#define TDM_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "tandem/status.h"

enum { TDM__JSON_DEPTH_MAX = 64 };

/* what names the document in sentences ("device record"); they have line and column, never the bytes. *out is the
 * caller's reference. ERR_FORMAT, ERR_LIMIT (more than bytes_max), ERR_NOMEM. */
tdm_status tdm__json_parse(tdm__str bytes, const char *what, size_t bytes_max, json_t **out, tdm_error *err);

/* v as text with jansson's flags, NUL-terminated, to be given back with tdm__free. NULL: out of memory, or v is NULL or
 * no array and no object. */
char *tdm__json_text(const json_t *v, size_t flags);

/* "a string", "an array", ...; "missing" for NULL. */
const char *tdm__json_kind(const json_t *v);

/* Appends the canonical form of v. ERR_FORMAT for what has none; ERR_LIMIT, ERR_NOMEM of the buffer. */
tdm_status tdm__json_canonical(const json_t *v, tdm__buf *out, tdm_error *err);

/* Members of an object that must be there and have that type; ERR_FORMAT names what, the key and what stands there.
 * Strings and arrays are borrowed. */
tdm_status tdm__json_get_str(const json_t *object, const char *key, const char *what, const char **out,
                             tdm_error *err);
tdm_status tdm__json_get_int(const json_t *object, const char *key, const char *what, int64_t min, int64_t max,
                             int64_t *out, tdm_error *err);
tdm_status tdm__json_get_bool(const json_t *object, const char *key, const char *what, bool *out, tdm_error *err);
tdm_status tdm__json_get_array(const json_t *object, const char *key, const char *what, size_t n_max,
                               const json_t **out, tdm_error *err);
tdm_status tdm__json_get_object(const json_t *object, const char *key, const char *what, const json_t **out,
                                tdm_error *err);
/* A time in RFC 3339, to seconds since 1970. */
tdm_status tdm__json_get_time(const json_t *object, const char *key, const char *what, int64_t *unix_s,
                              tdm_error *err);

/* A time as RFC 3339 text; null for INT64_MAX, never. New reference; NULL: out of memory. */
json_t *tdm__json_time(int64_t unix_s);

/* Refuses a key of object that is not in known (terminated by NULL); the sentence has the nearest known one. */
tdm_status tdm__json_check_keys(const json_t *object, const char *what, const char *const *known, tdm_error *err);

#endif
