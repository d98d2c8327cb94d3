/* test_tokenizer.c - what a tokenizer keeps, refuses and promises, on vocabularies of a few hundred tokens.
 *
 * Whether the ids are the vendor's is test_tokenizer_vectors.c's matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "text/tokenizer.h"
#include "text/unicode.h"
#include "tiny_vocabulary.h"

static const char *const pres[] = {"qwen2", "llama-bpe", "smollm", "gpt-2", "deepseek-llm"};

typedef struct made {
    unsigned char *bytes;
    tdm__gguf *g;
    tdm__tokenizer *t;
} made;

static tdm_status try_make(tdm__maker *m, made *out, tdm_error *err)
{
    size_t len;
    out->bytes = tdm__maker_bytes(m, &len);
    tdm__maker_fini(m);
    out->g = NULL;
    out->t = NULL;
    assert_int_equal(tdm__gguf_parse(out->bytes, len, "test.gguf", &out->g, err), TDM_OK);
    return tdm__tokenizer_create(out->g, &out->t, err);
}

static void unmake(made *m)
{
    tdm__tokenizer_destroy(m->t);
    tdm__gguf_close(m->g);
    free(m->bytes);
}

static made make(const tdm__tiny_vocabulary *v)
{
    tdm__maker m;
    made out;
    tdm_error err = {0};
    tdm__maker_init(&m);
    tdm__tiny_vocabulary_write(v, &m);
    if (try_make(&m, &out, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    return out;
}

static made make_bytes(const char *pre)
{
    tdm__tiny_vocabulary v;
    tdm__tiny_vocabulary_bytes(&v, pre);
    return make(&v);
}

/* Encodes with room for exactly ids_max; the caller frees. */
static int32_t *encode(const tdm__tokenizer *t, tdm__str text, const uint8_t *trusted, size_t *n)
{
    tdm_error err = {0};
    size_t cap = tdm__tokenizer_ids_max(t, text.len);
    int32_t *ids = malloc((cap + 1) * sizeof *ids);
    assert_non_null(ids);
    if (tdm__tokenizer_encode(t, text, trusted, ids, cap, n, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    return ids;
}

static void expect(const tdm__tokenizer *t, const char *text, const uint8_t *trusted, const int32_t *want,
                   size_t n_want)
{
    size_t n;
    int32_t *ids = encode(t, tdm__str_from(text), trusted, &n);
    assert_int_equal(n, n_want);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ids[i], want[i]);
    free(ids);
}

#define EXPECT(t, text, trusted, ...)                                                                                  \
    expect(t, text, trusted, (const int32_t[]){__VA_ARGS__}, sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

static void assert_round(const tdm__tokenizer *t, tdm__str text, tdm__str want)
{
    size_t n, at = 0;
    int32_t *ids = encode(t, text, NULL, &n);
    for (size_t i = 0; i < n; i++) {
        tdm__str piece = tdm__tokenizer_piece(t, ids[i], false);
        if (at + piece.len > want.len || memcmp(want.ptr + at, piece.ptr, piece.len) != 0)
            fail_msg("byte %zu of a text of %zu bytes comes back different", at, want.len);
        at += piece.len;
    }
    assert_int_equal(at, want.len);
    free(ids);
}

static size_t put(char *out, uint32_t code_point)
{
    return tdm__unicode_put(code_point, out);
}

static void every_code_point_comes_back(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof pres / sizeof *pres; k++) {
        made m = make_bytes(pres[k]);
        tdm__buf normal;
        tdm__buf_init(&normal, 4096);
        for (uint32_t c = 0; c < 0x110000; c++) {
            if (c >= 0xD800 && c < 0xE000)
                continue;
            char text[64];
            size_t n = put(text, c), alone = n;
            n += put(text + n, 'e');
            n += put(text + n, c);
            n += put(text + n, 0x301);
            n += put(text + n, ' ');
            n += put(text + n, c);
            n += put(text + n, c);
            tdm__str s = {text, c % 2 ? n : alone}, want = s;
            if (k == 0)
                assert_int_equal(tdm__unicode_nfc(s, 64, &normal, &want), TDM_OK);
            assert_round(m.t, s, want);
        }
        tdm__buf_fini(&normal);
        unmake(&m);
    }
}

static void bytes_that_are_no_utf8_are_kept(void **state)
{
    (void)state;
    static const char *const texts[] = {"\xFF",
                                        "a\xFE\x62",
                                        "\xC3",
                                        "e\xCC",
                                        "\xED\xA0\x80",
                                        "\xF4\x90\x80\x80",
                                        "\xC0\x80",
                                        "\xE4\xBD",
                                        "\x80\xCC\x81\xCC\xA3",
                                        " \xFFhello\xFF 12\xF0\x9F\x98"};
    for (size_t k = 0; k < sizeof pres / sizeof *pres; k++) {
        made m = make_bytes(pres[k]);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            tdm__str s = tdm__str_from(texts[i]);
            tdm__str want = k == 0 && i == 8 ? TDM_STR("\x80\xCC\xA3\xCC\x81") : s; /* marks are still put in order */
            assert_round(m.t, s, want);
        }
        unmake(&m);
    }
}

