/* template_method_string.c - the methods of strings. */
#include "text/template_case.h"
#include "text/template_eval.h"
#include "text/template_format.h"
#include "text/template_split.h"
#include "text/template_tables.h"

static const tdm__jinja_string *self_of(const tdm__jinja_call *call) { return call->self.as.string; }

/* An argument that is a string; NULL when it is absent or none. */
static tdm_status string_arg(tdm__jinja_run *run, const tdm__jinja_call *call, unsigned i, bool required,
                             const tdm__jinja_string **out)
{
    tdm__jinja_value v = call->args[i];
    *out = NULL;
    if (!required && (!tdm__jinja_given(v) || v.kind == TDM__JINJA_NONE))
        return TDM_OK;
    TDM_TRY(tdm__jinja_require(run, v));
    if (v.kind != TDM__JINJA_STRING)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "a method of str needs a str, not %s", tdm__jinja_type_name(v));
    *out = v.as.string;
    return TDM_OK;
}

static tdm_status integer_arg(tdm__jinja_run *run, tdm__jinja_value v, int64_t absent, int64_t *out)
{
    *out = absent;
    if (!tdm__jinja_given(v))
        return TDM_OK;
    TDM_TRY(tdm__jinja_require(run, v));
    if (!tdm__jinja_is_integer(v))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "a method of str needs an int, not %s", tdm__jinja_type_name(v));
    *out = tdm__jinja_integer(v);
    return TDM_OK;
}

static tdm_status strip(tdm__jinja_run *run, const tdm__jinja_call *call, unsigned sides, tdm__jinja_value *out)
{
    const tdm__jinja_string *chars;
    TDM_TRY(string_arg(run, call, 0, false, &chars));
    return tdm__jinja_strip(run, self_of(call), chars, sides, out);
}

static tdm_status method_strip(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return strip(run, call, TDM__JINJA_STRIP_BOTH, out);
}

static tdm_status method_lstrip(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return strip(run, call, TDM__JINJA_STRIP_LEFT, out);
}

static tdm_status method_rstrip(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return strip(run, call, TDM__JINJA_STRIP_RIGHT, out);
}

static tdm_status split(tdm__jinja_run *run, const tdm__jinja_call *call, bool from_right, tdm__jinja_value *out)
{
    const tdm__jinja_string *separator;
    tdm__jinja_items items = {0};
    int64_t max;
    TDM_TRY(string_arg(run, call, 0, false, &separator));
    TDM_TRY(integer_arg(run, call->args[1], -1, &max));
    TDM_TRY(tdm__jinja_split(run, self_of(call), separator, max, from_right, &items));
    return tdm__jinja_sequence_make(run, TDM__JINJA_LIST, items.at, items.len, out);
}

static tdm_status method_split(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return split(run, call, false, out);
}

static tdm_status method_rsplit(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return split(run, call, true, out);
}

static tdm_status method_splitlines(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_items items = {0};
    TDM_TRY(tdm__jinja_split_lines(run, self_of(call), tdm__jinja_truth(call->args[0]), &items));
    return tdm__jinja_sequence_make(run, TDM__JINJA_LIST, items.at, items.len, out);
}

/* (before, separator, after); without a separator in it the whole is first, or last when cut from the right. */
static tdm_status partition(tdm__jinja_run *run, const tdm__jinja_call *call, bool from_right, tdm__jinja_value *out)
{
    const tdm__jinja_string *separator, *s = self_of(call);
    tdm__jinja_value *parts = tdm__jinja_new(run, 3, sizeof *parts);
    TDM_TRY(string_arg(run, call, 0, true, &separator));
    if (!parts)
        return TDM_ERR_LIMIT;
    if (separator->len == 0)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "partition: an empty separator");
    TDM_TRY(tdm__jinja_spend(run, (1 + s->len / 64) * (1 + separator->len / 64)));
    tdm__str text = tdm__jinja_bytes(s), needle = tdm__jinja_bytes(separator);
    size_t at = from_right ? tdm__jinja_find_last(text, needle, s->len) : tdm__jinja_find(text, needle, 0);
    size_t from = at == SIZE_MAX ? (from_right ? 0 : s->len) : at;
    size_t to = at == SIZE_MAX ? from : at + needle.len;
    TDM_TRY(tdm__jinja_string_part(run, s, 0, from, &parts[0]));
    TDM_TRY(tdm__jinja_string_part(run, at == SIZE_MAX ? s : separator, 0, at == SIZE_MAX ? 0 : needle.len, &parts[1]));
    TDM_TRY(tdm__jinja_string_part(run, s, to, s->len, &parts[2]));
    return tdm__jinja_sequence_make(run, TDM__JINJA_TUPLE, parts, 3, out);
}

static tdm_status method_partition(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return partition(run, call, false, out);
}

static tdm_status method_rpartition(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return partition(run, call, true, out);
}

