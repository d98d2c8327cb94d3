/* test_prefix_upkeep.c - the prefix store erased, bounded anew, and healed of what is no page. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/prefix_folder.h"
#include "os/map.h"
#include "prefix_world.h"

static tdm__answer first, again;
static int32_t prompt[WORLD_PROMPT];

static void make_file(const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

/* Engines look through the folder when they start and have done so when they end. */
static void start_and_end(world *w) { tdm__engine_destroy(world_engine(w, 1)); }

static tdm__prefix_stats stats_of(tdm__engine *e)
{
    tdm__engine_stats stats;
    tdm__engine_get_stats(e, &stats);
    return stats.prefix;
}

/* ---- erased ---- */

static void what_was_submitted_before_an_erase_is_not_stored(void **state)
{
    tdm__job_params p = world_params(prompt, 1, "mail");
    tdm__engine *e = world_engine(*state, 1);
    assert_int_equal(tdm__answer_start(&first, e, &p, NULL), TDM_OK);
    tdm__engine_stop_storing(e);
    assert_int_equal(tdm__prefix_folder_erase(world_prefix_dir, NULL), TDM_OK);
    tdm__answer_wait(&first);
    tdm__engine_destroy(e);
    assert_int_equal(world_count("", NULL), 0);
}

static void what_is_submitted_after_an_erase_is_stored(void **state)
{
    tdm__job_params p = world_params(prompt, 2, "mail");
    tdm__engine *e = world_engine(*state, 1);
    tdm__engine_stop_storing(e);
    world_run(e, &p, &first);
    tdm__engine_destroy(e);
    assert_int_equal(world_count(".page", NULL), WORLD_PAGES);
}

static void an_erase_takes_what_is_half_written_and_nothing_of_others(void **state)
{
    char path[512], left[600], other[600];
    tdm__job_params p = world_params(prompt, 3, "mail");
    world_run_alone(*state, &p, &first);
    assert_true(world_find_page(0, path));
    snprintf(left, sizeof left, "%s.AbCdEf", path);
    snprintf(other, sizeof other, "%s/notes.txt", world_prefix_dir);
    make_file(left);
    make_file(other);
    assert_int_equal(tdm__prefix_folder_erase(world_prefix_dir, NULL), TDM_OK);
    assert_int_equal(world_count("", NULL), 1);
    assert_int_equal(access(other, F_OK), 0);
}

static void an_erase_says_what_it_could_not_remove(void **state)
{
    char path[512], inside[600];
    tdm_error err = {0};
    tdm__job_params p = world_params(prompt, 4, "mail");
    world_run_alone(*state, &p, &first);
    assert_true(world_find_page(3, path));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(inside, sizeof inside, "%s/file", path);
    make_file(inside);
    assert_true(tdm__prefix_folder_trim(world_prefix_dir, 0) > 0); /* and trim does not count it as gone */
    assert_int_not_equal(tdm__prefix_folder_erase(world_prefix_dir, &err), TDM_OK);
    assert_non_null(strstr(err.msg, "cannot all be erased"));
    assert_int_equal(unlink(inside), 0);
    assert_int_equal(tdm__prefix_folder_erase(world_prefix_dir, &err), TDM_OK);
    assert_int_equal(world_count("", NULL), 0);
    assert_int_equal(tdm__prefix_folder_erase("/nonexistent/prefix", &err), TDM_OK);
}

/* ---- bounded anew ---- */

static void a_smaller_bound_holds_from_the_start_on(void **state)
{
    world *w = *state;
    uint64_t bytes;
    tdm__job_params p = world_params(prompt, 5, "mail");
    world_run_alone(w, &p, &first);
    world_count(".page", &bytes);
    w->prefix.bytes_max = bytes / 2;
    start_and_end(w);
    world_count("", &bytes);
    assert_true(bytes > 0 && bytes <= w->prefix.bytes_max);
}

static void public_only_removes_what_is_not_public(void **state)
{
    world *w = *state;
    char path[512], left[600];
    tdm__job_params p = world_params(prompt, 6, "mail");
    p.n_public = 70;
    world_run_alone(w, &p, &first);
    assert_true(world_find_page(0, path));
    snprintf(left, sizeof left, "%s.AbCdEf", path);
    make_file(left); /* another process's: it is told by its rename */
    w->prefix.scope = TDM__PREFIX_PUBLIC;
    start_and_end(w);
    assert_int_equal(world_count(".page", NULL), 70 / TDM__KV_TILE);
    assert_int_equal(access(left, F_OK), 0);
    world_run_alone(w, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 70 / TDM__KV_TILE * TDM__KV_TILE);
    assert_same_answer(&again, &first);
}

/* ---- whose it is ---- */

