/* kernels_init.h - the parts a table of kernels is filled from: one function a family and level.
 *
 * Each sets only the entries that its file owns and leaves the others as they are; kernels.c and x86/ call them in
 * ascending order of level.
 */
#ifndef TDM_KERNEL_KERNELS_INIT_H
#define TDM_KERNEL_KERNELS_INIT_H

#include "kernel/kernels.h"

void tdm__kernels_init_matmul_c(tdm__kernels *k); /* reference C: what the kernels mean */
void tdm__kernels_init_dot_c(tdm__kernels *k);
void tdm__kernels_init_quantize_c(tdm__kernels *k);
void tdm__kernels_init_rows_c(tdm__kernels *k);
void tdm__kernels_init_attention_c(tdm__kernels *k);

#if defined(__x86_64__)
void tdm__kernels_init_matmul_avx2(tdm__kernels *k);
void tdm__kernels_init_matmul_avx512(tdm__kernels *k);
void tdm__kernels_init_matmul_vnni(tdm__kernels *k);
void tdm__kernels_init_rows_avx2(tdm__kernels *k);
void tdm__kernels_init_attention_avx2(tdm__kernels *k);
void tdm__kernels_init_rows_avx512(tdm__kernels *k);
void tdm__kernels_init_attention_avx512(tdm__kernels *k);
#endif

#endif
