/* template_test_table.c - the tests behind "is", and finding a filter, test, method or function by its name. */
#include "text/template_compare.h"
#include "text/template_eval.h"
#include "text/template_tables.h"

#define KIND_TEST(name, condition)                                                                                \
    static tdm_status test_##name(tdm__jinja_run *run, const tdm__jinja_call *call, bool *holds)                  \
    {                                                                                                             \
        const tdm__jinja_value v = call->self;                                                                    \
        (void)run;                                                                                                \
        *holds = (condition);                                                                                     \
        return TDM_OK;                                                                                            \
    }

KIND_TEST(defined, v.kind != TDM__JINJA_UNDEFINED)
KIND_TEST(undefined, v.kind == TDM__JINJA_UNDEFINED)
KIND_TEST(none, v.kind == TDM__JINJA_NONE)
KIND_TEST(boolean, v.kind == TDM__JINJA_BOOL)
KIND_TEST(true, v.kind == TDM__JINJA_BOOL && v.as.truth)
KIND_TEST(false, v.kind == TDM__JINJA_BOOL && !v.as.truth)
KIND_TEST(integer, v.kind == TDM__JINJA_INT)
KIND_TEST(float, v.kind == TDM__JINJA_FLOAT)
KIND_TEST(number, v.kind == TDM__JINJA_FLOAT || tdm__jinja_is_integer(v))
KIND_TEST(string, v.kind == TDM__JINJA_STRING)
KIND_TEST(mapping, v.kind == TDM__JINJA_DICT)
KIND_TEST(iterable, tdm__jinja_iterable(v) || v.kind == TDM__JINJA_LOOP)
KIND_TEST(callable, v.kind == TDM__JINJA_MACRO || v.kind == TDM__JINJA_METHOD || v.kind == TDM__JINJA_FUNCTION ||
                        v.kind == TDM__JINJA_LOOP || v.kind == TDM__JINJA_UNDEFINED) /* it has a __call__ that fails */
KIND_TEST(sequence, v.kind == TDM__JINJA_STRING || v.kind == TDM__JINJA_DICT || v.kind == TDM__JINJA_RANGE ||
                        v.kind == TDM__JINJA_UNDEFINED || tdm__jinja_is_list(v))
KIND_TEST(escaped, v.kind == TDM__JINJA_STRING && v.as.string->safe)
KIND_TEST(sameas, tdm__jinja_same(v, call->args[0]))

static tdm_status test_in(tdm__jinja_run *run, const tdm__jinja_call *call, bool *holds)
{
    return tdm__jinja_contains(run, call->args[0], call->self, holds);
}

static tdm_status test_eq(tdm__jinja_run *run, const tdm__jinja_call *call, bool *holds)
{
    return tdm__jinja_equal(run, call->self, call->args[0], holds);
}

static tdm_status test_ne(tdm__jinja_run *run, const tdm__jinja_call *call, bool *holds)
{
    TDM_TRY(tdm__jinja_equal(run, call->self, call->args[0], holds));
    *holds = !*holds;
    return TDM_OK;
}

/* The order of the two sides; 2 when there is none (a NaN). */
static tdm_status order_of(tdm__jinja_run *run, const tdm__jinja_call *call, int *order)
{
    bool nan;
    TDM_TRY(tdm__jinja_require(run, call->self));
    TDM_TRY(tdm__jinja_require(run, call->args[0]));
    TDM_TRY(tdm__jinja_order(run, call->self, call->args[0], order, &nan));
    if (nan)
        *order = 2;
    return TDM_OK;
}

#define ORDER_TEST(name, condition)                                                                               \
    static tdm_status test_##name(tdm__jinja_run *run, const tdm__jinja_call *call, bool *holds)                  \
    {                                                                                                             \
        int order;                                                                                                \
        TDM_TRY(order_of(run, call, &order));                                                                     \
        *holds = (condition);                                                                                     \
        return TDM_OK;                                                                                            \
    }

ORDER_TEST(lt, order == -1)
ORDER_TEST(le, order == -1 || order == 0)
ORDER_TEST(gt, order == 1)
ORDER_TEST(ge, order == 1 || order == 0)

/* self % divisor == rest */
static tdm_status test_rest(tdm__jinja_run *run, tdm__jinja_value self, tdm__jinja_value divisor, int64_t rest,
                            bool *holds)
{
    tdm__jinja_value r;
    TDM_TRY(tdm__jinja_binary(run, TDM__OP_MOD, self, divisor, &r));
    return tdm__jinja_equal(run, r, tdm__jinja_int(rest), holds);
}

