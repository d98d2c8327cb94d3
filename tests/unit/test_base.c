/* test_base.c - status, errors, bounded buffers, arenas, checked arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/checked.h"
#include "base/error.h"

static void every_status_has_a_name_and_a_sentence(void **state)
{
    (void)state;
    assert_string_equal(tdm_status_name(TDM_OK), "OK");
    assert_string_equal(tdm_status_name(TDM_ERR_FORMAT), "ERR_FORMAT");
    assert_string_equal(tdm_status_text(TDM_ERR_NOMEM), "out of memory");
    for (int s = -12; s <= 2; s++) {
        assert_string_not_equal(tdm_status_name((tdm_status)s), "UNKNOWN");
        assert_string_not_equal(tdm_status_text((tdm_status)s), "unknown status");
    }
    assert_string_equal(tdm_status_name((tdm_status)-99), "UNKNOWN");
}

static tdm_status forwards(tdm_status s)
{
    TDM_TRY(s);
    return TDM_OK;
}

static void try_forwards_errors_and_lets_notes_pass(void **state)
{
    (void)state;
    assert_int_equal(forwards(TDM_ERR_IO), TDM_ERR_IO);
    assert_int_equal(forwards(TDM_END), TDM_OK);
    assert_int_equal(forwards(TDM_OK), TDM_OK);
}

static void errors_may_be_unwanted(void **state)
{
    (void)state;
    assert_int_equal(tdm__fail(NULL, TDM_ERR_LIMIT, "%d", 1), TDM_ERR_LIMIT);
    assert_int_equal(tdm__fail_os(NULL, ENOENT, "x"), TDM_ERR_NOT_FOUND);
}

static void system_errors_get_their_reason(void **state)
{
    (void)state;
    tdm_error err;
    assert_int_equal(tdm__fail_os(&err, ENOENT, "%s cannot be read", "a.txt"), TDM_ERR_NOT_FOUND);
    assert_string_equal(err.msg, "a.txt cannot be read: No such file or directory");
    assert_int_equal(tdm__fail_os(&err, ENOSPC, "a.txt cannot be written"), TDM_ERR_IO);
    assert_int_equal(err.code, TDM_ERR_IO);
    assert_int_equal(tdm__fail_os(&err, ENOMEM, "a.txt"), TDM_ERR_NOMEM);
}

/* A sentence of pad letters and then many copies of one character, longer than any message. */
static void fail_long(tdm_error *err, size_t pad, const char *character)
{
    char text[1024] = {0};
    memset(text, 'x', pad);
    while (strlen(text) < 900)
        memcpy(text + strlen(text), character, strlen(character) + 1);
    tdm__fail(err, TDM_ERR_LIMIT, "%s", text);
}

static void control_characters_do_not_reach_a_sentence(void **state)
{
    (void)state;
    tdm_error err;
    tdm__fail(&err, TDM_ERR_FORMAT, "m.gguf: \"%s\"", "a\x1b[2J\nb\r\x7f\xc2\x9b" "c\xc2\xa0\xe4\xb8\xad\xc2");
    assert_string_equal(err.msg, "m.gguf: \"a?[2J?b????" "c\xc2\xa0\xe4\xb8\xad\xc2\"");
}

static void long_errors_are_cut_between_characters(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x99\x82"};
    for (size_t c = 0; c < 4; c++)
        for (size_t pad = 0; pad < 8; pad++) {
            tdm_error err;
            size_t width = strlen(characters[c]);
            fail_long(&err, pad, characters[c]);
            size_t len = strlen(err.msg);
            assert_int_equal((len - pad) % width, 0);
            assert_true(len < sizeof err.msg && len > sizeof err.msg - 1 - width); /* and not one character too much */
        }
}

static void errors_that_just_fit_stay_whole(void **state)
{
    (void)state;
    char text[sizeof((tdm_error *)0)->msg];
    tdm_error err;
    memset(text, 'x', sizeof text);
    memcpy(text + sizeof text - 3, "\xc3\xa9", 3);
    tdm__fail(&err, TDM_ERR_LIMIT, "%s", text);
    assert_string_equal(err.msg, text);
}

