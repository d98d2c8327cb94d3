/* test_capi_misuse.c - wrong calls of the C library: each is an error with a sentence, none is a crash. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capi_world.h"

static capi_world world;
static tdm_error err; /* of the last call */

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

/* The call gives this status, with a sentence that holds this. */
#define REFUSED(call, status, holds)                                       \
    do {                                                                   \
        err = (tdm_error){0};                                              \
        assert_int_equal((call), (status));                                \
        assert_int_equal(err.code, (status));                              \
        if (!strstr(err.msg, (holds)))                                     \
            fail_msg("\"%s\" does not say \"%s\"", err.msg, (holds));      \
    } while (0)

static bool never(void *user, const tdm_event *ev)
{
    (void)user;
    (void)ev;
    return false;
}

static void null_is_refused_everywhere(void **state)
{
    (void)state;
    tdm_runtime *rt = NULL;
    tdm_model *m = NULL;
    tdm_gen *g = NULL;
    tdm_session *s = NULL;
    tdm_assistant *a = NULL;
    tdm_answer *w = NULL;
    tdm_verb_run *v = NULL;
    tdm_verb_result *r = NULL;
    const tdm_event *ev;
    const tdm_verb_event *vev;
    const tdm_answer_event *wev;
    const float *logits;
    uint64_t bytes;
    int32_t id;
    size_t n;
    REFUSED(tdm_runtime_create(NULL, &rt, &err), TDM_ERR_INVAL, "options is NULL");
    REFUSED(tdm_runtime_serve(NULL, NULL, NULL, &err), TDM_ERR_INVAL, "runtime is NULL");
    REFUSED(tdm_runtime_availability(NULL, "chat", NULL, NULL, &err), TDM_ERR_INVAL, "runtime is NULL");
    REFUSED(tdm_runtime_put_policy(NULL, "", 0, &err), TDM_ERR_INVAL, "runtime is NULL");
    REFUSED(tdm_runtime_put_filing(NULL, "", 0, &err), TDM_ERR_INVAL, "runtime is NULL");
    REFUSED(tdm_runtime_set_offline(NULL, true, &err), TDM_ERR_INVAL, "runtime is NULL");
    REFUSED(tdm_runtime_revoke_consent(NULL, NULL, NULL, NULL, &err), TDM_ERR_INVAL, "runtime is NULL");
    REFUSED(tdm_serve_estimate(NULL, NULL, &bytes, &err), TDM_ERR_INVAL, "model is NULL");
    REFUSED(tdm_model_open(NULL, &m, &err), TDM_ERR_INVAL, "options is NULL");
    REFUSED(tdm_model_get_info(NULL, NULL, &err), TDM_ERR_INVAL, "model is NULL");
    REFUSED(tdm_gen_start(NULL, NULL, &g, &err), TDM_ERR_INVAL, "runtime is NULL");
    REFUSED(tdm_gen_next(NULL, &ev, 0, &err), TDM_ERR_INVAL, "generation is NULL");
    REFUSED(tdm_generate(NULL, NULL, &err, NULL, NULL), TDM_ERR_INVAL, "callback is NULL");
    REFUSED(tdm_generate(NULL, NULL, &err, never, NULL), TDM_ERR_INVAL, "runtime is NULL");
    REFUSED(tdm_verb_start(NULL, NULL, &v, &err), TDM_ERR_INVAL, "runtime is NULL");
    REFUSED(tdm_verb_next(NULL, &vev, 0, &err), TDM_ERR_INVAL, "run is NULL");
    REFUSED(tdm_verb_once(NULL, NULL, &r, &err), TDM_ERR_INVAL, "runtime is NULL");
    REFUSED(tdm_assistant_create(NULL, &a, &err), TDM_ERR_INVAL, "runtime is NULL");
    REFUSED(tdm_assistant_start(NULL, NULL, &w, &err), TDM_ERR_INVAL, "assistant is NULL");
    REFUSED(tdm_answer_next(NULL, &wev, 0, &err), TDM_ERR_INVAL, "answer is NULL");
    REFUSED(tdm_session_create(NULL, NULL, &s, &err), TDM_ERR_INVAL, "model is NULL");
    REFUSED(tdm_session_sync(NULL, &id, 1, &err), TDM_ERR_INVAL, "session is NULL");
    REFUSED(tdm_session_append(NULL, 0, &err), TDM_ERR_INVAL, "session is NULL");
    REFUSED(tdm_session_logits(NULL, &logits, &n, &err), TDM_ERR_INVAL, "session is NULL");
    REFUSED(tdm_session_sample(NULL, NULL, 0, &id, &err), TDM_ERR_INVAL, "session is NULL");
    REFUSED(tdm_tokenize(NULL, "", 0, false, NULL, 0, &n, &err), TDM_ERR_INVAL, "model is NULL");
    REFUSED(tdm_detokenize(NULL, NULL, 0, false, NULL, 0, &n, &err), TDM_ERR_INVAL, "model is NULL");
    assert_int_equal(tdm_session_length(NULL), 0);
    assert_int_equal(tdm_tokenize_max(NULL, 1), 0);
    assert_false(tdm_token_is_end(NULL, 0));
    assert_null(tdm_model_ref(NULL));
    assert_null(tdm_verb_result_get(NULL));
    assert_int_equal(tdm_gen_next(NULL, NULL, 0, NULL), TDM_ERR_INVAL); /* without an error, too */
}

