/* chat_ask.h - the body of POST /v1/chat/completions to a checked request.
 *
 * No accepted field is ever ignored: each known field is a row of one table and is either built, or accepted in its
 * neutral values only (null always is one), or refused by a 400 that names it. A field nobody knows is refused with
 * the nearest known name. Beside OpenAI's fields there are three of ours: top_k, min_p, repeat_penalty.
 */
#ifndef TDM_API_CHAT_ASK_H
#define TDM_API_CHAT_ASK_H

#include <jansson.h>
#include <stdbool.h>

#include "api/api_error.h"
#include "base/str.h"
#include "request/request.h"

enum { TDM__CHAT_STOPS_MAX = 4, TDM__CHAT_MESSAGES_MAX = 4096, TDM__CHAT_PENALTY_LAST_N = 1024 };

typedef struct tdm__chat_ask {
    json_t *body;               /* owned; model and the stop strings are borrowed from it */
    json_t *messages;           /* owned: {role, content: string} only */
    json_t *prediction;         /* owned: a string, or NULL */
    const char *model;          /* NULL: not named */
    bool stream;
    bool include_usage;
    bool logprobs;
    bool has_seed;              /* else the caller draws one */
    tdm__chat_request request;  /* request.messages is messages above */
} tdm__chat_ask;

/* False with a 400 in *e; *out is then empty. Pure: no clock, no randomness, no model. */
bool tdm__chat_ask_parse(tdm__str body, tdm__chat_ask *out, tdm__api_error *e);

/* Empties it; an empty one may be emptied again. */
void tdm__chat_ask_fini(tdm__chat_ask *a);

/* chat_messages.c: the messages array (borrowed) to the normal form, *out owned by the caller. */
bool tdm__chat_messages_read(const json_t *messages, json_t **out, tdm__api_error *e);

/* A content that stands at path, a string or an array of text parts, to a string; NULL with a 400. New reference. */
json_t *tdm__chat_content_read(const json_t *content, const char *path, tdm__api_error *e);

#endif
