/* template_call.h - calls: macros, bound methods, global functions, and their arguments. */
#ifndef TDM_TEXT_TEMPLATE_CALL_H
#define TDM_TEXT_TEMPLATE_CALL_H

#include "text/template_eval.h"

/* A macro with the scope it was defined in; also the caller() of a call block. */
struct tdm__jinja_macro {
    const tdm__jinja_node *node;
    tdm__jinja_frame *scope;
};
const char *tdm__jinja_macro_name(const tdm__jinja_macro *m);
tdm_status tdm__jinja_macro_make(tdm__jinja_run *run, const tdm__jinja_node *node, tdm__jinja_frame *scope,
                                 tdm__jinja_value *out);

/* The arguments of a CALL, FILTER or TEST; caller, if given, is added as the named argument "caller". */
tdm_status tdm__jinja_eval_args(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *list,
                                const tdm__jinja_value *caller, tdm__jinja_args *out);
tdm_status tdm__jinja_call_value(tdm__jinja_run *run, tdm__jinja_value callee, const tdm__jinja_args *args,
                                 tdm__jinja_value *out);

#endif
