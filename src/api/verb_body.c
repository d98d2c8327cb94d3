/* verb_body.c - the table of the verbs' fields, and the readers that its rows name. */
#include "api/verb_body.h"

#include <stdio.h>
#include <string.h>

#include "api/json_in.h"
#include "base/nearest.h"

enum {
    PROOFREAD = 1 << TDM__VERB_PROOFREAD,
    REWRITE = 1 << TDM__VERB_REWRITE,
    SUMMARIZE = 1 << TDM__VERB_SUMMARIZE,
    REPLY = 1 << TDM__VERB_REPLY,
    PRIORITISE = 1 << TDM__VERB_PRIORITISE,
    ALL = PROOFREAD | REWRITE | SUMMARIZE | REPLY | PRIORITISE,
};

typedef struct verb_field verb_field;

struct verb_field {
    const char *name;
    int verbs; /* that take it */
    /* v is not null. False: refused, *e is filled. */
    bool (*read)(const verb_field *f, const json_t *v, tdm__verb_body *b, tdm__api_error *e);
};

static bool wrong_kind(const verb_field *f, const char *wanted, const json_t *v, tdm__api_error *e)
{
    return tdm__api_refuse(e, 400, "invalid_field", f->name, "%s must be %s, it is %s", f->name, wanted,
                           tdm__json_kind(v));
}

static bool read_string(const verb_field *f, const json_t *v, tdm__str *out, tdm__api_error *e)
{
    if (!json_is_string(v))
        return wrong_kind(f, "a string", v, e);
    *out = (tdm__str){json_string_value(v), json_string_length(v)};
    return true;
}

static bool read_integer(const verb_field *f, const json_t *v, json_int_t min, json_int_t max, json_int_t *out,
                         tdm__api_error *e)
{
    if (!json_is_integer(v))
        return wrong_kind(f, "an integer", v, e);
    *out = json_integer_value(v);
    if (*out < min || *out > max)
        return tdm__api_refuse(e, 400, "invalid_field", f->name, "%s is %lld; it must lie between %lld and %lld",
                               f->name, (long long)*out, (long long)min, (long long)max);
    return true;
}

static bool read_text(const verb_field *f, const json_t *v, tdm__verb_body *b, tdm__api_error *e)
{
    return read_string(f, v, &b->ask.text, e) && tdm__verb_text_check(b->ask.text, f->name, e);
}

static bool read_messages(const verb_field *f, const json_t *v, tdm__verb_body *b, tdm__api_error *e)
{
    (void)f;
    if (!tdm__verb_messages_read(v, &b->messages, e))
        return false;
    b->ask.messages = b->messages.items;
    b->ask.n_messages = b->messages.n;
    return true;
}

static bool read_instruction(const verb_field *f, const json_t *v, tdm__verb_body *b, tdm__api_error *e)
{
    tdm__str *text = &b->ask.instruction;
    if (!read_string(f, v, text, e) || !tdm__verb_text_check(*text, f->name, e))
        return false;
    if (text->len == 0 || text->len > TDM__VERB_INSTRUCTION_BYTES_MAX)
        return tdm__api_refuse(e, 400, "invalid_field", f->name, "%s has %zu bytes; 1 to %d are taken", f->name,
                               text->len, TDM__VERB_INSTRUCTION_BYTES_MAX);
    return true;
}

static bool wrong_name(const verb_field *f, const char *names, tdm__api_error *e)
{
    return tdm__api_refuse(e, 400, "invalid_field", f->name, "%s must be one of %s", f->name, names);
}

static bool read_style(const verb_field *f, const json_t *v, tdm__verb_body *b, tdm__api_error *e)
{
    tdm__str name = {0};
    if (!read_string(f, v, &name, e))
        return false;
    b->ask.style = tdm__style_from(name);
    return b->ask.style != TDM__STYLE_NONE ||
           wrong_name(f, "friendly, professional, concise, elaborate, shorter, custom", e);
}

static bool read_kind(const verb_field *f, const json_t *v, tdm__verb_body *b, tdm__api_error *e)
{
    tdm__str name = {0};
    if (!read_string(f, v, &name, e))
        return false;
    b->ask.kind = tdm__kind_from(name);
    return b->ask.kind != TDM__KIND_NONE || wrong_name(f, "paragraph, points, line", e);
}

static bool read_source(const verb_field *f, const json_t *v, tdm__verb_body *b, tdm__api_error *e)
{
    tdm__str name = {0};
    if (!read_string(f, v, &name, e))
        return false;
    b->ask.source = tdm__source_from(name);
    return b->ask.source != TDM__SOURCE_NONE || wrong_name(f, "article, chat, mail, notifications", e);
}

static bool read_lang(const verb_field *f, const json_t *v, tdm__verb_body *b, tdm__api_error *e)
{
    tdm__str tag = {0};
    if (!read_string(f, v, &tag, e))
        return false;
    b->ask.language = tag.ptr;
    return tdm__verb_language_check(tag.ptr, e);
}

