/* daemon.c - putting the pieces up and taking them down in order. */
#include "api/daemon.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/assistant_run.h"
#include "base/error.h"
#include "os/thread.h"

enum { DRAIN_MS = 30000, FAREWELL_MS = 500 };

typedef struct tandem_daemon {
    const tdm__daemon_options *options;
    tdm__api api;
    tdm__loop_timer *drain_timer;
    pthread_t loader;
    bool loader_runs;
    atomic_bool stop_loading;
    bool cancelled; /* the running answers were */
    bool hurried;   /* connections are not waited for any more */
} tandem_daemon;

tdm__daemon_options tdm__daemon_options_default(void)
{
    tdm__daemon_options o = {
        .listen = "127.0.0.1:8420", .http = tdm__http_server_options_default(), .drain_ms = DRAIN_MS};
    /* An offer shows what would leave: a question as long as a body may be, once as text and once, with its quotes
     * escaped twice, as the partner's body. */
    o.http.output_bytes_max = 4 * o.http.limits.body_bytes_max;
    return o;
}

static void *loader_main(void *user)
{
    tandem_daemon *d = user;
    tdm_error err = {0};
    if (d->options->load(d->options->load_user, d->api.service, &d->stop_loading, &err) < 0 &&
        !atomic_load(&d->stop_loading)) {
        tdm__service_set_failed(d->api.service, &err);
        fprintf(stderr, "the model cannot be loaded: %s\n", err.msg);
    }
    return NULL;
}

/* ---- stopping ---- */

/* The loop ends when every request has had its last event and every answer has left. */
static void stop_if_idle(void *user)
{
    tandem_daemon *d = user;
    if (tdm__api_is_idle(&d->api) && (d->hurried || tdm__http_server_n_connections(d->api.server) == 0))
        tdm__loop_stop(d->api.loop);
}

/* What runs is cancelled; its clients get a moment to read so. */
static void hurry(tandem_daemon *d)
{
    tdm__chat_cancel_all(&d->api);
    tdm__asking_cancel_all(&d->api);
    tdm__loop_timer_set(d->drain_timer, FAREWELL_MS);
}

static void drain_timer_fired(void *user)
{
    tandem_daemon *d = user;
    d->hurried = d->cancelled;
    d->cancelled = true;
    hurry(d);
    stop_if_idle(d);
}

static void signalled(void *user, int signal_number)
{
    (void)signal_number;
    tandem_daemon *d = user;
    atomic_store(&d->stop_loading, true);
    if (!d->api.draining) {
        if (!d->api.quiet)
            fprintf(stderr, "stopping: %zu open requests have %d s to end\n", d->api.metrics.chats,
                    d->options->drain_ms / 1000);
        d->api.draining = true;
        tdm__http_server_drain(d->api.server);
        tdm__loop_timer_set(d->drain_timer, d->options->drain_ms);
    } else {
        d->cancelled = true;
        hurry(d);
    }
    stop_if_idle(d);
}

/* ---- starting ---- */

static tdm_status set_up(tandem_daemon *d, tdm_error *err)
{
    const tdm__daemon_options *o = d->options;
    tdm__api *api = &d->api;
    TDM_TRY(tdm__http_address_parse(o->listen, &api->address, err));
    if (!api->address.is_loopback)
        TDM_FAIL(err, TDM_ERR_UNSUPPORTED,
                 "%s is no loopback address; keys and TLS are not built, so tandem serves 127.0.0.1 or [::1] only",
                 api->address.host);
    TDM_TRY(tdm__loop_create(&api->loop, err));
    TDM_TRY(tdm__loop_timer_create(api->loop, drain_timer_fired, d, &d->drain_timer, err));
    TDM_TRY(tdm__http_server_create(api->loop, &o->http, &tdm__api_handler, api, &api->server, err));
    TDM_TRY(tdm__http_server_listen(api->server, &api->address, err));
    TDM_TRY(tdm__loop_on_signal(api->loop, SIGTERM, signalled, d, err));
    TDM_TRY(tdm__loop_on_signal(api->loop, SIGINT, signalled, d, err));
    TDM_TRY(tdm__api_page_open(api, o->stage, err));
    TDM_TRY(tdm__device_open(o->state_dir, o->record_path ? o->record_path : "", &api->device, err));
    TDM_TRY(tdm__owner_open(o->state_dir, &api->owner, err));
    TDM_TRY(tdm__app_keys_open(o->state_dir, &api->app_names, &api->apps, err));
    TDM_TRY(tdm__service_create(api->device, &api->service, err));
    TDM_TRY(tdm__assistant_create(api->service, api->device, &api->assistant, err));
    int rc = tdm__thread_start(&d->loader, loader_main, d);
    if (rc != 0)
        return tdm__fail_os(err, rc, "cannot start the thread that loads the model");
    d->loader_runs = true;
    const bool v6 = api->address.is_ipv6;
    fprintf(stderr, "listening on http://%s%s%s:%u\n", v6 ? "[" : "", api->address.host, v6 ? "]" : "",
            (unsigned)api->address.port);
    return TDM_OK;
}

static void take_down(tandem_daemon *d)
{
    tdm__api *api = &d->api;
    if (d->loader_runs)
        pthread_join(d->loader, NULL);
    tdm__http_server_destroy(api->server);
    tdm__assistant_destroy(api->assistant);
    tdm__service_destroy(api->service);
    tdm__device_close(api->device);
    tdm__api_page_close(api);
    tdm__app_keys_close(&api->apps);
    tdm__app_names_close(&api->app_names);
    tdm__loop_timer_destroy(d->drain_timer);
    tdm__loop_destroy(api->loop);
}

tdm_status tdm__daemon_run(const tdm__daemon_options *o, tdm_error *err)
{
    tandem_daemon d = {.options = o, .api = {.quiet = o->quiet, .model_asked = o->model_asked ? o->model_asked : ""}};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGPIPE, &ignore, &before); /* a client that left is an error code of write */
    d.api.on_idle = stop_if_idle;
    d.api.user = &d;
    tdm_status s = set_up(&d, err);
    if (s == TDM_OK)
        s = tdm__loop_run(d.api.loop, err);
    take_down(&d);
    sigaction(SIGPIPE, &before, NULL);
    return s;
}
