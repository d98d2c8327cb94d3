/* test_chat.c - the parts of a chat without sockets: request fields, JSON out, the inbox between threads, the frames.
 * jansson is the judge of all JSON that is written here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/chat_ask.h"
#include "api/chat_inbox.h"
#include "api/chat_reply.h"
#include "api/json_in.h"
#include "api/json_out.h"
#include "net/sse.h"

static bool parse(const char *body, tdm__chat_ask *a, tdm__api_error *e)
{
    return tdm__chat_ask_parse(tdm__str_from(body), a, e);
}

static void openais_defaults_hold(void **state)
{
    (void)state;
    tdm__chat_ask a;
    tdm__api_error e;
    assert_true(parse("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", &a, &e));
    assert_true(a.request.sampling.temperature == 1 && a.request.sampling.top_p == 1);
    assert_true(a.request.sampling.top_k == 0 && a.request.sampling.repeat_penalty == 1);
    assert_int_equal(a.request.max_tokens, 0);
    assert_int_equal(a.request.n_top_logprobs, -1);
    assert_false(a.stream || a.include_usage || a.logprobs || a.has_seed);
    assert_null(a.model);
    tdm__chat_ask_fini(&a);
    tdm__chat_ask_fini(&a);
}

static void fields_reach_the_request(void **state)
{
    (void)state;
    tdm__chat_ask a;
    tdm__api_error e;
    assert_true(parse("{\"messages\":[{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}],"
                      "\"temperature\":0,\"top_p\":0,\"top_k\":7,\"min_p\":0.25,\"repeat_penalty\":1.5,"
                      "\"presence_penalty\":-2,\"frequency_penalty\":2,\"seed\":-1,\"stop\":[\"a\",\"bc\"],"
                      "\"max_tokens\":9,\"max_completion_tokens\":9,\"logprobs\":true,\"top_logprobs\":20,"
                      "\"prediction\":{\"type\":\"content\",\"content\":[{\"type\":\"text\",\"text\":\"p\"}]},"
                      "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"model\":\"m\"}",
                      &a, &e));
    const tdm__sampling *s = &a.request.sampling;
    assert_true(s->temperature == 0 && s->top_p > 0 && s->top_p < 1e-3f && s->min_p == 0.25f);
    assert_true(s->repeat_penalty == 1.5f && s->presence_penalty == -2 && s->frequency_penalty == 2);
    assert_int_equal(s->top_k, 7);
    assert_true(s->seed == UINT64_MAX && a.has_seed);
    assert_int_equal(a.request.n_stops, 2);
    assert_true(tdm__str_eq(a.request.stops[1], TDM_STR("bc")));
    assert_int_equal(a.request.max_tokens, 9);
    assert_int_equal(a.request.n_top_logprobs, 20);
    assert_true(tdm__str_eq(a.request.prediction, TDM_STR("p")));
    assert_true(a.stream && a.include_usage && a.logprobs);
    assert_string_equal(json_string_value(json_object_get(json_array_get(a.messages, 0), "role")), "system");
    assert_string_equal(json_string_value(json_object_get(json_array_get(a.messages, 0), "content")), "x");
    tdm__chat_ask_fini(&a);
}

static void nesting_is_bounded_before_it_is_parsed(void **state)
{
    (void)state;
    tdm__api_error e;
    json_t *v = NULL;
    char text[256];
    for (int depth = TDM__JSON_DEPTH_MAX - 1; depth <= TDM__JSON_DEPTH_MAX; depth++) {
        int n = snprintf(text, sizeof text, "{\"a\":\"]]]\\\"[[[\",\"b\":");
        memset(text + n, '[', (size_t)depth);
        memset(text + n + depth, ']', (size_t)depth);
        memcpy(text + n + 2 * depth, "}", 2);
        assert_int_equal(tdm__json_load_object(tdm__str_from(text), &v, &e), depth < TDM__JSON_DEPTH_MAX);
        if (depth < TDM__JSON_DEPTH_MAX)
            json_decref(v);
        else
            assert_non_null(strstr(e.message, "64"));
    }
}

static void a_users_text_never_comes_back_in_an_error(void **state)
{
    (void)state;
    tdm__chat_ask a;
    tdm__api_error e;
    static const char *const bodies[] = {
        "{\"messages\":[{\"role\":\"SECRET\",\"content\":\"SECRET\"}]}", "{\"messages\": SECRET}", "\"SECRET\"",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\",\"SECRET\":1}]}", "{\"temperature\":\"SECRET\"}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"SECRET\"}],\"tool_choice\":\"SECRET\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_false(parse(bodies[i], &a, &e));
        assert_int_equal(e.status, 400);
        assert_null(strstr(e.message, "SECRET"));
        assert_null(strstr(e.param, "SECRET"));
    }
}

static void mistyped_names_find_their_neighbours(void **state)
{
    (void)state;
    static const struct {
        const char *body, *wanted;
    } cases[] = {{"{\"temprature\":1}", "temperature"}, {"{\"topk\":1}", "top_k"}, {"{\"Messages\":1}", "messages"},
                 {"{\"zzzzzzzz\":1}", NULL}, {"{\"\":1}", NULL}};
    tdm__chat_ask a;
    tdm__api_error e;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(parse(cases[i].body, &a, &e));
        assert_string_equal(e.code, "unknown_field");
        if (cases[i].wanted)
            assert_non_null(strstr(e.message, cases[i].wanted));
        else
            assert_null(strstr(e.message, "meant"));
    }
}

/* Every code point goes through and comes back; every broken sequence becomes replacement characters. */
static void strings_are_written_as_jansson_reads_them(void **state)
{
    (void)state;
    tdm__buf b;
    tdm__buf_init(&b, 64 * 1024 * 1024);
    json_t *all = json_array();
    for (uint32_t c = 1; c < 0x110000; c += c < 0x3000 ? 1 : 97) {
        if (c >= 0xD800 && c < 0xE000)
            continue;
        char u[4];
        const size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        for (size_t i = n - 1, rest = c; n > 1 && i > 0; i--, rest >>= 6)
            u[i] = (char)(0x80 | (rest & 0x3F));
        static const unsigned char lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
        u[0] = (char)(n == 1 ? c : lead[n] | (c >> (6 * (n - 1))));
        json_array_append_new(all, json_stringn(u, n));
        tdm__buf_append_char(&b, b.len == 0 ? '[' : ',');
        assert_int_equal(tdm__json_put_string(&b, (tdm__str){u, n}), TDM_OK);
    }
    tdm__buf_append_char(&b, ']');
    json_t *back = json_loadb(b.ptr, b.len, 0, NULL);
    assert_true(json_equal(all, back));
    json_decref(back);
    json_decref(all);
    static const char *const broken[] = {"\x80", "\xC0\x80", "\xC2", "\xE0\x80\x80", "\xED\xA0\x80", "\xF5",
                                         "\xF4\x90\x80\x80",
                                         "a\xE4\xB8", "\xF0\x8F\x80\x80", "\xFF\xFE"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        tdm__buf_clear(&b);
        assert_int_equal(tdm__json_put_string(&b, tdm__str_from(broken[i])), TDM_OK);
        back = json_loadb(b.ptr, b.len, JSON_DECODE_ANY, NULL);
        assert_non_null(back);
        assert_non_null(strstr(json_string_value(back), "\xEF\xBF\xBD"));
        json_decref(back);
    }
    tdm__buf_fini(&b);
}

