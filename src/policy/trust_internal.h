/* trust_internal.h - the parts of the TUF client: documents, what is believed, floors, and the walk over them.
 *
 * trust_document.c reads one signed document and counts its signatures. trust_root.c follows the chain of roots.
 * trust_walk.c goes from the timestamp down to the markets' roles, trust_files.c on to the files. trust_delegation.c
 * says which role may sign which path. trust_state.c keeps it all in one file. trust.c puts them together, trust_get.c
 * answers. A document is its exact bytes (a JSON string, so that copies are references) and what was parsed from them;
 * neither changes after it was read.
 */
#ifndef TDM_POLICY_TRUST_INTERNAL_H
#define TDM_POLICY_TRUST_INTERNAL_H

#include <jansson.h>

#include "policy/envelope.h"
#include "policy/trust.h"

enum {
    TDM__TRUST_ROOT_BYTES_MAX = 512 << 10,
    TDM__TRUST_TIMESTAMP_BYTES_MAX = 16 << 10,
    TDM__TRUST_SNAPSHOT_BYTES_MAX = 2 << 20,
    TDM__TRUST_TARGETS_BYTES_MAX = 5 << 20,
    TDM__TRUST_FILE_BYTES_MAX = 4 << 20,
    TDM__TRUST_ALL_BYTES_MAX = 16 << 20, /* of all that is believed at once */
    TDM__TRUST_ROOT_HOPS_MAX = 1024,     /* an update */
    TDM__TRUST_FILES_MAX = 1024,
    TDM__TRUST_META_MAX = 256, /* names in a snapshot */
    TDM__TRUST_MARKETS_MAX = 32,
    TDM__TRUST_ROLE_KEYS_MAX = 16,
    TDM__TRUST_PATH_MAX = 200,
    TDM__TRUST_NAME_MAX = TDM__TRUST_PATH_MAX + 80, /* "targets/", hash and dot */
    TDM__TRUST_SKEW_S = 300,
};

/* No build of this source ran before it. Not the build's own date: two builds of one source are the same bytes. */
#define TDM__TRUST_BUILT_UNIX_S INT64_C(1735689600) /* 2025-01-01T00:00:00Z */

typedef struct tdm__trust_document {
    json_t *text; /* NULL: there is none */
    json_t *json;
    int64_t version;
    int64_t expires_unix_s;
} tdm__trust_document;

typedef struct tdm__trust_market {
    char id[3]; /* "CN" */
    tdm__trust_document document;
} tdm__trust_market;

/* Whole, or nothing but a root. */
typedef struct tdm__trust_believed {
    tdm__trust_document root, timestamp, snapshot, targets;
    tdm__trust_market markets[TDM__TRUST_MARKETS_MAX];
    size_t n_markets;
    json_t *files; /* path -> text */
} tdm__trust_believed;

/* What never goes back: the highest versions that were verified, and the newest time that was believed. */
typedef struct tdm__trust_floors {
    int64_t timestamp, snapshot;
    json_t *meta; /* "targets.json" -> version, of verified snapshots */
    int64_t newest_unix_s;
} tdm__trust_floors;

/* Who may sign a role. */
typedef struct tdm__trust_role {
    tdm__public_key keys[TDM__TRUST_ROLE_KEYS_MAX];
    size_t n_keys;
    size_t threshold;
} tdm__trust_role;

/* What one document says about another. */
typedef struct tdm__trust_meta {
    int64_t version;
    int64_t length;                /* -1: not said */
    char sha256[TDM__SHA256_TEXT]; /* "": not said */
} tdm__trust_meta;

typedef struct tdm__trust_walk {
    const tdm__trust_source *source; /* NULL: only what is stored, whose expiry and floors are not looked at */
    tdm__trust_believed *stored;
    tdm__trust_believed *next;
    tdm__trust_floors *floors; /* raised as versions are verified */
    int64_t now_unix_s;        /* one time for the whole update */
    size_t n_bytes;            /* of what next holds */
    tdm__trust_fault *fault;
    tdm_error *err;
} tdm__trust_walk;

struct tdm__trust {
    char *state_path; /* NULL: nothing is persisted */
    tdm__trust_believed believed;
    tdm__trust_floors floors;
    tdm__trust_target *targets; /* into believed */
    size_t n_targets;
};

