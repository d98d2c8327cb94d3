/* attention_avx512.c - the attention kernels on the registers of lanes_avx512.h. */
#include "kernel/x86/lanes_avx512.h"

#include "kernel/attention_template.h"

void tdm__kernels_init_attention_avx512(tdm__kernels *k) { attention_init(k); }
