/* exp_constants.h - the one definition of exp that rows.c, the AVX2 and the AVX-512 kernels compute, bit for bit.
 *
 *      x = min(max(x, TDM__EXP_MIN), TDM__EXP_MAX)               NaN stays NaN
 *      n = fma(x, TDM__EXP_LOG2E, TDM__EXP_ROUND) - TDM__EXP_ROUND    the nearest integer to x / ln 2
 *      r = fma(n, -TDM__EXP_LN2_LOW, fma(n, -TDM__EXP_LN2_HIGH, x))   in about [-ln 2 / 2, ln 2 / 2]
 *      p = C2 + r (C3 + r (C4 + r (C5 + r C6)))                  by fma, from C6 inwards
 *      exp(x) = (fma(p, r * r, r) + 1) * 2^n                     the product rounded once, also to a subnormal
 *
 * C2 .. C6 are the minimax fit of (e^r - 1 - r) / r^2 for the relative error of e^r on that interval (Remez), rounded
 * to float: 2^-27.9 of the result. Compared with double over all floats from -104 to 88.72, the largest error is 1.014
 * units in the last place (of the subnormals' unit below 2^-126), at x = 0x1.2e3aa8p+5.
 */
#ifndef TDM_KERNEL_EXP_CONSTANTS_H
#define TDM_KERNEL_EXP_CONSTANTS_H

#define TDM__EXP_MIN (-104.0f)         /* e^-104 < 2^-150: rounds to zero */
#define TDM__EXP_MAX 89.0f             /* e^89 > 2^128: rounds to infinity */
#define TDM__EXP_LOG2E 0x1.715476p+0f  /* 1 / ln 2 */
#define TDM__EXP_ROUND 0x1.8p+23f      /* a float this large has no fraction: adding it rounds to an integer */
#define TDM__EXP_LN2_HIGH 0x1.62e43p-1f
#define TDM__EXP_LN2_LOW (-0x1.05c61p-29f)
#define TDM__EXP_C2 0x1.fffffcp-2f
#define TDM__EXP_C3 0x1.555492p-3f
#define TDM__EXP_C4 0x1.5558f2p-5f
#define TDM__EXP_C5 0x1.1239d4p-7f
#define TDM__EXP_C6 0x1.6a244cp-10f

#endif
