/* fuzz_http_server.c - the life of connections, driven by a script of both sides over a socket pair.
 *
 * The first byte says which of two. Even: the rest is a script, a step each of {what, n}, with n bytes behind those
 * that send: the client sends, stops sending, reads, leaves and comes again; the handler answers at once, later, whole,
 * in pieces, or gives up; deadlines pass; the server drains. However they meet, each exchange is handed over once and
 * ends once, and nothing is left when the server is gone. Odd: the rest is what one client sends, cut at places that
 * the second byte draws, to a handler that answers at once; the server must see the requests and the fault that the
 * parser sees in one piece.
 */
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "net/http_internal.h"

enum { DUE_MAX = 8, TURNS_MAX = 16, REPLY_BYTES = 16 * 1024, CLIENTS_MAX = 8, AT_ONCE_MAX = 32 };

typedef struct world {
    tdm__loop *loop;
    tdm__http_server *server;
    int client;              /* -1: gone */
    size_t n_clients;
    tdm__http_conn *due[DUE_MAX];
    size_t n_due;
    bool answers_at_once;
    size_t n_requests;
    size_t n_body_bytes;
    int fault;
    bool drained;
    char head[9];            /* the first bytes that this client got */
    size_t n_head;
} world;

static void due_remove(world *w, size_t i)
{
    w->due[i] = w->due[--w->n_due];
}

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* ---- the handler ---- */

static const tdm__http_header no_store = {"Cache-Control", "no-store"};

static bool on_head(void *user, tdm__http_conn *c, const tdm__http_request *q)
{
    (void)user;
    must(tdm__http_conn_data(c) == NULL && q->path.len > 0);
    if (!tdm__str_starts(q->path, TDM_STR("/refuse")))
        return true;
    tdm__http_respond(c, 404, &no_store, 1, "text/plain", TDM_STR("no"));
    return false;
}

static void on_request(void *user, tdm__http_conn *c, const tdm__http_request *q)
{
    static char large[REPLY_BYTES];
    world *w = user;
    w->n_requests++;
    w->n_body_bytes += q->body.len;
    if (w->answers_at_once || w->n_due == DUE_MAX || tdm__str_starts(q->path, TDM_STR("/now"))) {
        tdm__http_respond(c, 200, &no_store, 1, "text/plain", (tdm__str){large, q->query.len > 2 ? sizeof large : 2});
        return;
    }
    for (size_t i = 0; i < w->n_due; i++)
        must(w->due[i] != c); /* one exchange at a time each */
    tdm__http_conn_set_data(c, w);
    w->due[w->n_due++] = c;
}

static void on_fault(void *user, tdm__http_conn *c, const tdm__http_fault *f)
{
    world *w = user;
    must(f->status >= 400 && f->status <= 505 && f->error.msg[0]);
    w->fault = f->status;
    tdm__http_respond(c, f->status, NULL, 0, "text/plain", tdm__str_from(f->error.msg));
}

static void on_gone(void *user, tdm__http_conn *c)
{
    world *w = user;
    size_t i = 0;
    while (i < w->n_due && w->due[i] != c)
        i++;
    must(i < w->n_due); /* only of an exchange that is open, and once */
    due_remove(w, i);
}

static void on_drained(void *user)
{
    world *w = user;
    must(!w->drained && tdm__http_server_n_connections(w->server) == 0);
    w->drained = true;
}

/* ---- the world ---- */

static void turn(world *w)
{
    for (int i = 0; i < TURNS_MAX; i++)
        event_base_loop(tdm__loop_base(w->loop), EVLOOP_NONBLOCK);
}

static void client_come(world *w)
{
    int ends[2];
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (w->n_clients == CLIENTS_MAX || w->server->draining) /* nobody listens then */
        return;
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    w->client = ends[0];
    w->n_clients++;
    w->n_head = 0;
    tdm__http_conn_open(w->server, ends[1], (const struct sockaddr *)&from);
}

static void client_leave(world *w)
{
    if (w->client >= 0)
        close(w->client);
    w->client = -1;
}

