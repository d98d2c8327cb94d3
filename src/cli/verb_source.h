/* verb_source.h - what a verb is asked about: a file's or stdin's bytes as a text, or as messages. */
#ifndef TDM_CLI_VERB_SOURCE_H
#define TDM_CLI_VERB_SOURCE_H

#include "api/verb_body.h"
#include "base/buf.h"

enum { TDM__VERB_SOURCE_BYTES_MAX = 1 << 20 };

typedef struct tdm__verb_source {
    tdm__buf bytes;
    json_t *document; /* NULL: plain text */
    tdm__verb_messages messages;
} tdm__verb_source;

/* Reads path (NULL or "-": stdin) into ask: text, or messages where the verb takes them and the bytes are a JSON array
 * of objects with a role, or an object with such an array as "messages". False with what a client of the API would be
 * told in *e; a file that cannot be read has the code unreadable. Give the source back by fini in both cases, after
 * ask. */
bool tdm__verb_source_read(tdm__verb_source *s, const char *path, tdm__verb_ask *ask, tdm__api_error *e);
void tdm__verb_source_fini(tdm__verb_source *s);

#endif
