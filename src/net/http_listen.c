/* http_listen.c - the address, the listening socket, and what happens when file descriptors run out.
 *
 * SO_REUSEPORT is never set: a second daemon on one port is told so, instead of getting every other request.
 */
#include <errno.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "net/http_internal.h"

enum { ACCEPT_PAUSE_MS = 100, LISTEN_BACKLOG = 128 };

tdm_status tdm__http_address_parse(const char *text, tdm__http_address *out, tdm_error *err)
{
    static const char local[] = "localhost:";
    char numeric[64];
    const bool named = strncmp(text, local, sizeof local - 1) == 0;
    int n = snprintf(numeric, sizeof numeric, "%s%s", named ? "127.0.0.1:" : "",
                     named ? text + sizeof local - 1 : text);
    struct sockaddr_storage ss = {0};
    int len = sizeof ss;
    const char *colon = strrchr(numeric, ':');
    if (n < 0 || (size_t)n >= sizeof numeric || !colon || colon[1] == '\0' ||
        evutil_parse_sockaddr_port(numeric, (struct sockaddr *)&ss, &len) != 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "\"%.60s\" is no numeric address with a port, such as 127.0.0.1:8420", text);
    tdm__http_address a = {.is_ipv6 = ss.ss_family == AF_INET6};
    if (a.is_ipv6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&ss;
        a.port = ntohs(in6->sin6_port);
        a.is_loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
        evutil_inet_ntop(AF_INET6, &in6->sin6_addr, a.host, sizeof a.host);
    } else {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)&ss;
        a.port = ntohs(in4->sin_port);
        a.is_loopback = ntohl(in4->sin_addr.s_addr) >> 24 == 127;
        evutil_inet_ntop(AF_INET, &in4->sin_addr, a.host, sizeof a.host);
    }
    *out = a;
    return TDM_OK;
}

static void accepted(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int from_len, void *user)
{
    (void)l;
    (void)from;
    (void)from_len;
    tdm__http_conn_open(user, fd);
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
        TDM_FAIL(err, TDM_ERR_IO, "%s port %u cannot be listened on: %s", a->host, (unsigned)a->port, strerror(e));
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
