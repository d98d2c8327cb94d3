/* tokenizer.c - what the keys tokenizer.* of a GGUF say, checked and put together.
 *
 * Refused: kinds of vocabulary and pre-tokenizers that are not built, roles outside the vocabulary, a SentencePiece
 * vocabulary that can spell neither an unknown character nor its bytes. What the tokens are is vocabulary.c's; how a
 * text becomes ids is tokenizer_encode.c's.
 */
#include "text/tokenizer.h"

#include <inttypes.h>

#include "base/error.h"
#include "os/heap.h"
#include "text/tokenizer_internal.h"

/* DeepSeek's name, with its fullwidth bars and U+2581. */
#define END_OF_SENTENCE "<\xEF\xBD\x9C\x65nd\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>"

/* Names that vendors give to the end of a turn or a text, where the file has no key for it. */
static const char *const end_names[] = {
    "<|eot_id|>",      "<|eom_id|>",    "<|im_end|>", "<|end|>",       "<|endoftext|>",
    "<|end_of_text|>", "<end_of_turn>", "</s>",       END_OF_SENTENCE,
};

static tdm_status read_role(const tdm__tokenizer *t, const char *key, int32_t *out, tdm_error *err)
{
    uint64_t id = 0;
    tdm_status s = tdm__gguf_get_u64(t->vocabulary.gguf, key, &id, err);
    if (s == TDM_END)
        return TDM_OK;
    TDM_TRY(s);
    if (id >= t->vocabulary.n)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s is %" PRIu64 ", the vocabulary has %zu tokens",
                 tdm__gguf_name(t->vocabulary.gguf), key, id, t->vocabulary.n);
    *out = (int32_t)id;
    return TDM_OK;
}

static void end_add(tdm__tokenizer *t, int32_t id)
{
    if (id >= 0 && t->n_ends < TDM__TOKENIZER_ENDS_MAX && !tdm__tokenizer_is_end(t, id))
        t->ends[t->n_ends++] = id;
}

static tdm_status read_roles(tdm__tokenizer *t, tdm_error *err)
{
    int32_t eot = TDM__TOKEN_NONE, eom = TDM__TOKEN_NONE;
    t->bos = t->eos = TDM__TOKEN_NONE;
    TDM_TRY(read_role(t, "tokenizer.ggml.bos_token_id", &t->bos, err));
    TDM_TRY(read_role(t, "tokenizer.ggml.eos_token_id", &t->eos, err));
    TDM_TRY(read_role(t, "tokenizer.ggml.eot_token_id", &eot, err));
    TDM_TRY(read_role(t, "tokenizer.ggml.eom_token_id", &eom, err));
    end_add(t, t->eos);
    end_add(t, eot);
    end_add(t, eom);
    for (size_t i = 0; i < sizeof end_names / sizeof *end_names; i++) {
        int32_t id = tdm__vocabulary_find(&t->vocabulary, tdm__str_from(end_names[i]));
        if (id >= 0 && t->vocabulary.kinds[id] == TDM__TOKEN_CONTROL)
            end_add(t, id);
    }
    tdm_status s = tdm__gguf_get_bool(t->vocabulary.gguf, "tokenizer.ggml.add_bos_token", &t->adds_bos, err);
    if (s == TDM_OK || s == TDM_END)
        t->adds_bos = t->adds_bos && t->bos != TDM__TOKEN_NONE;
    return s < 0 ? s : TDM_OK;
}

static tdm_status read_bytes_keys(tdm__tokenizer *t, tdm_error *err)
{
    const tdm__gguf *g = t->vocabulary.gguf;
    tdm__str pre;
    tdm_status s = tdm__gguf_get_str(g, "tokenizer.ggml.pre", &pre, err);
    if (s == TDM_END)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: tokenizer.ggml.pre is missing, so nothing says how to cut words",
                 tdm__gguf_name(g));
    TDM_TRY(s);
    TDM_TRY(tdm__pretokenizer_create(tdm__gguf_name(g), pre, &t->pre, err));
    t->adds_bos = tdm__pretokenizer_adds_bos(t->pre);
    return TDM_OK;
}