static void client_send(world *w, const uint8_t *bytes, size_t n)
{
    if (w->client >= 0 && send(w->client, bytes, n, MSG_NOSIGNAL) < 0 && errno != EAGAIN && errno != EPIPE &&
        errno != ECONNRESET)
        abort();
}

/* Whatever an answer is, it begins as one. */
static void client_read(world *w, size_t n)
{
    char bytes[4096];
    const ssize_t got = w->client < 0 ? 0 : recv(w->client, bytes, n < sizeof bytes ? n : sizeof bytes, 0);
    for (ssize_t i = 0; i < got && w->n_head < sizeof w->head; i++)
        w->head[w->n_head++] = bytes[i];
    must(memcmp(w->head, "HTTP/1.1 ", w->n_head) == 0);
}

static void world_init(world *w, const tdm__http_server_options *o, bool answers_at_once)
{
    const tdm__http_handler handler = {on_head, on_request, on_fault, on_gone, on_drained};
    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    *w = (world){.client = -1, .answers_at_once = answers_at_once};
    must(tdm__loop_create(&w->loop, NULL) == TDM_OK);
    must(tdm__http_server_create(w->loop, o, &handler, w, &w->server, NULL) == TDM_OK);
    client_come(w);
}

static void world_fini(world *w)
{
    client_leave(w);
    turn(w);
    tdm__http_server_destroy(w->server);
    must(w->n_due == 0); /* each was answered, given up, or told to be gone */
    tdm__loop_destroy(w->loop);
}

/* ---- scripts ---- */

/* What the handler does with the exchange that has waited longest. */
static void answer(world *w, uint8_t how)
{
    static const char piece[3000];
    tdm__http_conn *c = w->n_due > 0 ? w->due[0] : NULL;
    if (!c)
        return;
    const bool begun = c->stage == CONN_STREAMING;
    switch (how % 6) {
    case 0:
        if (!begun) {
            due_remove(w, 0);
            tdm__http_respond(c, 200, &no_store, 1, "text/plain", (tdm__str){piece, how * 8u});
        }
        return;
    case 1:
        if (!begun)
            must(tdm__http_begin(c, 200, &no_store, 1, "text/event-stream") == TDM_OK);
        return;
    case 2:
        if (begun && tdm__http_write(c, (tdm__str){piece, how * 11u}) == TDM_ERR_LIMIT) {
            due_remove(w, 0); /* as a chat does with a client that does not read */
            tdm__http_abort(c);
        }
        return;
    case 3:
        if (begun) {
            due_remove(w, 0);
            tdm__http_end(c);
        }
        return;
    case 4:
        due_remove(w, 0);
        tdm__http_abort(c);
        return;
    default: tdm__http_conn_close_after(c); return;
    }
}

static void deadlines_pass(world *w)
{
    struct event *pending[CLIENTS_MAX];
    size_t n = 0;
    for (const tdm__http_conn *c = w->server->conns; c; c = c->next)
        if (evtimer_pending(c->deadline, NULL))
            pending[n++] = c->deadline;
    for (size_t i = 0; i < n; i++)
        event_active(pending[i], EV_TIMEOUT, 0);
}

