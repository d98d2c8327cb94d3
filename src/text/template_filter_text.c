/* template_filter_text.c - the filters that give strings. As in jinja2, most take str(value) first. */
#include "base/checked.h"
#include "text/template_case.h"
#include "text/template_eval.h"
#include "text/template_format.h"
#include "text/template_json.h"
#include "text/template_pick.h"
#include "text/template_split.h"
#include "text/template_tables.h"

static tdm_status self_string(tdm__jinja_run *run, const tdm__jinja_call *call, const tdm__jinja_string **out)
{
    tdm__jinja_value v;
    TDM_TRY(tdm__jinja_to_string(run, call->self, &v));
    *out = v.as.string;
    return TDM_OK;
}

static tdm_status string_arg(tdm__jinja_run *run, const char *filter, tdm__jinja_value v, const tdm__jinja_string **out)
{
    *out = NULL;
    if (!tdm__jinja_given(v) || v.kind == TDM__JINJA_NONE)
        return TDM_OK;
    if (v.kind != TDM__JINJA_STRING)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "filter '%s' needs a str, not %s", filter,
                               tdm__jinja_type_name(v));
    *out = v.as.string;
    return TDM_OK;
}

static tdm_status filter_trim(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    const tdm__jinja_string *s, *chars;
    TDM_TRY(self_string(run, call, &s));
    TDM_TRY(string_arg(run, "trim", call->args[0], &chars));
    return tdm__jinja_strip(run, s, chars, TDM__JINJA_STRIP_BOTH, out);
}

static tdm_status apply_case(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_case_kind kind,
                             tdm__jinja_value *out)
{
    const tdm__jinja_string *s;
    TDM_TRY(self_string(run, call, &s));
    return tdm__jinja_case(run, s, kind, out);
}

static tdm_status filter_upper(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return apply_case(run, call, TDM__CASE_UPPER, out);
}

static tdm_status filter_lower(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return apply_case(run, call, TDM__CASE_LOWER, out);
}

static tdm_status filter_capitalize(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return apply_case(run, call, TDM__CASE_CAPITAL, out);
}

static tdm_status filter_title(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return apply_case(run, call, TDM__CASE_TITLE_FILTER, out);
}

static tdm_status filter_string(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    return tdm__jinja_to_string(run, call->self, out);
}

static tdm_status filter_replace(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    const tdm__jinja_string *s;
    tdm__jinja_value old, new;
    int64_t max = -1;
    TDM_TRY(self_string(run, call, &s));
    TDM_TRY(tdm__jinja_to_string(run, call->args[0], &old));
    TDM_TRY(tdm__jinja_to_string(run, call->args[1], &new));
    if (tdm__jinja_is_integer(call->args[2]))
        max = tdm__jinja_integer(call->args[2]);
    else if (call->args[2].kind > TDM__JINJA_NONE)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "filter 'replace' needs a count");
    return tdm__jinja_replace(run, s, old.as.string, new.as.string, max, out);
}

static tdm_status filter_safe(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    const tdm__jinja_string *s;
    TDM_TRY(self_string(run, call, &s));
    tdm__jinja_string *marked = tdm__jinja_new(run, 1, sizeof *marked);
    if (!marked)
        return TDM_ERR_LIMIT;
    *marked = *s;
    marked->safe = true;
    *out = (tdm__jinja_value){.kind = TDM__JINJA_STRING, .as.string = marked};
    return TDM_OK;
}

static tdm_status filter_escape(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    const tdm__jinja_string *s;
    TDM_TRY(self_string(run, call, &s));
    return tdm__jinja_string_escape(run, s, out);
}

static tdm_status filter_format(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    const tdm__jinja_string *s;
    tdm__jinja_value right;
    TDM_TRY(self_string(run, call, &s));
    if (call->raw->n_named == 0) {
        TDM_TRY(tdm__jinja_sequence_make(run, TDM__JINJA_TUPLE, call->raw->items, call->raw->len, &right));
        return tdm__jinja_format_percent(run, s, right, out);
    }
    if (call->raw->len > 0)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "filter 'format' takes arguments by position or by name, not both");
    tdm__jinja_dict *d;
    TDM_TRY(tdm__jinja_dict_new(run, call->raw->n_named, &d));
    for (size_t i = 0; i < call->raw->n_named; i++) {
        tdm__jinja_value key;
        tdm__str name = call->raw->named[i].name;
        TDM_TRY(tdm__jinja_string_make(run, name.ptr, name.len, 0, &key));
        TDM_TRY(tdm__jinja_dict_put(run, d, key, call->raw->named[i].value));
    }
    right = (tdm__jinja_value){.kind = TDM__JINJA_DICT, .as.dict = d};
    return tdm__jinja_format_percent(run, s, right, out);
}

/* The text that indents one level: a string, or that many spaces. */
static tdm_status indentation(tdm__jinja_run *run, tdm__jinja_value width, int64_t absent, tdm__jinja_value *out)
{
    if (width.kind == TDM__JINJA_STRING) {
        *out = width;
        return TDM_OK;
    }
    if (tdm__jinja_given(width) && !tdm__jinja_is_integer(width))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "an indentation is a number or a str, not %s",
                               tdm__jinja_type_name(width));
    int64_t n = tdm__jinja_given(width) ? tdm__jinja_integer(width) : absent;
    tdm__jinja_text *t;
    TDM_TRY(tdm__jinja_text_new(run, 16, &t));
    for (int64_t i = 0; i < n; i++) {
        TDM_TRY(tdm__jinja_spend(run, 1));
        TDM_TRY(tdm__jinja_text_add_z(run, t, " ", 0));
    }
    return tdm__jinja_text_value(run, t, out);
}

