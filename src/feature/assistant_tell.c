/* assistant_tell.c - each event's document, in one place, so that HTTP, the command and tests tell the same. */
#include <stdio.h>
#include <string.h>

#include "feature/assistant_internal.h"
#include "route/explain.h"

void tdm__answer_tell(tdm__answer *w, const char *decision_id, tdm__assistant_kind kind, const json_t *data)
{
    const tdm__assistant_event ev = {
        .kind = kind, .decision_id = decision_id ? decision_id : "", .data = data ? data : w->last_resort};
    w->fn(w->user, &ev);
}

static void tell_new(tdm__answer *w, const char *decision_id, tdm__assistant_kind kind, json_t *data)
{
    tdm__answer_tell(w, decision_id, kind, data);
    json_decref(data);
}

void tdm__answer_tell_decision(tdm__answer *w, const tdm__event *ev)
{
    const tdm__decision *d = ev->decision;
    const char *path = "off";
    if (ev->partner_id && ev->partner_id[0] != '\0')
        path = ev->partner_id;
    else if (d->n_plan > 0)
        path = d->plan[0].candidate->backend->partner ? d->plan[0].candidate->backend->partner->id : "own";
    json_t *data = tdm__decision_json(d);
    if (data && json_object_set_new(data, "path", json_string(path)) != 0) {
        json_decref(data);
        data = NULL;
    }
    tell_new(w, ev->decision_id, TDM__ASSISTANT_DECISION, data);
}

static const char *source_of(const tdm__event *ev)
{
    return ev->partner_id && ev->partner_id[0] != '\0' ? ev->partner_id : "own";
}

void tdm__answer_tell_text(tdm__answer *w, const tdm__event *ev, tdm__str text)
{
    if (text.len == 0)
        return;
    json_t *data = json_pack("{s:s, s:b}", "source", source_of(ev), "label", (int)ev->is_label);
    const tdm__assistant_event out = {.kind = TDM__ASSISTANT_TEXT,
                                      .decision_id = ev->decision_id,
                                      .text = text,
                                      .data = data ? data : w->last_resort};
    w->was_shown = true;
    w->fn(w->user, &out);
    json_decref(data);
}

/* The sentence of a reason that is about the market and not about a candidate. */
static void put_reason(const tdm__answer *w, const tdm__event *ev, tdm__reason reason, char *out, size_t cap)
{
    const tdm__explain_words words = {.policy = ev->decision->rules ? ev->decision->rules->policy : NULL};
    tdm__buf b;
    tdm__buf_init(&b, cap - 1);
    tdm__explain(reason, &words, strcmp(w->language, "zh") == 0 ? TDM__LANGUAGE_ZH : TDM__LANGUAGE_EN, &b);
    snprintf(out, cap, "%s", tdm__buf_cstr(&b));
    tdm__buf_fini(&b);
}

void tdm__answer_tell_retract(tdm__answer *w, const tdm__event *ev)
{
    char text[512];
    put_reason(w, ev, ev->reason, text, sizeof text);
    tell_new(w, ev->decision_id, TDM__ASSISTANT_RETRACT,
             json_pack("{s:s, s:s, s:s}", "reason", tdm__reason_name(ev->reason), "text", text, "rule",
                       ev->rule ? ev->rule : ""));
}

void tdm__answer_tell_error(tdm__answer *w, const char *decision_id, const char *code, const char *detail)
{
    tell_new(w, decision_id, TDM__ASSISTANT_ERROR,
             json_pack("{s:s, s:s, s:s}", "code", code, "text", tdm__error_words(code, w->language), "detail",
                       detail ? detail : ""));
}

/* Which of the plan's steps this request's end speaks of. */
static const tdm__plan_step *step_of(const tdm__event *ev)
{
    const bool is_own = strcmp(source_of(ev), "own") == 0;
    for (size_t i = 0; i < ev->decision->n_plan; i++) {
        const tdm__policy_partner *p = ev->decision->plan[i].candidate->backend->partner;
        if (is_own ? !p : p && strcmp(p->id, ev->partner_id) == 0)
            return &ev->decision->plan[i];
    }
    return NULL;
}