static tdm_status test_odd(tdm__jinja_run *run, const tdm__jinja_call *call, bool *holds)
{
    return test_rest(run, call->self, tdm__jinja_int(2), 1, holds);
}

static tdm_status test_even(tdm__jinja_run *run, const tdm__jinja_call *call, bool *holds)
{
    return test_rest(run, call->self, tdm__jinja_int(2), 0, holds);
}

static tdm_status test_divisibleby(tdm__jinja_run *run, const tdm__jinja_call *call, bool *holds)
{
    return test_rest(run, call->self, call->args[0], 0, holds);
}

const tdm__jinja_test tdm__jinja_tests[] = {
    {"defined", "", 0, test_defined},
    {"undefined", "", 0, test_undefined},
    {"none", "", 0, test_none},
    {"boolean", "", 0, test_boolean},
    {"true", "", 0, test_true},
    {"false", "", 0, test_false},
    {"integer", "", 0, test_integer},
    {"float", "", 0, test_float},
    {"number", "", 0, test_number},
    {"string", "", 0, test_string},
    {"mapping", "", 0, test_mapping},
    {"iterable", "", 0, test_iterable},
    {"sequence", "", 0, test_sequence},
    {"callable", "", 0, test_callable},
    {"escaped", "", 0, test_escaped},
    {"sameas", "other", 1, test_sameas},
    {"in", "seq", 1, test_in},
    {"eq", "a,/", 1, test_eq},
    {"equalto", "a,/", 1, test_eq},
    {"==", "a,/", 1, test_eq},
    {"ne", "a,/", 1, test_ne},
    {"!=", "a,/", 1, test_ne},
    {"lt", "a,/", 1, test_lt},
    {"lessthan", "a,/", 1, test_lt},
    {"<", "a,/", 1, test_lt},
    {"le", "a,/", 1, test_le},
    {"<=", "a,/", 1, test_le},
    {"gt", "a,/", 1, test_gt},
    {"greaterthan", "a,/", 1, test_gt},
    {">", "a,/", 1, test_gt},
    {"ge", "a,/", 1, test_ge},
    {">=", "a,/", 1, test_ge},
    {"odd", "", 0, test_odd},
    {"even", "", 0, test_even},
    {"divisibleby", "num", 1, test_divisibleby},
    {NULL, NULL, 0, NULL},
};

const tdm__jinja_test *tdm__jinja_test_find(tdm__str name)
{
    for (const tdm__jinja_test *t = tdm__jinja_tests; t->name; t++)
        if (tdm__str_eq(name, tdm__str_from(t->name)))
            return t;
    return NULL;
}

const tdm__jinja_filter *tdm__jinja_filter_find(tdm__str name)
{
    const tdm__jinja_filter *const tables[] = {tdm__jinja_text_filters, tdm__jinja_list_filters,
                                               tdm__jinja_pick_filters, tdm__jinja_number_filters};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const tdm__jinja_filter *f = tables[i]; f->name; f++)
            if (tdm__str_eq(name, tdm__str_from(f->name)))
                return f;
    return NULL;
}

/* Whether the table's row is about values like self. Tuples have two of the list's methods, views none. */
static bool is_row_of(const tdm__jinja_method *row, tdm__jinja_value self)
{
    if (row->kind != self.kind)
        return false;
    if (self.kind != TDM__JINJA_SEQUENCE || self.as.sequence->flavor == TDM__JINJA_LIST)
        return true;
    return self.as.sequence->flavor == TDM__JINJA_TUPLE &&
           (tdm__str_eq(tdm__str_from(row->name), TDM_STR("index")) ||
            tdm__str_eq(tdm__str_from(row->name), TDM_STR("count")));
}

const tdm__jinja_method *tdm__jinja_method_find(tdm__jinja_value self, tdm__str name)
{
    const tdm__jinja_method *m =
        self.kind == TDM__JINJA_STRING ? tdm__jinja_string_methods : tdm__jinja_object_methods;
    for (; m->name; m++)
        if (is_row_of(m, self) && tdm__str_eq(name, tdm__str_from(m->name)))
            return m;
    return NULL;
}

const tdm__jinja_function *tdm__jinja_function_find(tdm__str name)
{
    for (const tdm__jinja_function *f = tdm__jinja_functions; f->name; f++)
        if (tdm__str_eq(name, tdm__str_from(f->name)))
            return f;
    return NULL;
}
