/* template_filter_number.c - int, float, abs and round, and Python's reading of numbers in strings. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/template_eval.h"
#include "text/template_tables.h"

enum { NUMBER_BYTES_MAX = 400 };

/* The string without white space around it and without underscores between digits; false: cannot be a number. */
static tdm_status clean_number(tdm__jinja_run *run, const tdm__jinja_string *s, char out[NUMBER_BYTES_MAX], bool *ok)
{
    tdm__jinja_value stripped;
    TDM_TRY(tdm__jinja_strip(run, s, NULL, TDM__JINJA_STRIP_BOTH, &stripped));
    tdm__str text = tdm__jinja_bytes(stripped.as.string);
    size_t n = 0;
    *ok = text.len > 0 && text.len < NUMBER_BYTES_MAX;
    for (size_t i = 0; *ok && i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '_') {
            bool between = i > 0 && i + 1 < text.len && strchr("0123456789abcdefABCDEF", text.ptr[i - 1]) &&
                           text.ptr[i + 1] && strchr("0123456789abcdefABCDEF", text.ptr[i + 1]);
            *ok = between;
        } else if (c >= 0x80 || c <= 0x20) {
            *ok = false; /* digits of other scripts are not built: they read as no number */
        } else {
            out[n++] = (char)c;
        }
    }
    out[*ok ? n : 0] = '\0';
    return TDM_OK;
}

/* int(text, base); *fits is false beyond 64 bits. */
static bool read_integer(const char *text, int64_t base, int64_t *out, bool *fits)
{
    const char *p = text + (*text == '-' || *text == '+');
    *fits = true;
    int prefix = p[0] != '0' ? 0 : (p[1] | 0x20) == 'x' ? 16 : (p[1] | 0x20) == 'o' ? 8 : (p[1] | 0x20) == 'b' ? 2 : 0;
    if (prefix && (base == 0 || base == prefix)) {
        base = prefix;
        p += 2;
    } else if (base == 0) {
        if (p[0] == '0' && strspn(p, "0") != strlen(p))
            return false;
        base = 10;
    }
    if (!*p)
        return false;
    int64_t n = 0;
    for (; *p; p++) {
        int letter = *p | 0x20;
        int digit = *p >= '0' && *p <= '9' ? *p - '0' : letter >= 'a' && letter <= 'z' ? letter - 'a' + 10 : 99;
        if (digit >= base)
            return false;
        if (__builtin_mul_overflow(n, base, &n) || __builtin_sub_overflow(n, (int64_t)digit, &n))
            *fits = false;
    }
    if (*text != '-' && __builtin_sub_overflow(INT64_C(0), n, &n))
        *fits = false;
    *out = n;
    return true;
}

/* float(text) */
static bool read_real(const char *text, double *out)
{
    const char *p = text + (*text == '-' || *text == '+');
    bool word = (*p | 0x20) == 'i' || (*p | 0x20) == 'n';
    if (!word && strspn(p, "0123456789.eE+-") != strlen(p)) /* strtod reads more than Python: hexadecimal */
        return false;
    if (word && strchr(p, '('))
        return false;
    char *end;
    *out = strtod(text, &end);
    return *text && end != text && *end == '\0';
}

static tdm_status truncate_real(tdm__jinja_run *run, double d, tdm__jinja_value fallback, tdm__jinja_value *out)
{
    if (isnan(d)) {
        *out = fallback;
        return TDM_OK;
    }
    if (!(fabs(d) < 9223372036854775807.0))
        return tdm__jinja_fail(run, TDM_ERR_LIMIT, "an integer beyond 64 bits");
    *out = tdm__jinja_int((int64_t)d);
    return TDM_OK;
}

static tdm_status filter_int(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_value fallback = tdm__jinja_given(call->args[0]) ? call->args[0] : tdm__jinja_int(0);
    int64_t base = tdm__jinja_is_integer(call->args[1]) ? tdm__jinja_integer(call->args[1]) : 10, n;
    TDM_TRY(tdm__jinja_require(run, call->self));
    *out = fallback;
    if (tdm__jinja_is_integer(call->self))
        *out = tdm__jinja_int(tdm__jinja_integer(call->self));
    if (call->self.kind == TDM__JINJA_FLOAT)
        return truncate_real(run, call->self.as.real, fallback, out);
    if (call->self.kind != TDM__JINJA_STRING)
        return TDM_OK;
    char text[NUMBER_BYTES_MAX];
    bool ok, fits;
    double d;
    TDM_TRY(clean_number(run, call->self.as.string, text, &ok));
    if (ok && (base == 0 || (base >= 2 && base <= 36)) && read_integer(text, base, &n, &fits)) {
        if (!fits)
            return tdm__jinja_fail(run, TDM_ERR_LIMIT, "an integer beyond 64 bits");
        *out = tdm__jinja_int(n);
        return TDM_OK;
    }
    if (ok && read_real(text, &d) && !isinf(d))
        return truncate_real(run, d, fallback, out);
    return TDM_OK;
}

