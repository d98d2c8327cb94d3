/* template_statement.c - runs statements and keeps the scopes: a loop's turn, a macro, a set block each have their
 * own, an if has not. */
#include <stddef.h>

#include "text/template_call.h"
#include "text/template_eval.h"

tdm_status tdm__jinja_frame_new(tdm__jinja_run *run, tdm__jinja_frame *parent, tdm__jinja_frame **out)
{
    tdm__jinja_frame *f = tdm__jinja_new(run, 1, sizeof *f);
    if (!f)
        return TDM_ERR_LIMIT;
    f->parent = parent;
    *out = f;
    return TDM_OK;
}

tdm_status tdm__jinja_frame_set(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_name *name,
                                tdm__jinja_value v)
{
    tdm__jinja_binding *b = f->bindings;
    while (b && b->name != name)
        b = b->next;
    if (b) {
        b->value = v;
        return TDM_OK;
    }
    b = run->spare;
    if (b)
        run->spare = b->next;
    else
        b = tdm__jinja_new(run, 1, sizeof *b);
    if (!b)
        return TDM_ERR_LIMIT;
    *b = (tdm__jinja_binding){.next = f->bindings, .name = name, .value = v};
    f->bindings = b;
    return TDM_OK;
}

tdm_status tdm__jinja_frame_renew(tdm__jinja_run *run, tdm__jinja_frame **f)
{
    if ((*f)->captured)
        return tdm__jinja_frame_new(run, (*f)->parent, f);
    while ((*f)->bindings) {
        tdm__jinja_binding *b = (*f)->bindings;
        (*f)->bindings = b->next;
        b->next = run->spare;
        run->spare = b;
    }
    return TDM_OK;
}

static tdm_status assign_tuple(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *target,
                               tdm__jinja_value v)
{
    tdm__jinja_walk w;
    TDM_TRY(tdm__jinja_walk_start(run, &w, v));
    tdm__jinja_value item;
    bool got;
    for (const tdm__jinja_node *each = target->list; each; each = each->next) {
        TDM_TRY(tdm__jinja_walk_next(run, &w, &item, &got));
        if (!got)
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "too few values for the names to assign");
        TDM_TRY(tdm__jinja_assign(run, f, each, item));
    }
    TDM_TRY(tdm__jinja_walk_next(run, &w, &item, &got));
    if (got)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "too many values for the names to assign");
    return TDM_OK;
}

static tdm_status assign_in_namespace(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *target,
                                      tdm__jinja_value v)
{
    tdm__jinja_value space, key;
    TDM_TRY(tdm__jinja_eval(run, f, target->second, &space));
    if (space.kind != TDM__JINJA_NAMESPACE)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "cannot assign attribute on non-namespace object");
    tdm__str name = target->name->text;
    if (name.ptr[0] == '_')
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "a namespace cannot hold '%.60s'", name.ptr);
    TDM_TRY(tdm__jinja_string_make(run, name.ptr, name.len, 1, &key));
    return tdm__jinja_dict_put(run, space.as.names, key, v);
}

tdm_status tdm__jinja_assign(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *target,
                             tdm__jinja_value v)
{
    if (target->kind == TDM__NODE_NAME)
        return tdm__jinja_frame_set(run, f, target->name, v);
    TDM_TRY(tdm__jinja_enter(run));
    if (target->kind == TDM__NODE_NAMESPACE_NAME)
        TDM_TRY(assign_in_namespace(run, f, target, v));
    else
        TDM_TRY(assign_tuple(run, f, target, v));
    tdm__jinja_leave(run);
    return TDM_OK;
}

tdm_status tdm__jinja_capture(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *body,
                              tdm__jinja_value *out)
{
    tdm__jinja_text *before = run->out, *text;
    TDM_TRY(tdm__jinja_text_new(run, 64, &text));
    run->out = text;
    TDM_TRY(tdm__jinja_run_body(run, f, body));
    run->out = before;
    return tdm__jinja_text_value(run, text, out);
}

static tdm_status run_if(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node)
{
    for (const tdm__jinja_node *branch = node->list; branch; branch = branch->next) {
        tdm__jinja_value test = tdm__jinja_bool(true);
        if (branch->first)
            TDM_TRY(tdm__jinja_eval(run, f, branch->first, &test));
        if (tdm__jinja_truth(test))
            return tdm__jinja_run_body(run, f, branch->body);
    }
    return TDM_OK;
}