static void buffers_refuse_beyond_their_maximum_and_keep_their_bytes(void **state)
{
    (void)state;
    tdm__buf b;
    tdm__buf_init(&b, 10);
    assert_string_equal(tdm__buf_cstr(&b), "");
    assert_int_equal(tdm__buf_append_z(&b, "12345"), TDM_OK);
    assert_int_equal(tdm__buf_append_str(&b, TDM_STR("678901")), TDM_ERR_LIMIT);
    assert_int_equal(tdm__buf_printf(&b, "%d", 123456), TDM_ERR_LIMIT);
    assert_int_equal(tdm__buf_append(&b, "x", SIZE_MAX), TDM_ERR_LIMIT);
    assert_int_equal(tdm__buf_reserve(&b, SIZE_MAX - 2), TDM_ERR_LIMIT);
    assert_string_equal(tdm__buf_cstr(&b), "12345");
    assert_int_equal(tdm__buf_printf(&b, "%s", "67890"), TDM_OK);
    assert_int_equal(tdm__buf_append_char(&b, '!'), TDM_ERR_LIMIT);
    assert_string_equal(tdm__buf_cstr(&b), "1234567890");
    assert_int_equal(b.len, 10);
    tdm__buf_consume(&b, 4);
    assert_string_equal(tdm__buf_cstr(&b), "567890");
    tdm__buf_truncate(&b, 2);
    assert_string_equal(tdm__buf_cstr(&b), "56");
    tdm__buf_clear(&b);
    assert_string_equal(tdm__buf_cstr(&b), "");
    tdm__buf_fini(&b);
    assert_int_equal(tdm__buf_append(&b, NULL, 0), TDM_OK);
    assert_int_equal(b.len_max, 10);
    tdm__buf_fini(&b);
}

