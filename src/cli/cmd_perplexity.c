/* cmd_perplexity.c - how surprised a model is by a text, in llama-perplexity's meaning, and its logits for checks.
 *
 * The text's tokens (bos first, where the vocabulary asks for it) are cut into chunks of C; each is read from an
 * empty context, with its first token replaced by bos where bos is asked for; the second half of each chunk counts.
 * Tokens behind the last whole chunk do not count (a text shorter than C is one chunk). --logits writes the logits of
 * every token of every chunk, the incomplete last one too: docs/formats/logits.md.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/checked.h"
#include "base/error.h"
#include "cli/command.h"
#include "engine/session.h"
#include "model/model.h"
#include "os/file.h"
#include "os/heap.h"
#include "text/tokenizer.h"

enum { TEXT_BYTES_MAX = 256 << 20, CHUNK_MIN = 4 };

typedef struct perplexity {
    const tdm__model *model;
    tdm__tokenizer *tokenizer;
    tdm__session *session;
    FILE *logits_file; /* NULL: not wanted */
    int32_t *tokens;   /* [n_tokens] */
    size_t n_tokens;
    size_t n_chunk;
    float *logits;     /* [n_chunk][n_vocab] */
    double nll;        /* natural logarithm, over n_counted tokens */
    size_t n_counted;
} perplexity;

static tdm_status read_tokens(perplexity *p, const char *path, tdm_error *err)
{
    char *text = NULL;
    size_t len = 0;
    int rc = tdm__file_read(path, TEXT_BYTES_MAX, &text, &len);
    if (rc == EFBIG)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%s: larger than %d bytes", path, TEXT_BYTES_MAX);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%.200s cannot be read", path);
    size_t cap = tdm__tokenizer_ids_max(p->tokenizer, len) + 1, n = 0, n_bos = 0;
    p->tokens = tdm__malloc(cap * sizeof p->tokens[0]);
    tdm_status s = TDM_OK;
    if (!p->tokens)
        s = tdm__fail(err, TDM_ERR_NOMEM, "%s: no memory for %zu tokens", path, cap);
    if (s == TDM_OK && tdm__tokenizer_adds_bos(p->tokenizer))
        p->tokens[n_bos++] = tdm__tokenizer_bos(p->tokenizer);
    if (s == TDM_OK)
        s = tdm__tokenizer_encode(p->tokenizer, (tdm__str){text, len}, NULL, p->tokens + n_bos, cap - n_bos, &n, err);
    tdm__free(text);
    TDM_TRY(s);
    p->n_tokens = n_bos + n;
    for (size_t i = 0; i < p->n_tokens; i++) /* a file may have a larger vocabulary than embedding */
        if (p->tokens[i] < 0 || (size_t)p->tokens[i] >= p->model->hp.n_vocab)
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: its tokenizer gives token %d, its embedding has rows 0 to %zu",
                     tdm__gguf_name(p->model->gguf), (int)p->tokens[i], p->model->hp.n_vocab - 1);
    return TDM_OK;
}

/* Natural logarithm of the probability that logits [n] give to id. */
static double log_probability(const float *logits, size_t n, int32_t id)
{
    float max = logits[0];
    for (size_t i = 1; i < n; i++)
        max = fmaxf(max, logits[i]);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)(logits[i] - max));
    return (double)(logits[id] - max) - log(sum);
}

static tdm_status write_header(const perplexity *p, tdm_error *err)
{
    uint64_t head[3] = {p->model->hp.n_vocab, p->n_chunk, p->n_tokens};
    if (fwrite("TDMLOGI1", 8, 1, p->logits_file) != 1 || fwrite(head, sizeof head, 1, p->logits_file) != 1)
        return tdm__fail_os(err, errno, "the logits' header cannot be written");
    return TDM_OK;
}

static tdm_status read_chunk(perplexity *p, size_t begin, size_t n, tdm_error *err)
{
    size_t n_vocab = p->model->hp.n_vocab;
    int32_t kept = p->tokens[begin];
    if (tdm__tokenizer_adds_bos(p->tokenizer))
        p->tokens[begin] = tdm__tokenizer_bos(p->tokenizer);
    tdm_status s = tdm__session_eval(p->session, p->tokens + begin, n, 0, p->logits, true);
    p->tokens[begin] = kept;
    if (s != TDM_OK)
        TDM_FAIL(err, s, "tokens %zu to %zu cannot be read by the model", begin, begin + n - 1);
    if (p->logits_file && fwrite(p->logits, n_vocab * sizeof(float), n, p->logits_file) != n)
        return tdm__fail_os(err, errno, "the logits cannot be written");
    if (n < p->n_chunk)
        return TDM_OK;
    for (size_t i = n / 2; i + 1 < n; i++) {
        p->nll -= log_probability(p->logits + i * n_vocab, n_vocab, p->tokens[begin + i + 1]);
        p->n_counted++;
    }
    if (!isfinite(p->nll))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: the model's output at tokens %zu to %zu is not finite: the file is damaged",
                 tdm__gguf_name(p->model->gguf), begin, begin + n - 1);
    return TDM_OK;
}

