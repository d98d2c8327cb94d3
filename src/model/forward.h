/* forward.h - one pass of a batch of rows through the model: tokens in, logits out.
 *
 * A row is one token of some sequence at its position. Rows of different sequences may share a batch; what one row
 * gets does not depend on the others (matmul.h, attention.h), so decoding, prompt chunks and many streams are one
 * code path with the same bits.
 */
#ifndef TDM_MODEL_FORWARD_H
#define TDM_MODEL_FORWARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/kernels.h"
#include "kernel/matmul.h"
#include "model/kv.h"
#include "model/model.h"
#include "tandem/status.h"

/* Of the arithmetic: raised whenever a row gets other bits than before, as they may have been kept (prefix_key.h). */
enum { TDM__FORWARD_VERSION = 2 };

typedef enum tdm__wants {
    TDM__WANTS_NONE = 0,
    TDM__WANTS_LOGITS,
    TDM__WANTS_BEST, /* the token with the largest logit: all that a greedy draw reads */
} tdm__wants;

typedef struct tdm__row {
    int32_t token;
    size_t pos;      /* its position; all earlier positions of kv are filled or come earlier in the batch */
    tdm__kv *kv;     /* the sequence's cache: this row is stored there */
    tdm__wants wants;
} tdm__row;

/* Scratch for batches of up to n_rows_max rows; made once, then nothing is allocated. One owner at a time. */
typedef struct tdm__forward tdm__forward;

/* Bytes that create will take. */
size_t tdm__forward_bytes(const tdm__model *m, size_t n_rows_max, size_t n_ctx_max, int n_threads);

/* model, kernels and team are borrowed and outlive it. */
tdm_status tdm__forward_create(const tdm__model *m, const tdm__kernels *k, tdm__team *team, size_t n_rows_max,
                               size_t n_ctx_max, tdm__forward **out, tdm_error *err);
void tdm__forward_destroy(tdm__forward *f);

/* Runs the batch (1 <= n <= n_rows_max). Rows of one sequence stand together in ascending positions. The logits of
 * the i-th row that wants them go to logits + i * n_vocab (NULL when no row does), the i-th best token that is wanted
 * to best[i] (NULL likewise). cancel may be NULL; it is looked at before each layer, and when it is set the result is
 * ERR_CANCELLED and the caches hold nothing valid at the rows' positions. */
tdm_status tdm__forward_run(tdm__forward *f, const tdm__row *rows, size_t n, float *logits, tdm__best *best,
                            const atomic_bool *cancel);

#endif
