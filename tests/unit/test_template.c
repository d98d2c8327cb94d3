/* test_template.c - chat templates against Python's jinja2 (tests/golden/templates, made by
 * tools/make_template_vectors.py), where every byte came from, and what hostile templates run into. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "model/gguf.h"
#include "os/clock.h"
#include "text/template.h"

enum { VECTORS_NOW = 1700000000, HOSTILE_MS_MAX = 2000 /* about 100 without a sanitizer or a busy machine */ };

static tdm__str member(json_t *o, const char *name)
{
    json_t *v = json_object_get(o, name);
    return (tdm__str){json_string_value(v), json_string_length(v)};
}

static json_t *load(const char *folder, const char *file)
{
    char path[1024];
    json_error_t bad;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    json_t *j = json_load_file(path, JSON_ALLOW_NUL, &bad);
    if (!j)
        fail_msg("%s:%d: %s", path, bad.line, bad.text);
    return j;
}

static tdm_status render(tdm__str source, json_t *o, tdm__rendered *out, tdm_error *err)
{
    tdm__template *t = NULL;
    tdm__template_input in = {.values = json_object_get(o, "values"),
                              .bos_token = member(o, "bos"),
                              .eos_token = member(o, "eos"),
                              .add_generation_prompt = json_is_true(json_object_get(o, "add_generation_prompt")),
                              .now_unix_s = VECTORS_NOW};
    tdm_status s = tdm__template_create(source, &t, err);
    if (s == TDM_OK)
        s = tdm__template_render(t, &in, out, err);
    tdm__template_destroy(t);
    return s;
}

static bool agrees(tdm__str source, json_t *o)
{
    tdm__rendered r = {0};
    tdm_error err = {0};
    tdm__str want = member(o, "text");
    tdm_status s = render(source, o, &r, &err);
    bool same = want.ptr ? s == TDM_OK && r.len == want.len && memcmp(r.text, want.ptr, r.len) == 0 : s < 0;
    if (!same) {
        print_error("template: %s\n    want: %s\n    got:  %s\n", json_string_value(json_object_get(o, "template")),
                    want.ptr ? want.ptr : "an error", s == TDM_OK ? r.text : err.msg);
    }
    if (s < 0 && (err.code != s || strncmp(err.msg, "chat template", 13) != 0))
        same = false;
    tdm__rendered_fini(&r);
    return same;
}

static void every_construct_renders_as_in_jinja2(void **state)
{
    const char *folder = *state;
    json_t *cases = load(folder, "cases.json"), *o;
    size_t i, wrong = 0;
    json_array_foreach(cases, i, o) wrong += !agrees(member(o, "template"), o);
    assert_true(i > 1000);
    json_decref(cases);
    assert_int_equal(wrong, 0);
}

static void templates_of_real_models_render_as_in_jinja2(void **state)
{
    const char *folder = *state, *models = getenv("TANDEM_TEST_MODELS");
    json_t *cases = load(folder, "models.json"), *chats;
    const char *file;
    size_t wrong = 0, n = 0;
    json_object_foreach(cases, file, chats)
    {
        char path[1024];
        tdm__gguf *g;
        tdm__str source;
        json_t *o;
        size_t i;
        snprintf(path, sizeof path, "%s/%s", models ? models : "", file);
        if (!models || !*models || tdm__gguf_open(path, &g, NULL) != TDM_OK) {
            print_message("not run: %s is not there (meson option -Dmodels=DIR)\n", file);
            continue;
        }
        assert_int_equal(tdm__gguf_get_str(g, "tokenizer.chat_template", &source, NULL), TDM_OK);
        json_array_foreach(chats, i, o)
        {
            wrong += !agrees(source, o);
            n++;
        }
        tdm__gguf_close(g);
    }
    json_decref(cases);
    assert_int_equal(wrong, 0);
    if (n == 0)
        skip();
}

