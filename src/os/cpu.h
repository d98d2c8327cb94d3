/* cpu.h - what this processor can do, and how many of its cores we may use.
 *
 * The instruction set is one ordered level, because every kernel family has one implementation a level; a lower
 * ceiling may be asked for (--isa), a higher one than the machine's is never given.
 */
#ifndef TDM_OS_CPU_H
#define TDM_OS_CPU_H

#include <stdint.h>

typedef enum tdm__isa {
    TDM__ISA_SCALAR = 0, /* plain C */
    TDM__ISA_AVX2,       /* AVX2 + FMA + F16C */
    TDM__ISA_AVX512,     /* F + BW + VL + DQ + CD */
    TDM__ISA_VNNI,       /* the above + VNNI + VBMI */
    TDM__ISA_COUNT
} tdm__isa;

/* The highest level that processor and operating system support. */
tdm__isa tdm__cpu_isa(void);

/* "scalar", "avx2", "avx512", "vnni". */
const char *tdm__isa_name(tdm__isa isa);

/* 0 and *out, or -1 for a name that is none of the above. */
int tdm__isa_parse(const char *name, tdm__isa *out);

/* Cores this process may use: the affinity mask and the cgroup's cpu quota (v1 and v2), at least 1. */
int tdm__cpu_count(void);

/* Bytes of memory this process may still take: MemAvailable, lowered by the cgroup's limit. UINT64_MAX if unknown. */
uint64_t tdm__memory_available(void);

#endif
