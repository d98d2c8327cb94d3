/* verb_prompt.c - reads a prompt out of its file, line by line, at each use: the files are small and their form is one
 * that needs no escapes. */
#include "feature/verb_prompt.h"

#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "feature/verb_prompt_data.h"
#include "feature/verb_text.h"

enum { TURNS_MAX = 64, TURN_BYTES_MAX = 64 * 1024 };

typedef struct prompt_file {
    tdm__verb verb;
    const char *language;
    const unsigned char *bytes;
    const size_t *len;
} prompt_file;

static const prompt_file files[] = {
#define FILE_ROW(verb, name, language)                                                                                 \
    {TDM__VERB_##verb, #language, tdm__prompt_##name##_##language, &tdm__prompt_##name##_##language##_len},
    TDM__PROMPT_FILES(FILE_ROW)
#undef FILE_ROW
};

static tdm__str file_of(tdm__verb verb, const char *language)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i].verb == verb && strcmp(files[i].language, language) == 0)
            return (tdm__str){(const char *)files[i].bytes, *files[i].len};
    return (tdm__str){NULL, 0};
}

static tdm__str next_line(tdm__str *rest)
{
    const char *end = memchr(rest->ptr, '\n', rest->len);
    const size_t n = end ? (size_t)(end - rest->ptr) : rest->len;
    const tdm__str line = {rest->ptr, n};
    *rest = tdm__str_sub(*rest, n + (end ? 1 : 0), rest->len);
    return line;
}

/* What stands between "== name" and the next such line. */
static tdm__str find_prompt(tdm__str file, const char *name)
{
    while (file.len > 0) {
        const tdm__str line = next_line(&file);
        if (!tdm__str_starts(line, TDM_STR("== ")) ||
            !tdm__str_eq(tdm__str_sub(line, 3, line.len), tdm__str_from(name)))
            continue;
        tdm__str rest = file;
        while (rest.len > 0 && !tdm__str_starts(rest, TDM_STR("== ")))
            next_line(&rest);
        return (tdm__str){file.ptr, (size_t)(rest.ptr - file.ptr)};
    }
    return (tdm__str){NULL, 0};
}

static const char *role_of(tdm__str line)
{
    static const char *const roles[] = {"@system", "@user", "@assistant"};
    for (size_t i = 0; i < 3; i++)
        if (tdm__str_eq(line, tdm__str_from(roles[i])))
            return roles[i] + 1;
    return NULL;
}

static tdm_status add_turn(json_t *messages, const char *role, tdm__str content, tdm_error *err)
{
    if (json_array_append_new(messages, json_pack("{s:s, s:s%}", "role", role, "content", content.ptr, content.len)) !=
        0)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a prompt of %zu turns", json_array_size(messages) + 1);
    return TDM_OK;
}

/* The turn with the instruction in its place. *is_public: it has no such place. */
static tdm_status fill_turn(tdm__str turn, const tdm__prompt_fill *fill, tdm__buf *out, bool *is_public)
{
    static const char place[] = "{instruction}";
    const size_t n = sizeof place - 1;
    tdm__buf_clear(out);
    size_t at = 0;
    for (size_t i = 0; i + n <= turn.len; i++)
        if (memcmp(turn.ptr + i, place, n) == 0) {
            *is_public = false;
            TDM_TRY(tdm__buf_append(out, turn.ptr + at, i - at));
            TDM_TRY(tdm__buf_append_str(out, fill->instruction));
            at = i + n;
        }
    return tdm__buf_append(out, turn.ptr + at, turn.len - at);
}

static tdm_status add_turns(json_t *messages, tdm__str prompt, const tdm__prompt_fill *fill, size_t *n_public,
                            tdm_error *err)
{
    tdm__buf turn;
    tdm__buf_init(&turn, TURN_BYTES_MAX);
    tdm_status s = TDM_OK;
    bool is_public = true;
    while (s == TDM_OK && prompt.len > 0) {
        const tdm__str head = next_line(&prompt);
        const char *role = role_of(head);
        if (!role && tdm__str_trim(head).len == 0)
            continue;
        tdm__str body = prompt, rest = prompt;
        while (rest.len > 0 && rest.ptr[0] != '@')
            next_line(&rest);
        body.len -= rest.len;
        prompt = rest;
        if (!role || json_array_size(messages) == TURNS_MAX)
            s = tdm__fail(err, TDM_ERR_FORMAT,
                          "a prompt's turn %zu does not begin with @system, @user or @assistant, or "
                          "there are more than %d",
                          json_array_size(messages) + 1, TURNS_MAX);
        else if (fill_turn(tdm__str_trim(body), fill, &turn, &is_public) != TDM_OK)
            s = tdm__fail(err, TDM_ERR_NOMEM, "no memory for a prompt's turn");
        else
            s = add_turn(messages, role, tdm__buf_str(&turn), err);
        *n_public += is_public;
    }
    tdm__buf_fini(&turn);
    return s;
}

tdm_status tdm__verb_prompt_make(tdm__verb verb, const char *language, const char *name, const tdm__prompt_fill *fill,
                                 json_t **out, size_t *n_public, tdm_error *err)
{
    const tdm__str prompt = find_prompt(file_of(verb, language), name);
    if (!prompt.ptr)
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "there is no prompt '%s' of %s in '%s'", name, tdm__verb_name(verb), language);
    json_t *messages = json_array();
    if (!messages)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a prompt");
    size_t n = 0;
    tdm_status s = add_turns(messages, prompt, fill, &n, err);
    if (s == TDM_OK)
        s = add_turn(messages, "user", fill->text, err);
    if (s != TDM_OK) {
        json_decref(messages);
        return s;
    }
    *out = messages;
    *n_public = n;
    return TDM_OK;
}