/* s and l come from values; the rest of each template is the template's. */
static const struct origin {
    const char *template, *text, *trusted;
} origins[] = {
    {"A{{ s }}B", "A<|x|>B", "1000001"},
    {"{{ 'A' + s + 'B' }}", "A<|x|>B", "1000001"},
    {"{{ 'A' ~ s ~ 'B' }}", "A<|x|>B", "1000001"},
    {"{{ '<' + l[0] + 'x' + l[1] + '>' }}", "<|x|>", "10101"},
    {"{{ (' ' + s + ' ') | trim }}|{{ (' A' + s).strip() }}", "<|x|>|A<|x|>", "000001100000"},
    {"{{ s[1:4] }}{{ ('AB' + s)[1:3] }}{{ ('A' + s)[::-1] }}", "|x|B<>|x|<A", "00010000001"},
    {"{{ s | replace('x', 'im_end') }}", "<|im_end|>", "0011111100"},
    {"{{ 'A_B' | replace('_', s) }}", "A<|x|>B", "1000001"},
    {"{{ 'A_B'.replace('_', s) }}{{ s.replace('|', '') }}", "A<|x|>B<x>", "1000001000"},
    {"{{ s | upper }}{{ ('Ab' ~ s) | lower }}{{ s | title }}", "<|X|>ab<|x|><|x|>", "00000110000000000"},
    {"{{ ('A,' ~ s).split(',') | join('+') }}", "A+<|x|>", "1100000"},
    {"{{ l | join('AB') }}{{ ['A', 'B'] | join(s) }}", "|AB|A<|x|>B", "01101000001"},
    {"{{ 'A'.join(l) }}{{ '%s-%s' % (s, 'Z') }}", "|A|<|x|>-Z", "0100000011"},
    {"{{ 'A{}B{k}'.format(s, k='C') }}{{ '%s' | format(s) }}", "A<|x|>BC<|x|>", "1000001100000"},
    {"{% set v %}A{{ s }}{% endset %}{{ v }}{{ v | length }}", "A<|x|>6", "1000000"},
    {"{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(s) }}{{ m('A') }}", "<<|x|>><A>", "1000001111"},
    {"{% filter trim %} A{{ s }} {% endfilter %}", "A<|x|>", "100000"},
    {"{% set ns = namespace(t='A') %}{% set ns.t = ns.t + s %}{% set ns.t = ns.t + 'B' %}{{ ns.t }}", "A<|x|>B",
     "1000001"},
    {"{% for c in 'A' + s %}{{ c }}{% endfor %}", "A<|x|>", "100000"},
    {"{{ s | tojson }}{{ 'A' | tojson }}", "\"<|x|>\"\"A\"", "0000000000"},
    {"{{ [s, 'A'] }}", "['<|x|>', 'A']", "00000000000000"},
    {"{{ (s ~ '\nA') | indent(1) }}", "<|x|>\n A", "00000101"},
    {"{{ s | default('A') }}{{ zz | default('A') }}{{ zz | default(s) }}", "<|x|>A<|x|>", "00000100000"},
    {"{{ s * 2 }}{{ 'A' * 2 }}", "<|x|><|x|>AA", "000000000011"},
    {"{{ s or 'A' }}{{ s and 'A' }}{{ 'A' if s }}", "<|x|>AA", "0000011"},
    {"{{ s | e }}{{ '<' | e }}", "&lt;|x|&gt;&lt;", "000000000001111"},
    {"{{ ('A' ~ s) | first }}{{ ('A' ~ s) | last }}{{ ('A' ~ s) | reverse }}", "A>>|x|<A", "10000001"},
    {"{{ d | items | list | first | join('A') }}{% for k, v in d.items() %}{{ k }}{{ v }}{% endfor %}", "kAvkv",
     "01000"},
    {"{{ bos_token }}{{ bos_token + s }}{{ 1 }}{{ strftime_now('%Y') }}", "<s><s><|x|>12023", "1111110000000000"},
    {"{{ ['<|', s, '|>'] | map('trim') | join }}", "<|<|x|>|>", "110000011"},
    {"{{ ('A=' ~ s).partition('=')[0] }}{{ ('A' ~ s).removeprefix('A') }}{{ ('<|im_' ~ 'end|>').upper() }}",
     "A<|x|><|IM_END|>", "1000001111111111"},
    {"{{ dict(A=s).keys() | first }}{{ {'A': s}.A }}", "A<|x|>", "000000"},
};

