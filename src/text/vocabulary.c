/* vocabulary.c - reads and checks tokenizer.ggml.tokens, token_type and scores.
 *
 * Refused: more than 4 Mi tokens, a text longer than 2,048 bytes, two tokens of one text, arrays of unequal length,
 * unknown kinds, scores that are no number. Empty texts are allowed (some files pad with them) and never match.
 */
#include "text/vocabulary.h"

#include <inttypes.h>

#include "base/error.h"
#include "os/heap.h"
#include "os/random.h"
#include "text/byte_alphabet.h"
#include "text/unicode.h"

static const char space_mark[] = "\xE2\x96\x81"; /* U+2581 */

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_text(const uint64_t keys[2], tdm__str s)
{
    uint64_t h = keys[0] ^ s.len;
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t part;
        memcpy(&part, s.ptr + i, 8);
        h = mix(h ^ part, keys[1]);
    }
    uint64_t rest = 0;
    for (; i < s.len; i++)
        rest = rest << 8 | (unsigned char)s.ptr[i];
    return mix(h ^ rest, keys[1]);
}

/* The slot that holds the text, or the empty one where it would go. */
static int32_t *find_slot(const tdm__vocabulary *v, tdm__str text)
{
    size_t i = hash_text(v->keys, text) & v->slots_mask;
    while (v->slots[i] >= 0 && !tdm__str_eq(tdm__vocabulary_text(v, v->slots[i]), text))
        i = (i + 1) & v->slots_mask;
    return &v->slots[i];
}

int32_t tdm__vocabulary_find(const tdm__vocabulary *v, tdm__str text)
{
    return text.len == 0 || text.len > TDM__TOKEN_BYTES_MAX ? -1 : *find_slot(v, text);
}

int32_t tdm__vocabulary_find_plain(const tdm__vocabulary *v, tdm__str text)
{
    int32_t id = text.len > v->token_bytes_max ? -1 : tdm__vocabulary_find(v, text);
    return id >= 0 && tdm__vocabulary_is_plain(v, id) && !tdm__vocabulary_is_markup(v, id) ? id : -1;
}

int32_t tdm__vocabulary_find_word(const tdm__vocabulary *v, tdm__str word)
{
    char text[2 * TDM__TOKEN_BYTES_MAX + 4];
    if (word.len > v->token_bytes_max)
        return -1;
    size_t len = 0;
    for (size_t i = 0; i < word.len; i++)
        len += tdm__unicode_put(tdm__byte_to_letter((uint8_t)word.ptr[i]), text + len);
    int32_t id = tdm__vocabulary_find_plain(v, (tdm__str){text, len});
    return id >= 0 && v->kinds[id] != TDM__TOKEN_USER_DEFINED ? id : -1; /* those spell themselves */
}

static tdm_status check_array(const tdm__vocabulary *v, const char *key, tdm__gguf_type type, const tdm__gguf_kv **out,
                              tdm_error *err)
{
    tdm_status s = tdm__gguf_get_array(v->gguf, key, type, out, err);
    if (s == TDM_END)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s is missing", tdm__gguf_name(v->gguf), key);
    TDM_TRY(s);
    if ((*out)->v.array.len != v->n)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s has %" PRIu64 " entries for %zu tokens", tdm__gguf_name(v->gguf), key,
                 (*out)->v.array.len, v->n);
    return TDM_OK;
}

static tdm_status allocate(tdm__vocabulary *v, tdm_error *err)
{
    size_t n_slots = 16;
    while (n_slots < v->n * 2)
        n_slots *= 2;
    v->slots_mask = n_slots - 1;
    v->slots = tdm__malloc(n_slots * sizeof *v->slots);
    v->kinds = tdm__calloc(v->n, 1);
    v->piece_ends = tdm__calloc(v->n, sizeof *v->piece_ends);
    v->ranks = v->form == TDM__VOCABULARY_PIECES ? tdm__calloc(v->n, sizeof *v->ranks) : NULL;
    if (!v->slots || !v->kinds || !v->piece_ends || (!v->ranks && v->form == TDM__VOCABULARY_PIECES))
        TDM_FAIL(err, TDM_ERR_NOMEM, "%s: no memory for %zu tokens", tdm__gguf_name(v->gguf), v->n);
    memset(v->slots, 0xFF, n_slots * sizeof *v->slots);
    if (tdm__random_fill(v->keys, sizeof v->keys) != 0)
        TDM_FAIL(err, TDM_ERR_IO, "the system gives no random bytes for the vocabulary's hash tables");
    v->keys[1] |= 1;
    return TDM_OK;
}

