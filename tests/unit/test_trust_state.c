/* test_trust_state.c - what the TUF client keeps: through failures, crashes, a full disk, hands on the file, and clocks
 * that are wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/file.h"
#include "trust_maker.h"

#define POLICY "markets/CN/policy.json"
#define DAY_S 86400

typedef struct fixture {
    trust_maker m;
    char dir[64], path[80];
    tdm__trust *t;
    tdm__trust_fault fault;
    tdm_error err;
} fixture;

static void setup(fixture *f)
{
    memset(f, 0, sizeof *f);
    trust_maker_init(&f->m);
    snprintf(f->dir, sizeof f->dir, "/tmp/tandem-trust-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/policy.json", f->dir);
    tdm__trust_source s = trust_maker_source(&f->m);
    if (tdm__trust_install(f->path, trust_maker_first_root(&f->m), &s, TRUST_MAKER_NOW, &f->t, &f->fault, &f->err))
        fail_msg("%s: %s", tdm__trust_fault_name(f->fault), f->err.msg);
}

static void teardown(fixture *f)
{
    tdm__trust_destroy(f->t);
    trust_maker_fini(&f->m);
    unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
}

static tdm_status update_at(fixture *f, int64_t now)
{
    tdm__trust_source s = trust_maker_source(&f->m);
    return tdm__trust_update(f->t, &s, now, &f->fault, &f->err);
}

static void reopen_at(fixture *f, int64_t now)
{
    tdm__trust_destroy(f->t);
    f->t = NULL;
    if (tdm__trust_open(f->path, now, &f->t, &f->err) != TDM_OK)
        fail_msg("%s", f->err.msg);
}

static bool policy_is(const tdm__trust *t, const char *text)
{
    tdm__trust_target target;
    return tdm__trust_get_target(t, POLICY, &target, NULL) == TDM_OK && target.bytes.len == strlen(text) &&
           memcmp(target.bytes.ptr, text, target.bytes.len) == 0;
}

static void a_version_that_was_verified_is_remembered_when_the_rest_fails(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    for (int i = 0; i < 4; i++)
        trust_maker_advance(&f.m); /* version 5 */
    json_t *files = json_copy(f.m.files);
    trust_maker_remove(&f.m, "5.snapshot.json");
    assert_int_equal(update_at(&f, TRUST_MAKER_NOW), TDM_ERR_NOT_FOUND);
    assert_int_equal(f.fault, TDM__TRUST_MISSING);
    assert_int_equal(tdm__trust_version(f.t), 1);
    reopen_at(&f, TRUST_MAKER_NOW);
    f.m.plan[MAKER_TIMESTAMP].version = 4;
    trust_maker_publish(&f.m);
    assert_int_equal(update_at(&f, TRUST_MAKER_NOW), TDM_ERR_INTEGRITY);
    assert_int_equal(f.fault, TDM__TRUST_ROLLBACK);
    json_decref(f.m.files);
    f.m.files = files;
    assert_int_equal(update_at(&f, TRUST_MAKER_NOW), TDM_OK); /* the very version that was half-way */
    assert_int_equal(tdm__trust_version(f.t), 5);
    teardown(&f);
}

static void an_update_that_is_not_verified_raises_nothing(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    f.m.plan[MAKER_TIMESTAMP].version = 1000;
    f.m.plan[MAKER_TIMESTAMP].keys[0] = 9; /* not the timestamp's */
    trust_maker_publish(&f.m);
    assert_int_equal(update_at(&f, TRUST_MAKER_NOW), TDM_ERR_INTEGRITY);
    f.m.plan[MAKER_TIMESTAMP].keys[0] = MAKER_TIMESTAMP;
    f.m.plan[MAKER_TIMESTAMP].expires_unix_s = TRUST_MAKER_NOW - 1;
    trust_maker_publish(&f.m);
    assert_int_equal(update_at(&f, TRUST_MAKER_NOW), TDM_ERR_INTEGRITY);
    assert_int_equal(f.fault, TDM__TRUST_FREEZE);
    f.m.plan[MAKER_TIMESTAMP] = (trust_maker_plan){.version = 2,
                                                   .expires_unix_s = TRUST_MAKER_NOW + DAY_S,
                                                   .keys = {MAKER_TIMESTAMP},
                                                   .n_keys = 1,
                                                   .threshold = 1};
    trust_maker_publish(&f.m);
    assert_int_equal(update_at(&f, TRUST_MAKER_NOW), TDM_OK);
    teardown(&f);
}

