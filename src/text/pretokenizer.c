/* pretokenizer.c - the table of pre-tokenizers, and the one way in which all of them are run.
 *
 * Each stage cuts the pieces of the stage before: a match is a piece, and so is what lies between two matches (the
 * vendors' "isolated"). Patterns differ from the vendors' in spelling only: possessive where the next item cannot
 * take back what the last one took, and a look-behind where a run of white space would be tried from each of its
 * characters, which is the square of its length. (?i:...) is spelled out, for it also takes U+017F as an s.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pretokenizer.h"

#include <pcre2.h>

#include "base/error.h"
#include "os/heap.h"
#include "text/unicode.h"

enum { STAGES_MAX = 6, NAMES_MAX = 3 };

#define L TDM__SET_LETTER
#define N TDM__SET_NUMBER
#define S TDM__SET_SPACE

#define NEXT_LINES "[" S "]*[\\r\\n]+"
#define SPACES "[" S "]+(?![^" S "])|[" S "]+"
#define GPT2 "'(?:[stmd]|re|ve|ll)| ?[" L "]++| ?[" N "]++| ?[^" S L N "]++|" SPACES
#define LLAMA3(digits)                                                                                                 \
    "'(?:[" TDM__SET_FOLDS_TO_S "tTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\\r\\n" L N "]?[" L "]++|[" N "]" digits        \
    "| ?[^" S L N "]++[\\r\\n]*+|" NEXT_LINES "|" SPACES

typedef struct pretokenizer_row {
    const char *names[NAMES_MAX];
    bool nfc, ignore_merges, adds_bos;
    const char *stages[STAGES_MAX];
} pretokenizer_row;

static const pretokenizer_row rows[] = {
    {.names = {"qwen2"}, .nfc = true, .stages = {LLAMA3("")}},
    {.names = {"llama-bpe", "llama-v3", "llama3"},
     .ignore_merges = true,
     .adds_bos = true,
     .stages = {LLAMA3("{1,3}")}},
    {.names = {"smollm"}, .stages = {"[" TDM__SET_DIGIT "]", GPT2}},
    {.names = {"gpt-2"}, .stages = {GPT2}},
    {.names = {"deepseek-llm"},
     .stages = {"[\\r\\n]", "[" S "]?[" TDM__SET_DEEPSEEK_CASED "]++", "[" S "]?[" TDM__SET_DEEPSEEK_PUNCTUATION "]++",
                "(?<![" S "])[" S "]++\\z", "[" TDM__SET_DEEPSEEK_CJK "]++", "[" TDM__SET_DIGIT "]"}},
};

struct tdm__pretokenizer {
    const pretokenizer_row *row;
    pcre2_code *codes[STAGES_MAX];
    size_t n_stages;
};

static const pretokenizer_row *row_find(tdm__str name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t k = 0; k < NAMES_MAX && rows[i].names[k]; k++)
            if (tdm__str_eq(name, tdm__str_from(rows[i].names[k])))
                return &rows[i];
    return NULL;
}

tdm_status tdm__pretokenizer_create(const char *file, tdm__str name, tdm__pretokenizer **out, tdm_error *err)
{
    const pretokenizer_row *row = row_find(name);
    if (!row)
        TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "%s: tokenizer.ggml.pre is '%.*s', a pre-tokenizer that is not built", file,
                 (int)(name.len < 64 ? name.len : 64), name.ptr);
    tdm__pretokenizer *p = tdm__calloc(1, sizeof *p);
    if (!p)
        TDM_FAIL(err, TDM_ERR_NOMEM, "%s: no memory for the pre-tokenizer", file);
    p->row = row;
    for (; p->n_stages < STAGES_MAX && row->stages[p->n_stages]; p->n_stages++) {
        int code;
        PCRE2_SIZE where;
        PCRE2_SPTR pattern = (PCRE2_SPTR)row->stages[p->n_stages];
        p->codes[p->n_stages] = pcre2_compile(pattern, PCRE2_ZERO_TERMINATED, 0, &code, &where, NULL);
        if (!p->codes[p->n_stages]) {
            tdm__pretokenizer_destroy(p);
            TDM_FAIL(err, TDM_ERR_NOMEM, "%s: the pre-tokenizer's pattern does not compile (PCRE2 code %d)", file,
                     code);
        }
        /* Where the machine allows no JIT, pcre2_match interprets: slower, the same words. */
        (void)pcre2_jit_compile(p->codes[p->n_stages], PCRE2_JIT_COMPLETE);
    }
    *out = p;
    return TDM_OK;
}

