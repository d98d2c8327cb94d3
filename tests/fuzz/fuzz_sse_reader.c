/* fuzz_sse_reader.c - foreign event streams, whole and cut: the same events in the same order, within the bound. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "net/sse_reader.h"

enum { EVENT_MAX = 48 };

typedef struct seen {
    size_t n_events;
    uint64_t digest; /* FNV-1a of all data and their ends */
    tdm_status status;
} seen;

static tdm_status event_came(void *user, tdm__str data, tdm_error *err)
{
    (void)err;
    seen *s = user;
    if (data.len > EVENT_MAX || memchr(data.ptr, '\r', data.len))
        abort(); /* a line's end is no data */
    for (size_t i = 0; i < data.len; i++)
        s->digest = (s->digest ^ (unsigned char)data.ptr[i]) * UINT64_C(0x100000001b3);
    s->digest = (s->digest ^ 0x100) * UINT64_C(0x100000001b3);
    s->n_events++;
    return TDM_OK;
}

static seen run(const uint8_t *data, size_t len, size_t step)
{
    seen s = {.digest = UINT64_C(0xcbf29ce484222325)};
    tdm__sse_reader r;
    tdm__sse_reader_init(&r, EVENT_MAX);
    for (size_t at = 0; at < len && s.status == TDM_OK; at += step)
        s.status = tdm__sse_reader_feed(&r, (tdm__str){(const char *)data + at, len - at < step ? len - at : step},
                                        event_came, &s, NULL);
    if (s.status == TDM_OK)
        s.status = tdm__sse_reader_end(&r, event_came, &s, NULL);
    tdm__sse_reader_fini(&r);
    return s;
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    const seen whole = run(data, len, len + 1), bytes = run(data, len, 1), odd = run(data, len, 7);
    const seen *others[] = {&bytes, &odd};
    for (size_t i = 0; i < 2; i++)
        if (others[i]->n_events != whole.n_events || others[i]->digest != whole.digest ||
            others[i]->status != whole.status)
            abort();
    return 0;
}
