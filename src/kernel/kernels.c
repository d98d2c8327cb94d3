/* kernels.c - fills a table of kernels: reference C first, then each level up to the one that is wanted. */
#include "kernel/kernels.h"

#include <string.h>

#include "kernel/kernels_init.h"

tdm__dot_traits tdm__dot_traits_get(tdm__type type)
{
    static const tdm__dot_traits traits[TDM__TYPE_COUNT] = {
        [TDM__TYPE_Q4_0] = {32, TDM__MIN_NONE, 8},   [TDM__TYPE_Q4_1] = {32, TDM__MIN_RUN, 0},
        [TDM__TYPE_Q5_0] = {32, TDM__MIN_NONE, 16},  [TDM__TYPE_Q5_1] = {32, TDM__MIN_RUN, 0},
        [TDM__TYPE_Q8_0] = {32, TDM__MIN_NONE, 128}, [TDM__TYPE_Q2_K] = {16, TDM__MIN_SLAB, 0},
        [TDM__TYPE_Q3_K] = {16, TDM__MIN_NONE, 4},   [TDM__TYPE_Q4_K] = {32, TDM__MIN_SLAB, 0},
        [TDM__TYPE_Q5_K] = {32, TDM__MIN_SLAB, 0},   [TDM__TYPE_Q6_K] = {16, TDM__MIN_NONE, 32},
    };
    return traits[type];
}

void tdm__kernels_init_matmul_c(tdm__kernels *k)
{
    tdm__kernels_init_dot_c(k);
    tdm__kernels_init_quantize_c(k);
}

void tdm__kernels_init(tdm__kernels *k, tdm__isa ceiling)
{
    tdm__isa isa = tdm__cpu_isa();
    if (isa > ceiling)
        isa = ceiling;
    memset(k, 0, sizeof *k);
    k->isa = isa;
    tdm__kernels_init_matmul_c(k);
    tdm__kernels_init_rows_c(k);
    tdm__kernels_init_attention_c(k);
#if defined(__x86_64__)
    if (isa >= TDM__ISA_AVX2) {
        tdm__kernels_init_matmul_avx2(k);
        tdm__kernels_init_rows_avx2(k);
        tdm__kernels_init_attention_avx2(k);
    }
    if (isa >= TDM__ISA_AVX512) {
        tdm__kernels_init_matmul_avx512(k);
        tdm__kernels_init_rows_avx512(k);
        tdm__kernels_init_attention_avx512(k);
    }
    if (isa >= TDM__ISA_VNNI)
        tdm__kernels_init_matmul_vnni(k);
#endif
}
