/* template_filter_list.c - the filters that look at lists and dicts as wholes. */
#include "text/template_case.h"
#include "text/template_compare.h"
#include "text/template_eval.h"
#include "text/template_pick.h"
#include "text/template_tables.h"

static tdm_status filter_length(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    size_t len;
    TDM_TRY(tdm__jinja_spend(run, call->self.kind == TDM__JINJA_STRING ? call->self.as.string->len / 64 : 0));
    if (!tdm__jinja_length(call->self, &len))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "%s has no length", tdm__jinja_type_name(call->self));
    *out = tdm__jinja_int((int64_t)len);
    return TDM_OK;
}

static tdm_status filter_first(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_walk w;
    bool got;
    TDM_TRY(tdm__jinja_walk_start(run, &w, call->self));
    TDM_TRY(tdm__jinja_walk_next(run, &w, out, &got));
    if (!got)
        *out = tdm__jinja_undefined(NULL);
    return TDM_OK;
}

static tdm_status filter_last(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_items items = {0};
    if (call->self.kind == TDM__JINJA_ITERATOR)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "a generator cannot be read from its end");
    if (call->self.kind == TDM__JINJA_STRING && call->self.as.string->len > 0) {
        const tdm__jinja_string *s = call->self.as.string;
        return tdm__jinja_string_part(run, s, tdm__jinja_rune_before(s->bytes, s->len), s->len, out);
    }
    TDM_TRY(tdm__jinja_walk_all(run, call->self, &items));
    *out = items.len > 0 ? items.at[items.len - 1] : tdm__jinja_undefined(NULL);
    return TDM_OK;
}

static tdm_status filter_list(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_items items = {0};
    TDM_TRY(tdm__jinja_walk_all(run, call->self, &items));
    return tdm__jinja_sequence_make(run, TDM__JINJA_LIST, items.at, items.len, out);
}

/* (key, value) tuples in the dict's order. */
static tdm_status pairs_of(tdm__jinja_run *run, const tdm__jinja_dict *d, tdm__jinja_items *out)
{
    for (size_t i = 0; i < d->len; i++) {
        tdm__jinja_value *pair = tdm__jinja_new(run, 2, sizeof *pair), tuple;
        if (!pair)
            return TDM_ERR_LIMIT;
        pair[0] = d->pairs[i].key;
        pair[1] = d->pairs[i].value;
        TDM_TRY(tdm__jinja_spend(run, 1));
        TDM_TRY(tdm__jinja_sequence_make(run, TDM__JINJA_TUPLE, pair, 2, &tuple));
        TDM_TRY(tdm__jinja_items_add(run, out, tuple));
    }
    return TDM_OK;
}

static tdm_status filter_items(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_items items = {0};
    if (call->self.kind == TDM__JINJA_DICT)
        TDM_TRY(pairs_of(run, call->self.as.dict, &items));
    else if (call->self.kind != TDM__JINJA_UNDEFINED)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "filter 'items' needs a mapping, not %s",
                               tdm__jinja_type_name(call->self));
    return tdm__jinja_iterator_make(run, items.at, items.len, out);
}

static tdm_status filter_dictsort(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    bool case_sensitive = tdm__jinja_truth(call->args[0]), reverse = tdm__jinja_truth(call->args[2]);
    bool by_value = tdm__jinja_string_is(call->args[1], TDM_STR("value"));
    TDM_TRY(tdm__jinja_require(run, call->self));
    if (tdm__jinja_given(call->args[1]) && !by_value && !tdm__jinja_string_is(call->args[1], TDM_STR("key")))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "filter 'dictsort' sorts by 'key' or 'value'");
    if (call->self.kind != TDM__JINJA_DICT)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "filter 'dictsort' needs a mapping, not %s",
                               tdm__jinja_type_name(call->self));
    tdm__jinja_items items = {0};
    TDM_TRY(pairs_of(run, call->self.as.dict, &items));
    tdm__jinja_value *keys = tdm__jinja_new(run, items.len, sizeof *keys);
    if (!keys)
        return TDM_ERR_LIMIT;
    for (size_t i = 0; i < items.len; i++) {
        keys[i] = items.at[i].as.sequence->items[by_value];
        if (!case_sensitive)
            TDM_TRY(tdm__jinja_fold(run, keys[i], &keys[i]));
    }
    TDM_TRY(tdm__jinja_sort(run, keys, items.at, items.len, reverse));
    return tdm__jinja_sequence_make(run, TDM__JINJA_LIST, items.at, items.len, out);
}

