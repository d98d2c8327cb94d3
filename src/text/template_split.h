/* template_split.h - cutting strings: str.split, str.rsplit, str.splitlines, str.replace. */
#ifndef TDM_TEXT_TEMPLATE_SPLIT_H
#define TDM_TEXT_TEMPLATE_SPLIT_H

#include "text/template_string.h"

/* separator NULL: at runs of white space. At most max cuts (< 0: no bound), counted from the right if from_right. */
tdm_status tdm__jinja_split(tdm__jinja_run *run, const tdm__jinja_string *s, const tdm__jinja_string *separator,
                            int64_t max, bool from_right, tdm__jinja_items *out);
tdm_status tdm__jinja_split_lines(tdm__jinja_run *run, const tdm__jinja_string *s, bool keep_ends,
                                  tdm__jinja_items *out);
tdm_status tdm__jinja_replace(tdm__jinja_run *run, const tdm__jinja_string *s, const tdm__jinja_string *old,
                              const tdm__jinja_string *new, int64_t max, tdm__jinja_value *out);

#endif
