/* json_in.h - a request's body to a JSON object: base/json.h's strict reading, with the API's 400. */
#ifndef TDM_API_JSON_IN_H
#define TDM_API_JSON_IN_H

#include <jansson.h>

#include "api/api_error.h"
#include "base/json.h"
#include "base/str.h"

/* *out is the caller's reference. False with a 400 in *e; its sentence has line and column, never the bytes. */
bool tdm__json_load_object(tdm__str bytes, json_t **out, tdm__api_error *e);

#endif
