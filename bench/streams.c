/* streams.c - how many tokens a second the engine writes for many readers at once, and how long each of them waits.
 *
 *     bench_streams MODEL N_STREAMS N_TOKENS [PROMPT_TOKENS [N_LATE]]
 *
 * N_STREAMS jobs are submitted at once, N_LATE more (a quarter as many by default) one after the other while the first
 * ones write, so that prompts are read beside streams. Prompts are random tokens of the vocabulary, no two with a
 * common beginning; every job is of an app of its own, draws greedily and writes N_TOKENS, end tokens or not. There is
 * a slot for each. Times are taken in the callbacks, where a reader would hear of a token. One line of JSON:
 *
 *     sum_tps      generated tokens of all, over the time from the first submit to the last end: prompts included
 *     full_tps     of all, over the time in which all of the first N_STREAMS were writing: 0 if there was none
 *     gap_*_ms     time between two tokens of one stream, over all of them; max_over_median is of these two
 *     stream_max_over_median   the worst stream's longest gap over that stream's own median
 *     first_*_ms   from submit to the first token
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "engine/engine.h"
#include "model/model.h"
#include "os/clock.h"

enum { STREAMS_MAX = 128, TOKENS_MAX = 4096, PROMPT_DEFAULT = 64 };

typedef struct stream {
    tdm__job *job;
    uint64_t submitted_ns, ended_ns;
    uint64_t *at_ns; /* [n_tokens] */
    size_t n;        /* under mutex */
    tdm__job_timings timings;
    tdm_error error; /* code 0: none */
} stream;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void on_event(void *user, const tdm__job_event *ev)
{
    stream *s = user;
    uint64_t now = tdm__clock_ns();
    pthread_mutex_lock(&mutex);
    if (ev->n_tokens > 0)
        s->at_ns[s->n++] = now;
    if (ev->kind == TDM__JOB_DONE) {
        s->ended_ns = now;
        s->timings = ev->timings;
        s->error = ev->error;
    }
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&mutex);
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_streams: %s: %s\n", what, why);
    exit(1);
}

static size_t number(const char *text, const char *what, size_t least, size_t most)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*end || end == text || n < least || n > most) {
        fprintf(stderr, "bench_streams: %s is '%s', allowed are %zu to %zu\n", what, text, least, most);
        exit(2);
    }
    return n;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double ms(uint64_t begin_ns, uint64_t end_ns) { return (double)(end_ns - begin_ns) / 1e6; }

static void submit(tdm__engine *e, stream *s, size_t i, size_t n_prompt, size_t n_tokens, size_t n_vocab)
{
    static int32_t prompt[TOKENS_MAX];
    char app[16];
    tdm_error err = {0};
    uint64_t x = 88172645463325252u + i * 7919; /* xorshift64 */
    for (size_t k = 0; k < n_prompt; k++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        prompt[k] = (int32_t)(x % n_vocab);
    }
    prompt[0] = (int32_t)i; /* no two begin alike */
    snprintf(app, sizeof app, "app %zu", i);
    tdm__job_params p = {.prompt = prompt, .n_prompt = n_prompt, .app = app, .max_tokens = n_tokens,
                         .sampling = tdm__sampling_default(), .n_top_logprobs = -1, .ignore_end = true};
    s->submitted_ns = tdm__clock_ns();
    if (tdm__engine_submit(e, &p, on_event, s, &s->job, &err) != TDM_OK)
        fail("submit", err.msg);
}

