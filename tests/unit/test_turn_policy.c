/* test_turn_policy.c - the pace and the fair queue as functions of numbers: no engine, no clock, no threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine_internal.h"
#include "engine/fair_queue.h"
#include "engine/turn_pace.h"

/* The same numbers on each machine. */
static uint32_t draw(uint64_t *x, uint32_t n)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*x >> 33) % n;
}

/* ---- the pace ---- */

static void prompts_alone_get_the_whole_batch(void **state)
{
    (void)state;
    tdm__pace p = {0};
    assert_int_equal(tdm__pace_prompt_rows(&p, 0, 5, 128), 128);
    tdm__pace_learn(&p, 0, 128, 1000);
    assert_int_equal(tdm__pace_prompt_rows(&p, 0, 5, 128), 128);
}

/* A pace that knows n_streams at decode_ns, and what a row adds. */
static tdm__pace pace_of(size_t n_streams, uint64_t decode_ns, uint64_t row_ns)
{
    tdm__pace p = {0};
    tdm__pace_learn(&p, n_streams, 0, decode_ns);
    tdm__pace_learn(&p, n_streams, 0, decode_ns);
    for (int i = 0; i < 40; i++) {
        tdm__pace_learn(&p, n_streams, 10, decode_ns + 10 * row_ns);
        tdm__pace_learn(&p, n_streams, 0, decode_ns);
    }
    return p;
}

static void beside_streams_a_turn_stays_below_the_limit(void **state)
{
    (void)state;
    tdm__pace p = pace_of(3, 100000, 2000);
    assert_int_equal(tdm__pace_prompt_rows(&p, 3, 0, 128), 20); /* 40% of 100000 */
    assert_int_equal(tdm__pace_prompt_rows(&p, 3, 1, 128), 21);
    assert_int_equal(tdm__pace_prompt_rows(&p, 3, 10, 128), 34); /* turns of 13 streams: 40% of 100000, and 14 more */
    p = pace_of(3, 100000, 50);
    assert_int_equal(tdm__pace_prompt_rows(&p, 3, 0, 128), 128);
    p = pace_of(3, 100000, 90000);
    assert_int_equal(tdm__pace_prompt_rows(&p, 3, 0, 128), TDM__PACE_ROWS_MIN); /* prompts advance all the same */
    assert_int_equal(tdm__pace_prompt_rows(&p, 3, 0, 2), 2);
}

static void a_turn_of_unknown_cost_is_measured_without_prompts(void **state)
{
    (void)state;
    tdm__pace p = pace_of(3, 100000, 2000);
    assert_int_equal(tdm__pace_prompt_rows(&p, 4, 0, 128), 0);
    tdm__pace_learn(&p, 4, 0, 110000);
    assert_int_equal(tdm__pace_prompt_rows(&p, 4, 0, 128), 0); /* one measurement may have been disturbed */
    tdm__pace_learn(&p, 4, 0, 120000);
    assert_int_equal(tdm__pace_prompt_rows(&p, 4, 0, 128), 24);
    for (int i = 0; i < TDM__PACE_REFRESH; i++)
        tdm__pace_learn(&p, 4, 24, 120000 + 24 * 2000);
    assert_int_equal(tdm__pace_prompt_rows(&p, 4, 0, 128), 0); /* contexts have grown since */
    tdm__pace_learn(&p, 4, 0, 130000);
    assert_int_equal(tdm__pace_prompt_rows(&p, 4, 0, 128), 26);
}

static void what_disturbs_a_turn_does_not_lengthen_the_next_ones(void **state)
{
    (void)state;
    tdm__pace p = {0};
    tdm__pace_learn(&p, 2, 0, 5000000); /* the very first one, fifty times too long */
    tdm__pace_learn(&p, 2, 0, 100000);
    assert_int_equal(p.decode_ns[2], 100000);
    tdm__pace_learn(&p, 2, 0, 5000000);
    assert_in_range(p.decode_ns[2], 100000, 130000);
    tdm__pace_learn(&p, 2, 0, 100000);
    assert_int_equal(p.decode_ns[2], 100000);
    p = pace_of(2, 100000, 2000);
    tdm__pace_learn(&p, 2, 10, 50000000);
    assert_in_range(tdm__pace_prompt_rows(&p, 2, 0, 128), 13, 20);
    p = (tdm__pace){0}; /* both measurements disturbed: turns with prompts that are shorter give it away */
    tdm__pace_learn(&p, 2, 0, 5000000);
    tdm__pace_learn(&p, 2, 0, 5000000);
    for (int i = 0; i < 10; i++)
        tdm__pace_learn(&p, 2, 4, 108000);
    assert_int_equal(p.decode_ns[2], 108000);
    tdm__pace_learn(&p, 2, 0, 100000);
    for (int i = 0; i < 10; i++)
        tdm__pace_learn(&p, 2, 4, 108000);
    assert_int_equal(tdm__pace_prompt_rows(&p, 2, 0, 128), 20);
}

