/* test_packing.c - packed weights in a cache: made once, found again, and never believed when they are not what they
 * should be.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "kernel/packed.h"
#include "model/model.h"
#include "model/packed_file.h"
#include "temp_folder.h"
#include "tiny_model.h"

static char folder[TDM__TEMP_FOLDER_TEXT], path[128], dir[128];

static void write_model(size_t n_ctx)
{
    tdm__tiny_write(&(tdm__tiny_options){.arch = "qwen2", .n_ctx = n_ctx}, path);
}

static int set_up(void **state)
{
    (void)state;
    tdm__temp_folder_make(folder);
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    snprintf(dir, sizeof dir, "%s/cache/packed", folder);
    write_model(256);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    chmod(dir, 0700);
    tdm__temp_folder_remove(folder);
    return 0;
}

static tdm__model *open_model(const char *pack_dir, tdm__packing_way way)
{
    tdm__model *m = NULL;
    tdm_error err = {0};
    if (tdm__model_open(path, pack_dir, &m, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(m->packing.way, way);
    return m;
}

/* Its panels are those of a model that is packed in memory. */
static void assert_right(const tdm__model *m)
{
    tdm__model *right = open_model(NULL, TDM__PACKING_IN_MEMORY);
    assert_string_equal(right->packing.note, "");
    assert_int_equal(m->packing.bytes, right->packing.bytes);
    assert_memory_equal(m->packing.items[0].weight->panels, right->packing.memory, right->packing.bytes);
    tdm__model_close(right);
}

static void open_and_close(tdm__packing_way way)
{
    tdm__model *m = open_model(dir, way);
    assert_right(m);
    tdm__model_close(m);
}

/* The first file in dir whose name ends so. */
static bool find_in(const char *ending, char out[512])
{
    bool found = false;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && !found && (e = readdir(d)) != NULL;) {
        const size_t n = strlen(e->d_name), k = strlen(ending);
        found = e->d_name[0] != '.' && n >= k && strcmp(e->d_name + n - k, ending) == 0;
        if (found)
            snprintf(out, 512, "%s/%s", dir, e->d_name);
    }
    if (d)
        closedir(d);
    return found;
}

static void find(const char *ending, char out[512]) { assert_true(find_in(ending, out)); }

static int count(const char *ending)
{
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        n += strlen(e->d_name) > strlen(ending) && strstr(e->d_name, ending);
    if (d)
        closedir(d);
    return n;
}

static void a_second_start_finds_what_the_first_has_made(void **state)
{
    (void)state;
    struct stat st;
    char name[512];
    open_and_close(TDM__PACKING_MADE);
    open_and_close(TDM__PACKING_FOUND);
    find(".panels", name);
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void a_file_that_was_moved_is_known_by_its_bytes(void **state)
{
    (void)state;
    char moved[160];
    open_and_close(TDM__PACKING_MADE);
    snprintf(moved, sizeof moved, "%s/other.gguf", folder);
    assert_int_equal(rename(path, moved), 0);
    write_model(256); /* another inode with the same bytes */
    open_and_close(TDM__PACKING_FOUND);
}

static void another_file_under_the_same_name_is_packed_anew(void **state)
{
    (void)state;
    open_and_close(TDM__PACKING_MADE);
    write_model(512);
    open_and_close(TDM__PACKING_MADE);
    assert_int_equal(count(".panels"), 1); /* that of the first went: no path leads to it */
    assert_int_equal(count(".source"), 1);
}

static void damage(off_t at, int whence, const void *bytes, size_t n)
{
    char name[512];
    find(".panels", name);
    int fd = open(name, O_RDWR);
    assert_true(fd >= 0);
    assert_true(lseek(fd, at, whence) >= 0);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

static void a_head_that_is_not_ours_is_made_anew(void **state)
{
    (void)state;
    static const off_t places[] = {0, 16, 24, 32, 64, 96, 128, 200, TDM__PACKED_HEAD_BYTES - 1};
    open_and_close(TDM__PACKING_MADE);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        damage(places[i], SEEK_SET, "\x5a", 1);
        open_and_close(TDM__PACKING_MADE);
    }
    open_and_close(TDM__PACKING_FOUND);
}

static void a_file_of_another_length_is_made_anew(void **state)
{
    (void)state;
    char name[512];
    struct stat st;
    open_and_close(TDM__PACKING_MADE);
    find(".panels", name);
    assert_int_equal(stat(name, &st), 0);
    const off_t lengths[] = {0, 1, 100, TDM__PACKED_HEAD_BYTES, st.st_size - 1, st.st_size + 1};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        assert_int_equal(truncate(name, lengths[i]), 0);
        open_and_close(TDM__PACKING_MADE);
    }
}