static void null_is_destroyed_everywhere(void **state)
{
    (void)state;
    tdm_runtime *rt = NULL;
    tdm_model *m = NULL;
    tdm_gen *g = NULL;
    tdm_session *s = NULL;
    tdm_assistant *a = NULL;
    tdm_answer *w = NULL;
    tdm_verb_run *v = NULL;
    tdm_verb_result *r = NULL;
    tdm_runtime_destroy(NULL), tdm_runtime_destroy(&rt);
    tdm_model_unref(NULL), tdm_model_unref(&m);
    tdm_gen_destroy(NULL), tdm_gen_destroy(&g);
    tdm_session_destroy(NULL), tdm_session_destroy(&s);
    tdm_assistant_destroy(NULL), tdm_assistant_destroy(&a);
    tdm_answer_destroy(NULL), tdm_answer_destroy(&w);
    tdm_verb_destroy(NULL), tdm_verb_destroy(&v);
    tdm_verb_result_destroy(NULL), tdm_verb_result_destroy(&r);
    tdm_gen_cancel(NULL), tdm_answer_cancel(NULL), tdm_verb_cancel(NULL);
    tdm_request_default(NULL, sizeof(tdm_request));
}

/* ---- structures of other versions ---- */

static void a_structure_without_its_size_is_refused(void **state)
{
    (void)state;
    tdm_model *m = NULL;
    tdm_runtime *rt = NULL;
    tdm_model_options mo = {.path = world.qwen};
    tdm_runtime_options ro = {.state_dir = world.folder};
    REFUSED(tdm_model_open(&mo, &m, &err), TDM_ERR_INVAL, "tdm_model_options.struct_size is 0");
    mo.struct_size = sizeof mo - 1;
    REFUSED(tdm_model_open(&mo, &m, &err), TDM_ERR_INVAL, "struct_size");
    mo.struct_size = SIZE_MAX;
    REFUSED(tdm_model_open(&mo, &m, &err), TDM_ERR_INVAL, "struct_size");
    REFUSED(tdm_runtime_create(&ro, &rt, &err), TDM_ERR_INVAL, "tdm_runtime_options.struct_size is 0");
    const tdm_allocator a = {0};
    REFUSED(tdm_set_allocator(&a, &err), TDM_ERR_INVAL, "tdm_allocator.struct_size");
}

/* What a program sees that was compiled with a later version of the headers. */
static void a_later_structure_is_taken_when_it_asks_for_nothing_new(void **state)
{
    (void)state;
    struct {
        tdm_model_options now;
        uint64_t later;
    } o;
    tdm_model *m = NULL;
    tdm_model_options_default(&o.now, sizeof o);
    assert_int_equal(o.now.struct_size, sizeof o);
    o.now.path = world.qwen;
    assert_int_equal(tdm_model_open(&o.now, &m, &err), TDM_OK);
    tdm_model_unref(&m);
    o.later = 1;
    REFUSED(tdm_model_open(&o.now, &m, &err), TDM_ERR_INVAL, "does not know");
    assert_null(m);
}

static void info_fills_what_the_caller_has_and_no_more(void **state)
{
    (void)state;
    tdm_model *m = NULL;
    tdm_model_options o;
    struct {
        tdm_model_info now;
        uint64_t later, behind;
    } i;
    tdm_model_options_default(&o, sizeof o);
    o.path = world.llama;
    assert_int_equal(tdm_model_open(&o, &m, &err), TDM_OK);
    memset(&i, 0xAA, sizeof i);
    i.now.struct_size = sizeof i - sizeof i.behind;
    assert_int_equal(tdm_model_get_info(m, &i.now, &err), TDM_OK);
    assert_string_equal(i.now.name, "tiny-llama");
    assert_string_equal(i.now.architecture, "llama");
    assert_true(i.now.can_chat && i.now.n_parameters > 0 && i.now.file_bytes > 0 && i.now.n_vocabulary > 0);
    assert_true(i.later == 0);
    assert_true(i.behind == 0xAAAAAAAAAAAAAAAAu);
    i.now.struct_size = 8;
    REFUSED(tdm_model_get_info(m, &i.now, &err), TDM_ERR_INVAL, "struct_size");
    tdm_model_unref(&m);
}

