/* template_item.c - attributes, items and slices, in the order in which jinja2's sandbox looks for them. */
#include "text/template_call.h"
#include "text/template_eval.h"
#include "text/template_tables.h"

/* A method of self, or a variable that its kind has; *out is ABSENT when there is none of that name. */
static tdm_status own_attribute(tdm__jinja_run *run, tdm__jinja_value self, tdm__str name, const char *shown,
                                tdm__jinja_value *out)
{
    *out = (tdm__jinja_value){.kind = TDM__JINJA_ABSENT};
    if (name.len > 4 && tdm__str_starts(name, TDM_STR("__")) && name.ptr[name.len - 1] == '_' &&
        name.ptr[name.len - 2] == '_') {
        *out = tdm__jinja_undefined(shown);
        out->forbidden = true;
        return TDM_OK;
    }
    const tdm__jinja_method *method = tdm__jinja_method_find(self, name);
    if (method && method->forbidden) {
        *out = tdm__jinja_undefined(method->name);
        out->forbidden = true;
        return TDM_OK;
    }
    if (method && !method->apply)
        return tdm__jinja_fail(run, TDM_ERR_UNSUPPORTED, "'%s' of %s is not built", method->name,
                               tdm__jinja_type_name(self));
    if (method) {
        tdm__jinja_bound *bound = tdm__jinja_new(run, 1, sizeof *bound);
        if (!bound)
            return TDM_ERR_LIMIT;
        *bound = (tdm__jinja_bound){self, method};
        *out = (tdm__jinja_value){.kind = TDM__JINJA_METHOD, .as.bound = bound};
        return TDM_OK;
    }
    if (self.kind == TDM__JINJA_LOOP)
        return tdm__jinja_loop_attribute(run, self.as.loop, name, out);
    if (self.kind == TDM__JINJA_NAMESPACE) {
        tdm__jinja_value *found;
        TDM_TRY(tdm__jinja_dict_named(run, self.as.names, name, &found));
        if (found)
            *out = *found;
    }
    return TDM_OK;
}

tdm_status tdm__jinja_attribute(tdm__jinja_run *run, tdm__jinja_value self, tdm__str name, const char *shown,
                                tdm__jinja_value *out)
{
    TDM_TRY(tdm__jinja_require(run, self));
    TDM_TRY(own_attribute(run, self, name, shown, out));
    if (tdm__jinja_given(*out))
        return TDM_OK;
    *out = tdm__jinja_undefined(shown);
    if (self.kind != TDM__JINJA_DICT)
        return TDM_OK;
    tdm__jinja_value *found;
    TDM_TRY(tdm__jinja_dict_named(run, self.as.dict, name, &found));
    if (found)
        *out = *found;
    return TDM_OK;
}

static tdm_status string_item(tdm__jinja_run *run, const tdm__jinja_string *s, size_t i, tdm__jinja_value *out)
{
    TDM_TRY(tdm__jinja_spend(run, s->ascii ? 0 : s->len / 64));
    size_t from = tdm__jinja_string_offset(s, i);
    return tdm__jinja_string_part(run, s, from, from + tdm__jinja_rune_len(s->bytes + from), out);
}

/* By number, from the end when negative; *out stays ABSENT beyond the ends. */
static tdm_status numbered_item(tdm__jinja_run *run, tdm__jinja_value self, int64_t i, tdm__jinja_value *out)
{
    size_t len = 0;
    if (!tdm__jinja_length(self, &len))
        return TDM_OK;
    if (i < 0)
        i += (int64_t)len;
    if (i < 0 || (uint64_t)i >= len)
        return TDM_OK;
    if (self.kind == TDM__JINJA_STRING)
        return string_item(run, self.as.string, (size_t)i, out);
    if (self.kind == TDM__JINJA_RANGE)
        *out = tdm__jinja_int(self.as.range->start + i * self.as.range->step);
    else if (tdm__jinja_is_list(self))
        *out = self.as.sequence->items[i];
    return TDM_OK;
}

tdm_status tdm__jinja_item(tdm__jinja_run *run, tdm__jinja_value self, tdm__jinja_value key, tdm__jinja_value *out)
{
    TDM_TRY(tdm__jinja_require(run, self));
    *out = (tdm__jinja_value){.kind = TDM__JINJA_ABSENT};
    if (self.kind == TDM__JINJA_DICT && tdm__jinja_hashable(key)) {
        tdm__jinja_value *found;
        TDM_TRY(tdm__jinja_dict_find(run, self.as.dict, key, &found));
        if (found)
            *out = *found;
    } else if (tdm__jinja_is_integer(key)) {
        TDM_TRY(numbered_item(run, self, tdm__jinja_integer(key), out));
    }
    /* the name of a missing thing is only repeated when the template wrote all of it */
    const tdm__jinja_string *name = key.kind == TDM__JINJA_STRING ? key.as.string : NULL;
    if (!tdm__jinja_given(*out) && name)
        TDM_TRY(own_attribute(run, self, tdm__jinja_bytes(name), NULL, out));
    if (tdm__jinja_given(*out))
        return TDM_OK;
    *out = tdm__jinja_undefined(NULL);
    if (name && !name->marks && name->mark && name->len < 60) {
        char *shown = tdm__jinja_new(run, name->len + 1, 1);
        if (!shown)
            return TDM_ERR_LIMIT;
        memcpy(shown, name->bytes, name->len);
        out->as.missing = shown;
    }
    return TDM_OK;
}

