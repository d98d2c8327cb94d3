/* test_drafting.c - an answer and its events are the same with drafts and without, whatever the drafts are.
 *
 * Over tiny random models: each way to draw, each way to end, alone and in company. The oracle is the same job with
 * drafting off on an engine of its own, and from it the drafts that are right, nearly right and wrong are made. ALWAYS
 * drafts as much as there are rows for, so that every end also comes inside a draft; AUTO leaves it to the clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "answer.h"
#include "base/checked.h"
#include "engine/engine_internal.h"
#include "tiny_model.h"

enum { PROMPT_MAX = 120, LOG_MAX = 1 << 16, SOURCE_MAX = 400, N_MIX = 16 };

static tdm__tiny tinies[2];

static int open_tinies(void **state)
{
    (void)state;
    tinies[0] = tdm__tiny_open(&(tdm__tiny_options){.arch = "qwen2"});
    tinies[1] = tdm__tiny_open(&(tdm__tiny_options){.arch = "llama"});
    return 0;
}

static int close_tinies(void **state)
{
    (void)state;
    tdm__tiny_close(&tinies[0]);
    tdm__tiny_close(&tinies[1]);
    return 0;
}

static uint32_t draw(uint64_t *x, uint32_t n)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*x >> 33) % n;
}

/* All events of a job, as bytes. The answer is the first member: events come with a pointer to it. */
typedef struct told {
    tdm__answer answer;
    unsigned char log[LOG_MAX];
    size_t n_log;
    size_t cancel_at; /* its own job, at that token; 0: never */
} told;

static void note(told *t, const void *bytes, size_t n)
{
    assert_true(t->n_log + n <= LOG_MAX);
    if (n > 0)
        memcpy(t->log + t->n_log, bytes, n);
    t->n_log += n;
}

static void on_told(tdm__answer *a, const tdm__job_event *ev)
{
    told *t = (told *)a;
    note(t, &ev->kind, sizeof ev->kind);
    note(t, &ev->text.len, sizeof ev->text.len);
    note(t, ev->text.ptr, ev->text.len);
    for (size_t i = 0; i < ev->n_tokens; i++) {
        note(t, &ev->tokens[i].chosen, sizeof ev->tokens[i].chosen);
        for (int k = 0; k < ev->tokens[i].n_top; k++)
            note(t, &ev->tokens[i].top[k], sizeof ev->tokens[i].top[k]);
    }
    if (t->cancel_at > 0 && ev->n_tokens > 0 && a->n_ids == t->cancel_at)
        tdm__job_cancel(a->job);
    if (ev->kind != TDM__JOB_DONE)
        return;
    note(t, &ev->finish, sizeof ev->finish);
    note(t, &ev->timings.n_generated, sizeof ev->timings.n_generated);
}

static tdm__kv_type kv_type;

