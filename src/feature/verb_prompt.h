/* verb_prompt.h - the prompts of share/prompts, compiled in: the turns that stand before the user's text.
 *
 * A file is of one verb and one language and holds named prompts; docs/internals/verbs.md has the form. A prompt's
 * turns are the same for everybody, so what the engine computed for them may serve every application, up to the first
 * turn that has a place ("{instruction}") for something of the user's. The text itself is always a turn of its own and
 * the last one: what it says is never part of an instruction.
 */
#ifndef TDM_FEATURE_VERB_PROMPT_H
#define TDM_FEATURE_VERB_PROMPT_H

#include <jansson.h>
#include <stddef.h>

#include "feature/verb.h"
#include "tandem/status.h"

typedef struct tdm__prompt_fill {
    tdm__str instruction; /* for "{instruction}" */
    tdm__str text;        /* the last turn */
} tdm__prompt_fill;

/* The messages of a prompt, with the user's text behind (new reference), and how many of the first hold no user's
 * text. ERR_NOT_FOUND: no prompt of that name; ERR_FORMAT: the file is malformed (a test reads them all); ERR_NOMEM. */
tdm_status tdm__verb_prompt_make(tdm__verb verb, const char *language, const char *name, const tdm__prompt_fill *fill,
                                 json_t **out, size_t *n_public, tdm_error *err);

#endif
