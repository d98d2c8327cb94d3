/* vocabulary.h - the tokens of a GGUF: texts, kinds, scores, pieces, and which of two neighbours merge.
 *
 * Checked entry by entry when it is read; errors name the key and the entry. The file may be hostile, so the hash
 * tables are keyed with random bytes, and every table is a constant factor of what the file holds. Token texts are
 * borrowed from the GGUF. Immutable afterwards.
 */
#ifndef TDM_TEXT_VOCABULARY_H
#define TDM_TEXT_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "model/gguf.h"
#include "tandem/status.h"

enum {
    TDM__VOCABULARY_TOKENS_MAX = 1 << 22,
    TDM__TOKEN_BYTES_MAX = 2048, /* of one token's text; the longest known real one has 256 */
};

/* Values of tokenizer.ggml.token_type. */
typedef enum tdm__token_kind {
    TDM__TOKEN_UNDEFINED = 0, /* taken as normal */
    TDM__TOKEN_NORMAL = 1,
    TDM__TOKEN_UNKNOWN = 2,
    TDM__TOKEN_CONTROL = 3,
    TDM__TOKEN_USER_DEFINED = 4,
    TDM__TOKEN_UNUSED = 5,
    TDM__TOKEN_BYTE = 6,
} tdm__token_kind;

typedef enum tdm__vocabulary_form {
    TDM__VOCABULARY_NONE,
    TDM__VOCABULARY_BYTES,   /* tokenizer.ggml.model gpt2: texts spell bytes by the byte-level alphabet */
    TDM__VOCABULARY_PIECES,  /* llama: SentencePiece; U+2581 is a space, <0xNN> a byte */
} tdm__vocabulary_form;

typedef struct tdm__merge {
    int32_t left, right; /* left is -1 in an empty slot */
    uint32_t rank;       /* lower goes first */
    int32_t made;
} tdm__merge;

typedef struct tdm__vocabulary {
    tdm__vocabulary_form form;
    const tdm__gguf *gguf;
    const tdm__gguf_kv *tokens;
    size_t n;
    uint8_t *kinds;       /* [n] tdm__token_kind */
    uint32_t *ranks;      /* [n] by score, lower goes first; PIECES only */
    char *pieces;         /* what each token gives in running text, one after the other */
    uint32_t *piece_ends; /* [n] */
    int32_t byte_ids[256]; /* the token of one byte, or -1 */
    size_t token_bytes_max; /* of the longest text that text may be made of */
    bool space_inside;    /* some token has U+2581 behind another character; PIECES only */
    uint64_t keys[2];     /* of the hashes */
    int32_t *slots;       /* token ids by text, -1 where empty */
    size_t slots_mask;
    tdm__merge *merges; /* BYTES only */
    size_t merges_mask;
} tdm__vocabulary;

/* v is zeroed; on failure the caller still calls fini. g must outlive v. */
tdm_status tdm__vocabulary_init(tdm__vocabulary *v, tdm__vocabulary_form form, const tdm__gguf *g, tdm_error *err);
void tdm__vocabulary_fini(tdm__vocabulary *v);

/* Reads tokenizer.ggml.merges; called by init. */
tdm_status tdm__vocabulary_read_merges(tdm__vocabulary *v, tdm_error *err);

/* The text of a token as the file has it. */
static inline tdm__str tdm__vocabulary_text(const tdm__vocabulary *v, int32_t id)
{
    return tdm__gguf_array_str(v->gguf, v->tokens, (uint64_t)id);
}

static inline tdm__str tdm__vocabulary_piece(const tdm__vocabulary *v, int32_t id)
{
    uint32_t from = id ? v->piece_ends[id - 1] : 0;
    return (tdm__str){v->pieces + from, v->piece_ends[id] - from};
}

/* Whether plain text may be made of the token: control, unknown and SentencePiece's byte tokens never come from their
 * own spelling. */
static inline bool tdm__vocabulary_is_plain(const tdm__vocabulary *v, int32_t id)
{
    uint8_t kind = v->kinds[id];
    return kind != TDM__TOKEN_CONTROL && kind != TDM__TOKEN_UNKNOWN &&
           (kind != TDM__TOKEN_BYTE || v->form == TDM__VOCABULARY_BYTES);
}

/* Whether the token is user-defined and looks like markup of a protocol, as <tool_call> does: it is matched whole where
 * that is allowed (special.h), and merges never make it. */
static inline bool tdm__vocabulary_is_markup(const tdm__vocabulary *v, int32_t id)
{
    tdm__str text = tdm__vocabulary_text(v, id);
    return v->kinds[id] == TDM__TOKEN_USER_DEFINED && text.len > 2 && text.ptr[0] == '<' &&
           text.ptr[text.len - 1] == '>';
}

/* The token with this text, spelled as in the file, or -1. */
int32_t tdm__vocabulary_find(const tdm__vocabulary *v, tdm__str text);

/* The same among plain tokens that are no markup. */
int32_t tdm__vocabulary_find_plain(const tdm__vocabulary *v, tdm__str text);

/* The token whose bytes are the word's, in a BYTES vocabulary, or -1. */
int32_t tdm__vocabulary_find_word(const tdm__vocabulary *v, tdm__str word);

/* What the two neighbours merge to, or NULL. BYTES only. */
const tdm__merge *tdm__vocabulary_merge(const tdm__vocabulary *v, int32_t left, int32_t right);

#endif
