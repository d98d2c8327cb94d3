/* test_weights.c - the disk side of a fetch, and the fetch as a daemon calls it. No network: the one source is a port
 * of loopback on which nobody listens. What servers and packages can do wrong is in tests/e2e/test_pull.py.
 */
#define _DEFAULT_SOURCE /* mkdtemp */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/weights.h"
#include "net/weights_job.h"
#include "net/weights_tree.h"

/* sha256 of "hello" */
#define HELLO_HASH "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static const tdm__weights_source nowhere = {
    .kind = TDM__WEIGHTS_URL, .title = "nowhere", .url = "http://127.0.0.1:1/hello"};
static const tdm__catalogue_entry hello = {.name = "hello",
                                           .family = "llama",
                                           .vendor = "v",
                                           .licence = "l",
                                           .bytes = 5,
                                           .sha256 = HELLO_HASH,
                                           .sources = &nowhere,
                                           .n_sources = 1};

typedef struct fixture {
    char dir[64];
    char path[TDM__WEIGHTS_PATH_MAX];
    size_t n_calls[TDM__WEIGHTS_REJECTED + 1];
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    snprintf(f->dir, sizeof f->dir, "test_weights.XXXXXX");
    *state = f;
    return mkdtemp(f->dir) ? 0 : -1;
}

static int teardown(void **state)
{
    fixture *f = *state;
    int rc = tdm__tree_remove(f->dir);
    free(f);
    return rc;
}

