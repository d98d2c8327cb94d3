/* test_screen.c - the automaton against a search that tries everything, and what a stream may let go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "screen/screen.h"

enum { TERMS_MAX = 12, TEXT_MAX = 64 };

static uint32_t seed = 12345;

static uint32_t draw(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 10) % n;
}

static tdm__screen *make(const char *const *terms, size_t n)
{
    tdm__buf b;
    tdm__buf_init(&b, 1 << 20);
    assert_int_equal(tdm__buf_append_z(&b, "{\"_type\":\"pack\",\"name\":\"t\",\"version\":1,\"terms\":["), TDM_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(tdm__buf_printf(&b, "%s{\"id\":\"t%zu\",\"term\":\"%s\"}", i ? "," : "", i, terms[i]), TDM_OK);
    assert_int_equal(tdm__buf_append_z(&b, "]}"), TDM_OK);
    const tdm__str pack = tdm__buf_str(&b);
    tdm__screen *s = NULL;
    tdm_error err = {0};
    if (tdm__screen_create(&pack, 1, &s, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    tdm__buf_fini(&b);
    return s;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

static bool same(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

/* The longest term that ends at text + end, or -1; by trying all. */
static int naive_end(const char *const *terms, size_t n, const char *text, size_t end)
{
    int best = -1;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(terms[i]);
        if (len <= end && same(text + end - len, terms[i], len) && (best < 0 || len > strlen(terms[best])))
            best = (int)i;
    }
    return best;
}

/* The longest suffix of text[0, end) that begins a term; by trying all. */
static size_t naive_hold(const char *const *terms, size_t n, const char *text, size_t end)
{
    size_t best = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t len = strlen(terms[i]); len > best; len--)
            if (len <= end && same(text + end - len, terms[i], len))
                best = len;
    return best;
}

static void random_text(char *out, size_t len)
{
    static const char *const units[] = {"a", "b", "A", "B", "c", "\xe4\xb8\xad", "\xe4\xb8\x8d", "\xc3\xa9"};
    size_t n = 0;
    while (n < len) {
        const char *u = units[draw(sizeof units / sizeof units[0])];
        memcpy(out + n, u, strlen(u));
        n += strlen(u);
    }
    out[n] = '\0';
}

/* One text in random pieces: what is held is exactly what may still become a term; the first term by its end is
 * found whatever the pieces are. */
static void check_stream(const tdm__screen *s, const char *const *terms, size_t n_terms, const char *text)
{
    const size_t len = strlen(text);
    size_t first_end = 0;
    for (size_t end = 1; end <= len && !first_end; end++)
        if (naive_end(terms, n_terms, text, end) >= 0)
            first_end = end;
    tdm__screen_stream t;
    tdm__screen_stream_init(&t, s);
    tdm__screen_hit hit;
    for (size_t at = 0; at < len;) {
        size_t piece = draw(9);
        piece = piece > len - at ? len - at : piece;
        const size_t released_before = t.n_released;
        const bool found = tdm__screen_push(&t, (tdm__str){text + at, piece}, &hit);
        at += piece;
        if (first_end && at >= first_end) {
            assert_true(found);
            assert_int_equal(hit.end, first_end);
            const int term = naive_end(terms, n_terms, text, first_end);
            assert_int_equal(hit.end - hit.begin, strlen(terms[term]));
            assert_true(same(text + hit.begin, terms[term], hit.end - hit.begin));
            assert_int_equal(t.n_released, released_before);
            assert_true(t.n_released <= hit.begin); /* no byte of the term has left */
            return;
        }
        assert_false(found);
        assert_int_equal(t.n_seen, at);
        assert_int_equal(t.n_released, at - naive_hold(terms, n_terms, text, at));
        assert_true(at - t.n_released <= tdm__screen_hold_max(s));
    }
    assert_int_equal(first_end, 0);
    tdm__screen_end(&t);
    assert_int_equal(t.n_released, len);
}

