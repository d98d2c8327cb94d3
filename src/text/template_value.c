/* template_value.c - making, measuring and walking values; the budget of a rendering. */
#include "text/template_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "text/template_compare.h"
#include "text/template_string.h"

tdm_status tdm__jinja_fail(tdm__jinja_run *run, tdm_status code, const char *fmt, ...)
{
    char what[320];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return tdm__fail(run->err, code, "chat template line %u: %s", (unsigned)run->line, what);
}

tdm_status tdm__jinja_spend(tdm__jinja_run *run, size_t n)
{
    if (n > run->steps_left) {
        run->steps_left = 0;
        return tdm__jinja_fail(run, TDM_ERR_LIMIT, "more than %d steps", TDM__TEMPLATE_STEPS_MAX);
    }
    run->steps_left -= n;
    return TDM_OK;
}

tdm_status tdm__jinja_enter(tdm__jinja_run *run)
{
    if (run->depth >= TDM__TEMPLATE_DEPTH_MAX)
        return tdm__jinja_fail(run, TDM_ERR_LIMIT, "nested deeper than %d evaluations", TDM__TEMPLATE_DEPTH_MAX);
    TDM_TRY(tdm__jinja_spend(run, 1));
    run->depth++;
    return TDM_OK;
}

void *tdm__jinja_new(tdm__jinja_run *run, size_t count, size_t size)
{
    void *p = tdm__arena_array(run->arena, count, size);
    if (!p)
        tdm__jinja_fail(run, TDM_ERR_LIMIT, "more than %d MiB of memory", TDM__TEMPLATE_MEMORY_BYTES_MAX >> 20);
    return p;
}

const char *tdm__jinja_type_name(tdm__jinja_value v)
{
    static const char *const flavors[] = {"a list", "a tuple", "a dict_keys", "a dict_values", "a dict_items"};
    switch (v.kind) {
    case TDM__JINJA_ABSENT:
    case TDM__JINJA_UNDEFINED: return "an Undefined";
    case TDM__JINJA_NONE: return "a NoneType";
    case TDM__JINJA_BOOL: return "a bool";
    case TDM__JINJA_INT: return "an int";
    case TDM__JINJA_FLOAT: return "a float";
    case TDM__JINJA_STRING: return "a str";
    case TDM__JINJA_SEQUENCE: return flavors[v.as.sequence->flavor];
    case TDM__JINJA_DICT: return "a dict";
    case TDM__JINJA_RANGE: return "a range";
    case TDM__JINJA_ITERATOR: return "a generator";
    case TDM__JINJA_NAMESPACE: return "a Namespace";
    case TDM__JINJA_MACRO: return "a Macro";
    case TDM__JINJA_METHOD: return "a method";
    case TDM__JINJA_FUNCTION: return "a function";
    case TDM__JINJA_LOOP: return "a LoopContext";
    }
    return "a value";
}

bool tdm__jinja_truth(tdm__jinja_value v)
{
    size_t len;
    switch (v.kind) {
    case TDM__JINJA_ABSENT:
    case TDM__JINJA_UNDEFINED:
    case TDM__JINJA_NONE: return false;
    case TDM__JINJA_BOOL: return v.as.truth;
    case TDM__JINJA_INT: return v.as.integer != 0;
    case TDM__JINJA_FLOAT: return v.as.real < 0 || v.as.real > 0 || v.as.real != v.as.real;
    case TDM__JINJA_STRING: return v.as.string->len > 0;
    default: return !tdm__jinja_length(v, &len) || len > 0;
    }
}

bool tdm__jinja_length(tdm__jinja_value v, size_t *len)
{
    switch (v.kind) {
    case TDM__JINJA_UNDEFINED: *len = 0; return true;
    case TDM__JINJA_STRING: *len = tdm__jinja_string_count(v.as.string); return true;
    case TDM__JINJA_SEQUENCE: *len = v.as.sequence->len; return true;
    case TDM__JINJA_DICT: *len = v.as.dict->len; return true;
    case TDM__JINJA_RANGE: *len = v.as.range->len; return true;
    default: return false;
    }
}