static void put(const fixture *f, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/models", f->dir);
    mkdir(path, 0755);
    if (strncmp(name, ".partial", 8) == 0) {
        snprintf(path, sizeof path, "%s/models/.partial-hello", f->dir);
        mkdir(path, 0755);
    }
    snprintf(path, sizeof path, "%s/models/%s", f->dir, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static bool is_there(const fixture *f, const char *name)
{
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/models/%s", f->dir, name);
    return stat(path, &st) == 0;
}

static void count_call(void *user, const tdm__weights_progress *p)
{
    fixture *f = user;
    f->n_calls[p->state]++;
    assert_ptr_equal(p->entry, &hello);
    assert_int_equal(p->bytes_total, 5);
}

static tdm__weights_request request(fixture *f)
{
    return (tdm__weights_request){.entry = &hello, .cache_dir = f->dir, .progress = count_call, .user = f};
}

static void look_tells_the_four_states_apart(void **state)
{
    fixture *f = *state;
    uint64_t bytes = 9;
    assert_int_equal(tdm__weights_look(f->dir, &hello, &bytes), TDM__WEIGHTS_ABSENT);
    assert_int_equal(bytes, 0);
    put(f, ".partial-hello/data", "hel");
    assert_int_equal(tdm__weights_look(f->dir, &hello, &bytes), TDM__WEIGHTS_PARTIAL);
    assert_int_equal(bytes, 3);
    put(f, "hello.gguf", "hello, you");
    assert_int_equal(tdm__weights_look(f->dir, &hello, &bytes), TDM__WEIGHTS_WRONG_SIZE);
    assert_int_equal(bytes, 10);
    put(f, "hello.gguf", "jello");
    assert_int_equal(tdm__weights_look(f->dir, &hello, &bytes), TDM__WEIGHTS_PRESENT);
    assert_int_equal(bytes, 5);
}

static void verify_compares_size_and_hash(void **state)
{
    fixture *f = *state;
    char path[256];
    tdm_error err = {0};
    assert_int_equal(tdm__weights_path(f->dir, "hello", path, sizeof path, &err), TDM_OK);
    assert_int_equal(tdm__weights_verify(path, &hello, NULL, NULL, NULL, &err), TDM_ERR_NOT_FOUND);
    put(f, "hello.gguf", "hello");
    assert_int_equal(tdm__weights_verify(path, &hello, NULL, count_call, f, &err), TDM_OK);
    assert_true(f->n_calls[TDM__WEIGHTS_VERIFYING] > 0);
    put(f, "hello.gguf", "jello");
    assert_int_equal(tdm__weights_verify(path, &hello, NULL, NULL, NULL, &err), TDM_ERR_INTEGRITY);
    assert_non_null(strstr(err.msg, HELLO_HASH));
    put(f, "hello.gguf", "hell");
    assert_int_equal(tdm__weights_verify(path, &hello, NULL, NULL, NULL, &err), TDM_ERR_INTEGRITY);
    assert_non_null(strstr(err.msg, "4 bytes, 5 are right"));
}

static void a_file_that_is_there_needs_no_source(void **state)
{
    fixture *f = *state;
    tdm_error err = {0};
    tdm__weights_request r = request(f);
    put(f, "hello.gguf", "hello");
    assert_int_equal(tdm__weights_fetch(&r, f->path, sizeof f->path, &err), TDM_OK);
    assert_non_null(strstr(f->path, "/models/hello.gguf"));
    assert_int_equal(f->n_calls[TDM__WEIGHTS_SOURCE], 0);
}

static void whole_partial_bytes_are_verified_and_published(void **state)
{
    fixture *f = *state;
    tdm_error err = {0};
    tdm__weights_request r = request(f);
    put(f, ".partial-hello/data", "hello");
    assert_int_equal(tdm__weights_fetch(&r, f->path, sizeof f->path, &err), TDM_OK);
    assert_true(is_there(f, "hello.gguf"));
    assert_false(is_there(f, ".partial-hello"));
    assert_int_equal(f->n_calls[TDM__WEIGHTS_SOURCE], 0);
}

static void an_unreachable_source_is_upstream_and_leaves_nothing(void **state)
{
    fixture *f = *state;
    tdm_error err = {0};
    tdm__weights_request r = request(f);
    assert_int_equal(tdm__weights_fetch(&r, f->path, sizeof f->path, &err), TDM_ERR_UPSTREAM);
    assert_non_null(strstr(err.msg, "nowhere"));
    assert_int_equal(f->n_calls[TDM__WEIGHTS_SOURCE], 1);
    assert_int_equal(f->n_calls[TDM__WEIGHTS_REJECTED], 1);
    assert_false(is_there(f, ".partial-hello"));
    assert_string_equal(f->path, "");
}

static void an_unreachable_source_keeps_what_was_there(void **state)
{
    fixture *f = *state;
    tdm_error err = {0};
    tdm__weights_request r = request(f);
    put(f, ".partial-hello/data", "hel");
    assert_int_equal(tdm__weights_fetch(&r, f->path, sizeof f->path, &err), TDM_ERR_UPSTREAM);
    assert_true(is_there(f, ".partial-hello/data"));
}

static void cancel_is_no_fault_of_the_source(void **state)
{
    fixture *f = *state;
    tdm_error err = {0};
    atomic_bool cancel = true;
    tdm__weights_request r = request(f);
    r.cancel = &cancel;
    put(f, ".partial-hello/data", "hello");
    assert_int_equal(tdm__weights_fetch(&r, f->path, sizeof f->path, &err), TDM_ERR_CANCELLED);
    assert_true(is_there(f, ".partial-hello/data"));
    assert_int_equal(f->n_calls[TDM__WEIGHTS_REJECTED], 0);
}

static void a_folder_that_cannot_be_made_is_named(void **state)
{
    fixture *f = *state;
    char file[256];
    tdm_error err = {0};
    put(f, "in-the-way", "x");
    snprintf(file, sizeof file, "%s/models/in-the-way", f->dir);
    tdm__weights_request r = request(f);
    r.cache_dir = file;
    assert_int_equal(tdm__weights_fetch(&r, f->path, sizeof f->path, &err), TDM_ERR_IO);
    assert_non_null(strstr(err.msg, "in-the-way"));
}

static void *fetch_waiting(void *user)
{
    tdm__weights_request r = request(user);
    fixture *f = user;
    r.wait_for_other = true;
    tdm_error err = {0};
    static const tdm_status ok = TDM_OK;
    return tdm__weights_fetch(&r, f->path, sizeof f->path, &err) == TDM_OK ? (void *)(uintptr_t)&ok : NULL;
}

static void a_second_fetch_is_refused_or_waits_for_the_first(void **state)
{
    fixture *f = *state;
    tdm_error err = {0};
    tdm__weights_request r = request(f);
    tdm__weights_job first;
    pthread_t second;
    void *done = NULL;
    assert_int_equal(tdm__weights_job_init(&first, &r, &err), TDM_OK);
    assert_int_equal(tdm__weights_job_open(&first, &err), TDM_OK);
    assert_int_equal(tdm__weights_fetch(&r, f->path, sizeof f->path, &err), TDM_ERR_BUSY);
    assert_true(is_there(f, ".partial-hello/lock")); /* the refused one has not tidied the owner's folder away */
    assert_int_equal(pthread_create(&second, NULL, fetch_waiting, f), 0);
    usleep(400000);
    assert_int_equal(tdm__weights_job_write(&first, 0, "hello", 5, &err), TDM_OK);
    assert_int_equal(tdm__weights_job_publish(&first, &err), TDM_OK);
    tdm__weights_job_close(&first);
    assert_int_equal(pthread_join(second, &done), 0);
    assert_non_null(done);
    assert_true(f->n_calls[TDM__WEIGHTS_WAITING] > 0);
    assert_true(is_there(f, "hello.gguf"));
    assert_false(is_there(f, ".partial-hello"));
}

static void tree_remove_follows_no_link(void **state)
{
    fixture *f = *state;
    char path[256], kept[256];
    put(f, "kept", "x");
    snprintf(path, sizeof path, "%s/tree", f->dir);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/tree/link", f->dir);
    assert_int_equal(symlink("../models", path), 0);
    snprintf(path, sizeof path, "%s/tree", f->dir);
    assert_int_equal(tdm__tree_largest(path), 0);
    assert_int_equal(tdm__tree_remove(path), 0);
    assert_int_equal(tdm__tree_remove(path), 0); /* not there: nothing to do */
    snprintf(kept, sizeof kept, "%s/models/kept", f->dir);
    assert_int_equal(access(kept, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(look_tells_the_four_states_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(verify_compares_size_and_hash, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_there_needs_no_source, setup, teardown),
        cmocka_unit_test_setup_teardown(whole_partial_bytes_are_verified_and_published, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unreachable_source_is_upstream_and_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unreachable_source_keeps_what_was_there, setup, teardown),
        cmocka_unit_test_setup_teardown(cancel_is_no_fault_of_the_source, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_made_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_fetch_is_refused_or_waits_for_the_first, setup, teardown),
        cmocka_unit_test_setup_teardown(tree_remove_follows_no_link, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
