/* prefix_world.h - engines over a tiny model in a folder, with a prefix store in another one. */
#ifndef TDM_UNIT_PREFIX_WORLD_H
#define TDM_UNIT_PREFIX_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answer.h"
#include "engine/engine.h"

enum { WORLD_CTX = 1024, WORLD_PROMPT = 200, WORLD_PAGES = WORLD_PROMPT / TDM__KV_TILE };

typedef struct world {
    tdm__model *model;
    tdm__tokenizer *tokenizer;
    tdm__prefix_options prefix; /* what engines get; dir is prefix_dir after set up */
    tdm__kv_type kv_type;
    size_t n_notices;
    char notice[512]; /* the last one */
} world;

extern char world_folder[], world_prefix_dir[];

/* Sets up a folder with a model and opens it; cmocka's set up and tear down, *state is the world. */
int world_set_up(void **state);
int world_tear_down(void **state);

/* Another model of the same shape instead. */
void world_change_model(world *w);

tdm__engine *world_engine(world *w, size_t n_slots);

/* WORLD_PROMPT tokens that depend on seed, and 9 of an answer with log probabilities. */
tdm__job_params world_params(int32_t prompt[WORLD_PROMPT], unsigned seed, const char *app);

void world_run(tdm__engine *e, const tdm__job_params *p, tdm__answer *a);

/* One job in an engine of its own: as after a start of the program. */
void world_run_alone(world *w, const tdm__job_params *p, tdm__answer *a);

/* The same without a store. */
void world_run_fresh(world *w, const tdm__job_params *p, tdm__answer *a);

void assert_same_answer(const tdm__answer *a, const tdm__answer *b);

/* Files in the folder whose names end so, and what they take; path, if given, is that of the page of that index. */
size_t world_count(const char *ending, uint64_t *bytes);
bool world_find_page(size_t index, char path[512]);

#endif
