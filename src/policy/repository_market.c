/* repository_market.c - the files of one market: its policy, partners, packs and prompts.
 *
 * Only .yaml goes in and only JSON of a known _type comes out: a target cannot carry code. A file that is none of
 * these is an error, not passed over, so that nobody believes to have shipped it. Partners, packs and prompts are
 * carried over as they stand (sorted keys, no white space); the policy is compiled, which is why it comes last: it
 * names the partners' files by their hash.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/heap.h"
#include "policy/market.h"
#include "policy/repository_internal.h"
#include "policy/yaml.h"

static const struct folder {
    const char *name, *type;
} folders[] = {{"partners", "partner-profile"}, {"packs", "pack"}, {"prompts", "prompt"}};

enum { N_FOLDERS = sizeof folders / sizeof folders[0], STEM_MAX = 64 };

/* One file of partners, packs or prompts. file: "markets/CN/packs/base.yaml". */
static tdm_status add_data(const tdm__repository_collector *c, const struct folder *folder, const char *stem)
{
    char file[PATH_MAX], path[PATH_MAX], target[TDM__TRUST_PATH_MAX + 1];
    tdm__str text = {0};
    json_t *json = NULL;
    snprintf(file, sizeof file, "markets/%s/%s/%s.yaml", c->market, folder->name, stem);
    snprintf(target, sizeof target, "markets/%s/%s/%s.json", c->market, folder->name, stem);
    TDM_TRY(tdm__repository_yaml_read(c->in_dir, file, path, &text, &json, c->err));
    const json_t *type = json_object_get(json, "_type");
    tdm_status s = TDM_OK;
    if (!json_is_object(json))
        s = tdm__fail(c->err, TDM_ERR_FORMAT, "%s:1: a map is needed, it is %s", path, tdm__json_kind(json));
    else if (type && (!json_is_string(type) || strcmp(json_string_value(type), folder->type) != 0))
        s = tdm__fail(c->err, TDM_ERR_FORMAT, "%s:%zu: _type must be %s in this folder", path,
                      tdm__yaml_line_of(text, "_type"), folder->type);
    else if (json_object_set_new(json, "_type", json_string(folder->type)) != 0)
        s = tdm__fail(c->err, TDM_ERR_NOMEM, "no memory for %s", path);
    char *bytes = s == TDM_OK ? tdm__json_text(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    if (s == TDM_OK)
        s = bytes ? tdm__repository_target_add(c, target, bytes, strlen(bytes))
                  : tdm__fail(c->err, TDM_ERR_NOMEM, "no memory for %s", path);
    json_decref(json);
    tdm__free((char *)text.ptr);
    return s;
}

/* NAME.yaml, NAME of a-z, 0-9, - and _: its length, else 0. */
static size_t stem_length(const char *name)
{
    const size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    return len <= STEM_MAX && strcmp(name + len, ".yaml") == 0 ? len : 0;
}

static tdm_status add_folder(const tdm__repository_collector *c, const struct folder *folder)
{
    char name[64];
    struct dirent **names = NULL;
    size_t n = 0;
    snprintf(name, sizeof name, "markets/%s/%s", c->market, folder->name);
    TDM_TRY(tdm__repository_list_folder(c->in_dir, name, &names, &n, c->err));
    tdm_status s = TDM_OK;
    for (size_t i = 0; i < n && s == TDM_OK; i++) {
        char stem[STEM_MAX + 1];
        const size_t len = stem_length(names[i]->d_name);
        if (len == 0)
            s = tdm__fail(c->err, TDM_ERR_FORMAT,
                          "%s/%s/%.80s: only NAME.yaml can be here, NAME of a-z, 0-9, - and _, at most %d of them",
                          c->in_dir, name, names[i]->d_name, STEM_MAX);
        if (s == TDM_OK) {
            snprintf(stem, sizeof stem, "%.*s", (int)len, names[i]->d_name);
            s = add_data(c, folder, stem);
        }
    }
    tdm__repository_free_list(names, n);
    return s;
}

/* For the compiler of policies: user is the collector. */
static tdm_status sha256_of(void *user, const char *target_path, char out[TDM__SHA256_TEXT], tdm_error *err)
{
    const tdm__repository_collector *c = user;
    const tdm__repository_target *t = tdm__repository_targets_find(c->targets, target_path);
    if (!t)
        TDM_FAIL(err, TDM_ERR_FORMAT, "there is no file for %.120s", target_path);
    memcpy(out, t->sha256, TDM__SHA256_TEXT);
    return TDM_OK;
}

/* Whom the policy shows to the owner must be whom the profile connects to. */
static tdm_status check_partner(const tdm__repository_collector *c, const char *file, const tdm__policy_partner *p)
{
    const tdm__repository_target *t = tdm__repository_targets_find(c->targets, p->profile_path);
    json_t *profile = NULL;
    if (!t)
        TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s: there is no file for %.120s", file, p->profile_path);
    TDM_TRY(tdm__json_parse((tdm__str){t->bytes, t->len}, p->profile_path, t->len, &profile, c->err));
    const char *id = json_string_value(json_object_get(profile, "partner"));
    const bool is_emulated = json_is_true(json_object_get(profile, "emulated"));
    tdm_status s = TDM_OK;
    if (!id || strcmp(id, p->id) != 0)
        s = tdm__fail(c->err, TDM_ERR_FORMAT, "%s: the profile of %.64s, %.120s, is of %.64s", file, p->id,
                      p->profile_path, id ? id : "nobody");
    else if (is_emulated != p->is_emulated)
        s = tdm__fail(c->err, TDM_ERR_FORMAT, "%s: emulated of %.64s is %s here and %s in its profile", file, p->id,
                      p->is_emulated ? "true" : "false", is_emulated ? "true" : "false");
    json_decref(profile);
    return s;
}

/* What the compiler gave, once more in the light of its neighbours: its packs are there, and demo is the root's. */
static tdm_status check_policy(const tdm__repository_collector *c, const char *file, tdm__str json)
{
    tdm__market_policy *p = NULL;
    TDM_TRY(tdm__market_policy_create(json, &p, c->err));
    tdm_status s = TDM_OK;
    if (p->is_demo != c->is_demo)
        s = tdm__fail(c->err, TDM_ERR_FORMAT, "%s: demo is %s here and %s in roles.yaml", file,
                      p->is_demo ? "true" : "false", c->is_demo ? "true" : "false");
    for (size_t i = 0; i < p->n_packs && s == TDM_OK; i++)
        if (!tdm__repository_targets_find(c->targets, p->packs[i]))
            s = tdm__fail(c->err, TDM_ERR_FORMAT, "%s: packs[%zu]: there is no file for %.120s", file, i, p->packs[i]);
    for (size_t i = 0; i < p->n_partners && s == TDM_OK; i++)
        s = check_partner(c, file, &p->partners[i]);
    tdm__market_policy_destroy(p);
    return s;
}

/* Under a demonstration's root every policy says so, whether or not somebody wrote it. */
static tdm_status mark_demo(const tdm__repository_collector *c, const char *file, tdm__str compiled, tdm__buf *out)
{
    json_t *json = NULL;
    TDM_TRY(tdm__json_parse(compiled, file, TDM__REPOSITORY_TARGET_BYTES_MAX, &json, c->err));
    tdm_status s = TDM_OK;
    if (c->is_demo && !json_object_get(json, "demo") && json_object_set_new(json, "demo", json_true()) != 0)
        s = tdm__fail(c->err, TDM_ERR_NOMEM, "no memory for %s", file);
    if (s == TDM_OK)
        s = tdm__json_canonical(json, out, c->err);
    json_decref(json);
    return s;
}

/* Before the compiler reads the text: with another market all that it names would be missing. */
static tdm_status check_market(const tdm__repository_collector *c, const char *file, tdm__str yaml, const json_t *json)
{
    const char *market = json_string_value(json_object_get(json, "market"));
    if (market && strcmp(market, c->market) != 0)
        TDM_FAIL(c->err, TDM_ERR_FORMAT, "%s:%zu: market is %.20s, and the folder is %s", file,
                 tdm__yaml_line_of(yaml, "market"), market, c->market);
    return TDM_OK;
}

static tdm_status add_policy(const tdm__repository_collector *c)
{
    char file[64], path[PATH_MAX], target[64];
    tdm__str text = {0};
    json_t *json = NULL;
    char *compiled = NULL;
    size_t len = 0;
    tdm__buf bytes;
    const tdm__market_resolver resolver = {.sha256_of = sha256_of, .user = (void *)c};
    tdm__buf_init(&bytes, TDM__REPOSITORY_TARGET_BYTES_MAX);
    snprintf(file, sizeof file, "markets/%s/policy.yaml", c->market);
    snprintf(target, sizeof target, "markets/%s/policy.json", c->market);
    tdm_status s = tdm__repository_yaml_read(c->in_dir, file, path, &text, &json, c->err);
    if (s == TDM_OK)
        s = check_market(c, path, text, json);
    json_decref(json); /* the compiler reads the text itself, with its lines */
    if (s == TDM_OK)
        s = tdm__market_compile(text, path, &resolver, &compiled, &len, c->err);
    if (s == TDM_OK)
        s = mark_demo(c, path, (tdm__str){compiled, len}, &bytes);
    if (s == TDM_OK)
        s = check_policy(c, path, tdm__buf_str(&bytes));
    if (s == TDM_OK) {
        char *taken = bytes.ptr;
        bytes.ptr = NULL; /* target_add takes it */
        s = tdm__repository_target_add(c, target, taken, bytes.len);
    }
    tdm__buf_fini(&bytes);
    tdm__free(compiled);
    tdm__free((char *)text.ptr);
    return s;
}

/* What lies in a market's folder must be the policy or one of the folders. */
static tdm_status check_market_folder(const tdm__repository_collector *c)
{
    char name[32];
    struct dirent **names = NULL;
    size_t n = 0;
    snprintf(name, sizeof name, "markets/%s", c->market);
    TDM_TRY(tdm__repository_list_folder(c->in_dir, name, &names, &n, c->err));
    tdm_status s = TDM_OK;
    if (n == 0)
        s = tdm__fail(c->err, TDM_ERR_NOT_FOUND, "%s/%s is empty or not there", c->in_dir, name);
    for (size_t i = 0; i < n && s == TDM_OK; i++) {
        bool is_known = strcmp(names[i]->d_name, "policy.yaml") == 0;
        for (size_t k = 0; k < N_FOLDERS; k++)
            is_known = is_known || strcmp(names[i]->d_name, folders[k].name) == 0;
        if (!is_known)
            s = tdm__fail(c->err, TDM_ERR_FORMAT,
                          "%s/%s/%.80s: only policy.yaml, partners/, packs/ and prompts/ can be here", c->in_dir, name,
                          names[i]->d_name);
    }
    tdm__repository_free_list(names, n);
    return s;
}

tdm_status tdm__repository_market_add(const tdm__repository_collector *c)
{
    TDM_TRY(check_market_folder(c));
    for (size_t k = 0; k < N_FOLDERS; k++)
        TDM_TRY(add_folder(c, &folders[k]));
    return add_policy(c);
}
