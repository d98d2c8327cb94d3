/* desk.c - the desk's process: the stage's page, and the desks' functions behind the desk's own key.
 *
 * It never reaches a phone: what it signs goes to the page that asked, and from there to the phones' own pages.
 */
#include "desk/desk.h"

#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "api/api_error.h"
#include "api/api_guard.h"
#include "base/error.h"
#include "base/json.h"
#include "desk/authority.h"
#include "desk/stage.h"
#include "net/http_server.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/heap.h"
#include "policy/repository.h"

enum { ANSWER_BYTES_MAX = 8 << 20, ERROR_BYTES_MAX = 16 << 10, RENEW_MS = 3600 * 1000 };

typedef struct desk {
    const tdm__desk_options *options;
    tdm__loop *loop;
    tdm__http_server *server;
    tdm__http_address address;
    tdm__loop_timer *renew;
    tdm__authority authority;
} desk;

/* ---- answers ---- */

static void answer_error(tdm__http_conn *c, const tdm__api_error *e)
{
    tdm__buf body;
    tdm__buf_init(&body, ERROR_BYTES_MAX);
    if (tdm__api_error_put(&body, e) != TDM_OK)
        tdm__buf_clear(&body);
    static const tdm__http_header no_store = {"Cache-Control", "no-store"};
    tdm__http_respond(c, e->status, &no_store, 1, "application/json", tdm__buf_str(&body));
    tdm__buf_fini(&body);
}

static void answer_failed(tdm__http_conn *c, const tdm_error *err)
{
    tdm__api_error e;
    const bool theirs = err->code == TDM_ERR_FORMAT || err->code == TDM_ERR_INVAL || err->code == TDM_ERR_LIMIT ||
                        err->code == TDM_ERR_INTEGRITY;
    const int status = err->code == TDM_ERR_NOT_FOUND ? 404 : theirs ? 409 : 500;
    tdm__api_refuse(&e, status, status == 500 ? "internal_error" : "refused", NULL, "%s", err->msg);
    answer_error(c, &e);
}

static void answer_text(tdm__http_conn *c, const char *json)
{
    static const tdm__http_header no_store = {"Cache-Control", "no-store"};
    tdm__http_respond(c, 200, &no_store, 1, "application/json", tdm__str_from(json));
}

/* Takes the reference. */
static void answer_json(tdm__http_conn *c, json_t *document)
{
    char *text = document ? tdm__json_text(document, JSON_COMPACT) : NULL;
    json_decref(document);
    const tdm_error none = {TDM_ERR_NOMEM, "no memory for the answer"};
    if (text)
        answer_text(c, text);
    else
        answer_failed(c, &none);
    tdm__free(text);
}

/* ---- the functions: each takes the body (NULL for GET) and what follows its path ---- */

static tdm_status get_state(desk *d, tdm__http_conn *c, const json_t *body, const char *name, tdm_error *err)
{
    (void)body;
    (void)name;
    json_t *state = tdm__authority_state(&d->authority, tdm__clock_unix_s(), err);
    if (!state)
        return err->code;
    answer_json(c, state);
    return TDM_OK;
}

/* All markets: a phone believes a state of the repository as a whole, or not at all. */
static tdm_status get_bundle(desk *d, tdm__http_conn *c, const json_t *body, const char *name, tdm_error *err)
{
    (void)body;
    (void)name;
    char repo[TDM__AUTHORITY_PATH_MAX];
    tdm__buf bundle;
    tdm__authority_path(&d->authority, repo, "repo");
    tdm__buf_init(&bundle, ANSWER_BYTES_MAX);
    tdm_status s = tdm__repository_bundle(repo, NULL, &bundle, err);
    if (s == TDM_OK)
        answer_text(c, tdm__buf_cstr(&bundle));
    tdm__buf_fini(&bundle);
    return s;
}

static tdm_status post_filing(desk *d, tdm__http_conn *c, const json_t *body, const char *name, tdm_error *err)
{
    char *json = NULL;
    TDM_TRY(tdm__authority_act(&d->authority, name, body, tdm__clock_unix_s(), &json, err));
    answer_text(c, json);
    tdm__free(json);
    return TDM_OK;
}

static tdm_status post_policy(desk *d, tdm__http_conn *c, const json_t *body, const char *name, tdm_error *err)
{
    (void)name;
    TDM_TRY(tdm__authority_change_policy(&d->authority, body, tdm__clock_unix_s(), err));
    answer_json(c, json_pack("{s:I}", "bundle_version", (json_int_t)d->authority.version));
    return TDM_OK;
}

static tdm_status write_small(const char *path, const char *text, tdm_error *err)
{
    int rc = tdm__file_write_atomic(path, text, strlen(text), 0600);
    return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "%s cannot be written", path);
}

