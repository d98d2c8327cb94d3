/* tokenizer_encode.c - from text to ids: special tokens first, then what lies between them.
 *
 * Byte-level vocabularies: normal form where the vendor has one, words, merges of bytes. SentencePiece: a space
 * before, spaces as U+2581, merges of characters over the whole text; where no token reaches over the begin of a
 * word, word by word, which gives the same ids from less memory. All memory belongs to the call and grows with the
 * longest word.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/error.h"
#include "text/bpe.h"
#include "text/tokenizer_internal.h"
#include "text/unicode.h"

static const char space_mark[] = "\xE2\x96\x81"; /* U+2581 */
enum { SPACE_MARK_BYTES = 3 };

typedef struct encoder {
    const tdm__tokenizer *t;
    int32_t *ids;
    size_t n, cap;
    tdm__bpe bpe;
    tdm__buf normal; /* the stretch in normal form, or with marks for spaces */
} encoder;

size_t tdm__tokenizer_ids_max(const tdm__tokenizer *t, size_t n_bytes)
{
    if (t->pre)
        return tdm__pretokenizer_normalizes(t->pre) ? 3 * n_bytes : n_bytes; /* NFC at most triples UTF-8 */
    /* A space may come before each stretch between special tokens; without a token of its own it is three bytes. */
    return (2 * n_bytes + 1) * (t->space_mark >= 0 ? 1 : SPACE_MARK_BYTES);
}

static tdm_status emit_id(encoder *e, int32_t id, tdm_error *err)
{
    if (e->n == e->cap)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the text has more than %zu tokens", e->cap);
    e->ids[e->n++] = id;
    return TDM_OK;
}

static tdm_status no_memory(tdm_error *err, size_t n)
{
    return tdm__fail(err, TDM_ERR_NOMEM, "no memory to encode %zu bytes of text", n);
}

static tdm_status make_room(encoder *e, tdm__str word, tdm_error *err)
{
    if (word.len > TDM__TOKENIZER_WORD_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the text has a word of %zu bytes, at most %d are encoded", word.len,
                 TDM__TOKENIZER_WORD_MAX);
    return tdm__bpe_reserve(&e->bpe, word.len) == TDM_OK ? TDM_OK : no_memory(err, word.len);
}

static tdm_status encode_word_bytes(void *user, tdm__str word, tdm_error *err)
{
    encoder *e = user;
    const tdm__vocabulary *v = &e->t->vocabulary;
    if (tdm__pretokenizer_ignores_merges(e->t->pre)) {
        int32_t id = tdm__vocabulary_find_word(v, word);
        if (id >= 0)
            return emit_id(e, id, err);
    }
    TDM_TRY(make_room(e, word, err));
    size_t n = 0;
    for (size_t i = 0; i < word.len; i++) {
        int32_t id = v->byte_ids[(uint8_t)word.ptr[i]];
        if (id >= 0)
            e->bpe.symbols[n++] = (tdm__bpe_symbol){.id = id, .begin = (uint32_t)i, .len = 1};
    }
    if (n == 0)
        return TDM_OK;
    tdm__bpe_merge(&e->bpe, word, n);
    for (int32_t i = 0; i >= 0; i = e->bpe.symbols[i].next)
        TDM_TRY(emit_id(e, e->bpe.symbols[i].id, err));
    return TDM_OK;
}

/* A character without a token: its bytes, or one unknown token for all such characters in a row. */
static tdm_status emit_unknown(encoder *e, tdm__str character, bool first, tdm_error *err)
{
    const tdm__tokenizer *t = e->t;
    if (!t->byte_fallback)
        return first ? emit_id(e, t->unknown, err) : TDM_OK;
    for (size_t i = 0; i < character.len; i++)
        TDM_TRY(emit_id(e, t->vocabulary.byte_ids[(uint8_t)character.ptr[i]], err));
    return TDM_OK;
}

static tdm_status encode_word_pieces(encoder *e, tdm__str word, tdm_error *err)
{
    TDM_TRY(make_room(e, word, err));
    const unsigned char *begin = (const unsigned char *)word.ptr, *end = begin + word.len;
    size_t n = 0;
    for (const unsigned char *p = begin; p < end; n++) {
        uint32_t code_point;
        size_t len = tdm__unicode_next(p, end, &code_point);
        int32_t id = tdm__vocabulary_find_plain(&e->t->vocabulary, (tdm__str){(const char *)p, len});
        e->bpe.symbols[n] = (tdm__bpe_symbol){.id = id, .begin = (uint32_t)(p - begin), .len = (uint32_t)len};
        p += len;
    }
    tdm__bpe_merge(&e->bpe, word, n);
    bool known = true;
    for (int32_t i = 0; i >= 0; i = e->bpe.symbols[i].next) {
        const tdm__bpe_symbol *s = &e->bpe.symbols[i];
        if (s->id >= 0)
            TDM_TRY(emit_id(e, s->id, err));
        else
            TDM_TRY(emit_unknown(e, (tdm__str){word.ptr + s->begin, s->len}, known, err));
        known = s->id >= 0;
    }
    return TDM_OK;
}

