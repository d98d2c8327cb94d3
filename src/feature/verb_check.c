/* verb_check.c - the checks of verb_check.h. Each looks for one thing that small models do, all seen in practice. */
#include "feature/verb_check.h"

#include "base/error.h"
#include "feature/verb_text.h"

const char *tdm__flaw_text(tdm__flaw f)
{
    static const char *const texts[] = {
        [TDM__FLAW_NONE] = "nothing was wrong",
        [TDM__FLAW_EMPTY] = "there was no text",
        [TDM__FLAW_CUT] = "it did not end within its tokens",
        [TDM__FLAW_LANGUAGE] = "the language was another",
        [TDM__FLAW_TALK] = "it talked about the task",
        [TDM__FLAW_NUMBER_LOST] = "numbers were lost",
        [TDM__FLAW_NAME_LOST] = "names or addresses were lost",
        [TDM__FLAW_QUESTION_LOST] = "a question was lost",
        [TDM__FLAW_NUMBER_ADDED] = "numbers were added",
        [TDM__FLAW_NAME_ADDED] = "names or addresses were added",
        [TDM__FLAW_TOO_LONG] = "it was too long",
        [TDM__FLAW_TOO_SHORT] = "it was too short",
        [TDM__FLAW_REPEATS] = "it repeated itself",
        [TDM__FLAW_UNCHANGED] = "nothing was changed",
        [TDM__FLAW_SAME] = "it was the same as another one",
    };
    return (size_t)f < sizeof texts / sizeof *texts ? texts[f] : texts[0];
}

/* ---- talk ---- */

static bool starts_with_any(tdm__str s, const char *const *begins, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tdm__str_starts_fold(s, tdm__str_from(begins[i])))
            return true;
    return false;
}

#define STARTS(s, array) starts_with_any((s), (array), sizeof(array) / sizeof *(array))

bool tdm__check_is_talk(tdm__str s)
{
    static const char *const begins[] = {
        "Sure, here",
        "Sure! Here",
        "Certainly! Here",
        "Certainly, here",
        "Of course! Here",
        "Of course, here",
        "Here is the",
        "Here's the",
        "Here is a",
        "Here's a",
        "Here are the",
        "Here are three",
        "Here are some",
        "Below is the",
        "The corrected text",
        "The rewritten text",
        "Corrected text",
        "Rewritten text",
        "Summary:",
        "I have rewritten",
        "I've rewritten",
        "I have corrected",
        "I've corrected",
        "I hope this helps",
        "Let me know if you",
        "Feel free to",
        "As an AI",
        "I'm sorry, but I",
        "I am sorry, but I",
        "Is there anything",
        "Note: I",
        "Please provide",
        "The text is already",
        "There are no mistakes",
        "The summary",
        "This text",
        "The text ",
        "The passage",
        "以下是",
        "好的，以下",
        "好的，这是",
        "当然，以下",
        "当然可以",
        "下面是",
        "改写后",
        "修改后",
        "改正后",
        "校对后",
        "这是改",
        "这是修",
        "这是校",
        "希望这",
        "希望对您",
        "希望能帮",
        "如果您还",
        "如有其他",
        "作为一个",
        "抱歉，我无法",
        "很抱歉，我",
        "请提供",
        "摘要：",
        "总结：",
        "原文",
        "这段文字",
        "这段话",
        "这篇文章",
        "本文",
    };
    return STARTS(tdm__str_trim(s), begins);
}

/* A preamble is a first line (or sentence) of talk, or one that ends in a colon and the source has no such line. */
static tdm__str without_preamble(tdm__str t, tdm__str source)
{
    const char *end = memchr(t.ptr, '\n', t.len);
    const size_t line = end ? (size_t)(end - t.ptr) + 1 : t.len;
    const tdm__str first = tdm__str_trim(tdm__str_sub(t, 0, line));
    const uint32_t last = tdm__str_last_char(first);
    const tdm__str rest = tdm__str_trim(tdm__str_sub(t, line, t.len));
    if (rest.len > 0 && (last == ':' || last == 0xff1a) && tdm__check_is_talk(first) && !tdm__str_has(source, first))
        return rest;
    static const char *const labels[] = {
        "Summary:", "Rewritten text:", "Corrected text:", "Corrected:", "Reply:",   "Rewritten:", "摘要：",
        "总结：",   "改写：",          "改写后：",        "改正：",     "修改后：", "回复：",     "校对后："};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        const tdm__str label = tdm__str_from(labels[i]);
        if (tdm__str_starts_fold(t, label) && !tdm__str_starts_fold(tdm__str_trim(source), label))
            return tdm__str_trim(tdm__str_sub(t, label.len, t.len));
    }
    return t;
}

