/* settings.c - values from their text, the file over the defaults, the flags over the file. */
#include "api/settings.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/nearest.h"
#include "os/file.h"
#include "os/heap.h"
#include "policy/yaml.h"

enum { CONFIG_BYTES_MAX = 256 * 1024, SCALAR_CAP = 32 };

/* ---- one value ---- */

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

static const unit units_of_time[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {NULL, 0}};
static const unit units_of_size[] = {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};

/* Decimal digits without a zero before others; *end is behind them. False also beyond 64 bits. */
static bool parse_digits(const char *text, const char **end, uint64_t *out)
{
    uint64_t n = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        const uint64_t digit = (uint64_t)(*p - '0');
        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *end = p;
    *out = n;
    return p > text && (text[0] != '0' || p == text + 1);
}

static bool parse_units(const char *text, const unit *units, uint64_t *out)
{
    const char *end;
    uint64_t n;
    if (!parse_digits(text, &end, &n))
        return false;
    for (const unit *u = units; u->name; u++)
        if (strcmp(end, u->name) == 0) {
            *out = n * u->factor;
            return n <= UINT64_MAX / u->factor;
        }
    return false;
}

static tdm_status parse_number(const tdm__setting *row, const char *name, const char *text, uint64_t *out,
                               tdm_error *err)
{
    static const char *const wanted[] = {[TDM__SETTING_COUNT] = "a whole number",
                                         [TDM__SETTING_TIME] = "a time with its unit (500ms, 30s, 2min, 1h)",
                                         [TDM__SETTING_SIZE] = "a size with its unit (4096B, 64KiB, 1MiB)"};
    const char *end = "";
    bool fine;
    if (row->kind == TDM__SETTING_COUNT)
        fine = parse_digits(text, &end, out) && *end == '\0';
    else
        fine = parse_units(text, row->kind == TDM__SETTING_TIME ? units_of_time : units_of_size, out);
    if (!fine)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s is '%.40s', %s is needed", name, text, wanted[row->kind]);
    if (*out >= row->min && *out <= row->max)
        return TDM_OK;
    tdm__buf range;
    tdm__buf_init(&range, 128);
    if (tdm__setting_put(&range, row, &(tdm__setting_value){.number = row->min}) == TDM_OK &&
        tdm__buf_append_z(&range, " to ") == TDM_OK)
        tdm__setting_put(&range, row, &(tdm__setting_value){.number = row->max});
    const tdm_status s = tdm__fail(err, TDM_ERR_INVAL, "%s is %.40s, %s is allowed", name, text, tdm__buf_cstr(&range));
    tdm__buf_fini(&range);
    return s;
}

static bool is_choice(const char *choices, const char *text)
{
    const size_t len = strlen(text);
    for (const char *p = choices; *p;) {
        const size_t n = strcspn(p, "|");
        if (n == len && memcmp(p, text, n) == 0)
            return true;
        p += n + (p[n] == '|');
    }
    return false;
}

