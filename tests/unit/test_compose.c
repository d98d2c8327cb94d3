/* test_compose.c - answers that a feature puts together: nothing leaves but what it releases, through the screen. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "device_world.h"
#include "os/heap.h"
#include "request/compose.h"
#include "tiny_model.h"

/* What an app sees, and what the feature is to do. */
typedef struct play {
    tdm_status (*act)(struct play *p, tdm__request *r, tdm_error *err);
    char told[4096], label[512], screening[32], rule[64];
    size_t n_told, n_pieces;
    tdm__request_end end;
    tdm__reason reason;
    tdm_error error;
    tdm__job_timings timings;
    tdm__request *request;
    tdm__generated kept[TDM__CANDIDATES_MAX];
    char seen[TDM__CANDIDATES_MAX][4096]; /* by on_text */
    size_t n_seen[TDM__CANDIDATES_MAX];
    unsigned delay_us;
    size_t n_at_once; /* 0: as many as are told */
} play;

static void collect(void *user, const tdm__event *ev)
{
    play *p = user;
    if (ev->kind == TDM__EVENT_TEXT) {
        assert_true(p->n_told + ev->text.len < sizeof p->told);
        memcpy(p->told + p->n_told, ev->text.ptr, ev->text.len);
        p->n_told += ev->text.len;
        p->n_pieces++;
    }
    if (ev->kind != TDM__EVENT_DONE)
        return;
    p->end = ev->end;
    p->reason = ev->reason;
    p->error = ev->error;
    p->timings = ev->timings;
    snprintf(p->label, sizeof p->label, "%s", ev->label);
    snprintf(p->screening, sizeof p->screening, "%s", ev->screening);
    snprintf(p->rule, sizeof p->rule, "%s", ev->rule ? ev->rule : "");
}

static tdm_status compose(void *user, tdm__request *r, tdm_error *err)
{
    play *p = user;
    return p->act(p, r, err);
}

/* ---- a phone sold in the US with a tiny model; its market screens ---- */

static device_world world;
static tdm__device *device;
static tdm__service *service;
static char model_path[128];

static void load(void)
{
    tdm_error err = {0};
    tdm__tiny_write(&(tdm__tiny_options){.arch = "qwen2", .n_ctx = 1024}, model_path);
    tdm__engine_options o = {.n_threads = 1, .isa_max = tdm__cpu_isa(), .n_slots = 3, .n_queue = 3, .n_ctx = 1024};
    assert_int_equal(tdm__service_create(device, &service, NULL), TDM_OK);
    if (tdm__service_load(service, model_path, "tiny", &o, &err) != TDM_OK)
        fail_msg("%s", err.msg);
}