static tdm_status read_pieces_keys(tdm__tokenizer *t, tdm_error *err)
{
    const tdm__vocabulary *v = &t->vocabulary;
    bool trims = false;
    t->adds_space = t->adds_bos = true;
    tdm_status s = tdm__gguf_get_bool(v->gguf, "tokenizer.ggml.add_space_prefix", &t->adds_space, err);
    if (s >= 0)
        s = tdm__gguf_get_bool(v->gguf, "tokenizer.ggml.remove_extra_whitespaces", &trims, err);
    if (s < 0)
        return s;
    if (trims)
        TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "%s: tokenizer.ggml.remove_extra_whitespaces is not built",
                 tdm__gguf_name(v->gguf));
    t->unknown = TDM__TOKEN_NONE;
    TDM_TRY(read_role(t, "tokenizer.ggml.unknown_token_id", &t->unknown, err));
    for (size_t i = 0; i < v->n && t->unknown < 0; i++)
        if (v->kinds[i] == TDM__TOKEN_UNKNOWN)
            t->unknown = (int32_t)i;
    t->space_mark = tdm__vocabulary_find_plain(v, TDM_STR("\xE2\x96\x81"));
    t->byte_fallback = true;
    for (int byte = 0; byte < 256; byte++)
        t->byte_fallback = t->byte_fallback && v->byte_ids[byte] >= 0;
    if (!t->byte_fallback && t->unknown < 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: tokenizer.ggml.tokens has neither 256 byte tokens nor an unknown one",
                 tdm__gguf_name(v->gguf));
    return TDM_OK;
}

tdm_status tdm__tokenizer_create(const tdm__gguf *g, tdm__tokenizer **out, tdm_error *err)
{
    tdm__str model;
    tdm_status s = tdm__gguf_get_str(g, "tokenizer.ggml.model", &model, err);
    if (s == TDM_END)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: tokenizer.ggml.model is missing", tdm__gguf_name(g));
    TDM_TRY(s);
    bool bytes = tdm__str_eq(model, TDM_STR("gpt2"));
    if (!bytes && !tdm__str_eq(model, TDM_STR("llama")))
        TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "%s: tokenizer.ggml.model is '%.*s', built are gpt2 and llama",
                 tdm__gguf_name(g), (int)(model.len < 64 ? model.len : 64), model.ptr);
    tdm__tokenizer *t = tdm__calloc(1, sizeof *t);
    if (!t)
        TDM_FAIL(err, TDM_ERR_NOMEM, "%s: no memory for the tokenizer", tdm__gguf_name(g));
    s = tdm__vocabulary_init(&t->vocabulary, bytes ? TDM__VOCABULARY_BYTES : TDM__VOCABULARY_PIECES, g, err);
    if (s == TDM_OK)
        s = tdm__special_init(&t->special, &t->vocabulary, err);
    if (s == TDM_OK)
        s = bytes ? read_bytes_keys(t, err) : read_pieces_keys(t, err);
    if (s == TDM_OK)
        s = read_roles(t, err);
    if (s != TDM_OK) {
        tdm__tokenizer_destroy(t);
        return s;
    }
    *out = t;
    return TDM_OK;
}

void tdm__tokenizer_destroy(tdm__tokenizer *t)
{
    if (!t)
        return;
    tdm__vocabulary_fini(&t->vocabulary);
    tdm__special_fini(&t->special);
    tdm__pretokenizer_destroy(t->pre);
    tdm__free(t);
}

size_t tdm__tokenizer_vocab_size(const tdm__tokenizer *t)
{
    return t->vocabulary.n;
}
int32_t tdm__tokenizer_bos(const tdm__tokenizer *t)
{
    return t->bos;
}
int32_t tdm__tokenizer_eos(const tdm__tokenizer *t)
{
    return t->eos;
}
bool tdm__tokenizer_adds_bos(const tdm__tokenizer *t)
{
    return t->adds_bos;
}
bool tdm__tokenizer_adds_space(const tdm__tokenizer *t)
{
    return t->adds_space;
}

bool tdm__tokenizer_is_end(const tdm__tokenizer *t, int32_t id)
{
    for (size_t i = 0; i < t->n_ends; i++)
        if (t->ends[i] == id)
            return true;
    return false;
}

bool tdm__tokenizer_is_control(const tdm__tokenizer *t, int32_t id)
{
    if (id < 0 || (size_t)id >= t->vocabulary.n)
        return false;
    uint8_t kind = t->vocabulary.kinds[id];
    return kind == TDM__TOKEN_CONTROL || kind == TDM__TOKEN_UNKNOWN;
}

tdm__str tdm__tokenizer_piece(const tdm__tokenizer *t, int32_t id, bool with_control)
{
    if (id < 0 || (size_t)id >= t->vocabulary.n || (!with_control && tdm__tokenizer_is_control(t, id)))
        return (tdm__str){"", 0};
    return tdm__vocabulary_piece(&t->vocabulary, id);
}