static bool is_mark(tdm__str s, size_t at)
{
    return s.len - at >= SPACE_MARK_BYTES && memcmp(s.ptr + at, space_mark, SPACE_MARK_BYTES) == 0;
}

static tdm_status encode_stretch_pieces(encoder *e, tdm__str text, tdm_error *err)
{
    tdm__buf_clear(&e->normal);
    tdm_status s = e->t->adds_space ? tdm__buf_append(&e->normal, space_mark, SPACE_MARK_BYTES) : TDM_OK;
    for (size_t i = 0; s == TDM_OK && i < text.len;) {
        const char *space = memchr(text.ptr + i, ' ', text.len - i);
        size_t to = space ? (size_t)(space - text.ptr) : text.len;
        s = tdm__buf_append(&e->normal, text.ptr + i, to - i);
        if (s == TDM_OK && space)
            s = tdm__buf_append(&e->normal, space_mark, SPACE_MARK_BYTES);
        i = to + 1;
    }
    if (s != TDM_OK)
        return no_memory(err, text.len);
    tdm__str all = tdm__buf_str(&e->normal);
    size_t from = 0;
    bool begun = false; /* the word has a character that is no mark */
    for (size_t i = 0; !e->t->vocabulary.space_inside && i < all.len;) {
        bool mark = is_mark(all, i);
        if (mark && begun) {
            TDM_TRY(encode_word_pieces(e, (tdm__str){all.ptr + from, i - from}, err));
            from = i;
        }
        begun = !mark;
        i += mark ? SPACE_MARK_BYTES : 1;
    }
    return encode_word_pieces(e, (tdm__str){all.ptr + from, all.len - from}, err);
}

static tdm_status encode_stretch(encoder *e, tdm__str text, tdm_error *err)
{
    if (text.len == 0)
        return TDM_OK;
    if (!e->t->pre)
        return encode_stretch_pieces(e, text, err);
    if (tdm__pretokenizer_normalizes(e->t->pre)) {
        tdm_status s = tdm__unicode_nfc(text, TDM__TOKENIZER_WORD_MAX, &e->normal, &text);
        if (s == TDM_ERR_LIMIT)
            TDM_FAIL(err, s, "the text has more than %d bytes of combining characters in a row",
                     TDM__TOKENIZER_WORD_MAX);
        if (s != TDM_OK)
            return no_memory(err, text.len);
    }
    return tdm__pretokenizer_split(e->t->pre, text, encode_word_bytes, e, err);
}

static tdm_status encode_text(encoder *e, tdm__str text, const uint8_t *trusted, tdm_error *err)
{
    size_t from = 0;
    for (size_t i = 0; i < text.len;) {
        const tdm__special *special = tdm__special_match(&e->t->special, text, trusted, i);
        if (!special) {
            i++;
            continue;
        }
        TDM_TRY(encode_stretch(e, (tdm__str){text.ptr + from, i - from}, err));
        TDM_TRY(emit_id(e, special->id, err));
        i += special->text.len;
        from = i;
    }
    return encode_stretch(e, (tdm__str){text.ptr + from, text.len - from}, err);
}

tdm_status tdm__tokenizer_encode(const tdm__tokenizer *t, tdm__str text, const uint8_t *trusted, int32_t *ids,
                                 size_t ids_cap, size_t *n_ids, tdm_error *err)
{
    if (text.len > TDM__TOKENIZER_TEXT_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the text has %zu bytes, at most %d are encoded at once", text.len,
                 TDM__TOKENIZER_TEXT_MAX);
    *n_ids = 0;
    if (text.len == 0)
        return TDM_OK;
    encoder e = {.t = t, .ids = ids, .cap = ids_cap};
    tdm__bpe_init(&e.bpe, &t->vocabulary);
    tdm__buf_init(&e.normal, 3 * text.len + SPACE_MARK_BYTES);
    tdm_status s = encode_text(&e, text, trusted, err);
    tdm__buf_fini(&e.normal);
    tdm__bpe_fini(&e.bpe);
    if (s == TDM_OK)
        *n_ids = e.n;
    return s;
}
