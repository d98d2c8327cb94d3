/* marked_heap.c - heads before blocks. */
#include "marked_heap.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_BYTES = 64 };

static const uint64_t mark_of_ours = 0x7ad3b10c5a11d00du, mark_of_gone = 0xdeadb10cdeadb10cu;

typedef struct head {
    uint64_t mark;
    size_t n;
    void *base; /* what the C library gave */
} head;

_Static_assert(sizeof(head) <= HEAD_BYTES, "the head stands directly before its block");

static bool grants(marked_heap *h)
{
    const size_t i = atomic_fetch_add(&h->n_calls, 1) + 1;
    if (i != atomic_load(&h->fail_at))
        return true;
    atomic_fetch_add(&h->n_failed, 1);
    return false;
}

static head *head_of(void *p) { return (head *)(void *)((char *)p - sizeof(head)); }

/* offset: from base to the block, at least a head. */
static void *put_head(marked_heap *h, void *base, size_t offset, size_t n)
{
    if (!base)
        return NULL;
    void *p = (char *)base + offset;
    *head_of(p) = (head){mark_of_ours, n, base};
    atomic_fetch_add(&h->n_blocks, 1);
    return p;
}

static void *give(void *user, size_t n)
{
    return grants(user) ? put_head(user, malloc(n + HEAD_BYTES), HEAD_BYTES, n) : NULL;
}

static void *give_zeroed(void *user, size_t n)
{
    return grants(user) ? put_head(user, calloc(1, n + HEAD_BYTES), HEAD_BYTES, n) : NULL;
}

static void *give_aligned(void *user, size_t align, size_t n)
{
    const size_t offset = align > HEAD_BYTES ? align : HEAD_BYTES;
    void *base = NULL;
    if (!grants(user) || posix_memalign(&base, offset, n + offset) != 0)
        return NULL;
    return put_head(user, base, offset, n);
}

static void take_back(void *user, void *p)
{
    marked_heap *h = user;
    head *o = head_of(p);
    if (o->mark != mark_of_ours) {
        fprintf(stderr, "marked_heap: %p is %s\n", p, o->mark == mark_of_gone ? "gone already" : "not of this heap");
        abort();
    }
    o->mark = mark_of_gone;
    atomic_fetch_sub(&h->n_blocks, 1);
    free(o->base);
}

static void *resize(void *user, void *p, size_t n)
{
    void *to = give(user, n);
    if (!to || !p)
        return to;
    const size_t n_old = head_of(p)->n;
    memcpy(to, p, n_old < n ? n_old : n);
    take_back(user, p);
    return to;
}

tdm_allocator marked_heap_allocator(marked_heap *h)
{
    return (tdm_allocator){.struct_size = sizeof(tdm_allocator),
                           .alloc = give,
                           .alloc_zeroed = give_zeroed,
                           .alloc_aligned = give_aligned,
                           .resize = resize,
                           .release = take_back,
                           .user = h};
}

void marked_heap_arm(marked_heap *h, size_t fail_at)
{
    atomic_store(&h->n_calls, 0);
    atomic_store(&h->n_failed, 0);
    atomic_store(&h->fail_at, fail_at);
}