static bool read_n(const verb_field *f, const json_t *v, tdm__verb_body *b, tdm__api_error *e)
{
    json_int_t n = 0;
    if (!read_integer(f, v, 1, TDM__CANDIDATES_MAX, &n, e))
        return false;
    b->ask.n = (size_t)n;
    const bool gives_one = b->ask.verb == TDM__VERB_PROOFREAD || b->ask.verb == TDM__VERB_PRIORITISE;
    return n == 1 || !gives_one ||
           tdm__api_refuse(e, 400, "not_for_verb", f->name, "%s gives one result, so n is 1",
                           tdm__verb_name(b->ask.verb));
}

static bool read_seed(const verb_field *f, const json_t *v, tdm__verb_body *b, tdm__api_error *e)
{
    json_int_t n = 0;
    if (!read_integer(f, v, INT64_MIN, INT64_MAX, &n, e))
        return false;
    b->ask.seed = (uint64_t)n;
    b->ask.has_seed = true;
    return true;
}

static bool read_stream(const verb_field *f, const json_t *v, tdm__verb_body *b, tdm__api_error *e)
{
    if (!json_is_boolean(v))
        return wrong_kind(f, "a boolean", v, e);
    b->stream = b->ask.wants_pieces = json_is_true(v);
    return true;
}

static bool read_priority(const verb_field *f, const json_t *v, tdm__verb_body *b, tdm__api_error *e)
{
    tdm__str name = {0};
    if (!read_string(f, v, &name, e))
        return false;
    b->ask.priority = tdm__str_eq(name, TDM_STR("background")) ? TDM__BACKGROUND : TDM__FOREGROUND;
    return b->ask.priority == TDM__BACKGROUND || tdm__str_eq(name, TDM_STR("foreground")) ||
           wrong_name(f, "foreground, background", e);
}

static bool read_model(const verb_field *f, const json_t *v, tdm__verb_body *b, tdm__api_error *e)
{
    tdm__str name = {0};
    if (!read_string(f, v, &name, e))
        return false;
    b->model = name.ptr;
    return true;
}

static const verb_field fields[] = {
    {"text", PROOFREAD | REWRITE | SUMMARIZE | REPLY, read_text},
    {"messages", SUMMARIZE | REPLY | PRIORITISE, read_messages},
    {"style", REWRITE, read_style},
    {"instruction", REWRITE, read_instruction},
    {"kind", SUMMARIZE, read_kind},
    {"source", SUMMARIZE, read_source},
    {"lang", ALL, read_lang},
    {"n", ALL, read_n},
    {"seed", ALL, read_seed},
    {"stream", ALL, read_stream},
    {"priority", ALL, read_priority},
    {"model", ALL, read_model},
};

enum { N_FIELDS = sizeof fields / sizeof *fields };

static const verb_field *find_field(const char *name)
{
    for (size_t i = 0; i < N_FIELDS; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

bool tdm__verb_takes(tdm__verb verb, const char *field)
{
    const verb_field *f = find_field(field);
    return f && (f->verbs & (1 << verb)) != 0;
}

/* The nearest of the fields that the verb takes. */
static bool refuse_unknown(tdm__verb verb, const char *key, tdm__api_error *e)
{
    tdm__nearest near = {.wanted = key, .wanted_len = strlen(key)};
    for (size_t i = 0; i < N_FIELDS; i++)
        if (tdm__verb_takes(verb, fields[i].name))
            tdm__nearest_offer(&near, fields[i].name);
    char what[32];
    snprintf(what, sizeof what, "field of %s", tdm__verb_name(verb));
    return tdm__api_refuse_field(e, key, what, near.best);
}

static bool read_fields(tdm__verb_body *b, tdm__api_error *e)
{
    const char *key;
    json_t *v;
    json_object_foreach(b->body, key, v)
    {
        const verb_field *f = find_field(key);
        if (!f)
            return refuse_unknown(b->ask.verb, key, e);
        if (json_is_null(v))
            continue;
        if (!tdm__verb_takes(b->ask.verb, key))
            return tdm__api_refuse(e, 400, "not_for_verb", key, "%s takes no %s", tdm__verb_name(b->ask.verb), key);
        if (!f->read(f, v, b, e))
            return false;
    }
    return tdm__verb_ask_check(&b->ask, e);
}

bool tdm__verb_body_parse(tdm__verb verb, tdm__str bytes, tdm__verb_body *out, tdm__api_error *e)
{
    tdm__verb_body b = {.ask = {.verb = verb}};
    *out = (tdm__verb_body){0};
    if (!tdm__json_load_object(bytes, &b.body, e))
        return false;
    if (!read_fields(&b, e)) {
        tdm__verb_body_fini(&b);
        return false;
    }
    *out = b;
    return true;
}

void tdm__verb_body_fini(tdm__verb_body *b)
{
    tdm__verb_messages_fini(&b->messages);
    json_decref(b->body);
    *b = (tdm__verb_body){0};
}
