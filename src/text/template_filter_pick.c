/* template_filter_pick.c - map, select, reject and their attribute forms.
 *
 * jinja2 makes generators of them; here their items are computed at once and walked once. A filter or test that fails
 * for an item nobody asks for fails here too.
 */
#include "text/template_call.h"
#include "text/template_pick.h"
#include "text/template_tables.h"

/* One part of a path: digits are a number. */
static tdm_status path_part(tdm__jinja_run *run, const tdm__jinja_string *s, size_t from, size_t to,
                            tdm__jinja_value *key)
{
    int64_t number = 0;
    for (size_t i = from; i < to; i++) {
        char c = s->bytes[i];
        if (c < '0' || c > '9' || to - from > 9)
            return tdm__jinja_string_part(run, s, from, to, key);
        number = number * 10 + (c - '0');
    }
    if (from == to)
        return tdm__jinja_string_part(run, s, from, to, key);
    *key = tdm__jinja_int(number);
    return TDM_OK;
}

tdm_status tdm__jinja_path(tdm__jinja_run *run, tdm__jinja_value item, tdm__jinja_value path,
                           const tdm__jinja_value *fallback, tdm__jinja_value *out)
{
    *out = item;
    if (tdm__jinja_is_integer(path))
        return tdm__jinja_item(run, item, path, out);
    if (path.kind != TDM__JINJA_STRING)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "an attribute is named by a str, not %s",
                               tdm__jinja_type_name(path));
    const tdm__jinja_string *s = path.as.string;
    for (size_t from = 0; from <= s->len;) {
        size_t to = tdm__jinja_find(tdm__jinja_bytes(s), TDM_STR("."), from);
        tdm__jinja_value key;
        if (to == SIZE_MAX)
            to = s->len;
        TDM_TRY(path_part(run, s, from, to, &key));
        TDM_TRY(tdm__jinja_item(run, *out, key, out));
        if (fallback && out->kind == TDM__JINJA_UNDEFINED)
            *out = *fallback;
        from = to + 1;
    }
    return TDM_OK;
}

/* The filter or test that the argument names. */
static tdm_status named_string(tdm__jinja_run *run, const char *what, tdm__jinja_value v, tdm__str *name)
{
    if (v.kind != TDM__JINJA_STRING)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "%s is named by a str, not %s", what, tdm__jinja_type_name(v));
    *name = tdm__jinja_bytes(v.as.string);
    return TDM_OK;
}

static tdm_status map_attribute(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_items *out)
{
    tdm__jinja_value bound[TDM__JINJA_PARAMS_MAX];
    TDM_TRY(tdm__jinja_bind(run, "filter 'map'", "*attribute,*default", 1, call->raw, bound));
    bool fallback = tdm__jinja_given(bound[1]) && bound[1].kind != TDM__JINJA_NONE;
    for (size_t i = 0; i < out->len; i++)
        TDM_TRY(tdm__jinja_path(run, out->at[i], bound[0], fallback ? &bound[1] : NULL, &out->at[i]));
    return TDM_OK;
}

static tdm_status map_filter(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_items *out)
{
    if (call->raw->len == 0)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "filter 'map' needs the name of a filter");
    tdm__str name;
    TDM_TRY(named_string(run, "a filter", call->raw->items[0], &name));
    const tdm__jinja_filter *filter = tdm__jinja_filter_find(name);
    if (!filter)
        return tdm__jinja_fail(run, TDM_ERR_UNSUPPORTED, "a filter named in 'map' is not built");
    tdm__jinja_args rest = *call->raw;
    rest.items++;
    rest.len--;
    for (size_t i = 0; i < out->len; i++) {
        TDM_TRY(tdm__jinja_enter(run));
        TDM_TRY(tdm__jinja_apply_filter(run, filter, out->at[i], &rest, &out->at[i]));
        tdm__jinja_leave(run);
    }
    return TDM_OK;
}

static tdm_status filter_map(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_items items = {0};
    bool by_attribute = false;
    if (tdm__jinja_truth(call->self))
        TDM_TRY(tdm__jinja_walk_all(run, call->self, &items));
    for (size_t i = 0; i < call->raw->n_named; i++)
        by_attribute = by_attribute || tdm__str_eq(call->raw->named[i].name, TDM_STR("attribute"));
    if (items.len > 0 && call->raw->len == 0 && by_attribute)
        TDM_TRY(map_attribute(run, call, &items));
    else if (items.len > 0)
        TDM_TRY(map_filter(run, call, &items));
    return tdm__jinja_iterator_make(run, items.at, items.len, out);
}

typedef struct picking {
    bool by_attribute;
    tdm__jinja_value attribute;
    const tdm__jinja_test *test; /* NULL: truth */
    tdm__jinja_args args;        /* of the test */
} picking;

static tdm_status picking_from(tdm__jinja_run *run, const tdm__jinja_call *call, picking *p)
{
    p->args = *call->raw;
    if (p->by_attribute) {
        if (p->args.len == 0)
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "missing parameter for attribute name");
        p->attribute = p->args.items[0];
        p->args.items++;
        p->args.len--;
    }
    if (p->args.len == 0)
        return TDM_OK;
    tdm__str name;
    TDM_TRY(named_string(run, "a test", p->args.items[0], &name));
    p->test = tdm__jinja_test_find(name);
    if (!p->test)
        return tdm__jinja_fail(run, TDM_ERR_UNSUPPORTED, "a test named in a filter is not built");
    p->args.items++;
    p->args.len--;
    return TDM_OK;
}

static tdm_status pick(tdm__jinja_run *run, const tdm__jinja_call *call, bool by_attribute, bool wanted,
                       tdm__jinja_value *out)
{
    tdm__jinja_items items = {0};
    picking p = {.by_attribute = by_attribute};
    size_t kept = 0;
    if (tdm__jinja_truth(call->self)) {
        TDM_TRY(picking_from(run, call, &p));
        TDM_TRY(tdm__jinja_walk_all(run, call->self, &items));
    }
    for (size_t i = 0; i < items.len; i++) {
        tdm__jinja_value v = items.at[i];
        if (by_attribute)
            TDM_TRY(tdm__jinja_path(run, v, p.attribute, NULL, &v));
        bool holds = tdm__jinja_truth(v);
        if (p.test)
            TDM_TRY(tdm__jinja_apply_test(run, p.test, v, &p.args, &holds));
        if (holds == wanted)
            items.at[kept++] = items.at[i];
    }
    return tdm__jinja_iterator_make(run, items.at, kept, out);
}

static tdm_status filter_select(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return pick(run, call, false, true, out);
}

static tdm_status filter_reject(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return pick(run, call, false, false, out);
}

static tdm_status filter_selectattr(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return pick(run, call, true, true, out);
}

static tdm_status filter_rejectattr(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return pick(run, call, true, false, out);
}

const tdm__jinja_filter tdm__jinja_pick_filters[] = {
    {"map", NULL, 0, filter_map},
    {"select", NULL, 0, filter_select},
    {"reject", NULL, 0, filter_reject},
    {"selectattr", NULL, 0, filter_selectattr},
    {"rejectattr", NULL, 0, filter_rejectattr},
    {NULL, NULL, 0, NULL},
};
