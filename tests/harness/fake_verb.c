/* fake_verb.c - verb.h's runs over the fake service: every suggestion is the text (or the last message) itself.
 *
 * For tests of what stands in front of the verbs. Decisions are the device's own; beside fake_service.h's words a text
 * steers by its beginning: "!short", "!japanese", "!quota" are refused at once, "!bad" comes to nothing that passes,
 * "!stop" is stopped by the screen at its end, "!again" is taken back after its first word and told once more; "!off",
 * "!consent", "!input" end without a word, as the spine ends then.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "feature/verb.h"
#include "request/device.h"

enum { TEXT_BYTES_MAX = 1 << 20 };

struct tdm__verb_run {
    tdm__verb_fn fn;
    void *user;
    tdm__device *device;
    const tdm__rules_set *rules;
    tdm__decision decision;
    tdm__request *request;
    size_t n;
    bool wants_pieces, begins_again, is_bad;
    tdm__request_end end;  /* what the text steers to; NONE: the answer's own */
    tdm__reason reason;
    tdm__buf text;
    size_t n_words;
};

static void tell(tdm__verb_run *w, tdm__verb_event ev, const tdm__event *spine)
{
    ev.spine = spine;
    w->fn(w->user, &ev);
}

static void on_word(tdm__verb_run *w, const tdm__event *ev)
{
    tdm__buf_append_str(&w->text, ev->text);
    if (!w->wants_pieces)
        return;
    for (size_t i = 0; i < w->n; i++)
        tell(w, (tdm__verb_event){.kind = TDM__VERB_PIECE, .candidate = i, .text = ev->text}, ev);
    if (w->begins_again && w->n_words == 0)
        for (size_t i = 0; i < w->n; i++) {
            tell(w, (tdm__verb_event){.kind = TDM__VERB_RETRACT, .candidate = i}, ev);
            tell(w, (tdm__verb_event){.kind = TDM__VERB_PIECE, .candidate = i, .text = ev->text}, ev);
        }
    w->n_words++;
}

static void on_done(tdm__verb_run *w, tdm__event ev)
{
    tdm__suggestion suggestions[TDM__CANDIDATES_MAX] = {{.text = {0}}};
    for (size_t i = 0; i < w->n; i++)
        suggestions[i] = (tdm__suggestion){.text = tdm__buf_str(&w->text), .item = i, .reason = ""};
    if (w->is_bad && ev.end == TDM__END_ANSWERED) {
        ev.end = TDM__END_FAILED;
        tdm__fail(&ev.error, TDM_ERR_UPSTREAM, "no suggestion kept the names and numbers of the text");
    }
    if (w->end != TDM__END_NONE && ev.end == TDM__END_ANSWERED) {
        ev.end = w->end;
        ev.reason = w->reason;
    }
    const bool is_answer = ev.end == TDM__END_ANSWERED;
    for (size_t i = 0; !is_answer && w->n_words > 0 && i < w->n; i++)
        tell(w, (tdm__verb_event){.kind = TDM__VERB_RETRACT, .candidate = i}, &ev);
    tell(w,
         (tdm__verb_event){.kind = TDM__VERB_DONE,
                           .suggestions = is_answer ? suggestions : NULL,
                           .n_suggestions = is_answer ? w->n : 0,
                           .language = "en"},
         &ev);
}

static void on_event(void *user, const tdm__event *event)
{
    tdm__verb_run *w = user;
    tdm__event ev = *event;
    ev.decision = &w->decision;
    ev.decision_id = w->decision.id;
    ev.filing_id = ev.partner_id = "";
    if (ev.kind == TDM__EVENT_DECISION)
        tell(w, (tdm__verb_event){.kind = TDM__VERB_DECISION}, &ev);
    else if (ev.kind == TDM__EVENT_TEXT && (w->end == TDM__END_NONE || w->reason == TDM__REASON_SCREEN_OUTPUT))
        on_word(w, &ev);
    else if (ev.kind == TDM__EVENT_DONE)
        on_done(w, ev);
}

