/* template_parse.h - from tokens to nodes: what the statement half and the expression half of the parser share. */
#ifndef TDM_TEXT_TEMPLATE_PARSE_H
#define TDM_TEXT_TEMPLATE_PARSE_H

#include "text/template_lex.h"

typedef struct tdm__jinja_parser {
    tdm__jinja_lexer lexer;
    tdm__template *template;
    tdm_error *err;
    tdm__jinja_token token; /* the current one */
    tdm__jinja_token ahead; /* the one after it, when has_ahead */
    bool has_ahead;
    unsigned nesting;
    unsigned loops;   /* for bodies around this place, inside the innermost macro */
    unsigned guarded; /* ifs around this place: what they hold may never be reached */
    unsigned uses;    /* of varargs, kwargs, caller since it was last cleared */
} tdm__jinja_parser;

/* A list being built. */
typedef struct tdm__jinja_list {
    tdm__jinja_node *first, **end; /* end: where the next goes; NULL while the list is empty */
} tdm__jinja_list;

/* Sets the error with the current token's line. */
__attribute__((format(printf, 3, 4))) tdm_status tdm__parse_fail(tdm__jinja_parser *p, tdm_status code,
                                                                 const char *fmt, ...);
/* "expected X, found Y" about the current token. */
tdm_status tdm__parse_expected(tdm__jinja_parser *p, const char *what);

tdm_status tdm__parse_enter(tdm__jinja_parser *p); /* nesting + 1, or ERR_LIMIT */
tdm_status tdm__parse_advance(tdm__jinja_parser *p);
tdm_status tdm__parse_look(tdm__jinja_parser *p, const tdm__jinja_token **ahead);
tdm_status tdm__parse_node(tdm__jinja_parser *p, tdm__jinja_node_kind kind, tdm__jinja_node **out);
void tdm__parse_append(tdm__jinja_list *list, tdm__jinja_node *node);
tdm_status tdm__parse_name(tdm__jinja_parser *p, const tdm__jinja_name **out); /* takes a word */

bool tdm__parse_at(const tdm__jinja_parser *p, tdm__jinja_token_kind kind, const char *text);
static inline bool tdm__parse_at_word(const tdm__jinja_parser *p, const char *word)
{
    return tdm__parse_at(p, TDM__TOKEN_WORD, word);
}
static inline bool tdm__parse_at_operator(const tdm__jinja_parser *p, const char *op)
{
    return tdm__parse_at(p, TDM__TOKEN_OPERATOR, op);
}
/* Takes the token if it is that one (*taken), or demands it. */
tdm_status tdm__parse_skip(tdm__jinja_parser *p, tdm__jinja_token_kind kind, const char *text, bool *taken);
tdm_status tdm__parse_expect(tdm__jinja_parser *p, tdm__jinja_token_kind kind, const char *text);

/* A node of that kind with its operands, on the line of the first. */
tdm_status tdm__parse_operation(tdm__jinja_parser *p, tdm__jinja_node_kind kind, tdm__jinja_node *first,
                                tdm__jinja_node *second, tdm__jinja_node **out);
/* A literal, name or bracket with its sign, subscripts, calls, filters and tests. */
tdm_status tdm__parse_operand(tdm__jinja_parser *p, tdm__jinja_node **out);

/* Expressions. with_condition: "x if y" may stand there. */
tdm_status tdm__parse_expression(tdm__jinja_parser *p, bool with_condition, tdm__jinja_node **out);
tdm_status tdm__parse_tuple(tdm__jinja_parser *p, bool with_condition, tdm__jinja_node **out);
tdm_status tdm__parse_target(tdm__jinja_parser *p, bool with_namespace, tdm__jinja_node **out);
/* "| filter | filter" behind first; start_inline: the first filter has no bar. */
tdm_status tdm__parse_filters(tdm__jinja_parser *p, tdm__jinja_node *first, bool start_inline, tdm__jinja_node **out);

/* The whole source into template->body. */
tdm_status tdm__parse_template(tdm__template *t, tdm_error *err);

#endif
