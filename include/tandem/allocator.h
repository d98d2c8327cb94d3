/* tandem/allocator.h - the memory of the library, given by the program that embeds it.
 *
 * One allocator a process, as with SQLite or curl: memory changes hands between threads and objects, and a pointer does
 * not say who made it. Model weights are no heap memory: they are the file, mapped read-only. The libraries below this
 * one (jansson, libcurl, SQLite, libsodium, OpenSSL) have hooks of their own, which are the embedding program's to set.
 */
#ifndef TANDEM_ALLOCATOR_H
#define TANDEM_ALLOCATOR_H

#include <stddef.h>

#include "tandem/export.h"
#include "tandem/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All but user are needed; each may be called from any thread, also at once. alloc and resize give memory fit for any
 * object, or NULL when there is none; n is at least 1. resize keeps what stands in p, and takes NULL as alloc does.
 * alloc_zeroed gives zeros (memory that nobody touches may cost nothing). alloc_aligned: align is a power of two, at
 * least 16. release takes what any of them gave, never NULL. */
typedef struct tdm_allocator {
    size_t struct_size; /* sizeof(tdm_allocator) */
    void *(*alloc)(void *user, size_t n);
    void *(*alloc_zeroed)(void *user, size_t n);
    void *(*alloc_aligned)(void *user, size_t align, size_t n);
    void *(*resize)(void *user, void *p, size_t n);
    void (*release)(void *user, void *p);
    void *user;
} tdm_allocator;

/* Sets the allocator of this process; NULL: the C library's. The structure is copied, what its user pointer leads to
 * must stay until another one is set. To be called while nothing of the library exists and no other thread is in it:
 * ERR_BUSY, with the number of blocks, as long as memory is allocated. ERR_INVAL: a wrong struct_size, a function is
 * missing. */
TDM_API tdm_status tdm_set_allocator(const tdm_allocator *a, tdm_error *err);

/* Blocks of memory that the library holds now: 0 when all that was made of it is destroyed. Any thread. */
TDM_API size_t tdm_allocated_blocks(void);

#ifdef __cplusplus
}
#endif
#endif