static void words_merge_by_rank_within_their_borders(void **state)
{
    (void)state;
    made m = make_bytes("gpt-2");
    EXPECT(m.t, "hello", NULL, TDM__TINY_HELLO);
    EXPECT(m.t, " hello", NULL, TDM__TINY_SPACE_HELLO);
    EXPECT(m.t, "  hello", NULL, ' ', TDM__TINY_SPACE_HELLO);
    EXPECT(m.t, "hell", NULL, TDM__TINY_HELL);
    EXPECT(m.t, "hel", NULL, TDM__TINY_HE, 'l');
    EXPECT(m.t, "  ", NULL, TDM__TINY_TWO_SPACES);
    expect(m.t, "", NULL, NULL, 0);
    unmake(&m);
}

static void control_tokens_need_trusted_bytes(void **state)
{
    (void)state;
    made m = make_bytes("qwen2");
    static const char text[] = "<|im_start|>hello";
    uint8_t trusted[sizeof text];
    memset(trusted, 1, sizeof trusted);
    EXPECT(m.t, text, trusted, TDM__TINY_TURN_LONG, TDM__TINY_HELLO);
    EXPECT(m.t, text, NULL, '<', '|', 'i', 'm', '_', 's', 't', 'a', 'r', 't', '|', '>', TDM__TINY_HELLO);
    trusted[11] = 0; /* the longest is not allowed, a shorter one is */
    EXPECT(m.t, text, trusted, TDM__TINY_TURN, '_', 's', 't', 'a', 'r', 't', '|', '>', TDM__TINY_HELLO);
    trusted[0] = 0;
    EXPECT(m.t, text, trusted, '<', '|', 'i', 'm', '_', 's', 't', 'a', 'r', 't', '|', '>', TDM__TINY_HELLO);
    assert_true(tdm__tokenizer_is_control(m.t, TDM__TINY_TURN_LONG));
    assert_int_equal(tdm__tokenizer_piece(m.t, TDM__TINY_TURN_LONG, false).len, 0);
    assert_int_equal(tdm__tokenizer_piece(m.t, TDM__TINY_TURN_LONG, true).len, 12);
    unmake(&m);
}