tdm_status tdm__jinja_sequence_make(tdm__jinja_run *run, tdm__jinja_flavor flavor, const tdm__jinja_value *items,
                                    size_t len, tdm__jinja_value *out)
{
    tdm__jinja_sequence *s = tdm__jinja_new(run, 1, sizeof *s);
    if (!s)
        return TDM_ERR_LIMIT;
    *s = (tdm__jinja_sequence){.flavor = flavor, .items = items, .len = len};
    *out = (tdm__jinja_value){.kind = TDM__JINJA_SEQUENCE, .as.sequence = s};
    return TDM_OK;
}

tdm_status tdm__jinja_iterator_make(tdm__jinja_run *run, const tdm__jinja_value *items, size_t len,
                                    tdm__jinja_value *out)
{
    tdm__jinja_iterator *it = tdm__jinja_new(run, 1, sizeof *it);
    if (!it)
        return TDM_ERR_LIMIT;
    *it = (tdm__jinja_iterator){.items = items, .len = len};
    *out = (tdm__jinja_value){.kind = TDM__JINJA_ITERATOR, .as.iterator = it};
    return TDM_OK;
}

tdm_status tdm__jinja_items_add(tdm__jinja_run *run, tdm__jinja_items *items, tdm__jinja_value v)
{
    if (items->len == items->cap) {
        size_t cap = items->cap ? items->cap * 2 : 8;
        tdm__jinja_value *at = tdm__jinja_new(run, cap, sizeof *at);
        if (!at)
            return TDM_ERR_LIMIT;
        if (items->len > 0)
            memcpy(at, items->at, items->len * sizeof *at);
        items->at = at;
        items->cap = cap;
    }
    items->at[items->len++] = v;
    return TDM_OK;
}

tdm_status tdm__jinja_dict_new(tdm__jinja_run *run, size_t cap, tdm__jinja_dict **out)
{
    tdm__jinja_dict *d = tdm__jinja_new(run, 1, sizeof *d);
    if (!d)
        return TDM_ERR_LIMIT;
    d->pairs = tdm__jinja_new(run, cap, sizeof *d->pairs);
    if (!d->pairs)
        return TDM_ERR_LIMIT;
    d->cap = cap;
    *out = d;
    return TDM_OK;
}

static bool is_hashable(tdm__jinja_value v, unsigned depth)
{
    if (v.kind != TDM__JINJA_SEQUENCE)
        return v.kind != TDM__JINJA_DICT;
    if (v.as.sequence->flavor != TDM__JINJA_TUPLE || depth > TDM__TEMPLATE_VALUE_DEPTH_MAX)
        return false;
    for (size_t i = 0; i < v.as.sequence->len; i++)
        if (!is_hashable(v.as.sequence->items[i], depth + 1))
            return false;
    return true;
}

bool tdm__jinja_hashable(tdm__jinja_value v) { return is_hashable(v, 0); }

tdm_status tdm__jinja_dict_find(tdm__jinja_run *run, const tdm__jinja_dict *d, tdm__jinja_value key,
                                tdm__jinja_value **found)
{
    *found = NULL;
    if (!tdm__jinja_hashable(key))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "%s cannot be a key", tdm__jinja_type_name(key));
    if (key.kind == TDM__JINJA_STRING)
        return tdm__jinja_dict_named(run, d, tdm__jinja_bytes(key.as.string), found);
    TDM_TRY(tdm__jinja_spend(run, d->len / 8));
    for (size_t i = 0; i < d->len; i++) {
        bool equal = false;
        TDM_TRY(tdm__jinja_equal(run, d->pairs[i].key, key, &equal));
        if (equal) {
            *found = &d->pairs[i].value;
            return TDM_OK;
        }
    }
    return TDM_OK;
}

