/* trust.h - the client of a TUF repository: what this device believes, and since when.
 *
 * The order of checks is the specification's (section 5): root chain, timestamp, snapshot, targets, the markets'
 * delegated targets, files. All that is believed lies in one file that is replaced as a whole, once an update, so a
 * crash leaves the old state or the new one. Roots, versions and times only ever go up, also by an update that fails
 * half-way: what was verified on the way is persisted with the failure. The clock that decides about expiry is the
 * newest of the system's, the last persisted one, and this build's; when the system's lies further back than 300 s the
 * state is SUSPECT, which is treated as stale. Stricter than TUF: only ed25519 keys, whose ids are their hashes;
 * consistent snapshots; below markets/XX/ only the role market-XX signs, elsewhere only targets; files are UTF-8.
 */
#ifndef TDM_POLICY_TRUST_H
#define TDM_POLICY_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/sha256.h"
#include "base/str.h"
#include "tandem/status.h"

typedef struct tdm__trust tdm__trust;

/* Why an update was refused; the codes are in docs/formats/policy.md. NONE with an error: memory or the disk. */
typedef enum tdm__trust_fault {
    TDM__TRUST_NONE = 0,
    TDM__TRUST_FORMAT,         /* not metadata */
    TDM__TRUST_SIGNATURES,     /* fewer good signatures than the threshold */
    TDM__TRUST_ROLLBACK,       /* a version lower than what was seen */
    TDM__TRUST_FREEZE,         /* expired */
    TDM__TRUST_MIX_AND_MATCH,  /* not the version or hash that the level above names */
    TDM__TRUST_ENDLESS,        /* longer than stated, or than we take */
    TDM__TRUST_TARGET_HASH,    /* a file is not what was signed */
    TDM__TRUST_WRONG_ROLE,     /* a role signs a path that is not delegated to it */
    TDM__TRUST_DEMO,           /* a demo's and a real root mixed */
    TDM__TRUST_MISSING,        /* a file that is named is not there */
} tdm__trust_fault;

/* "ROLLBACK". */
const char *tdm__trust_fault_name(tdm__trust_fault f);

/* Where an update comes from. name is "3.root.json", "timestamp.json", "7.market-CN.json", or for a file
 * "targets/markets/CN/HASH.policy.json". ERR_NOT_FOUND when there is no such file, ERR_LIMIT when it is longer than
 * bytes_max; out is appended to. */
typedef struct tdm__trust_source {
    tdm_status (*read)(void *user, const char *name, size_t bytes_max, tdm__buf *out, tdm_error *err);
    void (*fini)(void *user); /* NULL: nothing to free */
    void *user;
} tdm__trust_source;

/* A repository folder (DIR/metadata, DIR/targets), and a bundle: {"_type":"bundle","files":{NAME:TEXT,..}}. The source
 * borrows what it is made from; fini frees what init took. */
tdm_status tdm__trust_source_folder(const char *dir, tdm__trust_source *out, tdm_error *err);
tdm_status tdm__trust_source_bundle(tdm__str bytes, tdm__trust_source *out, tdm_error *err);
void tdm__trust_source_fini(tdm__trust_source *s);

/* Opens the persisted state. ERR_NOT_FOUND when nothing was installed. ERR_INTEGRITY when the file was changed by
 * hand: its metadata are verified again at each open. Expiry is no error here: tdm__trust_expires_unix_s tells it. */
tdm_status tdm__trust_open(const char *state_path, int64_t system_now_unix_s, tdm__trust **out, tdm_error *err);

/* Installs the first root (self-signed to its threshold) and makes the first update from source. Refused when
 * something is installed already (ERR_INVAL). */
tdm_status tdm__trust_install(const char *state_path, tdm__str root, const tdm__trust_source *source,
                              int64_t system_now_unix_s, tdm__trust **out, tdm__trust_fault *fault, tdm_error *err);

/* Verifies a newer state of the repository and persists it. On failure t is as it was, but for versions that must not
 * go back, and for a newer root that was verified: what its keys no longer sign is dropped. A market whose role was
 * never here may be missing from the source; one that was here may not. When the disk fails nothing has changed. */
tdm_status tdm__trust_update(tdm__trust *t, const tdm__trust_source *source, int64_t system_now_unix_s,
                             tdm__trust_fault *fault, tdm_error *err);

/* Only verifies a repository under a root, persists nothing (policy verify). at_unix_s is the clock. */
tdm_status tdm__trust_verify(tdm__str root, const tdm__trust_source *source, int64_t at_unix_s, tdm__trust **out,
                             tdm__trust_fault *fault, tdm_error *err);

void tdm__trust_destroy(tdm__trust *t); /* NULL-safe */

typedef struct tdm__trust_target {
    const char *path; /* "markets/CN/policy.json" */
    tdm__str bytes;   /* verified, borrowed from t until its next update */
    char sha256[TDM__SHA256_TEXT];
} tdm__trust_target;

/* ERR_NOT_FOUND when no role that may sign the path has signed one. */
tdm_status tdm__trust_get_target(const tdm__trust *t, const char *path, tdm__trust_target *out, tdm_error *err);
size_t tdm__trust_n_targets(const tdm__trust *t);
void tdm__trust_target_at(const tdm__trust *t, size_t i, tdm__trust_target *out);

bool tdm__trust_is_demo(const tdm__trust *t);

/* FRESH: all that is needed is in time. GRACE: past expiry by less than the market's grace: this device only. STALE,
 * SUSPECT (the clock went back), INVALID: off. */
typedef enum tdm__freshness {
    TDM__INVALID = 0,
    TDM__FRESH,
    TDM__GRACE,
    TDM__STALE,
    TDM__SUSPECT,
} tdm__freshness;

const char *tdm__freshness_name(tdm__freshness f);

/* The earliest expiry of all roles that the market's policy rests on, 0 when there is none; a decision compares with
 * it. */
int64_t tdm__trust_expires_unix_s(const tdm__trust *t, const char *market);

/* The trusted clock at this system time: never lower than what was seen. *is_suspect when the system's lies behind. */
int64_t tdm__trust_now(const tdm__trust *t, int64_t system_now_unix_s, bool *is_suspect);

/* Versions for people and journals: of the timestamp, and of a market's role; 0 when there is none. */
int64_t tdm__trust_version(const tdm__trust *t);
int64_t tdm__trust_market_version(const tdm__trust *t, const char *market);

#endif
