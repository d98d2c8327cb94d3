/* template_json.c - values from JSON documents, and values as JSON text. */
#include "text/template_json.h"

#include <inttypes.h>
#include <stdio.h>

#include "text/template_compare.h"

static tdm_status from_json(tdm__jinja_run *run, json_t *j, unsigned depth, tdm__jinja_value *out);

static tdm_status from_array(tdm__jinja_run *run, json_t *j, unsigned depth, tdm__jinja_value *out)
{
    size_t n = json_array_size(j);
    tdm__jinja_value *items = tdm__jinja_new(run, n, sizeof *items);
    if (!items)
        return TDM_ERR_LIMIT;
    for (size_t i = 0; i < n; i++)
        TDM_TRY(from_json(run, json_array_get(j, i), depth + 1, &items[i]));
    return tdm__jinja_sequence_make(run, TDM__JINJA_LIST, items, n, out);
}

static tdm_status from_object(tdm__jinja_run *run, json_t *j, unsigned depth, tdm__jinja_value *out)
{
    tdm__jinja_dict *d;
    TDM_TRY(tdm__jinja_dict_new(run, json_object_size(j), &d));
    for (void *it = json_object_iter(j); it; it = json_object_iter_next(j, it)) {
        const char *key = json_object_iter_key(it);
        tdm__jinja_pair *pair = &d->pairs[d->len++];
        TDM_TRY(tdm__jinja_string_make(run, key, strlen(key), 0, &pair->key));
        TDM_TRY(from_json(run, json_object_iter_value(it), depth + 1, &pair->value));
    }
    *out = (tdm__jinja_value){.kind = TDM__JINJA_DICT, .as.dict = d};
    return TDM_OK;
}

static tdm_status from_json(tdm__jinja_run *run, json_t *j, unsigned depth, tdm__jinja_value *out)
{
    if (depth > TDM__TEMPLATE_VALUE_DEPTH_MAX)
        return tdm__jinja_fail(run, TDM_ERR_LIMIT, "values nested deeper than %d", TDM__TEMPLATE_VALUE_DEPTH_MAX);
    TDM_TRY(tdm__jinja_spend(run, 1));
    switch (json_typeof(j)) {
    case JSON_NULL: *out = tdm__jinja_none(); return TDM_OK;
    case JSON_TRUE: *out = tdm__jinja_bool(true); return TDM_OK;
    case JSON_FALSE: *out = tdm__jinja_bool(false); return TDM_OK;
    case JSON_INTEGER: *out = tdm__jinja_int(json_integer_value(j)); return TDM_OK;
    case JSON_REAL: *out = tdm__jinja_real(json_real_value(j)); return TDM_OK;
    case JSON_STRING:
        return tdm__jinja_string_make(run, json_string_value(j), json_string_length(j), 0, out);
    case JSON_ARRAY: return from_array(run, j, depth, out);
    case JSON_OBJECT: return from_object(run, j, depth, out);
    }
    return tdm__jinja_fail(run, TDM_ERR_INVAL, "a value of an unknown JSON type");
}

tdm_status tdm__jinja_from_json(tdm__jinja_run *run, json_t *j, tdm__jinja_value *out)
{
    return from_json(run, j, 1, out);
}

static tdm_status write_string(tdm__jinja_run *run, tdm__jinja_text *t, tdm__str s, bool ensure_ascii)
{
    TDM_TRY(tdm__jinja_spend(run, s.len / 16));
    TDM_TRY(tdm__jinja_text_add_z(run, t, "\"", 0));
    size_t plain = 0; /* where the run of bytes that need no escape began */
    for (size_t at = 0, next; at < s.len; at = next) {
        unsigned char c = (unsigned char)s.ptr[at];
        next = at + 1;
        char escape[16];
        if (c == '"' || c == '\\')
            snprintf(escape, sizeof escape, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == '\b')
            snprintf(escape, sizeof escape, "\\%c",
                     c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : c == '\f' ? 'f' : 'b');
        else if (c < 0x20 || (c == 0x7F && ensure_ascii))
            snprintf(escape, sizeof escape, "\\u%04x", c);
        else if (c >= 0x80 && ensure_ascii) {
            uint32_t r = (uint32_t)tdm__jinja_rune_at(s.ptr, s.len, at, &next);
            if (r < 0x10000)
                snprintf(escape, sizeof escape, "\\u%04x", (unsigned)r);
            else
                snprintf(escape, sizeof escape, "\\u%04x\\u%04x", (unsigned)(0xD7C0 + (r >> 10)),
                         (unsigned)(0xDC00 + (r & 0x3FF)));
        } else
            continue;
        TDM_TRY(tdm__jinja_text_add(run, t, s.ptr + plain, at - plain, 0));
        TDM_TRY(tdm__jinja_text_add_z(run, t, escape, 0));
        plain = next;
    }
    TDM_TRY(tdm__jinja_text_add(run, t, s.ptr + plain, s.len - plain, 0));
    return tdm__jinja_text_add_z(run, t, "\"", 0);
}

