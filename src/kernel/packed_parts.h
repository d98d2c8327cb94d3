/* packed_parts.h - what stands where in a slab (packed.h), for those who write, read and describe it in plain C. */
#ifndef TDM_KERNEL_PACKED_PARTS_H
#define TDM_KERNEL_PACKED_PARTS_H

#include "kernel/packed.h"

/* How the quants of a run are split. */
typedef struct tdm__packed_shape {
    unsigned low_bits;  /* 2, 4, 8; 0: floats */
    unsigned n_low;     /* vectors that hold them */
    unsigned high_bits; /* 0, 1, 2 more, in vectors behind those */
    unsigned n_high;
} tdm__packed_shape;

static inline tdm__packed_shape tdm__packed_shape_of(tdm__type type)
{
    switch (type) {
    case TDM__TYPE_Q4_0:
    case TDM__TYPE_Q4_1:
    case TDM__TYPE_Q4_K: return (tdm__packed_shape){4, 4, 0, 0};
    case TDM__TYPE_Q5_0:
    case TDM__TYPE_Q5_1:
    case TDM__TYPE_Q5_K: return (tdm__packed_shape){4, 4, 1, 1};
    case TDM__TYPE_Q6_K: return (tdm__packed_shape){4, 4, 2, 2};
    case TDM__TYPE_Q8_0: return (tdm__packed_shape){8, 8, 0, 0};
    case TDM__TYPE_Q2_K: return (tdm__packed_shape){2, 2, 0, 0};
    case TDM__TYPE_Q3_K: return (tdm__packed_shape){2, 2, 1, 1};
    default: return (tdm__packed_shape){0};
    }
}

#endif
