/* template_string.h - strings whose bytes know where they came from.
 *
 * A string is a view: bytes, and either one mark for all of them or a mark for each (1: written by the template, 0:
 * came from a value). New strings are written into a text, which grows in the arena; a string that ends where its
 * text ends can be continued in place, so building an answer with x = x + y stays linear.
 * All strings are valid UTF-8; positions that templates see count characters, as in Python.
 */
#ifndef TDM_TEXT_TEMPLATE_STRING_H
#define TDM_TEXT_TEMPLATE_STRING_H

#include "text/template_value.h"

struct tdm__jinja_string {
    const char *bytes;
    const uint8_t *marks; /* len of them, or NULL: all are mark */
    size_t len;
    tdm__jinja_text *room; /* the text that holds it, or NULL */
    uint8_t mark;
    bool ascii;  /* known to be; false: not looked at, or not */
    bool safe;   /* came from |safe or |escape: + escapes the other side */
};

struct tdm__jinja_text {
    char *bytes;
    uint8_t *marks;
    size_t len, cap;
};

tdm_status tdm__jinja_text_new(tdm__jinja_run *run, size_t cap, tdm__jinja_text **out);
tdm_status tdm__jinja_text_add(tdm__jinja_run *run, tdm__jinja_text *t, const char *bytes, size_t n, uint8_t mark);
tdm_status tdm__jinja_text_add_z(tdm__jinja_run *run, tdm__jinja_text *t, const char *z, uint8_t mark);
tdm_status tdm__jinja_text_add_rune(tdm__jinja_run *run, tdm__jinja_text *t, int32_t rune, uint8_t mark);
tdm_status tdm__jinja_text_add_part(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_string *s, size_t from,
                                    size_t to);
tdm_status tdm__jinja_text_add_string(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_string *s);
/* What was written so far, as a value. */
tdm_status tdm__jinja_text_value(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value *out);

/* n bytes (borrowed for the rendering) with one mark. */
tdm_status tdm__jinja_string_make(tdm__jinja_run *run, const char *bytes, size_t n, uint8_t mark,
                                  tdm__jinja_value *out);
/* Bytes from..to of s, without a copy. */
tdm_status tdm__jinja_string_part(tdm__jinja_run *run, const tdm__jinja_string *s, size_t from, size_t to,
                                  tdm__jinja_value *out);
tdm_status tdm__jinja_string_concat(tdm__jinja_run *run, const tdm__jinja_string *a, const tdm__jinja_string *b,
                                    tdm__jinja_value *out);
tdm_status tdm__jinja_string_escape(tdm__jinja_run *run, const tdm__jinja_string *s, tdm__jinja_value *out);

/* Characters. offset gives the byte position of character i, at most len. */
size_t tdm__jinja_string_count(const tdm__jinja_string *s);
size_t tdm__jinja_string_offset(const tdm__jinja_string *s, size_t i);
size_t tdm__jinja_rune_len(const char *lead); /* bytes of the character that begins there */
int32_t tdm__jinja_rune_at(const char *bytes, size_t len, size_t at, size_t *next);
size_t tdm__jinja_rune_before(const char *bytes, size_t at); /* where the character before at begins; at > 0 */
bool tdm__jinja_rune_is_space(int32_t rune);     /* str.isspace */
bool tdm__jinja_rune_is_printable(int32_t rune); /* str.isprintable */
bool tdm__jinja_utf8_valid(const char *bytes, size_t len);

static inline uint8_t tdm__jinja_mark_at(const tdm__jinja_string *s, size_t at)
{
    return s->marks ? s->marks[at] : s->mark;
}
static inline tdm__str tdm__jinja_bytes(const tdm__jinja_string *s) { return (tdm__str){s->bytes, s->len}; }
static inline bool tdm__jinja_string_is(tdm__jinja_value v, tdm__str text)
{
    return v.kind == TDM__JINJA_STRING && tdm__str_eq(tdm__jinja_bytes(v.as.string), text);
}

/* First position >= from where needle stands in s, or SIZE_MAX; last position with its end <= to, or SIZE_MAX. */
size_t tdm__jinja_find(tdm__str s, tdm__str needle, size_t from);
size_t tdm__jinja_find_last(tdm__str s, tdm__str needle, size_t to);

/* str.strip: which sides, and chars (NULL: white space). */
enum { TDM__JINJA_STRIP_LEFT = 1, TDM__JINJA_STRIP_RIGHT = 2, TDM__JINJA_STRIP_BOTH = 3 };
tdm_status tdm__jinja_strip(tdm__jinja_run *run, const tdm__jinja_string *s, const tdm__jinja_string *chars,
                            unsigned sides, tdm__jinja_value *out);

/* Python's str(v) and repr(v), appended. */
tdm_status tdm__jinja_print(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v);
tdm_status tdm__jinja_repr(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v);
/* str(v) as a string value; strings stay what they are. */
tdm_status tdm__jinja_to_string(tdm__jinja_run *run, tdm__jinja_value v, tdm__jinja_value *out);

enum { TDM__JINJA_REAL_BYTES = 40 };
/* repr() of a float; for JSON (NaN, Infinity) when as_json. */
void tdm__jinja_real_text(double d, bool as_json, char out[TDM__JINJA_REAL_BYTES]);

#endif