static void a_file_that_others_may_write_is_made_anew(void **state)
{
    (void)state;
    char name[512];
    open_and_close(TDM__PACKING_MADE);
    find(".panels", name);
    assert_int_equal(chmod(name, 0620), 0);
    open_and_close(TDM__PACKING_MADE);
    open_and_close(TDM__PACKING_FOUND);
}

static void a_note_that_is_no_hash_is_not_believed(void **state)
{
    (void)state;
    char name[512];
    open_and_close(TDM__PACKING_MADE);
    find(".source", name);
    FILE *f = fopen(name, "w");
    fputs("../../../../etc/passwd-and-then-some-more-of-it-until-it-is-long", f);
    fclose(f);
    open_and_close(TDM__PACKING_FOUND); /* the file was read again */
}

/* As docs/formats/packed.md says where it stands. */
static bool has_right_digest(const tdm__map *m)
{
    uint8_t digest[TDM__SHA256_BYTES];
    tdm__sha256(m->ptr + TDM__PACKED_HEAD_BYTES, m->len - TDM__PACKED_HEAD_BYTES, digest);
    return memcmp(digest, m->ptr + 96, sizeof digest) == 0;
}

static void the_digest_of_the_panels_tells_a_changed_bit(void **state)
{
    (void)state;
    tdm__model *m = open_model(dir, TDM__PACKING_MADE);
    assert_true(has_right_digest(&m->packing.map));
    tdm__model_close(m);
    damage(-1, SEEK_END, "\x5a", 1);
    m = open_model(dir, TDM__PACKING_FOUND);
    assert_false(has_right_digest(&m->packing.map));
    tdm__model_close(m);
}

/* A folder that cannot be made: a file is in its way. */
static void without_a_folder_it_packs_in_memory_and_says_so(void **state)
{
    (void)state;
    char parent[160];
    snprintf(parent, sizeof parent, "%s/cache", folder);
    FILE *f = fopen(parent, "w");
    fclose(f);
    tdm__model *m = open_model(dir, TDM__PACKING_IN_MEMORY);
    assert_non_null(strstr(m->packing.note, "cannot be made"));
    assert_right(m);
    tdm__model_close(m);
}

