/* test_prefix.c - the prefix store: what is restored has the same bits as what is computed, nobody gets what is not
 * his, and no file is believed that is not what was written.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
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

#include "engine/prefix_folder.h"
#include "engine/prefix_page.h"
#include "model/forward.h"
#include "os/file.h"
#include "os/heap.h"
#include "prefix_world.h"

static tdm__answer first, fresh, again;
static int32_t prompt[WORLD_PROMPT];

/* ---- restored = computed ---- */

static void a_prompt_is_restored_after_a_restart_with_the_same_bits(void **state)
{
    tdm__job_params p = world_params(prompt, 1, "mail");
    world_run_fresh(*state, &p, &fresh);
    world_run_alone(*state, &p, &first);
    assert_int_equal(first.timings.n_prompt_reused, 0);
    assert_int_equal(world_count(".page", NULL), WORLD_PAGES);
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, WORLD_PAGES * TDM__KV_TILE);
    assert_same_answer(&first, &fresh);
    assert_same_answer(&again, &fresh);

    p.sampling.temperature = 1;
    p.sampling.top_p = 0.9f;
    p.sampling.seed = 7;
    world_run_fresh(*state, &p, &fresh);
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, WORLD_PAGES * TDM__KV_TILE);
    assert_same_answer(&again, &fresh);
    assert_int_equal(((world *)*state)->n_notices, 0);
}

static void of_a_prompt_that_ends_with_a_page_the_last_token_is_computed(void **state)
{
    tdm__job_params p = world_params(prompt, 2, "mail");
    p.n_prompt = 4 * TDM__KV_TILE;
    world_run_fresh(*state, &p, &fresh);
    world_run_alone(*state, &p, &first);
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 4 * TDM__KV_TILE - 1);
    assert_same_answer(&again, &fresh);
}

static void a_known_beginning_with_another_end_needs_only_the_end(void **state)
{
    tdm__job_params p = world_params(prompt, 3, "mail");
    world_run_alone(*state, &p, &first);
    for (size_t i = 100; i < WORLD_PROMPT; i++)
        prompt[i] = 250 - prompt[i];
    world_run_fresh(*state, &p, &fresh);
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 100 / TDM__KV_TILE * TDM__KV_TILE);
    assert_same_answer(&again, &fresh);
}