static tdm_status parse_text(const tdm__setting *row, const char *name, const char *text, tdm__setting_value *out,
                             tdm_error *err)
{
    const size_t len = strlen(text);
    if (len > TDM__SETTING_TEXT_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s has %zu bytes, %d are the most", name, len, TDM__SETTING_TEXT_MAX);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            TDM_FAIL(err, TDM_ERR_INVAL, "%s has the control character 0x%02X", name, (unsigned char)text[i]);
    if (row->kind == TDM__SETTING_CHOICE && !is_choice(row->value, text))
        TDM_FAIL(err, TDM_ERR_INVAL, "%s is '%.40s', one of %s is needed", name, text, row->value);
    memcpy(out->text, text, len + 1);
    return TDM_OK;
}

tdm_status tdm__setting_parse(const tdm__setting *row, const char *name, const char *text, tdm__setting_value *out,
                              tdm_error *err)
{
    tdm__setting_value v = {0};
    switch (row->kind) {
    case TDM__SETTING_TEXT:
    case TDM__SETTING_NAMES:
    case TDM__SETTING_CHOICE: TDM_TRY(parse_text(row, name, text, &v, err)); break;
    case TDM__SETTING_COUNT:
    case TDM__SETTING_TIME:
    case TDM__SETTING_SIZE: TDM_TRY(parse_number(row, name, text, &v.number, err)); break;
    case TDM__SETTING_FLAG:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            TDM_FAIL(err, TDM_ERR_INVAL, "%s is '%.40s', true or false is needed", name, text);
        v.number = text[0] == 't';
        break;
    }
    *out = v;
    return TDM_OK;
}

/* ---- the file ---- */

typedef struct config {
    const char *path;
    tdm__str yaml;
    tdm__settings *settings;
} config;

/* The same failure with the place before it. */
static tdm_status at_key(const config *c, const char *key, const tdm_error *why, tdm_error *err)
{
    return tdm__fail(err, why->code, "%.200s:%zu: %s", c->path, tdm__yaml_line_of(c->yaml, key), why->msg);
}

static tdm_status refuse_key(const config *c, const char *key, tdm_error *err)
{
    const size_t line = tdm__yaml_line_of(c->yaml, key);
    if (strncmp(key, "partner", 7) == 0)
        TDM_FAIL(err, TDM_ERR_INVAL,
                 "%.200s:%zu: '%s': whom this device may speak to, and where, comes with its market's signed policy; "
                 "a configuration names no partner", c->path, line, key);
    tdm__nearest near = {.wanted = key, .wanted_len = strlen(key)};
    for (size_t i = 0; i < TDM__N_SETTINGS; i++)
        tdm__nearest_offer(&near, tdm__settings_table[i].key);
    TDM_FAIL(err, TDM_ERR_INVAL, "%.200s:%zu: '%s' is no setting%s%s", c->path, line, key,
             near.best ? ", the nearest is " : " (tandem serve --print-config has them all)",
             near.best ? near.best : "");
}

/* A scalar as it was written: numbers and truth values were read by their JSON spelling. */
static const char *scalar_text(const json_t *value, char buffer[SCALAR_CAP])
{
    if (json_is_boolean(value))
        return json_is_true(value) ? "true" : "false";
    if (json_is_integer(value)) {
        snprintf(buffer, SCALAR_CAP, "%lld", (long long)json_integer_value(value));
        return buffer;
    }
    return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value)
               ? json_string_value(value)
               : NULL;
}

static tdm_status names_parse(const tdm__setting *row, const json_t *list, tdm__setting_value *out, tdm_error *err)
{
    tdm__setting_value v = {0};
    size_t i, len = 0;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *text = json_string_value(item);
        if (!text || text[0] == '\0' || strcspn(text, " \t\n") != json_string_length(item))
            TDM_FAIL(err, TDM_ERR_INVAL, "item %zu of %s is no name", i + 1, row->key);
        const int n = snprintf(v.text + len, sizeof v.text - len, "%s%s", len > 0 ? " " : "", text);
        len += (size_t)n;
        if (len >= sizeof v.text)
            TDM_FAIL(err, TDM_ERR_INVAL, "%s has more than %d bytes of names", row->key, TDM__SETTING_TEXT_MAX);
    }
    return tdm__setting_parse(row, row->key, v.text, out, err);
}

static tdm_status value_read(const tdm__setting *row, const json_t *value, tdm__setting_value *out, tdm_error *err)
{
    char buffer[SCALAR_CAP];
    if (row->kind == TDM__SETTING_NAMES && json_is_array(value))
        return names_parse(row, value, out, err);
    const char *text = scalar_text(value, buffer);
    const bool is_text = row->kind == TDM__SETTING_TEXT || row->kind == TDM__SETTING_CHOICE;
    if (!text || row->kind == TDM__SETTING_NAMES || (is_text && !json_is_string(value)))
        TDM_FAIL(err, TDM_ERR_INVAL, "%s is %s", row->key,
                 row->kind == TDM__SETTING_NAMES ? "no list: write [NAME, ..]" : "no single value of its kind");
    return tdm__setting_parse(row, row->key, text, out, err);
}

