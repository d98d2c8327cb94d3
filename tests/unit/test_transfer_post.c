/* test_transfer_post.c - which endpoints and messages are refused before a socket; what they do on the wire is in
 * tests/e2e/test_egress.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/resolve.h"
#include "net/transfer_post.h"

static const char dns[] = "192.0.2.1:53";

static tdm_status check(const char *scheme, const char *host, const char *path)
{
    const tdm__endpoint e = {.scheme = scheme, .host = host, .port = 443, .path = path};
    tdm_error err = {0};
    tdm_status s = tdm__endpoint_check(&e, dns, &err);
    assert_true(s == TDM_OK || err.msg[0] != '\0');
    return s;
}

static void https_goes_to_names_and_addresses(void **state)
{
    (void)state;
    const char *hosts[] = {"api.example.com", "API.Example.COM.", "a-b.c9.example", "192.0.2.7", "2001:db8::1",
                           "1.2.3.4.example", "xn--fsq.example", "a.b"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        assert_int_equal(check("https", hosts[i], "/v1/x?y=z"), TDM_OK);
}

static void http_goes_to_loopback_addresses_only(void **state)
{
    (void)state;
    assert_int_equal(check("http", "127.0.0.1", "/"), TDM_OK);
    assert_int_equal(check("http", "127.255.3.4", "/"), TDM_OK);
    assert_int_equal(check("http", "::1", "/"), TDM_OK);
    const char *hosts[] = {"localhost",        "api.example.com", "128.0.0.1", "0.0.0.0",         "::",
                           "::ffff:127.0.0.1", "127.0.0.1.",      "[::1]",     "127.0.0.1.a.com", "0:0:0:0:0:0:0:1"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        assert_int_equal(check("http", hosts[i], "/"), TDM_ERR_INVAL);
}

static void a_host_that_can_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    char label[70], name[300];
    memset(label, 'a', 64);
    strncpy(label + 64, ".com", 5);
    memset(name, 'a', sizeof name - 1);
    for (size_t i = 40; i < sizeof name - 1; i += 40)
        name[i] = '.';
    name[sizeof name - 1] = '\0';
    const char *hosts[] = {"",         "127.1",    "2130706433", "0x7f000001",  "a.0x7f",      "1.2.3.4.5", "localhost",
                           "a..b.com", ".a.com",   "a.com..",    "-a.com",      "a-.com",      "a_b.com",   "a b.com",
                           "a.com/",   "u@a.com",  "a.com:80",   "a.com\\b",    "\xC3\xA9.com", "a.com%00",  "[::1]",
                           "1.2.3.4 ", "fe80::1%1", label,       name};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        assert_int_equal(check("https", hosts[i], "/"), TDM_ERR_INVAL);
    assert_int_equal(check("https", NULL, "/"), TDM_ERR_INVAL);
}

static void other_schemes_paths_and_ports_are_refused(void **state)
{
    (void)state;
    const char *schemes[] = {"", "ftp", "HTTPS", "https:", "file", "gopher", NULL};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        assert_int_equal(check(schemes[i], "a.example", "/"), TDM_ERR_INVAL);
    const char *paths[] = {"", "v1", "/a b", "/a#b", "/a\\b", "/a\r\nHost: x", "/\x7F", "/\xC3\xA9", NULL};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_int_equal(check("https", "a.example", paths[i]), TDM_ERR_INVAL);
    const tdm__endpoint no_port = {.scheme = "https", .host = "a.example", .path = "/"};
    assert_int_equal(tdm__endpoint_check(&no_port, dns, NULL), TDM_ERR_INVAL);
}

static void a_pin_is_whole_and_never_stands_beside_http(void **state)
{
    (void)state;
    static const char pin[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    tdm__endpoint e = {.scheme = "https", .host = "192.0.2.7", .port = 1, .path = "/", .pin_sha256 = pin};
    assert_int_equal(tdm__endpoint_check(&e, NULL, NULL), TDM_OK);
    e.pin_sha256 = pin + 1;
    assert_int_equal(tdm__endpoint_check(&e, NULL, NULL), TDM_ERR_INVAL);
    e.pin_sha256 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA;B";
    assert_int_equal(tdm__endpoint_check(&e, NULL, NULL), TDM_ERR_INVAL);
    e = (tdm__endpoint){.scheme = "http", .host = "::1", .port = 1, .path = "/", .pin_sha256 = pin};
    assert_int_equal(tdm__endpoint_check(&e, NULL, NULL), TDM_ERR_INVAL);
    e.pin_sha256 = NULL;
    e.ca_pem = "-----BEGIN CERTIFICATE-----";
    assert_int_equal(tdm__endpoint_check(&e, NULL, NULL), TDM_ERR_INVAL);
}

static void a_dns_server_is_an_address_and_a_port(void **state)
{
    (void)state;
    const char *good[] = {"192.0.2.1:53", "[2001:db8::1]:53", "127.0.0.1:5353"};
    const char *bad[] = {"", "192.0.2.1", "192.0.2.1:0", "192.0.2.1:70000", "dns.example:53", "2001:db8::1", NULL};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(tdm__dns_server_check(good[i], NULL), TDM_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(tdm__dns_server_check(bad[i], NULL), TDM_ERR_INVAL);
}

static tdm_status never(void *user, tdm__str bytes, tdm_error *err)
{
    (void)user;
    (void)bytes;
    (void)err;
    fail();
    return TDM_OK;
}

/* Port 1 of loopback: what gets as far as a socket gives ERR_UPSTREAM. */
static tdm__transfer_message fine_message(const tdm__endpoint *e)
{
    return (tdm__transfer_message){.decision_id = "d",
                                   .market = "US",
                                   .endpoint = e,
                                   .body = TDM_STR("{}"),
                                   .answer_bytes_max = 1,
                                   .connect_timeout_ms = 1000,
                                   .first_byte_timeout_ms = 1000,
                                   .idle_timeout_ms = 1000,
                                   .total_timeout_ms = 1000,
                                   .on_bytes = never};
}

