/* test_verb_text.c - words, sentences, languages, and the facts of a text, in English and Chinese. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "feature/verb_facts.h"
#include "feature/verb_language.h"
#include "feature/verb_text.h"

/* The words as "a|b|c". */
static void assert_words(const char *text, const char *wanted)
{
    char got[512] = "";
    size_t n = 0;
    tdm__words it = tdm__words_of(tdm__str_from(text));
    for (tdm__word w; tdm__words_next(&it, &w);)
        n += (size_t)snprintf(got + n, sizeof got - n, "%s%.*s", n ? "|" : "", (int)(w.end - w.start), text + w.start);
    assert_string_equal(got, wanted);
}

static void words_keep_together_what_belongs_together(void **state)
{
    (void)state;
    assert_words("I don't owe 18,000.50 euros.", "I|don't|owe|18,000.50|euros|.");
    assert_words("see https://a.example/b?c=1, or me@b.example!", "see|https://a.example/b?c=1|,|or|me@b.example|!");
    assert_words("@alex at 7:30", "@alex|at|7:30");
    assert_words("order BN-77310-K, v4.18.2", "order|BN-77310-K|,|v4.18.2");
    assert_words("我有2只iPhone。", "我|有|2|只|iPhone|。");
    assert_words("\xff\xfe", "\xff|\xfe");
    assert_words("", "");
}

static void assert_sentences(const char *text, const char *wanted)
{
    char got[512] = "";
    size_t n = 0;
    const tdm__str s = tdm__str_from(text);
    for (size_t at = 0, end; at < s.len; at = end) {
        end = tdm__sentence_end(s, at);
        assert_true(end > at);
        const tdm__str one = tdm__str_trim(tdm__str_sub(s, at, end));
        n += (size_t)snprintf(got + n, sizeof got - n, "%s%.*s", n ? "|" : "", (int)one.len, one.ptr);
    }
    assert_string_equal(got, wanted);
}

static void sentences_end_at_their_marks_and_not_at_titles_or_numbers(void **state)
{
    (void)state;
    assert_sentences("Mr. Novak came. He left at 7.30 p.m. again.", "Mr. Novak came.|He left at 7.30 p.m. again.");
    assert_sentences("\"Stop!\" he said. J. Doe nodded.", "\"Stop!\" he said.|J. Doe nodded.");
    assert_sentences("他来了。“等天晴。”然后走了！好吗？", "他来了。|“等天晴。”|然后走了！|好吗？");
    assert_sentences("one\ntwo", "one|two");
    assert_sentences("no end", "no end");
}

static void a_speaker_is_a_short_name_before_a_colon(void **state)
{
    (void)state;
    assert_int_equal(tdm__speaker_len(TDM_STR("Nina: hello")), 6);
    assert_int_equal(tdm__speaker_len(TDM_STR("Mrs. Bell: hello")), 11);
    assert_int_equal(tdm__speaker_len(TDM_STR("老周：你好")), sizeof "老周：" - 1);
    assert_int_equal(tdm__speaker_len(TDM_STR("at 7:30 we go")), 0);
    assert_int_equal(tdm__speaker_len(TDM_STR("https://a.example")), 0);
    assert_int_equal(tdm__speaker_len(TDM_STR("I said it, and again: no")), 0);
}

static void assert_language(const char *text, tdm__language_kind kind)
{
    assert_int_equal(tdm__language_find(tdm__str_from(text)).kind, kind);
}

static void languages_are_told_by_script_and_common_words(void **state)
{
    (void)state;
    assert_language("The meeting is on Monday.", TDM__TEXT_ENGLISH);
    assert_language("会议在星期一，用Zoom开。", TDM__TEXT_CHINESE);
    assert_language("La réunion est lundi et les clients sont avec nous dans la salle.", TDM__TEXT_OTHER);
    assert_language("Die Sitzung ist nicht am Montag und wir kommen mit dem Zug.", TDM__TEXT_OTHER);
    assert_language("会議は月曜日です。よろしくお願いします。", TDM__TEXT_OTHER);
    assert_language("회의는 월요일입니다", TDM__TEXT_OTHER);
    assert_language("الاجتماع يوم الاثنين", TDM__TEXT_OTHER);
    assert_language("Встреча в понедельник", TDM__TEXT_OTHER);
    assert_language("12:30 -- !!", TDM__TEXT_UNKNOWN);
}