static tdm_status post_emulator(desk *d, tdm__http_conn *c, const json_t *body, const char *name, tdm_error *err)
{
    (void)name;
    const char *partner, *fault;
    char path[TDM__AUTHORITY_PATH_MAX];
    TDM_TRY(tdm__json_get_str(body, "partner", "the body", &partner, err));
    TDM_TRY(tdm__json_get_str(body, "fault", "the body", &fault, err));
    if (!tdm__authority_is_name(partner) || !tdm__authority_is_name(fault))
        TDM_FAIL(err, TDM_ERR_FORMAT, "partner and fault must be names");
    tdm__authority_path(&d->authority, path, "emulators/%s.fault", partner);
    TDM_TRY(write_small(path, fault, err));
    answer_json(c, json_pack("{s:s, s:s}", "partner", partner, "fault", fault));
    return TDM_OK;
}

/* What the supervisor is to do with a phone: its file is read and removed there. */
static tdm_status post_phone(desk *d, tdm__http_conn *c, const json_t *body, const char *name, tdm_error *err)
{
    char path[TDM__AUTHORITY_PATH_MAX], text[64], phone[TDM__AUTHORITY_NAME_MAX + 1];
    const char *slash = strchr(name, '/');
    const bool wants_link = slash && strcmp(slash, "/link") == 0;
    snprintf(phone, sizeof phone, "%.*s", (int)(slash ? slash - name : (long)strlen(name)), name);
    if (!tdm__authority_is_name(phone) || (slash && !wants_link))
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "there is no phone of that name");
    tdm__authority_path(&d->authority, path, "phones/%s.want", phone);
    if (wants_link) {
        snprintf(text, sizeof text, "link\n");
    } else {
        const char *sold_in;
        TDM_TRY(tdm__json_get_str(body, "sold_in", "the body", &sold_in, err));
        if (strlen(sold_in) != 2 || strspn(sold_in, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 2)
            TDM_FAIL(err, TDM_ERR_FORMAT, "sold_in must be two capital letters (ISO 3166-1)");
        snprintf(text, sizeof text, "sold_in %s\n", sold_in);
    }
    TDM_TRY(write_small(path, text, err));
    answer_json(c, json_pack("{s:s}", "wanted", wants_link ? "link" : "phone"));
    return TDM_OK;
}

/* ---- routing ---- */

typedef struct function {
    const char *path; /* ends in '/': a name follows */
    bool is_post;
    tdm_status (*run)(desk *d, tdm__http_conn *c, const json_t *body, const char *name, tdm_error *err);
} function;

static const function functions[] = {
    {"/desk/state", false, get_state},     {"/desk/bundle", false, get_bundle},
    {"/desk/filings/", true, post_filing}, {"/desk/policy", true, post_policy},
    {"/desk/emulator", true, post_emulator}, {"/desk/phones/", true, post_phone},
};

static const function *find_function(tdm__str path)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        const tdm__str own = tdm__str_from(functions[i].path);
        const bool with_name = own.ptr[own.len - 1] == '/';
        if (with_name ? path.len > own.len && tdm__str_starts(path, own) : tdm__str_eq(path, own))
            return &functions[i];
    }
    return NULL;
}

static bool has_key(const desk *d, const tdm__http_request *q)
{
    size_t n;
    const tdm__str value = tdm__http_request_field(q, "authorization", &n), scheme = TDM_STR("Bearer ");
    const size_t len = sizeof d->authority.desk_key - 1;
    return n == 1 && value.len == scheme.len + len && tdm__str_starts(value, scheme) &&
           CRYPTO_memcmp(value.ptr + scheme.len, d->authority.desk_key, len) == 0;
}

static bool on_head(void *user, tdm__http_conn *c, const tdm__http_request *q)
{
    desk *d = user;
    tdm__api_error e;
    const function *f = find_function(q->path);
    const bool is_page = tdm__str_eq(q->path, TDM_STR("/"));
    const bool is_read = q->method == TDM__HTTP_GET || q->method == TDM__HTTP_HEAD;
    bool ok = tdm__guard_origin(q, &(tdm__own_names){.address = &d->address}, is_page && is_read, &e);
    if (ok && !f && !is_page)
        ok = tdm__api_refuse(&e, 404, "not_found", NULL, "there is nothing at this path");
    if (ok && (f && f->is_post ? q->method != TDM__HTTP_POST : !is_read))
        ok = tdm__api_refuse(&e, 405, "method_not_allowed", NULL, "this path takes only %s",
                             f && f->is_post ? "POST" : "GET");
    if (ok && f && !has_key(d, q))
        ok = tdm__api_refuse(&e, 401, "desk_key_required", NULL, "the desk's key is in the address that was printed");
    if (ok && f && f->is_post)
        ok = tdm__guard_body(q, &e);
    if (!ok)
        answer_error(c, &e);
    return ok;
}

