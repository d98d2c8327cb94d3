/* template_tables.h - the filters, tests, methods and functions that templates may name. */
#ifndef TDM_TEXT_TEMPLATE_TABLES_H
#define TDM_TEXT_TEMPLATE_TABLES_H

#include "text/template_string.h"

/* args holds the bound parameters; for those that take what comes, raw has the arguments as they stood. */
typedef struct tdm__jinja_call {
    tdm__jinja_value self; /* the filtered or tested value, the method's object */
    tdm__jinja_value args[TDM__JINJA_PARAMS_MAX];
    const tdm__jinja_args *raw;
} tdm__jinja_call;

typedef tdm_status (*tdm__jinja_apply)(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out);

typedef struct tdm__jinja_filter {
    const char *name;
    const char *params; /* as for tdm__jinja_bind; NULL: raw only */
    unsigned n_required;
    tdm__jinja_apply apply;
} tdm__jinja_filter;

typedef struct tdm__jinja_test {
    const char *name;
    const char *params;
    unsigned n_required;
    tdm_status (*apply)(tdm__jinja_run *run, const tdm__jinja_call *call, bool *holds);
} tdm__jinja_test;

/* A method of one kind of object. Without apply: Python has it; the sandbox forbids it, or it is not built. */
typedef struct tdm__jinja_method {
    tdm__jinja_kind kind;
    const char *name;
    const char *params;
    unsigned n_required;
    tdm__jinja_apply apply;
    bool forbidden;
} tdm__jinja_method;

struct tdm__jinja_function {
    const char *name;
    const char *params; /* NULL: raw only */
    unsigned n_required;
    tdm__jinja_apply apply; /* NULL: not built */
};

struct tdm__jinja_bound {
    tdm__jinja_value self;
    const tdm__jinja_method *method;
};

const tdm__jinja_filter *tdm__jinja_filter_find(tdm__str name);
const tdm__jinja_test *tdm__jinja_test_find(tdm__str name);
const tdm__jinja_method *tdm__jinja_method_find(tdm__jinja_value self, tdm__str name);
const tdm__jinja_function *tdm__jinja_function_find(tdm__str name);

tdm_status tdm__jinja_apply_filter(tdm__jinja_run *run, const tdm__jinja_filter *f, tdm__jinja_value self,
                                   const tdm__jinja_args *args, tdm__jinja_value *out);
tdm_status tdm__jinja_apply_test(tdm__jinja_run *run, const tdm__jinja_test *t, tdm__jinja_value self,
                                 const tdm__jinja_args *args, bool *holds);

/* One part of each table lives beside the bodies. */
extern const tdm__jinja_filter tdm__jinja_text_filters[];
extern const tdm__jinja_filter tdm__jinja_list_filters[];
extern const tdm__jinja_filter tdm__jinja_pick_filters[];
extern const tdm__jinja_filter tdm__jinja_number_filters[];
extern const tdm__jinja_test tdm__jinja_tests[];
extern const tdm__jinja_method tdm__jinja_string_methods[];
extern const tdm__jinja_method tdm__jinja_object_methods[];
extern const tdm__jinja_function tdm__jinja_functions[];

#endif