static void events_cannot_be_broken_out_of(void **state)
{
    (void)state;
    tdm__buf b;
    tdm__buf_init(&b, 100);
    assert_int_equal(tdm__sse_data(&b, TDM_STR("a\nb\r\nc\rd\n")), TDM_OK);
    assert_string_equal(b.ptr, "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n");
    tdm__buf_clear(&b);
    assert_int_equal(tdm__sse_data(&b, TDM_STR("")), TDM_OK);
    assert_int_equal(tdm__sse_comment(&b, TDM_STR("hi")), TDM_OK);
    assert_string_equal(b.ptr, "data: \n\n: hi\n\n");
    const size_t before = b.len;
    char big[200];
    memset(big, 'x', sizeof big);
    assert_int_equal(tdm__sse_data(&b, (tdm__str){big, sizeof big}), TDM_ERR_LIMIT);
    assert_int_equal(b.len, before);
    tdm__buf_fini(&b);
}

/* ---- inbox and reply ---- */

enum { N_EVENTS = 2000 };

static const tdm__token_prob tops[2] = {{.id = 1, .logprob = -0.5f}, {.id = 2, .logprob = -1e30f * 1e30f}};

static void *send_events(void *inbox)
{
    const tdm__token_info token = {.chosen = tops[0], .top = tops, .n_top = 2};
    tdm__event ev = {.kind = TDM__EVENT_DECISION, .decision_id = "d", .model_name = "m"};
    tdm__chat_inbox_put(inbox, &ev);
    for (int i = 0; i < N_EVENTS; i++) {
        char text[16];
        const int n = snprintf(text, sizeof text, "%d,", i);
        ev = (tdm__event){.kind = TDM__EVENT_TEXT, .text = {text, (size_t)n}, .tokens = &token, .n_tokens = 1};
        tdm__chat_inbox_put(inbox, &ev);
    }
    const tdm__finish stop = TDM__FINISH_STOP;
    ev = (tdm__event){.kind = TDM__EVENT_DONE, .finish = stop, .finishes = &stop, .n_candidates = 1,
                      .screening = "not built", .label = NULL};
    tdm__chat_inbox_put(inbox, &ev);
    return NULL;
}