static void when_there_is_no_room_it_packs_in_memory_and_leaves_nothing(void **state)
{
    (void)state;
    struct rlimit before, small = {.rlim_cur = 8192, .rlim_max = RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    tdm__model *m = open_model(dir, TDM__PACKING_IN_MEMORY);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_non_null(strstr(m->packing.note, "cannot be written"));
    assert_right(m);
    tdm__model_close(m);
    assert_int_equal(count(".panels"), 0);
}

static void processes_that_pack_at_once_do_not_clash(void **state)
{
    (void)state;
    enum { N = 6 };
    for (int round = 0; round < 5; round++) {
        pid_t child[N];
        for (int i = 0; i < N; i++)
            if ((child[i] = fork()) == 0) {
                tdm__model *m = NULL;
                tdm_error err = {0};
                tdm_status s = tdm__model_open(path, dir, &m, &err);
                _exit(s == TDM_OK && m->packing.way != TDM__PACKING_IN_MEMORY ? 0 : 1);
            }
        for (int i = 0; i < N; i++) {
            int status;
            assert_int_equal(waitpid(child[i], &status, 0), child[i]);
            assert_int_equal(status, 0);
        }
        open_and_close(TDM__PACKING_FOUND);
        char name[512];
        find(".panels", name);
        assert_int_equal(unlink(name), 0);
    }
}

/* A kill leaves a temporary file; the next one that packs an hour later takes it away. */
static void what_a_kill_has_left_goes_later(void **state)
{
    (void)state;
    char name[512], left[600], other[600];
    open_and_close(TDM__PACKING_MADE);
    find(".panels", name);
    snprintf(left, sizeof left, "%s.abcdef", name);
    snprintf(other, sizeof other, "%.*s-0.panels", (int)(strlen(name) - strlen("-1.panels")), name);
    damage(0, SEEK_SET, "x", 1);
    fclose(fopen(left, "w"));
    fclose(fopen(other, "w"));
    open_and_close(TDM__PACKING_MADE);
    assert_int_equal(access(other, F_OK), -1); /* of an older layout */
    assert_int_equal(access(left, F_OK), 0);   /* may be at work */
    const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, left, old, 0), 0);
    damage(0, SEEK_SET, "x", 1);
    open_and_close(TDM__PACKING_MADE);
    assert_int_equal(access(left, F_OK), -1);
}

static void open_and_close_at(const char *at, tdm__packing_way way)
{
    char kept[sizeof path];
    snprintf(kept, sizeof kept, "%s", path);
    snprintf(path, sizeof path, "%s/%s", folder, at);
    open_and_close(way);
    snprintf(path, sizeof path, "%s", kept);
}

static void write_model_at(const char *at, size_t n_ctx)
{
    char kept[sizeof path];
    snprintf(kept, sizeof kept, "%s", path);
    snprintf(path, sizeof path, "%s/%s", folder, at);
    write_model(n_ctx);
    snprintf(path, sizeof path, "%s", kept);
}

static void what_a_removed_model_has_left_goes_when_another_is_packed(void **state)
{
    (void)state;
    char other[160];
    write_model_at("b.gguf", 128);
    write_model_at("copy of b.gguf", 128);
    open_and_close(TDM__PACKING_MADE);
    open_and_close_at("b.gguf", TDM__PACKING_MADE);
    open_and_close_at("copy of b.gguf", TDM__PACKING_FOUND);
    assert_int_equal(count(".panels"), 2);
    assert_int_equal(unlink(path), 0);
    snprintf(other, sizeof other, "%s/b.gguf", folder);
    assert_int_equal(unlink(other), 0);
    open_and_close_at("copy of b.gguf", TDM__PACKING_FOUND); /* nothing is packed, nothing is looked at */
    assert_int_equal(count(".panels"), 2);
    write_model_at("c.gguf", 64);
    open_and_close_at("c.gguf", TDM__PACKING_MADE);
    assert_int_equal(count(".panels"), 2); /* c, and b's, whose copy is still there */
    assert_int_equal(count(".source"), 2);
    open_and_close_at("copy of b.gguf", TDM__PACKING_FOUND);
}

static void a_note_without_a_path_goes_too(void **state)
{
    (void)state;
    char name[512];
    open_and_close(TDM__PACKING_MADE);
    find(".source", name);
    assert_int_equal(truncate(name, 64), 0);
    open_and_close(TDM__PACKING_FOUND); /* it still is a note */
    write_model_at("b.gguf", 128);
    open_and_close_at("b.gguf", TDM__PACKING_MADE);
    assert_int_equal(count(".panels"), 1);
    open_and_close(TDM__PACKING_MADE);
    assert_int_equal(count(".panels"), 2);
}