static tdm_status read_texts(tdm__vocabulary *v, tdm_error *err)
{
    const char *file = tdm__gguf_name(v->gguf);
    for (size_t i = 0; i < v->n; i++) {
        tdm__str text = tdm__vocabulary_text(v, (int32_t)i);
        if (text.len > TDM__TOKEN_BYTES_MAX)
            TDM_FAIL(err, TDM_ERR_LIMIT, "%s: tokenizer.ggml.tokens[%zu] has %zu bytes, at most %d are read", file, i,
                     text.len, TDM__TOKEN_BYTES_MAX);
        if (text.len == 0)
            continue;
        int32_t *slot = find_slot(v, text);
        if (*slot >= 0)
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: tokenizer.ggml.tokens[%zu] has the same text as [%d]", file, i, *slot);
        *slot = (int32_t)i;
    }
    return TDM_OK;
}

static tdm_status read_kinds(tdm__vocabulary *v, tdm_error *err)
{
    const tdm__gguf_kv *types;
    TDM_TRY(check_array(v, "tokenizer.ggml.token_type", TDM__GGUF_I32, &types, err));
    for (size_t i = 0; i < v->n; i++) {
        int64_t kind = tdm__gguf_array_i64(types, i);
        if (kind < TDM__TOKEN_UNDEFINED || kind > TDM__TOKEN_BYTE)
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: tokenizer.ggml.token_type[%zu] is %" PRId64 ", no kind of token",
                     tdm__gguf_name(v->gguf), i, kind);
        v->kinds[i] = (uint8_t)kind;
        size_t len = tdm__vocabulary_text(v, (int32_t)i).len;
        if (tdm__vocabulary_is_plain(v, (int32_t)i) && len > v->token_bytes_max)
            v->token_bytes_max = len;
    }
    return TDM_OK;
}

/* Scores to ranks that sort as integers: the highest score first, -0 as 0. */
static tdm_status read_scores(tdm__vocabulary *v, tdm_error *err)
{
    const tdm__gguf_kv *scores;
    TDM_TRY(check_array(v, "tokenizer.ggml.scores", TDM__GGUF_F32, &scores, err));
    for (size_t i = 0; i < v->n; i++) {
        float score = (float)tdm__gguf_array_f64(scores, i) + 0.0f;
        uint32_t bits;
        if (score != score)
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: tokenizer.ggml.scores[%zu] is not a number", tdm__gguf_name(v->gguf), i);
        memcpy(&bits, &score, sizeof bits);
        v->ranks[i] = bits & 0x80000000u ? bits : ~(bits | 0x80000000u);
    }
    return TDM_OK;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* The byte that <0xNN> spells, or -1. */
static int spelled_byte(tdm__str text)
{
    if (text.len != 6 || memcmp(text.ptr, "<0x", 3) != 0 || text.ptr[5] != '>')
        return -1;
    int high = hex_digit(text.ptr[3]), low = hex_digit(text.ptr[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* The text of a byte-level token as bytes; where a character spells none, the text as it stands, as the vendors'
 * decoder has it. out has room for the text. */
static size_t decode_letters(tdm__str text, char *out)
{
    const unsigned char *p = (const unsigned char *)text.ptr, *end = p + text.len;
    size_t n = 0;
    while (p < end) {
        uint32_t letter;
        p += tdm__unicode_next(p, end, &letter);
        int byte = tdm__letter_to_byte(letter);
        if (byte < 0) {
            memcpy(out, text.ptr, text.len);
            return text.len;
        }
        out[n++] = (char)byte;
    }
    return n;
}

/* Writes what the token gives in running text; out has room for its text. */
static size_t make_piece(const tdm__vocabulary *v, int32_t id, tdm__str text, char *out)
{
    uint8_t kind = v->kinds[id];
    if (kind == TDM__TOKEN_UNUSED)
        return 0;
    if (v->form == TDM__VOCABULARY_BYTES && tdm__vocabulary_is_plain(v, id) && kind != TDM__TOKEN_USER_DEFINED)
        return decode_letters(text, out);
    if (v->form == TDM__VOCABULARY_PIECES && kind == TDM__TOKEN_BYTE) {
        out[0] = (char)spelled_byte(text);
        return 1;
    }
    bool marks = v->form == TDM__VOCABULARY_PIECES && tdm__vocabulary_is_plain(v, id);
    size_t n = 0;
    for (size_t i = 0; i < text.len;) {
        bool mark = marks && text.len - i >= 3 && memcmp(text.ptr + i, space_mark, 3) == 0;
        out[n++] = mark ? ' ' : text.ptr[i];
        i += mark ? 3 : 1;
    }
    return n;
}

static tdm_status make_pieces(tdm__vocabulary *v, tdm_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < v->n; i++)
        total += tdm__vocabulary_text(v, (int32_t)i).len;
    if (total > UINT32_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%s: the tokens have %zu bytes, at most %u are read", tdm__gguf_name(v->gguf),
                 total, UINT32_MAX);
    v->pieces = tdm__malloc(total + 1);
    if (!v->pieces)
        TDM_FAIL(err, TDM_ERR_NOMEM, "%s: no memory for %zu bytes of tokens", tdm__gguf_name(v->gguf), total);
    uint32_t end = 0;
    for (size_t i = 0; i < v->n; i++) {
        tdm__str text = tdm__vocabulary_text(v, (int32_t)i);
        if (v->kinds[i] == TDM__TOKEN_BYTE && v->form == TDM__VOCABULARY_PIECES && spelled_byte(text) < 0)
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: tokenizer.ggml.tokens[%zu] is a byte token but not spelled <0xNN>",
                     tdm__gguf_name(v->gguf), i);
        end += (uint32_t)make_piece(v, (int32_t)i, text, v->pieces + end);
        v->piece_ends[i] = end;
    }
    return TDM_OK;
}

/* Which token stands for one byte. A user-defined token spells itself, so it does so for ASCII only. */
static void find_bytes(tdm__vocabulary *v)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        size_t len = v->form == TDM__VOCABULARY_BYTES ? tdm__unicode_put(tdm__byte_to_letter((uint8_t)byte), text) : 0;
        int32_t id = len ? tdm__vocabulary_find_plain(v, (tdm__str){text, len}) : -1;
        v->byte_ids[byte] = id >= 0 && len > 1 && v->kinds[id] == TDM__TOKEN_USER_DEFINED ? -1 : id;
    }
    if (v->form == TDM__VOCABULARY_PIECES)
        for (size_t i = 0; i < v->n; i++)
            if (v->kinds[i] == TDM__TOKEN_BYTE)
                v->byte_ids[spelled_byte(tdm__vocabulary_text(v, (int32_t)i))] = (int32_t)i;
}

