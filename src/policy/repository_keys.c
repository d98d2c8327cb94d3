/* repository_keys.c - keys.yaml: who may sign records, cases and verdicts, to the target keys.json.
 *
 * People name a key by the path of its .pub file; signed is the key itself. All else is carried over and then read by
 * the reader that devices use; a mistake gets its line.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/heap.h"
#include "policy/keyring.h"
#include "policy/repository_internal.h"
#include "policy/yaml.h"

enum { KEYS_MAX = 256 };

typedef struct compiler {
    const char *in_dir;
    const char *path; /* of the file, for sentences */
    tdm__str yaml;
    bool is_demo;
    tdm_error *err;
} compiler;

static tdm_status refuse(const compiler *c, size_t i, tdm_status code, const char *why)
{
    char at[32];
    snprintf(at, sizeof at, "[%zu]", i);
    return tdm__fail(c->err, code, "%s:%zu: %s", c->path, tdm__yaml_line_of(c->yaml, at), why);
}

/* pub: PATH becomes key: {TUF's key object}. */
static tdm_status put_key(const compiler *c, size_t i, json_t *entry)
{
    char path[PATH_MAX];
    tdm__public_key key;
    tdm_error why = {0};
    const char *pub = json_string_value(json_object_get(entry, "pub"));
    if (!pub || pub[0] == '\0')
        return refuse(c, i, TDM_ERR_FORMAT, "an entry needs pub: the path of its NAME.pub");
    int n = snprintf(path, sizeof path, "%s%s%s", pub[0] == '/' ? "" : c->in_dir, pub[0] == '/' ? "" : "/", pub);
    if (n < 0 || (size_t)n >= sizeof path)
        return refuse(c, i, TDM_ERR_LIMIT, "the path in pub is too long");
    tdm_status s = tdm__public_key_load(path, &key, &why);
    if (s != TDM_OK)
        return refuse(c, i, s, why.msg);
    json_object_del(entry, "pub");
    json_t *object = tdm__public_key_json(&key);
    if (!object || json_object_set_new(entry, "key", object) != 0)
        return refuse(c, i, TDM_ERR_NOMEM, "no memory");
    return TDM_OK;
}

static tdm_status check(const compiler *c, const json_t *document, tdm_error *why)
{
    tdm__keyring *keyring = NULL;
    tdm_status s = tdm__keyring_create(document, c->is_demo, &keyring, why);
    tdm__keyring_destroy(keyring);
    return s;
}

/* Reads it all as a device would. Of a refused document the shortest refused beginning is sought: its last entry is the
 * one to blame. */
static tdm_status check_all(const compiler *c, json_t *document)
{
    json_t *keys = json_object_get(document, "keys");
    tdm_error why = {0};
    tdm_status s = check(c, document, &why);
    while (s != TDM_OK && json_array_size(keys) > 1) {
        tdm_error shorter = {0};
        const size_t last = json_array_size(keys) - 1;
        json_array_remove(keys, last);
        const tdm_status s_shorter = check(c, document, &shorter);
        if (s_shorter == TDM_OK)
            return refuse(c, last, s, why.msg);
        s = s_shorter;
        why = shorter;
    }
    return s == TDM_OK ? TDM_OK : refuse(c, 0, s, why.msg);
}

static tdm_status compile(const compiler *c, const json_t *entries, json_t *document)
{
    json_t *keys = json_object_get(document, "keys");
    if (!json_is_array(entries) || json_array_size(entries) > KEYS_MAX)
        TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s: a list of at most %d keys is needed", c->path, KEYS_MAX);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        json_t *entry = json_array_get(entries, i);
        if (!json_is_object(entry))
            return refuse(c, i, TDM_ERR_FORMAT, "an entry must be a map");
        TDM_TRY(put_key(c, i, entry));
        if (json_array_append(keys, entry) != 0)
            return refuse(c, i, TDM_ERR_NOMEM, "no memory");
    }
    return check_all(c, document);
}

tdm_status tdm__repository_keys_compile(const char *in_dir, bool is_demo, tdm__buf *out, tdm_error *err)
{
    char path[PATH_MAX];
    tdm__str text = {0};
    json_t *entries = NULL;
    TDM_TRY(tdm__repository_yaml_read(in_dir, "keys.yaml", path, &text, &entries, err));
    json_t *document = json_pack("{s:s, s:b, s:[]}", "_type", "keys", "demo", is_demo, "keys");
    compiler c = {.in_dir = in_dir, .path = path, .yaml = text, .is_demo = is_demo, .err = err};
    tdm_status s = document ? TDM_OK : tdm__fail(err, TDM_ERR_NOMEM, "no memory for %s", path);
    if (s == TDM_OK)
        s = compile(&c, entries, document);
    if (s == TDM_OK)
        s = tdm__json_canonical(document, out, err);
    json_decref(document);
    json_decref(entries);
    tdm__free((char *)text.ptr);
    return s;
}
