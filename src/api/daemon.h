/* daemon.h - tandem serve: one process, one address, one model on its way or loaded.
 *
 * The caller's thread runs the event loop; a second one brings the model. The address answers before the model is
 * there. SIGTERM, SIGINT or POST /v1/drain drain: no new connections, running answers end within drain_time, then the
 * rest is cancelled; a second signal cancels at once. SIGHUP or POST /v1/reload read keys, certificate and settings
 * anew: all of it takes effect, or nothing.
 */
#ifndef TDM_API_DAEMON_H
#define TDM_API_DAEMON_H

#include <stdatomic.h>
#include <stdbool.h>

#include "api/settings.h"
#include "base/log.h"
#include "request/request.h"
#include "tandem/status.h"

/* Runs on a thread of its own: fetches and loads the model into s, reporting its progress there and, by sources, in the
 * log. Gives up soon after *stop is set. A failure is shown by /healthz; the daemon goes on. */
typedef tdm_status (*tdm__load_fn)(void *user, tdm__service *s, const tdm__log *log, const atomic_bool *stop,
                                   tdm_error *err);

typedef struct tdm__daemon_options {
    const tdm__settings *settings; /* as loaded from the next two */
    const char *config_path;       /* NULL: none; a reload reads it again */
    tdm__settings_flags flags;
    const char *model_asked; /* shown until a model is loaded */
    const char *state_dir;   /* of this device (request/device.h) */
    const char *prefix_dir;  /* where beginnings of prompts are kept */
    bool quiet;              /* no line a request */
    tdm__load_fn load;
    void *load_user;
} tdm__daemon_options;

/* Returns when the daemon was told to stop: TDM_OK; or when it could not begin: ERR_BUSY, ERR_INVAL, ERR_IO, and what
 * keys and certificate are refused with. */
tdm_status tdm__daemon_run(const tdm__daemon_options *o, tdm_error *err);

#endif
