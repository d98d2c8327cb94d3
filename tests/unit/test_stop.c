/* test_stop.c - text assembly: whole characters as Python sees them (tools/make_utf8_vectors.py), stop strings as a
 * naive search finds them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/text_stream.h"
#include "os/clock.h"

/* What came out of a stream. */
typedef struct sink {
    char text[1 << 16];
    size_t n;
    bool stopped;
} sink;

static void take(tdm__text_stream *t, sink *out)
{
    tdm__str s = tdm__text_stream_take(t);
    assert_true(out->n + s.len < sizeof out->text);
    if (s.len > 0)
        memcpy(out->text + out->n, s.ptr, s.len);
    out->n += s.len;
    out->stopped = t->stopped;
}

static void feed(tdm__text_stream *t, tdm__str in, sink *out)
{
    do {
        tdm__text_stream_feed(t, &in);
        take(t, out);
    } while (in.len > 0 && !t->stopped);
}

static void end(tdm__text_stream *t, sink *out)
{
    if (!t->stopped)
        tdm__text_stream_end(t);
    take(t, out);
}

/* All of text in pieces of 1 .. piece_max bytes. */
static void run(tdm__str text, const tdm__str *stops, size_t n_stops, size_t piece_max, sink *out)
{
    static tdm__text_stream t;
    static uint64_t x = 1;
    tdm__text_stream_init(&t, stops, n_stops);
    out->n = 0;
    for (size_t at = 0; at < text.len && !t.stopped;) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        size_t n = 1 + (size_t)(x >> 33) % piece_max;
        if (n > text.len - at)
            n = text.len - at;
        feed(&t, (tdm__str){text.ptr + at, n}, out);
        at += n;
    }
    end(&t, out);
}

