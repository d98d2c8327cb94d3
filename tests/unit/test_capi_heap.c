/* test_capi_heap.c - all memory of the library comes from the caller's allocator and goes back to it; all its lines go
 * to the caller's log; the verbs and the assistant as handles.
 */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "capi_world.h"
#include "marked_heap.h"
#include "os/cpu.h"

static capi_world world;
static marked_heap heap;

static int make_world(void **state)
{
    (void)state;
    tdm_error err = {0};
    capi_world_init(&world);
    const tdm_allocator a = marked_heap_allocator(&heap);
    return tdm_set_allocator(&a, &err) == TDM_OK ? 0 : -1;
}

static int remove_world(void **state)
{
    (void)state;
    capi_world_fini(&world);
    return tdm_set_allocator(NULL, NULL) == TDM_OK ? 0 : -1;
}

static int nothing_is_left(void **state)
{
    (void)state;
    assert_int_equal(tdm_allocated_blocks(), 0);
    assert_int_equal(atomic_load(&heap.n_blocks), 0);
    return 0;
}

static void a_chat_uses_no_other_memory(void **state)
{
    (void)state;
    tdm_error err = {0};
    marked_heap_arm(&heap, 0);
    tdm_runtime *rt = capi_world_runtime(&world, "heap", world.qwen, 2);
    free(capi_answer(rt, "hello", 8));
    assert_true(atomic_load(&heap.n_calls) > 100);
    assert_true(atomic_load(&heap.n_blocks) > 0);
    assert_int_equal(tdm_allocated_blocks(), atomic_load(&heap.n_blocks));
    assert_int_equal(tdm_set_allocator(NULL, &err), TDM_ERR_BUSY); /* not now */
    assert_non_null(strstr(err.msg, "blocks"));
    tdm_runtime_destroy(&rt);
}

static void an_allocator_with_a_hole_is_refused(void **state)
{
    (void)state;
    tdm_error err = {0};
    tdm_allocator a = marked_heap_allocator(&heap);
    a.resize = NULL;
    assert_int_equal(tdm_set_allocator(&a, &err), TDM_ERR_INVAL);
    assert_non_null(strstr(err.msg, "all five"));
}

/* ---- verbs ---- */

static void a_verb_is_pulled_to_its_end(void **state)
{
    (void)state;
    tdm_error err = {0};
    tdm_verb_ask ask;
    tdm_verb_run *v = NULL;
    const tdm_verb_event *ev;
    tdm_status s;
    size_t n_events = 0, n_done = 0;
    tdm_runtime *rt = capi_world_runtime(&world, "verb", world.qwen, 2);
    tdm_verb_ask_default(&ask, sizeof ask);
    ask.verb = TDM_VERB_REWRITE;
    ask.text = "We will meet at the station at nine, please bring the two tickets.";
    ask.wants_pieces = true;
    ask.n = 2;
    assert_int_equal(tdm_verb_start(rt, &ask, &v, &err), TDM_OK);
    while ((s = tdm_verb_next(v, &ev, -1, &err)) == TDM_OK) {
        assert_int_equal(n_done, 0); /* DONE is the last */
        assert_true(n_events++ > 0 || ev->kind == TDM_VERB_EVENT_DECISION);
        n_done += ev->kind == TDM_VERB_EVENT_DONE;
        if (ev->kind == TDM_VERB_EVENT_DONE && ev->spine.end == TDM_END_ANSWERED)
            assert_true(ev->n_suggestions > 0 && ev->suggestions[0].text_len > 0);
    }
    /* A model of random weights seldom passes the checks: then that is the error, and it stays. */
    assert_true((s == TDM_END && n_done == 1) || (s < 0 && n_done == 0 && strlen(err.msg) > 0));
    assert_int_equal(tdm_verb_next(v, &ev, 0, NULL), s);
    tdm_verb_destroy(&v);
    assert_null(v);
    tdm_runtime_destroy(&rt);
}

static void a_verb_can_be_cancelled_and_destroyed_any_time(void **state)
{
    (void)state;
    tdm_error err = {0};
    tdm_verb_ask ask;
    tdm_runtime *rt = capi_world_runtime(&world, "verb-cancel", world.qwen, 2);
    tdm_verb_ask_default(&ask, sizeof ask);
    ask.verb = TDM_VERB_REWRITE;
    ask.text = "We will meet at the station at nine, please bring the two tickets.";
    for (int i = 0; i < 10; i++) {
        tdm_verb_run *v = NULL;
        const tdm_verb_event *ev;
        assert_int_equal(tdm_verb_start(rt, &ask, &v, &err), TDM_OK);
        if (i % 2 == 0)
            tdm_verb_cancel(v);
        if (i % 3 == 0)
            while (tdm_verb_next(v, &ev, -1, NULL) == TDM_OK)
                ;
        tdm_verb_destroy(&v);
    }
    tdm_runtime_destroy(&rt);
}

