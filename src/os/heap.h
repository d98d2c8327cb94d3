/* heap.h - the one way to heap memory, so that a program that embeds the library can give its own.
 *
 * The allocator is the process's, not a runtime's: memory changes hands between threads and objects, and a pointer
 * does not say who made it. It is therefore the one global of the library, can be set only while nothing is allocated,
 * and is read without a lock. Memory of jansson, libcurl, SQLite and the like stays theirs: those libraries have
 * process-wide hooks of their own, which the embedding program may already use.
 */
#ifndef TDM_OS_HEAP_H
#define TDM_OS_HEAP_H

#include <stdbool.h>
#include <stddef.h>

/* Any thread. alloc and resize give memory fit for any object, NULL when there is none; n is at least 1. resize takes
 * NULL as alloc does. alloc_aligned: align is a power of two, at least 16. release takes what any of them gave. */
typedef struct tdm__heap {
    void *(*alloc)(void *user, size_t n);
    void *(*alloc_zeroed)(void *user, size_t n); /* as calloc: what nobody touches may cost nothing */
    void *(*alloc_aligned)(void *user, size_t align, size_t n);
    void *(*resize)(void *user, void *p, size_t n);
    void (*release)(void *user, void *p);
    void *user;
} tdm__heap;

/* NULL: the C library's. False, and nothing changed, while memory is allocated. Not while another thread allocates. */
bool tdm__heap_set(const tdm__heap *h);

/* Blocks that are allocated now. Any thread. */
size_t tdm__heap_n_blocks(void);

/* As the C library's functions of these names; errno is ENOMEM after NULL. Zero bytes are taken as one. */
void *tdm__malloc(size_t n) __attribute__((malloc, warn_unused_result));
void *tdm__calloc(size_t count, size_t size) __attribute__((malloc, warn_unused_result));
void *tdm__realloc(void *p, size_t n) __attribute__((warn_unused_result));
void *tdm__aligned_alloc(size_t align, size_t n) __attribute__((malloc, warn_unused_result));
char *tdm__strdup(const char *s) __attribute__((malloc, warn_unused_result));
char *tdm__strndup(const char *s, size_t n) __attribute__((malloc, warn_unused_result));
void tdm__free(void *p); /* NULL-safe */

#endif
