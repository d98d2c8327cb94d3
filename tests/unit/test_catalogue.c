/* test_catalogue.c - the strict reading of catalogues, names and their beginnings, URLs that may be asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/catalogue.h"
#include "net/transfer.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define URL_SOURCE "{\"title\":\"t\",\"kind\":\"url\",\"tested\":false,\"url\":\"https://example.com/m\"}"
#define MODEL(name, bytes, sources)                                                                                    \
    "{\"name\":\"" name "\",\"family\":\"llama\",\"vendor\":\"v\",\"licence\":\"l\",\"bytes\":" bytes                  \
    ",\"sha256\":\"" HASH "\",\"sources\":[" sources "]}"
#define CATALOGUE(models) "{\"about\":\"x\",\"models\":[" models "]}"
#define PART(member, bytes) "{\"package\":\"p\",\"member\":\"" member "\",\"bytes\":" bytes "}"
#define PARTS(list) "{\"title\":\"t\",\"kind\":\"parts\",\"tested\":true,\"version\":\"1.0\",\"parts\":[" list "]}"

static tdm_status parse(const char *json, tdm__catalogue **out, tdm_error *err)
{
    return tdm__catalogue_parse(json, strlen(json), "test.json", out, err);
}

static void assert_refused(const char *json, const char *says)
{
    tdm__catalogue *c = NULL;
    tdm_error err = {0};
    assert_int_not_equal(parse(json, &c, &err), TDM_OK);
    assert_null(c);
    if (!strstr(err.msg, says))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
    assert_non_null(strstr(err.msg, "test.json"));
}

static void the_catalogue_of_this_build_is_read(void **state)
{
    (void)state;
    tdm__catalogue *c = NULL;
    assert_int_equal(tdm__catalogue_open(NULL, &c, NULL), TDM_OK);
    assert_true(tdm__catalogue_count(c) >= 3);
    for (size_t i = 0; i < tdm__catalogue_count(c); i++) {
        const tdm__catalogue_entry *e = tdm__catalogue_at(c, i);
        assert_true(e->bytes > 90000000);
        assert_int_equal(strlen(e->sha256), 64);
        assert_true(e->n_sources >= 2);
    }
    tdm__catalogue_close(c);
}

static void a_catalogue_gives_what_it_says(void **state)
{
    (void)state;
    tdm__catalogue *c = NULL;
    tdm_error err = {0};
    assert_int_equal(
        parse(CATALOGUE(MODEL("a", "30", URL_SOURCE "," PARTS(PART("d/1", "10") "," PART("d/2", "20")))), &c, &err),
        TDM_OK);
    const tdm__catalogue_entry *e = tdm__catalogue_at(c, 0);
    assert_int_equal(e->n_sources, 2);
    assert_int_equal(e->sources[0].kind, TDM__WEIGHTS_URL);
    assert_false(e->sources[0].tested);
    assert_string_equal(e->sources[0].url, "https://example.com/m");
    assert_int_equal(e->sources[1].kind, TDM__WEIGHTS_PARTS);
    assert_int_equal(e->sources[1].n_parts, 2);
    assert_string_equal(e->sources[1].parts[1].member, "d/2");
    assert_int_equal(e->sources[1].parts[1].bytes, 20);
    tdm__catalogue_close(c);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    assert_refused("", "no JSON");
    assert_refused("[]", "object");
    assert_refused("{\"models\":[]}", "models: 0 entries");
    assert_refused("{\"models\":[],\"models\":[]}", "duplicate");
    assert_refused("{\"models\":[],\"extra\":1}", "extra is not known");
    assert_refused(CATALOGUE("7"), "models[0]");
    assert_refused(CATALOGUE(MODEL("a", "\"30\"", URL_SOURCE)), "models[0].bytes");
    assert_refused(CATALOGUE(MODEL("a", "-1", URL_SOURCE)), "models[0].bytes");
    assert_refused(CATALOGUE(MODEL("a", "0", URL_SOURCE)), "models[0].bytes");
    assert_refused(CATALOGUE(MODEL("a", "99999999999999999999", URL_SOURCE)), "no JSON");
    assert_refused(CATALOGUE(MODEL("a", "30", "")), "sources: 0 entries");
    assert_refused(CATALOGUE(MODEL("a", "30", URL_SOURCE) "," MODEL("a", "30", URL_SOURCE)),
                   "models[1].name: a is there twice");
    assert_refused(CATALOGUE(MODEL("a", "30", PARTS(PART("d/1", "10")))), "add up to 10, the model has 30");
    assert_refused(CATALOGUE(MODEL("a", "30",
                                   PARTS(PART("d/1", "9223372036854775807") "," PART(
                                       "d/2", "9223372036854775807") "," PART("d/3", "32")))),
                   "sum");
    assert_refused(CATALOGUE(MODEL("a", "30", "{\"kind\":\"magnet\"}")), "models[0].sources[0].kind");
}

static void names_that_could_be_paths_or_options_are_refused(void **state)
{
    (void)state;
    assert_refused(CATALOGUE(MODEL("../a", "30", URL_SOURCE)), "models[0].name");
    assert_refused(CATALOGUE(MODEL(".a", "30", URL_SOURCE)), "models[0].name");
    assert_refused(CATALOGUE(MODEL("-a", "30", URL_SOURCE)), "models[0].name");
    assert_refused(CATALOGUE(MODEL("A", "30", URL_SOURCE)), "models[0].name");
    assert_refused(CATALOGUE(MODEL("", "30", URL_SOURCE)), "models[0].name");
    assert_refused(CATALOGUE(MODEL("a", "30", PARTS("{\"package\":\"--index-url=x\",\"member\":\"m\",\"bytes\":30}"))),
                   "package");
    assert_refused(CATALOGUE(MODEL("a", "30", PARTS("{\"package\":\"p==2 q\",\"member\":\"m\",\"bytes\":30}"))),
                   "package");
    assert_refused(CATALOGUE(MODEL("a", "30", PARTS(PART("/etc/passwd", "30")))), "member");
}

static void a_beginning_finds_exactly_one(void **state)
{
    (void)state;
    tdm__catalogue *c = NULL;
    const tdm__catalogue_entry *e = NULL;
    tdm_error err = {0};
    assert_int_equal(parse(CATALOGUE(MODEL("ab", "1", URL_SOURCE) "," MODEL("abc", "2", URL_SOURCE) "," MODEL(
                               "abd", "3", URL_SOURCE)),
                           &c, &err),
                     TDM_OK);
    assert_int_equal(tdm__catalogue_find(c, "abd", &e, &err), TDM_OK);
    assert_string_equal(e->name, "abd");
    assert_int_equal(tdm__catalogue_find(c, "ab", &e, &err), TDM_OK); /* whole names win over beginnings */
    assert_string_equal(e->name, "ab");
    e = NULL;
    assert_int_equal(tdm__catalogue_find(c, "a", &e, &err), TDM_ERR_INVAL);
    assert_non_null(strstr(err.msg, "ab, abc, abd"));
    assert_int_equal(tdm__catalogue_find(c, "abcd", &e, &err), TDM_ERR_NOT_FOUND);
    assert_int_equal(tdm__catalogue_find(c, "", &e, &err), TDM_ERR_NOT_FOUND);
    assert_non_null(strstr(err.msg, "ab, abc, abd"));
    assert_null(e);
    tdm__catalogue_close(c);
}