static void files_and_folder_are_the_users_alone(void **state)
{
    char path[512];
    struct stat st;
    tdm__job_params p = world_params(prompt, 4, "mail");
    world_run_alone(*state, &p, &first);
    assert_true(world_find_page(0, path));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(world_prefix_dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

/* Prompts of three families in any order, on two slots that lose each other's caches, over restarts: what the writer
 * borrows is taken back all the time. */
static void no_mix_of_jobs_changes_an_answer(void **state)
{
    enum { N_PROMPTS = 6, N_ROUNDS = 12, N_JOBS = 5 };
    static tdm__answer right[N_PROMPTS], got[N_JOBS];
    static int32_t prompts[N_PROMPTS][WORLD_PROMPT];
    tdm__job_params p[N_PROMPTS];
    unsigned seed = 1;
    for (size_t i = 0; i < N_PROMPTS; i++) {
        p[i] = world_params(prompts[i], (unsigned)i / 2, "mail");
        for (size_t k = 70 + 13 * i; i % 2 && k < WORLD_PROMPT; k++)
            prompts[i][k] = 250 - prompts[i][k];
        world_run_fresh(*state, &p[i], &right[i]);
    }
    for (int round = 0; round < N_ROUNDS; round++) {
        size_t which[N_JOBS];
        tdm__engine *e = world_engine(*state, 2);
        for (size_t j = 0; j < N_JOBS; j++) {
            which[j] = (size_t)rand_r(&seed) % N_PROMPTS;
            assert_int_equal(tdm__answer_start(&got[j], e, &p[which[j]], NULL), TDM_OK);
        }
        for (size_t j = 0; j < N_JOBS; j++) {
            tdm__answer_wait(&got[j]);
            assert_same_answer(&got[j], &right[which[j]]);
        }
        tdm__engine_destroy(e);
        char path[512];
        if (round % 3 == 2 && world_find_page((size_t)rand_r(&seed) % 4, path))
            unlink(path);
    }
}

static void beside_streams_a_prompt_is_restored_in_portions(void **state)
{
    enum { N_LONG = 900 };
    static int32_t text[N_LONG];
    static tdm__answer stream;
    for (int32_t i = 0; i < N_LONG; i++)
        text[i] = (i * 37 + 5) % 251;
    tdm__job_params p = tdm__answer_params(text, N_LONG, 9), q = world_params(prompt, 5, "mail");
    p.ignore_end = true;
    p.n_top_logprobs = 0;
    world_run_alone(*state, &p, &first);
    tdm__engine *e = world_engine(*state, 2);
    q.max_tokens = 300;
    assert_int_equal(tdm__answer_start(&stream, e, &q, NULL), TDM_OK);
    tdm__answer_wait_tokens(&stream, 3);
    world_run(e, &p, &again);
    tdm__answer_wait(&stream);
    tdm__engine_destroy(e);
    assert_int_equal(again.timings.n_prompt_reused, N_LONG / TDM__KV_TILE * TDM__KV_TILE);
    assert_same_answer(&again, &first);
    world_run_fresh(*state, &q, &fresh);
    assert_same_answer(&stream, &fresh);
}

/* Pages outlive the program that wrote them. */
static void bits_are_those_of_this_version_of_the_arithmetic(void **state)
{
    static const char known[] = "7e251d502be600a97cf114b552a85ab44fe9e1c7d86c202c799d55a068867cc5";
    char path[512], *bytes = NULL, digest[TDM__SHA256_TEXT];
    size_t len;
    tdm__job_params p = world_params(prompt, 1, "mail");
    world_run_alone(*state, &p, &first);
    assert_true(world_find_page(WORLD_PAGES - 1, path));
    assert_int_equal(tdm__file_read(path, 1 << 20, &bytes, &len), 0);
    tdm__sha256_hex(bytes + TDM__PREFIX_HEAD_BYTES, len - TDM__PREFIX_HEAD_BYTES, digest);
    tdm__free(bytes);
    assert_int_equal(TDM__FORWARD_VERSION, 2);
    if (strcmp(digest, known) != 0)
        fail_msg("a row gets other bits than before (%s): raise TDM__FORWARD_VERSION and say so here", digest);
}

/* ---- whose it is ---- */

static void another_app_gets_what_is_public_and_nothing_else(void **state)
{
    tdm__job_params p = world_params(prompt, 6, "mail");
    p.n_public = 70;
    world_run_alone(*state, &p, &first);
    p.app = "notes";
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 70 / TDM__KV_TILE * TDM__KV_TILE);
    assert_same_answer(&again, &first);
    p.n_public = 0; /* its own text now, which happens to be the same */
    p.app = "other";
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 0);
    p.app = "";
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 0);
    p.app = "mail"; /* not even for the same app is private what is public for it */
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 0);
}

static void another_model_gets_nothing(void **state)
{
    tdm__job_params p = world_params(prompt, 7, "mail");
    world_run_alone(*state, &p, &first);
    world_change_model(*state);
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 0);
    assert_int_equal(world_count(".page", NULL), 2 * WORLD_PAGES);
}

static void a_cache_of_another_type_gets_nothing(void **state)
{
    world *w = *state;
    tdm__job_params p = world_params(prompt, 7, "mail");
    world_run_alone(w, &p, &first);
    w->kv_type = TDM__KV_Q8;
    world_run_fresh(w, &p, &fresh);
    world_run_alone(w, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 0);
    assert_same_answer(&again, &fresh);
    world_run_alone(w, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, WORLD_PAGES * TDM__KV_TILE);
    assert_same_answer(&again, &fresh);
}

