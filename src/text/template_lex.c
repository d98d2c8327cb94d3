/* template_lex.c - cuts a template into data and tokens.
 *
 * The rules are those of jinja2 3.1 with trim_blocks and lstrip_blocks: a newline right after a block or comment tag
 * is dropped, white space between the start of a line and such a tag too; a minus sign inside a tag strips all white
 * space on its side, a plus sign keeps it. What looks like an end tag inside brackets is operators.
 */
#include "text/template_lex.h"

#include <stdlib.h>
#include <string.h>

#include "text/template_literal.h"

void tdm__jinja_lexer_init(tdm__jinja_lexer *lexer, tdm__str source, tdm__arena *arena, tdm_error *err)
{
    *lexer = (tdm__jinja_lexer){.source = source, .line = 1, .line_starting = true, .arena = arena, .err = err};
}

#define LEX_FAIL(lexer, code, ...) \
    return tdm__fail((lexer)->err, (code), "chat template line %u: " __VA_ARGS__)

static bool starts_with(const tdm__jinja_lexer *lexer, size_t at, const char *text)
{
    size_t n = strlen(text);
    return lexer->source.len - at >= n && memcmp(lexer->source.ptr + at, text, n) == 0;
}

static char char_at(const tdm__jinja_lexer *lexer, size_t at)
{
    return at < lexer->source.len ? lexer->source.ptr[at] : '\0';
}

static size_t skip_space(const tdm__jinja_lexer *lexer, size_t at)
{
    size_t next;
    while (at < lexer->source.len &&
           tdm__jinja_rune_is_space(tdm__jinja_rune_at(lexer->source.ptr, lexer->source.len, at, &next)))
        at = next;
    return at;
}

/* Moves to `to`, counting lines. */
static void advance(tdm__jinja_lexer *lexer, size_t to)
{
    for (; lexer->at < to; lexer->at++)
        lexer->line += lexer->source.ptr[lexer->at] == '\n';
    lexer->line_starting = to > 0 && lexer->source.ptr[to - 1] == '\n';
}

/* Where an end tag (its two characters) that stands at `at` is over, or 0 if none does. */
static size_t end_tag(const tdm__jinja_lexer *lexer, size_t at, const char *tag, bool trims)
{
    if (char_at(lexer, at) == '-' && starts_with(lexer, at + 1, tag))
        return skip_space(lexer, at + 3);
    if (trims && char_at(lexer, at) == '+' && starts_with(lexer, at + 1, tag))
        return at + 3;
    if (!starts_with(lexer, at, tag))
        return 0;
    return at + 2 + (trims && char_at(lexer, at + 2) == '\n');
}

/* Where a raw or endraw tag that begins at `at` is over, or 0 if none does. */
static size_t raw_tag(const tdm__jinja_lexer *lexer, size_t at, const char *word)
{
    if (!starts_with(lexer, at, "{%"))
        return 0;
    at += 2;
    if (char_at(lexer, at) == '-' || char_at(lexer, at) == '+')
        at++;
    at = skip_space(lexer, at);
    if (!starts_with(lexer, at, word))
        return 0;
    at = skip_space(lexer, at + strlen(word));
    bool is_end = word[0] == 'e';
    if (!is_end && char_at(lexer, at) == '+') /* only endraw knows +%} */
        return 0;
    return end_tag(lexer, at, "%}", is_end);
}

/* The data from..tag without what the tag's sign and lstrip_blocks take away. */
static tdm__str data_before(const tdm__jinja_lexer *lexer, size_t from, size_t tag, char sign, bool lstrips)
{
    const char *s = lexer->source.ptr;
    size_t end = tag, start = tag, next;
    if (sign == '-') {
        while (end > from) {
            size_t at = tdm__jinja_rune_before(s, end);
            if (!tdm__jinja_rune_is_space(tdm__jinja_rune_at(s, tag, at, &next)))
                break;
            end = at;
        }
    } else if (sign != '+' && lstrips) {
        while (start > from && s[start - 1] != '\n')
            start--;
        if ((start > from || lexer->line_starting) && skip_space(lexer, start) >= tag)
            end = start;
    }
    return (tdm__str){s + from, end - from};
}

