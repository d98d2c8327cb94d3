/* http_listen.c - the address, the listening socket, and what happens when file descriptors run out.
 *
 * SO_REUSEPORT is never set: a second daemon on one port is told so, instead of getting every other request.
 */
#include <errno.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "net/http_internal.h"

enum { ACCEPT_PAUSE_MS = 100, LISTEN_BACKLOG = 128 };

/* Decimal digits up to 65535; -1 otherwise. */
static int parse_port(const char *text)
{
    int port = 0, n = 0;
    for (; text[n] >= '0' && text[n] <= '9' && n < 6; n++)
        port = port * 10 + (text[n] - '0');
    return n == 0 || text[n] != '\0' || port > 65535 ? -1 : port;
}

tdm_status tdm__http_address_parse(const char *text, tdm__http_address *out, tdm_error *err)
{
    const char *colon = strrchr(text, ':');
    const bool brackets = text[0] == '[' && colon && colon > text && colon[-1] == ']';
    const size_t n = colon ? (size_t)(colon - text) - (brackets ? 2 : 0) : 0;
    const int port = colon ? parse_port(colon + 1) : -1;
    tdm__http_address a = {.is_ipv6 = brackets};
    unsigned char bytes[16];
    if (port < 0 || n == 0 || n >= sizeof a.host)
        goto fail;
    a.port = (uint16_t)port;
    memcpy(a.host, text + (brackets ? 1 : 0), n);
    if (!brackets && strcmp(a.host, "localhost") == 0)
        memcpy(a.host, "127.0.0.1", sizeof "127.0.0.1");
    if (evutil_inet_pton(brackets ? AF_INET6 : AF_INET, a.host, bytes) != 1)
        goto fail;
    static const unsigned char loopback_6[16] = {[15] = 1}, any[16];
    a.is_loopback = brackets ? memcmp(bytes, loopback_6, sizeof bytes) == 0 : bytes[0] == 127;
    a.is_any = memcmp(bytes, any, brackets ? 16 : 4) == 0;
    evutil_inet_ntop(brackets ? AF_INET6 : AF_INET, bytes, a.host, sizeof a.host); /* one form: it is compared */
    *out = a;
    return TDM_OK;
fail:
    TDM_FAIL(err, TDM_ERR_INVAL, "\"%.60s\" is no numeric address with a port, such as 127.0.0.1:8420", text);
}

/* A socket that takes both families shows an IPv4 peer as ::ffff:a.b.c.d. */
static void put_host_6(const unsigned char bytes[16], char out[TDM__HTTP_HOST_TEXT])
{
    static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    const bool is_4 = memcmp(bytes, mapped, sizeof mapped) == 0;
    evutil_inet_ntop(is_4 ? AF_INET : AF_INET6, is_4 ? bytes + sizeof mapped : bytes, out, TDM__HTTP_HOST_TEXT);
}

/* 0.0.0.0/8, 224.0.0.0/3 (many receivers, reserved, all of a network), ::, ff00::/8: nobody connects from there. */
static bool is_nobody(const unsigned char *bytes, bool is_ipv6)
{
    static const unsigned char any[16];
    return is_ipv6 ? bytes[0] == 0xFF || memcmp(bytes, any, sizeof any) == 0 : bytes[0] == 0 || bytes[0] >= 224;
}

tdm_status tdm__http_host_parse(const char *text, char out[TDM__HTTP_HOST_TEXT], tdm_error *err)
{
    unsigned char bytes[16];
    char host[TDM__HTTP_HOST_TEXT];
    if (evutil_inet_pton(AF_INET, text, bytes) == 1)
        evutil_inet_ntop(AF_INET, bytes, host, sizeof host);
    else if (evutil_inet_pton(AF_INET6, text, bytes) == 1)
        put_host_6(bytes, host);
    else
        TDM_FAIL(err, TDM_ERR_INVAL, "\"%.60s\" is no numeric address, such as 10.0.0.1 or fd00::1", text);
    const bool is_ipv6 = strchr(host, ':') != NULL;
    if (evutil_inet_pton(is_ipv6 ? AF_INET6 : AF_INET, host, bytes) != 1 || is_nobody(bytes, is_ipv6))
        TDM_FAIL(err, TDM_ERR_INVAL, "%s is no address of one machine: nobody connects from it", host);
    memcpy(out, host, sizeof host);
    return TDM_OK;
}