static tdm_status read_all(perplexity *p, const tdm__common *common, tdm_error *err)
{
    size_t wanted = common->n_ctx > 0 ? common->n_ctx : 512;
    p->n_chunk = tdm__min_size(wanted, p->n_tokens);
    if (p->n_chunk < CHUNK_MIN)
        TDM_FAIL(err, TDM_ERR_INVAL, "the text of -f has %zu tokens and -c is %zu: each must be at least %d",
                 p->n_tokens, wanted, CHUNK_MIN);
    if (p->n_chunk > p->model->hp.n_ctx_train)
        TDM_FAIL(err, TDM_ERR_LIMIT, "-c is %zu, the model's context is %zu", p->n_chunk, p->model->hp.n_ctx_train);
    tdm__session_options o = {.n_threads = (int)common->n_threads,
                              .isa_max = common->isa_max,
                              .n_ctx = p->n_chunk,
                              .kv_type = common->kv_type};
    TDM_TRY(tdm__session_create(p->model, &o, &p->session, err));
    size_t bytes;
    if (!tdm__mul_size(p->n_chunk, p->model->hp.n_vocab * sizeof(float), &bytes) || !(p->logits = tdm__malloc(bytes)))
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the logits of %zu tokens", p->n_chunk);
    if (p->logits_file)
        TDM_TRY(write_header(p, err));
    size_t n_chunks = p->n_tokens / p->n_chunk;
    for (size_t begin = 0; begin < p->n_tokens; begin += p->n_chunk) {
        size_t n = tdm__min_size(p->n_chunk, p->n_tokens - begin);
        if (n < p->n_chunk && !p->logits_file)
            break;
        TDM_TRY(read_chunk(p, begin, n, err));
        if (!common->quiet && n == p->n_chunk)
            fprintf(stderr, "chunk %zu of %zu: %.4f\n", begin / p->n_chunk + 1, n_chunks,
                    exp(p->nll / (double)p->n_counted));
    }
    return TDM_OK;
}

static tdm_status run(perplexity *p, const char *name, const char *text, const tdm__common *common, tdm_error *err)
{
    char path[1024];
    TDM_TRY(tdm__command_model_path(common, name, path, sizeof path, err));
    tdm__model *model = NULL;
    TDM_TRY(tdm__model_open(path, common->home.packed, &model, err));
    p->model = model;
    tdm_status s = tdm__tokenizer_create(model->gguf, &p->tokenizer, err);
    if (s == TDM_OK)
        s = read_tokens(p, text, err);
    if (s == TDM_OK)
        s = read_all(p, common, err);
    tdm__session_destroy(p->session);
    tdm__tokenizer_destroy(p->tokenizer);
    tdm__model_close(model);
    tdm__free(p->tokens);
    tdm__free(p->logits);
    return s;
}

static tdm_status run_with_file(perplexity *p, const char *name, const char *text, const char *logits,
                                const tdm__common *common, tdm_error *err)
{
    if (logits && !(p->logits_file = fopen(logits, "wbe")))
        return tdm__fail_os(err, errno, "%.200s cannot be written", logits);
    tdm_status s = run(p, name, text, common, err);
    if (p->logits_file && fclose(p->logits_file) != 0 && s == TDM_OK)
        s = tdm__fail_os(err, errno, "%.200s cannot be written", logits);
    struct stat st;
    if (s != TDM_OK && p->logits_file && lstat(logits, &st) == 0 && S_ISREG(st.st_mode))
        remove(logits); /* half a file; a pipe or a device stays */
    return s;
}

int tdm__cmd_perplexity(int argc, char **argv)
{
    const char *model = NULL, *text = NULL, *logits = NULL;
    const tdm__option rows[] = {
        {"-m", "MODEL", "the model to measure", TDM__OPTION_TEXT, &model, 0, 0},
        {"-f", "FILE", "the text", TDM__OPTION_TEXT, &text, 0, 0},
        {"--logits", "FILE", "write the logits of every token (f32)", TDM__OPTION_TEXT, &logits, 0, 0},
        {0},
    };
    tdm__common common;
    size_t n_args;
    int code;
    if (!tdm__options_parse("perplexity", "-m MODEL -f FILE [-c N] [--logits FILE]", rows, argc, argv, &common, NULL,
                            0, &n_args, &code))
        return code;
    tdm_error err = {0};
    if (!model || !text) {
        tdm__fail(&err, TDM_ERR_INVAL, "%s is missing", model ? "-f FILE" : "-m MODEL");
        tdm__command_fail("perplexity", &err);
        return TDM__EXIT_USAGE;
    }
    perplexity p = {0};
    if (run_with_file(&p, model, text, logits, &common, &err) != TDM_OK)
        return tdm__command_fail("perplexity", &err);
    double ppl = exp(p.nll / (double)p.n_counted);
    if (common.json)
        printf("{\"ppl\":%.6f,\"tokens\":%zu}\n", ppl, p.n_counted);
    else
        printf("perplexity %.4f over %zu tokens\n", ppl, p.n_counted);
    return TDM__EXIT_DONE;
}
