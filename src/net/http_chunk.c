/* http_chunk.c - the line ends of a chunked body, a byte at a time, data skipped as a whole. */
#include "net/http_chunk.h"

enum { STAGE_SIZE = 0, STAGE_EXTENSION, STAGE_SIZE_LF, STAGE_DATA, STAGE_DATA_CR, STAGE_DATA_LF, STAGE_LAST_CR,
       STAGE_LAST_LF, STAGE_OVER, STAGE_BAD, STAGE_TOO_LARGE };

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int after_size(tdm__http_chunk *c, char byte)
{
    const int digit = hex_digit(byte);
    if (byte == '\r')
        return c->size_read ? STAGE_SIZE_LF : STAGE_OVER;
    if (byte == ';' || byte == ' ')
        return STAGE_EXTENSION;
    if (digit < 0)
        return STAGE_OVER; /* the grammar's to refuse */
    if (c->data_left > UINT64_MAX / 16)
        return STAGE_TOO_LARGE;
    c->data_left = c->data_left * 16 + (uint64_t)digit;
    c->size_read = true;
    return c->data_left > c->bytes_left ? STAGE_TOO_LARGE : STAGE_SIZE;
}

static int after(tdm__http_chunk *c, char byte)
{
    switch (c->stage) {
    case STAGE_SIZE: return after_size(c, byte);
    case STAGE_EXTENSION: return byte == '\r' ? STAGE_SIZE_LF : byte == '\n' ? STAGE_BAD : STAGE_EXTENSION;
    case STAGE_SIZE_LF: return byte != '\n' ? STAGE_BAD : c->data_left > 0 ? STAGE_DATA : STAGE_LAST_CR;
    case STAGE_DATA_CR: return byte == '\r' ? STAGE_DATA_LF : STAGE_BAD;
    case STAGE_DATA_LF: c->size_read = false; return byte == '\n' ? STAGE_SIZE : STAGE_BAD;
    case STAGE_LAST_CR: /* else a trailer: refused elsewhere */
        return byte == '\r' ? STAGE_LAST_LF : byte == '\n' ? STAGE_BAD : STAGE_OVER;
    case STAGE_LAST_LF: return byte == '\n' ? STAGE_OVER : STAGE_BAD;
    default: return c->stage;
    }
}

int tdm__http_chunk_check(tdm__http_chunk *c, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n && c->stage < STAGE_OVER;) {
        if (c->stage != STAGE_DATA) {
            c->stage = after(c, bytes[i++]);
            continue;
        }
        const size_t skip = c->data_left < n - i ? (size_t)c->data_left : n - i;
        c->data_left -= skip;
        c->bytes_left -= skip;
        i += skip;
        if (c->data_left == 0)
            c->stage = STAGE_DATA_CR;
    }
    return c->stage == STAGE_BAD ? 400 : c->stage == STAGE_TOO_LARGE ? 413 : 0;
}
