/* prompt.h - messages to the token ids that a model reads. */
#ifndef TDM_REQUEST_PROMPT_H
#define TDM_REQUEST_PROMPT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "tandem/status.h"
#include "text/template.h"
#include "text/tokenizer.h"

/* Renders and tokenises. What the template wrote may become control tokens, what the messages hold stays text. bos
 * comes first where the vocabulary wants it and the template did not write it. *ids is the caller's to free. Errors of
 * the template (ERR_INVAL, ERR_LIMIT, ERR_UNSUPPORTED), ERR_NOMEM. */
tdm_status tdm__prompt_make(const tdm__template *template, const tdm__tokenizer *t, json_t *messages,
                            int64_t now_unix_s, int32_t **ids, size_t *n_ids, tdm_error *err);

/* How many of the first tokens of ids come from the first n_turns messages (and what the template writes by itself)
 * alone. 0 where the template does not take those without the rest. */
size_t tdm__prompt_count_public(const tdm__template *template, const tdm__tokenizer *t, const json_t *messages,
                                size_t n_turns, int64_t now_unix_s, const int32_t *ids, size_t n_ids);

#endif
