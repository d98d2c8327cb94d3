/* lib_session.c - the engine layer's timeline: what stands in it, and the logits behind its last token. */
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "engine/session.h"
#include "engine/thread_count.h"
#include "lib/lib_internal.h"
#include "os/heap.h"
#include "tandem/session.h"

enum { CONTEXT_DEFAULT = 4096 };

struct tdm_session {
    tdm_model *model;
    tdm__session *session;
    tdm__kernels kernels;
    tdm__sampler *sampler;
    int32_t *tokens; /* [n_context] */
    float *logits;   /* [n_vocab], of the last token */
    size_t n_tokens, n_context;
    tdm_error failure;
};

void tdm_session_options_default(tdm_session_options *o, size_t struct_size)
{
    tdm__lib_options_default(o, struct_size);
}

static tdm_status build(tdm_session *s, const tdm_session_options *o, tdm_error *err)
{
    tdm__session_options so = {.isa_max = tdm__cpu_isa(), .n_ctx = s->n_context};
    so.n_threads = tdm__thread_count((int)o->n_threads, false, NULL);
    TDM_TRY(tdm__lib_cache_type(o->cache, &so.kv_type, err));
    TDM_TRY(tdm__session_create(s->model->model, &so, &s->session, err));
    tdm__kernels_init(&s->kernels, so.isa_max);
    TDM_TRY(tdm__sampler_create(&s->kernels, s->model->model->hp.n_vocab, &s->sampler, err));
    s->tokens = tdm__calloc(s->n_context, sizeof s->tokens[0]);
    s->logits = tdm__calloc(s->model->model->hp.n_vocab, sizeof s->logits[0]);
    if (!s->tokens || !s->logits)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a session of %zu tokens", s->n_context);
    return TDM_OK;
}

tdm_status tdm_session_create(tdm_model *m, const tdm_session_options *options, tdm_session **out, tdm_error *err)
{
    tdm_session_options o = {0};
    TDM_TRY(tdm__lib_check_null(m, "model", err));
    TDM_TRY(tdm__lib_check_null(out, "out", err));
    TDM_TRY(tdm__lib_options_take(&o, sizeof o, sizeof o, options, "tdm_session_options", err));
    TDM_TRY(tdm__lib_n_threads(o.n_threads, err));
    const size_t n_trained = m->model->hp.n_ctx_train;
    if (o.n_context > n_trained)
        TDM_FAIL(err, TDM_ERR_LIMIT, "n_context is %zu, %s was trained for %zu", o.n_context, m->name, n_trained);
    tdm_session *s = tdm__calloc(1, sizeof *s);
    if (!s)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a session");
    s->model = tdm_model_ref(m);
    s->n_context = o.n_context > 0 ? o.n_context : tdm__min_size(CONTEXT_DEFAULT, n_trained);
    tdm_status status = build(s, &o, err);
    if (status != TDM_OK) {
        tdm_session_destroy(&s);
        return status;
    }
    *out = s;
    return TDM_OK;
}

void tdm_session_destroy(tdm_session **session)
{
    if (!session || !*session)
        return;
    tdm_session *s = *session;
    *session = NULL;
    tdm__sampler_destroy(s->sampler);
    tdm__session_destroy(s->session);
    tdm_model_unref(&s->model);
    tdm__free(s->tokens);
    tdm__free(s->logits);
    tdm__free(s);
}

/* Whether it can be used at all. */
static tdm_status check(const tdm_session *s, tdm_error *err)
{
    TDM_TRY(tdm__lib_check_null(s, "session", err));
    if (s->failure.code != TDM_OK && err)
        *err = s->failure;
    return s->failure.code;
}

/* Final: the same error from now on. */
static tdm_status fail(tdm_session *s, tdm_error *err)
{
    if (err)
        *err = s->failure;
    return s->failure.code;
}