static tdm_status config_apply(const config *c, const json_t *root, tdm_error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(root))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%.200s:1: settings are written as KEY: VALUE", c->path);
    json_object_foreach((json_t *)root, key, value)
    {
        size_t i = 0;
        tdm_error why = {0};
        while (i < TDM__N_SETTINGS && strcmp(key, tdm__settings_table[i].key) != 0)
            i++;
        if (i == TDM__N_SETTINGS)
            return refuse_key(c, key, err);
        if (value_read(&tdm__settings_table[i], value, &c->settings->values[i], &why) != TDM_OK)
            return at_key(c, key, &why, err);
    }
    return TDM_OK;
}

/* Whether there are comments and nothing else: that sets nothing, and for YAML there is no document. A file without
 * even that was perhaps cut, and is refused. */
static bool has_only_comments(tdm__str yaml)
{
    bool has_comment = false;
    for (size_t at = 0; at < yaml.len;) {
        size_t end = at;
        while (end < yaml.len && yaml.ptr[end] != '\n')
            end++;
        while (at < end && (yaml.ptr[at] == ' ' || yaml.ptr[at] == '\r'))
            at++;
        if (at < end && yaml.ptr[at] != '#')
            return false;
        has_comment = has_comment || at < end;
        at = end + 1;
    }
    return has_comment;
}

static tdm_status config_read(tdm__str yaml, const char *path, tdm__settings *s, tdm_error *err)
{
    json_t *root = NULL;
    const config c = {.path = path, .yaml = yaml, .settings = s};
    if (has_only_comments(yaml))
        return TDM_OK;
    TDM_TRY(tdm__yaml_to_json(yaml, path, &root, err));
    const tdm_status status = config_apply(&c, root, err);
    json_decref(root);
    return status;
}

/* ---- all ---- */

tdm_status tdm__settings_read(const tdm__str *yaml, const char *path, const tdm__settings_flags *flags,
                              tdm__settings *out, tdm_error *err)
{
    for (size_t i = 0; i < TDM__N_SETTINGS; i++) {
        const tdm__setting *row = &tdm__settings_table[i];
        TDM_TRY(tdm__setting_parse(row, row->key, row->initial, &out->values[i], err));
    }
    if (yaml)
        TDM_TRY(config_read(*yaml, path, out, err));
    for (size_t i = 0; i < TDM__N_SETTINGS; i++) {
        const tdm__setting *row = &tdm__settings_table[i];
        if (flags->texts[i])
            TDM_TRY(tdm__setting_parse(row, row->flag, flags->texts[i], &out->values[i], err));
    }
    tdm__reach reach;
    return tdm__settings_check(out, &reach, err);
}

tdm_status tdm__settings_load(const char *path, const tdm__settings_flags *flags, tdm__settings *out, tdm_error *err)
{
    char *text = NULL;
    tdm__str yaml = {0};
    if (!path)
        return tdm__settings_read(NULL, NULL, flags, out, err);
    const int rc = tdm__file_read_regular(path, CONFIG_BYTES_MAX, &text, &yaml.len);
    if (rc == EINVAL)
        TDM_FAIL(err, TDM_ERR_INVAL, "the configuration %.300s is no regular file, which each reload could read again",
                 path);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the configuration %.300s cannot be read", path);
    yaml.ptr = text;
    const tdm_status status = tdm__settings_read(&yaml, path, flags, out, err);
    tdm__free(text);
    return status;
}

tdm__setting_id tdm__settings_find_fixed(const tdm__settings *before, const tdm__settings *after)
{
    for (size_t i = 0; i < TDM__N_SETTINGS; i++) {
        const tdm__setting_value *a = &before->values[i], *b = &after->values[i];
        if (!tdm__settings_table[i].is_reloadable && (a->number != b->number || strcmp(a->text, b->text) != 0))
            return (tdm__setting_id)i;
    }
    return TDM__N_SETTINGS;
}