/* trust_get.c: the earliest expiry of the documents that every market rests on; 0 when there are none. */
int64_t tdm__trust_common_expiry(const tdm__trust_believed *b);

/* Notes the fault and fails with the status that belongs to it. */
__attribute__((format(printf, 3, 4))) tdm_status tdm__trust_refuse(const tdm__trust_walk *w, tdm__trust_fault fault,
                                                                   const char *fmt, ...);

/* trust_document.c: name stands in sentences ("7.market-CN.json"). */
tdm__str tdm__trust_text(const json_t *text);
tdm_status tdm__trust_document_read(tdm__str bytes, const char *type, const char *name, tdm__trust_document *out,
                                    tdm_error *err);
void tdm__trust_document_fini(tdm__trust_document *d);
tdm__trust_document tdm__trust_document_share(const tdm__trust_document *d);
const json_t *tdm__trust_signed(const tdm__trust_document *d);
tdm_status tdm__trust_role_read(const json_t *keys, const json_t *role, const char *name, tdm__trust_role *out,
                                tdm_error *err);
/* ERR_FORMAT when d has nothing about name. */
tdm_status tdm__trust_meta_read(const tdm__trust_document *d, const char *name, tdm__trust_meta *out, tdm_error *err);
tdm_status tdm__trust_meta_parse(const json_t *entry, const char *name, tdm__trust_meta *out, tdm_error *err);
tdm_status tdm__trust_check_signatures(const tdm__trust_walk *w, const tdm__trust_document *d,
                                       const tdm__trust_role *role, const char *name);
tdm_status tdm__trust_check_expiry(const tdm__trust_walk *w, const tdm__trust_document *d, const char *name);
/* Whether bytes are what meta says, as far as it says. */
bool tdm__trust_meta_fits(const tdm__trust_meta *meta, tdm__str bytes);
/* ENDLESS when all that next holds becomes too much. */
tdm_status tdm__trust_count_bytes(tdm__trust_walk *w, size_t n, const char *name);
/* The source's file, with ENDLESS and MISSING as faults. */
tdm_status tdm__trust_fetch(const tdm__trust_walk *w, const char *name, size_t bytes_max, tdm__buf *out);

/* trust_root.c */
tdm_status tdm__trust_root_first(const tdm__trust_walk *w, tdm__str bytes);
/* From next->root on to the newest. *is_rotated: a key of timestamp or snapshot was taken away on the way. */
tdm_status tdm__trust_root_follow(tdm__trust_walk *w, bool *is_rotated);
tdm_status tdm__trust_root_role(const tdm__trust_document *root, const char *role, tdm__trust_role *out,
                                tdm_error *err);
bool tdm__trust_root_is_demo(const tdm__trust_document *root);

/* trust_delegation.c: ERR_FORMAT for what is no path; WRONG_ROLE for what is not the role's. */
tdm_status tdm__trust_check_path(const char *path, tdm_error *err);
bool tdm__trust_path_is_of_market(const char *path); /* below markets/ */
/* The delegation's market, after its patterns were checked. */
tdm_status tdm__trust_delegation_market(const tdm__trust_walk *w, const json_t *delegation, char market[3]);
bool tdm__trust_delegation_covers(const json_t *delegation, const char *path);

/* trust_walk.c: from next->root to the files. */
tdm_status tdm__trust_walk_run(tdm__trust_walk *w);

/* trust_files.c: of the targets role and of the markets that next has. */
tdm_status tdm__trust_take_files(tdm__trust_walk *w);

/* trust_state.c */
void tdm__trust_believed_fini(tdm__trust_believed *b);
void tdm__trust_floors_fini(tdm__trust_floors *f);
tdm_status tdm__trust_floors_copy(const tdm__trust_floors *from, tdm__trust_floors *out, tdm_error *err);
/* Documents come back with their texts alone: who loads walks. */
tdm_status tdm__trust_state_parse(tdm__str bytes, tdm__trust_believed *b, tdm__trust_floors *f, tdm_error *err);
tdm_status tdm__trust_state_load(const char *path, tdm__trust_believed *b, tdm__trust_floors *f, tdm_error *err);
tdm_status tdm__trust_state_save(const char *path, const tdm__trust_believed *b, const tdm__trust_floors *f,
                                 tdm_error *err);

#endif
