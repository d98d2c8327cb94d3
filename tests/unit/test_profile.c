/* test_profile.c - partner profiles: every member read back, what may never stand in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "partner/partner.h"
#include "partner/profile.h"

#define PIN "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+="
#define TIMEOUTS "\"timeouts\":{\"connect_ms\":1,\"first_byte_ms\":2,\"idle_ms\":3,\"total_ms\":4}"
#define HEAD_OF(type, market, dialect)                                                                                 \
    "\"_type\":\"" type "\",\"partner\":\"alibaba\",\"markets\":[\"" market "\"],"                                     \
    "\"name\":{\"en\":\"A\",\"zh\":\"B\"},\"legal_entity\":\"L\",\"region\":\"R\",\"dialect\":\"" dialect "\","        \
    "\"model\":\"m\""
#define HEAD HEAD_OF("partner-profile", "CN", "openai")
#define AT(scheme, host, path) \
    "\"endpoint\":{\"scheme\":\"" scheme "\",\"host\":\"" host "\",\"port\":443,\"path\":\"" path "\"}"
#define NO_KEY "\"auth\":\"none\""

static const char full[] =
    "{\"_type\":\"partner-profile\",\"partner\":\"alibaba\",\"markets\":[\"CN\",\"SG\"],"
    "\"name\":{\"en\":\"Alibaba\",\"zh\":\"阿里巴巴\"},\"legal_entity\":\"Alibaba Cloud\",\"region\":\"Beijing\","
    "\"dialect\":\"openai\",\"endpoint\":{\"scheme\":\"https\",\"host\":\"dashscope.aliyuncs.com\",\"port\":8443,"
    "\"path\":\"/compatible-mode/v1/chat/completions\","
    "\"pin_sha256\":\"" PIN "\"},\"auth\":\"bearer\",\"key_ref\":\"env:DASHSCOPE_API_KEY\","
    "\"model\":\"qwen-max\",\"context_tokens\":32768,"
    "\"output_tokens_max\":8192,\"timeouts\":{\"connect_ms\":5000,\"first_byte_ms\":30000,\"idle_ms\":20000,"
    "\"total_ms\":300000},\"limits\":{\"concurrent\":7,\"requests_per_minute\":60,\"tokens_per_minute\":100000},"
    "\"emulated\":false,\"quirks\":{\"thinking_switch\":\"enable_thinking\",\"reasoning_in\":\"reasoning_content\","
    "\"max_tokens_name\":\"max_completion_tokens\",\"end_user_name\":\"user_id\",\"error_code_in\":\"error.code\","
    "\"reasoning_echo\":true,\"thinking_streams_only\":true,\"flat_content\":true,\"errors_in_200\":true,"
    "\"blanks_before_body\":true,\"top_p_milli_min\":1,\"top_p_milli_max\":999,\"temperature_milli_min\":2,"
    "\"temperature_milli_max\":1000,\"finish\":{\"normal\":\"stop\",\"sensitive\":\"content_filter\"},"
    "\"errors\":{\"Arrearage\":\"quota\",\"1301\":\"refused\"}},"
    "\"prices\":[{\"model\":\"q\",\"currency\":\"USD\",\"input_tokens_max\":32768,\"input_micro\":1200000,"
    "\"cached_micro\":5,\"output_micro\":6000000,\"source\":\"map\",\"read_on\":\"2026-11-21\"},"
    "{\"model\":\"q2\",\"currency\":\"CNY\",\"input_micro\":1,\"output_micro\":2,\"source\":\"s\",\"read_on\":"
    "\"2026-11-20\"}],\"facts\":[{\"about\":\"legal\",\"text\":\"t\",\"source\":\"S0\",\"date\":\"2025-02-12\","
    "\"evidence\":\"press\"}]}";

static void assert_quirks(const tdm__partner_quirks *q)
{
    assert_string_equal(q->thinking_switch, "enable_thinking");
    assert_string_equal(q->reasoning_in, "reasoning_content");
    assert_string_equal(q->max_tokens_name, "max_completion_tokens");
    assert_string_equal(q->end_user_name, "user_id");
    assert_string_equal(q->error_code_in, "error.code");
    assert_true(q->reasoning_echo);
    assert_true(q->thinking_streams_only);
    assert_true(q->flat_content);
    assert_true(q->errors_in_200);
    assert_true(q->blanks_before_body);
    assert_int_equal(q->top_p_milli_min, 1);
    assert_int_equal(q->top_p_milli_max, 999);
    assert_int_equal(q->temperature_milli_min, 2);
    assert_int_equal(q->temperature_milli_max, 1000);
    assert_int_equal(q->n_finish, 2);
    assert_string_equal(q->finish[0].from, "normal");
    assert_int_equal(q->finish[0].to, TDM__PARTNER_FINISH_STOP);
    assert_string_equal(q->finish[1].from, "sensitive");
    assert_int_equal(q->finish[1].to, TDM__PARTNER_FINISH_FILTERED);
    assert_int_equal(q->n_errors, 2);
    assert_string_equal(q->errors[0].from, "Arrearage");
    assert_int_equal(q->errors[0].to, TDM__PARTNER_QUOTA);
    assert_string_equal(q->errors[1].from, "1301");
    assert_int_equal(q->errors[1].to, TDM__PARTNER_REFUSED);
}

static void assert_prices_and_facts(const tdm__partner_profile *p)
{
    assert_int_equal(p->n_prices, 2);
    assert_string_equal(p->prices[0].model, "q");
    assert_string_equal(p->prices[0].currency, "USD");
    assert_int_equal(p->prices[0].input_tokens_max, 32768);
    assert_int_equal(p->prices[0].input_micro, 1200000);
    assert_int_equal(p->prices[0].cached_micro, 5);
    assert_int_equal(p->prices[0].output_micro, 6000000);
    assert_string_equal(p->prices[0].source, "map");
    assert_string_equal(p->prices[0].read_on, "2026-11-21");
    assert_string_equal(p->prices[1].model, "q2");
    assert_int_equal(p->prices[1].input_tokens_max, 0);
    assert_int_equal(p->n_facts, 1);
    assert_string_equal(p->facts[0].about, "legal");
    assert_string_equal(p->facts[0].text, "t");
    assert_string_equal(p->facts[0].source, "S0");
    assert_string_equal(p->facts[0].date, "2025-02-12");
    assert_int_equal(p->facts[0].evidence, TDM__EVIDENCE_PRESS);
}

static void every_member_is_read_back(void **state)
{
    (void)state;
    tdm__partner_profile *p = NULL;
    tdm_error err = {0};
    char sha256[TDM__SHA256_TEXT];
    if (tdm__partner_profile_create(TDM_STR(full), &p, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    assert_string_equal(p->id, "alibaba");
    assert_int_equal(p->n_markets, 2);
    assert_true(tdm__partner_profile_serves(p, "CN"));
    assert_true(tdm__partner_profile_serves(p, "SG"));
    assert_false(tdm__partner_profile_serves(p, "US"));
    assert_false(tdm__partner_profile_serves(p, ""));
    assert_string_equal(p->name_en, "Alibaba");
    assert_string_equal(p->name_zh, "阿里巴巴");
    assert_string_equal(p->legal_entity, "Alibaba Cloud");
    assert_string_equal(p->region, "Beijing");
    assert_string_equal(p->dialect, "openai");
    assert_string_equal(p->endpoint.scheme, "https");
    assert_string_equal(p->endpoint.host, "dashscope.aliyuncs.com");
    assert_int_equal(p->endpoint.port, 8443);
    assert_string_equal(p->endpoint.path, "/compatible-mode/v1/chat/completions");
    assert_null(p->endpoint.ca_pem); /* the system's authorities; a pin narrows them */
    assert_string_equal(p->endpoint.pin_sha256, PIN);
    assert_string_equal(p->auth, "bearer");
    assert_string_equal(p->key_ref, "env:DASHSCOPE_API_KEY");
    assert_string_equal(p->model, "qwen-max");
    assert_int_equal(p->context_tokens, 32768);
    assert_int_equal(p->output_tokens_max, 8192);
    assert_int_equal(p->connect_timeout_ms, 5000);
    assert_int_equal(p->first_byte_timeout_ms, 30000);
    assert_int_equal(p->idle_timeout_ms, 20000);
    assert_int_equal(p->total_timeout_ms, 300000);
    assert_int_equal(p->concurrent_max, 7);
    assert_int_equal(p->requests_per_minute, 60);
    assert_int_equal(p->tokens_per_minute, 100000);
    assert_false(p->is_emulated);
    assert_quirks(&p->quirks);
    assert_prices_and_facts(p);
    tdm__sha256_hex(full, sizeof full - 1, sha256);
    assert_string_equal(p->sha256, sha256);
    tdm__partner_profile_destroy(p);
}