static size_t from_hex(const char *hex, char *out)
{
    size_t n = 0;
    unsigned byte;
    for (; hex[0] != '-' && hex[2 * n] && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
        out[n] = (char)byte;
    return n;
}

static void broken_utf8_is_replaced_as_python_does(void **state)
{
    (void)state;
    FILE *f = fopen(getenv("TANDEM_TEST_UTF8"), "r");
    assert_non_null(f);
    char in_hex[256], out_hex[256], in[128], want[128];
    static sink out;
    int n_cases = 0;
    for (; fscanf(f, "%255s %255s", in_hex, out_hex) == 2; n_cases++) {
        size_t n_in = from_hex(in_hex, in), n_want = from_hex(out_hex, want);
        for (size_t piece = 1; piece <= 4; piece++) {
            run((tdm__str){in, n_in}, NULL, 0, piece, &out);
            assert_int_equal(out.n, n_want);
            assert_memory_equal(out.text, want, n_want);
        }
    }
    assert_true(n_cases > 300);
    fclose(f);
}

static void a_character_is_never_released_in_parts(void **state)
{
    (void)state;
    static tdm__text_stream t;
    static sink out;
    tdm__text_stream_init(&t, NULL, 0);
    const char *emoji = "\xf0\x9f\x98\x80";
    for (size_t i = 0; i < 3; i++) {
        feed(&t, (tdm__str){emoji + i, 1}, &out);
        assert_int_equal(out.n, 0);
    }
    feed(&t, (tdm__str){emoji + 3, 1}, &out);
    assert_int_equal(out.n, 4);
}

/* The first place where a stop string ends; the longest that ends there. The length of the text before it. */
static size_t search(tdm__str text, const tdm__str *stops, size_t n_stops, bool *found)
{
    for (size_t n = 1; n <= text.len; n++) {
        size_t longest = 0;
        for (size_t k = 0; k < n_stops; k++)
            if (stops[k].len <= n && stops[k].len > longest &&
                memcmp(text.ptr + n - stops[k].len, stops[k].ptr, stops[k].len) == 0)
                longest = stops[k].len;
        if (longest > 0) {
            *found = true;
            return n - longest;
        }
    }
    *found = false;
    return text.len;
}

/* The longest suffix of text that is a proper prefix of a stop string. */
static size_t must_hold(tdm__str text, const tdm__str *stops, size_t n_stops)
{
    size_t held = 0;
    for (size_t k = 0; k < n_stops; k++)
        for (size_t n = held + 1; n < stops[k].len && n <= text.len; n++)
            if (memcmp(text.ptr + text.len - n, stops[k].ptr, n) == 0)
                held = n;
    return held;
}

/* Random words over two or three letters: as many overlaps and borders as there can be. */
static void stop_strings_are_found_as_by_a_naive_search(void **state)
{
    (void)state;
    static sink out;
    uint64_t x = 7;
    int n_found = 0;
    for (int round = 0; round < 20000; round++) {
        char text[64], words[4][12];
        tdm__str stops[4];
        size_t n_stops = (size_t)round % 5, letters = 2 + (size_t)round % 2;
        for (size_t i = 0; i < sizeof text; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            text[i] = (char)('a' + (x >> 33) % letters);
        }
        for (size_t k = 0; k < n_stops; k++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            stops[k] = (tdm__str){words[k], 1 + (x >> 40) % sizeof words[k]};
            for (size_t i = 0; i < stops[k].len; i++) {
                x = x * 6364136223846793005u + 1442695040888963407u;
                words[k][i] = (char)('a' + (x >> 33) % letters);
            }
        }
        tdm__str all = {text, (x >> 20) % sizeof text};
        bool found;
        size_t want = search(all, stops, n_stops, &found);
        run(all, stops, n_stops, 1 + (size_t)round % 9, &out);
        assert_int_equal(out.n, want);
        assert_memory_equal(out.text, text, want);
        assert_int_equal(out.stopped, found);
        n_found += found;
    }
    assert_in_range(n_found, 5000, 15000);
}

static void exactly_what_could_become_a_stop_string_is_held_back(void **state)
{
    (void)state;
    static tdm__text_stream t;
    static sink out;
    const tdm__str stops[] = {TDM_STR("abcabd"), TDM_STR("\n\n"), TDM_STR("caba")};
    const tdm__str text = TDM_STR("xabcab\nabcabcab cab\ncab abcabcabd");
    tdm__text_stream_init(&t, stops, 3);
    for (size_t n = 1; n <= text.len; n++) {
        feed(&t, (tdm__str){text.ptr + n - 1, 1}, &out);
        bool found;
        size_t before = search((tdm__str){text.ptr, n}, stops, 3, &found);
        assert_int_equal(out.stopped, found);
        if (found) {
            assert_int_equal(out.n, before);
            return;
        }
        assert_int_equal(out.n, n - must_hold((tdm__str){text.ptr, n}, stops, 3));
    }
    fail_msg("the text was meant to end with a stop string");
}

static void the_end_releases_what_was_held(void **state)
{
    (void)state;
    static sink out;
    run(TDM_STR("one <|im_"), (tdm__str[]){TDM_STR("<|im_end|>")}, 1, 3, &out);
    assert_int_equal(out.n, 9);
    assert_false(out.stopped);
    run(TDM_STR("half \xe4\xb8"), NULL, 0, 3, &out);
    assert_int_equal(out.n, 8);
    assert_memory_equal(out.text, "half \xef\xbf\xbd", 8);
}

static void stops_may_be_longer_than_pieces_and_of_full_length(void **state)
{
    (void)state;
    static sink out;
    char stop[TDM__STOP_BYTES_MAX], text[1000];
    memset(stop, 'a', sizeof stop);
    memset(text, 'a', sizeof text);
    text[200] = 'b';
    tdm__str stops[] = {{stop, sizeof stop}};
    run((tdm__str){text, sizeof text}, stops, 1, 7, &out);
    assert_true(out.stopped);
    assert_int_equal(out.n, 201);
}

static void a_piece_longer_than_the_output_comes_in_parts(void **state)
{
    (void)state;
    static sink out;
    static char text[20000];
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    tdm__str stops[] = {TDM_STR("\xc3\xa9\xc3\xa9x")};
    run((tdm__str){text, sizeof text}, stops, 1, sizeof text, &out);
    assert_int_equal(out.n, sizeof text);
    assert_memory_equal(out.text, text, sizeof text);
}

static void a_megabyte_against_eight_hard_stop_strings_takes_no_quadratic_time(void **state)
{
    (void)state;
    static char words[TDM__STOPS_MAX][TDM__STOP_BYTES_MAX];
    static tdm__text_stream t;
    tdm__str stops[TDM__STOPS_MAX];
    for (size_t k = 0; k < TDM__STOPS_MAX; k++) {
        memset(words[k], 'a', sizeof words[k]);
        words[k][sizeof words[k] - 1] = (char)('b' + k);
        stops[k] = (tdm__str){words[k], sizeof words[k]};
    }
    tdm__text_stream_init(&t, stops, TDM__STOPS_MAX);
    uint64_t begin = tdm__clock_ns();
    size_t n = 0;
    for (size_t i = 0; i < 1 << 20; i++) {
        tdm__str in = {i % 300 == 299 ? "x" : "a", 1};
        tdm__text_stream_feed(&t, &in);
        n += tdm__text_stream_take(&t).len;
    }
    double ms = (double)(tdm__clock_ns() - begin) / 1e6;
    print_message("%.0f ns a byte\n", ms * 1e6 / (1 << 20));
    assert_true(n > (1 << 20) - 256);
    assert_true(ms < 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_utf8_is_replaced_as_python_does),
        cmocka_unit_test(a_character_is_never_released_in_parts),
        cmocka_unit_test(stop_strings_are_found_as_by_a_naive_search),
        cmocka_unit_test(exactly_what_could_become_a_stop_string_is_held_back),
        cmocka_unit_test(the_end_releases_what_was_held),
        cmocka_unit_test(stops_may_be_longer_than_pieces_and_of_full_length),
        cmocka_unit_test(a_piece_longer_than_the_output_comes_in_parts),
        cmocka_unit_test(a_megabyte_against_eight_hard_stop_strings_takes_no_quadratic_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
