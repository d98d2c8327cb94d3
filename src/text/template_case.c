/* template_case.c - case mapping: utf8proc's one-to-one mappings, and the characters whose upper case is longer.
 *
 * A mapped character keeps the mark of the one it came from.
 */
#include "text/template_case.h"

#include <utf8proc.h>

/* SpecialCasing.txt of Unicode 14, the unconditional rows: upper case of more than one character. */
static const struct long_upper {
    uint16_t rune;
    uint16_t upper[3];
} long_uppers[] = {
    {0x00DF, {0x0053, 0x0053}}, {0x0149, {0x02BC, 0x004E}}, {0x01F0, {0x004A, 0x030C}},
    {0x0390, {0x0399, 0x0308, 0x0301}}, {0x03B0, {0x03A5, 0x0308, 0x0301}}, {0x0587, {0x0535, 0x0552}},
    {0x1E96, {0x0048, 0x0331}}, {0x1E97, {0x0054, 0x0308}}, {0x1E98, {0x0057, 0x030A}}, {0x1E99, {0x0059, 0x030A}},
    {0x1E9A, {0x0041, 0x02BE}}, {0x1F50, {0x03A5, 0x0313}}, {0x1F52, {0x03A5, 0x0313, 0x0300}},
    {0x1F54, {0x03A5, 0x0313, 0x0301}}, {0x1F56, {0x03A5, 0x0313, 0x0342}}, {0x1F80, {0x1F08, 0x0399}},
    {0x1F81, {0x1F09, 0x0399}}, {0x1F82, {0x1F0A, 0x0399}}, {0x1F83, {0x1F0B, 0x0399}}, {0x1F84, {0x1F0C, 0x0399}},
    {0x1F85, {0x1F0D, 0x0399}}, {0x1F86, {0x1F0E, 0x0399}}, {0x1F87, {0x1F0F, 0x0399}}, {0x1F88, {0x1F08, 0x0399}},
    {0x1F89, {0x1F09, 0x0399}}, {0x1F8A, {0x1F0A, 0x0399}}, {0x1F8B, {0x1F0B, 0x0399}}, {0x1F8C, {0x1F0C, 0x0399}},
    {0x1F8D, {0x1F0D, 0x0399}}, {0x1F8E, {0x1F0E, 0x0399}}, {0x1F8F, {0x1F0F, 0x0399}}, {0x1F90, {0x1F28, 0x0399}},
    {0x1F91, {0x1F29, 0x0399}}, {0x1F92, {0x1F2A, 0x0399}}, {0x1F93, {0x1F2B, 0x0399}}, {0x1F94, {0x1F2C, 0x0399}},
    {0x1F95, {0x1F2D, 0x0399}}, {0x1F96, {0x1F2E, 0x0399}}, {0x1F97, {0x1F2F, 0x0399}}, {0x1F98, {0x1F28, 0x0399}},
    {0x1F99, {0x1F29, 0x0399}}, {0x1F9A, {0x1F2A, 0x0399}}, {0x1F9B, {0x1F2B, 0x0399}}, {0x1F9C, {0x1F2C, 0x0399}},
    {0x1F9D, {0x1F2D, 0x0399}}, {0x1F9E, {0x1F2E, 0x0399}}, {0x1F9F, {0x1F2F, 0x0399}}, {0x1FA0, {0x1F68, 0x0399}},
    {0x1FA1, {0x1F69, 0x0399}}, {0x1FA2, {0x1F6A, 0x0399}}, {0x1FA3, {0x1F6B, 0x0399}}, {0x1FA4, {0x1F6C, 0x0399}},
    {0x1FA5, {0x1F6D, 0x0399}}, {0x1FA6, {0x1F6E, 0x0399}}, {0x1FA7, {0x1F6F, 0x0399}}, {0x1FA8, {0x1F68, 0x0399}},
    {0x1FA9, {0x1F69, 0x0399}}, {0x1FAA, {0x1F6A, 0x0399}}, {0x1FAB, {0x1F6B, 0x0399}}, {0x1FAC, {0x1F6C, 0x0399}},
    {0x1FAD, {0x1F6D, 0x0399}}, {0x1FAE, {0x1F6E, 0x0399}}, {0x1FAF, {0x1F6F, 0x0399}}, {0x1FB2, {0x1FBA, 0x0399}},
    {0x1FB3, {0x0391, 0x0399}}, {0x1FB4, {0x0386, 0x0399}}, {0x1FB6, {0x0391, 0x0342}},
    {0x1FB7, {0x0391, 0x0342, 0x0399}}, {0x1FBC, {0x0391, 0x0399}}, {0x1FC2, {0x1FCA, 0x0399}},
    {0x1FC3, {0x0397, 0x0399}}, {0x1FC4, {0x0389, 0x0399}}, {0x1FC6, {0x0397, 0x0342}},
    {0x1FC7, {0x0397, 0x0342, 0x0399}}, {0x1FCC, {0x0397, 0x0399}}, {0x1FD2, {0x0399, 0x0308, 0x0300}},
    {0x1FD3, {0x0399, 0x0308, 0x0301}}, {0x1FD6, {0x0399, 0x0342}}, {0x1FD7, {0x0399, 0x0308, 0x0342}},
    {0x1FE2, {0x03A5, 0x0308, 0x0300}}, {0x1FE3, {0x03A5, 0x0308, 0x0301}}, {0x1FE4, {0x03A1, 0x0313}},
    {0x1FE6, {0x03A5, 0x0342}}, {0x1FE7, {0x03A5, 0x0308, 0x0342}}, {0x1FF2, {0x1FFA, 0x0399}},
    {0x1FF3, {0x03A9, 0x0399}}, {0x1FF4, {0x038F, 0x0399}}, {0x1FF6, {0x03A9, 0x0342}},
    {0x1FF7, {0x03A9, 0x0342, 0x0399}}, {0x1FFC, {0x03A9, 0x0399}}, {0xFB00, {0x0046, 0x0046}},
    {0xFB01, {0x0046, 0x0049}}, {0xFB02, {0x0046, 0x004C}}, {0xFB03, {0x0046, 0x0046, 0x0049}},
    {0xFB04, {0x0046, 0x0046, 0x004C}}, {0xFB05, {0x0053, 0x0054}}, {0xFB06, {0x0053, 0x0054}},
    {0xFB13, {0x0544, 0x0546}}, {0xFB14, {0x0544, 0x0535}}, {0xFB15, {0x0544, 0x053B}}, {0xFB16, {0x054E, 0x0546}},
    {0xFB17, {0x0544, 0x053D}},
};

