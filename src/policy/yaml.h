/* yaml.h - what people write to JSON, strictly, with the line of every mistake.
 *
 * A subset of YAML: block and flow maps and lists, plain and quoted scalars. Refused: aliases, anchors, tags,
 * directives, duplicate keys, keys that are no text or longer than 128 bytes, values that are left out, control
 * characters, several documents, nesting beyond 32, files beyond 8 MiB. Plain scalars are numbers, booleans (true,
 * false) or null only in their JSON spelling; all else is a string, so `no`, `010` and `30s` stay what was written.
 */
#ifndef TDM_POLICY_YAML_H
#define TDM_POLICY_YAML_H

#include <jansson.h>

#include "base/str.h"
#include "tandem/status.h"

/* *out is the caller's reference. Sentences begin with "FILE:LINE: ". */
tdm_status tdm__yaml_to_json(tdm__str yaml, const char *file, json_t **out, tdm_error *err);

/* The line (from 1) where the key or the item at path ("features.assistant.backends[1].role") stands; "" is the whole
 * document; 0 when there is no such place. For errors that are found after the parse. */
size_t tdm__yaml_line_of(tdm__str yaml, const char *path);

#endif