/* Where the policy leaves open which file answers ("any"), it is the one that is loaded. */
static json_t *model_of(const tdm__event *ev, const tdm__plan_step *step)
{
    const tdm__policy_backend *b = step ? step->candidate->backend : NULL;
    if (!b || (!b->partner && strcmp(b->model, "any") == 0))
        return json_pack("{s:s, s:s}", "id", ev->model_name, "name", ev->model_name);
    return json_pack("{s:s, s:s}", "id", b->model, "name", b->model_name);
}

/* Why the partner that was named is not the one that answers, or NULL when it was not refused. */
static const tdm__refusal *refusal_of_named(const tdm__answer *w, const tdm__decision *d)
{
    for (size_t i = 0; w->named[0] != '\0' && i < d->n_refused; i++) {
        const tdm__policy_partner *p = d->refused[i].candidate->backend->partner;
        if (p && strcmp(p->id, w->named) == 0)
            return &d->refused[i];
    }
    return NULL;
}

static void put_decision(const tdm__answer *w, const tdm__decision *d, const tdm__refusal *r, char *out, size_t cap)
{
    tdm__buf b;
    tdm__buf_init(&b, cap - 1);
    tdm__decision_sentence(d, r, w->language, &b);
    snprintf(out, cap, "%s", tdm__buf_cstr(&b));
    tdm__buf_fini(&b);
}

/* A sentence for the end: what was noted on the way, else why it is off or was stopped. */
static void put_sentence(const tdm__answer *w, const tdm__event *ev, char *out, size_t cap)
{
    snprintf(out, cap, "%s", w->note);
    if (w->note[0] != '\0' || !ev)
        return;
    if (ev->end == TDM__END_STOPPED_BY_SCREEN) {
        put_reason(w, ev, ev->reason, out, cap);
    } else if (ev->end == TDM__END_OFF) {
        put_decision(w, ev->decision, NULL, out, cap);
    } else if (ev->decision->named != TDM__REASON_NONE) {
        put_reason(w, ev, ev->decision->named, out, cap);
    } else {
        const tdm__refusal *r = refusal_of_named(w, ev->decision);
        if (r)
            put_decision(w, ev->decision, r, out, cap);
    }
}

static json_t *done_of(const tdm__answer *w, const tdm__event *ev, const char *state)
{
    char text[1024];
    put_sentence(w, ev, text, sizeof text);
    const tdm__job_timings *t = &ev->timings;
    const tdm__plan_step *step = step_of(ev);
    const tdm__policy_partner *partner = step ? step->candidate->backend->partner : NULL;
    const bool is_emulated = (partner && partner->is_emulated) || (ev->partner && ev->partner->is_emulated);
    const char *filing = ev->filing_id && ev->filing_id[0] != '\0' ? ev->filing_id : NULL;
    const char *label = ev->label && strcmp(ev->label, "none") != 0 ? ev->label : NULL;
    return json_pack("{s:s, s:s, s:o, s:s?, s:b, s:s?, s:s, s:s, s:{s:I, s:f, s:I, s:f}}", "state", state, "source",
                     source_of(ev), "model", model_of(ev, step), "filing", filing, "emulated", (int)is_emulated,
                     "label", label, "reason", tdm__reason_name(ev->reason), "text",
                     text, "timings", "prompt_tokens", (json_int_t)t->n_prompt, "prompt_ms", t->prompt_ms,
                     "decode_tokens", (json_int_t)t->n_generated, "decode_ms", t->decode_ms);
}

void tdm__answer_tell_done(tdm__answer *w, const tdm__event *ev, const char *state)
{
    json_t *data;
    if (ev)
        data = done_of(w, ev, state);
    else
        data = json_pack("{s:s, s:n, s:n, s:n, s:b, s:n, s:s, s:s, s:n}", "state", state, "source", "model", "filing",
                         "emulated", 0, "label", "reason", "NONE", "text", w->note, "timings");
    tell_new(w, ev ? ev->decision_id : "", TDM__ASSISTANT_DONE, data);
    tdm__answer_end(w);
}
