/* lib_spine.c - the spine's events as the public interface has them. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "lib/lib_inbox.h"
#include "route/explain.h"

/* Why there is no answer, as a sentence for the owner. */
static void keep_sentence(tdm__spine *s, const tdm__event *ev, const char *language)
{
    const bool is_zh = strcmp(language, "zh") == 0;
    const tdm__explain_words words = {.policy = ev->decision->rules ? ev->decision->rules->policy : NULL};
    tdm__buf text;
    tdm__buf_init(&text, sizeof s->reason_text - 1);
    if (ev->end == TDM__END_OFF && ev->decision->off != TDM__REASON_NONE)
        tdm__decision_sentence(ev->decision, NULL, language, &text);
    else if (ev->end == TDM__END_NEEDS_CONSENT)
        tdm__buf_append_z(&text, is_zh ? "只有合作方可以回答，需要先征得您的同意"
                                       : "only a partner could answer, and you must be asked first");
    else if (ev->reason != TDM__REASON_NONE)
        tdm__explain(ev->reason, &words, is_zh ? TDM__LANGUAGE_ZH : TDM__LANGUAGE_EN, &text);
    snprintf(s->reason_text, sizeof s->reason_text, "%s", tdm__buf_cstr(&text));
    tdm__buf_fini(&text);
}

static tdm_finish finish_of(tdm__finish f)
{
    return f == TDM__FINISH_STOP     ? TDM_FINISH_STOP
           : f == TDM__FINISH_LENGTH ? TDM_FINISH_LENGTH
           : f == TDM__FINISH_NONE   ? TDM_FINISH_NONE
                                     : TDM_FINISH_CANCELLED;
}

static void keep_end(tdm__spine *s, const tdm__event *ev, const char *language)
{
    static const tdm_end of[] = {[TDM__END_ANSWERED] = TDM_END_ANSWERED,
                                 [TDM__END_OFF] = TDM_END_OFF,
                                 [TDM__END_NEEDS_CONSENT] = TDM_END_NEEDS_CONSENT,
                                 [TDM__END_STOPPED_BY_SCREEN] = TDM_END_STOPPED,
                                 [TDM__END_CANCELLED] = TDM_END_CANCELLED,
                                 [TDM__END_FAILED] = TDM_END_NONE};
    const tdm__job_timings *t = &ev->timings;
    s->end = of[ev->end];
    if (ev->end == TDM__END_FAILED)
        s->error = ev->error;
    for (size_t i = 0; s->end == TDM_END_ANSWERED && i < ev->n_candidates && i < TDM_CANDIDATES_MAX; i++)
        s->finishes[s->n_candidates++] = finish_of(ev->finishes[i]);
    s->reason = tdm__reason_name(ev->reason);
    keep_sentence(s, ev, language);
    snprintf(s->label, sizeof s->label, "%s", strcmp(ev->label, "none") == 0 ? "" : ev->label);
    snprintf(s->screening, sizeof s->screening, "%s", ev->screening);
    s->timings = (tdm_timings){.n_prompt = t->n_prompt,
                               .n_prompt_reused = t->n_prompt_reused,
                               .n_generated = t->n_generated,
                               .queue_ms = t->queue_ms,
                               .prompt_ms = t->prompt_ms,
                               .decode_ms = t->decode_ms};
}

void tdm__spine_keep(tdm__spine *s, const tdm__event *ev, const char *language)
{
    if (ev->kind == TDM__EVENT_DECISION) {
        snprintf(s->decision_id, sizeof s->decision_id, "%s", ev->decision_id);
        snprintf(s->model, sizeof s->model, "%s", ev->model_name);
    } else if (ev->kind == TDM__EVENT_DONE) {
        keep_end(s, ev, language);
    }
}

void tdm__spine_tell(const tdm__spine *s, tdm_event_kind kind, tdm_event *out)
{
    *out = (tdm_event){.kind = kind, .decision_id = s->decision_id, .model = s->model};
    if (kind != TDM_EVENT_DONE)
        return;
    out->end = s->end;
    out->finish = s->finishes[0];
    out->finishes = s->finishes;
    out->n_candidates = s->n_candidates;
    out->reason = s->reason;
    out->reason_text = s->reason_text;
    out->label = s->label;
    out->screening = s->screening;
    out->timings = s->timings;
}

tdm_status tdm__spine_status(const tdm__spine *s, tdm_error *err)
{
    if (s->end == TDM_END_ANSWERED)
        return TDM_OK;
    if (s->end == TDM_END_CANCELLED)
        TDM_FAIL(err, TDM_ERR_CANCELLED, "cancelled");
    if (s->end != TDM_END_NONE)
        TDM_FAIL(err, TDM_ERR_REFUSED, "%s", s->reason_text[0] ? s->reason_text : s->reason);
    return tdm__fail(err, s->error.code < 0 ? s->error.code : TDM_ERR_IO, "%s",
                     s->error.msg[0] ? s->error.msg : "the answer failed");
}
