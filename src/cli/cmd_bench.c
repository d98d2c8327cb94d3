/* cmd_bench.c - how fast one model reads a prompt and writes tokens here (llama-bench's two numbers).
 *
 * Engine layer: no policy, no text, no sampling. Each repetition starts with an empty context, so that pp is the time
 * of N tokens at depth 0 and tg that of N single steps after DEPTH tokens. A warm-up pass that is not counted brings
 * the weights into the page cache.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/error.h"
#include "cli/command.h"
#include "engine/session.h"
#include "model/model.h"
#include "os/clock.h"
#include "os/heap.h"

enum { REPETITIONS_MAX = 1000, BATCH_MAX = 256 };

typedef struct bench {
    size_t n_prompt, n_generate, n_repetitions, depth, batch;
    const tdm__model *model;
    tdm__session *session;
    int32_t *tokens; /* [max(n_prompt, depth, batch)], arbitrary ids of the vocabulary */
    float *logits;   /* [batch][n_vocab] */
    double prompt_tps[REPETITIONS_MAX];
    double generate_tps[REPETITIONS_MAX];
} bench;

/* Spread over the vocabulary, so that embedding rows are not all the same one. */
static void fill_tokens(bench *b, size_t n)
{
    uint64_t x = 88172645463325252u; /* xorshift64, any non-zero seed */
    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        b->tokens[i] = (int32_t)(x % b->model->hp.n_vocab);
    }
}

static double tokens_per_second(size_t n, uint64_t begin_ns)
{
    return (double)n * 1e9 / (double)(tdm__clock_ns() - begin_ns);
}

static tdm_status measure_prompt(bench *b, double *tps)
{
    uint64_t begin = tdm__clock_ns();
    TDM_TRY(tdm__session_eval(b->session, b->tokens, b->n_prompt, 0, b->logits, false));
    *tps = tokens_per_second(b->n_prompt, begin);
    return TDM_OK;
}

/* The depth is read once for sequence 0; further sequences keep what their caches hold: the work is the same. */
static tdm_status measure_generate(bench *b, double *tps)
{
    if (b->depth > 0)
        TDM_TRY(tdm__session_eval(b->session, b->tokens, b->depth, 0, NULL, false));
    uint64_t begin = tdm__clock_ns();
    for (size_t i = 0; i < b->n_generate; i++)
        TDM_TRY(tdm__session_step(b->session, b->tokens, b->depth + i, b->logits));
    *tps = tokens_per_second(b->n_generate * b->batch, begin);
    return TDM_OK;
}

