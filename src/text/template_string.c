/* template_string.c - texts that grow with their marks, views into them, and characters. */
#define _GNU_SOURCE /* memmem: linear in the worst case */
#include "text/template_string.h"

#include <string.h>
#include <utf8proc.h>

#include "base/checked.h"

enum { BYTES_A_STEP = 64 };

tdm_status tdm__jinja_text_new(tdm__jinja_run *run, size_t cap, tdm__jinja_text **out)
{
    tdm__jinja_text *t = tdm__jinja_new(run, 1, sizeof *t);
    if (!t)
        return TDM_ERR_LIMIT;
    t->cap = cap;
    t->bytes = tdm__jinja_new(run, cap, 1);
    t->marks = tdm__jinja_new(run, cap, 1);
    if (!t->bytes || !t->marks)
        return TDM_ERR_LIMIT;
    *out = t;
    return TDM_OK;
}

/* Room for n more bytes; the old bytes stay where strings may still see them. */
static tdm_status text_reserve(tdm__jinja_run *run, tdm__jinja_text *t, size_t n)
{
    TDM_TRY(tdm__jinja_spend(run, n / BYTES_A_STEP));
    size_t need = t->len + n;
    if (need > TDM__TEMPLATE_OUTPUT_BYTES_MAX)
        return tdm__jinja_fail(run, TDM_ERR_LIMIT, "a text of more than %d MiB",
                               TDM__TEMPLATE_OUTPUT_BYTES_MAX >> 20);
    if (need <= t->cap)
        return TDM_OK;
    size_t cap = tdm__max_size(need, 2 * t->cap);
    char *bytes = tdm__jinja_new(run, cap, 1);
    uint8_t *marks = tdm__jinja_new(run, cap, 1);
    if (!bytes || !marks)
        return TDM_ERR_LIMIT;
    if (t->len > 0) {
        memcpy(bytes, t->bytes, t->len);
        memcpy(marks, t->marks, t->len);
    }
    t->bytes = bytes;
    t->marks = marks;
    t->cap = cap;
    return TDM_OK;
}

tdm_status tdm__jinja_text_add(tdm__jinja_run *run, tdm__jinja_text *t, const char *bytes, size_t n, uint8_t mark)
{
    if (n == 0)
        return TDM_OK;
    TDM_TRY(text_reserve(run, t, n));
    memcpy(t->bytes + t->len, bytes, n);
    memset(t->marks + t->len, mark, n);
    t->len += n;
    return TDM_OK;
}

tdm_status tdm__jinja_text_add_z(tdm__jinja_run *run, tdm__jinja_text *t, const char *z, uint8_t mark)
{
    return tdm__jinja_text_add(run, t, z, strlen(z), mark);
}

tdm_status tdm__jinja_text_add_rune(tdm__jinja_run *run, tdm__jinja_text *t, int32_t rune, uint8_t mark)
{
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t n = utf8proc_encode_char(rune, bytes);
    return tdm__jinja_text_add(run, t, (const char *)bytes, (size_t)n, mark);
}

tdm_status tdm__jinja_text_add_part(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_string *s, size_t from,
                                    size_t to)
{
    size_t n = to - from;
    if (n == 0)
        return TDM_OK;
    TDM_TRY(text_reserve(run, t, n));
    memcpy(t->bytes + t->len, s->bytes + from, n);
    if (s->marks)
        memcpy(t->marks + t->len, s->marks + from, n);
    else
        memset(t->marks + t->len, s->mark, n);
    t->len += n;
    return TDM_OK;
}

tdm_status tdm__jinja_text_add_string(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_string *s)
{
    return tdm__jinja_text_add_part(run, t, s, 0, s->len);
}

static tdm_status string_new(tdm__jinja_run *run, tdm__jinja_string s, tdm__jinja_value *out)
{
    tdm__jinja_string *p = tdm__jinja_new(run, 1, sizeof *p);
    if (!p)
        return TDM_ERR_LIMIT;
    *p = s;
    *out = (tdm__jinja_value){.kind = TDM__JINJA_STRING, .as.string = p};
    return TDM_OK;
}

