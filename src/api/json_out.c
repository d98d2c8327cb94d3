/* json_out.c - strings with their escapes, numbers. */
#include "api/json_out.h"

#include <assert.h>
#include <math.h>

#include "base/error.h"

/* Length of the well-formed UTF-8 sequence at s (Unicode 15, table 3-7), 0 if there is none. */
static size_t utf8_len(tdm__str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    const unsigned char c = p[0];
    size_t n = c < 0x80 ? 1 : c >= 0xC2 && c <= 0xDF ? 2 : (c & 0xF0) == 0xE0 ? 3 : c >= 0xF0 && c <= 0xF4 ? 4 : 0;
    if (n == 0 || n > s.len)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    const bool overlong = (c == 0xE0 && p[1] < 0xA0) || (c == 0xF0 && p[1] < 0x90);
    const bool surrogate = c == 0xED && p[1] > 0x9F;
    const bool beyond = c == 0xF4 && p[1] > 0x8F;
    return overlong || surrogate || beyond ? 0 : n;
}

static tdm_status put_escaped(tdm__buf *out, char c)
{
    switch (c) {
    case '"': return tdm__buf_append(out, "\\\"", 2);
    case '\\': return tdm__buf_append(out, "\\\\", 2);
    case '\n': return tdm__buf_append(out, "\\n", 2);
    case '\r': return tdm__buf_append(out, "\\r", 2);
    case '\t': return tdm__buf_append(out, "\\t", 2);
    default: return tdm__buf_printf(out, "\\u%04x", (unsigned)(unsigned char)c);
    }
}

tdm_status tdm__json_put_string(tdm__buf *out, tdm__str s)
{
    TDM_TRY(tdm__buf_append_char(out, '"'));
    size_t plain = 0; /* begin of what can be copied as it is */
    for (size_t i = 0; i < s.len;) {
        const char c = s.ptr[i];
        const bool escape = (unsigned char)c < 0x20 || c == '"' || c == '\\' || c == 0x7F;
        const size_t n = escape ? 0 : utf8_len((tdm__str){s.ptr + i, s.len - i});
        if (n > 0) {
            i += n;
            continue;
        }
        TDM_TRY(tdm__buf_append(out, s.ptr + plain, i - plain));
        TDM_TRY(escape ? put_escaped(out, c) : tdm__buf_append(out, "\xEF\xBF\xBD", 3));
        plain = ++i;
    }
    if (plain < s.len)
        TDM_TRY(tdm__buf_append(out, s.ptr + plain, s.len - plain));
    return tdm__buf_append_char(out, '"');
}

tdm_status tdm__json_put_number(tdm__buf *out, double x)
{
    assert(isfinite(x));
    return tdm__buf_printf(out, "%.9g", x);
}
