/* template_call.c - binds arguments to parameters and calls macros, methods, functions and filters. */
#include "text/template_call.h"

#include <stdio.h>
#include <string.h>

#include "text/template_tables.h"

const char *tdm__jinja_macro_name(const tdm__jinja_macro *m)
{
    return m->node->name ? m->node->name->text.ptr : "caller";
}

tdm_status tdm__jinja_macro_make(tdm__jinja_run *run, const tdm__jinja_node *node, tdm__jinja_frame *scope,
                                 tdm__jinja_value *out)
{
    tdm__jinja_macro *m = tdm__jinja_new(run, 1, sizeof *m);
    if (!m)
        return TDM_ERR_LIMIT;
    *m = (tdm__jinja_macro){node, scope};
    for (; scope && !scope->captured; scope = scope->parent)
        scope->captured = true;
    *out = (tdm__jinja_value){.kind = TDM__JINJA_MACRO, .as.macro = m};
    return TDM_OK;
}

typedef struct args_building {
    tdm__jinja_items items;
    tdm__jinja_named *named;
    size_t n_named, cap;
} args_building;

static tdm_status add_named(tdm__jinja_run *run, args_building *b, tdm__str name, tdm__jinja_value v)
{
    for (size_t i = 0; i < b->n_named; i++)
        if (tdm__str_eq(b->named[i].name, name))
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "an argument is given twice by name");
    if (b->n_named == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 4;
        tdm__jinja_named *named = tdm__jinja_new(run, cap, sizeof *named);
        if (!named)
            return TDM_ERR_LIMIT;
        if (b->n_named > 0)
            memcpy(named, b->named, b->n_named * sizeof *named);
        b->named = named;
        b->cap = cap;
    }
    b->named[b->n_named++] = (tdm__jinja_named){name, v};
    return tdm__jinja_spend(run, b->n_named);
}

static tdm_status add_spread_named(tdm__jinja_run *run, args_building *b, tdm__jinja_value v)
{
    if (v.kind != TDM__JINJA_DICT)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "'**' needs a dict, not %s", tdm__jinja_type_name(v));
    for (size_t i = 0; i < v.as.dict->len; i++) {
        tdm__jinja_pair pair = v.as.dict->pairs[i];
        if (pair.key.kind != TDM__JINJA_STRING)
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "'**' needs names as keys");
        TDM_TRY(add_named(run, b, tdm__jinja_bytes(pair.key.as.string), pair.value));
    }
    return TDM_OK;
}

tdm_status tdm__jinja_eval_args(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *list,
                                const tdm__jinja_value *caller, tdm__jinja_args *out)
{
    args_building b = {0};
    for (; list; list = list->next) {
        tdm__jinja_value v;
        bool plain = list->kind != TDM__NODE_KEYWORD && list->kind != TDM__NODE_SPREAD &&
                     list->kind != TDM__NODE_SPREAD_NAMED;
        TDM_TRY(tdm__jinja_eval(run, f, plain ? list : list->first, &v));
        if (plain)
            TDM_TRY(tdm__jinja_items_add(run, &b.items, v));
        else if (list->kind == TDM__NODE_KEYWORD)
            TDM_TRY(add_named(run, &b, list->name->text, v));
        else if (list->kind == TDM__NODE_SPREAD)
            TDM_TRY(tdm__jinja_walk_all(run, v, &b.items));
        else
            TDM_TRY(add_spread_named(run, &b, v));
    }
    if (caller)
        TDM_TRY(add_named(run, &b, TDM_STR("caller"), *caller));
    *out = (tdm__jinja_args){b.items.at, b.items.len, b.named, b.n_named};
    return TDM_OK;
}

/* The next name of a comma-separated list; false at its end. */
static bool next_param(const char **params, tdm__str *name)
{
    if (!**params)
        return false;
    size_t n = strcspn(*params, ",");
    *name = (tdm__str){*params, n};
    *params += n + ((*params)[n] == ',');
    return true;
}

