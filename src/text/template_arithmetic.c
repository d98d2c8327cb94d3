/* template_arithmetic.c - + - * / // % ** with Python's results. Integers have 64 bits and do not wrap. */
#include <math.h>

#include "text/template_eval.h"
#include "text/template_format.h"
#include "text/template_string.h"

static tdm_status out_of_range(tdm__jinja_run *run)
{
    return tdm__jinja_fail(run, TDM_ERR_LIMIT, "an integer beyond 64 bits");
}

static tdm_status no_operation(tdm__jinja_run *run, const char *sign, tdm__jinja_value left, tdm__jinja_value right)
{
    return tdm__jinja_fail(run, TDM_ERR_INVAL, "'%s' cannot join %s and %s", sign, tdm__jinja_type_name(left),
                           tdm__jinja_type_name(right));
}

static double to_real(tdm__jinja_value v)
{
    return v.kind == TDM__JINJA_FLOAT ? v.as.real : (double)tdm__jinja_integer(v);
}

/* Floor division and its remainder, whose sign is the divisor's. */
static tdm_status divide_integers(tdm__jinja_run *run, int64_t a, int64_t b, int64_t *quotient, int64_t *rest)
{
    if (b == 0)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "division by zero");
    if (a == INT64_MIN && b == -1)
        return out_of_range(run);
    *quotient = a / b;
    *rest = a % b;
    if (*rest != 0 && (*rest < 0) != (b < 0)) {
        (*quotient)--;
        *rest += b;
    }
    return TDM_OK;
}

static tdm_status integer_power(tdm__jinja_run *run, int64_t base, int64_t exponent, tdm__jinja_value *out)
{
    int64_t result = 1;
    while (exponent > 0) {
        if ((exponent & 1) && __builtin_mul_overflow(result, base, &result))
            return out_of_range(run);
        exponent >>= 1;
        if (exponent > 0 && __builtin_mul_overflow(base, base, &base))
            return out_of_range(run);
    }
    *out = tdm__jinja_int(result);
    return TDM_OK;
}

static tdm_status join_integers(tdm__jinja_run *run, tdm__jinja_op op, int64_t a, int64_t b, tdm__jinja_value *out)
{
    int64_t r = 0, rest = 0;
    bool wraps = false;
    switch (op) {
    case TDM__OP_ADD: wraps = __builtin_add_overflow(a, b, &r); break;
    case TDM__OP_SUB: wraps = __builtin_sub_overflow(a, b, &r); break;
    case TDM__OP_MUL: wraps = __builtin_mul_overflow(a, b, &r); break;
    case TDM__OP_FLOORDIV: TDM_TRY(divide_integers(run, a, b, &r, &rest)); break;
    case TDM__OP_MOD: TDM_TRY(divide_integers(run, a, b, &rest, &r)); break;
    default: return integer_power(run, a, b, out);
    }
    if (wraps)
        return out_of_range(run);
    *out = tdm__jinja_int(r);
    return TDM_OK;
}

static tdm_status real_power(tdm__jinja_run *run, double a, double b, tdm__jinja_value *out)
{
    if (a == 0 && b < 0)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "zero to a negative power");
    if (a < 0 && b != floor(b) && isfinite(b))
        return tdm__jinja_fail(run, TDM_ERR_UNSUPPORTED, "complex numbers are not built");
    double r = pow(a, b);
    if (isinf(r) && isfinite(a) && isfinite(b))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "a power beyond what a float holds");
    *out = tdm__jinja_real(r);
    return TDM_OK;
}

static tdm_status join_reals(tdm__jinja_run *run, tdm__jinja_op op, double a, double b, tdm__jinja_value *out)
{
    bool divides = op == TDM__OP_DIV || op == TDM__OP_FLOORDIV || op == TDM__OP_MOD;
    if (divides && b == 0)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "division by zero");
    switch (op) {
    case TDM__OP_ADD: *out = tdm__jinja_real(a + b); return TDM_OK;
    case TDM__OP_SUB: *out = tdm__jinja_real(a - b); return TDM_OK;
    case TDM__OP_MUL: *out = tdm__jinja_real(a * b); return TDM_OK;
    case TDM__OP_DIV: *out = tdm__jinja_real(a / b); return TDM_OK;
    case TDM__OP_POW: return real_power(run, a, b, out);
    default: break;
    }
    double rest = fmod(a, b), quotient = (a - rest) / b; /* as CPython's float_divmod */
    if (rest != 0 && (b < 0) != (rest < 0)) {
        rest += b;
        quotient -= 1;
    } else if (rest == 0) {
        rest = copysign(0.0, b);
    }
    double whole = quotient != 0 ? floor(quotient) : copysign(0.0, a / b);
    if (quotient != 0 && quotient - whole > 0.5)
        whole += 1;
    *out = tdm__jinja_real(op == TDM__OP_MOD ? rest : whole);
    return TDM_OK;
}

