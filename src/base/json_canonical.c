/* json_canonical.c - OLPC's canonical JSON, as securesystemslib.formats.encode_canonical writes it.
 *
 * Keys in order of their code points, which for UTF-8 is the order of their bytes; no white space; in strings only '"'
 * and '\' are escaped, every other byte stands as it is. That form is no JSON any more where a string has a control
 * character, and languages differ in how they would mend it: such strings are refused, as are numbers with a fraction,
 * whose text differs from language to language.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/heap.h"

typedef struct writer {
    tdm__buf *out;
    tdm_error *err;
} writer;

static tdm_status put(const writer *w, const char *bytes, size_t n)
{
    tdm_status s = tdm__buf_append(w->out, bytes, n);
    if (s == TDM_ERR_LIMIT)
        TDM_FAIL(w->err, s, "the canonical form is longer than %zu bytes", w->out->len_max);
    if (s != TDM_OK)
        TDM_FAIL(w->err, s, "no memory for the canonical form");
    return TDM_OK;
}

static tdm_status put_string(const writer *w, const char *text, size_t len)
{
    TDM_TRY(put(w, "\"", 1));
    for (size_t i = 0; i < len;) {
        size_t n = i;
        while (n < len && (unsigned char)text[n] >= 0x20 && text[n] != 0x7F && text[n] != '"' && text[n] != '\\')
            n++;
        TDM_TRY(put(w, text + i, n - i));
        if (n == len)
            break;
        if (text[n] != '"' && text[n] != '\\')
            TDM_FAIL(w->err, TDM_ERR_FORMAT,
                     "a string has the control character U+%04X, which has no canonical form", (unsigned)text[n]);
        const char escaped[2] = {'\\', text[n]};
        TDM_TRY(put(w, escaped, sizeof escaped));
        i = n + 1;
    }
    return put(w, "\"", 1);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The object's keys in order, n of them, to be freed by the caller; NULL: no memory, or none. */
static const char **sorted_keys(const json_t *object, size_t *n)
{
    *n = json_object_size(object);
    const char **keys = *n ? tdm__malloc(*n * sizeof *keys) : NULL;
    if (!keys)
        return NULL;
    const char *key;
    json_t *value;
    size_t i = 0;
    json_object_foreach((json_t *)object, key, value)
        keys[i++] = key;
    qsort(keys, *n, sizeof *keys, compare_keys);
    return keys;
}

static tdm_status put_value(const writer *w, const json_t *v, int depth); /* recursion bounded by depth */

static tdm_status put_object(const writer *w, const json_t *object, int depth)
{
    size_t n = 0;
    const char **keys = sorted_keys(object, &n);
    if (n > 0 && !keys)
        TDM_FAIL(w->err, TDM_ERR_NOMEM, "no memory for the canonical form");
    tdm_status s = put(w, "{", 1);
    for (size_t i = 0; i < n && s == TDM_OK; i++) {
        if (i > 0)
            s = put(w, ",", 1);
        if (s == TDM_OK)
            s = put_string(w, keys[i], strlen(keys[i]));
        if (s == TDM_OK)
            s = put(w, ":", 1);
        if (s == TDM_OK)
            s = put_value(w, json_object_get(object, keys[i]), depth + 1);
    }
    tdm__free(keys);
    return s == TDM_OK ? put(w, "}", 1) : s;
}

static tdm_status put_array(const writer *w, const json_t *array, int depth)
{
    TDM_TRY(put(w, "[", 1));
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0)
            TDM_TRY(put(w, ",", 1));
        TDM_TRY(put_value(w, json_array_get(array, i), depth + 1));
    }
    return put(w, "]", 1);
}

static tdm_status put_integer(const writer *w, json_int_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, n);
    return put(w, digits, (size_t)len);
}

static tdm_status put_value(const writer *w, const json_t *v, int depth)
{
    if (depth > TDM__JSON_DEPTH_MAX)
        TDM_FAIL(w->err, TDM_ERR_FORMAT, "nested more than %d deep, which has no canonical form", TDM__JSON_DEPTH_MAX);
    switch (json_typeof(v)) {
    case JSON_OBJECT: return put_object(w, v, depth);
    case JSON_ARRAY: return put_array(w, v, depth);
    case JSON_STRING: return put_string(w, json_string_value(v), json_string_length(v));
    case JSON_INTEGER: return put_integer(w, json_integer_value(v));
    case JSON_TRUE: return put(w, "true", 4);
    case JSON_FALSE: return put(w, "false", 5);
    case JSON_NULL: return put(w, "null", 4);
    case JSON_REAL: break;
    }
    TDM_FAIL(w->err, TDM_ERR_FORMAT, "a number has a fraction or an exponent, which has no canonical form");
}

tdm_status tdm__json_canonical(const json_t *v, tdm__buf *out, tdm_error *err)
{
    const size_t before = out->len;
    tdm_status s = put_value(&(writer){.out = out, .err = err}, v, 0);
    if (s != TDM_OK)
        tdm__buf_truncate(out, before);
    return s;
}