/* Machines of all kinds, streams and prompts that come and go: but for the first guess and the least number of rows, no
 * turn is longer than the limit; and few turns carry no prompts. */
static void on_any_machine_streams_and_prompts_both_advance(void **state)
{
    (void)state;
    uint64_t x = 7;
    for (int machine = 0; machine < 300; machine++) {
        tdm__pace p = {0};
        uint64_t pass = 1000 + draw(&x, 10000000), stream = draw(&x, 1000000), row = 10 + draw(&x, 1000000);
        size_t n_streams = 1, n_measured = 0;
        bool is_known = false; /* a turn with prompts told what a row costs */
        for (int turn = 0; turn < 500; turn++) {
            if (draw(&x, 10) == 0)
                n_streams = 1 + draw(&x, 16);
            size_t n_prompts = 1 + draw(&x, 16);
            uint64_t decode = pass + stream * n_streams;
            size_t n = tdm__pace_prompt_rows(&p, n_streams, n_prompts, 128);
            uint64_t ns = decode + n * row;
            n_measured += n == 0;
            if (is_known && n > TDM__PACE_ROWS_MIN)
                assert_true(ns * 100 <= (decode + n_prompts * row) * (TDM__PACE_LIMIT_PERCENT + 10));
            assert_true(n <= 128);
            is_known = is_known || n > 0;
            tdm__pace_learn(&p, n_streams, n, ns);
        }
        assert_true(n_measured <= 16 * 2 + 500 / 5); /* fifty times other streams, and some refreshes */
    }
}

/* ---- what drafts cost ---- */

static void drafts_wait_until_a_turn_without_them_is_known(void **state)
{
    (void)state;
    tdm__pace p = {0};
    assert_int_equal(tdm__pace_draft_turn_ns(&p, 1, 4), 0);
    tdm__pace_learn(&p, 1, 0, 160000);
    assert_int_equal(tdm__pace_draft_turn_ns(&p, 1, 4), 0);
    tdm__pace_learn(&p, 1, 0, 160000);
    assert_int_equal(tdm__pace_draft_turn_ns(&p, 1, 0), 160000);
    assert_int_equal(tdm__pace_draft_turn_ns(&p, 1, 4), 160000 + 4 * 10000); /* cheap, until it is known better */
    assert_int_equal(tdm__pace_draft_turn_ns(&p, 2, 4), 0);
}

static void what_drafts_cost_is_learnt_by_their_number_and_forgotten(void **state)
{
    (void)state;
    tdm__pace p = {0};
    tdm__pace_learn(&p, 1, 0, 160000);
    tdm__pace_learn(&p, 1, 0, 160000);
    tdm__pace_learn_drafts(&p, 1, 4, 162000); /* within what the weights' reading takes */
    assert_int_equal(tdm__pace_draft_turn_ns(&p, 1, 4), 162000);
    assert_int_equal(tdm__pace_draft_turn_ns(&p, 1, 16), 168000); /* unknown: as the next smaller number */
    assert_int_equal(tdm__pace_draft_turn_ns(&p, 1, 2), 180000);
    tdm__pace_learn_drafts(&p, 1, 16, 320000);
    assert_int_equal(tdm__pace_draft_turn_ns(&p, 1, 16), 320000);
    assert_int_equal(tdm__pace_draft_turn_ns(&p, 1, 4), 162000);
    tdm__pace_learn_drafts(&p, 1, 16, 16000000); /* disturbed: it does not count in full */
    assert_true(tdm__pace_draft_turn_ns(&p, 1, 16) <= 160000 + 220000);
    for (int i = 0; i < TDM__PACE_DRAFT_REFRESH; i++)
        tdm__pace_learn(&p, 1, 0, 160000);
    assert_int_equal(tdm__pace_draft_turn_ns(&p, 1, 16), 160000 + 16 * 10000); /* tried again */
    for (int i = 0; i < TDM__PACE_DRAFT_REFRESH; i++)
        tdm__pace_learn_drafts(&p, 1, 4, 165000);
    assert_int_equal(tdm__pace_draft_turn_ns(&p, 1, 4), 0); /* a turn without is to be measured again */
    tdm__pace_learn(&p, 1, 0, 160000);
    assert_true(tdm__pace_draft_turn_ns(&p, 1, 4) > 0);
    tdm__pace_learn_drafts(&p, 1, 8, 100000); /* shorter than one without: that was disturbed */
    assert_int_equal(p.decode_ns[1], 100000);
}