/* Root state: the data up to the next tag, which becomes pending. */
static tdm__str lex_data(tdm__jinja_lexer *lexer)
{
    size_t from = lexer->at, tag = from;
    const char *s = lexer->source.ptr;
    for (;; tag++) {
        const char *brace = memchr(s + tag, '{', lexer->source.len - tag);
        if (!brace) {
            advance(lexer, lexer->source.len);
            return (tdm__str){s + from, lexer->source.len - from};
        }
        tag = (size_t)(brace - s);
        char second = char_at(lexer, tag + 1);
        if (second == '%' || second == '{' || second == '#')
            break;
    }
    char kind = char_at(lexer, tag + 1), sign = char_at(lexer, tag + 2);
    tdm__str data = data_before(lexer, from, tag, sign, kind != '{');
    size_t raw_end = raw_tag(lexer, tag, "raw");
    if (raw_end) {
        lexer->pending = TDM__TAG_RAW;
        advance(lexer, raw_end);
        return data;
    }
    lexer->pending = kind == '%' ? TDM__TAG_BLOCK : kind == '{' ? TDM__TAG_PRINT : TDM__TAG_COMMENT;
    advance(lexer, tag + 2 + (sign == '-' || sign == '+'));
    return data;
}

static tdm_status skip_comment(tdm__jinja_lexer *lexer)
{
    size_t end = tdm__jinja_find(lexer->source, TDM_STR("#}"), lexer->at);
    if (end == SIZE_MAX)
        LEX_FAIL(lexer, TDM_ERR_FORMAT, "missing end of a comment", (unsigned)lexer->line);
    char sign = end > lexer->at ? lexer->source.ptr[end - 1] : '\0';
    advance(lexer, end_tag(lexer, sign == '-' || sign == '+' ? end - 1 : end, "#}", true));
    return TDM_OK;
}

static tdm_status lex_raw(tdm__jinja_lexer *lexer, tdm__str *data)
{
    size_t tag = lexer->at, end = 0;
    while (!end) {
        tag = tdm__jinja_find(lexer->source, TDM_STR("{%"), tag);
        if (tag == SIZE_MAX)
            LEX_FAIL(lexer, TDM_ERR_FORMAT, "missing end of raw", (unsigned)lexer->line);
        end = raw_tag(lexer, tag, "endraw");
        if (!end)
            tag++;
    }
    *data = data_before(lexer, lexer->at, tag, char_at(lexer, tag + 2), true);
    advance(lexer, end);
    return TDM_OK;
}