static void answer_page(tdm__http_conn *c)
{
    const tdm__http_header headers[] = {{"Content-Security-Policy", tdm__stage_csp},
                                        {"Referrer-Policy", "no-referrer"},
                                        {"Cache-Control", "no-cache"}};
    tdm__http_respond(c, 200, headers, 3, "text/html; charset=utf-8",
                      (tdm__str){(const char *)tdm__stage_page, tdm__stage_page_len});
}

/* What stands behind the path. */
static void name_of(const tdm__http_request *q, const function *f, char out[160])
{
    const size_t n = strlen(f->path);
    snprintf(out, 160, "%.*s", (int)(q->path.len - n), q->path.ptr + n);
}

static void on_request(void *user, tdm__http_conn *c, const tdm__http_request *q)
{
    desk *d = user;
    const function *f = find_function(q->path);
    char name[160];
    json_t *body = NULL;
    tdm_error err = {0};
    if (!f) {
        answer_page(c);
        return;
    }
    name_of(q, f, name);
    tdm_status s = TDM_OK;
    if (f->is_post && q->body.len > 0)
        s = tdm__json_parse(q->body, "the body", q->body.len, &body, &err);
    if (s == TDM_OK && body && !json_is_object(body))
        s = tdm__fail(&err, TDM_ERR_FORMAT, "the body must be a JSON object");
    if (s == TDM_OK)
        s = f->run(d, c, body, name, &err);
    json_decref(body);
    if (s != TDM_OK)
        answer_failed(c, &err);
}

static void on_fault(void *user, tdm__http_conn *c, const tdm__http_fault *f)
{
    (void)user;
    tdm__api_error e;
    tdm__api_refuse(&e, f->status, "bad_request", NULL, "%s", f->error.msg);
    answer_error(c, &e);
}

static void on_gone(void *user, tdm__http_conn *c)
{
    (void)user;
    (void)c;
}

static void on_drained(void *user) { tdm__loop_stop(((desk *)user)->loop); }

static const tdm__http_handler handler = {.on_head = on_head,
                                          .on_request = on_request,
                                          .on_fault = on_fault,
                                          .on_gone = on_gone,
                                          .on_drained = on_drained};

/* ---- life ---- */

static void renew(void *user)
{
    desk *d = user;
    tdm_error err = {0};
    if (tdm__authority_renew(&d->authority, tdm__clock_unix_s(), &err) != TDM_OK)
        fprintf(stderr, "the timestamp could not be renewed: %s\n", err.msg);
    tdm__loop_timer_set(d->renew, RENEW_MS);
}

static void signalled(void *user, int signal_number)
{
    (void)signal_number;
    desk *d = user;
    if (tdm__http_server_n_connections(d->server) == 0)
        tdm__loop_stop(d->loop);
    tdm__http_server_drain(d->server);
}

static tdm_status set_up(desk *d, tdm_error *err)
{
    const tdm__http_server_options http = tdm__http_server_options_default();
    TDM_TRY(tdm__http_address_parse(d->options->listen, &d->address, err));
    if (!d->address.is_loopback)
        TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "%s is no loopback address: the demonstration's desks are for this machine",
                 d->address.host);
    TDM_TRY(tdm__authority_open(d->options->authority_dir, &d->authority, err));
    TDM_TRY(tdm__loop_create(&d->loop, err));
    TDM_TRY(tdm__loop_timer_create(d->loop, renew, d, &d->renew, err));
    TDM_TRY(tdm__http_server_create(d->loop, &http, &handler, d, &d->server, err));
    TDM_TRY(tdm__http_server_listen(d->server, &d->address, err));
    TDM_TRY(tdm__loop_on_signal(d->loop, SIGTERM, signalled, d, err));
    TDM_TRY(tdm__loop_on_signal(d->loop, SIGINT, signalled, d, err));
    tdm__loop_timer_set(d->renew, RENEW_MS);
    fprintf(stderr, "listening on http://%s:%u\n", d->address.host, (unsigned)d->address.port);
    return TDM_OK;
}

tdm_status tdm__desk_run(const tdm__desk_options *o, tdm_error *err)
{
    desk d = {.options = o};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGPIPE, &ignore, &before);
    tdm_status s = set_up(&d, err);
    if (s == TDM_OK)
        s = tdm__loop_run(d.loop, err);
    tdm__http_server_destroy(d.server);
    tdm__loop_timer_destroy(d.renew);
    tdm__loop_destroy(d.loop);
    tdm__authority_close(&d.authority);
    sigaction(SIGPIPE, &before, NULL);
    return s;
}
