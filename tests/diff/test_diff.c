/* test_diff.c - the same question gives the same bits whatever else goes on.
 *
 * One thread and several, any instruction set, alone and among strangers, fresh and resumed, after cancels: ids,
 * text and log probabilities are compared exactly. First over tiny random models of each family, with sampling on;
 * then, where a folder of real models is given (-Dmodels=DIR), shortly over one of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "answer.h"
#include "tiny_model.h"

enum { N_QUESTIONS = 7, PROMPT_MAX = 170, ANSWER_TOKENS = 40 };

typedef struct question {
    int32_t prompt[PROMPT_MAX];
    size_t n_prompt;
    tdm__job_params params;
} question;

typedef struct subject {
    const tdm__model *model;
    const tdm__tokenizer *tokenizer;
    size_t n_tokens; /* of an answer */
    tdm__kv_type kv_type;
    question questions[N_QUESTIONS];
} subject;

static tdm__answer got[N_QUESTIONS], want[N_QUESTIONS];

/* Prompts of 1 to 170 tokens, two of them with a common beginning, each with its own way of sampling. */
static void ask(subject *s)
{
    static const size_t lengths[N_QUESTIONS] = {1, 5, 17, 33, PROMPT_MAX, 100, 64};
    uint64_t x = 42;
    for (size_t i = 0; i < N_QUESTIONS; i++) {
        question *q = &s->questions[i];
        q->n_prompt = lengths[i];
        for (size_t k = 0; k < q->n_prompt; k++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            q->prompt[k] = (int32_t)((x >> 33) % 256);
        }
        if (i == 5)
            memcpy(q->prompt, s->questions[4].prompt, 60 * sizeof q->prompt[0]);
        q->params = tdm__answer_params(q->prompt, q->n_prompt, s->n_tokens);
        q->params.ignore_end = true;
        q->params.n_top_logprobs = (int)i % 3;
        q->params.sampling.seed = i;
        q->params.sampling.temperature = (float)i * 0.3f;
        q->params.sampling.top_p = i % 2 ? 0.9f : 1;
        q->params.sampling.repeat_penalty = i % 3 == 1 ? 1.2f : 1;
    }
}