/* What an item is compared by: its attribute, if one is named, in lower case unless case matters. */
static tdm_status key_of(tdm__jinja_run *run, tdm__jinja_value item, tdm__jinja_value attribute, bool case_sensitive,
                         tdm__jinja_value *key)
{
    *key = item;
    if (tdm__jinja_given(attribute) && attribute.kind != TDM__JINJA_NONE)
        TDM_TRY(tdm__jinja_path(run, item, attribute, NULL, key));
    return case_sensitive ? TDM_OK : tdm__jinja_fold(run, *key, key);
}

static tdm_status filter_sort(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    bool reverse = tdm__jinja_truth(call->args[0]), case_sensitive = tdm__jinja_truth(call->args[1]);
    const tdm__jinja_value attribute = call->args[2];
    tdm__jinja_items items = {0};
    if (attribute.kind == TDM__JINJA_STRING &&
        tdm__jinja_find(tdm__jinja_bytes(attribute.as.string), TDM_STR(","), 0) != SIZE_MAX)
        return tdm__jinja_fail(run, TDM_ERR_UNSUPPORTED, "filter 'sort' by several attributes is not built");
    TDM_TRY(tdm__jinja_walk_all(run, call->self, &items));
    tdm__jinja_value *keys = tdm__jinja_new(run, items.len, sizeof *keys);
    if (!keys)
        return TDM_ERR_LIMIT;
    for (size_t i = 0; i < items.len; i++)
        TDM_TRY(key_of(run, items.at[i], attribute, case_sensitive, &keys[i]));
    TDM_TRY(tdm__jinja_sort(run, keys, items.at, items.len, reverse));
    return tdm__jinja_sequence_make(run, TDM__JINJA_LIST, items.at, items.len, out);
}

static tdm_status filter_unique(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    bool case_sensitive = tdm__jinja_truth(call->args[0]);
    tdm__jinja_items items = {0}, kept = {0};
    tdm__jinja_dict *seen;
    TDM_TRY(tdm__jinja_walk_all(run, call->self, &items));
    TDM_TRY(tdm__jinja_dict_new(run, 8, &seen));
    for (size_t i = 0; i < items.len; i++) {
        tdm__jinja_value key, *found;
        TDM_TRY(key_of(run, items.at[i], call->args[1], case_sensitive, &key));
        TDM_TRY(tdm__jinja_dict_find(run, seen, key, &found));
        if (found)
            continue;
        TDM_TRY(tdm__jinja_dict_put(run, seen, key, tdm__jinja_none()));
        TDM_TRY(tdm__jinja_items_add(run, &kept, items.at[i]));
    }
    return tdm__jinja_iterator_make(run, kept.at, kept.len, out);
}

static tdm_status extreme(tdm__jinja_run *run, const tdm__jinja_call *call, int wanted, tdm__jinja_value *out)
{
    bool case_sensitive = tdm__jinja_truth(call->args[0]), nan;
    tdm__jinja_items items = {0};
    tdm__jinja_value best, key;
    int order;
    TDM_TRY(tdm__jinja_walk_all(run, call->self, &items));
    *out = tdm__jinja_undefined(NULL);
    for (size_t i = 0; i < items.len; i++) {
        TDM_TRY(key_of(run, items.at[i], call->args[1], case_sensitive, &key));
        if (i > 0) {
            TDM_TRY(tdm__jinja_require(run, key));
            TDM_TRY(tdm__jinja_order(run, key, best, &order, &nan));
            if (nan || order != wanted)
                continue;
        }
        best = key;
        *out = items.at[i];
    }
    return TDM_OK;
}

static tdm_status filter_min(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return extreme(run, call, -1, out);
}

static tdm_status filter_max(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return extreme(run, call, 1, out);
}

