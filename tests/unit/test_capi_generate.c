/* test_capi_generate.c - answers through the C library: pull, push, cancel, several runtimes, ends and errors. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "capi_world.h"

static capi_world world;

static int make_world(void **state)
{
    (void)state;
    capi_world_init(&world);
    return 0;
}

static int remove_world(void **state)
{
    (void)state;
    capi_world_fini(&world);
    return tdm_allocated_blocks() == 0 ? 0 : -1;
}

static int nothing_is_left(void **state)
{
    (void)state;
    assert_int_equal(tdm_allocated_blocks(), 0);
    return 0;
}

/* ---- order and content ---- */

static void decision_comes_first_then_text_then_one_end(void **state)
{
    (void)state;
    char kinds[64];
    capi_question q;
    tdm_gen *g = NULL;
    tdm_status s;
    tdm_error err = {0};
    const tdm_event *ev;
    tdm_runtime *rt = capi_world_runtime(&world, "order", world.qwen, 1);
    capi_question_init(&q, "hello", 12);
    assert_int_equal(tdm_gen_start(rt, &q.request, &g, &err), TDM_OK);
    char *text = capi_collect(g, &s, kinds, &err);
    assert_int_equal(s, TDM_END);
    assert_int_equal(kinds[0], 'D');
    assert_int_equal(kinds[strlen(kinds) - 1], 'E');
    assert_int_equal(strspn(kinds + 1, "T"), strlen(kinds) - 2);
    assert_true(strlen(text) > 0);
    assert_int_equal(tdm_gen_next(g, &ev, 0, &err), TDM_END); /* and stays so */
    free(text);
    tdm_gen_destroy(&g);
    tdm_runtime_destroy(&rt);
}

typedef struct watch {
    tdm_end end;
    tdm_finish finish;
    size_t n_candidates, n_generated, n_reused, n_events, stop_after, n_bytes[TDM_CANDIDATES_MAX];
    char text[4096], model[128], decision[64];
} watch;

static bool on_event(void *user, const tdm_event *ev)
{
    watch *w = user;
    w->n_events++;
    if (ev->kind == TDM_EVENT_TEXT) {
        w->n_bytes[ev->candidate] += ev->text_len;
        strncat(w->text, ev->text, sizeof w->text - strlen(w->text) - 1);
    }
    if (ev->kind == TDM_EVENT_DONE) {
        w->end = ev->end;
        w->finish = ev->finish;
        w->n_candidates = ev->n_candidates;
        w->n_generated = ev->timings.n_generated;
        w->n_reused = ev->timings.n_prompt_reused;
        snprintf(w->model, sizeof w->model, "%s", ev->model);
        snprintf(w->decision, sizeof w->decision, "%s", ev->decision_id);
    }
    return w->stop_after == 0 || w->n_events < w->stop_after;
}

static void push_gives_what_pull_gives(void **state)
{
    (void)state;
    watch w = {0};
    capi_question q;
    tdm_error err = {0};
    tdm_runtime *rt = capi_world_runtime(&world, "push", world.qwen, 1);
    char *pulled = capi_answer(rt, "hello", 12);
    capi_question_init(&q, "hello", 12);
    assert_int_equal(tdm_generate(rt, &q.request, &err, on_event, &w), TDM_OK);
    assert_string_equal(w.text, pulled);
    assert_int_equal(w.end, TDM_END_ANSWERED);
    assert_true(w.finish == TDM_FINISH_LENGTH || w.finish == TDM_FINISH_STOP);
    assert_true(w.n_generated > 0 && w.n_generated <= 12);
    assert_string_equal(w.model, "tiny-qwen");
    assert_int_equal(strlen(w.decision), 32);
    free(pulled);
    tdm_runtime_destroy(&rt);
}

