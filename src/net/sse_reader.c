/* sse_reader.c - a state a line: its field's name, the blank after the colon, its value, or nothing of interest. */
#include "net/sse_reader.h"

#include <string.h>

#include "base/error.h"

enum { IN_NAME = 0, BEFORE_VALUE, IN_VALUE, SKIPPING };

static const char mark[] = "\xEF\xBB\xBF";
static const char wanted[] = "data";

enum { MARK_LEN = 3, WANTED_LEN = 4 };

void tdm__sse_reader_init(tdm__sse_reader *r, size_t event_bytes_max)
{
    *r = (tdm__sse_reader){.line_is_over = true};
    tdm__buf_init(&r->data, event_bytes_max);
}

void tdm__sse_reader_fini(tdm__sse_reader *r) { tdm__buf_fini(&r->data); }

static tdm_status keep(tdm__sse_reader *r, const char *bytes, size_t n, tdm_error *err)
{
    tdm_status s = tdm__buf_append(&r->data, bytes, n);
    if (s == TDM_ERR_LIMIT)
        TDM_FAIL(err, s, "an event of the answer is longer than %zu bytes", r->data.len_max);
    if (s != TDM_OK)
        TDM_FAIL(err, s, "no memory for an event of the answer");
    return TDM_OK;
}

static tdm_status begin_value(tdm__sse_reader *r, tdm_error *err)
{
    const bool is_more = r->has_data;
    r->has_data = true;
    return is_more ? keep(r, "\n", 1, err) : TDM_OK;
}

static tdm_status give(tdm__sse_reader *r, tdm__sse_event_fn fn, void *user, tdm_error *err)
{
    if (!r->has_data)
        return TDM_OK;
    r->has_data = false;
    tdm_status s = fn(user, (tdm__str){tdm__buf_cstr(&r->data), r->data.len}, err);
    tdm__buf_clear(&r->data);
    return s;
}

/* Nothing of the line has come yet. */
static bool line_is_empty(const tdm__sse_reader *r) { return r->place == IN_NAME && r->n_name == 0; }

static tdm_status end_line(tdm__sse_reader *r, tdm__sse_event_fn fn, void *user, tdm_error *err)
{
    tdm_status s = TDM_OK;
    if (line_is_empty(r))
        s = give(r, fn, user, err);
    else if (r->place == IN_NAME && r->n_name == WANTED_LEN) /* a name without a colon has an empty value */
        s = begin_value(r, err);
    r->place = IN_NAME;
    r->n_name = 0;
    return s;
}

static tdm_status take_name(tdm__sse_reader *r, char c, tdm_error *err)
{
    if (c == ':' && r->n_name == WANTED_LEN) {
        r->place = BEFORE_VALUE;
        return begin_value(r, err);
    }
    if (r->n_name < WANTED_LEN && c == wanted[r->n_name])
        r->n_name++;
    else
        r->place = SKIPPING;
    return TDM_OK;
}

/* The bytes up to the line's end at one stroke; gives how many. */
static tdm_status take_run(tdm__sse_reader *r, const char *bytes, size_t n, size_t *taken, tdm_error *err)
{
    size_t len = 0;
    while (len < n && bytes[len] != '\n' && bytes[len] != '\r')
        len++;
    *taken = len;
    if (r->place == BEFORE_VALUE && len > 0) {
        r->place = IN_VALUE;
        if (bytes[0] == ' ')
            return keep(r, bytes + 1, len - 1, err);
    }
    return r->place == IN_VALUE ? keep(r, bytes, len, err) : TDM_OK;
}

/* Whether c is part of the mark at the stream's begin. */
static bool skip_mark(tdm__sse_reader *r, char c)
{
    if (r->n_mark == MARK_LEN)
        return false;
    if (c == mark[r->n_mark]) {
        r->n_mark++;
        return true;
    }
    if (r->n_mark > 0) /* no mark after all: a line that begins so is of no field that is known */
        r->place = SKIPPING;
    r->n_mark = MARK_LEN;
    return false;
}

tdm_status tdm__sse_reader_feed(tdm__sse_reader *r, tdm__str bytes, tdm__sse_event_fn fn, void *user, tdm_error *err)
{
    tdm_status s = TDM_OK;
    for (size_t i = 0; i < bytes.len && s == TDM_OK;) {
        const char c = bytes.ptr[i];
        size_t taken = 1;
        if (skip_mark(r, c)) {
            i++;
            continue;
        }
        const bool is_end = c == '\n' || c == '\r';
        if (c == '\n' && r->after_cr)
            r->after_cr = false;
        else if (is_end) {
            r->after_cr = c == '\r';
            s = end_line(r, fn, user, err);
        } else {
            r->after_cr = false;
            s = r->place == IN_NAME ? take_name(r, c, err)
                                    : take_run(r, bytes.ptr + i, bytes.len - i, &taken, err);
        }
        r->line_is_over = is_end;
        i += taken;
    }
    return s;
}

tdm_status tdm__sse_reader_end(tdm__sse_reader *r, tdm__sse_event_fn fn, void *user, tdm_error *err)
{
    if (!r->line_is_over) {
        r->line_is_over = true;
        tdm_status s = end_line(r, fn, user, err);
        if (s != TDM_OK)
            return s;
    }
    return give(r, fn, user, err);
}
