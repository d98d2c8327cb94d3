/* capi_world.h - a tiny model in a file and folders for devices: what tests of the C library start from.
 *
 * Whatever fails here ends the test program. Only public headers are needed to use it.
 */
#ifndef TDM_TEST_CAPI_WORLD_H
#define TDM_TEST_CAPI_WORLD_H

#include <stdbool.h>
#include <stddef.h>

#include "tandem/session.h"
#include "tandem/tandem.h"
#include "temp_folder.h"

typedef struct capi_world {
    char folder[TDM__TEMP_FOLDER_TEXT];
    char qwen[128], llama[128], broken[128], mute[128]; /* model files: two families, one with a NaN, one that has no
                                                           chat template */
} capi_world;

void capi_world_init(capi_world *w);
void capi_world_fini(capi_world *w);

/* A runtime with its state in FOLDER/name that serves the model at path; n_parallel places and as many in the queue. */
tdm_runtime *capi_world_runtime(const capi_world *w, const char *name, const char *path, size_t n_parallel);

/* One user's message, n tokens. Text is borrowed by the request that this fills. */
typedef struct capi_question {
    tdm_message message;
    tdm_request request;
} capi_question;
void capi_question_init(capi_question *q, const char *text, size_t max_tokens);

/* All text of a generation that was started, malloc'd, with the result of the last next in *status; kinds (may be NULL,
 * room for 64) gets D, T, E for each event. */
char *capi_collect(tdm_gen *g, tdm_status *status, char *kinds, tdm_error *err);

/* The answer's text, in one call; malloc'd. Whatever fails ends the program. */
char *capi_answer(tdm_runtime *rt, const char *text, size_t max_tokens);

#endif
