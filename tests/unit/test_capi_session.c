/* test_capi_session.c - the engine layer: tokens and back, one timeline, draws that depend on nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "capi_world.h"

enum { N_VOCAB_MAX = 4096, N_IDS = 256 };

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

static tdm_model *open_model(const char *path)
{
    tdm_model *m = NULL;
    tdm_error err = {0};
    tdm_model_options o;
    tdm_model_options_default(&o, sizeof o);
    o.path = path;
    if (tdm_model_open(&o, &m, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    return m;
}

static tdm_session *open_session(tdm_model *m, size_t n_context)
{
    tdm_session *s = NULL;
    tdm_error err = {0};
    tdm_session_options o;
    tdm_session_options_default(&o, sizeof o);
    o.n_context = n_context;
    o.n_threads = 1;
    if (tdm_session_create(m, &o, &s, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    return s;
}

/* The second open maps what the first has made; both give the same. */
static void a_cache_is_made_once_and_changes_nothing(void **state)
{
    (void)state;
    char dir[256];
    float seen[3][8];
    snprintf(dir, sizeof dir, "%s/cache", world.folder);
    for (int i = 0; i < 3; i++) {
        tdm_model *m = NULL;
        tdm_error err = {0};
        tdm_model_options o;
        tdm_model_options_default(&o, sizeof o);
        o.path = world.qwen;
        o.cache_dir = i == 0 ? NULL : dir;
        assert_int_equal(tdm_model_open(&o, &m, &err), TDM_OK);
        tdm_session *s = open_session(m, 64);
        const int32_t ids[] = {1, 2, 3};
        assert_int_equal(tdm_session_sync(s, ids, 3, &err), TDM_OK);
        const float *logits;
        size_t n;
        assert_int_equal(tdm_session_logits(s, &logits, &n, &err), TDM_OK);
        memcpy(seen[i], logits, sizeof seen[i]);
        tdm_session_destroy(&s);
        tdm_model_unref(&m);
    }
    assert_memory_equal(seen[0], seen[1], sizeof seen[0]);
    assert_memory_equal(seen[0], seen[2], sizeof seen[0]);
}

static void text_comes_back_from_its_ids(void **state)
{
    (void)state;
    static const char text[] = "one two 三 <|im_end|>";
    tdm_model *m = open_model(world.qwen);
    int32_t ids[N_IDS];
    char back[128];
    size_t n, n_special, len;
    tdm_error err = {0};
    assert_true(tdm_tokenize_max(m, sizeof text - 1) <= N_IDS);
    assert_int_equal(tdm_tokenize(m, text, 0, false, ids, N_IDS, &n, &err), TDM_OK);
    assert_int_equal(tdm_detokenize(m, ids, n, false, NULL, 0, &len, &err), TDM_ERR_LIMIT);
    assert_int_equal(len, sizeof text - 1);
    assert_int_equal(tdm_detokenize(m, ids, n, false, back, sizeof back, &len, &err), TDM_OK);
    assert_memory_equal(back, text, len);
    assert_int_equal(tdm_tokenize(m, text, 0, true, ids, N_IDS, &n_special, &err), TDM_OK);
    assert_true(n_special < n); /* the control token is one */
    assert_true(tdm_token_is_end(m, ids[n_special - 1]));
    assert_int_equal(tdm_detokenize(m, ids, n_special, true, back, sizeof back, &len, &err), TDM_OK);
    assert_memory_equal(back, text, len);
    assert_int_equal(tdm_tokenize(m, text, 0, false, ids, 2, &n, &err), TDM_ERR_LIMIT);
    ids[1] = -7;
    assert_int_equal(tdm_detokenize(m, ids, 2, false, back, sizeof back, &len, &err), TDM_ERR_INVAL);
    assert_non_null(strstr(err.msg, "-7"));
    tdm_model_unref(&m);
}

