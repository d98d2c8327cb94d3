/* test_assistant.c - each way through the assistant's states, and that nothing leaves without a yes to exactly that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_spine.h"
#include "feature/assistant_internal.h"
#include "temp_folder.h"

#define PROFILE_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const tdm__policy_partner partners[] = {
    {.id = "openai", .name_en = "ChatGPT", .name_zh = "ChatGPT", .legal_entity = "E", .profile_path = "p",
     .profile_sha256 = PROFILE_A, .accreditation = "", .is_emulated = true},
    {.id = "alibaba", .name_en = "Alibaba", .name_zh = "阿里巴巴", .legal_entity = "E", .profile_path = "p",
     .profile_sha256 = PROFILE_A, .accreditation = ""},
};

#define OWN                                                                                                            \
    {                                                                                                                  \
        .role = TDM__ROLE_ENGINE, .model = "m", .model_name = "Model", .model_date = "", .data_region = "",            \
        .profiles = 7, .canary_bp = 10000                                                                              \
    }
#define OPENAI                                                                                                         \
    {                                                                                                                  \
        .partner = &partners[0], .role = TDM__ROLE_HANDOFF, .model = "gpt-4o", .model_name = "GPT",                    \
        .model_date = "2024-11-20", .data_region = "US", .profiles = 1, .canary_bp = 10000                             \
    }

static const tdm__policy_backend own_first[] = {OWN, OPENAI}, partner_first[] = {OPENAI, OWN}, own_only[] = {OWN};

/* One market with one cell, as rules.h would have compiled it. */
typedef struct world {
    tdm__policy_cell cell;
    tdm__market_policy policy;
    tdm__rule_candidate candidates[2];
    tdm__rule_cell rule_cell;
    tdm__rules rules;
} world;

static void world_make(world *w, const tdm__policy_backend *backends, size_t n, tdm__profile profile)
{
    memset(w, 0, sizeof *w);
    w->cell = (tdm__policy_cell){.feature = "assistant", .backends = backends, .n_backends = n};
    w->policy = (tdm__market_policy){.market = "US", .name_en = "United States", .name_zh = "美国", .version = 1,
                                     .shape = TDM__SHAPE_OWN_AND_PARTNER, .label_en = "", .label_zh = "",
                                     .dns_server = "", .partners = partners, .n_partners = 2, .cells = &w->cell,
                                     .n_cells = 1};
    for (size_t i = 0; i < n; i++)
        w->candidates[i] = (tdm__rule_candidate){.backend = &backends[i], .is_in_canary = true};
    w->rule_cell = (tdm__rule_cell){.cell = &w->cell, .candidates = w->candidates};
    w->rules = (tdm__rules){.has_record = true, .record = {.profile = profile, .expires_unix_s = INT64_MAX},
                            .policy = &w->policy, .policy_expires_unix_s = INT64_MAX, .cells = &w->rule_cell,
                            .n_cells = 1};
}

/* What one answer told. */
typedef struct told {
    char order[256]; /* a letter an event: D T O R(etract) P(receipt) E . */
    char text[4096], source[64];
    json_t *decision, *offer, *retract, *receipt, *error, *done;
} told;

static world us;
static char folder[TDM__TEMP_FOLDER_TEXT];
static tdm__usage *usage;
static tdm__assistant *assistant;
static told t;

static void on_event(void *user, const tdm__assistant_event *ev)
{
    static const char letters[] = "?DTORPE.";
    told *x = user;
    json_t **const places[] = {NULL,        &x->decision, NULL,     &x->offer,
                               &x->retract, &x->receipt,  &x->error, &x->done};
    const size_t n = strlen(x->order);
    assert_true(n + 1 < sizeof x->order);
    assert_null(strchr(x->order, '.')); /* nothing comes after DONE */
    x->order[n] = letters[ev->kind];
    assert_non_null(ev->data);
    if (ev->kind == TDM__ASSISTANT_TEXT) {
        snprintf(x->text + strlen(x->text), sizeof x->text - strlen(x->text), "%.*s", (int)ev->text.len, ev->text.ptr);
        snprintf(x->source, sizeof x->source, "%s", json_string_value(json_object_get(ev->data, "source")));
    } else {
        json_decref(*places[ev->kind]);
        *places[ev->kind] = json_deep_copy(ev->data);
    }
}

