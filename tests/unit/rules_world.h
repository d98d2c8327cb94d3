/* rules_world.h - signed files of a demonstration for tests of the rules: shipped markets, a record, cases. */
#ifndef TDM_TEST_RULES_WORLD_H
#define TDM_TEST_RULES_WORLD_H

#include "fake_trust.h"
#include "route/rules.h"
#include "signed_maker.h"

enum { RULES_NOW = 1739347200, RULES_DAY = 86400 }; /* 2025-02-12T08:00:00Z */

#define RULES_OWN_SHA256 "719a0a67f61ad0e3beb0f4e6d5bd1f9a3f9d9f35d8ce0e9c0f2bbf8d9a4b1c2d"

/* Whatever fails here ends the test program. Texts are malloc'd. */

/* keys.json in which maker, provider and regulator speak for all shipped markets. */
char *rules_keys_json(void);
tdm__keyring *rules_keyring(void);

/* share/markets/MARKET.yaml as the JSON that is signed. */
char *rules_policy_json(const char *market);

/* A record of a device that was sold somewhere, valid from 10 days before RULES_NOW to 10 after. */
char *rules_record_json(const char *sold_in, tdm__profile profile, signed_maker_who maker);

/* A case in one of case_maker's states ("ending" ends a day after RULES_NOW) about one feature and one model; partner
 * "" is this maker's own. Its entries are dated within the day before RULES_NOW. */
char *rules_case_json(const char *state, const char *id, const char *market, const char *feature, const char *partner,
                      const char *model, const char *date_or_sha256);

tdm__filing_case *rules_case(const char *json);

/* Trust in keys.json and the policies given (JSON, by market; terminated by NULL). */
typedef struct rules_policy {
    const char *market, *json;
} rules_policy;
void rules_trust(tdm__trust *out, const char *keys_json, const rules_policy *policies);

#endif
