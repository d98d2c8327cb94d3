/* verb_input.c - rules that need neither model nor market: what is text, how much of it, and what goes together. */
#include <string.h>

#include "api/verb_body.h"
#include "engine/text_stream.h"

static bool is_control(unsigned char c)
{
    return (c < 0x20 && c != '\t' && c != '\n' && c != '\v' && c != '\f' && c != '\r') || c == 0x7f;
}

bool tdm__verb_text_check(tdm__str text, const char *path, tdm__api_error *e)
{
    if (!tdm__text_is_utf8(text))
        return tdm__api_refuse(e, 400, "not_text", path, "%s is no UTF-8", path);
    for (size_t i = 0; i < text.len; i++)
        if (is_control((unsigned char)text.ptr[i]))
            return tdm__api_refuse(e, 400, "not_text", path, "%s has the control character U+%04X at byte %zu", path,
                                   (unsigned)(unsigned char)text.ptr[i], i);
    return true;
}

bool tdm__verb_language_check(const char *tag, tdm__api_error *e)
{
    return strcmp(tag, "en") == 0 || strcmp(tag, "zh") == 0 ||
           tdm__api_refuse(e, 400, "language_not_supported", "lang", "lang must be en or zh");
}

static bool is_blank(tdm__str text)
{
    size_t i = 0;
    while (i < text.len && strchr(" \t\n\v\f\r", text.ptr[i]))
        i++;
    return i == text.len;
}

static bool says_nothing(const tdm__verb_ask *ask)
{
    for (size_t i = 0; i < ask->n_messages; i++)
        if (!is_blank(ask->messages[i].text))
            return false;
    return is_blank(ask->text);
}

static size_t bytes_of(const tdm__verb_ask *ask)
{
    size_t n = ask->text.len;
    for (size_t i = 0; i < ask->n_messages; i++)
        n += ask->messages[i].from.len + ask->messages[i].text.len;
    return n;
}

static bool check_source(const tdm__verb_ask *ask, tdm__api_error *e)
{
    const bool takes_text = tdm__verb_takes(ask->verb, "text"), takes_messages = tdm__verb_takes(ask->verb, "messages");
    const char *wanted = !takes_messages ? "text" : takes_text ? "text or messages" : "messages";
    const char *param = takes_text ? "text" : "messages";
    if (ask->text.ptr && ask->messages)
        return tdm__api_refuse(e, 400, "invalid_field", "messages", "text and messages do not go together");
    if (!ask->text.ptr && !ask->messages)
        return tdm__api_refuse(e, 400, "text_missing", param, "%s needs %s", tdm__verb_name(ask->verb), wanted);
    const size_t n = bytes_of(ask);
    param = ask->messages ? "messages" : "text";
    if (n > TDM__VERB_TEXT_BYTES_MAX)
        return tdm__api_refuse(e, 400, "text_too_long", param, "%s has %zu bytes; at most %d are taken", param, n,
                               TDM__VERB_TEXT_BYTES_MAX);
    return !says_nothing(ask) || tdm__api_refuse(e, 400, "text_too_short", param, "%s is empty", param);
}

bool tdm__verb_ask_check(tdm__verb_ask *ask, tdm__api_error *e)
{
    const bool has_instruction = ask->instruction.len > 0;
    if (has_instruction && ask->style == TDM__STYLE_NONE)
        ask->style = TDM__STYLE_CUSTOM;
    if (has_instruction && ask->style != TDM__STYLE_CUSTOM)
        return tdm__api_refuse(e, 400, "invalid_field", "instruction", "instruction goes only with the style custom");
    if (!has_instruction && ask->style == TDM__STYLE_CUSTOM)
        return tdm__api_refuse(e, 400, "invalid_field", "instruction", "the style custom needs an instruction");
    return check_source(ask, e);
}
