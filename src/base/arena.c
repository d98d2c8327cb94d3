/* arena.c - chunked bump allocation under a cap. */
#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "base/checked.h"
#include "os/heap.h"

enum { ARENA_ALIGN_MAX = 64, ARENA_CHUNK_BYTES = 32 * 1024, ARENA_LARGE_BYTES = ARENA_CHUNK_BYTES / 4 };

typedef struct tdm__arena_chunk {
    struct tdm__arena_chunk *next;
    size_t cap;  /* bytes behind the head */
    size_t used;
    alignas(ARENA_ALIGN_MAX) unsigned char bytes[];
} tdm__arena_chunk;

void tdm__arena_init(tdm__arena *a, const char *name, size_t bytes_max)
{
    *a = (tdm__arena){.name = name, .bytes_max = bytes_max};
}

void tdm__arena_reset(tdm__arena *a)
{
    while (a->chunks) {
        tdm__arena_chunk *next = a->chunks->next;
        tdm__free(a->chunks);
        a->chunks = next;
    }
    a->bytes_taken = 0;
}

/* Bytes that a new chunk may hold behind its head without passing the cap. */
static size_t room_left(const tdm__arena *a)
{
    size_t left = a->bytes_max - a->bytes_taken; /* taken never passes max */
    return left > sizeof(tdm__arena_chunk) ? (left - sizeof(tdm__arena_chunk)) & ~(size_t)(ARENA_ALIGN_MAX - 1) : 0;
}

/* cap <= room_left(a), which also keeps the sums below from wrapping. */
static tdm__arena_chunk *chunk_add(tdm__arena *a, size_t cap)
{
    size_t total = sizeof(tdm__arena_chunk) + tdm__align_up(cap, ARENA_ALIGN_MAX);
    tdm__arena_chunk *c = tdm__aligned_alloc(ARENA_ALIGN_MAX, total);
    if (!c)
        return NULL;
    memset(c, 0, total);
    c->cap = total - sizeof *c;
    a->bytes_taken += total;
    a->bytes_high = tdm__max_size(a->bytes_high, a->bytes_taken);
    return c;
}

void *tdm__arena_alloc(tdm__arena *a, size_t n, size_t align)
{
    assert(align > 0 && align <= ARENA_ALIGN_MAX && (align & (align - 1)) == 0);
    tdm__arena_chunk *c = a->chunks;
    if (c) {
        size_t at = tdm__align_up(c->used, align);
        if (at <= c->cap && n <= c->cap - at) {
            c->used = at + n;
            return c->bytes + at;
        }
    }
    bool large = n > ARENA_LARGE_BYTES;
    size_t room = room_left(a);
    if (room == 0 || n > room)
        return NULL;
    tdm__arena_chunk *fresh = chunk_add(a, large ? n : tdm__min_size(ARENA_CHUNK_BYTES, room));
    if (!fresh)
        return NULL;
    fresh->used = n;
    if (large && c) { /* keep filling the current small chunk */
        fresh->next = c->next;
        c->next = fresh;
    } else {
        fresh->next = c;
        a->chunks = fresh;
    }
    return fresh->bytes;
}

void *tdm__arena_array(tdm__arena *a, size_t count, size_t size)
{
    size_t n;
    return tdm__mul_size(count, size, &n) ? tdm__arena_alloc(a, n, alignof(max_align_t)) : NULL;
}

char *tdm__arena_dup(tdm__arena *a, tdm__str s)
{
    size_t n;
    char *copy = tdm__add_size(s.len, 1, &n) ? tdm__arena_alloc(a, n, 1) : NULL;
    if (copy && s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return copy;
}
