/* verb_end.h - what a verb's run came to, kept beyond its last event, and how a refusal is told: HTTP and the command
 * line share it, so that one cause has one code everywhere (docs/formats/errors.md). */
#ifndef TDM_API_VERB_END_H
#define TDM_API_VERB_END_H

#include <stdbool.h>

#include "api/api_error.h"
#include "feature/verb.h"

enum { TDM__VERB_SENTENCE_BYTES = 512, TDM__VERB_LABEL_BYTES = 512 };

typedef struct tdm__verb_end {
    tdm__request_end end;
    tdm__reason reason;
    tdm_error error;
    tdm__job_timings timings;
    char sentence[TDM__VERB_SENTENCE_BYTES]; /* of OFF: why */
    char label[TDM__VERB_LABEL_BYTES];       /* the market's visible line, or "none" */
} tdm__verb_end;

/* Copies from DONE. */
void tdm__verb_end_from(const tdm__verb_event *done, tdm__verb_end *out);

/* True with a refusal in *e for every end but an answer. */
bool tdm__verb_end_refusal(const tdm__verb_end *end, const tdm__verb_ask *ask, tdm__api_error *e);

/* Why ask was not even begun: err is tdm__verb_start's. */
void tdm__verb_start_refusal(const tdm__verb_ask *ask, const tdm_error *err, const tdm__service_status *s,
                             tdm__api_error *e);

#endif