static void an_app_of_the_same_name_with_another_key_is_another_app(void **state)
{
    tdm__job_params p = world_params(prompt, 7, "mail");
    p.app_key_id = 1;
    tdm__engine *e = world_engine(*state, 1);
    world_run(e, &p, &first);
    p.app_key_id = 2;
    world_run(e, &p, &again); /* the slot has it in memory */
    assert_int_equal(again.timings.n_prompt_reused, 0);
    tdm__engine_destroy(e);
    p.app_key_id = 3;
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 0);
    assert_same_answer(&again, &first);
    p.app_key_id = 1;
    world_run_alone(*state, &p, &again);
    assert_true(again.timings.n_prompt_reused > 0);
}

/* ---- healed ---- */

static void all_bad_pages_of_a_chain_are_replaced_at_once(void **state)
{
    char path[512];
    tdm__job_params p = world_params(prompt, 8, "mail");
    world_run_alone(*state, &p, &first);
    for (size_t i = 3; i < WORLD_PAGES; i += 2) {
        assert_true(world_find_page(i, path));
        if (i % 4 == 3) { /* empty, or its last byte flipped: what a power cut does, or a disk */
            assert_int_equal(truncate(path, 0), 0);
            continue;
        }
        FILE *f = fopen(path, "r+b");
        assert_non_null(f);
        assert_int_equal(fseek(f, -1, SEEK_END), 0);
        const int last = fgetc(f);
        assert_int_equal(fseek(f, -1, SEEK_END), 0);
        assert_int_not_equal(fputc(last ^ 1, f), EOF);
        assert_int_equal(fclose(f), 0);
    }
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 3 * TDM__KV_TILE);
    assert_same_answer(&again, &first);
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, WORLD_PAGES * TDM__KV_TILE);
    assert_same_answer(&again, &first);
}

static void put_pipe(const char *path) { assert_int_equal(mkfifo(path, 0600), 0); }
static void put_folder(const char *path) { assert_int_equal(mkdir(path, 0700), 0); }
static void put_link_to_folder(const char *path) { assert_int_equal(symlink("/", path), 0); }
static void put_link_to_nothing(const char *path) { assert_int_equal(symlink("/nonexistent", path), 0); }
static void put_link_to_itself(const char *path) { assert_int_equal(symlink(path, path), 0); }
static void put_unreadable(const char *path)
{
    make_file(path);
    assert_int_equal(chmod(path, 0), 0);
}

static void what_has_a_pages_name_and_is_none_gives_way(void **state)
{
    static void (*const ways[])(const char *path) = {put_pipe,           put_folder,         put_link_to_folder,
                                                     put_link_to_nothing, put_link_to_itself, put_unreadable};
    char path[512];
    struct stat st;
    tdm__job_params p = world_params(prompt, 9, "mail");
    world_run_alone(*state, &p, &first);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        assert_true(world_find_page(4, path));
        assert_int_equal(unlink(path), 0);
        ways[i](path);
        world_run_alone(*state, &p, &again);
        assert_int_equal(again.timings.n_prompt_reused, 4 * TDM__KV_TILE);
        assert_same_answer(&again, &first);
        assert_int_equal(lstat(path, &st), 0);
        assert_true(S_ISREG(st.st_mode));
        world_run_alone(*state, &p, &again);
        assert_int_equal(again.timings.n_prompt_reused, WORLD_PAGES * TDM__KV_TILE);
    }
    assert_int_equal(((world *)*state)->n_notices, 0);
}

static void what_the_guard_has_no_room_for_is_computed(void **state)
{
    enum { N_MAPS = 80 };
    static tdm__map maps[N_MAPS];
    char path[512];
    tdm__job_params p = world_params(prompt, 10, "mail");
    world_run_alone(*state, &p, &first);
    assert_true(world_find_page(0, path));
    for (size_t i = 0; i < N_MAPS; i++)
        assert_int_equal(tdm__map_open(path, &maps[i]), 0);
    assert_false(maps[N_MAPS - 1].is_guarded);
    tdm__engine *e = world_engine(*state, 1);
    world_run(e, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 0);
    assert_same_answer(&again, &first);
    assert_int_equal(stats_of(e).n_dropped, 0);
    tdm__engine_destroy(e);
    for (size_t i = 0; i < N_MAPS; i++)
        tdm__map_close(&maps[i]);
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, WORLD_PAGES * TDM__KV_TILE);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_set_up, world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(what_was_submitted_before_an_erase_is_not_stored),
        IN_WORLD(what_is_submitted_after_an_erase_is_stored),
        IN_WORLD(an_erase_takes_what_is_half_written_and_nothing_of_others),
        IN_WORLD(an_erase_says_what_it_could_not_remove),
        IN_WORLD(a_smaller_bound_holds_from_the_start_on),
        IN_WORLD(public_only_removes_what_is_not_public),
        IN_WORLD(an_app_of_the_same_name_with_another_key_is_another_app),
        IN_WORLD(all_bad_pages_of_a_chain_are_replaced_at_once),
        IN_WORLD(what_has_a_pages_name_and_is_none_gives_way),
        IN_WORLD(what_the_guard_has_no_room_for_is_computed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
