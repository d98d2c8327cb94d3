/* test_yaml.c - what people write to JSON: scalars as they were meant, every mistake with its line, lines of places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/yaml.h"

static json_t *read_or_fail(const char *yaml, size_t len)
{
    json_t *v = NULL;
    tdm_error err = {0};
    if (tdm__yaml_to_json((tdm__str){yaml, len}, "t.yaml", &v, &err) != TDM_OK)
        fail_msg("%.200s\nis refused: %s", yaml, err.msg);
    return v;
}

static void assert_reads(const char *yaml, const char *json)
{
    json_t *got = read_or_fail(yaml, strlen(yaml)), *want = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(want);
    if (!json_equal(got, want)) {
        char *text = json_dumps(got, JSON_ENCODE_ANY);
        fail_msg("%s\ngives %s, not %s", yaml, text, json);
    }
    json_decref(got);
    json_decref(want);
}

static void scalars_stay_what_was_written(void **state)
{
    static const char *const cases[][2] = {
        {"12", "12"}, {"-3", "-3"}, {"0", "0"}, {"12.50", "12.5"}, {"1e3", "1000.0"}, {"true", "true"},
        {"false", "false"}, {"null", "null"}, {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        /* what YAML 1.1 reads as something else than it looks like */
        {"no", "\"no\""}, {"Yes", "\"Yes\""}, {"on", "\"on\""}, {"True", "\"True\""}, {"NULL", "\"NULL\""},
        {"~", "\"~\""}, {"010", "\"010\""}, {"0x10", "\"0x10\""}, {"0o7", "\"0o7\""}, {"1_000", "\"1_000\""},
        {"30s", "\"30s\""}, {"+1", "\"+1\""}, {".5", "\".5\""}, {"5.", "\"5.\""}, {".inf", "\".inf\""},
        {"NaN", "\"NaN\""}, {"12:30:45", "\"12:30:45\""}, {"2025-02-11", "\"2025-02-11\""}, {"1 2", "\"1 2\""},
        /* quoted: always a text */
        {"'12'", "\"12\""}, {"\"true\"", "\"true\""}, {"''", "\"\""}, {"\"a\\tb\\u4e2d\"", "\"a\\tb\\u4e2d\""},
        {"'it''s'", "\"it's\""},
        /* several lines */
        {"one\n  two", "\"one two\""}, {"|\n  one\n  two\n", "\"one\\ntwo\\n\""}, {">-\n  one\n  two\n", "\"one two\""},
        /* maps and lists, both ways of writing */
        {"{a: 1, 'b c': [x, 2]}", "{\"a\":1,\"b c\":[\"x\",2]}"}, {"- 1\n- - 2\n  - 3\n", "[1,[2,3]]"},
        {"a:\n  b: 1\n  c:\n  - x\n", "{\"a\":{\"b\":1,\"c\":[\"x\"]}}"}, {"[]", "[]"}, {"{}", "{}"},
        {"12: x\ntrue: y\n", "{\"12\":\"x\",\"true\":\"y\"}"}, {"---\na: 1\n...\n", "{\"a\":1}"},
        {"\xEF\xBB\xBF" "a: 1\n", "{\"a\":1}"}, {"a: 1 # b: 2\n#c: 3\n", "{\"a\":1}"}, {"a: b#c\n", "{\"a\":\"b#c\"}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_reads(cases[i][0], cases[i][1]);
}

/* Writes n bytes of text over and over. */
static char *repeated(const char *text, size_t n)
{
    const size_t len = strlen(text);
    char *all = malloc(n * len + 1);
    assert_non_null(all);
    for (size_t i = 0; i < n; i++)
        memcpy(all + i * len, text, len);
    all[n * len] = '\0';
    return all;
}

