/* template_expression.c - the operators of expressions: jinja2's precedence, one function a level.
 *
 * Recursion is bounded by tdm__parse_enter at the levels through which every cycle goes: conditions, not, signs.
 */
#include "text/template_parse.h"

static tdm_status parse_or(tdm__jinja_parser *p, tdm__jinja_node **out);

tdm_status tdm__parse_operation(tdm__jinja_parser *p, tdm__jinja_node_kind kind, tdm__jinja_node *first,
                                tdm__jinja_node *second, tdm__jinja_node **out)
{
    tdm__jinja_node *node;
    TDM_TRY(tdm__parse_node(p, kind, &node));
    node->first = first;
    node->second = second;
    if (first)
        node->line = first->line;
    *out = node;
    return TDM_OK;
}

static tdm_status parse_condition(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    TDM_TRY(tdm__parse_enter(p));
    TDM_TRY(parse_or(p, out));
    for (;;) {
        bool taken;
        TDM_TRY(tdm__parse_skip(p, TDM__TOKEN_WORD, "if", &taken));
        if (!taken)
            break;
        tdm__jinja_node *test, *otherwise = NULL;
        TDM_TRY(parse_or(p, &test));
        TDM_TRY(tdm__parse_skip(p, TDM__TOKEN_WORD, "else", &taken));
        if (taken)
            TDM_TRY(parse_condition(p, &otherwise));
        TDM_TRY(tdm__parse_operation(p, TDM__NODE_CONDITION, *out, test, out));
        (*out)->third = otherwise;
    }
    p->nesting--;
    return TDM_OK;
}

tdm_status tdm__parse_expression(tdm__jinja_parser *p, bool with_condition, tdm__jinja_node **out)
{
    if (with_condition)
        return parse_condition(p, out);
    TDM_TRY(tdm__parse_enter(p));
    TDM_TRY(parse_or(p, out));
    p->nesting--;
    return TDM_OK;
}

/* The operators of one level, and the level below it. */
typedef struct operators {
    const char *spelling[4];
    tdm__jinja_op op[4];
} operators;

static const operators level_power = {{"**"}, {TDM__OP_POW}};
static const operators level_product = {{"*", "/", "//", "%"},
                                        {TDM__OP_MUL, TDM__OP_DIV, TDM__OP_FLOORDIV, TDM__OP_MOD}};
static const operators level_sum = {{"+", "-"}, {TDM__OP_ADD, TDM__OP_SUB}};

static tdm__jinja_op operator_at(const tdm__jinja_parser *p, const operators *level)
{
    for (unsigned i = 0; i < 4 && level->spelling[i]; i++)
        if (tdm__parse_at_operator(p, level->spelling[i]))
            return level->op[i];
    return TDM__OP_NONE;
}

static tdm_status parse_power(tdm__jinja_parser *p, tdm__jinja_node **out);
static tdm_status parse_product(tdm__jinja_parser *p, tdm__jinja_node **out);
static tdm_status parse_concat(tdm__jinja_parser *p, tdm__jinja_node **out);

static tdm_status parse_binary(tdm__jinja_parser *p, const operators *level,
                               tdm_status (*below)(tdm__jinja_parser *, tdm__jinja_node **), tdm__jinja_node **out)
{
    TDM_TRY(below(p, out));
    for (tdm__jinja_op op; (op = operator_at(p, level)) != TDM__OP_NONE;) {
        tdm__jinja_node *right;
        TDM_TRY(tdm__parse_advance(p));
        TDM_TRY(below(p, &right));
        TDM_TRY(tdm__parse_operation(p, TDM__NODE_BINARY, *out, right, out));
        (*out)->op = op;
    }
    return TDM_OK;
}

static tdm_status parse_power(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    return parse_binary(p, &level_power, tdm__parse_operand, out);
}

static tdm_status parse_product(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    return parse_binary(p, &level_product, parse_power, out);
}

