/* verb_body_messages.c - a conversation, a mail thread or a stack of notifications as a verb takes it.
 *
 * The shape is the chat's, so that one client code serves both; the roles mean who wrote a message, not who is a
 * machine: "assistant" is the side that suggestions are made for, the owner of this device.
 */
#include <stdio.h>
#include <string.h>

#include "api/chat_ask.h"
#include "api/verb_body.h"
#include "base/json.h"
#include "os/heap.h"

enum { PATH_BYTES = 80 };

static bool read_role(const json_t *message, size_t i, bool *is_own, tdm__api_error *e)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "messages[%zu].role", i);
    const json_t *v = json_object_get(message, "role");
    const char *role = json_string_value(v);
    if (!role)
        return tdm__api_refuse(e, 400, "invalid_field", path, "%s must be a string, it is %s", path,
                               tdm__json_kind(v));
    *is_own = strcmp(role, "assistant") == 0;
    return *is_own || strcmp(role, "user") == 0 ||
           tdm__api_refuse(e, 400, "invalid_field", path, "%s must be user, or assistant for the owner's own", path);
}

static bool read_name(const json_t *message, size_t i, tdm__str *out, tdm__api_error *e)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "messages[%zu].name", i);
    const json_t *v = json_object_get(message, "name");
    if (!v || json_is_null(v))
        return true;
    if (!json_is_string(v))
        return tdm__api_refuse(e, 400, "invalid_field", path, "%s must be a string, it is %s", path,
                               tdm__json_kind(v));
    *out = (tdm__str){json_string_value(v), json_string_length(v)};
    if (out->len > TDM__VERB_NAME_BYTES_MAX)
        return tdm__api_refuse(e, 400, "invalid_field", path, "%s has %zu bytes; at most %d are taken", path,
                               out->len, TDM__VERB_NAME_BYTES_MAX);
    if (memchr(out->ptr, '\n', out->len) || memchr(out->ptr, '\r', out->len))
        return tdm__api_refuse(e, 400, "invalid_field", path, "%s must be one line", path);
    return tdm__verb_text_check(*out, path, e);
}

static bool check_fields(const json_t *message, tdm__api_error *e)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)message, key, v)
    {
        if (strcmp(key, "role") != 0 && strcmp(key, "content") != 0 && strcmp(key, "name") != 0)
            return tdm__api_refuse_field(e, key, "field of a message (role, content, name)", NULL);
    }
    return true;
}

static bool read_message(const json_t *message, size_t i, tdm__verb_messages *m, tdm__api_error *e)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "messages[%zu]", i);
    if (!json_is_object(message))
        return tdm__api_refuse(e, 400, "invalid_field", path, "%s must be an object, it is %s", path,
                               tdm__json_kind(message));
    tdm__verb_message *item = &m->items[i];
    if (!check_fields(message, e) || !read_role(message, i, &item->is_own, e) || !read_name(message, i, &item->from, e))
        return false;
    snprintf(path, sizeof path, "messages[%zu].content", i);
    json_t *content = tdm__chat_content_read(json_object_get(message, "content"), path, e);
    if (!content)
        return false;
    item->text = (tdm__str){json_string_value(content), json_string_length(content)};
    if (json_array_append_new(m->contents, content) != 0)
        return tdm__api_refuse(e, 500, "internal_error", path, "no memory for %s", path);
    return tdm__verb_text_check(item->text, path, e);
}

bool tdm__verb_messages_read(const json_t *messages, tdm__verb_messages *out, tdm__api_error *e)
{
    tdm__verb_messages m = {0};
    *out = m;
    if (!json_is_array(messages))
        return tdm__api_refuse(e, 400, "invalid_field", "messages", "messages must be an array, it is %s",
                               tdm__json_kind(messages));
    const size_t n = json_array_size(messages);
    if (n == 0)
        return tdm__api_refuse(e, 400, "text_too_short", "messages", "messages is empty");
    if (n > TDM__VERB_MESSAGES_MAX)
        return tdm__api_refuse(e, 400, "text_too_long", "messages", "messages has %zu entries; at most %d are taken", n,
                               TDM__VERB_MESSAGES_MAX);
    m.items = tdm__calloc(n, sizeof *m.items);
    m.contents = json_array();
    bool ok = (m.items && m.contents) ||
              tdm__api_refuse(e, 500, "internal_error", "messages", "no memory for the messages");
    for (; ok && m.n < n; m.n++)
        ok = read_message(json_array_get(messages, m.n), m.n, &m, e);
    if (!ok) {
        tdm__verb_messages_fini(&m);
        return false;
    }
    *out = m;
    return true;
}

void tdm__verb_messages_fini(tdm__verb_messages *m)
{
    tdm__free(m->items);
    json_decref(m->contents);
    *m = (tdm__verb_messages){0};
}
