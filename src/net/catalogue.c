/* catalogue.c - the strict reading of a catalogue, and the finding of a name in it.
 *
 * jansson parses (duplicate keys refused, its own depth limit of 2,048); every field is then checked against a closed
 * list, copied into one arena, and the JSON is dropped. What comes out needs no further check by its users: names are
 * safe as file names, packages and versions as arguments of a program, URLs are ones that transfer.c takes.
 */
#include "net/catalogue.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/checked.h"
#include "base/error.h"
#include "net/catalogue_builtin.h"
#include "net/transfer.h"
#include "os/file.h"
#include "os/heap.h"

enum { TEXT_MAX = 512, ARENA_BYTES_MAX = 4 * 1024 * 1024 };

struct tdm__catalogue {
    tdm__arena arena;
    tdm__catalogue_entry *entries;
    size_t n_entries;
};

/* Where the reader stands, for its sentences: "models.json: models[1].sources[0].url: ...". */
typedef struct reader {
    tdm__catalogue *c;
    const char *origin;
    char at[64];
    tdm_error *err;
} reader;

__attribute__((format(printf, 3, 4))) static tdm_status refuse(const reader *r, const char *field, const char *fmt, ...)
{
    char what[240];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return tdm__fail(r->err, TDM_ERR_FORMAT, "%.100s: %s%s%s: %s", r->origin, r->at, r->at[0] ? "." : "", field, what);
}

static tdm_status no_memory(const reader *r)
{
    return tdm__fail(r->err, TDM_ERR_NOMEM, "%.100s: no memory for the catalogue", r->origin);
}

/* Each key of the object must be one of allowed. */
static tdm_status check_keys(const reader *r, json_t *object, const char *const *allowed)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return refuse(r, "value", "an object is needed");
    json_object_foreach(object, key, value)
    {
        const char *const *k = allowed;
        while (*k && strcmp(*k, key) != 0)
            k++;
        if (!*k)
            return refuse(r, "field", "%.40s is not known", key);
    }
    return TDM_OK;
}

/* A text of 1 to TEXT_MAX printable ASCII characters: it is shown on terminals and handed to programs. */
static tdm_status get_text(reader *r, json_t *object, const char *field, const char **out)
{
    json_t *v = json_object_get(object, field);
    if (!json_is_string(v))
        return refuse(r, field, "a text is needed");
    tdm__str s = {json_string_value(v), json_string_length(v)};
    if (s.len == 0 || s.len > TEXT_MAX)
        return refuse(r, field, "%zu characters, 1 to %d are allowed", s.len, TEXT_MAX);
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7E)
            return refuse(r, field, "byte %zu is no printable ASCII character", i);
    *out = tdm__arena_dup(&r->c->arena, s);
    return *out ? TDM_OK : no_memory(r);
}

/* A text of allowed characters that begins with a letter or a digit: no option of a program, no hidden file. */
static tdm_status get_word(reader *r, json_t *object, const char *field, const char *allowed, const char **out)
{
    TDM_TRY(get_text(r, object, field, out));
    size_t len = strlen(*out), good = strspn(*out, allowed);
    if (good != len)
        return refuse(r, field, "'%c' at %zu is not allowed in it", (*out)[good], good);
    if (len > TDM__CATALOGUE_NAME_MAX || strchr("._-/", (*out)[0]))
        return refuse(r, field, "it must begin with a letter or a digit and have at most %d characters",
               TDM__CATALOGUE_NAME_MAX);
    return TDM_OK;
}

