/* session.c - kernels, team, caches and scratch put together for one caller. */
#include "engine/session.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/error.h"
#include "kernel/kernels.h"
#include "model/forward.h"
#include "model/kv.h"
#include "os/heap.h"
#include "os/team.h"

struct tdm__session {
    tdm__kernels kernels;
    tdm__team *team;
    tdm__forward *forward;
    tdm__row *rows; /* [n_rows_max] */
    size_t n_rows_max;
    size_t n_sequences;
    size_t n_vocab;
    tdm__kv *kvs; /* [n_sequences] */
};

/* Refuses what would not fit before any of it is taken. */
static tdm_status check_memory(const tdm__model *m, const tdm__session_options *o, size_t n_sequences, size_t n_rows,
                               int n_threads, tdm_error *err)
{
    uint64_t caches;
    bool ok = tdm__mul_u64(tdm__kv_bytes(m, o->n_ctx, o->kv_type), n_sequences, &caches);
    uint64_t need = caches + tdm__forward_bytes(m, n_rows, o->n_ctx, n_threads);
    uint64_t have = tdm__memory_available();
    if (!ok || need > have)
        TDM_FAIL(err, TDM_ERR_LIMIT, "a context of %zu for %zu sequences needs %llu MiB of memory, %llu MiB are free",
                 o->n_ctx, n_sequences, (unsigned long long)(need >> 20), (unsigned long long)(have >> 20));
    return TDM_OK;
}

static tdm_status build(tdm__session *s, const tdm__model *m, const tdm__session_options *o, int n_threads,
                        tdm_error *err)
{
    s->team = tdm__team_create(n_threads);
    s->kvs = tdm__calloc(s->n_sequences, sizeof s->kvs[0]);
    s->rows = tdm__calloc(s->n_rows_max, sizeof s->rows[0]);
    if (!s->team || !s->kvs || !s->rows)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory or threads for a session of %d threads", n_threads);
    for (size_t i = 0; i < s->n_sequences; i++)
        TDM_TRY(tdm__kv_init(&s->kvs[i], m, o->n_ctx, o->kv_type, err));
    return tdm__forward_create(m, &s->kernels, s->team, s->n_rows_max, o->n_ctx, &s->forward, err);
}

tdm_status tdm__session_create(const tdm__model *m, const tdm__session_options *o, tdm__session **out,
                               tdm_error *err)
{
    int n_threads = o->n_threads > 0 ? o->n_threads : tdm__cpu_count();
    size_t n_sequences = tdm__max_size(o->n_sequences, 1);
    size_t n_rows = tdm__max_size(o->n_rows_max > 0 ? o->n_rows_max : TDM__SESSION_ROWS, n_sequences);
    TDM_TRY(check_memory(m, o, n_sequences, n_rows, n_threads, err));

    tdm__session *s = tdm__calloc(1, sizeof *s);
    if (!s)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a session");
    s->n_rows_max = n_rows;
    s->n_sequences = n_sequences;
    s->n_vocab = m->hp.n_vocab;
    tdm__kernels_init(&s->kernels, o->isa_max);
    tdm_status status = build(s, m, o, n_threads, err);
    if (status != TDM_OK) {
        tdm__session_destroy(s);
        return status;
    }
    *out = s;
    return TDM_OK;
}

void tdm__session_destroy(tdm__session *s)
{
    if (!s)
        return;
    tdm__forward_destroy(s->forward);
    for (size_t i = 0; s->kvs && i < s->n_sequences; i++)
        tdm__kv_fini(&s->kvs[i]);
    tdm__team_destroy(s->team);
    tdm__free(s->kvs);
    tdm__free(s->rows);
    tdm__free(s);
}

tdm_status tdm__session_eval(tdm__session *s, const int32_t *tokens, size_t n, size_t pos, float *logits, bool all)
{
    for (size_t done = 0; done < n;) {
        size_t m = tdm__min_size(n - done, s->n_rows_max);
        for (size_t i = 0; i < m; i++) {
            bool last = done + i + 1 == n;
            s->rows[i] = (tdm__row){.token = tokens[done + i],
                                    .pos = pos + done + i,
                                    .kv = &s->kvs[0],
                                    .wants = logits && (all || last) ? TDM__WANTS_LOGITS : TDM__WANTS_NONE};
        }
        TDM_TRY(tdm__forward_run(s->forward, s->rows, m, logits && all ? logits + done * s->n_vocab : logits, NULL,
                                 NULL));
        done += m;
    }
    return TDM_OK;
}

tdm_status tdm__session_step(tdm__session *s, const int32_t *tokens, size_t pos, float *logits)
{
    const tdm__wants wants = logits ? TDM__WANTS_LOGITS : TDM__WANTS_NONE;
    for (size_t i = 0; i < s->n_sequences; i++)
        s->rows[i] = (tdm__row){.token = tokens[i], .pos = pos, .kv = &s->kvs[i], .wants = wants};
    return tdm__forward_run(s->forward, s->rows, s->n_sequences, logits, NULL, NULL);
}

int tdm__session_threads(const tdm__session *s) { return tdm__team_size(s->team); }

tdm__isa tdm__session_isa(const tdm__session *s) { return s->kernels.isa; }
