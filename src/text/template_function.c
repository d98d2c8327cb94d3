/* template_function.c - the global functions: range, dict, namespace, raise_exception, strftime_now. */
#include <string.h>
#include <time.h>

#include "text/template_eval.h"
#include "text/template_tables.h"

enum { DATE_FORMAT_BYTES_MAX = 256, DATE_BYTES_MAX = 1024, MESSAGE_BYTES_MAX = 240 };

static tdm_status function_range(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    int64_t bounds[3] = {0, 0, 1};
    size_t n = 0;
    for (; n < 3 && tdm__jinja_given(call->args[n]); n++) {
        TDM_TRY(tdm__jinja_require(run, call->args[n]));
        if (!tdm__jinja_is_integer(call->args[n]))
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "range: %s is no integer",
                                   tdm__jinja_type_name(call->args[n]));
        bounds[n] = tdm__jinja_integer(call->args[n]);
    }
    if (n == 1) {
        bounds[1] = bounds[0];
        bounds[0] = 0;
    }
    int64_t start = bounds[0], stop = bounds[1], step = bounds[2];
    if (step == 0)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "range: the step is zero");
    uint64_t span = step > 0 ? (uint64_t)stop - (uint64_t)start : (uint64_t)start - (uint64_t)stop;
    uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    bool empty = step > 0 ? stop <= start : stop >= start;
    uint64_t len = empty ? 0 : (span - 1) / stride + 1;
    if (len > TDM__TEMPLATE_RANGE_MAX)
        return tdm__jinja_fail(run, TDM_ERR_LIMIT, "range: more than %d items", TDM__TEMPLATE_RANGE_MAX);
    tdm__jinja_range *r = tdm__jinja_new(run, 1, sizeof *r);
    if (!r)
        return TDM_ERR_LIMIT;
    *r = (tdm__jinja_range){start, stop, step, (size_t)len};
    *out = (tdm__jinja_value){.kind = TDM__JINJA_RANGE, .as.range = r};
    return TDM_OK;
}

/* dict(mapping or pairs, name=value, ...) */
static tdm_status make_dict(tdm__jinja_run *run, const tdm__jinja_args *args, bool for_namespace,
                            tdm__jinja_dict **out)
{
    tdm__jinja_dict *d;
    TDM_TRY(tdm__jinja_dict_new(run, args->n_named, &d));
    if (args->len > 1)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "dict: more than one argument without a name");
    const tdm__jinja_dict *from = args->len == 1 && args->items[0].kind == TDM__JINJA_DICT ? args->items[0].as.dict
                                                                                            : NULL;
    tdm__jinja_items pairs = {0};
    if (args->len == 1 && !from)
        TDM_TRY(tdm__jinja_walk_all(run, args->items[0], &pairs));
    for (size_t i = 0; from && i < from->len; i++)
        TDM_TRY(tdm__jinja_dict_put(run, d, from->pairs[i].key, from->pairs[i].value));
    for (size_t i = 0; i < pairs.len; i++) {
        tdm__jinja_items two = {0};
        TDM_TRY(tdm__jinja_walk_all(run, pairs.at[i], &two));
        if (two.len != 2)
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "dict: item %zu is no pair", i + 1);
        TDM_TRY(tdm__jinja_dict_put(run, d, two.at[0], two.at[1]));
    }
    for (size_t i = 0; i < args->n_named; i++) {
        tdm__jinja_value key;
        TDM_TRY(tdm__jinja_string_make(run, args->named[i].name.ptr, args->named[i].name.len, 0, &key));
        TDM_TRY(tdm__jinja_dict_put(run, d, key, args->named[i].value));
    }
    for (size_t i = 0; for_namespace && i < d->len; i++)
        if (d->pairs[i].key.kind == TDM__JINJA_STRING &&
            tdm__str_starts(tdm__jinja_bytes(d->pairs[i].key.as.string), TDM_STR("_")))
            return tdm__jinja_fail(run, TDM_ERR_INVAL, "a namespace cannot hold names that begin with '_'");
    *out = d;
    return TDM_OK;
}

static tdm_status function_dict(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_dict *d;
    TDM_TRY(make_dict(run, call->raw, false, &d));
    *out = (tdm__jinja_value){.kind = TDM__JINJA_DICT, .as.dict = d};
    return TDM_OK;
}

static tdm_status function_namespace(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_dict *d;
    TDM_TRY(make_dict(run, call->raw, true, &d));
    *out = (tdm__jinja_value){.kind = TDM__JINJA_NAMESPACE, .as.names = d};
    return TDM_OK;
}

/* The template's own words become the error; what came from a value is left out of it. */
static tdm_status function_raise(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    tdm__jinja_value v;
    char message[MESSAGE_BYTES_MAX + 8];
    size_t n = 0;
    bool left_out = false;
    (void)out;
    TDM_TRY(tdm__jinja_to_string(run, call->args[0], &v));
    const tdm__jinja_string *s = v.as.string;
    for (size_t at = 0; at < s->len && n < MESSAGE_BYTES_MAX; at += tdm__jinja_rune_len(s->bytes + at)) {
        size_t len = tdm__jinja_rune_len(s->bytes + at);
        bool trusted = tdm__jinja_mark_at(s, at);
        if (trusted)
            memcpy(message + n, s->bytes + at, len);
        else if (!left_out)
            memcpy(message + n, "...", len = 3);
        if (trusted || !left_out)
            n += len;
        left_out = !trusted;
    }
    message[n] = '\0';
    return tdm__jinja_fail(run, TDM_ERR_INVAL, "%s", message);
}

static tdm_status function_strftime(tdm__jinja_run *run, const tdm__jinja_call *call, tdm__jinja_value *out)
{
    char format[DATE_FORMAT_BYTES_MAX], text[DATE_BYTES_MAX];
    if (call->args[0].kind != TDM__JINJA_STRING)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "strftime_now needs a str, not %s",
                               tdm__jinja_type_name(call->args[0]));
    const tdm__jinja_string *s = call->args[0].as.string;
    if (s->len + 2 > sizeof format)
        return tdm__jinja_fail(run, TDM_ERR_LIMIT, "strftime_now: a format of more than %d bytes",
                               DATE_FORMAT_BYTES_MAX - 2);
    if (memchr(s->bytes, '\0', s->len))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "strftime_now: a format with a NUL");
    memcpy(format, s->bytes, s->len);
    memcpy(format + s->len, ".", 2); /* so that an empty result is no error */
    time_t now = (time_t)run->input->now_unix_s;
    struct tm when;
    if (!gmtime_r(&now, &when))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "strftime_now: the time has no date");
    size_t n = strftime(text, sizeof text, format, &when);
    if (n == 0)
        return tdm__jinja_fail(run, TDM_ERR_LIMIT, "strftime_now: a date of more than %d bytes", DATE_BYTES_MAX);
    tdm__jinja_text *t;
    TDM_TRY(tdm__jinja_text_new(run, n, &t));
    TDM_TRY(tdm__jinja_text_add(run, t, text, n - 1, 0));
    return tdm__jinja_text_value(run, t, out);
}

const tdm__jinja_function tdm__jinja_functions[] = {
    {"range", "start,stop,step,/", 1, function_range},
    {"dict", NULL, 0, function_dict},
    {"namespace", NULL, 0, function_namespace},
    {"raise_exception", "message", 1, function_raise},
    {"strftime_now", "format", 1, function_strftime},
    {"cycler", NULL, 0, NULL},
    {"joiner", NULL, 0, NULL},
    {"lipsum", NULL, 0, NULL},
    {NULL, NULL, 0, NULL},
};
