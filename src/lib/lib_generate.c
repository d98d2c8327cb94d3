/* lib_generate.c - one request of the spine as a handle that is pulled, and with a callback. */
#include <string.h>

#include "base/error.h"
#include "lib/lib_inbox.h"
#include "lib/lib_internal.h"
#include "os/heap.h"
#include "tandem/generate.h"

_Static_assert((int)TDM_CANDIDATES_MAX == (int)TDM__CANDIDATES_MAX, "as many as the spine takes");
_Static_assert((int)TDM_STOP_STRINGS_MAX == (int)TDM__STOPS_MAX, "as many as the engine takes");

struct tdm_gen {
    tdm_runtime *runtime;
    tdm__request *request;
    tdm__inbox inbox;
    tdm__spine spine; /* written by the runtime's threads before the item or the end that announces it */
    const char *language;
    /* the caller's thread */
    tdm__inbox_item *item; /* what event points into */
    tdm_event event;
    bool was_told; /* DONE */
    tdm_error failure;
};

void tdm_request_default(tdm_request *r, size_t struct_size) { tdm__lib_options_default(r, struct_size); }

/* ---- the runtime's threads ---- */

static void on_event(void *user, const tdm__event *ev)
{
    tdm_gen *g = user;
    tdm__spine_keep(&g->spine, ev, g->language);
    if (ev->kind == TDM__EVENT_TEXT)
        tdm__inbox_put_text(&g->inbox, TDM_EVENT_TEXT, ev->candidate, ev->is_label, ev->text);
    else if (ev->kind == TDM__EVENT_DECISION)
        tdm__inbox_put(&g->inbox, TDM_EVENT_DECISION, 0, "", (tdm__str){0}, NULL);
    else
        tdm__inbox_end(&g->inbox);
}

/* ---- starting ---- */

static tdm_status take_stops(const tdm_request *r, tdm__chat_request *q, tdm_error *err)
{
    if (r->n_stops > TDM_STOP_STRINGS_MAX || (r->n_stops > 0 && !r->stops))
        TDM_FAIL(err, TDM_ERR_INVAL, "%zu stop strings, %d are the most", r->stops ? r->n_stops : 0,
                 TDM_STOP_STRINGS_MAX);
    for (size_t i = 0; i < r->n_stops; i++) {
        TDM_TRY(tdm__lib_text(r->stops[i], 0, "a stop string", &q->stops[i], err));
        if (q->stops[i].len == 0 || q->stops[i].len > TDM__STOP_BYTES_MAX)
            TDM_FAIL(err, TDM_ERR_INVAL, "stop string %zu has %zu bytes, 1 to %d are allowed", i, q->stops[i].len,
                     TDM__STOP_BYTES_MAX);
    }
    q->n_stops = r->n_stops;
    return TDM_OK;
}

/* All but the messages. */
static tdm_status translate(const tdm_request *r, tdm__chat_request *q, tdm_error *err)
{
    *q = (tdm__chat_request){.n = r->n_candidates > 0 ? r->n_candidates : 1,
                             .max_tokens = r->max_tokens,
                             .n_top_logprobs = -1,
                             .feature = "chat",
                             .no_draft = r->no_draft,
                             .priority = r->is_background ? TDM__BACKGROUND : TDM__FOREGROUND};
    if (q->n > TDM_CANDIDATES_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "n_candidates is %zu, %d are the most", q->n, TDM_CANDIDATES_MAX);
    TDM_TRY(tdm__lib_app(r->app, &q->app, err));
    TDM_TRY(tdm__lib_language(r->language, &q->language, err));
    TDM_TRY(tdm__lib_sampling(r->sampling, &q->sampling, err));
    TDM_TRY(tdm__lib_text(r->prediction, r->prediction_len, "the prediction", &q->prediction, err));
    if (q->prediction.len > TDM_MESSAGES_BYTES_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the prediction has %zu bytes, %d are the most", q->prediction.len,
                 TDM_MESSAGES_BYTES_MAX);
    return take_stops(r, q, err);
}

static tdm_status start(tdm_runtime *rt, const tdm__chat_request *q, tdm_gen **out, tdm_error *err)
{
    tdm_gen *g = tdm__calloc(1, sizeof *g);
    if (!g)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a generation");
    tdm__inbox_init(&g->inbox);
    g->language = strcmp(q->language, "zh") == 0 ? "zh" : "en";
    g->runtime = tdm__lib_runtime_ref(rt);
    tdm_status s = tdm__request_start(rt->service, q, on_event, g, &g->request, err);
    if (s != TDM_OK) {
        tdm_gen_destroy(&g);
        return s;
    }
    *out = g;
    return TDM_OK;
}

