/* test_case_folder.c - the cases of a folder: only longer ones take a place, what is spoilt opens nothing, and a
 * process that is killed at any moment leaves the old case or the new one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "case_maker.h"
#include "filing/case_folder.h"
#include "os/file.h"
#include "os/random.h"

enum { LATER = CASE_T0 + 100000, VERSIONS = 40, KILLS = 80 };

static tdm__keyring *keys;
static char root[] = "/tmp/tandem-case-folder-XXXXXX";
static char dir[64], path[128];

static int begin(void **state)
{
    (void)state;
    keys = signed_maker_keyring();
    return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    tdm__keyring_destroy(keys);
    return rmdir(root);
}

/* A folder that is not there yet. */
static int begin_one(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "%s/home/filings", root);
    snprintf(path, sizeof path, "%s/DEMO-CN-2025-0001.json", dir);
    return 0;
}

static int end_one(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s/home", root);
    return system(command);
}

static tdm_status put(const char *json, tdm_error *err)
{
    *err = (tdm_error){0};
    return tdm__case_folder_put(dir, tdm__str_from(json), keys, LATER, err);
}

static void put_good(char *json)
{
    tdm_error err;
    if (put(json, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    free(json);
}

static void put_bad(char *json, const char *words)
{
    tdm_error err;
    char *before = NULL, *after = NULL;
    size_t len_before = 0, len_after = 0;
    (void)tdm__file_read(path, TDM__FILING_CASE_BYTES_MAX, &before, &len_before);
    assert_true(put(json, &err) != TDM_OK);
    if (!strstr(err.msg, words))
        fail_msg("\"%s\" was expected, \"%s\" came", words, err.msg);
    (void)tdm__file_read(path, TDM__FILING_CASE_BYTES_MAX, &after, &len_after);
    assert_true(len_before == len_after && (len_after == 0 || memcmp(before, after, len_after) == 0));
    free(before);
    free(after);
    free(json);
}

static void write_file(const char *name, const char *text)
{
    char file[256];
    snprintf(file, sizeof file, "%s/%s", dir, name);
    assert_int_equal(tdm__file_write_atomic(file, text, strlen(text), 0600), 0);
}

static tdm__case_folder read_folder(tdm_status want, const char *words)
{
    tdm__case_folder f;
    tdm_error err = {0};
    assert_int_equal(tdm__case_folder_read(dir, keys, LATER, &f, &err), want);
    if (!strstr(err.msg, words))
        fail_msg("\"%s\" was expected, \"%s\" came", words, err.msg);
    return f;
}

static void a_missing_folder_is_empty_and_no_keyring_is_an_error(void **state)
{
    (void)state;
    tdm__case_folder f = read_folder(TDM_OK, "");
    assert_int_equal(f.n, 0);
    tdm__case_folder_fini(&f);
    assert_int_equal(tdm__case_folder_read(dir, NULL, LATER, &f, NULL), TDM_ERR_INVAL);
    tdm__case_folder_fini(&f);
    assert_int_equal(tdm__case_folder_put(dir, TDM_STR("{}"), NULL, LATER, NULL), TDM_ERR_INVAL);
}

static void a_place_is_taken_only_by_a_longer_case(void **state)
{
    (void)state;
    struct stat st;
    put_good(case_maker_in("submitted"));
    put_good(case_maker_in("approved"));
    put_good(case_maker_in("approved")); /* again: nothing changes */
    put_bad(case_maker_in("submitted"), "a case only grows");
    put_bad(case_maker_in("refused"), "entry 5 is another one");
    put_good(case_maker_in("revoked"));
    put_bad(case_maker_in("approved"), "a case only grows"); /* the withdrawal stays */
    tdm__case_folder f = read_folder(TDM_OK, "");
    assert_int_equal(f.n, 1);
    assert_int_equal(tdm__filing_case_state(f.cases[0], LATER), TDM__FILING_WITHDRAWN);
    tdm__case_folder_fini(&f);
    assert_true(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    assert_true(stat(dir, &st) == 0 && (st.st_mode & 0777) == 0700);
}

static void a_spoilt_file_opens_nothing_and_is_not_replaced(void **state)
{
    (void)state;
    char *json = case_maker_in("approved");
    put_good(case_maker_in("approved"));
    char *at = strstr(json, "assistant");
    memcpy(at, "assistent", 9);
    write_file("DEMO-CN-2025-0001.json", json); /* edited by hand */
    write_file("notes.txt", "no case");
    write_file("DEMO-CN-2025-0001.json.a1B2c3", "{"); /* what a crash leaves */
    tdm__case_folder f = read_folder(TDM_ERR_INTEGRITY, "DEMO-CN-2025-0001.json: case ");
    assert_int_equal(f.n, 0);
    tdm__case_folder_fini(&f);
    put_bad(case_maker_in("revoked"), "DEMO-CN-2025-0001.json: case ");
    free(json);
}

static void good_cases_stand_beside_a_bad_one(void **state)
{
    (void)state;
    char *json = case_maker_in("approved");
    put_good(case_maker_in("approved"));
    write_file("DEMO-CN-2025-0002.json", json); /* the same case under another name */
    write_file("A.json", "no case");
    tdm__case_folder f;
    assert_int_not_equal(tdm__case_folder_read(dir, keys, LATER, &f, NULL), TDM_OK);
    assert_int_equal(f.n, 1);
    assert_string_equal(tdm__filing_case_id(f.cases[0]), "DEMO-CN-2025-0001");
    tdm__case_folder_fini(&f);
    free(json);
}

static void a_case_that_nobody_vouches_for_is_not_put(void **state)
{
    (void)state;
    char *json = case_maker_in("under_review");
    put_bad(case_maker_forge(json, TDM__FILING_APPROVE, SIGNED_STRANGER, "{\"hypothetical\":true}", CASE_T0 + 50),
            "not in the keyring");
    assert_int_not_equal(access(path, F_OK), 0);
    free(json);
}

/* ---- kill -9 ---- */

static char *versions[VERSIONS];

static void make_versions(void)
{
    versions[0] = case_maker_in("under_review");
    for (int i = 1; i < VERSIONS; i++)
        versions[i] =
            case_maker_forge(versions[i - 1], TDM__FILING_ASK, SIGNED_REGULATOR, "{\"text\":\"and?\"}", CASE_T0 + 50);
}

/* Puts each version and says so through the pipe. */
static void put_all(int report)
{
    for (unsigned char i = 0; i < VERSIONS; i++) {
        if (tdm__case_folder_put(dir, tdm__str_from(versions[i]), keys, LATER, NULL) != TDM_OK ||
            write(report, &i, 1) != 1)
            _exit(1);
    }
    _exit(0);
}

/* The version that lies at path; -1: none. Anything else is a failure. */
static int find_version(void)
{
    char *bytes = NULL;
    size_t len = 0;
    if (tdm__file_read(path, TDM__FILING_CASE_BYTES_MAX, &bytes, &len) != 0)
        return -1;
    int found = -1;
    for (int i = 0; i < VERSIONS; i++)
        if (strlen(versions[i]) == len && memcmp(versions[i], bytes, len) == 0)
            found = i;
    free(bytes);
    if (found < 0)
        fail_msg("%zu bytes lie there that are no version", len);
    return found;
}

static void check_after_kill(int report)
{
    int reported = -1;
    unsigned char i;
    while (read(report, &i, 1) == 1)
        reported = i;
    const int found = find_version();
    if (found != reported && found != reported + 1)
        fail_msg("version %d was put, version %d lies there", reported, found);
    tdm__case_folder f = read_folder(TDM_OK, "");
    assert_int_equal(f.n, found < 0 ? 0 : 1);
    if (found >= 0)
        assert_int_equal(tdm__filing_case_n_entries(f.cases[0]), 4 + found);
    tdm__case_folder_fini(&f);
    if (found >= 0 && found + 1 < VERSIONS) { /* the lock went with its holder */
        tdm_error err;
        assert_int_equal(put(versions[found + 1], &err), TDM_OK);
    }
}

static void a_killed_writer_leaves_the_old_case_or_the_new(void **state)
{
    (void)state;
    int n_midway = 0;
    make_versions();
    for (int n = 0; n < KILLS; n++) {
        int report[2], status;
        unsigned short chance;
        assert_int_equal(end_one(state), 0);
        assert_int_equal(pipe(report), 0);
        assert_int_equal(tdm__random_fill(&chance, sizeof chance), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            put_all(report[1]);
        close(report[1]);
        const struct timespec pause = {.tv_nsec = 100000L + chance % 400 * 100000L}; /* 0.1 to 40 ms */
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        n_midway += WIFSIGNALED(status);
        check_after_kill(report[0]);
        close(report[0]);
    }
    for (int i = 0; i < VERSIONS; i++)
        free(versions[i]);
    print_message("%d of %d writers were killed at work\n", n_midway, KILLS);
    assert_true(n_midway >= 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_missing_folder_is_empty_and_no_keyring_is_an_error, begin_one, end_one),
        cmocka_unit_test_setup_teardown(a_place_is_taken_only_by_a_longer_case, begin_one, end_one),
        cmocka_unit_test_setup_teardown(a_spoilt_file_opens_nothing_and_is_not_replaced, begin_one, end_one),
        cmocka_unit_test_setup_teardown(good_cases_stand_beside_a_bad_one, begin_one, end_one),
        cmocka_unit_test_setup_teardown(a_case_that_nobody_vouches_for_is_not_put, begin_one, end_one),
        cmocka_unit_test_setup_teardown(a_killed_writer_leaves_the_old_case_or_the_new, begin_one, end_one),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
