/* template.h - a model's chat template: a bounded interpreter of the Jinja subset that such templates use.
 *
 * The template comes from an untrusted file, the messages from an untrusted user. The interpreter reaches nothing
 * but the values it is given; steps, depth, memory and output are limited; an unknown construct is an error that
 * names it and its line. Each rendered byte knows where it came from: literal text of the template (and bos / eos)
 * is trusted, what came from messages, tools or other values is not, also after trim, replace, + and the like. What
 * the interpreter makes itself (numbers, JSON, dates) is not trusted either.
 *
 * The meaning is that of Python's jinja2 3.1 as transformers sets it up: trim_blocks, lstrip_blocks, loop controls, the
 * generation tag, its own tojson, an immutable sandbox. Known to differ: the lazy filters (map, select, ...) do their
 * work at once, so one that fails does so even when nobody reads it; slices of literals that cannot be sliced are
 * errors. Not built, and refused by name: recursive loops, block, include, import, extends, names beyond ASCII,
 * integers beyond 64 bits, and the filters, tests and methods that the tables of template_*.c lack.
 */
#ifndef TDM_TEXT_TEMPLATE_H
#define TDM_TEXT_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "tandem/status.h"

/* What a template may use up. A step is one evaluated node, one visited item, or 64 bytes copied or scanned. */
enum {
    TDM__TEMPLATE_SOURCE_BYTES_MAX = 256 * 1024,
    TDM__TEMPLATE_NODES_MAX = 32 * 1024, /* of the parsed source */
    TDM__TEMPLATE_NAMES_MAX = 4096,      /* distinct names in the source */
    TDM__TEMPLATE_NESTING_MAX = 200,     /* brackets, operators and tags inside each other, in the source */
    TDM__TEMPLATE_STEPS_MAX = 2 * 1000 * 1000,
    TDM__TEMPLATE_DEPTH_MAX = 800,       /* evaluations inside each other */
    TDM__TEMPLATE_MACRO_DEPTH_MAX = 64,
    TDM__TEMPLATE_VALUE_DEPTH_MAX = 64,  /* lists and objects inside each other in the values */
    TDM__TEMPLATE_RANGE_MAX = 100 * 1000, /* items of range(), as in jinja2's sandbox */
    TDM__TEMPLATE_MEMORY_BYTES_MAX = 64 * 1024 * 1024,
    TDM__TEMPLATE_OUTPUT_BYTES_MAX = 16 * 1024 * 1024,
};

typedef struct tdm__template tdm__template;

/* Parses the source (UTF-8, copied). Immutable afterwards, shared by all threads. ERR_FORMAT for what is no Jinja,
 * ERR_UNSUPPORTED for Jinja that is not built, ERR_LIMIT. */
tdm_status tdm__template_create(tdm__str source, tdm__template **out, tdm_error *err);
void tdm__template_destroy(tdm__template *t);

typedef struct tdm__template_input {
    json_t *values;   /* object: messages, tools, documents, ...: all its strings and keys are untrusted. Read only,
                         and borrowed; tools and documents are none when absent, as apply_chat_template has it */
    tdm__str bos_token; /* trusted; ptr NULL leaves the name undefined, as for a vocabulary without one */
    tdm__str eos_token;
    bool add_generation_prompt;
    int64_t now_unix_s; /* what strftime_now sees (UTC) */
} tdm__template_input;

typedef struct tdm__rendered {
    char *text;       /* len bytes and a NUL */
    uint8_t *trusted; /* len bytes: 1 where the template wrote, 0 where a value did */
    size_t len;
} tdm__rendered;

/* Renders into out, which the caller frees with tdm__rendered_fini. raise_exception(...) of the template gives
 * ERR_INVAL with the trusted part of its sentence; so do operations on values of the wrong kind; a limit gives
 * ERR_LIMIT; what is not built ERR_UNSUPPORTED. No error holds text that came from the values. */
tdm_status tdm__template_render(const tdm__template *t, const tdm__template_input *in, tdm__rendered *out,
                                tdm_error *err);
void tdm__rendered_fini(tdm__rendered *r);

#endif