static void send_usual(world *w, uint8_t which)
{
    static const char *const usual[] = {
        "GET /now HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /later HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde",
        "POST /now HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        "GET /now?large HTTP/1.1\r\nHost: a\r\n\r\nGET /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "POST /later HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n",
        "GET /later HTTP/1.0\r\nHost: a\r\n\r\n",
        "HEAD /later HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    const char *text = usual[which % (sizeof usual / sizeof *usual)];
    client_send(w, (const uint8_t *)text, strlen(text));
}

static void run_script(const uint8_t *data, size_t len)
{
    const tdm__http_server_options o = {
        .limits = {.target_bytes_max = 128, .head_bytes_max = 1024, .body_bytes_max = 512},
        .connections_max = 4, .requests_per_connection_max = 5, .ahead_bytes_max = 200, .output_bytes_max = 4000,
        .head_timeout_ms = 60000, .body_timeout_ms = 60000, .idle_timeout_ms = 60000, .write_timeout_ms = 60000,
        .linger_ms = 60000};
    world w;
    world_init(&w, &o, false);
    for (size_t at = 0; at + 1 < len; at += 2) {
        const uint8_t what = data[at], n = data[at + 1];
        const size_t n_left = len - at - 2, n_bytes = n < n_left ? n : n_left;
        switch (what % 9) {
        case 0:
            client_send(&w, data + at + 2, n_bytes);
            at += n_bytes;
            break;
        case 1: turn(&w); break;
        case 2: answer(&w, n); break;
        case 3: client_read(&w, (size_t)n * 16); break;
        case 4:
            if (w.client >= 0)
                shutdown(w.client, SHUT_WR);
            break;
        case 5: client_leave(&w); break;
        case 6:
            client_leave(&w);
            client_come(&w);
            break;
        case 7: deadlines_pass(&w); break;
        default:
            if (n == 255 && !w.server->draining)
                tdm__http_server_drain(w.server);
            else
                send_usual(&w, n);
            break;
        }
        if (what & 0x80)
            turn(&w);
    }
    turn(&w);
    world_fini(&w);
}

/* ---- one client, cut anywhere ---- */

typedef struct seen {
    size_t n_requests, n_body_bytes;
    int fault;
} seen;

static seen see_whole(const uint8_t *data, size_t len, const tdm__http_limits *limits)
{
    seen s = {0};
    tdm__http_parse *p = NULL;
    must(tdm__http_parse_create(limits, &p, NULL) == TDM_OK);
    tdm__http_progress r = TDM__HTTP_MORE;
    bool goes_on = true;
    for (size_t at = 0; goes_on && (at < len || r == TDM__HTTP_HEAD_READ);) {
        size_t taken;
        r = tdm__http_parse_feed(p, (const char *)data + at, len - at, &taken);
        at += taken;
        if (r == TDM__HTTP_HEAD_READ && tdm__str_starts(tdm__http_parse_request(p)->path, TDM_STR("/refuse"))) {
            goes_on = tdm__http_parse_is_complete(p) && tdm__http_parse_request(p)->keep_alive;
            tdm__http_parse_next(p);
            r = TDM__HTTP_MORE;
        }
        if (r == TDM__HTTP_BAD)
            s.fault = tdm__http_parse_fault(p)->status;
        if (r == TDM__HTTP_DONE) {
            s.n_requests++;
            s.n_body_bytes += tdm__http_parse_request(p)->body.len;
            goes_on = tdm__http_parse_request(p)->keep_alive;
            tdm__http_parse_next(p);
        }
        goes_on = goes_on && r != TDM__HTTP_BAD;
    }
    tdm__http_parse_destroy(p);
    return s;
}

static void run_cut(uint64_t seed, const uint8_t *data, size_t len)
{
    tdm__http_server_options o = tdm__http_server_options_default();
    o.limits = (tdm__http_limits){.target_bytes_max = 128, .head_bytes_max = 1024, .body_bytes_max = 512};
    o.ahead_bytes_max = SIZE_MAX;
    world w;
    world_init(&w, &o, true);
    for (size_t at = 0; at < len;) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t n = 1 + (size_t)(seed >> 33) % (len / AT_ONCE_MAX + 8);
        if (n > len - at)
            n = len - at;
        client_send(&w, data + at, n);
        at += n;
        turn(&w);
        client_read(&w, 4096);
    }
    for (size_t i = 0; i < len / 16; i++) { /* later requests wait until the answers before them are taken */
        client_read(&w, 4096);
        turn(&w);
    }
    const seen whole = see_whole(data, len, &o.limits);
    must(w.n_requests == whole.n_requests && w.n_body_bytes == whole.n_body_bytes && w.fault == whole.fault);
    world_fini(&w);
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    if (len < 2 || len > 64 * 1024)
        return 0;
    if (data[0] % 2 == 0)
        run_script(data + 1, len - 1);
    else
        run_cut(data[1], data + 2, len - 2);
    return 0;
}