/* Whether a word may reach over the begin of the next one. */
static bool has_space_inside(const tdm__vocabulary *v)
{
    for (size_t i = 0; i < v->n; i++) {
        tdm__str text = tdm__vocabulary_text(v, (int32_t)i);
        bool begun = false;
        for (size_t k = 0; tdm__vocabulary_is_plain(v, (int32_t)i) && k < text.len;) {
            bool mark = text.len - k >= 3 && memcmp(text.ptr + k, space_mark, 3) == 0;
            if (mark && begun)
                return true;
            begun = begun || !mark;
            k += mark ? 3 : 1;
        }
    }
    return false;
}

tdm_status tdm__vocabulary_init(tdm__vocabulary *v, tdm__vocabulary_form form, const tdm__gguf *g, tdm_error *err)
{
    static const char key[] = "tokenizer.ggml.tokens";
    v->form = form;
    v->gguf = g;
    tdm_status s = tdm__gguf_get_array(g, key, TDM__GGUF_STRING, &v->tokens, err);
    if (s == TDM_END)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s is missing", tdm__gguf_name(g), key);
    TDM_TRY(s);
    if (v->tokens->v.array.len == 0 || v->tokens->v.array.len > TDM__VOCABULARY_TOKENS_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%s: %s has %" PRIu64 " entries, 1 to %d are read", tdm__gguf_name(g), key,
                 v->tokens->v.array.len, TDM__VOCABULARY_TOKENS_MAX);
    v->n = (size_t)v->tokens->v.array.len;
    TDM_TRY(allocate(v, err));
    TDM_TRY(read_texts(v, err));
    TDM_TRY(read_kinds(v, err));
    if (form == TDM__VOCABULARY_PIECES)
        TDM_TRY(read_scores(v, err));
    TDM_TRY(make_pieces(v, err));
    find_bytes(v);
    v->space_inside = form == TDM__VOCABULARY_PIECES && has_space_inside(v);
    return form == TDM__VOCABULARY_BYTES ? tdm__vocabulary_read_merges(v, err) : TDM_OK;
}

void tdm__vocabulary_fini(tdm__vocabulary *v)
{
    tdm__free(v->kinds);
    tdm__free(v->ranks);
    tdm__free(v->pieces);
    tdm__free(v->piece_ends);
    tdm__free(v->slots);
    tdm__free(v->merges);
}
