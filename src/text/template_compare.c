/* template_compare.c - equality, order, membership and sorting, with Python's rules.
 *
 * Strings compare by their bytes, which for UTF-8 is the order of the characters; marks play no part.
 */
#include "text/template_compare.h"

#include <string.h>

#include "base/checked.h"
#include "text/template_string.h"

static int order_doubles(double a, double b, bool *nan)
{
    *nan = a != a || b != b;
    return a < b ? -1 : a > b ? 1 : 0;
}

/* An integer against a float, exactly: not every integer fits a double. */
static int order_mixed(int64_t i, double d, bool *nan)
{
    *nan = d != d;
    if (*nan)
        return 0;
    if (d >= 9223372036854775808.0)
        return -1;
    if (d < -9223372036854775808.0)
        return 1;
    int64_t whole = (int64_t)d;
    if (i != whole)
        return i < whole ? -1 : 1;
    double rest = d - (double)whole;
    return rest > 0 ? -1 : rest < 0 ? 1 : 0;
}

static int order_numbers(tdm__jinja_value a, tdm__jinja_value b, bool *nan)
{
    *nan = false;
    bool real_a = a.kind == TDM__JINJA_FLOAT, real_b = b.kind == TDM__JINJA_FLOAT;
    if (real_a && real_b)
        return order_doubles(a.as.real, b.as.real, nan);
    if (real_b)
        return order_mixed(tdm__jinja_integer(a), b.as.real, nan);
    if (real_a)
        return -order_mixed(tdm__jinja_integer(b), a.as.real, nan);
    int64_t x = tdm__jinja_integer(a), y = tdm__jinja_integer(b);
    return x < y ? -1 : x > y ? 1 : 0;
}

static int order_strings(const tdm__jinja_string *a, const tdm__jinja_string *b)
{
    size_t n = tdm__min_size(a->len, b->len);
    int c = n > 0 ? memcmp(a->bytes, b->bytes, n) : 0;
    if (c != 0)
        return c < 0 ? -1 : 1;
    return a->len < b->len ? -1 : a->len > b->len ? 1 : 0;
}

static tdm_status equal_sequences(tdm__jinja_run *run, const tdm__jinja_sequence *a, const tdm__jinja_sequence *b,
                                  bool *equal)
{
    *equal = a == b || (a->flavor == b->flavor && a->len == b->len);
    if (a == b)
        return TDM_OK;
    for (size_t i = 0; i < a->len && *equal; i++)
        TDM_TRY(tdm__jinja_equal(run, a->items[i], b->items[i], equal));
    return TDM_OK;
}

static tdm_status equal_dicts(tdm__jinja_run *run, const tdm__jinja_dict *a, const tdm__jinja_dict *b, bool *equal)
{
    *equal = a->len == b->len;
    for (size_t i = 0; i < a->len && *equal; i++) {
        tdm__jinja_value *other;
        TDM_TRY(tdm__jinja_dict_find(run, b, a->pairs[i].key, &other));
        if (!other)
            *equal = false;
        else
            TDM_TRY(tdm__jinja_equal(run, a->pairs[i].value, *other, equal));
    }
    return TDM_OK;
}

static tdm_status equal_same_kind(tdm__jinja_run *run, tdm__jinja_value a, tdm__jinja_value b, bool *equal)
{
    switch (a.kind) {
    case TDM__JINJA_UNDEFINED:
    case TDM__JINJA_NONE: *equal = true; return TDM_OK;
    case TDM__JINJA_STRING:
        TDM_TRY(tdm__jinja_spend(run, tdm__min_size(a.as.string->len, b.as.string->len) / 64));
        *equal = tdm__str_eq(tdm__jinja_bytes(a.as.string), tdm__jinja_bytes(b.as.string));
        return TDM_OK;
    case TDM__JINJA_SEQUENCE: return equal_sequences(run, a.as.sequence, b.as.sequence, equal);
    case TDM__JINJA_DICT: return equal_dicts(run, a.as.dict, b.as.dict, equal);
    case TDM__JINJA_RANGE: {
        const tdm__jinja_range *x = a.as.range, *y = b.as.range;
        *equal = x->len == y->len &&
                 (x->len == 0 || (x->start == y->start && (x->len == 1 || x->step == y->step)));
        return TDM_OK;
    }
    default: *equal = tdm__jinja_same(a, b); return TDM_OK;
    }
}

tdm_status tdm__jinja_equal(tdm__jinja_run *run, tdm__jinja_value a, tdm__jinja_value b, bool *equal)
{
    if (tdm__jinja_is_number(a) && tdm__jinja_is_number(b)) {
        bool nan;
        *equal = order_numbers(a, b, &nan) == 0 && !nan;
        return tdm__jinja_spend(run, 1);
    }
    *equal = false;
    if (a.kind != b.kind)
        return TDM_OK;
    TDM_TRY(tdm__jinja_enter(run));
    TDM_TRY(equal_same_kind(run, a, b, equal));
    tdm__jinja_leave(run);
    return TDM_OK;
}

static tdm_status order_lists(tdm__jinja_run *run, const tdm__jinja_sequence *a, const tdm__jinja_sequence *b,
                              int *order, bool *nan)
{
    size_t n = tdm__min_size(a->len, b->len);
    for (size_t i = 0; i < n; i++) {
        bool equal = false;
        TDM_TRY(tdm__jinja_equal(run, a->items[i], b->items[i], &equal));
        if (!equal)
            return tdm__jinja_order(run, a->items[i], b->items[i], order, nan);
    }
    *order = a->len < b->len ? -1 : a->len > b->len ? 1 : 0;
    return TDM_OK;
}

