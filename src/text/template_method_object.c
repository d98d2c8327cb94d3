/* template_method_object.c - the methods of dicts, lists and loops, and what the sandbox keeps from templates. */
#include "text/template_compare.h"
#include "text/template_eval.h"
#include "text/template_tables.h"

static tdm_status method_get(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_value *found;
    TDM_TRY(tdm__jinja_dict_find(run, call->self.as.dict, call->args[0], &found));
    *out = found ? *found : tdm__jinja_given(call->args[1]) ? call->args[1] : tdm__jinja_none();
    return TDM_OK;
}

/* keys(), values() or items() */
static tdm_status view(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_flavor flavor,
                       tdm__jinja_value *out)
{
    const tdm__jinja_dict *d = call->self.as.dict;
    tdm__jinja_value *items = tdm__jinja_new(run, d->len, sizeof *items);
    if (!items)
        return TDM_ERR_LIMIT;
    TDM_TRY(tdm__jinja_spend(run, d->len));
    for (size_t i = 0; i < d->len; i++) {
        items[i] = flavor == TDM__JINJA_KEYS ? d->pairs[i].key : d->pairs[i].value;
        if (flavor != TDM__JINJA_ITEMS)
            continue;
        tdm__jinja_value *pair = tdm__jinja_new(run, 2, sizeof *pair);
        if (!pair)
            return TDM_ERR_LIMIT;
        pair[0] = d->pairs[i].key;
        pair[1] = d->pairs[i].value;
        TDM_TRY(tdm__jinja_sequence_make(run, TDM__JINJA_TUPLE, pair, 2, &items[i]));
    }
    return tdm__jinja_sequence_make(run, flavor, items, d->len, out);
}

static tdm_status method_keys(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return view(run, call, TDM__JINJA_KEYS, out);
}

static tdm_status method_values(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return view(run, call, TDM__JINJA_VALUES, out);
}

static tdm_status method_items(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return view(run, call, TDM__JINJA_ITEMS, out);
}

/* Nothing changes a list or a dict, so it is its own copy. */
static tdm_status method_copy(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    (void)run;
    *out = call->self;
    return TDM_OK;
}

static tdm_status method_index(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    const tdm__jinja_sequence *s = call->self.as.sequence;
    for (size_t i = 0; i < s->len; i++) {
        bool equal;
        TDM_TRY(tdm__jinja_spend(run, 1));
        TDM_TRY(tdm__jinja_equal(run, s->items[i], call->args[0], &equal));
        if (equal) {
            *out = tdm__jinja_int((int64_t)i);
            return TDM_OK;
        }
    }
    return tdm__jinja_fail(run, TDM_ERR_INVAL, "index: no such item in the list");
}

static tdm_status method_count(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    const tdm__jinja_sequence *s = call->self.as.sequence;
    int64_t n = 0;
    for (size_t i = 0; i < s->len; i++) {
        bool equal;
        TDM_TRY(tdm__jinja_spend(run, 1));
        TDM_TRY(tdm__jinja_equal(run, s->items[i], call->args[0], &equal));
        n += equal;
    }
    *out = tdm__jinja_int(n);
    return TDM_OK;
}

static tdm_status method_cycle(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return tdm__jinja_loop_cycle(run, call->self.as.loop, call->raw, out);
}

static tdm_status method_changed(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return tdm__jinja_loop_changed(run, call->self.as.loop, call->raw, out);
}

#define FORBIDDEN(kind, name) {kind, name, NULL, 0, NULL, true}
#define NOT_BUILT(kind, name) {kind, name, NULL, 0, NULL, false}

const tdm__jinja_method tdm__jinja_object_methods[] = {
    {TDM__JINJA_DICT, "get", "key,default,/", 1, method_get, false},
    {TDM__JINJA_DICT, "keys", "", 0, method_keys, false},
    {TDM__JINJA_DICT, "values", "", 0, method_values, false},
    {TDM__JINJA_DICT, "items", "", 0, method_items, false},
    {TDM__JINJA_DICT, "copy", "", 0, method_copy, false},
    FORBIDDEN(TDM__JINJA_DICT, "clear"),
    FORBIDDEN(TDM__JINJA_DICT, "pop"),
    FORBIDDEN(TDM__JINJA_DICT, "popitem"),
    FORBIDDEN(TDM__JINJA_DICT, "setdefault"),
    FORBIDDEN(TDM__JINJA_DICT, "update"),
    NOT_BUILT(TDM__JINJA_DICT, "fromkeys"),
    {TDM__JINJA_SEQUENCE, "index", "value,/", 1, method_index, false},
    {TDM__JINJA_SEQUENCE, "count", "value,/", 1, method_count, false},
    {TDM__JINJA_SEQUENCE, "copy", "", 0, method_copy, false},
    FORBIDDEN(TDM__JINJA_SEQUENCE, "append"),
    FORBIDDEN(TDM__JINJA_SEQUENCE, "clear"),
    FORBIDDEN(TDM__JINJA_SEQUENCE, "pop"),
    FORBIDDEN(TDM__JINJA_SEQUENCE, "reverse"),
    FORBIDDEN(TDM__JINJA_SEQUENCE, "insert"),
    FORBIDDEN(TDM__JINJA_SEQUENCE, "sort"),
    FORBIDDEN(TDM__JINJA_SEQUENCE, "extend"),
    FORBIDDEN(TDM__JINJA_SEQUENCE, "remove"),
    {TDM__JINJA_LOOP, "cycle", NULL, 0, method_cycle, false},
    {TDM__JINJA_LOOP, "changed", NULL, 0, method_changed, false},
    NOT_BUILT(TDM__JINJA_INT, "real"),
    NOT_BUILT(TDM__JINJA_INT, "imag"),
    NOT_BUILT(TDM__JINJA_INT, "numerator"),
    NOT_BUILT(TDM__JINJA_INT, "denominator"),
    NOT_BUILT(TDM__JINJA_INT, "bit_length"),
    NOT_BUILT(TDM__JINJA_INT, "conjugate"),
    NOT_BUILT(TDM__JINJA_FLOAT, "real"),
    NOT_BUILT(TDM__JINJA_FLOAT, "imag"),
    NOT_BUILT(TDM__JINJA_FLOAT, "is_integer"),
    NOT_BUILT(TDM__JINJA_FLOAT, "hex"),
    NOT_BUILT(TDM__JINJA_RANGE, "start"),
    NOT_BUILT(TDM__JINJA_RANGE, "stop"),
    NOT_BUILT(TDM__JINJA_RANGE, "step"),
    NOT_BUILT(TDM__JINJA_RANGE, "index"),
    NOT_BUILT(TDM__JINJA_RANGE, "count"),
    NOT_BUILT(TDM__JINJA_MACRO, "name"),
    NOT_BUILT(TDM__JINJA_MACRO, "arguments"),
    NOT_BUILT(TDM__JINJA_MACRO, "catch_kwargs"),
    NOT_BUILT(TDM__JINJA_MACRO, "catch_varargs"),
    NOT_BUILT(TDM__JINJA_MACRO, "caller"),
    {TDM__JINJA_ABSENT, NULL, NULL, 0, NULL, false},
};