tdm_status tdm__jinja_text_value(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value *out)
{
    return string_new(run, (tdm__jinja_string){.bytes = t->bytes, .marks = t->marks, .len = t->len, .room = t}, out);
}

tdm_status tdm__jinja_string_make(tdm__jinja_run *run, const char *bytes, size_t n, uint8_t mark,
                                  tdm__jinja_value *out)
{
    return string_new(run, (tdm__jinja_string){.bytes = bytes, .len = n, .mark = mark}, out);
}

tdm_status tdm__jinja_string_part(tdm__jinja_run *run, const tdm__jinja_string *s, size_t from, size_t to,
                                  tdm__jinja_value *out)
{
    tdm__jinja_string part = *s;
    part.bytes = s->bytes + from;
    part.marks = s->marks ? s->marks + from : NULL;
    part.len = to - from;
    return string_new(run, part, out);
}

tdm_status tdm__jinja_string_escape(tdm__jinja_run *run, const tdm__jinja_string *s, tdm__jinja_value *out)
{
    tdm__jinja_text *t;
    TDM_TRY(tdm__jinja_text_new(run, s->len + s->len / 8, &t));
    size_t from = 0;
    for (size_t i = 0; i < s->len && !s->safe; i++) {
        const char *name;
        switch (s->bytes[i]) {
        case '&': name = "&amp;"; break;
        case '<': name = "&lt;"; break;
        case '>': name = "&gt;"; break;
        case '\'': name = "&#39;"; break;
        case '"': name = "&#34;"; break;
        default: continue;
        }
        TDM_TRY(tdm__jinja_text_add_part(run, t, s, from, i));
        TDM_TRY(tdm__jinja_text_add_z(run, t, name, tdm__jinja_mark_at(s, i)));
        from = i + 1;
    }
    TDM_TRY(tdm__jinja_text_add_part(run, t, s, from, s->len));
    return string_new(run,
                      (tdm__jinja_string){.bytes = t->bytes, .marks = t->marks, .len = t->len, .room = t,
                                          .safe = true},
                      out);
}

tdm_status tdm__jinja_string_concat(tdm__jinja_run *run, const tdm__jinja_string *a, const tdm__jinja_string *b,
                                    tdm__jinja_value *out)
{
    bool safe = a->safe || b->safe;
    if (safe && !(a->safe && b->safe)) { /* as markupsafe: what is not markup is escaped */
        tdm__jinja_value escaped;
        TDM_TRY(tdm__jinja_string_escape(run, a->safe ? b : a, &escaped));
        return a->safe ? tdm__jinja_string_concat(run, a, escaped.as.string, out)
                       : tdm__jinja_string_concat(run, escaped.as.string, b, out);
    }
    tdm__jinja_text *t = a->room;
    bool in_place = t && a->bytes + a->len == t->bytes + t->len && t->cap - t->len >= b->len;
    if (!in_place) {
        TDM_TRY(tdm__jinja_text_new(run, 2 * (a->len + b->len), &t));
        TDM_TRY(tdm__jinja_text_add_string(run, t, a));
    }
    TDM_TRY(tdm__jinja_text_add_string(run, t, b));
    size_t len = a->len + b->len;
    size_t from = t->len - len;
    return string_new(run,
                      (tdm__jinja_string){.bytes = t->bytes + from, .marks = t->marks + from, .len = len, .room = t,
                                          .ascii = a->ascii && b->ascii, .safe = safe},
                      out);
}

size_t tdm__jinja_rune_len(const char *lead)
{
    unsigned char c = (unsigned char)*lead;
    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

int32_t tdm__jinja_rune_at(const char *bytes, size_t len, size_t at, size_t *next)
{
    int32_t rune = 0xFFFD;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)bytes + at, (utf8proc_ssize_t)(len - at), &rune);
    *next = at + (n > 0 ? (size_t)n : 1);
    return rune;
}