/* How a text that begins so ends. */
static void steer(tdm__verb_run *w, tdm__str text)
{
    static const struct {
        tdm__str begin;
        tdm__request_end end;
        tdm__reason reason;
    } ends[] = {
        {{"!off", 4}, TDM__END_OFF, TDM__REASON_FEATURE_KILLED},
        {{"!consent", 8}, TDM__END_NEEDS_CONSENT, TDM__REASON_NONE},
        {{"!input", 6}, TDM__END_STOPPED_BY_SCREEN, TDM__REASON_SCREEN_INPUT},
        {{"!stop", 5}, TDM__END_STOPPED_BY_SCREEN, TDM__REASON_SCREEN_OUTPUT},
    };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (tdm__str_starts(text, ends[i].begin)) {
            w->end = ends[i].end;
            w->reason = ends[i].reason;
        }
    if (w->decision.n_plan == 0) {
        w->end = TDM__END_OFF;
        w->reason = w->decision.off;
    } else if (w->end == TDM__END_OFF) {
        w->decision.off = w->reason;
    }
}

static tdm_status refuse_at_once(tdm__str text, tdm_error *err)
{
    if (tdm__str_starts(text, TDM_STR("!japanese")))
        TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "the text is in no language that this verb is good for");
    if (tdm__str_starts(text, TDM_STR("!quota")))
        TDM_FAIL(err, TDM_ERR_QUOTA, "an app may have 1 request at once");
    if (text.len < 2 || tdm__str_starts(text, TDM_STR("!short")))
        TDM_FAIL(err, TDM_ERR_LIMIT, "the text has %zu bytes; at least 2 are needed", text.len);
    return TDM_OK;
}

tdm_status tdm__verb_start(tdm__service *s, const tdm__verb_ask *ask, tdm__verb_fn fn, void *user, tdm__verb_run **out,
                           tdm_error *err)
{
    const tdm__str text = ask->n_messages > 0 ? ask->messages[ask->n_messages - 1].text : ask->text;
    TDM_TRY(refuse_at_once(text, err));
    tdm__verb_run *w = calloc(1, sizeof *w);
    if (!w)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a verb");
    *w = (tdm__verb_run){.fn = fn,
                         .user = user,
                         .device = tdm__service_device(s),
                         .n = ask->n > 0 ? ask->n : ask->verb == TDM__VERB_REPLY ? 3 : 1,
                         .wants_pieces = ask->wants_pieces,
                         .begins_again = tdm__str_starts(text, TDM_STR("!again")),
                         .is_bad = tdm__str_starts(text, TDM_STR("!bad"))};
    tdm__buf_init(&w->text, TEXT_BYTES_MAX);
    w->rules = tdm__device_acquire(w->device);
    tdm__ask facts = {.feature = tdm__verb_name(ask->verb), .own_state = TDM__BACKEND_UP};
    tdm_status status = tdm__device_decide(w->device, w->rules, &facts, &w->decision, err);
    steer(w, text);
    json_t *messages = json_pack("[{s:s, s:s%}]", "role", "user", "content", text.ptr, text.len);
    const tdm__chat_request q = {.messages = messages, .n_top_logprobs = -1, .app = ask->app};
    if (status == TDM_OK)
        status = tdm__request_start(s, &q, on_event, w, &w->request, err);
    json_decref(messages);
    if (status == TDM_OK)
        *out = w;
    else
        tdm__verb_destroy(&w);
    return status;
}

void tdm__verb_cancel(tdm__verb_run *w) { tdm__request_cancel(w->request); }

void tdm__verb_destroy(tdm__verb_run **run)
{
    tdm__verb_run *w = *run;
    if (!w)
        return;
    tdm__request_destroy(&w->request);
    tdm__device_release(w->device, w->rules);
    tdm__buf_fini(&w->text);
    free(w);
    *run = NULL;
}