/* ---- how much is drafted ---- */

enum { N_DRAFTING = 3, SOURCE = 100 };

static const float sure = 30, unsure = 0.5f; /* right guesses for a wrong one */
static int32_t source_ids[SOURCE], history_ids[SOURCE];

static tdm__str some_piece(const void *tokenizer, int32_t id)
{
    (void)tokenizer;
    (void)id;
    return TDM_STR(" x");
}

/* An engine of which only the choice of drafts is real: streams whose guesses are right with such odds. */
static tdm__engine *drafting_engine(size_t n_streams, float odds, tdm__wants wants)
{
    static tdm__engine e;
    static tdm__slot slots[N_DRAFTING];
    static tdm__job drafting_jobs[N_DRAFTING];
    e = (tdm__engine){.n_slots = N_DRAFTING,
                      .n_ctx = 4096,
                      .slots = slots,
                      .n_draft_rows = TDM__DRAFT_ROWS_MAX,
                      .n_draft_logits = TDM__DRAFT_LOGITS_MAX};
    for (size_t i = 0; i < N_DRAFTING; i++) {
        slots[i] = (tdm__slot){.tokens = history_ids, .n_tokens = 10, .n_done = 9};
        slots[i].job = i < n_streams ? &drafting_jobs[i] : NULL;
        drafting_jobs[i].drafting = TDM__DRAFTING_AUTO;
        drafting_jobs[i].wants = wants;
        drafting_jobs[i].max_tokens = 1000;
        drafting_jobs[i].priority = TDM__FOREGROUND;
        drafting_jobs[i].timings.n_generated = 1;
        tdm__drafter *d = &drafting_jobs[i].drafter;
        tdm__drafter_init(d, source_ids, SOURCE, some_piece, NULL);
        for (size_t mood = 0; mood < TDM__N_DRAFT_MOODS; mood++) {
            d->n_wrong[mood] = 40 / (1 + odds);
            d->n_right[mood] = 40 - d->n_wrong[mood];
        }
    }
    return &e;
}

/* A turn takes what the slower of both takes: reading the weights, or computing the rows. */
static void learn_machine(tdm__pace *p, size_t n_streams, uint64_t pass_ns, uint64_t row_ns)
{
    for (int i = 0; i < 2; i++)
        tdm__pace_learn(p, n_streams, 0, pass_ns);
    for (size_t n = 1; n <= TDM__DRAFT_ROWS_MAX; n *= 2) {
        const uint64_t rows_ns = (n_streams + n) * row_ns;
        tdm__pace_learn_drafts(p, n_streams, n, rows_ns > pass_ns ? rows_ns : pass_ns);
    }
}

static size_t n_drafted(tdm__engine *e, size_t n_streams)
{
    size_t n = 0;
    tdm__slots_choose_drafts(e, n_streams);
    for (size_t i = 0; i < N_DRAFTING; i++)
        n += e->slots[i].n_drafted;
    return n;
}

