/* tandem/session.h - ENGINE LAYER: the raw text of a model. No policy, no screen, no label, no journal.
 *
 * For measuring, for research and for features that are not shown to people. What is shown to a device's owner goes
 * through generate.h, verbs.h or assistant.h, which a market's rules bind. Left out of the library with
 * -Dengine_api=false.
 *
 * A session is one timeline of one model: the caller says which tokens stand in it, and gets the logits behind them.
 *
 *     tdm_session_sync(s, tokens, n, &err);               // reads what is new since the last call
 *     tdm_session_sample(s, &sampling, &token, &err);     // draws from the logits behind the last token
 */
#ifndef TANDEM_SESSION_H
#define TANDEM_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tandem/export.h"
#include "tandem/model.h"
#include "tandem/sampling.h"
#include "tandem/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The most ids that len bytes of text can give. 0 for a model that is NULL, or a text longer than 256 MiB. */
TDM_API size_t tdm_tokenize_max(const tdm_model *m, size_t len);

/* Text to ids, as the vendor's own tokenizer has them; adds no begin or end token. with_special: names of control
 * tokens ("<|im_end|>") become those tokens; else they are text like any other, which is right for what a user wrote.
 * ids has room for cap of them, *n_ids gets how many. ERR_LIMIT: more than cap, a text of more than 256 MiB, a word of
 * more than 16 MiB; ERR_INVAL, ERR_NOMEM. Any thread. */
TDM_API tdm_status tdm_tokenize(const tdm_model *m, const char *text, size_t len, bool with_special, int32_t *ids,
                                size_t cap, size_t *n_ids, tdm_error *err);

/* Ids to text: *len gets its bytes, of which none is written when they are more than cap (ERR_LIMIT; with text NULL and
 * cap 0 this asks for the size). No NUL is added. Control tokens give nothing, or their names with_special. One token
 * may be part of a character. ERR_INVAL names an id that is not of the vocabulary. Any thread. */
TDM_API tdm_status tdm_detokenize(const tdm_model *m, const int32_t *ids, size_t n_ids, bool with_special, char *text,
                                  size_t cap, size_t *len, tdm_error *err);

/* Whether the token ends a turn or a text. False for what is no token. Any thread. */
TDM_API bool tdm_token_is_end(const tdm_model *m, int32_t id);

typedef struct tdm_session tdm_session;

typedef struct tdm_session_options {
    size_t struct_size;
    size_t n_context;  /* tokens it has room for; 0: 4096, or what the model was trained for, if that is less */
    int32_t n_threads; /* 0: as many as the process may use, which also is the most */
    tdm_cache_type cache;
} tdm_session_options;

/* Sets struct_size and zeros all else. struct_size is sizeof(tdm_session_options) of the caller. NULL-safe. */
TDM_API void tdm_session_options_default(tdm_session_options *o, size_t struct_size);

/* Takes a reference to m. All memory is taken here, nothing is allocated a token. o may be NULL: the defaults.
 * ERR_LIMIT (more context than the model was trained for, or more memory than is free), ERR_NOMEM, ERR_INVAL. Any
 * thread. */
TDM_API tdm_status tdm_session_create(tdm_model *m, const tdm_session_options *o, tdm_session **out, tdm_error *err);

/* Sets *s to NULL. NULL-safe. */
TDM_API void tdm_session_destroy(tdm_session **s);

/* What follows is for one thread at a time. After ERR_FORMAT (the model computed nonsense) or ERR_UPSTREAM (its file
 * has changed) a session gives the same error to every call but destroy. */

/* The timeline is these n tokens from now on: the longest common beginning with what it held is kept, the rest is read.
 * n is at least 1; the last token is read again if it was there. ERR_LIMIT: more than n_context; ERR_INVAL: an id that
 * is not of the vocabulary; then the timeline is what it was. */
TDM_API tdm_status tdm_session_sync(tdm_session *s, const int32_t *tokens, size_t n, tdm_error *err);

/* One more token behind what is there: as sync with it appended. */
TDM_API tdm_status tdm_session_append(tdm_session *s, int32_t token, tdm_error *err);

/* How many tokens the timeline has. 0 for NULL. */
TDM_API size_t tdm_session_length(const tdm_session *s);

/* The logits behind the last token, [n_vocabulary], borrowed until the next sync, append or destroy. ERR_INVAL before
 * the first sync. */
TDM_API tdm_status tdm_session_logits(tdm_session *s, const float **logits, size_t *n_vocabulary, tdm_error *err);

/* Draws what comes next; the timeline stays as it is. sampling NULL: the most probable token. The i-th draw depends on
 * the seed, the tokens and the logits alone. n_prompt: how many first tokens count as read and not as written, for the
 * penalties. ERR_INVAL before the first sync, and for a value beyond its limits. */
TDM_API tdm_status tdm_session_sample(tdm_session *s, const tdm_sampling *sampling, size_t n_prompt, int32_t *token,
                                      tdm_error *err);

#ifdef __cplusplus
}
#endif
#endif