typedef struct receiver {
    tdm__loop *loop;
    tdm__chat_inbox inbox;
    tdm__buf text;
    size_t n_tokens;
    bool overflowed;
} receiver;

static void receive(void *user)
{
    receiver *r = user;
    tdm__chat_batch batch = tdm__chat_inbox_take(&r->inbox);
    tdm__chat_piece piece;
    while (tdm__chat_batch_next(&batch, &piece)) {
        tdm__chat_token t;
        assert_int_equal(tdm__buf_append_str(&r->text, piece.text), TDM_OK);
        for (; tdm__chat_piece_token(&piece, &t); r->n_tokens++)
            assert_true(t.chosen.id == 1 && t.n_top == 2 && t.top[1].id == 2);
    }
    r->overflowed = r->overflowed || batch.overflowed;
    if (batch.is_done)
        tdm__loop_stop(r->loop);
}

static void events_cross_threads_in_order(void **state)
{
    (void)state;
    receiver r = {0};
    tdm__buf_init(&r.text, 1 << 20);
    assert_int_equal(tdm__loop_create(&r.loop, NULL), TDM_OK);
    tdm__chat_inbox_init(&r.inbox, r.loop, receive, &r);
    pthread_t sender;
    assert_int_equal(pthread_create(&sender, NULL, send_events, &r.inbox), 0);
    assert_int_equal(tdm__loop_run(r.loop, NULL), TDM_OK);
    pthread_join(sender, NULL);
    char *at = r.text.ptr;
    for (long i = 0; i < N_EVENTS; i++, at++)
        assert_int_equal(strtol(at, &at, 10), i);
    assert_int_equal(r.n_tokens, N_EVENTS);
    assert_false(r.overflowed);
    assert_string_equal(r.inbox.decision_id, "d");
    assert_int_equal(r.inbox.done.finish, TDM__FINISH_STOP);
    tdm__chat_inbox_fini(&r.inbox);
    tdm__loop_destroy(r.loop);
    tdm__buf_fini(&r.text);
}