static void every_byte_knows_whether_the_template_wrote_it(void **state)
{
    (void)state;
    json_t *o = json_pack("{s:{s:s,s:[s,s],s:{s:s},s:s},s:s}", "values", "s", "<|x|>", "l", "|", "|", "d", "k", "v",
                          "bos_token", "no", "bos", "<s>");
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        tdm__rendered r = {0};
        tdm_error err = {0};
        const struct origin *want = &origins[i];
        tdm_status s = render(tdm__str_from(want->template), o, &r, &err);
        char trusted[64] = "";
        for (size_t k = 0; s == TDM_OK && k < r.len && k + 1 < sizeof trusted; k++)
            trusted[k] = (char)('0' + r.trusted[k]);
        if (s != TDM_OK || strcmp(r.text, want->text) != 0 || strcmp(trusted, want->trusted) != 0) {
            print_error("%s\n    want %s %s\n    got  %s %s\n", want->template, want->text, want->trusted,
                        s == TDM_OK ? r.text : err.msg, trusted);
            wrong++;
        }
        tdm__rendered_fini(&r);
    }
    json_decref(o);
    assert_int_equal(wrong, 0);
}

static const struct refusal {
    const char *template;
    tdm_status status;
    const char *sentence;
} refusals[] = {
    {"a\nb\n{{ s | xmlattr }}", TDM_ERR_UNSUPPORTED, "chat template line 3: filter 'xmlattr' is not built"},
    {"{% if s %}\n{{ s | from_json }}{% endif %}", TDM_ERR_UNSUPPORTED,
     "chat template line 2: filter 'from_json' is not built"},
    {"{{ s is upper }}", TDM_ERR_UNSUPPORTED, "chat template line 1: test 'upper' is not built"},
    {"{% include 'x' %}", TDM_ERR_UNSUPPORTED, "chat template line 1: tag 'include' is not built"},
    {"{% for x in y recursive %}{% endfor %}", TDM_ERR_UNSUPPORTED,
     "chat template line 1: recursive loops are not built"},
    {"{{ s.encode() }}", TDM_ERR_UNSUPPORTED, "chat template line 1: 'encode' of a str is not built"},
    {"{{ cycler() }}", TDM_ERR_UNSUPPORTED, "chat template line 1: function 'cycler' is not built"},
    {"\n{% if %}", TDM_ERR_FORMAT, "chat template line 2: expected an expression, found the end of the tag"},
    {"{% for x in s %}", TDM_ERR_FORMAT, "chat template line 1: the template ends before 'endfor'"},
    {"\n\n{{ q.r }}", TDM_ERR_INVAL, "chat template line 3: 'q' is undefined"},
    {"{{ d.k.append(1).x }}", TDM_ERR_INVAL, "chat template line 1: 'append' is undefined"},
    {"{{ l.append(1) }}", TDM_ERR_INVAL, "chat template line 1: 'append' is not allowed in a template"},
    {"{{ d[s].x }}", TDM_ERR_INVAL, "chat template line 1: a value is undefined"},
    {"{{ s.__class__.__mro__ }}", TDM_ERR_INVAL, "chat template line 1: '__class__' is not allowed in a template"},
    {"{{ raise_exception('role ' ~ s ~ '?') }}", TDM_ERR_INVAL, "chat template line 1: role ...?"},
    {"{{ raise_exception(s) }}", TDM_ERR_INVAL, "chat template line 1: ..."},
    {"{{ s + 1 }}", TDM_ERR_INVAL, "chat template line 1: '+' cannot join a str and an int"},
    {"{{ 9223372036854775807 + 1 }}", TDM_ERR_LIMIT, "chat template line 1: an integer beyond 64 bits"},
    {"{{ 'a' | map(s) }}", TDM_ERR_UNSUPPORTED, "chat template line 1: a filter named in 'map' is not built"},
};

static void refusals_name_the_construct_and_its_line_and_no_user_text(void **state)
{
    (void)state;
    json_t *o = json_pack("{s:{s:s,s:[s,s],s:{s:s}}}", "values", "s", "secret", "l", "|", "|", "d", "k", "v");
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        tdm__rendered r = {0};
        tdm_error err = {0};
        assert_int_equal(render(tdm__str_from(refusals[i].template), o, &r, &err), refusals[i].status);
        assert_string_equal(err.msg, refusals[i].sentence);
    }
    json_decref(o);
}

