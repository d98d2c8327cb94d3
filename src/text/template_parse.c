/* template_parse.c - what both halves of the parser stand on: the current token, nodes, lists, interned names. */
#include "text/template_parse.h"

#include <stdarg.h>
#include <stdio.h>

tdm_status tdm__parse_fail(tdm__jinja_parser *p, tdm_status code, const char *fmt, ...)
{
    char what[320];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return tdm__fail(p->err, code, "chat template line %u: %s", (unsigned)p->token.line, what);
}

tdm_status tdm__parse_expected(tdm__jinja_parser *p, const char *what)
{
    int n = p->token.text.len < 40 ? (int)p->token.text.len : 40;
    switch (p->token.kind) {
    case TDM__TOKEN_WORD:
    case TDM__TOKEN_OPERATOR:
        return tdm__parse_fail(p, TDM_ERR_FORMAT, "expected %s, found '%.*s'", what, n, p->token.text.ptr);
    case TDM__TOKEN_BLOCK_END:
    case TDM__TOKEN_PRINT_END:
        return tdm__parse_fail(p, TDM_ERR_FORMAT, "expected %s, found the end of the tag", what);
    case TDM__TOKEN_END:
        return tdm__parse_fail(p, TDM_ERR_FORMAT, "expected %s, found the end of the template", what);
    default: return tdm__parse_fail(p, TDM_ERR_FORMAT, "expected %s, found a literal", what);
    }
}

tdm_status tdm__parse_enter(tdm__jinja_parser *p)
{
    if (p->nesting >= TDM__TEMPLATE_NESTING_MAX)
        return tdm__parse_fail(p, TDM_ERR_LIMIT, "nested deeper than %d", TDM__TEMPLATE_NESTING_MAX);
    p->nesting++;
    return TDM_OK;
}

tdm_status tdm__parse_advance(tdm__jinja_parser *p)
{
    if (!p->has_ahead)
        return tdm__jinja_lex(&p->lexer, &p->token);
    p->token = p->ahead;
    p->has_ahead = false;
    return TDM_OK;
}

tdm_status tdm__parse_look(tdm__jinja_parser *p, const tdm__jinja_token **ahead)
{
    if (!p->has_ahead)
        TDM_TRY(tdm__jinja_lex(&p->lexer, &p->ahead));
    p->has_ahead = true;
    *ahead = &p->ahead;
    return TDM_OK;
}

bool tdm__parse_at(const tdm__jinja_parser *p, tdm__jinja_token_kind kind, const char *text)
{
    return p->token.kind == kind && (!text || tdm__str_eq(p->token.text, tdm__str_from(text)));
}

tdm_status tdm__parse_skip(tdm__jinja_parser *p, tdm__jinja_token_kind kind, const char *text, bool *taken)
{
    *taken = tdm__parse_at(p, kind, text);
    return *taken ? tdm__parse_advance(p) : TDM_OK;
}

tdm_status tdm__parse_expect(tdm__jinja_parser *p, tdm__jinja_token_kind kind, const char *text)
{
    if (tdm__parse_at(p, kind, text))
        return tdm__parse_advance(p);
    return tdm__parse_expected(p, text ? text : kind == TDM__TOKEN_WORD ? "a name" : "the end of the tag");
}

tdm_status tdm__parse_node(tdm__jinja_parser *p, tdm__jinja_node_kind kind, tdm__jinja_node **out)
{
    if (p->template->n_nodes >= TDM__TEMPLATE_NODES_MAX)
        return tdm__parse_fail(p, TDM_ERR_LIMIT, "more than %d nodes", TDM__TEMPLATE_NODES_MAX);
    tdm__jinja_node *node = tdm__arena_array(&p->template->arena, 1, sizeof *node);
    if (!node)
        return tdm__parse_fail(p, TDM_ERR_LIMIT, "more than %d MiB of memory", TDM__TEMPLATE_MEMORY_BYTES_MAX >> 20);
    p->template->n_nodes++;
    node->kind = kind;
    node->line = p->token.line;
    *out = node;
    return TDM_OK;
}

void tdm__parse_append(tdm__jinja_list *list, tdm__jinja_node *node)
{
    if (!list->end)
        list->end = &list->first;
    *list->end = node;
    list->end = &node->next;
}

static uint32_t name_hash(tdm__str text)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < text.len; i++)
        h = (h ^ (unsigned char)text.ptr[i]) * 16777619u;
    return h % TDM__JINJA_NAME_BUCKETS;
}

const tdm__jinja_name *tdm__template_name_find(const tdm__template *t, tdm__str text)
{
    const tdm__jinja_name *name = t->names[name_hash(text)];
    while (name && !tdm__str_eq(name->text, text))
        name = name->next;
    return name;
}

tdm_status tdm__parse_name(tdm__jinja_parser *p, const tdm__jinja_name **out)
{
    tdm__template *t = p->template;
    if (p->token.kind != TDM__TOKEN_WORD)
        return tdm__parse_expected(p, "a name");
    *out = tdm__template_name_find(t, p->token.text);
    if (*out)
        return tdm__parse_advance(p);
    if (t->n_names >= TDM__TEMPLATE_NAMES_MAX)
        return tdm__parse_fail(p, TDM_ERR_LIMIT, "more than %d names", TDM__TEMPLATE_NAMES_MAX);
    tdm__jinja_name *name = tdm__arena_array(&t->arena, 1, sizeof *name);
    char *text = tdm__arena_dup(&t->arena, p->token.text);
    if (!name || !text)
        return tdm__parse_fail(p, TDM_ERR_LIMIT, "more than %d MiB of memory", TDM__TEMPLATE_MEMORY_BYTES_MAX >> 20);
    uint32_t bucket = name_hash(p->token.text);
    *name = (tdm__jinja_name){.next = t->names[bucket], .text = {text, p->token.text.len}};
    t->names[bucket] = name;
    t->n_names++;
    *out = name;
    return tdm__parse_advance(p);
}
