/* test_request.c - the spine over a tiny random model: states, decision, trust, refusals, cancels, ends. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "request/request.h"
#include "temp_folder.h"
#include "tiny_model.h"

enum { N_SLOTS = 2, N_QUEUE = 3, LOG_MAX = 64 };

/* One request, collected. */
typedef struct reply {
    tdm__request *request;
    char kinds[LOG_MAX]; /* D decision, T text, E end */
    size_t n_kinds;
    char decision_id[TDM__DECISION_ID_TEXT], model_name[128], screening[32], label[32];
    size_t n_bytes, n_tokens;
    tdm__finish finish;
    tdm_error error;
    tdm__job_timings timings;
    pthread_mutex_t *gate; /* DECISION waits for it; NULL: none */
} reply;

static long end_pause_ms; /* what the telling of an end takes */

static void collect(void *user, const tdm__event *ev)
{
    reply *r = user;
    if (ev->kind == TDM__EVENT_DONE && end_pause_ms > 0)
        nanosleep(&(struct timespec){.tv_nsec = end_pause_ms * 1000000}, NULL);
    if (r->gate && ev->kind == TDM__EVENT_DECISION) {
        pthread_mutex_lock(r->gate);
        pthread_mutex_unlock(r->gate);
    }
    if (r->n_kinds < LOG_MAX - 1)
        r->kinds[r->n_kinds++] = ev->kind == TDM__EVENT_DECISION ? 'D' : ev->kind == TDM__EVENT_TEXT ? 'T' : 'E';
    snprintf(r->decision_id, sizeof r->decision_id, "%s", ev->decision_id);
    snprintf(r->model_name, sizeof r->model_name, "%s", ev->model_name);
    r->n_bytes += ev->text.len;
    r->n_tokens += ev->n_tokens;
    if (ev->kind == TDM__EVENT_DONE) {
        r->finish = ev->finish;
        r->error = ev->error;
        r->timings = ev->timings;
        snprintf(r->screening, sizeof r->screening, "%s", ev->screening);
        snprintf(r->label, sizeof r->label, "%s", ev->label);
    }
}

static tdm__chat_request question(json_t *messages, size_t max_tokens)
{
    return (tdm__chat_request){
        .messages = messages, .max_tokens = max_tokens, .sampling = tdm__sampling_default(), .n_top_logprobs = -1};
}

static json_t *user_says(const char *text)
{
    json_t *m = json_pack("[{s:s, s:s}]", "role", "user", "content", text);
    assert_non_null(m);
    return m;
}

static tdm_status start(tdm__service *s, const tdm__chat_request *q, reply *r, tdm_error *err)
{
    *r = (reply){0};
    return tdm__request_start(s, q, collect, r, &r->request, err);
}

