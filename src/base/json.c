/* json.c - the depth check, jansson, and its errors in our words.
 *
 * jansson's own depth limit is 2,048, of which nothing of ours has need; and its sentences quote the text near the
 * error, which may be a user's. Line and column say the same.
 */
#include "base/json.h"

#include "base/error.h"
#include "os/heap.h"

/* Whether brackets outside strings nest at most TDM__JSON_DEPTH_MAX deep. Says nothing about anything else. */
static bool depth_is_bounded(tdm__str s)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > TDM__JSON_DEPTH_MAX)
                return false;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

static const char *cause(const json_error_t *je)
{
    switch (json_error_code(je)) {
    case json_error_premature_end_of_input: return "it ends too early";
    case json_error_end_of_input_expected: return "something follows the object";
    case json_error_invalid_utf8: return "a string is not UTF-8";
    case json_error_duplicate_key: return "a key comes twice in one object";
    case json_error_numeric_overflow: return "a number is too large";
    case json_error_null_character:
    case json_error_null_byte_in_key: return "a string has the character U+0000";
    case json_error_stack_overflow: return "it is nested too deeply";
    case json_error_out_of_memory: return "no memory";
    default: return "the syntax is wrong, or a surrogate stands alone";
    }
}

tdm_status tdm__json_parse(tdm__str bytes, const char *what, size_t bytes_max, json_t **out, tdm_error *err)
{
    if (bytes.len > bytes_max)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%s has %zu bytes, %zu are the most", what, bytes.len, bytes_max);
    if (bytes.len == 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s is empty, JSON is expected", what);
    if (!depth_is_bounded(bytes))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s is nested more than %d deep", what, TDM__JSON_DEPTH_MAX);
    json_error_t je;
    json_t *v = json_loadb(bytes.ptr, bytes.len, JSON_REJECT_DUPLICATES, &je);
    if (!v)
        TDM_FAIL(err, json_error_code(&je) == json_error_out_of_memory ? TDM_ERR_NOMEM : TDM_ERR_FORMAT,
                 "%s is not valid JSON: line %d, column %d: %s", what, je.line, je.column, cause(&je));
    *out = v;
    return TDM_OK;
}

const char *tdm__json_kind(const json_t *v)
{
    if (!v)
        return "missing";
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE: return "a boolean";
    case JSON_NULL: return "null";
    }
    return "something else";
}

char *tdm__json_text(const json_t *v, size_t flags)
{
    size_t n = json_dumpb(v, NULL, 0, flags);
    char *text = n > 0 ? tdm__malloc(n + 1) : NULL;
    if (!text)
        return NULL;
    json_dumpb(v, text, n, flags);
    text[n] = '\0';
    return text;
}
