/* fuzz_screen.c - a pack of arbitrary bytes; and, when the first byte is '+', lines that are terms and then, after an
 * empty line, a text: found and released must not depend on the pieces that the text comes in. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include "screen/screen.h"

static void check_pieces(const tdm__screen *s, tdm__str text)
{
    tdm__screen_hit whole, hit;
    const bool found = tdm__screen_find(s, text, &whole);
    tdm__screen_stream t;
    tdm__screen_stream_init(&t, s);
    for (size_t i = 0; i < text.len; i++) {
        if (tdm__screen_push(&t, (tdm__str){text.ptr + i, 1}, &hit)) {
            if (!found || hit.end != whole.end || hit.begin != whole.begin || hit.rule != whole.rule ||
                t.n_released > hit.begin)
                abort();
            return;
        }
        if (t.n_released > t.n_seen || t.n_seen - t.n_released > tdm__screen_hold_max(s))
            abort();
    }
    if (found)
        abort();
}

/* The terms of data as a pack; bytes that JSON cannot hold as they are become letters. */
static size_t put_terms(tdm__buf *b, const uint8_t *data, size_t len)
{
    size_t at = 0, n = 0;
    tdm__buf_append_z(b, "{\"_type\":\"pack\",\"name\":\"f\",\"version\":1,\"terms\":[");
    while (at < len && data[at] != '\n') {
        tdm__buf_printf(b, "%s{\"id\":\"t%zu\",\"term\":\"", n ? "," : "", n);
        for (; at < len && data[at] != '\n'; at++)
            tdm__buf_append_char(b, (char)(data[at] < 0x80 && data[at] > 0x40 ? data[at] : 'a' + data[at] % 4));
        tdm__buf_append_z(b, "\"}");
        n++;
        at += at < len;
    }
    tdm__buf_append_z(b, "]}");
    return at + (at < len);
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    tdm__buf b;
    tdm__buf_init(&b, 16 << 20);
    size_t text_at = 0;
    tdm__str pack = {(const char *)data, len};
    if (len > 0 && data[0] == '+') {
        text_at = 1 + put_terms(&b, data + 1, len - 1);
        pack = tdm__buf_str(&b);
    }
    tdm__screen *s = NULL;
    if (tdm__screen_create(&pack, 1, &s, NULL) == TDM_OK)
        check_pieces(s, (tdm__str){(const char *)data + text_at, len - text_at});
    tdm__screen_destroy(s);
    tdm__buf_fini(&b);
    return 0;
}