static tdm_status parse_concat(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    TDM_TRY(parse_product(p, out));
    if (!tdm__parse_at_operator(p, "~"))
        return TDM_OK;
    tdm__jinja_list operands = {0};
    tdm__parse_append(&operands, *out);
    uint32_t line = (*out)->line;
    while (tdm__parse_at_operator(p, "~")) {
        tdm__jinja_node *right;
        TDM_TRY(tdm__parse_advance(p));
        TDM_TRY(parse_product(p, &right));
        tdm__parse_append(&operands, right);
    }
    TDM_TRY(tdm__parse_operation(p, TDM__NODE_CONCAT, NULL, NULL, out));
    (*out)->list = operands.first;
    (*out)->line = line;
    return TDM_OK;
}

static tdm_status parse_sum(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    return parse_binary(p, &level_sum, parse_concat, out);
}

/* The comparison that stands here, taken; NONE if there is none. */
static tdm_status take_comparison(tdm__jinja_parser *p, tdm__jinja_op *op)
{
    static const char *const spelling[] = {"==", "!=", "<", "<=", ">", ">="};
    static const tdm__jinja_op ops[] = {TDM__OP_EQ, TDM__OP_NE, TDM__OP_LT, TDM__OP_LE, TDM__OP_GT, TDM__OP_GE};
    *op = TDM__OP_NONE;
    for (unsigned i = 0; i < 6; i++)
        if (tdm__parse_at_operator(p, spelling[i]))
            *op = ops[i];
    if (tdm__parse_at_word(p, "in"))
        *op = TDM__OP_IN;
    if (tdm__parse_at_word(p, "not")) {
        const tdm__jinja_token *ahead;
        TDM_TRY(tdm__parse_look(p, &ahead));
        if (ahead->kind == TDM__TOKEN_WORD && tdm__str_eq(ahead->text, TDM_STR("in"))) {
            *op = TDM__OP_NOT_IN;
            TDM_TRY(tdm__parse_advance(p));
        }
    }
    return *op == TDM__OP_NONE ? TDM_OK : tdm__parse_advance(p);
}

static tdm_status parse_compare(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    TDM_TRY(parse_sum(p, out));
    tdm__jinja_list operands = {0};
    for (;;) {
        tdm__jinja_op op;
        tdm__jinja_node *right, *operand;
        TDM_TRY(take_comparison(p, &op));
        if (op == TDM__OP_NONE)
            break;
        TDM_TRY(parse_sum(p, &right));
        TDM_TRY(tdm__parse_operation(p, TDM__NODE_OPERAND, right, NULL, &operand));
        operand->op = op;
        tdm__parse_append(&operands, operand);
    }
    if (!operands.first)
        return TDM_OK;
    TDM_TRY(tdm__parse_operation(p, TDM__NODE_COMPARE, *out, NULL, out));
    (*out)->list = operands.first;
    return TDM_OK;
}

static tdm_status parse_not(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    bool taken;
    TDM_TRY(tdm__parse_skip(p, TDM__TOKEN_WORD, "not", &taken));
    if (!taken)
        return parse_compare(p, out);
    TDM_TRY(tdm__parse_enter(p));
    TDM_TRY(parse_not(p, out));
    p->nesting--;
    return tdm__parse_operation(p, TDM__NODE_NOT, *out, NULL, out);
}

static tdm_status parse_logic(tdm__jinja_parser *p, const char *word, tdm__jinja_node_kind kind,
                              tdm_status (*below)(tdm__jinja_parser *, tdm__jinja_node **), tdm__jinja_node **out)
{
    TDM_TRY(below(p, out));
    for (;;) {
        bool taken;
        TDM_TRY(tdm__parse_skip(p, TDM__TOKEN_WORD, word, &taken));
        if (!taken)
            return TDM_OK;
        tdm__jinja_node *right;
        TDM_TRY(below(p, &right));
        TDM_TRY(tdm__parse_operation(p, kind, *out, right, out));
    }
}

static tdm_status parse_and(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    return parse_logic(p, "and", TDM__NODE_AND, parse_not, out);
}

static tdm_status parse_or(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    return parse_logic(p, "or", TDM__NODE_OR, parse_and, out);
}
