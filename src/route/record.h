/* record.h - the device record: who this device is to its maker, above all where it was sold.
 *
 * An envelope of _type "device-record", signed by a maker's key: device (a pseudonym), device_key (TUF's key object),
 * sku, sold_in (ISO 3166-1 alpha-2), profile, issued, expires, demo. Region comes from here and from nowhere else: no
 * flag, variable, header, field, cookie, location, SIM or address is ever asked.
 */
#ifndef TDM_ROUTE_RECORD_H
#define TDM_ROUTE_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "policy/key.h"
#include "policy/keyring.h"
#include "policy/market.h"
#include "tandem/status.h"

enum {
    TDM__RECORD_BYTES_MAX = 16384,
    TDM__RECORD_SKEW_S = 300, /* how far a maker's clock may be ahead of ours */
};

typedef struct tdm__device_record {
    char device[65];
    tdm__public_key device_key;
    char sku[65];
    char sold_in[3];
    tdm__profile profile;
    int64_t issued_unix_s, expires_unix_s;
    bool is_demo;
    char signer[TDM__KEY_ID_TEXT];
    char sha256[TDM__SHA256_TEXT]; /* the envelope's digest: what a token binds */
} tdm__device_record;

/* "adult", "child", "managed". */
const char *tdm__device_profile_name(tdm__profile p);
bool tdm__device_profile_parse(const char *name, tdm__profile *out);

/* Reads the shape and checks that a signature is there; whom it is of is checked by verify. envelope may be NULL, else
 * *envelope is the caller's reference. ERR_FORMAT, ERR_LIMIT, ERR_INTEGRITY for what is signed by nobody or by several,
 * ERR_NOMEM. */
tdm_status tdm__device_record_parse(tdm__str json, tdm__device_record *out, json_t **envelope, tdm_error *err);

typedef enum tdm__record_fault {
    TDM__RECORD_FINE = 0,
    TDM__RECORD_FORMAT,
    TDM__RECORD_SIGNATURE,
    TDM__RECORD_KEY_UNKNOWN, /* no maker's key of this market, or not of that role */
    TDM__RECORD_KEY_REVOKED,
    TDM__RECORD_NOT_YET_VALID,
    TDM__RECORD_EXPIRED,
    TDM__RECORD_DEMO, /* a demo record under a real root, or the reverse */
} tdm__record_fault;

/* Whether a keyring's maker has signed it, and whether it is in force at now; the sentence is in *err. The keyring
 * knows markets and the record a country: that the maker's key may speak for the market which covers the country is
 * asked of the keyring by whoever knows the market (record.signer, record.issued_unix_s). */
tdm__record_fault tdm__device_record_verify(const json_t *envelope, const tdm__device_record *r,
                                            const tdm__keyring *keys, bool is_demo_root, int64_t now_unix_s,
                                            tdm_error *err);

/* A new, signed one as JSON text (malloc'd); signer and sha256 of r are not looked at. ERR_INVAL when parse would not
 * take it: a time that ends before it begins, a demonstration whose device's id does not begin with DEMO-. */
tdm_status tdm__device_record_make(const tdm__device_record *r, const tdm__secret_key *maker, char **out,
                                   tdm_error *err);

/* A device token for a gateway: an envelope of _type "device-token" signed by the device's own key: record (digest),
 * gateway, issued, expires (at most 5 minutes later), nonce, consent (receipt id or ""). */
typedef struct tdm__device_token {
    char record_sha256[TDM__SHA256_TEXT];
    char gateway[65];
    char nonce[33];
    char consent[33];
    int64_t issued_unix_s, expires_unix_s;
} tdm__device_token;

enum {
    TDM__TOKEN_LIFE_MAX_S = 300,
    TDM__TOKEN_SKEW_S = 60, /* how far the device's clock may be ahead of the gateway's */
    TDM__TOKEN_BYTES_MAX = 4096,
};

/* t->nonce: 32 hexadecimal digits, new for each token. Signs for the record whose digest t holds; *out is malloc'd. */
tdm_status tdm__device_token_make(const tdm__device_token *t, const tdm__secret_key *device, char **out,
                                  tdm_error *err);
/* Signature by the record's device key, binding to the record and gateway, times. Replay is the caller's to see, by
 * nonce, which must be kept until expires. ERR_INTEGRITY: not this device's, or not for us; ERR_TIMEOUT: not in its
 * time; ERR_FORMAT, ERR_LIMIT. *out only on success. */
tdm_status tdm__device_token_verify(tdm__str json, const tdm__device_record *r, const char *gateway,
                                    int64_t now_unix_s, tdm__device_token *out, tdm_error *err);

#endif
