/* http_server.c - the life of a connection: read, hand over, flush, and again; deadlines; the client that leaves.
 *
 * conn_run is the only place that frees a connection while it is on the stack, so handlers may answer, abort or do
 * nothing. Bytes of later requests stay in libevent's input buffer, which is looked at, never limited by a water
 * mark: a mark would stop the reading, and with it the news that the client is gone.
 */
#include "net/http_server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "net/http_internal.h"
#include "os/clock.h"
#include "os/heap.h"

enum { LINGER_BYTES_MAX = 4 * 1024 * 1024 };

tdm__http_server_options tdm__http_server_options_default(void)
{
    return (tdm__http_server_options){
        .limits = {.target_bytes_max = 2048, .head_bytes_max = 16 * 1024, .body_bytes_max = 1024 * 1024},
        .connections_max = 256,
        .requests_per_connection_max = 1000,
        .ahead_bytes_max = 16 * 1024,
        .output_bytes_max = 1024 * 1024,
        .head_timeout_ms = 10000,
        .body_timeout_ms = 30000,
        .idle_timeout_ms = 75000,
        .write_timeout_ms = 20000,
        .linger_ms = 2000,
    };
}

static void conn_free(tdm__http_conn *c)
{
    tdm__http_server *s = c->server;
    if (c->prev)
        c->prev->next = c->next;
    else
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    s->n_conns--;
    if (c->deadline)
        event_free(c->deadline);
    if (c->bev)
        bufferevent_free(c->bev);
    tdm__http_parse_destroy(c->parse);
    tdm__free(c);
    if (s->draining && s->n_conns == 0)
        s->handler.on_drained(s->user);
}

void tdm__http_conn_drop(tdm__http_conn *c)
{
    if (c->running)
        c->dead = true;
    else
        conn_free(c);
}

/* The client left, or is thrown out, whatever the stage. */
static void conn_lost(tdm__http_conn *c)
{
    if (c->stage == CONN_DUE || c->stage == CONN_STREAMING) {
        c->stage = CONN_LINGERING; /* the handler's calls find nothing to do any more */
        c->server->handler.on_gone(c->server->user, c);
    }
    tdm__http_conn_drop(c);
}

static void deadline_set(tdm__http_conn *c, int ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    evtimer_add(c->deadline, &tv);
}

/* The end of a connection on which nothing is due: a client over TLS is told that nothing was cut off. */
static void conn_close(tdm__http_conn *c)
{
    if (c->is_tls) {
        SSL_shutdown(bufferevent_openssl_get_ssl(c->bev));
        ERR_clear_error(); /* the client need not be there any more */
    }
}

/* The answer has left: the next request, or the end. */
static void conn_flushed(tdm__http_conn *c)
{
    const tdm__http_server_options *o = &c->server->options;
    if (c->close_after || c->eof || c->server->draining) {
        conn_close(c);
        if (c->eof || !c->unread_input) {
            tdm__http_conn_drop(c);
            return;
        }
        c->stage = CONN_LINGERING;
        shutdown(bufferevent_getfd(c->bev), SHUT_WR);
        deadline_set(c, o->linger_ms);
        return;
    }
    tdm__http_parse_next(c->parse);
    c->stage = CONN_READING;
    c->data = NULL;
    c->chunked = c->head_only = false;
    deadline_set(c, o->idle_timeout_ms);
}

static void hand_over(tdm__http_conn *c)
{
    tdm__http_server *s = c->server;
    evtimer_del(c->deadline);
    c->stage = CONN_DUE;
    c->unread_input = false;
    s->handler.on_request(s->user, c, tdm__http_parse_request(c->parse));
}