static const struct long_upper *find_long_upper(int32_t rune)
{
    size_t low = 0, high = sizeof long_uppers / sizeof long_uppers[0];
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (long_uppers[mid].rune == rune)
            return &long_uppers[mid];
        if (long_uppers[mid].rune < rune)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* Other_Lowercase and Other_Uppercase of PropList.txt, Unicode 14: cased, though no letters by category. */
static const int32_t other_cased[][2] = {
    {0x00AA, 0x00AA}, {0x00BA, 0x00BA}, {0x02B0, 0x02B8}, {0x02C0, 0x02C1}, {0x02E0, 0x02E4}, {0x0345, 0x0345},
    {0x037A, 0x037A}, {0x1D2C, 0x1D6A}, {0x1D78, 0x1D78}, {0x1D9B, 0x1DBF}, {0x2071, 0x2071}, {0x207F, 0x207F},
    {0x2090, 0x209C}, {0x2160, 0x217F}, {0x24B6, 0x24E9}, {0x2C7C, 0x2C7D}, {0xA69C, 0xA69D}, {0xA770, 0xA770},
    {0xA7F8, 0xA7F9}, {0xAB5C, 0xAB5F}, {0x10780, 0x10780}, {0x10783, 0x10785}, {0x10787, 0x107B0},
    {0x107B2, 0x107BA}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189},
};

static bool is_cased(int32_t r)
{
    utf8proc_category_t c = utf8proc_category(r);
    if (c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT)
        return true;
    for (size_t i = 0; r >= 0x80 && i < sizeof other_cased / sizeof other_cased[0]; i++)
        if (r >= other_cased[i][0] && r <= other_cased[i][1])
            return true;
    return false;
}

static bool is_case_ignorable(int32_t r)
{
    utf8proc_category_t c = utf8proc_category(r);
    return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_ME || c == UTF8PROC_CATEGORY_CF ||
           c == UTF8PROC_CATEGORY_LM || c == UTF8PROC_CATEGORY_SK || r == '\'' || r == '.' || r == ':' || r == 0xB7 ||
           r == 0x2018 || r == 0x2019 || r == 0x2024 || r == 0x2027;
}

/* Whether the sigma at..next of the word from..to ends it: a letter before it, none after. */
static bool is_final_sigma(const tdm__jinja_string *s, size_t from, size_t at, size_t next, size_t to)
{
    int32_t r = ' ';
    size_t ignored;
    while (at > from) {
        at = tdm__jinja_rune_before(s->bytes, at);
        r = tdm__jinja_rune_at(s->bytes, s->len, at, &ignored);
        if (!is_case_ignorable(r))
            break;
        r = ' ';
    }
    if (!is_cased(r))
        return false;
    while (next < to) {
        r = tdm__jinja_rune_at(s->bytes, s->len, next, &next);
        if (!is_case_ignorable(r))
            return !is_cased(r);
    }
    return true;
}

