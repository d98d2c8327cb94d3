/* template_lex.h - a chat template's source as tokens, by jinja2's rules for white space around tags. */
#ifndef TDM_TEXT_TEMPLATE_LEX_H
#define TDM_TEXT_TEMPLATE_LEX_H

#include "base/error.h"
#include "text/template_node.h"

typedef enum tdm__jinja_token_kind {
    TDM__TOKEN_END = 0, /* of the source */
    TDM__TOKEN_DATA,
    TDM__TOKEN_BLOCK_BEGIN,
    TDM__TOKEN_BLOCK_END,
    TDM__TOKEN_PRINT_BEGIN,
    TDM__TOKEN_PRINT_END,
    TDM__TOKEN_WORD,
    TDM__TOKEN_TEXT,     /* a string literal; text has its value */
    TDM__TOKEN_INTEGER,
    TDM__TOKEN_REAL,
    TDM__TOKEN_OPERATOR, /* text has its spelling */
} tdm__jinja_token_kind;

typedef struct tdm__jinja_token {
    tdm__jinja_token_kind kind;
    uint32_t line;
    tdm__str text;
    int64_t integer;
    double real;
} tdm__jinja_token;

enum { TDM__JINJA_BRACKETS_MAX = TDM__TEMPLATE_NESTING_MAX };

typedef struct tdm__jinja_lexer {
    tdm__str source; /* newlines normalised, valid UTF-8 */
    size_t at;
    uint32_t line;
    enum { TDM__LEX_ROOT = 0, TDM__LEX_BLOCK, TDM__LEX_PRINT } state;
    bool line_starting; /* what was read last ended a line, or nothing was read */
    enum { TDM__TAG_NONE = 0, TDM__TAG_BLOCK, TDM__TAG_PRINT, TDM__TAG_COMMENT, TDM__TAG_RAW } pending;
                        /* a tag that begins after the data just given */
    char brackets[TDM__JINJA_BRACKETS_MAX];
    unsigned n_brackets;
    tdm__arena *arena; /* for the values of string literals */
    tdm_error *err;
} tdm__jinja_lexer;

void tdm__jinja_lexer_init(tdm__jinja_lexer *lexer, tdm__str source, tdm__arena *arena, tdm_error *err);

/* The next token. ERR_FORMAT, ERR_LIMIT, ERR_UNSUPPORTED, with the line. */
tdm_status tdm__jinja_lex(tdm__jinja_lexer *lexer, tdm__jinja_token *token);

#endif
