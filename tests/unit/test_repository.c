/* test_repository.c - the maker of repositories where several sign at once, a disk is full, a process was killed, or
 * somebody edited what waits. What a client makes of its repositories is tested against python-tuf in tests/e2e.
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
#include <unistd.h>

#include "os/file.h"
#include "policy/repository.h"
#include "policy/trust.h"
#include "temp_folder.h"

#define DAY_S INT64_C(86400)
#define NOW INT64_C(1770000000)

enum { N_ROOT_KEYS = 8 };

typedef struct fixture {
    char dir[TDM__TEMP_FOLDER_TEXT], in[96], repo[96];
    const char *root_threshold, *timestamp;
    tdm_error err;
} fixture;

static void write_text(const char *dir, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(tdm__dir_make(path, 0755), 0);
    *slash = '/';
    assert_int_equal(tdm__file_write_atomic(path, text, strlen(text), 0644), 0);
}

static bool exists(const fixture *f, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", f->repo, name);
    return access(path, F_OK) == 0;
}

static void write_roles(const fixture *f)
{
    char text[1024];
    snprintf(text, sizeof text,
             "demo: true\n"
             "roles:\n"
             "  root: {keys: [k/root0, k/root1, k/root2, k/root3, k/root4, k/root5, k/root6, k/root7],\n"
             "         threshold: %s, expires_days: 400}\n"
             "  targets: {keys: [k/targets, k/other], threshold: 1, expires_days: 400}\n"
             "  snapshot: {keys: [k/snapshot], threshold: 1, expires_days: 400}\n"
             "  timestamp: {keys: [k/timestamp, k/other], threshold: %s, expires_days: 400}\n"
             "  market-CN: {keys: [k/cn], threshold: 1, expires_days: 400}\n",
             f->root_threshold, f->timestamp);
    write_text(f->in, "roles.yaml", text);
}

static void write_policy(const fixture *f, int version)
{
    char text[512];
    snprintf(text, sizeof text,
             "market: CN\n"
             "name: {en: Mainland China, zh: 中国大陆}\n"
             "sold_in: [CN]\n"
             "version: %d\n"
             "shape: own-only\n"
             "needs_filing: true\n"
             "needs_accreditation: false\n"
             "label: {visible: false}\n"
             "features: {chat: {backends: [{backend: own, role: engine, model: any, model_name: M}]}}\n",
             version);
    write_text(f->in, "markets/CN/policy.yaml", text);
}

static void write_key(const fixture *f, const char *name)
{
    char path[256];
    tdm__secret_key key;
    snprintf(path, sizeof path, "%s/k", f->in);
    assert_int_equal(tdm__dir_make(path, 0755), 0);
    snprintf(path, sizeof path, "%s/k/%s", f->in, name);
    assert_int_equal(tdm__key_generate(&key, NULL), TDM_OK);
    assert_int_equal(tdm__key_save(&key, path, NULL), TDM_OK);
}

static void setup(fixture *f)
{
    static const char *const names[] = {"targets", "other", "snapshot", "timestamp", "cn"};
    *f = (fixture){.root_threshold = "2", .timestamp = "1"};
    tdm__temp_folder_make(f->dir);
    snprintf(f->in, sizeof f->in, "%s/in", f->dir);
    snprintf(f->repo, sizeof f->repo, "%s/repo", f->dir);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        write_key(f, names[i]);
    for (int i = 0; i < N_ROOT_KEYS; i++) {
        char name[16];
        snprintf(name, sizeof name, "root%d", i);
        write_key(f, name);
    }
    write_text(f->in, "keys.yaml", "[]\n");
    write_policy(f, 1);
    write_roles(f);
}

static void teardown(fixture *f) { tdm__temp_folder_remove(f->dir); }

static tdm_status make_at(fixture *f, int64_t now)
{
    f->err = (tdm_error){0};
    return tdm__repository_make(f->in, f->repo, now, &f->err);
}

static tdm_status sign_at(fixture *f, const char *role, const char *key_name, int64_t now)
{
    char path[256];
    tdm__secret_key key;
    snprintf(path, sizeof path, "%s/k/%s", f->in, key_name);
    assert_int_equal(tdm__key_load(path, &key, NULL), TDM_OK);
    f->err = (tdm_error){0};
    return tdm__repository_sign(f->repo, role, &key, now, &f->err);
}

static void assert_ok(const fixture *f, tdm_status s)
{
    if (s != TDM_OK)
        fail_msg("%s", f->err.msg);
}

static void sign(fixture *f, const char *role, const char *key) { assert_ok(f, sign_at(f, role, key, NOW)); }

/* All but the timestamp. */
static void sign_below(fixture *f)
{
    sign(f, "root", "root0");
    sign(f, "root", "root1");
    sign(f, "market-CN", "cn");
    sign(f, "targets", "targets");
    sign(f, "snapshot", "snapshot");
}

