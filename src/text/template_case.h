/* template_case.h - upper, lower, capitalised and title case of strings, as Python has them. */
#ifndef TDM_TEXT_TEMPLATE_CASE_H
#define TDM_TEXT_TEMPLATE_CASE_H

#include "text/template_string.h"

typedef enum tdm__jinja_case_kind {
    TDM__CASE_UPPER = 0,
    TDM__CASE_LOWER,
    TDM__CASE_CAPITAL,    /* str.capitalize: the first character, the rest lower */
    TDM__CASE_TITLE,      /* str.title: the first letter of each run of letters */
    TDM__CASE_TITLE_FILTER, /* jinja2's title filter: what follows white space, a hyphen or an opening bracket */
} tdm__jinja_case_kind;

tdm_status tdm__jinja_case(tdm__jinja_run *run, const tdm__jinja_string *s, tdm__jinja_case_kind kind,
                           tdm__jinja_value *out);

/* What jinja2 compares when case plays no part: strings in lower case, other values as they are. */
tdm_status tdm__jinja_fold(tdm__jinja_run *run, tdm__jinja_value v, tdm__jinja_value *out);

#endif