static void wait_for(stream *s, size_t n)
{
    pthread_mutex_lock(&mutex);
    while (s->n < n && s->ended_ns == 0)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

/* Tokens a second of all streams while the first n_first were all writing. */
static double full_tps(const stream *s, size_t n_first, size_t n_all)
{
    uint64_t begin = 0, end = UINT64_MAX;
    for (size_t i = 0; i < n_first; i++) {
        begin = s[i].at_ns[0] > begin ? s[i].at_ns[0] : begin;
        end = s[i].at_ns[s[i].n - 1] < end ? s[i].at_ns[s[i].n - 1] : end;
    }
    size_t n = 0;
    for (size_t i = 0; i < n_all; i++)
        for (size_t k = 0; k < s[i].n; k++)
            n += s[i].at_ns[k] > begin && s[i].at_ns[k] <= end;
    return end > begin ? (double)n * 1e9 / (double)(end - begin) : 0;
}

static void print_result(const stream *s, size_t n_first, size_t n_all, size_t n_tokens, size_t n_prompt,
                         const tdm__engine_stats *stats)
{
    double *gaps = calloc(n_all * n_tokens, sizeof *gaps), *own = calloc(n_tokens, sizeof *own);
    double *first = calloc(n_all, sizeof *first), worst = 0;
    uint64_t end = 0;
    size_t n_gaps = 0, n_generated = 0;
    if (!gaps || !own || !first)
        fail("gaps", "no memory");
    for (size_t i = 0; i < n_all; i++) {
        size_t n_own = 0;
        for (size_t k = 1; k < s[i].n; k++)
            own[n_own++] = gaps[n_gaps++] = ms(s[i].at_ns[k - 1], s[i].at_ns[k]);
        qsort(own, n_own, sizeof *own, by_value);
        double ratio = own[n_own - 1] / own[n_own / 2];
        worst = ratio > worst ? ratio : worst;
        first[i] = ms(s[i].submitted_ns, s[i].at_ns[0]);
        n_generated += s[i].n;
        end = s[i].ended_ns > end ? s[i].ended_ns : end;
    }
    qsort(gaps, n_gaps, sizeof *gaps, by_value);
    qsort(first, n_all, sizeof *first, by_value);
    double wall_s = ms(s[0].submitted_ns, end) / 1e3, median = gaps[n_gaps / 2], max = gaps[n_gaps - 1];
    printf("{\"streams\": %zu, \"late\": %zu, \"tokens\": %zu, \"prompt_tokens\": %zu, \"wall_s\": %.2f, "
           "\"sum_tps\": %.1f, \"full_tps\": %.1f, \"gap_median_ms\": %.1f, \"gap_p99_ms\": %.1f, "
           "\"gap_max_ms\": %.1f, \"max_over_median\": %.2f, \"stream_max_over_median\": %.2f, "
           "\"first_median_ms\": %.0f, \"first_max_ms\": %.0f, \"decode_turn_ms\": %.1f}\n",
           n_first, n_all - n_first, n_tokens, n_prompt, wall_s, (double)n_generated / wall_s,
           full_tps(s, n_first, n_all), median, gaps[n_gaps * 99 / 100], max, max / median, worst, first[n_all / 2],
           first[n_all - 1], stats->decode_turn_ms);
    free(gaps);
    free(own);
    free(first);
}

int main(int argc, char **argv)
{
    static stream s[STREAMS_MAX];
    if (argc < 4 || argc > 6) {
        fprintf(stderr, "usage: bench_streams MODEL N_STREAMS N_TOKENS [PROMPT_TOKENS [N_LATE]]\n");
        return 2;
    }
    size_t n_first = number(argv[2], "N_STREAMS", 1, STREAMS_MAX / 2);
    size_t n_tokens = number(argv[3], "N_TOKENS", 2, TOKENS_MAX);
    size_t n_prompt = argc > 4 ? number(argv[4], "PROMPT_TOKENS", 1, TOKENS_MAX) : PROMPT_DEFAULT;
    size_t n_late = argc > 5 ? number(argv[5], "N_LATE", 0, STREAMS_MAX / 2) : (n_first + 3) / 4;
    size_t n_all = n_first + n_late;

    tdm__model *model = NULL;
    tdm__tokenizer *tokenizer = NULL;
    tdm__engine *e = NULL;
    tdm_error err = {0};
    if (tdm__model_open(argv[1], NULL, &model, &err) != TDM_OK ||
        tdm__tokenizer_create(model->gguf, &tokenizer, &err) != TDM_OK)
        fail(argv[1], err.msg);
    size_t n_vocab = tdm__tokenizer_vocab_size(tokenizer);
    tdm__engine_options o = {.isa_max = tdm__cpu_isa(), .n_ctx = n_prompt + n_tokens, .n_slots = n_all};
    if (tdm__engine_create(model, tokenizer, &o, &e, &err) != TDM_OK)
        fail("engine", err.msg);
    for (size_t i = 0; i < n_all; i++)
        if (!(s[i].at_ns = calloc(n_tokens, sizeof *s[i].at_ns)))
            fail("streams", "no memory");

    submit(e, &s[n_all - 1], n_all + 1, 1, 2, n_vocab); /* not counted: brings the weights into the page cache */
    tdm__job_destroy(&s[n_all - 1].job);
    s[n_all - 1].n = s[n_all - 1].ended_ns = 0;

    for (size_t i = 0; i < n_first; i++)
        submit(e, &s[i], i, n_prompt, n_tokens, n_vocab);
    for (size_t i = 0; i < n_late; i++) { /* evenly over what the last of the first ones writes */
        wait_for(&s[n_first - 1], 1 + i * n_tokens / (n_late + 1));
        submit(e, &s[n_first + i], n_first + i, n_prompt, n_tokens, n_vocab);
    }
    for (size_t i = 0; i < n_all; i++) {
        tdm__job_destroy(&s[i].job);
        if (s[i].n != n_tokens)
            fail("a stream ended early", s[i].error.msg);
    }
    tdm__engine_stats stats;
    tdm__engine_get_stats(e, &stats);
    print_result(s, n_first, n_all, n_tokens, n_prompt, &stats);
    for (size_t i = 0; i < n_all; i++)
        free(s[i].at_ns);
    tdm__engine_destroy(e);
    tdm__tokenizer_destroy(tokenizer);
    tdm__model_close(model);
    return 0;
}
