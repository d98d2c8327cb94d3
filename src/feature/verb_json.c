/* verb_json.c - the result of a verb as one document, the same for HTTP and the command. Members that do not apply to
 * a verb are left out of its suggestions. */
#include "base/json.h"
#include "feature/verb.h"

static json_t *string_of(tdm__str s)
{
    return json_stringn(s.ptr ? s.ptr : "", s.len);
}

/* Takes the reference of v, which may be NULL. */
static bool add(json_t *list, json_t *v)
{
    return json_array_append_new(list, v) == 0;
}

static json_t *edits_json(const tdm__suggestion *s)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < s->n_edits; i++) {
        const tdm__verb_edit *e = &s->edits[i];
        if (!add(list, json_pack("{s:I, s:I, s:o}", "start", (json_int_t)e->start, "end", (json_int_t)e->end, "text",
                                 string_of(e->text)))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *suggestion_json(const tdm__suggestion *s)
{
    const bool is_ranked = s->reason && s->reason[0] != '\0';
    json_t *o = json_pack("{s:o}", "text", string_of(s->text));
    if (o && s->edits && json_object_set_new(o, "edits", edits_json(s)) != 0)
        goto fail;
    if (o && is_ranked &&
        (json_object_set_new(o, "item", json_integer((json_int_t)s->item)) != 0 ||
         json_object_set_new(o, "score", json_integer(s->score)) != 0 ||
         json_object_set_new(o, "reason", json_string(s->reason)) != 0))
        goto fail;
    return o;
fail:
    json_decref(o);
    return NULL;
}

static json_t *suggestions_json(const tdm__verb_event *done)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < done->n_suggestions; i++)
        if (!add(list, suggestion_json(&done->suggestions[i]))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

json_t *tdm__verb_result_json(const tdm__verb_event *done)
{
    const tdm__event *ev = done->spine;
    const tdm__job_timings *t = &ev->timings;
    const char *label = ev->label && strcmp(ev->label, "none") != 0 && ev->label[0] != '\0' ? ev->label : NULL;
    return json_pack("{s:o, s:s, s:s, s:{s:s?, s:s}, s:s, s:{s:I, s:I, s:I}, s:{s:I, s:f, s:I, s:f, s:I, s:I}}",
                     "suggestions", suggestions_json(done), "decision", ev->decision_id ? ev->decision_id : "", "model",
                     ev->model_name ? ev->model_name : "", "label", "text", label, "screening",
                     ev->screening ? ev->screening : "none", "language", done->language ? done->language : "", "usage",
                     "prompt_tokens", (json_int_t)t->n_prompt, "completion_tokens", (json_int_t)t->n_generated,
                     "total_tokens", (json_int_t)(t->n_prompt + t->n_generated), "timings", "prompt_tokens",
                     (json_int_t)t->n_prompt, "prompt_ms", t->prompt_ms, "decode_tokens", (json_int_t)t->n_generated,
                     "decode_ms", t->decode_ms, "draft_tokens", (json_int_t)t->n_draft, "draft_accepted",
                     (json_int_t)t->n_draft_accepted);
}
