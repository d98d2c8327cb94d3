/* attention_avx2.c - the attention kernels on the registers of lanes_avx2.h. */
#include "kernel/x86/lanes_avx2.h"

#include "kernel/attention_template.h"

void tdm__kernels_init_attention_avx2(tdm__kernels *k) { attention_init(k); }