static void candidates_are_told_apart(void **state)
{
    (void)state;
    watch w = {0};
    capi_question q;
    tdm_sampling hot;
    tdm_error err = {0};
    tdm_runtime *rt = capi_world_runtime(&world, "candidates", world.qwen, 3);
    tdm_sampling_default(&hot, sizeof hot);
    hot.temperature = 1;
    hot.seed = 7;
    capi_question_init(&q, "hello", 12);
    q.request.sampling = &hot;
    q.request.n_candidates = 3;
    assert_int_equal(tdm_generate(rt, &q.request, &err, on_event, &w), TDM_OK);
    assert_int_equal(w.n_candidates, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(w.n_bytes[i] > 0);
    tdm_runtime_destroy(&rt);
}

static void a_prediction_changes_nothing(void **state)
{
    (void)state;
    tdm_runtime *rt = capi_world_runtime(&world, "prediction", world.qwen, 1);
    char *plain = capi_answer(rt, "hello", 24);
    for (int i = 0; i < 3; i++) {
        watch w = {0};
        capi_question q;
        tdm_error err = {0};
        capi_question_init(&q, "hello", 24);
        q.request.prediction = i == 0 ? plain : "something else";
        q.request.no_draft = i == 2;
        assert_int_equal(tdm_generate(rt, &q.request, &err, on_event, &w), TDM_OK);
        assert_string_equal(w.text, plain);
    }
    free(plain);
    tdm_runtime_destroy(&rt);
}

static void a_stop_string_ends_the_answer_before_it(void **state)
{
    (void)state;
    tdm_runtime *rt = capi_world_runtime(&world, "stops", world.qwen, 1);
    char *whole = capi_answer(rt, "hello", 24);
    size_t at = strlen(whole) / 2; /* a character of the middle, whole */
    while (at > 0 && (whole[at] & 0xC0) == 0x80)
        at--;
    char stop[8] = {0};
    size_t n = 1;
    while ((whole[at + n] & 0xC0) == 0x80)
        n++;
    memcpy(stop, whole + at, n);
    const char *stops[] = {stop};
    watch w = {0};
    capi_question q;
    tdm_error err = {0};
    capi_question_init(&q, "hello", 24);
    q.request.stops = stops;
    q.request.n_stops = 1;
    assert_int_equal(tdm_generate(rt, &q.request, &err, on_event, &w), TDM_OK);
    assert_null(strstr(w.text, stop));
    assert_memory_equal(w.text, whole, strlen(w.text));
    assert_int_equal(w.finish, TDM_FINISH_STOP);
    free(whole);
    tdm_runtime_destroy(&rt);
}

/* ---- ends ---- */

static void a_callback_that_stops_is_a_clean_end(void **state)
{
    (void)state;
    capi_question q;
    tdm_error err = {0};
    tdm_runtime *rt = capi_world_runtime(&world, "stopping", world.qwen, 1);
    capi_question_init(&q, "hello", 0);
    for (size_t after = 1; after < 4; after++) {
        watch w = {.stop_after = after};
        tdm_status s = tdm_generate(rt, &q.request, &err, on_event, &w);
        assert_true(s == TDM_END || (s == TDM_OK && w.end == TDM_END_ANSWERED));
        assert_true(w.n_events <= after);
        assert_int_equal(err.code, TDM_OK);
    }
    free(capi_answer(rt, "and again", 3)); /* its place is free */
    tdm_runtime_destroy(&rt);
}

static void *cancel_soon(void *gen)
{
    nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    for (int i = 0; i < 100; i++)
        tdm_gen_cancel(gen);
    return NULL;
}

static void another_thread_may_cancel(void **state)
{
    (void)state;
    tdm_runtime *rt = capi_world_runtime(&world, "cancel", world.qwen, 1);
    for (int i = 0; i < 20; i++) {
        capi_question q;
        tdm_gen *g = NULL;
        tdm_error err = {0};
        const tdm_event *ev;
        pthread_t thread;
        tdm_end end = TDM_END_NONE;
        tdm_status s;
        capi_question_init(&q, "hello", 0);
        assert_int_equal(tdm_gen_start(rt, &q.request, &g, &err), TDM_OK);
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, g), 0);
        while ((s = tdm_gen_next(g, &ev, -1, &err)) == TDM_OK)
            end = ev->end;
        assert_int_equal(s, TDM_END);
        assert_true(end == TDM_END_CANCELLED || end == TDM_END_ANSWERED);
        pthread_join(thread, NULL);
        tdm_gen_destroy(&g);
    }
    tdm_runtime_destroy(&rt);
}

