/* resolve.h - a partner's name to addresses, asked of one DNS server that the policy names, and of no other.
 *
 * The system's resolver is never used: it reads resolv.conf, hosts files and search lists, which belong to whoever runs
 * the network and not to the policy. The name is absolute. The loop that waits is made, used and freed inside the call.
 */
#ifndef TDM_NET_RESOLVE_H
#define TDM_NET_RESOLVE_H

#include <stdatomic.h>
#include <stddef.h>

#include "tandem/status.h"

enum { TDM__ADDRESSES_MAX = 8, TDM__ADDRESS_TEXT = 46 };

typedef struct tdm__addresses {
    char text[TDM__ADDRESSES_MAX][TDM__ADDRESS_TEXT]; /* numeric, IPv6 without brackets */
    size_t n;
} tdm__addresses;

/* "192.0.2.1:53", "[2001:db8::1]:53": an address and a port, no name. ERR_INVAL. */
tdm_status tdm__dns_server_check(const char *dns_server, tdm_error *err);

/* Asks for A and AAAA; host has no dot at its end. Blocks at most timeout_ms; any thread. *out on success, with at
 * least one address. ERR_INVAL, ERR_TIMEOUT, ERR_CANCELLED (cancel, may be NULL, is looked at each 20 ms),
 * ERR_UPSTREAM when the server knows no such name or fails. */
tdm_status tdm__resolve(const char *host, const char *dns_server, unsigned timeout_ms, const atomic_bool *cancel,
                        tdm__addresses *out, tdm_error *err);

#endif
