/* filing_scope.c - what a case is about: the first entry's market, features, models and filers, fixed from there on.
 *
 * An approval opens what is named here and nothing else, so the names are strict: a model of this maker is known by its
 * weights' SHA-256, a partner's by the id that it is called by and the date that the partner declared, for nobody can
 * hash what runs elsewhere.
 */
#include "filing/filing_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/rfc3339.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* The text at key: 1 to len_max characters of those allowed. */
static tdm_status get_word(const json_t *object, const char *key, const char *allowed, size_t len_max, const char *what,
                           const char **out, tdm_error *err)
{
    TDM_TRY(tdm__json_get_str(object, key, what, out, err));
    const size_t len = strlen(*out), good = strspn(*out, allowed);
    if (len == 0 || len > len_max || good != len)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s has %zu characters of which one is not allowed, or not 1 to %zu", what,
                 key, len, len_max);
    return TDM_OK;
}

static bool is_calendar_date(const char *text)
{
    char moment[TDM__RFC3339_TEXT];
    int64_t unix_s;
    int n = snprintf(moment, sizeof moment, "%sT00:00:00Z", text);
    return n == TDM__RFC3339_TEXT - 1 && tdm__rfc3339_parse(tdm__str_from(moment), &unix_s, NULL) == TDM_OK;
}

/* "" where the member is not there. */
static tdm_status get_optional(const json_t *object, const char *key, const char *what, const char **out,
                               tdm_error *err)
{
    *out = "";
    return json_object_get(object, key) ? tdm__json_get_str(object, key, what, out, err) : TDM_OK;
}

static tdm_status read_model(const json_t *one, const char *what, tdm__filing_model *m, tdm_error *err)
{
    static const char *const known[] = {"date", "model", "partner", "sha256", NULL};
    uint8_t bytes[TDM__SHA256_BYTES];
    if (!json_is_object(one))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: a model is %s, an object is needed", what, tdm__json_kind(one));
    TDM_TRY(tdm__json_check_keys(one, what, known, err));
    TDM_TRY(get_optional(one, "partner", what, &m->partner, err));
    TDM_TRY(get_word(one, "model", LOWER UPPER DIGITS "._:/-", 128, what, &m->model, err));
    TDM_TRY(get_optional(one, "sha256", what, &m->sha256, err));
    TDM_TRY(get_optional(one, "date", what, &m->date, err));
    if (m->partner[0] == '\0') {
        if (!tdm__hex_get(tdm__str_from(m->sha256), bytes, sizeof bytes) || m->date[0] != '\0')
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: the maker's own model %s needs sha256 (64 digits) and no date", what,
                     m->model);
        return TDM_OK;
    }
    TDM_TRY(get_word(one, "partner", LOWER DIGITS "_-", 64, what, &m->partner, err));
    if (!is_calendar_date(m->date) || m->sha256[0] != '\0')
        TDM_FAIL(err, TDM_ERR_FORMAT,
                 "%s: the model %s of %s needs the date that the partner declares (YYYY-MM-DD) "
                 "and no sha256",
                 what, m->model, m->partner);
    return TDM_OK;
}

static tdm_status read_models(tdm__filing_case *c, const json_t *body, const char *what, tdm_error *err)
{
    const json_t *models, *one;
    size_t i;
    TDM_TRY(tdm__json_get_array(body, "models", what, TDM__FILING_MODELS_MAX, &models, err));
    json_array_foreach(models, i, one)
    {
        tdm__filing_model *m = &c->models[i];
        TDM_TRY(read_model(one, what, m, err));
        for (size_t k = 0; k < i; k++)
            if (strcmp(c->models[k].partner, m->partner) == 0 && strcmp(c->models[k].model, m->model) == 0 &&
                strcmp(c->models[k].sha256, m->sha256) == 0)
                TDM_FAIL(err, TDM_ERR_FORMAT, "%s: the model %s is named twice", what, m->model);
        c->n_models++;
    }
    if (c->n_models == 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: models is empty, at least one is needed", what);
    return TDM_OK;
}

static tdm_status read_features(tdm__filing_case *c, const json_t *body, const char *what, tdm_error *err)
{
    const json_t *features, *one;
    size_t i;
    TDM_TRY(tdm__json_get_array(body, "features", what, TDM__FILING_FEATURES_MAX, &features, err));
    json_array_foreach(features, i, one)
    {
        const char *name = json_string_value(one);
        const size_t len = name ? strlen(name) : 0;
        if (len == 0 || len > 64 || strspn(name, LOWER DIGITS "_-") != len)
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: feature %zu is no name of 1 to 64 of [a-z0-9_-]", what, i + 1);
        for (size_t k = 0; k < i; k++)
            if (strcmp(c->features[k], name) == 0)
                TDM_FAIL(err, TDM_ERR_FORMAT, "%s: the feature %s is named twice", what, name);
        c->features[c->n_features++] = name;
    }
    if (c->n_features == 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: features is empty, at least one is needed", what);
    return TDM_OK;
}

static tdm_status get_filer(const json_t *body, const char *key, const char *what, const char **out, tdm_error *err)
{
    TDM_TRY(tdm__json_get_str(body, key, what, out, err));
    const size_t len = strlen(*out);
    if (len == 0 || len > 128)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%s: %s has %zu bytes, 1 to 128 are allowed", what, key, len);
    return TDM_OK;
}

tdm_status tdm__filing_case_take_new(tdm__filing_case *c, const tdm__filing_entry *e, const char *what, tdm_error *err)
{
    /* the id is a file's name, so it has neither dots nor slashes */
    TDM_TRY(get_word(e->body, "case", UPPER LOWER DIGITS "-", TDM__FILING_ID_MAX, what, &c->id, err));
    TDM_TRY(get_word(e->body, "market", UPPER, 2, what, &c->market, err));
    TDM_TRY(tdm__json_get_bool(e->body, "demo", what, &c->is_demo, err));
    if (strlen(c->market) != 2)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: market is %s, two upper-case letters are needed", what, c->market);
    if (c->id[0] == '-')
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: the case's id begins with a dash", what);
    if (c->is_demo != (strncmp(c->id, "DEMO-", 5) == 0))
        TDM_FAIL(err, TDM_ERR_FORMAT,
                 "%s: the id %s and demo %s do not go together: a demonstration's ids, and no "
                 "others, begin with DEMO-",
                 what, c->id, c->is_demo ? "true" : "false");
    TDM_TRY(get_filer(e->body, "maker", what, &c->maker, err));
    TDM_TRY(get_filer(e->body, "provider", what, &c->provider, err));
    TDM_TRY(read_features(c, e->body, what, err));
    return read_models(c, e->body, what, err);
}
