/* test_drafter.c - the cursor along a source: where it stands after each kind of edit, and how many turns a text takes.
 *
 * Tokens are the pieces of a text cut by a simple rule; an id is a place in a table of pieces. A turn takes what a
 * draft has right and one token more, as the engine does; so the number of turns says how good the guesses are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/drafter.h"

enum { PIECES_MAX = 512, TOKENS_MAX = 4096, WORD_CUT = 5, DRAFT_MAX = 128 };

static tdm__str pieces[PIECES_MAX];
static size_t n_pieces;

static tdm__str piece_of(const void *tokenizer, int32_t id)
{
    (void)tokenizer;
    return id >= 0 && (size_t)id < n_pieces ? pieces[id] : (tdm__str){NULL, 0};
}

static int32_t id_of(tdm__str piece)
{
    for (size_t i = 0; i < n_pieces; i++)
        if (tdm__str_eq(pieces[i], piece))
            return (int32_t)i;
    assert_true(n_pieces < PIECES_MAX);
    pieces[n_pieces] = piece;
    return (int32_t)n_pieces++;
}

static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* A blank with up to WORD_CUT letters, letters that go on, marks; other scripts three bytes at a time. */
static size_t cut(const char *text, int32_t *ids)
{
    size_t n = 0;
    for (const char *p = text; *p;) {
        size_t len = 1;
        if ((unsigned char)*p >= 0x80)
            len = 3;
        else if (*p == ' ' || is_letter(*p))
            while (len < WORD_CUT && is_letter(p[len]))
                len++;
        assert_true(n < TOKENS_MAX);
        ids[n++] = id_of((tdm__str){p, len});
        p += len;
    }
    return n;
}

typedef struct walk {
    size_t n_turns, n_drafted, n_right;
} walk;

/* The answer is written behind a prompt (which may be the source's place) with drafts of at most n_max tokens. */
static walk walk_along(const int32_t *source, size_t n_source, const int32_t *prompt, size_t n_prompt,
                       const int32_t *answer, size_t n_answer, size_t n_max)
{
    static int32_t history[3 * TOKENS_MAX];
    tdm__drafter d;
    walk w = {0};
    tdm__drafter_init(&d, source, n_source, piece_of, NULL);
    if (n_prompt > 0)
        memcpy(history, prompt, n_prompt * sizeof *history);
    for (size_t at = 0; at < n_answer; w.n_turns++) {
        const int32_t *ids = NULL;
        const size_t n = at > 0 || n_source > 0 ? tdm__drafter_propose(&d, history, n_prompt + at, n_max, &ids) : 0;
        assert_true(n <= n_max);
        int32_t draft[DRAFT_MAX];
        if (n > 0)
            memcpy(draft, ids, n * sizeof *draft);
        for (size_t i = 0; i < n; i++)
            assert_true(tdm__drafter_chance(&d, i) > 0 && tdm__drafter_chance(&d, i) < 1);
        w.n_drafted += n;
        for (size_t i = 0; at < n_answer; i++) {
            const bool is_right = i < n && draft[i] == answer[at];
            history[n_prompt + at] = answer[at];
            at++;
            tdm__drafter_take(&d, history, n_prompt + at);
            if (!is_right)
                break;
            w.n_right++;
        }
    }
    return w;
}

static size_t turns(const char *source, const char *answer)
{
    static int32_t a[TOKENS_MAX], b[TOKENS_MAX];
    n_pieces = 0;
    const size_t n_a = cut(source, a), n_b = cut(answer, b);
    return walk_along(a, n_a, NULL, 0, b, n_b, DRAFT_MAX).n_turns;
}

static const char before[] = "The small boat left the harbour early in the morning, and nobody saw it";
static const char behind[] = " until the fishermen came home with the news of a storm far out at sea.";

static size_t turns_of_edit(const char *old, const char *new)
{
    char source[512], answer[512];
    snprintf(source, sizeof source, "%s%s%s", before, old, behind);
    snprintf(answer, sizeof answer, "%s%s%s", before, new, behind);
    return turns(source, answer);
}

static void a_copy_takes_one_turn(void **state)
{
    (void)state;
    assert_int_equal(turns_of_edit("", ""), 1);
}

/* One turn ends at the first token that differs, the next one has the rest, or needs one or two tokens to find it. */
static void after_an_edit_one_or_two_tokens_are_enough(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new;
        size_t n_turns;
    } edits[] = {
        {" agian", " again", 2},                 /* a word replaced by one that begins alike */
        {" teh", " the", 2},
        {" go", " to go", 2},                    /* a word put in */
        {" saw cat", " saw the cat", 2},
        {" the the", " the", 2},                 /* a word left out */
        {" very very much", " much", 2},
        {" however I", " however, I", 2},        /* a mark put in, replaced, left out */
        {" yes.", " yes,", 2},
        {" yes, and", " yes and", 2},
        {" definately", " definitely", 2},       /* cut in other places: a word of several tokens */
        {" is", " are", 3},                      /* replaced by a short word that begins otherwise */
        {" and then", ". Then", 3},              /* a word begins a sentence */
        {" there again,", " there,", 2},         /* a word left out before a mark */
        {" go to", " have gone towards", 6},     /* several words at once */
        {" one two three", " four five", 5},
        {"\xe4\xbb\x96\xe9\x97\xa8\xe5\x8e\xbb", "\xe4\xbb\x96\xe4\xbb\xac\xe5\x8e\xbb", 2}, /* a Chinese character */
        {"\xe4\xbb\x96\xe5\x8e\xbb", "\xe4\xbb\x96\xe4\xbb\xac\xe5\x8e\xbb", 3},             /* one put in */
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        const size_t n = turns_of_edit(edits[i].old, edits[i].new);
        if (n > edits[i].n_turns)
            fail_msg("'%s' to '%s' takes %zu turns, not %zu", edits[i].old, edits[i].new, n, edits[i].n_turns);
    }
}

