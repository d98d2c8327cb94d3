/* lib_tokens.c - text to ids and back: the engine layer's tokenizer. */
#include <string.h>

#include "base/error.h"
#include "lib/lib_internal.h"
#include "os/heap.h"
#include "tandem/session.h"

size_t tdm_tokenize_max(const tdm_model *m, size_t len)
{
    return m && len <= TDM__TOKENIZER_TEXT_MAX ? tdm__tokenizer_ids_max(m->tokenizer, len) : 0;
}

tdm_status tdm_tokenize(const tdm_model *m, const char *text, size_t len, bool with_special, int32_t *ids, size_t cap,
                        size_t *n_ids, tdm_error *err)
{
    uint8_t *trusted = NULL;
    TDM_TRY(tdm__lib_check_null(m, "model", err));
    TDM_TRY(tdm__lib_check_null(text, "text", err));
    TDM_TRY(tdm__lib_check_null(n_ids, "n_ids", err));
    if (!ids && cap > 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "ids is NULL with room for %zu", cap);
    const tdm__str s = {text, len > 0 ? len : strlen(text)};
    if (s.len > TDM__TOKENIZER_TEXT_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "a text of %zu bytes, %d are the most", s.len, TDM__TOKENIZER_TEXT_MAX);
    if (with_special && s.len > 0) {
        trusted = tdm__malloc(s.len);
        if (!trusted)
            TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the marks of %zu bytes", s.len);
        memset(trusted, 1, s.len);
    }
    tdm_status status = tdm__tokenizer_encode(m->tokenizer, s, trusted, ids, cap, n_ids, err);
    tdm__free(trusted);
    return status;
}

tdm_status tdm_detokenize(const tdm_model *m, const int32_t *ids, size_t n_ids, bool with_special, char *text,
                          size_t cap, size_t *len, tdm_error *err)
{
    TDM_TRY(tdm__lib_check_null(m, "model", err));
    TDM_TRY(tdm__lib_check_null(len, "len", err));
    if ((!ids && n_ids > 0) || (!text && cap > 0))
        TDM_FAIL(err, TDM_ERR_INVAL, "%s is NULL", ids ? "text" : "ids");
    const size_t n_vocab = tdm__tokenizer_vocab_size(m->tokenizer);
    size_t need = 0;
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= n_vocab)
            TDM_FAIL(err, TDM_ERR_INVAL, "id %zu is %d, the vocabulary has %zu", i, (int)ids[i], n_vocab);
        need += tdm__tokenizer_piece(m->tokenizer, ids[i], with_special).len;
    }
    *len = need;
    if (need > cap)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the text has %zu bytes, there is room for %zu", need, cap);
    for (size_t i = 0, at = 0; i < n_ids; i++) {
        const tdm__str piece = tdm__tokenizer_piece(m->tokenizer, ids[i], with_special);
        if (piece.len > 0)
            memcpy(text + at, piece.ptr, piece.len);
        at += piece.len;
    }
    return TDM_OK;
}

bool tdm_token_is_end(const tdm_model *m, int32_t id)
{
    return m && id >= 0 && (size_t)id < tdm__tokenizer_vocab_size(m->tokenizer) &&
           tdm__tokenizer_is_end(m->tokenizer, id);
}
