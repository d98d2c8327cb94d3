/* template_print.c - Python's str() and repr() of values, and the shortest decimal form of a float.
 *
 * Only a string keeps the marks of its bytes when printed; everything the interpreter words itself is untrusted.
 */
#include "text/template_string.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/template_call.h"

/* Digits and exponent of the shortest decimal that reads back as d: d = 0.DIGITS * 10^point. */
static void shortest(double d, char digits[20], int *point)
{
    char text[TDM__JINJA_REAL_BYTES];
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, d);
        if (strtod(text, NULL) == d)
            break;
    }
    size_t n = 0;
    const char *p = text;
    for (; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    digits[n] = '\0';
    *point = (int)strtol(p + 1, NULL, 10) + 1;
}

void tdm__jinja_real_text(double d, bool as_json, char out[TDM__JINJA_REAL_BYTES])
{
    const size_t cap = TDM__JINJA_REAL_BYTES;
    if (isnan(d)) {
        snprintf(out, cap, "%s", as_json ? "NaN" : "nan");
        return;
    }
    const char *sign = signbit(d) ? "-" : "";
    d = fabs(d);
    if (isinf(d)) {
        snprintf(out, cap, "%s%s", sign, as_json ? "Infinity" : "inf");
        return;
    }
    char digits[20];
    int point;
    shortest(d, digits, &point);
    int n = (int)strlen(digits);
    if (d == 0)
        snprintf(out, cap, "%s0.0", sign);
    else if (point > 16 || point < -3) /* as repr(): 1e+16 and 1e-05 are the first with an exponent */
        snprintf(out, cap, "%s%c%s%se%c%02d", sign, digits[0], n > 1 ? "." : "", digits + 1, point > 0 ? '+' : '-',
                 abs(point - 1));
    else if (point <= 0)
        snprintf(out, cap, "%s0.%.*s%s", sign, -point, "000", digits);
    else if (point >= n)
        snprintf(out, cap, "%s%s%.*s.0", sign, digits, point - n, "0000000000000000");
    else
        snprintf(out, cap, "%s%.*s.%s", sign, point, digits, digits + point);
}

static tdm_status print_integer(tdm__jinja_run *run, tdm__jinja_text *t, int64_t i)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, i);
    return tdm__jinja_text_add_z(run, t, text, 0);
}

/* repr() of a string: quotes as Python chooses them, what cannot be seen escaped. */
static tdm_status repr_string(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_string *s)
{
    tdm__str all = tdm__jinja_bytes(s);
    bool has_single = tdm__jinja_find(all, TDM_STR("'"), 0) != SIZE_MAX;
    bool has_double = tdm__jinja_find(all, TDM_STR("\""), 0) != SIZE_MAX;
    char quote = has_single && !has_double ? '"' : '\'';
    TDM_TRY(tdm__jinja_spend(run, s->len / 4));
    TDM_TRY(tdm__jinja_text_add_z(run, t, s->safe ? "Markup(" : "", 0));
    TDM_TRY(tdm__jinja_text_add(run, t, &quote, 1, 0));
    for (size_t at = 0, next; at < s->len; at = next) {
        int32_t r = tdm__jinja_rune_at(s->bytes, s->len, at, &next);
        char text[16];
        if (r == quote || r == '\\')
            snprintf(text, sizeof text, "\\%c", (char)r);
        else if (r == '\n' || r == '\r' || r == '\t')
            snprintf(text, sizeof text, "\\%c", r == '\n' ? 'n' : r == '\r' ? 'r' : 't');
        else if (tdm__jinja_rune_is_printable(r))
            snprintf(text, sizeof text, "%.*s", (int)(next - at), s->bytes + at);
        else if (r < 0x100)
            snprintf(text, sizeof text, "\\x%02x", (unsigned)r);
        else
            snprintf(text, sizeof text, r < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)r);
        TDM_TRY(tdm__jinja_text_add_z(run, t, text, 0));
    }
    TDM_TRY(tdm__jinja_text_add(run, t, &quote, 1, 0));
    return tdm__jinja_text_add_z(run, t, s->safe ? ")" : "", 0);
}

