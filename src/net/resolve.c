/* resolve.c - libevent's evdns on an event_base of its own.
 *
 * evdns is given one server and no file of the system (flag 0, DNS_QUERY_NO_SEARCH). Both kinds of address are asked
 * at once; once one kind is there the other gets a short grace, because some servers never answer AAAA.
 */
#include "net/resolve.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "os/clock.h"

enum { TICK_MS = 20, OTHER_KIND_MS = 250 };

typedef struct lookup {
    struct event_base *base;
    const atomic_bool *cancel;
    uint64_t deadline_ns;
    int n_pending;
    int failure; /* of evdns, 0: none yet */
    bool is_cancelled;
    bool is_over;
    tdm__addresses found;
} lookup;

static bool server_parse(const char *text, struct sockaddr_storage *out, int *out_len)
{
    *out_len = (int)sizeof *out;
    if (!text || evutil_parse_sockaddr_port(text, (struct sockaddr *)out, out_len) != 0)
        return false;
    const uint16_t port = out->ss_family == AF_INET ? ((const struct sockaddr_in *)(const void *)out)->sin_port
                                                    : ((const struct sockaddr_in6 *)(const void *)out)->sin6_port;
    return port != 0;
}

tdm_status tdm__dns_server_check(const char *dns_server, tdm_error *err)
{
    struct sockaddr_storage address;
    int len;
    if (!server_parse(dns_server, &address, &len))
        TDM_FAIL(err, TDM_ERR_INVAL, "'%.60s' is no DNS server: an address and a port are needed, such as 192.0.2.1:53",
                 dns_server ? dns_server : "");
    return TDM_OK;
}

/* evdns would tell of a slow server on stderr, by name. */
static void be_silent(int is_warning, const char *text)
{
    (void)is_warning;
    (void)text;
}

static void silence_evdns(void) { evdns_set_log_fn(be_silent); }

static void answered(int result, char type, int count, int ttl, void *addresses, void *user)
{
    (void)ttl;
    lookup *l = user;
    l->n_pending--;
    if (result != DNS_ERR_NONE) {
        if (result != DNS_ERR_SHUTDOWN)
            l->failure = result;
        count = 0;
    }
    const bool is_v6 = type == DNS_IPv6_AAAA;
    const size_t size = is_v6 ? 16 : 4;
    for (int i = 0; i < count && l->found.n < TDM__ADDRESSES_MAX; i++)
        if (inet_ntop(is_v6 ? AF_INET6 : AF_INET, (const char *)addresses + (size_t)i * size,
                      l->found.text[l->found.n], TDM__ADDRESS_TEXT))
            l->found.n++;
    const uint64_t grace_ns = tdm__clock_ns() + OTHER_KIND_MS * UINT64_C(1000000);
    if (l->found.n > 0 && grace_ns < l->deadline_ns)
        l->deadline_ns = grace_ns;
    if (l->n_pending == 0 && !l->is_over)
        event_base_loopbreak(l->base);
}

static void ticked(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    lookup *l = user;
    l->is_cancelled = l->cancel && atomic_load(l->cancel);
    if (l->is_cancelled || tdm__clock_ns() >= l->deadline_ns)
        event_base_loopbreak(l->base);
}

/* Both questions, until they are answered or time is up. False: libevent has no memory or no socket. */
static bool ask(lookup *l, const char *host, struct sockaddr *server, int server_len)
{
    const struct timeval tick = {.tv_usec = TICK_MS * 1000};
    struct evdns_base *dns = evdns_base_new(l->base, 0);
    struct event *timer = event_new(l->base, -1, EV_PERSIST, ticked, l);
    bool ok = dns && timer && event_add(timer, &tick) == 0;
    ok = ok && evdns_base_set_option(dns, "timeout", "1") == 0 && evdns_base_set_option(dns, "attempts", "16") == 0 &&
         evdns_base_set_option(dns, "max-timeouts", "64") == 0 &&
         evdns_base_nameserver_sockaddr_add(dns, server, (ev_socklen_t)server_len, 0) == 0;
    if (ok) {
        l->n_pending = 2;
        ok = evdns_base_resolve_ipv4(dns, host, DNS_QUERY_NO_SEARCH, answered, l) &&
             evdns_base_resolve_ipv6(dns, host, DNS_QUERY_NO_SEARCH, answered, l);
    }
    if (ok)
        event_base_dispatch(l->base);
    l->is_over = true;
    if (timer)
        event_free(timer);
    if (dns) {
        evdns_base_free(dns, 1);
        event_base_loop(l->base, EVLOOP_NONBLOCK); /* what is still due is told that it is over, and freed */
    }
    return ok;
}

tdm_status tdm__resolve(const char *host, const char *dns_server, unsigned timeout_ms, const atomic_bool *cancel,
                        tdm__addresses *out, tdm_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sockaddr_storage server;
    int server_len;
    TDM_TRY(tdm__dns_server_check(dns_server, err));
    server_parse(dns_server, &server, &server_len);
    pthread_once(&once, silence_evdns);
    lookup l = {.base = event_base_new(),
                .cancel = cancel,
                .deadline_ns = tdm__clock_ns() + timeout_ms * UINT64_C(1000000)};
    const bool ok = l.base && ask(&l, host, (struct sockaddr *)&server, server_len);
    if (l.base)
        event_base_free(l.base);
    if (!ok)
        TDM_FAIL(err, TDM_ERR_IO, "the question for %.100s cannot be sent to the DNS server %.60s", host, dns_server);
    if (l.is_cancelled)
        TDM_FAIL(err, TDM_ERR_CANCELLED, "cancelled");
    if (l.found.n > 0) {
        *out = l.found;
        return TDM_OK;
    }
    if (l.n_pending > 0 && l.failure == 0)
        TDM_FAIL(err, TDM_ERR_TIMEOUT, "the DNS server %.60s did not answer for %.100s within %u ms", dns_server, host,
                 timeout_ms);
    TDM_FAIL(err, TDM_ERR_UPSTREAM, "the DNS server %.60s gives no address of %.100s (%s)", dns_server, host,
             l.failure ? evdns_err_to_string(l.failure) : "none is known");
}
