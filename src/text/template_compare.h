/* template_compare.h - Python's ==, <, in and is on template values. */
#ifndef TDM_TEXT_TEMPLATE_COMPARE_H
#define TDM_TEXT_TEMPLATE_COMPARE_H

#include "text/template_value.h"

tdm_status tdm__jinja_equal(tdm__jinja_run *run, tdm__jinja_value a, tdm__jinja_value b, bool *equal);

/* -1, 0, 1; *nan when neither order holds. Fails for values that Python cannot order. */
tdm_status tdm__jinja_order(tdm__jinja_run *run, tdm__jinja_value a, tdm__jinja_value b, int *order, bool *nan);

/* item in container. */
tdm_status tdm__jinja_contains(tdm__jinja_run *run, tdm__jinja_value container, tdm__jinja_value item, bool *found);

bool tdm__jinja_same(tdm__jinja_value a, tdm__jinja_value b); /* a is b */

/* Sorts by keys[i], stably, carrying items[i] along; both arrays have n elements. */
tdm_status tdm__jinja_sort(tdm__jinja_run *run, tdm__jinja_value *keys, tdm__jinja_value *items, size_t n,
                           bool reverse);

#endif
