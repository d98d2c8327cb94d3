/* transfer_post.h - the one function that sends a user's bytes to another machine.
 *
 * It takes a decision's id and an endpoint out of a signed profile, and nothing else decides where bytes go: no default
 * host, no environment proxy, netrc, alt-svc, HSTS file or redirect; https only, http only to a loopback address that
 * the profile names; absolute host names, resolved by the policy's own DNS server and handed over, so that no other
 * resolver is ever asked; a connection serves one call. The answer comes as it arrives.
 */
#ifndef TDM_NET_TRANSFER_POST_H
#define TDM_NET_TRANSFER_POST_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "tandem/status.h"

typedef struct tdm__endpoint {
    const char *scheme; /* "https", or "http" for a loopback address */
    const char *host;   /* name or address; names are taken as absolute */
    uint16_t port;
    const char *path;   /* "/v1/chat/completions" */
    const char *ca_pem;      /* NULL: the system's */
    const char *pin_sha256;  /* of the public key (SPKI), base64 as curl takes it; NULL: none */
} tdm__endpoint;

typedef struct tdm__transfer_message {
    const char *decision_id; /* refused when empty: no byte without a decision */
    const char *market;      /* refused when empty */
    const char *dns_server;  /* "address:port"; a host that is a name is refused when empty */
    const tdm__endpoint *endpoint;
    const char *const *headers; /* "Name: value", NULL-terminated, or NULL; Content-Type and Accept are set here */
    tdm__str body;
    size_t answer_bytes_max;
    unsigned connect_timeout_ms;    /* from the call to a connection, DNS and TLS included */
    unsigned first_byte_timeout_ms; /* from the last byte sent to the first one of the answer */
    unsigned idle_timeout_ms;       /* between two bytes of the answer */
    unsigned total_timeout_ms;      /* from the call to the end; none of the four may be 0 */
    const atomic_bool *cancel; /* may be NULL; looked at at least each 100 ms */
    /* May be NULL; asked once more when the connection stands, before the first byte of the message: false is
     * ERR_CANCELLED, and only the connection was made. To connect may take seconds, in which much can change. */
    bool (*may_leave)(void *user);
    /* The status and content type before the first bytes (on_head may be NULL); each piece as it comes. A status < 0
     * ends the transfer with it, END ends it well: what has come is all that is wanted. */
    tdm_status (*on_head)(void *user, int http_status, const char *content_type, tdm_error *err);
    tdm_status (*on_bytes)(void *user, tdm__str bytes, tdm_error *err);
    void *user;
} tdm__transfer_message;

typedef struct tdm__transfer_result {
    char peer[64];                   /* address:port that we were connected to, "" when never */
    char certificate_sha256[65];     /* of the peer's certificate (DER), "" with http */
    uint64_t bytes_sent, bytes_received; /* of the two bodies */
    int retry_after_s;               /* of the answer's header; -1 without one */
} tdm__transfer_result;

/* Blocks; any thread. result is filled as far as it came, also on failure. ERR_INVAL the endpoint is not allowed (no
 * byte left), ERR_UPSTREAM, ERR_TIMEOUT, ERR_CANCELLED, ERR_LIMIT, or what a callback gave. */
tdm_status tdm__transfer_post(const tdm__transfer_message *t, tdm__transfer_result *result, tdm_error *err);

/* Whether the endpoint may be connected to at all. */
tdm_status tdm__endpoint_check(const tdm__endpoint *e, const char *dns_server, tdm_error *err);

#endif
