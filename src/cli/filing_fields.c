/* filing_fields.c - from the options of tandem filing to the fields of an entry.
 *
 * Files are named by what they hold: a document by its last path component, length and SHA-256, a model of one's own by
 * its weights' SHA-256, which is given, found in the built-in catalogue, or taken from the file.
 */
#include <string.h>

#include "base/error.h"
#include "base/sha256.h"
#include "cli/filing_options.h"
#include "net/catalogue.h"
#include "os/map.h"

static tdm_status hash_file(const char *path, char sha256[TDM__SHA256_TEXT], size_t *n_bytes, tdm_error *err)
{
    tdm__map map;
    int rc = tdm__map_open(path, &map);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%s cannot be read", path);
    tdm__sha256_hex(map.ptr, map.len, sha256);
    *n_bytes = map.len;
    const bool is_intact = tdm__map_is_intact(&map);
    tdm__map_close(&map);
    if (!is_intact)
        TDM_FAIL(err, TDM_ERR_IO, "%s changed while it was read", path);
    return TDM_OK;
}

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static tdm_status documents_json(const tdm__texts *paths, json_t *out, tdm_error *err)
{
    for (size_t i = 0; i < paths->n; i++) {
        char sha256[TDM__SHA256_TEXT];
        size_t n_bytes = 0;
        TDM_TRY(hash_file(paths->items[i], sha256, &n_bytes, err));
        if (json_array_append_new(out, json_pack("{s:I, s:s, s:s}", "bytes", (json_int_t)n_bytes, "name",
                                                 last_component(paths->items[i]), "sha256", sha256)) != 0)
            TDM_FAIL(err, TDM_ERR_FORMAT, "the name of %s is no UTF-8", paths->items[i]);
    }
    return TDM_OK;
}

static tdm_status add_model(json_t *models, const char *partner, const char *model, size_t model_len, const char *key,
                            const char *value, tdm_error *err)
{
    json_t *one = json_pack("{s:s#, s:s, s:s}", "model", model, model_len, "partner", partner, key, value);
    if (json_array_append_new(models, one) != 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "the model's name or its %s is no UTF-8", key);
    return TDM_OK;
}

static tdm_status add_catalogue_model(json_t *models, const char *name, tdm_error *err)
{
    tdm__catalogue *c = NULL;
    const tdm__catalogue_entry *e = NULL;
    TDM_TRY(tdm__catalogue_open(NULL, &c, err));
    tdm_status s = tdm__catalogue_find(c, name, &e, err);
    if (s == TDM_OK)
        s = add_model(models, "", e->name, strlen(e->name), "sha256", e->sha256, err);
    tdm__catalogue_close(c);
    return s;
}

static tdm_status add_file_model(json_t *models, const char *path, tdm_error *err)
{
    char sha256[TDM__SHA256_TEXT];
    size_t n_bytes = 0;
    const char *name = last_component(path);
    const size_t len = strlen(name), bare = len > 5 && strcmp(name + len - 5, ".gguf") == 0 ? len - 5 : len;
    TDM_TRY(hash_file(path, sha256, &n_bytes, err));
    return add_model(models, "", name, bare, "sha256", sha256, err);
}

/* NAME=SHA256, a catalogue name, or a file (it has a slash or ends in .gguf). */
static tdm_status add_own_model(json_t *models, const char *text, tdm_error *err)
{
    const char *equals = strrchr(text, '=');
    const size_t len = strlen(text);
    if (equals)
        return add_model(models, "", text, (size_t)(equals - text), "sha256", equals + 1, err);
    if (strchr(text, '/') || (len > 5 && strcmp(text + len - 5, ".gguf") == 0))
        return add_file_model(models, text, err);
    return add_catalogue_model(models, text, err);
}

static tdm_status models_json(const filing_options *o, json_t *models, tdm_error *err)
{
    for (size_t i = 0; i < o->models.n; i++)
        TDM_TRY(add_own_model(models, o->models.items[i], err));
    if (!o->partner && !o->partner_model && !o->partner_date)
        return TDM_OK;
    if (!o->partner || !o->partner_model || !o->partner_date)
        TDM_FAIL(err, TDM_ERR_INVAL, "a partner's model needs --partner, --partner-model and --partner-date together");
    return add_model(models, o->partner, o->partner_model, strlen(o->partner_model), "date", o->partner_date, err);
}

static tdm_status set_text(json_t *fields, const char *key, const char *option, const char *text, tdm_error *err)
{
    if (!text)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s is missing", option);
    if (json_object_set_new(fields, key, json_string(text)) != 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "%s is no UTF-8", option);
    return TDM_OK;
}

