/* tandem/runtime.h - one device: its record, the rules of its market, consents, journal, and the model that answers.
 *
 * A runtime is where the feature layer happens (generate.h, verbs.h, assistant.h): each answer is decided by the signed
 * rules of the market that the device was sold in, screened, labelled and entered in the journal. Without a device
 * record that market is ZZ, self-hosted: this device's own model answers and nothing leaves. Several runtimes live side
 * by side in one process, each with a folder of its own; they share nothing but models, if the caller hands them the
 * same one.
 *
 * Conventions of all headers. Every function that can fail gives a tdm_status, negative for errors, and writes a
 * sentence into *err, which may be NULL; on success neither *err nor anything else that is not said is touched, and
 * *out is written on success only. Structures whose first member is struct_size are set by their _default function and
 * then changed; a structure of another version is understood as far as it goes, and refused (ERR_INVAL) when it is
 * shorter than the first version or asks for something this version does not know. NULL where a handle or a structure
 * is needed is ERR_INVAL, no crash. Text is UTF-8; a length of 0 beside a text means: up to its NUL. Destroying sets
 * the caller's pointer to NULL and takes NULL, so twice is once. Functions marked "any thread" may be called at once.
 */
#ifndef TANDEM_RUNTIME_H
#define TANDEM_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tandem/export.h"
#include "tandem/model.h"
#include "tandem/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tdm_runtime tdm_runtime;

typedef enum tdm_log_level {
    TDM_LOG_NONE = 0,
    TDM_LOG_ERROR,   /* something does not work */
    TDM_LOG_WARNING, /* something is not as it was meant, and what follows from it */
    TDM_LOG_NOTE,
} tdm_log_level;

/* One line without its end; text is the caller's only during the call and holds no user's text. Called from any thread,
 * perhaps at once; must not block and not call the library. */
typedef void (*tdm_log_fn)(void *user, tdm_log_level level, const char *text);

typedef struct tdm_runtime_options {
    size_t struct_size;
    const char *state_dir;     /* the device's folder, made when missing (0700), at most 535 bytes; needed. One that
                                  the tandem program uses is HOME/state. Strings are borrowed for the call */
    const char *device_record; /* a signed record to install; NULL: what is installed, or none */
    tdm_log_fn log;            /* NULL: lines go to stderr */
    void *log_user;
} tdm_runtime_options;

/* Sets struct_size and zeros all else. struct_size is sizeof(tdm_runtime_options) of the caller. NULL-safe. */
TDM_API void tdm_runtime_options_default(tdm_runtime_options *o, size_t struct_size);

/* Opens the folder. ERR_INVAL, ERR_LIMIT, ERR_IO, ERR_NOMEM; ERR_INTEGRITY: the given record does not verify and
 * another one is installed already. A policy or record that is not believed is no error here: everything is then off,
 * and says why. Any thread. */
TDM_API tdm_status tdm_runtime_create(const tdm_runtime_options *o, tdm_runtime **out, tdm_error *err);

/* Gives the runtime back and sets *rt to NULL. What was started from it goes on until its own handle is destroyed; the
 * last of them takes the runtime along. Waits for the journal. NULL-safe. */
TDM_API void tdm_runtime_destroy(tdm_runtime **rt);

typedef struct tdm_serve_options {
    size_t struct_size;
    size_t n_context;  /* positions that prompt and answer have together; 0: 4096, or what the model was trained for */
    size_t n_parallel; /* answers at once, at most 256; 0: 1. Each has n_context positions of its own */
    size_t n_queue;    /* answers that may wait beyond those, at most 65536; 0: none */
    int32_t n_threads; /* 0: as many as the process may use, which also is the most */
    uint64_t memory_bytes_max; /* 0: what the machine has free */
    const char *prefix_dir;    /* a private folder, made when missing (0700), where what prompts begin with is kept
                                  computed, of each app for that app alone, so that it need not be read again, also
                                  by later processes; it holds users' texts in the model's form. For a model that was
                                  opened with a cache_dir. NULL: none */
    uint64_t prefix_bytes_max; /* in it, the oldest go; 0: 512 MiB. Erase it by removing the folder */
    tdm_cache_type cache;
} tdm_serve_options;

