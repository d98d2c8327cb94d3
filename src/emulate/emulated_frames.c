/* emulated_frames.c - events of a stand-in's stream, its mark, and the pieces in which faults send them. */
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "emulate/emulate_internal.h"
#include "net/sse.h"
#include "os/heap.h"

enum { GIANT_BYTES = 2 << 20 };

/* More characters of several bytes than a model's text is sure to have: for what cuts them. */
static const char many_bytes[] = "\xC3\xA9 \xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x98\x80 ";

tdm_status tdm__emulated_frame(tdm__buf *out, json_t *value)
{
    char *text = value ? tdm__json_text(value, JSON_COMPACT) : NULL;
    tdm_status s = text ? tdm__sse_data(out, tdm__str_from(text)) : TDM_ERR_NOMEM;
    tdm__free(text);
    json_decref(value);
    return s;
}

tdm_status tdm__emulated_frame_text(tdm__buf *out, const tdm__emulated_question *q, int64_t at_unix_s, tdm__str text)
{
    return text.len > 0 ? tdm__emulated_frame(out, tdm__emulated_chunk(q, at_unix_s, text, NULL)) : TDM_OK;
}

tdm_status tdm__emulated_frame_giant(tdm__buf *out, const tdm__emulated_question *q, int64_t at_unix_s)
{
    char *text = tdm__malloc(GIANT_BYTES);
    if (!text)
        return TDM_ERR_NOMEM;
    memset(text, 'x', GIANT_BYTES);
    tdm_status s = tdm__emulated_frame_text(out, q, at_unix_s, (tdm__str){text, GIANT_BYTES});
    tdm__free(text);
    return s;
}

tdm_status tdm__emulated_put_mark(const tdm__vendor *v, tdm__emulated_fault fault, tdm__buf *out)
{
    TDM_TRY(tdm__buf_printf(out, "[EMULATED %s] ", v->name));
    return fault == TDM__EMULATED_SPLIT_UTF8 ? tdm__buf_append_z(out, many_bytes) : TDM_OK;
}

tdm_status tdm__emulated_write_split(tdm__http_conn *c, tdm__str s)
{
    size_t begin = 0;
    tdm_status status = TDM_OK;
    for (size_t i = 0; i < s.len && status == TDM_OK; i++) {
        if ((unsigned char)s.ptr[i] < 0xC0)
            continue;
        status = tdm__http_write(c, (tdm__str){s.ptr + begin, i + 1 - begin});
        begin = i + 1;
    }
    return status == TDM_OK && begin < s.len ? tdm__http_write(c, (tdm__str){s.ptr + begin, s.len - begin}) : status;
}
