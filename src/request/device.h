/* device.h - what this device is while it runs: its record, the rules in force, consents, journal, screen, profiles.
 *
 * One folder holds all of it (HOME/state): policy.json (trust.h), device.json, filings/, usage.sqlite, journal. A
 * changed policy or filing is verified, written as a whole, and then becomes a new immutable set of rules; requests
 * that run keep the set that they were decided by, and look whether it still stands before each byte to a partner.
 * Once a record or a policy is installed the built-in market ZZ cannot come back: a device with a policy whose record
 * is gone is off. Any thread.
 */
#ifndef TDM_REQUEST_DEVICE_H
#define TDM_REQUEST_DEVICE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/journal.h"
#include "base/log.h"
#include "partner/profile.h"
#include "route/decide.h"
#include "route/rules.h"
#include "screen/screen.h"
#include "tandem/status.h"
#include "usage/usage.h"

typedef struct tdm__device tdm__device;

/* state_dir is made when missing (0700). record_path: a record to install ("" none). The first is installed also when
 * it does not verify: everything is then off with the reason. One that differs from what is installed replaces it only
 * when it verifies, is of the same device and is newer (ERR_INTEGRITY, ERR_INVAL: nothing has changed). */
tdm_status tdm__device_open(const char *state_dir, const char *record_path, tdm__device **out, tdm_error *err);
/* The same with a log, copied, for what is found installed and not believed; the other one writes to stderr. */
tdm_status tdm__device_open_logging(const char *state_dir, const char *record_path, const tdm__log *log,
                                    tdm__device **out, tdm_error *err);
void tdm__device_close(tdm__device *d); /* NULL-safe */

/* The log that it was opened with, for what belongs to it. */
const tdm__log *tdm__device_log(const tdm__device *d);

/* The rules of the moment with what belongs to them; immutable, counted. release when the request has ended. */
typedef struct tdm__rules_set {
    const tdm__rules *rules;
    const tdm__screen *screen;
    uint64_t generation; /* grows with each change */
} tdm__rules_set;

const tdm__rules_set *tdm__device_acquire(tdm__device *d);
void tdm__device_release(tdm__device *d, const tdm__rules_set *s);

/* Whether the set is still the one in force. */
bool tdm__device_is_current(tdm__device *d, const tdm__rules_set *s);

/* The signed profile of a partner in that set; borrowed until release. ERR_NOT_FOUND. */
tdm_status tdm__device_profile(tdm__device *d, const tdm__rules_set *s, const char *partner,
                               const tdm__partner_profile **out, tdm_error *err);

/* For the loader: the model that is loaded now. */
void tdm__device_set_model(tdm__device *d, const char *sha256, size_t device_tokens_max);

/* Owner's: a new state of the repository (bundle), a case with a new entry. Verified, durable, in force when they
 * return. *fault is the update's code. */
tdm_status tdm__device_put_policy(tdm__device *d, tdm__str bundle, tdm__trust_fault *fault, tdm_error *err);
tdm_status tdm__device_put_filing(tdm__device *d, tdm__str case_json, tdm_error *err);

/* Airplane mode; kept over restarts. */
tdm_status tdm__device_set_network(tdm__device *d, bool is_off, tdm_error *err);
bool tdm__device_network_is_off(tdm__device *d);

/* Breaker of a partner, by what its calls came to. */
void tdm__device_note_partner(tdm__device *d, const char *partner, bool was_fine);

tdm__usage *tdm__device_usage(tdm__device *d);
tdm__journal *tdm__device_journal(tdm__device *d);

/* Reads this process's journal front to back (journal.h). */
tdm_status tdm__device_read_journal(tdm__device *d,
                                    tdm_status (*fn)(void *user, const tdm__leaf_read *leaf, tdm_error *err),
                                    void *user, tdm_error *err);

/* What is asked of a decision from outside; the rest (clock, states, consents, random) is the device's. */
typedef struct tdm__ask {
    const char *feature;
    const char *named_partner; /* "" */
    size_t prompt_tokens;
    bool has_attachments;
    tdm__backend_state own_state;
} tdm__ask;

/* Fills the facts of the moment and decides under s. ERR_IO when there are no random bytes. */
tdm_status tdm__device_decide(tdm__device *d, const tdm__rules_set *s, const tdm__ask *ask, tdm__decision *out,
                              tdm_error *err);

/* GET /v1/features: {NAME:{state,reason,text,text_zh,..}} for every feature that tandem knows or the policy names. */
json_t *tdm__device_features(tdm__device *d, tdm__backend_state own_state, int percent);

/* GET /v1/filings: the cases as pages see them. New reference; NULL: out of memory. */
json_t *tdm__device_cases(tdm__device *d);

/* GET /v1/device: record, market, policy version and freshness, demo, cases in short. */
json_t *tdm__device_json(tdm__device *d);

#endif