static void another_cache_has_other_keys(void **state)
{
    world *w = *state;
    tdm__kv kv;
    assert_int_equal(tdm__kv_init(&kv, w->model, 64, TDM__KV_F16, NULL), TDM_OK);
    const tdm__prefix_key root = tdm__prefix_key_root(w->model, &kv);
    tdm__kv other = kv;
    other.n_kv_heads = 1;
    const tdm__prefix_key fewer_heads = tdm__prefix_key_root(w->model, &other);
    assert_memory_not_equal(&root, &fewer_heads, sizeof root);
    other = kv;
    other.head_dim /= 2;
    const tdm__prefix_key smaller_heads = tdm__prefix_key_root(w->model, &other);
    assert_memory_not_equal(&root, &smaller_heads, sizeof root);
    w->model->hp.act_terms++;
    const tdm__prefix_key finer = tdm__prefix_key_root(w->model, &kv);
    assert_memory_not_equal(&root, &finer, sizeof root);
    w->model->hp.act_terms--;
    const tdm__prefix_key same = tdm__prefix_key_root(w->model, &kv);
    assert_memory_equal(&root, &same, sizeof root);
    tdm__kv_fini(&kv);
}

static void what_is_kept_is_said_by_the_scope(void **state)
{
    world *w = *state;
    tdm__job_params p = world_params(prompt, 8, "mail");
    p.n_public = 70;
    w->prefix.scope = TDM__PREFIX_OFF;
    world_run_alone(w, &p, &first);
    assert_int_equal(world_count("", NULL), 0);
    w->prefix.scope = TDM__PREFIX_PUBLIC;
    world_run_alone(w, &p, &first);
    assert_int_equal(world_count("", NULL), 70 / TDM__KV_TILE);
    world_run_alone(w, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 70 / TDM__KV_TILE * TDM__KV_TILE);
    assert_same_answer(&again, &first);
}

/* ---- files that are not what was written ---- */

typedef void spoil_fn(const char *path);

static void flip_at(const char *path, off_t at, int whence)
{
    unsigned char byte;
    const int fd = open(path, O_RDWR);
    const off_t pos = lseek(fd, at, whence);
    assert_int_equal(pread(fd, &byte, 1, pos), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, pos), 1);
    close(fd);
}

static void flip_magic(const char *path) { flip_at(path, 3, SEEK_SET); }
static void flip_version(const char *path) { flip_at(path, 16, SEEK_SET); }
static void flip_length(const char *path) { flip_at(path, 25, SEEK_SET); }
static void flip_key(const char *path) { flip_at(path, 40, SEEK_SET); }
static void flip_check(const char *path) { flip_at(path, 70, SEEK_SET); }
static void flip_padding(const char *path) { flip_at(path, 100, SEEK_SET); }
static void flip_first(const char *path) { flip_at(path, TDM__PREFIX_HEAD_BYTES, SEEK_SET); }
static void flip_last(const char *path) { flip_at(path, -1, SEEK_END); }
static void cut_last(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - 1), 0);
}
static void cut_head(const char *path) { assert_int_equal(truncate(path, 60), 0); }
static void cut_all(const char *path) { assert_int_equal(truncate(path, 0), 0); }
static void let_others_write(const char *path) { assert_int_equal(chmod(path, 0622), 0); }
static void put_another(const char *path)
{
    char other[512], line[1200];
    assert_true(world_find_page(1, other));
    snprintf(line, sizeof line, "%s.new", path);
    assert_int_equal(rename(other, line), 0);
    assert_int_equal(rename(line, path), 0);
}

