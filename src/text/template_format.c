/* template_format.c - str % and str.format, as far as chat templates go: strings, integers, floats with a width, an
 * alignment, a precision. What the template wrote keeps its marks, and so do the strings that are put in.
 */
#include "text/template_format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "text/template_eval.h"

enum { FORMAT_WIDTH_MAX = 1000, FORMAT_PRECISION_MAX = 100 };

typedef struct format_spec {
    int32_t fill;  /* 0: a space */
    char align;    /* '<', '>', '^' or 0: by the kind of value */
    char sign;     /* '+', ' ' or 0 */
    bool zero;     /* pad numbers with zeros behind the sign */
    int width, precision; /* precision -1: none */
    char type;     /* 0: by the kind of value */
} format_spec;

static tdm_status bad_format(tdm__jinja_run *run, const char *what)
{
    return tdm__jinja_fail(run, TDM_ERR_UNSUPPORTED, "format: %s is not built", what);
}

/* The text of a number without its padding; sign apart. */
static tdm_status number_text(tdm__jinja_run *run, tdm__jinja_value v, const format_spec *spec, char *sign,
                              char out[512])
{
    char type = spec->type;
    bool real = v.kind == TDM__JINJA_FLOAT;
    if (type == 0)
        type = real ? 'r' : 'd';
    bool as_integer = type == 'd' || type == 'i' || type == 'u' || type == 'x' || type == 'X' || type == 'o';
    double d = real ? v.as.real : (double)tdm__jinja_integer(v);
    int64_t i = real ? 0 : tdm__jinja_integer(v);
    bool negative = real || !as_integer ? signbit(d) : i < 0;
    *sign = negative ? '-' : spec->sign;
    if (as_integer) {
        uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
        snprintf(out, 512, type == 'x' ? "%" PRIx64 : type == 'X' ? "%" PRIX64 : type == 'o' ? "%" PRIo64 : "%" PRIu64,
                 u);
        return TDM_OK;
    }
    int precision = spec->precision < 0 ? 6 : spec->precision;
    d = fabs(d);
    switch (type) {
    case 'r':
        if (spec->precision >= 0)
            return bad_format(run, "a precision without a type for a float");
        tdm__jinja_real_text(d, false, out);
        return TDM_OK;
    case 'f':
    case 'F': snprintf(out, 512, "%.*f", precision, d); return TDM_OK;
    case 'e': snprintf(out, 512, "%.*e", precision, d); return TDM_OK;
    case 'E': snprintf(out, 512, "%.*E", precision, d); return TDM_OK;
    case 'g': snprintf(out, 512, "%.*g", precision, d); return TDM_OK;
    case 'G': snprintf(out, 512, "%.*G", precision, d); return TDM_OK;
    case '%': snprintf(out, 512, "%.*f%%", precision, 100 * d); return TDM_OK;
    default: return bad_format(run, "this conversion");
    }
}

static tdm_status pad(tdm__jinja_run *run, tdm__jinja_text *t, int32_t fill, size_t n)
{
    for (size_t i = 0; i < n; i++)
        TDM_TRY(tdm__jinja_text_add_rune(run, t, fill, 0));
    return TDM_OK;
}

/* body, padded to the width; sign stands before the zeros. */
static tdm_status add_padded(tdm__jinja_run *run, tdm__jinja_text *t, const format_spec *spec, char sign,
                             const tdm__jinja_string *body, char align)
{
    size_t len = tdm__jinja_string_count(body) + (sign != 0), width = (size_t)spec->width;
    size_t gap = width > len ? width - len : 0;
    int32_t fill = spec->fill ? spec->fill : ' ';
    size_t before = align == '>' ? gap : align == '^' ? gap / 2 : 0;
    if (align == '=')
        fill = spec->fill ? spec->fill : '0';
    TDM_TRY(pad(run, t, fill, before));
    if (sign)
        TDM_TRY(tdm__jinja_text_add(run, t, &sign, 1, 0));
    if (align == '=')
        TDM_TRY(pad(run, t, fill, gap));
    TDM_TRY(tdm__jinja_text_add_string(run, t, body));
    return pad(run, t, fill, align == '=' ? 0 : gap - before);
}

