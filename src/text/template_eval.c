/* template_eval.c - evaluates expressions by walking their nodes; depth and steps are counted at every node. */
#include "text/template_eval.h"

#include "text/template_call.h"
#include "text/template_compare.h"
#include "text/template_tables.h"

tdm_status tdm__jinja_require(tdm__jinja_run *run, tdm__jinja_value v)
{
    if (v.kind != TDM__JINJA_UNDEFINED)
        return TDM_OK;
    const char *name = v.as.missing ? v.as.missing : "a value";
    if (v.forbidden)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "'%.60s' is not allowed in a template", name);
    return tdm__jinja_fail(run, TDM_ERR_INVAL, v.as.missing ? "'%.60s' is undefined" : "%s is undefined", name);
}

static void eval_name(const tdm__jinja_frame *f, const tdm__jinja_node *node, tdm__jinja_value *out)
{
    for (; f; f = f->parent)
        for (const tdm__jinja_binding *b = f->bindings; b; b = b->next)
            if (b->name == node->name) {
                *out = b->value;
                return;
            }
    const tdm__jinja_function *function = tdm__jinja_function_find(node->name->text);
    *out = function ? (tdm__jinja_value){.kind = TDM__JINJA_FUNCTION, .as.function = function}
                    : tdm__jinja_undefined(node->name->text.ptr);
}

static tdm_status eval_items(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                             tdm__jinja_value *out)
{
    tdm__jinja_items items = {0};
    for (const tdm__jinja_node *each = node->list; each; each = each->next) {
        tdm__jinja_value v;
        TDM_TRY(tdm__jinja_eval(run, f, each, &v));
        TDM_TRY(tdm__jinja_items_add(run, &items, v));
    }
    return tdm__jinja_sequence_make(run, node->kind == TDM__NODE_LIST ? TDM__JINJA_LIST : TDM__JINJA_TUPLE, items.at,
                                    items.len, out);
}

static tdm_status eval_dict(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                            tdm__jinja_value *out)
{
    tdm__jinja_dict *d;
    TDM_TRY(tdm__jinja_dict_new(run, 4, &d));
    for (const tdm__jinja_node *pair = node->list; pair; pair = pair->next) {
        tdm__jinja_value key, value;
        TDM_TRY(tdm__jinja_eval(run, f, pair->first, &key));
        TDM_TRY(tdm__jinja_eval(run, f, pair->second, &value));
        TDM_TRY(tdm__jinja_dict_put(run, d, key, value));
    }
    *out = (tdm__jinja_value){.kind = TDM__JINJA_DICT, .as.dict = d};
    return TDM_OK;
}

static tdm_status eval_logic(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                             tdm__jinja_value *out)
{
    TDM_TRY(tdm__jinja_eval(run, f, node->first, out));
    if (node->kind == TDM__NODE_NOT) {
        *out = tdm__jinja_bool(!tdm__jinja_truth(*out));
        return TDM_OK;
    }
    if (tdm__jinja_truth(*out) == (node->kind == TDM__NODE_AND))
        return tdm__jinja_eval(run, f, node->second, out);
    return TDM_OK;
}

static tdm_status eval_concat(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                              tdm__jinja_value *out)
{
    tdm__jinja_text *t;
    TDM_TRY(tdm__jinja_text_new(run, 64, &t));
    for (const tdm__jinja_node *each = node->list; each; each = each->next) {
        tdm__jinja_value v;
        TDM_TRY(tdm__jinja_eval(run, f, each, &v));
        TDM_TRY(tdm__jinja_print(run, t, v));
    }
    return tdm__jinja_text_value(run, t, out);
}

static tdm_status compare(tdm__jinja_run *run, tdm__jinja_op op, tdm__jinja_value left, tdm__jinja_value right,
                          bool *holds)
{
    if (op == TDM__OP_EQ || op == TDM__OP_NE) {
        TDM_TRY(tdm__jinja_equal(run, left, right, holds));
        *holds = *holds == (op == TDM__OP_EQ);
        return TDM_OK;
    }
    if (op == TDM__OP_IN || op == TDM__OP_NOT_IN) {
        TDM_TRY(tdm__jinja_contains(run, right, left, holds));
        *holds = *holds == (op == TDM__OP_IN);
        return TDM_OK;
    }
    int order;
    bool nan;
    TDM_TRY(tdm__jinja_require(run, left));
    TDM_TRY(tdm__jinja_require(run, right));
    TDM_TRY(tdm__jinja_order(run, left, right, &order, &nan));
    *holds = !nan && (op == TDM__OP_LT   ? order < 0
                      : op == TDM__OP_LE ? order <= 0
                      : op == TDM__OP_GT ? order > 0
                                         : order >= 0);
    return TDM_OK;
}

static tdm_status eval_compare(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                               tdm__jinja_value *out)
{
    tdm__jinja_value left, right;
    bool holds = true;
    TDM_TRY(tdm__jinja_eval(run, f, node->first, &left));
    for (const tdm__jinja_node *operand = node->list; operand && holds; operand = operand->next) {
        TDM_TRY(tdm__jinja_eval(run, f, operand->first, &right));
        run->line = operand->line;
        TDM_TRY(compare(run, operand->op, left, right, &holds));
        left = right;
    }
    *out = tdm__jinja_bool(holds);
    return TDM_OK;
}

static tdm_status eval_condition(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                                 tdm__jinja_value *out)
{
    TDM_TRY(tdm__jinja_eval(run, f, node->second, out));
    if (tdm__jinja_truth(*out))
        return tdm__jinja_eval(run, f, node->first, out);
    if (node->third)
        return tdm__jinja_eval(run, f, node->third, out);
    *out = tdm__jinja_undefined(NULL);
    return TDM_OK;
}

