/* fuzz_assistant_json.c - the body of POST /v1/assistant: what is accepted is one of the two shapes, never both. */
#include <stdlib.h>
#include <string.h>

#include "api/assistant_ask.h"
#include "fuzz.h"

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_accepted(const tdm__assistant_body *b)
{
    const tdm__assistant_ask *a = &b->ask;
    must(a->language && (strcmp(a->language, "en") == 0 || strcmp(a->language, "zh") == 0));
    must(a->offer_id && a->named_partner && strlen(a->offer_id) <= 64);
    if (*a->offer_id) {
        must(a->consent != TDM__ANSWER_NONE && !a->messages && *a->named_partner == '\0' && !a->has_attachments);
        return;
    }
    must(a->consent == TDM__ANSWER_NONE && a->n_earlier_turns == 0 && json_array_size(a->messages) > 0);
    size_t i;
    json_t *message;
    json_array_foreach((json_t *)a->messages, i, message)
        must(json_object_size(message) == 2 && json_is_string(json_object_get(message, "role")) &&
             json_is_string(json_object_get(message, "content")));
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    tdm__assistant_body body;
    tdm__api_error e = {0};
    if (tdm__assistant_body_parse((tdm__str){(const char *)data, len}, &body, &e)) {
        check_accepted(&body);
    } else {
        tdm__buf b;
        tdm__buf_init(&b, 64 * 1024);
        must(e.status == 400 && e.message[0] && tdm__api_error_put(&b, &e) == TDM_OK);
        json_t *back = json_loadb(b.ptr, b.len, 0, NULL);
        must(back != NULL); /* the envelope is JSON whatever the field was called */
        json_decref(back);
        tdm__buf_fini(&b);
    }
    tdm__assistant_body_fini(&body);
    return 0;
}
