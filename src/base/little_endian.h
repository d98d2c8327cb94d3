/* little_endian.h - numbers of file heads, whatever the processor's order. */
#ifndef TDM_BASE_LITTLE_ENDIAN_H
#define TDM_BASE_LITTLE_ENDIAN_H

#include <stdint.h>

static inline void tdm__put_u64(uint8_t out[8], uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> 8 * i);
}

#endif