static void any_text_in_any_pieces_is_released_exactly(void **state)
{
    (void)state;
    char memory[TERMS_MAX][32], text[TEXT_MAX + 4];
    const char *terms[TERMS_MAX];
    for (int round = 0; round < 3000; round++) {
        const size_t n = 1 + draw(TERMS_MAX);
        for (size_t i = 0; i < n; i++) {
            random_text(memory[i], 1 + draw(8));
            terms[i] = memory[i];
        }
        tdm__screen *s = make(terms, n);
        for (int k = 0; k < 20; k++) {
            random_text(text, draw(TEXT_MAX));
            check_stream(s, terms, n, text);
        }
        tdm__screen_destroy(s);
    }
}

static void what_is_released_ends_with_a_whole_character(void **state)
{
    (void)state;
    const char *const terms[] = {"\xe4\xb8\xad\xe5\x9b\xbd"}; /* two characters */
    tdm__screen *s = make(terms, 1);
    tdm__screen_stream t;
    tdm__screen_stream_init(&t, s);
    tdm__screen_hit hit;
    assert_false(tdm__screen_push(&t, TDM_STR("x\xe4\xb8\xad\xe4\xb8\xad"), &hit)); /* the second may begin the term */
    assert_int_equal(t.n_released, 4);
    assert_false(tdm__screen_push(&t, TDM_STR("\xe4\xb8\x8d"), &hit)); /* no beginning of the term */
    assert_int_equal(t.n_released, 10);
    tdm__screen_destroy(s);
}

static void no_pack_stops_nothing(void **state)
{
    (void)state;
    tdm__screen *s = NULL;
    assert_int_equal(tdm__screen_create(NULL, 0, &s, NULL), TDM_OK);
    tdm__screen_hit hit;
    assert_false(tdm__screen_find(s, TDM_STR("anything at all"), &hit));
    assert_int_equal(tdm__screen_hold_max(s), 0);
    assert_true(tdm__screen_is_empty(s));
    tdm__screen_destroy(s);
}

static void terms_of_one_byte_hold_nothing_back_and_stop_all_the_same(void **state)
{
    (void)state;
    tdm__screen *s = make((const char *const[]){"#"}, 1);
    tdm__screen_hit hit;
    assert_int_equal(tdm__screen_hold_max(s), 0);
    assert_false(tdm__screen_is_empty(s)); /* whoever takes the one for the other lets all pass */
    assert_true(tdm__screen_find(s, TDM_STR("a # b"), &hit));
    tdm__screen_destroy(s);
}

static void the_first_by_its_end_is_found_and_named(void **state)
{
    (void)state;
    const char *const terms[] = {"longer one", "ger", "GER", "nge"};
    tdm__screen *s = make(terms, 4);
    tdm__screen_hit hit;
    assert_true(tdm__screen_find(s, TDM_STR("a LONGER ONE"), &hit));
    assert_string_equal(hit.rule, "t3");
    assert_int_equal(hit.begin, 4);
    assert_int_equal(hit.end, 7);
    assert_true(tdm__screen_find(s, TDM_STR("Gerald"), &hit));
    assert_string_equal(hit.rule, "t1"); /* of two that are equal, the first */
    tdm__screen_destroy(s);
}

static void assert_refused(const char *json, tdm_status status, const char *says)
{
    const tdm__str pack = tdm__str_from(json);
    tdm__screen *s = NULL;
    tdm_error err = {0};
    assert_int_equal(tdm__screen_create(&pack, 1, &s, &err), status);
    assert_null(s);
    if (!strstr(err.msg, says))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
}