tdm_status tdm__jinja_dict_named(tdm__jinja_run *run, const tdm__jinja_dict *d, tdm__str name,
                                 tdm__jinja_value **found)
{
    *found = NULL;
    TDM_TRY(tdm__jinja_spend(run, d->len / 8));
    for (size_t i = 0; i < d->len; i++)
        if (tdm__jinja_string_is(d->pairs[i].key, name)) {
            *found = &d->pairs[i].value;
            return TDM_OK;
        }
    return TDM_OK;
}

tdm_status tdm__jinja_dict_put(tdm__jinja_run *run, tdm__jinja_dict *d, tdm__jinja_value key, tdm__jinja_value value)
{
    tdm__jinja_value *found;
    TDM_TRY(tdm__jinja_dict_find(run, d, key, &found));
    if (found) {
        *found = value;
        return TDM_OK;
    }
    if (d->len == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 4;
        tdm__jinja_pair *pairs = tdm__jinja_new(run, cap, sizeof *pairs);
        if (!pairs)
            return TDM_ERR_LIMIT;
        if (d->len > 0)
            memcpy(pairs, d->pairs, d->len * sizeof *pairs);
        d->pairs = pairs;
        d->cap = cap;
    }
    d->pairs[d->len++] = (tdm__jinja_pair){key, value};
    return TDM_OK;
}

bool tdm__jinja_iterable(tdm__jinja_value v)
{
    switch (v.kind) {
    case TDM__JINJA_UNDEFINED:
    case TDM__JINJA_STRING:
    case TDM__JINJA_SEQUENCE:
    case TDM__JINJA_DICT:
    case TDM__JINJA_RANGE:
    case TDM__JINJA_ITERATOR: return true;
    default: return false;
    }
}

tdm_status tdm__jinja_walk_start(tdm__jinja_run *run, tdm__jinja_walk *w, tdm__jinja_value over)
{
    if (!tdm__jinja_iterable(over))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "%s cannot be iterated", tdm__jinja_type_name(over));
    *w = (tdm__jinja_walk){.over = over};
    if (over.kind == TDM__JINJA_STRING)
        w->len = over.as.string->len;
    else if (over.kind != TDM__JINJA_ITERATOR)
        tdm__jinja_length(over, &w->len);
    return TDM_OK;
}

tdm_status tdm__jinja_walk_next(tdm__jinja_run *run, tdm__jinja_walk *w, tdm__jinja_value *item, bool *got)
{
    TDM_TRY(tdm__jinja_spend(run, 1));
    if (w->over.kind == TDM__JINJA_ITERATOR) { /* its position is shared by all who walk it */
        tdm__jinja_iterator *it = w->over.as.iterator;
        *got = it->at < it->len;
        if (*got)
            *item = it->items[it->at++];
        return TDM_OK;
    }
    *got = w->at < w->len;
    if (!*got)
        return TDM_OK;
    switch (w->over.kind) {
    case TDM__JINJA_STRING: {
        const tdm__jinja_string *s = w->over.as.string;
        size_t from = w->at;
        w->at += tdm__jinja_rune_len(s->bytes + from);
        return tdm__jinja_string_part(run, s, from, w->at, item);
    }
    case TDM__JINJA_SEQUENCE: *item = w->over.as.sequence->items[w->at++]; return TDM_OK;
    case TDM__JINJA_DICT: *item = w->over.as.dict->pairs[w->at++].key; return TDM_OK;
    case TDM__JINJA_RANGE:
        *item = tdm__jinja_int(w->over.as.range->start + (int64_t)w->at++ * w->over.as.range->step);
        return TDM_OK;
    default: *got = false; return TDM_OK;
    }
}

tdm_status tdm__jinja_walk_all(tdm__jinja_run *run, tdm__jinja_value over, tdm__jinja_items *out)
{
    tdm__jinja_walk w = {0};
    TDM_TRY(tdm__jinja_walk_start(run, &w, over));
    for (;;) {
        tdm__jinja_value item;
        bool got = false;
        TDM_TRY(tdm__jinja_walk_next(run, &w, &item, &got));
        if (!got)
            return TDM_OK;
        TDM_TRY(tdm__jinja_items_add(run, out, item));
    }
}
