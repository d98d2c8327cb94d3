/* template_pick.h - looking an attribute path up in an item, as map, selectattr, sort and others do. */
#ifndef TDM_TEXT_TEMPLATE_PICK_H
#define TDM_TEXT_TEMPLATE_PICK_H

#include "text/template_string.h"

/* item.a.b.0 for the path "a.b.0" (or an integer); what is undefined on the way becomes *fallback, if given. */
tdm_status tdm__jinja_path(tdm__jinja_run *run, tdm__jinja_value item, tdm__jinja_value path,
                           const tdm__jinja_value *fallback, tdm__jinja_value *out);

#endif
