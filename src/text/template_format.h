/* template_format.h - Python's two ways to fill a text: "%s" % values, and "{}".format(values). */
#ifndef TDM_TEXT_TEMPLATE_FORMAT_H
#define TDM_TEXT_TEMPLATE_FORMAT_H

#include "text/template_string.h"

/* s % right, where right is a tuple, a dict, or the one value. */
tdm_status tdm__jinja_format_percent(tdm__jinja_run *run, const tdm__jinja_string *s, tdm__jinja_value right,
                                     tdm__jinja_value *out);
tdm_status tdm__jinja_format_braces(tdm__jinja_run *run, const tdm__jinja_string *s, const tdm__jinja_args *args,
                                    tdm__jinja_value *out);

#endif
