/* fields.c - the table-driven reader: places, sentences, and the members of one object. Where a mistake stands is
 * worked out only when there is one. The kinds of members are in fields_take.c. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "policy/fields_internal.h"
#include "policy/yaml.h"

size_t tdm__fields_enter(tdm__fields *f, const char *key)
{
    const size_t mark = strlen(f->at);
    snprintf(f->at + mark, sizeof f->at - mark, "%s%.140s", mark > 0 && key[0] ? "." : "", key);
    return mark;
}

size_t tdm__fields_enter_item(tdm__fields *f, size_t i)
{
    const size_t mark = strlen(f->at);
    snprintf(f->at + mark, sizeof f->at - mark, "[%zu]", i);
    return mark;
}

void tdm__fields_leave(tdm__fields *f, size_t mark) { f->at[mark] = '\0'; }

/* The line of the place, or of the nearest one around it that is written at all. */
static size_t line_near(const tdm__fields *f)
{
    char path[TDM__FIELDS_PATH_MAX];
    snprintf(path, sizeof path, "%s", f->at);
    for (;;) {
        const size_t line = tdm__yaml_line_of(f->yaml, path);
        if (line > 0 || path[0] == '\0')
            return line;
        char *dot = strrchr(path, '.'), *bracket = strrchr(path, '[');
        *(dot > bracket ? dot : bracket ? bracket : path) = '\0';
    }
}

tdm_status tdm__fields_refuse(tdm__fields *f, tdm_status code, const char *key, const char *fmt, ...)
{
    char sentence[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    const size_t mark = tdm__fields_enter(f, key);
    const char *colon = f->at[0] ? ": " : "";
    if (f->yaml.ptr)
        tdm__fail(f->err, code, "%.100s:%zu: %.160s%s%s", f->what, line_near(f), f->at, colon, sentence);
    else
        tdm__fail(f->err, code, "%.100s: %.160s%s%s", f->what, f->at, colon, sentence);
    tdm__fields_leave(f, mark);
    return code;
}

static const char *field_name(const tdm__fields *f, const tdm__field *field)
{
    return f->yaml.ptr && field->written && field->written[0] ? field->written : field->name;
}

tdm_status tdm__fields_refuse_kind(tdm__fields *f, const char *key, const char *wanted, const json_t *v)
{
    return tdm__fields_refuse(f, TDM_ERR_FORMAT, key, "%s is needed, %s stands here", wanted, tdm__json_kind(v));
}

tdm_status tdm__fields_need_object(tdm__fields *f, const char *key, const json_t *v)
{
    return json_is_object(v) ? TDM_OK : tdm__fields_refuse_kind(f, key, "an object", v);
}

tdm_status tdm__fields_need_array(tdm__fields *f, const char *key, const json_t *v, size_t min, size_t max)
{
    if (!json_is_array(v))
        return tdm__fields_refuse_kind(f, key, "an array", v);
    const size_t n = json_array_size(v);
    if (n < min || n > max)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, key, "%zu entries, %zu to %zu are allowed", n, min, max);
    return TDM_OK;
}

void *tdm__fields_array(tdm__fields *f, size_t n, size_t size)
{
    void *array = tdm__arena_array(f->arena, n, size);
    if (!array)
        tdm__fields_refuse(f, TDM_ERR_NOMEM, "", "no memory for %zu entries", n);
    return array;
}

tdm_status tdm__fields_refuse_name(tdm__fields *f, const char *key, const char *name, const tdm__nearest *near)
{
    if (near->best)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, key, "'%.60s' is not known; did you mean '%s'?", name, near->best);
    return tdm__fields_refuse(f, TDM_ERR_FORMAT, key, "'%.60s' is not known", name);
}

tdm_status tdm__fields_check_keys(tdm__fields *f, const json_t *object, const tdm__field *table, bool written)
{
    for (void *it = json_object_iter((json_t *)object); it; it = json_object_iter_next((json_t *)object, it)) {
        const char *key = json_object_iter_key(it);
        tdm__nearest near = {.wanted = key, .wanted_len = strlen(key)};
        const tdm__field *field = table;
        for (; field->name; field++) {
            const char *name = written && field->written ? field->written : field->name;
            if (strcmp(key, name) == 0)
                break;
            if (name[0])
                tdm__nearest_offer(&near, name);
        }
        if (!field->name)
            return tdm__fields_refuse_name(f, key, key, &near);
    }
    return TDM_OK;
}

/* Every text that is not given is "", so that no reader needs to know NULL. Tables are few levels deep. */
static void texts_default(const tdm__field *table, void *base)
{
    for (const tdm__field *field = table; field->name; field++) {
        const char **text = (const char **)(void *)((char *)base + field->offset);
        if (field->kind == TDM__FIELD_OBJECT)
            texts_default(field->sub, base);
        else if ((field->kind == TDM__FIELD_TEXT || field->kind == TDM__FIELD_WORD || field->kind == TDM__FIELD_DATE) &&
                 !*text)
            *text = "";
    }
}

tdm_status tdm__fields_read(tdm__fields *f, const json_t *object, const tdm__field *table, void *out)
{
    TDM_TRY(tdm__fields_need_object(f, "", object));
    TDM_TRY(tdm__fields_check_keys(f, object, table, false));
    texts_default(table, out);
    for (const tdm__field *field = table; field->name; field++) {
        const json_t *v = json_object_get(object, field->name);
        if (!v && !field->may_miss)
            return tdm__fields_refuse(f, TDM_ERR_FORMAT, "", "'%s' is missing", field_name(f, field));
        if (v)
            TDM_TRY(tdm__fields_take(f, v, field, out));
    }
    return TDM_OK;
}
