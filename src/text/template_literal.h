/* template_literal.h - number and string literals of the template language. */
#ifndef TDM_TEXT_TEMPLATE_LITERAL_H
#define TDM_TEXT_TEMPLATE_LITERAL_H

#include "text/template_lex.h"

/* Reads the literal that begins at `at` of the source into the token; *end is behind it, or 0 when a quote is not
 * closed. Strings with escapes get their value from the arena. */
tdm_status tdm__jinja_literal(tdm__str source, size_t at, uint32_t line, tdm__arena *arena, tdm__jinja_token *token,
                              size_t *end, tdm_error *err);

#endif