static tdm_status add_upper(tdm__jinja_run *run, tdm__jinja_text *t, int32_t rune, uint8_t mark)
{
    const struct long_upper *l = rune >= 0x80 ? find_long_upper(rune) : NULL;
    if (!l)
        return tdm__jinja_text_add_rune(run, t, utf8proc_toupper(rune), mark);
    for (unsigned i = 0; i < 3 && l->upper[i]; i++)
        TDM_TRY(tdm__jinja_text_add_rune(run, t, l->upper[i], mark));
    return TDM_OK;
}

static tdm_status add_title(tdm__jinja_run *run, tdm__jinja_text *t, int32_t rune, uint8_t mark)
{
    const struct long_upper *l = rune >= 0x80 ? find_long_upper(rune) : NULL;
    int32_t title = utf8proc_totitle(rune);
    if (!l || (title != rune && rune != 0xDF)) /* sharp s: utf8proc has a capital of it, Unicode's title is Ss */
        return tdm__jinja_text_add_rune(run, t, title, mark);
    if (rune >= 0x1F88 && l->upper[1] == 0x0399 && utf8proc_category(rune) == UTF8PROC_CATEGORY_LT)
        return tdm__jinja_text_add_rune(run, t, rune, mark);
    for (unsigned i = 0; i < 3 && l->upper[i]; i++) {
        int32_t part = l->upper[i];
        if (i > 0 && part == 0x0399) /* what was below the letter stays there */
            part = 0x0345;
        else if (i > 0 && rune != 0x0149) /* of which the letter is the second */
            part = utf8proc_tolower(part);
        TDM_TRY(tdm__jinja_text_add_rune(run, t, part, mark));
    }
    return TDM_OK;
}

/* The lower case of the characters from..to; each run of them is a text of its own to the sigma rule. */
static tdm_status add_lower(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_string *s, size_t from, size_t to)
{
    for (size_t at = from, next; at < to; at = next) {
        int32_t rune = tdm__jinja_rune_at(s->bytes, s->len, at, &next);
        uint8_t mark = tdm__jinja_mark_at(s, at);
        int32_t lower = utf8proc_tolower(rune);
        if (rune == 0x3A3 && is_final_sigma(s, from, at, next, to))
            lower = 0x3C2;
        TDM_TRY(tdm__jinja_spend(run, rune == 0x3A3 ? 1 + (to - from) / 64 : 0));
        TDM_TRY(tdm__jinja_text_add_rune(run, t, rune == 0x130 ? 'i' : lower, mark));
        if (rune == 0x130)
            TDM_TRY(tdm__jinja_text_add_rune(run, t, 0x307, mark));
    }
    return TDM_OK;
}

static bool ends_word(int32_t r)
{
    return tdm__jinja_rune_is_space(r) || r == '-' || r == '(' || r == '{' || r == '[' || r == '<';
}

/* Where the word at `at` ends: for the filter at a separator, for str.title at what is no letter. */
static size_t word_end(const tdm__jinja_string *s, size_t at, tdm__jinja_case_kind kind)
{
    while (at < s->len) {
        size_t next;
        int32_t r = tdm__jinja_rune_at(s->bytes, s->len, at, &next);
        if (kind == TDM__CASE_TITLE ? !is_cased(r) : kind == TDM__CASE_TITLE_FILTER && ends_word(r))
            break;
        at = next;
    }
    return at;
}

tdm_status tdm__jinja_case(tdm__jinja_run *run, const tdm__jinja_string *s, tdm__jinja_case_kind kind,
                           tdm__jinja_value *out)
{
    tdm__jinja_text *t;
    TDM_TRY(tdm__jinja_text_new(run, s->len, &t));
    TDM_TRY(tdm__jinja_spend(run, s->len / 4));
    if (kind == TDM__CASE_LOWER)
        TDM_TRY(add_lower(run, t, s, 0, s->len));
    for (size_t at = 0, next; at < s->len && kind != TDM__CASE_LOWER; at = next) {
        int32_t rune = tdm__jinja_rune_at(s->bytes, s->len, at, &next);
        uint8_t mark = tdm__jinja_mark_at(s, at);
        if (kind == TDM__CASE_UPPER || kind == TDM__CASE_TITLE_FILTER)
            TDM_TRY(add_upper(run, t, rune, mark));
        else
            TDM_TRY(add_title(run, t, rune, mark));
        bool in_word = kind == TDM__CASE_CAPITAL || (kind == TDM__CASE_TITLE && is_cased(rune)) ||
                       (kind == TDM__CASE_TITLE_FILTER && !ends_word(rune));
        size_t end = in_word ? word_end(s, next, kind) : next;
        TDM_TRY(add_lower(run, t, s, next, end));
        next = end;
    }
    return tdm__jinja_text_value(run, t, out);
}

tdm_status tdm__jinja_fold(tdm__jinja_run *run, tdm__jinja_value v, tdm__jinja_value *out)
{
    *out = v;
    return v.kind == TDM__JINJA_STRING ? tdm__jinja_case(run, v.as.string, TDM__CASE_LOWER, out) : TDM_OK;
}
