/* verb_inbox.c - the frames: decision, text, retract, result; see docs/formats/verbs.md. */
#include "api/verb_inbox.h"

#include <assert.h>
#include <stdio.h>

#include "api/json_out.h"
#include "base/error.h"
#include "base/json.h"
#include "net/sse.h"
#include "os/heap.h"

static_assert(TDM__CANDIDATES_MAX <= 32, "a bit a suggestion");

void tdm__verb_inbox_init(tdm__verb_inbox *in, tdm__loop *loop, bool stream, void (*fn)(void *user), void *user)
{
    *in = (tdm__verb_inbox){.loop = loop, .note = {.fn = fn, .user = user}, .stream = stream};
    pthread_mutex_init(&in->lock, NULL);
    tdm__buf_init(&in->frames, TDM__VERB_FRAMES_BYTES_MAX);
    tdm__buf_init(&in->result, TDM__VERB_FRAMES_BYTES_MAX);
}

void tdm__verb_inbox_fini(tdm__verb_inbox *in)
{
    tdm__loop_unpost(in->loop, &in->note);
    tdm__buf_fini(&in->frames);
    tdm__buf_fini(&in->result);
    pthread_mutex_destroy(&in->lock);
}

static tdm_status put_document(tdm__buf *out, json_t *document)
{
    char *text = document ? tdm__json_text(document, JSON_COMPACT) : NULL;
    json_decref(document);
    if (!text)
        return TDM_ERR_NOMEM;
    tdm_status s = tdm__buf_append_z(out, text);
    tdm__free(text);
    return s;
}

static tdm_status frame_document(tdm__buf *out, const char *name, json_t *document)
{
    tdm__buf text;
    tdm__buf_init(&text, TDM__VERB_FRAMES_BYTES_MAX);
    tdm_status s = put_document(&text, document);
    if (s == TDM_OK)
        s = tdm__sse_event(out, name, tdm__buf_str(&text));
    tdm__buf_fini(&text);
    return s;
}

static tdm_status frame_text(tdm__buf *out, const tdm__verb_event *ev)
{
    tdm__buf json;
    tdm__buf_init(&json, TDM__VERB_FRAMES_BYTES_MAX);
    tdm_status s = tdm__buf_printf(&json, "{\"suggestion\":%zu,\"text\":", ev->candidate);
    if (s == TDM_OK)
        s = tdm__json_put_string(&json, ev->text);
    if (s == TDM_OK)
        s = tdm__buf_append_char(&json, '}');
    if (s == TDM_OK)
        s = tdm__sse_event(out, "text", tdm__buf_str(&json));
    tdm__buf_fini(&json);
    return s;
}

static tdm_status frame_retract(tdm__buf *out, size_t candidate)
{
    char json[40];
    snprintf(json, sizeof json, "{\"suggestion\":%zu}", candidate);
    return tdm__sse_event(out, "retract", tdm__str_from(json));
}

static void keep_head(tdm__verb_inbox *in, const tdm__event *ev)
{
    tdm__verb_head *h = &in->head;
    snprintf(h->decision_id, sizeof h->decision_id, "%s", ev->decision_id ? ev->decision_id : "");
    snprintf(h->model, sizeof h->model, "%s", ev->model_name ? ev->model_name : "");
    snprintf(h->filing, sizeof h->filing, "%s", ev->filing_id ? ev->filing_id : "");
    const bool is_own = ev->decision && ev->decision->n_plan > 0 && !ev->decision->plan[0].candidate->backend->partner;
    snprintf(h->route, sizeof h->route, "%s", is_own ? "own" : "off");
    in->decided = true;
}

static tdm_status put_decision(tdm__verb_inbox *in, const tdm__event *ev)
{
    keep_head(in, ev);
    if (!in->stream || !ev->decision)
        return TDM_OK;
    json_t *document = tdm__decision_json(ev->decision);
    if (document && json_object_set_new(document, "path", json_string(in->head.route)) != 0) {
        json_decref(document);
        document = NULL;
    }
    return frame_document(&in->frames, "decision", document);
}

static tdm_status put_piece(tdm__verb_inbox *in, const tdm__verb_event *ev)
{
    if (!in->stream || ev->text.len == 0)
        return TDM_OK;
    in->told = true;
    in->shown |= 1u << ev->candidate;
    return frame_text(&in->frames, ev);
}

static tdm_status put_retract(tdm__verb_inbox *in, size_t candidate)
{
    const unsigned bit = 1u << candidate;
    if (!(in->shown & bit))
        return TDM_OK;
    in->shown &= ~bit;
    return frame_retract(&in->frames, candidate);
}

/* The run has taken back what it told of an answer that is none. */
static tdm_status put_done(tdm__verb_inbox *in, const tdm__verb_event *ev)
{
    tdm__verb_end_from(ev, &in->end);
    in->is_done = true;
    assert(in->end.end == TDM__END_ANSWERED || in->shown == 0);
    return in->end.end == TDM__END_ANSWERED ? put_document(&in->result, tdm__verb_result_json(ev)) : TDM_OK;
}

static tdm_status put(tdm__verb_inbox *in, const tdm__verb_event *ev)
{
    switch (ev->kind) {
    case TDM__VERB_DECISION: return put_decision(in, ev->spine);
    case TDM__VERB_PIECE: return put_piece(in, ev);
    case TDM__VERB_RETRACT: return put_retract(in, ev->candidate);
    case TDM__VERB_DONE: return put_done(in, ev);
    }
    return TDM_OK;
}

void tdm__verb_inbox_put(void *inbox, const tdm__verb_event *ev)
{
    tdm__verb_inbox *in = inbox;
    pthread_mutex_lock(&in->lock);
    assert(!in->is_done && ev->candidate < TDM__CANDIDATES_MAX);
    const tdm_status s = put(in, ev);
    in->overflowed = in->overflowed || s != TDM_OK;
    tdm__loop_post(in->loop, &in->note); /* under the lock: the loop may end this inbox once it has seen DONE */
    pthread_mutex_unlock(&in->lock);
}

tdm_status tdm__verb_inbox_take(tdm__verb_inbox *in, tdm__buf *out, tdm__verb_news *news)
{
    pthread_mutex_lock(&in->lock);
    tdm_status s = tdm__buf_append_str(out, tdm__buf_str(&in->frames));
    tdm__buf_clear(&in->frames);
    *news = (tdm__verb_news){
        .decided = in->decided, .told = in->told, .overflowed = in->overflowed, .is_done = in->is_done};
    pthread_mutex_unlock(&in->lock);
    return s;
}
