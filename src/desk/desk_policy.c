/* desk_policy.c - the maker's desk: changes to a market's policy, compiled, signed and published as any other.
 *
 * The desk edits its own working copy of what people write. JSON is what it writes back: a subset of the YAML that the
 * compiler reads, so there is one compiler and one set of checks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "desk/authority.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/heap.h"
#include "policy/yaml.h"

enum { POLICY_BYTES_MAX = 1 << 20 };

static void policy_path(const tdm__authority *a, const char *market, char out[TDM__AUTHORITY_PATH_MAX])
{
    tdm__authority_path(a, out, "in/markets/%s/policy.yaml", market);
}

static tdm_status read_yaml(const char *path, json_t **out, tdm_error *err)
{
    char *text = NULL;
    size_t len = 0;
    int rc = tdm__file_read(path, POLICY_BYTES_MAX, &text, &len);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%s cannot be read", path);
    tdm_status s = tdm__yaml_to_json((tdm__str){text, len}, path, out, err);
    tdm__free(text);
    return s;
}

tdm_status tdm__authority_read_policy(const tdm__authority *a, const char *market, json_t **out, tdm_error *err)
{
    char path[TDM__AUTHORITY_PATH_MAX];
    if (!tdm__authority_is_name(market))
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "there is no market of that name");
    policy_path(a, market, path);
    return read_yaml(path, out, err);
}

/* ---- the changes ---- */

/* The back end of the feature that is the partner's; partner NULL: the first that is any partner's. */
static json_t *find_backend(const json_t *feature, const char *partner)
{
    size_t i;
    json_t *b;
    json_array_foreach(json_object_get(feature, "backends"), i, b)
    {
        const char *name = json_string_value(json_object_get(b, "backend"));
        if (name && (partner ? strcmp(name, partner) == 0 : strcmp(name, "own") != 0))
            return b;
    }
    return NULL;
}

/* Another cell of the policy that names the partner and its model; NULL: none. */
static const json_t *find_elsewhere(const json_t *policy, const char *partner)
{
    const char *name;
    json_t *feature;
    json_object_foreach(json_object_get(policy, "features"), name, feature)
    {
        const json_t *b = find_backend(feature, partner);
        if (b)
            return b;
    }
    return NULL;
}

/* The partner's model: as another cell names it, else as its profile does, dated today. */
static tdm_status take_model(json_t *backend, const json_t *from, const char *partner, tdm_error *err)
{
    static const char *const members[] = {"model", "model_name", "model_date"};
    char today[TDM__RFC3339_TEXT];
    tdm__rfc3339_put(tdm__clock_unix_s(), today);
    json_t *otherwise[] = {NULL, json_string(partner), json_stringn(today, sizeof "2025-02-13" - 1)};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        json_t *v = json_object_get(from, members[i]);
        if (json_object_set(backend, members[i], v ? v : otherwise[i]) != 0)
            TDM_FAIL(err, TDM_ERR_FORMAT, "the profile of %s names no model", partner);
    }
    json_decref(otherwise[1]);
    json_decref(otherwise[2]);
    return TDM_OK;
}

static tdm_status swap(const tdm__authority *a, const char *market, json_t *policy, json_t *feature,
                       const char *partner, tdm_error *err)
{
    char path[TDM__AUTHORITY_PATH_MAX];
    json_t *profile = NULL, *backend = find_backend(feature, NULL);
    const json_t *declared = json_object_get(json_object_get(policy, "partners"), partner);
    if (!backend)
        TDM_FAIL(err, TDM_ERR_INVAL, "this feature has no partner that could be swapped");
    if (!declared || !tdm__authority_is_name(partner))
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "the policy of %s declares no such partner", market);
    const json_t *elsewhere = find_elsewhere(policy, partner);
    tdm__authority_path(a, path, "in/markets/%s/partners/%s.yaml", market, partner);
    TDM_TRY(read_yaml(path, &profile, err));
    tdm_status s = json_object_set_new(backend, "backend", json_string(partner)) == 0
                       ? TDM_OK
                       : tdm__fail(err, TDM_ERR_NOMEM, "no memory for a policy");
    if (s == TDM_OK)
        s = take_model(backend, elsewhere ? elsewhere : profile, partner, err);
    json_decref(profile);
    return s;
}

