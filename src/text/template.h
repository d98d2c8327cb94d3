/* template.h - a model's chat template: a bounded interpreter of the Jinja subset that such templates use.
 *
 * The template comes from an untrusted file, the messages from an untrusted user. The interpreter reaches nothing
 * but the values it is given; steps, depth, memory and output are limited; an unknown construct is an error that
 * names it and its line. Each rendered byte knows where it came from: literal text of the template (and bos / eos)
 * is trusted, what came from messages, tools or other values is not, also after trim, replace, + and the like.
 */
#ifndef TDM_TEXT_TEMPLATE_H
#define TDM_TEXT_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "tandem/status.h"

typedef struct tdm__template tdm__template;

/* Parses the source (copied). Immutable afterwards, shared by all threads. */
tdm_status tdm__template_create(tdm__str source, tdm__template **out, tdm_error *err);
void tdm__template_destroy(tdm__template *t);

typedef struct tdm__template_input {
    json_t *values;             /* object: messages, tools, documents, ...: all its strings are untrusted */
    tdm__str bos_token;         /* trusted; empty when the vocabulary has none */
    tdm__str eos_token;
    bool add_generation_prompt;
    int64_t now_unix_s;         /* what strftime_now sees (UTC) */
} tdm__template_input;

typedef struct tdm__rendered {
    char *text;       /* len bytes and a NUL */
    uint8_t *trusted; /* len bytes: 1 where the template wrote, 0 where a value did */
    size_t len;
} tdm__rendered;

/* Renders into out, which the caller frees with tdm__rendered_fini. raise_exception(...) of the template gives
 * ERR_INVAL with its sentence; a limit ERR_LIMIT; what is not built ERR_UNSUPPORTED. */
tdm_status tdm__template_render(const tdm__template *t, const tdm__template_input *in, tdm__rendered *out,
                                tdm_error *err);
void tdm__rendered_fini(tdm__rendered *r);

#endif