static void a_sentence_left_out_or_put_first_is_found(void **state)
{
    (void)state;
    static const char a[] = "We met on Monday. ", b[] = "The talks were long and led to nothing that I could name. ",
                      c[] = "Then everybody went home by train.";
    char whole[256], part[320];
    snprintf(whole, sizeof whole, "%s%s%s", a, b, c);
    snprintf(part, sizeof part, "%s%s", a, c);
    assert_in_range(turns(whole, part), 2, 4);
    snprintf(part, sizeof part, "Here is the text you asked me for:\n\n%s", whole);
    assert_in_range(turns(whole, part), 10, 15); /* each token of the heading, then the text */
}

/* Without a source: the prompt holds the text behind an instruction. */
static void a_text_in_the_prompt_is_found_after_two_tokens(void **state)
{
    (void)state;
    static int32_t prompt[TOKENS_MAX], answer[TOKENS_MAX];
    char text[512];
    n_pieces = 0;
    snprintf(text, sizeof text, "Correct this. %s agian%s Answer:\n", before, behind);
    const size_t n_prompt = cut(text, prompt);
    static char fixed[512];
    snprintf(fixed, sizeof fixed, "%s again%s", before, behind);
    const size_t n_answer = cut(fixed, answer);
    const walk w = walk_along(NULL, 0, prompt, n_prompt, answer, n_answer, DRAFT_MAX);
    assert_in_range(w.n_turns, 2, 6);
}

static void what_repeats_itself_is_its_own_source(void **state)
{
    (void)state;
    static int32_t prompt[] = {0}, answer[TOKENS_MAX];
    n_pieces = 0;
    const size_t n = cut("<li>one</li><li>one</li><li>one</li><li>one</li><li>one</li><li>one</li>", answer);
    const walk w = walk_along(NULL, 0, prompt, 1, answer, n, DRAFT_MAX);
    assert_true(w.n_turns <= n / 3);
}

static uint32_t draw(uint64_t *x, uint32_t n)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*x >> 33) % n;
}

/* Whatever the tokens are, the drafter stays in its texts; and where it is never right, its chances say so. */
static void noise_is_survived_and_told(void **state)
{
    (void)state;
    static int32_t source[TOKENS_MAX], answer[TOKENS_MAX], prompt[64];
    static const char *const kinds[] = {" ", "a", ".", "\xe4\xbb\x96", " the", "", "\n\n", " Z"};
    uint64_t x = 3;
    for (size_t round = 0; round < 300; round++) {
        n_pieces = 1 + draw(&x, 60);
        for (size_t i = 0; i < n_pieces; i++)
            pieces[i] = tdm__str_from(kinds[draw(&x, 8)]);
        const size_t n_source = draw(&x, 3) ? 1 + draw(&x, 200) : 0, n_prompt = 1 + draw(&x, 60);
        for (size_t i = 0; i < n_source; i++)
            source[i] = (int32_t)draw(&x, 80); /* ids without a piece, too */
        for (size_t i = 0; i < n_prompt; i++)
            prompt[i] = (int32_t)draw(&x, 80);
        for (size_t i = 0; i < 300; i++)
            answer[i] = (int32_t)draw(&x, 80);
        walk_along(source, n_source, prompt, n_prompt, answer, 300, 1 + draw(&x, 32));
    }
    tdm__drafter d;
    tdm__drafter_init(&d, source, 200, piece_of, NULL);
    for (size_t i = 0; i < 200; i++)
        source[i] = 1;
    for (size_t i = 0; i < 300; i++) {
        answer[i] = 2 + (int32_t)draw(&x, 8);
        tdm__drafter_take(&d, answer, i + 1);
    }
    assert_true(tdm__drafter_chance(&d, 0) < 0.05f);
}

static void what_a_guess_is_worth_is_learnt_from_all_tokens(void **state)
{
    (void)state;
    static int32_t source[300];
    for (size_t i = 0; i < 300; i++)
        source[i] = (int32_t)i;
    n_pieces = 300;
    for (size_t i = 0; i < 300; i++)
        pieces[i] = TDM_STR(" word");
    tdm__drafter d;
    tdm__drafter_init(&d, source, 300, piece_of, NULL);
    const float first = tdm__drafter_chance(&d, TDM__DRAFT_SURE_RUN);
    for (size_t i = 0; i < 200; i++)
        tdm__drafter_take(&d, source, i + 1);
    assert_true(tdm__drafter_chance(&d, 0) > first && tdm__drafter_chance(&d, 0) > 0.97f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_takes_one_turn),
        cmocka_unit_test(after_an_edit_one_or_two_tokens_are_enough),
        cmocka_unit_test(a_sentence_left_out_or_put_first_is_found),
        cmocka_unit_test(a_text_in_the_prompt_is_found_after_two_tokens),
        cmocka_unit_test(what_repeats_itself_is_its_own_source),
        cmocka_unit_test(noise_is_survived_and_told),
        cmocka_unit_test(what_a_guess_is_worth_is_learnt_from_all_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
