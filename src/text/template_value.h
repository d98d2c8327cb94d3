/* template_value.h - the values that a chat template computes with, and the state of one rendering.
 *
 * Values are small and copied; what they point to lies in the rendering's arena, in the template, or in the caller's
 * JSON, and never changes, namespaces and loops apart. The kinds mirror Python's, because templates are written
 * against Python: tuples differ from lists when printed, map() gives an iterator that can be walked once.
 * Everything that does work spends steps, so no construct is unbounded whatever the data are.
 */
#ifndef TDM_TEXT_TEMPLATE_VALUE_H
#define TDM_TEXT_TEMPLATE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "text/template.h"

typedef enum tdm__jinja_kind {
    TDM__JINJA_ABSENT = 0, /* an argument that was not given; a template never sees it */
    TDM__JINJA_UNDEFINED,
    TDM__JINJA_NONE,
    TDM__JINJA_BOOL,
    TDM__JINJA_INT,
    TDM__JINJA_FLOAT,
    TDM__JINJA_STRING,
    TDM__JINJA_SEQUENCE, /* list, tuple, or what keys(), values(), items() give */
    TDM__JINJA_DICT,
    TDM__JINJA_RANGE,
    TDM__JINJA_ITERATOR, /* what generators give: walked once, no length */
    TDM__JINJA_NAMESPACE,
    TDM__JINJA_MACRO,
    TDM__JINJA_METHOD, /* a method together with its object */
    TDM__JINJA_FUNCTION,
    TDM__JINJA_LOOP,
} tdm__jinja_kind;

/* What a SEQUENCE is in Python. */
typedef enum tdm__jinja_flavor {
    TDM__JINJA_LIST = 0,
    TDM__JINJA_TUPLE,
    TDM__JINJA_KEYS,
    TDM__JINJA_VALUES,
    TDM__JINJA_ITEMS,
} tdm__jinja_flavor;

typedef struct tdm__jinja_string tdm__jinja_string;
typedef struct tdm__jinja_sequence tdm__jinja_sequence;
typedef struct tdm__jinja_dict tdm__jinja_dict;
typedef struct tdm__jinja_range tdm__jinja_range;
typedef struct tdm__jinja_iterator tdm__jinja_iterator;
typedef struct tdm__jinja_macro tdm__jinja_macro;
typedef struct tdm__jinja_bound tdm__jinja_bound;
typedef struct tdm__jinja_function tdm__jinja_function;
typedef struct tdm__jinja_loop tdm__jinja_loop;

typedef struct tdm__jinja_value {
    tdm__jinja_kind kind;
    bool forbidden; /* UNDEFINED: because the sandbox hides it */
    union {
        const char *missing; /* UNDEFINED: the name in the template that had no value, or NULL */
        bool truth;
        int64_t integer;
        double real;
        const tdm__jinja_string *string;
        const tdm__jinja_sequence *sequence;
        const tdm__jinja_dict *dict;
        const tdm__jinja_range *range;
        tdm__jinja_iterator *iterator;
        tdm__jinja_dict *names; /* NAMESPACE */
        const tdm__jinja_macro *macro;
        const tdm__jinja_bound *bound;
        const tdm__jinja_function *function;
        tdm__jinja_loop *loop;
    } as;
} tdm__jinja_value;

struct tdm__jinja_sequence {
    tdm__jinja_flavor flavor;
    const tdm__jinja_value *items;
    size_t len;
};

typedef struct tdm__jinja_pair {
    tdm__jinja_value key, value;
} tdm__jinja_pair;

struct tdm__jinja_dict { /* in order of insertion, as in Python */
    tdm__jinja_pair *pairs;
    size_t len, cap;
};

struct tdm__jinja_range {
    int64_t start, stop, step;
    size_t len;
};

struct tdm__jinja_iterator {
    const tdm__jinja_value *items;
    size_t len, at;
};

typedef struct tdm__jinja_text tdm__jinja_text;

/* One rendering. */
typedef struct tdm__jinja_run {
    const tdm__template *template;
    const tdm__template_input *input;
    tdm__arena *arena;
    tdm_error *err;
    uint64_t steps_left;
    unsigned depth, macro_depth;
    uint32_t line;               /* of the node being evaluated, for messages */
    tdm__jinja_text *out;        /* where printed text goes: the output, a macro's result, a set block */
    enum { TDM__JINJA_GO_ON = 0, TDM__JINJA_BREAK, TDM__JINJA_CONTINUE } flow;
    struct tdm__jinja_binding *spare; /* bindings of frames that ended */
} tdm__jinja_run;

/* Sets the error to "chat template line N: ..." and returns code. */
__attribute__((format(printf, 3, 4))) tdm_status tdm__jinja_fail(tdm__jinja_run *run, tdm_status code,
                                                                 const char *fmt, ...);

/* Takes n steps from the budget, or ERR_LIMIT. */
tdm_status tdm__jinja_spend(tdm__jinja_run *run, size_t n);

/* One level deeper, or ERR_LIMIT; each success is paired with leave. */
tdm_status tdm__jinja_enter(tdm__jinja_run *run);
static inline void tdm__jinja_leave(tdm__jinja_run *run) { run->depth--; }

/* count zeroed elements of size bytes from the arena, or NULL with the error set (ERR_LIMIT). */
void *tdm__jinja_new(tdm__jinja_run *run, size_t count, size_t size);

/* Python's name of the value's type with its article ("a str"), for messages. */
const char *tdm__jinja_type_name(tdm__jinja_value v);

