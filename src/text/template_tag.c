/* template_tag.c - the statement half of the parser: one function a tag.
 *
 * Tags of jinja2 that need other files (include, import, extends) or that chat templates have no use for are refused
 * by name.
 */
#include "text/template_parse.h"

static tdm_status parse_body(tdm__jinja_parser *p, const char *const ends[], tdm__jinja_node **out);
static const char *const end_if[] = {"elif", "else", "endif", NULL};
static const char *const end_else[] = {"endif", NULL};
static const char *const end_for[] = {"endfor", "else", NULL};
static const char *const end_for_else[] = {"endfor", NULL};

/* The body between this tag and its end tag, which is taken up to its word. */
static tdm_status parse_block(tdm__jinja_parser *p, const char *const ends[], tdm__jinja_node **out)
{
    bool colon;
    TDM_TRY(tdm__parse_skip(p, TDM__TOKEN_OPERATOR, ":", &colon));
    TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_BLOCK_END, NULL));
    return parse_body(p, ends, out);
}

static tdm_status parse_block_to(tdm__jinja_parser *p, const char *end, tdm__jinja_node **out)
{
    const char *const ends[] = {end, NULL};
    TDM_TRY(parse_block(p, ends, out));
    return tdm__parse_advance(p);
}

static tdm_status parse_if(tdm__jinja_parser *p, tdm__jinja_node *node)
{
    tdm__jinja_list branches = {0};
    bool is_else = false, again = true;
    p->guarded++;
    while (again) {
        tdm__jinja_node *branch;
        TDM_TRY(tdm__parse_node(p, TDM__NODE_BRANCH, &branch));
        TDM_TRY(tdm__parse_advance(p)); /* if, elif, else */
        if (!is_else)
            TDM_TRY(tdm__parse_tuple(p, false, &branch->first));
        TDM_TRY(parse_block(p, is_else ? end_else : end_if, &branch->body));
        tdm__parse_append(&branches, branch);
        again = !tdm__parse_at_word(p, "endif");
        is_else = tdm__parse_at_word(p, "else");
    }
    p->guarded--;
    node->kind = TDM__NODE_IF;
    node->list = branches.first;
    return tdm__parse_advance(p);
}

static tdm_status parse_for(tdm__jinja_parser *p, tdm__jinja_node *node)
{
    node->kind = TDM__NODE_FOR;
    TDM_TRY(tdm__parse_advance(p));
    TDM_TRY(tdm__parse_target(p, false, &node->first));
    TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_WORD, "in"));
    TDM_TRY(tdm__parse_tuple(p, false, &node->second));
    bool taken;
    TDM_TRY(tdm__parse_skip(p, TDM__TOKEN_WORD, "if", &taken));
    if (taken)
        TDM_TRY(tdm__parse_expression(p, true, &node->third));
    if (tdm__parse_at_word(p, "recursive"))
        return tdm__parse_fail(p, TDM_ERR_UNSUPPORTED, "recursive loops are not built");
    p->loops++;
    TDM_TRY(parse_block(p, end_for, &node->body));
    p->loops--;
    TDM_TRY(tdm__parse_skip(p, TDM__TOKEN_WORD, "endfor", &taken));
    if (taken)
        return TDM_OK;
    TDM_TRY(tdm__parse_advance(p)); /* else */
    TDM_TRY(parse_block(p, end_for_else, &node->other));
    return tdm__parse_advance(p);
}

/* The body of something whose loops and special names are its own: a macro, a call block, a generation block. */
static tdm_status parse_own_body(tdm__jinja_parser *p, const char *end, tdm__jinja_node *node)
{
    unsigned loops = p->loops, uses = p->uses;
    p->loops = 0;
    p->uses = 0;
    TDM_TRY(parse_block_to(p, end, &node->body));
    node->uses = p->uses;
    p->loops = loops;
    p->uses |= uses;
    return TDM_OK;
}

static tdm_status parse_set(tdm__jinja_parser *p, tdm__jinja_node *node)
{
    TDM_TRY(tdm__parse_advance(p));
    TDM_TRY(tdm__parse_target(p, true, &node->first));
    bool assign;
    TDM_TRY(tdm__parse_skip(p, TDM__TOKEN_OPERATOR, "=", &assign));
    node->kind = assign ? TDM__NODE_SET : TDM__NODE_SET_BLOCK;
    if (assign)
        return tdm__parse_tuple(p, true, &node->second);
    TDM_TRY(tdm__parse_filters(p, NULL, false, &node->second));
    return parse_block_to(p, "endset", &node->body);
}

