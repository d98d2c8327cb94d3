/* chat_ask.c - the table of the chat request's fields, and the readers that its rows name. */
#include "api/chat_ask.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/json_in.h"
#include "base/nearest.h"

typedef struct ask_field ask_field;

struct ask_field {
    const char *name;
    /* v is not null. False: refused, *e is filled. */
    bool (*read)(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e);
    size_t offset;    /* of a float in tdm__sampling */
    double min, max;  /* of that float */
    const char *pass; /* the neutral strings, between bars */
};

static bool wrong_kind(const ask_field *f, const char *wanted, const json_t *v, tdm__api_error *e)
{
    return tdm__api_refuse(e, 400, NULL, f->name, "%s must be %s, it is %s", f->name, wanted, tdm__json_kind(v));
}

static bool not_built(const ask_field *f, tdm__api_error *e)
{
    return tdm__api_refuse(e, 400, "not_built", f->name, "%s with this value is not built", f->name);
}

/* ---- what is built ---- */

static bool read_messages(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    (void)f;
    return tdm__chat_messages_read(v, &a->messages, e);
}

static bool read_model(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    if (!json_is_string(v))
        return wrong_kind(f, "a string", v, e);
    a->model = json_string_value(v);
    return true;
}

static bool read_sampling(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    if (!json_is_number(v))
        return wrong_kind(f, "a number", v, e);
    const double x = json_number_value(v);
    if (!(x >= f->min && x <= f->max))
        return tdm__api_refuse(e, 400, NULL, f->name, "%s is %g; it must lie between %g and %g", f->name, x, f->min,
                               f->max);
    *(float *)((char *)&a->request.sampling + f->offset) = (float)x;
    return true;
}

static bool read_top_p(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    if (!read_sampling(f, v, a, e))
        return false;
    if (a->request.sampling.top_p <= 0)
        a->request.sampling.top_p = 1e-6f; /* OpenAI allows 0: the most probable token alone */
    return true;
}

static bool read_min_p(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    if (!read_sampling(f, v, a, e))
        return false;
    if (a->request.sampling.min_p >= 1)
        return tdm__api_refuse(e, 400, NULL, f->name, "min_p must be below 1");
    return true;
}

static bool read_integer(const ask_field *f, const json_t *v, json_int_t min, json_int_t max, json_int_t *out,
                         tdm__api_error *e)
{
    if (!json_is_integer(v))
        return wrong_kind(f, "an integer", v, e);
    *out = json_integer_value(v);
    if (*out < min || *out > max)
        return tdm__api_refuse(e, 400, NULL, f->name, "%s is %lld; it must lie between %lld and %lld", f->name,
                               (long long)*out, (long long)min, (long long)max);
    return true;
}

static bool read_max_tokens(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    json_int_t n = 0;
    if (!read_integer(f, v, 1, INT32_MAX, &n, e))
        return false;
    if (a->request.max_tokens != 0 && a->request.max_tokens != (size_t)n)
        return tdm__api_refuse(e, 400, NULL, f->name, "max_tokens and max_completion_tokens differ: %zu and %lld",
                               a->request.max_tokens, (long long)n);
    a->request.max_tokens = (size_t)n;
    return true;
}

static bool read_top_k(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    json_int_t n = 0;
    if (!read_integer(f, v, 0, INT32_MAX, &n, e))
        return false;
    a->request.sampling.top_k = (int)n;
    return true;
}

static bool read_seed(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    json_int_t n = 0;
    if (!read_integer(f, v, INT64_MIN, INT64_MAX, &n, e))
        return false;
    a->request.sampling.seed = (uint64_t)n;
    a->has_seed = true;
    return true;
}

static bool read_top_logprobs(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    json_int_t n = 0;
    if (!read_integer(f, v, 0, TDM__TOP_LOGPROBS_MAX, &n, e))
        return false;
    a->request.n_top_logprobs = (int)n;
    return true;
}

static bool read_bool(const ask_field *f, const json_t *v, bool *out, tdm__api_error *e)
{
    if (!json_is_boolean(v))
        return wrong_kind(f, "a boolean", v, e);
    *out = json_is_true(v);
    return true;
}

static bool read_stream(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    return read_bool(f, v, &a->stream, e);
}

static bool read_logprobs(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    return read_bool(f, v, &a->logprobs, e);
}

static bool add_stop(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    if (!json_is_string(v))
        return wrong_kind(f, "a string or an array of strings", v, e);
    const size_t len = json_string_length(v);
    if (len == 0 || len > TDM__STOP_BYTES_MAX)
        return tdm__api_refuse(e, 400, NULL, f->name, "a stop string has %zu bytes; 1 to %d are taken", len,
                               TDM__STOP_BYTES_MAX);
    a->request.stops[a->request.n_stops++] = (tdm__str){json_string_value(v), len};
    return true;
}

