/* verb_body.h - the body of POST /v1/features/VERB to a checked ask (docs/formats/verbs.md).
 *
 * As for a chat, no accepted field is ever ignored: a row of one table says who reads a field and which verbs take it.
 * A field nobody knows is refused with the nearest known name, one of another verb with the names of both. What is
 * checked here needs no model and no market, so the command line reads its input by the same functions before it loads
 * anything.
 */
#ifndef TDM_API_VERB_BODY_H
#define TDM_API_VERB_BODY_H

#include <jansson.h>
#include <stdbool.h>

#include "api/api_error.h"
#include "base/str.h"
#include "feature/verb.h"

enum { TDM__VERB_NAME_BYTES_MAX = 200 }; /* of who wrote a message */

/* Messages as a verb takes them, and what their texts are borrowed from. */
typedef struct tdm__verb_messages {
    tdm__verb_message *items; /* [n], owned */
    size_t n;
    json_t *contents; /* owned: a string a message */
} tdm__verb_messages;

typedef struct tdm__verb_body {
    json_t *body; /* owned; texts are borrowed from it */
    tdm__verb_messages messages;
    const char *model; /* NULL: not named */
    bool stream;
    tdm__verb_ask ask;
} tdm__verb_body;

/* False with a 400 in *e; *out is then empty. Pure: no clock, no randomness, no model. */
bool tdm__verb_body_parse(tdm__verb verb, tdm__str bytes, tdm__verb_body *out, tdm__api_error *e);
void tdm__verb_body_fini(tdm__verb_body *b); /* an empty one may be emptied again */

/* Whether a verb has a use for the field of that name. */
bool tdm__verb_takes(tdm__verb verb, const char *field);

/* verb_body_messages.c: an array of {role, content, name?}; role "assistant" is the owner's. False with a 400; *out is
 * then empty. fini as above. */
bool tdm__verb_messages_read(const json_t *messages, tdm__verb_messages *out, tdm__api_error *e);
void tdm__verb_messages_fini(tdm__verb_messages *m);

/* ---- verb_input.c: what holds for an ask from wherever it comes; false with a 400 ---- */

/* Bytes that are no text (no UTF-8, control characters beyond white space): code not_text. */
bool tdm__verb_text_check(tdm__str text, const char *path, tdm__api_error *e);

/* A language that no verb writes: code language_not_supported. */
bool tdm__verb_language_check(const char *tag, tdm__api_error *e);

/* What goes together, and what is missing. An instruction without a style makes the style custom. */
bool tdm__verb_ask_check(tdm__verb_ask *ask, tdm__api_error *e);

#endif
