/* template_braces.c - "{}".format(values). */
#include "text/template_format.h"

#include <string.h>

#include "text/template_eval.h"

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
    bool number = tdm__jinja_format_digits(name, &at, TDM__FORMAT_WIDTH_MAX, &index) && at == name.len;
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
        if (!dot && tdm__jinja_format_digits(name, &digits, TDM__FORMAT_WIDTH_MAX, &index) && digits == name.len)
            key = tdm__jinja_int(index);
        if (dot)
            TDM_TRY(tdm__jinja_attribute(run, *out, name, NULL, out));
        else
            TDM_TRY(tdm__jinja_item(run, *out, key, out));
        at = dot ? end : end + 1;
    }
    return TDM_OK;
}

static tdm_status braces_spec(tdm__jinja_run *run, tdm__str s, tdm__jinja_format_spec *spec)
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
    TDM_TRY(tdm__jinja_format_width(run, s, &at, spec));
    if (at < s.len)
        spec->type = s.ptr[at++];
    if (at < s.len)
        return tdm__jinja_format_refuse(run, "this specification");
    return TDM_OK;
}

static tdm_status braces_convert(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v, tdm__str text,
                                 char conversion)
{
    tdm__jinja_format_spec spec = {.precision = -1};
    tdm__jinja_value string;
    TDM_TRY(braces_spec(run, text, &spec));
    if (conversion == 'r')
        return tdm__jinja_format_repr(run, t, v, &spec, spec.align ? spec.align : '<');
    if (tdm__jinja_is_number(v) && conversion == 0 && text.len > 0) {
        if (v.kind == TDM__JINJA_BOOL && !spec.type)
            return tdm__jinja_format_refuse(run, "a specification for a bool");
        if ((spec.type && !strchr(v.kind == TDM__JINJA_FLOAT ? "fFeEgG%" : "dxXofFeEgG%", spec.type)) ||
            (spec.precision >= 0 && v.kind != TDM__JINJA_FLOAT && (!spec.type || strchr("dxXo", spec.type))))
            return tdm__jinja_format_refuse(run, "this specification");
        return tdm__jinja_format_number(run, t, v, &spec);
    }
    if (text.len > 0 && v.kind != TDM__JINJA_STRING && conversion == 0)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: %s takes no specification", tdm__jinja_type_name(v));
    if ((spec.type && spec.type != 's') || spec.align == '=' || spec.zero || spec.sign)
        return tdm__jinja_format_refuse(run, "this specification for a str");
    TDM_TRY(tdm__jinja_to_string(run, v, &string));
    return tdm__jinja_format_text(run, t, string.as.string, &spec, spec.align ? spec.align : '<');
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
        return tdm__jinja_format_refuse(run, "a field inside a field");
    for (name_end = *at; name_end < end && s[name_end] != '!' && s[name_end] != ':'; name_end++)
        ;
    char conversion = 0;
    spec_at = name_end;
    if (spec_at < end && s[spec_at] == '!') {
        conversion = s[spec_at + 1];
        spec_at += 2;
        if ((conversion != 's' && conversion != 'r') || (spec_at < end && s[spec_at] != ':'))
            return tdm__jinja_format_refuse(run, "this conversion");
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
