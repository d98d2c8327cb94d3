/* chat_messages.c - roles, contents and parts of the messages array.
 *
 * developer is OpenAI's newer name of system. Parts of a content array are joined by line breaks, as llama.cpp and
 * vLLM do. What an SDK echoes from an earlier answer (refusal: null, annotations: [], ...) passes when it is empty.
 */
#include <stdio.h>
#include <string.h>

#include "api/chat_ask.h"
#include "api/json_in.h"
#include "base/buf.h"

enum { CONTENT_BYTES_MAX = 16 * 1024 * 1024 }; /* above any body's limit */

static bool is_empty(const json_t *v)
{
    return json_is_null(v) || (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_object(v) && json_object_size(v) == 0);
}

/* One {type: "text", text: ...} part appended to joined. */
static bool read_part(const json_t *part, const char *path, bool is_first, tdm__buf *joined, tdm__api_error *e)
{
    if (!json_is_object(part))
        return tdm__api_refuse(e, 400, NULL, path, "%s must be an object, it is %s", path, tdm__json_kind(part));
    const char *type = json_string_value(json_object_get(part, "type"));
    if (!type)
        return tdm__api_refuse(e, 400, NULL, path, "%s needs a type", path);
    if (strcmp(type, "text") != 0)
        return tdm__api_refuse(e, 400, "not_built", path, "%s: the only content part that is built is \"text\"", path);
    const json_t *text = json_object_get(part, "text");
    if (!json_is_string(text))
        return tdm__api_refuse(e, 400, NULL, path, "%s needs a text that is a string", path);
    if (json_object_size(part) != 2)
        return tdm__api_refuse(e, 400, "unknown_field", path, "%s may have only type and text", path);
    if ((!is_first && tdm__buf_append_char(joined, '\n') != TDM_OK) ||
        tdm__buf_append(joined, json_string_value(text), json_string_length(text)) != TDM_OK)
        return tdm__api_refuse(e, 500, "internal_error", path, "no memory for %s", path);
    return true;
}

static json_t *read_parts(const json_t *parts, const char *path, tdm__api_error *e)
{
    tdm__buf joined;
    tdm__buf_init(&joined, CONTENT_BYTES_MAX);
    json_t *content = NULL;
    size_t i;
    json_t *part;
    if (json_array_size(parts) == 0) {
        tdm__api_refuse(e, 400, NULL, path, "%s must not be an empty array", path);
        return NULL;
    }
    json_array_foreach(parts, i, part)
    {
        char part_path[112];
        snprintf(part_path, sizeof part_path, "%.80s[%zu]", path, i);
        if (!read_part(part, part_path, i == 0, &joined, e))
            goto done;
    }
    content = json_stringn(tdm__buf_cstr(&joined), joined.len);
    if (!content)
        tdm__api_refuse(e, 500, "internal_error", path, "no memory for %s", path);
done:
    tdm__buf_fini(&joined);
    return content;
}

json_t *tdm__chat_content_read(const json_t *content, const char *path, tdm__api_error *e)
{
    if (json_is_string(content))
        return json_incref((json_t *)content);
    if (json_is_array(content))
        return read_parts(content, path, e);
    tdm__api_refuse(e, 400, NULL, path, "%s must be a string or an array of text parts, it is %s", path,
                    content ? tdm__json_kind(content) : "missing");
    return NULL;
}

static const char *read_role(const json_t *message, const char *path, tdm__api_error *e)
{
    const json_t *v = json_object_get(message, "role");
    const char *role = json_string_value(v);
    if (!role)
        tdm__api_refuse(e, 400, NULL, path, "%s must be a string, it is %s", path, v ? tdm__json_kind(v) : "missing");
    else if (strcmp(role, "system") == 0 || strcmp(role, "developer") == 0)
        return "system";
    else if (strcmp(role, "user") == 0)
        return "user";
    else if (strcmp(role, "assistant") == 0)
        return "assistant";
    else if (strcmp(role, "tool") == 0 || strcmp(role, "function") == 0)
        tdm__api_refuse(e, 400, "not_built", path, "%s: tools are not built, so no message has the role \"%s\"", path,
                        role);
    else
        tdm__api_refuse(e, 400, NULL, path, "%s must be system, developer, user or assistant", path);
    return NULL;
}

/* Fields beside role and content: known ones must be empty, others do not exist. */
static bool check_rest(json_t *message, size_t i_message, tdm__api_error *e)
{
    static const char *const known[] = {"role", "content", "name", "refusal", "annotations", "audio",
                                        "tool_calls", "function_call", "tool_call_id", NULL};
    const char *key;
    json_t *v;
    json_object_foreach(message, key, v)
    {
        if (strcmp(key, "role") == 0 || strcmp(key, "content") == 0)
            continue;
        bool is_known = false;
        for (size_t i = 0; known[i]; i++)
            is_known = is_known || strcmp(known[i], key) == 0;
        char path[80];
        snprintf(path, sizeof path, "messages[%zu].%.40s", i_message, is_known ? key : "*");
        if (!is_known)
            return tdm__api_refuse(e, 400, "unknown_field", path, "messages[%zu] has a field that is not known",
                                   i_message);
        if (!is_empty(v))
            return tdm__api_refuse(e, 400, "not_built", path, "%s is not built", path);
    }
    return true;
}

static json_t *read_message(json_t *message, size_t i, tdm__api_error *e)
{
    char path[80];
    snprintf(path, sizeof path, "messages[%zu]", i);
    if (!json_is_object(message)) {
        tdm__api_refuse(e, 400, NULL, path, "%s must be an object, it is %s", path, tdm__json_kind(message));
        return NULL;
    }
    snprintf(path, sizeof path, "messages[%zu].role", i);
    const char *role = read_role(message, path, e);
    if (!role || !check_rest(message, i, e))
        return NULL;
    snprintf(path, sizeof path, "messages[%zu].content", i);
    json_t *content = tdm__chat_content_read(json_object_get(message, "content"), path, e);
    if (!content)
        return NULL;
    json_t *plain = json_pack("{s:s, s:o}", "role", role, "content", content);
    if (!plain)
        tdm__api_refuse(e, 500, "internal_error", path, "no memory for %s", path);
    return plain;
}

bool tdm__chat_messages_read(const json_t *messages, json_t **out, tdm__api_error *e)
{
    if (!json_is_array(messages))
        return tdm__api_refuse(e, 400, NULL, "messages", "messages must be an array, it is %s",
                               messages ? tdm__json_kind(messages) : "missing");
    const size_t n = json_array_size(messages);
    if (n == 0 || n > TDM__CHAT_MESSAGES_MAX)
        return tdm__api_refuse(e, 400, NULL, "messages", "messages has %zu entries; 1 to %d are taken", n,
                               TDM__CHAT_MESSAGES_MAX);
    json_t *plain = json_array();
    for (size_t i = 0; plain && i < n; i++) {
        json_t *message = read_message(json_array_get(messages, i), i, e);
        if (!message) {
            json_decref(plain);
            return false;
        }
        if (json_array_append_new(plain, message) != 0) {
            json_decref(plain);
            plain = NULL;
        }
    }
    if (!plain)
        return tdm__api_refuse(e, 500, "internal_error", "messages", "no memory for the messages");
    *out = plain;
    return true;
}
