/* transfer.h - the one function of tandem that opens a connection to another machine.
 *
 * Today it has one profile, the fetch of weights: https (http only to this machine's loopback), redirects to https and
 * the environment's proxy allowed, no cookies, no credentials, no user data. Every answer is bounded by the size that
 * the caller expects. A check of the tree bans connecting calls in every other file.
 */
#ifndef TDM_NET_TRANSFER_H
#define TDM_NET_TRANSFER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "tandem/status.h"

typedef struct tdm__transfer {
    const char *url;
    uint64_t bytes_total; /* of the whole file: an answer that promises or sends another number is refused */
    uint64_t offset;      /* of the first byte that is wanted; the rest is asked for by a range */
    unsigned connect_timeout_s, stall_timeout_s;
    const atomic_bool *cancel; /* may be NULL; looked at several times a second */
    /* Gets the bytes in order, at their offset in the file. An answer that ignores the range begins at offset 0
     * again. Another status than OK ends the transfer with that status. */
    tdm_status (*write)(void *user, uint64_t offset, const void *bytes, size_t n, tdm_error *err);
    void (*tick)(void *user); /* may be NULL; called several times a second, also while nothing arrives */
    void *user;
} tdm__transfer;

/* ERR_INVAL the URL is not allowed; ERR_UPSTREAM, ERR_TIMEOUT, ERR_CANCELLED, or what write gave. Blocks; any thread,
 * also several at once. */
tdm_status tdm__transfer_get(const tdm__transfer *t, tdm_error *err);

/* Whether tdm__transfer_get would take the URL: https://HOST/.., or http://{127.0.0.1,localhost,[::1]}[:PORT]/.. ,
 * printable, no user name in it. */
tdm_status tdm__transfer_check_url(const char *url, tdm_error *err);

#endif
