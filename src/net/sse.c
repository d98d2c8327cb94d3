/* sse.c - data lines and comments. */
#include "net/sse.h"

#include <assert.h>
#include <string.h>

static tdm_status data_line(tdm__buf *out, tdm__str line)
{
    tdm_status s = tdm__buf_append_str(out, TDM_STR("data: "));
    if (s == TDM_OK)
        s = tdm__buf_append_str(out, line);
    if (s == TDM_OK)
        s = tdm__buf_append_char(out, '\n');
    return s;
}

tdm_status tdm__sse_data(tdm__buf *out, tdm__str data)
{
    const size_t before = out->len;
    size_t begin = 0;
    tdm_status s = TDM_OK;
    for (size_t i = 0; i <= data.len && s == TDM_OK; i++) {
        if (i < data.len && data.ptr[i] != '\n' && data.ptr[i] != '\r')
            continue;
        s = data_line(out, (tdm__str){data.ptr + begin, i - begin});
        if (i + 1 < data.len && data.ptr[i] == '\r' && data.ptr[i + 1] == '\n')
            i++;
        begin = i + 1;
    }
    if (s == TDM_OK)
        s = tdm__buf_append_char(out, '\n');
    if (s != TDM_OK)
        tdm__buf_truncate(out, before);
    return s;
}

tdm_status tdm__sse_event(tdm__buf *out, const char *name, tdm__str data)
{
    const size_t before = out->len;
    tdm_status s = tdm__buf_printf(out, "event: %s\n", name);
    if (s == TDM_OK)
        s = tdm__sse_data(out, data);
    if (s != TDM_OK)
        tdm__buf_truncate(out, before);
    return s;
}

tdm_status tdm__sse_comment(tdm__buf *out, tdm__str note)
{
    assert(!note.len || (!memchr(note.ptr, '\n', note.len) && !memchr(note.ptr, '\r', note.len)));
    const size_t before = out->len;
    tdm_status s = tdm__buf_append_str(out, TDM_STR(": "));
    if (s == TDM_OK)
        s = tdm__buf_append_str(out, note);
    if (s == TDM_OK)
        s = tdm__buf_append_str(out, TDM_STR("\n\n"));
    if (s != TDM_OK)
        tdm__buf_truncate(out, before);
    return s;
}
