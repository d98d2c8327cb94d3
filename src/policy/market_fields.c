/* market_fields.c - every member of a market policy: its name, kind and bounds. docs/formats/market.md is this table in
 * words. */
#include "policy/market_internal.h"

enum { TEXT_MAX = 128, ID_MAX = 64, NAME_MAX_BYTES = 96 };

static const tdm__field_word shapes[] = {
    {"own-and-partner", TDM__SHAPE_OWN_AND_PARTNER},
    {"own-only", TDM__SHAPE_OWN_ONLY},
    {"partner-only", TDM__SHAPE_PARTNER_ONLY},
    {0},
};

static const tdm__field_word roles[] = {
    {"engine", TDM__ROLE_ENGINE}, {"hand-off", TDM__ROLE_HANDOFF}, {"filter", TDM__ROLE_FILTER}, {0},
};

static const tdm__field_word profiles[] = {
    {"adult", TDM__PROFILE_ADULT}, {"child", TDM__PROFILE_CHILD}, {"managed", TDM__PROFILE_MANAGED}, {0},
};

#define POLICY(member) TDM__FIELD_AT(tdm__market_policy, member)
#define PARTNER(member) TDM__FIELD_AT(tdm__policy_partner, member)
#define BACKEND(member) TDM__FIELD_AT(tdm__policy_backend, member)
#define CELL(member) TDM__FIELD_AT(tdm__policy_cell, member)

static const tdm__field policy_name[] = {
    {"en", .kind = TDM__FIELD_TEXT, POLICY(name_en), .min = 1, .max = NAME_MAX_BYTES},
    {"zh", .kind = TDM__FIELD_TEXT, POLICY(name_zh), .min = 1, .max = NAME_MAX_BYTES},
    {0},
};

static const tdm__field policy_label[] = {
    {"visible", .kind = TDM__FIELD_BOOL, POLICY(needs_label)},
    {"en", .kind = TDM__FIELD_TEXT, POLICY(label_en), .max = TEXT_MAX, .may_miss = true},
    {"zh", .kind = TDM__FIELD_TEXT, POLICY(label_zh), .max = TEXT_MAX, .may_miss = true},
    {0},
};

const tdm__field tdm__market_fields[] = {
    {"_type", .kind = TDM__FIELD_ELSEWHERE},
    {"market", .kind = TDM__FIELD_WORD, POLICY(market), .min = 2, .max = 2},
    {"name", .kind = TDM__FIELD_OBJECT, .sub = policy_name},
    {"sold_in", .kind = TDM__FIELD_WORDS, POLICY(sold_in), .offset_n = offsetof(tdm__market_policy, n_sold_in),
     .max = 256},
    {"version", .kind = TDM__FIELD_INT, POLICY(version), .min = 1, .max = 0x1FFFFFFFFFFFFF}, /* 2^53 - 1 */
    {"demo", .kind = TDM__FIELD_BOOL, POLICY(is_demo), .may_miss = true},
    {"shape", .kind = TDM__FIELD_ENUM, POLICY(shape), .words = shapes},
    {"needs_filing", .kind = TDM__FIELD_BOOL, POLICY(needs_filing)},
    {"needs_accreditation", .kind = TDM__FIELD_BOOL, POLICY(needs_accreditation)},
    {"label", .kind = TDM__FIELD_OBJECT, .sub = policy_label},
    {"grace_s", .written = "grace_hours", .kind = TDM__FIELD_INT, POLICY(grace_s), .max = 30 * 24 * 3600,
     .may_miss = true},
    {"dns_server", .kind = TDM__FIELD_TEXT, POLICY(dns_server), .max = ID_MAX, .may_miss = true},
    {"packs", .kind = TDM__FIELD_WORDS, POLICY(packs), .offset_n = offsetof(tdm__market_policy, n_packs), .max = 64,
     .may_miss = true},
    {"partners", .kind = TDM__FIELD_ELSEWHERE, .may_miss = true},
    {"features", .kind = TDM__FIELD_ELSEWHERE},
    {0},
};

static const tdm__field partner_name[] = {
    {"en", .kind = TDM__FIELD_TEXT, PARTNER(name_en), .min = 1, .max = NAME_MAX_BYTES},
    {"zh", .kind = TDM__FIELD_TEXT, PARTNER(name_zh), .min = 1, .max = NAME_MAX_BYTES},
    {0},
};

static const tdm__field partner_accreditation[] = {
    {"number", .kind = TDM__FIELD_TEXT, PARTNER(accreditation), .min = 1, .max = TEXT_MAX},
    {"expires", .kind = TDM__FIELD_TIME, PARTNER(accreditation_expires_unix_s)},
    {0},
};

const tdm__field tdm__market_partner_fields[] = {
    {"name", .kind = TDM__FIELD_OBJECT, .sub = partner_name},
    {"legal_entity", .kind = TDM__FIELD_TEXT, PARTNER(legal_entity), .min = 1, .max = TEXT_MAX},
    {"profile", .kind = TDM__FIELD_WORD, PARTNER(profile_path), .min = 1, .max = 160},
    {"profile_sha256", .written = "", .kind = TDM__FIELD_SHA256, PARTNER(profile_sha256)},
    {"accreditation", .kind = TDM__FIELD_OBJECT, .sub = partner_accreditation, .may_miss = true},
    {"emulated", .kind = TDM__FIELD_BOOL, PARTNER(is_emulated), .may_miss = true},
    {0},
};

const tdm__field tdm__market_cell_fields[] = {
    {"kill", .kind = TDM__FIELD_BOOL, CELL(is_killed), .may_miss = true},
    {"backends", .kind = TDM__FIELD_ELSEWHERE},
    {0},
};

const tdm__field tdm__market_backend_fields[] = {
    {"backend", .kind = TDM__FIELD_ELSEWHERE},
    {"role", .kind = TDM__FIELD_ENUM, BACKEND(role), .words = roles},
    {"model", .kind = TDM__FIELD_WORD, BACKEND(model), .min = 1, .max = TEXT_MAX},
    {"model_name", .kind = TDM__FIELD_TEXT, BACKEND(model_name), .min = 1, .max = NAME_MAX_BYTES},
    {"model_date", .kind = TDM__FIELD_DATE, BACKEND(model_date), .may_miss = true},
    {"model_sha256", .kind = TDM__FIELD_SHA256, BACKEND(model_sha256), .may_miss = true},
    {"data_region", .kind = TDM__FIELD_TEXT, BACKEND(data_region), .min = 1, .max = ID_MAX, .may_miss = true},
    {"profiles", .kind = TDM__FIELD_SET, BACKEND(profiles), .words = profiles, .may_miss = true},
    {"canary_bp", .written = "canary", .kind = TDM__FIELD_INT, BACKEND(canary_bp), .max = TDM__BASIS_POINTS,
     .may_miss = true},
    {"kill", .kind = TDM__FIELD_BOOL, BACKEND(is_killed), .may_miss = true},
    {0},
};
