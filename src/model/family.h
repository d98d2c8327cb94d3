/* family.h - how each model family differs from the plain llama block: a row of data each.
 *
 * A new family is a row here and a golden file; only a difference that no row can say yet touches forward.c.
 */
#ifndef TDM_MODEL_FAMILY_H
#define TDM_MODEL_FAMILY_H

#include <stdbool.h>

#include "base/str.h"

/* Which dimensions of a head form a rotated pair; the architecture decides, the file does not say. */
typedef enum tdm__rope_kind {
    TDM__ROPE_NORM = 0, /* (2i, 2i + 1) */
    TDM__ROPE_NEOX,     /* (i, i + n_rot / 2) */
} tdm__rope_kind;

typedef enum tdm__presence {
    TDM__ABSENT = 0,
    TDM__OPTIONAL,
    TDM__REQUIRED,
} tdm__presence;

typedef struct tdm__family {
    const char *arch; /* general.architecture */
    tdm__rope_kind rope;
    tdm__presence qkv_bias;
    tdm__presence rope_factors; /* tensor rope_freqs.weight */
    bool rot_is_head_dim;       /* rope.dimension_count must equal the head's size */
} tdm__family;

/* The row of an architecture, or NULL. */
const tdm__family *tdm__family_find(tdm__str arch);

/* All rows, for messages and info; *n receives their number. */
const tdm__family *tdm__family_all(int *n);

#endif
