/* filing.h - an approval case: what two filers submit, what the regulator says, and what that opens.
 *
 * A case is a chain of signed, dated entries (envelopes of _type "filing-entry"); each names the SHA-256 of the one
 * before, so none can be left out, added between or put in another order. The state is what the entries say, computed
 * each time; there is no state field that somebody could set. A case names a market, features, this maker's own model
 * (by SHA-256) and the partner's (by id and declared date); only approved opens, and only what is named. The format is
 * in docs/formats/filing.md. A case is immutable after create and may be read by several threads.
 *
 *      (none) -> DRAFT -> SUBMITTED -> UNDER_REVIEW -> APPROVED -> (EXPIRED with time)
 *                  |          |             |  ^ ask,     |
 *                  |          |             |  | answer   v
 *                  +----------+-> WITHDRAWN | +-+      WITHDRAWN (by the regulator)
 *                     (by a filer)          +-> REFUSED
 */
#ifndef TDM_FILING_FILING_H
#define TDM_FILING_FILING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "policy/key.h"
#include "policy/keyring.h"
#include "tandem/status.h"

typedef enum tdm__filing_state {
    TDM__FILING_NONE = 0,
    TDM__FILING_DRAFT,
    TDM__FILING_SUBMITTED,
    TDM__FILING_UNDER_REVIEW,
    TDM__FILING_APPROVED,
    TDM__FILING_REFUSED,
    TDM__FILING_WITHDRAWN,
    TDM__FILING_EXPIRED, /* approved once; only time leads here */
} tdm__filing_state;

const char *tdm__filing_state_name(tdm__filing_state s); /* "submitted" */

/* What an entry does. Who may: new, submit, answer: a filer; review, ask, approve, refuse: the regulator; withdraw:
 * a filer before the verdict, the regulator after it. */
typedef enum tdm__filing_action {
    TDM__FILING_NEW = 1,
    TDM__FILING_SUBMIT,
    TDM__FILING_REVIEW,
    TDM__FILING_ASK,
    TDM__FILING_ANSWER,
    TDM__FILING_APPROVE,
    TDM__FILING_REFUSE,
    TDM__FILING_WITHDRAW,
} tdm__filing_action;

const char *tdm__filing_action_name(tdm__filing_action a); /* "submit" */

enum {
    TDM__FILING_ID_MAX = 64,
    TDM__FILING_FEATURES_MAX = 32,
    TDM__FILING_MODELS_MAX = 16,
    TDM__FILING_DOCUMENTS_MAX = 64, /* an entry */
    TDM__FILING_CONDITIONS_MAX = 16,
    TDM__FILING_TEXT_MAX = 2000, /* bytes of a question, an answer, a condition */
    TDM__FILING_ENTRIES_MAX = 256,
    TDM__FILING_CASE_BYTES_MAX = 1 << 20,
    TDM__FILING_SKEW_S = 300, /* an entry may be dated this much after the reader's clock */
};

typedef struct tdm__filing_model {
    const char *partner; /* "": the maker's own */
    const char *model;   /* public name, or the id that the partner calls it by */
    const char *sha256;  /* own: of the weights; "" else */
    const char *date;    /* partner's: declared; "" else */
} tdm__filing_model;

typedef struct tdm__filing_case tdm__filing_case;

/* Reads {"_type":"filing-case","entries":[envelope..]}; verifies the chain, every signature, every signer's role for
 * the market at the entry's date, and every transition. A case with one bad entry is no case (ERR_INTEGRITY,
 * ERR_FORMAT, ERR_LIMIT); entries dated after now are refused too. The case keeps nothing of keys. ERR_INVAL when
 * keys is NULL: whoever has no keyring believes nobody. */
tdm_status tdm__filing_case_create(tdm__str json, const tdm__keyring *keys, int64_t now_unix_s, tdm__filing_case **out,
                                   tdm_error *err);
