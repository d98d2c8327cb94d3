/* emulate.h - partners' stand-ins on this machine's loopback, for who has no key: marked EMULATED in header, body, page.
 *
 * One process, several partners, a port each. The text is real: this device's own model writes it. A log of requests
 * (time, partner, decision id, bytes, SHA-256: never the text) proves who was asked and who was not. Faults come on
 * demand, by option or by POST /emulate/fault.
 */
#ifndef TDM_EMULATE_EMULATE_H
#define TDM_EMULATE_EMULATE_H

#include <stdbool.h>
#include <stddef.h>

#include "request/request.h"
#include "tandem/status.h"

enum { TDM__EMULATED_MAX = 16 };

typedef struct tdm__emulated {
    const char *partner; /* "alibaba" */
    const char *address; /* "127.0.0.1:9101" */
} tdm__emulated;

typedef struct tdm__emulate_options {
    tdm__emulated partners[TDM__EMULATED_MAX];
    size_t n_partners;
    const char *model_path, *model_name;
    const char *log_path; /* JSON lines; NULL: none */
    const char *fault;    /* "none", "down", "slow", "cut", "html", "rate", "quota", "filter", "territory", .. */
    size_t n_threads;
    bool quiet;
} tdm__emulate_options;

/* Runs until SIGTERM or SIGINT. Prints "tandem: emulating PARTNER on http://ADDRESS" a partner on stderr. */
tdm_status tdm__emulate_run(const tdm__emulate_options *o, tdm_error *err);

#endif
