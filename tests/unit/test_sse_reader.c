/* test_sse_reader.c - foreign event streams, whole and cut at every byte. The expected events of the first cases are
 * the examples of the standard (WHATWG HTML, 9.2.6). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/sse_reader.h"

enum { EVENT_MAX = 64 };

typedef struct seen {
    char text[4096]; /* each event's data and a '|' */
    size_t len;
    size_t n;
    size_t stop_at; /* give END at this event, 0: never */
} seen;

static tdm_status event_came(void *user, tdm__str data, tdm_error *err)
{
    (void)err;
    seen *s = user;
    assert_true(s->len + data.len + 1 < sizeof s->text);
    memcpy(s->text + s->len, data.ptr, data.len);
    s->len += data.len;
    s->text[s->len++] = '|';
    s->text[s->len] = '\0';
    return ++s->n == s->stop_at ? TDM_END : TDM_OK;
}

static tdm_status read_in_steps(const char *bytes, size_t n, size_t step, seen *s)
{
    tdm__sse_reader r;
    tdm__sse_reader_init(&r, EVENT_MAX);
    tdm_status status = TDM_OK;
    tdm_error err = {0};
    for (size_t at = 0; at < n && status == TDM_OK; at += step)
        status = tdm__sse_reader_feed(&r, (tdm__str){bytes + at, n - at < step ? n - at : step}, event_came, s, &err);
    if (status == TDM_OK)
        status = tdm__sse_reader_end(&r, event_came, s, &err);
    assert_true(status >= 0 || err.msg[0] != '\0');
    tdm__sse_reader_fini(&r);
    return status;
}

static void expect_n(const char *bytes, size_t n, const char *events)
{
    for (size_t step = 1; step <= n; step++) {
        seen s = {.text = ""};
        assert_int_equal(read_in_steps(bytes, n, step, &s), TDM_OK);
        assert_string_equal(s.text, events);
    }
}

#define EXPECT(literal, events) expect_n(literal, sizeof(literal) - 1, events)

static void the_standards_examples_give_its_events(void **state)
{
    (void)state;
    EXPECT("data: YHOO\ndata: +2\ndata: 10\n\n", "YHOO\n+2\n10|");
    EXPECT(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
           "first event|second event| third event|");
    EXPECT("data\n\ndata\ndata\n\ndata:", "|\n||"); /* the last is ours: the standard drops it */
    EXPECT("data:test\n\ndata: test\n\n", "test|test|");
}

static void every_line_end_ends_a_line_however_it_is_cut(void **state)
{
    (void)state;
    EXPECT("data: a\r\ndata: b\r\n\r\ndata: c\r\rdata: d\n\n", "a\nb|c|d|");
    EXPECT("data: a\r\n\rdata: b\n\r\n", "a|b|");
    EXPECT("\n\n\r\r\r\n\r\ndata: x\n\n\n\n", "x|");
}

static void a_mark_at_the_begin_is_dropped_and_only_there(void **state)
{
    (void)state;
    EXPECT("\xEF\xBB\xBF" "data: a\n\n\xEF\xBB\xBF" "data: b\n\ndata: c\n\n", "a|c|");
    EXPECT("\xEF\xBB" "data: a\n\ndata: b\n\n", "b|");
    EXPECT("\xEF\n\ndata: b\n\n", "b|");
}

static void other_fields_and_names_that_only_begin_like_data_are_skipped(void **state)
{
    (void)state;
    EXPECT("event: x\nid: 1\nretry: 5\ndat: no\ndatas: no\n data: no\nDATA: no\n:data: no\ndata : no\n\n", "");
    EXPECT("data:: a: b\n\n", ": a: b|");
}

static void an_event_without_its_empty_line_is_given_at_the_end(void **state)
{
    (void)state;
    EXPECT("data: a\n\ndata: b", "a|b|");
    EXPECT("data: a\ndata: b\n", "a\nb|");
    EXPECT("", "");
    EXPECT("dat", "");
}

static void an_event_beyond_the_bound_is_refused_and_skipped_bytes_are_not_counted(void **state)
{
    (void)state;
    char long_data[6 + EVENT_MAX + 3] = "data: ", comment[1000];
    memset(long_data + 6, 'x', EVENT_MAX);
    memcpy(long_data + 6 + EVENT_MAX, "\n\n", 3);
    memset(comment, ':', sizeof comment);
    seen s = {.text = ""};
    assert_int_equal(read_in_steps(long_data, strlen(long_data), 7, &s), TDM_OK);
    assert_int_equal(s.len, EVENT_MAX + 1);
    memcpy(long_data + 6 + EVENT_MAX, "x\n", 3);
    for (size_t step = 1; step < 80; step++)
        assert_int_equal(read_in_steps(long_data, strlen(long_data), step, &s), TDM_ERR_LIMIT);
    expect_n(comment, sizeof comment, "");
}

static void what_the_reader_of_events_gives_ends_the_reading(void **state)
{
    (void)state;
    seen s = {.text = "", .stop_at = 2};
    assert_int_equal(read_in_steps("data: a\n\ndata: b\n\ndata: c\n\n", 27, 27, &s), TDM_END);
    assert_string_equal(s.text, "a|b|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standards_examples_give_its_events),
        cmocka_unit_test(every_line_end_ends_a_line_however_it_is_cut),
        cmocka_unit_test(a_mark_at_the_begin_is_dropped_and_only_there),
        cmocka_unit_test(other_fields_and_names_that_only_begin_like_data_are_skipped),
        cmocka_unit_test(an_event_without_its_empty_line_is_given_at_the_end),
        cmocka_unit_test(an_event_beyond_the_bound_is_refused_and_skipped_bytes_are_not_counted),
        cmocka_unit_test(what_the_reader_of_events_gives_ends_the_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
