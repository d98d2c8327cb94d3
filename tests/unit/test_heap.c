/* test_heap.c - the allocator of an embedding program is asked, and cannot change while it is in use. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/heap.h"

/* Blocks with a head, so that memory of another allocator is noticed when it comes back. */
enum { HEAD = 64, MARK = 0x7ad3 };

typedef struct counts {
    size_t n_alloc, n_release, n_left; /* n_left: calls that are still granted */
} counts;

static void *give(void *user, size_t n)
{
    counts *c = user;
    if (c->n_left == 0)
        return NULL;
    c->n_left--;
    c->n_alloc++;
    unsigned char *p = aligned_alloc(HEAD, (n + 2 * HEAD - 1) / HEAD * HEAD);
    *(size_t *)(void *)p = MARK;
    return p + HEAD;
}

static void *give_zeroed(void *user, size_t n)
{
    void *p = give(user, n);
    return p ? memset(p, 0, n) : NULL;
}

static void *give_aligned(void *user, size_t align, size_t n)
{
    assert_true(align <= HEAD);
    return give(user, n);
}

static void take_back(void *user, void *p)
{
    counts *c = user;
    unsigned char *head = (unsigned char *)p - HEAD;
    assert_int_equal(*(size_t *)(void *)head, MARK);
    c->n_release++;
    free(head);
}

static void *resize(void *user, void *p, size_t n)
{
    void *q = give(user, n);
    if (!q)
        return NULL;
    memcpy(q, p, 4);
    take_back(user, p);
    return q;
}

static void every_call_reaches_the_given_allocator(void **state)
{
    (void)state;
    counts c = {.n_left = 100};
    const tdm__heap h = {give, give_zeroed, give_aligned, resize, take_back, &c};
    assert_true(tdm__heap_set(&h));
    char *a = tdm__malloc(0), *b = tdm__calloc(3, 5), *s = tdm__strdup("abc"), *t = tdm__strndup("abc", 2);
    assert_int_equal(tdm__heap_n_blocks(), 4);
    assert_false(tdm__heap_set(NULL)); /* in use */
    for (int i = 0; i < 15; i++)
        assert_int_equal(b[i], 0);
    s = tdm__realloc(s, 100);
    assert_string_equal(s, "abc");
    assert_string_equal(t, "ab");
    void *aligned = tdm__aligned_alloc(64, 10);
    assert_int_equal((uintptr_t)aligned % 64, 0);
    tdm__free(a);
    tdm__free(b);
    tdm__free(s);
    tdm__free(t);
    tdm__free(aligned);
    tdm__free(NULL);
    assert_int_equal(c.n_alloc, 6);
    assert_int_equal(c.n_release, 6);
    assert_true(tdm__heap_set(NULL));
}

static void no_memory_is_null_and_enomem(void **state)
{
    (void)state;
    counts c = {.n_left = 1};
    const tdm__heap h = {give, give_zeroed, give_aligned, resize, take_back, &c};
    assert_true(tdm__heap_set(&h));
    char *kept = tdm__strdup("abc");
    errno = 0;
    assert_null(tdm__malloc(1));
    assert_int_equal(errno, ENOMEM);
    assert_null(tdm__calloc(1, 1));
    assert_null(tdm__aligned_alloc(64, 1));
    assert_null(tdm__strdup("x"));
    assert_null(tdm__realloc(kept, 100));
    assert_string_equal(kept, "abc"); /* a resize that fails leaves the block */
    assert_int_equal(tdm__heap_n_blocks(), 1);
    tdm__free(kept);
    assert_true(tdm__heap_set(NULL));
    assert_null(tdm__calloc(SIZE_MAX / 2, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_reaches_the_given_allocator),
        cmocka_unit_test(no_memory_is_null_and_enomem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
