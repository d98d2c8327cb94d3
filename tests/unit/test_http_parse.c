/* test_http_parse.c - what the HTTP parser takes, what it refuses, and that the cut of the bytes does not matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/http_parse.h"

static const tdm__http_limits limits = {.target_bytes_max = 64, .head_bytes_max = 512, .body_bytes_max = 32};

/* The status that n bytes lead to, fed `step` at a time: 0 more, 200 done, else the fault. */
static int outcome(tdm__http_parse *p, const char *bytes, size_t n, size_t step, size_t *left)
{
    tdm__http_progress r = TDM__HTTP_MORE;
    size_t at = 0;
    while (at < n && r == TDM__HTTP_MORE) {
        size_t end = at + step < n ? at + step : n;
        do {
            size_t taken;
            r = tdm__http_parse_feed(p, bytes + at, end - at, &taken);
            at += taken;
        } while (r == TDM__HTTP_HEAD_READ || (r == TDM__HTTP_MORE && at < end));
    }
    if (left)
        *left = n - at;
    return r == TDM__HTTP_DONE ? 200 : r == TDM__HTTP_BAD ? tdm__http_parse_fault(p)->status : 0;
}

/* The same for every step from 1 byte to all at once; they must agree. */
static int outcome_of(const char *bytes, size_t n)
{
    int first = -1;
    for (size_t step = 1; step <= n + 1; step = step < 8 ? step + 1 : step * 2) {
        tdm__http_parse *p = NULL;
        assert_int_equal(tdm__http_parse_create(&limits, &p, NULL), TDM_OK);
        int status = outcome(p, bytes, n, step, NULL);
        if (first < 0)
            first = status;
        assert_int_equal(status, first);
        if (status >= 400) {
            assert_true(tdm__http_parse_fault(p)->error.msg[0] != '\0');
            size_t taken;
            assert_int_equal(tdm__http_parse_feed(p, "GET", 3, &taken), TDM__HTTP_BAD);
        }
        tdm__http_parse_destroy(p);
    }
    return first;
}

#define OUTCOME(literal) outcome_of(literal, sizeof(literal) - 1)

static void requests_are_read_however_they_are_cut(void **state)
{
    (void)state;
    assert_int_equal(OUTCOME("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_int_equal(OUTCOME("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_int_equal(OUTCOME("GET /?a=b HTTP/1.0\r\nHost: a\r\n\r\n"), 200);
    assert_int_equal(OUTCOME("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"), 200);
    assert_int_equal(OUTCOME("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell"), 0);
    assert_int_equal(OUTCOME("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n"), 200);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), 200);
}

static void ambiguous_framing_is_refused(void **state)
{
    (void)state;
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                             "Content-Length: 3\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc"), 400);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"), 501);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), 501);
    assert_int_equal(OUTCOME("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"), 400);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 400);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n"), 400);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "FFFFFFFFFFFFFFFFFF\r\n"), 413);
}

#define CHUNKED(body) OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" body)

static void chunks_end_where_their_lines_do(void **state)
{
    (void)state;
    assert_int_equal(CHUNKED("2\r\n{}\r\n0\r\n\r\n"), 200);
    assert_int_equal(CHUNKED("1;a=b\r\n{\r\n01 \r\n}\r\n0;x\r\n\r\n"), 200);
    assert_int_equal(CHUNKED("2\r\n\r\n\r\n0\r\n\r\n"), 200);
    assert_int_equal(CHUNKED("2\r\n{}XX0\r\n\r\n"), 400);
    assert_int_equal(CHUNKED("2\r\n{}\rX0\r\n\r\n"), 400);
    assert_int_equal(CHUNKED("2\r\n{}\n0\r\n\r\n"), 400);
    assert_int_equal(CHUNKED("2\rX{}\r\n0\r\n\r\n"), 400);
    assert_int_equal(CHUNKED("2;a\rX{}\r\n0\r\n\r\n"), 400);
    assert_int_equal(CHUNKED("2;a\n{}\r\n0\r\n\r\n"), 400);
    assert_int_equal(CHUNKED("2\r\n{}\r\n0\r\n\rX"), 400);
    assert_int_equal(CHUNKED("2\r\n{}\r\n0\r\n\n"), 400);
    assert_int_equal(CHUNKED("2\r\n{}\r\n0\n\r\n"), 400);
    assert_int_equal(CHUNKED("-1\r\n{}\r\n0\r\n\r\n"), 400);
}