static tdm_status filter_indent(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    static const tdm__jinja_string newline = {.bytes = "\n", .len = 1, .mark = 1, .ascii = true};
    tdm__jinja_value indent, whole;
    tdm__jinja_items lines = {0};
    tdm__jinja_text *t;
    bool first = tdm__jinja_truth(call->args[1]), blank = tdm__jinja_truth(call->args[2]);
    TDM_TRY(tdm__jinja_require(run, call->self));
    if (call->self.kind != TDM__JINJA_STRING)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "filter 'indent' needs a str, not %s",
                               tdm__jinja_type_name(call->self));
    TDM_TRY(indentation(run, call->args[0], 4, &indent));
    TDM_TRY(tdm__jinja_string_concat(run, call->self.as.string, &newline, &whole));
    TDM_TRY(tdm__jinja_split_lines(run, whole.as.string, false, &lines));
    TDM_TRY(tdm__jinja_text_new(run, whole.as.string->len, &t));
    for (size_t i = 0; i < lines.len; i++) {
        const tdm__jinja_string *line = lines.at[i].as.string;
        if (i > 0)
            TDM_TRY(tdm__jinja_text_add_string(run, t, &newline));
        if (i == 0 ? first : blank || line->len > 0)
            TDM_TRY(tdm__jinja_text_add_string(run, t, indent.as.string));
        TDM_TRY(tdm__jinja_text_add_string(run, t, line));
    }
    return tdm__jinja_text_value(run, t, out);
}

static tdm_status filter_tojson(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    const tdm__jinja_value *ascii = &call->args[0], *indent = &call->args[1], *separators = &call->args[2];
    tdm__jinja_json_style style = {.ensure_ascii = tdm__jinja_truth(*ascii),
                                   .sort_keys = tdm__jinja_truth(call->args[3]),
                                   .comma = TDM_STR(", "),
                                   .colon = TDM_STR(": ")};
    if (tdm__jinja_given(*indent) && indent->kind != TDM__JINJA_NONE) {
        tdm__jinja_value text;
        TDM_TRY(indentation(run, *indent, 0, &text));
        style.indented = true;
        style.indent = tdm__jinja_bytes(text.as.string);
        style.comma = TDM_STR(",");
    }
    if (tdm__jinja_given(*separators) && separators->kind != TDM__JINJA_NONE) {
        if (!tdm__jinja_is_list(*separators) || separators->as.sequence->len != 2 ||
            separators->as.sequence->items[0].kind != TDM__JINJA_STRING ||
            separators->as.sequence->items[1].kind != TDM__JINJA_STRING)
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "filter 'tojson': separators are two strings");
        style.comma = tdm__jinja_bytes(separators->as.sequence->items[0].as.string);
        style.colon = tdm__jinja_bytes(separators->as.sequence->items[1].as.string);
    }
    tdm__jinja_text *t;
    TDM_TRY(tdm__jinja_text_new(run, 256, &t));
    TDM_TRY(tdm__jinja_json(run, t, call->self, &style));
    return tdm__jinja_text_value(run, t, out);
}

static tdm_status filter_join(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_value between = {.kind = TDM__JINJA_ABSENT};
    tdm__jinja_walk w;
    tdm__jinja_text *t;
    if (tdm__jinja_given(call->args[0]))
        TDM_TRY(tdm__jinja_to_string(run, call->args[0], &between));
    TDM_TRY(tdm__jinja_walk_start(run, &w, call->self));
    TDM_TRY(tdm__jinja_text_new(run, 64, &t));
    for (bool first = true;; first = false) {
        tdm__jinja_value item;
        bool got;
        TDM_TRY(tdm__jinja_walk_next(run, &w, &item, &got));
        if (!got)
            return tdm__jinja_text_value(run, t, out);
        if (tdm__jinja_given(call->args[1]) && call->args[1].kind != TDM__JINJA_NONE)
            TDM_TRY(tdm__jinja_path(run, item, call->args[1], NULL, &item));
        if (!first && tdm__jinja_given(between))
            TDM_TRY(tdm__jinja_text_add_string(run, t, between.as.string));
        TDM_TRY(tdm__jinja_print(run, t, item));
    }
}

const tdm__jinja_filter tdm__jinja_text_filters[] = {
    {"trim", "chars", 0, filter_trim},
    {"upper", "", 0, filter_upper},
    {"lower", "", 0, filter_lower},
    {"capitalize", "", 0, filter_capitalize},
    {"title", "", 0, filter_title},
    {"string", "", 0, filter_string},
    {"replace", "old,new,count", 2, filter_replace},
    {"safe", "", 0, filter_safe},
    {"escape", "", 0, filter_escape},
    {"e", "", 0, filter_escape},
    {"format", NULL, 0, filter_format},
    {"indent", "width,first,blank", 0, filter_indent},
    {"tojson", "ensure_ascii,indent,separators,sort_keys", 0, filter_tojson},
    {"join", "d,attribute", 0, filter_join},
    {NULL, NULL, 0, NULL},
};