static tdm_status set_texts(json_t *fields, const char *key, const tdm__texts *texts, tdm_error *err)
{
    json_t *all = json_array();
    for (size_t i = 0; all && i < texts->n; i++)
        if (json_array_append_new(all, json_string(texts->items[i])) != 0) {
            json_decref(all);
            TDM_FAIL(err, TDM_ERR_INVAL, "one of %s is no UTF-8", key);
        }
    return json_object_set_new(fields, key, all) == 0 ? TDM_OK : tdm__fail(err, TDM_ERR_NOMEM, "no memory for %s", key);
}

static tdm_status set_new(const filing_options *o, json_t *fields, tdm_error *err)
{
    TDM_TRY(set_text(fields, "id", "--id", o->id, err));
    TDM_TRY(set_text(fields, "market", "--market", o->market, err));
    TDM_TRY(set_text(fields, "maker", "--maker", o->maker, err));
    TDM_TRY(set_text(fields, "provider", "--provider", o->provider, err));
    TDM_TRY(set_texts(fields, "features", &o->features, err));
    json_t *models = json_array();
    if (json_object_set_new(fields, "models", models) != 0 ||
        json_object_set_new(fields, "demo", json_boolean(o->is_demo)) != 0)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a case's models");
    return models_json(o, models, err);
}

/* The section that the signer's role gives; ERR_INVAL when it has none or both. */
static tdm_status find_section(const tdm__public_key *signer, const tdm__keyring *keys, const char **out,
                               tdm_error *err)
{
    bool is_maker = false, is_provider = false;
    for (size_t i = 0; keys && i < tdm__keyring_n(keys); i++) {
        const tdm__keyring_entry *e = tdm__keyring_at(keys, i);
        if (strcmp(e->key.id, signer->id) != 0)
            continue;
        is_maker |= e->role == TDM__KEY_MAKER;
        is_provider |= e->role == TDM__KEY_PROVIDER;
    }
    if (is_maker == is_provider)
        TDM_FAIL(err, TDM_ERR_INVAL, "--section is missing: maker or provider");
    *out = is_maker ? "maker" : "provider";
    return TDM_OK;
}

static tdm_status set_documents(const filing_options *o, json_t *fields, tdm_error *err)
{
    json_t *documents = json_array();
    if (json_object_set_new(fields, "documents", documents) != 0)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for documents");
    return documents_json(&o->documents, documents, err);
}

static tdm_status set_fields(const filing_options *o, tdm__filing_action action, const tdm__public_key *signer,
                             const tdm__keyring *keys, json_t *fields, tdm_error *err)
{
    const char *section = o->section;
    switch (action) {
    case TDM__FILING_NEW:
        return set_new(o, fields, err);
    case TDM__FILING_SUBMIT:
        if (!section)
            TDM_TRY(find_section(signer, keys, &section, err));
        TDM_TRY(set_text(fields, "section", "--section", section, err));
        return set_documents(o, fields, err);
    case TDM__FILING_REVIEW:
        return TDM_OK;
    case TDM__FILING_ASK:
        return set_text(fields, "text", "--text", o->text, err);
    case TDM__FILING_ANSWER:
        if (o->documents.n > 0)
            TDM_TRY(set_documents(o, fields, err));
        return set_text(fields, "text", "--text", o->text, err);
    case TDM__FILING_APPROVE:
        if (o->conditions.n > 0)
            TDM_TRY(set_texts(fields, "conditions", &o->conditions, err));
        if (o->is_hypothetical && json_object_set_new(fields, "hypothetical", json_true()) != 0)
            TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for an approval");
        return o->expires ? set_text(fields, "expires", "--expires", o->expires, err) : TDM_OK;
    case TDM__FILING_REFUSE:
    case TDM__FILING_WITHDRAW:
        return o->text ? set_text(fields, "text", "--text", o->text, err) : TDM_OK;
    }
    return TDM_OK;
}

tdm_status tdm__filing_fields(const filing_options *o, tdm__filing_action action, const tdm__public_key *signer,
                              const tdm__keyring *keys, json_t **out, tdm_error *err)
{
    json_t *fields = json_object();
    if (!fields)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for an entry");
    tdm_status s = set_fields(o, action, signer, keys, fields, err);
    if (s != TDM_OK) {
        json_decref(fields);
        return s;
    }
    *out = fields;
    return TDM_OK;
}
