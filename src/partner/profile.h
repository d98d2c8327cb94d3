/* profile.h - one partner, as signed data: where its machine is, how it is spoken to, what is known about it.
 *
 * There is no default host anywhere. A key is a reference ("env:NAME", "file:/PATH"), never a value. A profile names
 * the markets it may serve, so that a file signed into another one is refused. Deviations, prices and facts are read
 * and kept for the adapters and the selection that need them; the OpenAI dialect uses none of them yet. The policy
 * names a profile by its SHA-256, so whoever signs the policy signs this. docs/formats/partner-profile.md has all
 * members.
 */
#ifndef TDM_PARTNER_PROFILE_H
#define TDM_PARTNER_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"
#include "base/str.h"
#include "net/transfer_post.h"
#include "policy/fields.h"
#include "tandem/status.h"

typedef enum tdm__partner_finish {
    TDM__PARTNER_FINISH_STOP = 1,
    TDM__PARTNER_FINISH_LENGTH,
    TDM__PARTNER_FINISH_FILTERED, /* its own content filter */
    TDM__PARTNER_FINISH_TOOLS,
    TDM__PARTNER_FINISH_CUT,      /* not the end of an answer, whatever it is called */
} tdm__partner_finish;

/* Where a vendor's interface departs from OpenAI's. "" and false: it does not. */
typedef struct tdm__partner_quirks {
    const char *thinking_switch;  /* "enable_thinking", "thinking.type" */
    const char *reasoning_in;     /* "reasoning_content", "reasoning_details", "think_tags" */
    const char *max_tokens_name;  /* "max_completion_tokens" */
    const char *end_user_name;    /* member for a pseudonym of the end user; nothing is ever put there */
    const char *error_code_in;    /* "error.code", "base_resp.status_code" */
    bool reasoning_echo;          /* earlier answers must carry their reasoning */
    bool thinking_streams_only;
    bool flat_content;            /* content lists are refused or dropped: texts only */
    bool errors_in_200;
    bool blanks_before_body;
    uint32_t top_p_milli_min, top_p_milli_max;           /* thousandths; 0 and 0: no limit of its own */
    uint32_t temperature_milli_min, temperature_milli_max;
    const tdm__field_pair *finish; /* finish_reason to tdm__partner_finish, where the name is not OpenAI's */
    size_t n_finish;
    const tdm__field_pair *errors; /* the vendor's code to tdm__partner_fault */
    size_t n_errors;
} tdm__partner_quirks;

/* Dated, with its source; a price never decides by itself. */
typedef struct tdm__partner_price {
    const char *model, *currency, *source;
    const char *read_on;       /* day on which somebody read it there */
    size_t input_tokens_max;   /* up to this length; 0: any */
    uint64_t input_micro, cached_micro, output_micro; /* millionths of the currency for a million tokens */
} tdm__partner_price;

typedef enum tdm__evidence {
    TDM__EVIDENCE_MEASURED = 1,
    TDM__EVIDENCE_DOCUMENTED,
    TDM__EVIDENCE_VENDOR, /* the vendor's claim */
    TDM__EVIDENCE_PRESS,
    TDM__EVIDENCE_RECALL, /* known, but no page was read for it */
} tdm__evidence;

typedef struct tdm__partner_fact {
    const char *about; /* "legal", "capacity", "offer", "choice" */
    const char *text, *source, *date;
    tdm__evidence evidence;
} tdm__partner_fact;

typedef struct tdm__partner_profile {
    const char *id;
    const char *const *markets; /* that it may serve: "CN" */
    size_t n_markets;
    const char *name_en, *name_zh;
    const char *legal_entity;
    const char *region;      /* where the vendor says the machine stands; not proven */
    const char *dialect;     /* "openai"; the others are data until their adapters are there */
    tdm__endpoint endpoint;  /* host "" where there is none: cannot be called */
    const char *auth;        /* "none", "bearer", "api-key" */
    const char *key_ref;     /* "env:NAME", "file:/PATH" or "" */
    const char *model;       /* default model id */
    size_t context_tokens, output_tokens_max; /* 0: not known */
    unsigned connect_timeout_ms, first_byte_timeout_ms, idle_timeout_ms, total_timeout_ms;
    uint32_t concurrent_max, requests_per_minute, tokens_per_minute; /* the account's; 0: not known */
    bool is_emulated;
    tdm__partner_quirks quirks;
    const tdm__partner_price *prices;
    size_t n_prices;
    const tdm__partner_fact *facts;
    size_t n_facts;
    char sha256[TDM__SHA256_TEXT]; /* of the signed bytes */
} tdm__partner_profile;

/* From the signed JSON. The profile owns copies. ERR_FORMAT names the member and the nearest known one; a key that
 * stands there as a value is refused and not repeated. */
tdm_status tdm__partner_profile_create(tdm__str json, tdm__partner_profile **out, tdm_error *err);
void tdm__partner_profile_destroy(tdm__partner_profile *p); /* NULL-safe */

/* Whether the profile names the market. */
bool tdm__partner_profile_serves(const tdm__partner_profile *p, const char *market);

#endif
