/* fields_take.c - one short function for each kind of member. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/rfc3339.h"
#include "base/sha256.h"
#include "policy/fields_internal.h"

static tdm_status text_take(tdm__fields *f, const char *key, const json_t *v, const tdm__field *field,
                            const char **out)
{
    if (!json_is_string(v))
        return tdm__fields_refuse_kind(f, key, "a string", v);
    const tdm__str text = {json_string_value(v), json_string_length(v)};
    if ((int64_t)text.len < field->min || (int64_t)text.len > field->max)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, key, "%zu bytes, %" PRId64 " to %" PRId64 " are allowed", text.len,
                                  field->min, field->max);
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.ptr[i];
        const bool is_word = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z' && c < 0x80) ||
                             memchr("._-:/", c, 5);
        if (c < 0x20 || c == 0x7F || (field->kind == TDM__FIELD_WORD && !is_word))
            return tdm__fields_refuse(f, TDM_ERR_FORMAT, key, "'%c' at byte %zu is not allowed in it", c, i);
    }
    *out = tdm__arena_dup(f->arena, text);
    return *out ? TDM_OK : tdm__fields_refuse(f, TDM_ERR_NOMEM, key, "no memory");
}

/* day: a day without a time is wanted. */
static tdm_status time_take(tdm__fields *f, const char *key, const json_t *v, bool day, int64_t *out)
{
    char text[2 * TDM__RFC3339_TEXT];
    tdm_error why = {0};
    if (!json_is_string(v))
        return tdm__fields_refuse_kind(f, key, "a string", v);
    const char *stands = json_string_value(v);
    snprintf(text, sizeof text, "%.20s%s", stands, day ? "T00:00:00Z" : "");
    if (strlen(stands) != (day ? 10 : 20) || tdm__rfc3339_parse(tdm__str_from(text), out, &why) != TDM_OK)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, key, "'%.40s' is no %s; it is written like %s", stands,
                                  day ? "day" : "time", day ? "2025-02-11" : "2025-02-11T08:00:00Z");
    return TDM_OK;
}

static tdm_status sha256_take(tdm__fields *f, const char *key, const json_t *v, char *out)
{
    const char *hex = json_string_value(v);
    if (!hex)
        return tdm__fields_refuse_kind(f, key, "a string", v);
    if (strlen(hex) != TDM__SHA256_TEXT - 1 || strspn(hex, "0123456789abcdef") != TDM__SHA256_TEXT - 1)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, key, "64 lower-case hexadecimal digits are needed");
    memcpy(out, hex, TDM__SHA256_TEXT);
    return TDM_OK;
}

static tdm_status int_take(tdm__fields *f, const char *key, const json_t *v, const tdm__field *field, void *out)
{
    if (!json_is_integer(v))
        return tdm__fields_refuse_kind(f, key, "an integer", v);
    const int64_t n = json_integer_value(v);
    if (n < field->min || n > field->max)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, key, "%" PRId64 " stands here, %" PRId64 " to %" PRId64
                                  " is allowed", n, field->min, field->max);
    const uint16_t n16 = (uint16_t)n;
    const uint32_t n32 = (uint32_t)n;
    assert(field->size == 2 || field->size == 4 || field->size == 8);
    memcpy(out, field->size == 2 ? (const void *)&n16 : field->size == 4 ? (const void *)&n32 : &n, field->size);
    return TDM_OK;
}

static tdm_status word_find(tdm__fields *f, const char *key, const json_t *v, const tdm__field_word *words, int *out)
{
    const char *text = json_string_value(v);
    if (!text)
        return tdm__fields_refuse_kind(f, key, "a string", v);
    tdm__nearest near = {.wanted = text, .wanted_len = strlen(text)};
    for (const tdm__field_word *w = words; w->name; w++) {
        if (strcmp(w->name, text) == 0) {
            *out = w->value;
            return TDM_OK;
        }
        tdm__nearest_offer(&near, w->name);
    }
    return tdm__fields_refuse_name(f, key, text, &near);
}

static tdm_status set_take(tdm__fields *f, const char *key, const json_t *v, const tdm__field_word *words,
                           unsigned *out)
{
    unsigned set = 0;
    TDM_TRY(tdm__fields_need_array(f, key, v, 1, 32));
    const size_t mark = tdm__fields_enter(f, key);
    for (size_t i = 0; i < json_array_size(v); i++) {
        int value = 0;
        const size_t item = tdm__fields_enter_item(f, i);
        TDM_TRY(word_find(f, "", json_array_get(v, i), words, &value));
        tdm__fields_leave(f, item);
        set |= (unsigned)value;
    }
    tdm__fields_leave(f, mark);
    *out = set;
    return TDM_OK;
}

/* Puts the array and its number where the table says. */
static void array_put(const tdm__field *field, void *base, const void *array, size_t n)
{
    memcpy((char *)base + field->offset, &array, sizeof array);
    memcpy((char *)base + field->offset_n, &n, sizeof n);
}