/* ---- values ---- */

static void a_request_says_what_is_wrong_with_it(void **state)
{
    (void)state;
    static const char long_stop[300] = {[0 ... 298] = 'x'};
    const char *stops[] = {long_stop};
    char app[80] = {0};
    tdm_gen *g = NULL;
    capi_question q;
    tdm_sampling s;
    tdm_runtime *rt = capi_world_runtime(&world, "values", world.qwen, 1);
    capi_question_init(&q, "hello", 4);
    q.request.n_messages = 0;
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "0 messages");
    q.request.n_messages = TDM_MESSAGES_MAX + 1;
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "4097 messages, 1 to 4096");
    q.request.n_messages = 1;
    q.request.messages = NULL;
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "0 messages");
    capi_question_init(&q, "\xff\xfe", 4);
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "message 0 is no UTF-8");
    capi_question_init(&q, "a\0b", 4);
    q.message.len = 3;
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "NUL");
    capi_question_init(&q, NULL, 4);
    q.message.len = 3;
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "NULL and has a length of 3");
    capi_question_init(&q, "hello", 4);
    q.message.role = (tdm_role)9;
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "role of message 0 is 9");
    capi_question_init(&q, "hello", 4);
    q.request.n_candidates = TDM_CANDIDATES_MAX + 1;
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "n_candidates is 9");
    capi_question_init(&q, "hello", 4);
    q.request.language = "fr";
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "language");
    capi_question_init(&q, "hello", 4);
    q.request.prediction = "\xff";
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "the prediction is no UTF-8");
    capi_question_init(&q, "hello", 4);
    q.request.stops = stops;
    q.request.n_stops = 1;
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "has 299 bytes");
    stops[0] = "";
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "has 0 bytes");
    q.request.n_stops = 9;
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "9 stop strings");
    capi_question_init(&q, "hello", 4);
    memset(app, 'a', sizeof app - 1);
    q.request.app = app;
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "app has 79 bytes");
    q.request.app = "mail\xff";
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "app is no UTF-8");
    static const char *const unprintable[] = {"mail\n", "\t", "mail\x7f", "mail\xc2\x80", "\xc2\x9fmail"};
    for (size_t i = 0; i < sizeof unprintable / sizeof *unprintable; i++) {
        q.request.app = unprintable[i];
        REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "app has a control character");
    }
    capi_question_init(&q, "hello", 4);
    tdm_sampling_default(&s, sizeof s);
    q.request.sampling = &s;
    s.temperature = NAN;
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "temperature");
    s.temperature = 1;
    s.struct_size = 3;
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_INVAL, "tdm_sampling.struct_size");
    assert_null(g);
    tdm_runtime_destroy(&rt);
}

static void a_verb_says_which_messages_it_lacks(void **state)
{
    (void)state;
    tdm_verb_run *v = NULL;
    tdm_verb_ask a;
    tdm_runtime *rt = capi_world_runtime(&world, "messages", world.qwen, 1);
    tdm_verb_ask_default(&a, sizeof a);
    a.verb = TDM_VERB_REPLY;
    a.n_messages = 1;
    REFUSED(tdm_verb_start(rt, &a, &v, &err), TDM_ERR_INVAL, "messages is NULL");
    a.messages = &(tdm_verb_message){.text = "hello"};
    a.n_messages = TDM_VERB_MESSAGES_MAX + 1;
    REFUSED(tdm_verb_start(rt, &a, &v, &err), TDM_ERR_LIMIT, "201 messages, 200 are the most");
    assert_null(v);
    tdm_runtime_destroy(&rt);
}

static void a_model_that_is_none_is_refused(void **state)
{
    (void)state;
    tdm_model *m = NULL;
    tdm_model_options o;
    tdm_model_options_default(&o, sizeof o);
    REFUSED(tdm_model_open(&o, &m, &err), TDM_ERR_INVAL, "path");
    o.path = "/nowhere/at/all.gguf";
    REFUSED(tdm_model_open(&o, &m, &err), TDM_ERR_NOT_FOUND, "/nowhere/at/all.gguf");
    o.path = world.folder;
    assert_true(tdm_model_open(&o, &m, &err) < 0 && strlen(err.msg) > 0);
    char long_name[200] = {0};
    memset(long_name, 'n', sizeof long_name - 1);
    o.path = world.qwen;
    o.name = long_name;
    REFUSED(tdm_model_open(&o, &m, &err), TDM_ERR_LIMIT, "199 bytes, the limit is 127");
    assert_null(m);
}