static void a_spoilt_page_is_dropped_and_written_anew(void **state)
{
    static spoil_fn *const ways[] = {
        flip_magic, flip_version, flip_length, flip_key, flip_check, flip_padding,     flip_first,
        flip_last,  cut_last,     cut_head,    cut_all,  let_others_write, put_another,
    };
    enum { SPOILT = 5 };
    tdm__job_params p = world_params(prompt, 9, "mail");
    world_run_alone(*state, &p, &first);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        char path[512];
        const bool is_swap = ways[i] == put_another; /* takes page 1 away, too */
        assert_true(world_find_page(SPOILT, path));
        ways[i](path);
        world_run_alone(*state, &p, &again);
        assert_int_equal(again.timings.n_prompt_reused, (is_swap ? 1 : SPOILT) * TDM__KV_TILE);
        assert_same_answer(&again, &first);
        if (is_swap) { /* found only when the chain is whole again up to it */
            world_run_alone(*state, &p, &again);
            assert_same_answer(&again, &first);
        }
        world_run_alone(*state, &p, &again);
        assert_int_equal(again.timings.n_prompt_reused, WORLD_PAGES * TDM__KV_TILE);
        assert_same_answer(&again, &first);
    }
}

static void a_page_behind_what_the_slot_holds_may_fail(void **state)
{
    char path[512];
    tdm__job_params p = world_params(prompt, 10, "mail");
    world_run_alone(*state, &p, &first);
    assert_true(world_find_page(6, path)); /* positions 96 .. 111: the slot has 100 */
    flip_last(path);
    tdm__engine *e = world_engine(*state, 1);
    p.n_prompt = 100;
    world_run(e, &p, &again);
    p.n_prompt = WORLD_PROMPT;
    world_run(e, &p, &again);
    tdm__engine_destroy(e);
    assert_true(again.timings.n_prompt_reused <= 100);
    assert_same_answer(&again, &first);
}

/* ---- folders and disks ---- */

static void a_folder_that_cannot_be_made_is_told_once(void **state)
{
    world *w = *state;
    char dir[256];
    snprintf(dir, sizeof dir, "%s/model.gguf/prefix", world_folder);
    w->prefix.dir = dir;
    tdm__job_params p = world_params(prompt, 11, "mail");
    world_run_fresh(w, &p, &fresh);
    world_run_alone(w, &p, &first);
    assert_same_answer(&first, &fresh);
    assert_int_equal(w->n_notices, 1);
    assert_non_null(strstr(w->notice, "cannot be made"));
}

static void a_folder_that_others_may_read_is_not_used(void **state)
{
    world *w = *state;
    tdm__job_params p = world_params(prompt, 12, "mail");
    world_run_alone(w, &p, &first);
    assert_int_equal(chmod(world_prefix_dir, 0750), 0);
    world_run_alone(w, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 0);
    assert_int_equal(w->n_notices, 1);
    assert_non_null(strstr(w->notice, "chmod 700"));
}

static void a_full_disk_is_told_once_and_stops_nothing(void **state)
{
    world *w = *state;
    tdm__job_params p = world_params(prompt, 13, "mail");
    w->prefix.free_bytes_min = UINT64_MAX;
    tdm__engine *e = world_engine(w, 1);
    world_run(e, &p, &first);
    p = world_params(prompt, 14, "mail");
    world_run(e, &p, &first);
    tdm__engine_destroy(e);
    assert_int_equal(world_count("", NULL), 0);
    assert_int_equal(w->n_notices, 1);
    assert_non_null(strstr(w->notice, "stay free"));
    world_run_fresh(w, &p, &fresh);
    assert_same_answer(&first, &fresh);
}

static void a_write_that_fails_leaves_nothing(void **state)
{
    world *w = *state;
    struct rlimit kept;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &kept), 0);
    signal(SIGXFSZ, SIG_IGN);
    tdm__job_params p = world_params(prompt, 15, "mail");
    const struct rlimit low = {1000, kept.rlim_max}; /* a page is larger */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    world_run_alone(w, &p, &first);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &kept), 0);
    assert_int_equal(world_count("", NULL), 0);
    assert_int_equal(w->n_notices, 1);
    world_run_fresh(w, &p, &fresh);
    assert_same_answer(&first, &fresh);
}

