/* buf.c - the bounded byte buffer: doubling growth, never beyond its maximum. */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "os/heap.h"

enum { BUF_FIRST_CAP = 64 };

void tdm__buf_init(tdm__buf *b, size_t len_max)
{
    *b = (tdm__buf){.len_max = tdm__min_size(len_max, SIZE_MAX - 1)}; /* the NUL needs its byte */
}

void tdm__buf_fini(tdm__buf *b)
{
    tdm__free(b->ptr);
    tdm__buf_init(b, b->len_max);
}

void tdm__buf_clear(tdm__buf *b)
{
    b->len = 0;
    if (b->ptr)
        b->ptr[0] = '\0';
}

tdm_status tdm__buf_reserve(tdm__buf *b, size_t n)
{
    size_t need;
    if (!tdm__add_size(b->len, n, &need) || need > b->len_max)
        return TDM_ERR_LIMIT;
    if (b->ptr && need + 1 <= b->cap)
        return TDM_OK;
    size_t cap = tdm__max_size(b->cap, BUF_FIRST_CAP);
    while (cap < need + 1)
        cap = cap > (b->len_max + 1) / 2 ? b->len_max + 1 : cap * 2;
    char *ptr = tdm__realloc(b->ptr, cap);
    if (!ptr)
        return TDM_ERR_NOMEM;
    b->ptr = ptr;
    b->cap = cap;
    b->ptr[b->len] = '\0';
    return TDM_OK;
}

tdm_status tdm__buf_append(tdm__buf *b, const void *bytes, size_t n)
{
    tdm_status s = tdm__buf_reserve(b, n);
    if (s != TDM_OK)
        return s;
    if (n > 0)
        memcpy(b->ptr + b->len, bytes, n);
    b->len += n;
    b->ptr[b->len] = '\0';
    return TDM_OK;
}

tdm_status tdm__buf_append_str(tdm__buf *b, tdm__str s) { return tdm__buf_append(b, s.ptr, s.len); }

tdm_status tdm__buf_append_z(tdm__buf *b, const char *z) { return tdm__buf_append(b, z, strlen(z)); }

tdm_status tdm__buf_append_char(tdm__buf *b, char c) { return tdm__buf_append(b, &c, 1); }

tdm_status tdm__buf_printf(tdm__buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    tdm_status s = n < 0 ? TDM_ERR_INVAL : tdm__buf_reserve(b, (size_t)n);
    if (s == TDM_OK) {
        vsnprintf(b->ptr + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return s;
}

void tdm__buf_consume(tdm__buf *b, size_t n)
{
    assert(n <= b->len);
    if (n == 0)
        return;
    memmove(b->ptr, b->ptr + n, b->len - n);
    b->len -= n;
    b->ptr[b->len] = '\0';
}

void tdm__buf_truncate(tdm__buf *b, size_t n)
{
    assert(n <= b->len);
    b->len = n;
    if (b->ptr)
        b->ptr[n] = '\0';
}

char *tdm__buf_detach(tdm__buf *b)
{
    char *bytes = b->ptr ? b->ptr : tdm__strdup("");
    if (bytes)
        tdm__buf_init(b, b->len_max);
    return bytes;
}

const char *tdm__buf_cstr(const tdm__buf *b) { return b->ptr ? b->ptr : ""; }