static tdm_status add_number(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v, const format_spec *spec)
{
    char text[512], sign = 0;
    TDM_TRY(number_text(run, v, spec, &sign, text));
    tdm__jinja_string body = {.bytes = text, .len = strlen(text), .ascii = true};
    char align = spec->align ? spec->align : spec->zero ? '=' : '>';
    return add_padded(run, t, spec, sign, &body, align);
}

static tdm_status add_text(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_string *s,
                           const format_spec *spec, char align)
{
    tdm__jinja_string body = *s;
    if (spec->precision >= 0)
        body.len = tdm__jinja_string_offset(&body, (size_t)spec->precision);
    return add_padded(run, t, spec, 0, &body, align);
}

static bool is_number(tdm__jinja_value v) { return v.kind == TDM__JINJA_FLOAT || tdm__jinja_is_integer(v); }

static tdm_status add_repr(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v, const format_spec *spec,
                           char align)
{
    tdm__jinja_text *inner;
    tdm__jinja_value text;
    TDM_TRY(tdm__jinja_text_new(run, 32, &inner));
    TDM_TRY(tdm__jinja_repr(run, inner, v));
    TDM_TRY(tdm__jinja_text_value(run, inner, &text));
    return add_text(run, t, text.as.string, spec, align);
}

/* A small number at *at; false when there is none or it is beyond max. */
static bool take_number(tdm__str s, size_t *at, int max, int *out)
{
    int n = 0;
    size_t from = *at;
    for (; *at < s.len && s.ptr[*at] >= '0' && s.ptr[*at] <= '9'; (*at)++) {
        n = n * 10 + (s.ptr[*at] - '0');
        if (n > max)
            return false;
    }
    *out = n;
    return *at > from;
}

static tdm_status take_width(tdm__jinja_run *run, tdm__str s, size_t *at, format_spec *spec)
{
    if (*at < s.len && s.ptr[*at] >= '0' && s.ptr[*at] <= '9' && !take_number(s, at, FORMAT_WIDTH_MAX, &spec->width))
        return tdm__jinja_fail(run, TDM_ERR_LIMIT, "format: a width beyond %d", FORMAT_WIDTH_MAX);
    if (*at >= s.len || s.ptr[*at] != '.')
        return TDM_OK;
    (*at)++;
    spec->precision = 0;
    if (*at < s.len && s.ptr[*at] >= '0' && s.ptr[*at] <= '9' &&
        !take_number(s, at, FORMAT_PRECISION_MAX, &spec->precision))
        return tdm__jinja_fail(run, TDM_ERR_LIMIT, "format: a precision beyond %d", FORMAT_PRECISION_MAX);
    return TDM_OK;
}

/* ---- s % values ---- */

typedef struct percent {
    const tdm__jinja_string *s;
    tdm__jinja_value right;
    size_t n_used, n_values;
    bool named; /* %(name)s took from a dict */
} percent;

static tdm_status percent_value(tdm__jinja_run *run, percent *p, size_t *at, tdm__jinja_value *out)
{
    tdm__str s = tdm__jinja_bytes(p->s);
    if (*at < s.len && s.ptr[*at] == '(') {
        size_t close = tdm__jinja_find(s, TDM_STR(")"), *at);
        tdm__jinja_value *found = NULL;
        if (p->right.kind != TDM__JINJA_DICT || close == SIZE_MAX)
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: names need a dict");
        TDM_TRY(tdm__jinja_dict_named(run, p->right.as.dict, (tdm__str){s.ptr + *at + 1, close - *at - 1}, &found));
        if (!found)
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: a name is missing");
        *at = close + 1;
        *out = *found;
        p->named = true;
        return TDM_OK;
    }
    *out = (tdm__jinja_value){.kind = TDM__JINJA_ABSENT}; /* taken when the conversion wants it */
    return TDM_OK;
}