static tdm_status lex_root(tdm__jinja_lexer *lexer, tdm__jinja_token *token)
{
    for (;;) {
        tdm__str data = {NULL, 0};
        *token = (tdm__jinja_token){.kind = TDM__TOKEN_DATA, .line = lexer->line};
        switch (lexer->pending) {
        case TDM__TAG_BLOCK:
            token->kind = TDM__TOKEN_BLOCK_BEGIN;
            lexer->state = TDM__LEX_BLOCK;
            break;
        case TDM__TAG_PRINT:
            token->kind = TDM__TOKEN_PRINT_BEGIN;
            lexer->state = TDM__LEX_PRINT;
            break;
        case TDM__TAG_COMMENT: TDM_TRY(skip_comment(lexer)); break;
        case TDM__TAG_RAW: TDM_TRY(lex_raw(lexer, &data)); break;
        case TDM__TAG_NONE:
            if (lexer->at == lexer->source.len)
                token->kind = TDM__TOKEN_END;
            else
                data = lex_data(lexer);
            token->text = data;
            if (data.len > 0 || token->kind == TDM__TOKEN_END)
                return TDM_OK;
            continue;
        }
        lexer->pending = TDM__TAG_NONE;
        token->text = data;
        if (data.len > 0 || token->kind != TDM__TOKEN_DATA)
            return TDM_OK;
    }
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static tdm_status lex_operator(tdm__jinja_lexer *lexer, tdm__jinja_token *token)
{
    static const char *const operators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]",
                                            "(",  ")",  "{",  "}",  ">",  "<",  "=", ".", ":", "|", ",", ";"};
    size_t i = 0, n = sizeof operators / sizeof operators[0];
    while (i < n && !starts_with(lexer, lexer->at, operators[i]))
        i++;
    unsigned line = (unsigned)lexer->line;
    if (i == n) {
        unsigned char c = (unsigned char)lexer->source.ptr[lexer->at];
        if (c >= 0x80)
            LEX_FAIL(lexer, TDM_ERR_UNSUPPORTED, "names beyond ASCII are not built", line);
        LEX_FAIL(lexer, TDM_ERR_FORMAT, "unexpected character 0x%02x", line, c);
    }
    char c = operators[i][0];
    if (c == '{' || c == '(' || c == '[') {
        if (lexer->n_brackets == TDM__JINJA_BRACKETS_MAX)
            LEX_FAIL(lexer, TDM_ERR_LIMIT, "brackets nested deeper than %d", line, TDM__JINJA_BRACKETS_MAX);
        lexer->brackets[lexer->n_brackets++] = c == '{' ? '}' : c == '(' ? ')' : ']';
    } else if (c == '}' || c == ')' || c == ']') {
        if (lexer->n_brackets == 0 || lexer->brackets[--lexer->n_brackets] != c)
            LEX_FAIL(lexer, TDM_ERR_FORMAT, "unexpected '%c'", line, c);
    }
    token->kind = TDM__TOKEN_OPERATOR;
    token->text = tdm__str_from(operators[i]);
    advance(lexer, lexer->at + strlen(operators[i]));
    return TDM_OK;
}

static tdm_status lex_literal(tdm__jinja_lexer *lexer, tdm__jinja_token *token)
{
    size_t end = 0;
    TDM_TRY(tdm__jinja_literal(lexer->source, lexer->at, lexer->line, lexer->arena, token, &end, lexer->err));
    if (!end)
        return lex_operator(lexer, token);
    advance(lexer, end);
    return TDM_OK;
}

tdm_status tdm__jinja_lex(tdm__jinja_lexer *lexer, tdm__jinja_token *token)
{
    if (lexer->state == TDM__LEX_ROOT)
        return lex_root(lexer, token);
    bool is_block = lexer->state == TDM__LEX_BLOCK;
    size_t end = 0;
    *token = (tdm__jinja_token){0};
    for (;;) { /* end tags are looked for before white space is skipped, and after */
        token->line = lexer->line;
        if (lexer->n_brackets == 0)
            end = end_tag(lexer, lexer->at, is_block ? "%}" : "}}", is_block);
        size_t after = skip_space(lexer, lexer->at);
        if (end || after == lexer->at)
            break;
        advance(lexer, after);
    }
    if (end) {
        token->kind = is_block ? TDM__TOKEN_BLOCK_END : TDM__TOKEN_PRINT_END;
        lexer->state = TDM__LEX_ROOT;
        advance(lexer, end);
        return TDM_OK;
    }
    if (lexer->at == lexer->source.len) {
        token->kind = TDM__TOKEN_END;
        return TDM_OK;
    }
    char c = lexer->source.ptr[lexer->at];
    if (is_letter(c)) {
        size_t to = lexer->at;
        while (is_letter(char_at(lexer, to)) || is_digit(char_at(lexer, to)))
            to++;
        token->kind = TDM__TOKEN_WORD;
        token->text = (tdm__str){lexer->source.ptr + lexer->at, to - lexer->at};
        advance(lexer, to);
        return TDM_OK;
    }
    return is_digit(c) || c == '"' || c == '\'' ? lex_literal(lexer, token) : lex_operator(lexer, token);
}