static void a_pack_that_is_not_understood_is_refused(void **state)
{
    (void)state;
#define PACK(terms) "{\"_type\":\"pack\",\"name\":\"n\",\"version\":1,\"terms\":[" terms "]}"
    assert_refused("", TDM_ERR_FORMAT, "screening pack");
    assert_refused("{\"_type\":\"keys\",\"name\":\"n\",\"version\":1,\"terms\":[]}", TDM_ERR_FORMAT, "_type");
    assert_refused("{\"_type\":\"pack\",\"name\":\"n\",\"version\":1,\"trems\":[]}", TDM_ERR_FORMAT, "trems");
    assert_refused(PACK("{\"id\":\"a\",\"term\":\"\"}"), TDM_ERR_FORMAT, "0 bytes");
    assert_refused(PACK("{\"id\":\"\",\"term\":\"x\"}"), TDM_ERR_FORMAT, "id of 0 bytes");
    assert_refused(PACK("{\"id\":\"a\",\"term\":\"x\",\"action\":\"log\"}"), TDM_ERR_FORMAT, "action");
    assert_refused(PACK("7"), TDM_ERR_FORMAT, "screening pack");
}

static void the_limits_are_what_they_are(void **state)
{
    (void)state;
    char term[TDM__SCREEN_TERM_BYTES_MAX + 2];
    memset(term, 'x', sizeof term);
    term[TDM__SCREEN_TERM_BYTES_MAX] = '\0';
    const char *const terms[] = {term};
    tdm__screen *s = make(terms, 1);
    assert_int_equal(tdm__screen_hold_max(s), TDM__SCREEN_TERM_BYTES_MAX - 1);
    tdm__screen_hit hit;
    assert_true(tdm__screen_find(s, tdm__str_from(term), &hit));
    tdm__screen_destroy(s);
    term[TDM__SCREEN_TERM_BYTES_MAX] = 'x';
    term[TDM__SCREEN_TERM_BYTES_MAX + 1] = '\0';
    char json[512];
    snprintf(json, sizeof json, PACK("{\"id\":\"long\",\"term\":\"%s\"}"), term);
    assert_refused(json, TDM_ERR_FORMAT, "the term long has 257 bytes");
}

/* As many terms as a pack may have, each found; and a text that is nothing but near misses is walked in one pass. */
static void a_hundred_thousand_terms_are_each_found(void **state)
{
    (void)state;
    tdm__buf b;
    tdm__buf_init(&b, 16 << 20);
    assert_int_equal(tdm__buf_append_z(&b, "{\"_type\":\"pack\",\"name\":\"t\",\"version\":1,\"terms\":["), TDM_OK);
    for (uint32_t i = 0; i < TDM__SCREEN_TERMS_MAX; i++)
        assert_int_equal(tdm__buf_printf(&b, "%s{\"id\":\"t%u\",\"term\":\"%x,%05u.\"}", i ? "," : "", i,
                                         i * 2654435761u, i),
                         TDM_OK);
    assert_int_equal(tdm__buf_append_z(&b, "]}"), TDM_OK);
    const tdm__str pack = tdm__buf_str(&b);
    tdm__screen *s = NULL;
    assert_int_equal(tdm__screen_create(&pack, 1, &s, NULL), TDM_OK);
    tdm__buf_fini(&b);
    for (uint32_t i = 0; i < TDM__SCREEN_TERMS_MAX; i += 7) {
        char text[64], id[16];
        snprintf(text, sizeof text, "before%x,%05u.after", i * 2654435761u, i);
        snprintf(id, sizeof id, "t%u", i);
        tdm__screen_hit hit;
        assert_true(tdm__screen_find(s, tdm__str_from(text), &hit));
        assert_string_equal(hit.rule, id);
    }
    tdm__screen_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_text_in_any_pieces_is_released_exactly),
        cmocka_unit_test(what_is_released_ends_with_a_whole_character),
        cmocka_unit_test(no_pack_stops_nothing),
        cmocka_unit_test(terms_of_one_byte_hold_nothing_back_and_stop_all_the_same),
        cmocka_unit_test(the_first_by_its_end_is_found_and_named),
        cmocka_unit_test(a_pack_that_is_not_understood_is_refused),
        cmocka_unit_test(the_limits_are_what_they_are),
        cmocka_unit_test(a_hundred_thousand_terms_are_each_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
