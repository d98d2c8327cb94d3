/* emulated_json.c - the OpenAI dialect from the other side: the question read, chunks and answers written. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "emulate/emulate_internal.h"

enum { MESSAGES_MAX = 1024, MAX_TOKENS_MAX = 32768, TEXT_BYTES_MAX = 1 << 20 };

/* A text, or a list of text parts, to one string. NULL: neither. */
static json_t *flatten(const json_t *content)
{
    if (json_is_string(content))
        return json_stringn(json_string_value(content), json_string_length(content));
    if (!json_is_array(content))
        return NULL;
    tdm__buf all;
    tdm__buf_init(&all, TEXT_BYTES_MAX);
    bool ok = true;
    for (size_t i = 0; i < json_array_size(content) && ok; i++) {
        const json_t *text = json_object_get(json_array_get(content, i), "text");
        ok = json_is_string(text) &&
             tdm__buf_append(&all, json_string_value(text), json_string_length(text)) == TDM_OK;
    }
    json_t *flat = ok ? json_stringn(tdm__buf_cstr(&all), all.len) : NULL;
    tdm__buf_fini(&all);
    return flat;
}

static tdm_status read_messages(const json_t *body, json_t *out, tdm_error *err)
{
    const json_t *messages;
    TDM_TRY(tdm__json_get_array(body, "messages", "body", MESSAGES_MAX, &messages, err));
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *m = json_array_get(messages, i);
        const char *role = json_string_value(json_object_get(m, "role"));
        json_t *text = flatten(json_object_get(m, "content"));
        json_t *plain = role && text ? json_pack("{s:s, s:O}", "role", role, "content", text) : NULL;
        json_decref(text);
        if (!plain || json_array_append_new(out, plain) != 0)
            TDM_FAIL(err, TDM_ERR_INVAL, "messages[%zu] needs a role and a text", i);
    }
    if (json_array_size(out) == 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "messages is empty");
    return TDM_OK;
}

static tdm_status read_members(const json_t *body, tdm__emulated_question *q, tdm_error *err)
{
    static const char *const limits[] = {"max_tokens", "max_completion_tokens"};
    const char *model = json_string_value(json_object_get(body, "model"));
    if (!model || !model[0] || strlen(model) >= sizeof q->model)
        TDM_FAIL(err, TDM_ERR_INVAL, "model must be a text of at most %zu bytes", sizeof q->model - 1);
    snprintf(q->model, sizeof q->model, "%s", model);
    q->stream = json_is_true(json_object_get(body, "stream"));
    q->include_usage = json_is_true(json_object_get(json_object_get(body, "stream_options"), "include_usage"));
    for (size_t i = 0; i < 2; i++) {
        const json_t *limit = json_object_get(body, limits[i]);
        if (json_is_integer(limit) && json_integer_value(limit) > 0)
            q->max_tokens = (size_t)json_integer_value(limit);
    }
    if (q->max_tokens > MAX_TOKENS_MAX)
        q->max_tokens = MAX_TOKENS_MAX;
    return read_messages(body, q->messages, err);
}

tdm_status tdm__emulated_question_read(tdm__str body, tdm__emulated_question *out, tdm_error *err)
{
    json_t *object = NULL;
    tdm__emulated_question q = {.messages = json_array()};
    tdm_status s = tdm__json_parse(body, "body", TEXT_BYTES_MAX, &object, err);
    if (s == TDM_OK)
        s = read_members(object, &q, err);
    json_decref(object);
    if (s != TDM_OK) {
        json_decref(q.messages);
        return s;
    }
    *out = q;
    return TDM_OK;
}

/* What all three have in common; choices is taken over. */
static json_t *answer(const tdm__emulated_question *q, int64_t at_unix_s, const char *object, json_t *choices)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:b, s:o}", "id", "chatcmpl-emulated", "object", object, "created",
                     (json_int_t)at_unix_s, "model", q->model, "tandem_emulated", 1, "choices", choices);
}

static json_t *usage(const tdm__job_timings *t)
{
    return json_pack("{s:I, s:I, s:I}", "prompt_tokens", (json_int_t)t->n_prompt, "completion_tokens",
                     (json_int_t)t->n_generated, "total_tokens", (json_int_t)(t->n_prompt + t->n_generated));
}

json_t *tdm__emulated_chunk(const tdm__emulated_question *q, int64_t at_unix_s, tdm__str text, const char *finish)
{
    json_t *delta = finish ? json_object()
                           : json_pack("{s:s, s:s%}", "role", "assistant", "content", text.len > 0 ? text.ptr : "",
                                       text.len);
    return answer(q, at_unix_s, "chat.completion.chunk",
                  json_pack("[{s:i, s:o, s:s?}]", "index", 0, "delta", delta, "finish_reason", finish));
}

json_t *tdm__emulated_whole(const tdm__emulated_question *q, int64_t at_unix_s, tdm__str text, const char *finish,
                            const tdm__job_timings *t)
{
    json_t *message = json_pack("{s:s, s:s%}", "role", "assistant", "content", text.len > 0 ? text.ptr : "", text.len);
    json_t *a = answer(q, at_unix_s, "chat.completion",
                       json_pack("[{s:i, s:o, s:s}]", "index", 0, "message", message, "finish_reason", finish));
    if (a && json_object_set_new(a, "usage", usage(t)) != 0) {
        json_decref(a);
        a = NULL;
    }
    return a;
}

json_t *tdm__emulated_usage(const tdm__emulated_question *q, int64_t at_unix_s, const tdm__job_timings *t)
{
    json_t *a = answer(q, at_unix_s, "chat.completion.chunk", json_array());
    if (a && json_object_set_new(a, "usage", usage(t)) != 0) {
        json_decref(a);
        a = NULL;
    }
    return a;
}
