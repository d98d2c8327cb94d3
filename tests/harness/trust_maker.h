/* trust_maker.h - small TUF repositories in memory, whole or broken on purpose.
 *
 * A repository is a plan (versions, expiries, keys of each role, files) and what was published of it: name -> bytes, as
 * a tdm__trust_source gives them. Tests change the plan and publish again, or change one signed document and sign it
 * again. Everything asserts: a repository that cannot be made is a failed test.
 */
#ifndef TDM_HARNESS_TRUST_MAKER_H
#define TDM_HARNESS_TRUST_MAKER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "policy/key.h"
#include "policy/trust.h"

enum { TRUST_MAKER_KEYS = 12, TRUST_MAKER_NOW = 1750000000 /* 2025-06-15T15:06:40Z */ };

typedef enum trust_maker_role {
    MAKER_ROOT = 0,
    MAKER_TIMESTAMP,
    MAKER_SNAPSHOT,
    MAKER_TARGETS,
    MAKER_CN,
    MAKER_US,
    MAKER_ROLES
} trust_maker_role;

typedef struct trust_maker_plan {
    int64_t version, expires_unix_s;
    int keys[4]; /* numbers in keys[] */
    size_t n_keys, threshold;
} trust_maker_plan;

typedef struct trust_maker {
    tdm__secret_key keys[TRUST_MAKER_KEYS]; /* the same in every run */
    trust_maker_plan plan[MAKER_ROLES];
    trust_maker_plan last_root; /* whose keys sign the next one too */
    bool has_last_root;
    bool is_demo;
    bool has_hashes; /* snapshot and timestamp give lengths and hashes */
    json_t *content[MAKER_ROLES]; /* path -> text, of TARGETS, CN, US */
    json_t *files;                /* published: name -> text */
} trust_maker;

/* Version 1 of everything, keys 0.. one a role, two markets with a policy each, keys.json; published. */
void trust_maker_init(trust_maker *m);
void trust_maker_fini(trust_maker *m);

/* "market-CN" */
const char *trust_maker_role_name(trust_maker_role r);
/* The name under which it lies now: "1.market-CN.json". */
const char *trust_maker_file_name(const trust_maker *m, trust_maker_role r);

/* Sets a file of a role, or takes it away (text NULL). */
void trust_maker_set(trust_maker *m, trust_maker_role r, const char *path, const char *text);

/* Writes everything but roots anew from the plan. */
void trust_maker_publish(trust_maker *m);
/* All but root one version up, then publish. */
void trust_maker_advance(trust_maker *m);
/* The next root, signed by the keys before and by its own; the others are published anew. */
void trust_maker_publish_root(trust_maker *m);

/* A document as it was published, parsed; a new reference. */
json_t *trust_maker_get(const trust_maker *m, const char *name);
/* Signs by the role's keys and publishes under name. */
void trust_maker_put(trust_maker *m, const char *name, trust_maker_role r, const json_t *signed_part);
/* Signs a role's document again after change has been at its signed part. */
void trust_maker_resign(trust_maker *m, trust_maker_role r, void (*change)(json_t *signed_part));
void trust_maker_put_text(trust_maker *m, const char *name, const char *text);
void trust_maker_remove(trust_maker *m, const char *name);

/* {"_type":"bundle",..}, to be freed. */
char *trust_maker_bundle(const trust_maker *m);
tdm__trust_source trust_maker_source(trust_maker *m);
tdm__str trust_maker_first_root(const trust_maker *m);

#endif
