/* lib_verb.c - one verb as a handle that is pulled, and in one call. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "feature/verb.h"
#include "lib/lib_inbox.h"
#include "lib/lib_internal.h"
#include "os/heap.h"
#include "tandem/verbs.h"

_Static_assert((int)TDM_VERB_PRIORITISE == (int)TDM__VERB_PRIORITISE &&
                   (int)TDM_STYLE_CUSTOM == (int)TDM__STYLE_CUSTOM && (int)TDM_SUMMARY_LINE == (int)TDM__KIND_LINE &&
                   (int)TDM_SOURCE_NOTIFICATIONS == (int)TDM__SOURCE_NOTIFICATIONS,
               "the public names are handed over as they are");
_Static_assert((int)TDM_VERB_EVENT_DONE == (int)TDM__VERB_DONE, "kinds, too");
_Static_assert((int)TDM_VERB_MESSAGES_MAX == (int)TDM__VERB_MESSAGES_MAX &&
                   (int)TDM_VERB_TEXT_BYTES_MAX == (int)TDM__VERB_TEXT_BYTES_MAX &&
                   (int)TDM_VERB_INSTRUCTION_BYTES_MAX == (int)TDM__VERB_INSTRUCTION_BYTES_MAX,
               "limits, too");

/* What DONE said, in memory of its own; made at start, so that an end needs memory for its suggestions only. */
struct tdm_verb_result {
    tdm__spine spine;
    tdm_verb_event event;
    char language[8];
    void *block; /* suggestions, then their edits, then all texts */
};

struct tdm_verb_run {
    tdm_runtime *runtime;
    tdm__verb_run *run;
    tdm__inbox inbox;
    tdm_verb_result *result;
    const char *language; /* of sentences */
    /* the caller's thread */
    tdm__inbox_item *item; /* what event points into */
    tdm_verb_event event;
    bool was_told; /* DONE */
    tdm_error failure;
};

void tdm_verb_ask_default(tdm_verb_ask *a, size_t struct_size) { tdm__lib_options_default(a, struct_size); }

/* ---- the runtime's threads ---- */

static char *copy_text(char **at, tdm__str text)
{
    char *to = *at;
    if (text.len > 0)
        memcpy(to, text.ptr, text.len);
    to[text.len] = '\0';
    *at += text.len + 1;
    return to;
}

static size_t block_bytes(const tdm__verb_event *ev, size_t *n_edits)
{
    size_t n = ev->n_suggestions * sizeof(tdm_suggestion);
    *n_edits = 0;
    for (size_t i = 0; i < ev->n_suggestions; i++) {
        const tdm__suggestion *s = &ev->suggestions[i];
        n += s->text.len + 1 + (s->reason ? strlen(s->reason) : 0) + 1;
        *n_edits += s->n_edits;
        for (size_t k = 0; k < s->n_edits; k++)
            n += sizeof(tdm_verb_edit) + s->edits[k].text.len + 1;
    }
    return n;
}

/* False: no memory. */
static bool keep_suggestions(tdm_verb_result *r, const tdm__verb_event *ev)
{
    size_t n_edits;
    const size_t n_bytes = block_bytes(ev, &n_edits);
    if (ev->n_suggestions == 0)
        return true;
    r->block = tdm__malloc(n_bytes);
    if (!r->block)
        return false;
    tdm_suggestion *to = r->block;
    tdm_verb_edit *edit = (tdm_verb_edit *)(to + ev->n_suggestions);
    char *at = (char *)(edit + n_edits);
    for (size_t i = 0; i < ev->n_suggestions; i++) {
        const tdm__suggestion *s = &ev->suggestions[i];
        to[i] = (tdm_suggestion){.text = copy_text(&at, s->text),
                                 .text_len = s->text.len,
                                 .edits = s->n_edits > 0 ? edit : NULL,
                                 .n_edits = s->n_edits,
                                 .item = s->item,
                                 .score = s->score,
                                 .reason = copy_text(&at, tdm__str_from(s->reason))};
        for (size_t k = 0; k < s->n_edits; k++)
            *edit++ = (tdm_verb_edit){.start = s->edits[k].start,
                                      .end = s->edits[k].end,
                                      .text = copy_text(&at, s->edits[k].text),
                                      .text_len = s->edits[k].text.len};
    }
    r->event.suggestions = to;
    r->event.n_suggestions = ev->n_suggestions;
    return true;
}