/* Templates that would run for ever, or take all memory. */
static const char *const hostile[] = {
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
    "{{ range(10 ** 9) }}",
    "{% set ns = namespace(s='x') %}{% for a in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s='x') %}{% for a in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "{% set ns = namespace(s=[1]) %}{% for a in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "{% set ns = namespace(s=[1]) %}{% for a in range(64) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
    "{% set ns = namespace(s=[1]) %}{% for a in range(64) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | "
    "tojson }}",
    "{% set ns = namespace(s=[1], t=[1]) %}{% for a in range(64) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, "
    "ns.t] %}{% endfor %}{{ ns.s == ns.t }}",
    "{% set ns = namespace(s=1) %}{% for a in range(2000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
    "{{ 'x' * 1000000000 }}",
    "{{ '' * 1000000000 }}{{ [1] * 1000000000 }}",
    "{{ 'x' | indent(1000000000) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ [] | batch(1000000000, 1) | list }}{{ [1] | batch(1000000000, 1) | list }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% macro m(x) %}{{ m(x + x) }}{{ m(x) }}{% endmacro %}{{ m('a') }}",
    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "{% set x = 'a' * 1000000 %}{% for a in range(100000) %}{% set y = x.split('a') %}{% endfor %}",
    "{% set x = 'a' * 1000000 %}{% for a in range(100000) %}{% set y = x | upper %}{% endfor %}",
    "{% set x = 'a' * 1000000 %}{% for a in range(100000) %}{% set y = x.rfind('b') %}{% endfor %}",
    "{% set x = 'a' * 1000000 %}{% for a in range(100000) %}{% if x == x ~ '' %}{% endif %}{% endfor %}",
    "{% set x = ('a' * 1000000) ~ 'b' %}{% for a in range(100000) %}{% if x in x ~ 'c' %}{% endif %}{% endfor %}",
    "{% set x = 'b' ~ 'a' * 100000 %}{{ ('a' * 1000000).rsplit(x) | length }}{% for a in range(100000) %}{% set "
    "y = ('a' * "
    "100000).rsplit(x) %}{% endfor %}",
    "{% set x = '\\u03a3' * 100000 %}{% for a in range(1000) %}{% set y = x | lower %}{% endfor %}",
    "{% set x = '\\u4f60' * 100000 %}{% for a in range(100000) %}{% set y = x[a] %}{% endfor %}",
    "{{ range(100000) | map('string') | unique | list | length }}",
    "{% set ns = namespace() %}{% for a in range(100000) %}{% set d = dict(range(1000) | batch(2)) %}{% endfor %}",
};

/* Of this process: a machine that is busy with something else is no fault of a template. */
static uint64_t own_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void hostile_templates_end_soon_with_a_limit(void **state)
{
    (void)state;
    json_t *o = json_object();
    uint64_t slowest_ns = 0;
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        tdm__rendered r = {0};
        tdm_error err = {0};
        uint64_t start_ns = own_ns();
        tdm_status s = render(tdm__str_from(hostile[i]), o, &r, &err);
        uint64_t took_ns = own_ns() - start_ns;
        slowest_ns = took_ns > slowest_ns ? took_ns : slowest_ns;
        if (s != TDM_ERR_LIMIT || took_ns > HOSTILE_MS_MAX * UINT64_C(1000000))
            fail_msg("%s: %s, %llu ms", hostile[i], s < 0 ? err.msg : "no error",
                     (unsigned long long)(took_ns / 1000000));
    }
    print_message("slowest: %llu ms\n", (unsigned long long)(slowest_ns / 1000000));
    json_decref(o);
}

/* n times what, between before and after */
static char *repeat(const char *before, const char *what, size_t n, const char *after)
{
    size_t len = strlen(what), head = strlen(before);
    char *text = malloc(head + n * len + strlen(after) + 1);
    assert_non_null(text);
    memcpy(text, before, head);
    for (size_t i = 0; i < n; i++)
        memcpy(text + head + i * len, what, len);
    memcpy(text + head + n * len, after, strlen(after) + 1);
    return text;
}

static void deep_and_large_sources_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *before, *what, *after;
        size_t n;
    } sources[] = {
        {"{{ ", "(", "1", 5000},       {"{{ ", "[", "", 5000},          {"{{ ", "not ", "1 }}", 20000},
        {"{{ ", "-", "1 }}", 20000},   {"", "{% if 1 %}", "", 5000},    {"{{ 1", " if 1 else 1", " }}", 5000},
        {"{{ 1", " + 1", " }}", 9000}, {"{{ x", ".x", " }}", 9000},     {"{{ 1", "|int", " }}", 9000},
        {"", "{{ 1 }}", "", 30000},    {"", "x", "", 300000},           {"{{ f", "()", " }}", 9000},
        {"{{ 1", " and 1", " }}", 9000}, {"{% set ", "(", "x", 5000},   {"", "{% macro m() %}", "", 5000},
    };
    json_t *o = json_object();
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        char *text = repeat(sources[i].before, sources[i].what, sources[i].n, sources[i].after);
        tdm__rendered r = {0};
        tdm_error err = {0};
        tdm_status s = render(tdm__str_from(text), o, &r, &err);
        if (s != TDM_ERR_LIMIT && s != TDM_ERR_INVAL) /* an attribute of what is undefined comes before the depth */
            fail_msg("%zu times %s: %s", sources[i].n, sources[i].what, s < 0 ? err.msg : "no error");
        free(text);
    }
    json_decref(o);
}