/* Python's bool(v), and len(v) where there is one (false: there is none). */
bool tdm__jinja_truth(tdm__jinja_value v);
bool tdm__jinja_length(tdm__jinja_value v, size_t *len);

static inline tdm__jinja_value tdm__jinja_none(void) { return (tdm__jinja_value){.kind = TDM__JINJA_NONE}; }
static inline tdm__jinja_value tdm__jinja_bool(bool b)
{
    return (tdm__jinja_value){.kind = TDM__JINJA_BOOL, .as.truth = b};
}
static inline tdm__jinja_value tdm__jinja_int(int64_t i)
{
    return (tdm__jinja_value){.kind = TDM__JINJA_INT, .as.integer = i};
}
static inline tdm__jinja_value tdm__jinja_real(double d)
{
    return (tdm__jinja_value){.kind = TDM__JINJA_FLOAT, .as.real = d};
}
static inline tdm__jinja_value tdm__jinja_undefined(const char *missing)
{
    return (tdm__jinja_value){.kind = TDM__JINJA_UNDEFINED, .as.missing = missing};
}
static inline bool tdm__jinja_given(tdm__jinja_value v) { return v.kind != TDM__JINJA_ABSENT; }
static inline bool tdm__jinja_is_integer(tdm__jinja_value v)
{
    return v.kind == TDM__JINJA_INT || v.kind == TDM__JINJA_BOOL; /* as in Python, True is 1 */
}
static inline int64_t tdm__jinja_integer(tdm__jinja_value v)
{
    return v.kind == TDM__JINJA_BOOL ? (int64_t)v.as.truth : v.as.integer;
}
static inline bool tdm__jinja_is_number(tdm__jinja_value v)
{
    return v.kind == TDM__JINJA_FLOAT || tdm__jinja_is_integer(v);
}
static inline bool tdm__jinja_is_list(tdm__jinja_value v) /* a list or a tuple: what has items by number */
{
    return v.kind == TDM__JINJA_SEQUENCE && v.as.sequence->flavor <= TDM__JINJA_TUPLE;
}

/* Takes over items (arena memory). */
tdm_status tdm__jinja_sequence_make(tdm__jinja_run *run, tdm__jinja_flavor flavor, const tdm__jinja_value *items,
                                    size_t len, tdm__jinja_value *out);
tdm_status tdm__jinja_iterator_make(tdm__jinja_run *run, const tdm__jinja_value *items, size_t len,
                                    tdm__jinja_value *out);

/* A growing list of values in the arena. */
typedef struct tdm__jinja_items {
    tdm__jinja_value *at;
    size_t len, cap;
} tdm__jinja_items;
tdm_status tdm__jinja_items_add(tdm__jinja_run *run, tdm__jinja_items *items, tdm__jinja_value v);

/* Dicts. find fails for keys that Python cannot hash; *found is NULL when there is none. */
tdm_status tdm__jinja_dict_new(tdm__jinja_run *run, size_t cap, tdm__jinja_dict **out);
tdm_status tdm__jinja_dict_find(tdm__jinja_run *run, const tdm__jinja_dict *d, tdm__jinja_value key,
                                tdm__jinja_value **found);
tdm_status tdm__jinja_dict_put(tdm__jinja_run *run, tdm__jinja_dict *d, tdm__jinja_value key,
                               tdm__jinja_value value);
/* By name; NULL when there is none. */
tdm_status tdm__jinja_dict_named(tdm__jinja_run *run, const tdm__jinja_dict *d, tdm__str name,
                                 tdm__jinja_value **found);
bool tdm__jinja_hashable(tdm__jinja_value v);

/* Walking whatever can be iterated: list, dict (its keys), string (its characters), range, iterator, undefined. */
typedef struct tdm__jinja_walk {
    tdm__jinja_value over;
    size_t at, len; /* len as it was at the start; for strings in bytes */
} tdm__jinja_walk;
bool tdm__jinja_iterable(tdm__jinja_value v);
tdm_status tdm__jinja_walk_start(tdm__jinja_run *run, tdm__jinja_walk *w, tdm__jinja_value over);
tdm_status tdm__jinja_walk_next(tdm__jinja_run *run, tdm__jinja_walk *w, tdm__jinja_value *item, bool *got);
/* All that is left, as Python's list(). */
tdm_status tdm__jinja_walk_all(tdm__jinja_run *run, tdm__jinja_value over, tdm__jinja_items *out);

/* A JSON document as values; its strings are borrowed and untrusted. */
tdm_status tdm__jinja_from_json(tdm__jinja_run *run, json_t *j, tdm__jinja_value *out);

/* Arguments of a call as they were given. */
typedef struct tdm__jinja_named {
    tdm__str name;
    tdm__jinja_value value;
} tdm__jinja_named;
typedef struct tdm__jinja_args {
    const tdm__jinja_value *items;
    size_t len;
    const tdm__jinja_named *named;
    size_t n_named;
} tdm__jinja_args;

enum { TDM__JINJA_PARAMS_MAX = 8 };

/* Puts the arguments into out[] by the comma-separated names of params; "*" before a name begins those that must be
 * given by name, "/" after one ends those that must not. Slots that were not given are ABSENT. what names the
 * callee in messages. */
tdm_status tdm__jinja_bind(tdm__jinja_run *run, const char *what, const char *params, unsigned n_required,
                           const tdm__jinja_args *args, tdm__jinja_value out[TDM__JINJA_PARAMS_MAX]);

#endif