tdm_status tdm__jinja_bind(tdm__jinja_run *run, const char *what, const char *params, unsigned n_required,
                           const tdm__jinja_args *args, tdm__jinja_value out[TDM__JINJA_PARAMS_MAX])
{
    size_t n = 0, used_named = 0;
    unsigned by_position = 0;
    bool named_only = false;
    const char *after_slash = strchr(params, '/'); /* names before it cannot be used */
    tdm__str name;
    memset(out, 0, TDM__JINJA_PARAMS_MAX * sizeof *out);
    while (next_param(&params, &name)) {
        if (name.ptr[0] == '/')
            continue;
        named_only = named_only || name.ptr[0] == '*';
        if (name.ptr[0] == '*')
            name = (tdm__str){name.ptr + 1, name.len - 1};
        if (!named_only && n < args->len) {
            out[n] = args->items[n];
            by_position++;
        }
        for (size_t i = 0; i < args->n_named && !(after_slash && name.ptr < after_slash); i++) {
            if (!tdm__str_eq(args->named[i].name, name))
                continue;
            if (tdm__jinja_given(out[n]))
                return tdm__jinja_fail(run, TDM_ERR_INVAL, "%s: '%.*s' is given twice", what, (int)name.len, name.ptr);
            out[n] = args->named[i].value;
            used_named++;
        }
        if (n < n_required && !tdm__jinja_given(out[n]))
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "%s: argument %zu is missing", what, n + 1);
        n++;
    }
    if (args->len > by_position)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "%s: %zu arguments, at most %u", what, args->len, by_position);
    if (args->n_named > used_named)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "%s: an argument with an unknown name", what);
    return TDM_OK;
}

/* Parameters by position, then by name, then their defaults, which see the parameters before them. */
static tdm_status bind_macro(tdm__jinja_run *run, const tdm__jinja_macro *m, const tdm__jinja_args *args,
                             tdm__jinja_frame *f, bool *used, size_t *n_params, bool *own_caller)
{
    size_t n = 0;
    for (const tdm__jinja_node *param = m->node->list; param; param = param->next, n++) {
        tdm__jinja_value v = {.kind = TDM__JINJA_ABSENT};
        *own_caller = *own_caller || tdm__str_eq(param->name->text, TDM_STR("caller"));
        if (n < args->len)
            v = args->items[n];
        for (size_t i = 0; i < args->n_named && n >= args->len; i++)
            if (tdm__str_eq(args->named[i].name, param->name->text)) {
                v = args->named[i].value;
                used[i] = true;
            }
        if (!tdm__jinja_given(v) && param->first)
            TDM_TRY(tdm__jinja_eval(run, f, param->first, &v));
        if (!tdm__jinja_given(v))
            v = tdm__jinja_undefined(param->name->text.ptr);
        TDM_TRY(tdm__jinja_frame_set(run, f, param->name, v));
    }
    *n_params = n;
    return TDM_OK;
}

static tdm_status set_special(tdm__jinja_run *run, tdm__jinja_frame *f, const char *name, tdm__jinja_value v)
{
    const tdm__jinja_name *known = tdm__template_name_find(run->template, tdm__str_from(name));
    return known ? tdm__jinja_frame_set(run, f, known, v) : TDM_OK;
}

/* caller, kwargs and varargs, for a body that uses them; what nothing takes is an error. */
static tdm_status bind_rest(tdm__jinja_run *run, const tdm__jinja_macro *m, const tdm__jinja_args *args,
                            tdm__jinja_frame *f, bool *used, size_t n_params, bool own_caller)
{
    unsigned uses = m->node->uses;
    if ((uses & TDM__USES_CALLER) && !own_caller) {
        tdm__jinja_value caller = tdm__jinja_undefined("caller");
        for (size_t i = 0; i < args->n_named; i++)
            if (tdm__str_eq(args->named[i].name, TDM_STR("caller"))) {
                caller = args->named[i].value;
                used[i] = true;
            }
        TDM_TRY(set_special(run, f, "caller", caller));
    }
    tdm__jinja_dict *rest;
    TDM_TRY(tdm__jinja_dict_new(run, 0, &rest));
    for (size_t i = 0; i < args->n_named; i++) {
        if (used[i])
            continue;
        if (!(uses & TDM__USES_KWARGS))
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "macro '%.60s': an argument with an unknown name",
                                   tdm__jinja_macro_name(m));
        tdm__jinja_value key;
        TDM_TRY(tdm__jinja_string_make(run, args->named[i].name.ptr, args->named[i].name.len, 0, &key));
        TDM_TRY(tdm__jinja_dict_put(run, rest, key, args->named[i].value));
    }
    if (uses & TDM__USES_KWARGS)
        TDM_TRY(set_special(run, f, "kwargs", (tdm__jinja_value){.kind = TDM__JINJA_DICT, .as.dict = rest}));
    if (args->len > n_params && !(uses & TDM__USES_VARARGS))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "macro '%.60s' takes not more than %zu argument(s)",
                               tdm__jinja_macro_name(m), n_params);
    if (!(uses & TDM__USES_VARARGS))
        return TDM_OK;
    size_t n = args->len > n_params ? args->len - n_params : 0;
    tdm__jinja_value varargs;
    TDM_TRY(tdm__jinja_sequence_make(run, TDM__JINJA_TUPLE, n > 0 ? args->items + n_params : NULL, n, &varargs));
    return set_special(run, f, "varargs", varargs);
}

