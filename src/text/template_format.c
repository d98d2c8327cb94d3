/* template_format.c - numbers and strings with their widths, shared by both ways of formatting. */
#include "text/template_format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "text/template_eval.h"

tdm_status tdm__jinja_format_refuse(tdm__jinja_run *run, const char *what)
{
    return tdm__jinja_fail(run, TDM_ERR_UNSUPPORTED, "format: %s is not built", what);
}

/* The text of a number without its padding; sign apart. */
static tdm_status number_text(tdm__jinja_run *run, tdm__jinja_value v, const tdm__jinja_format_spec *spec, char *sign,
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
            return tdm__jinja_format_refuse(run, "a precision without a type for a float");
        tdm__jinja_real_text(d, false, out);
        return TDM_OK;
    case 'f':
    case 'F': snprintf(out, 512, "%.*f", precision, d); return TDM_OK;
    case 'e': snprintf(out, 512, "%.*e", precision, d); return TDM_OK;
    case 'E': snprintf(out, 512, "%.*E", precision, d); return TDM_OK;
    case 'g': snprintf(out, 512, "%.*g", precision, d); return TDM_OK;
    case 'G': snprintf(out, 512, "%.*G", precision, d); return TDM_OK;
    case '%': snprintf(out, 512, "%.*f%%", precision, 100 * d); return TDM_OK;
    default: return tdm__jinja_format_refuse(run, "this conversion");
    }
}

static tdm_status pad(tdm__jinja_run *run, tdm__jinja_text *t, int32_t fill, size_t n)
{
    for (size_t i = 0; i < n; i++)
        TDM_TRY(tdm__jinja_text_add_rune(run, t, fill, 0));
    return TDM_OK;
}

/* body, padded to the width; sign stands before the zeros. */
static tdm_status add_padded(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_format_spec *spec, char sign,
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

tdm_status tdm__jinja_format_number(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v,
                                    const tdm__jinja_format_spec *spec)
{
    char text[512], sign = 0;
    TDM_TRY(number_text(run, v, spec, &sign, text));
    tdm__jinja_string body = {.bytes = text, .len = strlen(text), .ascii = true};
    char align = spec->align ? spec->align : spec->zero ? '=' : '>';
    return add_padded(run, t, spec, sign, &body, align);
}

tdm_status tdm__jinja_format_text(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_string *s,
                                  const tdm__jinja_format_spec *spec, char align)
{
    tdm__jinja_string body = *s;
    if (spec->precision >= 0)
        body.len = tdm__jinja_string_offset(&body, (size_t)spec->precision);
    return add_padded(run, t, spec, 0, &body, align);
}

tdm_status tdm__jinja_format_repr(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v,
                                  const tdm__jinja_format_spec *spec, char align)
{
    tdm__jinja_text *inner;
    tdm__jinja_value text;
    TDM_TRY(tdm__jinja_text_new(run, 32, &inner));
    TDM_TRY(tdm__jinja_repr(run, inner, v));
    TDM_TRY(tdm__jinja_text_value(run, inner, &text));
    return tdm__jinja_format_text(run, t, text.as.string, spec, align);
}

static bool is_digit_at(tdm__str s, size_t at) { return at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9'; }

bool tdm__jinja_format_digits(tdm__str s, size_t *at, int max, int *out)
{
    int n = 0;
    size_t from = *at;
    for (; is_digit_at(s, *at); (*at)++) {
        n = n * 10 + (s.ptr[*at] - '0');
        if (n > max)
            return false;
    }
    *out = n;
    return *at > from;
}

tdm_status tdm__jinja_format_width(tdm__jinja_run *run, tdm__str s, size_t *at, tdm__jinja_format_spec *spec)
{
    if (is_digit_at(s, *at) && !tdm__jinja_format_digits(s, at, TDM__FORMAT_WIDTH_MAX, &spec->width))
        return tdm__jinja_fail(run, TDM_ERR_LIMIT, "format: a width beyond %d", TDM__FORMAT_WIDTH_MAX);
    if (*at >= s.len || s.ptr[*at] != '.')
        return TDM_OK;
    (*at)++;
    spec->precision = 0;
    if (is_digit_at(s, *at) && !tdm__jinja_format_digits(s, at, TDM__FORMAT_PRECISION_MAX, &spec->precision))
        return tdm__jinja_fail(run, TDM_ERR_LIMIT, "format: a precision beyond %d", TDM__FORMAT_PRECISION_MAX);
    return TDM_OK;
}