static void run_messages(tdm__service *s, json_t *messages, size_t max_tokens, reply *r)
{
    tdm_error err = {0};
    tdm__chat_request q = question(messages, max_tokens);
    if (start(s, &q, r, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    json_decref(messages); /* the request has a copy */
    tdm__request_destroy(&r->request);
    assert_null(r->request);
}

static void run(tdm__service *s, const char *text, size_t max_tokens, reply *r)
{
    run_messages(s, user_says(text), max_tokens, r);
}

/* All tests share one device: self-hosted, market ZZ. */
static char folder[TDM__TEMP_FOLDER_TEXT];
static tdm__device *device;

static int open_device(void **state)
{
    (void)state;
    tdm_error err = {0};
    tdm__temp_folder_make(folder);
    if (tdm__device_open(folder, "", &device, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    return 0;
}

static int close_device(void **state)
{
    (void)state;
    tdm__device_close(device);
    tdm__temp_folder_remove(folder);
    return 0;
}

static tdm_status load(tdm__service *s, const tdm__tiny_options *t, tdm_error *err)
{
    char path[] = "/tmp/tandem-test-XXXXXX";
    size_t len;
    unsigned char *bytes = tdm__tiny_bytes(t, &len);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
    free(bytes);
    tdm__engine_options o = {.n_threads = 1, .isa_max = tdm__cpu_isa(), .n_slots = N_SLOTS, .n_queue = N_QUEUE};
    tdm_status status = tdm__service_load(s, path, "tiny", &o, err);
    unlink(path); /* what is mapped stays */
    return status;
}

static tdm__service *service_of(const tdm__tiny_options *t)
{
    tdm__service *s = NULL;
    tdm_error err = {0};
    assert_int_equal(tdm__service_create(device, &s, NULL), TDM_OK);
    if (load(s, t, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    return s;
}

static const tdm__tiny_options qwen2 = {.arch = "qwen2"};

static void before_it_is_ready_a_service_refuses_and_says_its_state(void **state)
{
    (void)state;
    static reply r;
    tdm__service *s = NULL;
    tdm__service_status st;
    tdm_error err = {0};
    json_t *messages = user_says("hello");
    tdm__chat_request q = question(messages, 1);
    assert_int_equal(tdm__service_create(device, &s, NULL), TDM_OK);
    tdm__service_set_downloading(s, 38);
    assert_int_equal(start(s, &q, &r, &err), TDM_ERR_UPSTREAM);
    assert_string_equal(err.msg, "the model is not there yet: downloading 38%");
    tdm__service_get_status(s, &st);
    assert_int_equal(st.state, TDM__SERVICE_DOWNLOADING);
    assert_int_equal(st.percent, 38);
    assert_string_equal(st.model_name, "");
    assert_int_equal(tdm__service_token_text(s, 'a').len, 0);
    tdm__service_set_failed(s, &(tdm_error){TDM_ERR_IO, "the disk is full"});
    assert_int_equal(start(s, &q, &r, &err), TDM_ERR_UPSTREAM);
    assert_string_equal(err.msg, "there is no model: the disk is full");
    assert_int_equal(load(s, &qwen2, &err), TDM_OK); /* a second try may succeed */
    tdm__service_get_status(s, &st);
    assert_int_equal(st.state, TDM__SERVICE_READY);
    assert_string_equal(st.model_name, "tiny");
    assert_int_equal(st.n_ctx, TDM__TINY_CTX);
    assert_int_equal(st.stats.n_slots, N_SLOTS);
    assert_true(st.loaded_unix_s > 1700000000);
    assert_int_equal(tdm__service_token_text(s, 'a').len, 1);
    tdm__service_destroy(s);
    json_decref(messages);
}

static void a_model_without_a_template_is_refused_by_its_key(void **state)
{
    (void)state;
    tdm__service *s = NULL;
    tdm__service_status st;
    tdm_error err = {0};
    assert_int_equal(tdm__service_create(device, &s, NULL), TDM_OK);
    assert_int_equal(load(s, &(tdm__tiny_options){.arch = "llama", .chat_template = ""}, &err), TDM_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.msg, "key tokenizer.chat_template is missing: this model cannot chat"));
    tdm__service_get_status(s, &st);
    assert_int_equal(st.state, TDM__SERVICE_FAILED);
    assert_string_equal(st.error.msg, err.msg);
    tdm__service_destroy(s);
}

static void events_are_a_decision_then_texts_then_one_end(void **state)
{
    (void)state;
    static reply r, again;
    tdm__service *s = service_of(&qwen2);
    run(s, "hello", 8, &r);
    assert_int_equal(r.kinds[0], 'D');
    assert_int_equal(r.kinds[r.n_kinds - 1], 'E');
    assert_int_equal(strspn(r.kinds + 1, "T"), r.n_kinds - 2);
    assert_int_equal(strlen(r.decision_id), 32);
    assert_int_equal(strspn(r.decision_id, "0123456789abcdef"), 32);
    assert_string_equal(r.model_name, "tiny");
    assert_string_equal(r.screening, "none");
    assert_string_equal(r.label, "none");
    assert_int_equal(r.n_tokens, r.timings.n_generated);
    assert_true(r.timings.queue_ms > 0);
    run(s, "hello", 8, &again);
    assert_string_not_equal(again.decision_id, r.decision_id);
    assert_int_equal(again.timings.n_prompt, r.timings.n_prompt);
    assert_int_equal(again.timings.n_prompt_reused, r.timings.n_prompt - 1);
    tdm__service_destroy(s);
}

/* "<|im_end|>" is one token where the template wrote it, ten where a user did. */
static void a_control_token_that_a_user_typed_stays_text(void **state)
{
    (void)state;
    static reply r;
    tdm__service *s = service_of(&qwen2);
    run(s, "", 1, &r);
    size_t empty = r.timings.n_prompt;
    run(s, "##########", 1, &r);
    assert_int_equal(r.timings.n_prompt, empty + 10);
    run(s, "<|im_end|>", 1, &r);
    assert_int_equal(r.timings.n_prompt, empty + 10);
    tdm__service_destroy(s);
}

static void bos_comes_once_where_the_file_wants_it(void **state)
{
    (void)state;
    static reply r;
    static const char plain[] = "{{ messages[0]['content'] }}", own[] = "<|endoftext|>{{ messages[0]['content'] }}",
                      named[] = "{{ bos_token + messages[0]['content'] }}";
    const struct {
        const char *chat_template;
        bool adds_bos;
        size_t n_prompt;
    } cases[] = {{plain, false, 3}, {plain, true, 4}, {own, true, 4}, {own, false, 4}, {named, true, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tdm__tiny_options o = {.arch = "llama", .chat_template = cases[i].chat_template, .adds_bos = cases[i].adds_bos};
        tdm__service *s = service_of(&o);
        run(s, "xyz", 1, &r);
        assert_int_equal(r.timings.n_prompt, cases[i].n_prompt);
        tdm__service_destroy(s);
    }
}

static void what_the_template_refuses_is_an_error_at_the_end(void **state)
{
    (void)state;
    static reply r;
    static const char strict[] =
        "{% if messages[0]['role'] != 'user' %}{{ raise_exception('first comes the user') }}{% endif %}"
        "{{ messages[0]['content'] }}";
    tdm__service *s = service_of(&(tdm__tiny_options){.arch = "qwen2", .chat_template = strict});
    run_messages(s, json_pack("[{s:s, s:s}]", "role", "system", "content", "be good"), 4, &r);
    assert_string_equal(r.kinds, "DE");
    assert_int_equal(r.finish, TDM__FINISH_ERROR);
    assert_int_equal(r.error.code, TDM_ERR_INVAL);
    assert_non_null(strstr(r.error.msg, "first comes the user"));
    run(s, "fine", 4, &r);
    assert_int_not_equal(r.finish, TDM__FINISH_ERROR);
    tdm__service_destroy(s);
}

static void a_prompt_longer_than_the_context_names_both_numbers(void **state)
{
    (void)state;
    static reply r;
    static char text[TDM__TINY_CTX + 1];
    tdm__service *s = service_of(&qwen2);
    memset(text, '#', TDM__TINY_CTX);
    run(s, text, 4, &r);
    assert_string_equal(r.kinds, "DE");
    assert_int_equal(r.error.code, TDM_ERR_LIMIT);
    assert_non_null(strstr(r.error.msg, "tokens; the context of 256 takes at most 255"));
    tdm__service_destroy(s);
}

static void more_than_slots_and_queue_hold_is_refused(void **state)
{
    (void)state;
    static reply r[N_SLOTS + N_QUEUE + 1];
    tdm_error err = {0};
    tdm__service *s = service_of(&qwen2);
    json_t *messages = user_says("a long answer please");
    tdm__chat_request q = question(messages, 0);
    q.sampling.temperature = 2;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* a tiny model would answer the first before the last is asked */
    pthread_mutex_lock(&gate);
    for (size_t i = 0; i < N_SLOTS + N_QUEUE; i++) {
        r[i] = (reply){.gate = &gate};
        assert_int_equal(tdm__request_start(s, &q, collect, &r[i], &r[i].request, &err), TDM_OK);
    }
    assert_int_equal(start(s, &q, &r[N_SLOTS + N_QUEUE], &err), TDM_ERR_BUSY);
    pthread_mutex_unlock(&gate);
    assert_string_equal(err.msg, "5 of 5 places for answers are taken, no more than that are running or waiting");
    for (size_t i = 0; i < N_SLOTS + N_QUEUE; i++) {
        tdm__request_destroy(&r[i].request);
        assert_int_not_equal(r[i].finish, TDM__FINISH_ERROR);
    }
    assert_int_equal(start(s, &q, &r[0], &err), TDM_OK);
    tdm__request_destroy(&r[0].request);
    json_decref(messages);
    tdm__service_destroy(s);
}

static void background_leaves_half_of_the_queue_to_the_foreground(void **state)
{
    (void)state;
    enum { N_BACKGROUND = N_SLOTS + N_QUEUE - (N_QUEUE + 1) / 2 };
    static reply r[N_SLOTS + N_QUEUE];
    reply refused = {0};
    tdm_error err = {0};
    tdm__service *s = service_of(&qwen2);
    json_t *messages = user_says("a long answer please");
    tdm__chat_request q = question(messages, 0);
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&gate);
    for (size_t i = 0; i < N_SLOTS + N_QUEUE; i++) {
        q.priority = i < N_BACKGROUND ? TDM__BACKGROUND : TDM__FOREGROUND;
        r[i] = (reply){.gate = &gate};
        if (i == N_BACKGROUND) {
            q.priority = TDM__BACKGROUND;
            assert_int_equal(start(s, &q, &refused, &err), TDM_ERR_BUSY);
            assert_non_null(strstr(err.msg, "3 of 3 places for background answers"));
            q.priority = TDM__FOREGROUND;
        }
        assert_int_equal(tdm__request_start(s, &q, collect, &r[i], &r[i].request, &err), TDM_OK);
    }
    pthread_mutex_unlock(&gate);
    for (size_t i = 0; i < N_SLOTS + N_QUEUE; i++)
        tdm__request_destroy(&r[i].request);
    q.priority = TDM__BACKGROUND;
    q.n = N_SLOTS + N_QUEUE; /* alone it may have all */
    assert_int_equal(start(s, &q, &r[0], &err), TDM_OK);
    tdm__request_destroy(&r[0].request);
    json_decref(messages);
    tdm__service_destroy(s);
}

static void a_request_can_be_cancelled_at_any_time(void **state)
{
    (void)state;
    static reply r[N_SLOTS + N_QUEUE];
    tdm_error err = {0};
    tdm__service *s = service_of(&qwen2);
    json_t *messages = user_says("a long answer please");
    tdm__chat_request q = question(messages, 0);
    for (unsigned round = 0; round < 30; round++) {
        q.sampling.temperature = 1.5f;
        q.sampling.seed = round;
        for (size_t i = 0; i < N_SLOTS + N_QUEUE; i++)
            assert_int_equal(start(s, &q, &r[i], &err), TDM_OK);
        usleep(round * 100);
        for (size_t i = 0; i < N_SLOTS + N_QUEUE; i++)
            tdm__request_cancel(r[(i * 3 + round) % 5].request);
        for (size_t i = 0; i < N_SLOTS + N_QUEUE; i++) {
            tdm__request_destroy(&r[i].request);
            assert_int_equal(r[i].kinds[0], 'D');
            assert_int_not_equal(r[i].finish, TDM__FINISH_ERROR);
        }
    }
    json_decref(messages);
    tdm__service_destroy(s);
}

/* ---- several candidates ---- */

typedef struct choices {
    tdm__buf texts[TDM__CANDIDATES_MAX];
    tdm__finish finishes[TDM__CANDIDATES_MAX];
    size_t n, n_ends;
    tdm__job_timings timings;
    char decision_id[TDM__DECISION_ID_TEXT];
} choices;

static void collect_choices(void *user, const tdm__event *ev)
{
    choices *c = user;
    if (ev->kind == TDM__EVENT_TEXT)
        assert_int_equal(tdm__buf_append_str(&c->texts[ev->candidate], ev->text), TDM_OK);
    if (ev->kind != TDM__EVENT_DONE)
        return;
    c->n = ev->n_candidates;
    c->n_ends++;
    c->timings = ev->timings;
    memcpy(c->finishes, ev->finishes, ev->n_candidates * sizeof c->finishes[0]);
}

static void ask_choices(tdm__service *s, tdm__chat_request *q, choices *c)
{
    tdm__request *r;
    tdm_error err = {0};
    *c = (choices){0};
    for (size_t i = 0; i < TDM__CANDIDATES_MAX; i++)
        tdm__buf_init(&c->texts[i], 1 << 16);
    if (tdm__request_start(s, q, collect_choices, c, &r, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    tdm__request_destroy(&r);
    assert_int_equal(c->n_ends, 1);
}

static void free_choices(choices *c)
{
    for (size_t i = 0; i < TDM__CANDIDATES_MAX; i++)
        tdm__buf_fini(&c->texts[i]);
}

static void candidates_are_what_their_seeds_give_alone(void **state)
{
    (void)state;
    static choices all, one;
    tdm__service *s = service_of(&qwen2);
    json_t *messages = user_says("three of them");
    tdm__chat_request q = question(messages, 12);
    q.sampling.temperature = 1.5f;
    q.sampling.seed = 7;
    q.n = 3;
    ask_choices(s, &q, &all);
    assert_int_equal(all.n, 3);
    size_t n_generated = 0;
    for (size_t i = 0; i < 3; i++) {
        tdm__chat_request alone = q;
        alone.n = 1;
        alone.sampling.seed = 7 + i;
        ask_choices(s, &alone, &one);
        assert_int_equal(one.n, 1);
        assert_int_equal(one.finishes[0], all.finishes[i]);
        assert_string_equal(tdm__buf_cstr(&one.texts[0]), tdm__buf_cstr(&all.texts[i]));
        assert_int_equal(one.timings.n_prompt, all.timings.n_prompt); /* the prompt counts once */
        n_generated += one.timings.n_generated;
        free_choices(&one);
    }
    assert_int_equal(all.timings.n_generated, n_generated);
    free_choices(&all);
    q.n = N_SLOTS + N_QUEUE + 1;
    reply r;
    tdm_error err = {0};
    assert_int_equal(start(s, &q, &r, &err), TDM_ERR_LIMIT);
    assert_string_equal(err.msg, "6 answers at once are asked for, this device writes at most 5");
    json_decref(messages);
    tdm__service_destroy(s);
}

static void a_cancel_ends_all_candidates_and_gives_all_places_back(void **state)
{
    (void)state;
    static reply r;
    tdm_error err = {0};
    tdm__service *s = service_of(&qwen2);
    json_t *messages = user_says("a long answer please");
    tdm__chat_request q = question(messages, 0);
    q.n = N_SLOTS + N_QUEUE;
    for (unsigned round = 0; round < 20; round++) {
        q.sampling.temperature = 1.5f;
        q.sampling.seed = round;
        assert_int_equal(start(s, &q, &r, &err), TDM_OK); /* all places: those of the last round are free again */
        usleep(round * 150);
        tdm__request_cancel(r.request);
        tdm__request_destroy(&r.request);
        assert_int_not_equal(r.finish, TDM__FINISH_ERROR);
    }
    json_decref(messages);
    tdm__service_destroy(s);
}

static void an_app_that_has_used_its_share_waits_and_others_do_not(void **state)
{
    (void)state;
    static reply r;
    tdm_error err = {0};
    tdm__service *s = service_of(&qwen2);
    json_t *messages = user_says("hello");
    tdm__chat_request q = question(messages, 4);
    q.app = "mail";
    tdm__service_set_quota(s, &(tdm__quota){.tokens_per_hour = 10});
    assert_int_equal(start(s, &q, &r, &err), TDM_OK); /* more than ten with its prompt */
    tdm__request_destroy(&r.request);
    assert_int_equal(start(s, &q, &r, &err), TDM_ERR_QUOTA);
    assert_non_null(strstr(err.msg, "app mail has used "));
    assert_non_null(strstr(err.msg, " tokens within the hour, 10 are allowed"));
    assert_in_range(tdm__service_quota_wait_s(s, "mail"), 3500, 3600);
    q.app = "notes";
    assert_int_equal(start(s, &q, &r, &err), TDM_OK);
    tdm__request_destroy(&r.request);
    json_decref(messages);
    tdm__service_destroy(s);
}

static void destroying_the_service_ends_all_requests(void **state)
{
    (void)state;
    static reply r[N_SLOTS + N_QUEUE];
    tdm_error err = {0};
    tdm__service *s = service_of(&qwen2);
    json_t *messages = user_says("a long answer please");
    tdm__chat_request q = question(messages, 0);
    q.sampling.temperature = 2;
    for (size_t i = 0; i < N_SLOTS + N_QUEUE; i++)
        assert_int_equal(start(s, &q, &r[i], &err), TDM_OK);
    end_pause_ms = 20; /* an end is told out of the service, so it must not be gone meanwhile */
    tdm__service_destroy(s);
    end_pause_ms = 0;
    for (size_t i = 0; i < N_SLOTS + N_QUEUE; i++) {
        assert_int_equal(r[i].kinds[0], 'D');
        assert_int_not_equal(r[i].finish, TDM__FINISH_NONE);
        tdm__request_destroy(&r[i].request); /* may come after */
    }
    json_decref(messages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_it_is_ready_a_service_refuses_and_says_its_state),
        cmocka_unit_test(a_model_without_a_template_is_refused_by_its_key),
        cmocka_unit_test(events_are_a_decision_then_texts_then_one_end),
        cmocka_unit_test(a_control_token_that_a_user_typed_stays_text),
        cmocka_unit_test(bos_comes_once_where_the_file_wants_it),
        cmocka_unit_test(what_the_template_refuses_is_an_error_at_the_end),
        cmocka_unit_test(a_prompt_longer_than_the_context_names_both_numbers),
        cmocka_unit_test(more_than_slots_and_queue_hold_is_refused),
        cmocka_unit_test(background_leaves_half_of_the_queue_to_the_foreground),
        cmocka_unit_test(a_request_can_be_cancelled_at_any_time),
        cmocka_unit_test(candidates_are_what_their_seeds_give_alone),
        cmocka_unit_test(a_cancel_ends_all_candidates_and_gives_all_places_back),
        cmocka_unit_test(an_app_that_has_used_its_share_waits_and_others_do_not),
        cmocka_unit_test(destroying_the_service_ends_all_requests),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
