/* assistant_run.h - POST /v1/assistant: a question, or the answer to an offer, as a stream of named events. */
#ifndef TDM_API_ASSISTANT_RUN_H
#define TDM_API_ASSISTANT_RUN_H

#include "api/api.h"

/* Takes the request over. is_owner: whether the caller has shown the owner's key; answers to offers need it. */
void tdm__asking_start(tdm__api *api, tdm__http_conn *c, tdm__str body, bool is_owner);

void tdm__asking_cancel_all(tdm__api *api);

#endif