static tdm_status filter_float(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    TDM_TRY(tdm__jinja_require(run, call->self));
    *out = tdm__jinja_given(call->args[0]) ? call->args[0] : tdm__jinja_real(0);
    if (call->self.kind == TDM__JINJA_FLOAT)
        *out = call->self;
    if (tdm__jinja_is_integer(call->self))
        *out = tdm__jinja_real((double)tdm__jinja_integer(call->self));
    if (call->self.kind != TDM__JINJA_STRING)
        return TDM_OK;
    char text[NUMBER_BYTES_MAX];
    bool ok;
    double d;
    TDM_TRY(clean_number(run, call->self.as.string, text, &ok));
    if (ok && read_real(text, &d))
        *out = tdm__jinja_real(d);
    return TDM_OK;
}

static tdm_status need_number(tdm__jinja_run *run, const char *filter, tdm__jinja_value v)
{
    TDM_TRY(tdm__jinja_require(run, v));
    if (v.kind == TDM__JINJA_FLOAT || tdm__jinja_is_integer(v))
        return TDM_OK;
    return tdm__jinja_fail(run, TDM_ERR_INVAL, "filter '%s' needs a number, not %s", filter,
                           tdm__jinja_type_name(v));
}

static tdm_status filter_abs(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    TDM_TRY(need_number(run, "abs", call->self));
    *out = tdm__jinja_is_integer(call->self) ? tdm__jinja_int(tdm__jinja_integer(call->self))
                                             : tdm__jinja_real(fabs(call->self.as.real));
    if (out->kind == TDM__JINJA_INT && out->as.integer < 0)
        return tdm__jinja_negate(run, *out, out);
    return TDM_OK;
}

static tdm_status filter_round(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    bool ceil_it = tdm__jinja_string_is(call->args[1], TDM_STR("ceil"));
    bool floor_it = tdm__jinja_string_is(call->args[1], TDM_STR("floor"));
    int64_t precision = tdm__jinja_is_integer(call->args[0]) ? tdm__jinja_integer(call->args[0]) : 0;
    TDM_TRY(need_number(run, "round", call->self));
    if (tdm__jinja_given(call->args[1]) && !ceil_it && !floor_it &&
        !tdm__jinja_string_is(call->args[1], TDM_STR("common")))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "filter 'round': the method is common, ceil or floor");
    if (precision < 0 || precision > 30)
        return tdm__jinja_fail(run, TDM_ERR_UNSUPPORTED, "filter 'round' to that precision is not built");
    bool integer = tdm__jinja_is_integer(call->self);
    if (integer && !ceil_it && !floor_it) {
        *out = tdm__jinja_int(tdm__jinja_integer(call->self));
        return TDM_OK;
    }
    double d = integer ? (double)tdm__jinja_integer(call->self) : call->self.as.real;
    if (ceil_it || floor_it) {
        double scale = pow(10, (double)precision);
        if (!isfinite(d))
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "filter 'round' needs a finite number");
        *out = tdm__jinja_real((ceil_it ? ceil(d * scale) : floor(d * scale)) / scale + 0.0);
        return TDM_OK;
    }
    char text[NUMBER_BYTES_MAX]; /* printf rounds as Python does: exactly, ties to even */
    snprintf(text, sizeof text, "%.*f", (int)precision, d);
    *out = tdm__jinja_real(strtod(text, NULL));
    return TDM_OK;
}

const tdm__jinja_filter tdm__jinja_number_filters[] = {
    {"int", "default,base", 0, filter_int},
    {"float", "default", 0, filter_float},
    {"abs", "", 0, filter_abs},
    {"round", "precision,method", 0, filter_round},
    {NULL, NULL, 0, NULL},
};
