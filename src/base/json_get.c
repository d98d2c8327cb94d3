/* json_get.c - members that must be there, with the sentence for each that is not. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/nearest.h"
#include "base/rfc3339.h"

static tdm_status refuse_kind(const json_t *v, const char *key, const char *what, const char *wanted, tdm_error *err)
{
    return tdm__fail(err, TDM_ERR_FORMAT, "%s: %s must be %s, it is %s", what, key, wanted, tdm__json_kind(v));
}

tdm_status tdm__json_get_str(const json_t *object, const char *key, const char *what, const char **out, tdm_error *err)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_string(v))
        return refuse_kind(v, key, what, "a string", err);
    *out = json_string_value(v);
    return TDM_OK;
}

tdm_status tdm__json_get_int(const json_t *object, const char *key, const char *what, int64_t min, int64_t max,
                             int64_t *out, tdm_error *err)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_integer(v))
        return refuse_kind(v, key, what, "an integer", err);
    int64_t n = json_integer_value(v);
    if (n < min || n > max)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s is %" PRId64 ", %" PRId64 " to %" PRId64 " is allowed", what, key, n, min,
                 max);
    *out = n;
    return TDM_OK;
}

tdm_status tdm__json_get_bool(const json_t *object, const char *key, const char *what, bool *out, tdm_error *err)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_boolean(v))
        return refuse_kind(v, key, what, "true or false", err);
    *out = json_is_true(v);
    return TDM_OK;
}

tdm_status tdm__json_get_array(const json_t *object, const char *key, const char *what, size_t n_max,
                               const json_t **out, tdm_error *err)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_array(v))
        return refuse_kind(v, key, what, "an array", err);
    if (json_array_size(v) > n_max)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s has %zu entries, %zu are the most", what, key, json_array_size(v), n_max);
    *out = v;
    return TDM_OK;
}

tdm_status tdm__json_get_object(const json_t *object, const char *key, const char *what, const json_t **out,
                                tdm_error *err)
{
    const json_t *v = json_object_get(object, key);
    if (!json_is_object(v))
        return refuse_kind(v, key, what, "an object", err);
    *out = v;
    return TDM_OK;
}

tdm_status tdm__json_get_time(const json_t *object, const char *key, const char *what, int64_t *unix_s, tdm_error *err)
{
    const char *text = NULL;
    TDM_TRY(tdm__json_get_str(object, key, what, &text, err));
    tdm_error why = {0};
    if (tdm__rfc3339_parse(tdm__str_from(text), unix_s, &why) != TDM_OK)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s: %s", what, key, why.msg);
    return TDM_OK;
}

tdm_status tdm__json_check_keys(const json_t *object, const char *what, const char *const *known, tdm_error *err)
{
    if (!json_is_object(object))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s must be an object, it is %s", what, tdm__json_kind(object));
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        tdm__nearest near = {.wanted = key, .wanted_len = strlen(key)};
        const char *const *k = known;
        for (; *k && strcmp(*k, key) != 0; k++)
            tdm__nearest_offer(&near, *k);
        if (!*k && near.best)
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %.60s is not known, %s is the nearest", what, key, near.best);
        if (!*k)
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %.60s is not known", what, key);
    }
    return TDM_OK;
}

json_t *tdm__json_time(int64_t unix_s)
{
    char text[TDM__RFC3339_TEXT];
    if (unix_s == INT64_MAX)
        return json_null();
    tdm__rfc3339_put(unix_s, text);
    return json_string(text);
}
