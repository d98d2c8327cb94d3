/* str.h - a borrowed byte string with its length. It owns nothing and need not end in NUL. */
#ifndef TDM_BASE_STR_H
#define TDM_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct tdm__str {
    const char *ptr;
    size_t len;
} tdm__str;

#define TDM_STR(literal) ((tdm__str){(literal), sizeof(literal) - 1})

static inline tdm__str tdm__str_from(const char *z) { return (tdm__str){z, z ? strlen(z) : 0}; }

static inline bool tdm__str_eq(tdm__str a, tdm__str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool tdm__str_starts(tdm__str s, tdm__str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

#endif