tdm_status tdm__jinja_order(tdm__jinja_run *run, tdm__jinja_value a, tdm__jinja_value b, int *order, bool *nan)
{
    *nan = false;
    if (tdm__jinja_is_number(a) && tdm__jinja_is_number(b)) {
        *order = order_numbers(a, b, nan);
        return tdm__jinja_spend(run, 1);
    }
    if (a.kind == TDM__JINJA_STRING && b.kind == TDM__JINJA_STRING) {
        *order = order_strings(a.as.string, b.as.string);
        return tdm__jinja_spend(run, 1 + tdm__min_size(a.as.string->len, b.as.string->len) / 64);
    }
    if (tdm__jinja_is_list(a) && tdm__jinja_is_list(b) && a.as.sequence->flavor == b.as.sequence->flavor) {
        TDM_TRY(tdm__jinja_enter(run));
        TDM_TRY(order_lists(run, a.as.sequence, b.as.sequence, order, nan));
        tdm__jinja_leave(run);
        return TDM_OK;
    }
    return tdm__jinja_fail(run, TDM_ERR_INVAL, "%s and %s have no order", tdm__jinja_type_name(a),
                           tdm__jinja_type_name(b));
}

tdm_status tdm__jinja_contains(tdm__jinja_run *run, tdm__jinja_value container, tdm__jinja_value item, bool *found)
{
    *found = false;
    if (container.kind == TDM__JINJA_STRING) {
        if (item.kind != TDM__JINJA_STRING)
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "'in' looks for %s in a str", tdm__jinja_type_name(item));
        TDM_TRY(tdm__jinja_spend(run, 1 + container.as.string->len / 64));
        *found = tdm__jinja_find(tdm__jinja_bytes(container.as.string), tdm__jinja_bytes(item.as.string), 0) !=
                 SIZE_MAX;
        return TDM_OK;
    }
    if (container.kind == TDM__JINJA_DICT) {
        tdm__jinja_value *value;
        TDM_TRY(tdm__jinja_dict_find(run, container.as.dict, item, &value));
        *found = value != NULL;
        return TDM_OK;
    }
    tdm__jinja_walk w;
    TDM_TRY(tdm__jinja_walk_start(run, &w, container));
    for (bool got = true; got && !*found;) {
        tdm__jinja_value each;
        TDM_TRY(tdm__jinja_walk_next(run, &w, &each, &got));
        if (got)
            TDM_TRY(tdm__jinja_equal(run, each, item, found));
    }
    return TDM_OK;
}

bool tdm__jinja_same(tdm__jinja_value a, tdm__jinja_value b)
{
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case TDM__JINJA_NONE: return true;
    case TDM__JINJA_BOOL: return a.as.truth == b.as.truth;
    case TDM__JINJA_INT: return a.as.integer == b.as.integer && a.as.integer >= -5 && a.as.integer <= 256;
    case TDM__JINJA_STRING: return a.as.string == b.as.string;
    case TDM__JINJA_SEQUENCE: return a.as.sequence == b.as.sequence;
    case TDM__JINJA_DICT: return a.as.dict == b.as.dict;
    case TDM__JINJA_RANGE: return a.as.range == b.as.range;
    case TDM__JINJA_ITERATOR: return a.as.iterator == b.as.iterator;
    case TDM__JINJA_NAMESPACE: return a.as.names == b.as.names;
    case TDM__JINJA_MACRO: return a.as.macro == b.as.macro;
    case TDM__JINJA_FUNCTION: return a.as.function == b.as.function;
    case TDM__JINJA_LOOP: return a.as.loop == b.as.loop;
    default: return false;
    }
}

/* Merges the sorted halves [from, mid) and [mid, to) through spare arrays. */
static tdm_status merge(tdm__jinja_run *run, tdm__jinja_value *keys, tdm__jinja_value *items,
                        tdm__jinja_value *spare_keys, tdm__jinja_value *spare_items, const size_t at[3], bool reverse)
{
    size_t a = at[0], b = at[1], o = at[0];
    while (a < at[1] || b < at[2]) {
        bool take_b = a == at[1];
        if (!take_b && b < at[2]) {
            int order;
            bool nan;
            TDM_TRY(tdm__jinja_order(run, keys[b], keys[a], &order, &nan));
            take_b = !nan && (reverse ? order > 0 : order < 0);
        }
        size_t from = take_b ? b++ : a++;
        spare_keys[o] = keys[from];
        spare_items[o++] = items[from];
    }
    size_t n = at[2] - at[0];
    memcpy(keys + at[0], spare_keys + at[0], n * sizeof *keys);
    memcpy(items + at[0], spare_items + at[0], n * sizeof *items);
    return TDM_OK;
}

tdm_status tdm__jinja_sort(tdm__jinja_run *run, tdm__jinja_value *keys, tdm__jinja_value *items, size_t n, bool reverse)
{
    tdm__jinja_value *spare_keys = tdm__jinja_new(run, n, sizeof *keys);
    tdm__jinja_value *spare_items = tdm__jinja_new(run, n, sizeof *items);
    if (!spare_keys || !spare_items)
        return TDM_ERR_LIMIT;
    for (size_t width = 1; width < n; width *= 2)
        for (size_t from = 0; from + width < n; from += 2 * width) {
            size_t at[3] = {from, from + width, tdm__min_size(from + 2 * width, n)};
            TDM_TRY(merge(run, keys, items, spare_keys, spare_items, at, reverse));
        }
    return TDM_OK;
}
