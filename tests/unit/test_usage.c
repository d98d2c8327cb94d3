/* test_usage.c - consents that hold for exactly what was said, receipts that can be erased, a file that is never lost
 * silently. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/file.h"
#include "usage/usage.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char dir[64], path[96];

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/tandem-usage-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/usage.sqlite", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char journal[128];
    snprintf(journal, sizeof journal, "%s-journal", path);
    unlink(journal);
    unlink(path);
    return rmdir(dir);
}

static tdm__usage *open_usage(void)
{
    tdm__usage *u = NULL;
    tdm_error err = {0};
    if (tdm__usage_open(path, &u, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    return u;
}

static tdm__consent_subject subject(const char *partner)
{
    return (tdm__consent_subject){.partner = partner, .feature = "assistant", .profile_sha256 = HASH_A, .model = "m"};
}

static void set_mode(tdm__usage *u, tdm__consent_subject s, tdm__consent_mode mode)
{
    tdm_error err = {0};
    if (tdm__consent_set(u, &s, mode, 1739260800, &err) != TDM_OK)
        fail_msg("%s", err.msg);
}

static tdm__receipt receipt(unsigned i)
{
    tdm__receipt r = {.decision_id = "d",
                      .partner = "alibaba",
                      .model = "qwen-max",
                      .feature = "assistant",
                      .filing = "CASE-1",
                      .market = "CN",
                      .what = "question",
                      .bytes_sent = 10 + i,
                      .bytes_received = 20,
                      .sha256_sent = HASH_B,
                      .outcome = "answered",
                      .at_unix_s = 1739260800 + i,
                      .is_emulated = true};
    snprintf(r.id, sizeof r.id, "%032x", i);
    return r;
}

static void nothing_said_is_ask(void **state)
{
    (void)state;
    tdm__usage *u = open_usage();
    tdm__consent_subject s = subject("openai");
    assert_int_equal(tdm__consent_get(u, &s), TDM__CONSENT_ASK);
    json_t *list = tdm__consent_list(u);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
    tdm__usage_close(u);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_consent_holds_for_its_subject_alone(void **state)
{
    (void)state;
    tdm__usage *u = open_usage();
    const tdm__consent_subject said = subject("openai");
    set_mode(u, said, TDM__CONSENT_ALWAYS);
    assert_int_equal(tdm__consent_get(u, &said), TDM__CONSENT_ALWAYS);
    tdm__consent_subject other = said;
    other.partner = "alibaba";
    assert_int_equal(tdm__consent_get(u, &other), TDM__CONSENT_ASK);
    other = said, other.feature = "rewrite";
    assert_int_equal(tdm__consent_get(u, &other), TDM__CONSENT_ASK);
    other = said, other.profile_sha256 = HASH_B;
    assert_int_equal(tdm__consent_get(u, &other), TDM__CONSENT_ASK);
    other = said, other.model = "m2";
    assert_int_equal(tdm__consent_get(u, &other), TDM__CONSENT_ASK);
    other = said, other.with_attachments = true;
    assert_int_equal(tdm__consent_get(u, &other), TDM__CONSENT_ASK);
    tdm__usage_close(u);
}

static void never_holds_for_attachments_too(void **state)
{
    (void)state;
    tdm__usage *u = open_usage();
    tdm__consent_subject s = subject("openai");
    s.with_attachments = true;
    set_mode(u, s, TDM__CONSENT_ALWAYS);
    assert_int_equal(tdm__consent_get(u, &s), TDM__CONSENT_ALWAYS);
    set_mode(u, subject("openai"), TDM__CONSENT_NEVER);
    assert_int_equal(tdm__consent_get(u, &s), TDM__CONSENT_NEVER);
    tdm__usage_close(u);
}

static void a_consent_is_there_after_opening_again(void **state)
{
    (void)state;
    tdm__usage *u = open_usage();
    const tdm__consent_subject a = subject("openai"), b = subject("alibaba"), c = subject("baidu");
    set_mode(u, a, TDM__CONSENT_ALWAYS);
    set_mode(u, b, TDM__CONSENT_NEVER);
    set_mode(u, c, TDM__CONSENT_ALWAYS);
    set_mode(u, a, TDM__CONSENT_NEVER);
    set_mode(u, c, TDM__CONSENT_ASK);
    tdm__usage_close(u);
    u = open_usage();
    assert_int_equal(tdm__consent_get(u, &a), TDM__CONSENT_NEVER);
    assert_int_equal(tdm__consent_get(u, &b), TDM__CONSENT_NEVER);
    assert_int_equal(tdm__consent_get(u, &c), TDM__CONSENT_ASK);
    json_t *list = tdm__consent_list(u);
    assert_int_equal(json_array_size(list), 2);
    json_t *first = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(first, "partner")), "alibaba");
    assert_string_equal(json_string_value(json_object_get(first, "mode")), "never");
    assert_string_equal(json_string_value(json_object_get(first, "since")), "2025-02-11T08:00:00Z");
    json_decref(list);
    tdm__usage_close(u);
}

static void revoking_takes_what_was_named(void **state)
{
    (void)state;
    tdm__usage *u = open_usage();
    const tdm__consent_subject a = subject("openai");
    tdm__consent_subject b = subject("openai"), c = subject("alibaba");
    b.feature = "rewrite";
    size_t n = 9;
    for (int round = 0; round < 3; round++) {
        set_mode(u, a, TDM__CONSENT_ALWAYS);
        set_mode(u, b, TDM__CONSENT_ALWAYS);
        set_mode(u, c, TDM__CONSENT_NEVER);
        const char *partner = round < 2 ? "openai" : NULL, *feature = round == 0 ? "rewrite" : NULL;
        uint64_t before = tdm__consent_generation(u);
        assert_int_equal(tdm__consent_revoke(u, partner, feature, &n, NULL), TDM_OK);
        assert_int_equal(n, round + 1);
        assert_true(tdm__consent_generation(u) > before);
        assert_int_equal(tdm__consent_get(u, &a), round == 0 ? TDM__CONSENT_ALWAYS : TDM__CONSENT_ASK);
        assert_int_equal(tdm__consent_get(u, &b), TDM__CONSENT_ASK);
        assert_int_equal(tdm__consent_get(u, &c), round < 2 ? TDM__CONSENT_NEVER : TDM__CONSENT_ASK);
    }
    uint64_t before = tdm__consent_generation(u);
    assert_int_equal(tdm__consent_revoke(u, NULL, NULL, &n, NULL), TDM_OK);
    assert_int_equal(n, 0);
    assert_int_equal(tdm__consent_generation(u), before);
    tdm__usage_close(u);
}

static void a_partner_that_was_swapped_out_comes_back_as_a_stranger(void **state)
{
    (void)state;
    tdm__usage *u = open_usage();
    const tdm__consent_subject baidu = subject("baidu"), alibaba = subject("alibaba");
    tdm__consent_subject elsewhere = subject("baidu");
    elsewhere.feature = "visual";
    set_mode(u, baidu, TDM__CONSENT_ALWAYS);
    set_mode(u, alibaba, TDM__CONSENT_ALWAYS);
    set_mode(u, elsewhere, TDM__CONSENT_ALWAYS);
    assert_int_equal(tdm__consent_keep_only(u, "assistant", &alibaba, 1, NULL), TDM_OK);
    assert_int_equal(tdm__consent_get(u, &baidu), TDM__CONSENT_ASK);
    assert_int_equal(tdm__consent_get(u, &alibaba), TDM__CONSENT_ALWAYS);
    assert_int_equal(tdm__consent_get(u, &elsewhere), TDM__CONSENT_ALWAYS);
    uint64_t before = tdm__consent_generation(u);
    assert_int_equal(tdm__consent_keep_only(u, "assistant", &alibaba, 1, NULL), TDM_OK);
    assert_int_equal(tdm__consent_generation(u), before);
    tdm__consent_subject renewed = alibaba;
    renewed.model = "m2"; /* another model behind the same partner */
    assert_int_equal(tdm__consent_keep_only(u, "assistant", &renewed, 1, NULL), TDM_OK);
    assert_int_equal(tdm__consent_get(u, &alibaba), TDM__CONSENT_ASK);
    assert_int_equal(tdm__consent_keep_only(u, "visual", NULL, 0, NULL), TDM_OK);
    assert_int_equal(tdm__consent_get(u, &elsewhere), TDM__CONSENT_ASK);
    tdm__usage_close(u);
}