static void a_message_without_decision_market_bound_or_deadline_is_refused(void **state)
{
    (void)state;
    const tdm__endpoint e = {.scheme = "http", .host = "127.0.0.1", .port = 1, .path = "/"};
    tdm__transfer_result result;
    tdm__transfer_message m = fine_message(&e);
    assert_int_equal(tdm__transfer_post(&m, &result, NULL), TDM_ERR_UPSTREAM);
    assert_string_equal(result.peer, "");
    assert_int_equal(result.retry_after_s, -1);
    for (int i = 0; i < 9; i++) {
        m = fine_message(&e);
        m.decision_id = i == 0 ? NULL : i == 1 ? "" : m.decision_id;
        m.market = i == 2 ? NULL : i == 3 ? "" : m.market;
        m.answer_bytes_max = i == 4 ? 0 : m.answer_bytes_max;
        m.connect_timeout_ms = i == 5 ? 0 : m.connect_timeout_ms;
        m.first_byte_timeout_ms = i == 6 ? 0 : m.first_byte_timeout_ms;
        m.idle_timeout_ms = i == 7 ? 0 : m.idle_timeout_ms;
        m.total_timeout_ms = i == 8 ? 0 : m.total_timeout_ms;
        assert_int_equal(tdm__transfer_post(&m, &result, NULL), TDM_ERR_INVAL);
    }
}

static void headers_that_are_the_transfers_own_or_malformed_are_refused_without_repeating_them(void **state)
{
    (void)state;
    const tdm__endpoint e = {.scheme = "http", .host = "127.0.0.1", .port = 1, .path = "/"};
    const char *bad[] = {"Host: a", "content-type: x", "ACCEPT: x", "Cookie: a=b", "User-Agent: me", "secret",
                         ": secret", "A B: secret", "A: secret\r\nB: c", "A: secret\x01", "Transfer-Encoding: chunked"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *headers[] = {bad[i], NULL};
        tdm__transfer_message m = fine_message(&e);
        m.headers = headers;
        tdm__transfer_result result;
        tdm_error err = {0};
        assert_int_equal(tdm__transfer_post(&m, &result, &err), TDM_ERR_INVAL);
        assert_null(strstr(err.msg, "secret"));
    }
}

static bool may_not_leave(void *user)
{
    (void)user;
    return false;
}

static void a_message_that_may_not_leave_any_more_when_the_connection_stands_stays_here(void **state)
{
    (void)state;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    const tdm__endpoint e = {.scheme = "http", .host = "127.0.0.1", .port = ntohs(a.sin_port), .path = "/"};
    tdm__transfer_message m = fine_message(&e);
    tdm__transfer_result result;
    tdm_error err = {0};
    char byte;
    m.may_leave = may_not_leave;
    assert_int_equal(tdm__transfer_post(&m, &result, &err), TDM_ERR_CANCELLED);
    assert_int_equal(result.bytes_sent, 0);
    const int conn = accept(fd, NULL, NULL); /* it has come, and said nothing */
    assert_true(conn >= 0);
    assert_int_equal(recv(conn, &byte, 1, 0), 0);
    close(conn);
    close(fd);
}

static void a_cancelled_message_asks_nobody(void **state)
{
    (void)state;
    const tdm__endpoint e = {.scheme = "https", .host = "a.example", .port = 1, .path = "/"};
    const atomic_bool cancel = true;
    tdm__transfer_message m = fine_message(&e);
    m.dns_server = "127.0.0.1:1";
    m.cancel = &cancel;
    tdm__transfer_result result;
    assert_int_equal(tdm__transfer_post(&m, &result, NULL), TDM_ERR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(https_goes_to_names_and_addresses),
        cmocka_unit_test(http_goes_to_loopback_addresses_only),
        cmocka_unit_test(a_host_that_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(other_schemes_paths_and_ports_are_refused),
        cmocka_unit_test(a_pin_is_whole_and_never_stands_beside_http),
        cmocka_unit_test(a_dns_server_is_an_address_and_a_port),
        cmocka_unit_test(a_message_without_decision_market_bound_or_deadline_is_refused),
        cmocka_unit_test(headers_that_are_the_transfers_own_or_malformed_are_refused_without_repeating_them),
        cmocka_unit_test(a_cancelled_message_asks_nobody),
        cmocka_unit_test(a_message_that_may_not_leave_any_more_when_the_connection_stands_stays_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
