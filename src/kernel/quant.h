/* quant.h - the tensor types of GGUF that we read: block shapes, and one row back to float.
 *
 * Block layouts are ggml's (stable for years); each type's formula stands beside its reference in quant.c.
 */
#ifndef TDM_KERNEL_QUANT_H
#define TDM_KERNEL_QUANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values are those of the GGUF file format. */
typedef enum tdm__type {
    TDM__TYPE_F32 = 0,
    TDM__TYPE_F16 = 1,
    TDM__TYPE_Q4_0 = 2,
    TDM__TYPE_Q4_1 = 3,
    TDM__TYPE_Q5_0 = 6,
    TDM__TYPE_Q5_1 = 7,
    TDM__TYPE_Q8_0 = 8,
    TDM__TYPE_Q2_K = 10,
    TDM__TYPE_Q3_K = 11,
    TDM__TYPE_Q4_K = 12,
    TDM__TYPE_Q5_K = 13,
    TDM__TYPE_Q6_K = 14,
    TDM__TYPE_BF16 = 30,
    TDM__TYPE_COUNT = 31 /* one past the highest value, not the number of types */
} tdm__type;

typedef struct tdm__type_traits {
    const char *name;      /* "Q4_K"; NULL: not a type that we read */
    uint32_t block_values; /* weights a block */
    uint32_t block_bytes;
} tdm__type_traits;

/* The traits of a type value from a file, or NULL for one that we do not read. */
const tdm__type_traits *tdm__type_get(uint32_t type);

/* One row of n values (a multiple of the type's block_values) to float. data need not be aligned. */
void tdm__dequantize_row(tdm__type type, const void *data, float *out, size_t n);

/* IEEE half to float and back (round to nearest even), in plain C; exact, also for subnormals, infinities and NaN. */
float tdm__f16_to_f32(uint16_t h);
uint16_t tdm__f32_to_f16(float f);

#endif