static tdm_status measure_all(bench *b, bool quiet)
{
    TDM_TRY(tdm__session_step(b->session, b->tokens, 0, b->logits));
    for (size_t i = 0; i < b->n_repetitions; i++) {
        if (b->n_prompt > 0)
            TDM_TRY(measure_prompt(b, &b->prompt_tps[i]));
        if (b->n_generate > 0)
            TDM_TRY(measure_generate(b, &b->generate_tps[i]));
        if (!quiet)
            fprintf(stderr, "repetition %zu of %zu: prompt %.1f, generate %.1f tokens/s\n", i + 1, b->n_repetitions,
                    b->prompt_tps[i], b->generate_tps[i]);
    }
    return TDM_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(double *values, size_t n)
{
    qsort(values, n, sizeof values[0], compare_doubles);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void print_rates_json(const double *tps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%s%.3f", i ? "," : "", tps[i]);
}

static void print_json(const bench *b)
{
    printf("{\"threads\":%d,\"isa\":\"%s\"", tdm__session_threads(b->session),
           tdm__isa_name(tdm__session_isa(b->session)));
    if (b->n_prompt > 0) {
        printf(",\"pp\":{\"n\":%zu,\"tps\":[", b->n_prompt);
        print_rates_json(b->prompt_tps, b->n_repetitions);
        printf("]}");
    }
    if (b->n_generate > 0) {
        printf(",\"tg\":{\"n\":%zu,\"depth\":%zu,\"batch\":%zu,\"tps\":[", b->n_generate, b->depth, b->batch);
        print_rates_json(b->generate_tps, b->n_repetitions);
        printf("]}");
    }
    printf("}\n");
}

static void print_text(bench *b)
{
    if (b->n_prompt > 0)
        printf("prompt   %5zu tokens             %8.2f tokens/s (median of %zu)\n", b->n_prompt,
               median_of(b->prompt_tps, b->n_repetitions), b->n_repetitions);
    if (b->n_generate > 0)
        printf("generate %5zu tokens, depth %-5zu %8.2f tokens/s (median of %zu, %zu at once)\n", b->n_generate,
               b->depth, median_of(b->generate_tps, b->n_repetitions), b->n_repetitions, b->batch);
}

static tdm_status prepare(bench *b, const tdm__common *common, tdm_error *err)
{
    size_t n_ctx = tdm__max_size(tdm__max_size(b->n_prompt, b->depth + b->n_generate), 1);
    if (n_ctx > b->model->hp.n_ctx_train)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%zu positions are asked for, the model's context is %zu", n_ctx,
                 b->model->hp.n_ctx_train);
    tdm__session_options o = {.n_threads = (int)common->n_threads,
                              .isa_max = common->isa_max,
                              .n_ctx = n_ctx,
                              .kv_type = common->kv_type,
                              .n_sequences = b->batch};
    TDM_TRY(tdm__session_create(b->model, &o, &b->session, err));
    size_t n_tokens = tdm__max_size(n_ctx, b->batch);
    b->tokens = tdm__calloc(n_tokens, sizeof b->tokens[0]);
    b->logits = tdm__calloc(b->batch * b->model->hp.n_vocab, sizeof b->logits[0]);
    if (!b->tokens || !b->logits)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for %zu tokens and their logits", n_tokens);
    fill_tokens(b, n_tokens);
    return TDM_OK;
}

static tdm_status run(bench *b, const char *name, const tdm__common *common, tdm_error *err)
{
    char path[1024];
    TDM_TRY(tdm__command_model_path(common, name, path, sizeof path, err));
    tdm__model *model = NULL;
    TDM_TRY(tdm__model_open(path, common->home.packed, &model, err));
    b->model = model;
    tdm_status s = prepare(b, common, err);
    if (s == TDM_OK)
        s = measure_all(b, common->quiet || common->json);
    if (s == TDM_OK && common->json)
        print_json(b);
    else if (s == TDM_OK)
        print_text(b);
    tdm__session_destroy(b->session);
    tdm__model_close(model);
    return s;
}

int tdm__cmd_bench(int argc, char **argv)
{
    bench b = {.n_prompt = 512, .n_generate = 128, .n_repetitions = 5, .batch = 1};
    const char *model = NULL;
    const tdm__option rows[] = {
        {"-m", "MODEL", "the model to measure", TDM__OPTION_TEXT, &model, 0, 0},
        {"-p", "N", "tokens of the prompt, 0 leaves it out (512)", TDM__OPTION_COUNT, &b.n_prompt, 0, 1 << 20},
        {"-n", "N", "tokens to generate, 0 leaves it out (128)", TDM__OPTION_COUNT, &b.n_generate, 0, 1 << 20},
        {"-r", "N", "repetitions (5)", TDM__OPTION_COUNT, &b.n_repetitions, 1, REPETITIONS_MAX},
        {"-d", "N", "tokens already in the context when generating (0)", TDM__OPTION_COUNT, &b.depth, 0, 1 << 20},
        {"--batch", "N", "sequences that generate side by side (1)", TDM__OPTION_COUNT, &b.batch, 1, BATCH_MAX},
        {0},
    };
    tdm__common common;
    size_t n_args;
    int code;
    if (!tdm__options_parse("bench", "-m MODEL [-p N] [-n N] [-r N] [-d DEPTH] [--batch N]", rows, argc, argv, &common,
                            NULL, 0, &n_args, &code))
        return code;
    tdm_error err = {0};
    if (!model) {
        tdm__fail(&err, TDM_ERR_INVAL, "-m MODEL is missing");
        tdm__command_fail("bench", &err);
        return TDM__EXIT_USAGE;
    }
    tdm_status s = run(&b, model, &common, &err);
    tdm__free(b.tokens);
    tdm__free(b.logits);
    return s == TDM_OK ? TDM__EXIT_DONE : tdm__command_fail("bench", &err);
}