static tdm_status next_value(tdm__jinja_run *run, percent *p, tdm__jinja_value *v)
{
    if (tdm__jinja_given(*v))
        return TDM_OK;
    if (p->n_used >= p->n_values)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: not enough arguments");
    bool tuple = p->right.kind == TDM__JINJA_SEQUENCE && p->right.as.sequence->flavor == TDM__JINJA_TUPLE;
    *v = tuple ? p->right.as.sequence->items[p->n_used] : p->right;
    p->n_used++;
    return TDM_OK;
}

static tdm_status percent_convert(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v, format_spec *spec,
                                  char conversion)
{
    tdm__jinja_value text;
    char align = spec->align ? spec->align : '>';
    spec->zero = spec->zero && spec->align != '<';
    if (conversion == 's' || conversion == 'r') {
        if (conversion == 'r')
            return add_repr(run, t, v, spec, align);
        TDM_TRY(tdm__jinja_to_string(run, v, &text));
        return add_text(run, t, text.as.string, spec, align);
    }
    TDM_TRY(tdm__jinja_require(run, v));
    if (!is_number(v))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: %%%c needs a number, not a %s", conversion,
                               tdm__jinja_type_name(v));
    bool integer = conversion == 'd' || conversion == 'i' || conversion == 'u';
    if (integer && v.kind == TDM__JINJA_FLOAT) {
        if (!(fabs(v.as.real) < 9.2e18))
            return tdm__jinja_fail(run, TDM_ERR_LIMIT, "an integer beyond 64 bits");
        v = tdm__jinja_int((int64_t)v.as.real);
    } else if (!strchr("diuxXofFeEgG", conversion) || (strchr("xXo", conversion) && v.kind == TDM__JINJA_FLOAT)) {
        return bad_format(run, "this conversion");
    }
    if (strchr("diuxXo", conversion) && spec->precision >= 0)
        return bad_format(run, "a precision for an integer");
    spec->type = conversion;
    return add_number(run, t, v, spec);
}

static tdm_status percent_field(tdm__jinja_run *run, tdm__jinja_text *t, percent *p, size_t *at)
{
    tdm__str s = tdm__jinja_bytes(p->s);
    format_spec spec = {.precision = -1};
    tdm__jinja_value v;
    size_t percent_at = *at - 1;
    TDM_TRY(percent_value(run, p, at, &v));
    for (; *at < s.len && s.ptr[*at] && strchr("-+ 0#", s.ptr[*at]); (*at)++) {
        char c = s.ptr[*at];
        if (c == '-')
            spec.align = '<';
        else if (c == '0')
            spec.zero = true;
        else if (c == '#')
            return bad_format(run, "'#'");
        else if (spec.sign != '+')
            spec.sign = c;
    }
    TDM_TRY(take_width(run, s, at, &spec));
    if (*at >= s.len)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: a field ends too early");
    char conversion = s.ptr[(*at)++];
    if (conversion == '%')
        return tdm__jinja_text_add(run, t, "%", 1, tdm__jinja_mark_at(p->s, percent_at));
    TDM_TRY(next_value(run, p, &v));
    return percent_convert(run, t, v, &spec, conversion);
}

tdm_status tdm__jinja_format_percent(tdm__jinja_run *run, const tdm__jinja_string *s, tdm__jinja_value right,
                                     tdm__jinja_value *out)
{
    percent p = {.s = s, .right = right, .n_values = 1};
    if (right.kind == TDM__JINJA_SEQUENCE && right.as.sequence->flavor == TDM__JINJA_TUPLE)
        p.n_values = right.as.sequence->len;
    tdm__jinja_text *t;
    TDM_TRY(tdm__jinja_text_new(run, s->len + 32, &t));
    for (size_t at = 0; at < s->len;) {
        size_t field = tdm__jinja_find(tdm__jinja_bytes(s), TDM_STR("%"), at);
        TDM_TRY(tdm__jinja_text_add_part(run, t, s, at, tdm__min_size(field, s->len)));
        if (field == SIZE_MAX)
            break;
        at = field + 1;
        TDM_TRY(percent_field(run, t, &p, &at));
    }
    bool mapping = right.kind == TDM__JINJA_DICT || tdm__jinja_is_list(right);
    bool tuple = right.kind == TDM__JINJA_SEQUENCE && right.as.sequence->flavor == TDM__JINJA_TUPLE;
    if (p.n_used < p.n_values && !(mapping && !tuple))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: not all arguments were used");
    return tdm__jinja_text_value(run, t, out);
}