static void a_clock_that_goes_back_is_suspect_and_does_not_make_expired_things_fresh(void **state)
{
    (void)state;
    fixture f;
    bool is_suspect = true;
    setup(&f);
    assert_int_equal(tdm__trust_now(f.t, TRUST_MAKER_NOW - 300, &is_suspect), TRUST_MAKER_NOW);
    assert_false(is_suspect);
    assert_int_equal(tdm__trust_now(f.t, TRUST_MAKER_NOW - 301, &is_suspect), TRUST_MAKER_NOW);
    assert_true(is_suspect);
    assert_int_equal(tdm__trust_now(f.t, TRUST_MAKER_NOW + 50, &is_suspect), TRUST_MAKER_NOW + 50);
    assert_false(is_suspect);
    trust_maker_advance(&f.m);
    assert_int_equal(update_at(&f, TRUST_MAKER_NOW + 3600), TDM_OK);
    reopen_at(&f, TRUST_MAKER_NOW - 365 * DAY_S);
    assert_int_equal(tdm__trust_now(f.t, TRUST_MAKER_NOW - 365 * DAY_S, &is_suspect), TRUST_MAKER_NOW + 3600);
    assert_true(is_suspect);
    f.m.plan[MAKER_TIMESTAMP].expires_unix_s = TRUST_MAKER_NOW + 3599;
    trust_maker_advance(&f.m);
    assert_int_equal(update_at(&f, TRUST_MAKER_NOW - 365 * DAY_S), TDM_ERR_INTEGRITY);
    assert_int_equal(f.fault, TDM__TRUST_FREEZE);
    teardown(&f);
}

static void a_clock_that_was_far_ahead_leaves_no_trace(void **state)
{
    (void)state;
    fixture f;
    bool is_suspect = true;
    setup(&f);
    const int64_t ten_years = TRUST_MAKER_NOW + (int64_t)3650 * DAY_S;
    trust_maker_advance(&f.m);
    assert_int_equal(update_at(&f, ten_years), TDM_ERR_INTEGRITY);
    assert_int_equal(f.fault, TDM__TRUST_FREEZE);
    reopen_at(&f, ten_years);
    assert_true(tdm__trust_now(f.t, ten_years, &is_suspect) > tdm__trust_expires_unix_s(f.t, "CN"));
    assert_int_equal(tdm__trust_now(f.t, TRUST_MAKER_NOW + 60, &is_suspect), TRUST_MAKER_NOW + 60);
    assert_false(is_suspect);
    assert_int_equal(update_at(&f, TRUST_MAKER_NOW + 60), TDM_OK);
    teardown(&f);
}

static void a_clock_before_this_source_was_written_is_not_believed(void **state)
{
    (void)state;
    fixture f;
    bool is_suspect = false;
    setup(&f);
    tdm__trust *t = NULL;
    tdm__trust_source s = trust_maker_source(&f.m);
    char path[100];
    snprintf(path, sizeof path, "%s.other", f.path);
    f.m.plan[MAKER_TIMESTAMP].expires_unix_s = 1600000000; /* 2020: fresh for a clock without battery */
    trust_maker_publish(&f.m);
    assert_int_equal(tdm__trust_install(path, trust_maker_first_root(&f.m), &s, 1500000000, &t, &f.fault, NULL),
                     TDM_ERR_INTEGRITY);
    assert_int_equal(f.fault, TDM__TRUST_FREEZE);
    f.m.plan[MAKER_TIMESTAMP].expires_unix_s = TRUST_MAKER_NOW;
    trust_maker_publish(&f.m);
    assert_int_equal(tdm__trust_install(path, trust_maker_first_root(&f.m), &s, 1500000000, &t, &f.fault, NULL),
                     TDM_OK);
    (void)tdm__trust_now(t, 1500000000, &is_suspect);
    assert_true(is_suspect);
    tdm__trust_destroy(t);
    unlink(path);
    teardown(&f);
}