static void keep_done(tdm_verb_run *v, const tdm__verb_event *ev)
{
    tdm_verb_result *r = v->result;
    r->event.kind = TDM_VERB_EVENT_DONE;
    tdm__spine_tell(&r->spine, TDM_EVENT_DONE, &r->event.spine);
    snprintf(r->language, sizeof r->language, "%s", ev->language ? ev->language : "");
    r->event.language = r->language;
    if (r->spine.end == TDM_END_ANSWERED && !keep_suggestions(r, ev)) {
        r->spine.end = TDM_END_NONE;
        tdm__fail(&r->spine.error, TDM_ERR_NOMEM, "no memory for %zu suggestions", ev->n_suggestions);
    }
    tdm__inbox_end(&v->inbox);
}

static void on_event(void *user, const tdm__verb_event *ev)
{
    tdm_verb_run *v = user;
    if (ev->kind == TDM__VERB_DECISION || ev->kind == TDM__VERB_DONE)
        tdm__spine_keep(&v->result->spine, ev->spine, v->language);
    if (ev->kind == TDM__VERB_DONE)
        keep_done(v, ev);
    else if (ev->kind == TDM__VERB_PIECE)
        tdm__inbox_put_text(&v->inbox, TDM_VERB_EVENT_PIECE, ev->candidate, false, ev->text);
    else
        tdm__inbox_put(&v->inbox, (int)ev->kind, ev->candidate, "", (tdm__str){0}, NULL);
}

/* ---- starting ---- */

