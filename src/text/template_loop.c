/* template_loop.c - for loops and their loop variable.
 *
 * Items are taken one ahead at most, and only when loop.last or loop.nextitem asks: the test of "for x in y if test"
 * runs as late as it does in jinja2, and may look at a namespace that the body changes.
 */
#include "text/template_compare.h"
#include "text/template_eval.h"

struct tdm__jinja_loop {
    tdm__jinja_walk walk;
    const tdm__jinja_node *node;
    tdm__jinja_frame *outer, *test_frame;
    bool tested;   /* items pass node->third first */
    bool sized;    /* length is known */
    bool has_after;
    bool has_seen; /* loop.changed was called */
    size_t length;
    int64_t index0;
    tdm__jinja_value before, current, after, seen;
};

static tdm_status passes(tdm__jinja_run *run, tdm__jinja_loop *loop, tdm__jinja_value item, bool *pass)
{
    tdm__jinja_value test;
    if (!loop->test_frame)
        TDM_TRY(tdm__jinja_frame_new(run, loop->outer, &loop->test_frame));
    TDM_TRY(tdm__jinja_frame_renew(run, &loop->test_frame));
    TDM_TRY(tdm__jinja_assign(run, loop->test_frame, loop->node->first, item));
    TDM_TRY(tdm__jinja_eval(run, loop->test_frame, loop->node->third, &test));
    *pass = tdm__jinja_truth(test);
    return TDM_OK;
}

/* A test unpacks its item, and the loop gets the names' values again: as a tuple, whatever the item was. */
static tdm_status repack(tdm__jinja_run *run, tdm__jinja_value *item)
{
    tdm__jinja_items parts = {0};
    TDM_TRY(tdm__jinja_walk_all(run, *item, &parts));
    return tdm__jinja_sequence_make(run, TDM__JINJA_TUPLE, parts.at, parts.len, item);
}

/* The next item that passes the test. */
static tdm_status fetch(tdm__jinja_run *run, tdm__jinja_loop *loop, tdm__jinja_value *item, bool *got)
{
    for (;;) {
        bool pass = true;
        TDM_TRY(tdm__jinja_walk_next(run, &loop->walk, item, got));
        if (*got && loop->tested)
            TDM_TRY(passes(run, loop, *item, &pass));
        if (pass)
            return *got && loop->tested && loop->node->first->kind == TDM__NODE_TUPLE ? repack(run, item) : TDM_OK;
    }
}

static tdm_status peek(tdm__jinja_run *run, tdm__jinja_loop *loop, bool *got)
{
    *got = loop->has_after;
    if (loop->has_after)
        return TDM_OK;
    TDM_TRY(fetch(run, loop, &loop->after, got));
    loop->has_after = *got;
    return TDM_OK;
}

static tdm_status advance(tdm__jinja_run *run, tdm__jinja_loop *loop, bool *got)
{
    TDM_TRY(peek(run, loop, got));
    if (!*got)
        return TDM_OK;
    loop->has_after = false;
    loop->index0++;
    loop->before = loop->current;
    loop->current = loop->after;
    return TDM_OK;
}

/* What has no length is read to its end first. */
static tdm_status measure(tdm__jinja_run *run, tdm__jinja_loop *loop)
{
    if (loop->sized)
        return TDM_OK;
    loop->sized = true;
    if (!loop->tested && tdm__jinja_length(loop->walk.over, &loop->length))
        return TDM_OK;
    tdm__jinja_items rest = {0};
    for (;;) {
        tdm__jinja_value item;
        bool got;
        TDM_TRY(fetch(run, loop, &item, &got));
        if (!got)
            break;
        TDM_TRY(tdm__jinja_items_add(run, &rest, item));
    }
    loop->length = rest.len + (size_t)loop->index0 + 1 + loop->has_after;
    loop->tested = false;
    tdm__jinja_value list;
    TDM_TRY(tdm__jinja_sequence_make(run, TDM__JINJA_LIST, rest.at, rest.len, &list));
    return tdm__jinja_walk_start(run, &loop->walk, list);
}

static tdm_status neighbour(tdm__jinja_run *run, tdm__jinja_loop *loop, bool next, tdm__jinja_value *out)
{
    bool got = loop->index0 > 0;
    if (next)
        TDM_TRY(peek(run, loop, &got));
    *out = !got ? tdm__jinja_undefined(next ? "nextitem" : "previtem") : next ? loop->after : loop->before;
    return TDM_OK;
}

