/* keyring.c - keys.json read into a table, and the one question asked of it. Every entry is checked when it is read, so
 * that finding cannot fail; unknown members are refused, for a limit that we do not understand must not be passed over.
 */
#include "policy/keyring.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/heap.h"

enum { KEYS_MAX = 256, KEYRING_TEXT_MAX = 128 };

struct tdm__keyring {
    json_t *json; /* owns the entries' texts */
    tdm__keyring_entry *entries;
    size_t n;
};

static const struct {
    const char *name;
    tdm__key_role role;
} role_names[] = {
    {"maker", TDM__KEY_MAKER},
    {"provider", TDM__KEY_PROVIDER},
    {"regulator", TDM__KEY_REGULATOR},
    {"gateway", TDM__KEY_GATEWAY},
};

static tdm_status get_role(const json_t *entry, const char *what, tdm__key_role *out, tdm_error *err)
{
    const char *name = NULL;
    TDM_TRY(tdm__json_get_str(entry, "role", what, &name, err));
    for (size_t i = 0; i < sizeof role_names / sizeof role_names[0]; i++)
        if (strcmp(name, role_names[i].name) == 0) {
            *out = role_names[i].role;
            return TDM_OK;
        }
    TDM_FAIL(err, TDM_ERR_FORMAT, "%s: role is %.40s; maker, provider, regulator and gateway are known", what, name);
}

static tdm_status get_text(const json_t *object, const char *key, const char *what, const char **out, tdm_error *err)
{
    TDM_TRY(tdm__json_get_str(object, key, what, out, err));
    size_t len = strlen(*out);
    if (len == 0 || len > KEYRING_TEXT_MAX)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s has %zu bytes, 1 to %d are allowed", what, key, len, KEYRING_TEXT_MAX);
    return TDM_OK;
}

/* "name": {"en":..,"zh":..}, either or none of them. */
static tdm_status get_names(const json_t *entry, const char *what, tdm__keyring_entry *e, tdm_error *err)
{
    static const char *const known[] = {"en", "zh", NULL};
    const json_t *names = json_object_get(entry, "name");
    e->name_en = e->name_zh = "";
    if (!names)
        return TDM_OK;
    TDM_TRY(tdm__json_check_keys(names, what, known, err));
    if (json_object_get(names, "en"))
        TDM_TRY(get_text(names, "en", what, &e->name_en, err));
    if (json_object_get(names, "zh"))
        TDM_TRY(get_text(names, "zh", what, &e->name_zh, err));
    return TDM_OK;
}

static tdm_status get_markets(const json_t *entry, const char *what, tdm__keyring_entry *e, tdm_error *err)
{
    const json_t *list = NULL;
    TDM_TRY(tdm__json_get_array(entry, "markets", what, TDM__KEY_MARKETS_MAX, &list, err));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *m = json_string_value(json_array_get(list, i));
        if (!m || strlen(m) != 2 || m[0] < 'A' || m[0] > 'Z' || m[1] < 'A' || m[1] > 'Z')
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: markets[%zu] must be two capital letters", what, i);
        e->markets[e->n_markets++] = m;
    }
    if (e->n_markets == 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: markets is empty, so the key could sign nothing", what);
    return TDM_OK;
}

static tdm_status get_entry(const json_t *entry, const char *what, bool is_demo, tdm__keyring_entry *e, tdm_error *err)
{
    static const char *const known[] = {"id",         "key",      "name",    "role", "markets",
                                        "valid_from", "valid_to", "revoked", "demo", NULL};
    TDM_TRY(tdm__json_check_keys(entry, what, known, err));
    TDM_TRY(get_text(entry, "id", what, &e->id, err));
    TDM_TRY(tdm__public_key_parse(json_object_get(entry, "key"), what, &e->key, err));
    TDM_TRY(get_names(entry, what, e, err));
    TDM_TRY(get_role(entry, what, &e->role, err));
    TDM_TRY(get_markets(entry, what, e, err));
    TDM_TRY(tdm__json_get_time(entry, "valid_from", what, &e->valid_from_unix_s, err));
    TDM_TRY(tdm__json_get_time(entry, "valid_to", what, &e->valid_to_unix_s, err));
    if (e->valid_to_unix_s <= e->valid_from_unix_s)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: valid_to is not after valid_from", what);
    if (json_object_get(entry, "revoked"))
        TDM_TRY(tdm__json_get_bool(entry, "revoked", what, &e->is_revoked, err));
    e->is_demo = is_demo;
    if (json_object_get(entry, "demo"))
        TDM_TRY(tdm__json_get_bool(entry, "demo", what, &e->is_demo, err));
    return TDM_OK;
}

