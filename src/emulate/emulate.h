/* emulate.h - partners' stand-ins on this machine's loopback, for who has no key: marked EMULATED in header, body and
 * page.
 *
 * One process, several partners, a port each. The text is real: this device's own model writes it, under the built-in
 * market, and it begins with "[EMULATED NAME] ". A log of requests (time, partner, path, bytes, SHA-256, status: never
 * the text, and no identifier, because none reaches a partner) proves who was asked and who was not. Faults come on
 * demand, by option or by POST /emulate/fault. docs/formats/emulate.md has all of it.
 */
#ifndef TDM_EMULATE_EMULATE_H
#define TDM_EMULATE_EMULATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "request/request.h"
#include "tandem/status.h"

enum { TDM__EMULATED_MAX = 16 };

typedef struct tdm__emulated {
    const char *partner; /* "alibaba" */
    uint16_t port;       /* of 127.0.0.1; 0: any free one */
} tdm__emulated;

typedef struct tdm__emulate_options {
    tdm__emulated partners[TDM__EMULATED_MAX];
    size_t n_partners;
    const char *state_dir; /* of the stand-ins' own device, which has no record */
    const char *log_path;  /* JSON lines, appended; NULL: none */
    const char *fault;     /* of all partners from the begin; NULL: none */
    const char *faults_dir; /* DIR/PARTNER.fault, read at each question, overrules it while it is there; NULL: none */
    /* Brings the model and loads it into the service; on a thread of its own, ends early when *stop. */
    tdm_status (*load)(void *user, tdm__service *service, const atomic_bool *stop, tdm_error *err);
    void *load_user;
} tdm__emulate_options;

/* Runs until SIGTERM or SIGINT. Prints "tandem: emulating PARTNER on http://ADDRESS" a partner on stderr. ERR_INVAL for
 * a partner or a fault that is not known, with the known ones. */
tdm_status tdm__emulate_run(const tdm__emulate_options *o, tdm_error *err);

/* The port on which a partner stands unless told otherwise; 0 for one that is not known. */
uint16_t tdm__emulate_default_port(const char *partner);

#endif