static void buffers_grow_to_any_content(void **state)
{
    (void)state;
    tdm__buf b;
    tdm__buf_init(&b, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(tdm__buf_append_char(&b, (char)(i % 251)), TDM_OK);
    assert_int_equal(tdm__buf_append_char(&b, 'x'), TDM_ERR_LIMIT);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(b.ptr[i], (char)(i % 251));
    assert_true(b.cap <= 100001);
    tdm__buf_fini(&b);
}

static void buffers_without_a_maximum_do_not_wrap(void **state)
{
    (void)state;
    tdm__buf b;
    tdm__buf_init(&b, SIZE_MAX);
    assert_int_equal(tdm__buf_append_z(&b, "x"), TDM_OK);
    assert_int_equal(tdm__buf_reserve(&b, SIZE_MAX), TDM_ERR_LIMIT);
    assert_string_equal(tdm__buf_cstr(&b), "x");
    tdm__buf_fini(&b);
}

static bool all_zero(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

static void arena_memory_is_aligned_zeroed_and_apart(void **state)
{
    (void)state;
    enum { N = 2000 };
    static unsigned char *at[N];
    static size_t size[N];
    tdm__arena a;
    tdm__arena_init(&a, "test", 64 * 1024 * 1024);
    for (size_t i = 0; i < N; i++) {
        size_t align = (size_t)1 << (i % 7);
        size[i] = (i * 7919) % (i % 50 == 0 ? 70000 : 300);
        at[i] = tdm__arena_alloc(&a, size[i], align);
        assert_non_null(at[i]);
        assert_int_equal((uintptr_t)at[i] % align, 0);
        assert_true(all_zero(at[i], size[i]));
        memset(at[i], (int)(i % 255) + 1, size[i]);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(at[i][k], i % 255 + 1);
    tdm__arena_reset(&a);
}

static void arenas_refuse_beyond_their_cap_and_remember_the_height(void **state)
{
    (void)state;
    tdm__arena a;
    tdm__arena_init(&a, "test", 100000);
    assert_null(tdm__arena_alloc(&a, 100000, 1)); /* the head of the chunk counts too */
    assert_null(tdm__arena_alloc(&a, SIZE_MAX, 64));
    assert_null(tdm__arena_alloc(&a, SIZE_MAX - 100, 64));
    assert_null(tdm__arena_array(&a, SIZE_MAX / 2, 3));
    assert_int_equal(a.bytes_taken, 0);
    assert_non_null(tdm__arena_alloc(&a, 90000, 64));
    assert_null(tdm__arena_alloc(&a, 90000, 64));
    assert_true(a.bytes_taken >= 90000 && a.bytes_taken <= 100000);
    size_t high = a.bytes_taken;
    tdm__arena_reset(&a);
    assert_int_equal(a.bytes_taken, 0);
    assert_int_equal(a.bytes_high, high);
    assert_non_null(tdm__arena_alloc(&a, 90000, 64));
    tdm__arena_reset(&a);
}

static void small_arenas_are_usable_up_to_their_cap(void **state)
{
    (void)state;
    tdm__arena a;
    tdm__arena_init(&a, "small", 4096);
    size_t n = 0;
    while (tdm__arena_alloc(&a, 16, 16))
        n += 16;
    assert_true(n >= 4096 - 128 && n < 4096);
    assert_true(a.bytes_high <= 4096);
    tdm__arena_reset(&a);
    tdm__arena_init(&a, "none", 0);
    assert_null(tdm__arena_alloc(&a, 0, 1));
    tdm__arena_init(&a, "tiny", 64);
    assert_null(tdm__arena_alloc(&a, 0, 1));
    assert_int_equal(a.bytes_taken, 0);
}

static void arena_copies_end_in_nul(void **state)
{
    (void)state;
    tdm__arena a;
    tdm__arena_init(&a, "test", 100000);
    const char *copy = tdm__arena_dup(&a, (tdm__str){"abcdef", 3});
    assert_string_equal(copy, "abc");
    assert_string_equal(tdm__arena_dup(&a, (tdm__str){NULL, 0}), "");
    tdm__arena_reset(&a);
}

static void checked_sums_and_products_say_when_they_wrap(void **state)
{
    (void)state;
    uint64_t u;
    size_t z;
    assert_true(tdm__mul_u64(UINT64_MAX / 3, 3, &u) && u == UINT64_MAX);
    assert_false(tdm__mul_u64((uint64_t)1 << 32, (uint64_t)1 << 32, &u));
    assert_true(tdm__add_u64(UINT64_MAX, 0, &u));
    assert_false(tdm__add_u64(UINT64_MAX, 1, &u));
    assert_false(tdm__mul_size(SIZE_MAX, 2, &z));
    assert_false(tdm__add_size(SIZE_MAX, 1, &z));
    assert_true(tdm__mul_size(0, SIZE_MAX, &z) && z == 0);
    assert_int_equal(tdm__align_up(0, 32), 0);
    assert_int_equal(tdm__align_up(33, 32), 64);
}

static void strings_compare_by_length_and_bytes(void **state)
{
    (void)state;
    assert_true(tdm__str_eq(TDM_STR("a\0b"), TDM_STR("a\0b")));
    assert_false(tdm__str_eq(TDM_STR("a\0b"), TDM_STR("a\0c")));
    assert_true(tdm__str_eq((tdm__str){NULL, 0}, TDM_STR("")));
    assert_true(tdm__str_starts(TDM_STR("abc"), TDM_STR("ab")));
    assert_true(tdm__str_starts(TDM_STR("abc"), (tdm__str){NULL, 0}));
    assert_false(tdm__str_starts(TDM_STR("a"), TDM_STR("ab")));
    assert_int_equal(tdm__str_from(NULL).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name_and_a_sentence),
        cmocka_unit_test(try_forwards_errors_and_lets_notes_pass),
        cmocka_unit_test(errors_may_be_unwanted),
        cmocka_unit_test(system_errors_get_their_reason),
        cmocka_unit_test(long_errors_are_cut_between_characters),
        cmocka_unit_test(control_characters_do_not_reach_a_sentence),
        cmocka_unit_test(errors_that_just_fit_stay_whole),
        cmocka_unit_test(buffers_refuse_beyond_their_maximum_and_keep_their_bytes),
        cmocka_unit_test(buffers_grow_to_any_content),
        cmocka_unit_test(buffers_without_a_maximum_do_not_wrap),
        cmocka_unit_test(arena_memory_is_aligned_zeroed_and_apart),
        cmocka_unit_test(arenas_refuse_beyond_their_cap_and_remember_the_height),
        cmocka_unit_test(small_arenas_are_usable_up_to_their_cap),
        cmocka_unit_test(arena_copies_end_in_nul),
        cmocka_unit_test(checked_sums_and_products_say_when_they_wrap),
        cmocka_unit_test(strings_compare_by_length_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
