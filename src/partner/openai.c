/* openai.c - OpenAI's chat completions, as OpenAI and most vendors speak it.
 *
 * Of an answer only choice 0's content is text. Reasoning is not asked for and is skipped, tools are not offered;
 * frames without choices (usage, filters) and members that are not known are passed over.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "partner/partner_internal.h"

static tdm_status make_body(const tdm__partner_call *c, json_t **out, tdm_error *err)
{
    const tdm__partner_profile *p = c->profile;
    const size_t max_tokens = c->max_tokens > 0 ? c->max_tokens : p->output_tokens_max;
    const char *own_name = p->quirks.max_tokens_name, *max_name = own_name && own_name[0] ? own_name : "max_tokens";
    json_t *body = json_object();
    bool ok = json_object_set_new(body, "model", json_string(c->model)) == 0;
    ok = ok && json_object_set_new(body, "messages", json_deep_copy(c->messages)) == 0;
    ok = ok && json_object_set_new(body, "stream", json_true()) == 0;
    ok = ok && json_object_set_new(body, "stream_options", json_pack("{s:b}", "include_usage", 1)) == 0;
    if (max_tokens > 0)
        ok = ok && json_object_set_new(body, max_name, json_integer((json_int_t)max_tokens)) == 0;
    if (!ok) {
        json_decref(body);
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a partner's request");
    }
    *out = body;
    return TDM_OK;
}

/* What stands beside the choices. */
static void note_facts(tdm__partner_result *r, const json_t *d)
{
    const char *model = json_string_value(json_object_get(d, "model"));
    const json_t *usage = json_object_get(d, "usage");
    const json_int_t in = json_integer_value(json_object_get(usage, "prompt_tokens"));
    const json_int_t out = json_integer_value(json_object_get(usage, "completion_tokens"));
    if (model && !r->model[0])
        tdm__partner_plain(model, r->model, sizeof r->model);
    if (in > 0)
        r->tokens_in = (uint64_t)in;
    if (out > 0)
        r->tokens_out = (uint64_t)out;
    r->is_emulated = r->is_emulated || json_is_true(json_object_get(d, "tandem_emulated"));
}

static tdm_status take_text(tdm__partner_reading *r, const json_t *piece, tdm_error *err)
{
    const json_t *content = json_object_get(piece, "content");
    r->has_refusal = r->has_refusal || json_string_length(json_object_get(piece, "refusal")) > 0;
    if (!content || json_is_null(content) || (json_is_string(content) && json_string_length(content) == 0))
        return TDM_OK;
    if (!json_is_string(content))
        return tdm__partner_fail(r->call, r->result, TDM__PARTNER_NOT_API, err, "an answer's content is no text");
    const tdm__str text = {json_string_value(content), json_string_length(content)};
    tdm_status s = r->call->on_text ? r->call->on_text(r->call->user, text, err) : TDM_OK;
    r->caller_ended = s < 0;
    return s < 0 ? s : TDM_OK;
}

static tdm_status take(tdm__partner_reading *r, const json_t *d, bool is_whole, tdm_error *err)
{
    note_facts(r->result, d);
    const json_t *choice = json_array_get(json_object_get(d, "choices"), 0);
    if (!choice && is_whole)
        return tdm__partner_fail(r->call, r->result, TDM__PARTNER_NOT_API, err, "its JSON is no answer to a chat");
    if (!choice || json_integer_value(json_object_get(choice, "index")) != 0)
        return TDM_OK;
    TDM_TRY(take_text(r, json_object_get(choice, is_whole ? "message" : "delta"), err));
    const char *finish = json_string_value(json_object_get(choice, "finish_reason"));
    if (finish && !r->finish[0])
        tdm__partner_plain(finish, r->finish, sizeof r->finish);
    return TDM_OK;
}

const tdm__partner_dialect tdm__partner_openai = {.name = "openai", .body = make_body, .take = take};
