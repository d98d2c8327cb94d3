/* verb_serve.h - POST /v1/features/VERB: one verb from its body to its last byte. */
#ifndef TDM_API_VERB_SERVE_H
#define TDM_API_VERB_SERVE_H

#include "api/api.h"

/* Takes the request over: finds the verb in the path, parses, starts it, and answers, now or later. */
void tdm__api_post_verb(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q);

/* Cancels all that run; their last events still come. */
void tdm__verb_cancel_all(tdm__api *api);

#endif