static void loose_lines_are_refused(void **state)
{
    (void)state;
    assert_int_equal(OUTCOME("GET / HTTP/1.1\nHost: a\n\n"), 400);
    assert_int_equal(OUTCOME("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("\x16\x03\x01\x02"), 400);
    assert_int_equal(OUTCOME("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
    assert_int_equal(OUTCOME("GET /\r\n\r\n"), 505);
    assert_int_equal(OUTCOME("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("GET / HTTP/1.1\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("GET / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n"), 417);
    assert_int_equal(OUTCOME("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("GET /  HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n"), 505);
    assert_int_equal(OUTCOME("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), 400);
}

static void everything_is_bounded(void **state)
{
    (void)state;
    char head[1024];
    memset(head, 'a', sizeof head);
    memcpy(head, "GET / HTTP/1.1\r\nX: ", 19);
    assert_int_equal(outcome_of(head, sizeof head), 431);
    memcpy(head, "GET /", 5);
    memset(head + 5, 'a', 100);
    const char rest[] = " HTTP/1.1\r\nHost: a\r\n\r\n";
    memcpy(head + 105, rest, sizeof rest - 1);
    assert_int_equal(outcome_of(head, 105 + sizeof rest - 1), 414);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\n"), 413);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n"), 413);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n"), 400);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "21\r\n0123456789012345678901234567890123456789\r\n"), 413);
    assert_int_equal(OUTCOME("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n21\r\n"), 413);
}

static void too_many_fields_are_refused(void **state)
{
    (void)state;
    char text[512] = "GET / HTTP/1.1\r\n";
    for (int i = 0; i <= TDM__HTTP_FIELDS_MAX; i++)
        memcpy(text + strlen(text), "A:b\r\n", 6);
    memcpy(text + strlen(text), "\r\n", 3);
    assert_int_equal(outcome_of(text, strlen(text)), 431);
}

/* Chunks of one byte with long extensions: few body bytes, no end of the wire's. */
static void chunk_overhead_is_bounded(void **state)
{
    (void)state;
    tdm__http_parse *p = NULL;
    assert_int_equal(tdm__http_parse_create(&limits, &p, NULL), TDM_OK);
    const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;";
    assert_int_equal(outcome(p, head, sizeof head - 1, sizeof head, NULL), 0);
    char ext[1000];
    memset(ext, 'x', sizeof ext);
    int status = 0;
    for (int i = 0; i < 1000 && status == 0; i++)
        status = outcome(p, ext, sizeof ext, sizeof ext, NULL);
    assert_int_equal(status, 431);
    tdm__http_parse_destroy(p);
}

static void parts_and_later_requests_are_told_apart(void **state)
{
    (void)state;
    const char two[] = "POST /a/b?c=d HTTP/1.1\r\nHost: h:1\r\nX-Y: \t z \t\r\nExpect: 100-continue\r\n"
                       "Content-Length: 2\r\n\r\nokGET /next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    tdm__http_parse *p = NULL;
    assert_int_equal(tdm__http_parse_create(&limits, &p, NULL), TDM_OK);
    assert_false(tdm__http_parse_is_inside(p));
    size_t left;
    assert_int_equal(outcome(p, two, sizeof two - 1, sizeof two, &left), 200);
    const tdm__http_request *q = tdm__http_parse_request(p);
    assert_int_equal(q->method, TDM__HTTP_POST);
    assert_true(tdm__str_eq(q->path, TDM_STR("/a/b")));
    assert_true(tdm__str_eq(q->query, TDM_STR("c=d")));
    assert_true(tdm__str_eq(q->host, TDM_STR("h:1")));
    assert_true(tdm__str_eq(q->body, TDM_STR("ok")));
    assert_true(tdm__str_eq(tdm__http_request_field(q, "x-y", NULL), TDM_STR("z")));
    assert_true(q->expects_continue && q->keep_alive && q->minor_1);
    tdm__http_parse_next(p);
    assert_int_equal(outcome(p, two + sizeof two - 1 - left, left, left, &left), 200);
    assert_true(tdm__str_eq(q->path, TDM_STR("/next")));
    assert_false(q->keep_alive);
    assert_int_equal(left, 0);
    tdm__http_parse_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read_however_they_are_cut),
        cmocka_unit_test(ambiguous_framing_is_refused),
        cmocka_unit_test(chunks_end_where_their_lines_do),
        cmocka_unit_test(loose_lines_are_refused),
        cmocka_unit_test(everything_is_bounded),
        cmocka_unit_test(too_many_fields_are_refused),
        cmocka_unit_test(chunk_overhead_is_bounded),
        cmocka_unit_test(parts_and_later_requests_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