static tdm_status words_take(tdm__fields *f, const char *key, const json_t *v, const tdm__field *field, void *base)
{
    static const tdm__field one = {.kind = TDM__FIELD_WORD, .min = 1, .max = 256};
    TDM_TRY(tdm__fields_need_array(f, key, v, (size_t)field->min, (size_t)field->max));
    const size_t n = json_array_size(v);
    const char **texts = tdm__fields_array(f, n, sizeof *texts);
    if (!texts)
        return TDM_ERR_NOMEM;
    const size_t mark = tdm__fields_enter(f, key);
    for (size_t i = 0; i < n; i++) {
        const size_t item = tdm__fields_enter_item(f, i);
        TDM_TRY(text_take(f, "", json_array_get(v, i), &one, &texts[i]));
        for (size_t k = 0; k < i; k++)
            if (strcmp(texts[k], texts[i]) == 0)
                return tdm__fields_refuse(f, TDM_ERR_FORMAT, "", "'%.60s' stands here for the second time", texts[i]);
        tdm__fields_leave(f, item);
    }
    tdm__fields_leave(f, mark);
    array_put(field, base, texts, n);
    return TDM_OK;
}

/* dates are kept as they are written */
static tdm_status date_take(tdm__fields *f, const char *key, const json_t *v, const char **out)
{
    static const tdm__field ten = {.kind = TDM__FIELD_WORD, .min = 10, .max = 10};
    int64_t unused;
    TDM_TRY(time_take(f, key, v, true, &unused));
    return text_take(f, key, v, &ten, out);
}

static tdm_status object_take(tdm__fields *f, const char *key, const json_t *v, const tdm__field *sub, void *base)
{
    TDM_TRY(tdm__fields_need_object(f, key, v));
    const size_t mark = tdm__fields_enter(f, key);
    TDM_TRY(tdm__fields_read(f, v, sub, base));
    tdm__fields_leave(f, mark);
    return TDM_OK;
}

static tdm_status list_take(tdm__fields *f, const char *key, const json_t *v, const tdm__field *field, void *base)
{
    TDM_TRY(tdm__fields_need_array(f, key, v, (size_t)field->min, (size_t)field->max));
    const size_t n = json_array_size(v);
    char *items = tdm__fields_array(f, n, field->item_size);
    if (!items)
        return TDM_ERR_NOMEM;
    const size_t mark = tdm__fields_enter(f, key);
    for (size_t i = 0; i < n; i++) {
        const size_t item = tdm__fields_enter_item(f, i);
        TDM_TRY(tdm__fields_read(f, json_array_get(v, i), field->sub, items + i * field->item_size));
        tdm__fields_leave(f, item);
    }
    tdm__fields_leave(f, mark);
    array_put(field, base, items, n);
    return TDM_OK;
}

static tdm_status map_take(tdm__fields *f, const char *key, const json_t *v, const tdm__field *field, void *base)
{
    TDM_TRY(tdm__fields_need_object(f, key, v));
    const size_t n = json_object_size(v);
    if (n > (size_t)field->max)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, key, "%zu entries, %" PRId64 " are the most", n, field->max);
    tdm__field_pair *pairs = tdm__fields_array(f, n, sizeof *pairs);
    if (!pairs)
        return TDM_ERR_NOMEM;
    const size_t mark = tdm__fields_enter(f, key);
    tdm__field_pair *pair = pairs;
    for (void *it = json_object_iter((json_t *)v); it; it = json_object_iter_next((json_t *)v, it), pair++) {
        const char *from = json_object_iter_key(it);
        TDM_TRY(word_find(f, from, json_object_iter_value(it), field->words, &pair->to));
        pair->from = tdm__arena_dup(f->arena, tdm__str_from(from));
        if (!pair->from)
            return tdm__fields_refuse(f, TDM_ERR_NOMEM, from, "no memory");
    }
    tdm__fields_leave(f, mark);
    array_put(field, base, pairs, n);
    return TDM_OK;
}

tdm_status tdm__fields_take(tdm__fields *f, const json_t *v, const tdm__field *field, void *base)
{
    const char *key = field->name;
    void *out = (char *)base + field->offset;
    switch (field->kind) {
    case TDM__FIELD_ELSEWHERE: return TDM_OK;
    case TDM__FIELD_TEXT:
    case TDM__FIELD_WORD: return text_take(f, key, v, field, out);
    case TDM__FIELD_DATE: return date_take(f, key, v, out);
    case TDM__FIELD_SHA256: return sha256_take(f, key, v, out);
    case TDM__FIELD_INT: return int_take(f, key, v, field, out);
    case TDM__FIELD_ENUM: return word_find(f, key, v, field->words, out);
    case TDM__FIELD_SET: return set_take(f, key, v, field->words, out);
    case TDM__FIELD_TIME: return time_take(f, key, v, false, out);
    case TDM__FIELD_WORDS: return words_take(f, key, v, field, base);
    case TDM__FIELD_OBJECT: return object_take(f, key, v, field->sub, base);
    case TDM__FIELD_LIST: return list_take(f, key, v, field, base);
    case TDM__FIELD_MAP: return map_take(f, key, v, field, base);
    case TDM__FIELD_BOOL:
        if (!json_is_boolean(v))
            return tdm__fields_refuse_kind(f, key, "true or false", v);
        *(bool *)out = json_is_true(v);
        return TDM_OK;
    }
    return TDM_OK;
}