/* Sets struct_size and zeros all else. struct_size is sizeof(tdm_serve_options) of the caller. NULL-safe. */
TDM_API void tdm_serve_options_default(tdm_serve_options *o, size_t struct_size);

/* Bytes that serve will take beside the mapped file. o may be NULL: the defaults. ERR_INVAL, ERR_LIMIT (more context
 * than the model was trained for). Any thread. */
TDM_API tdm_status tdm_serve_estimate(const tdm_model *m, const tdm_serve_options *o, uint64_t *bytes, tdm_error *err);

/* From now on m answers for this device; the runtime takes a reference of its own. All memory for answers is taken here
 * and a thread is started. Under a device record the whole file is hashed first, which takes seconds: a case covers a
 * model by its bytes. o may be NULL: the defaults. ERR_BUSY: it has one already, and that stays; ERR_UNSUPPORTED: the
 * model has no chat template; ERR_LIMIT: the memory; ERR_NOMEM, ERR_INVAL. After an error another call may try again.
 * Any thread. */
TDM_API tdm_status tdm_runtime_serve(tdm_runtime *rt, tdm_model *m, const tdm_serve_options *o, tdm_error *err);

typedef enum tdm_availability_state {
    TDM_AVAILABILITY_NONE = 0,
    TDM_AVAILABILITY_OFF,         /* reason says why */
    TDM_AVAILABILITY_COMING,      /* the rules allow it, no model is served yet */
    TDM_AVAILABILITY_DEVICE_ONLY, /* this device's model answers; reason: why no partner, where one could */
    TDM_AVAILABILITY_ON,          /* a partner can help, with consent where the market asks for it */
} tdm_availability_state;

typedef struct tdm_availability {
    size_t struct_size;
    tdm_availability_state state;
    char reason[64]; /* a code of docs/formats/reasons.md, "NONE" without one */
    char text[512];  /* the reason as a sentence for the device's owner, "" without one */
} tdm_availability;

/* What a question of this feature ("chat", "assistant", "proofread", ..) would come to now; it may be another a moment
 * later. It waits for no model: while serve loads one, that is COMING. language of the sentence: "en" or "zh", NULL:
 * "en". The caller has set out->struct_size. ERR_INVAL, ERR_IO (no random bytes). Any thread. */
TDM_API tdm_status tdm_runtime_availability(tdm_runtime *rt, const char *feature, const char *language,
                                            tdm_availability *out, tdm_error *err);

/* Owner's and maker's: a new state of the policy's repository (a bundle, docs/formats/policy.md), or a case with a new
 * entry (docs/formats/filing.md). Verified, durable and in force when they return; nothing has changed after an error:
 * ERR_INTEGRITY, ERR_FORMAT, ERR_LIMIT, ERR_INVAL, ERR_IO, ERR_NOMEM. Any thread. */
TDM_API tdm_status tdm_runtime_put_policy(tdm_runtime *rt, const char *bundle, size_t len, tdm_error *err);
TDM_API tdm_status tdm_runtime_put_filing(tdm_runtime *rt, const char *case_json, size_t len, tdm_error *err);

/* Airplane mode: while it is on no partner is asked. Kept over restarts. ERR_IO, ERR_INVAL. Any thread. */
TDM_API tdm_status tdm_runtime_set_offline(tdm_runtime *rt, bool is_offline, tdm_error *err);

/* Takes the owner's "always" and "never" back; partner or feature NULL: of all. A partner's answer that rests on it
 * ends. *n (may be NULL) gets how many there were. ERR_IO, ERR_INVAL. Any thread. */
TDM_API tdm_status tdm_runtime_revoke_consent(tdm_runtime *rt, const char *partner, const char *feature, size_t *n,
                                              tdm_error *err);

#ifdef __cplusplus
}
#endif
#endif
