/* matmul_vnni.c - dots by vpdpbusd: 16 rows times 4 columns in one instruction, exact for all bytes. */
#include "kernel/x86/panel_avx512.h"

#include "kernel/kernels_init.h"

#define DOT_TOKENS 6 /* 2 x 6 sums of a run, 2 x 6 of a slab, 5 operands */
#define DOT_PANELS 2
#define DOT_STEP 8
#define DOT_IS_WIDE 1

static inline vec vec_dot_8(vec start, const vec *q, const int8_t *a)
{
    return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(start, q[0], vec_set1_bytes(a)), q[1], vec_set1_bytes(a + 4));
}

static inline vec vec_dot_16(vec start, const vec *q, const int8_t *a)
{
    return vec_dot_8(vec_dot_8(start, q, a), q + 2, a + 8);
}

static inline vec vec_dot_8_signed(vec start, const vec *q, const int8_t *a) { return vec_dot_8(start, q, a); }

static inline vec vec_dot_words(vec start, vec w, const int16_t *a)
{
    return _mm512_dpwssd_epi32(start, w, vec_set1_bytes(a));
}

#include "kernel/dot_template.h"

void tdm__kernels_init_matmul_vnni(tdm__kernels *k)
{
    fill_dot(k);
}
