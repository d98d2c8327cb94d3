/* market_zz.c - the built-in market of a program that was given no device record.
 *
 * Compiled in, so that no file can widen it: this device's own model, no partner, no expiry. share/markets/ZZ.yaml says
 * the same for people; a test compiles it and compares every member, and its hash with the one below.
 */
#include "policy/market.h"

#define ANY_PROFILE (TDM__PROFILE_ADULT | TDM__PROFILE_CHILD | TDM__PROFILE_MANAGED)

static const tdm__policy_backend own_model = {
    .role = TDM__ROLE_ENGINE,
    .model = "any",
    .model_name = "the model of this device",
    .model_date = "",
    .data_region = "device",
    .profiles = ANY_PROFILE,
    .canary_bp = TDM__BASIS_POINTS,
};

static const tdm__policy_cell cells[] = {
    {.feature = "assistant", .backends = &own_model, .n_backends = 1},
    {.feature = "chat", .backends = &own_model, .n_backends = 1},
    {.feature = "prioritise", .backends = &own_model, .n_backends = 1},
    {.feature = "proofread", .backends = &own_model, .n_backends = 1},
    {.feature = "reply", .backends = &own_model, .n_backends = 1},
    {.feature = "rewrite", .backends = &own_model, .n_backends = 1},
    {.feature = "summarize", .backends = &own_model, .n_backends = 1},
};

static const tdm__market_policy zz = {
    .market = "ZZ",
    .name_en = "Self-hosted",
    .name_zh = "自托管",
    .version = 1,
    .sha256 = "f5ba52e86deb188f178476d08c1167703ec52cd47f13c1155297d62bba256f5e",
    .shape = TDM__SHAPE_OWN_ONLY,
    .label_en = "",
    .label_zh = "",
    .dns_server = "",
    .cells = cells,
    .n_cells = sizeof cells / sizeof cells[0],
};

const tdm__market_policy *tdm__market_policy_zz(void) { return &zz; }