static void what_has_expired_opens_and_says_when(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    reopen_at(&f, TRUST_MAKER_NOW + (int64_t)1000 * DAY_S);
    assert_int_equal(tdm__trust_expires_unix_s(f.t, "CN"), TRUST_MAKER_NOW + DAY_S);
    assert_int_equal(tdm__trust_n_targets(f.t), 4);
    teardown(&f);
}

static void nothing_installed_is_not_found(void **state)
{
    (void)state;
    tdm__trust *t = NULL;
    assert_int_equal(tdm__trust_open("/tmp/tandem-no-such-state/policy.json", 0, &t, NULL), TDM_ERR_NOT_FOUND);
}

/* A changed byte is refused, or changes nothing that is believed: names of members are no signed text, floors may go
 * up. */
static void a_state_changed_by_hand_is_refused_or_means_the_same(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    char *bytes = NULL;
    size_t len = 0, n_refused = 0, n_tried = 0;
    assert_int_equal(tdm__file_read(f.path, 1 << 20, &bytes, &len), 0);
    for (size_t i = 0; i < len; i += 7) {
        char kept = bytes[i];
        tdm__trust *t = NULL;
        bytes[i] = (char)(kept ^ (i % 2 ? 1 : 4));
        assert_int_equal(tdm__file_write_atomic(f.path, bytes, len, 0600), 0);
        tdm_status s = tdm__trust_open(f.path, TRUST_MAKER_NOW, &t, NULL);
        if (s == TDM_OK) {
            assert_true(policy_is(t, "{\"market\":\"CN\",\"edition\":1}"));
            assert_int_equal(tdm__trust_expires_unix_s(t, "CN"), TRUST_MAKER_NOW + DAY_S);
        } else {
            assert_int_equal(s, TDM_ERR_INTEGRITY);
            n_refused++;
        }
        n_tried++;
        tdm__trust_destroy(t);
        bytes[i] = kept;
    }
    assert_true(n_refused * 10 > n_tried * 9);
    for (size_t cut = 0; cut < len; cut += 97) {
        tdm__trust *t = NULL;
        assert_int_equal(tdm__file_write_atomic(f.path, bytes, cut, 0600), 0);
        assert_int_equal(tdm__trust_open(f.path, TRUST_MAKER_NOW, &t, NULL), TDM_ERR_INTEGRITY);
    }
    free(bytes);
    teardown(&f);
}

/* text of the state with one piece replaced, written back; what open says to it. */
static tdm_status open_with(const fixture *f, const char *piece, const char *by)
{
    char *bytes = NULL, *at, changed[65536];
    size_t len = 0;
    tdm__trust *t = NULL;
    assert_int_equal(tdm__file_read(f->path, sizeof changed - 100, &bytes, &len), 0);
    at = strstr(bytes, piece);
    assert_non_null(at);
    int n = snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - bytes), bytes, by, at + strlen(piece));
    assert_int_equal(tdm__file_write_atomic(f->path, changed, (size_t)n, 0600), 0);
    tdm_status s = tdm__trust_open(f->path, TRUST_MAKER_NOW, &t, NULL);
    tdm__trust_destroy(t);
    assert_int_equal(tdm__file_write_atomic(f->path, bytes, len, 0600), 0);
    free(bytes);
    return s;
}

