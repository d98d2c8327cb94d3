/* test_scheduler.c - who is computed when: fairness, foreground and background, prompts that share a beginning.
 *
 * The order of things is made certain by a gate: a job whose event holds the engine's thread until the test has put
 * everything else in place. What the property test compares with is each job alone on a fresh engine. The policies as
 * functions of numbers are test_turn_policy.c's.
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
#include "base/checked.h"
#include "engine/engine_internal.h"
#include "tiny_model.h"

enum { PROMPT_MAX = 220, N_ANSWERS = 56 };

static tdm__tiny tiny;

static int open_tiny(void **state)
{
    (void)state;
    tiny = tdm__tiny_open(&(tdm__tiny_options){.arch = "qwen2"});
    return 0;
}

static int close_tiny(void **state)
{
    (void)state;
    tdm__tiny_close(&tiny);
    return 0;
}

/* The same numbers on each machine. */
static uint32_t draw(uint64_t *x, uint32_t n)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*x >> 33) % n;
}

/* A job with what tests note of it. The answer is the first member: events come with a pointer to it. */
typedef struct told {
    tdm__answer answer;
    size_t hold_at;          /* holds the engine at this token, 0: never */
    tdm__job *cancel_first;  /* cancelled at this job's first token */
    const struct told *look; /* at this one's tokens when this job ends */
    size_t n_seen;
    int first_rank, done_rank; /* 1: the first of all events of that kind */
} told;

static told said[N_ANSWERS], alone;
static atomic_int n_first, n_ended;
static pthread_mutex_t gate_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static bool gate_is_held, gate_is_open;

static void hold_engine(void)
{
    pthread_mutex_lock(&gate_mutex);
    gate_is_held = true;
    pthread_cond_broadcast(&gate_changed);
    while (!gate_is_open)
        pthread_cond_wait(&gate_changed, &gate_mutex);
    gate_is_held = gate_is_open = false;
    pthread_mutex_unlock(&gate_mutex);
}

static void wait_for_hold(void)
{
    pthread_mutex_lock(&gate_mutex);
    while (!gate_is_held)
        pthread_cond_wait(&gate_changed, &gate_mutex);
    pthread_mutex_unlock(&gate_mutex);
}

static void open_gate(void)
{
    pthread_mutex_lock(&gate_mutex);
    gate_is_open = true;
    pthread_cond_broadcast(&gate_changed);
    pthread_mutex_unlock(&gate_mutex);
}

static void on_told(tdm__answer *a, const tdm__job_event *ev)
{
    told *t = (told *)a;
    if (ev->n_tokens > 0 && a->n_ids == 1) {
        t->first_rank = atomic_fetch_add(&n_first, 1) + 1;
        if (t->cancel_first)
            tdm__job_cancel(t->cancel_first);
    }
    if (ev->kind == TDM__JOB_DONE) {
        t->done_rank = atomic_fetch_add(&n_ended, 1) + 1;
        t->n_seen = t->look ? t->look->answer.n_ids : 0;
    } else if (t->hold_at > 0 && ev->n_tokens > 0 && a->n_ids == t->hold_at) {
        hold_engine();
    }
}

static void forget_all(void)
{
    for (size_t i = 0; i < N_ANSWERS; i++) {
        said[i].hold_at = said[i].n_seen = 0;
        said[i].cancel_first = NULL;
        said[i].look = NULL;
        said[i].first_rank = said[i].done_rank = 0;
    }
    atomic_store(&n_first, 0);
    atomic_store(&n_ended, 0);
}

/* One thread for most: a team that spins beside other programs costs more time than all there is to compute. */
static tdm__kv_type kv_type;

