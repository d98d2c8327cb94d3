/* verb_text.c - cutting a text into words and sentences by the shape of its characters.
 *
 * A full stop ends a sentence unless it stands behind a title ("Mr."), a single capital ("J."), or before a small
 * letter or a digit. That is wrong now and then ("at 5 p.m. Tom left"), and harmless: a sentence that is cut too late
 * or too early is only a chunk of another size.
 */
#include "feature/verb_text.h"

#include "text/unicode.h"

static bool is_between(uint32_t c, uint32_t first, uint32_t last)
{
    return c >= first && c <= last;
}

tdm__script tdm__script_of(uint32_t c)
{
    if (is_between(c | 0x20, 'a', 'z') && c < 0x80)
        return TDM__SCRIPT_LATIN;
    if (c < 0xaa || c == 0xd7 || c == 0xf7 || c >= TDM__NOT_UTF8)
        return TDM__SCRIPT_NONE;
    if (is_between(c, 0xc0, 0x24f) || is_between(c, 0x1e00, 0x1eff) || is_between(c, 0xff21, 0xff3a) ||
        is_between(c, 0xff41, 0xff5a))
        return TDM__SCRIPT_LATIN;
    if (is_between(c, 0x4e00, 0x9fff) || is_between(c, 0x3400, 0x4dbf) || is_between(c, 0x20000, 0x323af) ||
        is_between(c, 0xf900, 0xfaff) || c == 0x3007)
        return TDM__SCRIPT_HAN;
    if (is_between(c, 0x3041, 0x30ff) || is_between(c, 0x31f0, 0x31ff))
        return c == 0x30fb ? TDM__SCRIPT_NONE : TDM__SCRIPT_KANA;
    if (is_between(c, 0xac00, 0xd7af) || is_between(c, 0x1100, 0x11ff) || is_between(c, 0x3130, 0x318f))
        return TDM__SCRIPT_HANGUL;
    if (is_between(c, 0x591, 0x8ff) || is_between(c, 0xfb1d, 0xfdff) || is_between(c, 0xfe70, 0xfeff))
        return TDM__SCRIPT_RIGHT_TO_LEFT;
    const uint8_t class = tdm__unicode_class(c);
    const bool is_letter = class == 0x82 || is_between(class, 0x84, 0x86) || class == 0x89 || class == 0x8e;
    return is_letter && c >= 0x250 ? TDM__SCRIPT_OTHER : TDM__SCRIPT_NONE;
}

static bool is_digit(uint32_t c)
{
    return is_between(c, '0', '9') || is_between(c, 0xff10, 0xff19);
}
static bool is_space(uint32_t c)
{
    return c <= 0x20 || c == 0xa0 || c == 0x3000 || is_between(c, 0x2000, 0x200b);
}
static bool is_alnum(uint32_t c)
{
    return is_digit(c) || tdm__script_of(c) == TDM__SCRIPT_LATIN;
}

bool tdm__is_mark(uint32_t c)
{
    return !is_space(c) && !is_digit(c) && tdm__script_of(c) == TDM__SCRIPT_NONE;
}

static uint32_t char_at(tdm__str s, size_t at, size_t *len)
{
    uint32_t c = 0;
    *len = 0;
    if (at < s.len)
        *len = tdm__unicode_next((const unsigned char *)s.ptr + at, (const unsigned char *)s.ptr + s.len, &c);
    return c;
}

/* ---- words ---- */

/* Printable ASCII of an address; what closes a sentence behind it is none of it. */
static size_t address_end(tdm__str s, size_t at)
{
    size_t end = at;
    while (end < s.len && s.ptr[end] > 0x20 && s.ptr[end] < 0x7f && !strchr("<>\"'()[]{}", s.ptr[end]))
        end++;
    while (end > at && strchr(".,;:!?", s.ptr[end - 1]))
        end--;
    return end;
}

static size_t find_address(tdm__str s, size_t at)
{
    const tdm__str rest = tdm__str_sub(s, at, s.len);
    const size_t end = address_end(s, at);
    if (tdm__str_starts_fold(rest, TDM_STR("http://")) || tdm__str_starts_fold(rest, TDM_STR("https://")) ||
        tdm__str_starts_fold(rest, TDM_STR("www.")))
        return end > at + 4 ? end : at;
    const char *sign = end > at ? memchr(s.ptr + at, '@', end - at) : NULL;
    if (!sign || sign + 1 == s.ptr + end)
        return at;
    return sign > s.ptr + at || is_alnum((unsigned char)sign[1]) ? end : at;
}

