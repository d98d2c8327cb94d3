/* heap.c - calls through the process's allocator, and a count of what is out. */
#include "os/heap.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *libc_alloc(void *user, size_t n)
{
    (void)user;
    return malloc(n);
}

static void *libc_alloc_zeroed(void *user, size_t n)
{
    (void)user;
    return calloc(1, n);
}

static void *libc_alloc_aligned(void *user, size_t align, size_t n)
{
    (void)user;
    return n <= SIZE_MAX - align ? aligned_alloc(align, (n + align - 1) & ~(align - 1)) : NULL;
}

static void *libc_resize(void *user, void *p, size_t n)
{
    (void)user;
    return realloc(p, n);
}

static void libc_release(void *user, void *p)
{
    (void)user;
    free(p);
}

#define LIBC_HEAP {libc_alloc, libc_alloc_zeroed, libc_alloc_aligned, libc_resize, libc_release, NULL}

static const tdm__heap libc_heap = LIBC_HEAP;
static tdm__heap heap = LIBC_HEAP;
static atomic_size_t n_blocks;

bool tdm__heap_set(const tdm__heap *h)
{
    if (atomic_load(&n_blocks) != 0)
        return false;
    heap = h ? *h : libc_heap;
    return true;
}

size_t tdm__heap_n_blocks(void) { return atomic_load(&n_blocks); }

static void *counted(void *p)
{
    if (p)
        atomic_fetch_add_explicit(&n_blocks, 1, memory_order_relaxed);
    else
        errno = ENOMEM;
    return p;
}

void *tdm__malloc(size_t n) { return counted(heap.alloc(heap.user, n > 0 ? n : 1)); }

void *tdm__aligned_alloc(size_t align, size_t n)
{
    return counted(heap.alloc_aligned(heap.user, align, n > 0 ? n : 1));
}

void *tdm__calloc(size_t count, size_t size)
{
    if (size > 0 && count > SIZE_MAX / size) {
        errno = ENOMEM;
        return NULL;
    }
    size_t n = count * size;
    return counted(heap.alloc_zeroed(heap.user, n > 0 ? n : 1));
}

void *tdm__realloc(void *p, size_t n)
{
    if (!p)
        return tdm__malloc(n);
    void *q = heap.resize(heap.user, p, n > 0 ? n : 1);
    if (!q)
        errno = ENOMEM;
    return q;
}

char *tdm__strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = tdm__malloc(len + 1);
    if (copy) {
        memcpy(copy, s, len);
        copy[len] = '\0';
    }
    return copy;
}

char *tdm__strdup(const char *s) { return tdm__strndup(s, SIZE_MAX - 1); }

void tdm__free(void *p)
{
    if (!p)
        return;
    atomic_fetch_sub_explicit(&n_blocks, 1, memory_order_relaxed);
    heap.release(heap.user, p);
}