static void told_clear(void)
{
    json_decref(t.decision), json_decref(t.offer), json_decref(t.retract);
    json_decref(t.receipt), json_decref(t.error), json_decref(t.done);
    t = (told){0};
}

static int set_up(void **state)
{
    (void)state;
    char path[128];
    tdm__temp_folder_make(folder);
    snprintf(path, sizeof path, "%s/usage.sqlite", folder);
    assert_int_equal(tdm__usage_open(path, &usage, NULL), TDM_OK);
    world_make(&us, own_first, 2, TDM__PROFILE_ADULT);
    tdm__fake = (tdm__fake_script){.own_words = {"The", " answer", " is", " four."}, .own_logprob = -0.1f,
                                   .own_unsure_at = -1, .partner_words = {"Part", "ner."}, .partner_fails_at = -1,
                                   .stopped_at = -1};
    tdm__fake_set_rules(&us.rules);
    tdm__fake_set_usage(usage);
    return tdm__assistant_create(NULL, NULL, &assistant, NULL) == TDM_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tdm__assistant_destroy(assistant);
    tdm__usage_close(usage);
    tdm__temp_folder_remove(folder);
    told_clear();
    return 0;
}

static json_t *message(const char *role, const char *content)
{
    return json_pack("{s:s, s:s}", "role", role, "content", content);
}

static tdm_status start(const tdm__assistant_ask *ask, tdm_error *err)
{
    tdm__answer *w = NULL;
    told_clear();
    tdm_status s = tdm__assistant_start(assistant, ask, on_event, &t, &w, err);
    if (s == TDM_OK) {
        tdm__fake_run();
        tdm__answer_destroy(&w);
        assert_int_equal(t.order[strlen(t.order) - 1], '.');
    }
    return s;
}