static void user_defined_tokens_match_but_markup_needs_trust_where_there_is_provenance(void **state)
{
    (void)state;
    made m = make_bytes("qwen2");
    static const uint8_t nothing[16] = {0}, all[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const char *const euros = "\xE2\x82\xAC\xE2\x82\xAC";
    EXPECT(m.t, euros, NULL, TDM__TINY_EUROS);
    EXPECT(m.t, euros, nothing, TDM__TINY_EUROS);
    EXPECT(m.t, "<tool_call>", NULL, TDM__TINY_CALL);
    EXPECT(m.t, "<tool_call>", all, TDM__TINY_CALL);
    EXPECT(m.t, "<tool_call>", nothing, '<', 't', 'o', 'o', 'l', '_', 'c', 'a', TDM__TINY_LL, '>');
    EXPECT(m.t, "[PAD267]", all, '[', 'P', 'A', 'D', '2', '6', '7', ']'); /* a converter's filler, no token */
    assert_false(tdm__tokenizer_is_control(m.t, TDM__TINY_CALL));
    assert_int_equal(tdm__tokenizer_piece(m.t, TDM__TINY_CALL, false).len, 11);
    assert_int_equal(tdm__tokenizer_piece(m.t, TDM__TINY_UNUSED, true).len, 0);
    unmake(&m);
}

static void no_spelling_of_plain_text_makes_a_control_token(void **state)
{
    (void)state;
    tdm__tiny_vocabulary v;
    tdm__tiny_vocabulary_bytes(&v, "llama-bpe"); /* which also looks whole words up */
    v.types[TDM__TINY_HELLO] = 3;
    made m = make(&v);
    EXPECT(m.t, "hello", NULL, TDM__TINY_HELL, 'o');
    unmake(&m);
    tdm__tiny_vocabulary_pieces(&v);
    m = make(&v);
    EXPECT(m.t, "<s>", NULL, TDM__TINY_PIECE_MARK, TDM__TINY_PIECE_LESS_S, TDM__TINY_PIECE_MORE);
    size_t n;
    int32_t *ids = encode(m.t, TDM_STR("<0x41><unk>"), NULL, &n);
    for (size_t i = 0; i < n; i++)
        assert_true(ids[i] != 3 + 0x41 && ids[i] != 0);
    free(ids);
    unmake(&m);
}

static void no_merge_of_plain_text_makes_markup(void **state)
{
    (void)state;
    static const uint8_t nothing[4] = {0}, all[4] = {1, 1, 1, 1};
    tdm__tiny_vocabulary v;
    tdm__tiny_vocabulary_pieces(&v);
    v.types[1] = 4; /* <s>, which "<s" and ">" make */
    made m = make(&v);
    EXPECT(m.t, "<s>", nothing, TDM__TINY_PIECE_MARK, TDM__TINY_PIECE_LESS_S, TDM__TINY_PIECE_MORE);
    EXPECT(m.t, "<s>", all, 1);
    EXPECT(m.t, "<s>", NULL, 1);
    unmake(&m);
    tdm__tiny_vocabulary_bytes(&v, "qwen2");
    v.tokens[TDM__TINY_UNUSED] = "<=";
    v.types[TDM__TINY_UNUSED] = 1;
    v.tokens[TDM__TINY_CALL] = "<=>";
    v.merges[v.n_merges++] = "< =";
    v.merges[v.n_merges++] = "<= >";
    m = make(&v);
    EXPECT(m.t, "<=>", nothing, TDM__TINY_UNUSED, '>');
    EXPECT(m.t, "<=>", all, TDM__TINY_CALL);
    unmake(&m);
}

static void pieces_take_a_space_before_and_fall_back_to_bytes(void **state)
{
    (void)state;
    tdm__tiny_vocabulary v;
    tdm__tiny_vocabulary_pieces(&v);
    made m = make(&v);
    EXPECT(m.t, "ab", NULL, TDM__TINY_PIECE_MARK_AB);
    EXPECT(m.t, " ab ab", NULL, TDM__TINY_PIECE_MARK, TDM__TINY_PIECE_MARK_AB, TDM__TINY_PIECE_MARK_AB);
    EXPECT(m.t, "\n\xC3\xA9", NULL, TDM__TINY_PIECE_MARK, 3 + 10, 3 + 0xC3, 3 + 0xA9);
    EXPECT(m.t, "\xFF", NULL, TDM__TINY_PIECE_MARK, 3 + 0xFF);
    static const uint8_t all[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    EXPECT(m.t, "<s>ab", all, 1, TDM__TINY_PIECE_MARK_AB);
    assert_true(tdm__tokenizer_adds_space(m.t));
    assert_string_equal(tdm__tokenizer_piece(m.t, TDM__TINY_PIECE_MARK_AB, false).ptr[0] == ' ' ? "space" : "mark",
                        "space");
    assert_int_equal((unsigned char)tdm__tokenizer_piece(m.t, 3 + 0xFF, false).ptr[0], 0xFF);
    unmake(&m);
    for (int b = 0; b < 256; b++)
        v.types[3 + b] = 5; /* no byte tokens: what is unknown becomes one unknown token */
    m = make(&v);
    EXPECT(m.t,
           "\xC3\xA9\xC3\xA9"
           "ab",
           NULL, TDM__TINY_PIECE_MARK, 0, TDM__TINY_PIECE_AB);
    unmake(&m);
}

static void a_byte_without_a_token_gives_none(void **state)
{
    (void)state;
    tdm__tiny_vocabulary v;
    tdm__tiny_vocabulary_bytes(&v, "smollm");
    v.tokens[4] = "none";
    made m = make(&v);
    EXPECT(m.t, "he\004ll", NULL, TDM__TINY_HE, TDM__TINY_LL);
    unmake(&m);
}

static void more_ids_than_there_is_room_for_is_an_error(void **state)
{
    (void)state;
    made m = make_bytes("gpt-2");
    int32_t ids[4] = {0, 0, -7, -7};
    size_t n;
    tdm_error err = {0};
    assert_int_equal(tdm__tokenizer_encode(m.t, TDM_STR("xyz"), NULL, ids, 2, &n, &err), TDM_ERR_LIMIT);
    assert_int_equal(ids[2], -7);
    assert_int_equal(tdm__tokenizer_piece(m.t, -1, true).len, 0);
    assert_int_equal(tdm__tokenizer_piece(m.t, TDM__TINY_BYTES_SIZE, true).len, 0);
    assert_false(tdm__tokenizer_is_control(m.t, 1 << 30));
    unmake(&m);
}

/* Refuses v, plus what extra adds, with the status and a sentence that has both words. */
static void refuse(const tdm__tiny_vocabulary *v, void (*extra)(tdm__maker *), tdm_status want, const char *word,
                   const char *second)
{
    tdm__maker m;
    made out;
    tdm_error err = {0};
    tdm__maker_init(&m);
    tdm__tiny_vocabulary_write(v, &m);
    if (extra)
        extra(&m);
    assert_int_equal(try_make(&m, &out, &err), want);
    assert_null(out.t);
    if (!strstr(err.msg, "test.gguf") || !strstr(err.msg, word) || !strstr(err.msg, second))
        fail_msg("the sentence lacks '%s' or '%s': %s", word, second, err.msg);
    unmake(&out);
}

static void eos_beyond(tdm__maker *m)
{
    tdm__maker_u32(m, "tokenizer.ggml.eos_token_id", TDM__TINY_BYTES_SIZE);
}
static void bos_text(tdm__maker *m)
{
    tdm__maker_str(m, "tokenizer.ggml.bos_token_id", "1");
}
static void trims(tdm__maker *m)
{
    tdm__maker_bool(m, "tokenizer.ggml.remove_extra_whitespaces", true);
}

static void wrong_vocabularies_are_refused_by_key_and_entry(void **state)
{
    (void)state;
    static char long_text[4000];
    tdm__tiny_vocabulary good, v;
    tdm__tiny_vocabulary_bytes(&good, "gpt-2");
    memset(long_text, 'x', sizeof long_text - 1);

    v = good, v.model = NULL;
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.model", "missing");
    v = good, v.model = "bert";
    refuse(&v, NULL, TDM_ERR_UNSUPPORTED, "tokenizer.ggml.model", "'bert'");
    v = good, v.pre = NULL;
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.pre", "missing");
    v = good, v.pre = "martian";
    refuse(&v, NULL, TDM_ERR_UNSUPPORTED, "tokenizer.ggml.pre", "'martian'");
    v = good, v.n_tokens = 0;
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.tokens", "missing");
    v = good, v.n_types = 0;
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.token_type", "missing");
    v = good, v.n_types--;
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.token_type", "268 entries for 269");
    v = good, v.n_merges = 0;
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.merges", "missing");
    v = good, v.types[7] = 9;
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.token_type[7]", "9");
    v = good, v.tokens[260] = "he";
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.tokens[260]", "[256]");
    v = good, v.tokens[260] = long_text;
    refuse(&v, NULL, TDM_ERR_LIMIT, "tokenizer.ggml.tokens[260]", "2048");
    v = good, v.merges[2] = "he xx";
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.merges[2]", "second part");
    v = good, v.merges[3] = "he he";
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.merges[3]", "makes");
    v = good, v.merges[1] = "hell";
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.merges[1]", "space");
    refuse(&good, eos_beyond, TDM_ERR_FORMAT, "tokenizer.ggml.eos_token_id", "269");
    refuse(&good, bos_text, TDM_ERR_FORMAT, "tokenizer.ggml.bos_token_id", "");

    tdm__tiny_vocabulary_pieces(&good);
    v = good, v.n_scores = 0;
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.scores", "missing");
    v = good, v.n_scores = 5;
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.scores", "5 entries");
    v = good, v.scores[6] = 0.0f / 0.0f;
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.scores[6]", "");
    v = good, v.types[260] = 6;
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.tokens[260]", "<0xNN>");
    v = good, v.types[0] = 1, v.types[3] = 1;
    refuse(&v, NULL, TDM_ERR_FORMAT, "tokenizer.ggml.tokens", "unknown");
    refuse(&good, trims, TDM_ERR_UNSUPPORTED, "remove_extra_whitespaces", "");
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* One pattern, repeated to 200,000 bytes: the square of that takes half a minute, 5 s is for a slow machine under a
 * sanitizer. */
static void no_input_takes_the_square_of_its_length(void **state)
{
    (void)state;
    enum { BYTES = 200000 };
    static const char *const patterns[] = {
        "a",  " ", "\n",   "1",  "\t ",  "h e", "hel",  "e\xCC\x81",    "\xCC\x81\xCC\xA3", "\xE4\xBD\xA0",
        "'s", "'", "\r\n", " x", "\xFF", "<",   "<|im", "<|im_start|>", "\xF0\x9F\x91\x8D", "     \n"};
    char *text = malloc(BYTES + 1);
    uint8_t *trusted = malloc(BYTES + 1);
    assert_non_null(text);
    assert_non_null(trusted);
    memset(trusted, 1, BYTES + 1);
    for (size_t k = 0; k <= sizeof pres / sizeof *pres; k++) {
        tdm__tiny_vocabulary v;
        tdm__tiny_vocabulary_pieces(&v);
        made m = k < sizeof pres / sizeof *pres ? make_bytes(pres[k]) : make(&v);
        for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
            size_t len = strlen(patterns[i]), n = 0, n_ids;
            for (; n + len <= BYTES; n += len)
                memcpy(text + n, patterns[i], len);
            text[n] = 'x';
            double begin = now_s();
            free(encode(m.t, (tdm__str){text, n + 1}, i % 2 ? trusted : NULL, &n_ids));
            if (now_s() - begin > 5)
                fail_msg("pattern %zu takes %.1f s with %s", i, now_s() - begin, k < 5 ? pres[k] : "pieces");
        }
        unmake(&m);
    }
    free(trusted);
    free(text);
}

static void roles_and_ends_come_from_keys_and_names(void **state)
{
    (void)state;
    tdm__tiny_vocabulary v;
    tdm__tiny_vocabulary_bytes(&v, "llama-bpe");
    tdm__maker m;
    made out;
    tdm_error err = {0};
    tdm__maker_init(&m);
    tdm__tiny_vocabulary_write(&v, &m);
    tdm__maker_u32(&m, "tokenizer.ggml.bos_token_id", 5);
    tdm__maker_u32(&m, "tokenizer.ggml.eos_token_id", TDM__TINY_TURN);
    assert_int_equal(try_make(&m, &out, &err), TDM_OK);
    assert_int_equal(tdm__tokenizer_bos(out.t), 5);
    assert_int_equal(tdm__tokenizer_eos(out.t), TDM__TINY_TURN);
    assert_true(tdm__tokenizer_adds_bos(out.t)); /* what this pre-tokenizer does where the file does not say */
    assert_true(tdm__tokenizer_is_end(out.t, TDM__TINY_TURN));
    assert_true(tdm__tokenizer_is_end(out.t, TDM__TINY_END));
    assert_false(tdm__tokenizer_is_end(out.t, TDM__TINY_TURN_LONG));
    assert_int_equal(tdm__tokenizer_vocab_size(out.t), TDM__TINY_BYTES_SIZE);
    unmake(&out);
    out = make_bytes("llama3");
    assert_int_equal(tdm__tokenizer_bos(out.t), TDM__TOKEN_NONE);
    assert_false(tdm__tokenizer_adds_bos(out.t));
    unmake(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_merge_by_rank_within_their_borders),
        cmocka_unit_test(every_code_point_comes_back),
        cmocka_unit_test(bytes_that_are_no_utf8_are_kept),
        cmocka_unit_test(control_tokens_need_trusted_bytes),
        cmocka_unit_test(user_defined_tokens_match_but_markup_needs_trust_where_there_is_provenance),
        cmocka_unit_test(no_spelling_of_plain_text_makes_a_control_token),
        cmocka_unit_test(no_merge_of_plain_text_makes_markup),
        cmocka_unit_test(pieces_take_a_space_before_and_fall_back_to_bytes),
        cmocka_unit_test(a_byte_without_a_token_gives_none),
        cmocka_unit_test(more_ids_than_there_is_room_for_is_an_error),
        cmocka_unit_test(wrong_vocabularies_are_refused_by_key_and_entry),
        cmocka_unit_test(no_input_takes_the_square_of_its_length),
        cmocka_unit_test(roles_and_ends_come_from_keys_and_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