static void rows_are_drafted_while_they_bring_more_than_they_cost(void **state)
{
    (void)state;
    tdm__engine *e = drafting_engine(1, sure, TDM__WANTS_BEST);
    assert_int_equal(n_drafted(e, 1), 0); /* what a turn takes is not known */
    learn_machine(&e->pace, 1, 10000, 1000);
    assert_in_range(n_drafted(e, 1), 7, 16); /* about as many as are free */
    e = drafting_engine(1, sure, TDM__WANTS_BEST);
    learn_machine(&e->pace, 1, 10000, 100);
    assert_int_equal(n_drafted(e, 1), TDM__DRAFT_ROWS_MAX); /* all are */
    e = drafting_engine(1, sure, TDM__WANTS_BEST);
    learn_machine(&e->pace, 1, 10000, 10000);
    assert_int_equal(n_drafted(e, 1), 0); /* a row takes as long as a turn */
    e = drafting_engine(1, unsure, TDM__WANTS_BEST);
    learn_machine(&e->pace, 1, 10000, 1000);
    assert_in_range(n_drafted(e, 1), 1, 8);
    e = drafting_engine(1, 0.02f, TDM__WANTS_BEST);
    learn_machine(&e->pace, 1, 10000, 5200);
    assert_int_equal(n_drafted(e, 1), 0); /* seldom right, and not free */
}

static void drafts_end_where_the_answer_must(void **state)
{
    (void)state;
    tdm__engine *e = drafting_engine(1, sure, TDM__WANTS_BEST);
    learn_machine(&e->pace, 1, 10000, 100);
    e->slots[0].job->max_tokens = 5; /* one is there: a turn with three drafts gives four more */
    assert_int_equal(n_drafted(e, 1), 3);
    e = drafting_engine(1, sure, TDM__WANTS_BEST);
    learn_machine(&e->pace, 1, 10000, 100);
    e->n_ctx = 12;
    assert_int_equal(n_drafted(e, 1), 1);
    e = drafting_engine(1, sure, TDM__WANTS_LOGITS);
    learn_machine(&e->pace, 1, 10000, 100);
    assert_int_equal(n_drafted(e, 1), TDM__DRAFT_LOGITS_MAX); /* what memory there is for */
}

static void beside_streams_drafts_keep_to_the_limit(void **state)
{
    (void)state;
    tdm__engine *e = drafting_engine(3, sure, TDM__WANTS_BEST);
    e->slots[0].job->drafting = TDM__DRAFTING_OFF;
    learn_machine(&e->pace, 3, 10000, 1000);
    const size_t n = n_drafted(e, 3);
    assert_int_equal(e->slots[0].n_drafted, 0);
    assert_true(n >= 2 && e->slots[1].n_drafted > 0 && e->slots[2].n_drafted > 0);
    assert_true(tdm__pace_draft_turn_ns(&e->pace, 3, n) * 100 <= 10000 * TDM__PACE_LIMIT_PERCENT);
}

/* ---- the fair queue ---- */

static tdm__fair_queue queue;
static tdm__job jobs[600];

static tdm__job *job_of(size_t i, const char *app, tdm__priority priority)
{
    memset(&jobs[i], 0, sizeof jobs[i]);
    snprintf(jobs[i].app, sizeof jobs[i].app, "%s", app);
    jobs[i].priority = priority;
    return &jobs[i];
}

static void the_app_with_least_service_goes_first_and_its_jobs_in_order(void **state)
{
    (void)state;
    queue = (tdm__fair_queue){0};
    for (size_t i = 0; i < 50; i++)
        tdm__fair_queue_add(&queue, job_of(i, "a", TDM__FOREGROUND));
    assert_ptr_equal(tdm__fair_queue_take(&queue, TDM__FOREGROUND), &jobs[0]);
    jobs[0].account->n_rows += 1000;
    tdm__fair_queue_add(&queue, job_of(50, "b", TDM__FOREGROUND));
    assert_int_equal(jobs[50].account->n_rows, 1000); /* b starts where a stands */
    assert_ptr_equal(tdm__fair_queue_take(&queue, TDM__FOREGROUND), &jobs[50]); /* whose turn is longer ago */
    jobs[50].account->n_rows += 10;
    tdm__fair_queue_add(&queue, job_of(51, "b", TDM__FOREGROUND));
    assert_ptr_equal(tdm__fair_queue_take(&queue, TDM__FOREGROUND), &jobs[1]);
    jobs[1].account->n_rows += 11;
    assert_ptr_equal(tdm__fair_queue_take(&queue, TDM__FOREGROUND), &jobs[51]);
    assert_ptr_equal(tdm__fair_queue_take(&queue, TDM__FOREGROUND), &jobs[2]);
    assert_int_equal(queue.n_waiting[TDM__FOREGROUND], 47);
}