static void traditional_writing_does_not_stand_for_simplified(void **state)
{
    (void)state;
    const tdm__language_found simple = tdm__language_find(TDM_STR("这个问题我们还没说")),
                              old = tdm__language_find(TDM_STR("這個問題我們還沒說"));
    assert_true(tdm__language_same(&simple, &simple));
    assert_true(tdm__language_same(&old, &old));
    assert_false(tdm__language_same(&simple, &old));
    assert_false(tdm__language_same(&old, &simple));
}

/* The facts as "number:a|name:b". */
static void assert_facts(const char *text, const char *wanted)
{
    static const char *const kinds[] = {"?", "number", "name", "address"};
    char got[512] = "";
    size_t n = 0;
    tdm__arena a;
    tdm__facts f;
    tdm__arena_init(&a, "test", 1 << 20);
    assert_int_equal(tdm__facts_find(tdm__str_from(text), &a, &f, NULL), TDM_OK);
    for (size_t i = 0; i < f.n; i++)
        n += (size_t)snprintf(got + n, sizeof got - n, "%s%s:%.*s", n ? "|" : "", kinds[f.items[i].kind],
                              (int)f.items[i].text.len, f.items[i].text.ptr);
    assert_string_equal(got, wanted);
    tdm__arena_reset(&a);
}

static void facts_are_numbers_names_and_addresses(void **state)
{
    (void)state;
    assert_facts("Yesterday Anna's cat ate 3 of 1,200 fish.", "name:Anna|number:3|number:1,200");
    assert_facts("I think I'm right. Tom left at 7:30.", "number:7:30");
    assert_facts("Write to me@b.example or see www.b.example.", "address:me@b.example|address:www.b.example");
    assert_facts("order BN-77310-K on the 30th", "number:77310|name:BN-77310-K|number:30");
    assert_facts("How A Library In Fenwick Survived\n", "");
    assert_facts("赵经理说《茶叶科学》的小林用iPhone付了85元。",
                 "name:赵经理|name:茶叶科学|name:小林|name:iPhone|number:85");
    assert_facts("用了三个小时，老师说万事如意。", "");
}

static void facts_are_compared_by_value_and_found_wherever_they_stand(void **state)
{
    (void)state;
    tdm__arena a;
    tdm__facts had, have;
    tdm__arena_init(&a, "test", 1 << 20);
    assert_int_equal(tdm__facts_find(TDM_STR("we told Anna that 18,000 came"), &a, &had, NULL), TDM_OK);
    assert_int_equal(tdm__facts_find(TDM_STR("Anna knows of 18000."), &a, &have, NULL), TDM_OK);
    assert_null(tdm__facts_find_missing(&had, &have, TDM__FACT_NONE));
    assert_int_equal(tdm__facts_find(TDM_STR("Annabel knows of 1800."), &a, &have, NULL), TDM_OK);
    assert_non_null(tdm__facts_find_missing(&had, &have, TDM__FACT_NUMBER));
    assert_non_null(tdm__facts_find_missing(&had, &have, TDM__FACT_NAME));
    tdm__arena_reset(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_keep_together_what_belongs_together),
        cmocka_unit_test(sentences_end_at_their_marks_and_not_at_titles_or_numbers),
        cmocka_unit_test(a_speaker_is_a_short_name_before_a_colon),
        cmocka_unit_test(languages_are_told_by_script_and_common_words),
        cmocka_unit_test(traditional_writing_does_not_stand_for_simplified),
        cmocka_unit_test(facts_are_numbers_names_and_addresses),
        cmocka_unit_test(facts_are_compared_by_value_and_found_wherever_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