/* ---- "{}".format(values) ---- */

typedef struct braces {
    const tdm__jinja_string *s;
    const tdm__jinja_args *args;
    size_t next; /* of the fields without a number */
    bool automatic, manual;
} braces;

static tdm_status braces_start(tdm__jinja_run *run, braces *b, tdm__str name, tdm__jinja_value *out)
{
    size_t at = 0;
    int index = 0;
    bool number = take_number(name, &at, FORMAT_WIDTH_MAX, &index) && at == name.len;
    if (number || name.len == 0) {
        b->automatic = b->automatic || name.len == 0;
        b->manual = b->manual || number;
        size_t i = number ? (size_t)index : b->next++;
        if (b->automatic && b->manual)
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: fields with and without numbers");
        if (i >= b->args->len)
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: argument %zu is missing", i + 1);
        *out = b->args->items[i];
        return TDM_OK;
    }
    for (size_t i = 0; i < b->args->n_named; i++)
        if (tdm__str_eq(b->args->named[i].name, name)) {
            *out = b->args->named[i].value;
            return TDM_OK;
        }
    return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: a name is missing");
}

/* first, then .attribute and [item] */
static tdm_status braces_value(tdm__jinja_run *run, braces *b, size_t from, size_t to, tdm__jinja_value *out)
{
    const char *s = b->s->bytes;
    size_t at = from, end;
    while (at < to && s[at] != '.' && s[at] != '[')
        at++;
    TDM_TRY(braces_start(run, b, (tdm__str){s + from, at - from}, out));
    while (at < to) {
        bool dot = s[at] == '.';
        for (end = ++at; end < to && (dot ? s[end] != '.' && s[end] != '[' : s[end] != ']'); end++)
            ;
        if (end == at || (!dot && end == to))
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: a field is malformed");
        tdm__str name = {s + at, end - at};
        tdm__jinja_value key;
        size_t digits = 0;
        int index;
        TDM_TRY(tdm__jinja_string_part(run, b->s, at, end, &key));
        if (!dot && take_number(name, &digits, FORMAT_WIDTH_MAX, &index) && digits == name.len)
            key = tdm__jinja_int(index);
        if (dot)
            TDM_TRY(tdm__jinja_attribute(run, *out, name, NULL, out));
        else
            TDM_TRY(tdm__jinja_item(run, *out, key, out));
        at = dot ? end : end + 1;
    }
    return TDM_OK;
}

static tdm_status braces_spec(tdm__jinja_run *run, tdm__str s, format_spec *spec)
{
    size_t at = 0, next = 0;
    int32_t fill = s.len > 0 ? tdm__jinja_rune_at(s.ptr, s.len, 0, &next) : 0;
    if (next < s.len && next > 0 && strchr("<>^=", s.ptr[next])) {
        spec->fill = fill;
        spec->align = s.ptr[next];
        at = next + 1;
    } else if (s.len > 0 && s.ptr[0] && strchr("<>^=", s.ptr[0])) {
        spec->align = s.ptr[at++];
    }
    if (at < s.len && s.ptr[at] && strchr("+- ", s.ptr[at]))
        spec->sign = s.ptr[at] == '-' ? 0 : s.ptr[at], at++;
    if (at < s.len && s.ptr[at] == '0') {
        spec->zero = true;
        at++;
    }
    TDM_TRY(take_width(run, s, &at, spec));
    if (at < s.len)
        spec->type = s.ptr[at++];
    if (at < s.len)
        return bad_format(run, "this specification");
    return TDM_OK;
}

