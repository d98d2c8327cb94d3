/* assistant_ask.c - two shapes: {messages, ..} asks, {offer, consent, ..} answers an offer; never both. */
#include "api/assistant_ask.h"

#include <string.h>

#include "api/chat_ask.h"
#include "base/json.h"
#include "base/nearest.h"

enum { ANSWER_TOKENS_MAX = 1 << 20 };

static const char *const fields[] = {"messages", "partner", "attachments",   "lang",
                                     "offer",    "consent", "earlier_turns", "max_tokens"};

static bool check_fields(const json_t *body, tdm__api_error *e)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)body, key, value)
    {
        tdm__nearest near = {.wanted = key, .wanted_len = strlen(key)};
        bool known = false;
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
            known = known || strcmp(key, fields[i]) == 0;
            tdm__nearest_offer(&near, fields[i]);
        }
        if (!known)
            return tdm__api_refuse(e, 400, "unknown_field", NULL,
                                   "a field is none of the assistant's%s%s", near.best ? "; the nearest is " : "",
                                   near.best ? near.best : "");
    }
    return true;
}

/* A text of at most max bytes; *out stays when the field is absent or null. */
static bool read_text(const json_t *body, const char *key, size_t max, const char **out, tdm__api_error *e)
{
    const json_t *v = json_object_get(body, key);
    if (!v || json_is_null(v))
        return true;
    if (!json_is_string(v) || json_string_length(v) > max)
        return tdm__api_refuse(e, 400, "invalid_field", key, "%s must be a string of at most %zu bytes", key, max);
    *out = json_string_value(v);
    return true;
}

static bool read_count(const json_t *body, const char *key, size_t max, size_t *out, tdm__api_error *e)
{
    const json_t *v = json_object_get(body, key);
    if (!v || json_is_null(v))
        return true;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (size_t)json_integer_value(v) > max)
        return tdm__api_refuse(e, 400, "invalid_field", key, "%s must be an integer from 0 to %zu", key, max);
    *out = (size_t)json_integer_value(v);
    return true;
}

static bool read_flag(const json_t *body, const char *key, bool *out, tdm__api_error *e)
{
    const json_t *v = json_object_get(body, key);
    if (v && !json_is_null(v) && !json_is_boolean(v))
        return tdm__api_refuse(e, 400, "invalid_field", key, "%s must be true or false", key);
    *out = v && json_is_true(v);
    return true;
}

static bool read_language(const json_t *body, tdm__assistant_ask *ask, tdm__api_error *e)
{
    if (!read_text(body, "lang", 2, &ask->language, e))
        return false;
    if (strcmp(ask->language, "en") != 0 && strcmp(ask->language, "zh") != 0)
        return tdm__api_refuse(e, 400, "invalid_field", "lang", "lang must be \"en\" or \"zh\"");
    return true;
}

static bool read_consent(const json_t *body, tdm__assistant_ask *ask, tdm__api_error *e)
{
    static const char *const names[] = {"", "once", "always", "never"};
    const char *text = "";
    if (!read_text(body, "consent", 8, &text, e))
        return false;
    for (size_t i = 1; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0)
            ask->consent = (tdm__consent_answer)i;
    if (ask->consent == TDM__ANSWER_NONE)
        return tdm__api_refuse(e, 400, "invalid_field", "consent",
                               "consent must be \"once\", \"always\" or \"never\"");
    return true;
}

static bool read_question(const json_t *body, tdm__assistant_body *b, tdm__api_error *e)
{
    if (json_object_get(body, "consent") || json_object_get(body, "earlier_turns"))
        return tdm__api_refuse(e, 400, "invalid_field", "consent", "consent and earlier_turns belong to an offer");
    if (!tdm__chat_messages_read(json_object_get(body, "messages"), &b->messages, e))
        return false;
    b->ask.messages = b->messages;
    return read_text(body, "partner", TDM__PARTNER_ID_MAX, &b->ask.named_partner, e) &&
           read_flag(body, "attachments", &b->ask.has_attachments, e);
}

static bool read_answer(const json_t *body, tdm__assistant_body *b, tdm__api_error *e)
{
    static const char *const others[] = {"messages", "partner", "attachments"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (json_object_get(body, others[i]))
            return tdm__api_refuse(e, 400, "invalid_field", others[i],
                                   "%s cannot be changed by the answer to an offer: it binds what was shown",
                                   others[i]);
    return read_consent(body, &b->ask, e) &&
           read_count(body, "earlier_turns", TDM__CHAT_MESSAGES_MAX, &b->ask.n_earlier_turns, e);
}

bool tdm__assistant_body_parse(tdm__str bytes, tdm__assistant_body *out, tdm__api_error *e)
{
    tdm__assistant_body b = {.ask = {.named_partner = "", .language = "en", .offer_id = ""}};
    tdm_error err = {0};
    *out = (tdm__assistant_body){0};
    if (tdm__json_parse(bytes, "the body", bytes.len, &b.body, &err) != TDM_OK)
        return tdm__api_refuse(e, 400, "invalid_json", NULL, "%s", err.msg);
    bool ok = json_is_object(b.body) ||
              tdm__api_refuse(e, 400, "invalid_json", NULL, "the body must be a JSON object");
    ok = ok && check_fields(b.body, e) && read_language(b.body, &b.ask, e) &&
         read_count(b.body, "max_tokens", ANSWER_TOKENS_MAX, &b.ask.max_tokens, e) &&
         read_text(b.body, "offer", 64, &b.ask.offer_id, e) &&
         (*b.ask.offer_id ? read_answer(b.body, &b, e) : read_question(b.body, &b, e));
    if (!ok) {
        tdm__assistant_body_fini(&b);
        return false;
    }
    *out = b;
    return true;
}

void tdm__assistant_body_fini(tdm__assistant_body *b)
{
    json_decref(b->body);
    json_decref(b->messages);
    *b = (tdm__assistant_body){0};
}