static void the_bound_holds_and_the_oldest_go_first(void **state)
{
    world *w = *state;
    tdm__job_params p;
    uint64_t bytes;
    p = world_params(prompt, 20, "mail");
    world_run_alone(w, &p, &first);
    assert_int_equal(world_count(".page", &bytes), WORLD_PAGES);
    w->prefix.bytes_max = bytes * 4; /* four prompts */
    for (unsigned seed = 21; seed < 30; seed++) {
        p = world_params(prompt, seed, "mail");
        world_run_alone(w, &p, &again);
        p = world_params(prompt, 20, "mail"); /* this one is used each time */
        world_run_alone(w, &p, &again);
        assert_int_equal(again.timings.n_prompt_reused, WORLD_PAGES * TDM__KV_TILE);
        world_count("", &bytes);
        assert_true(bytes <= w->prefix.bytes_max);
    }
    assert_true(world_count(".page", NULL) > 2 * WORLD_PAGES);
    p = world_params(prompt, 29, "mail");
    world_run_alone(w, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, WORLD_PAGES * TDM__KV_TILE);
    p = world_params(prompt, 21, "mail");
    world_run_alone(w, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 0);
}

static void trimming_takes_the_end_of_a_chain_first(void **state)
{
    world *w = *state;
    tdm__job_params p = world_params(prompt, 31, "mail");
    uint64_t bytes;
    world_run_alone(w, &p, &first);
    world_count(".page", &bytes);
    const uint64_t page = bytes / WORLD_PAGES;
    assert_int_equal(tdm__prefix_folder_trim(world_prefix_dir, 5 * page + 1), 5 * page);
    world_run_alone(w, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 5 * TDM__KV_TILE);
    assert_int_equal(tdm__prefix_folder_trim(world_prefix_dir, 0), 0);
    assert_int_equal(world_count("", NULL), 0);
}

/* Also where the store had lost some of the middle, or a slot had the beginning in memory. */
static void a_chain_has_one_time(void **state)
{
    char paths[WORLD_PAGES][512];
    struct stat st, last;
    tdm__job_params p = world_params(prompt, 33, "mail");
    p.n_prompt = 6 * TDM__KV_TILE;
    tdm__engine *e = world_engine(*state, 1);
    world_run(e, &p, &first);
    p.n_prompt = WORLD_PROMPT;
    world_run(e, &p, &first);
    tdm__engine_destroy(e);
    assert_true(world_find_page(8, paths[8]));
    assert_int_equal(unlink(paths[8]), 0);
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, 8 * TDM__KV_TILE);
    assert_true(world_find_page(0, paths[0]));
    assert_int_equal(stat(paths[0], &last), 0);
    for (size_t i = 1; i < WORLD_PAGES; i++) {
        assert_true(world_find_page(i, paths[i]));
        assert_int_equal(stat(paths[i], &st), 0);
        assert_true(st.st_mtim.tv_sec == last.st_mtim.tv_sec && st.st_mtim.tv_nsec == last.st_mtim.tv_nsec);
    }
}