static void every_mistake_has_its_line(void **state)
{
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        {"", "t.yaml:1: nothing is written here"},
        {"# only a remark\n\n", "t.yaml:3: nothing is written here"},
        {"---\n", "t.yaml:2: nothing is written here"},
        {"a: 1\nb: 2\na: 3\n", "t.yaml:3: 'a' stands here for the second time; the first is on line 1"},
        {"a:\n  b: 1\n  c: 2\n  b: 3\n", "t.yaml:4: 'b' stands here for the second time; the first is on line 2"},
        {"{a: 1,\n a: 2}", "t.yaml:2: 'a' stands here for the second time; the first is on line 1"},
        {"a: &x 1\nb: 2\n", "t.yaml:1: the anchor &x is not taken"},
        {"a: 1\nb: &x [1]\n", "t.yaml:2: the anchor &x is not taken"},
        {"a: 1\nb: &x {c: 1}\n", "t.yaml:2: the anchor &x is not taken"},
        {"a: 1\nb: *x\n", "t.yaml:2: the alias *x is not taken"},
        {"a: 1\n<<: *x\n", "t.yaml:2: the alias *x is not taken"},
        {"a: !!int 1\n", "t.yaml:1: the tag tag:yaml.org,2002:int is not taken"},
        {"a: !thing 1\n", "t.yaml:1: the tag !thing is not taken"},
        {"a: ! 1\n", "t.yaml:1: the tag ! is not taken"},
        {"a: 1\nb: !!map {}\n", "t.yaml:2: the tag tag:yaml.org,2002:map is not taken"},
        {"a: 1\nb: !!seq []\n", "t.yaml:2: the tag tag:yaml.org,2002:seq is not taken"},
        {"&x a: 1\n", "t.yaml:1: the anchor &x is not taken"},
        {"a: 1\n---\nb: 2\n", "t.yaml:2: a second document begins"},
        {"%YAML 1.1\n---\na: 1\n", "t.yaml:1: directives"},
        {"%TAG ! tag:x,2000:\n---\na: 1\n", "t.yaml:1: directives"},
        {"a: 1\nb:\n", "t.yaml:2: b has no value"},
        {"a:\nb: 1\n", "t.yaml:1: a has no value"},
        {"- 1\n-\n- 2\n", "t.yaml:2: this item has no value"},
        {"a: {b, c: 1}\n", "t.yaml:1: b has no value"},
        {"a: 1\n? [x, y]\n: 2\n", "t.yaml:2: a list cannot be a key"},
        {"a: 1\n? {x: y}\n: 2\n", "t.yaml:2: a map cannot be a key"},
        {"a: 1\n\"\": 2\n", "t.yaml:2: a key has 0 bytes"},
        {"\"a\\0b\": 2\n", "t.yaml:1: a key has a character that is no text, at byte 1"},
        {"a: 1\nb: \"x\\0y\"\n", "t.yaml:2: a text has the control character 0x00"},
        {"a: \"x\\ay\"\n", "t.yaml:1: a text has the control character 0x07"},
        {"a: \"\\x7f\"\n", "t.yaml:1: a text has the control character 0x7F"},
        {"a: 9223372036854775808\n", "t.yaml:1: 9223372036854775808 is beyond what a number of 64 bits holds"},
        {"a: 1\nb: 1e999\n", "t.yaml:2: 1e999 is beyond what a number of 64 bits holds"},
        {"a: [1, 2\nb: 3\n", "t.yaml:2: "},
        {"a: \"unfinished\nb: 3\n", "t.yaml:3: "},
        {"a: 1\n\tb: 2\n", "t.yaml:2: "},
        {"a: 1\n b: 2\n", "t.yaml:2: "},
        {"a: 1\n- b\n", "t.yaml:2: "},
        {"a: b: c\n", "t.yaml:1: "},
        {"a: @x\n", "t.yaml:1: "},
        {"a: `x`\n", "t.yaml:1: "},
        {"a: }\n", "t.yaml:1: "},
        {"a: \"\\ud800\"\n", "t.yaml:1: "},
        {"a: \"\\q\"\n", "t.yaml:1: "},
        {"a: 1\nb: \xff\n", "t.yaml:2: "},
        {"a: 1\nb: \xed\xa0\x80\n", "t.yaml:2: "},
        {"a: 1\nb: \x01\n", "t.yaml:2: "},
        {"a: |\n  x\n y: 1\n", "t.yaml:3: "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *v = NULL;
        tdm_error err = {0};
        const tdm_status s = tdm__yaml_to_json(tdm__str_from(cases[i].yaml), "t.yaml", &v, &err);
        if (s != TDM_ERR_FORMAT || v || strncmp(err.msg, cases[i].says, strlen(cases[i].says)) != 0)
            fail_msg("%s\ngives %d \"%s\", not \"%s\"", cases[i].yaml, s, err.msg, cases[i].says);
    }
}

static void assert_limit(const char *yaml, tdm_status status, const char *says)
{
    json_t *v = NULL;
    tdm_error err = {0};
    assert_int_equal(tdm__yaml_to_json(tdm__str_from(yaml), "t.yaml", &v, &err), status);
    assert_null(v);
    if (!strstr(err.msg, says))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
}

static void size_depth_and_keys_are_bounded(void **state)
{
    (void)state;
    char *deep = repeated("[", 32), *close = repeated("]", 32), *deeper = repeated("[", 33);
    char *deepest = repeated("[", 100000), *key = repeated("k", 129), *large = repeated("a: b # 8\n", 1 << 20);
    char both[128], long_key[256];
    snprintf(both, sizeof both, "%s%s", deep, close);
    json_decref(read_or_fail(both, strlen(both)));
    assert_limit(deeper, TDM_ERR_FORMAT, "t.yaml:1: more than 32 levels");
    assert_limit(deepest, TDM_ERR_FORMAT, "t.yaml:1: more than 32 levels");
    snprintf(long_key, sizeof long_key, "a: 1\n%s: 2\n", key);
    assert_limit(long_key, TDM_ERR_FORMAT, "t.yaml:2: a key has 129 bytes");
    assert_limit(large, TDM_ERR_LIMIT, "9437184 bytes, 8388608 are the most");
    free(deep);
    free(close);
    free(deeper);
    free(deepest);
    free(key);
    free(large);
}