tdm_status tdm__jinja_loop_attribute(tdm__jinja_run *run, tdm__jinja_loop *loop, tdm__str name, tdm__jinja_value *out)
{
    static const char *const names[] = {"index",    "index0",   "first",    "last",  "length", "revindex",
                                        "revindex0", "previtem", "nextitem", "depth", "depth0"};
    size_t which = 0, n = sizeof names / sizeof names[0];
    while (which < n && !tdm__str_eq(name, tdm__str_from(names[which])))
        which++;
    bool more = false;
    *out = (tdm__jinja_value){.kind = TDM__JINJA_ABSENT};
    switch (which) {
    case 0: *out = tdm__jinja_int(loop->index0 + 1); return TDM_OK;
    case 1: *out = tdm__jinja_int(loop->index0); return TDM_OK;
    case 2: *out = tdm__jinja_bool(loop->index0 == 0); return TDM_OK;
    case 3:
        TDM_TRY(peek(run, loop, &more));
        *out = tdm__jinja_bool(!more);
        return TDM_OK;
    case 4:
    case 5:
    case 6:
        TDM_TRY(measure(run, loop));
        *out = tdm__jinja_int((int64_t)loop->length - (which == 4 ? 0 : loop->index0 + (which == 6)));
        return TDM_OK;
    case 7:
    case 8: return neighbour(run, loop, which == 8, out);
    case 9:
    case 10: *out = tdm__jinja_int(which == 9); return TDM_OK;
    default: return TDM_OK;
    }
}

tdm_status tdm__jinja_loop_cycle(tdm__jinja_run *run, tdm__jinja_loop *loop, const tdm__jinja_args *args,
                                 tdm__jinja_value *out)
{
    if (args->len == 0)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "no items for cycling given");
    *out = args->items[(size_t)loop->index0 % args->len];
    return TDM_OK;
}

tdm_status tdm__jinja_loop_changed(tdm__jinja_run *run, tdm__jinja_loop *loop, const tdm__jinja_args *args,
                                   tdm__jinja_value *out)
{
    tdm__jinja_value now;
    bool same = false;
    TDM_TRY(tdm__jinja_sequence_make(run, TDM__JINJA_TUPLE, args->items, args->len, &now));
    if (loop->has_seen)
        TDM_TRY(tdm__jinja_equal(run, loop->seen, now, &same));
    loop->has_seen = true;
    loop->seen = now;
    *out = tdm__jinja_bool(!same);
    return TDM_OK;
}

tdm_status tdm__jinja_run_for(tdm__jinja_run *run, tdm__jinja_frame *f, const tdm__jinja_node *node)
{
    tdm__jinja_value over;
    TDM_TRY(tdm__jinja_eval(run, f, node->second, &over));
    tdm__jinja_loop *loop = tdm__jinja_new(run, 1, sizeof *loop);
    tdm__jinja_frame *turn;
    if (!loop)
        return TDM_ERR_LIMIT;
    *loop = (tdm__jinja_loop){.node = node, .outer = f, .tested = node->third != NULL, .index0 = -1};
    TDM_TRY(tdm__jinja_walk_start(run, &loop->walk, over));
    TDM_TRY(tdm__jinja_frame_new(run, f, &turn));
    const tdm__jinja_name *loop_name = tdm__template_name_find(run->template, TDM_STR("loop"));
    tdm__jinja_value self = {.kind = TDM__JINJA_LOOP, .as.loop = loop};
    bool completed = false; /* as in jinja2, a turn cut short by break or continue does not keep else away */
    for (;;) {
        bool got = false;
        TDM_TRY(advance(run, loop, &got));
        if (!got)
            break;
        TDM_TRY(tdm__jinja_frame_renew(run, &turn));
        if (loop_name)
            TDM_TRY(tdm__jinja_frame_set(run, turn, loop_name, self));
        TDM_TRY(tdm__jinja_assign(run, turn, node->first, loop->current));
        TDM_TRY(tdm__jinja_run_body(run, turn, node->body));
        bool leave = run->flow == TDM__JINJA_BREAK;
        completed = completed || run->flow == TDM__JINJA_GO_ON;
        run->flow = TDM__JINJA_GO_ON;
        if (leave)
            break;
    }
    if (completed || !node->other)
        return TDM_OK;
    TDM_TRY(tdm__jinja_frame_new(run, f, &turn));
    return tdm__jinja_run_body(run, turn, node->other);
}