static tdm_status write_scalar(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v,
                               const tdm__jinja_json_style *style)
{
    char text[TDM__JINJA_REAL_BYTES];
    switch (v.kind) {
    case TDM__JINJA_NONE: return tdm__jinja_text_add_z(run, t, "null", 0);
    case TDM__JINJA_BOOL: return tdm__jinja_text_add_z(run, t, v.as.truth ? "true" : "false", 0);
    case TDM__JINJA_INT: snprintf(text, sizeof text, "%" PRId64, v.as.integer); break;
    case TDM__JINJA_FLOAT: tdm__jinja_real_text(v.as.real, true, text); break;
    case TDM__JINJA_STRING: return write_string(run, t, tdm__jinja_bytes(v.as.string), style->ensure_ascii);
    default:
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "tojson: %s cannot be written as JSON", tdm__jinja_type_name(v));
    }
    return tdm__jinja_text_add_z(run, t, text, 0);
}

static tdm_status write_value(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v,
                              const tdm__jinja_json_style *style, unsigned level);

static tdm_status write_newline(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_json_style *style,
                                unsigned level)
{
    if (!style->indented)
        return TDM_OK;
    TDM_TRY(tdm__jinja_text_add_z(run, t, "\n", 0));
    for (unsigned i = 0; i < level; i++)
        TDM_TRY(tdm__jinja_text_add(run, t, style->indent.ptr, style->indent.len, 0));
    return TDM_OK;
}

static tdm_status write_list(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_sequence *s,
                             const tdm__jinja_json_style *style, unsigned level)
{
    if (s->len == 0)
        return tdm__jinja_text_add_z(run, t, "[]", 0);
    for (size_t i = 0; i < s->len; i++) {
        tdm__str before = i == 0 ? TDM_STR("[") : style->comma;
        TDM_TRY(tdm__jinja_text_add(run, t, before.ptr, before.len, 0));
        TDM_TRY(write_newline(run, t, style, level + 1));
        TDM_TRY(write_value(run, t, s->items[i], style, level + 1));
    }
    TDM_TRY(write_newline(run, t, style, level));
    return tdm__jinja_text_add_z(run, t, "]", 0);
}

static tdm_status write_key(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value key,
                            const tdm__jinja_json_style *style)
{
    if (key.kind == TDM__JINJA_STRING)
        return write_scalar(run, t, key, style);
    if (key.kind == TDM__JINJA_SEQUENCE || key.kind == TDM__JINJA_UNDEFINED)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "tojson: %s cannot be a key", tdm__jinja_type_name(key));
    TDM_TRY(tdm__jinja_text_add_z(run, t, "\"", 0));
    TDM_TRY(write_scalar(run, t, key, style));
    return tdm__jinja_text_add_z(run, t, "\"", 0);
}

/* The pairs in order of their keys. */
static tdm_status sorted_pairs(tdm__jinja_run *run, const tdm__jinja_dict *d, tdm__jinja_dict *sorted)
{
    tdm__jinja_value *keys = tdm__jinja_new(run, d->len, sizeof *keys);
    tdm__jinja_value *values = tdm__jinja_new(run, d->len, sizeof *values);
    sorted->pairs = tdm__jinja_new(run, d->len, sizeof *sorted->pairs);
    if (!keys || !values || !sorted->pairs)
        return TDM_ERR_LIMIT;
    sorted->len = sorted->cap = d->len;
    for (size_t i = 0; i < d->len; i++) {
        keys[i] = d->pairs[i].key;
        values[i] = d->pairs[i].value;
    }
    TDM_TRY(tdm__jinja_sort(run, keys, values, d->len, false));
    for (size_t i = 0; i < d->len; i++)
        sorted->pairs[i] = (tdm__jinja_pair){keys[i], values[i]};
    return TDM_OK;
}

static tdm_status write_dict(tdm__jinja_run *run, tdm__jinja_text *t, const tdm__jinja_dict *d,
                             const tdm__jinja_json_style *style, unsigned level)
{
    tdm__jinja_dict sorted = *d;
    if (d->len == 0)
        return tdm__jinja_text_add_z(run, t, "{}", 0);
    if (style->sort_keys)
        TDM_TRY(sorted_pairs(run, d, &sorted));
    for (size_t i = 0; i < d->len; i++) {
        tdm__str before = i == 0 ? TDM_STR("{") : style->comma;
        TDM_TRY(tdm__jinja_text_add(run, t, before.ptr, before.len, 0));
        TDM_TRY(write_newline(run, t, style, level + 1));
        TDM_TRY(write_key(run, t, sorted.pairs[i].key, style));
        TDM_TRY(tdm__jinja_text_add(run, t, style->colon.ptr, style->colon.len, 0));
        TDM_TRY(write_value(run, t, sorted.pairs[i].value, style, level + 1));
    }
    TDM_TRY(write_newline(run, t, style, level));
    return tdm__jinja_text_add_z(run, t, "}", 0);
}

static tdm_status write_value(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v,
                              const tdm__jinja_json_style *style, unsigned level)
{
    TDM_TRY(tdm__jinja_enter(run));
    if (v.kind == TDM__JINJA_DICT)
        TDM_TRY(write_dict(run, t, v.as.dict, style, level));
    else if (tdm__jinja_is_list(v))
        TDM_TRY(write_list(run, t, v.as.sequence, style, level));
    else
        TDM_TRY(write_scalar(run, t, v, style));
    tdm__jinja_leave(run);
    return TDM_OK;
}

tdm_status tdm__jinja_json(tdm__jinja_run *run, tdm__jinja_text *t, tdm__jinja_value v,
                           const tdm__jinja_json_style *style)
{
    return write_value(run, t, v, style, 0);
}
