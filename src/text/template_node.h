/* template_node.h - the parsed form of a chat template: one kind of node, and the names in it.
 *
 * Nodes and names lie in the template's arena and never change after parsing. A name is interned: the same spelling
 * is the same pointer, so looking a variable up compares pointers.
 */
#ifndef TDM_TEXT_TEMPLATE_NODE_H
#define TDM_TEXT_TEMPLATE_NODE_H

#include "text/template_string.h"

typedef enum tdm__jinja_node_kind {
    TDM__NODE_NONE = 0,
    /* expressions */
    TDM__NODE_CONST,     /* value */
    TDM__NODE_NAME,      /* name */
    TDM__NODE_LIST,      /* list: the items */
    TDM__NODE_TUPLE,     /* list: the items */
    TDM__NODE_DICT,      /* list: PAIRs */
    TDM__NODE_PAIR,      /* first: key or target; second: value */
    TDM__NODE_NEGATE,    /* first */
    TDM__NODE_PLUS,      /* first */
    TDM__NODE_NOT,       /* first */
    TDM__NODE_AND,       /* first, second */
    TDM__NODE_OR,        /* first, second */
    TDM__NODE_BINARY,    /* op, first, second */
    TDM__NODE_CONCAT,    /* list: the operands of ~ */
    TDM__NODE_COMPARE,   /* first; list: OPERANDs */
    TDM__NODE_OPERAND,   /* op, first */
    TDM__NODE_CONDITION, /* first if second else third (or NULL) */
    TDM__NODE_ATTRIBUTE, /* first . name */
    TDM__NODE_ITEM,      /* first [ second ] */
    TDM__NODE_SLICE,     /* first : second : third, each may be NULL */
    TDM__NODE_CALL,      /* first; list: arguments */
    TDM__NODE_FILTER,    /* first (NULL: the text of a block), name; list: arguments */
    TDM__NODE_TEST,      /* first, name; list: arguments */
    TDM__NODE_KEYWORD,   /* an argument: name = first */
    TDM__NODE_SPREAD,    /* an argument: * first */
    TDM__NODE_SPREAD_NAMED, /* an argument: ** first */
    TDM__NODE_NAMESPACE_NAME, /* a target: name . second (a NAME) */
    /* statements */
    TDM__NODE_TEXT,      /* value */
    TDM__NODE_PRINT,     /* first */
    TDM__NODE_IF,        /* list: BRANCHes */
    TDM__NODE_BRANCH,    /* first: test, or NULL for else; body */
    TDM__NODE_FOR,       /* for first in second if third; body; other: its else */
    TDM__NODE_SET,       /* first: target; second: value */
    TDM__NODE_SET_BLOCK, /* first: target; second: FILTERs or NULL; body */
    TDM__NODE_MACRO,     /* name; list: PARAMs; body; uses */
    TDM__NODE_PARAM,     /* name; first: default or NULL */
    TDM__NODE_CALL_BLOCK,   /* first: CALL; second: a MACRO without a name, the caller */
    TDM__NODE_FILTER_BLOCK, /* second: FILTERs; body */
    TDM__NODE_WITH,      /* list: PAIRs; body */
    TDM__NODE_SCOPE,     /* body */
    TDM__NODE_BREAK,
    TDM__NODE_CONTINUE,
} tdm__jinja_node_kind;

typedef enum tdm__jinja_op {
    TDM__OP_NONE = 0,
    TDM__OP_ADD,
    TDM__OP_SUB,
    TDM__OP_MUL,
    TDM__OP_DIV,
    TDM__OP_FLOORDIV,
    TDM__OP_MOD,
    TDM__OP_POW,
    TDM__OP_EQ,
    TDM__OP_NE,
    TDM__OP_LT,
    TDM__OP_LE,
    TDM__OP_GT,
    TDM__OP_GE,
    TDM__OP_IN,
    TDM__OP_NOT_IN,
} tdm__jinja_op;

/* What the body of a MACRO asks for beyond its parameters. */
enum { TDM__USES_VARARGS = 1, TDM__USES_KWARGS = 2, TDM__USES_CALLER = 4 };

typedef struct tdm__jinja_name {
    struct tdm__jinja_name *next; /* in its bucket */
    tdm__str text;                /* NUL-terminated */
} tdm__jinja_name;

struct tdm__jinja_filter;
struct tdm__jinja_test;

typedef struct tdm__jinja_node tdm__jinja_node;
struct tdm__jinja_node {
    tdm__jinja_node_kind kind;
    tdm__jinja_op op;
    uint32_t line;
    unsigned uses;
    tdm__jinja_node *next; /* in the list that holds this node */
    const tdm__jinja_name *name;
    tdm__jinja_node *first, *second, *third;
    tdm__jinja_node *list, *body, *other;
    const struct tdm__jinja_filter *filter; /* FILTER: NULL when it is not built */
    const struct tdm__jinja_test *test;     /* TEST: the same */
    tdm__jinja_value value;
};

enum { TDM__JINJA_NAME_BUCKETS = 1024 };

struct tdm__template {
    tdm__arena arena;
    tdm__str source; /* newlines normalised */
    tdm__jinja_name *names[TDM__JINJA_NAME_BUCKETS];
    size_t n_names, n_nodes;
    tdm__jinja_node *body;
};

/* The name with that spelling, or NULL if the template does not have it. */
const tdm__jinja_name *tdm__template_name_find(const tdm__template *t, tdm__str text);

#endif
