/* fuzz_chat_json.c - the body of a chat request; what is accepted must keep its promises and survive being written. */
#include <stdlib.h>
#include <string.h>

#include "api/chat_ask.h"
#include "api/json_out.h"
#include "fuzz.h"

/* A string that we write is the string that jansson reads. */
static void write_and_read(const json_t *content)
{
    tdm__buf b;
    tdm__buf_init(&b, 64 * 1024 * 1024);
    const tdm__str text = {json_string_value(content), json_string_length(content)};
    if (tdm__json_put_string(&b, text) != TDM_OK)
        abort();
    json_t *back = json_loadb(b.ptr, b.len, JSON_DECODE_ANY, NULL);
    if (!back || !json_equal(back, content))
        abort();
    json_decref(back);
    tdm__buf_fini(&b);
}

static void check_accepted(const tdm__chat_ask *a)
{
    const tdm__chat_request *q = &a->request;
    if (q->messages != a->messages || json_array_size(a->messages) == 0 || q->n_stops > TDM__CHAT_STOPS_MAX ||
        q->n_top_logprobs < -1 || q->n_top_logprobs > TDM__TOP_LOGPROBS_MAX ||
        tdm__sampling_check(&q->sampling, NULL) != TDM_OK)
        abort();
    for (size_t i = 0; i < q->n_stops; i++)
        if (q->stops[i].len == 0 || q->stops[i].len > TDM__STOP_BYTES_MAX)
            abort();
    size_t i;
    json_t *message;
    json_array_foreach(a->messages, i, message)
    {
        if (json_object_size(message) != 2 || !json_is_string(json_object_get(message, "role")))
            abort();
        write_and_read(json_object_get(message, "content"));
    }
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    tdm__chat_ask a;
    tdm__api_error e = {0};
    if (tdm__chat_ask_parse((tdm__str){(const char *)data, len}, &a, &e)) {
        check_accepted(&a);
    } else {
        tdm__buf b;
        tdm__buf_init(&b, 64 * 1024);
        if (e.status < 400 || e.message[0] == '\0' || tdm__api_error_put(&b, &e) != TDM_OK)
            abort();
        json_t *back = json_loadb(b.ptr, b.len, 0, NULL);
        if (!back)
            abort(); /* the envelope is JSON whatever the field was called */
        json_decref(back);
        tdm__buf_fini(&b);
    }
    tdm__chat_ask_fini(&a);

    tdm__buf b; /* bytes that are no UTF-8 still give JSON */
    tdm__buf_init(&b, 6 * len + 2);
    if (tdm__json_put_string(&b, (tdm__str){(const char *)data, len}) != TDM_OK)
        abort();
    json_t *back = json_loadb(b.ptr, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (!back)
        abort();
    json_decref(back);
    tdm__buf_fini(&b);
    return 0;
}