static void floors_and_time_stay_within_what_is_signed(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    assert_int_equal(open_with(&f, "\"floors\":{\"timestamp\":1", "\"floors\":{\"timestamp\":0"), TDM_ERR_INTEGRITY);
    assert_int_equal(open_with(&f, "\"snapshot\":1,\"meta\"", "\"snapshot\":0,\"meta\""), TDM_ERR_INTEGRITY);
    assert_int_equal(open_with(&f, "\"meta\":{\"targets.json\":1", "\"meta\":{\"targets.json\":0"), TDM_ERR_INTEGRITY);
    assert_int_equal(open_with(&f, "\"newest_unix_s\":", "\"newest_unix_s\":-"), TDM_ERR_INTEGRITY);
    assert_int_equal(open_with(&f, "\"newest_unix_s\":", "\"newest\":"), TDM_ERR_INTEGRITY);
    assert_int_equal(open_with(&f, "\"newest_unix_s\":", "\"newest_unix_s\":9"), TDM_ERR_INTEGRITY);
    assert_int_equal(open_with(&f, "\"newest_unix_s\":", "\"newest_unix_s\": "), TDM_OK);
    teardown(&f);
}

static void what_nobody_signed_does_not_open(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    assert_int_equal(open_with(&f, "2025-07-15T", "2035-07-15T"), TDM_ERR_INTEGRITY); /* the root's expiry, the first */
    assert_int_equal(open_with(&f, "\"markets\":{", "\"markets\":{\"HK\":\"{}\","), TDM_ERR_INTEGRITY);
    assert_int_equal(open_with(&f, "\"edition\\\":1", "\"edition\\\":2"), TDM_ERR_INTEGRITY);
    teardown(&f);
}

static void the_states_file_is_its_owners_alone(void **state)
{
    (void)state;
    fixture f;
    struct stat st;
    setup(&f);
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    teardown(&f);
}