static tdm__engine *engine_with(int n_threads, size_t n_slots, size_t n_queue)
{
    tdm__engine *e = NULL;
    tdm_error err = {0};
    tdm__engine_options o = {
        .n_threads = n_threads, .isa_max = tdm__cpu_isa(), .n_slots = n_slots, .n_queue = n_queue, .kv_type = kv_type};
    if (tdm__engine_create(tiny.model, tiny.tokenizer, &o, &e, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    forget_all();
    return e;
}

static tdm__engine *engine_of(size_t n_slots, size_t n_queue) { return engine_with(1, n_slots, n_queue); }

static void start(tdm__engine *e, told *t, const tdm__job_params *p)
{
    tdm_error err = {0};
    t->answer.on_event = on_told;
    if (tdm__answer_start(&t->answer, e, p, &err) != TDM_OK)
        fail_msg("%s", err.msg);
}

static int32_t prompts[N_ANSWERS][PROMPT_MAX];

static tdm__job_params params_of(size_t i, const char *app, size_t n_prompt, size_t max_tokens)
{
    uint64_t x = i + 1;
    for (size_t k = 0; k < PROMPT_MAX; k++)
        prompts[i][k] = (int32_t)draw(&x, 256);
    tdm__job_params p = tdm__answer_params(prompts[i], n_prompt, max_tokens);
    p.app = app;
    p.ignore_end = true;
    return p;
}

static void assert_as_alone(const told *t, const tdm__job_params *p)
{
    tdm__engine *e = NULL;
    tdm__engine_options o = {
        .n_threads = 1, .isa_max = tdm__cpu_isa(), .n_slots = 1, .no_drafts = true, .kv_type = kv_type};
    assert_int_equal(tdm__engine_create(tiny.model, tiny.tokenizer, &o, &e, NULL), TDM_OK);
    alone.answer.on_event = NULL;
    assert_int_equal(tdm__answer_start(&alone.answer, e, p, NULL), TDM_OK);
    tdm__answer_wait(&alone.answer);
    tdm__engine_destroy(e);
    size_t n = t->answer.n_ids;
    if (t->answer.finish == TDM__FINISH_CANCELLED) { /* a beginning of it */
        assert_true(n <= alone.answer.n_ids && t->answer.n_text <= alone.answer.n_text);
    } else {
        assert_int_equal(n, alone.answer.n_ids);
        assert_int_equal(t->answer.finish, alone.answer.finish);
        assert_int_equal(t->answer.n_text, alone.answer.n_text);
    }
    assert_memory_equal(t->answer.ids, alone.answer.ids, n * sizeof alone.answer.ids[0]);
    assert_memory_equal(t->answer.logprobs, alone.answer.logprobs, n * sizeof alone.answer.logprobs[0]);
    assert_memory_equal(t->answer.text, alone.answer.text, t->answer.n_text);
}

/* Job 0 holds the engine at its first token and ends when it goes on: what is submitted meanwhile comes at once. */
static void hold(tdm__engine *e, const char *app)
{
    tdm__job_params p = params_of(0, app, 5, 1);
    said[0].hold_at = 1;
    start(e, &said[0], &p);
    wait_for_hold();
}

static tdm__engine_stats stats_of(tdm__engine *e)
{
    tdm__engine_stats s;
    tdm__engine_get_stats(e, &s);
    return s;
}

static void a_flood_of_one_app_does_not_hold_up_another(void **state)
{
    (void)state;
    tdm__engine *e = engine_of(1, 60);
    hold(e, "a");
    for (size_t i = 1; i <= 50; i++) {
        tdm__job_params p = params_of(i, "a", 4, 3);
        start(e, &said[i], &p);
    }
    tdm__job_params p = params_of(51, "b", 4, 3);
    start(e, &said[51], &p);
    open_gate();
    for (size_t i = 0; i <= 51; i++)
        tdm__answer_wait(&said[i].answer);
    assert_int_equal(said[51].first_rank, 2); /* right behind the one that was running */
    assert_int_equal(said[1].first_rank, 3);
    for (size_t i = 2; i <= 50; i++)
        assert_true(said[i].first_rank > said[i - 1].first_rank); /* in the order of their coming */
    tdm__engine_destroy(e);
}

/* Four slots: one prompt of 60 tokens is as much as all three of the other app. */
static void a_flood_does_not_take_all_slots_that_are_free(void **state)
{
    (void)state;
    tdm__engine *e = engine_of(4, 60);
    hold(e, "z");
    for (size_t i = 1; i <= 20; i++) {
        tdm__job_params p = params_of(i, "a", 60, 30);
        start(e, &said[i], &p);
    }
    for (size_t i = 21; i <= 23; i++) {
        tdm__job_params p = params_of(i, "b", 10, 30);
        start(e, &said[i], &p);
    }
    open_gate();
    for (size_t i = 0; i <= 23; i++)
        tdm__answer_wait(&said[i].answer);
    for (size_t i = 21; i <= 23; i++)
        assert_true(said[i].first_rank <= 5);
    tdm__engine_destroy(e);
}

/* Prompts of two apps, read a batch at a time: the second app's short one need not wait for the first one's long
 * ones. */
static void rows_of_prompts_go_to_the_app_that_had_less(void **state)
{
    (void)state;
    tdm__engine *e = engine_of(4, 10);
    hold(e, "z");
    for (size_t i = 1; i <= 2; i++) {
        tdm__job_params p = params_of(i, "a", 200, 3);
        start(e, &said[i], &p);
    }
    tdm__job_params p = params_of(3, "b", 100, 1);
    start(e, &said[3], &p);
    open_gate();
    for (size_t i = 0; i <= 3; i++)
        tdm__answer_wait(&said[i].answer);
    /* a gets 128 rows, then b its 100; only then does a's first prompt have all of its 200 */
    assert_int_equal(said[3].first_rank, 2);
    tdm__engine_destroy(e);
}

/* The cost of one stream's turn is not known yet, so two turns carry no prompts, whatever the clock says; then the
 * prompt takes at least two more. */
static void beside_a_stream_a_prompt_is_read_as_the_pace_says(void **state)
{
    (void)state;
    tdm__engine *e = engine_of(2, 2);
    tdm__job_params a = params_of(1, "a", 5, 100), b = params_of(2, "b", 200, 1);
    said[1].hold_at = 1;
    said[2].look = &said[1];
    start(e, &said[1], &a);
    wait_for_hold();
    start(e, &said[2], &b);
    open_gate();
    tdm__answer_wait(&said[2].answer);
    tdm__answer_wait(&said[1].answer);
    assert_true(said[2].n_seen >= 1 + 2 + 2);
    tdm__engine_destroy(e);
    assert_as_alone(&said[2], &b);
}

static void background_stands_still_while_foreground_runs(void **state)
{
    (void)state;
    tdm__engine *e = engine_of(2, 2);
    tdm__job_params b = params_of(1, "a", 30, 20), f = params_of(2, "b", 30, 25);
    b.priority = TDM__BACKGROUND;
    said[1].hold_at = 3;
    said[2].look = &said[1];
    start(e, &said[1], &b);
    wait_for_hold();
    start(e, &said[2], &f);
    tdm__engine_stats s = stats_of(e);
    assert_int_equal(s.n_running_of[TDM__BACKGROUND], 1);
    assert_int_equal(s.n_queued_of[TDM__FOREGROUND], 1);
    open_gate();
    tdm__answer_wait(&said[2].answer);
    tdm__answer_wait(&said[1].answer);
    assert_int_equal(said[2].n_seen, 3);
    assert_int_equal(stats_of(e).n_evictions, 0); /* there was a slot for each */
    tdm__engine_destroy(e);
    assert_as_alone(&said[1], &b);
    assert_as_alone(&said[2], &f);
}

static void background_is_evicted_for_foreground_and_goes_on_where_it_was(void **state)
{
    (void)state;
    tdm__engine *e = engine_of(1, 4);
    tdm__job_params b = params_of(1, "a", 30, 20), later = params_of(3, "a", 10, 2), f = params_of(2, "b", 30, 25);
    b.priority = later.priority = TDM__BACKGROUND;
    b.sampling.temperature = 1;
    b.sampling.seed = 3;
    b.sampling.repeat_penalty = 1.2f;
    b.n_top_logprobs = 2;
    said[1].hold_at = 7;
    said[2].look = &said[1];
    start(e, &said[1], &b);
    start(e, &said[3], &later);
    wait_for_hold();
    start(e, &said[2], &f);
    open_gate();
    for (size_t i = 1; i <= 3; i++)
        tdm__answer_wait(&said[i].answer);
    assert_int_equal(said[2].n_seen, 7);
    assert_int_equal(said[2].done_rank, 1);
    assert_int_equal(said[1].done_rank, 2); /* at the head of its queue again */
    assert_int_equal(said[3].done_rank, 3);
    assert_int_equal(said[1].answer.timings.n_prompt_reused, 0);
    tdm__engine_stats s = stats_of(e);
    assert_int_equal(s.n_evictions, 1);
    assert_int_equal(s.n_running + s.n_queued, 0);
    tdm__engine_destroy(e);
    assert_as_alone(&said[1], &b);
    assert_as_alone(&said[2], &f);
    assert_as_alone(&said[3], &later);
}

static void an_evicted_job_can_be_cancelled_while_it_waits(void **state)
{
    (void)state;
    tdm__engine *e = engine_of(1, 4);
    tdm__job_params b = params_of(1, "a", 30, 20), f = params_of(2, "b", 30, 25);
    b.priority = TDM__BACKGROUND;
    said[1].hold_at = 7;
    said[2].hold_at = 5;
    start(e, &said[1], &b);
    wait_for_hold();
    start(e, &said[2], &f);
    open_gate();
    tdm__answer_wait_tokens(&said[2].answer, 5);
    wait_for_hold();
    assert_int_equal(stats_of(e).n_queued_of[TDM__BACKGROUND], 1);
    tdm__job_cancel(said[1].answer.job);
    open_gate();
    tdm__answer_wait(&said[1].answer);
    tdm__answer_wait(&said[2].answer);
    assert_int_equal(said[1].answer.finish, TDM__FINISH_CANCELLED);
    assert_int_equal(said[1].done_rank, 1); /* at the next batch, not behind the foreground job */
    assert_int_equal(said[1].answer.n_ids, 7);
    assert_as_alone(&said[2], &f);
    tdm__engine_destroy(e);
}

static void several_answers_to_one_prompt_read_it_once(void **state)
{
    (void)state;
    enum { N = 8, N_PROMPT = 200 };
    tdm__engine *e = engine_of(N, N);
    tdm__job_params p[N + 1];
    hold(e, "a");
    for (size_t i = 1; i <= N; i++) {
        p[i] = params_of(1, "a", N_PROMPT, 12);
        p[i].sampling.temperature = 1;
        p[i].sampling.seed = i;
        start(e, &said[i], &p[i]);
    }
    open_gate();
    for (size_t i = 0; i <= N; i++)
        tdm__answer_wait(&said[i].answer);
    tdm__engine_stats s = stats_of(e);
    assert_int_equal(s.n_prompt_tokens, 5 + N_PROMPT + N - 1); /* the others' last tokens, whose logits they want */
    assert_int_equal(s.n_rows_reused, (N - 1) * (N_PROMPT - 1));
    assert_int_equal(said[1].answer.timings.n_prompt_reused, 0);
    assert_int_equal(said[N].answer.timings.n_prompt_reused, N_PROMPT - 1);
    tdm__engine_destroy(e);
    for (size_t i = 1; i <= N; i++)
        assert_as_alone(&said[i], &p[i]);
}

/* 1 has a short prompt, 2 and those behind it a long one; 2 has read 125 tokens of it when it is cancelled. */
static void when_the_one_that_reads_is_cancelled_another_one_reads_on(void **state)
{
    (void)state;
    tdm__engine *e = engine_of(5, 5);
    tdm__job_params p[5];
    hold(e, "a");
    p[1] = params_of(1, "a", 3, 6);
    for (size_t i = 2; i <= 4; i++) {
        p[i] = params_of(2, "a", 200, 6);
        p[i].sampling.temperature = 1;
        p[i].sampling.seed = i;
    }
    start(e, &said[1], &p[1]);
    for (size_t i = 2; i <= 4; i++)
        start(e, &said[i], &p[i]);
    said[1].cancel_first = said[2].answer.job;
    open_gate();
    for (size_t i = 0; i <= 4; i++)
        tdm__answer_wait(&said[i].answer);
    assert_int_equal(said[2].answer.finish, TDM__FINISH_CANCELLED);
    assert_int_equal(said[2].answer.n_ids, 0);
    assert_int_equal(said[3].answer.timings.n_prompt_reused, 125);
    assert_int_equal(said[4].answer.timings.n_prompt_reused, 199);
    assert_int_equal(stats_of(e).n_prompt_tokens, 5 + 3 + 125 + 75 + 1);
    tdm__engine_destroy(e);
    for (size_t i = 1; i <= 4; i++)
        assert_as_alone(&said[i], &p[i]);
}

/* Background has read 125 tokens of its prompt when foreground comes with the same one: what is there is copied, and
 * nobody waits for who stands still. */
static void foreground_does_not_wait_for_what_background_reads(void **state)
{
    (void)state;
    tdm__engine *e = engine_of(4, 5);
    tdm__job_params small = params_of(1, "a", 3, 6), b = params_of(2, "a", 200, 6), f = b;
    small.priority = b.priority = TDM__BACKGROUND;
    tdm__job_params first = params_of(0, "a", 5, 1);
    first.priority = TDM__BACKGROUND;
    said[0].hold_at = said[1].hold_at = 1;
    start(e, &said[0], &first);
    wait_for_hold();
    start(e, &said[1], &small);
    start(e, &said[2], &b);
    open_gate();
    tdm__answer_wait_tokens(&said[1].answer, 1);
    wait_for_hold();
    said[3].look = &said[2];
    start(e, &said[3], &f);
    open_gate();
    for (size_t i = 0; i <= 3; i++)
        tdm__answer_wait(&said[i].answer);
    assert_int_equal(said[3].done_rank, 2);
    assert_int_equal(said[3].n_seen, 0);
    assert_int_equal(said[3].answer.timings.n_prompt_reused, 125);
    assert_int_equal(said[2].answer.timings.n_prompt_reused, 0);
    tdm__engine_destroy(e);
    assert_as_alone(&said[2], &b);
    assert_as_alone(&said[3], &f);
}

static size_t reused_by(tdm__engine *e, size_t i, const tdm__job_params *p)
{
    start(e, &said[i], p);
    tdm__answer_wait(&said[i].answer);
    return said[i].answer.timings.n_prompt_reused;
}

static void another_app_is_served_from_public_tokens_alone(void **state)
{
    (void)state;
    for (size_t n_slots = 1; n_slots <= 3; n_slots++) {
        tdm__engine *e = engine_of(n_slots, 0);
        tdm__job_params a = params_of(1, "a", 100, 2), b = a, c = a;
        a.n_public = 40;
        b.app = "b";
        c.app = "c";
        assert_int_equal(reused_by(e, 1, &a), 0);
        assert_int_equal(reused_by(e, 2, &a), 99);
        b.n_public = 10;
        assert_int_equal(reused_by(e, 3, &b), 40);
        assert_int_equal(reused_by(e, 4, &b), 99); /* its own by now */
        assert_int_equal(reused_by(e, 5, &c), n_slots == 1 ? 10 : 40); /* of one slot, b said what is public last */
        tdm__engine_destroy(e);
    }
}

static void another_app_s_prompt_in_work_is_waited_for_as_far_as_it_is_public(void **state)
{
    (void)state;
    tdm__engine *e = engine_of(4, 4);
    hold(e, "z");
    tdm__job_params a = params_of(1, "a", 200, 4), b = a, c = a;
    a.n_public = 50;
    b.app = "b";
    b.n_public = 50;
    c.app = "c";
    start(e, &said[1], &a);
    start(e, &said[2], &b);
    start(e, &said[3], &c);
    open_gate();
    for (size_t i = 0; i <= 3; i++)
        tdm__answer_wait(&said[i].answer);
    assert_int_equal(said[1].answer.timings.n_prompt_reused, 0);
    assert_int_equal(said[2].answer.timings.n_prompt_reused, 50);
    assert_int_equal(said[3].answer.timings.n_prompt_reused, 50);
    tdm__engine_destroy(e);
    assert_as_alone(&said[2], &b);
}

static void a_pause_between_two_tokens_is_told(void **state)
{
    (void)state;
    tdm__engine *e = engine_of(1, 0);
    tdm__job_params p = params_of(1, "a", 10, 6);
    said[1].hold_at = 3;
    start(e, &said[1], &p);
    wait_for_hold();
    struct timespec pause = {.tv_nsec = 40000000};
    nanosleep(&pause, NULL);
    open_gate();
    tdm__answer_wait(&said[1].answer);
    assert_true(said[1].answer.timings.max_gap_ms >= 40);
    assert_true(said[1].answer.timings.max_gap_ms <= said[1].answer.timings.decode_ms);
    tdm__engine_stats s = stats_of(e);
    assert_true(s.turn_ms > 0 && s.decode_turn_ms > 0);
    tdm__engine_destroy(e);
}

static void wrong_apps_and_priorities_are_refused(void **state)
{
    (void)state;
    tdm__engine *e = engine_of(1, 0);
    tdm_error err = {0};
    tdm__job_params p = params_of(1, "a", 10, 6);
    p.n_public = 11;
    assert_int_equal(tdm__answer_start(&said[1].answer, e, &p, &err), TDM_ERR_INVAL);
    assert_string_equal(err.msg, "the first 11 tokens are said to be public, the prompt has 10");
    p.n_public = 0;
    p.app = "0123456789012345678901234567890123456789012345678901234567890123";
    assert_int_equal(reused_by(e, 1, &p), 0);
    p.app = "01234567890123456789012345678901234567890123456789012345678901234";
    assert_int_equal(tdm__answer_start(&said[1].answer, e, &p, &err), TDM_ERR_INVAL);
    assert_string_equal(err.msg, "the name of the app is longer than 64 bytes");
    p.app = NULL;
    assert_int_equal(reused_by(e, 1, &p), 0); /* "" is an app of its own */
    p.priority = (tdm__priority)2;
    assert_int_equal(tdm__answer_start(&said[1].answer, e, &p, &err), TDM_ERR_INVAL);
    tdm__engine_destroy(e);
}

static void the_estimate_counts_the_jobs_too(void **state)
{
    (void)state;
    tdm__engine_memory small = {0}, big = {0};
    tdm__engine_options o = {.n_threads = 1, .n_slots = 4, .n_queue = 6};
    assert_int_equal(tdm__engine_estimate(tiny.model, &o, &small, NULL), TDM_OK);
    assert_int_equal(small.job_bytes, 10 * tdm__job_bytes(TDM__TINY_CTX));
    o.n_queue = 1000;
    assert_int_equal(tdm__engine_estimate(tiny.model, &o, &big, NULL), TDM_OK);
    assert_int_equal(big.job_bytes - small.job_bytes, 994 * tdm__job_bytes(TDM__TINY_CTX));
    tdm__engine *e = NULL;
    o.memory_bytes_max = small.kv_bytes + small.scratch_bytes + small.job_bytes;
    assert_int_equal(tdm__engine_create(tiny.model, tiny.tokenizer, &o, &e, NULL), TDM_ERR_LIMIT);
}

/* tiny: layers x (keys and values) x KV heads x head size numbers a position, a half of scale for each run. */
static void the_estimate_counts_the_cache_in_its_type(void **state)
{
    (void)state;
    const tdm__hparams *hp = &tiny.model->hp;
    const size_t heads = 2 * hp->n_layers * hp->n_kv_heads, n_runs = (hp->head_dim + 31) / 32;
    const size_t beside = hp->n_layers * sizeof(tdm__kv_layer) + 64;
    tdm__engine_memory f16 = {0}, q8 = {0};
    tdm__engine_options o = {.n_threads = 1, .n_slots = 3};
    assert_int_equal(tdm__engine_estimate(tiny.model, &o, &f16, NULL), TDM_OK);
    o.kv_type = TDM__KV_Q8;
    assert_int_equal(tdm__engine_estimate(tiny.model, &o, &q8, NULL), TDM_OK);
    assert_int_equal(f16.kv_bytes, 3 * (TDM__TINY_CTX * heads * hp->head_dim * 2 + beside));
    assert_int_equal(q8.kv_bytes, 3 * (TDM__TINY_CTX * heads * (hp->head_dim + 2 * n_runs) + beside));
    assert_int_equal(f16.scratch_bytes, q8.scratch_bytes);
}

/* ---- any mix ---- */

enum { N_STEMS = 4, N_JOBS = 24, STEM_MAX = 150 };

/* A stem that several prompts have in common, its public part, and the rest of its own. */
static tdm__job_params any_params(uint64_t *x, size_t i)
{
    static const char *const apps[] = {"a", "b", "c", NULL};
    uint64_t stem_seed = 1000 + draw(x, N_STEMS);
    size_t n_stem = draw(x, STEM_MAX), n = 0;
    for (; n < n_stem; n++)
        prompts[i][n] = (int32_t)draw(&stem_seed, 256);
    for (size_t n_own = draw(x, 3) == 0 ? 0 : draw(x, PROMPT_MAX - STEM_MAX); n_own > 0; n_own--)
        prompts[i][n++] = (int32_t)draw(x, 256);
    if (n == 0)
        prompts[i][n++] = 7;
    tdm__job_params p = tdm__answer_params(prompts[i], n, 1 + draw(x, 30));
    p.app = apps[draw(x, 4)];
    p.n_public = draw(x, 2) ? 0 : draw(x, (uint32_t)n_stem + 1);
    p.n_public = tdm__min_size(p.n_public, n);
    p.priority = draw(x, 3) == 0 ? TDM__BACKGROUND : TDM__FOREGROUND;
    p.ignore_end = draw(x, 4) != 0;
    p.n_top_logprobs = (int)draw(x, 3) - 1;
    p.drafting = (tdm__drafting)draw(x, 3); /* of the prompt's own words, or of a part of it: seldom right */
    p.n_draft_source = draw(x, 2) ? draw(x, (uint32_t)n) : 0;
    p.draft_source = p.prompt;
    if (draw(x, 2)) {
        p.sampling.temperature = 0.2f + 0.1f * (float)draw(x, 12);
        p.sampling.seed = draw(x, 100);
        p.sampling.top_k = (int)draw(x, 40);
        p.sampling.repeat_penalty = draw(x, 2) ? 1.3f : 1;
        p.sampling.presence_penalty = draw(x, 2) ? 0.5f : 0;
    }
    return p;
}

static const char *app_of(const tdm__job_params *p) { return p->app ? p->app : ""; }

/* How much of j's prompt could be known from k's without telling j's app of what k's user wrote. */
static size_t may_share(const tdm__job_params *j, const tdm__job_params *k)
{
    size_t n = 0, n_max = tdm__min_size(j->n_prompt, k->n_prompt);
    if (strcmp(app_of(j), app_of(k)) != 0)
        n_max = tdm__min_size(n_max, k->n_public);
    while (n < n_max && j->prompt[n] == k->prompt[n])
        n++;
    return n;
}

static void run_any_mix(uint64_t seed, tdm__engine_stats *sum)
{
    static tdm__job_params p[N_JOBS];
    uint64_t x = seed;
    size_t n_slots = 1 + draw(&x, 6);
    tdm__engine *e = engine_with(seed % 5 == 0 ? 2 : 1, n_slots, N_JOBS);
    for (size_t i = 0; i < N_JOBS; i++) {
        p[i] = any_params(&x, i);
        start(e, &said[i], &p[i]);
        if (draw(&x, 3) == 0)
            tdm__answer_wait_tokens(&said[draw(&x, (uint32_t)i + 1)].answer, 1 + draw(&x, 10));
        if (draw(&x, 4) == 0)
            tdm__job_cancel(said[draw(&x, (uint32_t)i + 1)].answer.job);
    }
    for (size_t i = 0; i < N_JOBS; i++)
        tdm__answer_wait(&said[i].answer);
    tdm__engine_stats s = stats_of(e);
    assert_int_equal(s.n_running + s.n_queued, 0);
    assert_int_equal(s.n_jobs_done, N_JOBS);
    sum->n_evictions += s.n_evictions;
    sum->n_rows_reused += s.n_rows_reused;
    tdm__engine_destroy(e);
    for (size_t i = 0; i < N_JOBS; i++) {
        size_t most = 0;
        for (size_t k = 0; k < N_JOBS; k++)
            most = k == i ? most : tdm__max_size(most, may_share(&p[i], &p[k]));
        if (!(said[i].answer.timings.n_prompt_reused <= most || p[i].priority == TDM__BACKGROUND))
            fail_msg("job %zu reused %zu tokens, others hold %zu", i, said[i].answer.timings.n_prompt_reused, most);
        assert_as_alone(&said[i], &p[i]);
    }
}

static void any_mix_gives_what_each_job_gives_alone(void **state)
{
    (void)state;
    const char *rounds = getenv("TANDEM_TEST_ROUNDS"), *first = getenv("TANDEM_TEST_SEED");
    uint64_t n = rounds ? strtoull(rounds, NULL, 10) : 25, seed = first ? strtoull(first, NULL, 10) : 1;
    tdm__engine_stats sum = {0};
    for (uint64_t i = 0; i < n; i++) {
        if (rounds)
            print_message("seed %llu\n", (unsigned long long)(seed + i));
        kv_type = (tdm__kv_type)((seed + i) % TDM__KV_N_TYPES);
        run_any_mix(seed + i, &sum);
    }
    kv_type = TDM__KV_F16;
    print_message("%llu rounds from seed %llu: %llu evictions, %llu rows reused\n", (unsigned long long)n,
                  (unsigned long long)seed, (unsigned long long)sum.n_evictions,
                  (unsigned long long)sum.n_rows_reused);
    assert_true(n < 25 || (sum.n_evictions > 0 && sum.n_rows_reused > 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_of_one_app_does_not_hold_up_another),
        cmocka_unit_test(a_flood_does_not_take_all_slots_that_are_free),
        cmocka_unit_test(rows_of_prompts_go_to_the_app_that_had_less),
        cmocka_unit_test(beside_a_stream_a_prompt_is_read_as_the_pace_says),
        cmocka_unit_test(background_stands_still_while_foreground_runs),
        cmocka_unit_test(background_is_evicted_for_foreground_and_goes_on_where_it_was),
        cmocka_unit_test(an_evicted_job_can_be_cancelled_while_it_waits),
        cmocka_unit_test(several_answers_to_one_prompt_read_it_once),
        cmocka_unit_test(when_the_one_that_reads_is_cancelled_another_one_reads_on),
        cmocka_unit_test(foreground_does_not_wait_for_what_background_reads),
        cmocka_unit_test(another_app_is_served_from_public_tokens_alone),
        cmocka_unit_test(another_app_s_prompt_in_work_is_waited_for_as_far_as_it_is_public),
        cmocka_unit_test(a_pause_between_two_tokens_is_told),
        cmocka_unit_test(wrong_apps_and_priorities_are_refused),
        cmocka_unit_test(the_estimate_counts_the_jobs_too),
        cmocka_unit_test(the_estimate_counts_the_cache_in_its_type),
        cmocka_unit_test(any_mix_gives_what_each_job_gives_alone),
    };
    return cmocka_run_group_tests(tests, open_tiny, close_tiny);
}
