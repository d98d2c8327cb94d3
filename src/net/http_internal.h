/* http_internal.h - what http_server.c, http_answer.c and http_listen.c share. */
#ifndef TDM_NET_HTTP_INTERNAL_H
#define TDM_NET_HTTP_INTERNAL_H

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "net/http_server.h"

typedef enum conn_stage {
    CONN_READING = 0, /* a request, or waiting for one */
    CONN_DUE,         /* handed over, nothing answered yet */
    CONN_STREAMING,   /* head sent, pieces come */
    CONN_FLUSHING,    /* all of the answer is in the output buffer */
    CONN_LINGERING,   /* our side is shut, the client may still read */
} conn_stage;

struct tdm__http_conn {
    tdm__http_server *server;
    tdm__http_conn *next, *prev;
    struct bufferevent *bev;
    struct event *deadline;
    tdm__http_parse *parse;
    conn_stage stage;
    uint64_t exchange_id;
    uint64_t head_ns; /* when the head was whole */
    size_t n_requests;
    size_t lingered_bytes;
    void *data;
    bool running;      /* conn_run is on the stack: it frees, nobody else */
    bool dead;         /* to be freed by conn_run */
    bool chunked;      /* the stream's pieces are chunks */
    bool close_after;  /* no further request on this connection */
    bool unread_input; /* the client may still be sending: linger */
    bool eof;          /* the client's side is shut */
    bool head_only;    /* HEAD: no body bytes */
    bool is_tls;
};

struct tdm__http_server {
    tdm__loop *loop;
    tdm__http_server_options options;
    tdm__http_handler handler;
    void *user;
    tdm__tls *tls; /* borrowed; NULL: none */
    struct evconnlistener *listener;
    struct event *accept_again;
    tdm__http_conn *conns;
    size_t n_conns;
    uint64_t exchange_id_last, n_turned_away, n_handshakes_failed;
    bool draining;
};

/* http_server.c */
void tdm__http_conn_open(tdm__http_server *s, evutil_socket_t fd, const struct sockaddr *from);
void tdm__http_conn_answered(tdm__http_conn *c); /* the answer is in the output buffer; may free c */
void tdm__http_conn_drop(tdm__http_conn *c);     /* without on_gone */

/* http_listen.c */

/* The address of a peer in the form of tdm__http_host_parse. */
void tdm__http_peer_text(const struct sockaddr *from, char out[TDM__HTTP_HOST_TEXT]);
void tdm__http_listen_close(tdm__http_server *s);

#endif
