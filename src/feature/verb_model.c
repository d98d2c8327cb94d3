/* verb_model.c - how a verb asks the model: prompt, bounds, sampling; and what comes back, without its wrapping. */
#include <stdio.h>

#include "base/error.h"
#include "feature/verb_internal.h"
#include "feature/verb_text.h"
#include "os/heap.h"

enum {
    TURN_TOKENS = 8, /* what a chat template writes around a turn, at most */
    SPARE_TOKENS = 32,
};

/* Further attempts are drawn: greedy would say the same again. */
static tdm__sampling sampling_of(const tdm__verb_run *w, const tdm__verb_question *q)
{
    tdm__sampling s = tdm__sampling_default();
    s.seed = (w->ask.has_seed ? w->ask.seed : 1) + q->attempt;
    if (q->attempt > 0 || q->is_sampled || q->n > 1) {
        s.temperature = q->n > 1 ? 0.9f : 0.7f; /* side by side they are to differ */
        s.top_p = q->n > 1 ? 1.0f : 0.9f;
    }
    return s;
}

static tdm_status keep(tdm__verb_run *w, const tdm__generated *g, tdm__str source, tdm__verb_answer *out,
                       tdm_error *err)
{
    const char *text = tdm__arena_dup(&w->scratch, (tdm__str){g->text, g->len});
    if (!text)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a text of %zu bytes", g->len);
    *out = (tdm__verb_answer){tdm__check_unwrap((tdm__str){text, g->len}, source), g->finish == TDM__FINISH_LENGTH};
    return TDM_OK;
}

static tdm_status generate(tdm__verb_run *w, tdm__request *r, const tdm__generation *g, tdm__str source,
                           tdm__verb_answer *out, tdm_error *err)
{
    tdm__generated texts[TDM__CANDIDATES_MAX] = {0};
    TDM_TRY(tdm__compose_generate(r, g, texts, err));
    tdm_status s = TDM_OK;
    for (size_t i = 0; i < g->n; i++) {
        if (s == TDM_OK)
            s = keep(w, &texts[i], source, &out[i], err);
        tdm__free(texts[i].text);
    }
    return s;
}

tdm_status tdm__verb_ask_model(tdm__verb_run *w, tdm__request *r, const tdm__verb_question *q, tdm__verb_answer *out,
                               tdm_error *err)
{
    const tdm__prompt_fill fill = {.instruction = w->ask.instruction, .text = q->text};
    tdm__generation g = {
        .max_tokens = q->max_tokens, .sampling = sampling_of(w, q), .on_text = q->on_text, .user = q->user};
    if (q->is_copy)
        g.source = q->text;
    TDM_TRY(tdm__verb_prompt_make(w->ask.verb, w->language, q->prompt, &fill, &g.messages, &g.n_public_turns, err));
    const size_t n = q->n > 0 ? q->n : 1;
    tdm_status s = TDM_OK;
    for (size_t i = 0; s == TDM_OK && i < n;
         i += g.n) { /* the same texts side by side or in turn: seed of the first + i */
        g.n = n - i < w->n_places ? n - i : w->n_places;
        s = generate(w, r, &g, q->text, out + i, err);
        g.sampling.seed += g.n;
    }
    json_decref(g.messages);
    return s;
}

tdm_status tdm__verb_budget(tdm__verb_run *w, tdm__request *r, const char *prompt, size_t *tokens, tdm_error *err)
{
    const tdm__prompt_fill fill = {.instruction = w->ask.instruction, .text = TDM_STR("")};
    json_t *messages = NULL;
    size_t n_public, taken = SPARE_TOKENS;
    TDM_TRY(tdm__verb_prompt_make(w->ask.verb, w->language, prompt, &fill, &messages, &n_public, err));
    tdm_status s = TDM_OK;
    for (size_t i = 0; s == TDM_OK && i < json_array_size(messages); i++) {
        const json_t *content = json_object_get(json_array_get(messages, i), "content");
        size_t n = 0;
        s = tdm__compose_count_tokens(r, (tdm__str){json_string_value(content), json_string_length(content)}, &n, err);
        taken += n + TURN_TOKENS;
    }
    json_decref(messages);
    TDM_TRY(s);
    const size_t context = tdm__compose_context(r);
    if (context < taken + 3 * SPARE_TOKENS)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the context has %zu positions, %s needs at least %zu", context,
                 tdm__verb_name(w->ask.verb), taken + 3 * SPARE_TOKENS);
    *tokens = context - taken;
    return TDM_OK;
}

tdm_status tdm__verb_fail_checks(tdm__verb_run *w, tdm_error *err)
{
    TDM_FAIL(err, TDM_ERR_UPSTREAM, "the model's text did not pass the check: %s", tdm__flaw_text(w->last_flaw));
}

tdm_status tdm__verb_copy(tdm__verb_run *w, tdm__str text, tdm__str *out, tdm_error *err)
{
    const char *p = tdm__arena_dup(&w->arena, text);
    if (!p)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a suggestion of %zu bytes", text.len);
    *out = (tdm__str){p, text.len};
    return TDM_OK;
}

tdm_status tdm__verb_reserve(tdm__verb_run *w, size_t n, tdm_error *err)
{
    w->suggestions = tdm__arena_array(&w->arena, n, sizeof *w->suggestions);
    if (!w->suggestions)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for %zu suggestions", n);
    for (size_t i = 0; i < n; i++)
        w->suggestions[i].reason = "";
    return TDM_OK;
}
