/* template_json.h - the tojson filter: Python's json.dumps with the arguments that transformers lets through. */
#ifndef TDM_TEXT_TEMPLATE_JSON_H
#define TDM_TEXT_TEMPLATE_JSON_H

#include "text/template_string.h"

typedef struct tdm__jinja_json_style {
    bool ensure_ascii;
    bool sort_keys;
    bool indented;
    tdm__str indent; /* one level of it */
    tdm__str comma, colon;
} tdm__jinja_json_style;

/* Appends v as JSON, all of it untrusted. Fails for what JSON cannot say. */
tdm_status tdm__jinja_json(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v,
                           const tdm__jinja_json_style *style);

#endif
