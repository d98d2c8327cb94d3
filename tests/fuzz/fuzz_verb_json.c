/* fuzz_verb_json.c - the body of a verb's request; what is accepted must keep its promises. The first byte names the
 * verb, so that mutations cross from one to another. */
#include <stdlib.h>

#include "api/verb_body.h"
#include "engine/text_stream.h"
#include "fuzz.h"

static void check_text(tdm__str text)
{
    if (!tdm__text_is_utf8(text) || memchr(text.ptr ? text.ptr : "", '\0', text.len))
        abort();
}

static void check_accepted(const tdm__verb_body *b)
{
    const tdm__verb_ask *a = &b->ask;
    size_t n = a->text.len;
    if (a->n > TDM__CANDIDATES_MAX || a->n_messages > TDM__VERB_MESSAGES_MAX || b->stream != a->wants_pieces ||
        a->instruction.len > TDM__VERB_INSTRUCTION_BYTES_MAX || (a->text.len > 0 && a->n_messages > 0) ||
        (a->style == TDM__STYLE_CUSTOM) != (a->instruction.len > 0) ||
        (a->n_messages > 0 && !tdm__verb_takes(a->verb, "messages")) ||
        (a->text.len > 0 && !tdm__verb_takes(a->verb, "text")))
        abort();
    check_text(a->text);
    check_text(a->instruction);
    for (size_t i = 0; i < a->n_messages; i++) {
        check_text(a->messages[i].text);
        check_text(a->messages[i].from);
        n += a->messages[i].text.len + a->messages[i].from.len;
        if (a->messages[i].from.len > TDM__VERB_NAME_BYTES_MAX)
            abort();
    }
    if (n == 0 || n > TDM__VERB_TEXT_BYTES_MAX)
        abort();
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    const tdm__verb verb = (tdm__verb)(TDM__VERB_PROOFREAD + data[0] % TDM__VERB_PRIORITISE);
    tdm__verb_body body;
    tdm__api_error e = {0};
    if (tdm__verb_body_parse(verb, (tdm__str){(const char *)data + 1, len - 1}, &body, &e)) {
        check_accepted(&body);
    } else {
        tdm__buf out;
        tdm__buf_init(&out, 64 * 1024);
        if (e.status < 400 || e.message[0] == '\0' || tdm__api_error_put(&out, &e) != TDM_OK)
            abort();
        json_t *back = json_loadb(out.ptr, out.len, 0, NULL);
        if (!back)
            abort(); /* the envelope is JSON whatever the field was called */
        json_decref(back);
        tdm__buf_fini(&out);
    }
    tdm__verb_body_fini(&body);
    return 0;
}
