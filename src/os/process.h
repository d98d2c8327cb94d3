/* process.h - what this process holds, as the kernel counts it; 0 where it does not say. */
#ifndef TDM_OS_PROCESS_H
#define TDM_OS_PROCESS_H

#include <stdint.h>

typedef struct tdm__process {
    uint64_t resident_bytes; /* pages in memory, those of mapped files among them */
    uint64_t n_open_files, n_open_files_max;
    double cpu_s;            /* user and system, all threads */
    double begin_unix_s;
} tdm__process;

void tdm__process_look(tdm__process *out);

#endif