static void a_verb_says_what_is_wrong_with_it(void **state)
{
    (void)state;
    tdm_error err = {0};
    tdm_verb_ask ask;
    tdm_verb_result *r = NULL;
    char *big = malloc((1 << 20) + 1);
    tdm_runtime *rt = capi_world_runtime(&world, "verb-wrong", world.qwen, 2);
    tdm_verb_ask_default(&ask, sizeof ask);
    ask.text = "Some text that is long enough.";
    assert_int_equal(tdm_verb_once(rt, &ask, &r, &err), TDM_ERR_INVAL);
    assert_non_null(strstr(err.msg, "verb is 0"));
    ask.verb = (tdm_verb)77;
    assert_int_equal(tdm_verb_once(rt, &ask, &r, &err), TDM_ERR_INVAL);
    ask.verb = TDM_VERB_REWRITE;
    ask.style = (tdm_style)-1;
    assert_int_equal(tdm_verb_once(rt, &ask, &r, &err), TDM_ERR_INVAL);
    ask.style = TDM_STYLE_NONE;
    ask.text = "\x80\x81 not UTF-8";
    assert_int_equal(tdm_verb_once(rt, &ask, &r, &err), TDM_ERR_INVAL);
    ask.text = "";
    assert_true(tdm_verb_once(rt, &ask, &r, &err) < 0);
    memset(big, 'a', 1 << 20);
    big[1 << 20] = '\0';
    ask.text = big;
    assert_int_equal(tdm_verb_once(rt, &ask, &r, &err), TDM_ERR_LIMIT);
    assert_non_null(strstr(err.msg, "262144"));
    assert_null(r);
    free(big);
    tdm_runtime_destroy(&rt);
}

/* ---- the assistant ---- */

static void the_assistant_answers_alone_where_no_partner_is(void **state)
{
    (void)state;
    tdm_error err = {0};
    tdm_assistant *a = NULL;
    tdm_answer *w = NULL;
    tdm_assistant_ask ask;
    const tdm_answer_event *ev;
    tdm_status s;
    size_t n_text = 0;
    char state_of_end[32] = "";
    const tdm_message message = {.role = TDM_ROLE_USER, .text = "hello"};
    tdm_runtime *rt = capi_world_runtime(&world, "assistant", world.qwen, 1);
    assert_int_equal(tdm_assistant_create(rt, &a, &err), TDM_OK);
    tdm_assistant_ask_default(&ask, sizeof ask);
    ask.messages = &message;
    ask.n_messages = 1;
    ask.max_tokens = 12;
    assert_int_equal(tdm_assistant_start(a, &ask, &w, &err), TDM_OK);
    tdm_assistant_destroy(&a); /* the answer goes on */
    tdm_runtime_destroy(&rt);
    while ((s = tdm_answer_next(w, &ev, -1, &err)) == TDM_OK) {
        assert_non_null(ev->json);
        assert_int_equal(ev->json[0], '{');
        if (ev->kind == TDM_ANSWER_EVENT_TEXT) {
            n_text += ev->text_len;
            assert_string_equal(ev->source, "own");
        }
        if (ev->kind == TDM_ANSWER_EVENT_DONE)
            snprintf(state_of_end, sizeof state_of_end, "%s", ev->state);
        assert_int_equal(strlen(ev->decision_id), 32);
    }
    assert_int_equal(s, TDM_END);
    assert_true(n_text > 0);
    assert_string_equal(state_of_end, "answered");
    tdm_answer_destroy(&w);
    tdm_answer_destroy(&w);
}

static void an_offer_that_never_was_is_refused(void **state)
{
    (void)state;
    tdm_error err = {0};
    tdm_assistant *a = NULL;
    tdm_answer *w = NULL;
    tdm_assistant_ask ask;
    const tdm_message message = {.role = TDM_ROLE_USER, .text = "hello"};
    tdm_runtime *rt = capi_world_runtime(&world, "offers", world.qwen, 1);
    assert_int_equal(tdm_assistant_create(rt, &a, &err), TDM_OK);
    tdm_assistant_ask_default(&ask, sizeof ask);
    assert_int_equal(tdm_assistant_start(a, &ask, &w, &err), TDM_ERR_INVAL); /* no messages */
    ask.offer_id = "0123456789abcdef0123456789abcdef";
    assert_int_equal(tdm_assistant_start(a, &ask, &w, &err), TDM_ERR_INVAL); /* no consent */
    ask.consent = TDM_CONSENT_ONCE;
    assert_int_equal(tdm_assistant_start(a, &ask, &w, &err), TDM_ERR_INVAL); /* unknown */
    assert_true(strlen(err.msg) > 0);
    ask.messages = &message;
    ask.n_messages = 1;
    assert_int_equal(tdm_assistant_start(a, &ask, &w, &err), TDM_ERR_INVAL); /* both */
    assert_null(w);
    tdm_assistant_destroy(&a);
    tdm_runtime_destroy(&rt);
}