static tdm_status parse_parameters(tdm__jinja_parser *p, tdm__jinja_node *node)
{
    tdm__jinja_list params = {0};
    bool defaults = false;
    TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_OPERATOR, "("));
    while (!tdm__parse_at_operator(p, ")")) {
        tdm__jinja_node *param;
        bool has_default;
        if (params.first)
            TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_OPERATOR, ","));
        TDM_TRY(tdm__parse_node(p, TDM__NODE_PARAM, &param));
        TDM_TRY(tdm__parse_name(p, &param->name));
        TDM_TRY(tdm__parse_skip(p, TDM__TOKEN_OPERATOR, "=", &has_default));
        if (has_default)
            TDM_TRY(tdm__parse_expression(p, true, &param->first));
        else if (defaults)
            return tdm__parse_fail(p, TDM_ERR_FORMAT, "a parameter without a default follows one with it");
        defaults = has_default;
        tdm__parse_append(&params, param);
    }
    node->list = params.first;
    return tdm__parse_advance(p);
}

static tdm_status parse_macro(tdm__jinja_parser *p, tdm__jinja_node *node)
{
    node->kind = TDM__NODE_MACRO;
    TDM_TRY(tdm__parse_advance(p));
    TDM_TRY(tdm__parse_name(p, &node->name));
    TDM_TRY(parse_parameters(p, node));
    return parse_own_body(p, "endmacro", node);
}

static tdm_status parse_call_block(tdm__jinja_parser *p, tdm__jinja_node *node)
{
    node->kind = TDM__NODE_CALL_BLOCK;
    TDM_TRY(tdm__parse_node(p, TDM__NODE_MACRO, &node->second));
    TDM_TRY(tdm__parse_advance(p));
    if (tdm__parse_at_operator(p, "("))
        TDM_TRY(parse_parameters(p, node->second));
    TDM_TRY(tdm__parse_expression(p, true, &node->first));
    if (node->first->kind != TDM__NODE_CALL)
        return tdm__parse_fail(p, TDM_ERR_FORMAT, "a call block needs a call");
    return parse_own_body(p, "endcall", node->second);
}

static tdm_status parse_with(tdm__jinja_parser *p, tdm__jinja_node *node)
{
    tdm__jinja_list pairs = {0};
    node->kind = TDM__NODE_WITH;
    TDM_TRY(tdm__parse_advance(p));
    while (p->token.kind != TDM__TOKEN_BLOCK_END) {
        tdm__jinja_node *pair;
        if (pairs.first)
            TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_OPERATOR, ","));
        TDM_TRY(tdm__parse_node(p, TDM__NODE_PAIR, &pair));
        TDM_TRY(tdm__parse_target(p, false, &pair->first));
        TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_OPERATOR, "="));
        TDM_TRY(tdm__parse_expression(p, true, &pair->second));
        tdm__parse_append(&pairs, pair);
    }
    node->list = pairs.first;
    return parse_block_to(p, "endwith", &node->body);
}

static tdm_status parse_filter_block(tdm__jinja_parser *p, tdm__jinja_node *node)
{
    node->kind = TDM__NODE_FILTER_BLOCK;
    TDM_TRY(tdm__parse_advance(p));
    TDM_TRY(tdm__parse_filters(p, NULL, true, &node->second));
    return parse_block_to(p, "endfilter", &node->body);
}

static tdm_status parse_generation(tdm__jinja_parser *p, tdm__jinja_node *node)
{
    node->kind = TDM__NODE_SCOPE;
    TDM_TRY(tdm__parse_advance(p));
    return parse_own_body(p, "endgeneration", node);
}

static tdm_status parse_loop_control(tdm__jinja_parser *p, tdm__jinja_node *node)
{
    if (p->loops == 0)
        return tdm__parse_fail(p, TDM_ERR_FORMAT, "'%.*s' outside a loop", (int)p->token.text.len, p->token.text.ptr);
    node->kind = tdm__parse_at_word(p, "break") ? TDM__NODE_BREAK : TDM__NODE_CONTINUE;
    return tdm__parse_advance(p);
}

typedef struct tag {
    const char *word;
    tdm_status (*parse)(tdm__jinja_parser *p, tdm__jinja_node *node); /* NULL: jinja2 has it, we do not */
} tag;