static void open_market(const char *from, const char *to)
{
    tdm_error err = {0};
    device_world_init(&world);
    device_world_set_market(&world, "US", from, to);
    trust_maker_publish(&world.maker);
    device_world_record r = device_world_usual();
    r.sold_in = "US";
    device_world_write_record(&world, &r);
    device_world_install(&world);
    if (tdm__device_open(world.state, world.record, &device, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    snprintf(model_path, sizeof model_path, "%s/model.gguf", world.folder);
    load();
}

static int set_up(void **state)
{
    (void)state;
    open_market(NULL, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tdm__service_destroy(service);
    tdm__device_close(device);
    device_world_fini(&world);
    return 0;
}

static json_t *turns(const char *fixed, const char *text)
{
    json_t *m = json_pack("[{s:s,s:s},{s:s,s:s}]", "role", "system", "content", fixed, "role", "user", "content", text);
    assert_non_null(m);
    return m;
}

static tdm__chat_request question(json_t *messages, play *p, size_t n)
{
    return (tdm__chat_request){.messages = messages,
                               .n = n,
                               .n_at_once = p->n_at_once,
                               .sampling = tdm__sampling_default(),
                               .n_top_logprobs = -1,
                               .feature = "rewrite",
                               .compose = compose,
                               .compose_user = p};
}

static void start(play *p, size_t n, const char *text)
{
    tdm_error err = {0};
    json_t *messages = json_pack("[{s:s,s:s}]", "role", "user", "content", text);
    const tdm__chat_request q = question(messages, p, n);
    if (tdm__request_start(service, &q, collect, p, &p->request, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    json_decref(messages);
}

static void run(play *p, size_t n, const char *text)
{
    start(p, n, text);
    tdm__request_destroy(&p->request);
}

static tdm__generation generation_of(json_t *messages, size_t n, size_t max_tokens)
{
    tdm__generation g = {.messages = messages,
                         .n_public_turns = 1,
                         .n = n,
                         .max_tokens = max_tokens,
                         .sampling = tdm__sampling_default()};
    g.sampling.temperature = 1.5f;
    g.sampling.seed = 11;
    return g;
}

/* Generates n candidates into p->kept. */
static tdm_status generate(play *p, tdm__request *r, size_t n, size_t max_tokens, tdm_error *err)
{
    json_t *messages = turns("say it otherwise", "a text");
    tdm__generation g = generation_of(messages, n, max_tokens);
    tdm_status s = tdm__compose_generate(r, &g, p->kept, err);
    json_decref(messages);
    return s;
}

static void free_kept(play *p)
{
    for (size_t i = 0; i < TDM__CANDIDATES_MAX; i++)
        tdm__free(p->kept[i].text);
    memset(p->kept, 0, sizeof p->kept);
}

/* ---- the acts ---- */

static tdm_status generate_and_release_other_words(play *p, tdm__request *r, tdm_error *err)
{
    TDM_TRY(generate(p, r, 1, 12, err));
    return tdm__compose_release(r, 0, TDM_STR("words of the feature"), err);
}

static void what_was_generated_is_not_told_but_what_is_released(void **state)
{
    (void)state;
    play p = {.act = generate_and_release_other_words};
    run(&p, 1, "a text");
    assert_int_equal(p.end, TDM__END_ANSWERED);
    assert_string_equal(p.told, "words of the feature");
    assert_string_equal(p.screening, "passed");
    assert_string_equal(p.label, "none");
    assert_true(p.kept[0].len > 0);
    assert_int_equal(strlen(p.kept[0].text), p.kept[0].len);
    assert_int_equal(p.timings.n_generated, 12);
    free_kept(&p);
}

static tdm_status generate_thrice(play *p, tdm__request *r, tdm_error *err)
{
    for (int i = 0; i < 3; i++) {
        free_kept(p);
        TDM_TRY(generate(p, r, 2, 5, err));
    }
    return tdm__compose_release(r, 1, TDM_STR("done"), err);
}

static void timings_are_those_of_all_generations(void **state)
{
    (void)state;
    play p = {.act = generate_thrice};
    run(&p, 2, "a text");
    assert_int_equal(p.end, TDM__END_ANSWERED);
    assert_in_range(p.timings.n_generated, 6, 30); /* two of at most five, three times; an end comes when it comes */
    size_t n_prompt = p.timings.n_prompt;
    assert_true(n_prompt % 3 == 0); /* a prompt counts once for both */
    free_kept(&p);
}

/* Two side by side are what each gives alone. */
static tdm_status generate_two(play *p, tdm__request *r, tdm_error *err) { return generate(p, r, 2, 20, err); }
static tdm_status generate_one(play *p, tdm__request *r, tdm_error *err) { return generate(p, r, 1, 20, err); }

static void candidates_side_by_side_are_those_of_their_seeds(void **state)
{
    (void)state;
    play two = {.act = generate_two}, one = {.act = generate_one};
    run(&two, 2, "x");
    run(&one, 1, "x");
    assert_string_equal(two.kept[0].text, one.kept[0].text);
    assert_string_not_equal(two.kept[1].text, one.kept[0].text);
    assert_int_equal(two.n_told, 0);
    free_kept(&two);
    free_kept(&one);
}

/* A feature may read several of which it tells one. */
static void more_may_be_generated_than_are_told(void **state)
{
    (void)state;
    play told = {.act = generate_two}, kept = {.act = generate_two, .n_at_once = 2};
    run(&told, 2, "x");
    run(&kept, 1, "x");
    for (int i = 0; i < 2; i++)
        assert_string_equal(kept.kept[i].text, told.kept[i].text);
    free_kept(&told);
    free_kept(&kept);
}

static tdm_status release_a_term_in_pieces(play *p, tdm__request *r, tdm_error *err)
{
    (void)p;
    TDM_TRY(tdm__compose_release(r, 0, TDM_STR("it is zorble"), err));
    TDM_TRY(tdm__compose_release(r, 0, TDM_STR("fl"), err));
    tdm_status s = tdm__compose_release(r, 0, TDM_STR("ux, after all"), err);
    assert_int_equal(s, TDM_ERR_REFUSED);
    assert_int_equal(tdm__compose_release(r, 0, TDM_STR("more"), NULL), TDM_ERR_REFUSED);
    return s;
}

static void a_term_in_what_is_released_stops_the_answer_before_it_is_told(void **state)
{
    (void)state;
    play p = {.act = release_a_term_in_pieces};
    run(&p, 1, "a text");
    assert_int_equal(p.end, TDM__END_STOPPED_BY_SCREEN);
    assert_int_equal(p.reason, TDM__REASON_SCREEN_OUTPUT);
    assert_string_equal(p.rule, "demo-1");
    assert_string_equal(p.told, "it is ");
    assert_string_equal(p.screening, "stopped");
}

static tdm_status must_not_run(play *p, tdm__request *r, tdm_error *err)
{
    (void)p;
    (void)r;
    (void)err;
    fail_msg("the feature ran");
    return TDM_OK;
}

static void a_term_in_the_question_stops_it_before_the_feature_runs(void **state)
{
    (void)state;
    play p = {.act = must_not_run};
    run(&p, 1, "please rewrite zorbleflux");
    assert_int_equal(p.end, TDM__END_STOPPED_BY_SCREEN);
    assert_int_equal(p.reason, TDM__REASON_SCREEN_INPUT);
}

static tdm_status hold_back(play *p, tdm__request *r, tdm_error *err)
{
    (void)p;
    return tdm__compose_release(r, 0, TDM_STR("it ends in zorble"), err);
}

static void what_was_held_back_is_told_at_the_end(void **state)
{
    (void)state;
    play p = {.act = hold_back};
    run(&p, 1, "a text");
    assert_string_equal(p.told, "it ends in zorble");
    assert_int_equal(p.n_pieces, 2);
}

static tdm_status find_no_fitting_text(play *p, tdm__request *r, tdm_error *err)
{
    (void)p;
    (void)r;
    TDM_FAIL(err, TDM_ERR_UPSTREAM, "the model's text changed 2 numbers, 0 are allowed");
}

static void an_error_of_the_feature_is_the_answers(void **state)
{
    (void)state;
    play p = {.act = find_no_fitting_text};
    run(&p, 1, "a text");
    assert_int_equal(p.end, TDM__END_FAILED);
    assert_int_equal(p.error.code, TDM_ERR_UPSTREAM);
    assert_string_equal(p.error.msg, "the model's text changed 2 numbers, 0 are allowed");
}

static tdm_status ask_for_too_much(play *p, tdm__request *r, tdm_error *err)
{
    tdm_error why = {0};
    assert_int_equal(generate(p, r, 3, 4, &why), TDM_ERR_INVAL);
    assert_string_equal(why.msg, "3 candidates side by side, the request was admitted for 1 to 2");
    assert_int_equal(generate(p, r, 0, 4, NULL), TDM_ERR_INVAL);
    assert_int_equal(tdm__compose_release(r, 2, TDM_STR("x"), NULL), TDM_ERR_INVAL);
    json_t *messages = json_pack("[{s:s,s:s%}]", "role", "user", "content", p->told, (size_t)2000);
    tdm__generation g = generation_of(messages, 1, 4);
    assert_int_equal(tdm__compose_generate(r, &g, p->kept, &why), TDM_ERR_LIMIT);
    assert_non_null(strstr(why.msg, "the context of 1024 takes at most 1023"));
    json_decref(messages);
    return tdm__compose_release(r, 0, TDM_STR("still well"), err); /* what was refused has spoilt nothing */
}

static void what_does_not_fit_is_refused_and_the_feature_may_go_on(void **state)
{
    (void)state;
    static play p;
    p = (play){.act = ask_for_too_much};
    memset(p.told, '#', sizeof p.told - 1);
    run(&p, 2, "a text");
    assert_int_equal(p.end, TDM__END_ANSWERED);
    assert_memory_equal(p.told, "still well", 10);
}

/* ---- while it is written ---- */

static bool take_ten(void *user, size_t candidate, tdm__str piece)
{
    play *p = user;
    memcpy(p->seen[candidate] + p->n_seen[candidate], piece.ptr, piece.len);
    p->n_seen[candidate] += piece.len;
    return candidate != 0 || p->n_seen[0] < 10;
}

static tdm_status generate_watched(play *p, tdm__request *r, tdm_error *err)
{
    json_t *messages = turns("say it otherwise", "a text");
    tdm__generation g = generation_of(messages, 2, 200);
    g.on_text = take_ten;
    g.user = p;
    tdm_status s = tdm__compose_generate(r, &g, p->kept, err);
    json_decref(messages);
    return s;
}

static void a_feature_may_have_enough_of_one_candidate(void **state)
{
    (void)state;
    static play p;
    p = (play){.act = generate_watched};
    run(&p, 2, "a text");
    assert_int_equal(p.end, TDM__END_ANSWERED);
    assert_in_range(p.kept[0].len, 10, 14);
    assert_int_equal(p.kept[0].finish, TDM__FINISH_LENGTH);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(p.n_seen[i], p.kept[i].len);
        assert_memory_equal(p.seen[i], p.kept[i].text, p.kept[i].len);
    }
    free_kept(&p);
}

static tdm_status generate_for_ever(play *p, tdm__request *r, tdm_error *err)
{
    for (;;) {
        tdm_status s = generate(p, r, 2, 0, err);
        if (s != TDM_OK) {
            assert_int_equal(s, TDM_ERR_CANCELLED);
            assert_true(tdm__compose_is_cancelled(r));
            assert_int_equal(tdm__compose_release(r, 0, TDM_STR("late"), NULL), TDM_ERR_CANCELLED);
            return s;
        }
        free_kept(p);
    }
}

static void a_cancel_from_another_thread_ends_it_at_any_time(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        play p = {.act = generate_for_ever, .n_at_once = 2};
        start(&p, 1 + i % 2, "a text");
        usleep(i * 200);
        tdm__request_cancel(p.request);
        tdm__request_destroy(&p.request);
        assert_int_equal(p.end, TDM__END_CANCELLED);
        assert_int_equal(p.n_told, 0);
    }
}

static void destroying_the_service_ends_what_is_being_composed(void **state)
{
    (void)state;
    static play p[3];
    for (int i = 0; i < 3; i++) {
        p[i] = (play){.act = generate_for_ever};
        start(&p[i], 2, "a text");
    }
    usleep(3000);
    tdm__service_destroy(service);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(p[i].end, TDM__END_CANCELLED);
        tdm__request_destroy(&p[i].request);
    }
    load();
}

/* ---- rules ---- */

static tdm_status go_on_after_a_change(play *p, tdm__request *r, tdm_error *err)
{
    (void)p;
    TDM_TRY(tdm__compose_release(r, 0, TDM_STR("one "), err));
    device_world_set_market(&world, "US", "  rewrite:\n", "  rewrite:\n    kill: true\n");
    trust_maker_advance(&world.maker);
    tdm__trust_fault fault;
    assert_int_equal(device_world_put(&world, device, &fault, NULL), TDM_OK);
    return tdm__compose_release(r, 0, TDM_STR("two"), err);
}

static void rules_that_change_meanwhile_end_it(void **state)
{
    (void)state;
    play p = {.act = go_on_after_a_change};
    run(&p, 1, "a text");
    assert_int_equal(p.end, TDM__END_FAILED);
    assert_string_equal(p.told, "one ");
    assert_string_equal(p.error.msg, "the answer was ended, because what it was decided by has changed");
    p = (play){.act = must_not_run};
    run(&p, 1, "a text");
    assert_int_equal(p.end, TDM__END_OFF);
    assert_int_equal(p.reason, TDM__REASON_FEATURE_KILLED);
}

static void the_markets_line_comes_with_the_end_and_not_in_the_text(void **state)
{
    (void)state;
    tear_down(NULL);
    open_market("label: {visible: false}", "label: {visible: true, en: AI-generated, zh: 人工智能生成}");
    play p = {.act = generate_and_release_other_words};
    run(&p, 1, "a text");
    assert_string_equal(p.told, "words of the feature");
    assert_string_equal(p.label, "[AI-generated \xc2\xb7 Qwen2.5 Coder 0.5B]");
    free_kept(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_generated_is_not_told_but_what_is_released),
        cmocka_unit_test(timings_are_those_of_all_generations),
        cmocka_unit_test(candidates_side_by_side_are_those_of_their_seeds),
        cmocka_unit_test(more_may_be_generated_than_are_told),
        cmocka_unit_test(a_term_in_what_is_released_stops_the_answer_before_it_is_told),
        cmocka_unit_test(a_term_in_the_question_stops_it_before_the_feature_runs),
        cmocka_unit_test(what_was_held_back_is_told_at_the_end),
        cmocka_unit_test(an_error_of_the_feature_is_the_answers),
        cmocka_unit_test(what_does_not_fit_is_refused_and_the_feature_may_go_on),
        cmocka_unit_test(a_feature_may_have_enough_of_one_candidate),
        cmocka_unit_test(a_cancel_from_another_thread_ends_it_at_any_time),
        cmocka_unit_test(destroying_the_service_ends_what_is_being_composed),
        cmocka_unit_test(rules_that_change_meanwhile_end_it),
        cmocka_unit_test(the_markets_line_comes_with_the_end_and_not_in_the_text),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
