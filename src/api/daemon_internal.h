/* daemon_internal.h - what daemon.c and daemon_reload.c share. */
#ifndef TDM_API_DAEMON_INTERNAL_H
#define TDM_API_DAEMON_INTERNAL_H

#include <pthread.h>

#include "api/api.h"
#include "api/daemon.h"

typedef struct tandem_daemon {
    const tdm__daemon_options *options;
    tdm__settings settings; /* in force; api.names points into it */
    tdm__reach reach;
    tdm__api api;
    tdm__daemon_log_part device_log;
    tdm__loop_timer *drain_timer, *watchdog_timer;
    pthread_t loader;
    bool loader_runs;
    atomic_bool stop_loading;
    bool cancelled; /* the running answers were */
    bool hurried;   /* connections are not waited for any more */
} tandem_daemon;

void tdm__daemon_configure_log(tandem_daemon *d, const tdm__settings *s);

/* Reads keys and certificate for these settings, and puts all of it into force: or nothing, and says why. */
tdm_status tdm__daemon_put_into_force(tandem_daemon *d, const tdm__settings *settings, tdm_error *err);

/* Reads the configuration again. On any error all is as it was. */
tdm_status tdm__daemon_reload(tandem_daemon *d, tdm_error *err);

#endif
