/* local_service.h - this process's own model behind the whole spine: what a command of the feature layer runs on. */
#ifndef TDM_CLI_LOCAL_SERVICE_H
#define TDM_CLI_LOCAL_SERVICE_H

#include "cli/command.h"
#include "request/request.h"

typedef struct tdm__local_service {
    tdm__device *device; /* of the home's state folder */
    tdm__service *service;
} tdm__local_service;

/* Opens the device (record: a device record to install, "" for none), loads the model and says so on stderr unless
 * quiet or --json. n_slots holds where --parallel does not say; 0: the engine's default. Close it also after an
 * error. */
tdm_status tdm__local_service_open(const tdm__common *common, const char *model, const char *record, size_t n_slots,
                                   tdm__local_service *out, tdm_error *err);
void tdm__local_service_close(tdm__local_service *l);

#endif
