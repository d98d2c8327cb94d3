/* nearest.h - the name that was probably meant, for the sentence about one that is none. */
#ifndef TDM_BASE_NEAREST_H
#define TDM_BASE_NEAREST_H

#include <stddef.h>

typedef struct tdm__nearest {
    const char *wanted; /* set these two, then offer names */
    size_t wanted_len;
    const char *best;   /* NULL: nothing is near */
    size_t best_distance;
} tdm__nearest;

/* Keeps name when fewer changes lead to it than to those before, and few enough to be a slip. */
void tdm__nearest_offer(tdm__nearest *n, const char *name);

#endif