static void release_first(fixture *f)
{
    assert_ok(f, make_at(f, NOW));
    sign_below(f);
    sign(f, "timestamp", "timestamp");
}

/* What status says of a role: -1 when the role is not there. */
static int64_t state_of(fixture *f, const char *where, const char *role, const char *member)
{
    json_t *status = NULL;
    assert_ok(f, tdm__repository_status(f->repo, &status, &f->err));
    const json_t *one = json_object_get(json_object_get(status, where), role);
    const int64_t n = one ? json_integer_value(json_object_get(one, member)) : -1;
    json_decref(status);
    return n;
}

static int64_t verified_version(fixture *f)
{
    char path[256], *root = NULL;
    size_t len = 0;
    tdm__trust *t = NULL;
    tdm__trust_source source;
    tdm__trust_fault fault;
    snprintf(path, sizeof path, "%s/metadata/1.root.json", f->repo);
    assert_int_equal(tdm__file_read(path, 1 << 20, &root, &len), 0);
    assert_ok(f, tdm__trust_source_folder(f->repo, &source, &f->err));
    assert_ok(f, tdm__trust_verify((tdm__str){root, len}, &source, NOW, &t, &fault, &f->err));
    const int64_t version = tdm__trust_version(t);
    tdm__trust_destroy(t);
    tdm__trust_source_fini(&source);
    free(root);
    return version;
}

