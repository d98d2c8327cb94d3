/* policy_print.h - what is trusted, what is published, and one market's policy, for people or as JSON. */
#ifndef TDM_CLI_POLICY_PRINT_H
#define TDM_CLI_POLICY_PRINT_H

#include <jansson.h>

#include "policy/trust.h"

/* {"demo","version","time","suspect","markets":{CC:{"version","expires","state"}},"targets":{PATH:{"sha256","bytes"}}};
 * state is "in_time" or "expired" at now_unix_s. NULL: out of memory. */
json_t *tdm__policy_trust_json(const tdm__trust *t, int64_t now_unix_s);
void tdm__policy_print_trust(const json_t *view);

/* {"market","role_version","expires","sha256","policy":{the policy}}. ERR_NOT_FOUND when it has none. */
tdm_status tdm__policy_market_json(const tdm__trust *t, const char *market, json_t **out, tdm_error *err);
void tdm__policy_print_market(const json_t *view);

/* Of tdm__repository_status. */
void tdm__policy_print_repository(const json_t *status);

#endif