static void another_process_is_seen_at_the_next_look(void **state)
{
    (void)state;
    tdm__usage *daemon = open_usage(), *command = open_usage();
    const tdm__consent_subject s = subject("openai");
    uint64_t before = tdm__consent_generation(daemon);
    set_mode(command, s, TDM__CONSENT_ALWAYS);
    assert_int_equal(tdm__consent_get(daemon, &s), TDM__CONSENT_ALWAYS);
    assert_true(tdm__consent_generation(daemon) > before);
    before = tdm__consent_generation(daemon);
    assert_int_equal(tdm__consent_generation(daemon), before);
    assert_int_equal(tdm__consent_revoke(command, NULL, NULL, NULL, NULL), TDM_OK);
    assert_int_equal(tdm__consent_get(daemon, &s), TDM__CONSENT_ASK);
    tdm__usage_close(daemon);
    tdm__usage_close(command);
}

static void what_is_too_much_is_refused(void **state)
{
    (void)state;
    tdm__usage *u = open_usage();
    tdm__consent_subject s = subject("");
    tdm_error err = {0};
    assert_int_equal(tdm__consent_set(u, &s, TDM__CONSENT_ALWAYS, 0, &err), TDM_ERR_INVAL);
    char name[300];
    memset(name, 'x', sizeof name);
    name[256] = '\0';
    s.partner = name;
    assert_int_equal(tdm__consent_set(u, &s, TDM__CONSENT_ALWAYS, 0, &err), TDM_ERR_INVAL);
    assert_non_null(strstr(err.msg, "256 bytes"));
    tdm__usage_close(u);
}

