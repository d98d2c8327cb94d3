/* tokenizer.h - text to token ids and back, from the vocabulary inside a GGUF.
 *
 * Two kinds: byte-level BPE (tokenizer.ggml.model = gpt2, with the pre-tokenizer that tokenizer.ggml.pre names) and
 * SentencePiece BPE (llama). The vendor's own tokenizer is the oracle; where it normalises (Qwen: NFC) so do we.
 * Control tokens come only from bytes that the caller marks as trusted (a template's own text): what a user or a
 * tool wrote stays text. Immutable after create, shared by all threads; calls use only their own memory.
 */
#ifndef TDM_TEXT_TOKENIZER_H
#define TDM_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "model/gguf.h"
#include "tandem/status.h"

typedef struct tdm__tokenizer tdm__tokenizer;

enum { TDM__TOKEN_NONE = -1 };

/* Bytes that one call takes, and those of one word in it (a run of one kind of character without a break): a word
 * takes some fifty bytes of memory a byte. */
enum { TDM__TOKENIZER_TEXT_MAX = 256 << 20, TDM__TOKENIZER_WORD_MAX = 16 << 20 };

/* Reads the vocabulary of g, which must outlive the tokenizer. Errors name the key and the entry. */
tdm_status tdm__tokenizer_create(const tdm__gguf *g, tdm__tokenizer **out, tdm_error *err);
void tdm__tokenizer_destroy(tdm__tokenizer *t);

size_t tdm__tokenizer_vocab_size(const tdm__tokenizer *t);

/* Token ids that have a role, or TDM__TOKEN_NONE. */
int32_t tdm__tokenizer_bos(const tdm__tokenizer *t);
int32_t tdm__tokenizer_eos(const tdm__tokenizer *t);
bool tdm__tokenizer_adds_bos(const tdm__tokenizer *t); /* whether raw text is to begin with bos; false without one */

/* Whether encode sets a space before a text, which who decodes a whole text takes away again (SentencePiece). */
bool tdm__tokenizer_adds_space(const tdm__tokenizer *t);

/* Whether the token ends a turn or the text (eos, eot, eom and their vendor's names). */
bool tdm__tokenizer_is_end(const tdm__tokenizer *t, int32_t id);

/* Whether the token is a control token: it has no text of its own in an answer. */
bool tdm__tokenizer_is_control(const tdm__tokenizer *t, int32_t id);

/* The most ids that n bytes can give (n <= TDM__TOKENIZER_TEXT_MAX); for callers that size their arrays before. */
size_t tdm__tokenizer_ids_max(const tdm__tokenizer *t, size_t n_bytes);

/* Writes at most ids_cap ids of the text to ids and their number to *n_ids; ERR_LIMIT if there are more, or if the
 * text or a word is longer than the limits above. trusted is NULL (nothing is) or one byte for each text byte: control
 * tokens are recognised only where all their bytes are non-zero. Bytes that are no UTF-8 are kept for byte-level
 * vocabularies: each stands alone, and nothing is normalised across it. A byte that the vocabulary has no token for
 * gives none, as with the vendor's. Adds neither bos nor eos. */
tdm_status tdm__tokenizer_encode(const tdm__tokenizer *t, tdm__str text, const uint8_t *trusted, int32_t *ids,
                                 size_t ids_cap, size_t *n_ids, tdm_error *err);

/* The bytes of one token as it stands in running text, borrowed. Control tokens give their name when with_control,
 * else nothing; ids outside the vocabulary give nothing. A SentencePiece word's leading space is part of the piece. */
tdm__str tdm__tokenizer_piece(const tdm__tokenizer *t, int32_t id, bool with_control);

#endif
