/* device_internal.h - what device.c, device_rules.c and device_json.c share. */
#ifndef TDM_REQUEST_DEVICE_INTERNAL_H
#define TDM_REQUEST_DEVICE_INTERNAL_H

#include <pthread.h>

#include "filing/case_folder.h"
#include "policy/trust.h"
#include "request/device.h"

enum { TDM__DEVICE_PATH_MAX = 600 };

/* A set of rules with all that was read under it. The count is under device.mutex. */
typedef struct tdm__device_rules {
    tdm__rules_set set; /* first: what callers hold */
    tdm__rules *rules;
    tdm__screen *screen;
    tdm__partner_profile **profiles; /* in the order of the policy's partners; NULL: not usable */
    json_t *cases;                   /* as pages see them */
    size_t n_users;
} tdm__device_rules;

typedef struct tdm__breaker {
    char partner[TDM__PARTNER_ID_MAX + 1];
    unsigned n_failures;   /* in a row */
    uint64_t down_until_ns; /* monotonic; 0: up */
} tdm__breaker;

enum { TDM__BREAKERS_MAX = 64, TDM__BREAKER_FAILURES = 3, TDM__BREAKER_PAUSE_MS = 30000 };

struct tdm__device {
    char state_dir[TDM__DEVICE_PATH_MAX - 64];
    pthread_mutex_t change; /* one change of the rules at a time; taken before mutex */
    pthread_mutex_t mutex;  /* all below */
    tdm__device_rules *current;
    uint64_t generation;
    char own_model_sha256[TDM__SHA256_TEXT];
    size_t device_tokens_max;
    bool network_is_off;
    tdm__breaker breakers[TDM__BREAKERS_MAX];
    size_t n_breakers;

    /* under change */
    tdm__trust *trust;   /* NULL: nothing was installed, or what was does not verify */
    bool trust_is_bad;
    char *record_json;   /* NULL: no record was ever installed */
    size_t record_len;

    /* set once */
    tdm__log log;
    tdm__usage *usage;
    tdm__journal *journal;
    char journal_dir[TDM__DEVICE_PATH_MAX];
};

/* state_dir/name. */
void tdm__device_path(const tdm__device *d, const char *name, char out[TDM__DEVICE_PATH_MAX]);

/* device_record.c: reads the record that is installed, and installs the one at record_path ("" none), if it may be. */
tdm_status tdm__device_record_load(tdm__device *d, const char *record_path, tdm_error *err);

/* device_rules.c: the keyring that the trusted repository signs; NULL without one. */
tdm__keyring *tdm__device_keyring(tdm__device *d);

/* Builds a new set out of trust, record and cases and puts it in force. Under change. */
tdm_status tdm__device_rebuild(tdm__device *d, tdm_error *err);
void tdm__device_rules_destroy(tdm__device_rules *r); /* NULL-safe */

/* The trusted clock of the moment. */
int64_t tdm__device_now(tdm__device *d, bool *is_suspect);

#endif
