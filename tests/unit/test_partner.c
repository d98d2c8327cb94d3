/* test_partner.c - an answer's bytes to text, finish and fault without a socket; the body that would leave.
 *
 * Answers are fed in steps of every length, as a network cuts them. What happens on the wire is in
 * tests/e2e/test_egress.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "partner/partner_internal.h"

static const char *const markets[] = {"US"};

static tdm__partner_profile fine_profile(void)
{
    return (tdm__partner_profile){.id = "openai",
                                  .markets = markets,
                                  .n_markets = 1,
                                  .dialect = "openai",
                                  .endpoint = {.scheme = "http", .host = "127.0.0.1", .port = 1, .path = "/"},
                                  .auth = "none",
                                  .key_ref = "",
                                  .connect_timeout_ms = 1000,
                                  .first_byte_timeout_ms = 1000,
                                  .idle_timeout_ms = 1000,
                                  .total_timeout_ms = 1000};
}

typedef struct told {
    char text[512];
    tdm_status answer; /* of on_text */
} told;

static tdm_status on_text(void *user, tdm__str text, tdm_error *err)
{
    (void)err;
    told *t = user;
    const size_t len = strlen(t->text);
    assert_true(len + text.len < sizeof t->text);
    memcpy(t->text + len, text.ptr, text.len);
    t->text[len + text.len] = '\0';
    return t->answer;
}

static tdm_status read_in_steps(int http, const char *type, const char *bytes, size_t step, told *t,
                                tdm__partner_result *result)
{
    const tdm__partner_profile profile = fine_profile();
    const tdm__partner_call call = {.profile = &profile, .on_text = on_text, .user = t};
    tdm_error err = {0};
    *result = (tdm__partner_result){0};
    tdm__partner_reading r = {.call = &call, .dialect = &tdm__partner_openai, .result = result};
    tdm__partner_reading_init(&r);
    tdm_status s = tdm__partner_on_head(&r, http, type, &err);
    const size_t n = strlen(bytes);
    for (size_t at = 0; at < n && s == TDM_OK; at += step)
        s = tdm__partner_on_bytes(&r, (tdm__str){bytes + at, n - at < step ? n - at : step}, &err);
    if (s >= 0)
        s = tdm__partner_read_end(&r, &err);
    tdm__partner_reading_fini(&r);
    assert_true(s >= 0 || t->answer < 0 || strncmp(err.msg, "openai: ", 8) == 0);
    return s;
}

static void expect(int http, const char *type, const char *bytes, tdm__partner_fault fault, const char *text)
{
    for (size_t step = 1; step <= strlen(bytes) + 1; step++) {
        told t = {.text = ""};
        tdm__partner_result result;
        tdm_status s = read_in_steps(http, type, bytes, step, &t, &result);
        assert_int_equal(result.fault, fault);
        assert_int_equal(s == TDM_OK, fault == TDM__PARTNER_FINE);
        assert_string_equal(t.text, text);
    }
}

static const char sse[] = "text/event-stream", json[] = "application/json";

#define DELTA(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define FINISH(name) "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" name "\"}]}\n\n"

static void an_answer_is_the_same_however_it_is_cut(void **state)
{
    (void)state;
    expect(200, sse, DELTA("a\xC3\xA9") ": ping\n\n" DELTA("\xF0\x9F\x98\x80") FINISH("stop") "data: [DONE]\n\n",
           TDM__PARTNER_FINE, "a\xC3\xA9\xF0\x9F\x98\x80");
    expect(200, json, "\r\n \n{\"choices\":[{\"message\":{\"content\":\"hi\"},\"finish_reason\":\"normal\"}]}",
           TDM__PARTNER_FINE, "hi");
    expect(200, "text/plain", DELTA("a") FINISH("length"), TDM__PARTNER_FINE, "a");
}

static void only_choice_0s_content_is_text(void **state)
{
    (void)state;
    expect(200, sse,
           "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n"
           "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"no\"},\"finish_reason\":\"length\"}]}\n\n"
           "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"no\",\"reasoning\":\"no\"}}]}\n\n"
           "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":null}}],\"obfuscation\":\"no\"}\n\n" DELTA("yes")
               FINISH("stop") "data: {\"choices\":[],\"usage\":{}}\n\n",
           TDM__PARTNER_FINE, "yes");
}

static void a_finish_is_never_made_up(void **state)
{
    (void)state;
    expect(200, sse, DELTA("a") "data: [DONE]\n\n", TDM__PARTNER_CUT, "a");
    expect(200, sse, DELTA("a"), TDM__PARTNER_CUT, "a");
    expect(200, sse, DELTA("a") FINISH("unheard_of") "data: [DONE]\n\n", TDM__PARTNER_CUT, "a");
    expect(200, sse, DELTA("a") FINISH("network_error"), TDM__PARTNER_CUT, "a");
    expect(200, sse, DELTA("a") FINISH("sensitive"), TDM__PARTNER_REFUSED, "a");
    expect(200, json, "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}", TDM__PARTNER_CUT, "a");
    expect(200, sse, "data: {\"choices\":[{\"index\":0,\"delta\":{\"refusal\":\"I cannot\"}}]}\n\n" FINISH("stop"),
           TDM__PARTNER_REFUSED, "");
}

