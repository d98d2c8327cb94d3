/* rows_avx2.c - the row kernels on the registers of lanes_avx2.h. */
#include "kernel/x86/lanes_avx2.h"

#include "kernel/rows_template.h"

void tdm__kernels_init_rows_avx2(tdm__kernels *k) { rows_init(k); }
