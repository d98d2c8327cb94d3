/* tandem/sampling.h - how the next token is drawn from what the model holds probable.
 *
 * In this order: penalties, temperature, top_k, top_p, min_p. The same values, seed and tokens draw the same token on
 * every machine and with any number of threads.
 */
#ifndef TANDEM_SAMPLING_H
#define TANDEM_SAMPLING_H

#include <stddef.h>
#include <stdint.h>

#include "tandem/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tdm_sampling {
    size_t struct_size;
    float temperature;       /* 0: always the most probable token; at most 2 */
    float top_p;             /* (0, 1]; 1: off */
    float min_p;             /* [0, 1); 0: off; relative to the most probable token */
    float repeat_penalty;    /* (0, 2]; 1: off */
    float presence_penalty;  /* [-2, 2]; 0: off; over generated tokens */
    float frequency_penalty; /* [-2, 2]; 0: off; over generated tokens */
    int32_t top_k;           /* 0: off */
    int32_t penalty_last_n;  /* how many tokens back the penalties look; 0: at all of them */
    uint64_t seed;
} tdm_sampling;

/* Sets all fields: temperature 0, all else off, seed 0. struct_size is sizeof(tdm_sampling) of the caller. */
TDM_API void tdm_sampling_default(tdm_sampling *s, size_t struct_size);

#ifdef __cplusplus
}
#endif
#endif
