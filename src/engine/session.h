/* session.h - one timeline of one model on the caller's thread: what bench and perplexity measure with.
 *
 * The caller owns the pace and says which tokens stand at which positions; the session owns kernels, team, cache and
 * scratch. Several timelines at once, with a queue in front, are engine.h.
 */
#ifndef TDM_ENGINE_SESSION_H
#define TDM_ENGINE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/kv.h"
#include "model/model.h"
#include "os/cpu.h"
#include "tandem/status.h"

typedef struct tdm__session tdm__session;

typedef struct tdm__session_options {
    int n_threads; /* 0: as many as the process may use */
    tdm__isa isa_max;
    size_t n_ctx;
    tdm__kv_type kv_type;
    size_t n_sequences; /* timelines that advance side by side (bench --batch); 0: 1 */
    size_t n_rows_max;  /* rows a pass; 0: TDM__SESSION_ROWS */
} tdm__session_options;

enum { TDM__SESSION_ROWS = 128 };

/* m is borrowed and outlives the session. ERR_NOMEM, ERR_LIMIT before memory is taken. */
tdm_status tdm__session_create(const tdm__model *m, const tdm__session_options *o, tdm__session **out,
                               tdm_error *err);
void tdm__session_destroy(tdm__session *s);

/* Tokens at positions pos .. pos + n - 1 of sequence 0, in passes of n_rows_max; earlier positions are filled. logits:
 * NULL for none, else [n][n_vocab] when `all`, [n_vocab] of the last token otherwise. */
tdm_status tdm__session_eval(tdm__session *s, const int32_t *tokens, size_t n, size_t pos, float *logits, bool all);

/* One token at the same position of each sequence: tokens [n_sequences], logits [n_sequences][n_vocab]. */
tdm_status tdm__session_step(tdm__session *s, const int32_t *tokens, size_t pos, float *logits);

int tdm__session_threads(const tdm__session *s);
tdm__isa tdm__session_isa(const tdm__session *s);

#endif