static void a_runtime_that_cannot_be_is_refused(void **state)
{
    (void)state;
    tdm_runtime *rt = NULL;
    tdm_runtime_options o;
    char path[700] = {0};
    tdm_runtime_options_default(&o, sizeof o);
    REFUSED(tdm_runtime_create(&o, &rt, &err), TDM_ERR_INVAL, "state_dir");
    o.state_dir = "/proc/nothing/here";
    assert_true(tdm_runtime_create(&o, &rt, &err) < 0 && strlen(err.msg) > 0);
    memset(path, 'a', sizeof path - 1);
    o.state_dir = path;
    REFUSED(tdm_runtime_create(&o, &rt, &err), TDM_ERR_LIMIT, "699 bytes");
    o.state_dir = world.qwen; /* a file */
    assert_true(tdm_runtime_create(&o, &rt, &err) < 0 && strlen(err.msg) > 0);
    assert_null(rt);
}

static void a_model_is_served_once(void **state)
{
    (void)state;
    tdm_model *m = NULL;
    tdm_model_options mo;
    tdm_serve_options so;
    tdm_runtime_options ro;
    tdm_gen *g = NULL;
    capi_question q;
    char path[192];
    tdm_runtime *rt = NULL;
    snprintf(path, sizeof path, "%s/once", world.folder);
    tdm_runtime_options_default(&ro, sizeof ro);
    ro.state_dir = path;
    assert_int_equal(tdm_runtime_create(&ro, &rt, &err), TDM_OK);
    capi_question_init(&q, "hello", 4);
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_UPSTREAM, "tdm_runtime_serve");

    tdm_model_options_default(&mo, sizeof mo);
    mo.path = world.mute;
    assert_int_equal(tdm_model_open(&mo, &m, &err), TDM_OK);
    REFUSED(tdm_runtime_serve(rt, m, NULL, &err), TDM_ERR_UNSUPPORTED, "chat_template");
    REFUSED(tdm_gen_start(rt, &q.request, &g, &err), TDM_ERR_UPSTREAM, "chat_template");
    tdm_model_unref(&m);

    mo.path = world.qwen;
    assert_int_equal(tdm_model_open(&mo, &m, &err), TDM_OK);
    tdm_serve_options_default(&so, sizeof so);
    so.n_context = 1 << 20;
    REFUSED(tdm_runtime_serve(rt, m, &so, &err), TDM_ERR_LIMIT, "1048576");
    so.n_context = 0;
    so.n_parallel = 100000;
    REFUSED(tdm_runtime_serve(rt, m, &so, &err), TDM_ERR_INVAL, "n_parallel is 100000");
    so.n_parallel = 1;
    so.n_threads = -1;
    REFUSED(tdm_runtime_serve(rt, m, &so, &err), TDM_ERR_INVAL, "n_threads is -1");
    so.n_threads = 1;
    so.memory_bytes_max = 1;
    REFUSED(tdm_runtime_serve(rt, m, &so, &err), TDM_ERR_LIMIT, "memory");
    uint64_t bytes = 0, bytes_q8 = 0;
    so.memory_bytes_max = 0;
    so.cache = (tdm_cache_type)-1;
    REFUSED(tdm_runtime_serve(rt, m, &so, &err), TDM_ERR_INVAL, "cache is -1");
    so.cache = TDM_CACHE_Q8;
    assert_int_equal(tdm_serve_estimate(m, &so, &bytes_q8, &err), TDM_OK);
    so.struct_size = offsetof(tdm_serve_options, cache); /* a caller of the version before */
    assert_int_equal(tdm_serve_estimate(m, &so, &bytes, &err), TDM_OK);
    so.struct_size = sizeof so;
    assert_true(bytes_q8 > 0 && bytes > bytes_q8);
    so.cache = TDM_CACHE_F16;
    so.memory_bytes_max = bytes;
    if (tdm_runtime_serve(rt, m, &so, &err) != TDM_OK) /* after all these */
        fail_msg("%s", err.msg);
    REFUSED(tdm_runtime_serve(rt, m, &so, &err), TDM_ERR_BUSY, "tiny-qwen answers");
    free(capi_answer(rt, "hello", 4));
    tdm_model_unref(&m);
    tdm_runtime_destroy(&rt);
}

