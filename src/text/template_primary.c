/* template_primary.c - what operators stand between: literals, names, lists, calls, subscripts, filters and tests. */
#include "text/template_parse.h"
#include "text/template_tables.h"

/* The items of a comma list are parsed by this. */
typedef tdm_status (*parse_item)(tdm__jinja_parser *p, bool flag, tdm__jinja_node **out);

static bool at_tuple_end(const tdm__jinja_parser *p)
{
    return p->token.kind == TDM__TOKEN_PRINT_END || p->token.kind == TDM__TOKEN_BLOCK_END ||
           tdm__parse_at_operator(p, ")");
}

/* One item, or several with commas as a TUPLE; () only where may_be_empty. */
static tdm_status parse_items(tdm__jinja_parser *p, parse_item item, bool flag, bool may_be_empty,
                              tdm__jinja_node **out)
{
    tdm__jinja_list items = {0};
    bool is_tuple = false;
    uint32_t line = p->token.line;
    while (!at_tuple_end(p)) {
        tdm__jinja_node *node;
        TDM_TRY(item(p, flag, &node));
        tdm__parse_append(&items, node);
        bool comma;
        TDM_TRY(tdm__parse_skip(p, TDM__TOKEN_OPERATOR, ",", &comma));
        if (!comma)
            break;
        is_tuple = true;
    }
    if (!is_tuple && items.first) {
        *out = items.first;
        return TDM_OK;
    }
    if (!items.first && !may_be_empty)
        return tdm__parse_expected(p, "an expression");
    TDM_TRY(tdm__parse_operation(p, TDM__NODE_TUPLE, NULL, NULL, out));
    (*out)->list = items.first;
    (*out)->line = line;
    return TDM_OK;
}

tdm_status tdm__parse_tuple(tdm__jinja_parser *p, bool with_condition, tdm__jinja_node **out)
{
    return parse_items(p, tdm__parse_expression, with_condition, false, out);
}

static tdm_status parse_list(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    tdm__jinja_list items = {0};
    uint32_t line = p->token.line;
    TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_OPERATOR, "["));
    while (!tdm__parse_at_operator(p, "]")) {
        tdm__jinja_node *node;
        if (items.first)
            TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_OPERATOR, ","));
        if (tdm__parse_at_operator(p, "]"))
            break;
        TDM_TRY(tdm__parse_expression(p, true, &node));
        tdm__parse_append(&items, node);
    }
    TDM_TRY(tdm__parse_advance(p));
    TDM_TRY(tdm__parse_operation(p, TDM__NODE_LIST, NULL, NULL, out));
    (*out)->list = items.first;
    (*out)->line = line;
    return TDM_OK;
}

static tdm_status parse_dict(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    tdm__jinja_list items = {0};
    uint32_t line = p->token.line;
    TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_OPERATOR, "{"));
    while (!tdm__parse_at_operator(p, "}")) {
        tdm__jinja_node *key, *value, *pair;
        if (items.first)
            TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_OPERATOR, ","));
        if (tdm__parse_at_operator(p, "}"))
            break;
        TDM_TRY(tdm__parse_expression(p, true, &key));
        TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_OPERATOR, ":"));
        TDM_TRY(tdm__parse_expression(p, true, &value));
        TDM_TRY(tdm__parse_operation(p, TDM__NODE_PAIR, key, value, &pair));
        tdm__parse_append(&items, pair);
    }
    TDM_TRY(tdm__parse_advance(p));
    TDM_TRY(tdm__parse_operation(p, TDM__NODE_DICT, NULL, NULL, out));
    (*out)->list = items.first;
    (*out)->line = line;
    return TDM_OK;
}

static tdm_status parse_word(tdm__jinja_parser *p, bool with_namespace, tdm__jinja_node **out)
{
    bool truth = tdm__parse_at_word(p, "true") || tdm__parse_at_word(p, "True");
    bool is_const = true;
    TDM_TRY(tdm__parse_operation(p, TDM__NODE_CONST, NULL, NULL, out));
    if (truth || tdm__parse_at_word(p, "false") || tdm__parse_at_word(p, "False"))
        (*out)->value = tdm__jinja_bool(truth);
    else if (tdm__parse_at_word(p, "none") || tdm__parse_at_word(p, "None"))
        (*out)->value = tdm__jinja_none();
    else
        is_const = false;
    if (is_const)
        return tdm__parse_advance(p);
    (*out)->kind = TDM__NODE_NAME;
    p->uses |= tdm__parse_at_word(p, "varargs") ? TDM__USES_VARARGS : 0u;
    p->uses |= tdm__parse_at_word(p, "kwargs") ? TDM__USES_KWARGS : 0u;
    p->uses |= tdm__parse_at_word(p, "caller") ? TDM__USES_CALLER : 0u;
    TDM_TRY(tdm__parse_name(p, &(*out)->name));
    if (!with_namespace || !tdm__parse_at_operator(p, "."))
        return TDM_OK;
    TDM_TRY(tdm__parse_advance(p));
    tdm__jinja_node *object = *out;
    TDM_TRY(tdm__parse_operation(p, TDM__NODE_NAMESPACE_NAME, NULL, object, out));
    return tdm__parse_name(p, &(*out)->name);
}

