/* market_compile.c - what people write to what is signed.
 *
 * People write hours, percents and paths of the files beside the policy; signed are seconds, basis points, and targets
 * with their hashes, in canonical form, so that the same text always gives the same bytes. Everything else is carried
 * over as it is and then read by the reader that devices use: what compiles is what a device takes. Features are
 * checked by name here only: a device lets an unknown one pass, because a newer policy may have it, and offers it to
 * nobody.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "base/nearest.h"
#include "policy/market_internal.h"
#include "policy/yaml.h"

enum { TARGET_MAX = 200, GRACE_HOURS_MAX = 720 };

static const char *const known_features[] = {"assistant", "chat",      "prioritise", "proofread", "reply",
                                             "rewrite",   "summarize", "visual",     NULL};

typedef struct compiler {
    tdm__fields f;
    const tdm__market_resolver *resolver;
    const char *market;
} compiler;

static tdm_status no_memory(compiler *c) { return tdm__fields_refuse(&c->f, TDM_ERR_NOMEM, "", "no memory"); }

static tdm_status put_new(compiler *c, json_t *object, const char *key, json_t *value)
{
    return value && json_object_set_new(object, key, value) == 0 ? TDM_OK : no_memory(c);
}

/* "partners/alibaba.yaml", a file beside the policy, to its target "markets/CN/partners/alibaba.json". folder is
 * "partners/" or "packs/". */
static tdm_status target_put(compiler *c, const char *key, const json_t *v, const char *folder, char out[TARGET_MAX])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *path = json_string_value(v);
    const size_t head = strlen(folder);
    const bool is_in_folder = path && strncmp(path, folder, head) == 0;
    const size_t len = is_in_folder ? strspn(path + head, letters) : 0;
    if (len < 1 || len > 64 || strcmp(path + head + len, ".yaml") != 0)
        return tdm__fields_refuse(&c->f, TDM_ERR_FORMAT, key,
                                  "a file beside the policy is needed: %sNAME.yaml, NAME of a-z, 0-9, - and _", folder);
    snprintf(out, TARGET_MAX, "markets/%s/%.*s.json", c->market, (int)(head + len), path);
    return TDM_OK;
}

static tdm_status packs_convert(compiler *c, json_t *packs)
{
    char target[TARGET_MAX];
    const size_t mark = tdm__fields_enter(&c->f, "packs");
    for (size_t i = 0; i < json_array_size(packs); i++) {
        const size_t item = tdm__fields_enter_item(&c->f, i);
        TDM_TRY(target_put(c, "", json_array_get(packs, i), "packs/", target));
        if (json_array_set_new(packs, i, json_string(target)) != 0)
            return no_memory(c);
        tdm__fields_leave(&c->f, item);
    }
    tdm__fields_leave(&c->f, mark);
    return TDM_OK;
}

static tdm_status partner_convert(compiler *c, json_t *partner)
{
    char target[TARGET_MAX], sha256[TDM__SHA256_TEXT];
    TDM_TRY(tdm__fields_need_object(&c->f, "", partner));
    TDM_TRY(tdm__fields_check_keys(&c->f, partner, tdm__market_partner_fields, true));
    if (!json_object_get(partner, "profile"))
        return tdm__fields_refuse(&c->f, TDM_ERR_FORMAT, "", "'profile' is missing");
    TDM_TRY(target_put(c, "profile", json_object_get(partner, "profile"), "partners/", target));
    tdm_error why = {0};
    const tdm_status status = c->resolver->sha256_of(c->resolver->user, target, sha256, &why);
    if (status < 0)
        return tdm__fields_refuse(&c->f, status, "profile", "%s", why.msg);
    TDM_TRY(put_new(c, partner, "profile", json_string(target)));
    return put_new(c, partner, "profile_sha256", json_string(sha256));
}

/* A percentage with at most two decimals, to basis points. */
static tdm_status canary_convert(compiler *c, json_t *backend)
{
    const json_t *v = json_object_get(backend, "canary");
    if (!v)
        return TDM_OK;
    const double percent = json_number_value(v), bp = percent * 100;
    if (!json_is_number(v) || !(percent >= 0 && percent <= 100) || fabs(bp - round(bp)) > 1e-6)
        return tdm__fields_refuse(&c->f, TDM_ERR_FORMAT, "canary",
                                  "a percentage is needed, 0 to 100 with at most two decimals");
    TDM_TRY(put_new(c, backend, "canary_bp", json_integer((json_int_t)lround(bp))));
    json_object_del(backend, "canary");
    return TDM_OK;
}

static tdm_status feature_check(compiler *c, const char *feature)
{
    tdm__nearest near = {.wanted = feature, .wanted_len = strlen(feature)};
    for (const char *const *known = known_features; *known; known++) {
        if (strcmp(*known, feature) == 0)
            return TDM_OK;
        tdm__nearest_offer(&near, *known);
    }
    return tdm__fields_refuse(&c->f, TDM_ERR_FORMAT, "", "'%.64s' is no feature%s%s%s", feature,
                              near.best ? "; did you mean '" : "", near.best ? near.best : "", near.best ? "'?" : "");
}

