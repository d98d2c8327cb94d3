/* envelope.h - a signed document: {"signed":{"_type":..,..},"signatures":[{"keyid":..,"sig":..}]}.
 *
 * TUF's own shape, used for everything that is signed: repository metadata, device records, device tokens, entries of
 * filings. A signature is Ed25519 over the canonical form of "signed". Nothing here decides whom to believe.
 */
#ifndef TDM_POLICY_ENVELOPE_H
#define TDM_POLICY_ENVELOPE_H

#include <jansson.h>

#include "base/str.h"
#include "policy/key.h"
#include "tandem/status.h"

enum { TDM__ENVELOPE_BYTES_MAX = 1 << 20, TDM__SIGNATURES_MAX = 32 };

/* Parses and checks the shape: _type is type, signatures are well-formed, no key signs twice. *out is the caller's
 * reference. what names the document ("device record"). */
tdm_status tdm__envelope_parse(tdm__str bytes, const char *type, const char *what, json_t **out, tdm_error *err);

/* The same for a document that is parsed already. */
tdm_status tdm__envelope_check_shape(const json_t *envelope, const char *type, const char *what, tdm_error *err);

/* Borrowed. */
const json_t *tdm__envelope_signed(const json_t *envelope);

/* The id of the only signer, or NULL when there is none or several. Borrowed. */
const char *tdm__envelope_signer(const json_t *envelope);

/* OK when key has a good signature in it; ERR_INTEGRITY. */
tdm_status tdm__envelope_verify(const json_t *envelope, const tdm__public_key *key, const char *what, tdm_error *err);

/* How many of the n_keys keys (each given once) have a good signature in it: what a threshold is compared with.
 * ERR_FORMAT when "signed" has no canonical form. */
tdm_status tdm__envelope_count_good(const json_t *envelope, const tdm__public_key *const *keys, size_t n_keys,
                                    size_t *n_good, tdm_error *err);

/* A new envelope around signed (a new reference is taken), without signatures. NULL: out of memory. */
json_t *tdm__envelope_create(json_t *signed_part);

/* Adds the key's signature, or replaces the one it had. */
tdm_status tdm__envelope_sign(json_t *envelope, const tdm__secret_key *key, tdm_error *err);

/* SHA-256 of the canonical form of "signed": what another document refers to it by. */
tdm_status tdm__envelope_digest(const json_t *envelope, char hex[TDM__SHA256_TEXT], tdm_error *err);

#endif
