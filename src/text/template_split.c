/* template_split.c - cuts strings into views of themselves, and replaces parts. All linear in the string. */
#include "text/template_split.h"

static tdm_status add_part(tdm__jinja_run *run, const tdm__jinja_string *s, size_t from, size_t to,
                           tdm__jinja_items *out)
{
    tdm__jinja_value part;
    TDM_TRY(tdm__jinja_spend(run, 1 + (to - from) / 64));
    TDM_TRY(tdm__jinja_string_part(run, s, from, to, &part));
    return tdm__jinja_items_add(run, out, part);
}

static bool space_at(const tdm__jinja_string *s, size_t at, size_t *next)
{
    return tdm__jinja_rune_is_space(tdm__jinja_rune_at(s->bytes, s->len, at, next));
}

static tdm_status split_space(tdm__jinja_run *run, const tdm__jinja_string *s, int64_t max, tdm__jinja_items *out)
{
    size_t at = 0, next = 0;
    for (;;) {
        while (at < s->len && space_at(s, at, &next))
            at = next;
        if (at == s->len)
            return TDM_OK;
        size_t from = at;
        if (max >= 0 && (int64_t)out->len >= max) /* the rest stays whole */
            at = s->len;
        while (at < s->len && !space_at(s, at, &next))
            at = next;
        TDM_TRY(add_part(run, s, from, at, out));
    }
}

static tdm_status split_space_right(tdm__jinja_run *run, const tdm__jinja_string *s, int64_t max,
                                    tdm__jinja_items *out)
{
    size_t at = s->len, next;
    for (;;) {
        while (at > 0 && space_at(s, tdm__jinja_rune_before(s->bytes, at), &next))
            at = tdm__jinja_rune_before(s->bytes, at);
        if (at == 0)
            return TDM_OK;
        size_t to = at;
        if (max >= 0 && (int64_t)out->len >= max)
            at = 0;
        while (at > 0 && !space_at(s, tdm__jinja_rune_before(s->bytes, at), &next))
            at = tdm__jinja_rune_before(s->bytes, at);
        TDM_TRY(add_part(run, s, at, to, out));
    }
}

static tdm_status split_at(tdm__jinja_run *run, const tdm__jinja_string *s, tdm__str separator, int64_t max,
                           tdm__jinja_items *out)
{
    size_t from = 0;
    while (max < 0 || (int64_t)out->len < max) {
        size_t at = tdm__jinja_find(tdm__jinja_bytes(s), separator, from);
        if (at == SIZE_MAX)
            break;
        TDM_TRY(add_part(run, s, from, at, out));
        from = at + separator.len;
    }
    return add_part(run, s, from, s->len, out);
}

static tdm_status split_at_right(tdm__jinja_run *run, const tdm__jinja_string *s, tdm__str separator, int64_t max,
                                 tdm__jinja_items *out)
{
    size_t to = s->len;
    TDM_TRY(tdm__jinja_spend(run, (1 + s->len / 16) * (1 + separator.len / 64)));
    while (max < 0 || (int64_t)out->len < max) {
        size_t at = tdm__jinja_find_last(tdm__jinja_bytes(s), separator, to);
        if (at == SIZE_MAX)
            break;
        TDM_TRY(add_part(run, s, at + separator.len, to, out));
        to = at;
    }
    return add_part(run, s, 0, to, out);
}

tdm_status tdm__jinja_split(tdm__jinja_run *run, const tdm__jinja_string *s, const tdm__jinja_string *separator,
                            int64_t max, bool from_right, tdm__jinja_items *out)
{
    if (separator && separator->len == 0)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "split: an empty separator");
    TDM_TRY(tdm__jinja_spend(run, 1 + s->len / 64));
    if (!from_right)
        return separator ? split_at(run, s, tdm__jinja_bytes(separator), max, out) : split_space(run, s, max, out);
    if (separator)
        TDM_TRY(split_at_right(run, s, tdm__jinja_bytes(separator), max, out));
    else
        TDM_TRY(split_space_right(run, s, max, out));
    for (size_t i = 0; i < out->len / 2; i++) {
        tdm__jinja_value v = out->at[i];
        out->at[i] = out->at[out->len - 1 - i];
        out->at[out->len - 1 - i] = v;
    }
    return TDM_OK;
}

static bool is_line_end(int32_t r)
{
    return (r >= 0x0A && r <= 0x0D) || (r >= 0x1C && r <= 0x1E) || r == 0x85 || r == 0x2028 || r == 0x2029;
}

tdm_status tdm__jinja_split_lines(tdm__jinja_run *run, const tdm__jinja_string *s, bool keep_ends,
                                  tdm__jinja_items *out)
{
    size_t from = 0, at = 0, next;
    TDM_TRY(tdm__jinja_spend(run, s->len / 16));
    while (at < s->len) {
        int32_t r = tdm__jinja_rune_at(s->bytes, s->len, at, &next);
        if (!is_line_end(r)) {
            at = next;
            continue;
        }
        if (r == '\r' && next < s->len && s->bytes[next] == '\n')
            next++;
        TDM_TRY(add_part(run, s, from, keep_ends ? next : at, out));
        from = at = next;
    }
    return from < s->len ? add_part(run, s, from, s->len, out) : TDM_OK;
}

/* An empty old stands before every character and at the end. */
static tdm_status replace_empty(tdm__jinja_run *run, const tdm__jinja_string *s, const tdm__jinja_string *new,
                                int64_t max, tdm__jinja_text *t)
{
    for (size_t at = 0, next;; at = next) {
        if (max == 0)
            return tdm__jinja_text_add_part(run, t, s, at, s->len);
        max -= max > 0;
        TDM_TRY(tdm__jinja_spend(run, 1));
        TDM_TRY(tdm__jinja_text_add_string(run, t, new));
        if (at == s->len)
            return TDM_OK;
        next = at + tdm__jinja_rune_len(s->bytes + at);
        TDM_TRY(tdm__jinja_text_add_part(run, t, s, at, next));
    }
}

tdm_status tdm__jinja_replace(tdm__jinja_run *run, const tdm__jinja_string *s, const tdm__jinja_string *old,
                              const tdm__jinja_string *new, int64_t max, tdm__jinja_value *out)
{
    tdm__jinja_text *t;
    TDM_TRY(tdm__jinja_spend(run, 1 + s->len / 64));
    TDM_TRY(tdm__jinja_text_new(run, s->len, &t));
    if (old->len == 0) {
        TDM_TRY(replace_empty(run, s, new, max, t));
        return tdm__jinja_text_value(run, t, out);
    }
    size_t from = 0;
    for (; max != 0; max -= max > 0) {
        size_t at = tdm__jinja_find(tdm__jinja_bytes(s), tdm__jinja_bytes(old), from);
        if (at == SIZE_MAX)
            break;
        TDM_TRY(tdm__jinja_spend(run, 1));
        TDM_TRY(tdm__jinja_text_add_part(run, t, s, from, at));
        TDM_TRY(tdm__jinja_text_add_string(run, t, new));
        from = at + old->len;
    }
    TDM_TRY(tdm__jinja_text_add_part(run, t, s, from, s->len));
    return tdm__jinja_text_value(run, t, out);
}