static void head_read(tdm__http_conn *c)
{
    tdm__http_server *s = c->server;
    const tdm__http_request *q = tdm__http_parse_request(c->parse);
    c->n_requests++;
    c->exchange_id = ++s->exchange_id_last;
    c->head_ns = tdm__clock_ns();
    c->head_only = q->method == TDM__HTTP_HEAD;
    c->close_after = !q->keep_alive || c->n_requests >= s->options.requests_per_connection_max || s->draining;
    c->stage = CONN_DUE;
    c->unread_input = !tdm__http_parse_is_complete(c->parse);
    if (!s->handler.on_head(s->user, c, q))
        return;
    c->stage = CONN_READING;
    deadline_set(c, s->options.body_timeout_ms);
    if (q->expects_continue && evbuffer_get_length(bufferevent_get_input(c->bev)) == 0)
        bufferevent_write(c->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

static void refuse(tdm__http_conn *c, const tdm__http_fault *f)
{
    evtimer_del(c->deadline);
    if (c->exchange_id == 0 || c->stage == CONN_READING)
        c->exchange_id = ++c->server->exchange_id_last;
    c->stage = CONN_DUE;
    c->close_after = c->unread_input = true;
    c->server->handler.on_fault(c->server->user, c, f);
}

/* Feeds what has come to the parser until it needs more or an answer is due. */
static void conn_read(tdm__http_conn *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    while (c->stage == CONN_READING && !c->dead) {
        struct evbuffer_iovec piece = {0};
        evbuffer_peek(in, -1, NULL, &piece, 1);
        bool was_inside = tdm__http_parse_is_inside(c->parse);
        size_t taken;
        tdm__http_progress r = tdm__http_parse_feed(c->parse, piece.iov_base, piece.iov_len, &taken);
        evbuffer_drain(in, taken);
        if (r == TDM__HTTP_HEAD_READ)
            head_read(c);
        else if (r == TDM__HTTP_DONE)
            hand_over(c);
        else if (r == TDM__HTTP_BAD)
            refuse(c, tdm__http_parse_fault(c->parse));
        else if (!was_inside && tdm__http_parse_is_inside(c->parse) && c->n_requests > 0)
            deadline_set(c, c->server->options.head_timeout_ms);
        if (r == TDM__HTTP_MORE && evbuffer_get_length(in) == 0)
            return;
    }
}

/* What a refused client still sends is thrown away, so that it gets to read why; but not for ever. */
static void conn_linger(tdm__http_conn *c, struct evbuffer *in)
{
    c->lingered_bytes += evbuffer_get_length(in);
    evbuffer_drain(in, evbuffer_get_length(in));
    if (c->lingered_bytes > LINGER_BYTES_MAX)
        c->dead = true;
}

/* One turn: reads, and goes on to later requests whose bytes are here as soon as the output is empty. */
static void conn_run(tdm__http_conn *c)
{
    if (c->running)
        return;
    c->running = true;
    struct evbuffer *in = bufferevent_get_input(c->bev);
    struct evbuffer *out = bufferevent_get_output(c->bev);
    do {
        if (c->stage == CONN_LINGERING)
            conn_linger(c, in);
        if (c->stage == CONN_READING)
            conn_read(c);
        if (!c->dead && c->stage == CONN_FLUSHING && evbuffer_get_length(out) == 0)
            conn_flushed(c);
    } while (!c->dead && c->stage == CONN_READING && evbuffer_get_length(in) > 0);
    bool ahead = c->stage == CONN_DUE || c->stage == CONN_STREAMING || c->stage == CONN_FLUSHING;
    if (!c->dead && ahead && !c->close_after && evbuffer_get_length(in) > c->server->options.ahead_bytes_max)
        conn_lost(c);
    if (!c->dead && ahead && c->close_after)
        evbuffer_drain(in, evbuffer_get_length(in)); /* nobody will look at it */
    c->running = false;
    if (c->dead)
        conn_free(c);
}

void tdm__http_conn_answered(tdm__http_conn *c)
{
    c->stage = CONN_FLUSHING;
    conn_run(c);
}

static void readable(struct bufferevent *bev, void *user)
{
    (void)bev;
    conn_run(user);
}

static void writable(struct bufferevent *bev, void *user)
{
    (void)bev;
    conn_run(user);
}

static void happened(struct bufferevent *bev, short what, void *user)
{
    (void)bev;
    tdm__http_conn *c = user;
    if (what & BEV_EVENT_CONNECTED)
        return; /* the handshake is done */
    if (c->is_tls && !SSL_is_init_finished(bufferevent_openssl_get_ssl(c->bev)))
        c->server->n_handshakes_failed++;
    bool left = (what & (BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT)) || c->stage != CONN_FLUSHING;
    c->eof = true;
    if (left)
        conn_lost(c);
    else /* the answer is whole: a client that shut only its sending side may still read it */
        conn_run(c);
}

static void deadline_passed(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    tdm__http_conn *c = user;
    if (c->stage != CONN_READING || !tdm__http_parse_is_inside(c->parse)) {
        if (c->n_requests > 0 && c->stage == CONN_READING)
            conn_close(c);
        conn_lost(c);
        return;
    }
    tdm__http_fault f = {.status = 408};
    tdm__fail(&f.error, TDM_ERR_TIMEOUT, "the request did not arrive within the time that a client has for it");
    refuse(c, &f);
}

/* Too many: the client gets a sentence instead of a wait. The socket's own buffer takes it at once. Over TLS a sentence
 * would take a handshake first, which is what is too much. */
static void turn_away(tdm__http_server *s, evutil_socket_t fd, bool with_sentence)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\n"
                                 "Content-Type: application/json\r\nContent-Length: 118\r\n\r\n"
                                 "{\"error\":{\"message\":\"too many connections are open\",\"type\":"
                                 "\"server_error\",\"param\":null,\"code\":\"too_many_connections\"}}";
    s->n_turned_away++;
    if (with_sentence && send((int)fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        /* it is closed either way */
    }
    evutil_closesocket(fd);
}

static bool is_welcome(const tdm__http_server *s, const struct sockaddr *from)
{
    char peer[TDM__HTTP_HOST_TEXT];
    if (s->options.only_from[0] == '\0')
        return true;
    tdm__http_peer_text(from, peer);
    return strcmp(peer, s->options.only_from) == 0;
}

static struct bufferevent *make_bufferevent(tdm__http_server *s, evutil_socket_t fd)
{
    struct event_base *base = tdm__loop_base(s->loop);
    if (!s->tls)
        return bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    SSL *ssl = tdm__tls_accept(s->tls);
    return ssl ? bufferevent_openssl_socket_new(base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE) : NULL;
}

void tdm__http_conn_open(tdm__http_server *s, evutil_socket_t fd, const struct sockaddr *from)
{
    const bool welcome = is_welcome(s, from);
    if (!welcome || s->n_conns >= s->options.connections_max) {
        turn_away(s, fd, welcome && !s->tls);
        return;
    }
    tdm__http_conn *c = tdm__calloc(1, sizeof *c);
    if (!c) {
        evutil_closesocket(fd);
        return;
    }
    const int on = 1; /* answers go out in whole pieces: no waiting for more */
    setsockopt((int)fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->server = s;
    c->next = s->conns;
    if (s->conns)
        s->conns->prev = c;
    s->conns = c;
    s->n_conns++;
    c->is_tls = s->tls != NULL;
    c->bev = make_bufferevent(s, fd);
    if (!c->bev)
        evutil_closesocket(fd);
    c->deadline = evtimer_new(tdm__loop_base(s->loop), deadline_passed, c);
    if (!c->bev || !c->deadline || tdm__http_parse_create(&s->options.limits, &c->parse, NULL) != TDM_OK) {
        conn_free(c);
        return;
    }
    bufferevent_setcb(c->bev, readable, writable, happened, c);
    const int ms = s->options.write_timeout_ms;
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    bufferevent_set_timeouts(c->bev, NULL, &tv);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    deadline_set(c, s->options.head_timeout_ms);
}

tdm_status tdm__http_server_create(tdm__loop *l, const tdm__http_server_options *o, const tdm__http_handler *h,
                                   void *user, tdm__http_server **out, tdm_error *err)
{
    tdm__http_server *s = tdm__calloc(1, sizeof *s);
    if (!s)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the HTTP server");
    *s = (tdm__http_server){.loop = l, .options = *o, .handler = *h, .user = user};
    *out = s;
    return TDM_OK;
}

void tdm__http_server_destroy(tdm__http_server *s)
{
    if (!s)
        return;
    tdm__http_listen_close(s);
    while (s->conns)
        conn_lost(s->conns);
    tdm__free(s);
}

void tdm__http_server_drain(tdm__http_server *s)
{
    tdm__http_listen_close(s);
    s->draining = true;
    for (tdm__http_conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        if (c->stage == CONN_READING && !tdm__http_parse_is_inside(c->parse)) {
            if (c->n_requests > 0)
                conn_close(c);
            tdm__http_conn_drop(c);
        } else {
            c->close_after = true;
        }
    }
}

void tdm__http_server_configure(tdm__http_server *s, const tdm__http_server_options *o, tdm__tls *tls)
{
    s->options = *o;
    s->tls = tls;
}

uint64_t tdm__http_server_n_turned_away(const tdm__http_server *s) { return s->n_turned_away; }

uint64_t tdm__http_server_n_handshakes_failed(const tdm__http_server *s) { return s->n_handshakes_failed; }

size_t tdm__http_server_n_connections(const tdm__http_server *s) { return s->n_conns; }

const tdm__http_request *tdm__http_conn_request(const tdm__http_conn *c) { return tdm__http_parse_request(c->parse); }

double tdm__http_conn_age_ms(const tdm__http_conn *c)
{
    return c->head_ns == 0 ? 0 : (double)(tdm__clock_ns() - c->head_ns) / 1e6;
}

void *tdm__http_conn_data(const tdm__http_conn *c) { return c->data; }

void tdm__http_conn_set_data(tdm__http_conn *c, void *data) { c->data = data; }

uint64_t tdm__http_conn_exchange_id(const tdm__http_conn *c) { return c->exchange_id; }

void tdm__http_conn_close_after(tdm__http_conn *c) { c->close_after = true; }
