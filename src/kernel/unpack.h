/* unpack.h - the reference unpack functions, which the x86 ones also use for a panel of fewer than 16 rows. */
#ifndef TDM_KERNEL_UNPACK_H
#define TDM_KERNEL_UNPACK_H

#include "kernel/kernels.h"

extern const tdm__unpack_fn tdm__unpack_c[TDM__TYPE_COUNT];         /* NULL for other than quantised types */
extern const tdm__unpack_f32_fn tdm__unpack_f32_c[TDM__TYPE_COUNT]; /* NULL for other than float types */

#endif