/* ---- while a model is on its way ---- */

/* The marked heap, whose caller on the serving thread waits at its first aligned block (the engine's) until it is let
 * through: a load that takes as long as the test wants. */
typedef struct gated_heap {
    tdm_allocator inner;
    pthread_t serving;
    atomic_bool is_armed;
    sem_t has_come, may_go;
} gated_heap;

static void *gated_aligned(void *user, size_t align, size_t n)
{
    gated_heap *h = user;
    if (atomic_load(&h->is_armed) && pthread_equal(pthread_self(), h->serving)) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 20;
        atomic_store(&h->is_armed, false);
        sem_post(&h->has_come);
        sem_timedwait(&h->may_go, &until);
    }
    return h->inner.alloc_aligned(h->inner.user, align, n);
}

static void *gated_alloc(void *user, size_t n)
{
    gated_heap *h = user;
    return h->inner.alloc(h->inner.user, n);
}

static void *gated_zeroed(void *user, size_t n)
{
    gated_heap *h = user;
    return h->inner.alloc_zeroed(h->inner.user, n);
}

static void *gated_resize(void *user, void *p, size_t n)
{
    gated_heap *h = user;
    return h->inner.resize(h->inner.user, p, n);
}

static void gated_release(void *user, void *p)
{
    gated_heap *h = user;
    h->inner.release(h->inner.user, p);
}

typedef struct serve_call {
    gated_heap *heap;
    tdm_runtime *runtime;
    tdm_model *model;
    tdm_status status;
} serve_call;

static void *serve_main(void *user)
{
    serve_call *c = user;
    c->heap->serving = pthread_self();
    atomic_store(&c->heap->is_armed, true);
    c->status = tdm_runtime_serve(c->runtime, c->model, NULL, NULL);
    return NULL;
}

static void availability_does_not_wait_for_a_model_that_is_loaded(void **state)
{
    (void)state;
    gated_heap gate = {.inner = marked_heap_allocator(&heap)};
    const tdm_allocator a = {sizeof a, gated_alloc, gated_zeroed, gated_aligned, gated_resize, gated_release, &gate};
    tdm_error err = {0};
    tdm_runtime_options ro;
    tdm_model_options mo;
    char path[160];
    serve_call call = {.heap = &gate};
    tdm_availability now = {.struct_size = sizeof now};
    pthread_t thread;
    sem_init(&gate.has_come, 0, 0);
    sem_init(&gate.may_go, 0, 0);
    assert_int_equal(tdm_set_allocator(&a, &err), TDM_OK);
    snprintf(path, sizeof path, "%s/loading", world.folder);
    tdm_runtime_options_default(&ro, sizeof ro);
    ro.state_dir = path;
    tdm_model_options_default(&mo, sizeof mo);
    mo.path = world.qwen;
    assert_int_equal(tdm_runtime_create(&ro, &call.runtime, &err), TDM_OK);
    assert_int_equal(tdm_model_open(&mo, &call.model, &err), TDM_OK);
    assert_int_equal(pthread_create(&thread, NULL, serve_main, &call), 0);
    sem_wait(&gate.has_come);
    assert_int_equal(tdm_runtime_availability(call.runtime, "chat", NULL, &now, &err), TDM_OK);
    assert_int_equal(now.state, TDM_AVAILABILITY_COMING); /* the load would be over, had it waited for it */
    sem_post(&gate.may_go);
    pthread_join(thread, NULL);
    assert_int_equal(call.status, TDM_OK);
    assert_int_equal(tdm_runtime_availability(call.runtime, "chat", NULL, &now, &err), TDM_OK);
    assert_int_equal(now.state, TDM_AVAILABILITY_DEVICE_ONLY);
    tdm_runtime_destroy(&call.runtime);
    tdm_model_unref(&call.model);
    const tdm_allocator own = marked_heap_allocator(&heap);
    assert_int_equal(tdm_set_allocator(&own, &err), TDM_OK);
    sem_destroy(&gate.has_come);
    sem_destroy(&gate.may_go);
}

/* ---- log ---- */

typedef struct lines {
    size_t n;
    tdm_log_level level;
    char last[512];
} lines;

