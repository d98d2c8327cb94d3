/* profile.h - one partner in one market, as signed data: where its machine is, how it is spoken to, what it is.
 *
 * There is no default host anywhere. A key is a reference ("env:NAME", "file:PATH"), never a value. Fields that later
 * adapters need (dialect deviations, prices, limits) are read and kept, not yet used.
 */
#ifndef TDM_PARTNER_PROFILE_H
#define TDM_PARTNER_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"
#include "base/str.h"
#include "net/transfer_post.h"
#include "tandem/status.h"

typedef struct tdm__partner_profile {
    const char *id, *market;
    const char *name_en, *name_zh;
    const char *legal_entity;
    const char *region;      /* where the vendor says the machine stands; not proven */
    const char *dialect;     /* "openai"; others are data of a later issue */
    tdm__endpoint endpoint;  /* host "" in a profile that was not made live: cannot be called */
    const char *auth;        /* "none", "bearer", "api-key" */
    const char *key_ref;     /* "env:NAME", "file:PATH" or "" */
    const char *model;       /* default model id */
    size_t context_tokens, output_tokens_max;
    unsigned connect_timeout_ms, first_byte_timeout_ms, idle_timeout_ms, total_timeout_ms;
    bool is_emulated;
    char sha256[TDM__SHA256_TEXT]; /* of the signed bytes */
} tdm__partner_profile;

/* The profile owns copies. ERR_FORMAT names the member and the nearest known one. */
tdm_status tdm__partner_profile_create(tdm__str json, tdm__partner_profile **out, tdm_error *err);
void tdm__partner_profile_destroy(tdm__partner_profile *p); /* NULL-safe */

#endif