static void a_profile_without_endpoint_cannot_be_called(void **state)
{
    (void)state;
    tdm__partner_profile *p = NULL;
    tdm_error err = {0};
    if (tdm__partner_profile_create(TDM_STR("{" HEAD "," NO_KEY "," TIMEOUTS "}"), &p, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    assert_string_equal(p->endpoint.host, ""); /* no default host */
    assert_string_equal(p->endpoint.scheme, "");
    assert_int_equal(p->endpoint.port, 0);
    assert_null(p->endpoint.ca_pem);
    assert_null(p->endpoint.pin_sha256);
    assert_string_equal(p->key_ref, "");
    assert_string_equal(p->quirks.thinking_switch, "");
    assert_int_equal(p->n_prices, 0);
    tdm__partner_profile_destroy(p);
}

static void what_may_not_stand_in_a_profile_is_named(void **state)
{
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"", "JSON"},
        {"[]", "an object is needed, an array stands here"},
        {"{}", "'_type' is missing"},
        {"{\"_type\":\"pack\"}", "'partner' is missing"},
        {"{" HEAD ",\"_type\":\"x\"}", "twice"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS ",\"host\":\"x\"}", "host: 'host' is not known"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS ",\"endpoints\":{}}", "did you mean 'endpoint'?"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS ",\"region\":\"R\"}", "twice"},
        {"{" HEAD "," NO_KEY "}", "'timeouts' is missing"},
        {"{" HEAD "," NO_KEY ",\"timeouts\":{\"connect_ms\":1,\"first_byte_ms\":2,\"idle_ms\":3}}",
         "timeouts: 'total_ms' is missing"},
        {"{" HEAD "," NO_KEY ",\"timeouts\":{\"connect_ms\":0,\"first_byte_ms\":2,\"idle_ms\":3,\"total_ms\":4}}",
         "timeouts.connect_ms: 0 stands here"},
        {"{" HEAD "," NO_KEY ",\"timeouts\":{\"connect_ms\":5,\"first_byte_ms\":2,\"idle_ms\":3,\"total_ms\":4}}",
         "timeouts: none may be longer than total_ms, 4"},
        {"{" HEAD "," TIMEOUTS "}", "'auth' is missing"},
        {"{" HEAD "," TIMEOUTS ",\"auth\":\"basic\"}", "auth: 'basic' stands here"},
        /* keys: by reference, and never repeated in a sentence */
        {"{" HEAD "," TIMEOUTS ",\"auth\":\"bearer\"}", "key_ref: auth is bearer, so it must be there"},
        {"{" HEAD "," TIMEOUTS ",\"auth\":\"none\",\"key_ref\":\"env:X\"}", "auth is none, so it must be left out"},
        {"{" HEAD "," TIMEOUTS ",\"auth\":\"bearer\",\"key_ref\":\"sk-secret\"}", "a reference is needed"},
        {"{" HEAD "," TIMEOUTS ",\"auth\":\"bearer\",\"key_ref\":\"env:\"}", "a reference is needed"},
        {"{" HEAD "," TIMEOUTS ",\"auth\":\"bearer\",\"key_ref\":\"env:A=sk-secret\"}", "a reference is needed"},
        {"{" HEAD "," TIMEOUTS ",\"auth\":\"bearer\",\"key_ref\":\"file:secret\"}", "a reference is needed"},
        {"{" HEAD "," TIMEOUTS ",\"auth\":\"bearer\",\"key\":\"sk-secret\"}", "'key' is not known"},
        /* where bytes may go */
        {"{" HEAD "," NO_KEY "," TIMEOUTS "," AT("http", "example.com", "/v1") "}", "http goes to this machine only"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS "," AT("http", "localhost", "/v1") "}", "http goes to this machine only"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS "," AT("http", "128.0.0.1", "/v1") "}", "http goes to this machine only"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS "," AT("http", "127.0.0.1.example.com", "/v1") "}", "http goes to this"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS "," AT("ftps", "127.0.0.1", "/v1") "}", "https or http is needed"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS "," AT("https", "a/b", "/v1") "}", "is no name of a host"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS "," AT("https", "a:443", "/v1") "}", "is no name of a host"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS "," AT("https", "u@b", "/v1") "}", "endpoint.host: '@' at byte 1"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS "," AT("https", "a b", "/v1") "}", "endpoint.host: ' ' at byte 1"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS "," AT("https", "", "/v1") "}", "endpoint.host: 0 bytes"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS "," AT("https", "a", "v1") "}", "endpoint.path: it must begin with /"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS "," AT("https", "a", "/x/../v1") "}", "endpoint.path: it must begin with /"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS "," AT("https", "a", "/v1?k=v") "}", "endpoint.path: '?' at byte 3"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS ",\"emulated\":true," AT("https", "api.openai.com", "/v1") "}",
         "a stand-in is on this machine, not at api.openai.com"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS ",\"endpoint\":{\"scheme\":\"https\",\"host\":\"a\",\"path\":\"/\"}}",
         "endpoint: 'port' is missing"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS ",\"endpoint\":{\"scheme\":\"https\",\"host\":\"a\",\"path\":\"/\",\"port\":"
         "65536}}", "endpoint.port: 65536 stands here"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS ",\"quirks\":{\"finish\":{\"x\":\"end\"}}}",
         "quirks.finish.x: 'end' is not known"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS ",\"quirks\":{\"errors\":{\"429\":\"rates\"}}}",
         "quirks.errors.429: 'rates' is not known; did you mean 'rate'?"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS ",\"quirks\":{\"top_p_milli_min\":1}}", "quirks: a smallest value is above"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS ",\"facts\":[{\"about\":\"legal\"}]}", "facts[0]: 'text' is missing"},
        {"{" HEAD "," NO_KEY "," TIMEOUTS ",\"prices\":[{\"model\":\"m\",\"currency\":\"dollars\"}]}",
         "prices[0].currency: 7 bytes, 3 to 3 are allowed"},
        {"{" HEAD_OF("market-policy", "CN", "openai") "," NO_KEY "," TIMEOUTS "}",
         "_type: 'market-policy' stands here, it must be 'partner-profile'"},
        {"{" HEAD_OF("partner-profile", "China", "openai") "," NO_KEY "," TIMEOUTS "}",
         "markets: 'China' is not two capital letters"},
        {"{" HEAD_OF("partner-profile", "CN", "OpenAI") "," NO_KEY "," TIMEOUTS "}", "dialect: 'OpenAI' is not known"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tdm__partner_profile *p = NULL;
        tdm_error err = {0};
        const tdm_status s = tdm__partner_profile_create(tdm__str_from(cases[i].json), &p, &err);
        if (s != TDM_ERR_FORMAT || p || !strstr(err.msg, cases[i].says))
            fail_msg("%s\ngives %d \"%s\", not \"%s\"", cases[i].json, s, err.msg, cases[i].says);
        assert_null(strstr(err.msg, "secret"));
    }
}

static void loopback_is_an_address_of_this_machine(void **state)
{
    static const char *const fine[] = {
        "{" HEAD "," NO_KEY "," TIMEOUTS "," AT("http", "127.0.0.1", "/v1") "}",
        "{" HEAD "," NO_KEY "," TIMEOUTS "," AT("http", "127.9.9.9", "/v1") "}",
        "{" HEAD "," NO_KEY "," TIMEOUTS "," AT("http", "::1", "/v1") "}",
        "{" HEAD "," NO_KEY "," TIMEOUTS ",\"emulated\":true," AT("http", "::1", "/v1") "}",
        "{" HEAD "," TIMEOUTS ",\"auth\":\"api-key\",\"key_ref\":\"file:/run/key\"," AT("https", "a.example", "/") "}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        tdm__partner_profile *p = NULL;
        tdm_error err = {0};
        if (tdm__partner_profile_create(tdm__str_from(fine[i]), &p, &err) != TDM_OK)
            fail_msg("%s\nis refused: %s", fine[i], err.msg);
        tdm__partner_profile_destroy(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_read_back),
        cmocka_unit_test(a_profile_without_endpoint_cannot_be_called),
        cmocka_unit_test(what_may_not_stand_in_a_profile_is_named),
        cmocka_unit_test(loopback_is_an_address_of_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
