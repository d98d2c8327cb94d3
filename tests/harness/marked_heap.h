/* marked_heap.h - an allocator that notices memory of another one, and fails when it is told to.
 *
 * Each block has a head with a mark and its size, so the C library's free() refuses a block of it, and it refuses what
 * is not its own, or comes back twice: both end the test program. One call at a time can be made to fail.
 */
#ifndef TDM_HARNESS_MARKED_HEAP_H
#define TDM_HARNESS_MARKED_HEAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "tandem/allocator.h"

typedef struct marked_heap {
    atomic_size_t n_calls;  /* of alloc, alloc_zeroed, alloc_aligned and resize, since the last arm */
    atomic_size_t fail_at;  /* the call that fails, counted from 1; 0: none */
    atomic_size_t n_failed; /* since the last arm */
    atomic_size_t n_blocks; /* out now */
} marked_heap;

tdm_allocator marked_heap_allocator(marked_heap *h);

/* From now on the fail_at-th call fails, once. 0: none does. */
void marked_heap_arm(marked_heap *h, size_t fail_at);

#endif
