/* profile_fields.c - every member of a partner profile: its name, kind and bounds. docs/formats/partner-profile.md is
 * this table in words. */
#include "partner/profile_fields.h"

#include "partner/partner.h"

enum { NAME_BYTES_MAX = 96, TEXT_BYTES_MAX = 160, SENTENCE_BYTES_MAX = 400, TOKENS_MAX = 100000000,
       TIMEOUT_MAX_MS = 3600000 };

#define PROFILE(member) TDM__FIELD_AT(tdm__partner_profile, member)
#define PROFILE_N(member) .offset_n = offsetof(tdm__partner_profile, member)
#define PRICE(member) TDM__FIELD_AT(tdm__partner_price, member)
#define FACT(member) TDM__FIELD_AT(tdm__partner_fact, member)

static const tdm__field_word finishes[] = {
    {"stop", TDM__PARTNER_FINISH_STOP},
    {"length", TDM__PARTNER_FINISH_LENGTH},
    {"content_filter", TDM__PARTNER_FINISH_FILTERED},
    {"tool_calls", TDM__PARTNER_FINISH_TOOLS},
    {"cut", TDM__PARTNER_FINISH_CUT},
    {0},
};

static const tdm__field_word faults[] = {
    {"timeout", TDM__PARTNER_TIMEOUT},         {"auth", TDM__PARTNER_AUTH},
    {"quota", TDM__PARTNER_QUOTA},             {"rate", TDM__PARTNER_RATE},
    {"refused", TDM__PARTNER_REFUSED},         {"territory", TDM__PARTNER_TERRITORY},
    {"bad_request", TDM__PARTNER_BAD_REQUEST}, {"server", TDM__PARTNER_SERVER},
    {"too_long", TDM__PARTNER_TOO_LONG},       {0},
};

static const tdm__field_word evidence[] = {
    {"measured", TDM__EVIDENCE_MEASURED}, {"documented", TDM__EVIDENCE_DOCUMENTED}, {"vendor", TDM__EVIDENCE_VENDOR},
    {"press", TDM__EVIDENCE_PRESS},       {"recall", TDM__EVIDENCE_RECALL},         {0},
};

static const tdm__field name[] = {
    {"en", .kind = TDM__FIELD_TEXT, PROFILE(name_en), .min = 1, .max = NAME_BYTES_MAX},
    {"zh", .kind = TDM__FIELD_TEXT, PROFILE(name_zh), .min = 1, .max = NAME_BYTES_MAX},
    {0},
};

static const tdm__field endpoint[] = {
    {"scheme", .kind = TDM__FIELD_WORD, PROFILE(endpoint.scheme), .min = 4, .max = 5},
    {"host", .kind = TDM__FIELD_WORD, PROFILE(endpoint.host), .min = 1, .max = 253},
    {"port", .kind = TDM__FIELD_INT, PROFILE(endpoint.port), .min = 1, .max = 65535},
    {"path", .kind = TDM__FIELD_WORD, PROFILE(endpoint.path), .min = 1, .max = 256},
    {"pin_sha256", .kind = TDM__FIELD_TEXT, PROFILE(endpoint.pin_sha256), .min = 44, .max = 44, .may_miss = true},
    {0},
};

static const tdm__field timeouts[] = {
    {"connect_ms", .kind = TDM__FIELD_INT, PROFILE(connect_timeout_ms), .min = 1, .max = TIMEOUT_MAX_MS},
    {"first_byte_ms", .kind = TDM__FIELD_INT, PROFILE(first_byte_timeout_ms), .min = 1, .max = TIMEOUT_MAX_MS},
    {"idle_ms", .kind = TDM__FIELD_INT, PROFILE(idle_timeout_ms), .min = 1, .max = TIMEOUT_MAX_MS},
    {"total_ms", .kind = TDM__FIELD_INT, PROFILE(total_timeout_ms), .min = 1, .max = TIMEOUT_MAX_MS},
    {0},
};

static const tdm__field limits[] = {
    {"concurrent", .kind = TDM__FIELD_INT, PROFILE(concurrent_max), .max = INT32_MAX, .may_miss = true},
    {"requests_per_minute", .kind = TDM__FIELD_INT, PROFILE(requests_per_minute), .max = INT32_MAX, .may_miss = true},
    {"tokens_per_minute", .kind = TDM__FIELD_INT, PROFILE(tokens_per_minute), .max = INT32_MAX, .may_miss = true},
    {0},
};