/* self[start:end] of find, count, startswith as bytes; false: start is beyond the end, nothing is found there. */
static tdm_status window(tdm__jinja_run *run, const tdm__jinja_call *call, size_t *from, size_t *to, bool *any)
{
    const tdm__jinja_string *s = self_of(call);
    int64_t start = 0, end = INT64_MAX, len = (int64_t)tdm__jinja_string_count(s);
    *from = 0;
    *to = s->len;
    *any = true;
    TDM_TRY(tdm__jinja_spend(run, 1 + s->len / 64));
    if (call->args[1].kind > TDM__JINJA_NONE)
        TDM_TRY(integer_arg(run, call->args[1], 0, &start));
    if (call->args[2].kind > TDM__JINJA_NONE)
        TDM_TRY(integer_arg(run, call->args[2], 0, &end));
    start = start < 0 ? (start < -len ? 0 : start + len) : start;
    end = end < 0 ? (end < -len ? 0 : end + len) : end > len ? len : end;
    *any = start <= end;
    if (!*any)
        return TDM_OK;
    *from = tdm__jinja_string_offset(s, (size_t)start);
    *to = tdm__jinja_string_offset(s, (size_t)end);
    return TDM_OK;
}

static bool has_affix(tdm__str s, tdm__str affix, bool at_end)
{
    if (!at_end)
        return tdm__str_starts(s, affix);
    return s.len >= affix.len && tdm__str_eq((tdm__str){s.ptr + s.len - affix.len, affix.len}, affix);
}

/* startswith and endswith: one string, or a tuple of which one is enough. */
static tdm_status affix(tdm__jinja_run *run, const tdm__jinja_call *call, bool at_end, tdm__jinja_value *out)
{
    tdm__jinja_value v = call->args[0];
    size_t from, to;
    bool any, holds = false;
    TDM_TRY(tdm__jinja_require(run, v));
    TDM_TRY(window(run, call, &from, &to, &any));
    bool tuple = v.kind == TDM__JINJA_SEQUENCE && v.as.sequence->flavor == TDM__JINJA_TUPLE;
    size_t n = tuple ? v.as.sequence->len : 1;
    for (size_t i = 0; i < n && !holds; i++) {
        tdm__jinja_value each = tuple ? v.as.sequence->items[i] : v;
        if (each.kind != TDM__JINJA_STRING)
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "startswith and endswith need a str, not %s",
                                   tdm__jinja_type_name(each));
        TDM_TRY(tdm__jinja_spend(run, 1));
        holds = any && has_affix((tdm__str){self_of(call)->bytes + from, to - from}, tdm__jinja_bytes(each.as.string),
                                 at_end);
    }
    *out = tdm__jinja_bool(holds);
    return TDM_OK;
}

static tdm_status method_startswith(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return affix(run, call, false, out);
}

static tdm_status method_endswith(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return affix(run, call, true, out);
}

static tdm_status remove_affix(tdm__jinja_run *run, const tdm__jinja_call *call, bool at_end, tdm__jinja_value *out)
{
    const tdm__jinja_string *part, *s = self_of(call);
    TDM_TRY(string_arg(run, call, 0, true, &part));
    bool has = has_affix(tdm__jinja_bytes(s), tdm__jinja_bytes(part), at_end);
    size_t n = has ? part->len : 0;
    return tdm__jinja_string_part(run, s, at_end ? 0 : n, at_end ? s->len - n : s->len, out);
}

static tdm_status method_removeprefix(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return remove_affix(run, call, false, out);
}

static tdm_status method_removesuffix(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return remove_affix(run, call, true, out);
}

/* find, rfind, index, rindex: the character position, or -1 or an error. */
static tdm_status find(tdm__jinja_run *run, const tdm__jinja_call *call, bool last, bool must, tdm__jinja_value *out)
{
    const tdm__jinja_string *needle, *s = self_of(call);
    size_t from, to, at = SIZE_MAX;
    bool any;
    TDM_TRY(string_arg(run, call, 0, true, &needle));
    TDM_TRY(window(run, call, &from, &to, &any));
    TDM_TRY(tdm__jinja_spend(run, last ? (1 + s->len / 16) * (1 + needle->len / 64) : 0));
    tdm__str text = {s->bytes + from, to - from};
    if (any)
        at = last ? tdm__jinja_find_last(text, tdm__jinja_bytes(needle), text.len)
                  : tdm__jinja_find(text, tdm__jinja_bytes(needle), 0);
    if (at == SIZE_MAX && must)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "substring not found");
    tdm__jinja_string before = {.bytes = s->bytes, .len = from + at, .ascii = s->ascii};
    *out = tdm__jinja_int(at == SIZE_MAX ? -1 : (int64_t)tdm__jinja_string_count(&before));
    return TDM_OK;
}

static tdm_status method_find(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return find(run, call, false, false, out);
}

static tdm_status method_rfind(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return find(run, call, true, false, out);
}

static tdm_status method_index(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return find(run, call, false, true, out);
}

static tdm_status method_count(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    const tdm__jinja_string *needle;
    size_t from, to;
    bool any;
    int64_t n = 0;
    TDM_TRY(string_arg(run, call, 0, true, &needle));
    TDM_TRY(window(run, call, &from, &to, &any));
    tdm__jinja_string part = {.bytes = self_of(call)->bytes + from, .len = to - from};
    if (any && needle->len == 0)
        n = (int64_t)tdm__jinja_string_count(&part) + 1;
    for (size_t at = 0; any && needle->len > 0; at += needle->len, n++) {
        at = tdm__jinja_find(tdm__jinja_bytes(&part), tdm__jinja_bytes(needle), at);
        if (at == SIZE_MAX)
            break;
    }
    *out = tdm__jinja_int(n);
    return TDM_OK;
}

