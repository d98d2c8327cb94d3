/* tandem/model.h - a model file, opened: immutable, counted, shared by any number of threads, sessions and runtimes.
 *
 * The file is GGUF and mapped read-only: its weights are in memory once, however many use them, and the system may
 * drop them again. It is checked as hostile: every count, shape and offset before it is believed. Replace a file by
 * rename, never in place: one that is cut while it is mapped ends the process with SIGBUS unless the program has a
 * handler, one that was overwritten makes what answers from it fail (ERR_UPSTREAM).
 */
#ifndef TANDEM_MODEL_H
#define TANDEM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tandem/export.h"
#include "tandem/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tdm_model tdm_model;

typedef struct tdm_model_options {
    size_t struct_size;
    const char *path; /* of a GGUF file; borrowed for the call */
    const char *name; /* what answers and journals call it, at most 127 bytes; NULL: the file's name without .gguf */
    const char *cache_dir; /* a folder, made when missing, where weights are kept as this processor wants them: as many
                              bytes as the file. The first open makes them (2 s for half a GB), later ones map them;
                              where that fails, and with NULL, they are made in memory at each open */
} tdm_model_options;

/* Sets struct_size and zeros all else. struct_size is sizeof(tdm_model_options) of the caller. NULL-safe. */
TDM_API void tdm_model_options_default(tdm_model_options *o, size_t struct_size);

/* Opens the file and its vocabulary; on success the caller has one reference, on failure *out is untouched. ERR_INVAL,
 * ERR_NOT_FOUND, ERR_IO, ERR_NOMEM, ERR_FORMAT (with the field, its value and its limit), ERR_UNSUPPORTED (a family or
 * a type of weights that is not built). Any thread. */
TDM_API tdm_status tdm_model_open(const tdm_model_options *o, tdm_model **out, tdm_error *err);

/* Number type of the cache that keeps what was read: 2 x layers x KV heads x head size numbers a token. */
typedef enum tdm_cache_type {
    TDM_CACHE_F16 = 0,
    TDM_CACHE_Q8, /* 53 % of the memory, and answers of a little less precision (docs/speed.md) */
} tdm_cache_type;

/* One more reference to the same model, which is also the result. Any thread. NULL gives NULL. */
TDM_API tdm_model *tdm_model_ref(tdm_model *m);

/* Gives a reference back and sets *m to NULL; the last one closes the file. What was made from a model keeps a
 * reference of its own. Any thread. NULL-safe. */
TDM_API void tdm_model_unref(tdm_model **m);

typedef struct tdm_model_info {
    size_t struct_size;
    const char *name;         /* borrowed from the model, as the next */
    const char *architecture; /* "qwen2" */
    uint64_t file_bytes;
    uint64_t n_parameters;
    size_t n_context;         /* positions it was trained for */
    size_t n_vocabulary;
    size_t n_layers;
    size_t n_embedding;
    bool can_chat;            /* it has a chat template, so a runtime can serve it */
} tdm_model_info;

/* Fills *out, whose struct_size the caller has set; fields that the caller's version lacks are left out. ERR_INVAL.
 * Any thread. */
TDM_API tdm_status tdm_model_get_info(const tdm_model *m, tdm_model_info *out, tdm_error *err);

#ifdef __cplusplus
}
#endif
#endif