static void destroying_ends_what_runs_and_twice_is_once(void **state)
{
    (void)state;
    capi_question q;
    tdm_error err = {0};
    tdm_runtime *rt = capi_world_runtime(&world, "destroy", world.qwen, 1);
    for (int i = 0; i < 10; i++) {
        tdm_gen *g = NULL;
        capi_question_init(&q, "hello", 0);
        assert_int_equal(tdm_gen_start(rt, &q.request, &g, &err), TDM_OK);
        tdm_gen_destroy(&g);
        assert_null(g);
        tdm_gen_destroy(&g);
    }
    tdm_runtime_destroy(&rt);
    assert_null(rt);
    tdm_runtime_destroy(&rt);
}

static void an_answer_outlives_its_runtime(void **state)
{
    (void)state;
    capi_question q;
    tdm_gen *g = NULL;
    tdm_status s;
    tdm_error err = {0};
    tdm_runtime *rt = capi_world_runtime(&world, "outlives", world.qwen, 1);
    char *before = capi_answer(rt, "hello", 8);
    capi_question_init(&q, "hello", 8);
    assert_int_equal(tdm_gen_start(rt, &q.request, &g, &err), TDM_OK);
    tdm_runtime_destroy(&rt);
    char *text = capi_collect(g, &s, NULL, &err);
    assert_int_equal(s, TDM_END);
    assert_string_equal(text, before);
    free(text);
    free(before);
    tdm_gen_destroy(&g);
}

static void waiting_has_an_end(void **state)
{
    (void)state;
    capi_question q;
    tdm_gen *g = NULL;
    tdm_error err = {0};
    const tdm_event *ev;
    tdm_status s;
    int n_again = 0;
    tdm_runtime *rt = capi_world_runtime(&world, "waiting", world.qwen, 1);
    capi_question_init(&q, "hello", 30);
    assert_int_equal(tdm_gen_start(rt, &q.request, &g, &err), TDM_OK);
    while ((s = tdm_gen_next(g, &ev, 0, &err)) >= 0 && s != TDM_END)
        n_again += s == TDM_AGAIN;
    assert_int_equal(s, TDM_END);
    assert_true(n_again > 0);
    tdm_gen_destroy(&g);
    tdm_runtime_destroy(&rt);
}

/* ---- errors ---- */

static void after_an_error_the_same_error_comes_again(void **state)
{
    (void)state;
    const size_t n = 1 << 20;
    char *megabyte = malloc(n + 1);
    memset(megabyte, 'a', n);
    megabyte[n] = '\0';
    capi_question q;
    tdm_gen *g = NULL;
    tdm_status s;
    tdm_error first = {0}, second = {0};
    const tdm_event *ev;
    tdm_runtime *rt = capi_world_runtime(&world, "errors", world.qwen, 1);
    capi_question_init(&q, megabyte, 8);
    assert_int_equal(tdm_gen_start(rt, &q.request, &g, &first), TDM_OK);
    free(megabyte); /* it was copied */
    char *text = capi_collect(g, &s, NULL, &first);
    assert_int_equal(s, TDM_ERR_LIMIT);
    assert_string_equal(text, "");
    assert_int_equal(tdm_gen_next(g, &ev, -1, &second), TDM_ERR_LIMIT);
    assert_string_equal(first.msg, second.msg);
    assert_non_null(strstr(first.msg, "context"));
    tdm_gen_cancel(g);
    assert_int_equal(tdm_gen_next(g, &ev, 0, NULL), TDM_ERR_LIMIT);
    free(text);
    tdm_gen_destroy(&g);
    tdm_runtime_destroy(&rt);
}