static const tag tags[] = {
    {"if", parse_if},
    {"for", parse_for},
    {"set", parse_set},
    {"macro", parse_macro},
    {"call", parse_call_block},
    {"filter", parse_filter_block},
    {"with", parse_with},
    {"generation", parse_generation},
    {"break", parse_loop_control},
    {"continue", parse_loop_control},
    {"block", NULL},
    {"extends", NULL},
    {"include", NULL},
    {"import", NULL},
    {"from", NULL},
    {"print", NULL},
    {"autoescape", NULL},
    {"do", NULL},
    {"trans", NULL},
    {"debug", NULL},
};

static tdm_status parse_statement(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    int n = p->token.text.len < 60 ? (int)p->token.text.len : 60;
    if (p->token.kind != TDM__TOKEN_WORD)
        return tdm__parse_expected(p, "the name of a tag");
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        if (!tdm__parse_at_word(p, tags[i].word))
            continue;
        if (!tags[i].parse)
            return tdm__parse_fail(p, TDM_ERR_UNSUPPORTED, "tag '%s' is not built", tags[i].word);
        TDM_TRY(tdm__parse_enter(p));
        TDM_TRY(tdm__parse_node(p, TDM__NODE_NONE, out));
        TDM_TRY(tags[i].parse(p, *out));
        p->nesting--;
        return TDM_OK;
    }
    if (p->token.text.len > 3 && tdm__str_starts(p->token.text, TDM_STR("end")))
        return tdm__parse_fail(p, TDM_ERR_FORMAT, "'%.*s' closes nothing here", n, p->token.text.ptr);
    return tdm__parse_fail(p, TDM_ERR_UNSUPPORTED, "tag '%.*s' is not built", n, p->token.text.ptr);
}

static tdm_status parse_data(tdm__jinja_parser *p, tdm__jinja_node **out)
{
    TDM_TRY(tdm__parse_node(p, TDM__NODE_TEXT, out));
    tdm__jinja_string *s = tdm__arena_array(&p->template->arena, 1, sizeof *s);
    if (!s)
        return tdm__parse_fail(p, TDM_ERR_LIMIT, "more than %d MiB of memory", TDM__TEMPLATE_MEMORY_BYTES_MAX >> 20);
    *s = (tdm__jinja_string){.bytes = p->token.text.ptr, .len = p->token.text.len, .mark = 1};
    (*out)->value = (tdm__jinja_value){.kind = TDM__JINJA_STRING, .as.string = s};
    return tdm__parse_advance(p);
}

/* Data, prints and statements up to one of the end words (NULL: the end of the source), which is not taken. */
static tdm_status parse_body(tdm__jinja_parser *p, const char *const ends[], tdm__jinja_node **out)
{
    tdm__jinja_list body = {0};
    for (;;) {
        tdm__jinja_node *node;
        if (p->token.kind == TDM__TOKEN_END) {
            if (ends)
                return tdm__parse_fail(p, TDM_ERR_FORMAT, "the template ends before '%s'", ends[0]);
            break;
        }
        if (p->token.kind == TDM__TOKEN_DATA) {
            TDM_TRY(parse_data(p, &node));
        } else if (p->token.kind == TDM__TOKEN_PRINT_BEGIN) {
            TDM_TRY(tdm__parse_advance(p));
            TDM_TRY(tdm__parse_node(p, TDM__NODE_PRINT, &node));
            TDM_TRY(tdm__parse_tuple(p, true, &node->first));
            TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_PRINT_END, NULL));
        } else {
            TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_BLOCK_BEGIN, NULL));
            for (size_t i = 0; ends && ends[i]; i++)
                if (tdm__parse_at_word(p, ends[i])) {
                    *out = body.first;
                    return TDM_OK;
                }
            TDM_TRY(parse_statement(p, &node));
            TDM_TRY(tdm__parse_expect(p, TDM__TOKEN_BLOCK_END, NULL));
        }
        tdm__parse_append(&body, node);
    }
    *out = body.first;
    return TDM_OK;
}

tdm_status tdm__parse_template(tdm__template *t, tdm_error *err)
{
    tdm__jinja_parser p = {.template = t, .err = err};
    tdm__jinja_lexer_init(&p.lexer, t->source, &t->arena, err);
    TDM_TRY(tdm__parse_advance(&p));
    return parse_body(&p, NULL, &t->body);
}
