/* vec_exp.h - tdm__expf on the lanes of a `vec`, which is to be included before. Definition: exp_constants.h. */
#ifndef TDM_KERNEL_VEC_EXP_H
#define TDM_KERNEL_VEC_EXP_H

#include "kernel/exp_constants.h"

static inline vec vec_exp(vec x)
{
    const vec round = vec_all(TDM__EXP_ROUND);
    x = vec_min(vec_all(TDM__EXP_MAX), vec_max(vec_all(TDM__EXP_MIN), x));
    vec n = vec_sub(vec_fma(x, vec_all(TDM__EXP_LOG2E), round), round);
    vec r = vec_fma(n, vec_all(-TDM__EXP_LN2_LOW), vec_fma(n, vec_all(-TDM__EXP_LN2_HIGH), x));
    vec p = vec_all(TDM__EXP_C6);
    p = vec_fma(p, r, vec_all(TDM__EXP_C5));
    p = vec_fma(p, r, vec_all(TDM__EXP_C4));
    p = vec_fma(p, r, vec_all(TDM__EXP_C3));
    p = vec_fma(p, r, vec_all(TDM__EXP_C2));
    return vec_scale(vec_add(vec_fma(p, vec_mul(r, r), r), vec_all(1.0f)), n);
}

#endif