static const tdm__field quirks[] = {
    {"thinking_switch", .kind = TDM__FIELD_WORD, PROFILE(quirks.thinking_switch), .max = 64, .may_miss = true},
    {"reasoning_in", .kind = TDM__FIELD_WORD, PROFILE(quirks.reasoning_in), .max = 64, .may_miss = true},
    {"max_tokens_name", .kind = TDM__FIELD_WORD, PROFILE(quirks.max_tokens_name), .max = 64, .may_miss = true},
    {"end_user_name", .kind = TDM__FIELD_WORD, PROFILE(quirks.end_user_name), .max = 64, .may_miss = true},
    {"error_code_in", .kind = TDM__FIELD_WORD, PROFILE(quirks.error_code_in), .max = 64, .may_miss = true},
    {"reasoning_echo", .kind = TDM__FIELD_BOOL, PROFILE(quirks.reasoning_echo), .may_miss = true},
    {"thinking_streams_only", .kind = TDM__FIELD_BOOL, PROFILE(quirks.thinking_streams_only), .may_miss = true},
    {"flat_content", .kind = TDM__FIELD_BOOL, PROFILE(quirks.flat_content), .may_miss = true},
    {"errors_in_200", .kind = TDM__FIELD_BOOL, PROFILE(quirks.errors_in_200), .may_miss = true},
    {"blanks_before_body", .kind = TDM__FIELD_BOOL, PROFILE(quirks.blanks_before_body), .may_miss = true},
    {"top_p_milli_min", .kind = TDM__FIELD_INT, PROFILE(quirks.top_p_milli_min), .max = 1000, .may_miss = true},
    {"top_p_milli_max", .kind = TDM__FIELD_INT, PROFILE(quirks.top_p_milli_max), .max = 1000, .may_miss = true},
    {"temperature_milli_min", .kind = TDM__FIELD_INT, PROFILE(quirks.temperature_milli_min), .max = 2000,
     .may_miss = true},
    {"temperature_milli_max", .kind = TDM__FIELD_INT, PROFILE(quirks.temperature_milli_max), .max = 2000,
     .may_miss = true},
    {"finish", .kind = TDM__FIELD_MAP, PROFILE(quirks.finish), PROFILE_N(quirks.n_finish), .words = finishes,
     .max = 32, .may_miss = true},
    {"errors", .kind = TDM__FIELD_MAP, PROFILE(quirks.errors), PROFILE_N(quirks.n_errors), .words = faults, .max = 128,
     .may_miss = true},
    {0},
};

static const tdm__field price[] = {
    {"model", .kind = TDM__FIELD_WORD, PRICE(model), .min = 1, .max = NAME_BYTES_MAX},
    {"currency", .kind = TDM__FIELD_WORD, PRICE(currency), .min = 3, .max = 3},
    {"input_tokens_max", .kind = TDM__FIELD_INT, PRICE(input_tokens_max), .max = TOKENS_MAX, .may_miss = true},
    {"input_micro", .kind = TDM__FIELD_INT, PRICE(input_micro), .max = INT64_MAX},
    {"cached_micro", .kind = TDM__FIELD_INT, PRICE(cached_micro), .max = INT64_MAX, .may_miss = true},
    {"output_micro", .kind = TDM__FIELD_INT, PRICE(output_micro), .max = INT64_MAX},
    {"source", .kind = TDM__FIELD_TEXT, PRICE(source), .min = 1, .max = TEXT_BYTES_MAX},
    {"read_on", .kind = TDM__FIELD_DATE, PRICE(read_on)},
    {0},
};

static const tdm__field fact[] = {
    {"about", .kind = TDM__FIELD_WORD, FACT(about), .min = 1, .max = 32},
    {"text", .kind = TDM__FIELD_TEXT, FACT(text), .min = 1, .max = SENTENCE_BYTES_MAX},
    {"source", .kind = TDM__FIELD_TEXT, FACT(source), .min = 1, .max = TEXT_BYTES_MAX},
    {"date", .kind = TDM__FIELD_DATE, FACT(date)},
    {"evidence", .kind = TDM__FIELD_ENUM, FACT(evidence), .words = evidence},
    {0},
};

const tdm__field tdm__partner_profile_fields[] = {
    {"_type", .kind = TDM__FIELD_ELSEWHERE},
    {"partner", .kind = TDM__FIELD_WORD, PROFILE(id), .min = 1, .max = 64},
    {"markets", .kind = TDM__FIELD_WORDS, PROFILE(markets), PROFILE_N(n_markets), .min = 1, .max = 64},
    {"name", .kind = TDM__FIELD_OBJECT, .sub = name},
    {"legal_entity", .kind = TDM__FIELD_TEXT, PROFILE(legal_entity), .min = 1, .max = TEXT_BYTES_MAX},
    {"region", .kind = TDM__FIELD_TEXT, PROFILE(region), .min = 1, .max = TEXT_BYTES_MAX},
    {"dialect", .kind = TDM__FIELD_WORD, PROFILE(dialect), .min = 1, .max = 32},
    {"endpoint", .kind = TDM__FIELD_OBJECT, .sub = endpoint, .may_miss = true},
    {"auth", .kind = TDM__FIELD_WORD, PROFILE(auth), .min = 1, .max = 16},
    {"key_ref", .kind = TDM__FIELD_TEXT, PROFILE(key_ref), .max = 256, .may_miss = true},
    {"model", .kind = TDM__FIELD_WORD, PROFILE(model), .min = 1, .max = NAME_BYTES_MAX},
    {"context_tokens", .kind = TDM__FIELD_INT, PROFILE(context_tokens), .max = TOKENS_MAX, .may_miss = true},
    {"output_tokens_max", .kind = TDM__FIELD_INT, PROFILE(output_tokens_max), .max = TOKENS_MAX, .may_miss = true},
    {"timeouts", .kind = TDM__FIELD_OBJECT, .sub = timeouts},
    {"limits", .kind = TDM__FIELD_OBJECT, .sub = limits, .may_miss = true},
    {"emulated", .kind = TDM__FIELD_BOOL, PROFILE(is_emulated), .may_miss = true},
    {"quirks", .kind = TDM__FIELD_OBJECT, .sub = quirks, .may_miss = true},
    {"prices", .kind = TDM__FIELD_LIST, PROFILE(prices), PROFILE_N(n_prices), .sub = price,
     .item_size = sizeof(tdm__partner_price), .max = 64, .may_miss = true},
    {"facts", .kind = TDM__FIELD_LIST, PROFILE(facts), PROFILE_N(n_facts), .sub = fact,
     .item_size = sizeof(tdm__partner_fact), .max = 64, .may_miss = true},
    {0},
};
