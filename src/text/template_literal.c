/* template_literal.c - reads number and string literals as jinja2's lexer does: underscores between digits, and
 * Python's unicode-escape in strings. */
#include "text/template_literal.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { NUMBER_BYTES_MAX = 64 };

typedef struct literal {
    tdm__str source;
    uint32_t line;
    tdm_error *err;
} literal;

#define LITERAL_FAIL(l, code, ...) \
    return tdm__fail((l)->err, (code), "chat template line %u: " __VA_ARGS__)

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

static char at_or_nul(const literal *l, size_t at) { return at < l->source.len ? l->source.ptr[at] : '\0'; }

/* Behind the digits of that base that begin at `at`, single underscores between them; `at` when there is none. */
static size_t digits_end(const literal *l, size_t at, int base, bool leading_underscore)
{
    size_t end = at;
    if (leading_underscore && at_or_nul(l, at) == '_')
        at++;
    while (digit_of(at_or_nul(l, at)) < base) {
        end = ++at;
        if (at_or_nul(l, at) == '_')
            at++;
    }
    return end;
}

/* The digits without their underscores. */
static tdm_status squeeze(const literal *l, size_t from, size_t to, char out[NUMBER_BYTES_MAX])
{
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        if (l->source.ptr[i] == '_')
            continue;
        if (n == NUMBER_BYTES_MAX - 1)
            LITERAL_FAIL(l, TDM_ERR_LIMIT, "a number of more than %d digits", (unsigned)l->line, NUMBER_BYTES_MAX - 1);
        out[n++] = l->source.ptr[i];
    }
    out[n] = '\0';
    return TDM_OK;
}

static tdm_status read_integer(const literal *l, size_t at, tdm__jinja_token *token, size_t *end)
{
    char c = at_or_nul(l, at), second = (char)(at_or_nul(l, at + 1) | 0x20);
    int base = c != '0' ? 10 : second == 'x' ? 16 : second == 'o' ? 8 : second == 'b' ? 2 : 10;
    size_t from = at;
    *end = 0;
    if (base != 10) {
        *end = digits_end(l, at + 2, base, true);
        from = at + 2;
        if (*end == from) { /* 0x without digits is 0 and a name */
            base = 10;
            from = at;
        }
    }
    if (base == 10)
        *end = digits_end(l, at, c == '0' ? 1 : 10, false); /* a leading zero takes only zeros */
    int64_t n = 0;
    for (size_t i = from; i < *end; i++) {
        if (l->source.ptr[i] == '_')
            continue;
        if (__builtin_mul_overflow(n, (int64_t)base, &n) ||
            __builtin_add_overflow(n, (int64_t)digit_of(l->source.ptr[i]), &n))
            LITERAL_FAIL(l, TDM_ERR_UNSUPPORTED, "integers beyond 64 bits are not built", (unsigned)l->line);
    }
    token->kind = TDM__TOKEN_INTEGER;
    token->integer = n;
    return TDM_OK;
}

static tdm_status read_number(const literal *l, size_t at, tdm__jinja_token *token, size_t *end)
{
    size_t whole = digits_end(l, at, 10, false), to = whole;
    if (at_or_nul(l, whole) == '.' && digits_end(l, whole + 1, 10, false) > whole + 1)
        to = digits_end(l, whole + 1, 10, false);
    if ((at_or_nul(l, to) | 0x20) == 'e') {
        size_t exponent = to + 1;
        if (at_or_nul(l, exponent) == '+' || at_or_nul(l, exponent) == '-')
            exponent++;
        if (digits_end(l, exponent, 10, false) > exponent)
            to = digits_end(l, exponent, 10, false);
    }
    if (to == whole || (at > 0 && l->source.ptr[at - 1] == '.'))
        return read_integer(l, at, token, end);
    char text[NUMBER_BYTES_MAX];
    TDM_TRY(squeeze(l, at, to, text));
    token->kind = TDM__TOKEN_REAL;
    token->real = strtod(text, NULL);
    *end = to;
    return TDM_OK;
}

/* An escape of n hexadecimal digits at `at`. */
static tdm_status read_hex(const literal *l, size_t at, unsigned n, size_t to, int32_t *rune)
{
    uint32_t r = 0;
    for (unsigned i = 0; i < n; i++) {
        int d = at + i < to ? digit_of(l->source.ptr[at + i]) : 99;
        if (d >= 16)
            LITERAL_FAIL(l, TDM_ERR_FORMAT, "a truncated escape in a string", (unsigned)l->line);
        r = r * 16 + (uint32_t)d;
    }
    if (r > 0x10FFFF || (r >= 0xD800 && r < 0xE000))
        LITERAL_FAIL(l, TDM_ERR_FORMAT, "an escape in a string is no Unicode character", (unsigned)l->line);
    *rune = (int32_t)r;
    return TDM_OK;
}

