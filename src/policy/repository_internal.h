/* repository_internal.h - the parts of the maker: what people wrote, what the folder holds, and what follows from
 * both.
 *
 * repository_plan.c reads roles.yaml; repository_targets.c compiles the files that devices get. repository_open.c
 * reads what is published and staged, repository_folder.c locks, writes and publishes. repository_roles.c knows who
 * may sign what and builds each role's signed part. repository_make.c, _sign.c and _bundle.c are the verbs of
 * repository.h.
 */
#ifndef TDM_POLICY_REPOSITORY_INTERNAL_H
#define TDM_POLICY_REPOSITORY_INTERNAL_H

#include <jansson.h>
#include <limits.h>

#include "policy/envelope.h"
#include "policy/repository.h"
#include "policy/trust_internal.h" /* one reading of keys and thresholds for both sides */

enum {
    TDM__REPOSITORY_ROLES_MAX = 4 + TDM__TRUST_MARKETS_MAX,
    TDM__REPOSITORY_TARGET_BYTES_MAX = 1 << 20,
    TDM__REPOSITORY_INPUT_BYTES_MAX = 4 << 20, /* a YAML file */
    TDM__REPOSITORY_STAGED_BYTES_MAX = 32 << 20,
    TDM__REPOSITORY_ROLE_TEXT = 16,
    TDM__REPOSITORY_EXPIRES_DAYS_MAX = 3650,
};

/* One role as roles.yaml has it. */
typedef struct tdm__repository_role {
    char name[TDM__REPOSITORY_ROLE_TEXT];
    tdm__trust_role signers;
    int64_t expires_days;
} tdm__repository_role;

typedef struct tdm__repository_plan {
    bool is_demo;
    tdm__repository_role roles[TDM__REPOSITORY_ROLES_MAX]; /* as they stand in the file */
    size_t n_roles;
} tdm__repository_plan;

typedef struct tdm__repository_target {
    char path[TDM__TRUST_PATH_MAX + 1]; /* "markets/CN/policy.json" */
    char *bytes;
    size_t len;
    char sha256[TDM__SHA256_TEXT];
} tdm__repository_target;

typedef struct tdm__repository_targets {
    tdm__repository_target *items;
    size_t n, cap, n_bytes;
} tdm__repository_targets;

/* An open, locked repository folder. Both maps are role -> envelope; published ones were verified, of markets only
 * those that are still delegated. */
typedef struct tdm__repository {
    char dir[PATH_MAX];
    int lock_fd;
    json_t *published, *staged;
} tdm__repository;

/* repository_plan.c: *out is malloc'd. */
tdm_status tdm__repository_plan_read(const char *in_dir, tdm__repository_plan **out, tdm_error *err);
const tdm__repository_role *tdm__repository_plan_role(const tdm__repository_plan *p, const char *name);
/* "market-CN" -> "CN", NULL for the four others. */
const char *tdm__repository_market_of(const char *role);
/* root, targets, snapshot, timestamp or market-XX. */
bool tdm__repository_role_is_known(const char *role);
/* A YAML file of in_dir. *text (malloc'd, what the JSON was read from) and *out are the caller's. path gets the file's
 * name for sentences. */
tdm_status tdm__repository_yaml_read(const char *in_dir, const char *name, char path[PATH_MAX], tdm__str *text,
                                     json_t **out, tdm_error *err);

/* repository_keys.c: keys.yaml to the bytes of keys.json. */
tdm_status tdm__repository_keys_compile(const char *in_dir, bool is_demo, tdm__buf *out, tdm_error *err);

/* repository_targets.c, repository_market.c: how the files come together. */
typedef struct tdm__repository_collector {
    const char *in_dir;
    const char *market; /* "CN" */
    bool is_demo;
    tdm__repository_targets *targets;
    tdm_error *err;
} tdm__repository_collector;

struct dirent;

