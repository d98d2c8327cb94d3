/* arena.h - memory of one life (a model, a session, a request), freed as a whole.
 *
 * An arena has a name and a byte cap for messages and metrics; memory comes zeroed and aligned to 64 bytes at most
 * as asked. It refuses (NULL) instead of growing past its cap. One owner, no locks. Small pieces are bump-allocated
 * from chunks; large ones get a chunk of their own (nginx's pool).
 */
#ifndef TDM_BASE_ARENA_H
#define TDM_BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct tdm__arena_chunk;

typedef struct tdm__arena {
    const char *name; /* static text */
    size_t bytes_max;
    size_t bytes_taken; /* what was asked of the heap, chunk heads included */
    size_t bytes_high;  /* high-water mark of bytes_taken */
    struct tdm__arena_chunk *chunks;
} tdm__arena;

void tdm__arena_init(tdm__arena *a, const char *name, size_t bytes_max);

/* Frees everything; the arena may be used again. */
void tdm__arena_reset(tdm__arena *a);

/* n zeroed bytes aligned to align (a power of two, at most 64), or NULL: cap reached or out of memory. n = 0 gives a
 * valid pointer. */
void *tdm__arena_alloc(tdm__arena *a, size_t n, size_t align);

/* count elements of size bytes, aligned for any type; NULL also when the product wraps. */
void *tdm__arena_array(tdm__arena *a, size_t count, size_t size);

/* A NUL-terminated copy of s, or NULL. */
char *tdm__arena_dup(tdm__arena *a, tdm__str s);

#endif