void tdm__http_peer_text(const struct sockaddr *from, char out[TDM__HTTP_HOST_TEXT])
{
    out[0] = '\0';
    if (from->sa_family == AF_INET)
        evutil_inet_ntop(AF_INET, &((const struct sockaddr_in *)from)->sin_addr, out, TDM__HTTP_HOST_TEXT);
    else if (from->sa_family == AF_INET6)
        put_host_6(((const struct sockaddr_in6 *)from)->sin6_addr.s6_addr, out);
}

static void accepted(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int from_len, void *user)
{
    (void)l;
    (void)from_len;
    tdm__http_conn_open(user, fd, from);
}

/* No descriptors or memory: the socket stays readable, so accepting pauses instead of spinning. */
static void accept_failed(struct evconnlistener *l, void *user)
{
    tdm__http_server *s = user;
    evconnlistener_disable(l);
    struct timeval tv = {.tv_usec = ACCEPT_PAUSE_MS * 1000};
    evtimer_add(s->accept_again, &tv);
}

static void accept_goes_on(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    tdm__http_server *s = user;
    if (s->listener)
        evconnlistener_enable(s->listener);
}

static size_t make_sockaddr(const tdm__http_address *a, struct sockaddr_storage *ss)
{
    memset(ss, 0, sizeof *ss);
    if (a->is_ipv6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(a->port);
        evutil_inet_pton(AF_INET6, a->host, &in6->sin6_addr);
        return sizeof *in6;
    }
    struct sockaddr_in *in4 = (struct sockaddr_in *)ss;
    in4->sin_family = AF_INET;
    in4->sin_port = htons(a->port);
    evutil_inet_pton(AF_INET, a->host, &in4->sin_addr);
    return sizeof *in4;
}

static uint16_t port_of(evutil_socket_t fd, bool is_ipv6)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof ss;
    if (getsockname((int)fd, (struct sockaddr *)&ss, &len) != 0)
        return 0;
    return ntohs(is_ipv6 ? ((struct sockaddr_in6 *)&ss)->sin6_port : ((struct sockaddr_in *)&ss)->sin_port);
}

tdm_status tdm__http_server_listen(tdm__http_server *s, tdm__http_address *a, tdm_error *err)
{
    struct sockaddr_storage ss;
    const size_t len = make_sockaddr(a, &ss);
    struct event_base *base = tdm__loop_base(s->loop);
    const unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
    s->accept_again = evtimer_new(base, accept_goes_on, s);
    if (!s->accept_again)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the HTTP server");
    s->listener = evconnlistener_new_bind(base, accepted, s, flags, LISTEN_BACKLOG, (struct sockaddr *)&ss, (int)len);
    if (!s->listener) {
        int e = errno;
        tdm__http_listen_close(s);
        if (e == EADDRINUSE)
            TDM_FAIL(err, TDM_ERR_BUSY, "%s port %u is in use; does another tandem serve there?", a->host,
                     (unsigned)a->port);
        return tdm__fail_os(err, e, "%s port %u cannot be listened on", a->host, (unsigned)a->port);
    }
    evconnlistener_set_error_cb(s->listener, accept_failed);
    a->port = port_of(evconnlistener_get_fd(s->listener), a->is_ipv6);
    return TDM_OK;
}

void tdm__http_listen_close(tdm__http_server *s)
{
    if (s->listener)
        evconnlistener_free(s->listener);
    if (s->accept_again)
        event_free(s->accept_again);
    s->listener = NULL;
    s->accept_again = NULL;
}