static tdm_status set_kill(json_t *feature, const char *partner, bool kill, tdm_error *err)
{
    json_t *target = *partner ? find_backend(feature, partner) : feature;
    if (!target)
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "this feature has no such partner");
    json_object_set_new(target, "kill", json_boolean(kill));
    return TDM_OK;
}

/* People write a percentage. */
static tdm_status set_canary(const json_t *change, json_t *feature, const char *partner, tdm_error *err)
{
    int64_t bp;
    char text[16];
    TDM_TRY(tdm__json_get_int(change, "canary_bp", "the body", 0, 10000, &bp, err));
    json_t *target = find_backend(feature, *partner ? partner : NULL);
    if (!target)
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "this feature has no such partner");
    snprintf(text, sizeof text, "%d.%02d", (int)(bp / 100), (int)(bp % 100));
    json_object_set_new(target, "canary", bp % 100 == 0 ? json_integer(bp / 100) : json_real(strtod(text, NULL)));
    return TDM_OK;
}

/* The partner's real profile has taken the place of the stand-in's in in/: the policy says so, and names whom to ask
 * for its address. */
static tdm_status make_live(json_t *policy, const json_t *change, const char *partner, tdm_error *err)
{
    json_t *declared = json_object_get(json_object_get(policy, "partners"), partner);
    const char *dns_server;
    if (!declared)
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "the policy declares no such partner");
    TDM_TRY(tdm__json_get_str(change, "dns_server", "the body", &dns_server, err));
    if (json_object_set_new(declared, "emulated", json_false()) != 0 ||
        json_object_set_new(policy, "dns_server", json_string(dns_server)) != 0)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a policy");
    return TDM_OK;
}

static tdm_status apply(const tdm__authority *a, const char *market, const json_t *change, json_t *policy,
                        tdm_error *err)
{
    const char *what, *name, *partner = "";
    TDM_TRY(tdm__json_get_str(change, "change", "the body", &what, err));
    if (json_is_string(json_object_get(change, "partner")))
        partner = json_string_value(json_object_get(change, "partner"));
    if (strcmp(what, "live") == 0)
        return make_live(policy, change, partner, err);
    TDM_TRY(tdm__json_get_str(change, "feature", "the body", &name, err));
    json_t *feature = json_object_get(json_object_get(policy, "features"), name);
    if (!feature)
        TDM_FAIL(err, TDM_ERR_NOT_FOUND, "the policy of %s has no such feature", market);
    if (strcmp(what, "swap") == 0)
        return swap(a, market, policy, feature, partner, err);
    if (strcmp(what, "kill") == 0 || strcmp(what, "unkill") == 0)
        return set_kill(feature, partner, what[0] == 'k', err);
    if (strcmp(what, "canary") == 0)
        return set_canary(change, feature, partner, err);
    TDM_FAIL(err, TDM_ERR_FORMAT, "change must be swap, kill, unkill, canary or live");
}

static tdm_status write_policy(const char *path, json_t *policy, tdm_error *err)
{
    const json_int_t version = json_integer_value(json_object_get(policy, "version"));
    json_object_set_new(policy, "version", json_integer(version + 1));
    char *text = tdm__json_text(policy, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    if (!text)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a policy");
    int rc = tdm__file_write_atomic(path, text, strlen(text), 0644);
    tdm__free(text);
    return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "%s cannot be written", path);
}

tdm_status tdm__authority_change_policy(tdm__authority *a, const json_t *change, int64_t now_unix_s, tdm_error *err)
{
    const char *market;
    char path[TDM__AUTHORITY_PATH_MAX], *before = NULL;
    size_t before_len = 0;
    json_t *policy = NULL;
    TDM_TRY(tdm__json_get_str(change, "market", "the body", &market, err));
    TDM_TRY(tdm__authority_read_policy(a, market, &policy, err));
    policy_path(a, market, path);
    tdm_status s = apply(a, market, change, policy, err);
    if (s == TDM_OK && tdm__file_read(path, POLICY_BYTES_MAX, &before, &before_len) != 0)
        s = tdm__fail(err, TDM_ERR_IO, "%s cannot be read", path);
    if (s == TDM_OK)
        s = write_policy(path, policy, err);
    json_decref(policy);
    if (s == TDM_OK && (s = tdm__authority_publish(a, now_unix_s, err)) != TDM_OK)
        tdm__file_write_atomic(path, before, before_len, 0644); /* what does not compile does not stay */
    tdm__free(before);
    return s;
}