static tdm_status braces_convert(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v, tdm__str text,
                                 char conversion)
{
    format_spec spec = {.precision = -1};
    tdm__jinja_value string;
    TDM_TRY(braces_spec(run, text, &spec));
    if (conversion == 'r')
        return add_repr(run, t, v, &spec, spec.align ? spec.align : '<');
    if (is_number(v) && conversion == 0 && text.len > 0) {
        if (v.kind == TDM__JINJA_BOOL && !spec.type)
            return bad_format(run, "a specification for a bool");
        if ((spec.type && !strchr(v.kind == TDM__JINJA_FLOAT ? "fFeEgG%" : "dxXofFeEgG%", spec.type)) ||
            (spec.precision >= 0 && v.kind != TDM__JINJA_FLOAT && (!spec.type || strchr("dxXo", spec.type))))
            return bad_format(run, "this specification");
        return add_number(run, t, v, &spec);
    }
    if (text.len > 0 && v.kind != TDM__JINJA_STRING && conversion == 0)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: a %s takes no specification", tdm__jinja_type_name(v));
    if ((spec.type && spec.type != 's') || spec.align == '=' || spec.zero || spec.sign)
        return bad_format(run, "this specification for a str");
    TDM_TRY(tdm__jinja_to_string(run, v, &string));
    return add_text(run, t, string.as.string, &spec, spec.align ? spec.align : '<');
}

/* The field behind the brace at at - 1. */
static tdm_status braces_field(tdm__jinja_run *run, tdm__jinja_text *t, braces *b, size_t *at)
{
    const char *s = b->s->bytes;
    size_t end = *at, name_end, spec_at;
    while (end < b->s->len && s[end] != '}' && s[end] != '{')
        end++;
    if (end == b->s->len)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: a field is not closed");
    if (s[end] == '{')
        return bad_format(run, "a field inside a field");
    for (name_end = *at; name_end < end && s[name_end] != '!' && s[name_end] != ':'; name_end++)
        ;
    char conversion = 0;
    spec_at = name_end;
    if (spec_at < end && s[spec_at] == '!') {
        conversion = s[spec_at + 1];
        spec_at += 2;
        if ((conversion != 's' && conversion != 'r') || (spec_at < end && s[spec_at] != ':'))
            return bad_format(run, "this conversion");
    }
    tdm__str spec = {s + end, 0};
    if (spec_at < end)
        spec = (tdm__str){s + spec_at + 1, end - spec_at - 1};
    tdm__jinja_value v;
    TDM_TRY(braces_value(run, b, *at, name_end, &v));
    *at = end + 1;
    return braces_convert(run, t, v, spec, conversion);
}

tdm_status tdm__jinja_format_braces(tdm__jinja_run *run, const tdm__jinja_string *s, const tdm__jinja_args *args,
                                    tdm__jinja_value *out)
{
    braces b = {.s = s, .args = args};
    tdm__jinja_text *t;
    TDM_TRY(tdm__jinja_text_new(run, s->len + 32, &t));
    for (size_t at = 0, from = 0;;) {
        while (at < s->len && s->bytes[at] != '{' && s->bytes[at] != '}')
            at++;
        TDM_TRY(tdm__jinja_text_add_part(run, t, s, from, at));
        if (at == s->len)
            return tdm__jinja_text_value(run, t, out);
        char c = s->bytes[at++];
        if (at < s->len && s->bytes[at] == c) { /* a doubled brace */
            TDM_TRY(tdm__jinja_text_add_part(run, t, s, at, at + 1));
            at++;
        } else if (c == '}') {
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: a '}' closes nothing");
        } else {
            TDM_TRY(braces_field(run, t, &b, &at));
        }
        from = at;
    }
}
