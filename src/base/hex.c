/* hex.c - see hex.h. Upper case is refused when reading: what is signed by its text has one spelling. */
#include "base/hex.h"

void tdm__hex_put(const uint8_t *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
}

/* -1 for what is none. */
static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool tdm__hex_get(tdm__str hex, uint8_t *bytes, size_t n)
{
    if (hex.len % 2 != 0 || hex.len / 2 != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = digit_value(hex.ptr[2 * i]), low = digit_value(hex.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
