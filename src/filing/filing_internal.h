/* filing_internal.h - what the files of src/filing share: a case as it is walked, entry by entry. */
#ifndef TDM_FILING_FILING_INTERNAL_H
#define TDM_FILING_FILING_INTERNAL_H

#include "filing/filing.h"

enum { TDM__SECTION_MAKER = 0, TDM__SECTION_PROVIDER, TDM__SECTIONS };

/* "maker", "provider". */
extern const char *const tdm__filing_section_names[TDM__SECTIONS];

typedef struct tdm__filing_entry {
    const json_t *envelope; /* borrowed from the case's document, as all texts are */
    const json_t *body;     /* what is signed */
    tdm__filing_action action;
    int64_t date_unix_s;
    char sha256[TDM__SHA256_TEXT];
    tdm__public_key signer;
    json_t *signer_json; /* who that is, for people; owned */
} tdm__filing_entry;

/* What the entries so far come to. */
typedef struct tdm__filing_progress {
    tdm__filing_state state; /* never EXPIRED: that is APPROVED at a later time */
    int64_t since_unix_s;
    int64_t expires_unix_s; /* INT64_MAX without an end */
    bool is_submitted[TDM__SECTIONS];
    size_t n_open_questions;
    bool is_hypothetical;
} tdm__filing_progress;

struct tdm__filing_case {
    json_t *document;
    bool is_checked;
    bool is_demo;
    const char *id, *market, *maker, *provider;
    const char *features[TDM__FILING_FEATURES_MAX];
    size_t n_features;
    tdm__filing_model models[TDM__FILING_MODELS_MAX];
    size_t n_models;
    tdm__filing_entry *entries;
    size_t n_entries;
    tdm__filing_progress progress;
};

/* Which roles may take the step in that state, as bits 1 << tdm__key_role, and where it leads; 0: nobody. */
unsigned tdm__filing_roles(tdm__filing_action action, tdm__filing_state from, tdm__filing_state *to);

/* The state at a time. */
tdm__filing_state tdm__filing_progress_state(const tdm__filing_progress *p, int64_t at_unix_s);

/* Reads one entry as it stands alone: envelope, common members, the members of its action. what names it. ERR_FORMAT,
 * ERR_LIMIT, ERR_INTEGRITY for a signature that is not its signer's. */
tdm_status tdm__filing_entry_read(const json_t *envelope, const char *what, tdm__filing_entry *out, tdm_error *err);

/* "maker" and "provider" to their index; false for other words. */
bool tdm__filing_section_find(const char *name, size_t *out);

/* Takes what a NEW entry names into the case. */
tdm_status tdm__filing_case_take_new(tdm__filing_case *c, const tdm__filing_entry *e, const char *what, tdm_error *err);

/* Who signed, for people: {"key","role","id","name":{"en","zh"}}, role "" and no id when nobody vouches. New reference;
 * NULL: out of memory. */
json_t *tdm__filing_signer_json(const tdm__public_key *key, const tdm__keyring_entry *entry);

#endif