static bool read_stop(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    if (!json_is_array(v))
        return add_stop(f, v, a, e);
    const size_t n = json_array_size(v);
    if (n > TDM__CHAT_STOPS_MAX)
        return tdm__api_refuse(e, 400, NULL, f->name, "stop has %zu strings; at most %d are taken", n,
                               TDM__CHAT_STOPS_MAX);
    for (size_t i = 0; i < n; i++)
        if (!add_stop(f, json_array_get(v, i), a, e))
            return false;
    return true;
}

static bool read_stream_options(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    if (!json_is_object(v))
        return wrong_kind(f, "an object", v, e);
    const char *key;
    json_t *option;
    json_object_foreach((json_t *)v, key, option)
    {
        bool on = false;
        if (strcmp(key, "include_usage") != 0 && strcmp(key, "include_obfuscation") != 0)
            return tdm__api_refuse(e, 400, "unknown_field", f->name, "stream_options may have only include_usage");
        if (!json_is_null(option) && !read_bool(f, option, &on, e))
            return false;
        if (strcmp(key, "include_usage") == 0)
            a->include_usage = on;
        else if (on)
            return tdm__api_refuse(e, 400, "not_built", f->name, "stream_options.include_obfuscation is not built");
    }
    return true;
}

/* OpenAI's predicted outputs: {"type":"content","content": a text or its parts}. */
static bool read_prediction(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    if (!json_is_object(v))
        return wrong_kind(f, "an object", v, e);
    if (json_object_size(v) == 0)
        return true;
    const char *type = json_string_value(json_object_get(v, "type"));
    if (!type || strcmp(type, "content") != 0 || json_object_size(v) != 2)
        return tdm__api_refuse(e, 400, NULL, f->name, "prediction must have a type, which is content, and a content");
    a->prediction = tdm__chat_content_read(json_object_get(v, "content"), f->name, e);
    if (!a->prediction)
        return false;
    a->request.prediction = (tdm__str){json_string_value(a->prediction), json_string_length(a->prediction)};
    return true;
}

/* ---- what is accepted in its neutral values ---- */

/* Identifies the caller's user or cache line; it could not change an answer. */
static bool pass_string(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    (void)a;
    return json_is_string(v) || wrong_kind(f, "a string", v, e);
}

static bool pass_bool(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    bool on = false;
    (void)a;
    return read_bool(f, v, &on, e);
}

static bool pass_false(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    bool on = false;
    (void)a;
    if (!read_bool(f, v, &on, e))
        return false;
    return !on || not_built(f, e);
}

static bool pass_empty(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    (void)a;
    const bool empty = (json_is_array(v) && json_array_size(v) == 0) || (json_is_object(v) && json_object_size(v) == 0);
    return empty || tdm__api_refuse(e, 400, "not_built", f->name, "%s is not built", f->name);
}

static bool read_n(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    json_int_t n = 0;
    if (!read_integer(f, v, 1, TDM__CANDIDATES_MAX, &n, e))
        return false;
    a->request.n = (size_t)n;
    return true;
}

static bool is_listed(const char *list, const char *s)
{
    const size_t len = strlen(s);
    for (const char *at = list; *at; at += strcspn(at, "|"), at += *at == '|')
        if (strcspn(at, "|") == len && memcmp(at, s, len) == 0)
            return true;
    return false;
}

static bool pass_listed(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    (void)a;
    if (json_is_string(v))
        return is_listed(f->pass, json_string_value(v)) || not_built(f, e);
    return json_is_object(v) ? not_built(f, e) : wrong_kind(f, "a string", v, e);
}

static bool pass_text_only(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    (void)a;
    if (!json_is_array(v))
        return wrong_kind(f, "an array", v, e);
    const char *one = json_string_value(json_array_get(v, 0));
    return (json_array_size(v) == 1 && one && strcmp(one, "text") == 0) || not_built(f, e);
}

static bool pass_text_format(const ask_field *f, const json_t *v, tdm__chat_ask *a, tdm__api_error *e)
{
    (void)a;
    if (!json_is_object(v))
        return wrong_kind(f, "an object", v, e);
    const char *type = json_string_value(json_object_get(v, "type"));
    return (json_object_size(v) == 1 && type && strcmp(type, "text") == 0) || not_built(f, e);
}

#define SAMPLING(field) offsetof(tdm__sampling, field)

