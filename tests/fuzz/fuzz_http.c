/* fuzz_http.c - the HTTP parser over arbitrary bytes, whole and cut: both must see the same requests. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net/http_parse.h"

enum { REQUESTS_MAX = 8 };

typedef struct seen {
    size_t n_requests;
    size_t body_lens[REQUESTS_MAX];
    size_t n_fields[REQUESTS_MAX];
    int status; /* of the fault, or 0 */
} seen;

static void note_request(const tdm__http_request *q, seen *s)
{
    if (q->path.len == 0 || q->path.ptr[0] != '/' || q->host.ptr == NULL || q->n_fields > TDM__HTTP_FIELDS_MAX)
        abort(); /* what the parser promises of every request */
    for (size_t i = 0; i < q->n_fields; i++)
        if (memchr(q->fields[i].value.ptr, '\n', q->fields[i].value.len) || q->fields[i].name.len == 0)
            abort();
    s->body_lens[s->n_requests] = q->body.len;
    s->n_fields[s->n_requests] = q->n_fields;
    s->n_requests++;
}

static seen run(const uint8_t *data, size_t len, size_t step)
{
    const tdm__http_limits limits = {.target_bytes_max = 128, .head_bytes_max = 1024, .body_bytes_max = 512};
    seen s = {0};
    tdm__http_parse *p = NULL;
    if (tdm__http_parse_create(&limits, &p, NULL) != TDM_OK)
        abort();
    tdm__http_progress r = TDM__HTTP_MORE;
    for (size_t at = 0, end = 0; (at < len || r == TDM__HTTP_HEAD_READ) && s.n_requests < REQUESTS_MAX;) {
        if (at == end)
            end = len - at < step ? len : at + step;
        size_t taken;
        r = tdm__http_parse_feed(p, (const char *)data + at, end - at, &taken);
        if (taken > end - at)
            abort();
        at += taken;
        if (r == TDM__HTTP_DONE) {
            note_request(tdm__http_parse_request(p), &s);
            tdm__http_parse_next(p);
        } else if (r == TDM__HTTP_BAD) {
            s.status = tdm__http_parse_fault(p)->status;
            if (s.status < 400 || s.status > 505 || tdm__http_parse_fault(p)->error.msg[0] == '\0')
                abort();
            break;
        }
    }
    tdm__http_parse_destroy(p);
    return s;
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    const seen whole = run(data, len, len + 1), bytes = run(data, len, 1), odd = run(data, len, 7);
    if (memcmp(&whole, &bytes, sizeof whole) != 0 || memcmp(&whole, &odd, sizeof whole) != 0)
        abort();
    return 0;
}
