/* prefix_world.c - set up, runs, and looks into the folder. */
#include "prefix_world.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "temp_folder.h"
#include "tiny_model.h"

char world_folder[TDM__TEMP_FOLDER_TEXT], world_prefix_dir[128];
static char model_path[128], pack_dir[128];
static tdm__log notices;

static void take_notice(void *user, tdm__log_level level, const char *text)
{
    world *w = user;
    (void)level;
    w->n_notices++;
    snprintf(w->notice, sizeof w->notice, "%s", text);
}

static void open_model(world *w, size_t n_ctx)
{
    tdm_error err = {0};
    tdm__tiny_write(&(tdm__tiny_options){.arch = "qwen2", .n_ctx = n_ctx}, model_path);
    if (tdm__model_open(model_path, pack_dir, &w->model, &err) != TDM_OK ||
        tdm__tokenizer_create(w->model->gguf, &w->tokenizer, &err) != TDM_OK)
        fail_msg("%s", err.msg);
}

static void close_model(world *w)
{
    tdm__tokenizer_destroy(w->tokenizer);
    tdm__model_close(w->model);
}

int world_set_up(void **state)
{
    static world w;
    tdm__temp_folder_make(world_folder);
    snprintf(model_path, sizeof model_path, "%s/model.gguf", world_folder);
    snprintf(pack_dir, sizeof pack_dir, "%s/packed", world_folder);
    snprintf(world_prefix_dir, 128, "%s/cache/prefix", world_folder);
    notices = (tdm__log){take_notice, &w};
    w = (world){.prefix = {.dir = world_prefix_dir, .free_bytes_min = 1, .log = &notices}};
    open_model(&w, WORLD_CTX);
    *state = &w;
    return 0;
}

int world_tear_down(void **state)
{
    close_model(*state);
    tdm__temp_folder_remove(world_folder);
    return 0;
}

void world_change_model(world *w)
{
    close_model(w);
    open_model(w, 2 * WORLD_CTX);
}

static tdm__engine *engine_of(world *w, size_t n_slots, bool has_store)
{
    tdm__engine *e = NULL;
    tdm_error err = {0};
    tdm__engine_options o = {
        .n_threads = 2, .isa_max = tdm__cpu_isa(), .n_slots = n_slots, .n_queue = 16, .n_ctx = WORLD_CTX,
        .kv_type = w->kv_type};
    if (has_store)
        o.prefix = w->prefix;
    if (tdm__engine_create(w->model, w->tokenizer, &o, &e, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    return e;
}

tdm__engine *world_engine(world *w, size_t n_slots) { return engine_of(w, n_slots, true); }

tdm__job_params world_params(int32_t prompt[WORLD_PROMPT], unsigned seed, const char *app)
{
    for (int32_t i = 0; i < WORLD_PROMPT; i++)
        prompt[i] = (int32_t)((seed * 7919 + (unsigned)i * (seed + 31)) % 251);
    tdm__job_params p = tdm__answer_params(prompt, WORLD_PROMPT, 9);
    p.ignore_end = true;
    p.n_top_logprobs = 0;
    p.app = app;
    return p;
}

void world_run(tdm__engine *e, const tdm__job_params *p, tdm__answer *a)
{
    tdm_error err = {0};
    if (tdm__answer_start(a, e, p, &err) != TDM_OK)
        fail_msg("%s", err.msg);
    tdm__answer_wait(a);
}

static void run_in(tdm__engine *e, const tdm__job_params *p, tdm__answer *a)
{
    world_run(e, p, a);
    tdm__engine_destroy(e);
}

void world_run_alone(world *w, const tdm__job_params *p, tdm__answer *a) { run_in(engine_of(w, 1, true), p, a); }
void world_run_fresh(world *w, const tdm__job_params *p, tdm__answer *a) { run_in(engine_of(w, 1, false), p, a); }

void assert_same_answer(const tdm__answer *a, const tdm__answer *b)
{
    assert_int_equal(a->finish, b->finish);
    assert_int_equal(a->n_ids, b->n_ids);
    assert_memory_equal(a->ids, b->ids, a->n_ids * sizeof a->ids[0]);
    assert_memory_equal(a->logprobs, b->logprobs, a->n_ids * sizeof a->logprobs[0]);
    assert_string_equal(a->text, b->text);
}

size_t world_count(const char *ending, uint64_t *bytes)
{
    size_t n = 0;
    DIR *d = opendir(world_prefix_dir);
    if (bytes)
        *bytes = 0;
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        char path[512];
        struct stat st;
        const size_t len = strlen(e->d_name), k = strlen(ending);
        snprintf(path, sizeof path, "%s/%s", world_prefix_dir, e->d_name);
        if (e->d_name[0] == '.' || len < k || strcmp(e->d_name + len - k, ending) != 0 || stat(path, &st) != 0)
            continue;
        n++;
        if (bytes)
            *bytes += ((uint64_t)st.st_size + 4095) / 4096 * 4096;
    }
    if (d)
        closedir(d);
    return n;
}

bool world_find_page(size_t index, char path[512])
{
    char ending[32];
    bool found = false;
    snprintf(ending, sizeof ending, "-%05zu.page", index);
    DIR *d = opendir(world_prefix_dir);
    for (struct dirent *e; d && !found && (e = readdir(d)) != NULL;) {
        found = strlen(e->d_name) > strlen(ending) &&
                strcmp(e->d_name + strlen(e->d_name) - strlen(ending), ending) == 0;
        if (found)
            snprintf(path, 512, "%s/%s", world_prefix_dir, e->d_name);
    }
    if (d)
        closedir(d);
    return found;
}