static void signers_at_the_same_time_lose_no_signature(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    f.root_threshold = "8";
    write_roles(&f);
    assert_ok(&f, make_at(&f, NOW));
    for (int i = 0; i < N_ROOT_KEYS; i++) {
        if (fork() != 0)
            continue;
        char key[16];
        snprintf(key, sizeof key, "root%d", i);
        _exit(sign_at(&f, "root", key, NOW) == TDM_OK ? 0 : 1);
    }
    for (int i = 0, status = 0; i < N_ROOT_KEYS; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(state_of(&f, "staged", "root", "missing"), 0);
    teardown(&f);
}

static void what_a_killed_publication_left_is_neither_kept_nor_in_the_way(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    assert_ok(&f, make_at(&f, NOW));
    sign_below(&f);
    write_text(f.repo, "metadata.next/7.root.json", "{}");
    write_text(f.repo, "metadata/timestamp.json.Ab12Cd", "{");
    sign(&f, "timestamp", "timestamp");
    assert_int_equal(verified_version(&f), 1);
    assert_false(exists(&f, "metadata.next"));
    assert_false(exists(&f, "metadata/7.root.json"));
    assert_false(exists(&f, "metadata/timestamp.json.Ab12Cd"));
    assert_false(exists(&f, "metadata/staged.json"));
    teardown(&f);
}

static void a_full_disk_leaves_the_old_repository_and_the_release_can_go_on(void **state)
{
    (void)state;
    fixture f;
    struct rlimit old_limit, limit;
    setup(&f);
    release_first(&f);
    write_policy(&f, 2);
    assert_ok(&f, make_at(&f, NOW));
    sign(&f, "market-CN", "cn");
    sign(&f, "snapshot", "snapshot");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
    signal(SIGXFSZ, SIG_IGN);
    for (size_t room = 0; room < 400; room += 100) { /* each document that is written has more */
        limit = (struct rlimit){.rlim_cur = room, .rlim_max = old_limit.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        tdm_status s = sign_at(&f, "timestamp", "timestamp", NOW);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
        assert_int_equal(s, TDM_ERR_IO);
        assert_int_equal(verified_version(&f), 1);
        assert_false(exists(&f, "metadata.next"));
    }
    sign(&f, "timestamp", "timestamp");
    assert_int_equal(verified_version(&f), 2);
    assert_int_equal(state_of(&f, "published", "market-CN", "version"), 2);
    teardown(&f);
}

static void what_waits_and_was_edited_names_no_files(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    release_first(&f);
    write_text(f.repo, "metadata/staged.json",
               "{\"_type\":\"staged\",\"roles\":{\"../../x\":{\"signatures\":[],\"signed\":{\"_type\":\"../../x\"}}}}");
    assert_int_equal(sign_at(&f, "timestamp", "timestamp", NOW), TDM_ERR_FORMAT);
    write_text(f.repo, "metadata/staged.json", "{\"_type\":\"staged\",\"roles\":{\"root\":{}}}");
    assert_int_equal(sign_at(&f, "timestamp", "timestamp", NOW), TDM_ERR_FORMAT);
    write_text(f.repo, "metadata/staged.json", "{\"roles\":");
    assert_int_equal(sign_at(&f, "timestamp", "timestamp", NOW), TDM_ERR_FORMAT);
    assert_int_equal(verified_version(&f), 1);
    teardown(&f);
}

static void a_timestamp_of_two_signers_is_renewed_by_make(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    f.timestamp = "2";
    write_roles(&f);
    assert_ok(&f, make_at(&f, NOW));
    sign_below(&f);
    sign(&f, "timestamp", "timestamp");
    assert_int_equal(state_of(&f, "staged", "timestamp", "missing"), 1);
    sign(&f, "timestamp", "other");
    assert_int_equal(verified_version(&f), 1);
    assert_int_equal(sign_at(&f, "timestamp", "timestamp", NOW), TDM_ERR_INVAL);
    const int64_t later = NOW + 201 * DAY_S; /* all is half over */
    assert_ok(&f, make_at(&f, later));
    assert_ok(&f, sign_at(&f, "market-CN", "cn", later));
    assert_ok(&f, sign_at(&f, "targets", "targets", later));
    assert_ok(&f, sign_at(&f, "snapshot", "snapshot", later));
    assert_ok(&f, sign_at(&f, "timestamp", "other", later));
    assert_int_equal(state_of(&f, "published", "timestamp", "version"), 1);
    assert_ok(&f, sign_at(&f, "timestamp", "timestamp", later));
    assert_int_equal(state_of(&f, "published", "timestamp", "version"), 2);
    teardown(&f);
}

static void a_signature_below_takes_back_those_above(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    assert_ok(&f, make_at(&f, NOW));
    sign_below(&f);
    assert_int_equal(state_of(&f, "staged", "snapshot", "missing"), 0);
    sign(&f, "targets", "targets"); /* the same bytes again */
    assert_int_equal(state_of(&f, "staged", "snapshot", "missing"), 0);
    sign(&f, "targets", "other"); /* one more signature: another hash */
    assert_int_equal(state_of(&f, "staged", "snapshot", "missing"), 1);
    assert_int_equal(sign_at(&f, "timestamp", "timestamp", NOW), TDM_ERR_INVAL);
    sign(&f, "snapshot", "snapshot");
    sign(&f, "timestamp", "timestamp");
    assert_int_equal(verified_version(&f), 1);
    teardown(&f);
}

static void a_change_does_not_wait_for_a_root_that_is_only_renewed(void **state)
{
    (void)state;
    fixture f;
    setup(&f);
    release_first(&f);
    assert_ok(&f, make_at(&f, NOW + 199 * DAY_S));
    assert_int_equal(state_of(&f, "staged", "root", "version"), -1);
    assert_ok(&f, make_at(&f, NOW + 200 * DAY_S)); /* half of 400, and nothing changed but that all is half over */
    assert_int_equal(state_of(&f, "staged", "market-CN", "version"), 2);
    assert_int_equal(state_of(&f, "staged", "root", "version"), -1);
    assert_ok(&f, make_at(&f, NOW + 300 * DAY_S));
    assert_int_equal(state_of(&f, "staged", "root", "version"), 2);
    teardown(&f);
}

static void a_bundle_that_has_no_room_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    fixture f;
    tdm__buf out;
    setup(&f);
    assert_ok(&f, make_at(&f, NOW));
    tdm__buf_init(&out, 1000);
    assert_int_equal(tdm__buf_append_z(&out, "before"), TDM_OK);
    assert_int_equal(tdm__repository_bundle(f.repo, NULL, &out, &f.err), TDM_ERR_NOT_FOUND);
    sign_below(&f);
    sign(&f, "timestamp", "timestamp");
    assert_int_equal(tdm__repository_bundle(f.repo, "US", &out, &f.err), TDM_ERR_NOT_FOUND);
    assert_int_equal(tdm__repository_bundle(f.repo, "CN", &out, &f.err), TDM_ERR_LIMIT);
    assert_string_equal(tdm__buf_cstr(&out), "before");
    tdm__buf_fini(&out);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signers_at_the_same_time_lose_no_signature),
        cmocka_unit_test(what_a_killed_publication_left_is_neither_kept_nor_in_the_way),
        cmocka_unit_test(a_full_disk_leaves_the_old_repository_and_the_release_can_go_on),
        cmocka_unit_test(what_waits_and_was_edited_names_no_files),
        cmocka_unit_test(a_timestamp_of_two_signers_is_renewed_by_make),
        cmocka_unit_test(a_signature_below_takes_back_those_above),
        cmocka_unit_test(a_change_does_not_wait_for_a_root_that_is_only_renewed),
        cmocka_unit_test(a_bundle_that_has_no_room_leaves_the_buffer_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
