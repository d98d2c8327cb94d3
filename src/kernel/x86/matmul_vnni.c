/* matmul_vnni.c - dots by vpdpbusd: 16 rows times 4 columns in one instruction, exact for all bytes. */
#include "kernel/x86/panel_avx512.h"

#include "kernel/kernels_init.h"

#define DOT_TOKENS 4
#define DOT_IS_WIDE 1

static inline vec vec_dot(vec start, const vec *q, const int8_t *a)
{
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++)
        start = _mm512_dpbusd_epi32(start, q[g], vec_set1_bytes(a + 4 * g));
    return start;
}

static inline vec vec_dot_signed(vec start, const vec *q, const int8_t *a) { return vec_dot(start, q, a); }

#include "kernel/dot_template.h"

void tdm__kernels_init_matmul_vnni(tdm__kernels *k)
{
    fill_dot(k);
}
