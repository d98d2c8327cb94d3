/* test_label.c - the visible line: the market's words, the model, the filing; whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "label/label.h"

static const tdm__market_policy market = {
    .needs_label = true, .label_en = "AI generated", .label_zh = "人工智能生成"};

static void assert_label(const tdm__market_policy *p, const char *language, const char *filing, bool is_emulated,
                         const char *expected)
{
    tdm__buf b;
    tdm__buf_init(&b, 1024);
    assert_int_equal(tdm__buf_append_z(&b, "text"), TDM_OK);
    assert_int_equal(tdm__label_put(p, language, "Qwen", filing, is_emulated, &b), TDM_OK);
    assert_string_equal(tdm__buf_cstr(&b) + 4, expected);
    tdm__buf_fini(&b);
}

static void the_line_has_words_model_and_filing(void **state)
{
    (void)state;
    assert_label(&market, "en", "CASE-7", false, "\n\n[AI generated \xc2\xb7 Qwen \xc2\xb7 CASE-7]");
    assert_label(&market, "en", "", false, "\n\n[AI generated \xc2\xb7 Qwen]");
    assert_label(&market, NULL, "", true, "\n\n[AI generated \xc2\xb7 Qwen \xc2\xb7 EMULATED]");
}

/* The measures ask for an AI element and a generation element: 人工智能 and 生成. */
static void the_chinese_line_has_both_elements(void **state)
{
    (void)state;
    tdm__buf b;
    tdm__buf_init(&b, 1024);
    assert_int_equal(tdm__label_put(&market, "zh", "Qwen", "C", false, &b), TDM_OK);
    assert_non_null(strstr(tdm__buf_cstr(&b), "人工智能"));
    assert_non_null(strstr(tdm__buf_cstr(&b), "生成"));
    tdm__buf_fini(&b);
}

static void missing_words_come_from_the_other_language(void **state)
{
    (void)state;
    tdm__market_policy p = market;
    p.label_zh = "";
    assert_label(&p, "zh", "", false, "\n\n[AI generated \xc2\xb7 Qwen]");
}

static void a_market_that_asks_for_none_gets_none(void **state)
{
    (void)state;
    tdm__market_policy p = market;
    p.needs_label = false;
    assert_label(&p, "en", "CASE-7", true, "");
}

static void a_line_that_does_not_fit_leaves_nothing(void **state)
{
    (void)state;
    tdm__buf b;
    tdm__buf_init(&b, 20);
    assert_int_equal(tdm__buf_append_z(&b, "text"), TDM_OK);
    assert_int_equal(tdm__label_put(&market, "en", "Qwen", "CASE-7", false, &b), TDM_ERR_LIMIT);
    assert_string_equal(tdm__buf_cstr(&b), "text");
    tdm__buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_has_words_model_and_filing),
        cmocka_unit_test(the_chinese_line_has_both_elements),
        cmocka_unit_test(missing_words_come_from_the_other_language),
        cmocka_unit_test(a_market_that_asks_for_none_gets_none),
        cmocka_unit_test(a_line_that_does_not_fit_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