static void a_full_inbox_says_so(void **state)
{
    (void)state;
    receiver r = {0};
    assert_int_equal(tdm__loop_create(&r.loop, NULL), TDM_OK);
    tdm__chat_inbox_init(&r.inbox, r.loop, receive, &r);
    char text[4096];
    memset(text, 'x', sizeof text);
    const tdm__event ev = {.kind = TDM__EVENT_TEXT, .text = {text, sizeof text}};
    for (size_t i = 0; i < TDM__INBOX_BYTES_MAX / sizeof text + 1; i++)
        tdm__chat_inbox_put(&r.inbox, &ev);
    assert_true(tdm__chat_inbox_take(&r.inbox).overflowed);
    tdm__chat_inbox_fini(&r.inbox);
    tdm__loop_destroy(r.loop);
}

static tdm__str text_of(void *user, int32_t id)
{
    (void)user;
    return id == 1 ? TDM_STR("\"one\"\n") : TDM_STR("\xE4\xB8");
}

static void replies_are_json_in_openais_shape(void **state)
{
    (void)state;
    const tdm__token_info token = {.chosen = tops[0], .top = tops, .n_top = 2};
    const tdm__event ev = {.kind = TDM__EVENT_TEXT, .text = TDM_STR("\"one\"\n"), .tokens = &token, .n_tokens = 1};
    const tdm__token_texts texts = {.get = text_of};
    receiver r = {0};
    assert_int_equal(tdm__loop_create(&r.loop, NULL), TDM_OK);
    tdm__chat_inbox_init(&r.inbox, r.loop, receive, &r);
    tdm__chat_inbox_put(&r.inbox, &ev);
    tdm__chat_batch batch = tdm__chat_inbox_take(&r.inbox);
    tdm__chat_piece piece;
    assert_true(tdm__chat_batch_next(&batch, &piece));
    const tdm__chat_head head = {.decision_id = "ab", .model_name = "m\"", .created_unix_s = 5, .is_chunk = true};
    tdm__buf b;
    tdm__buf_init(&b, 65536);
    assert_int_equal(tdm__reply_chunk_text(&b, &head, &piece, &texts), TDM_OK);
    json_t *v = json_loadb(b.ptr, b.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(v);
    const char *object, *content, *text;
    double logprob, least;
    json_t *bytes;
    assert_int_equal(json_unpack(v, "{s:s, s:[{s:{s:s}, s:{s:[{s:s, s:F, s:o, s:[{}, {s:F}]}]}}]}", "object", &object,
                                 "choices", "delta", "content", &content, "logprobs", "content", "token", &text,
                                 "logprob", &logprob, "bytes", &bytes, "top_logprobs", "logprob", &least), 0);
    assert_string_equal(object, "chat.completion.chunk");
    assert_string_equal(content, "\"one\"\n");
    assert_string_equal(text, "\"one\"\n");
    assert_int_equal(json_array_size(bytes), 6);
    assert_true(logprob == -0.5 && least == -9999.0); /* JSON has no infinity */
    json_decref(v);
    tdm__buf_fini(&b);
    tdm__chat_inbox_fini(&r.inbox);
    tdm__loop_destroy(r.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openais_defaults_hold),
        cmocka_unit_test(fields_reach_the_request),
        cmocka_unit_test(nesting_is_bounded_before_it_is_parsed),
        cmocka_unit_test(a_users_text_never_comes_back_in_an_error),
        cmocka_unit_test(mistyped_names_find_their_neighbours),
        cmocka_unit_test(strings_are_written_as_jansson_reads_them),
        cmocka_unit_test(events_cannot_be_broken_out_of),
        cmocka_unit_test(events_cross_threads_in_order),
        cmocka_unit_test(a_full_inbox_says_so),
        cmocka_unit_test(replies_are_json_in_openais_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
