/* test_engine.c - the engine over a tiny random model: ends, stops, reuse, queue, cancels, memory, allocations.
 *
 * The linker puts counting wrappers around the heap (--wrap), so that "nothing is allocated for a token" is measured,
 * on all threads of the process. Same bits in any company is tests/diff's business.
 */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "answer.h"
#include "os/clock.h"
#include "tiny_model.h"

/* The heap, counted while `counting`. */
static atomic_bool counting;
static atomic_int n_heap_calls;
static pthread_t submitter;
static atomic_bool submitter_is_excused;
static sem_t foreground_is_there;

static void count_heap_call(void)
{
    if (!atomic_load_explicit(&counting, memory_order_relaxed))
        return;
    if (!submitter_is_excused || !pthread_equal(pthread_self(), submitter))
        atomic_fetch_add(&n_heap_calls, 1);
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
void __wrap_free(void *p);

void *__wrap_malloc(size_t n)
{
    count_heap_call();
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    count_heap_call();
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    count_heap_call();
    return __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    count_heap_call();
    return __real_aligned_alloc(align, n);
}

void __wrap_free(void *p)
{
    count_heap_call();
    __real_free(p);
}

static tdm__tiny tiny;
static const int32_t hello[] = {257, 'h', 'e', 'l', 'l', 'o', 258, 257};
enum { N_HELLO = sizeof hello / sizeof hello[0] };

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

static tdm__engine *engine_of(const tdm__tiny *t, size_t n_slots, size_t n_queue)
{
    tdm__engine *e = NULL;
    tdm_error err = {0};
    tdm__engine_options o = {.n_threads = 2, .isa_max = tdm__cpu_isa(), .n_slots = n_slots, .n_queue = n_queue};
    if (tdm__engine_create(t->model, t->tokenizer, &o, &e, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    return e;
}

static void run(tdm__engine *e, const tdm__job_params *p, tdm__answer *a)
{
    tdm_error err = {0};
    if (tdm__answer_start(a, e, p, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    tdm__answer_wait(a);
}

static void an_answer_ends_at_max_tokens_with_all_its_text(void **state)
{
    (void)state;
    static tdm__answer a;
    tdm__engine *e = engine_of(&tiny, 1, 0);
    tdm__job_params p = tdm__answer_params(hello, N_HELLO, 10);
    p.ignore_end = true;
    p.n_top_logprobs = 3;
    run(e, &p, &a);
    assert_int_equal(a.finish, TDM__FINISH_LENGTH);
    assert_int_equal(a.n_ids, 10);
    assert_int_equal(a.timings.n_generated, 10);
    assert_int_equal(a.timings.n_prompt, N_HELLO);
    assert_int_equal(a.timings.n_prompt_reused, 0);
    assert_true(a.timings.queue_ms >= 0 && a.timings.prompt_ms > 0 && a.timings.decode_ms > 0);
    assert_true(a.logprobs[0] < 0 && a.logprobs[0] > -20);
    tdm__engine_destroy(e);
}

static void an_end_token_stops_and_is_no_part_of_the_answer(void **state)
{
    (void)state;
    static tdm__answer before, after;
    tdm__engine *e = engine_of(&tiny, 1, 0);
    tdm__job_params p = tdm__answer_params(hello, N_HELLO, 12);
    p.sampling.temperature = 1;
    p.ignore_end = true;
    run(e, &p, &before);
    tdm__engine_destroy(e);

    size_t at = 0; /* the first token that came only once so far becomes the end token of a second model */
    for (size_t i = 1; i < before.n_ids && at == 0; i++) {
        bool is_new = true;
        for (size_t k = 0; k < i; k++)
            is_new = is_new && before.ids[k] != before.ids[i];
        at = is_new && i >= 3 ? i : 0;
    }
    assert_int_not_equal(at, 0);
    tdm__tiny other = tdm__tiny_open(&(tdm__tiny_options){.arch = "qwen2", .eos = before.ids[at]});
    e = engine_of(&other, 1, 0);
    p.ignore_end = false;
    run(e, &p, &after);
    assert_int_equal(after.finish, TDM__FINISH_STOP);
    assert_int_equal(after.n_ids, at);
    assert_int_equal(after.timings.n_generated, at);
    assert_memory_equal(after.ids, before.ids, at * sizeof after.ids[0]);
    tdm__engine_destroy(e);
    tdm__tiny_close(&other);
}

static void a_stop_string_ends_the_answer_before_it(void **state)
{
    (void)state;
    static tdm__answer whole, cut;
    tdm__engine *e = engine_of(&tiny, 1, 0);
    tdm__job_params p = tdm__answer_params(hello, N_HELLO, 60);
    p.sampling.temperature = 1;
    p.sampling.seed = 5;
    p.ignore_end = true;
    run(e, &p, &whole);
    assert_true(whole.n_text >= 40);
    size_t at = 20; /* a stop string in the middle of what the model is going to write, on characters' borders */
    while (((unsigned char)whole.text[at] & 0xc0) == 0x80)
        at++;
    size_t len = 8;
    while (((unsigned char)whole.text[at + len] & 0xc0) == 0x80)
        len++;
    p.stops[0] = (tdm__str){whole.text + at, len};
    p.n_stops = 1;
    run(e, &p, &cut);
    assert_int_equal(cut.finish, TDM__FINISH_STOP);
    assert_true(cut.n_text <= at);
    assert_memory_equal(cut.text, whole.text, cut.n_text);
    assert_true(cut.n_ids < whole.n_ids);
    tdm__engine_destroy(e);
}

static void the_context_s_end_is_a_length_finish(void **state)
{
    (void)state;
    static tdm__answer a;
    tdm__engine *e = engine_of(&tiny, 1, 0);
    assert_int_equal(tdm__engine_n_ctx(e), TDM__TINY_CTX);
    tdm__job_params p = tdm__answer_params(hello, N_HELLO, 0);
    p.ignore_end = true;
    run(e, &p, &a);
    assert_int_equal(a.finish, TDM__FINISH_LENGTH);
    assert_int_equal(a.n_ids, TDM__TINY_CTX - N_HELLO);
    tdm__engine_destroy(e);
}

static void a_prompt_of_exactly_the_context_less_one_gives_one_token(void **state)
{
    (void)state;
    static tdm__answer a;
    static int32_t prompt[TDM__TINY_CTX];
    tdm__engine *e = engine_of(&tiny, 1, 0);
    tdm__job_params p = tdm__answer_params(prompt, TDM__TINY_CTX - 1, 0);
    p.ignore_end = true;
    run(e, &p, &a);
    assert_int_equal(a.finish, TDM__FINISH_LENGTH);
    assert_int_equal(a.n_ids, 1);
    tdm_error err = {0};
    p.n_prompt++;
    assert_int_equal(tdm__answer_start(&a, e, &p, &err), TDM_ERR_LIMIT);
    assert_string_equal(err.msg,
                        "the prompt has 256 tokens; the context of 256 takes at most 255, and one for the answer");
    tdm__engine_destroy(e);
}

static void wrong_jobs_are_refused_by_name(void **state)
{
    (void)state;
    static tdm__answer a;
    tdm__engine *e = engine_of(&tiny, 1, 0);
    tdm_error err = {0};
    tdm__job_params p = tdm__answer_params((int32_t[]){3, TDM__TINY_VOCAB}, 2, 1);
    assert_int_equal(tdm__answer_start(&a, e, &p, &err), TDM_ERR_INVAL);
    assert_string_equal(err.msg, "token 1 of the prompt has id 288, the vocabulary ends at 287");
    p = tdm__answer_params((int32_t[]){-1}, 1, 1);
    assert_int_equal(tdm__answer_start(&a, e, &p, &err), TDM_ERR_INVAL);
    p = tdm__answer_params(hello, 0, 1);
    assert_int_equal(tdm__answer_start(&a, e, &p, &err), TDM_ERR_INVAL);
    p = tdm__answer_params(hello, N_HELLO, 1);
    p.sampling.temperature = -1;
    assert_int_equal(tdm__answer_start(&a, e, &p, &err), TDM_ERR_INVAL);
    p = tdm__answer_params(hello, N_HELLO, 1);
    p.n_stops = 1;
    assert_int_equal(tdm__answer_start(&a, e, &p, &err), TDM_ERR_INVAL);
    assert_string_equal(err.msg, "stop string 0 has 0 bytes, allowed are 1 to 256");
    p.stops[0] = TDM_STR("\xe4\xb8");
    assert_int_equal(tdm__answer_start(&a, e, &p, &err), TDM_ERR_INVAL);
    assert_string_equal(err.msg, "stop string 0 is not UTF-8");
    p.n_stops = 0;
    p.n_top_logprobs = 21;
    assert_int_equal(tdm__answer_start(&a, e, &p, &err), TDM_ERR_INVAL);
    tdm__engine_destroy(e);
}

static void a_conversation_goes_on_from_what_the_cache_holds(void **state)
{
    (void)state;
    static tdm__answer first, second;
    int32_t prompt[128];
    tdm__engine *e = engine_of(&tiny, 2, 0);
    tdm__job_params p = tdm__answer_params(hello, N_HELLO, 20);
    p.ignore_end = true;
    run(e, &p, &first);
    memcpy(prompt, hello, sizeof hello);
    memcpy(prompt + N_HELLO, first.ids, 20 * sizeof prompt[0]);
    memcpy(prompt + N_HELLO + 20, hello, sizeof hello);
    p = tdm__answer_params(prompt, 2 * N_HELLO + 20, 5);
    p.ignore_end = true;
    run(e, &p, &second);
    assert_int_equal(second.timings.n_prompt_reused, N_HELLO + 19); /* the last drawn token was never computed */
    run(e, &p, &second);
    assert_int_equal(second.timings.n_prompt_reused, 2 * N_HELLO + 19); /* all but the last, whose logits are wanted */
    tdm__engine_destroy(e);
}

static void of_slots_that_share_nothing_the_oldest_is_taken(void **state)
{
    (void)state;
    static tdm__answer a;
    tdm__engine *e = engine_of(&tiny, 2, 0);
    const int32_t x[] = {1, 2, 3, 4}, y[] = {5, 6, 7, 8}, z[] = {9, 10, 11, 12};
    const int32_t *const order[] = {x, y, x, z, x, y};
    const size_t reused[] = {0, 0, 3, 0, 3, 0}; /* z takes y's place, because x was used later */
    for (size_t i = 0; i < 6; i++) {
        tdm__job_params p = tdm__answer_params(order[i], 4, 2);
        run(e, &p, &a);
        assert_int_equal(a.timings.n_prompt_reused, reused[i]);
    }
    tdm__engine_destroy(e);
}

static void what_neither_slots_nor_queue_can_hold_is_refused(void **state)
{
    (void)state;
    static tdm__answer a[5];
    tdm__engine *e = engine_of(&tiny, 2, 2);
    tdm__job_params p = tdm__answer_params(hello, N_HELLO, 200);
    p.ignore_end = true;
    tdm_error err = {0};
    for (int i = 0; i < 4; i++)
        assert_int_equal(tdm__answer_start(&a[i], e, &p, &err), TDM_OK);
    assert_int_equal(tdm__answer_start(&a[4], e, &p, &err), TDM_ERR_BUSY);
    assert_string_equal(err.msg, "4 answers are running or waiting, no more are taken");
    tdm__engine_stats s;
    tdm__engine_get_stats(e, &s);
    assert_int_equal(s.n_running + s.n_queued, 4);
    for (int i = 0; i < 4; i++)
        tdm__answer_wait(&a[i]);
    assert_int_equal(a[3].n_ids, 200);
    assert_int_equal(tdm__answer_start(&a[4], e, &p, &err), TDM_OK);
    tdm__answer_wait(&a[4]);
    tdm__engine_get_stats(e, &s);
    assert_int_equal(s.n_running + s.n_queued, 0);
    assert_int_equal(s.n_jobs_done, 5);
    assert_int_equal(s.n_generated_tokens, 1000);
    tdm__engine_destroy(e);
}

static void cancel_itself(tdm__answer *a, const tdm__job_event *ev)
{
    if (ev->kind == TDM__JOB_TEXT && a->n_ids == 7)
        tdm__job_cancel(a->job);
}

static void a_cancel_from_inside_an_event_ends_the_answer_there(void **state)
{
    (void)state;
    static tdm__answer a;
    tdm__engine *e = engine_of(&tiny, 1, 0);
    tdm__job_params p = tdm__answer_params(hello, N_HELLO, 0);
    p.ignore_end = true;
    a.on_event = cancel_itself;
    run(e, &p, &a);
    assert_int_equal(a.finish, TDM__FINISH_CANCELLED);
    assert_int_equal(a.n_ids, 7);
    a.on_event = NULL;
    p.max_tokens = 3;
    run(e, &p, &a); /* the slot is free and right */
    assert_int_equal(a.finish, TDM__FINISH_LENGTH);
    tdm__engine_destroy(e);
}

static sem_t was_cancelled;

/* However late the test's thread comes. */
static void wait_for_cancel(tdm__answer *a, const tdm__job_event *ev)
{
    if (ev->n_tokens > 0 && a->n_ids == 2)
        sem_wait(&was_cancelled);
}

static void queued_and_running_jobs_are_cancelled_alone(void **state)
{
    (void)state;
    static tdm__answer running, queued, other, want;
    tdm__engine *e = engine_of(&tiny, 1, 2);
    tdm__job_params p = tdm__answer_params(hello, N_HELLO, 240), q = tdm__answer_params(hello + 1, 4, 9);
    p.ignore_end = q.ignore_end = true;
    run(e, &q, &want);
    sem_init(&was_cancelled, 0, 0);
    running.on_event = wait_for_cancel;
    assert_int_equal(tdm__answer_start(&running, e, &p, NULL), TDM_OK);
    assert_int_equal(tdm__answer_start(&queued, e, &p, NULL), TDM_OK);
    assert_int_equal(tdm__answer_start(&other, e, &q, NULL), TDM_OK);
    tdm__job_cancel(queued.job);
    tdm__job_cancel(queued.job);
    tdm__answer_wait_tokens(&running, 2);
    tdm__job_cancel(running.job);
    sem_post(&was_cancelled);
    tdm__answer_wait(&queued);
    tdm__answer_wait(&running);
    tdm__answer_wait(&other);
    sem_destroy(&was_cancelled);
    assert_int_equal(queued.finish, TDM__FINISH_CANCELLED);
    assert_int_equal(queued.n_ids, 0);
    assert_int_equal(running.finish, TDM__FINISH_CANCELLED);
    assert_int_equal(other.finish, TDM__FINISH_LENGTH);
    assert_int_equal(other.n_ids, 9);
    assert_memory_equal(other.ids, want.ids, 9 * sizeof want.ids[0]);
    tdm__engine_destroy(e);
}

static void destroying_the_engine_ends_all_jobs(void **state)
{
    (void)state;
    static tdm__answer a[4];
    tdm__engine *e = engine_of(&tiny, 2, 2);
    tdm__job_params p = tdm__answer_params(hello, N_HELLO, 0);
    p.ignore_end = true;
    for (int i = 0; i < 4; i++)
        assert_int_equal(tdm__answer_start(&a[i], e, &p, NULL), TDM_OK);
    tdm__engine_destroy(e);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(a[i].n_done, 1);
        tdm__job_cancel(a[i].job); /* still allowed */
        tdm__answer_wait(&a[i]);
    }
    assert_int_equal(a[3].finish, TDM__FINISH_CANCELLED);
}

static void a_model_that_computes_nonsense_ends_in_an_error(void **state)
{
    (void)state;
    static tdm__answer a;
    tdm__tiny broken = tdm__tiny_open(&(tdm__tiny_options){.arch = "llama", .broken = true});
    tdm__engine *e = engine_of(&broken, 1, 0);
    tdm__job_params p = tdm__answer_params(hello, N_HELLO, 5);
    run(e, &p, &a);
    assert_int_equal(a.finish, TDM__FINISH_ERROR);
    assert_int_equal(a.error.code, TDM_ERR_FORMAT);
    assert_non_null(strstr(a.error.msg, "not finite"));
    assert_int_equal(a.n_ids, 0);
    tdm__engine_destroy(e);
    tdm__tiny_close(&broken);
}

static void memory_is_refused_before_it_is_taken(void **state)
{
    (void)state;
    tdm__engine *e = NULL;
    tdm_error err = {0};
    tdm__engine_options o = {.n_threads = 1, .n_slots = 4, .memory_bytes_max = 100000};
    assert_int_equal(tdm__engine_create(tiny.model, tiny.tokenizer, &o, &e, &err), TDM_ERR_LIMIT);
    assert_null(e);
    assert_non_null(strstr(err.msg, "4 sequences of 256 positions need"));
    assert_non_null(strstr(err.msg, "0.1 MiB may be taken: lower -c or --parallel"));
    o = (tdm__engine_options){.n_ctx = TDM__TINY_CTX + 1};
    assert_int_equal(tdm__engine_create(tiny.model, tiny.tokenizer, &o, &e, &err), TDM_ERR_LIMIT);
    assert_string_equal(err.msg, "a context of 257 positions, the model was trained for 256");
    o = (tdm__engine_options){.n_slots = 257};
    assert_int_equal(tdm__engine_create(tiny.model, tiny.tokenizer, &o, &e, &err), TDM_ERR_INVAL);
}

static void count_between_first_token_and_end(tdm__answer *a, const tdm__job_event *ev)
{
    if (ev->kind == TDM__JOB_TEXT && a->n_ids == 1)
        atomic_store(&counting, true);
    if (ev->kind == TDM__JOB_DONE)
        atomic_store(&counting, false);
}

static void a_generated_token_takes_no_memory_from_the_heap(void **state)
{
    (void)state;
    static tdm__answer a, beside;
    tdm__engine *e = engine_of(&tiny, 2, 0);
    tdm__job_params p = tdm__answer_params(hello, N_HELLO, 100);
    p.ignore_end = true;
    p.sampling = (tdm__sampling){.temperature = 0.9f,
                                 .top_k = 50,
                                 .top_p = 0.9f,
                                 .min_p = 0.01f,
                                 .repeat_penalty = 1.1f,
                                 .presence_penalty = 0.1f,
                                 .frequency_penalty = 0.1f,
                                 .penalty_last_n = 40,
                                 .seed = 1};
    p.n_top_logprobs = 5;
    p.stops[0] = TDM_STR("never written");
    p.n_stops = 1;
    p.drafting = TDM__DRAFTING_ALWAYS;
    tdm__job_params q = p;
    q.max_tokens = 200;
    assert_int_equal(tdm__answer_start(&beside, e, &q, NULL), TDM_OK); /* the same in company */
    a.on_event = count_between_first_token_and_end;
    run(e, &p, &a);
    tdm__answer_wait(&beside);
    assert_int_equal(a.n_ids, 100);
    assert_int_equal(atomic_load(&n_heap_calls), 0);
    tdm__engine_destroy(e);
}

/* Of the engine's threads alone: the submit of the foreground job takes memory, on this one. */
static void count_of_the_engine(tdm__answer *a, const tdm__job_event *ev)
{
    if (ev->kind == TDM__JOB_TEXT && a->n_ids == 1) {
        submitter_is_excused = true;
        atomic_store(&counting, true);
        while (sem_wait(&foreground_is_there) != 0) {
        }
    }
    if (ev->kind == TDM__JOB_DONE)
        atomic_store(&counting, false);
}

static void an_eviction_takes_no_memory_from_the_heap(void **state)
{
    (void)state;
    static tdm__answer background, foreground;
    tdm__engine *e = engine_of(&tiny, 1, 2);
    tdm__job_params b = tdm__answer_params(hello, N_HELLO, 200), f = tdm__answer_params(hello + 1, 4, 5);
    b.priority = TDM__BACKGROUND;
    b.ignore_end = f.ignore_end = true;
    submitter = pthread_self();
    sem_init(&foreground_is_there, 0, 0);
    background.on_event = count_of_the_engine;
    assert_int_equal(tdm__answer_start(&background, e, &b, NULL), TDM_OK);
    tdm__answer_wait_tokens(&background, 1);
    assert_int_equal(tdm__answer_start(&foreground, e, &f, NULL), TDM_OK);
    sem_post(&foreground_is_there);
    tdm__answer_wait(&foreground);
    tdm__answer_wait(&background);
    sem_destroy(&foreground_is_there);
    submitter_is_excused = false;
    background.on_event = NULL;
    tdm__engine_stats s;
    tdm__engine_get_stats(e, &s);
    assert_int_equal(s.n_evictions, 1);
    assert_int_equal(background.n_ids, 200);
    assert_int_equal(atomic_load(&n_heap_calls), 0);
    tdm__engine_destroy(e);
}

static void an_idle_engine_takes_no_processor_time(void **state)
{
    (void)state;
    static tdm__answer a;
    tdm__engine *e = engine_of(&tiny, 1, 0);
    tdm__job_params p = tdm__answer_params(hello, N_HELLO, 3);
    run(e, &p, &a);
    struct timespec pause = {.tv_nsec = 50000000};
    nanosleep(&pause, NULL); /* the team stops spinning */
    clock_t begin = clock();
    pause.tv_nsec = 300000000;
    nanosleep(&pause, NULL);
    assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 0.03);
    tdm__engine_destroy(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_ends_at_max_tokens_with_all_its_text),
        cmocka_unit_test(an_end_token_stops_and_is_no_part_of_the_answer),
        cmocka_unit_test(a_stop_string_ends_the_answer_before_it),
        cmocka_unit_test(the_context_s_end_is_a_length_finish),
        cmocka_unit_test(a_prompt_of_exactly_the_context_less_one_gives_one_token),
        cmocka_unit_test(wrong_jobs_are_refused_by_name),
        cmocka_unit_test(a_conversation_goes_on_from_what_the_cache_holds),
        cmocka_unit_test(of_slots_that_share_nothing_the_oldest_is_taken),
        cmocka_unit_test(what_neither_slots_nor_queue_can_hold_is_refused),
        cmocka_unit_test(a_cancel_from_inside_an_event_ends_the_answer_there),
        cmocka_unit_test(queued_and_running_jobs_are_cancelled_alone),
        cmocka_unit_test(destroying_the_engine_ends_all_jobs),
        cmocka_unit_test(a_model_that_computes_nonsense_ends_in_an_error),
        cmocka_unit_test(memory_is_refused_before_it_is_taken),
        cmocka_unit_test(a_generated_token_takes_no_memory_from_the_heap),
        cmocka_unit_test(an_eviction_takes_no_memory_from_the_heap),
        cmocka_unit_test(an_idle_engine_takes_no_processor_time),
    };
    return cmocka_run_group_tests(tests, open_tiny, close_tiny);
}
