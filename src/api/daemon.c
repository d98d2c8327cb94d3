/* daemon.c - putting the pieces up and taking them down in order. */
#include "api/daemon.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "api/assistant_run.h"
#include "api/daemon_internal.h"
#include "api/verb_serve.h"
#include "base/error.h"
#include "net/notify.h"
#include "os/clock.h"
#include "os/thread.h"

enum { FAREWELL_MS = 500 };

static void *loader_main(void *user)
{
    tandem_daemon *d = user;
    tdm_error err = {0};
    tdm__daemon_log_part part = {&d->api.log, "model"};
    const tdm__log log = tdm__daemon_log_of(&part);
    const tdm_status s = d->options->load(d->options->load_user, d->api.service, &log, &d->stop_loading, &err);
    if (s < 0 && !atomic_load(&d->stop_loading)) {
        tdm__service_set_failed(d->api.service, &err);
        tdm__daemon_log_event(&d->api.log, TDM__LOG_ERROR, "model", "the model cannot be loaded: %s", err.msg);
        tdm__notify("STATUS=the model cannot be loaded");
    } else if (s == TDM_OK) {
        tdm__notify("STATUS=the model is loaded");
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
    tdm__verb_cancel_all(&d->api);
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

static void drain(void *user)
{
    tandem_daemon *d = user;
    const int drain_ms = (int)tdm__settings_number(&d->settings, TDM__SET_DRAIN_TIME);
    if (d->api.draining)
        return;
    atomic_store(&d->stop_loading, true);
    tdm__notify("STOPPING=1\nSTATUS=running answers end");
    tdm__daemon_log_event(&d->api.log, TDM__LOG_NOTE, "stopping", "%zu open requests have %d.%d s to end",
                   d->api.metrics.chats, drain_ms / 1000, drain_ms % 1000 / 100);
    d->api.draining = true;
    tdm__http_server_drain(d->api.server);
    tdm__loop_timer_set(d->drain_timer, drain_ms);
    stop_if_idle(d);
}

static void told_to_stop(void *user, int signal_number)
{
    (void)signal_number;
    tandem_daemon *d = user;
    if (!d->api.draining) {
        drain(d);
        return;
    }
    d->cancelled = true;
    hurry(d);
    stop_if_idle(d);
}

/* ---- reloading ---- */

static tdm_status reload(void *user, tdm_error *err)
{
    tandem_daemon *d = user;
    char lines[64];
    if (d->api.draining)
        TDM_FAIL(err, TDM_ERR_CANCELLED, "the daemon is stopping");
    snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, tdm__clock_ns() / 1000);
    tdm__notify(lines);
    const tdm_status s = tdm__daemon_reload(d, err);
    tdm__notify("READY=1");
    *(s == TDM_OK ? &d->api.metrics.reloads : &d->api.metrics.reloads_failed) += 1;
    if (s == TDM_OK)
        tdm__daemon_log_event(&d->api.log, TDM__LOG_NOTE, "reload", "keys, certificate and settings were read anew");
    else
        tdm__daemon_log_event(&d->api.log, TDM__LOG_WARNING, "reload", "nothing has changed: %s", err->msg);
    return s;
}

static void told_to_reload(void *user, int signal_number)
{
    (void)signal_number;
    tdm_error err = {0};
    reload(user, &err);
}

/* ---- starting ---- */

static void watchdog_timer_fired(void *user)
{
    tandem_daemon *d = user;
    tdm__notify("WATCHDOG=1");
    tdm__loop_timer_set(d->watchdog_timer, tdm__notify_watchdog_ms());
}

static tdm_status watch_signals(tandem_daemon *d, tdm_error *err)
{
    TDM_TRY(tdm__loop_on_signal(d->api.loop, SIGTERM, told_to_stop, d, err));
    TDM_TRY(tdm__loop_on_signal(d->api.loop, SIGINT, told_to_stop, d, err));
    return tdm__loop_on_signal(d->api.loop, SIGHUP, told_to_reload, d, err);
}

static tdm_status listen_on(tandem_daemon *d, tdm_error *err)
{
    tdm__api *api = &d->api;
    const tdm__http_server_options http = tdm__http_server_options_default(); /* until the settings are in force */
    TDM_TRY(tdm__settings_check(d->options->settings, &d->reach, err));
    api->address = d->reach.address;
    TDM_TRY(tdm__loop_create(&api->loop, err));
    TDM_TRY(tdm__loop_timer_create(api->loop, drain_timer_fired, d, &d->drain_timer, err));
    TDM_TRY(tdm__loop_timer_create(api->loop, watchdog_timer_fired, d, &d->watchdog_timer, err));
    TDM_TRY(tdm__http_server_create(api->loop, &http, &tdm__api_handler, api, &api->server, err));
    TDM_TRY(tdm__http_server_listen(api->server, &api->address, err));
    return watch_signals(d, err);
}

/* "listening on http://127.0.0.1:8420" is what others wait for. */
static void say_ready(tandem_daemon *d)
{
    const tdm__http_address *a = &d->api.address;
    tdm__daemon_log_event(&d->api.log, TDM__LOG_NOTE, "start", "listening on %s://%s%s%s:%u%s",
                   d->reach.has_tls ? "https" : "http", a->is_ipv6 ? "[" : "", a->host, a->is_ipv6 ? "]" : "",
                   (unsigned)a->port, d->api.keys_required ? ", keys are required" : "");
    tdm__notify("READY=1\nSTATUS=the model is on its way");
    if (tdm__notify_watchdog_ms() > 0)
        watchdog_timer_fired(d);
}

static tdm_status set_up(tandem_daemon *d, tdm_error *err)
{
    const tdm__daemon_options *o = d->options;
    tdm__api *api = &d->api;
    const char *stage = tdm__settings_text(o->settings, TDM__SET_STAGE);
    TDM_TRY(listen_on(d, err));
    TDM_TRY(tdm__api_page_open(api, stage[0] ? stage : NULL, err));
    d->device_log = (tdm__daemon_log_part){&api->log, "device"};
    const tdm__log log = tdm__daemon_log_of(&d->device_log);
    TDM_TRY(tdm__device_open_logging(o->state_dir, tdm__settings_text(o->settings, TDM__SET_DEVICE), &log, &api->device,
                                     err));
    TDM_TRY(tdm__service_create(api->device, &api->service, err));
    tdm__service_set_prefix_dir(api->service, o->prefix_dir);
    TDM_TRY(tdm__assistant_create(api->service, api->device, &api->assistant, err));
    TDM_TRY(tdm__daemon_put_into_force(d, o->settings, err));
    int rc = tdm__thread_start(&d->loader, loader_main, d);
    if (rc != 0)
        return tdm__fail_os(err, rc, "cannot start the thread that loads the model");
    d->loader_runs = true;
    say_ready(d);
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
    tdm__tls_close(api->tls);
    tdm__app_keys_close(&api->apps);
    tdm__app_names_close(&api->app_names);
    tdm__loop_timer_destroy(d->drain_timer);
    tdm__loop_timer_destroy(d->watchdog_timer);
    tdm__loop_destroy(api->loop);
    tdm__daemon_log_fini(&api->log);
}

tdm_status tdm__daemon_run(const tdm__daemon_options *o, tdm_error *err)
{
    tandem_daemon d = {.options = o, .api = {.model_asked = o->model_asked ? o->model_asked : ""}};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGPIPE, &ignore, &before); /* a client that left is an error code of write */
    d.api.on_idle = stop_if_idle;
    d.api.on_reload = reload;
    d.api.on_drain = drain;
    d.api.user = &d;
    tdm__daemon_log_init(&d.api.log, o->quiet);
    tdm__daemon_configure_log(&d, o->settings);
    tdm_status s = set_up(&d, err);
    if (s == TDM_OK)
        s = tdm__loop_run(d.api.loop, err);
    take_down(&d);
    sigaction(SIGPIPE, &before, NULL);
    return s;
}
