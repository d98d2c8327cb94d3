/* verb_language.c - counts of scripts and of common words. */
#include "feature/verb_language.h"

#include "feature/verb_text.h"
#include "text/unicode.h"

/* Character pairs of frequent use, traditional above, simplified below, in the same order. */
static const char traditional[] =
    "這個們來時說會對過沒還後開關點長問題學國發經動現電見話請錢車書給買賣讓聽讀寫語東馬萬無與為從樣實體應該"
    "難間頭機產業務員網際師廳館醫藥練習舊價單據幾億們號訂購讚謝";
static const char simplified[] =
    "这个们来时说会对过没还后开关点长问题学国发经动现电见话请钱车书给买卖让听读写语东马万无与为从样实体应该"
    "难间头机产业务员网际师厅馆医药练习旧价单据几亿们号订购赞谢";

static bool has_char(const char *table, const char *c)
{
    for (const char *p = table; *p; p += 3)
        if (memcmp(p, c, 3) == 0)
            return true;
    return false;
}

static void count_writing(tdm__str c, tdm__language_found *f)
{
    if (c.len != 3)
        return;
    const bool old = has_char(traditional, c.ptr), new = has_char(simplified, c.ptr);
    f->n_traditional += old && !new;
    f->n_simplified += new && !old;
}

static const char english[] =
    "the of and to a in is it you that for on was are with as i be at have this not but by from "
    "we they my your will can has been he she do if what please ";
/* French, German, Spanish, Portuguese, Italian, Dutch; none that is also an English word. */
static const char others[] =
    "le la les des et est une dans pour que qui sur pas avec vous nous der das und ist nicht ein "
    "eine mit den dem wir sie ich auf el los las es por con para una del como pero muy os um uma "
    "com il che di non sono per della het een van niet zijn ";

static const char *script_name(tdm__script s)
{
    switch (s) {
    case TDM__SCRIPT_KANA:
        return "Japanese";
    case TDM__SCRIPT_HANGUL:
        return "Korean";
    case TDM__SCRIPT_RIGHT_TO_LEFT:
        return "a script that is written from right to left";
    default:
        return "a script that is neither Latin nor Chinese";
    }
}

typedef struct tally {
    size_t n_latin, n_english, n_others, n_foreign[TDM__SCRIPT_OTHER + 1];
} tally;

static void count_word(tdm__str text, const tdm__word *w, tally *t, tdm__language_found *f)
{
    const tdm__str word = tdm__str_sub(text, w->start, w->end);
    uint32_t c;
    if (w->kind == TDM__WORD_LATIN) {
        t->n_latin++;
        t->n_english += tdm__str_is_listed(word, english);
        t->n_others += tdm__str_is_listed(word, others);
    } else if (w->kind == TDM__WORD_HAN) {
        f->n_han++;
        count_writing(word, f);
    } else if (w->kind == TDM__WORD_FOREIGN) {
        tdm__unicode_next((const unsigned char *)word.ptr, (const unsigned char *)word.ptr + word.len, &c);
        t->n_foreign[tdm__script_of(c)]++;
    }
}

static tdm__language_found other(tdm__language_found f, const char *what)
{
    f.kind = TDM__TEXT_OTHER;
    f.what = what;
    return f;
}

tdm__language_found tdm__language_find(tdm__str text)
{
    tdm__language_found f = {.what = ""};
    tally t = {0};
    tdm__words it = tdm__words_of(text);
    for (tdm__word w; tdm__words_next(&it, &w);)
        count_word(text, &w, &t, &f);
    size_t n_foreign = 0;
    tdm__script most = TDM__SCRIPT_OTHER;
    for (tdm__script s = TDM__SCRIPT_KANA; s <= TDM__SCRIPT_OTHER; s++) {
        n_foreign += t.n_foreign[s];
        if (t.n_foreign[s] > t.n_foreign[most])
            most = s;
    }
    f.n_words = t.n_latin + f.n_han + n_foreign / 2;
    /* A Japanese text is one third kana at least; a name in kana within a Chinese text is less. */
    if (4 * t.n_foreign[TDM__SCRIPT_KANA] > f.n_han + t.n_latin)
        return other(f, script_name(TDM__SCRIPT_KANA));
    if (n_foreign / 2 > t.n_latin + f.n_han)
        return other(f, script_name(most));
    if (f.n_words == 0)
        return f;
    if (f.n_han >= t.n_latin) {
        f.kind = TDM__TEXT_CHINESE;
        return f;
    }
    if (t.n_others >= 3 && t.n_others > t.n_english)
        return other(f, "a language of Latin letters other than English");
    f.kind = TDM__TEXT_ENGLISH;
    return f;
}

bool tdm__language_same(const tdm__language_found *a, const tdm__language_found *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == TDM__TEXT_ENGLISH)
        return 10 * b->n_han <= b->n_words || b->n_han <= a->n_han;
    if (a->n_simplified > a->n_traditional)
        return b->n_traditional <= a->n_traditional;
    if (a->n_traditional > a->n_simplified)
        return b->n_simplified <= a->n_simplified;
    return true;
}