static tdm_status run_set(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node)
{
    tdm__jinja_value v;
    if (node->kind == TDM__NODE_SET) {
        TDM_TRY(tdm__jinja_eval(run, f, node->second, &v));
        return tdm__jinja_assign(run, f, node->first, v);
    }
    tdm__jinja_frame *inner;
    TDM_TRY(tdm__jinja_frame_new(run, f, &inner));
    TDM_TRY(tdm__jinja_capture(run, inner, node->body, &v));
    if (run->flow != TDM__JINJA_GO_ON) /* a break in the block: what it would have given is dropped */
        return TDM_OK;
    if (node->second)
        TDM_TRY(tdm__jinja_eval_filter(run, inner, node->second, &v, &v));
    return tdm__jinja_assign(run, f, node->first, v);
}

static tdm_status run_call_block(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node)
{
    tdm__jinja_value callee, caller, result;
    tdm__jinja_args args;
    TDM_TRY(tdm__jinja_macro_make(run, node->second, f, &caller));
    TDM_TRY(tdm__jinja_eval(run, f, node->first->first, &callee));
    TDM_TRY(tdm__jinja_eval_args(run, f, node->first->list, &caller, &args));
    TDM_TRY(tdm__jinja_call_value(run, callee, &args, &result));
    return tdm__jinja_print(run, run->out, result);
}

static tdm_status run_filter_block(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node)
{
    tdm__jinja_frame *inner;
    tdm__jinja_value v;
    TDM_TRY(tdm__jinja_frame_new(run, f, &inner));
    TDM_TRY(tdm__jinja_capture(run, inner, node->body, &v));
    if (run->flow != TDM__JINJA_GO_ON)
        return TDM_OK;
    TDM_TRY(tdm__jinja_eval_filter(run, inner, node->second, &v, &v));
    return tdm__jinja_print(run, run->out, v);
}

static tdm_status run_with(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node)
{
    tdm__jinja_frame *inner;
    TDM_TRY(tdm__jinja_frame_new(run, f, &inner));
    for (const tdm__jinja_node *pair = node->list; pair; pair = pair->next) {
        tdm__jinja_value v;
        TDM_TRY(tdm__jinja_eval(run, f, pair->second, &v)); /* values do not see the names beside them */
        TDM_TRY(tdm__jinja_assign(run, inner, pair->first, v));
    }
    return tdm__jinja_run_body(run, inner, node->body);
}

static tdm_status run_macro(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node)
{
    tdm__jinja_value v;
    TDM_TRY(tdm__jinja_macro_make(run, node, f, &v));
    return tdm__jinja_frame_set(run, f, node->name, v);
}

static tdm_status run_scope(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node)
{
    tdm__jinja_frame *inner;
    TDM_TRY(tdm__jinja_frame_new(run, f, &inner));
    return tdm__jinja_run_body(run, inner, node->body);
}

static tdm_status run_statement(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node)
{
    tdm__jinja_value v;
    switch (node->kind) {
    case TDM__NODE_TEXT: return tdm__jinja_text_add_string(run, run->out, node->value.as.string);
    case TDM__NODE_PRINT:
        TDM_TRY(tdm__jinja_eval(run, f, node->first, &v));
        return tdm__jinja_print(run, run->out, v);
    case TDM__NODE_IF: return run_if(run, f, node);
    case TDM__NODE_FOR: return tdm__jinja_run_for(run, f, node);
    case TDM__NODE_SET:
    case TDM__NODE_SET_BLOCK: return run_set(run, f, node);
    case TDM__NODE_MACRO: return run_macro(run, f, node);
    case TDM__NODE_CALL_BLOCK: return run_call_block(run, f, node);
    case TDM__NODE_FILTER_BLOCK: return run_filter_block(run, f, node);
    case TDM__NODE_WITH: return run_with(run, f, node);
    case TDM__NODE_SCOPE: return run_scope(run, f, node);
    case TDM__NODE_BREAK: run->flow = TDM__JINJA_BREAK; return TDM_OK;
    case TDM__NODE_CONTINUE: run->flow = TDM__JINJA_CONTINUE; return TDM_OK;
    default: return tdm__jinja_fail(run, TDM_ERR_UNSUPPORTED, "this statement is not built");
    }
}

tdm_status tdm__jinja_run_body(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *body)
{
    TDM_TRY(tdm__jinja_enter(run));
    for (; body && run->flow == TDM__JINJA_GO_ON; body = body->next) {
        run->line = body->line;
        TDM_TRY(tdm__jinja_spend(run, 1));
        TDM_TRY(run_statement(run, f, body));
    }
    tdm__jinja_leave(run);
    return TDM_OK;
}
