/* lib_internal.h - what the bodies of the public functions share: handles, counts, the reading of option structures.
 *
 * The public layer adds no policy and no state of its own: it checks arguments, keeps what callers hold alive as long
 * as they hold it, and hands events over from the runtime's threads to the caller's.
 */
#ifndef TDM_LIB_LIB_INTERNAL_H
#define TDM_LIB_LIB_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/str.h"
#include "request/request.h"
#include "tandem/generate.h"
#include "tandem/model.h"
#include "tandem/runtime.h"
#include "tandem/sampling.h"
#include "tandem/status.h"

enum { TDM__LIB_THREADS_MAX = 1024 };

struct tdm_model {
    atomic_size_t n_references;
    tdm__model *model;
    tdm__tokenizer *tokenizer;
    char name[128];
};

struct tdm_runtime {
    atomic_size_t n_references; /* the owner's, and one of each handle that was made from it */
    tdm__device *device;
    tdm__service *service;
    pthread_mutex_t serving; /* held for as long as a serve lasts, so only serve takes it; model is under it */
    tdm_model *model;        /* NULL: none is served */
    atomic_bool is_served;   /* whether model is set */
    tdm__log log;            /* the caller's */
};

/* Refuses a NULL of that name. */
tdm_status tdm__lib_check_null(const void *p, const char *name, tdm_error *err);

/* ---- option structures (lib_options.c) ---- */

/* Zeros, and the size as first member. */
void tdm__lib_options_default(void *options, size_t struct_size);

/* Copies what the caller's version of a structure has over *own, which is zeroed and of own_size. first_size: that of
 * the first version. given NULL: *own stays all zeros. ERR_INVAL: shorter, or longer and its tail is not zero. */
tdm_status tdm__lib_options_take(void *own, size_t own_size, size_t first_size, const void *given, const char *name,
                                 tdm_error *err);

/* For structures that the library fills: copies as much of *own as the caller's version has, but the size. */
tdm_status tdm__lib_options_give(const void *own, size_t own_size, size_t first_size, void *out, const char *name,
                                 tdm_error *err);

/* ERR_INVAL: a number that is no tdm_cache_type. */
tdm_status tdm__lib_cache_type(tdm_cache_type cache, tdm__kv_type *out, tdm_error *err);

/* sampling NULL: greedy. ERR_INVAL with a sentence naming field and limits. */
tdm_status tdm__lib_sampling(const tdm_sampling *sampling, tdm__sampling *out, tdm_error *err);

tdm_status tdm__lib_n_threads(int32_t n, tdm_error *err);

/* A text with its length, which is that up to the NUL when 0: UTF-8 without NUL. ERR_INVAL names what. */
tdm_status tdm__lib_text(const char *text, size_t len, const char *what, tdm__str *out, tdm_error *err);

/* NULL: "". ERR_INVAL: too long, no UTF-8, a control character. */
tdm_status tdm__lib_app(const char *app, const char **out, tdm_error *err);

/* NULL: "en". ERR_INVAL for what is neither that nor "zh". */
tdm_status tdm__lib_language(const char *language, const char **out, tdm_error *err);

/* [{role, content}], a new reference. */
tdm_status tdm__lib_messages(const tdm_message *messages, size_t n, json_t **out, tdm_error *err);

/* ---- lives (lib_runtime.c) ---- */

tdm_runtime *tdm__lib_runtime_ref(tdm_runtime *rt);
void tdm__lib_runtime_unref(tdm_runtime *rt);

#endif
