/* signed_maker.h - fixed keys, a keyring over them, and envelopes signed by any of them, right or wrong.
 *
 * The keys are made from one byte each, so that what they sign is the same in every run (a corpus can hold it). All
 * belong to a demonstration.
 */
#ifndef TDM_HARNESS_SIGNED_MAKER_H
#define TDM_HARNESS_SIGNED_MAKER_H

#include <jansson.h>

#include "policy/key.h"
#include "policy/keyring.h"

typedef enum signed_maker_who {
    SIGNED_MAKER = 0,      /* "DEMO-MAKER" */
    SIGNED_PROVIDER,       /* "DEMO-PROVIDER" */
    SIGNED_REGULATOR,      /* "DEMO-REGULATOR", for CN */
    SIGNED_REGULATOR_2,    /* another key of the same one */
    SIGNED_REGULATOR_US,   /* for US */
    SIGNED_GATEWAY,
    SIGNED_OTHER_MAKER,    /* a maker and a provider whom no case names */
    SIGNED_OTHER_PROVIDER,
    SIGNED_REVOKED,        /* a regulator's for CN, revoked */
    SIGNED_PAST,           /* a regulator's for CN, until 2025-01-01 */
    SIGNED_IN_KEYRING,
    SIGNED_STRANGER = SIGNED_IN_KEYRING, /* in no keyring */
    SIGNED_DEVICE,
    SIGNED_ALL,
} signed_maker_who;

void signed_maker_key(signed_maker_who who, tdm__secret_key *out);

/* keys.json of a demonstration: every key before SIGNED_IN_KEYRING for CN (or US), valid 2025 to 2030. */
tdm__keyring *signed_maker_keyring(void);

/* The same document for a file; revoked is one more key that was revoked, or SIGNED_ALL. New reference. */
json_t *signed_maker_keys_json(signed_maker_who revoked);

/* An envelope around body (its reference is taken), signed by who. New reference. */
json_t *signed_maker_sign(json_t *body, signed_maker_who who);

#endif
