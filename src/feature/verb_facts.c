/* verb_facts.c - one pass over the words of a text; a fact is a slice of it. */
#include "feature/verb_facts.h"

#include "base/error.h"
#include "feature/verb_text.h"

/* A growing list in an arena: doubling, what was before is left behind. */
typedef struct fact_list {
    tdm__arena *arena;
    tdm__fact *items;
    size_t n, cap;
    bool is_full;
} fact_list;

static void add(fact_list *l, tdm__fact_kind kind, tdm__str text)
{
    if (l->n == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 32;
        tdm__fact *items = tdm__arena_array(l->arena, cap, sizeof *items);
        l->is_full = l->is_full || !items;
        if (!items)
            return;
        if (l->n > 0)
            memcpy(items, l->items, l->n * sizeof *items);
        l->items = items;
        l->cap = cap;
    }
    l->items[l->n++] = (tdm__fact){kind, text};
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}
static bool is_ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The runs of digits inside a word; what joins two of them belongs to the number. */
static void add_numbers(fact_list *l, tdm__str word)
{
    size_t i = 0;
    while (i < word.len) {
        if (!is_ascii_digit(word.ptr[i])) {
            i++;
            continue;
        }
        size_t end = i + 1;
        while (end < word.len &&
               (is_ascii_digit(word.ptr[end]) ||
                (strchr(".,:/-", word.ptr[end]) && end + 1 < word.len && is_ascii_digit(word.ptr[end + 1]))))
            end++;
        add(l, TDM__FACT_NUMBER, tdm__str_sub(word, i, end));
        i = end;
    }
}

static bool looks_like_code(tdm__str word)
{
    for (size_t i = 0; i < word.len; i++)
        if (is_capital(word.ptr[i]) || word.ptr[i] == '-' || word.ptr[i] == '_')
            return true;
    return false;
}

/* "Anna's" is Anna. */
static tdm__str without_possessive(tdm__str word)
{
    static const char *const tails[] = {"'s", "\xe2\x80\x99s"};
    for (size_t i = 0; i < 2; i++) {
        const size_t n = strlen(tails[i]);
        if (word.len > n && memcmp(word.ptr + word.len - n, tails[i], n) == 0)
            word.len -= n;
    }
    return word;
}

/* Words that are written with a capital wherever they stand. */
static bool is_always_capital(tdm__str word)
{
    return word.len > 0 && word.ptr[0] == 'I' && (word.len == 1 || word.ptr[1] == '\'' || word.ptr[1] == '\xe2');
}

static bool has_han(tdm__str text)
{
    for (size_t i = 0; i + 2 < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0xe4 && (unsigned char)text.ptr[i] <= 0xe9)
            return true;
    return false;
}

static void add_word(fact_list *l, tdm__str text, const tdm__word *w, bool is_chinese)
{
    const tdm__str word = tdm__str_sub(text, w->start, w->end);
    switch (w->kind) {
    case TDM__WORD_ADDRESS:
        add(l, TDM__FACT_ADDRESS, word);
        break;
    case TDM__WORD_NUMBER:
        add_numbers(l, word);
        break;
    case TDM__WORD_MIXED:
        add_numbers(l, word);
        if (looks_like_code(word))
            add(l, TDM__FACT_NAME, word);
        break;
    case TDM__WORD_LATIN:
        if (is_chinese ? word.len > 1 : !w->begins_sentence && is_capital(word.ptr[0]) && !is_always_capital(word))
            add(l, TDM__FACT_NAME, without_possessive(word));
        break;
    default:
        break;
    }
}

/* ---- Chinese ---- */

static const char surnames[] =
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏"
    "吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃"
    "武钱戴严莫孔向常郎";

/* Whether the character is one of those of a table of three-byte characters. */
static bool is_one_of(tdm__str c, const char *table)
{
    for (const char *p = table; c.len == 3 && *p; p += 3)
        if (memcmp(p, c.ptr, 3) == 0)
            return true;
    return false;
}

static size_t title_len(tdm__str rest)
{
    static const char *const titles[] = {"先生", "女士",   "小姐", "老师", "经理", "总监", "总",   "医生", "主任",
                                         "教授", "工程师", "师傅", "阿姨", "叔叔", "局长", "部长", "姐",   "哥"};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (tdm__str_starts(rest, tdm__str_from(titles[i])))
            return strlen(titles[i]);
    return 0;
}

/* 小林, 老周; not what goes on as another word (小时, 老师 have no surname behind). */
static bool is_called(tdm__str before, tdm__str c)
{
    return (tdm__str_eq(before, TDM_STR("小")) || tdm__str_eq(before, TDM_STR("老"))) && is_one_of(c, surnames) &&
           !is_one_of(c, "石金白龙江石方万常向高任程");
}

