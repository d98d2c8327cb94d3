/* best_rows.h - the largest of a token's results, while they are made: each member of the team keeps for each lane of a
 * panel, the best that it saw. Only for matmul.c.
 */
#ifndef TDM_KERNEL_BEST_ROWS_H
#define TDM_KERNEL_BEST_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/matmul.h"

/* Forgets what the member saw of the job's last n_best tokens. */
void tdm__best_rows_begin(const tdm__matmul_job *job, size_t member);

/* The member's 16 results of a panel, for token i of those. */
void tdm__best_rows_note(const tdm__matmul_job *job, size_t member, size_t i, const float *results, size_t panel);

/* Of all members and lanes, for token i of those. */
tdm__best tdm__best_rows_get(const tdm__matmul_job *job, size_t i, size_t n_members);

#endif