void tdm__pretokenizer_destroy(tdm__pretokenizer *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < STAGES_MAX; i++)
        pcre2_code_free(p->codes[i]);
    tdm__free(p);
}

bool tdm__pretokenizer_normalizes(const tdm__pretokenizer *p)
{
    return p->row->nfc;
}
bool tdm__pretokenizer_ignores_merges(const tdm__pretokenizer *p)
{
    return p->row->ignore_merges;
}
bool tdm__pretokenizer_adds_bos(const tdm__pretokenizer *p)
{
    return p->row->adds_bos;
}

typedef struct splitter {
    const tdm__pretokenizer *p;
    const unsigned char *at, *end; /* of the text: where the next word begins */
    pcre2_match_data *match;
    pcre2_match_context *limits;
    tdm__word_fn fn;
    void *user;
    tdm_error *err;
} splitter;

/* Hands out the next n characters as a word. */
static tdm_status emit_word(splitter *s, size_t n)
{
    const unsigned char *from = s->at;
    uint32_t code_point;
    while (n-- > 0)
        s->at += tdm__unicode_next(s->at, s->end, &code_point);
    return s->fn(s->user, (tdm__str){(const char *)from, (size_t)(s->at - from)}, s->err);
}

/* Cuts the piece classes[0..n) from this stage on; calls itself once a stage at most. The piece is all that a pattern
 * sees: its ends are those of the text. */
static tdm_status split_piece(splitter *s, size_t stage, const uint8_t *classes, size_t n)
{
    if (n == 0)
        return TDM_OK;
    if (stage == s->p->n_stages)
        return emit_word(s, n);
    size_t done = 0;
    while (done < n) {
        int code = pcre2_match(s->p->codes[stage], classes, n, done, 0, s->match, s->limits);
        if (code == PCRE2_ERROR_NOMATCH)
            break;
        if (code < 0)
            TDM_FAIL(s->err, TDM_ERR_LIMIT, "the pre-tokenizer gave up on a text (PCRE2 code %d)", code);
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(s->match);
        size_t from = span[0], to = span[1];
        TDM_TRY(split_piece(s, stage + 1, classes + done, from - done));
        TDM_TRY(split_piece(s, stage + 1, classes + from, to - from));
        done = to;
    }
    return split_piece(s, stage + 1, classes + done, n - done);
}

tdm_status tdm__pretokenizer_split(const tdm__pretokenizer *p, tdm__str text, tdm__word_fn fn, void *user,
                                   tdm_error *err)
{
    if (text.len == 0)
        return TDM_OK;
    const unsigned char *at = (const unsigned char *)text.ptr, *end = at + text.len;
    uint8_t *classes = tdm__malloc(text.len);
    splitter s = {.p = p, .at = at, .end = end, .fn = fn, .user = user, .err = err};
    s.match = pcre2_match_data_create(1, NULL);
    s.limits = pcre2_match_context_create(NULL);
    tdm_status status = TDM_OK;
    if (classes && s.match && s.limits) {
        size_t n = 0;
        while (at < end) {
            uint32_t code_point;
            at += tdm__unicode_next(at, end, &code_point);
            classes[n++] = tdm__unicode_class(code_point);
        }
        pcre2_set_match_limit(s.limits, UINT32_MAX);
        status = split_piece(&s, 0, classes, n);
    } else {
        status = tdm__fail(err, TDM_ERR_NOMEM, "no memory to cut a text of %zu bytes into words", text.len);
    }
    pcre2_match_context_free(s.limits);
    pcre2_match_data_free(s.match);
    tdm__free(classes);
    return status;
}