static void ask_in(const char *question, const char *language)
{
    json_t *messages = json_pack("[o]", message("user", question));
    tdm_error err = {0};
    if (start(&(tdm__assistant_ask){.messages = messages, .language = language}, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    json_decref(messages);
}

static void ask(const char *question) { ask_in(question, "en"); }

static const char *get(const json_t *o, const char *key) { return json_string_value(json_object_get(o, key)); }

/* Answers the offer that was told last. */
static tdm_status answer_offer(tdm__consent_answer consent, size_t n_earlier, tdm_error *err)
{
    char id[64];
    snprintf(id, sizeof id, "%s", get(t.offer, "id"));
    return start(&(tdm__assistant_ask){.offer_id = id, .consent = consent, .n_earlier_turns = n_earlier}, err);
}

static tdm__consent_mode mode(void)
{
    const tdm__consent_subject s = {
        .partner = "openai", .feature = "assistant", .profile_sha256 = PROFILE_A, .model = "gpt-4o"};
    return tdm__consent_get(usage, &s);
}

static void make_unsure(void) { tdm__fake.own_unsure_at = 2; }

static size_t n_receipts(void)
{
    json_t *list = tdm__receipt_list(usage, SIZE_MAX);
    const size_t n = json_array_size(list);
    json_decref(list);
    return n;
}

/* ---- this device's model ---- */

static void a_sure_answer_is_shown_and_nothing_leaves(void **state)
{
    (void)state;
    const size_t before = tdm__fake_n_sent();
    ask("What is 2 + 2?");
    assert_string_equal(t.order, "DT.");
    assert_string_equal(t.text, "The answer is four.");
    assert_string_equal(t.source, "own");
    assert_string_equal(get(t.decision, "path"), "own");
    assert_string_equal(get(t.done, "state"), "answered");
    assert_string_equal(get(json_object_get(t.done, "model"), "name"), "Model");
    assert_int_equal(tdm__fake_n_sent(), before);
}

static void a_long_answer_streams_once_it_is_decided(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++)
        tdm__fake.own_words[i] = "x";
    ask("Go on");
    assert_string_equal(t.order, "DTTTTTTT."); /* 24 held and told at once, then one by one */
    assert_int_equal(strlen(t.text), 30);
}

static void an_unsure_answer_is_never_shown_but_offered(void **state)
{
    (void)state;
    make_unsure();
    const size_t before = tdm__fake_n_sent();
    ask("Who won last night?");
    assert_string_equal(t.order, "DO.");
    assert_string_equal(t.text, "");
    assert_string_equal(get(t.done, "state"), "offered");
    assert_string_equal(get(t.offer, "cause"), "abstained");
    const json_t *leaves = json_object_get(t.offer, "leaves");
    assert_string_equal(get(leaves, "text"), "Who won last night?");
    assert_non_null(strstr(get(leaves, "body"), "Who won last night?"));
    assert_int_equal(json_integer_value(json_object_get(leaves, "bytes")), strlen(get(leaves, "body")));
    assert_true(json_is_true(json_object_get(json_object_get(t.offer, "partner"), "emulated")));
    assert_string_equal(get(json_object_get(t.offer, "model"), "id"), "gpt-4o");
    assert_int_equal(tdm__fake_n_sent(), before);
    assert_int_equal(n_receipts(), 0);
}

static void an_answer_that_declines_is_offered(void **state)
{
    (void)state;
    tdm__fake.own_words[0] = "As an";
    tdm__fake.own_words[1] = " AI language model";
    ask("What is the weather?");
    assert_string_equal(t.order, "DO.");
}

static void without_a_partner_it_streams_and_says_that_it_is_unsure(void **state)
{
    (void)state;
    world_make(&us, own_only, 1, TDM__PROFILE_ADULT);
    make_unsure();
    ask("Who won?");
    assert_string_equal(t.order, "DTTTT.");
    assert_string_equal(get(t.done, "state"), "answered");
    assert_non_null(strstr(get(t.done, "text"), "not sure"));
}

static void a_childs_device_never_offers(void **state)
{
    (void)state;
    world_make(&us, own_first, 2, TDM__PROFILE_CHILD);
    make_unsure();
    ask("ask ChatGPT who won");
    assert_string_equal(get(t.done, "state"), "answered");
    assert_null(t.offer);
}

static void off_is_an_answer_with_its_reason(void **state)
{
    (void)state;
    us.cell.is_killed = true;
    ask("Hello");
    assert_string_equal(t.order, "D.");
    assert_string_equal(get(t.decision, "path"), "off");
    assert_string_equal(get(t.done, "state"), "off");
    assert_string_equal(get(t.done, "reason"), "FEATURE_KILLED");
    assert_non_null(strstr(get(t.done, "text"), "United States"));
}

static void what_the_screen_stops_is_taken_back(void **state)
{
    (void)state;
    world_make(&us, own_only, 1, TDM__PROFILE_ADULT);
    tdm__fake.stopped_at = 2;
    ask("Hello");
    assert_string_equal(t.order, "DTTR.");
    assert_string_equal(get(t.retract, "reason"), "SCREEN_OUTPUT");
    assert_string_equal(get(t.retract, "rule"), "term-7");
    assert_string_equal(get(t.done, "state"), "stopped");
    tdm__fake.stopped_at = -1;
    tdm__fake.stops_question = true;
    ask("Hello");
    assert_string_equal(t.order, "D.");
    assert_string_equal(get(t.done, "reason"), "SCREEN_INPUT");
}

/* ---- the owner's answers ---- */

static void once_sends_exactly_the_question_and_leaves_a_receipt(void **state)
{
    (void)state;
    make_unsure();
    ask("Who won?");
    char sha256[65];
    snprintf(sha256, sizeof sha256, "%s", get(json_object_get(t.offer, "leaves"), "sha256"));
    const size_t before = tdm__fake_n_sent();
    assert_int_equal(answer_offer(TDM__ANSWER_ONCE, 0, NULL), TDM_OK);
    assert_string_equal(t.order, "DTTP.");
    assert_string_equal(get(t.decision, "path"), "openai");
    assert_string_equal(t.text, "Partner.");
    assert_string_equal(t.source, "openai");
    assert_true(json_is_true(json_object_get(t.done, "emulated")));
    assert_int_equal(tdm__fake_n_sent(), before + 1);
    assert_int_equal(json_array_size(tdm__fake_last_sent()), 1);
    assert_string_equal(get(json_array_get(tdm__fake_last_sent(), 0), "content"), "Who won?");
    assert_string_equal(get(t.receipt, "sha256_sent"), sha256);
    assert_string_equal(get(t.receipt, "what"), "question");
    assert_int_equal(n_receipts(), 1);
    assert_int_equal(mode(), TDM__CONSENT_ASK);
}

static tdm__consent_mode mode_while_sending;
static void look_at_mode(int i)
{
    if (i == 0)
        mode_while_sending = mode();
}

static void always_is_stored_before_anything_leaves_and_asks_no_more(void **state)
{
    (void)state;
    make_unsure();
    ask("Who won?");
    tdm__fake.before_word = look_at_mode;
    mode_while_sending = TDM__CONSENT_ASK;
    assert_int_equal(answer_offer(TDM__ANSWER_ALWAYS, 0, NULL), TDM_OK);
    assert_int_equal(mode_while_sending, TDM__CONSENT_ALWAYS);
    tdm__fake.before_word = NULL;
    json_t *messages = json_pack("[o, o, o]", message("user", "earlier secret"), message("assistant", "yes"),
                                 message("user", "And today?"));
    assert_int_equal(start(&(tdm__assistant_ask){.messages = messages}, NULL), TDM_OK);
    json_decref(messages);
    assert_string_equal(t.order, "DDTTP.");
    assert_string_equal(get(t.done, "state"), "answered");
    assert_int_equal(json_array_size(tdm__fake_last_sent()), 1); /* the question alone */
    assert_int_equal(n_receipts(), 2);
}

static void never_sends_nothing_and_asks_no_more(void **state)
{
    (void)state;
    make_unsure();
    const size_t before = tdm__fake_n_sent();
    ask("Who won?");
    assert_int_equal(answer_offer(TDM__ANSWER_NEVER, 0, NULL), TDM_OK);
    assert_string_equal(t.order, ".");
    assert_string_equal(get(t.done, "state"), "declined");
    assert_int_equal(mode(), TDM__CONSENT_NEVER);
    ask("Who won?");
    assert_string_equal(get(t.done, "state"), "answered");
    ask("ask ChatGPT who won");
    assert_string_equal(get(t.done, "state"), "answered");
    assert_string_equal(t.source, "own");
    assert_non_null(strstr(get(t.done, "text"), "never to ChatGPT")); /* of whom was asked for, though it is unsure */
    tdm__fake.own_unsure_at = -1;
    ask("ask ChatGPT who won");
    assert_non_null(strstr(get(t.done, "text"), "never to ChatGPT"));
    assert_int_equal(tdm__fake_n_sent(), before);
}

static void earlier_turns_go_only_when_ticked(void **state)
{
    (void)state;
    make_unsure();
    json_t *messages = json_pack("[o, o, o, o, o, o]", message("system", "be short"), message("user", "one"),
                                 message("assistant", "two"), message("user", "three"), message("assistant", "four"),
                                 message("user", "Who won?"));
    const tdm__assistant_ask question = {.messages = messages};
    tdm_error err = {0};
    assert_int_equal(start(&question, NULL), TDM_OK);
    const json_t *earlier = json_object_get(json_object_get(t.offer, "leaves"), "earlier_turns");
    assert_int_equal(json_array_size(earlier), 4); /* not the system's words */
    assert_null(strstr(get(json_object_get(t.offer, "leaves"), "body"), "three"));
    assert_int_equal(answer_offer(TDM__ANSWER_ONCE, 2, NULL), TDM_OK);
    assert_int_equal(json_array_size(tdm__fake_last_sent()), 3);
    assert_string_equal(get(json_array_get(tdm__fake_last_sent(), 0), "content"), "three");
    assert_string_equal(get(t.receipt, "what"), "question and 2 earlier turns");
    assert_int_equal(start(&question, NULL), TDM_OK);
    const size_t before = tdm__fake_n_sent();
    assert_int_equal(answer_offer(TDM__ANSWER_ONCE, 5, &err), TDM_ERR_INVAL);
    assert_non_null(strstr(err.msg, "showed 4"));
    assert_int_equal(tdm__fake_n_sent(), before);
    json_decref(messages);
}

/* ---- offers that are none any more ---- */

static void assert_refused(const char *says)
{
    const size_t before = tdm__fake_n_sent();
    tdm_error err = {0};
    char id[64];
    snprintf(id, sizeof id, "%s", get(t.offer, "id"));
    tdm__answer *w = NULL;
    const tdm__assistant_ask yes = {.offer_id = id, .consent = TDM__ANSWER_ALWAYS};
    assert_int_equal(tdm__assistant_start(assistant, &yes, on_event, &t, &w, &err), TDM_ERR_INVAL);
    if (!strstr(err.msg, says))
        fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
    assert_int_equal(tdm__fake_run(), 0);
    assert_int_equal(tdm__fake_n_sent(), before);
}

static void an_offer_is_good_for_one_answer_within_five_minutes(void **state)
{
    (void)state;
    make_unsure();
    ask("Who won?");
    json_t *offer = json_incref(t.offer);
    assert_int_equal(answer_offer(TDM__ANSWER_ONCE, 0, NULL), TDM_OK);
    t.offer = offer;
    assert_refused("answered already");
    ask("Who won?");
    for (size_t i = 0; i < TDM__OFFERS_MAX; i++)
        assistant->offers[i].made_ns -= 301ull * 1000000000;
    assert_refused("older than 300 seconds");
    assert_int_equal(mode(), TDM__CONSENT_ASK); /* a refused "always" stores nothing */
    json_object_set_new(t.offer, "id", json_string("00000000000000000000000000000000"));
    assert_refused("not known");
}

static void other_rules_or_consents_end_an_offer(void **state)
{
    (void)state;
    make_unsure();
    ask("Who won?");
    tdm__fake_set_rules(&us.rules);
    assert_refused("rules have changed");
    ask("Who won?");
    const tdm__consent_subject s = {
        .partner = "openai", .feature = "assistant", .profile_sha256 = PROFILE_A, .model = "gpt-4o"};
    assert_int_equal(tdm__consent_set(usage, &s, TDM__CONSENT_NEVER, 0, NULL), TDM_OK);
    assert_refused("consent has changed");
}

static void many_offers_push_out_the_oldest(void **state)
{
    (void)state;
    make_unsure();
    ask("first");
    json_t *first = json_deep_copy(t.offer);
    for (int i = 0; i < TDM__OFFERS_MAX; i++)
        ask("next");
    assert_int_equal(answer_offer(TDM__ANSWER_ONCE, 0, NULL), TDM_OK);
    json_decref(t.offer);
    t.offer = first;
    assert_refused("not known");
}

/* ---- why a partner is offered ---- */

static void named(const char *question, const char *expected)
{
    char id[TDM__NAME_TEXT];
    tdm__assistant_find_named(&us.policy, "assistant", tdm__str_from(question), id);
    if (strcmp(id, expected) != 0)
        fail_msg("\"%s\" names \"%s\", not \"%s\"", question, id, expected);
}

static void a_partner_is_named_only_at_the_beginning(void **state)
{
    (void)state;
    named("ask ChatGPT who won", "openai");
    named("  Please ask chatgpt: who won", "openai");
    named("Use openai for this", "openai");
    named("ask GPT who won", "openai"); /* the model's name */
    named("问ChatGPT谁赢了", "openai");
    named("请让阿里巴巴写一首诗", "alibaba");
    named("问阿里谁赢了", "alibaba");
    named("问问 Alibaba 谁赢了", "alibaba");
    named("What is ChatGPT?", "");
    named("I would ask ChatGPT", "");
    named("ask ChatGPTs who won", "");
    named("ask my mother", "");
    named("请问阿里巴巴是什么", ""); /* "may I ask what Alibaba is" */
    named("问阿", "");
    named("ask DeepSeek: who won", "deepseek"); /* another market's: known, so that nobody else gets the question */
    named("问豆包谁赢了", "bytedance");
    named("What is DeepSeek?", "");
    named("", "");
    named("ask", "");
}

static void a_named_partner_is_offered_at_once(void **state)
{
    (void)state;
    ask("ask ChatGPT who won");
    assert_string_equal(t.order, "DO.");
    assert_string_equal(get(t.offer, "cause"), "named");
    assert_string_equal(get(json_object_get(t.offer, "leaves"), "text"), "ask ChatGPT who won");
    ask_in("问ChatGPT谁赢了", "zh");
    assert_non_null(strstr(get(t.done, "text"), "目前没有发送"));
}

static void a_name_that_the_market_does_not_have_falls_back_and_says_so(void **state)
{
    (void)state;
    json_t *messages = json_pack("[o]", message("user", "Hello"));
    const tdm__assistant_ask q = {.messages = messages, .named_partner = "baidu"};
    assert_int_equal(start(&q, NULL), TDM_OK);
    json_decref(messages);
    assert_string_equal(t.source, "own");
    assert_non_null(strstr(get(t.done, "text"), "not one of"));
}

static void a_policy_that_begins_with_the_partner_offers_it(void **state)
{
    (void)state;
    world_make(&us, partner_first, 2, TDM__PROFILE_ADULT);
    ask("Hello");
    assert_string_equal(t.order, "DO.");
    assert_string_equal(get(t.offer, "cause"), "policy");
}

static void a_text_that_is_too_long_for_the_device_is_offered(void **state)
{
    (void)state;
    tdm__fake.own_words[0] = NULL;
    tdm__fake.own_error = TDM_ERR_LIMIT;
    ask("a long text");
    assert_string_equal(get(t.offer, "cause"), "too_long");
    world_make(&us, own_only, 1, TDM__PROFILE_ADULT);
    ask("a long text");
    assert_string_equal(t.order, "DE.");
    assert_string_equal(get(t.error, "code"), "too_long");
}

/* ---- partners that fail, ground that moves ---- */

static void a_partner_that_fails_before_its_first_word_is_stood_in_for(void **state)
{
    (void)state;
    ask("ask ChatGPT who won");
    tdm__fake.partner_fails_at = 0;
    tdm__fake.partner_fault = TDM__PARTNER_NOT_API;
    assert_int_equal(answer_offer(TDM__ANSWER_ONCE, 0, NULL), TDM_OK);
    assert_string_equal(t.order, "DPEDTTTT.");
    assert_string_equal(get(t.error, "code"), "partner_not_api");
    assert_string_equal(get(t.receipt, "outcome"), "failed");
    assert_string_equal(t.source, "own");
    assert_string_equal(get(t.done, "state"), "answered");
    assert_non_null(strstr(get(t.done, "text"), "ChatGPT did not answer"));
}

static void a_partner_that_breaks_off_keeps_what_it_said(void **state)
{
    (void)state;
    ask("ask ChatGPT who won");
    tdm__fake.partner_fails_at = 1;
    tdm__fake.partner_fault = TDM__PARTNER_CUT;
    assert_int_equal(answer_offer(TDM__ANSWER_ONCE, 0, NULL), TDM_OK);
    assert_string_equal(t.order, "DTPE.");
    assert_string_equal(get(t.error, "code"), "partner_cut");
    assert_string_equal(get(t.receipt, "outcome"), "cut");
    assert_string_equal(get(t.done, "state"), "failed");
}

static void take_consent_back(int i)
{
    if (i == 1)
        assert_int_equal(tdm__consent_revoke(usage, NULL, NULL, NULL, NULL), TDM_OK);
}

static void a_consent_taken_back_ends_the_answer(void **state)
{
    (void)state;
    ask("ask ChatGPT who won");
    tdm__fake.before_word = take_consent_back;
    assert_int_equal(answer_offer(TDM__ANSWER_ALWAYS, 0, NULL), TDM_OK);
    tdm__fake.before_word = NULL;
    assert_string_equal(t.order, "DTPE."); /* no other model steps in, nothing is taken back */
    assert_string_equal(get(t.error, "code"), "consent_revoked");
    assert_string_equal(t.text, "Part");
    assert_string_equal(get(t.receipt, "outcome"), "cancelled");
    assert_int_equal(n_receipts(), 1);
}

/* The partner has another model from now on. */
static world changed;
static void change_the_rules(int i)
{
    static const tdm__policy_backend others[] = {
        OWN,
        {.partner = &partners[0], .role = TDM__ROLE_HANDOFF, .model = "other-model", .model_name = "Other",
         .model_date = "2025-01-01", .data_region = "US", .profiles = 1, .canary_bp = 10000}};
    if (i != 1)
        return;
    world_make(&changed, others, 2, TDM__PROFILE_ADULT);
    tdm__fake_set_rules(&changed.rules);
}

static void what_was_decided_by_other_rules_is_not_offered(void **state)
{
    (void)state;
    make_unsure();
    tdm__fake.before_word = change_the_rules;
    ask("Who won?");
    assert_null(t.offer); /* its model and case are those of yesterday, a yes would be to those of today */
    assert_string_equal(t.order, "DE.");
    assert_string_equal(get(t.error, "code"), "rules_changed");
    tdm__fake.before_word = NULL;
    ask("Who won?");
    assert_string_equal(get(json_object_get(t.offer, "model"), "id"), "other-model");
}

static void always_to_another_model_is_asked_anew_with_that_model(void **state)
{
    (void)state;
    make_unsure();
    ask("Who won?");
    assert_int_equal(answer_offer(TDM__ANSWER_ALWAYS, 0, NULL), TDM_OK);
    const size_t before = tdm__fake_n_sent();
    tdm__fake.before_word = change_the_rules;
    ask("And today?");
    tdm__fake.before_word = NULL;
    assert_int_equal(tdm__fake_n_sent(), before);
    assert_string_equal(get(json_object_get(t.offer, "model"), "id"), "other-model");
    assert_non_null(strstr(get(json_object_get(t.offer, "leaves"), "body"), "other-model"));
}

static void change_the_rules_now(void) { change_the_rules(1); }

static void a_yes_to_one_model_is_none_to_another_that_the_rules_name_by_then(void **state)
{
    (void)state;
    make_unsure();
    ask("Who won?");
    const size_t before = tdm__fake_n_sent();
    tdm__fake.before_start = change_the_rules_now;
    assert_int_equal(answer_offer(TDM__ANSWER_ONCE, 0, NULL), TDM_OK);
    assert_int_equal(tdm__fake_n_sent(), before);
    assert_string_equal(t.order, "DO.");
    assert_string_equal(get(json_object_get(t.offer, "model"), "id"), "other-model");
}

/* ---- lives ---- */

static void cancelling_ends_an_answer(void **state)
{
    (void)state;
    json_t *messages = json_pack("[o]", message("user", "Hello"));
    const tdm__assistant_ask q = {.messages = messages};
    tdm__answer *w = NULL;
    assert_int_equal(tdm__assistant_start(assistant, &q, on_event, &t, &w, NULL), TDM_OK);
    tdm__answer_cancel(w);
    tdm__fake_run();
    tdm__answer_destroy(&w);
    json_decref(messages);
    assert_string_equal(t.order, "D.");
    assert_string_equal(get(t.done, "state"), "cancelled");
}

static void more_answers_than_the_limit_are_refused(void **state)
{
    (void)state;
    json_t *messages = json_pack("[o]", message("user", "Hello"));
    const tdm__assistant_ask q = {.messages = messages};
    tdm__answer *answers[TDM__ANSWERS_MAX + 1] = {0};
    told *each = calloc(TDM__ANSWERS_MAX + 1, sizeof *each);
    for (size_t i = 0; i < TDM__ANSWERS_MAX; i++)
        assert_int_equal(tdm__assistant_start(assistant, &q, on_event, &each[i], &answers[i], NULL), TDM_OK);
    tdm_error err = {0};
    assert_int_equal(tdm__assistant_start(assistant, &q, on_event, &t, &answers[TDM__ANSWERS_MAX], &err),
                     TDM_ERR_BUSY);
    assert_non_null(strstr(err.msg, "64"));
    assert_int_equal(tdm__fake_run(), TDM__ANSWERS_MAX);
    for (size_t i = 0; i < TDM__ANSWERS_MAX; i++) {
        tdm__answer_destroy(&answers[i]);
        json_decref(each[i].decision), json_decref(each[i].done);
    }
    free(each);
    json_decref(messages);
}

static void what_is_no_question_is_refused_at_once(void **state)
{
    (void)state;
    static const char *const bad[] = {"[]", "[{}]", "[{\"role\":\"user\"}]", "[{\"role\":\"user\",\"content\":[]}]",
                                      "[{\"role\":\"assistant\",\"content\":\"x\"}]", "{}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *messages = json_loads(bad[i], 0, NULL);
        tdm_error err = {0};
        assert_int_equal(start(&(tdm__assistant_ask){.messages = messages}, &err), TDM_ERR_INVAL);
        json_decref(messages);
    }
    assert_int_equal(start(&(tdm__assistant_ask){.offer_id = "x"}, NULL), TDM_ERR_INVAL);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_sure_answer_is_shown_and_nothing_leaves),
        CASE(a_long_answer_streams_once_it_is_decided),
        CASE(an_unsure_answer_is_never_shown_but_offered),
        CASE(an_answer_that_declines_is_offered),
        CASE(without_a_partner_it_streams_and_says_that_it_is_unsure),
        CASE(a_childs_device_never_offers),
        CASE(off_is_an_answer_with_its_reason),
        CASE(what_the_screen_stops_is_taken_back),
        CASE(once_sends_exactly_the_question_and_leaves_a_receipt),
        CASE(always_is_stored_before_anything_leaves_and_asks_no_more),
        CASE(never_sends_nothing_and_asks_no_more),
        CASE(earlier_turns_go_only_when_ticked),
        CASE(an_offer_is_good_for_one_answer_within_five_minutes),
        CASE(other_rules_or_consents_end_an_offer),
        CASE(many_offers_push_out_the_oldest),
        CASE(a_partner_is_named_only_at_the_beginning),
        CASE(a_named_partner_is_offered_at_once),
        CASE(a_name_that_the_market_does_not_have_falls_back_and_says_so),
        CASE(a_policy_that_begins_with_the_partner_offers_it),
        CASE(a_text_that_is_too_long_for_the_device_is_offered),
        CASE(a_partner_that_fails_before_its_first_word_is_stood_in_for),
        CASE(a_partner_that_breaks_off_keeps_what_it_said),
        CASE(a_consent_taken_back_ends_the_answer),
        CASE(what_was_decided_by_other_rules_is_not_offered),
        CASE(always_to_another_model_is_asked_anew_with_that_model),
        CASE(a_yes_to_one_model_is_none_to_another_that_the_rules_name_by_then),
        CASE(cancelling_ends_an_answer),
        CASE(more_answers_than_the_limit_are_refused),
        CASE(what_is_no_question_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