static void rows_that_are_about_to_be_taken_count(void **state)
{
    (void)state;
    queue = (tdm__fair_queue){0};
    for (size_t i = 0; i < 4; i++)
        tdm__fair_queue_add(&queue, job_of(i, i < 2 ? "a" : "b", TDM__FOREGROUND));
    assert_ptr_equal(tdm__fair_queue_take(&queue, TDM__FOREGROUND), &jobs[0]);
    jobs[0].account->n_rows_pending = 10;
    assert_ptr_equal(tdm__fair_queue_take(&queue, TDM__FOREGROUND), &jobs[2]);
    jobs[0].account->n_rows_pending = 10;
    jobs[2].account->n_rows_pending = 9;
    assert_ptr_equal(tdm__fair_queue_take(&queue, TDM__FOREGROUND), &jobs[3]);
    assert_ptr_equal(tdm__fair_queue_take(&queue, TDM__FOREGROUND), &jobs[1]);
    assert_null(tdm__fair_queue_take(&queue, TDM__FOREGROUND));
}

static void idleness_is_not_saved_up(void **state)
{
    (void)state;
    queue = (tdm__fair_queue){0};
    tdm__fair_queue_add(&queue, job_of(0, "idle", TDM__FOREGROUND));
    tdm__fair_queue_take(&queue, TDM__FOREGROUND);
    tdm__fair_queue_forget(&queue, &jobs[0]);
    tdm__fair_queue_add(&queue, job_of(1, "busy", TDM__FOREGROUND));
    tdm__fair_queue_take(&queue, TDM__FOREGROUND);
    jobs[1].account->n_rows += 5000;
    tdm__fair_queue_add(&queue, job_of(2, "idle", TDM__FOREGROUND));
    assert_int_equal(jobs[2].account->n_rows, 5000);
    tdm__fair_queue_take(&queue, TDM__FOREGROUND);
    tdm__fair_queue_forget(&queue, &jobs[1]);
    tdm__fair_queue_forget(&queue, &jobs[2]);
    tdm__fair_queue_add(&queue, job_of(3, "new", TDM__FOREGROUND)); /* nobody is here: where the last ones left */
    assert_int_equal(jobs[3].account->n_rows, 5000);
}

static void background_is_an_account_of_its_own(void **state)
{
    (void)state;
    queue = (tdm__fair_queue){0};
    tdm__fair_queue_add(&queue, job_of(0, "a", TDM__BACKGROUND));
    assert_null(tdm__fair_queue_take(&queue, TDM__FOREGROUND));
    assert_ptr_equal(tdm__fair_queue_take(&queue, TDM__BACKGROUND), &jobs[0]);
    jobs[0].account->n_rows += 100000;
    tdm__fair_queue_add(&queue, job_of(1, "b", TDM__FOREGROUND));
    tdm__fair_queue_add(&queue, job_of(2, "a", TDM__FOREGROUND));
    assert_int_equal(jobs[2].account->n_rows, 0);
    tdm__fair_queue_add(&queue, job_of(3, "a", TDM__BACKGROUND));
    tdm__fair_queue_return(&queue, &jobs[0]); /* evicted: before what came after it */
    assert_ptr_equal(tdm__fair_queue_take(&queue, TDM__BACKGROUND), &jobs[0]);
    assert_ptr_equal(tdm__fair_queue_take(&queue, TDM__BACKGROUND), &jobs[3]);
}

static void more_apps_than_the_table_holds_are_all_served(void **state)
{
    (void)state;
    queue = (tdm__fair_queue){0};
    char name[16];
    enum { N = TDM__APPS_MAX + 100 };
    for (size_t i = 0; i < N; i++) {
        snprintf(name, sizeof name, "app %zu", i);
        tdm__fair_queue_add(&queue, job_of(i, name, TDM__FOREGROUND));
    }
    assert_ptr_equal(jobs[N - 1].account, jobs[TDM__APPS_MAX].account); /* no place: one account for all of them */
    assert_ptr_not_equal(jobs[0].account, jobs[1].account);
    for (size_t i = 0; i < N; i++) {
        tdm__job *j = tdm__fair_queue_take(&queue, TDM__FOREGROUND);
        assert_non_null(j);
        j->account->n_rows += 10;
    }
    for (size_t i = 1; i < N; i++)
        tdm__fair_queue_forget(&queue, &jobs[i]);
    assert_int_equal(queue.n_jobs[TDM__FOREGROUND], 1);
    tdm__fair_queue_add(&queue, job_of(N, "late", TDM__FOREGROUND)); /* takes an idle one's place, never a busy one's */
    assert_ptr_not_equal(jobs[N].account, jobs[0].account);
    assert_ptr_equal(jobs[N].account, jobs[1].account);
}