static tdm_status eval_item(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                            tdm__jinja_value *out)
{
    tdm__jinja_value self, key, parts[3] = {{0}};
    TDM_TRY(tdm__jinja_eval(run, f, node->first, &self));
    if (node->second->kind != TDM__NODE_SLICE) {
        TDM_TRY(tdm__jinja_eval(run, f, node->second, &key));
        run->line = node->line;
        return tdm__jinja_item(run, self, key, out);
    }
    const tdm__jinja_node *const nodes[3] = {node->second->first, node->second->second, node->second->third};
    for (unsigned i = 0; i < 3; i++)
        if (nodes[i])
            TDM_TRY(tdm__jinja_eval(run, f, nodes[i], &parts[i]));
    run->line = node->line;
    return tdm__jinja_slice(run, self, parts, out);
}

static tdm_status eval_call(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                            tdm__jinja_value *out)
{
    tdm__jinja_value callee;
    tdm__jinja_args args;
    TDM_TRY(tdm__jinja_eval(run, f, node->first, &callee));
    TDM_TRY(tdm__jinja_eval_args(run, f, node->list, NULL, &args));
    run->line = node->line;
    return tdm__jinja_call_value(run, callee, &args, out);
}

tdm_status tdm__jinja_eval_filter(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                                  const tdm__jinja_value *subject, tdm__jinja_value *out)
{
    tdm__jinja_value self;
    tdm__jinja_args args;
    if (!node->first)
        self = *subject;
    else if (subject) { /* a chain of filters behind a block: its innermost has no operand */
        TDM_TRY(tdm__jinja_enter(run));
        TDM_TRY(tdm__jinja_eval_filter(run, f, node->first, subject, &self));
        tdm__jinja_leave(run);
    } else
        TDM_TRY(tdm__jinja_eval(run, f, node->first, &self));
    TDM_TRY(tdm__jinja_eval_args(run, f, node->list, NULL, &args));
    run->line = node->line;
    if (!node->filter)
        return tdm__jinja_fail(run, TDM_ERR_UNSUPPORTED, "filter '%.60s' is not built", node->name->text.ptr);
    return tdm__jinja_apply_filter(run, node->filter, self, &args, out);
}

static tdm_status eval_test(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                            tdm__jinja_value *out)
{
    tdm__jinja_value self;
    tdm__jinja_args args;
    bool holds = false;
    TDM_TRY(tdm__jinja_eval(run, f, node->first, &self));
    TDM_TRY(tdm__jinja_eval_args(run, f, node->list, NULL, &args));
    run->line = node->line;
    if (!node->test)
        return tdm__jinja_fail(run, TDM_ERR_UNSUPPORTED, "test '%.60s' is not built", node->name->text.ptr);
    TDM_TRY(tdm__jinja_apply_test(run, node->test, self, &args, &holds));
    *out = tdm__jinja_bool(holds);
    return TDM_OK;
}

static tdm_status eval_operation(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                                 tdm__jinja_value *out)
{
    tdm__jinja_value left, right;
    TDM_TRY(tdm__jinja_eval(run, f, node->first, &left));
    if (node->kind == TDM__NODE_BINARY)
        TDM_TRY(tdm__jinja_eval(run, f, node->second, &right));
    run->line = node->line;
    if (node->kind == TDM__NODE_BINARY)
        return tdm__jinja_binary(run, node->op, left, right, out);
    if (node->kind == TDM__NODE_NEGATE)
        return tdm__jinja_negate(run, left, out);
    return tdm__jinja_binary(run, TDM__OP_ADD, tdm__jinja_int(0), left, out); /* +x */
}

static tdm_status eval_inside(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                              tdm__jinja_value *out)
{
    switch (node->kind) {
    case TDM__NODE_CONST: *out = node->value; return TDM_OK;
    case TDM__NODE_NAME: eval_name(f, node, out); return TDM_OK;
    case TDM__NODE_LIST:
    case TDM__NODE_TUPLE: return eval_items(run, f, node, out);
    case TDM__NODE_DICT: return eval_dict(run, f, node, out);
    case TDM__NODE_AND:
    case TDM__NODE_OR:
    case TDM__NODE_NOT: return eval_logic(run, f, node, out);
    case TDM__NODE_BINARY:
    case TDM__NODE_NEGATE:
    case TDM__NODE_PLUS: return eval_operation(run, f, node, out);
    case TDM__NODE_CONCAT: return eval_concat(run, f, node, out);
    case TDM__NODE_COMPARE: return eval_compare(run, f, node, out);
    case TDM__NODE_CONDITION: return eval_condition(run, f, node, out);
    case TDM__NODE_ATTRIBUTE: {
        tdm__jinja_value self;
        TDM_TRY(tdm__jinja_eval(run, f, node->first, &self));
        run->line = node->line;
        return tdm__jinja_attribute(run, self, node->name->text, node->name->text.ptr, out);
    }
    case TDM__NODE_ITEM: return eval_item(run, f, node, out);
    case TDM__NODE_CALL: return eval_call(run, f, node, out);
    case TDM__NODE_FILTER: return tdm__jinja_eval_filter(run, f, node, NULL, out);
    case TDM__NODE_TEST: return eval_test(run, f, node, out);
    default: return tdm__jinja_fail(run, TDM_ERR_UNSUPPORTED, "this expression is not built");
    }
}

tdm_status tdm__jinja_eval(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                           tdm__jinja_value *out)
{
    run->line = node->line;
    TDM_TRY(tdm__jinja_enter(run));
    TDM_TRY(eval_inside(run, f, node, out));
    tdm__jinja_leave(run);
    return TDM_OK;
}