/* A child changes one consent over and over and tells each change that was promised; it is killed in the middle. */
static void killed_at_any_moment_the_file_holds_what_was_promised(void **state)
{
    (void)state;
    tdm__usage_close(open_usage());
    const tdm__consent_subject s = subject("openai");
    for (unsigned round = 0; round < 25; round++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0) {
            tdm__usage *u = NULL;
            if (tdm__usage_open(path, &u, NULL) != TDM_OK)
                _exit(1);
            for (unsigned i = 0;; i++) {
                char mode = i % 2 ? TDM__CONSENT_NEVER : TDM__CONSENT_ALWAYS;
                tdm__receipt r = receipt(round * 10000 + i);
                if (tdm__consent_set(u, &s, (tdm__consent_mode)mode, i, NULL) != TDM_OK ||
                    tdm__receipt_add(u, &r, NULL) != TDM_OK || write(fds[1], &mode, 1) != 1)
                    _exit(1);
            }
        }
        close(fds[1]);
        char modes[4096];
        ssize_t n = read(fds[0], modes, 1); /* it has begun */
        assert_int_equal(n, 1);
        nanosleep(&(struct timespec){.tv_nsec = 1000 * (long)(round * 137 % 4000)}, NULL);
        kill(child, SIGKILL);
        ssize_t more = read(fds[0], modes + 1, sizeof modes - 1); /* all that was promised before the end */
        assert_true(more >= 0 && more < (ssize_t)sizeof modes - 1);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        more += 1;
        for (ssize_t rest; (rest = read(fds[0], modes + more, sizeof modes - (size_t)more)) > 0;)
            more += rest;
        close(fds[0]);
        tdm__usage *u = open_usage();
        tdm__consent_mode last = (tdm__consent_mode)modes[more - 1], found = tdm__consent_get(u, &s);
        tdm__consent_mode next = last == TDM__CONSENT_ALWAYS ? TDM__CONSENT_NEVER : TDM__CONSENT_ALWAYS;
        assert_true(found == last || found == next); /* next: committed, and killed before it could say so */
        json_t *list = tdm__receipt_list(u, SIZE_MAX);
        assert_true(json_array_size(list) >= (size_t)more && json_array_size(list) <= (size_t)more + 1);
        json_decref(list);
        assert_int_equal(tdm__receipt_erase(u, NULL, NULL, NULL), TDM_OK);
        tdm__usage_close(u);
    }
}

static void receipts_come_newest_first(void **state)
{
    (void)state;
    tdm__usage *u = open_usage();
    for (unsigned i = 0; i < 5; i++) {
        tdm__receipt r = receipt(i);
        assert_int_equal(tdm__receipt_add(u, &r, NULL), TDM_OK);
    }
    tdm__receipt twice = receipt(3);
    tdm_error err = {0};
    assert_int_equal(tdm__receipt_add(u, &twice, &err), TDM_ERR_INVAL);
    json_t *list = tdm__receipt_list(u, 3);
    assert_int_equal(json_array_size(list), 3);
    tdm__receipt newest = receipt(4);
    json_t *expected = tdm__receipt_json(&newest);
    assert_true(json_equal(json_array_get(list, 0), expected));
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 2), "bytes_sent")), 12);
    json_decref(expected);
    json_decref(list);
    tdm__usage_close(u);
}

static bool file_holds(const char *text)
{
    char *bytes;
    size_t len;
    assert_int_equal(tdm__file_read(path, 1 << 26, &bytes, &len), 0);
    bool found = false;
    for (size_t i = 0; !found && i + strlen(text) <= len; i++)
        found = memcmp(bytes + i, text, strlen(text)) == 0;
    free(bytes);
    return found;
}

