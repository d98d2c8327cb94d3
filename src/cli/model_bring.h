/* model_bring.h - the model of a process that serves: chosen at once, fetched when it is not here, then loaded.
 *
 * For the commands that listen first. A name that no catalogue has is refused before anything listens.
 */
#ifndef TDM_CLI_MODEL_BRING_H
#define TDM_CLI_MODEL_BRING_H

#include <stdatomic.h>

#include "base/log.h"
#include "cli/command.h"
#include "net/catalogue.h"
#include "request/request.h"

enum { TDM__BRING_SLOTS = 4, TDM__BRING_SLOTS_MAX = 256, TDM__BRING_QUEUE = 64, TDM__BRING_QUEUE_MAX = 4096 };

typedef struct tdm__bring {
    const tdm__common *common;
    const char *model; /* a path, or a catalogue's name or its beginning */
    size_t n_queue;
    bool no_drafts;
    const tdm__log *log; /* where it says how it goes; NULL: stderr */
    char name[TDM__CATALOGUE_NAME_MAX + 1]; /* what clients call it; of choose */
    tdm__catalogue *catalogue;
    const tdm__catalogue_entry *entry; /* NULL: the model is a path */
    tdm__service *service;             /* while loading */
} tdm__bring;

/* common, model and n_queue are set. fini also after an error. */
tdm_status tdm__bring_choose(tdm__bring *b, tdm_error *err);
void tdm__bring_fini(tdm__bring *b);

/* Fetches and loads, with progress in the service's state and, by sources, on stderr. On a thread of its own; bring is
 * a tdm__bring that has chosen. */
tdm_status tdm__bring_load(void *bring, tdm__service *service, const atomic_bool *stop, tdm_error *err);

#endif
