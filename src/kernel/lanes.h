/* lanes.h - how 16 partial sums become one: the tree that every level follows. */
#ifndef TDM_KERNEL_LANES_H
#define TDM_KERNEL_LANES_H

enum { TDM__LANES = 16 };

/* lane l += lane l + 8 for l < 8, then + 4 for l < 4, + 2, + 1: lane 0 is the sum. lanes: [16], overwritten. */
static inline float tdm__lanes_sum(float *lanes)
{
    for (int half = TDM__LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lanes[l] += lanes[l + half];
    return lanes[0];
}

#endif
