/* fuzz_tokenizer.c - vocabularies from hostile files, and arbitrary texts through small vocabularies of every kind.
 *
 * An input that begins like a GGUF is a file: what is accepted encodes a few texts. Any other input is a text: its
 * first byte chooses the vocabulary and who is trusted.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include "text/tokenizer.h"
#include "text/unicode.h"
#include "tiny_vocabulary.h"

static const char *const kinds[] = {"qwen2", "llama-bpe", "smollm", "gpt-2", "deepseek-llm", NULL};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* Encodes; ids lie in the vocabulary, and no control token comes from bytes that nobody vouches for. Unless pieces is
 * NULL it gets what the ids stand for. */
static void encode(const tdm__tokenizer *t, tdm__str text, const uint8_t *trusted, tdm__buf *pieces)
{
    size_t cap = tdm__tokenizer_ids_max(t, text.len), n = 0;
    int32_t *ids = malloc((cap + 1) * sizeof *ids);
    tdm_error err = {0};
    must(ids != NULL);
    must(tdm__tokenizer_encode(t, text, trusted, ids, cap, &n, &err) == TDM_OK && n <= cap);
    for (size_t i = 0; i < n; i++) {
        must(ids[i] >= 0 && (size_t)ids[i] < tdm__tokenizer_vocab_size(t));
        must(trusted || !tdm__tokenizer_is_control(t, ids[i]) || !pieces);
        if (pieces)
            must(tdm__buf_append_str(pieces, tdm__tokenizer_piece(t, ids[i], true)) == TDM_OK);
    }
    free(ids);
}

static void run_file(const uint8_t *data, size_t len)
{
    static const char text[] = "hello  <|im_start|>\n12 e\xCC\x81\xCC\xA3 \xE4\xBD\xA0\xFF it's";
    tdm_error err = {0};
    tdm__gguf *g = NULL;
    tdm__tokenizer *t = NULL;
    if (tdm__gguf_parse(data, len, "fuzz.gguf", &g, &err) != TDM_OK)
        return;
    if (tdm__tokenizer_create(g, &t, &err) == TDM_OK) {
        uint8_t trusted[sizeof text];
        memset(trusted, 1, sizeof trusted);
        encode(t, (tdm__str){text, sizeof text - 1}, trusted, NULL);
        encode(t, (tdm__str){text, sizeof text - 1}, NULL, NULL);
    } else {
        must(!t && err.msg[0] != '\0' && err.code < 0);
    }
    tdm__tokenizer_destroy(t);
    tdm__gguf_close(g);
}

static void run_text(const tdm__tokenizer *t, const char *kind, bool some_trusted, tdm__str text)
{
    uint8_t *trusted = some_trusted ? malloc(text.len + 1) : NULL;
    for (size_t i = 0; trusted && i < text.len; i++)
        trusted[i] = (uint8_t)text.ptr[i] != '!'; /* the input says who wrote what */
    tdm__buf back, normal;
    tdm__buf_init(&back, 64 * text.len + 64);
    tdm__buf_init(&normal, 3 * text.len);
    encode(t, text, trusted, &back);
    if (kind) { /* byte-level: the text comes back, in normal form where there is one */
        tdm__str want = text;
        if (strcmp(kind, "qwen2") == 0 && !trusted && !memchr(text.ptr, '<', text.len) &&
            !memchr(text.ptr, 0xE2, text.len))
            must(tdm__unicode_nfc(text, text.len, &normal, &want) == TDM_OK);
        else if (strcmp(kind, "qwen2") == 0)
            want = tdm__buf_str(&back); /* cut at special tokens, each stretch has its own normal form */
        must(tdm__str_eq(want, tdm__buf_str(&back)));
    }
    tdm__buf_fini(&normal);
    tdm__buf_fini(&back);
    free(trusted);
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    if (len >= 4 && memcmp(data, "GGUF", 4) == 0) {
        run_file(data, len);
        return 0;
    }
    if (len < 2)
        return 0;
    const char *kind = kinds[data[0] % N_KINDS];
    tdm__tiny_vocabulary v;
    tdm__maker m;
    tdm__maker_init(&m);
    if (kind)
        tdm__tiny_vocabulary_bytes(&v, kind);
    else
        tdm__tiny_vocabulary_pieces(&v);
    tdm__tiny_vocabulary_write(&v, &m);
    size_t n_bytes;
    unsigned char *bytes = tdm__maker_bytes(&m, &n_bytes);
    tdm__maker_fini(&m);
    tdm__gguf *g = NULL;
    tdm__tokenizer *t = NULL;
    must(tdm__gguf_parse(bytes, n_bytes, "tiny.gguf", &g, NULL) == TDM_OK);
    must(tdm__tokenizer_create(g, &t, NULL) == TDM_OK);
    run_text(t, kind, (data[0] & 0x80) != 0, (tdm__str){(const char *)data + 1, len - 1});
    tdm__tokenizer_destroy(t);
    tdm__gguf_close(g);
    free(bytes);
    return 0;
}