static tdm_status repr_sequence(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_sequence *s)
{
    static const char *const opening[] = {"[", "(", "dict_keys([", "dict_values([", "dict_items(["};
    static const char *const closing[] = {"]", ")", "])", "])", "])"};
    TDM_TRY(tdm__jinja_text_add_z(run, t, opening[s->flavor], 0));
    for (size_t i = 0; i < s->len; i++) {
        if (i > 0)
            TDM_TRY(tdm__jinja_text_add_z(run, t, ", ", 0));
        TDM_TRY(tdm__jinja_repr(run, t, s->items[i]));
    }
    if (s->flavor == TDM__JINJA_TUPLE && s->len == 1)
        TDM_TRY(tdm__jinja_text_add_z(run, t, ",", 0));
    return tdm__jinja_text_add_z(run, t, closing[s->flavor], 0);
}

static tdm_status repr_dict(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_dict *d)
{
    TDM_TRY(tdm__jinja_text_add_z(run, t, "{", 0));
    for (size_t i = 0; i < d->len; i++) {
        if (i > 0)
            TDM_TRY(tdm__jinja_text_add_z(run, t, ", ", 0));
        TDM_TRY(tdm__jinja_repr(run, t, d->pairs[i].key));
        TDM_TRY(tdm__jinja_text_add_z(run, t, ": ", 0));
        TDM_TRY(tdm__jinja_repr(run, t, d->pairs[i].value));
    }
    return tdm__jinja_text_add_z(run, t, "}", 0);
}

static tdm_status repr_range(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_range *r)
{
    char text[80];
    int n = snprintf(text, sizeof text, "range(%" PRId64 ", %" PRId64, r->start, r->stop);
    if (r->step != 1)
        n += snprintf(text + n, sizeof text - (size_t)n, ", %" PRId64, r->step);
    snprintf(text + n, sizeof text - (size_t)n, ")");
    return tdm__jinja_text_add_z(run, t, text, 0);
}

static tdm_status repr_inside(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v)
{
    char text[TDM__JINJA_REAL_BYTES];
    switch (v.kind) {
    case TDM__JINJA_ABSENT:
    case TDM__JINJA_UNDEFINED: return tdm__jinja_text_add_z(run, t, "Undefined", 0);
    case TDM__JINJA_NONE: return tdm__jinja_text_add_z(run, t, "None", 0);
    case TDM__JINJA_BOOL: return tdm__jinja_text_add_z(run, t, v.as.truth ? "True" : "False", 0);
    case TDM__JINJA_INT: return print_integer(run, t, v.as.integer);
    case TDM__JINJA_FLOAT: tdm__jinja_real_text(v.as.real, false, text); return tdm__jinja_text_add_z(run, t, text, 0);
    case TDM__JINJA_STRING: return repr_string(run, t, v.as.string);
    case TDM__JINJA_SEQUENCE: return repr_sequence(run, t, v.as.sequence);
    case TDM__JINJA_DICT: return repr_dict(run, t, v.as.dict);
    case TDM__JINJA_RANGE: return repr_range(run, t, v.as.range);
    case TDM__JINJA_MACRO:
        TDM_TRY(tdm__jinja_text_add_z(run, t, "<Macro '", 0));
        TDM_TRY(tdm__jinja_text_add_z(run, t, tdm__jinja_macro_name(v.as.macro), 0));
        return tdm__jinja_text_add_z(run, t, "'>", 0);
    default: return tdm__jinja_fail(run, TDM_ERR_UNSUPPORTED, "printing %s is not built", tdm__jinja_type_name(v));
    }
}

tdm_status tdm__jinja_repr(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v)
{
    TDM_TRY(tdm__jinja_enter(run));
    TDM_TRY(repr_inside(run, t, v));
    tdm__jinja_leave(run);
    return TDM_OK;
}

tdm_status tdm__jinja_print(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v)
{
    if (v.kind == TDM__JINJA_STRING)
        return tdm__jinja_text_add_string(run, t, v.as.string);
    if (v.kind == TDM__JINJA_UNDEFINED)
        return TDM_OK;
    return tdm__jinja_repr(run, t, v);
}

tdm_status tdm__jinja_to_string(tdm__jinja_run *run, tdm__jinja_value v, tdm__jinja_value *out)
{
    if (v.kind == TDM__JINJA_STRING) {
        *out = v;
        return TDM_OK;
    }
    tdm__jinja_text *t;
    TDM_TRY(tdm__jinja_text_new(run, 32, &t));
    TDM_TRY(tdm__jinja_print(run, t, v));
    return tdm__jinja_text_value(run, t, out);
}