static tdm_status call_macro(tdm__jinja_run *run, const tdm__jinja_macro *m, const tdm__jinja_args *args,
                             tdm__jinja_value *out)
{
    if (run->macro_depth >= TDM__TEMPLATE_MACRO_DEPTH_MAX)
        return tdm__jinja_fail(run, TDM_ERR_LIMIT, "macros call each other deeper than %d",
                               TDM__TEMPLATE_MACRO_DEPTH_MAX);
    run->macro_depth++;
    tdm__jinja_frame *f;
    bool *used = tdm__jinja_new(run, args->n_named, sizeof *used), own_caller = false;
    size_t n_params = 0;
    if (!used)
        return TDM_ERR_LIMIT;
    TDM_TRY(tdm__jinja_frame_new(run, m->scope, &f));
    TDM_TRY(bind_macro(run, m, args, f, used, &n_params, &own_caller));
    TDM_TRY(bind_rest(run, m, args, f, used, n_params, own_caller));
    TDM_TRY(tdm__jinja_capture(run, f, m->node->body, out));
    run->macro_depth--;
    return TDM_OK;
}

tdm_status tdm__jinja_call_value(tdm__jinja_run *run, tdm__jinja_value callee, const tdm__jinja_args *args,
                                 tdm__jinja_value *out)
{
    tdm__jinja_call call = {.raw = args};
    TDM_TRY(tdm__jinja_require(run, callee));
    if (callee.kind == TDM__JINJA_MACRO)
        return call_macro(run, callee.as.macro, args, out);
    if (callee.kind == TDM__JINJA_METHOD) {
        const tdm__jinja_method *method = callee.as.bound->method;
        call.self = callee.as.bound->self;
        if (method->params)
            TDM_TRY(tdm__jinja_bind(run, method->name, method->params, method->n_required, args, call.args));
        return method->apply(run, &call, out);
    }
    if (callee.kind == TDM__JINJA_FUNCTION) {
        const tdm__jinja_function *function = callee.as.function;
        if (!function->apply)
            return tdm__jinja_fail(run, TDM_ERR_UNSUPPORTED, "function '%s' is not built", function->name);
        if (function->params)
            TDM_TRY(tdm__jinja_bind(run, function->name, function->params, function->n_required, args, call.args));
        return function->apply(run, &call, out);
    }
    return tdm__jinja_fail(run, TDM_ERR_INVAL, "%s cannot be called", tdm__jinja_type_name(callee));
}

tdm_status tdm__jinja_apply_filter(tdm__jinja_run *run, const tdm__jinja_filter *filter, tdm__jinja_value self,
                                   const tdm__jinja_args *args, tdm__jinja_value *out)
{
    tdm__jinja_call call = {.self = self, .raw = args};
    char what[80];
    snprintf(what, sizeof what, "filter '%s'", filter->name);
    if (filter->params)
        TDM_TRY(tdm__jinja_bind(run, what, filter->params, filter->n_required, args, call.args));
    return filter->apply(run, &call, out);
}

tdm_status tdm__jinja_apply_test(tdm__jinja_run *run, const tdm__jinja_test *test, tdm__jinja_value self,
                                 const tdm__jinja_args *args, bool *holds)
{
    tdm__jinja_call call = {.self = self, .raw = args};
    TDM_TRY(tdm__jinja_bind(run, test->name, test->params, test->n_required, args, call.args));
    return test->apply(run, &call, holds);
}
