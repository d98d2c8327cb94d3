/* verb.c - the life of a run: from what is asked to DONE. What happens in between is in one file a verb. */
#include "feature/verb.h"

#include <string.h>

#include "base/error.h"
#include "feature/verb_internal.h"
#include "os/heap.h"

static void run_free(tdm__verb_run *w)
{
    tdm__arena_reset(&w->arena);
    tdm__arena_reset(&w->scratch);
    pthread_mutex_destroy(&w->mutex);
    tdm__free(w);
}

static tdm_status run_create(const tdm__verb_ask *ask, tdm__verb_fn fn, void *user, tdm__verb_run **out, tdm_error *err)
{
    tdm__verb_run *w = tdm__calloc(1, sizeof *w);
    if (!w)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a verb");
    w->fn = fn;
    w->user = user;
    pthread_mutex_init(&w->mutex, NULL);
    tdm__arena_init(&w->arena, "verb", TDM__VERB_ARENA_BYTES);
    tdm__arena_init(&w->scratch, "verb's step", TDM__VERB_SCRATCH_BYTES);
    tdm_status s = tdm__verb_take_ask(w, ask, err);
    if (s != TDM_OK) {
        run_free(w);
        return s;
    }
    *out = w;
    return TDM_OK;
}

/* ---- on the spine ---- */

static tdm_status compose(void *user, tdm__request *r, tdm_error *err)
{
    tdm__verb_run *w = user;
    switch (w->ask.verb) {
    case TDM__VERB_REWRITE:
        return tdm__verb_rewrite(w, r, err);
    case TDM__VERB_PROOFREAD:
        return tdm__verb_proofread(w, r, err);
    case TDM__VERB_SUMMARIZE:
        return tdm__verb_summarize(w, r, err);
    case TDM__VERB_REPLY:
        return tdm__verb_reply(w, r, err);
    case TDM__VERB_PRIORITISE:
        return tdm__verb_prioritise(w, r, err);
    case TDM__VERB_NONE:
        break;
    }
    TDM_FAIL(err, TDM_ERR_INVAL, "verb %d is not known", (int)w->ask.verb);
}

/* What was told of an answer that there is none of in the end. */
static void retract(tdm__verb_run *w, const tdm__event *ev)
{
    for (size_t i = 0; i < TDM__CANDIDATES_MAX; i++) {
        const tdm__verb_event out = {
            .kind = TDM__VERB_RETRACT, .spine = ev, .candidate = i, .text = {"", 0}, .language = w->language};
        if (w->told & 1u << i)
            w->fn(w->user, &out);
    }
}

static void on_event(void *user, const tdm__event *ev)
{
    tdm__verb_run *w = user;
    tdm__verb_event out = {.spine = ev, .candidate = ev->candidate, .language = w->language};
    switch (ev->kind) {
    case TDM__EVENT_DECISION:
        out.kind = TDM__VERB_DECISION;
        break;
    case TDM__EVENT_TEXT:
        if (!w->ask.wants_pieces || ev->is_label || ev->text.len == 0)
            return;
        w->told |= 1u << ev->candidate;
        out.kind = TDM__VERB_PIECE;
        out.text = ev->text;
        break;
    case TDM__EVENT_DONE:
        if (ev->end != TDM__END_ANSWERED)
            retract(w, ev);
        out.kind = TDM__VERB_DONE;
        out.suggestions = ev->end == TDM__END_ANSWERED ? w->suggestions : NULL;
        out.n_suggestions = ev->end == TDM__END_ANSWERED ? w->n_suggestions : 0;
        break;
    }
    w->fn(w->user, &out);
}

/* What the leaf commits to and the screen reads: the text or the messages, and the instruction. */
static json_t *subject_of(const tdm__verb_run *w)
{
    json_t *messages = json_array();
    const tdm__str parts[] = {w->ask.instruction, w->source};
    for (size_t i = 0; messages && i < 2; i++) {
        if (parts[i].len == 0)
            continue;
        json_t *m = json_pack("{s:s, s:s%}", "role", "user", "content", parts[i].ptr, parts[i].len);
        if (json_array_append_new(messages, m) != 0) {
            json_decref(messages);
            return NULL;
        }
    }
    return messages;
}

static size_t n_suggestions(const tdm__verb_run *w)
{
    return w->ask.n > 0 ? w->ask.n : w->ask.verb == TDM__VERB_REPLY ? TDM__VERB_REPLIES : 1;
}

/* Suggestions are written in turn, each by one generation at a time; a Chinese sentence is proofread several times side
 * by side, no more than the engine works on at once. */
static size_t n_at_once(tdm__service *s, const tdm__verb_run *w)
{
    if (w->ask.verb != TDM__VERB_PROOFREAD || strcmp(w->language, "zh") != 0)
        return 1;
    tdm__service_status status;
    tdm__service_get_status(s, &status);
    const size_t n = status.stats.n_slots;
    return n == 0 ? 1 : n < TDM__VERB_DRAFTS ? n : TDM__VERB_DRAFTS;
}

/* The lock is held over the start, so that a cancel out of the first event finds the handle. */
static tdm_status start(tdm__service *s, tdm__verb_run *w, tdm_error *err)
{
    json_t *subject = subject_of(w);
    if (!subject)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a verb's text");
    w->n_places = n_at_once(s, w);
    const tdm__chat_request q = {.messages = subject,
                                 .n = n_suggestions(w),
                                 .n_at_once = w->n_places,
                                 .sampling = tdm__sampling_default(),
                                 .n_top_logprobs = -1,
                                 .no_draft = w->ask.no_draft,
                                 .feature = tdm__verb_name(w->ask.verb),
                                 .language = w->language,
                                 .app = w->ask.app,
                                 .app_key_id = w->ask.app_key_id,
                                 .priority = w->ask.priority,
                                 .compose = compose,
                                 .compose_user = w};
    pthread_mutex_lock(&w->mutex);
    tdm_status status = tdm__request_start(s, &q, on_event, w, &w->request, err);
    pthread_mutex_unlock(&w->mutex);
    json_decref(subject);
    return status;
}

tdm_status tdm__verb_start(tdm__service *s, const tdm__verb_ask *ask, tdm__verb_fn fn, void *user, tdm__verb_run **out,
                           tdm_error *err)
{
    tdm__verb_run *w = NULL;
    TDM_TRY(run_create(ask, fn, user, &w, err));
    tdm_status status = start(s, w, err);
    if (status != TDM_OK) {
        run_free(w);
        return status;
    }
    *out = w;
    return TDM_OK;
}

void tdm__verb_cancel(tdm__verb_run *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    tdm__request *r = w->request;
    pthread_mutex_unlock(&w->mutex);
    tdm__request_cancel(r);
}

void tdm__verb_destroy(tdm__verb_run **w)
{
    if (!w || !*w)
        return;
    tdm__request_destroy(&(*w)->request);
    run_free(*w);
    *w = NULL;
}
