/* template_eval.h - evaluating expressions, running statements, and the variables they see. */
#ifndef TDM_TEXT_TEMPLATE_EVAL_H
#define TDM_TEXT_TEMPLATE_EVAL_H

#include "text/template_node.h"

/* The variables of one scope. A frame sees what its parents hold and changes only its own. */
typedef struct tdm__jinja_binding {
    struct tdm__jinja_binding *next;
    const tdm__jinja_name *name;
    tdm__jinja_value value;
} tdm__jinja_binding;

typedef struct tdm__jinja_frame {
    struct tdm__jinja_frame *parent;
    tdm__jinja_binding *bindings;
    bool captured; /* a macro may look into it later: its bindings are not used again */
} tdm__jinja_frame;

tdm_status tdm__jinja_frame_new(tdm__jinja_run *run, tdm__jinja_frame *parent, tdm__jinja_frame **out);
tdm_status tdm__jinja_frame_set(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_name *name,
                                tdm__jinja_value v);
/* Forgets the bindings, for the next turn of a loop. */
tdm_status tdm__jinja_frame_renew(tdm__jinja_run *run, tdm__jinja_frame **f);

tdm_status tdm__jinja_eval(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                           tdm__jinja_value *out);

/* Runs the statements of a body; run->flow tells whether break or continue ended it. */
tdm_status tdm__jinja_run_body(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *body);
tdm_status tdm__jinja_run_for(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node);
/* Runs the body with the printed text going into *out instead. */
tdm_status tdm__jinja_capture(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *body,
                              tdm__jinja_value *out);
tdm_status tdm__jinja_assign(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *target,
                             tdm__jinja_value v);
tdm_status tdm__jinja_eval_filter(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node,
                                  const tdm__jinja_value *subject, tdm__jinja_value *out);

/* An error when v is undefined: most operations cannot use it. */
tdm_status tdm__jinja_require(tdm__jinja_run *run, tdm__jinja_value v);

/* left op right for the arithmetic operators. */
tdm_status tdm__jinja_binary(tdm__jinja_run *run, tdm__jinja_op op, tdm__jinja_value left, tdm__jinja_value right,
                             tdm__jinja_value *out);
tdm_status tdm__jinja_negate(tdm__jinja_run *run, tdm__jinja_value v, tdm__jinja_value *out);

/* object.name and object[key], undefined when there is no such thing. */
tdm_status tdm__jinja_attribute(tdm__jinja_run *run, tdm__jinja_value self, tdm__str name, const char *shown,
                                tdm__jinja_value *out);
tdm_status tdm__jinja_item(tdm__jinja_run *run, tdm__jinja_value self, tdm__jinja_value key, tdm__jinja_value *out);
/* self[parts[0] : parts[1] : parts[2]]; ABSENT or none for a part that is not there. */
tdm_status tdm__jinja_slice(tdm__jinja_run *run, tdm__jinja_value self, const tdm__jinja_value parts[3],
                            tdm__jinja_value *out);
/* The loop variable's attributes; *out is ABSENT when there is no such attribute. */
tdm_status tdm__jinja_loop_attribute(tdm__jinja_run *run, tdm__jinja_loop *loop, tdm__str name,
                                     tdm__jinja_value *out);
/* loop.cycle(...) and loop.changed(...) */
tdm_status tdm__jinja_loop_cycle(tdm__jinja_run *run, tdm__jinja_loop *loop, const tdm__jinja_args *args,
                                 tdm__jinja_value *out);
tdm_status tdm__jinja_loop_changed(tdm__jinja_run *run, tdm__jinja_loop *loop, const tdm__jinja_args *args,
                                   tdm__jinja_value *out);

#endif
