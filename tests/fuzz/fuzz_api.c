/* fuzz_api.c - the daemon's endpoints that take JSON, and raw requests, on a device and behind a connection.
 *
 * The first byte chooses an endpoint, the rest is its body, sent with the owner's key; or the rest is all that a client
 * sends. The answer must be a whole HTTP answer with JSON (or a page) in it and a status that is the client's: a 500 is
 * never a body's fault. Bodies of chats, verbs and the assistant have targets of their own; here those paths meet the
 * fake service, which answers at once. The device keeps what the inputs before have changed, as a device does.
 */
#include <event2/event.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/api.h"
#include "fake_service.h"
#include "fuzz.h"
#include "net/http_internal.h"
#include "temp_folder.h"

enum { TURNS_MAX = 200, ANSWER_BYTES_MAX = 1024 * 1024, BODY_BYTES_MAX = 64 * 1024 };

static const char *const paths[] = {"/v1/route/explain", "/v1/consents",       "/v1/network",     "/v1/receipts/erase",
                                    "/v1/owner/session", "/v1/owner/link",     "/v1/filings",     "/v1/policy",
                                    "/v1/reload",        "/v1/drain",          "/v1/decisions/x", NULL};

static char folder[TDM__TEMP_FOLDER_TEXT];
static tdm__api api;

static void must(bool ok)
{
    if (!ok)
        abort();
}

static tdm_status reload(void *user, tdm_error *err)
{
    (void)user;
    (void)err;
    return TDM_OK;
}

static void nothing(void *user) { (void)user; }

static void remove_folder(void) { tdm__temp_folder_remove(folder); }

/* Once: what the inputs meet. It stays until the process ends. */
static void world_open(void)
{
    static const tdm__fake_options fake = {.n_slots = 2, .n_queue = 2};
    tdm_error err = {0};
    signal(SIGPIPE, SIG_IGN);
    tdm__temp_folder_make(folder);
    atexit(remove_folder);
    tdm__fake_service_set(&fake);
    api = (tdm__api){.model_asked = "fake", .on_reload = reload, .on_drain = nothing, .on_idle = nothing};
    must(tdm__http_address_parse("127.0.0.1:8420", &api.address, &err) == TDM_OK);
    api.names = (tdm__own_names){.address = &api.address};
    const tdm__http_server_options o = tdm__http_server_options_default();
    must(tdm__loop_create(&api.loop, &err) == TDM_OK);
    must(tdm__http_server_create(api.loop, &o, &tdm__api_handler, &api, &api.server, &err) == TDM_OK);
    must(tdm__api_page_open(&api, NULL, &err) == TDM_OK);
    must(tdm__owner_open(folder, &api.owner, &err) == TDM_OK);
    must(tdm__device_open(folder, "", &api.device, &err) == TDM_OK);
    must(tdm__service_create(api.device, &api.service, &err) == TDM_OK);
    must(tdm__assistant_create(api.service, api.device, &api.assistant, &err) == TDM_OK);
    tdm__daemon_log_init(&api.log, true);
}

/* ---- one client ---- */

static void send_all(int fd, const void *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        const ssize_t sent = send(fd, (const char *)bytes + at, n - at, MSG_NOSIGNAL);
        if (sent > 0)
            at += (size_t)sent;
        else if (event_base_loop(tdm__loop_base(api.loop), EVLOOP_NONBLOCK) != 0 || api.server->n_conns == 0)
            return; /* it has been refused */
    }
}

static void send_body(int fd, const char *path, const uint8_t *body, size_t n)
{
    char head[512];
    const int len = snprintf(head, sizeof head,
                             "%s %s HTTP/1.1\r\nHost: localhost:8420\r\nAuthorization: Bearer %s\r\n"
                             "Content-Type: application/json\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                             strstr(path, "decisions") ? "GET" : "POST", path, api.owner.key,
                             strstr(path, "decisions") ? (size_t)0 : n);
    send_all(fd, head, (size_t)len);
    if (!strstr(path, "decisions"))
        send_all(fd, body, n);
}

/* Everything until the connection ends or nothing comes any more. */
static size_t receive(int fd, char *into)
{
    size_t n = 0;
    for (int i = 0; i < TURNS_MAX; i++) {
        event_base_loop(tdm__loop_base(api.loop), EVLOOP_NONBLOCK);
        const ssize_t got = recv(fd, into + n, ANSWER_BYTES_MAX - n, 0);
        if (got == 0)
            break;
        n += got > 0 ? (size_t)got : 0;
    }
    into[n] = '\0';
    return n;
}

/* The one answer of a request with Connection: close. */
static void check_answer(const char *answer, size_t n)
{
    must(n > 12 && memcmp(answer, "HTTP/1.1 ", 9) == 0);
    const int status = (int)strtol(answer + 9, NULL, 10);
    const char *body = strstr(answer, "\r\n\r\n");
    must(status >= 200 && status < 500 && body != NULL);
    json_t *document = json_loads(body + 4, 0, NULL);
    must(document != NULL);
    must((status >= 400) == (json_object_get(document, "error") != NULL));
    json_decref(document);
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    static char answer[ANSWER_BYTES_MAX + 1];
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int ends[2];
    if (len < 1 || len > BODY_BYTES_MAX)
        return 0;
    if (!api.loop)
        world_open();
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    tdm__http_conn_open(api.server, ends[1], (const struct sockaddr *)&from);
    const char *path = paths[data[0] % (sizeof paths / sizeof *paths)];
    if (path) {
        send_body(ends[0], path, data + 1, len - 1);
        check_answer(answer, receive(ends[0], answer));
    } else {
        send_all(ends[0], data + 1, len - 1);
        const size_t n = receive(ends[0], answer);
        must(n == 0 || memcmp(answer, "HTTP/1.1 ", n < 9 ? n : 9) == 0);
        must(!strstr(answer, "HTTP/1.1 500"));
    }
    close(ends[0]);
    for (int i = 0; i < TURNS_MAX && (api.server->n_conns > 0 || api.chats); i++)
        event_base_loop(tdm__loop_base(api.loop), EVLOOP_NONBLOCK);
    must(api.server->n_conns == 0);
    return 0;
}