/* Python's slice.indices: clamps one bound to what the step can reach. */
static int64_t slice_bound(tdm__jinja_value part, int64_t len, int64_t step, int64_t absent)
{
    if (!tdm__jinja_is_integer(part))
        return absent;
    int64_t i = tdm__jinja_integer(part), low = step < 0 ? -1 : 0, high = step < 0 ? len - 1 : len;
    if (i < 0)
        i = i < -len ? low : i + len;
    return i < low ? low : i > high ? high : i;
}

static tdm_status slice_string(tdm__jinja_run *run, const tdm__jinja_string *s, int64_t start, size_t n, int64_t step,
                               tdm__jinja_value *out)
{
    TDM_TRY(tdm__jinja_spend(run, n / 64 + s->len / 64));
    size_t at = tdm__jinja_string_offset(s, (size_t)(start < 0 ? 0 : start));
    if (step == 1) {
        tdm__jinja_string tail = *s;
        tail.bytes += at;
        tail.len -= at;
        return tdm__jinja_string_part(run, s, at, at + tdm__jinja_string_offset(&tail, n), out);
    }
    tdm__jinja_text *t;
    TDM_TRY(tdm__jinja_text_new(run, n, &t));
    for (size_t i = 0; i < n; i++) {
        TDM_TRY(tdm__jinja_spend(run, 1));
        TDM_TRY(tdm__jinja_text_add_part(run, t, s, at, at + tdm__jinja_rune_len(s->bytes + at)));
        for (int64_t k = 0; k < step && at < s->len; k++)
            at += tdm__jinja_rune_len(s->bytes + at);
        for (int64_t k = 0; k > step && at > 0; k--)
            at = tdm__jinja_rune_before(s->bytes, at);
    }
    return tdm__jinja_text_value(run, t, out);
}

static tdm_status slice_range(tdm__jinja_run *run, const tdm__jinja_range *r, int64_t start, int64_t stop,
                              int64_t step, size_t n, tdm__jinja_value *out)
{
    tdm__jinja_range *part = tdm__jinja_new(run, 1, sizeof *part);
    if (!part)
        return TDM_ERR_LIMIT;
    if (__builtin_mul_overflow(r->step, step, &part->step))
        return tdm__jinja_fail(run, TDM_ERR_LIMIT, "an integer beyond 64 bits");
    part->start = r->start + start * r->step;
    part->stop = r->start + stop * r->step;
    part->len = n;
    *out = (tdm__jinja_value){.kind = TDM__JINJA_RANGE, .as.range = part};
    return TDM_OK;
}

tdm_status tdm__jinja_slice(tdm__jinja_run *run, tdm__jinja_value self, const tdm__jinja_value parts[3],
                            tdm__jinja_value *out)
{
    TDM_TRY(tdm__jinja_require(run, self));
    size_t size = 0;
    bool sliceable = self.kind == TDM__JINJA_STRING || self.kind == TDM__JINJA_RANGE || tdm__jinja_is_list(self);
    for (unsigned i = 0; i < 3; i++)
        if (parts[i].kind > TDM__JINJA_NONE && !tdm__jinja_is_integer(parts[i]))
            sliceable = false;
        else if (parts[i].kind == TDM__JINJA_UNDEFINED)
            sliceable = false;
    if (!sliceable || !tdm__jinja_length(self, &size))
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "%s cannot be sliced so", tdm__jinja_type_name(self));
    int64_t step = tdm__jinja_is_integer(parts[2]) ? tdm__jinja_integer(parts[2]) : 1, len = (int64_t)size;
    if (step == 0)
        return tdm__jinja_fail(run, TDM_ERR_INVAL, "slice step cannot be zero");
    if (step < -INT32_MAX || step > INT32_MAX) /* beyond any length: the same result */
        step = step < 0 ? -INT32_MAX : INT32_MAX;
    int64_t start = slice_bound(parts[0], len, step, step < 0 ? len - 1 : 0);
    int64_t stop = slice_bound(parts[1], len, step, step < 0 ? -1 : len);
    int64_t span = step > 0 ? stop - start : start - stop, stride = step > 0 ? step : -step;
    size_t n = span > 0 ? (size_t)((span - 1) / stride + 1) : 0;
    if (self.kind == TDM__JINJA_STRING)
        return slice_string(run, self.as.string, start, n, step, out);
    if (self.kind == TDM__JINJA_RANGE)
        return slice_range(run, self.as.range, start, stop, step, n, out);
    TDM_TRY(tdm__jinja_spend(run, n));
    tdm__jinja_value *items = tdm__jinja_new(run, n, sizeof *items);
    if (!items)
        return TDM_ERR_LIMIT;
    for (size_t i = 0; i < n; i++)
        items[i] = self.as.sequence->items[start + (int64_t)i * step];
    return tdm__jinja_sequence_make(run, self.as.sequence->flavor, items, n, out);
}