/* String literals that follow each other are one. */
static tdm_status parse_text(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    tdm__arena *arena = &p->template->arena;
    tdm__jinja_string *s = tdm__arena_array(arena, 1, sizeof *s);
    if (!s)
        return tdm__parse_fail(p, TDM_ERR_LIMIT, "more than %d MiB of memory", TDM__TEMPLATE_MEMORY_BYTES_MAX >> 20);
    TDM_TRY(tdm__parse_operation(p, TDM__NODE_CONST, NULL, NULL, out));
    tdm__str text = p->token.text;
    for (;;) {
        TDM_TRY(tdm__parse_advance(p));
        if (p->token.kind != TDM__TOKEN_TEXT)
            break;
        char *joined = tdm__arena_alloc(arena, text.len + p->token.text.len + 1, 1);
        if (!joined)
            return tdm__parse_fail(p, TDM_ERR_LIMIT, "more than %d MiB of memory",
                                   TDM__TEMPLATE_MEMORY_BYTES_MAX >> 20);
        memcpy(joined, text.ptr, text.len);
        memcpy(joined + text.len, p->token.text.ptr, p->token.text.len);
        text = (tdm__str){joined, text.len + p->token.text.len};
    }
    *s = (tdm__jinja_string){.bytes = text.ptr, .len = text.len, .mark = 1};
    s->ascii = tdm__jinja_string_count(s) == s->len;
    (*out)->value = (tdm__jinja_value){.kind = TDM__JINJA_STRING, .as.string = s};
    return TDM_OK;
}

static tdm_status parse_primary(tdm__jinja_parser *p, bool with_namespace, tdm__jinja_node **out)
{
    if (p->token.kind == TDM__TOKEN_WORD)
        return parse_word(p, with_namespace, out);
    if (p->token.kind == TDM__TOKEN_TEXT)
        return parse_text(p, out);
    if (p->token.kind == TDM__TOKEN_INTEGER || p->token.kind == TDM__TOKEN_REAL) {
        TDM_TRY(tdm__parse_operation(p, TDM__NODE_CONST, NULL, NULL, out));
        (*out)->value = p->token.kind == TDM__TOKEN_REAL ? tdm__jinja_real(p->token.real)
                                                         : tdm__jinja_int(p->token.integer);
        return tdm__parse_advance(p);
    }
    if (tdm__parse_at_operator(p, "(")) {
        TDM_TRY(tdm__parse_advance(p));
        TDM_TRY(parse_items(p, tdm__parse_expression, true, true, out));
        return tdm__parse_expect(p, TDM__TOKEN_OPERATOR, ")");
    }
    if (tdm__parse_at_operator(p, "["))
        return parse_list(p, out);
    if (tdm__parse_at_operator(p, "{"))
        return parse_dict(p, out);
    return tdm__parse_expected(p, "an expression");
}

/* Only names, and tuples of names, can be assigned to. */
static bool is_target(const tdm__jinja_node *node, unsigned depth)
{
    if (node->kind == TDM__NODE_NAME || node->kind == TDM__NODE_NAMESPACE_NAME)
        return true;
    if (node->kind != TDM__NODE_TUPLE || depth > TDM__TEMPLATE_NESTING_MAX)
        return false;
    for (const tdm__jinja_node *item = node->list; item; item = item->next)
        if (!is_target(item, depth + 1))
            return false;
    return true;
}

tdm_status tdm__parse_target(tdm__jinja_parser *p, bool with_namespace, tdm__jinja_node **out)
{
    TDM_TRY(parse_items(p, parse_primary, with_namespace, false, out));
    if (!is_target(*out, 0))
        return tdm__parse_fail(p, TDM_ERR_FORMAT, "only names can be assigned to");
    return TDM_OK;
}

/* One of slice's three parts, if it is there. */
static tdm_status parse_slice_part(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    *out = NULL;
    if (tdm__parse_at_operator(p, "]") || tdm__parse_at_operator(p, ",") || tdm__parse_at_operator(p, ":"))
        return TDM_OK;
    return tdm__parse_expression(p, true, out);
}