static void too_large_a_catalogue_is_refused_unread(void **state)
{
    (void)state;
    size_t len = TDM__CATALOGUE_BYTES_MAX + 1;
    char *json = malloc(len);
    tdm__catalogue *c = NULL;
    tdm_error err = {0};
    assert_non_null(json);
    memset(json, ' ', len);
    assert_int_equal(tdm__catalogue_parse(json, len, "test.json", &c, &err), TDM_ERR_LIMIT);
    free(json);
}

static void only_https_and_loopback_may_be_asked(void **state)
{
    (void)state;
    static const char *const good[] = {"https://example.com/a", "https://example.com:8443/a?b#c", "http://127.0.0.1/a",
                                       "http://127.0.0.1:80/a", "http://localhost:1/a",           "http://[::1]:1/a"};
    static const char *const bad[] = {"",
                                      "example.com/a",
                                      "http://example.com/a",
                                      "http://127.0.0.1.example.com/a",
                                      "http://localhost.example.com/a",
                                      "http://127.0.0.2/a",
                                      "http://localhost@example.com/a",
                                      "https://user@example.com/a",
                                      "https://user:word@example.com/a",
                                      "https:///a",
                                      "https://example.com",
                                      "https://example.com?a",
                                      "https://a b/c",
                                      "https://example.com/\xC3\xA9",
                                      "https://example.com\\@x/a",
                                      "ftp://example.com/a",
                                      "file:///a",
                                      "HTTPS://example.com/a"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(tdm__transfer_check_url(good[i], NULL), TDM_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (tdm__transfer_check_url(bad[i], NULL) != TDM_ERR_INVAL)
            fail_msg("%s passes", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_catalogue_of_this_build_is_read),
        cmocka_unit_test(a_catalogue_gives_what_it_says),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(names_that_could_be_paths_or_options_are_refused),
        cmocka_unit_test(a_beginning_finds_exactly_one),
        cmocka_unit_test(too_large_a_catalogue_is_refused_unread),
        cmocka_unit_test(only_https_and_loopback_may_be_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