static tdm_status check_entry(const tdm__keyring *k, const tdm__keyring_entry *e, bool is_demo_root, tdm_error *err)
{
    if (e->is_demo && !is_demo_root)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "the key %.40s is a demo's, and the root that signed it is none", e->id);
    for (size_t i = 0; i < k->n; i++)
        if (strcmp(k->entries[i].id, e->id) == 0 || strcmp(k->entries[i].key.id, e->key.id) == 0)
            TDM_FAIL(err, TDM_ERR_FORMAT, "keys: %.40s and %.40s are the same key or have the same id",
                     k->entries[i].id, e->id);
    return TDM_OK;
}

static tdm_status read_keys(tdm__keyring *k, bool is_demo_root, tdm_error *err)
{
    static const char *const known[] = {"_type", "demo", "keys", NULL};
    const char *type = NULL;
    const json_t *list = NULL;
    bool is_demo = false;
    TDM_TRY(tdm__json_check_keys(k->json, "keys", known, err));
    TDM_TRY(tdm__json_get_str(k->json, "_type", "keys", &type, err));
    if (strcmp(type, "keys") != 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "keys: _type is %.40s, keys is needed", type);
    TDM_TRY(tdm__json_get_bool(k->json, "demo", "keys", &is_demo, err));
    if (is_demo != is_demo_root)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "keys: they are %s, and the root that signed them is %s",
                 is_demo ? "a demo's" : "no demo's", is_demo_root ? "one" : "none");
    TDM_TRY(tdm__json_get_array(k->json, "keys", "keys", KEYS_MAX, &list, err));
    k->entries = tdm__calloc(json_array_size(list) + 1, sizeof *k->entries);
    if (!k->entries)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for %zu keys", json_array_size(list));
    for (size_t i = 0; i < json_array_size(list); i++) {
        char what[40];
        snprintf(what, sizeof what, "keys: keys[%zu]", i);
        TDM_TRY(get_entry(json_array_get(list, i), what, is_demo, &k->entries[i], err));
        TDM_TRY(check_entry(k, &k->entries[i], is_demo_root, err));
        k->n = i + 1;
    }
    return TDM_OK;
}

tdm_status tdm__keyring_create(const json_t *keys, bool is_demo_root, tdm__keyring **out, tdm_error *err)
{
    tdm__keyring *k = tdm__calloc(1, sizeof *k);
    if (!k)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for keys");
    k->json = json_incref((json_t *)keys);
    tdm_status s = read_keys(k, is_demo_root, err);
    if (s == TDM_OK)
        *out = k;
    else
        tdm__keyring_destroy(k);
    return s;
}

void tdm__keyring_destroy(tdm__keyring *k)
{
    if (!k)
        return;
    json_decref(k->json);
    tdm__free(k->entries);
    tdm__free(k);
}

static bool speaks_for(const tdm__keyring_entry *e, const char *market)
{
    for (size_t i = 0; market && i < e->n_markets; i++)
        if (strcmp(e->markets[i], market) == 0)
            return true;
    return market == NULL;
}

static tdm__key_fault fault_of(const tdm__keyring_entry *e, tdm__key_role role, const char *market, int64_t at_unix_s)
{
    if (e->is_revoked)
        return TDM__KEY_REVOKED;
    if (e->role != role)
        return TDM__KEY_OTHER_ROLE;
    if (!speaks_for(e, market))
        return TDM__KEY_OTHER_MARKET;
    if (at_unix_s < e->valid_from_unix_s || at_unix_s >= e->valid_to_unix_s)
        return TDM__KEY_NOT_VALID_THEN;
    return TDM__KEY_FINE;
}

const tdm__keyring_entry *tdm__keyring_find(const tdm__keyring *k, const char *keyid, tdm__key_role role,
                                            const char *market, int64_t at_unix_s, tdm__key_fault *fault)
{
    *fault = TDM__KEY_UNKNOWN;
    for (size_t i = 0; i < k->n && keyid; i++)
        if (strcmp(k->entries[i].key.id, keyid) == 0) {
            *fault = fault_of(&k->entries[i], role, market, at_unix_s);
            return *fault == TDM__KEY_FINE ? &k->entries[i] : NULL;
        }
    return NULL;
}

size_t tdm__keyring_n(const tdm__keyring *k) { return k->n; }

const tdm__keyring_entry *tdm__keyring_at(const tdm__keyring *k, size_t i) { return &k->entries[i]; }