static void a_place_has_its_line(void **state)
{
    static const char yaml[] = "# remark\n"                       /* 1 */
                               "market: CN\n"                     /* 2 */
                               "features:\n"                      /* 3 */
                               "  assistant:\n"                   /* 4 */
                               "    backends:\n"                  /* 5 */
                               "      - backend: own\n"           /* 6 */
                               "        role: engine\n"           /* 7 */
                               "      - {backend: alibaba,\n"     /* 8 */
                               "         role: hand-off}\n"       /* 9 */
                               "  chat: {backends: [[x, y],\n"    /* 10 */
                               "                    z]}\n"        /* 11 */
                               "label: 'two\n"                    /* 12 */
                               "  lines'\n"                       /* 13 */
                               "version: 1\n";                    /* 14 */
    static const struct {
        const char *path;
        size_t line;
    } cases[] = {
        {"", 2}, {"market", 2}, {"features", 3}, {"features.assistant", 4}, {"features.assistant.backends", 5},
        {"features.assistant.backends[0]", 6}, {"features.assistant.backends[0].backend", 6},
        {"features.assistant.backends[0].role", 7}, {"features.assistant.backends[1]", 8},
        {"features.assistant.backends[1].backend", 8}, {"features.assistant.backends[1].role", 9},
        {"features.chat", 10}, {"features.chat.backends", 10}, {"features.chat.backends[0]", 10},
        {"features.chat.backends[0][1]", 10}, {"features.chat.backends[1]", 11}, {"label", 12}, {"version", 14},
        {"nothing", 0}, {"features.assistant.backends[2]", 0}, {"features.assistant.backends[0].role.x", 0},
        {"market.x", 0}, {"feature", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const size_t line = tdm__yaml_line_of(TDM_STR(yaml), cases[i].path);
        if (line != cases[i].line)
            fail_msg("%s: line %zu, not %zu", cases[i].path, line, cases[i].line);
    }
    /* also in a file that is broken further down */
    assert_int_equal(tdm__yaml_line_of(TDM_STR("a: 1\nb: 2\nc: *x\n"), "b"), 2);
    assert_int_equal(tdm__yaml_line_of(TDM_STR("a: 1\nb: *x\nc: 1\n"), "c"), 0);
}

static uint64_t random_state;

static unsigned random_below(unsigned n) /* xorshift64 */
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % n;
}

static json_t *random_text(void)
{
    static const char *const pieces[] = {"a", "Z", " ", "0", "-", ":", ": ", "#", " #", "'", "\"", "\\", "{", "]", ",",
                                         "&x", "*x", "!t", "%", "@", "`", "|", ">", "?", "\n", "\t", "é", "中",
                                         "\U0001F600",
                                         "no", "1e3", "~", "<<"};
    char text[64] = "";
    size_t len = 0;
    for (unsigned n = random_below(8); n > 0; n--)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s",
                                pieces[random_below(sizeof pieces / sizeof pieces[0])]);
    return json_string(text);
}

static json_t *random_value(unsigned depth)
{
    const unsigned kind = random_below(depth > 0 ? 7 : 5);
    json_t *v = NULL;
    switch (kind) {
    case 0: return json_integer((json_int_t)random_below(1u << 31) - (1 << 30));
    case 1: return json_boolean(random_below(2));
    case 2: return json_null();
    case 3:
    case 4: return random_text();
    case 5:
        v = json_array();
        for (unsigned n = random_below(5); n > 0; n--)
            json_array_append_new(v, random_value(depth - 1));
        return v;
    default:
        v = json_object();
        for (unsigned n = random_below(5); n > 0; n--) {
            json_t *key = random_text();
            if (json_string_length(key) > 0)
                json_object_set_new(v, json_string_value(key), random_value(depth - 1));
            json_decref(key);
        }
        return v;
    }
}

/* JSON is YAML, and jansson writes it: what it writes is read as it reads it. */
static void json_is_read_as_json(void **state)
{
    static const size_t styles[] = {JSON_INDENT(2), JSON_INDENT(1) | JSON_SORT_KEYS, 0};
    (void)state;
    random_state = 0x9E3779B97F4A7C15u;
    for (unsigned i = 0; i < 20000; i++) {
        json_t *v = json_array();
        for (unsigned n = 0; n < 6; n++)
            json_array_append_new(v, random_value(6));
        char *text = json_dumps(v, JSON_ENCODE_ANY | styles[i % 3]);
        assert_non_null(text);
        json_t *back = read_or_fail(text, strlen(text));
        if (!json_equal(v, back))
            fail_msg("%s\nis read as something else", text);
        json_decref(back);
        json_decref(v);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_stay_what_was_written), cmocka_unit_test(every_mistake_has_its_line),
        cmocka_unit_test(size_depth_and_keys_are_bounded), cmocka_unit_test(a_place_has_its_line),
        cmocka_unit_test(json_is_read_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