static tdm_status parse_item_key(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    tdm__jinja_node *parts[3] = {NULL, NULL, NULL};
    bool colon;
    TDM_TRY(parse_slice_part(p, &parts[0]));
    TDM_TRY(tdm__parse_skip(p, TDM__TOKEN_OPERATOR, ":", &colon));
    if (!colon) {
        *out = parts[0];
        return parts[0] ? TDM_OK : tdm__parse_expected(p, "an expression");
    }
    TDM_TRY(parse_slice_part(p, &parts[1]));
    TDM_TRY(tdm__parse_skip(p, TDM__TOKEN_OPERATOR, ":", &colon));
    if (colon)
        TDM_TRY(parse_slice_part(p, &parts[2]));
    TDM_TRY(tdm__parse_operation(p, TDM__NODE_SLICE, parts[0], parts[1], out));
    (*out)->third = parts[2];
    return TDM_OK;
}

static tdm_status parse_subscript(tdm__jinja_parser *p, tdm__jinja_node **node)
{
    bool dot = tdm__parse_at_operator(p, ".");
    TDM_TRY(tdm__parse_advance(p));
    if (dot && p->token.kind == TDM__TOKEN_WORD) {
        TDM_TRY(tdm__parse_operation(p, TDM__NODE_ATTRIBUTE, *node, NULL, node));
        return tdm__parse_name(p, &(*node)->name);
    }
    tdm__jinja_node *key;
    if (dot) {
        if (p->token.kind != TDM__TOKEN_INTEGER)
            return tdm__parse_expected(p, "a name or a number");
        TDM_TRY(tdm__parse_operation(p, TDM__NODE_CONST, NULL, NULL, &key));
        key->value = tdm__jinja_int(p->token.integer);
        TDM_TRY(tdm__parse_advance(p));
        return tdm__parse_operation(p, TDM__NODE_ITEM, *node, key, node);
    }
    TDM_TRY(parse_item_key(p, &key));
    if (tdm__parse_at_operator(p, ","))
        return tdm__parse_fail(p, TDM_ERR_UNSUPPORTED, "several keys in one pair of brackets are not built");
    TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_OPERATOR, "]"));
    return tdm__parse_operation(p, TDM__NODE_ITEM, *node, key, node);
}

static tdm_status parse_argument(tdm__jinja_parser *p, unsigned *stage, tdm__jinja_node **out)
{
    /* stage: 0 plain arguments, 1 after a named one, 2 after *list, 3 after **dict */
    bool star = tdm__parse_at_operator(p, "*"), stars = tdm__parse_at_operator(p, "**");
    const tdm__jinja_token *ahead;
    TDM_TRY(tdm__parse_look(p, &ahead));
    bool named = p->token.kind == TDM__TOKEN_WORD && ahead->kind == TDM__TOKEN_OPERATOR &&
                 tdm__str_eq(ahead->text, TDM_STR("="));
    tdm__jinja_node_kind kind = star    ? TDM__NODE_SPREAD
                                : stars ? TDM__NODE_SPREAD_NAMED
                                : named ? TDM__NODE_KEYWORD
                                        : TDM__NODE_NONE;
    unsigned stages = star ? 2 : stars ? 3 : named ? 1 : 0;
    if (*stage == 3 || (star && *stage == 2) || (kind == TDM__NODE_NONE && *stage > 0))
        return tdm__parse_fail(p, TDM_ERR_FORMAT, "arguments of a call in the wrong order");
    if (stages > *stage)
        *stage = stages;
    if (kind == TDM__NODE_NONE)
        return tdm__parse_expression(p, true, out);
    tdm__jinja_node *node;
    TDM_TRY(tdm__parse_operation(p, kind, NULL, NULL, &node));
    if (named)
        TDM_TRY(tdm__parse_name(p, &node->name));
    TDM_TRY(tdm__parse_advance(p));
    TDM_TRY(tdm__parse_expression(p, true, &node->first));
    *out = node;
    return TDM_OK;
}

static tdm_status parse_arguments(tdm__jinja_parser *p, tdm__jinja_node **list)
{
    tdm__jinja_list args = {0};
    unsigned stage = 0;
    TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_OPERATOR, "("));
    while (!tdm__parse_at_operator(p, ")")) {
        tdm__jinja_node *node;
        if (args.first)
            TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_OPERATOR, ","));
        if (tdm__parse_at_operator(p, ")"))
            break;
        TDM_TRY(parse_argument(p, &stage, &node));
        tdm__parse_append(&args, node);
    }
    *list = args.first;
    return tdm__parse_advance(p);
}

static tdm_status parse_call(tdm__jinja_parser *p, tdm__jinja_node **node)
{
    uint32_t line = p->token.line;
    TDM_TRY(tdm__parse_operation(p, TDM__NODE_CALL, *node, NULL, node));
    (*node)->line = line;
    return parse_arguments(p, &(*node)->list);
}