static tdm__engine *engine_of(const subject *s, int n_threads, tdm__isa isa, size_t n_slots)
{
    tdm__engine *e = NULL;
    tdm_error err = {0};
    tdm__engine_options o = {.n_threads = n_threads,
                             .isa_max = isa,
                             .n_ctx = TDM__TINY_CTX,
                             .n_slots = n_slots,
                             .n_queue = N_QUESTIONS,
                             .kv_type = s->kv_type};
    if (tdm__engine_create(s->model, s->tokenizer, &o, &e, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    return e;
}

static void start(tdm__answer *a, tdm__engine *e, const question *q)
{
    tdm_error err = {0};
    if (tdm__answer_start(a, e, &q->params, &err) != TDM_OK)
        fail_msg("%s", err.msg);
}

static void assert_same(const tdm__answer *a, const tdm__answer *b)
{
    assert_int_equal(a->finish, b->finish);
    assert_int_equal(a->n_ids, b->n_ids);
    assert_memory_equal(a->ids, b->ids, a->n_ids * sizeof a->ids[0]);
    assert_memory_equal(a->logprobs, b->logprobs, a->n_ids * sizeof a->logprobs[0]);
    assert_int_equal(a->n_text, b->n_text);
    assert_memory_equal(a->text, b->text, a->n_text);
}

/* What all else is compared with: one thread, each question in an engine of its own. */
static void answer_alone(const subject *s)
{
    for (size_t i = 0; i < N_QUESTIONS; i++) {
        tdm__engine *e = engine_of(s, 1, tdm__cpu_isa(), 1);
        start(&want[i], e, &s->questions[i]);
        tdm__answer_wait(&want[i]);
        assert_int_equal(want[i].n_ids, s->n_tokens);
        tdm__engine_destroy(e);
    }
}

/* All at once, on as many slots. */
static void check_together(const subject *s, int n_threads, tdm__isa isa, size_t n_slots)
{
    tdm__engine *e = engine_of(s, n_threads, isa, n_slots);
    for (size_t i = 0; i < N_QUESTIONS; i++)
        start(&got[i], e, &s->questions[i]);
    for (size_t i = 0; i < N_QUESTIONS; i++)
        tdm__answer_wait(&got[i]);
    for (size_t i = 0; i < N_QUESTIONS; i++)
        assert_same(&got[i], &want[i]);
    tdm__engine_destroy(e);
}

/* All at once, with drafts that are mostly right: each question's answer, every fifth token another one. */
static void check_drafted(const subject *s, int n_threads, size_t n_slots)
{
    static int32_t sources[N_QUESTIONS][ANSWER_TOKENS];
    size_t n_accepted = 0;
    tdm__engine *e = engine_of(s, n_threads, tdm__cpu_isa(), n_slots);
    for (size_t i = 0; i < N_QUESTIONS; i++) {
        question q = s->questions[i];
        for (size_t k = 0; k < s->n_tokens; k++)
            sources[i][k] = k % 5 == 4 ? 1 : want[i].ids[k];
        q.params.drafting = TDM__DRAFTING_ALWAYS;
        q.params.draft_source = sources[i];
        q.params.n_draft_source = s->n_tokens;
        start(&got[i], e, &q);
    }
    for (size_t i = 0; i < N_QUESTIONS; i++) {
        tdm__answer_wait(&got[i]);
        n_accepted += got[i].timings.n_draft_accepted;
    }
    for (size_t i = 0; i < N_QUESTIONS; i++)
        assert_same(&got[i], &want[i]);
    assert_true(n_accepted > 0);
    tdm__engine_destroy(e);
}

/* Each question again after parts of it, so that the cache is continued at all kinds of places. */
static void check_resumed(const subject *s)
{
    tdm__engine *e = engine_of(s, 2, tdm__cpu_isa(), 1);
    for (size_t i = 0; i < N_QUESTIONS; i++) {
        const question *q = &s->questions[i];
        for (size_t part = 1; part <= q->n_prompt; part += 1 + q->n_prompt / 3) {
            question begin = *q;
            begin.params.prompt = begin.prompt;
            begin.params.n_prompt = part;
            begin.params.max_tokens = 3; /* what it draws is no part of q: the cache holds tokens to be dropped */
            start(&got[i], e, &begin);
            tdm__answer_wait(&got[i]);
            start(&got[i], e, q);
            tdm__answer_wait(&got[i]);
            assert_true(got[i].timings.n_prompt_reused >= (part < q->n_prompt ? part : part - 1));
            assert_same(&got[i], &want[i]);
        }
    }
    tdm__engine_destroy(e);
}

/* Strangers come and are cancelled all the time; batches are given up and repeated. */
static void check_among_cancels(const subject *s, size_t n_strangers)
{
    static tdm__answer stranger;
    tdm__engine *e = engine_of(s, 2, tdm__cpu_isa(), 3);
    for (size_t i = 0; i < N_QUESTIONS; i += 2) {
        start(&got[i], e, &s->questions[i]);
        for (size_t k = 0; k < n_strangers; k++) {
            start(&stranger, e, &s->questions[(i + k) % N_QUESTIONS]);
            if (k % 3 == 0)
                tdm__answer_wait_tokens(&stranger, 1);
            tdm__job_cancel(stranger.job);
            tdm__answer_wait(&stranger);
        }
        tdm__answer_wait(&got[i]);
        assert_same(&got[i], &want[i]);
    }
    tdm__engine_destroy(e);
}

static void check_subject(subject *s)
{
    ask(s);
    answer_alone(s);
    check_together(s, 1, tdm__cpu_isa(), 1);
    check_together(s, 1, tdm__cpu_isa(), N_QUESTIONS);
    check_together(s, 3, tdm__cpu_isa(), 4);
    check_drafted(s, 2, 1);
    check_drafted(s, 1, 4);
    check_resumed(s);
}

static void check_tiny(const char *arch, tdm__kv_type kv_type)
{
    static subject s;
    tdm__tiny t = tdm__tiny_open(&(tdm__tiny_options){.arch = arch});
    s = (subject){.model = t.model, .tokenizer = t.tokenizer, .n_tokens = ANSWER_TOKENS, .kv_type = kv_type};
    check_subject(&s);
    for (tdm__isa isa = TDM__ISA_SCALAR; isa < tdm__cpu_isa(); isa++)
        check_together(&s, 2, isa, 3);
    check_among_cancels(&s, 25);
    tdm__tiny_close(&t);
}

static void tiny_qwen2_answers_the_same_in_any_company(void **state)
{
    (void)state;
    check_tiny("qwen2", TDM__KV_F16);
}

static void tiny_llama_answers_the_same_in_any_company(void **state)
{
    (void)state;
    check_tiny("llama", TDM__KV_F16);
}

static void with_a_cache_in_q8_answers_are_the_same_in_any_company(void **state)
{
    (void)state;
    check_tiny("qwen2", TDM__KV_Q8);
    check_tiny("llama", TDM__KV_Q8);
}

static void a_real_model_answers_the_same_in_any_company(void **state)
{
    (void)state;
    static subject s;
    const char *models = getenv("TANDEM_TEST_MODELS");
    char path[1024];
    if (!models || !*models) {
        print_message("skipped: no folder of models given (-Dmodels=DIR)\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/smollm2-135m-instruct-q4_1.gguf", models);
    tdm__model *m = NULL;
    tdm__tokenizer *t = NULL;
    tdm_error err = {0};
    if (tdm__model_open(path, NULL, &m, &err) != TDM_OK) {
        print_message("skipped: %s\n", err.msg);
        skip();
    }
    assert_int_equal(tdm__tokenizer_create(m->gguf, &t, &err), TDM_OK);
    s = (subject){.model = m, .tokenizer = t, .n_tokens = 6};
    ask(&s);
    answer_alone(&s);
    check_together(&s, 2, tdm__cpu_isa(), 4);
    check_drafted(&s, 2, 1);
    check_among_cancels(&s, 4);
    tdm__tokenizer_destroy(t);
    tdm__model_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_qwen2_answers_the_same_in_any_company),
        cmocka_unit_test(tiny_llama_answers_the_same_in_any_company),
        cmocka_unit_test(with_a_cache_in_q8_answers_are_the_same_in_any_company),
        cmocka_unit_test(a_real_model_answers_the_same_in_any_company),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
