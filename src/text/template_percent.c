/* template_percent.c - "%s" % values, and the format filter. */
#include "text/template_format.h"

#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "text/template_eval.h"

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

static tdm_status percent_convert(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v,
                                  tdm__jinja_format_spec *spec, char conversion)
{
    tdm__jinja_value text;
    char align = spec->align ? spec->align : '>';
    spec->zero = spec->zero && spec->align != '<';
    if (conversion == 's' || conversion == 'r') {
        if (conversion == 'r')
            return tdm__jinja_format_repr(run, t, v, spec, align);
        TDM_TRY(tdm__jinja_to_string(run, v, &text));
        return tdm__jinja_format_text(run, t, text.as.string, spec, align);
    }
    TDM_TRY(tdm__jinja_require(run, v));
    if (!tdm__jinja_is_number(v))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "format: %%%c needs a number, not %s", conversion,
                               tdm__jinja_type_name(v));
    bool integer = conversion == 'd' || conversion == 'i' || conversion == 'u';
    if (integer && v.kind == TDM__JINJA_FLOAT) {
        if (!(fabs(v.as.real) < 9.2e18))
            return tdm__jinja_fail(run, TDM_ERR_LIMIT, "an integer beyond 64 bits");
        v = tdm__jinja_int((int64_t)v.as.real);
    } else if (!strchr("diuxXofFeEgG", conversion) || (strchr("xXo", conversion) && v.kind == TDM__JINJA_FLOAT)) {
        return tdm__jinja_format_refuse(run, "this conversion");
    }
    if (strchr("diuxXo", conversion) && spec->precision >= 0)
        return tdm__jinja_format_refuse(run, "a precision for an integer");
    spec->type = conversion;
    return tdm__jinja_format_number(run, t, v, spec);
}

static tdm_status percent_field(tdm__jinja_run *run, tdm__jinja_text *t, percent *p, size_t *at)
{
    tdm__str s = tdm__jinja_bytes(p->s);
    tdm__jinja_format_spec spec = {.precision = -1};
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
            return tdm__jinja_format_refuse(run, "'#'");
        else if (spec.sign != '+')
            spec.sign = c;
    }
    TDM_TRY(tdm__jinja_format_width(run, s, at, &spec));
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