static tdm_status filter_sum(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_items items = {0};
    TDM_TRY(tdm__jinja_walk_all(run, call->self, &items));
    *out = tdm__jinja_given(call->args[1]) ? call->args[1] : tdm__jinja_int(0);
    if (out->kind == TDM__JINJA_STRING)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "filter 'sum' does not join strings");
    for (size_t i = 0; i < items.len; i++) {
        tdm__jinja_value v = items.at[i];
        if (tdm__jinja_given(call->args[0]) && call->args[0].kind != TDM__JINJA_NONE)
            TDM_TRY(tdm__jinja_path(run, v, call->args[0], NULL, &v));
        TDM_TRY(tdm__jinja_binary(run, TDM__OP_ADD, *out, v, out));
    }
    return TDM_OK;
}

static tdm_status filter_reverse(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    const tdm__jinja_value backwards[3] = {{0}, {0}, tdm__jinja_int(-1)};
    if (call->self.kind == TDM__JINJA_STRING)
        return tdm__jinja_slice(run, call->self, backwards, out);
    tdm__jinja_items items = {0};
    TDM_TRY(tdm__jinja_walk_all(run, call->self, &items));
    for (size_t i = 0; i < items.len / 2; i++) {
        tdm__jinja_value v = items.at[i];
        items.at[i] = items.at[items.len - 1 - i];
        items.at[items.len - 1 - i] = v;
    }
    if (call->self.kind == TDM__JINJA_ITERATOR)
        return tdm__jinja_sequence_make(run, TDM__JINJA_LIST, items.at, items.len, out);
    return tdm__jinja_iterator_make(run, items.at, items.len, out);
}

static tdm_status filter_batch(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_items items = {0}, rows = {0};
    if (!tdm__jinja_is_integer(call->args[0]) || tdm__jinja_integer(call->args[0]) < 1)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "filter 'batch' needs a number of items");
    size_t size = (size_t)tdm__jinja_integer(call->args[0]);
    bool fill = tdm__jinja_given(call->args[1]) && call->args[1].kind != TDM__JINJA_NONE;
    TDM_TRY(tdm__jinja_walk_all(run, call->self, &items));
    for (size_t at = 0; at < items.len;) {
        tdm__jinja_items row = {0};
        tdm__jinja_value list;
        for (; row.len < size && (at < items.len || fill); at++) {
            TDM_TRY(tdm__jinja_spend(run, 1));
            TDM_TRY(tdm__jinja_items_add(run, &row, at < items.len ? items.at[at] : call->args[1]));
        }
        TDM_TRY(tdm__jinja_sequence_make(run, TDM__JINJA_LIST, row.at, row.len, &list));
        TDM_TRY(tdm__jinja_items_add(run, &rows, list));
    }
    return tdm__jinja_iterator_make(run, rows.at, rows.len, out);
}

static tdm_status filter_default(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    bool missing = call->self.kind == TDM__JINJA_UNDEFINED ||
                   (tdm__jinja_truth(call->args[1]) && !tdm__jinja_truth(call->self));
    *out = missing ? call->args[0] : call->self;
    return tdm__jinja_given(*out) ? TDM_OK : tdm__jinja_string_make(run, "", 0, 1, out);
}

const tdm__jinja_filter tdm__jinja_list_filters[] = {
    {"length", "", 0, filter_length},
    {"count", "", 0, filter_length},
    {"first", "", 0, filter_first},
    {"last", "", 0, filter_last},
    {"list", "", 0, filter_list},
    {"items", "", 0, filter_items},
    {"dictsort", "case_sensitive,by,reverse", 0, filter_dictsort},
    {"sort", "reverse,case_sensitive,attribute", 0, filter_sort},
    {"unique", "case_sensitive,attribute", 0, filter_unique},
    {"min", "case_sensitive,attribute", 0, filter_min},
    {"max", "case_sensitive,attribute", 0, filter_max},
    {"sum", "attribute,start", 0, filter_sum},
    {"reverse", "", 0, filter_reverse},
    {"batch", "linecount,fill_with", 1, filter_batch},
    {"default", "default_value,boolean", 0, filter_default},
    {"d", "default_value,boolean", 0, filter_default},
    {NULL, NULL, 0, NULL},
};