static void get_logits(tdm_session *s, float out[N_VOCAB_MAX])
{
    const float *l;
    size_t n;
    tdm_error err = {0};
    if (tdm_session_logits(s, &l, &n, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    assert_true(n <= N_VOCAB_MAX);
    memcpy(out, l, n * sizeof *l);
}

static void a_kept_beginning_gives_the_same_bits(void **state)
{
    (void)state;
    static float a[N_VOCAB_MAX], b[N_VOCAB_MAX];
    const int32_t first[] = {1, 2, 3, 4, 5, 6}, second[] = {1, 2, 3, 9, 8};
    tdm_error err = {0};
    tdm_model *m = open_model(world.qwen);
    tdm_session *s = open_session(m, 0), *fresh = open_session(m, 0);
    assert_int_equal(tdm_session_sync(s, first, 6, &err), TDM_OK);
    assert_int_equal(tdm_session_sync(s, second, 5, &err), TDM_OK);
    assert_int_equal(tdm_session_length(s), 5);
    assert_int_equal(tdm_session_sync(fresh, second, 5, &err), TDM_OK);
    get_logits(s, a);
    get_logits(fresh, b);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(tdm_session_sync(s, second, 3, &err), TDM_OK); /* shorter */
    assert_int_equal(tdm_session_append(s, 9, &err), TDM_OK);
    assert_int_equal(tdm_session_append(s, 8, &err), TDM_OK);
    get_logits(s, a);
    assert_memory_equal(a, b, sizeof a);
    tdm_session_destroy(&fresh);
    tdm_model_unref(&m); /* the session has its own */
    assert_int_equal(tdm_session_sync(s, second, 5, &err), TDM_OK); /* nothing to do */
    get_logits(s, a);
    assert_memory_equal(a, b, sizeof a);
    tdm_session_destroy(&s);
    assert_null(s);
    tdm_session_destroy(&s);
}

static void a_draw_depends_on_seed_and_tokens_alone(void **state)
{
    (void)state;
    const int32_t prompt[] = {10, 20, 30};
    int32_t drawn[2][16];
    tdm_error err = {0};
    tdm_sampling hot;
    tdm_model *m = open_model(world.llama);
    tdm_sampling_default(&hot, sizeof hot);
    hot.temperature = 1.5f;
    hot.seed = 42;
    for (int round = 0; round < 2; round++) {
        tdm_session *s = open_session(m, 32);
        assert_int_equal(tdm_session_sync(s, prompt, 3, &err), TDM_OK);
        for (int i = 0; i < 16; i++) {
            assert_int_equal(tdm_session_sample(s, &hot, 3, &drawn[round][i], &err), TDM_OK);
            assert_int_equal(tdm_session_append(s, drawn[round][i], &err), TDM_OK);
        }
        tdm_session_destroy(&s);
    }
    assert_memory_equal(drawn[0], drawn[1], sizeof drawn[0]);
    tdm_model_unref(&m);
}

static void greedy_takes_the_most_probable(void **state)
{
    (void)state;
    static float l[N_VOCAB_MAX];
    const int32_t prompt[] = {10, 20, 30};
    int32_t token, best = 0;
    tdm_error err = {0};
    tdm_model_info info = {.struct_size = sizeof info};
    tdm_model *m = open_model(world.qwen);
    tdm_session *s = open_session(m, 8);
    assert_int_equal(tdm_model_get_info(m, &info, &err), TDM_OK);
    assert_int_equal(tdm_session_sync(s, prompt, 3, &err), TDM_OK);
    get_logits(s, l);
    for (size_t i = 1; i < info.n_vocabulary; i++)
        if (l[i] > l[best])
            best = (int32_t)i;
    assert_int_equal(tdm_session_sample(s, NULL, 0, &token, &err), TDM_OK);
    assert_int_equal(token, best);
    tdm_session_destroy(&s);
    tdm_model_unref(&m);
}

static void limits_are_kept_and_change_nothing(void **state)
{
    (void)state;
    int32_t ids[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, token;
    tdm_error err = {0};
    tdm_session *none = NULL;
    tdm_session_options o;
    tdm_model *m = open_model(world.qwen);
    tdm_session *s = open_session(m, 8);
    assert_int_equal(tdm_session_sample(s, NULL, 0, &token, &err), TDM_ERR_INVAL); /* nothing was read */
    assert_int_equal(tdm_session_sync(s, ids, 9, &err), TDM_ERR_LIMIT);
    assert_int_equal(tdm_session_sync(s, ids, 0, &err), TDM_ERR_INVAL);
    assert_int_equal(tdm_session_sync(s, ids, 8, &err), TDM_OK);
    assert_int_equal(tdm_session_append(s, 1, &err), TDM_ERR_LIMIT);
    ids[3] = 1 << 30;
    assert_int_equal(tdm_session_sync(s, ids, 8, &err), TDM_ERR_INVAL);
    assert_non_null(strstr(err.msg, "1073741824"));
    assert_int_equal(tdm_session_length(s), 8);
    assert_int_equal(tdm_session_sample(s, NULL, 9, &token, &err), TDM_ERR_INVAL);
    assert_int_equal(tdm_session_sample(s, NULL, 8, &token, &err), TDM_OK);
    tdm_session_options_default(&o, sizeof o);
    o.n_context = SIZE_MAX;
    assert_int_equal(tdm_session_create(m, &o, &none, &err), TDM_ERR_LIMIT);
    o.n_context = 8;
    o.cache = (tdm_cache_type)7;
    assert_int_equal(tdm_session_create(m, &o, &none, &err), TDM_ERR_INVAL);
    assert_non_null(strstr(err.msg, "cache is 7"));
    o.cache = TDM_CACHE_Q8;
    o.n_threads = 1 << 30;
    assert_int_equal(tdm_session_create(m, &o, &none, &err), TDM_ERR_INVAL);
    assert_null(none);
    tdm_session_destroy(&s);
    tdm_model_unref(&m);
}

static void nonsense_ends_a_session_for_good(void **state)
{
    (void)state;
    const int32_t ids[] = {1, 2};
    const float *l;
    int32_t token;
    tdm_error first = {0}, again = {0};
    tdm_model *m = open_model(world.broken);
    tdm_session *s = open_session(m, 8);
    assert_int_equal(tdm_session_sync(s, ids, 2, &first), TDM_OK);
    assert_int_equal(tdm_session_sample(s, NULL, 0, &token, &first), TDM_ERR_FORMAT);
    assert_int_equal(tdm_session_sync(s, ids, 2, &again), TDM_ERR_FORMAT);
    assert_string_equal(first.msg, again.msg);
    assert_int_equal(tdm_session_logits(s, &l, NULL, &again), TDM_ERR_FORMAT);
    assert_int_equal(tdm_session_append(s, 1, NULL), TDM_ERR_FORMAT);
    tdm_session_destroy(&s);
    tdm_model_unref(&m);
}

static void a_file_that_changed_ends_a_session(void **state)
{
    (void)state;
    const int32_t ids[] = {1, 2};
    tdm_error err = {0};
    char copy[160], command[512];
    snprintf(copy, sizeof copy, "%s/changing.gguf", world.folder);
    snprintf(command, sizeof command, "cp %s %s", world.qwen, copy);
    assert_int_equal(system(command), 0);
    tdm_model *m = open_model(copy);
    tdm_session *s = open_session(m, 8);
    assert_int_equal(tdm_session_sync(s, ids, 2, &err), TDM_OK);
    FILE *f = fopen(copy, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    fputc('x', f);
    fclose(f);
    assert_int_equal(tdm_session_append(s, 1, &err), TDM_ERR_UPSTREAM);
    assert_non_null(strstr(err.msg, "changed"));
    assert_int_equal(tdm_session_sync(s, ids, 2, &err), TDM_ERR_UPSTREAM);
    tdm_session_destroy(&s);
    tdm_model_unref(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cache_is_made_once_and_changes_nothing),
        cmocka_unit_test(text_comes_back_from_its_ids),
        cmocka_unit_test(a_kept_beginning_gives_the_same_bits),
        cmocka_unit_test(a_draw_depends_on_seed_and_tokens_alone),
        cmocka_unit_test(greedy_takes_the_most_probable),
        cmocka_unit_test(limits_are_kept_and_change_nothing),
        cmocka_unit_test(nonsense_ends_a_session_for_good),
        cmocka_unit_test(a_file_that_changed_ends_a_session),
    };
    return cmocka_run_group_tests(tests, make_world, remove_world);
}