tdm_status tdm_gen_start(tdm_runtime *rt, const tdm_request *request, tdm_gen **out, tdm_error *err)
{
    tdm_request r = {0};
    tdm__chat_request q;
    TDM_TRY(tdm__lib_check_null(rt, "runtime", err));
    TDM_TRY(tdm__lib_check_null(request, "request", err));
    TDM_TRY(tdm__lib_check_null(out, "out", err));
    TDM_TRY(tdm__lib_options_take(&r, sizeof r, sizeof r, request, "tdm_request", err));
    TDM_TRY(translate(&r, &q, err));
    TDM_TRY(tdm__lib_messages(r.messages, r.n_messages, &q.messages, err));
    tdm_status s = start(rt, &q, out, err);
    json_decref(q.messages);
    return s;
}

/* ---- the caller's side ---- */

/* The same error from now on; what still runs is ended. */
static tdm_status fail(tdm_gen *g, tdm_status s, tdm_error *err)
{
    g->failure.code = s;
    tdm__request_cancel(g->request);
    if (err)
        *err = g->failure;
    return s;
}

static tdm_status tell_end(tdm_gen *g, const tdm_event **ev, tdm_error *err)
{
    if (g->was_told)
        return TDM_END;
    if (g->spine.end == TDM_END_NONE)
        return fail(g, tdm__spine_status(&g->spine, &g->failure), err);
    tdm__spine_tell(&g->spine, TDM_EVENT_DONE, &g->event);
    g->was_told = true;
    *ev = &g->event;
    return TDM_OK;
}

tdm_status tdm_gen_next(tdm_gen *g, const tdm_event **ev, int timeout_ms, tdm_error *err)
{
    TDM_TRY(tdm__lib_check_null(g, "generation", err));
    TDM_TRY(tdm__lib_check_null(ev, "ev", err));
    if (g->failure.code != TDM_OK) {
        if (err)
            *err = g->failure;
        return g->failure.code;
    }
    tdm__inbox_item *i = NULL;
    tdm_status s = tdm__inbox_take(&g->inbox, timeout_ms, &i, &g->failure);
    if (s < 0)
        return fail(g, s, err);
    if (s != TDM_OK)
        return s;
    tdm__inbox_item_destroy(g->item);
    g->item = i;
    if (!i)
        return tell_end(g, ev, err);
    tdm__spine_tell(&g->spine, (tdm_event_kind)i->kind, &g->event);
    g->event.text = i->kind == TDM_EVENT_TEXT ? tdm__buf_cstr(&i->text) : NULL;
    g->event.text_len = i->text.len;
    g->event.candidate = i->candidate;
    g->event.is_label = i->is_label;
    *ev = &g->event;
    return TDM_OK;
}

void tdm_gen_cancel(tdm_gen *g)
{
    if (g)
        tdm__request_cancel(g->request);
}

void tdm_gen_destroy(tdm_gen **gen)
{
    if (!gen || !*gen)
        return;
    tdm_gen *g = *gen;
    *gen = NULL;
    if (g->request)
        tdm__request_cancel(g->request);
    tdm__request_destroy(&g->request);
    tdm__inbox_item_destroy(g->item);
    tdm__inbox_fini(&g->inbox);
    tdm__lib_runtime_unref(g->runtime);
    tdm__free(g);
}

/* ---- push ---- */

tdm_status tdm_generate(tdm_runtime *rt, const tdm_request *r, tdm_error *err, tdm_event_fn fn, void *user)
{
    tdm_gen *g = NULL;
    const tdm_event *ev;
    if (!fn)
        TDM_FAIL(err, TDM_ERR_INVAL, "the callback is NULL");
    TDM_TRY(tdm_gen_start(rt, r, &g, err));
    tdm_status s;
    bool goes_on = true;
    while (goes_on && (s = tdm_gen_next(g, &ev, -1, err)) == TDM_OK)
        goes_on = fn(user, ev);
    if (!goes_on)
        s = TDM_END; /* the caller's wish */
    else if (s == TDM_END)
        s = tdm__spine_status(&g->spine, err);
    tdm_gen_destroy(&g);
    return s;
}
