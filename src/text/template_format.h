/* template_format.h - Python's two ways to fill a text, "%s" % values and "{}".format(values), and what they share.
 *
 * As far as chat templates go: strings, integers and floats with a width, an alignment, a precision. What the
 * template wrote keeps its marks, and so do the strings that are put in.
 */
#ifndef TDM_TEXT_TEMPLATE_FORMAT_H
#define TDM_TEXT_TEMPLATE_FORMAT_H

#include "text/template_string.h"

/* s % right, where right is a tuple, a dict, or the one value. */
tdm_status tdm__jinja_format_percent(tdm__jinja_run *run, const tdm__jinja_string *s, tdm__jinja_value right,
                                     tdm__jinja_value *out);
tdm_status tdm__jinja_format_braces(tdm__jinja_run *run, const tdm__jinja_string *s, const tdm__jinja_args *args,
                                    tdm__jinja_value *out);

enum { TDM__FORMAT_WIDTH_MAX = 1000, TDM__FORMAT_PRECISION_MAX = 100 };

typedef struct tdm__jinja_format_spec {
    int32_t fill;  /* 0: a space */
    char align;    /* '<', '>', '^' or 0: by the kind of value */
    char sign;     /* '+', ' ' or 0 */
    bool zero;     /* pad numbers with zeros behind the sign */
    int width, precision; /* precision -1: none */
    char type;     /* 0: by the kind of value */
} tdm__jinja_format_spec;

/* v as the specification wants it, appended; align when the specification has none. */
tdm_status tdm__jinja_format_number(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v,
                                    const tdm__jinja_format_spec *spec);
tdm_status tdm__jinja_format_text(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_string *s,
                                  const tdm__jinja_format_spec *spec, char align);
tdm_status tdm__jinja_format_repr(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v,
                                  const tdm__jinja_format_spec *spec, char align);

/* A small number at *at; false when there is none or it is beyond max. */
bool tdm__jinja_format_digits(tdm__str s, size_t *at, int max, int *out);
/* [width][.precision] at *at, if they are there. */
tdm_status tdm__jinja_format_width(tdm__jinja_run *run, tdm__str s, size_t *at, tdm__jinja_format_spec *spec);
/* The error for what Python can and this cannot. */
tdm_status tdm__jinja_format_refuse(tdm__jinja_run *run, const char *what);

#endif
