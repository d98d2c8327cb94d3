/* rows_avx512.c - the row kernels on the registers of lanes_avx512.h. */
#include "kernel/x86/lanes_avx512.h"

#include "kernel/rows_template.h"

void tdm__kernels_init_rows_avx512(tdm__kernels *k) { rows_init(k); }
