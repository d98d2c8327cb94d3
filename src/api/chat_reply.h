/* chat_reply.h - the bodies of chat answers: chat.completion, chat.completion.chunk, and tandem's own part.
 *
 * Pure functions over a bounded buffer, in the shapes of OpenAI's API as its official SDK reads them.
 */
#ifndef TDM_API_CHAT_REPLY_H
#define TDM_API_CHAT_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "api/chat_inbox.h"
#include "base/buf.h"

/* What all chunks of one answer have in common. */
typedef struct tdm__chat_head {
    const char *decision_id;
    const char *model_name;
    int64_t created_unix_s;
    bool is_chunk;
    bool has_prediction;
    bool usage_null; /* chunks carry usage: null until the last one, as include_usage asks */
} tdm__chat_head;

/* The text of a token, borrowed (tdm__service_token_text with its service). */
typedef struct tdm__token_texts {
    tdm__str (*get)(void *user, int32_t id);
    void *user;
} tdm__token_texts;

/* {"id":..,"object":..,"created":..,"model":.. : without the closing brace. */
tdm_status tdm__reply_open(tdm__buf *out, const tdm__chat_head *h);

/* Appends the pieces' tokens as elements of logprobs.content; *is_first says whether a comma is due, and is updated. */
tdm_status tdm__reply_tokens(tdm__buf *out, tdm__chat_piece piece, const tdm__token_texts *texts, bool *is_first);

/* A chunk of one choice, with the role; with text and (texts not NULL) its logprobs; with the finish reason. */
tdm_status tdm__reply_chunk_role(tdm__buf *out, const tdm__chat_head *h, size_t choice);
tdm_status tdm__reply_chunk_text(tdm__buf *out, const tdm__chat_head *h, const tdm__chat_piece *piece,
                                 const tdm__token_texts *texts);
/* with_tandem: false when a later chunk has tandem's part. */
tdm_status tdm__reply_chunk_finish(tdm__buf *out, const tdm__chat_head *h, size_t choice, const tdm__chat_done *done,
                                   bool with_tandem);
/* The chunk that include_usage asks for: no choices, usage, tandem. */
tdm_status tdm__reply_chunk_usage(tdm__buf *out, const tdm__chat_head *h, const tdm__chat_done *done);

/* One choice of a whole answer. */
typedef struct tdm__chat_choice {
    tdm__buf text;
    tdm__buf logprobs; /* elements made by tdm__reply_tokens */
} tdm__chat_choice;

/* The whole answer: choices [done->n_candidates]. */
tdm_status tdm__reply_whole(tdm__buf *out, const tdm__chat_head *h, const tdm__chat_choice *choices,
                            bool with_logprobs, const tdm__chat_done *done);

#endif