/* The same but for who the signers are: each signature is checked against the key that its entry names, and that key
 * may be anybody's. For tools that make and show cases; nothing may be opened by such a case. */
tdm_status tdm__filing_case_create_unchecked(tdm__str json, int64_t now_unix_s, tdm__filing_case **out, tdm_error *err);
/* Whether a keyring has vouched for the signers. */
bool tdm__filing_case_is_checked(const tdm__filing_case *c);
void tdm__filing_case_destroy(tdm__filing_case *c); /* NULL-safe */

const char *tdm__filing_case_id(const tdm__filing_case *c);     /* "DEMO-CN-2025-0001" */
const char *tdm__filing_case_market(const tdm__filing_case *c); /* "CN" */
/* Whether a filer's section ("maker", "provider") was submitted; both make a draft submitted. */
bool tdm__filing_case_has_section(const tdm__filing_case *c, const char *section);
bool tdm__filing_case_is_demo(const tdm__filing_case *c);
bool tdm__filing_case_is_hypothetical(const tdm__filing_case *c); /* the last verdict is marked so */

/* The state at a time: an approval with an end becomes EXPIRED there. */
tdm__filing_state tdm__filing_case_state(const tdm__filing_case *c, int64_t at_unix_s);
/* The time at which the state changes by itself; INT64_MAX: never. */
int64_t tdm__filing_case_expires_unix_s(const tdm__filing_case *c);
/* When the present state began. */
int64_t tdm__filing_case_since_unix_s(const tdm__filing_case *c);

size_t tdm__filing_case_n_features(const tdm__filing_case *c);
const char *tdm__filing_case_feature(const tdm__filing_case *c, size_t i);
size_t tdm__filing_case_n_models(const tdm__filing_case *c);
const tdm__filing_model *tdm__filing_case_model(const tdm__filing_case *c, size_t i);
size_t tdm__filing_case_n_entries(const tdm__filing_case *c);
const json_t *tdm__filing_case_entry(const tdm__filing_case *c, size_t i); /* the envelope, borrowed */
/* SHA-256 of the last entry: what a journal and an optimistic writer name the case's state by. */
const char *tdm__filing_case_head(const tdm__filing_case *c);

/* The case as people and pages see it: id, market, state, filers, sections, documents, questions, verdict,
 * conditions, history (docs/formats/filing.md). New reference; NULL: out of memory. */
json_t *tdm__filing_case_json(const tdm__filing_case *c, int64_t now_unix_s);

/* A new entry for the case (NULL with TDM__FILING_NEW: a new case). fields are the action's own, as filing.md has them:
 *   NEW      id, market, features [text..], models [{partner, model, sha256 or date}..], maker, provider, demo
 *   SUBMIT   section ("maker"|"provider"), documents [{name, bytes, sha256}..]
 *   REVIEW   none
 *   ASK      text
 *   ANSWER   text, documents (optional)
 *   APPROVE  all optional: conditions [text..], expires, hypothetical (in a demo's case always true)
 *   REFUSE, WITHDRAW   text (optional)
 * maker and provider are the filers' ids in the keyring (or one of their names there): only they act as filers here.
 * keys NULL: the new signer is not checked, as by create_unchecked. *out_json is the whole case with the entry,
 * malloc'd. ERR_REFUSED when the step is not allowed (state, role, date); ERR_FORMAT, ERR_LIMIT for fields that are
 * none. */
tdm_status tdm__filing_case_extend(const tdm__filing_case *c, tdm__filing_action action, const json_t *fields,
                                   const tdm__secret_key *key, const tdm__keyring *keys, int64_t now_unix_s,
                                   char **out_json, tdm_error *err);

/* OK when later is earlier with none or more entries behind it: a case may only grow (no withdrawal can be rolled
 * back). ERR_INTEGRITY. */
tdm_status tdm__filing_case_check_growth(const tdm__filing_case *earlier, const tdm__filing_case *later,
                                         tdm_error *err);

#endif