/* Each of its own model, into one folder, over and over. */
static void processes_do_not_take_away_what_others_pack(void **state)
{
    (void)state;
    enum { N = 4, ROUNDS = 8 };
    pid_t child[N];
    for (int i = 0; i < N; i++) {
        if ((child[i] = fork()) != 0)
            continue;
        int n_bad = 0;
        snprintf(path, sizeof path, "%s/p%d.gguf", folder, i);
        for (int round = 0; round < ROUNDS; round++) {
            tdm__model *m = NULL;
            tdm_error err = {0};
            write_model(64 + 64 * (size_t)i + (size_t)round);
            for (int again = 0; again < 2; again++) {
                n_bad += tdm__model_open(path, dir, &m, &err) != TDM_OK;
                n_bad += !m || m->packing.way != (again ? TDM__PACKING_FOUND : TDM__PACKING_MADE);
                tdm__model_close(m);
                m = NULL;
            }
        }
        _exit(n_bad);
    }
    for (int i = 0; i < N; i++) {
        int status;
        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_int_equal(status, 0);
    }
}

/* What version 1 of the layout made of such rows when it was written: packed files of today are read tomorrow. */
static void panels_are_those_of_their_version_to_the_byte(void **state)
{
    (void)state;
    static const struct {
        tdm__type type;
        uint32_t digest[2]; /* first bytes of the SHA-256, of 13 and of 16 rows */
    } cases[] = {
        {TDM__TYPE_F32, {0xb43f8b6c, 0xd7750952}},
        {TDM__TYPE_F16, {0xcba89c56, 0x886dcb82}},
        {TDM__TYPE_Q4_0, {0xae102f1d, 0xb0a302ff}},
        {TDM__TYPE_Q4_1, {0x8cc6378f, 0xcdbb498b}},
        {TDM__TYPE_Q5_0, {0x65733e2a, 0x9b99a0a0}},
        {TDM__TYPE_Q5_1, {0x642d048c, 0xea3bc350}},
        {TDM__TYPE_Q8_0, {0xbd1745d2, 0xc58eba8d}},
        {TDM__TYPE_Q2_K, {0xd13c7807, 0x42112f90}},
        {TDM__TYPE_Q3_K, {0x7a21cea6, 0xdca93974}},
        {TDM__TYPE_Q4_K, {0x338f4ca2, 0x4d2f4a3f}},
        {TDM__TYPE_Q5_K, {0x49f53edc, 0x01e8fc6b}},
        {TDM__TYPE_Q6_K, {0xe8af1898, 0xe650db85}},
        {TDM__TYPE_BF16, {0x43bafe66, 0xc1f34051}},
    };
    assert_int_equal(TDM__PACKED_VERSION, 1);
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        const tdm__type type = cases[i / 2].type;
        const tdm__type_traits *t = tdm__type_get((uint32_t)type);
        const size_t n_rows = i % 2 ? 16 : 13, n_cols = t->block_values == 256 ? 512 : 288;
        const size_t row_bytes = n_cols / t->block_values * t->block_bytes, n = tdm__packed_panel_bytes(type, n_cols);
        uint8_t *rows = malloc(n_rows * row_bytes), *panel = malloc(n), digest[TDM__SHA256_BYTES];
        uint64_t x = (uint64_t)type + n_rows;
        assert_true(rows && panel);
        for (size_t k = 0; k < n_rows * row_bytes; k++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            rows[k] = (uint8_t)(x >> 56);
        }
        tdm__pack_panel(type, rows, row_bytes, n_rows, n_cols, panel);
        tdm__sha256(panel, n, digest);
        assert_int_equal((uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 | digest[3],
                         cases[i / 2].digest[i % 2]);
        free(rows);
        free(panel);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(panels_are_those_of_their_version_to_the_byte),
        cmocka_unit_test_setup_teardown(a_second_start_finds_what_the_first_has_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_was_moved_is_known_by_its_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_file_under_the_same_name_is_packed_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_head_that_is_not_ours_is_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_of_another_length_is_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_others_may_write_is_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_note_that_is_no_hash_is_not_believed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_digest_of_the_panels_tells_a_changed_bit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_folder_it_packs_in_memory_and_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(when_there_is_no_room_it_packs_in_memory_and_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(processes_that_pack_at_once_do_not_clash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_removed_model_has_left_goes_when_another_is_packed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_note_without_a_path_goes_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(processes_do_not_take_away_what_others_pack, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_kill_has_left_goes_later, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