static void errors_are_found_where_vendors_put_them(void **state)
{
    (void)state;
    expect(200, json, "{\"error\":{\"code\":\"data_inspection_failed\"}}", TDM__PARTNER_REFUSED, "");
    expect(200, sse, DELTA("a") "data: {\"error\":{\"code\":\"rate_limit_exceeded\"}}\n\n", TDM__PARTNER_RATE, "a");
    expect(200, json, "{\"base_resp\":{\"status_code\":1002}}", TDM__PARTNER_SERVER, "");
    expect(400, json, "{\"code\":\"DataInspectionFailed\",\"message\":\"m\"}", TDM__PARTNER_REFUSED, "");
    expect(429, json, "{}", TDM__PARTNER_RATE, "");
    expect(429, json, "", TDM__PARTNER_RATE, "");
    expect(302, json, "", TDM__PARTNER_NOT_API, "");
    expect(502, "text/html", "<html>bad gateway", TDM__PARTNER_SERVER, "");
    expect(403, "text/html", "<html>blocked", TDM__PARTNER_NOT_API, "");
    expect(200, sse, "  <html>", TDM__PARTNER_NOT_API, "");
    expect(200, json, "{\"base_resp\":{\"status_code\":0},\"choices\":[{\"message\":{\"content\":\"a\"},"
                      "\"finish_reason\":\"stop\"}],\"code\":7}", TDM__PARTNER_FINE, "a");
}

static void what_on_text_gives_ends_the_call_and_is_nobodys_fault(void **state)
{
    (void)state;
    told t = {.text = "", .answer = TDM_ERR_REFUSED};
    tdm__partner_result result;
    assert_int_equal(read_in_steps(200, sse, DELTA("a") DELTA("b") FINISH("stop"), 999, &t, &result), TDM_ERR_REFUSED);
    assert_int_equal(result.fault, TDM__PARTNER_FINE);
    assert_string_equal(t.text, "a");
}

static void the_body_has_these_bytes(void **state)
{
    (void)state;
    tdm__partner_profile profile = fine_profile();
    profile.quirks.max_tokens_name = "max_completion_tokens";
    json_t *messages = json_pack("[{s:s, s:s}]", "role", "user", "content", "\xE4\xBD\xA0 \"x\"\n");
    tdm__partner_call call = {.profile = &profile, .model = "m", .messages = messages, .max_tokens = 9};
    char *body = NULL;
    size_t len = 0;
    assert_int_equal(tdm__partner_body(&call, &body, &len, NULL), TDM_OK);
    assert_string_equal(body, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"\xE4\xBD\xA0 "
                              "\\\"x\\\"\\n\"}],\"stream\":true,\"stream_options\":{\"include_usage\":true},"
                              "\"max_completion_tokens\":9}");
    assert_int_equal(len, strlen(body));
    free(body);
    profile.dialect = "hunyuan";
    assert_int_equal(tdm__partner_body(&call, &body, &len, NULL), TDM_ERR_INVAL);
    json_decref(messages);
}

static void a_call_that_is_not_allowed_reaches_nobody(void **state)
{
    (void)state;
    tdm__partner_profile profile = fine_profile();
    json_t *messages = json_pack("[{s:s, s:s}]", "role", "user", "content", "a"), *none = json_array();
    const tdm__partner_call fine = {
        .profile = &profile, .decision_id = "d", .market = "US", .model = "m", .messages = messages};
    tdm__partner_result result;
    assert_int_equal(tdm__partner_chat(&fine, &result, NULL), TDM_ERR_UPSTREAM);
    assert_int_equal(result.fault, TDM__PARTNER_UNREACHABLE); /* port 1: it was tried */
    for (int i = 0; i < 6; i++) {
        tdm__partner_call call = fine;
        profile = fine_profile();
        call.market = i == 0 ? "CN" : i == 1 ? NULL : "US";
        call.model = i == 2 ? "" : "m";
        call.messages = i == 3 ? none : messages;
        profile.endpoint.host = i == 4 ? "" : "127.0.0.1";
        profile.auth = i == 5 ? "api-key" : "none";
        assert_int_equal(tdm__partner_chat(&call, &result, NULL), TDM_ERR_INVAL);
        assert_int_equal(result.fault, TDM__PARTNER_FINE);
    }
    json_decref(none);
    json_decref(messages);
}

static void every_fault_has_a_name(void **state)
{
    (void)state;
    for (int f = TDM__PARTNER_FINE; f <= TDM__PARTNER_TOO_LONG; f++)
        assert_string_not_equal(tdm__partner_fault_name((tdm__partner_fault)f), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_the_same_however_it_is_cut),
        cmocka_unit_test(only_choice_0s_content_is_text),
        cmocka_unit_test(a_finish_is_never_made_up),
        cmocka_unit_test(errors_are_found_where_vendors_put_them),
        cmocka_unit_test(what_on_text_gives_ends_the_call_and_is_nobodys_fault),
        cmocka_unit_test(the_body_has_these_bytes),
        cmocka_unit_test(a_call_that_is_not_allowed_reaches_nobody),
        cmocka_unit_test(every_fault_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
