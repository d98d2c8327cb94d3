/* verb_source.c - one bounded read; the bytes themselves say whether they are messages.
 *
 * A text that happens to be JSON stays a text: only what has the shape of messages is taken as such, and then its
 * faults are errors rather than a reason to read it as a text after all.
 */
#include "cli/verb_source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

static bool refuse_unreadable(const char *name, tdm__api_error *e)
{
    tdm_error err;
    tdm__fail_os(&err, errno, "%s cannot be read", name);
    return tdm__api_refuse(e, 500, "unreadable", NULL, "%s", err.msg);
}

static bool read_all(FILE *f, const char *name, tdm__buf *out, tdm__api_error *e)
{
    char piece[16384];
    for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;) {
        const tdm_status s = tdm__buf_append(out, piece, n);
        if (s == TDM_ERR_LIMIT)
            return tdm__api_refuse(e, 400, "text_too_long", NULL, "%s has more than %d bytes", name,
                                   TDM__VERB_SOURCE_BYTES_MAX);
        if (s != TDM_OK)
            return tdm__api_refuse(e, 500, "internal_error", NULL, "no memory for %s", name);
    }
    return !ferror(f) || refuse_unreadable(name, e);
}

static const json_t *messages_in(const json_t *document)
{
    const json_t *found = json_is_object(document) ? json_object_get(document, "messages") : document;
    return json_object_get(json_array_get(found, 0), "role") ? found : NULL;
}

static bool take(tdm__verb_source *s, tdm__verb_ask *ask, tdm__api_error *e)
{
    const tdm__str bytes = {tdm__buf_cstr(&s->bytes), s->bytes.len};
    const json_t *messages = NULL;
    tdm_error err;
    if (tdm__verb_takes(ask->verb, "messages") &&
        tdm__json_parse(bytes, "the input", bytes.len, &s->document, &err) == TDM_OK)
        messages = messages_in(s->document);
    if (!messages && !tdm__verb_takes(ask->verb, "text"))
        return tdm__api_refuse(e, 400, "text_missing", "messages",
                               "%s needs messages: a JSON array of {\"role\":\"user\",\"content\":..}",
                               tdm__verb_name(ask->verb));
    if (!messages) {
        ask->text = bytes;
        return tdm__verb_text_check(ask->text, "the text", e);
    }
    if (!tdm__verb_messages_read(messages, &s->messages, e))
        return false;
    ask->messages = s->messages.items;
    ask->n_messages = s->messages.n;
    return true;
}

bool tdm__verb_source_read(tdm__verb_source *s, const char *path, tdm__verb_ask *ask, tdm__api_error *e)
{
    *s = (tdm__verb_source){0};
    tdm__buf_init(&s->bytes, TDM__VERB_SOURCE_BYTES_MAX);
    const bool is_stdin = !path || strcmp(path, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(path, "rb");
    if (!f)
        return refuse_unreadable(path, e);
    const bool ok = read_all(f, is_stdin ? "standard input" : path, &s->bytes, e);
    if (!is_stdin)
        fclose(f);
    return ok && take(s, ask, e);
}

void tdm__verb_source_fini(tdm__verb_source *s)
{
    tdm__verb_messages_fini(&s->messages);
    json_decref(s->document);
    tdm__buf_fini(&s->bytes);
    *s = (tdm__verb_source){0};
}