/* Whether the character at `at` joins what stands before it to what stands behind. */
static bool joins(tdm__str s, size_t at, size_t len, uint32_t c, uint32_t before)
{
    size_t next_len;
    const uint32_t after = char_at(s, at + len, &next_len);
    if (!is_alnum(after))
        return false;
    if (c == '\'' || c == 0x2019 || c == '-' || c == '_')
        return true;
    return (c == '.' || c == ',' || c == ':' || c == '/') && is_digit(before) && is_digit(after);
}

static tdm__word_kind scan_run(tdm__str s, size_t at, size_t *end)
{
    bool letters = false, digits = false;
    uint32_t before = 0;
    while (at < s.len) {
        size_t len;
        const uint32_t c = char_at(s, at, &len);
        if (is_alnum(c)) {
            digits = digits || is_digit(c);
            letters = letters || !is_digit(c);
        } else if (!joins(s, at, len, c, before)) {
            break;
        }
        before = c;
        at += len;
    }
    *end = at;
    return letters && digits ? TDM__WORD_MIXED : digits ? TDM__WORD_NUMBER : TDM__WORD_LATIN;
}

tdm__words tdm__words_of(tdm__str text)
{
    return (tdm__words){.text = text, .begins = true};
}

/* Behind these a capital letter is the grammar's. */
static bool opens_sentence(uint32_t c)
{
    switch (c) {
    case '.':
    case '!':
    case '?':
    case ':':
    case ';':
    case '\n':
    case 0x3002:
    case 0xff01:
    case 0xff1f:
    case 0xff1a:
    case 0xff1b:
    case 0x2026:
    case '-':
    case '*':
    case 0x2022:
        return true;
    default:
        return false;
    }
}

static bool keeps_begin(uint32_t c)
{
    return c == '"' || c == '\'' || c == '(' || c == '[' || c == 0x201c || c == 0x2018 || c == 0x300c || c == '#';
}

bool tdm__words_next(tdm__words *it, tdm__word *out)
{
    size_t len = 0;
    uint32_t c = 0;
    while (it->at < it->text.len) {
        c = char_at(it->text, it->at, &len);
        if (!is_space(c))
            break;
        it->begins = it->begins || c == '\n';
        it->at += len;
    }
    if (it->at == it->text.len)
        return false;
    *out = (tdm__word){.start = it->at, .end = it->at + len, .begins_sentence = it->begins};
    const tdm__script script = tdm__script_of(c);
    size_t address = is_alnum(c) || c == '@' ? find_address(it->text, it->at) : it->at;
    if (address > it->at) {
        out->kind = TDM__WORD_ADDRESS;
        out->end = address;
    } else if (is_alnum(c)) {
        out->kind = scan_run(it->text, it->at, &out->end);
    } else if (script == TDM__SCRIPT_HAN) {
        out->kind = TDM__WORD_HAN;
    } else if (script != TDM__SCRIPT_NONE) {
        out->kind = TDM__WORD_FOREIGN;
    } else {
        out->kind = TDM__WORD_MARK;
    }
    it->at = out->end;
    it->begins = out->kind == TDM__WORD_MARK && (opens_sentence(c) || (it->begins && keeps_begin(c)));
    if (out->kind == TDM__WORD_MARK && !it->begins && (c == '"' || c == 0x201c || c == 0x300c))
        it->begins = true; /* what is quoted may begin with a capital */
    return true;
}

/* ---- strings ---- */

tdm__str tdm__str_trim(tdm__str s)
{
    size_t len;
    while (s.len > 0 && is_space(char_at(s, 0, &len)))
        s = tdm__str_sub(s, len, s.len);
    while (s.len > 0) {
        size_t at = s.len - 1;
        while (at > 0 && ((unsigned char)s.ptr[at] & 0xc0) == 0x80)
            at--;
        if (!is_space(char_at(s, at, &len)))
            break;
        s.len = at;
    }
    return s;
}