static void a_model_that_computes_nonsense_fails_the_answer(void **state)
{
    (void)state;
    watch w = {0};
    capi_question q;
    tdm_error err = {0};
    tdm_runtime *rt = capi_world_runtime(&world, "nonsense", world.broken, 1);
    capi_question_init(&q, "hello", 8);
    assert_int_equal(tdm_generate(rt, &q.request, &err, on_event, &w), TDM_ERR_FORMAT);
    assert_int_equal(w.end, TDM_END_NONE);
    assert_true(strlen(err.msg) > 0);
    tdm_runtime_destroy(&rt);
}

static void who_comes_too_much_is_told_so(void **state)
{
    (void)state;
    capi_question q;
    tdm_gen *g[3] = {NULL};
    tdm_error err = {0};
    tdm_runtime *rt = capi_world_runtime(&world, "busy", world.qwen, 1); /* one runs, one waits */
    capi_question_init(&q, "hello", 0);
    assert_int_equal(tdm_gen_start(rt, &q.request, &g[0], &err), TDM_OK);
    assert_int_equal(tdm_gen_start(rt, &q.request, &g[1], &err), TDM_OK);
    assert_int_equal(tdm_gen_start(rt, &q.request, &g[2], &err), TDM_ERR_BUSY);
    assert_null(g[2]);
    assert_true(strlen(err.msg) > 0);
    tdm_gen_destroy(&g[0]);
    tdm_gen_destroy(&g[1]);
    tdm_runtime_destroy(&rt);
}

/* ---- two runtimes ---- */

typedef struct crowd {
    tdm_runtime *rt;
    const char *expected;
    int n_wrong;
} crowd;

static void *ask_often(void *user)
{
    crowd *c = user;
    for (int i = 0; i < 8; i++) {
        char *text = capi_answer(c->rt, "hello", 16);
        c->n_wrong += strcmp(text, c->expected) != 0;
        free(text);
    }
    return NULL;
}

static void two_runtimes_do_not_know_each_other(void **state)
{
    (void)state;
    tdm_runtime *a = capi_world_runtime(&world, "one", world.qwen, 2);
    tdm_runtime *b = capi_world_runtime(&world, "two", world.llama, 2);
    char *of_a = capi_answer(a, "hello", 16), *of_b = capi_answer(b, "hello", 16);
    assert_string_not_equal(of_a, of_b);
    crowd crowds[] = {{a, of_a, 0}, {b, of_b, 0}, {a, of_a, 0}, {b, of_b, 0}};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &crowds[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(crowds[i].n_wrong, 0);
    }
    tdm_runtime_destroy(&a);
    char *again = capi_answer(b, "hello", 16);
    assert_string_equal(again, of_b);
    free(again);
    free(of_a);
    free(of_b);
    tdm_runtime_destroy(&b);
}

static void two_runtimes_share_a_model(void **state)
{
    (void)state;
    tdm_error err = {0};
    tdm_model *m = NULL;
    tdm_model_options mo;
    tdm_runtime_options ro;
    tdm_runtime *rt[2] = {NULL};
    char path[192], *text[2];
    tdm_model_options_default(&mo, sizeof mo);
    mo.path = world.qwen;
    mo.name = "shared";
    assert_int_equal(tdm_model_open(&mo, &m, &err), TDM_OK);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/shared-%d", world.folder, i);
        tdm_runtime_options_default(&ro, sizeof ro);
        ro.state_dir = path;
        assert_int_equal(tdm_runtime_create(&ro, &rt[i], &err), TDM_OK);
        assert_int_equal(tdm_runtime_serve(rt[i], m, NULL, &err), TDM_OK);
    }
    tdm_model_unref(&m);
    assert_null(m);
    text[0] = capi_answer(rt[0], "hello", 8);
    tdm_runtime_destroy(&rt[0]);
    text[1] = capi_answer(rt[1], "hello", 8);
    tdm_runtime_destroy(&rt[1]);
    assert_string_equal(text[0], text[1]);
    free(text[0]);
    free(text[1]);
}