static tdm_status take_messages(const tdm_verb_ask *a, tdm__verb_message **out, tdm_error *err)
{
    TDM_TRY(tdm__lib_check_null(a->messages, "messages", err));
    if (a->n_messages > TDM_VERB_MESSAGES_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%zu messages, %d are the most", a->n_messages, TDM_VERB_MESSAGES_MAX);
    tdm__verb_message *m = tdm__calloc(a->n_messages, sizeof *m);
    tdm_status s = m ? TDM_OK : tdm__fail(err, TDM_ERR_NOMEM, "no memory for %zu messages", a->n_messages);
    for (size_t i = 0; s == TDM_OK && i < a->n_messages; i++) {
        const tdm_verb_message *from = &a->messages[i];
        m[i].is_own = from->is_own;
        s = tdm__lib_text(from->from, from->from_len, "a message's sender", &m[i].from, err);
        if (s == TDM_OK)
            s = tdm__lib_text(from->text, from->text_len, "a message", &m[i].text, err);
    }
    if (s != TDM_OK) {
        tdm__free(m);
        return s;
    }
    *out = m;
    return TDM_OK;
}

/* All but the messages. */
static tdm_status translate(const tdm_verb_ask *a, tdm__verb_ask *q, tdm_error *err)
{
    if ((unsigned)a->verb < TDM_VERB_PROOFREAD || (unsigned)a->verb > TDM_VERB_PRIORITISE)
        TDM_FAIL(err, TDM_ERR_INVAL, "verb is %d, which is none", (int)a->verb);
    if ((unsigned)a->style > TDM_STYLE_CUSTOM || (unsigned)a->kind > TDM_SUMMARY_LINE ||
        (unsigned)a->source > TDM_SOURCE_NOTIFICATIONS)
        TDM_FAIL(err, TDM_ERR_INVAL, "style %d, kind %d or source %d is none", (int)a->style, (int)a->kind,
                 (int)a->source);
    *q = (tdm__verb_ask){.verb = (tdm__verb)a->verb,
                         .style = (tdm__style)a->style,
                         .kind = (tdm__summary_kind)a->kind,
                         .source = (tdm__source)a->source,
                         .language = a->language,
                         .n = a->n,
                         .has_seed = a->has_seed,
                         .seed = a->seed,
                         .wants_pieces = a->wants_pieces,
                         .no_draft = a->no_draft,
                         .priority = a->is_background ? TDM__BACKGROUND : TDM__FOREGROUND};
    TDM_TRY(tdm__lib_app(a->app, &q->app, err));
    TDM_TRY(tdm__lib_text(a->text, a->text_len, "the text", &q->text, err));
    return tdm__lib_text(a->instruction, 0, "the instruction", &q->instruction, err);
}

static tdm_status start(tdm_runtime *rt, const tdm__verb_ask *q, tdm_verb_run **out, tdm_error *err)
{
    tdm_verb_run *v = tdm__calloc(1, sizeof *v);
    if (!v)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a verb");
    tdm__inbox_init(&v->inbox);
    v->runtime = tdm__lib_runtime_ref(rt);
    v->language = q->language && strcmp(q->language, "zh") == 0 ? "zh" : "en";
    v->result = tdm__calloc(1, sizeof *v->result);
    tdm_status s = v->result ? tdm__verb_start(rt->service, q, on_event, v, &v->run, err)
                             : tdm__fail(err, TDM_ERR_NOMEM, "no memory for a verb's result");
    if (s != TDM_OK) {
        tdm_verb_destroy(&v);
        return s;
    }
    *out = v;
    return TDM_OK;
}

tdm_status tdm_verb_start(tdm_runtime *rt, const tdm_verb_ask *ask, tdm_verb_run **out, tdm_error *err)
{
    tdm_verb_ask a = {0};
    tdm__verb_ask q;
    tdm__verb_message *messages = NULL;
    TDM_TRY(tdm__lib_check_null(rt, "runtime", err));
    TDM_TRY(tdm__lib_check_null(ask, "ask", err));
    TDM_TRY(tdm__lib_check_null(out, "out", err));
    TDM_TRY(tdm__lib_options_take(&a, sizeof a, sizeof a, ask, "tdm_verb_ask", err));
    TDM_TRY(translate(&a, &q, err));
    if (a.n_messages > 0)
        TDM_TRY(take_messages(&a, &messages, err));
    q.messages = messages;
    q.n_messages = a.n_messages;
    tdm_status s = start(rt, &q, out, err);
    tdm__free(messages);
    return s;
}

/* ---- the caller's side ---- */

/* The same error from now on; what still runs is ended. */
static tdm_status fail(tdm_verb_run *v, tdm_status s, tdm_error *err)
{
    v->failure.code = s;
    tdm__verb_cancel(v->run);
    if (err)
        *err = v->failure;
    return s;
}

static tdm_status tell_end(tdm_verb_run *v, const tdm_verb_event **ev, tdm_error *err)
{
    if (v->was_told)
        return TDM_END;
    if (v->result->spine.end == TDM_END_NONE)
        return fail(v, tdm__spine_status(&v->result->spine, &v->failure), err);
    v->was_told = true;
    *ev = &v->result->event;
    return TDM_OK;
}

tdm_status tdm_verb_next(tdm_verb_run *v, const tdm_verb_event **ev, int timeout_ms, tdm_error *err)
{
    TDM_TRY(tdm__lib_check_null(v, "run", err));
    TDM_TRY(tdm__lib_check_null(ev, "ev", err));
    if (v->failure.code != TDM_OK) {
        if (err)
            *err = v->failure;
        return v->failure.code;
    }
    tdm__inbox_item *i = NULL;
    tdm_status s = tdm__inbox_take(&v->inbox, timeout_ms, &i, &v->failure);
    if (s < 0)
        return fail(v, s, err);
    if (s != TDM_OK)
        return s;
    tdm__inbox_item_destroy(v->item);
    v->item = i;
    if (!i)
        return tell_end(v, ev, err);
    v->event = (tdm_verb_event){.kind = (tdm_verb_event_kind)i->kind, .candidate = i->candidate};
    tdm__spine_tell(&v->result->spine, i->kind == TDM_VERB_EVENT_DECISION ? TDM_EVENT_DECISION : TDM_EVENT_TEXT,
                    &v->event.spine);
    v->event.text = i->kind == TDM_VERB_EVENT_PIECE ? tdm__buf_cstr(&i->text) : NULL;
    v->event.text_len = i->text.len;
    *ev = &v->event;
    return TDM_OK;
}

void tdm_verb_cancel(tdm_verb_run *v)
{
    if (v)
        tdm__verb_cancel(v->run);
}

void tdm_verb_destroy(tdm_verb_run **run)
{
    if (!run || !*run)
        return;
    tdm_verb_run *v = *run;
    *run = NULL;
    if (v->run)
        tdm__verb_cancel(v->run);
    tdm__verb_destroy(&v->run);
    tdm__inbox_item_destroy(v->item);
    tdm__inbox_fini(&v->inbox);
    tdm_verb_result_destroy(&v->result);
    tdm__lib_runtime_unref(v->runtime);
    tdm__free(v);
}

/* ---- in one call ---- */

tdm_status tdm_verb_once(tdm_runtime *rt, const tdm_verb_ask *a, tdm_verb_result **out, tdm_error *err)
{
    tdm_verb_run *v = NULL;
    const tdm_verb_event *ev;
    TDM_TRY(tdm__lib_check_null(out, "out", err));
    TDM_TRY(tdm_verb_start(rt, a, &v, err));
    tdm_status s;
    do
        s = tdm_verb_next(v, &ev, -1, err);
    while (s == TDM_OK);
    if (s == TDM_END)
        s = tdm__spine_status(&v->result->spine, err);
    if (s == TDM_OK) {
        *out = v->result;
        v->result = NULL;
    }
    tdm_verb_destroy(&v);
    return s;
}

const tdm_verb_event *tdm_verb_result_get(const tdm_verb_result *r) { return r ? &r->event : NULL; }

void tdm_verb_result_destroy(tdm_verb_result **result)
{
    if (!result || !*result)
        return;
    tdm__free((*result)->block);
    tdm__free(*result);
    *result = NULL;
}