/* The escape behind the backslash at `at`: its rune (or -1: nothing) and its length with the backslash; 0: none. */
static tdm_status read_escape(const literal *l, size_t at, size_t to, int32_t *rune, size_t *len)
{
    static const char names[] = "\\'\"abfnrtv\n";
    static const int32_t runes[] = {'\\', '\'', '"', 7, 8, 12, 10, 13, 9, 11, -1};
    char c = at_or_nul(l, at + 1);
    const char *simple = c ? strchr(names, c) : NULL;
    *len = 2;
    if (simple) {
        *rune = runes[simple - names];
        return TDM_OK;
    }
    if (c == 'x' || c == 'u' || c == 'U') {
        unsigned n = c == 'x' ? 2 : c == 'u' ? 4 : 8;
        *len = 2 + n;
        return read_hex(l, at + 2, n, to, rune);
    }
    if (c == 'N')
        LITERAL_FAIL(l, TDM_ERR_UNSUPPORTED, "the escape \\N in a string is not built", (unsigned)l->line);
    *len = 0;
    *rune = 0;
    while (*len < 3 && at + 1 + *len < to && digit_of(l->source.ptr[at + 1 + *len]) < 8)
        *rune = *rune * 8 + digit_of(l->source.ptr[at + 1 + (*len)++]);
    *len += *len > 0;
    return TDM_OK;
}

static char *put_rune(char *out, int32_t rune)
{
    return out + utf8proc_encode_char(rune, (utf8proc_uint8_t *)out);
}

/* A backslash before a character beyond ASCII: jinja2 turns the character into its escape first, which the
 * backslash then breaks ("\e9" stays as x, e, 9 behind a backslash). */
static char *put_broken(char *out, int32_t rune)
{
    int n = rune < 0x100 ? 2 : rune < 0x10000 ? 4 : 8;
    *out++ = '\\';
    *out++ = n == 2 ? 'x' : n == 4 ? 'u' : 'U';
    while (n-- > 0)
        *out++ = "0123456789abcdef"[((uint32_t)rune >> (4 * n)) & 15];
    return out;
}

static tdm_status read_string(const literal *l, size_t at, tdm__arena *arena, tdm__jinja_token *token, size_t *end)
{
    const char *s = l->source.ptr;
    size_t to = at + 1;
    bool escaped = false;
    *end = 0;
    for (; to < l->source.len && s[to] != s[at]; to++)
        if (s[to] == '\\') {
            escaped = true;
            to++;
        }
    if (to >= l->source.len)
        return TDM_OK;
    *end = to + 1;
    token->kind = TDM__TOKEN_TEXT;
    token->text = (tdm__str){s + at + 1, to - at - 1};
    if (!escaped)
        return TDM_OK;
    char *value = tdm__arena_alloc(arena, 2 * token->text.len + 1, 1); /* a broken escape doubles */
    if (!value)
        LITERAL_FAIL(l, TDM_ERR_LIMIT, "more than %d MiB of memory", (unsigned)l->line,
                     TDM__TEMPLATE_MEMORY_BYTES_MAX >> 20);
    char *out = value;
    for (size_t i = at + 1, len; i < to; i += len) {
        int32_t rune = 0;
        size_t next;
        len = 1;
        if (s[i] != '\\') {
            *out++ = s[i];
            continue;
        }
        TDM_TRY(read_escape(l, i, to, &rune, &len));
        if (len > 0) {
            out = rune >= 0 ? put_rune(out, rune) : out;
        } else if ((unsigned char)s[i + 1] >= 0x80) {
            out = put_broken(out, tdm__jinja_rune_at(s, to, i + 1, &next));
            len = next - i;
        } else {
            *out++ = '\\';
            len = 1;
        }
    }
    token->text = (tdm__str){value, (size_t)(out - value)};
    return TDM_OK;
}

tdm_status tdm__jinja_literal(tdm__str source, size_t at, uint32_t line, tdm__arena *arena, tdm__jinja_token *token,
                              size_t *end, tdm_error *err)
{
    literal l = {.source = source, .line = line, .err = err};
    char c = source.ptr[at];
    return c == '"' || c == '\'' ? read_string(&l, at, arena, token, end) : read_number(&l, at, token, end);
}