static void an_erased_receipt_leaves_no_byte_in_the_file(void **state)
{
    (void)state;
    tdm__usage *u = open_usage();
    for (unsigned i = 1; i <= 300; i++) {
        tdm__receipt r = receipt(i);
        assert_int_equal(tdm__receipt_add(u, &r, NULL), TDM_OK);
    }
    tdm__receipt seven = receipt(7);
    size_t n = 9;
    assert_true(file_holds(seven.id));
    assert_int_equal(tdm__receipt_erase(u, seven.id, &n, NULL), TDM_OK);
    assert_int_equal(n, 1);
    assert_false(file_holds(seven.id));
    assert_int_equal(tdm__receipt_erase(u, seven.id, &n, NULL), TDM_OK);
    assert_int_equal(n, 0);
    assert_true(file_holds("qwen-max"));
    assert_int_equal(tdm__receipt_erase(u, NULL, &n, NULL), TDM_OK);
    assert_int_equal(n, 299);
    assert_false(file_holds("qwen-max"));
    assert_false(file_holds(HASH_B));
    tdm__usage_close(u);
}

static void write_file(const char *bytes, size_t len)
{
    assert_int_equal(tdm__file_write_atomic(path, bytes, len, 0600), 0);
}

static void assert_refused(tdm_status expected, const char *bytes, size_t len)
{
    write_file(bytes, len);
    tdm__usage *u = NULL;
    tdm_error err = {0};
    assert_int_equal(tdm__usage_open(path, &u, &err), expected);
    assert_null(u);
    assert_non_null(strstr(err.msg, path));
    char *after;
    size_t after_len;
    assert_int_equal(tdm__file_read(path, 1 << 26, &after, &after_len), 0);
    assert_int_equal(after_len, len);
    assert_memory_equal(after, bytes, len); /* never replaced, never repaired */
    free(after);
}

static void a_damaged_file_is_named_and_left_alone(void **state)
{
    (void)state;
    tdm__usage *u = open_usage();
    for (unsigned i = 0; i < 60; i++) {
        tdm__receipt r = receipt(i);
        assert_int_equal(tdm__receipt_add(u, &r, NULL), TDM_OK);
    }
    set_mode(u, subject("openai"), TDM__CONSENT_NEVER);
    tdm__usage_close(u);
    char *bytes;
    size_t len;
    assert_int_equal(tdm__file_read(path, 1 << 26, &bytes, &len), 0);
    assert_refused(TDM_ERR_INTEGRITY, "this is no database, and it is longer than a header would be", 60);
    assert_refused(TDM_ERR_INTEGRITY, bytes, len / 2);
    char *cut = malloc(len);
    memcpy(cut, bytes, len);
    memset(cut + 4096, 0xff, 4096); /* a page of nonsense */
    assert_refused(TDM_ERR_INTEGRITY, cut, len);
    memcpy(cut, bytes, len);
    memcpy(cut + 68, "XXXX", 4); /* application_id */
    assert_refused(TDM_ERR_INTEGRITY, cut, len);
    memcpy(cut, bytes, len);
    cut[63] = 2; /* user_version */
    assert_refused(TDM_ERR_UNSUPPORTED, cut, len);

    uint32_t seed = 1;
    for (int i = 0; i < 300; i++) { /* whatever is damaged: no crash, and what opens can be read */
        memcpy(cut, bytes, len);
        for (int k = 0; k < 4; k++) {
            seed = seed * 1664525u + 1013904223u;
            cut[(seed >> 8) % len] = (char)(seed >> 3);
        }
        write_file(cut, len);
        u = NULL;
        tdm_error err = {0};
        if (tdm__usage_open(path, &u, &err) == TDM_OK)
            json_decref(tdm__receipt_list(u, SIZE_MAX));
        else
            assert_non_null(strstr(err.msg, path));
        tdm__usage_close(u);
        char journal[128];
        snprintf(journal, sizeof journal, "%s-journal", path);
        unlink(journal);
    }
    free(cut);
    free(bytes);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(nothing_said_is_ask),
        CASE(a_consent_holds_for_its_subject_alone),
        CASE(never_holds_for_attachments_too),
        CASE(a_consent_is_there_after_opening_again),
        CASE(revoking_takes_what_was_named),
        CASE(a_partner_that_was_swapped_out_comes_back_as_a_stranger),
        CASE(another_process_is_seen_at_the_next_look),
        CASE(what_is_too_much_is_refused),
        CASE(killed_at_any_moment_the_file_holds_what_was_promised),
        CASE(receipts_come_newest_first),
        CASE(an_erased_receipt_leaves_no_byte_in_the_file),
        CASE(a_damaged_file_is_named_and_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