static tdm__engine *engine_of(const tdm__tiny *t, size_t n_slots, size_t n_queue)
{
    tdm__engine *e = NULL;
    tdm_error err = {0};
    tdm__engine_options o = {.n_threads = 1,
                             .isa_max = tdm__cpu_isa(),
                             .n_slots = n_slots,
                             .n_queue = n_queue,
                             .kv_type = kv_type};
    if (tdm__engine_create(t->model, t->tokenizer, &o, &e, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    return e;
}

static void start(tdm__engine *e, told *t, const tdm__job_params *p)
{
    tdm_error err = {0};
    t->answer.on_event = on_told;
    t->n_log = 0;
    if (tdm__answer_start(&t->answer, e, p, &err) != TDM_OK)
        fail_msg("%s", err.msg);
}

static void assert_same(const told *got, const told *want)
{
    assert_int_equal(got->answer.finish, want->answer.finish);
    assert_int_equal(got->answer.n_ids, want->answer.n_ids);
    assert_memory_equal(got->answer.ids, want->answer.ids, want->answer.n_ids * sizeof want->answer.ids[0]);
    assert_int_equal(got->n_log, want->n_log);
    assert_memory_equal(got->log, want->log, want->n_log);
    assert_true(got->answer.timings.n_draft_accepted <= got->answer.timings.n_draft);
    assert_int_equal(want->answer.timings.n_draft, 0);
}

static told plain, drafted;

static void run_plain(const tdm__tiny *tiny, const tdm__job_params *p, told *t)
{
    tdm__job_params off = *p;
    off.drafting = TDM__DRAFTING_OFF;
    off.n_draft_source = 0;
    tdm__engine *e = engine_of(tiny, 1, 0);
    start(e, t, &off);
    tdm__answer_wait(&t->answer);
    tdm__engine_destroy(e);
}

/* ---- sources ---- */

typedef enum source_kind {
    SOURCE_NONE = 0,
    SOURCE_RIGHT,
    SOURCE_LONGER, /* goes on behind the answer's end */
    SOURCE_EDITED,
    SOURCE_LATE,   /* words before the answer */
    SOURCE_SHORT,
    SOURCE_NOISE,
    SOURCE_CONTROL,
    N_SOURCES,
} source_kind;

static int32_t sources[N_MIX][SOURCE_MAX];

/* What n tokens of an answer make of it. */
static size_t make_source(source_kind kind, const int32_t *answer, size_t n, uint64_t *x, int32_t *out)
{
    size_t k = 0;
    if (kind == SOURCE_NONE)
        return 0;
    for (size_t i = 0; kind == SOURCE_LATE && i < 5; i++)
        out[k++] = (int32_t)draw(x, 256);
    if (kind == SOURCE_SHORT)
        n = tdm__min_size(n, 3);
    for (size_t i = 0; i < n; i++) {
        const uint32_t edit = kind == SOURCE_EDITED ? draw(x, 18) : 9;
        if (edit == 0)
            continue;
        if (edit == 1)
            out[k++] = (int32_t)draw(x, 256);
        out[k++] = edit == 2 || kind == SOURCE_NOISE ? (int32_t)draw(x, TDM__TINY_VOCAB) : answer[i];
        if (kind == SOURCE_CONTROL && i % 3 == 2)
            out[k++] = TDM__TINY_IM_END;
    }
    while (kind == SOURCE_LONGER && k < SOURCE_MAX - 1)
        out[k++] = (int32_t)draw(x, 256);
    return k;
}

/* ---- ways to draw and to end ---- */

static int32_t prompts[N_MIX][PROMPT_MAX];

static tdm__job_params params_of(size_t i, uint64_t *x)
{
    const size_t n_prompt = 1 + draw(x, PROMPT_MAX - 1);
    for (size_t k = 0; k < n_prompt; k++)
        prompts[i][k] = (int32_t)draw(x, 256);
    tdm__job_params p = tdm__answer_params(prompts[i], n_prompt, draw(x, 5) ? 1 + draw(x, 50) : 0);
    p.ignore_end = draw(x, 3) != 0;
    p.n_top_logprobs = (int)draw(x, 4) - 1;
    if (draw(x, 3)) {
        p.sampling.temperature = 0.2f + 0.1f * (float)draw(x, 14);
        p.sampling.seed = draw(x, 100);
        p.sampling.top_k = (int)draw(x, 40);
        p.sampling.top_p = draw(x, 2) ? 0.9f : 1;
        p.sampling.min_p = draw(x, 3) ? 0 : 0.05f;
    }
    p.sampling.repeat_penalty = draw(x, 3) ? 1 : 1.3f;
    p.sampling.presence_penalty = draw(x, 3) ? 0 : 0.5f;
    p.sampling.frequency_penalty = draw(x, 3) ? 0 : 0.7f;
    return p;
}

/* A stop string out of the middle of what comes without it. */
static void set_stop(const told *t, tdm__job_params *p, char *bytes)
{
    const char *text = t->answer.text;
    size_t at = t->answer.n_text / 2, len = 3;
    while (((unsigned char)text[at] & 0xc0) == 0x80)
        at++;
    while (((unsigned char)text[at + len] & 0xc0) == 0x80)
        len++;
    if (at + len > t->answer.n_text)
        return;
    memcpy(bytes, text + at, len);
    p->stops[0] = (tdm__str){bytes, len};
    p->n_stops = 1;
}

static void drafts_change_no_event(void **state)
{
    (void)state;
    uint64_t x = 11;
    size_t n_right = 0, n_wrong = 0, n_stops = 0, n_lengths = 0;
    char stop[16];
    for (size_t round = 0; round < 60; round++) {
        const tdm__tiny *tiny = &tinies[round % 2];
        kv_type = round % 3 == 2 ? TDM__KV_Q8 : TDM__KV_F16;
        tdm__job_params p = params_of(0, &x);
        run_plain(tiny, &p, &plain);
        if (draw(&x, 3) == 0 && plain.answer.n_text > 8) {
            set_stop(&plain, &p, stop);
            run_plain(tiny, &p, &plain);
        }
        n_stops += plain.answer.finish == TDM__FINISH_STOP;
        n_lengths += plain.answer.finish == TDM__FINISH_LENGTH;
        tdm__engine *e = engine_of(tiny, 1, 0);
        for (source_kind kind = SOURCE_NONE; kind < N_SOURCES; kind++) {
            p.drafting = draw(&x, 4) ? TDM__DRAFTING_ALWAYS : TDM__DRAFTING_AUTO;
            p.draft_source = sources[0];
            p.n_draft_source = make_source(kind, plain.answer.ids, plain.answer.n_ids, &x, sources[0]);
            start(e, &drafted, &p);
            tdm__answer_wait(&drafted.answer);
            assert_same(&drafted, &plain);
            n_right += drafted.answer.timings.n_draft_accepted;
            n_wrong += drafted.answer.timings.n_draft - drafted.answer.timings.n_draft_accepted;
        }
        tdm__engine_destroy(e);
    }
    kv_type = TDM__KV_F16;
    print_message("%zu drafted tokens right, %zu wrong; %zu stops, %zu lengths\n", n_right, n_wrong, n_stops,
                  n_lengths);
    assert_true(n_right > 1000 && n_wrong > 1000 && n_stops > 5 && n_lengths > 5);
}

/* The last token, the context's end and max_tokens at every place of a draft. */
static void ends_at_every_place_of_a_draft_are_the_same(void **state)
{
    (void)state;
    uint64_t x = 5;
    for (size_t n = 1; n <= 2 * TDM__DRAFT_ROWS_MAX + 3; n++) {
        tdm__job_params p = params_of(0, &x);
        p.ignore_end = true;
        p.n_stops = 0;
        p.max_tokens = n;
        if (n % 2) { /* the context's end instead */
            for (size_t i = 0; i < PROMPT_MAX; i++)
                prompts[0][i] = (int32_t)draw(&x, 256);
            static int32_t long_prompt[TDM__TINY_CTX];
            for (size_t i = 0; i < TDM__TINY_CTX; i++)
                long_prompt[i] = prompts[0][i % PROMPT_MAX];
            p.prompt = long_prompt;
            p.n_prompt = TDM__TINY_CTX - n;
            p.max_tokens = 0;
        }
        run_plain(&tinies[0], &p, &plain);
        assert_int_equal(plain.answer.n_ids, n);
        p.drafting = TDM__DRAFTING_ALWAYS;
        p.draft_source = sources[0];
        p.n_draft_source = make_source(SOURCE_LONGER, plain.answer.ids, n, &x, sources[0]);
        tdm__engine *e = engine_of(&tinies[0], 1, 0);
        start(e, &drafted, &p);
        tdm__answer_wait(&drafted.answer);
        assert_same(&drafted, &plain);
        start(e, &drafted, &p); /* what is left in the slot is as good */
        tdm__answer_wait(&drafted.answer);
        assert_same(&drafted, &plain);
        tdm__engine_destroy(e);
    }
}

/* Whoever cancels at a token gets no further one, though the next ones are computed already. */
static void a_cancel_at_a_token_ends_there(void **state)
{
    (void)state;
    uint64_t x = 9;
    tdm__job_params p = params_of(0, &x);
    p.ignore_end = true;
    p.max_tokens = 40;
    run_plain(&tinies[0], &p, &plain);
    p.drafting = TDM__DRAFTING_ALWAYS;
    p.draft_source = sources[0];
    p.n_draft_source = make_source(SOURCE_RIGHT, plain.answer.ids, plain.answer.n_ids, &x, sources[0]);
    tdm__engine *e = engine_of(&tinies[0], 1, 0);
    for (size_t n = 1; n < 40; n++) {
        drafted.cancel_at = n;
        start(e, &drafted, &p);
        tdm__answer_wait(&drafted.answer);
        assert_int_equal(drafted.answer.finish, TDM__FINISH_CANCELLED);
        assert_int_equal(drafted.answer.n_ids, n);
        assert_memory_equal(drafted.answer.ids, plain.answer.ids, n * sizeof plain.answer.ids[0]);
    }
    drafted.cancel_at = 0;
    start(e, &drafted, &p);
    tdm__answer_wait(&drafted.answer);
    assert_same(&drafted, &plain);
    tdm__engine_destroy(e);
}

/* Many at once, of both priorities, with drafts of all kinds and without: evictions, shared prompts, cancels. */
static void in_company_drafts_change_nothing(void **state)
{
    (void)state;
    static told wants[N_MIX], gots[N_MIX];
    static tdm__job_params p[N_MIX];
    size_t n_accepted = 0;
    uint64_t n_evictions = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        uint64_t x = seed;
        const tdm__tiny *tiny = &tinies[seed % 2];
        kv_type = seed % 4 == 3 ? TDM__KV_Q8 : TDM__KV_F16;
        for (size_t i = 0; i < N_MIX; i++) {
            p[i] = params_of(i, &x);
            if (i > 0 && draw(&x, 3) == 0)
                memcpy(prompts[i], prompts[i - 1], tdm__min_size(p[i].n_prompt, 50) * sizeof prompts[i][0]);
            p[i].app = draw(&x, 2) ? "a" : "b";
            p[i].priority = draw(&x, 3) ? TDM__FOREGROUND : TDM__BACKGROUND;
            run_plain(tiny, &p[i], &wants[i]);
            p[i].drafting = (tdm__drafting)draw(&x, 3);
            p[i].draft_source = sources[i];
            p[i].n_draft_source = make_source((source_kind)draw(&x, N_SOURCES), wants[i].answer.ids,
                                              wants[i].answer.n_ids, &x, sources[i]);
        }
        tdm__engine *e = engine_of(tiny, 1 + draw(&x, 5), N_MIX);
        for (size_t i = 0; i < N_MIX; i++) {
            start(e, &gots[i], &p[i]);
            if (draw(&x, 3) == 0)
                tdm__answer_wait_tokens(&gots[draw(&x, (uint32_t)i + 1)].answer, 1 + draw(&x, 10));
        }
        for (size_t i = 0; i < N_MIX; i++)
            tdm__answer_wait(&gots[i].answer);
        tdm__engine_stats s;
        tdm__engine_get_stats(e, &s);
        assert_true(s.n_draft_accepted <= s.n_draft);
        n_accepted += s.n_draft_accepted;
        n_evictions += s.n_evictions;
        tdm__engine_destroy(e);
        for (size_t i = 0; i < N_MIX; i++)
            assert_same(&gots[i], &wants[i]);
    }
    kv_type = TDM__KV_F16;
    print_message("%zu drafted tokens right, %llu evictions\n", n_accepted, (unsigned long long)n_evictions);
    assert_true(n_accepted > 100 && n_evictions > 0);
}

/* A greedy job whose rows give their best token alone, and one that wants logits for their probabilities. */
static void greedy_is_the_same_with_logprobs(void **state)
{
    (void)state;
    uint64_t x = 21;
    for (size_t round = 0; round < 10; round++) {
        tdm__job_params p = params_of(0, &x);
        p.sampling = tdm__sampling_default();
        p.n_top_logprobs = -1;
        run_plain(&tinies[round % 2], &p, &plain);
        p.n_top_logprobs = 0;
        run_plain(&tinies[round % 2], &p, &drafted);
        assert_int_equal(drafted.answer.n_ids, plain.answer.n_ids);
        assert_memory_equal(drafted.answer.ids, plain.answer.ids, plain.answer.n_ids * sizeof plain.answer.ids[0]);
    }
}

/* Right drafts save turns; the counters say how many. */
static void right_drafts_are_counted(void **state)
{
    (void)state;
    uint64_t x = 2;
    tdm__job_params p = params_of(0, &x);
    p.ignore_end = true;
    p.max_tokens = 50;
    run_plain(&tinies[0], &p, &plain);
    p.drafting = TDM__DRAFTING_ALWAYS;
    p.draft_source = sources[0];
    p.n_draft_source = make_source(SOURCE_RIGHT, plain.answer.ids, 50, &x, sources[0]);
    tdm__engine *e = engine_of(&tinies[0], 1, 0);
    start(e, &drafted, &p);
    tdm__answer_wait(&drafted.answer);
    assert_int_equal(drafted.answer.timings.n_generated, 50);
    assert_int_equal(drafted.answer.timings.n_draft_accepted, drafted.answer.timings.n_draft);
    assert_true(drafted.answer.timings.n_draft >= 50 - 1 - 50 / TDM__DRAFT_ROWS_MAX - 1);
    tdm__engine_stats s;
    tdm__engine_get_stats(e, &s);
    assert_int_equal(s.n_generated_tokens, 50);
    assert_int_equal(s.n_draft, drafted.answer.timings.n_draft);
    assert_int_equal(s.n_draft_accepted, drafted.answer.timings.n_draft_accepted);
    tdm__engine_destroy(e);
}

static void an_engine_without_drafts_takes_no_memory_for_them(void **state)
{
    (void)state;
    tdm__engine_memory with = {0}, without = {0};
    tdm__engine_options o = {.n_threads = 1};
    assert_int_equal(tdm__engine_estimate(tinies[0].model, &o, &with, NULL), TDM_OK);
    o.no_drafts = true;
    assert_int_equal(tdm__engine_estimate(tinies[0].model, &o, &without, NULL), TDM_OK);
    assert_int_equal(with.scratch_bytes - without.scratch_bytes,
                     TDM__DRAFT_LOGITS_MAX * tinies[0].model->hp.n_vocab * sizeof(float) +
                         TDM__DRAFT_ROWS_MAX * sizeof(tdm__best));
    tdm__engine *e = NULL;
    assert_int_equal(tdm__engine_create(tinies[0].model, tinies[0].tokenizer, &o, &e, NULL), TDM_OK);
    uint64_t x = 2;
    tdm__job_params p = params_of(0, &x);
    p.drafting = TDM__DRAFTING_ALWAYS;
    start(e, &drafted, &p);
    tdm__answer_wait(&drafted.answer);
    assert_int_equal(drafted.answer.timings.n_draft, 0);
    tdm__engine_destroy(e);
}

static void sources_of_no_vocabulary_are_refused(void **state)
{
    (void)state;
    tdm__engine *e = engine_of(&tinies[0], 1, 0);
    tdm_error err = {0};
    uint64_t x = 2;
    tdm__job_params p = params_of(0, &x);
    p.draft_source = sources[0];
    p.n_draft_source = 2;
    sources[0][0] = 1;
    sources[0][1] = (int32_t)tinies[0].model->hp.n_vocab;
    assert_int_equal(tdm__answer_start(&drafted.answer, e, &p, &err), TDM_ERR_INVAL);
    assert_string_equal(err.msg, "token 1 of the draft's source has id 288, the vocabulary ends at 287");
    sources[0][1] = 1;
    p.drafting = (tdm__drafting)3;
    assert_int_equal(tdm__answer_start(&drafted.answer, e, &p, &err), TDM_ERR_INVAL);
    tdm__engine_destroy(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drafts_change_no_event),
        cmocka_unit_test(ends_at_every_place_of_a_draft_are_the_same),
        cmocka_unit_test(a_cancel_at_a_token_ends_there),
        cmocka_unit_test(in_company_drafts_change_nothing),
        cmocka_unit_test(greedy_is_the_same_with_logprobs),
        cmocka_unit_test(right_drafts_are_counted),
        cmocka_unit_test(an_engine_without_drafts_takes_no_memory_for_them),
        cmocka_unit_test(sources_of_no_vocabulary_are_refused),
    };
    return cmocka_run_group_tests(tests, open_tinies, close_tinies);
}