/* The last paragraph, if it is an offer or a remark. */
static tdm__str without_closing(tdm__str t)
{
    for (size_t i = t.len; i > 1; i--)
        if (t.ptr[i - 1] == '\n' && t.ptr[i - 2] == '\n')
            return tdm__check_is_talk(tdm__str_sub(t, i, t.len)) ? tdm__str_trim(tdm__str_sub(t, 0, i)) : t;
    return t;
}

static tdm__str without_fence(tdm__str t, tdm__str source)
{
    if (!tdm__str_starts(t, TDM_STR("```")) || tdm__str_starts(tdm__str_trim(source), TDM_STR("```")))
        return t;
    const char *line = memchr(t.ptr, '\n', t.len);
    if (!line)
        return t;
    t = tdm__str_trim(tdm__str_sub(t, (size_t)(line - t.ptr) + 1, t.len));
    if (t.len >= 3 && memcmp(t.ptr + t.len - 3, "```", 3) == 0)
        t.len -= 3;
    return tdm__str_trim(t);
}

static tdm__str without_quotes(tdm__str t, tdm__str source)
{
    static const char *const pairs[][2] = {{"\"", "\""}, {"“", "”"}, {"「", "」"}, {"'", "'"}};
    source = tdm__str_trim(source);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const tdm__str open = tdm__str_from(pairs[i][0]), close = tdm__str_from(pairs[i][1]);
        if (t.len <= open.len + close.len || !tdm__str_starts(t, open) || tdm__str_starts(source, open) ||
            memcmp(t.ptr + t.len - close.len, close.ptr, close.len) != 0)
            continue;
        const tdm__str inside = tdm__str_sub(t, open.len, t.len - close.len);
        if (!tdm__str_has(inside, open))
            return tdm__str_trim(inside);
    }
    return t;
}

tdm__str tdm__check_unwrap(tdm__str text, tdm__str source)
{
    tdm__str t = tdm__str_trim(text);
    for (int i = 0; i < 3 && t.len > 0; i++) { /* they come in layers: a preamble, in it a fence, in it quotes */
        const size_t before = t.len;
        t = without_quotes(without_fence(without_closing(without_preamble(t, source)), source), source);
        if (t.len == before)
            break;
    }
    return t;
}

/* ---- repetition ---- */

bool tdm__check_repeats(tdm__str t)
{
    enum { UNIT_MIN = 12, UNIT_MAX = 240, TIMES = 3, CHECKED_MAX = 4096 };
    if (t.len > CHECKED_MAX)
        t = tdm__str_sub(t, t.len - CHECKED_MAX, t.len);
    for (size_t unit = UNIT_MIN; unit <= UNIT_MAX && unit * TIMES <= t.len; unit++) {
        size_t run = 0;
        for (size_t i = unit; i < t.len; i++) {
            run = t.ptr[i] == t.ptr[i - unit] && t.ptr[i] != ' ' ? run + 1 : t.ptr[i] == t.ptr[i - unit] ? run : 0;
            if (run >= unit * (TIMES - 1))
                return true;
        }
    }
    return false;
}

/* ---- a text against its source ---- */

tdm_status tdm__check_rule_init(tdm__check_rule *r, tdm__str source, tdm__arena *arena, tdm_error *err)
{
    *r = (tdm__check_rule){.source = source, .language = tdm__language_find(source)};
    return tdm__facts_find(source, arena, &r->facts, err);
}

static bool asks(tdm__str s)
{
    return memchr(s.ptr, '?', s.len) || tdm__str_has(s, TDM_STR("？"));
}