static tdm_status parse_postfix(tdm__jinja_parser *p, tdm__jinja_node **node)
{
    for (;;) {
        if (tdm__parse_at_operator(p, ".") || tdm__parse_at_operator(p, "["))
            TDM_TRY(parse_subscript(p, node));
        else if (tdm__parse_at_operator(p, "("))
            TDM_TRY(parse_call(p, node));
        else
            return TDM_OK;
    }
}

/* A name that this build does not know is an error at once, unless an if may keep it from being reached. */
static tdm_status refuse_unknown(tdm__jinja_parser *p, const char *what, const tdm__jinja_name *name, bool known)
{
    if (known || p->guarded > 0)
        return TDM_OK;
    return tdm__parse_fail(p, TDM_ERR_UNSUPPORTED, "%s '%.60s' is not built", what, name->text.ptr);
}

tdm_status tdm__parse_filters(tdm__jinja_parser *p, tdm__jinja_node *first, bool start_inline, tdm__jinja_node **out)
{
    *out = first;
    while (start_inline || tdm__parse_at_operator(p, "|")) {
        if (!start_inline)
            TDM_TRY(tdm__parse_advance(p));
        start_inline = false;
        uint32_t line = p->token.line;
        TDM_TRY(tdm__parse_operation(p, TDM__NODE_FILTER, *out, NULL, out));
        (*out)->line = line;
        TDM_TRY(tdm__parse_name(p, &(*out)->name));
        (*out)->filter = tdm__jinja_filter_find((*out)->name->text);
        TDM_TRY(refuse_unknown(p, "filter", (*out)->name, (*out)->filter != NULL));
        if (tdm__parse_at_operator(p, "("))
            TDM_TRY(parse_arguments(p, &(*out)->list));
    }
    return TDM_OK;
}

static bool at_test_argument(const tdm__jinja_parser *p)
{
    if (p->token.kind == TDM__TOKEN_WORD)
        return !tdm__parse_at_word(p, "else") && !tdm__parse_at_word(p, "or") && !tdm__parse_at_word(p, "and");
    return p->token.kind == TDM__TOKEN_TEXT || p->token.kind == TDM__TOKEN_INTEGER ||
           p->token.kind == TDM__TOKEN_REAL || tdm__parse_at_operator(p, "[") || tdm__parse_at_operator(p, "{");
}

static tdm_status parse_test(tdm__jinja_parser *p, tdm__jinja_node **node)
{
    bool negated;
    uint32_t line = p->token.line;
    TDM_TRY(tdm__parse_advance(p)); /* is */
    TDM_TRY(tdm__parse_skip(p, TDM__TOKEN_WORD, "not", &negated));
    tdm__jinja_node *test;
    TDM_TRY(tdm__parse_operation(p, TDM__NODE_TEST, *node, NULL, &test));
    test->line = line;
    TDM_TRY(tdm__parse_name(p, &test->name));
    test->test = tdm__jinja_test_find(test->name->text);
    TDM_TRY(refuse_unknown(p, "test", test->name, test->test != NULL));
    if (tdm__parse_at_operator(p, "(")) {
        TDM_TRY(parse_arguments(p, &test->list));
    } else if (at_test_argument(p)) {
        if (tdm__parse_at_word(p, "is"))
            return tdm__parse_fail(p, TDM_ERR_FORMAT, "tests cannot be chained with 'is'");
        TDM_TRY(parse_primary(p, false, &test->list));
        TDM_TRY(parse_postfix(p, &test->list));
    }
    *node = test;
    return negated ? tdm__parse_operation(p, TDM__NODE_NOT, test, NULL, node) : TDM_OK;
}

static tdm_status parse_unary(tdm__jinja_parser *p, bool with_filter, tdm__jinja_node **out)
{
    TDM_TRY(tdm__parse_enter(p));
    bool minus = tdm__parse_at_operator(p, "-"), plus = tdm__parse_at_operator(p, "+");
    if (minus || plus) {
        TDM_TRY(tdm__parse_advance(p));
        TDM_TRY(parse_unary(p, false, out));
        TDM_TRY(tdm__parse_operation(p, minus ? TDM__NODE_NEGATE : TDM__NODE_PLUS, *out, NULL, out));
    } else {
        TDM_TRY(parse_primary(p, false, out));
    }
    TDM_TRY(parse_postfix(p, out));
    while (with_filter) {
        if (tdm__parse_at_operator(p, "|"))
            TDM_TRY(tdm__parse_filters(p, *out, false, out));
        else if (tdm__parse_at_word(p, "is"))
            TDM_TRY(parse_test(p, out));
        else if (tdm__parse_at_operator(p, "("))
            TDM_TRY(parse_call(p, out));
        else
            break;
    }
    p->nesting--;
    return TDM_OK;
}

tdm_status tdm__parse_operand(tdm__jinja_parser *p, tdm__jinja_node **out) { return parse_unary(p, true, out); }