size_t tdm__str_n_chars(tdm__str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

bool tdm__str_has(tdm__str s, tdm__str part)
{
    for (size_t i = 0; part.len > 0 && i + part.len <= s.len; i++)
        if (memcmp(s.ptr + i, part.ptr, part.len) == 0)
            return true;
    return part.len == 0;
}

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool tdm__str_starts_fold(tdm__str s, tdm__str prefix)
{
    if (s.len < prefix.len)
        return false;
    for (size_t i = 0; i < prefix.len; i++)
        if (fold(s.ptr[i]) != fold(prefix.ptr[i]))
            return false;
    return true;
}

bool tdm__str_eq_fold(tdm__str a, tdm__str b)
{
    return a.len == b.len && tdm__str_starts_fold(a, b);
}

uint32_t tdm__str_last_char(tdm__str s)
{
    size_t at = s.len, len;
    while (at > 0 && ((unsigned char)s.ptr[--at] & 0xc0) == 0x80)
        ;
    return s.len > 0 ? char_at(s, at, &len) : 0;
}

/* ---- sentences ---- */

static bool closes(uint32_t c)
{
    return c == '"' || c == '\'' || c == ')' || c == ']' || c == 0x201d || c == 0x2019 || c == 0x300d || c == 0x300f ||
           c == 0xff09;
}

static bool ends_chinese(uint32_t c)
{
    return c == 0x3002 || c == 0xff01 || c == 0xff1f || c == 0xff1b || c == 0x2026;
}

static bool is_title(tdm__str s, size_t stop)
{
    static const char *const titles[] = {"Mr", "Mrs", "Ms",  "Dr",  "Prof", "St",
                                         "No", "vs",  "etc", "e.g", "i.e",  "approx"};
    size_t begin = stop;
    while (begin > 0 && (is_alnum((unsigned char)s.ptr[begin - 1]) || s.ptr[begin - 1] == '.'))
        begin--;
    const tdm__str word = tdm__str_sub(s, begin, stop);
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (tdm__str_eq(word, tdm__str_from(titles[i])))
            return true;
    return word.len == 1 && word.ptr[0] >= 'A' && word.ptr[0] <= 'Z' && word.ptr[0] != 'I';
}

/* Whether the ASCII mark at `at`, whose closing marks end at `end`, ends a sentence there. */
static bool ends_latin(tdm__str s, size_t at, size_t end)
{
    size_t len;
    if (end < s.len && !is_space(char_at(s, end, &len)))
        return false;
    const bool is_quoted = end > at + 1;
    while (end < s.len && (s.ptr[end] == ' ' || s.ptr[end] == '\n'))
        end++;
    if (s.ptr[at] != '.' && !is_quoted)
        return true;
    const bool is_small = end < s.len && s.ptr[end] >= 'a' && s.ptr[end] <= 'z';
    return !is_small && (s.ptr[at] != '.' || !is_title(s, at));
}

static size_t skip(tdm__str s, size_t at, bool (*takes)(uint32_t))
{
    size_t len;
    while (at < s.len) {
        const uint32_t c = char_at(s, at, &len);
        if (!takes(c) || c == '\n')
            break;
        at += len;
    }
    return at;
}

size_t tdm__sentence_end(tdm__str s, size_t at)
{
    while (at < s.len) {
        size_t len;
        const uint32_t c = char_at(s, at, &len);
        const size_t mark = at;
        at += len;
        if (c == '\n')
            return at;
        if (ends_chinese(c)) {
            at = skip(s, skip(s, at, ends_chinese), closes);
            return skip(s, at, is_space);
        }
        if (c == '.' || c == '!' || c == '?') {
            const size_t end = skip(s, at, closes);
            if (ends_latin(s, mark, end))
                return skip(s, end, is_space);
        }
    }
    return at;
}

size_t tdm__count_sentences(tdm__str text)
{
    size_t n = 0;
    for (size_t at = 0, end; at < text.len; at = end) {
        end = tdm__sentence_end(text, at);
        n += tdm__str_trim(tdm__str_sub(text, at, end)).len > 0;
    }
    return n;
}

size_t tdm__speaker_len(tdm__str line)
{
    enum { NAME_CHARS_MAX = 24 };
    size_t at = 0, n = 0, len;
    for (; at < line.len && n <= NAME_CHARS_MAX; at += len, n++) {
        const uint32_t c = char_at(line, at, &len);
        const bool is_wide = c == 0xff1a;
        if (c == ':' || is_wide) {
            const bool is_address = at + 1 < line.len && line.ptr[at + 1] == '/';
            const size_t end = skip(line, at + len, is_space);
            return n == 0 || is_address || (!is_wide && end == at + len) ? 0 : end;
        }
        if (c == '.' || c == ',' || c == '!' || c == '?' || ends_chinese(c) || c == 0xff0c || is_digit(c)) {
            size_t next;
            if (c != '.' || char_at(line, at + len, &next) != ' ')
                return 0; /* "Mrs. Bell: " has a stop, "7:30" is no speaker */
        }
    }
    return 0;
}

bool tdm__str_is_listed(tdm__str word, const char *list)
{
    for (const char *p = list; *p;) {
        const char *end = strchr(p, ' ');
        if (tdm__str_eq_fold(word, (tdm__str){p, (size_t)(end - p)}))
            return true;
        p = end + 1;
    }
    return false;
}