static void a_full_disk_changes_nothing(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    char *before = NULL, *after = NULL;
    size_t n_before = 0, n_after = 0;
    struct rlimit old_limit, limit;
    assert_int_equal(tdm__file_read(f.path, 1 << 20, &before, &n_before), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
    signal(SIGXFSZ, SIG_IGN);
    trust_maker_set(&f.m, MAKER_CN, POLICY, "two");
    trust_maker_advance(&f.m);
    for (size_t room = 0; room < n_before; room += n_before / 5 + 1) {
        limit = (struct rlimit){.rlim_cur = room, .rlim_max = old_limit.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        tdm_status s = update_at(&f, TRUST_MAKER_NOW);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
        assert_int_equal(s, TDM_ERR_IO);
        assert_int_equal(f.fault, TDM__TRUST_NONE);
        assert_false(policy_is(f.t, "two"));
        assert_int_equal(tdm__file_read(f.path, 1 << 20, &after, &n_after), 0);
        assert_int_equal(n_after, n_before);
        assert_memory_equal(after, before, n_before);
        free(after);
    }
    assert_int_equal(update_at(&f, TRUST_MAKER_NOW), TDM_OK);
    assert_true(policy_is(f.t, "two"));
    free(before);
    teardown(&f);
}

/* A child goes from version to version until it is killed, at a moment that nobody chose. */
static void kill_9_leaves_one_whole_version(void **state)
{
    (void)state;
    enum { ROUNDS = 25 };
    fixture f;
    int64_t version = 1;
    setup(&f);
    for (int round = 0; round < ROUNDS; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            for (;;) {
                char text[32];
                snprintf(text, sizeof text, "edition %d", (int)f.m.plan[MAKER_CN].version + 1);
                trust_maker_set(&f.m, MAKER_CN, POLICY, text);
                trust_maker_advance(&f.m);
                if (update_at(&f, TRUST_MAKER_NOW) != TDM_OK)
                    _exit(1);
            }
        nanosleep(&(struct timespec){.tv_nsec = 2000000 + round * 1700000}, NULL);
        kill(child, SIGKILL);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        reopen_at(&f, TRUST_MAKER_NOW);
        assert_true(tdm__trust_version(f.t) >= version);
        version = tdm__trust_version(f.t);
        char text[32];
        snprintf(text, sizeof text, "edition %d", (int)version);
        assert_true(version == 1 || policy_is(f.t, text));
        assert_int_equal(tdm__trust_market_version(f.t, "CN"), version);
        for (int r = MAKER_TIMESTAMP; r < MAKER_ROLES; r++)
            f.m.plan[r].version = version;
    }
    assert_true(version > 1);
    char command_dir[80]; /* a temporary file may lie about: it is never read */
    snprintf(command_dir, sizeof command_dir, "rm -rf '%s'", f.dir);
    assert_int_equal(system(command_dir), 0);
    tdm__trust_destroy(f.t);
    trust_maker_fini(&f.m);
}

static void bundles_and_folders_are_read_alike(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    char *bundle = trust_maker_bundle(&f.m), dir[80], path[400], command[100];
    tdm__trust_source s;
    tdm__trust *from_bundle = NULL, *from_folder = NULL;
    assert_int_equal(tdm__trust_source_bundle(tdm__str_from(bundle), &s, &f.err), TDM_OK);
    assert_int_equal(
        tdm__trust_verify(trust_maker_first_root(&f.m), &s, TRUST_MAKER_NOW, &from_bundle, &f.fault, &f.err), TDM_OK);
    tdm__trust_source_fini(&s);

    snprintf(dir, sizeof dir, "%s/repository", f.dir);
    const char *name;
    json_t *text;
    json_object_foreach(f.m.files, name, text)
    {
        bool is_target = strncmp(name, "targets/", 8) == 0;
        snprintf(path, sizeof path, "%s/%s%s", dir, is_target ? "" : "metadata/", name);
        char *slash = strrchr(path, '/');
        *slash = '\0';
        assert_int_equal(tdm__dir_make(path, 0700), 0);
        *slash = '/';
        assert_int_equal(tdm__file_write_atomic(path, json_string_value(text), json_string_length(text), 0600), 0);
    }
    assert_int_equal(tdm__trust_source_folder(dir, &s, &f.err), TDM_OK);
    assert_int_equal(
        tdm__trust_verify(trust_maker_first_root(&f.m), &s, TRUST_MAKER_NOW, &from_folder, &f.fault, &f.err), TDM_OK);
    tdm__trust_source_fini(&s);
    assert_int_equal(tdm__trust_n_targets(from_bundle), 4);
    for (size_t i = 0; i < 4; i++) {
        tdm__trust_target a, b;
        tdm__trust_target_at(from_bundle, i, &a);
        tdm__trust_target_at(from_folder, i, &b);
        assert_string_equal(a.path, b.path);
        assert_string_equal(a.sha256, b.sha256);
    }
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
    tdm__trust_destroy(from_bundle);
    tdm__trust_destroy(from_folder);
    free(bundle);
    teardown(&f);
}

static void bundles_of_another_shape_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"", "[]", "{}", "{\"_type\":\"bundle\"}", "{\"_type\":\"x\",\"files\":{}}",
                                        "{\"_type\":\"bundle\",\"files\":{\"a\":1}}",
                                        "{\"_type\":\"bundle\",\"files\":{},\"more\":1}"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tdm__trust_source s;
        assert_int_equal(tdm__trust_source_bundle(tdm__str_from(cases[i]), &s, NULL), TDM_ERR_FORMAT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_that_was_verified_is_remembered_when_the_rest_fails),
        cmocka_unit_test(an_update_that_is_not_verified_raises_nothing),
        cmocka_unit_test(a_clock_that_goes_back_is_suspect_and_does_not_make_expired_things_fresh),
        cmocka_unit_test(a_clock_that_was_far_ahead_leaves_no_trace),
        cmocka_unit_test(a_clock_before_this_source_was_written_is_not_believed),
        cmocka_unit_test(what_has_expired_opens_and_says_when),
        cmocka_unit_test(nothing_installed_is_not_found),
        cmocka_unit_test(a_state_changed_by_hand_is_refused_or_means_the_same),
        cmocka_unit_test(floors_and_time_stay_within_what_is_signed),
        cmocka_unit_test(what_nobody_signed_does_not_open),
        cmocka_unit_test(the_states_file_is_its_owners_alone),
        cmocka_unit_test(a_full_disk_changes_nothing),
        cmocka_unit_test(kill_9_leaves_one_whole_version),
        cmocka_unit_test(bundles_and_folders_are_read_alike),
        cmocka_unit_test(bundles_of_another_shape_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