/* Any order of coming, going, service and cancels: who is taken has least service, and comes in order of his app. */
static void in_any_order_the_choice_is_the_fair_one(void **state)
{
    (void)state;
    enum { N = 400, N_NAMES = 7 };
    static uint64_t number[N]; /* of coming */
    static int place[N];       /* 0: nowhere, 1: waits, 2: runs */
    uint64_t x = 99, n_come = 0;
    queue = (tdm__fair_queue){0};
    memset(place, 0, sizeof place);
    for (int step = 0; step < 60000; step++) {
        size_t i = draw(&x, N);
        tdm__priority p = (tdm__priority)draw(&x, 2);
        if (place[i] == 0) {
            char name[2] = {(char)('a' + draw(&x, N_NAMES)), '\0'};
            tdm__fair_queue_add(&queue, job_of(i, name, p));
            number[i] = ++n_come;
            place[i] = 1;
        } else if (place[i] == 1 && draw(&x, 8) == 0) {
            atomic_store(&jobs[i].cancelled, true);
            tdm__job *gone = tdm__fair_queue_remove_cancelled(&queue, false);
            assert_ptr_equal(gone, &jobs[i]);
            assert_null(gone->next);
            place[i] = 0;
        } else if (place[i] == 2 && draw(&x, 4) == 0) {
            tdm__fair_queue_forget(&queue, &jobs[i]);
            place[i] = 0;
        } else if (place[i] == 2) {
            jobs[i].account->n_rows += draw(&x, 50);
        } else {
            tdm__job *j = tdm__fair_queue_take(&queue, p);
            for (size_t k = 0; k < N; k++) {
                if (place[k] != 1 || jobs[k].priority != p)
                    continue;
                assert_non_null(j);
                assert_true(jobs[k].account->n_rows >= j->account->n_rows);
                assert_true(jobs[k].account != j->account || number[k] >= number[j - jobs]);
            }
            if (j)
                place[j - jobs] = 2;
        }
    }
    size_t n_waiting[2] = {0}, n_jobs[2] = {0};
    for (size_t i = 0; i < N; i++) {
        n_waiting[jobs[i].priority] += place[i] == 1;
        n_jobs[jobs[i].priority] += place[i] != 0;
    }
    assert_memory_equal(n_waiting, queue.n_waiting, sizeof n_waiting);
    assert_memory_equal(n_jobs, queue.n_jobs, sizeof n_jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prompts_alone_get_the_whole_batch),
        cmocka_unit_test(beside_streams_a_turn_stays_below_the_limit),
        cmocka_unit_test(a_turn_of_unknown_cost_is_measured_without_prompts),
        cmocka_unit_test(what_disturbs_a_turn_does_not_lengthen_the_next_ones),
        cmocka_unit_test(on_any_machine_streams_and_prompts_both_advance),
        cmocka_unit_test(drafts_wait_until_a_turn_without_them_is_known),
        cmocka_unit_test(what_drafts_cost_is_learnt_by_their_number_and_forgotten),
        cmocka_unit_test(rows_are_drafted_while_they_bring_more_than_they_cost),
        cmocka_unit_test(drafts_end_where_the_answer_must),
        cmocka_unit_test(beside_streams_drafts_keep_to_the_limit),
        cmocka_unit_test(the_app_with_least_service_goes_first_and_its_jobs_in_order),
        cmocka_unit_test(rows_that_are_about_to_be_taken_count),
        cmocka_unit_test(idleness_is_not_saved_up),
        cmocka_unit_test(background_is_an_account_of_its_own),
        cmocka_unit_test(more_apps_than_the_table_holds_are_all_served),
        cmocka_unit_test(in_any_order_the_choice_is_the_fair_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