static tdm_status repeat_string(tdm__jinja_run *run, const tdm__jinja_string *s, int64_t times, tdm__jinja_value *out)
{
    tdm__jinja_text *t;
    TDM_TRY(tdm__jinja_text_new(run, 16, &t));
    for (int64_t i = 0; i < times && s->len > 0; i++) {
        TDM_TRY(tdm__jinja_spend(run, 1));
        TDM_TRY(tdm__jinja_text_add_string(run, t, s));
    }
    return tdm__jinja_text_value(run, t, out);
}

static tdm_status repeat_list(tdm__jinja_run *run, const tdm__jinja_sequence *s, int64_t times, tdm__jinja_value *out)
{
    tdm__jinja_items items = {0};
    for (int64_t i = 0; i < times && s->len > 0; i++)
        for (size_t k = 0; k < s->len; k++) {
            TDM_TRY(tdm__jinja_spend(run, 1));
            TDM_TRY(tdm__jinja_items_add(run, &items, s->items[k]));
        }
    return tdm__jinja_sequence_make(run, s->flavor, items.at, items.len, out);
}

static tdm_status join_lists(tdm__jinja_run *run, const tdm__jinja_sequence *a, const tdm__jinja_sequence *b,
                             tdm__jinja_value *out)
{
    size_t n = a->len + b->len;
    TDM_TRY(tdm__jinja_spend(run, n));
    tdm__jinja_value *items = tdm__jinja_new(run, n, sizeof *items);
    if (!items)
        return TDM_ERR_LIMIT;
    for (size_t i = 0; i < n; i++)
        items[i] = i < a->len ? a->items[i] : b->items[i - a->len];
    return tdm__jinja_sequence_make(run, a->flavor, items, n, out);
}

static tdm_status add(tdm__jinja_run *run, tdm__jinja_value left, tdm__jinja_value right, tdm__jinja_value *out)
{
    if (left.kind == TDM__JINJA_STRING && right.kind == TDM__JINJA_STRING)
        return tdm__jinja_string_concat(run, left.as.string, right.as.string, out);
    if (tdm__jinja_is_list(left) && tdm__jinja_is_list(right) &&
        left.as.sequence->flavor == right.as.sequence->flavor)
        return join_lists(run, left.as.sequence, right.as.sequence, out);
    return no_operation(run, "+", left, right);
}

static tdm_status multiply(tdm__jinja_run *run, tdm__jinja_value left, tdm__jinja_value right, tdm__jinja_value *out)
{
    if (tdm__jinja_is_integer(left))
        return tdm__jinja_is_integer(right) ? no_operation(run, "*", left, right) : multiply(run, right, left, out);
    if (left.kind == TDM__JINJA_STRING && tdm__jinja_is_integer(right))
        return repeat_string(run, left.as.string, tdm__jinja_integer(right), out);
    if (tdm__jinja_is_list(left) && tdm__jinja_is_integer(right))
        return repeat_list(run, left.as.sequence, tdm__jinja_integer(right), out);
    return no_operation(run, "*", left, right);
}

tdm_status tdm__jinja_binary(tdm__jinja_run *run, tdm__jinja_op op, tdm__jinja_value left, tdm__jinja_value right,
                             tdm__jinja_value *out)
{
    static const char *const signs[] = {"", "+", "-", "*", "/", "//", "%", "**"};
    TDM_TRY(tdm__jinja_require(run, left));
    if (op == TDM__OP_MOD && left.kind == TDM__JINJA_STRING)
        return tdm__jinja_format_percent(run, left.as.string, right, out);
    TDM_TRY(tdm__jinja_require(run, right));
    if (tdm__jinja_is_number(left) && tdm__jinja_is_number(right)) {
        bool integers = tdm__jinja_is_integer(left) && tdm__jinja_is_integer(right);
        if (integers && op != TDM__OP_DIV && !(op == TDM__OP_POW && tdm__jinja_integer(right) < 0))
            return join_integers(run, op, tdm__jinja_integer(left), tdm__jinja_integer(right), out);
        return join_reals(run, op, to_real(left), to_real(right), out);
    }
    if (op == TDM__OP_ADD)
        return add(run, left, right, out);
    if (op == TDM__OP_MUL)
        return multiply(run, left, right, out);
    return no_operation(run, signs[op], left, right);
}

tdm_status tdm__jinja_negate(tdm__jinja_run *run, tdm__jinja_value v, tdm__jinja_value *out)
{
    TDM_TRY(tdm__jinja_require(run, v));
    if (v.kind == TDM__JINJA_FLOAT) {
        *out = tdm__jinja_real(-v.as.real);
        return TDM_OK;
    }
    if (!tdm__jinja_is_integer(v))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "'-' cannot negate %s", tdm__jinja_type_name(v));
    return tdm__jinja_binary(run, TDM__OP_SUB, tdm__jinja_int(0), v, out);
}