static tdm_status cell_convert(compiler *c, const char *feature, json_t *cell)
{
    TDM_TRY(feature_check(c, feature));
    TDM_TRY(tdm__fields_need_object(&c->f, "", cell));
    TDM_TRY(tdm__fields_check_keys(&c->f, cell, tdm__market_cell_fields, true));
    const json_t *backends = json_object_get(cell, "backends");
    const size_t mark = tdm__fields_enter(&c->f, "backends");
    for (size_t i = 0; i < json_array_size(backends); i++) { /* 0 when it is no array, which the reader refuses */
        const size_t item = tdm__fields_enter_item(&c->f, i);
        json_t *backend = json_array_get(backends, i);
        TDM_TRY(tdm__fields_need_object(&c->f, "", backend));
        TDM_TRY(tdm__fields_check_keys(&c->f, backend, tdm__market_backend_fields, true));
        TDM_TRY(canary_convert(c, backend));
        tdm__fields_leave(&c->f, item);
    }
    tdm__fields_leave(&c->f, mark);
    return TDM_OK;
}

static tdm_status partner_convert_named(compiler *c, const char *id, json_t *partner)
{
    (void)id;
    return partner_convert(c, partner);
}

typedef tdm_status (*convert_fn)(compiler *c, const char *name, json_t *value);

/* Each member of the map at key; a value that is no map is left to the reader. */
static tdm_status map_convert(compiler *c, const json_t *policy, const char *key, convert_fn convert)
{
    json_t *map = json_object_get(policy, key);
    const size_t mark = tdm__fields_enter(&c->f, key);
    for (void *it = json_object_iter(map); it; it = json_object_iter_next(map, it)) {
        const size_t one = tdm__fields_enter(&c->f, json_object_iter_key(it));
        TDM_TRY(convert(c, json_object_iter_key(it), json_object_iter_value(it)));
        tdm__fields_leave(&c->f, one);
    }
    tdm__fields_leave(&c->f, mark);
    return TDM_OK;
}

static tdm_status grace_convert(compiler *c, json_t *policy)
{
    const json_t *v = json_object_get(policy, "grace_hours");
    if (!v)
        return TDM_OK;
    const json_int_t hours = json_integer_value(v);
    if (!json_is_integer(v) || hours < 0 || hours > GRACE_HOURS_MAX)
        return tdm__fields_refuse(&c->f, TDM_ERR_FORMAT, "grace_hours", "whole hours are needed, 0 to %d",
                                  GRACE_HOURS_MAX);
    TDM_TRY(put_new(c, policy, "grace_s", json_integer(hours * 3600)));
    json_object_del(policy, "grace_hours");
    return TDM_OK;
}

static tdm_status policy_convert(compiler *c, json_t *policy)
{
    TDM_TRY(tdm__fields_need_object(&c->f, "", policy));
    TDM_TRY(tdm__fields_check_keys(&c->f, policy, tdm__market_fields, true));
    c->market = json_string_value(json_object_get(policy, "market"));
    if (!c->market || !tdm__market_code_is_fine(c->market))
        return tdm__fields_refuse(&c->f, TDM_ERR_FORMAT, "market", "two capital letters are needed");
    if (!json_object_get(policy, "_type"))
        TDM_TRY(put_new(c, policy, "_type", json_string("market-policy")));
    TDM_TRY(grace_convert(c, policy));
    TDM_TRY(packs_convert(c, json_object_get(policy, "packs")));
    TDM_TRY(map_convert(c, policy, "partners", partner_convert_named));
    return map_convert(c, policy, "features", cell_convert);
}

static tdm_status policy_check(compiler *c, const json_t *policy)
{
    tdm__market_policy *read = NULL;
    TDM_TRY(tdm__market_policy_read(&c->f, policy, &read));
    tdm__market_policy_destroy(read);
    return TDM_OK;
}

tdm_status tdm__market_compile(tdm__str yaml, const char *file, const tdm__market_resolver *resolver, char **out,
                               size_t *out_len, tdm_error *err)
{
    json_t *policy = NULL;
    tdm__buf bytes;
    tdm__buf_init(&bytes, TDM__MARKET_BYTES_MAX);
    compiler c = {.f = {.what = file, .yaml = yaml, .err = err}, .resolver = resolver};
    tdm_status status = tdm__yaml_to_json(yaml, file, &policy, err);
    if (status == TDM_OK)
        status = policy_convert(&c, policy);
    if (status == TDM_OK)
        status = policy_check(&c, policy);
    if (status == TDM_OK)
        status = tdm__json_canonical(policy, &bytes, err);
    if (status == TDM_OK) {
        *out_len = bytes.len;
        *out = bytes.ptr;
        bytes.ptr = NULL; /* the caller's */
    }
    tdm__buf_fini(&bytes);
    json_decref(policy);
    return status;
}