static void availability_says_what_would_be(void **state)
{
    (void)state;
    tdm_runtime_options ro;
    tdm_availability a = {.struct_size = sizeof a};
    char path[192];
    tdm_runtime *rt = NULL;
    snprintf(path, sizeof path, "%s/availability", world.folder);
    tdm_runtime_options_default(&ro, sizeof ro);
    ro.state_dir = path;
    assert_int_equal(tdm_runtime_create(&ro, &rt, &err), TDM_OK);
    assert_int_equal(tdm_runtime_availability(rt, "chat", NULL, &a, &err), TDM_OK);
    assert_int_equal(a.state, TDM_AVAILABILITY_COMING);
    tdm_runtime_destroy(&rt);
    rt = capi_world_runtime(&world, "availability", world.qwen, 1);
    assert_int_equal(tdm_runtime_availability(rt, "chat", "zh", &a, &err), TDM_OK);
    assert_int_equal(a.state, TDM_AVAILABILITY_DEVICE_ONLY);
    assert_string_equal(a.reason, "NONE");
    assert_int_equal(tdm_runtime_availability(rt, "visual", "en", &a, &err), TDM_OK);
    assert_int_equal(a.state, TDM_AVAILABILITY_OFF);
    assert_true(strlen(a.reason) > 0 && strlen(a.text) > 0);
    REFUSED(tdm_runtime_availability(rt, NULL, "en", &a, &err), TDM_ERR_INVAL, "feature is NULL");
    REFUSED(tdm_runtime_availability(rt, "chat", "xx", &a, &err), TDM_ERR_INVAL, "language");
    a.struct_size = 1;
    REFUSED(tdm_runtime_availability(rt, "chat", "en", &a, &err), TDM_ERR_INVAL, "struct_size");
    tdm_runtime_destroy(&rt);
}

static void what_is_not_signed_changes_nothing(void **state)
{
    (void)state;
    size_t n = 99;
    tdm_runtime *rt = capi_world_runtime(&world, "unsigned", world.qwen, 1);
    assert_true(tdm_runtime_put_policy(rt, "{}", 0, &err) < 0 && strlen(err.msg) > 0);
    err = (tdm_error){0};
    assert_true(tdm_runtime_put_filing(rt, "[]", 2, &err) < 0 && strlen(err.msg) > 0);
    assert_int_equal(tdm_runtime_set_offline(rt, true, &err), TDM_OK);
    assert_int_equal(tdm_runtime_set_offline(rt, false, &err), TDM_OK);
    assert_int_equal(tdm_runtime_revoke_consent(rt, NULL, NULL, &n, &err), TDM_OK);
    assert_int_equal(n, 0);
    free(capi_answer(rt, "hello", 4));
    tdm_runtime_destroy(&rt);
}

static void the_version_is_one(void **state)
{
    (void)state;
    char expected[32];
    snprintf(expected, sizeof expected, "%d.%d.%d", TDM_VERSION_MAJOR, TDM_VERSION_MINOR, TDM_VERSION_PATCH);
    assert_string_equal(tdm_version(), expected);
    assert_string_equal(tdm_version(), TANDEM_TEST_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(null_is_refused_everywhere, nothing_is_left),
        cmocka_unit_test_teardown(null_is_destroyed_everywhere, nothing_is_left),
        cmocka_unit_test_teardown(a_structure_without_its_size_is_refused, nothing_is_left),
        cmocka_unit_test_teardown(a_later_structure_is_taken_when_it_asks_for_nothing_new, nothing_is_left),
        cmocka_unit_test_teardown(info_fills_what_the_caller_has_and_no_more, nothing_is_left),
        cmocka_unit_test_teardown(a_request_says_what_is_wrong_with_it, nothing_is_left),
        cmocka_unit_test_teardown(a_verb_says_which_messages_it_lacks, nothing_is_left),
        cmocka_unit_test_teardown(a_model_that_is_none_is_refused, nothing_is_left),
        cmocka_unit_test_teardown(a_runtime_that_cannot_be_is_refused, nothing_is_left),
        cmocka_unit_test_teardown(a_model_is_served_once, nothing_is_left),
        cmocka_unit_test_teardown(availability_says_what_would_be, nothing_is_left),
        cmocka_unit_test_teardown(what_is_not_signed_changes_nothing, nothing_is_left),
        cmocka_unit_test(the_version_is_one),
    };
    return cmocka_run_group_tests(tests, make_world, remove_world);
}
