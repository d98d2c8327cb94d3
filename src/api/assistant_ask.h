/* assistant_ask.h - the body of POST /v1/assistant to a checked question. No accepted field is ignored. */
#ifndef TDM_API_ASSISTANT_ASK_H
#define TDM_API_ASSISTANT_ASK_H

#include "api/api_error.h"
#include "feature/assistant.h"

typedef struct tdm__assistant_body {
    json_t *body;     /* owned; texts of ask are borrowed from it */
    json_t *messages; /* owned */
    tdm__assistant_ask ask;
} tdm__assistant_body;

/* False with a 400 in *e; *out is then empty. */
bool tdm__assistant_body_parse(tdm__str body, tdm__assistant_body *out, tdm__api_error *e);
void tdm__assistant_body_fini(tdm__assistant_body *b);

#endif
