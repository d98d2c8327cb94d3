/* market.h - one market's policy, read from its signed JSON into what a decision needs.
 *
 * The policy is a table of cells: feature x ordered back ends. What has no cell is off. Nothing in it is code, and an
 * unknown member is an error: a rule that we do not understand must not be passed over.
 */
#ifndef TDM_POLICY_MARKET_H
#define TDM_POLICY_MARKET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"
#include "base/str.h"
#include "tandem/status.h"

typedef enum tdm__profile { /* of a device's owner; bits, so that a cell can hold a set */
    TDM__PROFILE_ADULT = 1,
    TDM__PROFILE_CHILD = 2,
    TDM__PROFILE_MANAGED = 4,
} tdm__profile;

typedef enum tdm__role {
    TDM__ROLE_ENGINE = 1, /* answers first */
    TDM__ROLE_HANDOFF,    /* answers after consent, when the first one cannot */
    TDM__ROLE_FILTER,     /* sees what others said; recognised, not built */
} tdm__role;

/* Which tiers a market has: whether China follows "own model + partner" is this one word. */
typedef enum tdm__shape {
    TDM__SHAPE_OWN_AND_PARTNER = 1,
    TDM__SHAPE_OWN_ONLY,
    TDM__SHAPE_PARTNER_ONLY,
} tdm__shape;

enum { TDM__CELL_BACKENDS_MAX = 16, TDM__BASIS_POINTS = 10000 };

typedef struct tdm__policy_partner {
    const char *id;                /* "alibaba" */
    const char *name_en, *name_zh;
    const char *legal_entity;
    const char *profile_path;      /* target: "markets/CN/partners/alibaba.json" */
    char profile_sha256[TDM__SHA256_TEXT];
    const char *accreditation;     /* number; "" is none */
    int64_t accreditation_expires_unix_s;
    bool is_emulated;              /* a stand-in: said wherever the partner is named */
} tdm__policy_partner;

typedef struct tdm__policy_backend {
    const tdm__policy_partner *partner; /* NULL: this device's own model */
    tdm__role role;
    const char *model;      /* own: catalogue name; partner's: the id it is called by */
    const char *model_name; /* for people */
    const char *model_date; /* partner's: the declared date ("2025-01-25"); own: "" */
    char model_sha256[TDM__SHA256_TEXT]; /* own: the only file that may answer; "" any that a filing covers */
    const char *data_region;
    unsigned profiles;      /* set of tdm__profile */
    uint32_t canary_bp;     /* share of devices, 0 to 10000 */
    bool is_killed;
} tdm__policy_backend;

typedef struct tdm__policy_cell {
    const char *feature;
    bool is_killed;
    const tdm__policy_backend *backends; /* in order of preference */
    size_t n_backends;
} tdm__policy_cell;

typedef struct tdm__market_policy {
    const char *market; /* "CN" */
    const char *name_en, *name_zh;
    const char *const *sold_in; /* ISO 3166-1 alpha-2 codes it covers */
    size_t n_sold_in;
    int64_t version;
    char sha256[TDM__SHA256_TEXT]; /* of the signed bytes */
    bool is_demo;
    tdm__shape shape;
    bool needs_filing;        /* only an approved case opens a back end */
    bool needs_accreditation; /* of partners */
    bool needs_label;         /* a visible line */
    const char *label_en, *label_zh;
    int64_t grace_s;          /* after expiry, this device only; 0 in regulated markets */
    const char *dns_server;   /* address:port that names are asked of; "" when no endpoint has a name */
    const char *const *packs; /* targets of screening packs, in order */
    size_t n_packs;
    const tdm__policy_partner *partners;
    size_t n_partners;
    const tdm__policy_cell *cells; /* sorted by feature */
    size_t n_cells;
} tdm__market_policy;

/* "CN": two capital letters. */
bool tdm__market_code_is_fine(const char *code);

/* From the signed JSON. The policy owns a copy of all it points to. ERR_FORMAT names the member by its path. */
tdm_status tdm__market_policy_create(tdm__str json, tdm__market_policy **out, tdm_error *err);
void tdm__market_policy_destroy(tdm__market_policy *p); /* NULL-safe */

/* NULL when the market has no cell for it. */
const tdm__policy_cell *tdm__market_policy_cell(const tdm__market_policy *p, const char *feature);

/* Compiles what people write to what is signed: reads YAML (file names it in sentences: file, line, nearest name;
 * aliases, tags and duplicate keys are refused), checks it as a device would, and resolves profile: partners/X.yaml to
 * the target markets/XX/partners/X.json and its SHA-256 through resolver. The same text gives the same bytes. *out is
 * malloc'd canonical JSON, NUL-terminated. */
typedef struct tdm__market_resolver {
    tdm_status (*sha256_of)(void *user, const char *target_path, char out[TDM__SHA256_TEXT], tdm_error *err);
    void *user;
} tdm__market_resolver;

tdm_status tdm__market_compile(tdm__str yaml, const char *file, const tdm__market_resolver *resolver, char **out,
                               size_t *out_len, tdm_error *err);

/* The built-in market ZZ (self-hosted): own model only, no partner, no filing, without expiry. Static. */
const tdm__market_policy *tdm__market_policy_zz(void);

#endif
