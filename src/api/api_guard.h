/* api_guard.h - which requests are for us at all: Host, Origin, Sec-Fetch-Site, Content-Type.
 *
 * Every web page that the user opens can send requests to the loopback interface, and to any address it knows.
 * Three checks keep them out: Host must be a name of ours (against DNS rebinding), Origin must be our own page's
 * (against cross-site scripts), and a POST must be application/json (which makes browsers ask first, and we never
 * answer an OPTIONS with permission). Programs send no Origin and pass.
 */
#ifndef TDM_API_API_GUARD_H
#define TDM_API_API_GUARD_H

#include "api/api_error.h"
#include "net/http_server.h"

/* What we are called. */
typedef struct tdm__own_names {
    const tdm__http_address *address; /* where we listen; that address and localhost are names of ours */
    const char *hosts;  /* more of them, with one blank between two; NULL: none */
    bool is_https;      /* to clients: TLS of our own, or of a proxy before us */
    bool is_proxied;    /* a host without a port is the proxy's, at the port that https has */
} tdm__own_names;

/* Host, Origin, Sec-Fetch-Site. False with 403 or 421 in *e. is_page: the request is for the page itself, which links
 * may lead to. */
bool tdm__guard_origin(const tdm__http_request *q, const tdm__own_names *own, bool is_page, tdm__api_error *e);

/* The body's type, of a POST. False with 415 in *e. */
bool tdm__guard_body(const tdm__http_request *q, tdm__api_error *e);

#endif
