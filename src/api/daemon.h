/* daemon.h - tandem serve: one process, one address, one model on its way or loaded.
 *
 * The caller's thread runs the event loop; a second one brings the model. The address answers before the model is
 * there. SIGTERM or SIGINT drains: no new connections, running answers end within drain_ms, then the rest is
 * cancelled; a second signal cancels at once.
 */
#ifndef TDM_API_DAEMON_H
#define TDM_API_DAEMON_H

#include <stdatomic.h>
#include <stdbool.h>

#include "net/http_server.h"
#include "request/request.h"
#include "tandem/status.h"

/* Runs on a thread of its own: fetches and loads the model into s, reporting its progress there. Gives up soon after
 * *stop is set. A failure is shown by /healthz; the daemon goes on. */
typedef tdm_status (*tdm__load_fn)(void *user, tdm__service *s, const atomic_bool *stop, tdm_error *err);

typedef struct tdm__daemon_options {
    const char *listen;      /* "127.0.0.1:8420"; loopback only */
    const char *model_asked; /* shown until a model is loaded */
    tdm__http_server_options http;
    const char *state_dir;   /* of this device (request/device.h) */
    const char *record_path; /* a device record to install; "" or NULL: none */
    const char *stage;       /* origin of the page that may frame ours; NULL: none */
    int drain_ms;
    bool quiet;
    tdm__load_fn load;
    void *load_user;
} tdm__daemon_options;

tdm__daemon_options tdm__daemon_options_default(void);

/* Returns when the daemon was told to stop: TDM_OK; or when it could not begin: ERR_BUSY, ERR_INVAL, ERR_IO. */
tdm_status tdm__daemon_run(const tdm__daemon_options *o, tdm_error *err);

#endif