static void on_line(void *user, tdm_log_level level, const char *text)
{
    lines *l = user;
    l->n++;
    l->level = level;
    snprintf(l->last, sizeof l->last, "%s", text);
}

static void each_runtime_speaks_to_its_own_log(void **state)
{
    (void)state;
    tdm_error err = {0};
    lines of[2] = {{0}};
    tdm_runtime *rt[2] = {NULL};
    tdm_availability a = {.struct_size = sizeof a};
    for (int i = 0; i < 2; i++) {
        char path[160], policy[200];
        tdm_runtime_options o;
        snprintf(path, sizeof path, "%s/log-%d", world.folder, i);
        snprintf(policy, sizeof policy, "%s/policy.json", path);
        assert_int_equal(mkdir(path, 0700), 0);
        if (i == 1) { /* a policy that nobody signed */
            FILE *f = fopen(policy, "w");
            assert_non_null(f);
            fputs("{}", f);
            fclose(f);
        }
        tdm_runtime_options_default(&o, sizeof o);
        o.state_dir = path;
        o.log = on_line;
        o.log_user = &of[i];
        assert_int_equal(tdm_runtime_create(&o, &rt[i], &err), TDM_OK);
    }
    assert_int_equal(of[0].n, 0);
    assert_true(of[1].n > 0);
    assert_true(of[1].level == TDM_LOG_ERROR || of[1].level == TDM_LOG_WARNING);
    assert_non_null(strstr(of[1].last, "policy"));
    assert_null(strchr(of[1].last, '\n'));
    assert_int_equal(tdm_runtime_availability(rt[1], "chat", NULL, &a, &err), TDM_OK);
    assert_int_equal(a.state, TDM_AVAILABILITY_OFF);
    tdm_runtime_destroy(&rt[0]);
    tdm_runtime_destroy(&rt[1]);
}

static void threads_beyond_the_processors_are_taken_off_and_the_log_says_so(void **state)
{
    (void)state;
    tdm_error err = {0};
    lines said = {0};
    tdm_runtime *rt = NULL;
    tdm_model *m = NULL;
    tdm_model_options mo;
    tdm_runtime_options o;
    tdm_serve_options serve;
    char path[160], used[64];
    uint64_t bytes = 0, bytes_of_all = 0;
    snprintf(path, sizeof path, "%s/threads", world.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    tdm_runtime_options_default(&o, sizeof o);
    o.state_dir = path;
    o.log = on_line;
    o.log_user = &said;
    assert_int_equal(tdm_runtime_create(&o, &rt, &err), TDM_OK);
    tdm_model_options_default(&mo, sizeof mo);
    mo.path = world.qwen;
    assert_int_equal(tdm_model_open(&mo, &m, &err), TDM_OK);
    tdm_serve_options_default(&serve, sizeof serve);
    assert_int_equal(tdm_serve_estimate(m, &serve, &bytes_of_all, &err), TDM_OK);
    serve.n_threads = 1000;
    assert_int_equal(tdm_serve_estimate(m, &serve, &bytes, &err), TDM_OK);
    assert_int_equal(bytes, bytes_of_all);
    size_t n_before = said.n;
    assert_int_equal(tdm_runtime_serve(rt, m, &serve, &err), TDM_OK);
    snprintf(used, sizeof used, "this process may use %d processor", tdm__cpu_count());
    assert_int_equal(said.n, n_before + 1);
    assert_int_equal(said.level, TDM_LOG_NOTE);
    assert_non_null(strstr(said.last, "1000 threads are asked for"));
    assert_non_null(strstr(said.last, used));
    tdm_runtime_destroy(&rt);
    tdm_model_unref(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_chat_uses_no_other_memory, nothing_is_left),
        cmocka_unit_test_teardown(an_allocator_with_a_hole_is_refused, nothing_is_left),
        cmocka_unit_test_teardown(a_verb_is_pulled_to_its_end, nothing_is_left),
        cmocka_unit_test_teardown(a_verb_can_be_cancelled_and_destroyed_any_time, nothing_is_left),
        cmocka_unit_test_teardown(a_verb_says_what_is_wrong_with_it, nothing_is_left),
        cmocka_unit_test_teardown(the_assistant_answers_alone_where_no_partner_is, nothing_is_left),
        cmocka_unit_test_teardown(an_offer_that_never_was_is_refused, nothing_is_left),
        cmocka_unit_test_teardown(availability_does_not_wait_for_a_model_that_is_loaded, nothing_is_left),
        cmocka_unit_test_teardown(each_runtime_speaks_to_its_own_log, nothing_is_left),
        cmocka_unit_test_teardown(threads_beyond_the_processors_are_taken_off_and_the_log_says_so, nothing_is_left),
    };
    return cmocka_run_group_tests(tests, make_world, remove_world);
}