size_t tdm__jinja_rune_before(const char *bytes, size_t at)
{
    do
        at--;
    while (at > 0 && ((unsigned char)bytes[at] & 0xC0) == 0x80);
    return at;
}

size_t tdm__jinja_string_count(const tdm__jinja_string *s)
{
    if (s->ascii)
        return s->len;
    size_t n = 0;
    for (size_t i = 0; i < s->len; i++)
        n += ((unsigned char)s->bytes[i] & 0xC0) != 0x80;
    return n;
}

size_t tdm__jinja_string_offset(const tdm__jinja_string *s, size_t i)
{
    if (s->ascii)
        return tdm__min_size(i, s->len);
    size_t at = 0;
    while (i > 0 && at < s->len) {
        at += tdm__jinja_rune_len(s->bytes + at);
        i--;
    }
    return at;
}

bool tdm__jinja_rune_is_space(int32_t r)
{
    return (r >= 0x09 && r <= 0x0D) || (r >= 0x1C && r <= 0x20) || r == 0x85 || r == 0xA0 || r == 0x1680 ||
           (r >= 0x2000 && r <= 0x200A) || r == 0x2028 || r == 0x2029 || r == 0x202F || r == 0x205F || r == 0x3000;
}

bool tdm__jinja_rune_is_printable(int32_t r)
{
    if (r < 0x7F)
        return r >= 0x20;
    switch (utf8proc_category(r)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS: return false;
    default: return true;
    }
}

bool tdm__jinja_utf8_valid(const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        if ((unsigned char)bytes[at] < 0x80) {
            at++;
            continue;
        }
        int32_t rune;
        utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)bytes + at, (utf8proc_ssize_t)(len - at), &rune);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

size_t tdm__jinja_find(tdm__str s, tdm__str needle, size_t from)
{
    if (from > s.len || needle.len > s.len - from)
        return SIZE_MAX;
    if (needle.len == 0)
        return from;
    const char *p = memmem(s.ptr + from, s.len - from, needle.ptr, needle.len);
    return p ? (size_t)(p - s.ptr) : SIZE_MAX;
}

size_t tdm__jinja_find_last(tdm__str s, tdm__str needle, size_t to)
{
    if (needle.len > to)
        return SIZE_MAX;
    for (size_t at = to - needle.len + 1; at-- > 0;)
        if (needle.len == 0 || memcmp(s.ptr + at, needle.ptr, needle.len) == 0)
            return at;
    return SIZE_MAX;
}

static bool strips(int32_t rune, const tdm__jinja_string *chars)
{
    if (!chars)
        return tdm__jinja_rune_is_space(rune);
    for (size_t i = 0; i < chars->len;)
        if (tdm__jinja_rune_at(chars->bytes, chars->len, i, &i) == rune)
            return true;
    return false;
}

tdm_status tdm__jinja_strip(tdm__jinja_run *run, const tdm__jinja_string *s, const tdm__jinja_string *chars,
                            unsigned sides, tdm__jinja_value *out)
{
    size_t from = 0, to = s->len, next = 0;
    size_t cost = chars ? 1 + chars->len / 8 : 1;
    while ((sides & TDM__JINJA_STRIP_LEFT) && from < to) {
        if (!strips(tdm__jinja_rune_at(s->bytes, s->len, from, &next), chars))
            break;
        from = next;
        TDM_TRY(tdm__jinja_spend(run, cost));
    }
    while ((sides & TDM__JINJA_STRIP_RIGHT) && to > from) {
        size_t at = tdm__jinja_rune_before(s->bytes, to);
        if (!strips(tdm__jinja_rune_at(s->bytes, s->len, at, &next), chars))
            break;
        to = at;
        TDM_TRY(tdm__jinja_spend(run, cost));
    }
    return tdm__jinja_string_part(run, s, from, to, out);
}