static tdm_status method_replace(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    const tdm__jinja_string *old, *new;
    int64_t max;
    TDM_TRY(string_arg(run, call, 0, true, &old));
    TDM_TRY(string_arg(run, call, 1, true, &new));
    TDM_TRY(integer_arg(run, call->args[2], -1, &max));
    return tdm__jinja_replace(run, self_of(call), old, new, max, out);
}

static tdm_status method_upper(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return tdm__jinja_case(run, self_of(call), TDM__CASE_UPPER, out);
}

static tdm_status method_lower(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return tdm__jinja_case(run, self_of(call), TDM__CASE_LOWER, out);
}

static tdm_status method_capitalize(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return tdm__jinja_case(run, self_of(call), TDM__CASE_CAPITAL, out);
}

static tdm_status method_title(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return tdm__jinja_case(run, self_of(call), TDM__CASE_TITLE, out);
}

static tdm_status method_join(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_walk w;
    tdm__jinja_text *t;
    TDM_TRY(tdm__jinja_walk_start(run, &w, call->args[0]));
    TDM_TRY(tdm__jinja_text_new(run, 64, &t));
    for (bool first = true;; first = false) {
        tdm__jinja_value item;
        bool got;
        TDM_TRY(tdm__jinja_walk_next(run, &w, &item, &got));
        if (!got)
            return tdm__jinja_text_value(run, t, out);
        if (item.kind != TDM__JINJA_STRING)
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "join: an item is %s, not a str", tdm__jinja_type_name(item));
        if (!first)
            TDM_TRY(tdm__jinja_text_add_string(run, t, self_of(call)));
        TDM_TRY(tdm__jinja_text_add_string(run, t, item.as.string));
    }
}

static tdm_status method_format(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return tdm__jinja_format_braces(run, self_of(call), call->raw, out);
}

#define ON_STRING(name, params, n_required, apply) {TDM__JINJA_STRING, name, params, n_required, apply, false}
#define NOT_BUILT(name) {TDM__JINJA_STRING, name, NULL, 0, NULL, false}

const tdm__jinja_method tdm__jinja_string_methods[] = {
    ON_STRING("strip", "chars,/", 0, method_strip),
    ON_STRING("lstrip", "chars,/", 0, method_lstrip),
    ON_STRING("rstrip", "chars,/", 0, method_rstrip),
    ON_STRING("split", "sep,maxsplit", 0, method_split),
    ON_STRING("rsplit", "sep,maxsplit", 0, method_rsplit),
    ON_STRING("splitlines", "keepends", 0, method_splitlines),
    ON_STRING("partition", "sep,/", 1, method_partition),
    ON_STRING("rpartition", "sep,/", 1, method_rpartition),
    ON_STRING("startswith", "prefix,start,end,/", 1, method_startswith),
    ON_STRING("endswith", "suffix,start,end,/", 1, method_endswith),
    ON_STRING("removeprefix", "prefix,/", 1, method_removeprefix),
    ON_STRING("removesuffix", "suffix,/", 1, method_removesuffix),
    ON_STRING("find", "sub,start,end,/", 1, method_find),
    ON_STRING("rfind", "sub,start,end,/", 1, method_rfind),
    ON_STRING("index", "sub,start,end,/", 1, method_index),
    ON_STRING("count", "sub,start,end,/", 1, method_count),
    ON_STRING("replace", "old,new,count,/", 2, method_replace),
    ON_STRING("upper", "", 0, method_upper),
    ON_STRING("lower", "", 0, method_lower),
    ON_STRING("capitalize", "", 0, method_capitalize),
    ON_STRING("title", "", 0, method_title),
    ON_STRING("join", "iterable,/", 1, method_join),
    ON_STRING("format", NULL, 0, method_format),
    NOT_BUILT("casefold"),    NOT_BUILT("center"),    NOT_BUILT("encode"),      NOT_BUILT("expandtabs"),
    NOT_BUILT("format_map"),  NOT_BUILT("isalnum"),   NOT_BUILT("isalpha"),     NOT_BUILT("isascii"),
    NOT_BUILT("isdecimal"),   NOT_BUILT("isdigit"),   NOT_BUILT("isidentifier"), NOT_BUILT("islower"),
    NOT_BUILT("isnumeric"),   NOT_BUILT("isprintable"), NOT_BUILT("isspace"),   NOT_BUILT("istitle"),
    NOT_BUILT("isupper"),     NOT_BUILT("ljust"),     NOT_BUILT("maketrans"),   NOT_BUILT("rindex"),
    NOT_BUILT("rjust"),       NOT_BUILT("swapcase"),  NOT_BUILT("translate"),   NOT_BUILT("zfill"),
    {TDM__JINJA_ABSENT, NULL, NULL, 0, NULL, false},
};