static tdm_status get_bytes(reader *r, json_t *object, const char *field, uint64_t *out)
{
    json_t *v = json_object_get(object, field);
    if (!json_is_integer(v) || json_integer_value(v) <= 0)
        return refuse(r, field, "a whole number above zero is needed");
    *out = (uint64_t)json_integer_value(v);
    return TDM_OK;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

static tdm_status get_part(reader *r, json_t *object, tdm__source_part *part)
{
    static const char *const keys[] = {"package", "member", "bytes", NULL};
    TDM_TRY(check_keys(r, object, keys));
    TDM_TRY(get_word(r, object, "package", LOWER UPPER DIGIT "._-", &part->package));
    TDM_TRY(get_word(r, object, "member", LOWER UPPER DIGIT "._-/", &part->member));
    return get_bytes(r, object, "bytes", &part->bytes);
}

/* The array's length within 1 .. max. */
static tdm_status get_array(const reader *r, json_t *object, const char *field, size_t max, json_t **out, size_t *n)
{
    *out = json_object_get(object, field);
    if (!json_is_array(*out))
        return refuse(r, field, "an array is needed");
    *n = json_array_size(*out);
    if (*n == 0 || *n > max)
        return refuse(r, field, "%zu entries, 1 to %zu are allowed", *n, max);
    return TDM_OK;
}

static tdm_status get_parts(reader *r, json_t *object, uint64_t bytes, tdm__weights_source *source)
{
    json_t *array = NULL;
    size_t n = 0;
    uint64_t sum = 0;
    TDM_TRY(get_word(r, object, "version", LOWER DIGIT "._-", &source->version));
    TDM_TRY(get_array(r, object, "parts", TDM__CATALOGUE_PARTS_MAX, &array, &n));
    tdm__source_part *parts = tdm__arena_array(&r->c->arena, n, sizeof *parts);
    if (!parts)
        return no_memory(r);
    for (size_t i = 0; i < n; i++) {
        TDM_TRY(get_part(r, json_array_get(array, i), &parts[i]));
        if (!tdm__add_u64(sum, parts[i].bytes, &sum))
            return refuse(r, "parts", "their sum is beyond %" PRIu64, UINT64_MAX);
    }
    if (sum != bytes)
        return refuse(r, "parts", "their bytes add up to %" PRIu64 ", the model has %" PRIu64, sum, bytes);
    source->kind = TDM__WEIGHTS_PARTS;
    source->parts = parts;
    source->n_parts = n;
    return TDM_OK;
}

static tdm_status get_url(reader *r, json_t *object, tdm__weights_source *source)
{
    tdm_error why;
    TDM_TRY(get_text(r, object, "url", &source->url));
    if (tdm__transfer_check_url(source->url, &why) != TDM_OK)
        return refuse(r, "url", "%s", why.msg);
    source->kind = TDM__WEIGHTS_URL;
    return TDM_OK;
}

static tdm_status get_source(reader *r, json_t *object, uint64_t bytes, tdm__weights_source *source)
{
    static const char *const url_keys[] = {"title", "kind", "tested", "url", NULL};
    static const char *const parts_keys[] = {"title", "kind", "tested", "version", "parts", NULL};
    const char *kind = json_string_value(json_object_get(object, "kind"));
    bool is_url = kind && strcmp(kind, "url") == 0;
    if (!is_url && !(kind && strcmp(kind, "parts") == 0))
        return refuse(r, "kind", "url or parts is needed");
    TDM_TRY(check_keys(r, object, is_url ? url_keys : parts_keys));
    TDM_TRY(get_text(r, object, "title", &source->title));
    json_t *tested = json_object_get(object, "tested");
    if (!json_is_boolean(tested))
        return refuse(r, "tested", "true or false is needed");
    source->tested = json_is_true(tested);
    return is_url ? get_url(r, object, source) : get_parts(r, object, bytes, source);
}

static tdm_status get_sources(reader *r, json_t *object, size_t i_entry, tdm__catalogue_entry *e)
{
    json_t *array;
    TDM_TRY(get_array(r, object, "sources", TDM__CATALOGUE_SOURCES_MAX, &array, &e->n_sources));
    tdm__weights_source *sources = tdm__arena_array(&r->c->arena, e->n_sources, sizeof *sources);
    if (!sources)
        return no_memory(r);
    e->sources = sources;
    for (size_t i = 0; i < e->n_sources; i++) {
        snprintf(r->at, sizeof r->at, "models[%zu].sources[%zu]", i_entry, i);
        TDM_TRY(get_source(r, json_array_get(array, i), e->bytes, &sources[i]));
    }
    return TDM_OK;
}

static tdm_status get_entry(reader *r, json_t *object, size_t i, tdm__catalogue_entry *e)
{
    static const char *const keys[] = {"name", "family", "vendor", "licence", "bytes", "sha256", "sources", NULL};
    snprintf(r->at, sizeof r->at, "models[%zu]", i);
    TDM_TRY(check_keys(r, object, keys));
    TDM_TRY(get_word(r, object, "name", LOWER DIGIT "._-", &e->name));
    for (size_t k = 0; k < i; k++)
        if (strcmp(e->name, r->c->entries[k].name) == 0)
            return refuse(r, "name", "%s is there twice", e->name);
    TDM_TRY(get_word(r, object, "family", LOWER DIGIT "._-", &e->family));
    TDM_TRY(get_text(r, object, "vendor", &e->vendor));
    TDM_TRY(get_text(r, object, "licence", &e->licence));
    TDM_TRY(get_bytes(r, object, "bytes", &e->bytes));
    TDM_TRY(get_word(r, object, "sha256", DIGIT "abcdef", &e->sha256));
    if (strlen(e->sha256) != 64)
        return refuse(r, "sha256", "%zu hex digits, 64 are needed", strlen(e->sha256));
    return get_sources(r, object, i, e);
}

static tdm_status get_catalogue(reader *r, json_t *root)
{
    static const char *const keys[] = {"about", "models", NULL};
    json_t *array = NULL;
    size_t n = 0;
    TDM_TRY(check_keys(r, root, keys));
    TDM_TRY(get_array(r, root, "models", TDM__CATALOGUE_MODELS_MAX, &array, &n));
    r->c->entries = tdm__arena_array(&r->c->arena, n, sizeof *r->c->entries);
    if (!r->c->entries)
        return no_memory(r);
    for (size_t i = 0; i < n; i++) {
        TDM_TRY(get_entry(r, json_array_get(array, i), i, &r->c->entries[i]));
        r->c->n_entries = i + 1;
    }
    return TDM_OK;
}

tdm_status tdm__catalogue_parse(const char *json, size_t len, const char *origin, tdm__catalogue **out, tdm_error *err)
{
    if (len > TDM__CATALOGUE_BYTES_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%.100s: %zu bytes, %d are the most", origin, len, TDM__CATALOGUE_BYTES_MAX);
    json_error_t why;
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &why);
    if (!root)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%.100s: line %d: no JSON: %s", origin, why.line, why.text);
    tdm_status s = TDM_ERR_NOMEM;
    tdm__catalogue *c = tdm__calloc(1, sizeof *c);
    if (c) {
        tdm__arena_init(&c->arena, "catalogue", ARENA_BYTES_MAX);
        s = get_catalogue(&(reader){.c = c, .origin = origin, .err = err}, root);
    } else {
        (void)tdm__fail(err, s, "%.100s: no memory for the catalogue", origin);
    }
    json_decref(root);
    if (s == TDM_OK)
        *out = c;
    else
        tdm__catalogue_close(c);
    return s;
}

tdm_status tdm__catalogue_open(const char *path, tdm__catalogue **out, tdm_error *err)
{
    if (!path)
        return tdm__catalogue_parse((const char *)tdm__catalogue_builtin, tdm__catalogue_builtin_len,
                                    "the catalogue of this build", out, err);
    char *json;
    size_t len;
    int rc = tdm__file_read(path, TDM__CATALOGUE_BYTES_MAX, &json, &len);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the catalogue %.200s cannot be read", path);
    tdm_status s = tdm__catalogue_parse(json, len, path, out, err);
    tdm__free(json);
    return s;
}

void tdm__catalogue_close(tdm__catalogue *c)
{
    if (!c)
        return;
    tdm__arena_reset(&c->arena);
    tdm__free(c);
}

size_t tdm__catalogue_count(const tdm__catalogue *c)
{
    return c->n_entries;
}

const tdm__catalogue_entry *tdm__catalogue_at(const tdm__catalogue *c, size_t i)
{
    return &c->entries[i];
}

/* The names that begin with prefix, as far as they fit: "a, b, c". */
static void list_names(const tdm__catalogue *c, const char *prefix, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < c->n_entries && len < cap; i++) {
        if (strncmp(c->entries[i].name, prefix, strlen(prefix)) != 0)
            continue;
        int n = snprintf(out + len, cap - len, "%s%s", len > 0 ? ", " : "", c->entries[i].name);
        len += n > 0 ? (size_t)n : 0;
    }
}

tdm_status tdm__catalogue_find(const tdm__catalogue *c, const char *name, const tdm__catalogue_entry **out,
                               tdm_error *err)
{
    const tdm__catalogue_entry *found = NULL;
    size_t n_found = 0, len = strlen(name);
    for (size_t i = 0; i < c->n_entries && len > 0; i++) {
        const tdm__catalogue_entry *e = &c->entries[i];
        if (strncmp(e->name, name, len) != 0)
            continue;
        found = e;
        n_found++;
        if (e->name[len] == '\0') {
            n_found = 1;
            break;
        }
    }
    char names[240];
    list_names(c, n_found > 1 ? name : "", names, sizeof names);
    if (n_found == 0)
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "%.100s is no model of the catalogue; it has %s", name, names);
    if (n_found > 1)
        TDM_FAIL(err, TDM_ERR_INVAL, "%.100s is the beginning of %zu models: %s", name, n_found, names);
    *out = found;
    return TDM_OK;
}