static void other_files_in_the_folder_stay(void **state)
{
    world *w = *state;
    static const char *const names[] = {"notes.txt", "0123.page",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1.page",
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-00001.page"};
    tdm__job_params p = world_params(prompt, 32, "mail");
    world_run_alone(w, &p, &first);
    for (size_t i = 0; i < 4; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", world_prefix_dir, names[i]);
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        fclose(f);
    }
    tdm__prefix_folder_trim(world_prefix_dir, 0);
    assert_int_equal(world_count("", NULL), 4);
}

/* ---- processes ---- */

static void two_processes_write_the_same_pages_at_once(void **state)
{
    enum { N_PROCESSES = 4 };
    pid_t children[N_PROCESSES];
    tdm__job_params p = world_params(prompt, 40, "mail");
    world_run_fresh(*state, &p, &fresh);
    for (int i = 0; i < N_PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            world_run_alone(*state, &p, &again);
            _exit(again.n_ids == fresh.n_ids && memcmp(again.ids, fresh.ids, 9 * sizeof fresh.ids[0]) == 0 ? 0 : 1);
        }
    }
    for (int i = 0; i < N_PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(world_count(".page", NULL), WORLD_PAGES);
    assert_int_equal(world_count("", NULL), WORLD_PAGES); /* and nothing half written */
    world_run_alone(*state, &p, &again);
    assert_int_equal(again.timings.n_prompt_reused, WORLD_PAGES * TDM__KV_TILE);
    assert_same_answer(&again, &fresh);
}

/* Writes prompt after prompt until it is killed. */
static void write_for_ever(world *w)
{
    tdm__engine *e = world_engine(w, 1);
    for (unsigned seed = 50;; seed++) {
        tdm__job_params p = world_params(prompt, seed, "mail");
        p.max_tokens = 1;
        world_run(e, &p, &again);
    }
}

static void a_kill_while_writing_leaves_nothing_that_is_used(void **state)
{
    world *w = *state;
    for (long i = 0; i < 8; i++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            write_for_ever(w);
        nanosleep(&(struct timespec){.tv_nsec = 30000000 + i * 7100000}, NULL);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
    }
    tdm__job_params p = world_params(prompt, 50, "mail");
    world_run_fresh(w, &p, &fresh);
    world_run_alone(w, &p, &again);
    assert_same_answer(&again, &fresh);

    char path[512], left[600]; /* what a kill leaves goes an hour later */
    assert_true(world_find_page(0, path));
    snprintf(left, sizeof left, "%s.AbCdEf", path);
    assert_int_equal(rename(path, left), 0);
    tdm__prefix_folder_trim(world_prefix_dir, UINT64_MAX);
    assert_int_equal(access(left, F_OK), 0);
    const struct timespec old[2] = {{.tv_sec = time(NULL) - 4000}, {.tv_sec = time(NULL) - 4000}};
    assert_int_equal(utimensat(AT_FDCWD, left, old, 0), 0);
    tdm__prefix_folder_trim(world_prefix_dir, UINT64_MAX);
    assert_int_not_equal(access(left, F_OK), 0);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_set_up, world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_prompt_is_restored_after_a_restart_with_the_same_bits),
        IN_WORLD(of_a_prompt_that_ends_with_a_page_the_last_token_is_computed),
        IN_WORLD(a_known_beginning_with_another_end_needs_only_the_end),
        IN_WORLD(files_and_folder_are_the_users_alone),
        IN_WORLD(no_mix_of_jobs_changes_an_answer),
        IN_WORLD(beside_streams_a_prompt_is_restored_in_portions),
        IN_WORLD(bits_are_those_of_this_version_of_the_arithmetic),
        IN_WORLD(another_app_gets_what_is_public_and_nothing_else),
        IN_WORLD(another_model_gets_nothing),
        IN_WORLD(a_cache_of_another_type_gets_nothing),
        IN_WORLD(another_cache_has_other_keys),
        IN_WORLD(what_is_kept_is_said_by_the_scope),
        IN_WORLD(a_spoilt_page_is_dropped_and_written_anew),
        IN_WORLD(a_page_behind_what_the_slot_holds_may_fail),
        IN_WORLD(a_folder_that_cannot_be_made_is_told_once),
        IN_WORLD(a_folder_that_others_may_read_is_not_used),
        IN_WORLD(a_full_disk_is_told_once_and_stops_nothing),
        IN_WORLD(a_write_that_fails_leaves_nothing),
        IN_WORLD(the_bound_holds_and_the_oldest_go_first),
        IN_WORLD(trimming_takes_the_end_of_a_chain_first),
        IN_WORLD(a_chain_has_one_time),
        IN_WORLD(other_files_in_the_folder_stay),
        IN_WORLD(two_processes_write_the_same_pages_at_once),
        IN_WORLD(a_kill_while_writing_leaves_nothing_that_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