/* One answer in a runtime of its own with a prefix_dir; how many tokens of the prompt were known. */
static size_t answer_with_prefixes(int i, char **text)
{
    tdm_error err = {0};
    tdm_model *m = NULL;
    tdm_model_options mo;
    tdm_runtime_options ro;
    tdm_serve_options so;
    tdm_runtime *rt = NULL;
    watch w = {0};
    capi_question q;
    char state[192], cache[192], prefixes[192];
    snprintf(state, sizeof state, "%s/prefix-%d", world.folder, i);
    snprintf(cache, sizeof cache, "%s/cache", world.folder);
    snprintf(prefixes, sizeof prefixes, "%s/prefixes", world.folder);
    tdm_model_options_default(&mo, sizeof mo);
    mo.path = world.qwen;
    mo.cache_dir = cache;
    tdm_runtime_options_default(&ro, sizeof ro);
    ro.state_dir = state;
    tdm_serve_options_default(&so, sizeof so);
    so.prefix_dir = prefixes;
    assert_int_equal(tdm_model_open(&mo, &m, &err), TDM_OK);
    assert_int_equal(tdm_runtime_create(&ro, &rt, &err), TDM_OK);
    assert_int_equal(tdm_runtime_serve(rt, m, &so, &err), TDM_OK);
    tdm_model_unref(&m);
    capi_question_init(&q, "a question of some length, so that it has several pages of sixteen tokens each", 8);
    assert_int_equal(tdm_generate(rt, &q.request, &err, on_event, &w), TDM_OK);
    tdm_runtime_destroy(&rt);
    *text = strdup(w.text);
    return w.n_reused;
}

static void a_later_runtime_knows_a_prompt(void **state)
{
    (void)state;
    char *text[2];
    assert_int_equal(answer_with_prefixes(0, &text[0]), 0);
    const size_t n = answer_with_prefixes(1, &text[1]);
    assert_true(n >= 32 && n % 16 == 0);
    assert_string_equal(text[0], text[1]);
    free(text[0]);
    free(text[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(decision_comes_first_then_text_then_one_end, nothing_is_left),
        cmocka_unit_test_teardown(push_gives_what_pull_gives, nothing_is_left),
        cmocka_unit_test_teardown(candidates_are_told_apart, nothing_is_left),
        cmocka_unit_test_teardown(a_prediction_changes_nothing, nothing_is_left),
        cmocka_unit_test_teardown(a_stop_string_ends_the_answer_before_it, nothing_is_left),
        cmocka_unit_test_teardown(a_callback_that_stops_is_a_clean_end, nothing_is_left),
        cmocka_unit_test_teardown(another_thread_may_cancel, nothing_is_left),
        cmocka_unit_test_teardown(destroying_ends_what_runs_and_twice_is_once, nothing_is_left),
        cmocka_unit_test_teardown(an_answer_outlives_its_runtime, nothing_is_left),
        cmocka_unit_test_teardown(waiting_has_an_end, nothing_is_left),
        cmocka_unit_test_teardown(after_an_error_the_same_error_comes_again, nothing_is_left),
        cmocka_unit_test_teardown(a_model_that_computes_nonsense_fails_the_answer, nothing_is_left),
        cmocka_unit_test_teardown(who_comes_too_much_is_told_so, nothing_is_left),
        cmocka_unit_test_teardown(two_runtimes_do_not_know_each_other, nothing_is_left),
        cmocka_unit_test_teardown(two_runtimes_share_a_model, nothing_is_left),
        cmocka_unit_test_teardown(a_later_runtime_knows_a_prompt, nothing_is_left),
    };
    return cmocka_run_group_tests(tests, make_world, remove_world);
}