static void values_nested_too_deep_are_refused(void **state)
{
    (void)state;
    json_t *v = json_array();
    for (int i = 0; i < 100; i++) {
        json_t *outer = json_array();
        json_array_append_new(outer, v);
        v = outer;
    }
    json_t *o = json_pack("{s:{s:o}}", "values", "v", v);
    tdm__rendered r = {0};
    tdm_error err = {0};
    assert_int_equal(render(TDM_STR("{{ v }}"), o, &r, &err), TDM_ERR_LIMIT);
    assert_int_equal(render(TDM_STR("{{ w }}"), o, &r, &err), TDM_OK); /* what is not named is not read */
    tdm__rendered_fini(&r);
    json_decref(o);
}

static void a_source_or_a_token_that_is_no_utf8_is_refused(void **state)
{
    (void)state;
    json_t *o = json_object();
    tdm__rendered r = {0};
    tdm_error err = {0};
    tdm__template *t;
    assert_int_equal(render(TDM_STR("a\xff"), o, &r, &err), TDM_ERR_FORMAT);
    assert_int_equal(tdm__template_create(TDM_STR("{{ bos_token }}"), &t, &err), TDM_OK);
    tdm__template_input in = {.values = o, .bos_token = TDM_STR("\xc3(")};
    assert_int_equal(tdm__template_render(t, &in, &r, &err), TDM_ERR_FORMAT);
    tdm__template_destroy(t);
    json_decref(o);
}

/* A conversation of about 100 KB, the long way round: through a namespace, trim, replace and tojson. */
static void a_long_conversation_renders_in_time(void **state)
{
    (void)state;
    static const char template[] = "{% set ns = namespace(t='') %}{% for m in messages %}{{ '<|im_start|>' + "
        "m.role + '\\n' + "
                                   "m['content'] | trim + '<|im_end|>\\n' }}{% set ns.t = ns.t + m.content %}{% "
                                   "endfor %}"
                                   "{{ ns.t | length }}{{ messages | tojson | length }}";
    json_t *messages = json_array();
    char *text = repeat("", "lorem ipsum ", 80, "\n");
    for (int i = 0; i < 100; i++)
        json_array_append_new(messages, json_pack("{s:s,s:s}", "role", i % 2 ? "assistant" : "user", "content", text));
    json_t *o = json_pack("{s:{s:o}}", "values", "messages", messages);
    tdm__rendered r = {0};
    uint64_t start_ns = tdm__clock_ns();
    assert_int_equal(render(tdm__str_from(template), o, &r, NULL), TDM_OK);
    uint64_t took_us = (tdm__clock_ns() - start_ns) / 1000;
    print_message("%zu bytes in %llu us\n", r.len, (unsigned long long)took_us);
    assert_true(r.len > 95000 && took_us < 500000); /* about 1,000 on a quiet machine */
    tdm__rendered_fini(&r);
    json_decref(o);
    free(text);
}

int main(void)
{
    static char here[] = "tests/golden/templates";
    char *folder = getenv("TANDEM_TEST_TEMPLATES");
    if (!folder)
        folder = here;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(every_construct_renders_as_in_jinja2, folder),
        cmocka_unit_test_prestate(templates_of_real_models_render_as_in_jinja2, folder),
        cmocka_unit_test(every_byte_knows_whether_the_template_wrote_it),
        cmocka_unit_test(refusals_name_the_construct_and_its_line_and_no_user_text),
        cmocka_unit_test(hostile_templates_end_soon_with_a_limit),
        cmocka_unit_test(deep_and_large_sources_are_refused),
        cmocka_unit_test(values_nested_too_deep_are_refused),
        cmocka_unit_test(a_source_or_a_token_that_is_no_utf8_is_refused),
        cmocka_unit_test(a_long_conversation_renders_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