/* Takes the bytes, also on failure. */
tdm_status tdm__repository_target_add(const tdm__repository_collector *c, const char *path, char *bytes, size_t len);
tdm_status tdm__repository_market_add(const tdm__repository_collector *c);
/* The names in in_dir/name in order, without those that begin with a dot; to be freed. A folder that is not there is
 * empty. */
tdm_status tdm__repository_list_folder(const char *in_dir, const char *name, struct dirent ***out, size_t *n,
                                       tdm_error *err);
void tdm__repository_free_list(struct dirent **names, size_t n);
/* All files, sorted by path. Fini also after an error. */
tdm_status tdm__repository_targets_collect(const char *in_dir, const tdm__repository_plan *plan,
                                           tdm__repository_targets *out, tdm_error *err);
void tdm__repository_targets_fini(tdm__repository_targets *t);
/* The entry with that path, or NULL. */
const tdm__repository_target *tdm__repository_targets_find(const tdm__repository_targets *t, const char *path);

/* repository_open.c. close it also after an error. */
tdm_status tdm__repository_open(const char *dir, tdm__repository *out, tdm_error *err);
void tdm__repository_close(tdm__repository *r);

/* repository_folder.c: the lock waits for others; unlock also after an error. */
tdm_status tdm__repository_folder_lock(const char *dir, tdm__repository *r, tdm_error *err);
void tdm__repository_folder_unlock(tdm__repository *r);
/* DIR/name, at most bytes_max; *out is malloc'd. */
tdm_status tdm__repository_read(const tdm__repository *r, const char *name, size_t bytes_max, tdm__str *out,
                                tdm_error *err);
tdm_status tdm__repository_write_target(const tdm__repository *r, const tdm__repository_target *t, tdm_error *err);
/* Replaces metadata/staged.json by r->staged. */
tdm_status tdm__repository_store_staged(const tdm__repository *r, tdm_error *err);
/* Replaces metadata/timestamp.json alone. */
tdm_status tdm__repository_store_timestamp(const tdm__repository *r, const json_t *envelope, tdm_error *err);
/* Puts all of r->staged in place, in one step. */
tdm_status tdm__repository_publish(const tdm__repository *r, tdm_error *err);
/* "targets/markets/CN/HASH.policy.json". */
tdm_status tdm__repository_target_name(const char *path, const char *sha256, char out[TDM__TRUST_NAME_MAX],
                                       tdm_error *err);
/* "3.root.json", "timestamp.json". */
void tdm__repository_metadata_name(const char *role, int64_t version, char out[64]);

/* repository_roles.c */
/* Who may sign role: in what is staged, else published; with is_old_root the published root's word about root. */
tdm_status tdm__repository_signers(const tdm__repository *r, const char *role, bool is_old_root, tdm__trust_role *out,
                                   tdm_error *err);
tdm_status tdm__repository_count_good(const json_t *envelope, const tdm__trust_role *signers, size_t *n,
                                      tdm_error *err);
/* How many signatures a staged role still needs. */
tdm_status tdm__repository_n_missing(const tdm__repository *r, const char *role, size_t *n, tdm_error *err);
int64_t tdm__repository_version(const json_t *envelope); /* 0 for NULL */
/* Signed parts; new references, NULL: out of memory. */
json_t *tdm__repository_root_build(const tdm__repository_plan *plan, int64_t version, int64_t now_unix_s);
json_t *tdm__repository_targets_build(const tdm__repository_plan *plan, const tdm__repository_targets *t,
                                      const char *role, int64_t version, int64_t now_unix_s);
/* snapshot and timestamp, which name what is staged, else what the published one names. */
json_t *tdm__repository_snapshot_build(const tdm__repository *r, int64_t version, int64_t expires_days,
                                       int64_t now_unix_s);
json_t *tdm__repository_timestamp_build(const tdm__repository *r, int64_t version, int64_t expires_days,
                                        int64_t now_unix_s);
int64_t tdm__repository_expires_days(const json_t *envelope); /* x-tandem's; 1 where it is not said */

#endif