/* Reads tokens [from, n) of s->tokens. */
static tdm_status read_from(tdm_session *s, size_t from, size_t n, tdm_error *err)
{
    s->n_tokens = 0; /* until it has worked out */
    const tdm_status status = tdm__session_eval(s->session, s->tokens + from, n - from, from, s->logits, false);
    if (status != TDM_OK) {
        tdm__fail(&s->failure, status, "the forward pass failed: %s", tdm_status_text(status));
        return fail(s, err);
    }
    if (!tdm__gguf_is_intact(s->model->model->gguf)) {
        tdm__fail(&s->failure, TDM_ERR_UPSTREAM, "%s has changed on disk since it was opened", s->model->name);
        return fail(s, err);
    }
    s->n_tokens = n;
    return TDM_OK;
}

tdm_status tdm_session_sync(tdm_session *s, const int32_t *tokens, size_t n, tdm_error *err)
{
    TDM_TRY(check(s, err));
    TDM_TRY(tdm__lib_check_null(tokens, "tokens", err));
    if (n == 0 || n > s->n_context)
        TDM_FAIL(err, n == 0 ? TDM_ERR_INVAL : TDM_ERR_LIMIT, "%zu tokens, 1 to %zu are allowed", n, s->n_context);
    for (size_t i = 0; i < n; i++)
        if (tokens[i] < 0 || (size_t)tokens[i] >= s->model->model->hp.n_vocab)
            TDM_FAIL(err, TDM_ERR_INVAL, "token %zu is %d, the vocabulary has %zu", i, (int)tokens[i],
                     s->model->model->hp.n_vocab);
    size_t common = 0;
    while (common < n && common < s->n_tokens && tokens[common] == s->tokens[common])
        common++;
    if (common == n && n == s->n_tokens)
        return TDM_OK;
    common = tdm__min_size(common, n - 1);
    memmove(s->tokens + common, tokens + common, (n - common) * sizeof tokens[0]);
    return read_from(s, common, n, err);
}

tdm_status tdm_session_append(tdm_session *s, int32_t token, tdm_error *err)
{
    TDM_TRY(check(s, err));
    if (s->n_tokens == s->n_context)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%zu tokens are there, the session has room for as many", s->n_tokens);
    if (token < 0 || (size_t)token >= s->model->model->hp.n_vocab)
        TDM_FAIL(err, TDM_ERR_INVAL, "the token is %d, the vocabulary has %zu", (int)token,
                 s->model->model->hp.n_vocab);
    const size_t n = s->n_tokens;
    s->tokens[n] = token;
    return read_from(s, n, n + 1, err);
}

size_t tdm_session_length(const tdm_session *s) { return s ? s->n_tokens : 0; }

static tdm_status check_read(const tdm_session *s, tdm_error *err)
{
    TDM_TRY(check(s, err));
    if (s->n_tokens == 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "the session has no token yet: tdm_session_sync comes first");
    return TDM_OK;
}

tdm_status tdm_session_logits(tdm_session *s, const float **logits, size_t *n_vocabulary, tdm_error *err)
{
    TDM_TRY(check_read(s, err));
    TDM_TRY(tdm__lib_check_null(logits, "logits", err));
    *logits = s->logits;
    if (n_vocabulary)
        *n_vocabulary = s->model->model->hp.n_vocab;
    return TDM_OK;
}

tdm_status tdm_session_sample(tdm_session *s, const tdm_sampling *sampling, size_t n_prompt, int32_t *token,
                              tdm_error *err)
{
    tdm__sampling p;
    tdm__draw draw;
    TDM_TRY(check_read(s, err));
    TDM_TRY(tdm__lib_check_null(token, "token", err));
    TDM_TRY(tdm__lib_sampling(sampling, &p, err));
    if (n_prompt > s->n_tokens)
        TDM_FAIL(err, TDM_ERR_INVAL, "n_prompt is %zu, the session has %zu tokens", n_prompt, s->n_tokens);
    const tdm__history h = {.tokens = s->tokens, .n_tokens = s->n_tokens, .n_prompt = n_prompt};
    if (tdm__sampler_next(s->sampler, &p, &h, s->logits, -1, &draw, &s->failure) != TDM_OK)
        return fail(s, err);
    *token = draw.id;
    return TDM_OK;
}