static void add_chinese(fact_list *l, tdm__str text, const tdm__word *before, const tdm__word *w)
{
    const tdm__str c = tdm__str_sub(text, w->start, w->end);
    const tdm__str rest = tdm__str_sub(text, w->end, text.len);
    if (w->kind == TDM__WORD_MARK && tdm__str_eq(c, TDM_STR("《"))) {
        for (size_t i = 0; i + 3 <= rest.len && i < 240; i++)
            if (memcmp(rest.ptr + i, "》", 3) == 0) {
                add(l, TDM__FACT_NAME, tdm__str_sub(rest, 0, i));
                return;
            }
    }
    if (w->kind != TDM__WORD_HAN)
        return;
    const size_t title = is_one_of(c, surnames) ? title_len(rest) : 0;
    if (title > 0)
        add(l, TDM__FACT_NAME, tdm__str_sub(text, w->start, w->end + title));
    else if (before->kind == TDM__WORD_HAN && before->end == w->start &&
             is_called(tdm__str_sub(text, before->start, before->end), c))
        add(l, TDM__FACT_NAME, tdm__str_sub(text, before->start, w->end));
}

/* ---- the list ---- */

/* A line in which most words have a capital is a heading, and they say nothing there. */
static bool is_heading(tdm__str text, size_t at)
{
    size_t begin = at, end = at;
    while (begin > 0 && text.ptr[begin - 1] != '\n')
        begin--;
    while (end < text.len && text.ptr[end] != '\n')
        end++;
    tdm__words it = tdm__words_of(tdm__str_sub(text, begin, end));
    size_t n = 0, n_capital = 0;
    for (tdm__word w; n <= 16 && tdm__words_next(&it, &w);) {
        n += w.kind == TDM__WORD_LATIN;
        n_capital += w.kind == TDM__WORD_LATIN && is_capital(it.text.ptr[w.start]);
    }
    return n >= 4 && n <= 16 && 3 * n_capital > 2 * n;
}

tdm_status tdm__facts_find(tdm__str text, tdm__arena *arena, tdm__facts *out, tdm_error *err)
{
    fact_list l = {.arena = arena};
    const bool is_chinese = has_han(text);
    tdm__words it = tdm__words_of(text);
    tdm__word before = {0};
    for (tdm__word w; tdm__words_next(&it, &w); before = w) {
        const size_t n = l.n;
        add_word(&l, text, &w, is_chinese);
        if (!is_chinese && l.n > n && w.kind == TDM__WORD_LATIN && is_heading(text, w.start))
            l.n = n;
        if (is_chinese)
            add_chinese(&l, text, &before, &w);
    }
    if (l.is_full)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the names and numbers of a text of %zu bytes", text.len);
    *out = (tdm__facts){text, l.items, l.n};
    return TDM_OK;
}

/* ---- comparing ---- */

static bool same_number(tdm__str a, tdm__str b)
{
    size_t i = 0, k = 0;
    for (;;) {
        while (i < a.len && a.ptr[i] == ',')
            i++;
        while (k < b.len && b.ptr[k] == ',')
            k++;
        if (i == a.len || k == b.len)
            return i == a.len && k == b.len;
        if (a.ptr[i++] != b.ptr[k++])
            return false;
    }
}

static bool is_ascii_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* Whether the word stands in text and no ASCII letter goes on with it. */
static bool has_word(tdm__str text, tdm__str word)
{
    for (size_t i = 0; i + word.len <= text.len; i++) {
        if (!tdm__str_starts_fold(tdm__str_sub(text, i, text.len), word))
            continue;
        const bool goes_on = i + word.len < text.len && is_ascii_letter(text.ptr[i + word.len]) &&
                             is_ascii_letter(word.ptr[word.len - 1]);
        const bool went_before = i > 0 && is_ascii_letter(text.ptr[i - 1]) && is_ascii_letter(word.ptr[0]);
        if (!goes_on && !went_before)
            return true;
    }
    return false;
}

bool tdm__facts_have(const tdm__facts *facts, const tdm__fact *f)
{
    if (f->kind != TDM__FACT_NUMBER)
        return has_word(facts->text, f->text);
    for (size_t i = 0; i < facts->n; i++)
        if (facts->items[i].kind == TDM__FACT_NUMBER && same_number(facts->items[i].text, f->text))
            return true;
    return false;
}

const tdm__fact *tdm__facts_find_missing(const tdm__facts *facts, const tdm__facts *others, tdm__fact_kind kind)
{
    for (size_t i = 0; i < facts->n; i++)
        if ((kind == TDM__FACT_NONE || facts->items[i].kind == kind) && !tdm__facts_have(others, &facts->items[i]))
            return &facts->items[i];
    return NULL;
}
