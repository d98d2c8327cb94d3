/* packing.h - the matrices of a file in the layout that they are multiplied from (kernel/packed.h).
 *
 * A plan is made while the file's tensors are bound: which matrix, of what shape, at which offset. Then all of it comes
 * at once: from a packed file that an earlier start has left in the cache, or packed now, by all processors.
 */
#ifndef TDM_MODEL_PACKING_H
#define TDM_MODEL_PACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"
#include "kernel/packed.h"
#include "model/gguf.h"
#include "os/map.h"
#include "tandem/status.h"

typedef struct tdm__packing_item {
    const tdm__gguf_tensor *tensor;
    tdm__weight *weight; /* its panels are set at the end; stays where it is until then */
    size_t offset;
} tdm__packing_item;

typedef enum tdm__packing_way {
    TDM__PACKING_NONE = 0,
    TDM__PACKING_FOUND,     /* an earlier start's file */
    TDM__PACKING_MADE,      /* a file, now */
    TDM__PACKING_IN_MEMORY, /* for this process only */
} tdm__packing_way;

typedef struct tdm__packing {
    tdm__packing_item *items; /* [n] owned */
    size_t n, cap;
    size_t bytes; /* of all panels */
    void *memory; /* owned: packed now, without a file; else NULL */
    tdm__map map; /* owned: the packed file; else ptr NULL */
    uint8_t source[TDM__SHA256_BYTES]; /* of the file of weights, once it was asked for a packed file */
    bool has_source;
    bool has_read_source; /* it was made of the whole file just now, not taken from an earlier start's note */
    tdm__packing_way way;
    char note[256]; /* IN_MEMORY: why, where a file was wanted */
} tdm__packing;

/* Adds a matrix of n_rows rows of n_cols values and fills *w but for its panels. ERR_NOMEM, ERR_LIMIT. */
tdm_status tdm__packing_add(tdm__packing *p, const tdm__gguf_tensor *t, size_t n_rows, size_t n_cols, tdm__weight *w,
                            tdm_error *err);

/* Sets the panels of all matrices: from the packed file in dir, else packed now into such a file, else (dir is "" or
 * cannot be written, the disk is full) into memory; note says why. Packing reads all of g, whose pages are given back
 * then. ERR_NOMEM. */
tdm_status tdm__packing_run(tdm__packing *p, const tdm__gguf *g, const char *dir, tdm_error *err);

void tdm__packing_fini(tdm__packing *p); /* weights are invalid then; zeroed memory is an empty plan */

#endif