static tdm__flaw check_facts(const tdm__check_rule *r, const tdm__facts *of_text)
{
    if (tdm__facts_find_missing(of_text, &r->facts, TDM__FACT_NUMBER))
        return TDM__FLAW_NUMBER_ADDED;
    if (tdm__facts_find_missing(of_text, &r->facts, TDM__FACT_NONE))
        return TDM__FLAW_NAME_ADDED;
    if (!r->keeps_facts)
        return TDM__FLAW_NONE;
    if (asks(r->source) && !asks(of_text->text))
        return TDM__FLAW_QUESTION_LOST;
    if (tdm__facts_find_missing(&r->facts, of_text, TDM__FACT_NUMBER))
        return TDM__FLAW_NUMBER_LOST;
    return tdm__facts_find_missing(&r->facts, of_text, TDM__FACT_NONE) ? TDM__FLAW_NAME_LOST : TDM__FLAW_NONE;
}

tdm_status tdm__check_text(const tdm__check_rule *r, tdm__str text, tdm__arena *scratch, tdm__flaw *out, tdm_error *err)
{
    *out = TDM__FLAW_NONE;
    text = tdm__str_trim(text);
    const size_t n = tdm__str_n_chars(text);
    const tdm__language_found language = tdm__language_find(text);
    if (n == 0 || (language.n_words == 0 && r->language.n_words > 0))
        *out = TDM__FLAW_EMPTY;
    else if (r->chars_max > 0 && n > r->chars_max)
        *out = TDM__FLAW_TOO_LONG;
    else if (n < r->chars_min)
        *out = TDM__FLAW_TOO_SHORT;
    else if (r->language.n_words > 0 && !tdm__language_same(&r->language, &language))
        *out = TDM__FLAW_LANGUAGE;
    else if (tdm__check_is_talk(text) && !tdm__check_is_talk(r->source))
        *out = TDM__FLAW_TALK;
    else if (tdm__check_repeats(text) && !tdm__check_repeats(r->source))
        *out = TDM__FLAW_REPEATS;
    if (*out != TDM__FLAW_NONE)
        return TDM_OK;
    tdm__facts facts;
    TDM_TRY(tdm__facts_find(text, scratch, &facts, err));
    *out = check_facts(r, &facts);
    return TDM_OK;
}

/* ---- likeness ---- */

enum { LIKENESS_WORDS_MAX = 512 };

/* Up to LIKENESS_WORDS_MAX words; of two Chinese characters in a row one word. */
static tdm_status list_words(tdm__str text, tdm__arena *scratch, tdm__str **out, size_t *n, tdm_error *err)
{
    tdm__str *list = tdm__arena_array(scratch, LIKENESS_WORDS_MAX, sizeof *list);
    if (!list)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for comparing two texts");
    *n = 0;
    tdm__words it = tdm__words_of(text);
    tdm__word before = {0};
    for (tdm__word w; *n < LIKENESS_WORDS_MAX && tdm__words_next(&it, &w); before = w) {
        if (w.kind == TDM__WORD_MARK)
            continue;
        const bool is_pair = w.kind == TDM__WORD_HAN && before.kind == TDM__WORD_HAN && before.end == w.start;
        if (w.kind != TDM__WORD_HAN || is_pair)
            list[(*n)++] = tdm__str_sub(text, is_pair ? before.start : w.start, w.end);
    }
    *out = list;
    return TDM_OK;
}

static bool is_in(tdm__str word, const tdm__str *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (tdm__str_eq_fold(word, list[i]))
            return true;
    return false;
}

tdm_status tdm__check_likeness(tdm__str a, tdm__str b, tdm__arena *scratch, int *out, tdm_error *err)
{
    tdm__str *of_a, *of_b;
    size_t n_a, n_b, n_all = 0, n_common = 0;
    TDM_TRY(list_words(a, scratch, &of_a, &n_a, err));
    TDM_TRY(list_words(b, scratch, &of_b, &n_b, err));
    for (size_t i = 0; i < n_a; i++) { /* sets: a word counts once */
        if (is_in(of_a[i], of_a, i))
            continue;
        n_all++;
        n_common += is_in(of_a[i], of_b, n_b);
    }
    for (size_t i = 0; i < n_b; i++)
        n_all += !is_in(of_b[i], of_b, i) && !is_in(of_b[i], of_a, n_a);
    *out = n_all > 0 ? (int)(100 * n_common / n_all) : 100;
    return TDM_OK;
}
