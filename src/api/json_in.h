/* json_in.h - a client's bytes to a JSON object, strictly.
 *
 * jansson reads; before it runs, one pass over the bytes bounds the nesting, so that no parser recurses further than
 * we say. Refused: nesting beyond TDM__JSON_DEPTH_MAX, keys that come twice, lone surrogates, NUL characters, bytes
 * that are no UTF-8, numbers out of range, anything after the object.
 */
#ifndef TDM_API_JSON_IN_H
#define TDM_API_JSON_IN_H

#include <jansson.h>

#include "api/api_error.h"
#include "base/str.h"

enum { TDM__JSON_DEPTH_MAX = 64 };

/* *out is the caller's reference. False with a 400 in *e; its sentence has line and column, never the bytes. */
bool tdm__json_load_object(tdm__str bytes, json_t **out, tdm__api_error *e);

/* "a string", "an array", ... */
const char *tdm__json_kind(const json_t *v);

#endif
