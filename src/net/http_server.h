/* http_server.h - HTTP/1.1 connections on the loop: bounded in bytes, time and number, one exchange at a time each.
 *
 * A request is handed over when it is whole; the answer is given at once or later, whole or as a stream, always on
 * the loop thread. While an answer is due the socket is still read, so that a client that leaves is noticed at once:
 * end of file counts as leaving, also after shutdown(SHUT_WR), because nothing tells the two apart before a write
 * fails. Requests that a client sends ahead wait in order; more than a few KiB of them end the connection. What a
 * slow reader leaves unread is bounded in bytes and time, then the exchange is given up.
 */
#ifndef TDM_NET_HTTP_SERVER_H
#define TDM_NET_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "net/http_loop.h"
#include "net/http_parse.h"
#include "net/http_tls.h"
#include "tandem/status.h"

typedef struct tdm__http_server tdm__http_server;

enum { TDM__HTTP_HOST_TEXT = 48 };

/* A connection with its present exchange. */
typedef struct tdm__http_conn tdm__http_conn;

typedef struct tdm__http_server_options {
    tdm__http_limits limits;
    size_t connections_max;
    size_t requests_per_connection_max;
    size_t ahead_bytes_max;  /* unread bytes of later requests while an answer is due */
    size_t output_bytes_max; /* unsent bytes of an answer */
    int head_timeout_ms;     /* from a request's first byte (from the accept for the first one) to its head's end */
    int body_timeout_ms;     /* from the head's end to the body's */
    int idle_timeout_ms;     /* between two requests */
    int write_timeout_ms;    /* without a byte taken by a client that has bytes to take */
    int linger_ms;           /* for a client to read a refusal before the socket closes */
    char only_from[TDM__HTTP_HOST_TEXT]; /* connections are taken from this address alone; "": from any */
} tdm__http_server_options;

tdm__http_server_options tdm__http_server_options_default(void);

/* Called on the loop thread. user is server-wide, tdm__http_conn_data belongs to one exchange. */
typedef struct tdm__http_handler {
    /* The head is read, the body is not. False when the request was answered here: the connection closes after. */
    bool (*on_head)(void *user, tdm__http_conn *c, const tdm__http_request *q);
    /* The request is whole; q is valid until the answer is ended. Answer now or later. */
    void (*on_request)(void *user, tdm__http_conn *c, const tdm__http_request *q);
    /* The bytes were no request that is taken here; answer with tdm__http_respond. */
    void (*on_fault)(void *user, tdm__http_conn *c, const tdm__http_fault *f);
    /* The client left before the answer was ended; c is invalid after the call. */
    void (*on_gone)(void *user, tdm__http_conn *c);
    /* Draining, and the last connection is closed: every answer has left. */
    void (*on_drained)(void *user);
} tdm__http_handler;

tdm_status tdm__http_server_create(tdm__loop *l, const tdm__http_server_options *o, const tdm__http_handler *h,
                                   void *user, tdm__http_server **out, tdm_error *err);

/* Closes everything; on_gone comes for exchanges that are open. NULL-safe. */
void tdm__http_server_destroy(tdm__http_server *s);

typedef struct tdm__http_address {
    char host[TDM__HTTP_HOST_TEXT]; /* numeric, IPv6 without brackets */
    uint16_t port; /* 0: any free one */
    bool is_ipv6;
    bool is_loopback;
    bool is_any; /* 0.0.0.0, [::]: all addresses of this machine */
} tdm__http_address;

/* The address of one machine, without a port, in the form that a peer's is shown in: "10.0.0.1", "fd00::1". ERR_INVAL,
 * also for one that stands for many or for none: "0.0.0.0", "::", "224.0.0.1". */
tdm_status tdm__http_host_parse(const char *text, char out[TDM__HTTP_HOST_TEXT], tdm_error *err);

/* "127.0.0.1:8420", "[::1]:8420", "localhost:8420" (the IPv4 one). ERR_INVAL. */
tdm_status tdm__http_address_parse(const char *text, tdm__http_address *out, tdm_error *err);

/* Opens the socket; a->port becomes the real one. ERR_BUSY when somebody else has the port. */
tdm_status tdm__http_server_listen(tdm__http_server *s, tdm__http_address *a, tdm_error *err);

/* What holds for connections that are opened from now on; of the others only the times change. tls (NULL: none) is
 * borrowed until the next call; connections under an older one live on. */
void tdm__http_server_configure(tdm__http_server *s, const tdm__http_server_options *o, tdm__tls *tls);

/* Takes no new connections, closes the idle ones, and closes the others after their present answer. */
void tdm__http_server_drain(tdm__http_server *s);

size_t tdm__http_server_n_connections(const tdm__http_server *s);

/* Connections that were closed before a byte of theirs was read: too many were open, or the address was none of those
 * that are taken. */
uint64_t tdm__http_server_n_turned_away(const tdm__http_server *s);
uint64_t tdm__http_server_n_handshakes_failed(const tdm__http_server *s);

/* ---- answering ---- */

/* Name and value of one more header field; values without control characters. */
typedef struct tdm__http_header {
    const char *name;
    const char *value;
} tdm__http_header;

/* A whole answer. c may be invalid afterwards. ERR_NOMEM: the connection is closed. */
tdm_status tdm__http_respond(tdm__http_conn *c, int status, const tdm__http_header *headers, size_t n_headers,
                             const char *content_type, tdm__str body);

/* A stream: head now, pieces, end. ERR_LIMIT when output_bytes_max would be passed: the piece is not taken. */
tdm_status tdm__http_begin(tdm__http_conn *c, int status, const tdm__http_header *headers, size_t n_headers,
                           const char *content_type);
tdm_status tdm__http_write(tdm__http_conn *c, tdm__str piece);
void tdm__http_end(tdm__http_conn *c); /* c may be invalid afterwards */

/* Gives an exchange up: the connection is cut without an end mark. on_gone does not come. c is invalid afterwards. */
void tdm__http_abort(tdm__http_conn *c);

/* After this answer the connection closes. Before respond or begin. */
void tdm__http_conn_close_after(tdm__http_conn *c);

/* The request of the present exchange, from its head on, and how long ago that head was whole. */
const tdm__http_request *tdm__http_conn_request(const tdm__http_conn *c);
double tdm__http_conn_age_ms(const tdm__http_conn *c);

/* What the handler keeps for the exchange; NULL at its begin. */
void *tdm__http_conn_data(const tdm__http_conn *c);
void tdm__http_conn_set_data(tdm__http_conn *c, void *data);

/* Running number of the exchange since the server's start. */
uint64_t tdm__http_conn_exchange_id(const tdm__http_conn *c);

/* The standard phrase of a status ("Not Found"). */
const char *tdm__http_status_phrase(int status);

#endif