static const ask_field fields[] = {
    {.name = "messages", .read = read_messages},
    {.name = "model", .read = read_model},
    {.name = "stream", .read = read_stream},
    {.name = "stream_options", .read = read_stream_options},
    {.name = "max_tokens", .read = read_max_tokens},
    {.name = "max_completion_tokens", .read = read_max_tokens},
    {.name = "temperature", .read = read_sampling, .offset = SAMPLING(temperature), .min = 0, .max = 2},
    {.name = "top_p", .read = read_top_p, .offset = SAMPLING(top_p), .min = 0, .max = 1},
    {.name = "top_k", .read = read_top_k},
    {.name = "min_p", .read = read_min_p, .offset = SAMPLING(min_p), .min = 0, .max = 1},
    {.name = "repeat_penalty", .read = read_sampling, .offset = SAMPLING(repeat_penalty), .min = 0.125, .max = 2},
    {.name = "presence_penalty", .read = read_sampling, .offset = SAMPLING(presence_penalty), .min = -2, .max = 2},
    {.name = "frequency_penalty", .read = read_sampling, .offset = SAMPLING(frequency_penalty), .min = -2, .max = 2},
    {.name = "seed", .read = read_seed},
    {.name = "stop", .read = read_stop},
    {.name = "logprobs", .read = read_logprobs},
    {.name = "top_logprobs", .read = read_top_logprobs},
    {.name = "n", .read = read_n},
    {.name = "prediction", .read = read_prediction},
    {.name = "user", .read = pass_string},
    {.name = "safety_identifier", .read = pass_string},
    {.name = "prompt_cache_key", .read = pass_string},
    {.name = "store", .read = pass_false},
    {.name = "metadata", .read = pass_empty},
    {.name = "logit_bias", .read = pass_empty},
    {.name = "tools", .read = pass_empty},
    {.name = "tool_choice", .read = pass_listed, .pass = "none"},
    {.name = "parallel_tool_calls", .read = pass_bool},
    {.name = "functions", .read = pass_empty},
    {.name = "function_call", .read = pass_listed, .pass = "none"},
    {.name = "response_format", .read = pass_text_format},
    {.name = "modalities", .read = pass_text_only},
    {.name = "service_tier", .read = pass_listed, .pass = "auto|default"},
    {.name = "reasoning_effort", .read = pass_listed, .pass = "none"},
    {.name = "verbosity", .read = pass_listed, .pass = "medium"},
    {.name = "audio", .read = pass_empty},
    {.name = "web_search_options", .read = pass_empty},
    {.name = "moderation", .read = pass_empty},
    {.name = "prompt_cache_options", .read = pass_empty},
    {.name = "prompt_cache_retention", .read = pass_listed, .pass = "in_memory|in-memory"},
};

enum { N_FIELDS = sizeof fields / sizeof *fields };

static bool refuse_unknown(const char *key, tdm__api_error *e)
{
    tdm__nearest near = {.wanted = key, .wanted_len = strlen(key)};
    for (size_t i = 0; i < N_FIELDS; i++)
        tdm__nearest_offer(&near, fields[i].name);
    return tdm__api_refuse_field(e, key, "field of a chat request", near.best);
}

/* Rules between fields. */
static bool check_together(tdm__chat_ask *a, tdm__api_error *e)
{
    const json_t *options = json_object_get(a->body, "stream_options");
    if (!a->messages)
        return tdm__api_refuse(e, 400, NULL, "messages", "messages is missing");
    if (!a->stream && options && !json_is_null(options))
        return tdm__api_refuse(e, 400, NULL, "stream_options", "stream_options goes only with stream: true");
    if (!a->logprobs && a->request.n_top_logprobs > 0)
        return tdm__api_refuse(e, 400, NULL, "top_logprobs", "top_logprobs goes only with logprobs: true");
    a->request.n_top_logprobs = !a->logprobs ? -1 : a->request.n_top_logprobs < 0 ? 0 : a->request.n_top_logprobs;
    tdm_error err;
    if (tdm__sampling_check(&a->request.sampling, &err) != TDM_OK)
        return tdm__api_refuse(e, 400, NULL, NULL, "%s", err.msg);
    a->request.messages = a->messages;
    return true;
}

static bool read_fields(tdm__chat_ask *a, tdm__api_error *e)
{
    const char *key;
    json_t *v;
    json_object_foreach(a->body, key, v)
    {
        size_t i = 0;
        while (i < N_FIELDS && strcmp(fields[i].name, key) != 0)
            i++;
        if (i == N_FIELDS)
            return refuse_unknown(key, e);
        if (!json_is_null(v) && !fields[i].read(&fields[i], v, a, e))
            return false;
    }
    return check_together(a, e);
}

bool tdm__chat_ask_parse(tdm__str body, tdm__chat_ask *out, tdm__api_error *e)
{
    tdm__chat_ask a = {.request = {.n = 1, .sampling = tdm__sampling_default(), .n_top_logprobs = -1}};
    a.request.sampling.temperature = 1; /* OpenAI's defaults */
    a.request.sampling.penalty_last_n = TDM__CHAT_PENALTY_LAST_N;
    *out = (tdm__chat_ask){0};
    if (!tdm__json_load_object(body, &a.body, e))
        return false;
    if (!read_fields(&a, e)) {
        tdm__chat_ask_fini(&a);
        return false;
    }
    *out = a;
    return true;
}

void tdm__chat_ask_fini(tdm__chat_ask *a)
{
    json_decref(a->messages);
    json_decref(a->prediction);
    json_decref(a->body);
    *a = (tdm__chat_ask){0};
}
