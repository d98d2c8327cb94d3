/* repository_plan.c - roles.yaml: who signs what, how many of them, and for how long.
 *
 * Keys are named by the path of their .pub file, relative to the folder of roles.yaml. A threshold that can never be
 * met and a key that counts twice are refused here, before anybody signs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/nearest.h"
#include "os/file.h"
#include "os/heap.h"
#include "policy/fields.h"
#include "policy/repository_internal.h"
#include "policy/yaml.h"

static const char *const needed_roles[] = {"root", "targets", "snapshot", "timestamp"};

enum { N_NEEDED = sizeof needed_roles / sizeof needed_roles[0] };

/* What a table can read of one role; the keys are read beside it. */
typedef struct role_numbers {
    int64_t threshold, expires_days;
} role_numbers;

static const tdm__field role_fields[] = {
    {"keys", .kind = TDM__FIELD_ELSEWHERE},
    {"threshold", .kind = TDM__FIELD_INT, TDM__FIELD_AT(role_numbers, threshold), .min = 1,
     .max = TDM__TRUST_ROLE_KEYS_MAX},
    {"expires_days", .kind = TDM__FIELD_INT, TDM__FIELD_AT(role_numbers, expires_days), .min = 1,
     .max = TDM__REPOSITORY_EXPIRES_DAYS_MAX},
    {0},
};

static const tdm__field plan_fields[] = {
    {"demo", .kind = TDM__FIELD_BOOL, TDM__FIELD_AT(tdm__repository_plan, is_demo)},
    {"roles", .kind = TDM__FIELD_ELSEWHERE},
    {0},
};

tdm_status tdm__repository_yaml_read(const char *in_dir, const char *name, char path[PATH_MAX], tdm__str *text,
                                     json_t **out, tdm_error *err)
{
    char *bytes = NULL;
    size_t len = 0;
    int n = snprintf(path, PATH_MAX, "%s/%s", in_dir, name);
    if (n < 0 || n >= PATH_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the path of %.80s is longer than %d bytes", name, PATH_MAX - 1);
    int rc = tdm__file_read(path, TDM__REPOSITORY_INPUT_BYTES_MAX, &bytes, &len);
    if (rc == EFBIG)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%.200s is longer than %d bytes", path, TDM__REPOSITORY_INPUT_BYTES_MAX);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%.200s cannot be read", path);
    tdm_status s = tdm__yaml_to_json((tdm__str){bytes, len}, path, out, err);
    if (s == TDM_OK)
        *text = (tdm__str){bytes, len};
    else
        tdm__free(bytes);
    return s;
}

const char *tdm__repository_market_of(const char *role)
{
    const char *id = strncmp(role, "market-", 7) == 0 ? role + 7 : "";
    const bool is_market =
        id[0] >= 'A' && id[0] <= 'Z' && id[1] >= 'A' && id[1] <= 'Z' && id[2] == '\0';
    return is_market ? id : NULL;
}

bool tdm__repository_role_is_known(const char *role)
{
    for (size_t i = 0; i < N_NEEDED; i++)
        if (strcmp(needed_roles[i], role) == 0)
            return true;
    return tdm__repository_market_of(role) != NULL;
}

static tdm_status read_signer(tdm__fields *f, const char *in_dir, const json_t *v, tdm__trust_role *signers)
{
    char path[PATH_MAX];
    tdm_error why = {0};
    const char *name = json_string_value(v);
    if (!name || name[0] == '\0')
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "", "the path of a key (NAME.pub) is needed, it is %s",
                                  tdm__json_kind(v));
    int n = snprintf(path, sizeof path, "%s%s%s", name[0] == '/' ? "" : in_dir, name[0] == '/' ? "" : "/", name);
    if (n < 0 || (size_t)n >= sizeof path)
        return tdm__fields_refuse(f, TDM_ERR_LIMIT, "", "the path is longer than %zu bytes", sizeof path - 1);
    tdm__public_key *key = &signers->keys[signers->n_keys];
    tdm_status s = tdm__public_key_load(path, key, &why);
    if (s != TDM_OK)
        return tdm__fields_refuse(f, s, "", "%s", why.msg);
    for (size_t i = 0; i < signers->n_keys; i++)
        if (strcmp(signers->keys[i].id, key->id) == 0)
            return tdm__fields_refuse(f, TDM_ERR_FORMAT, "", "%.80s is the same key as keys[%zu], and counts once",
                                      name, i);
    signers->n_keys++;
    return TDM_OK;
}

static tdm_status read_role(tdm__fields *f, const char *in_dir, const json_t *v, tdm__repository_role *role)
{
    role_numbers numbers = {0};
    const json_t *keys = json_object_get(v, "keys");
    TDM_TRY(tdm__fields_read(f, v, role_fields, &numbers));
    TDM_TRY(tdm__fields_need_array(f, "keys", keys, 1, TDM__TRUST_ROLE_KEYS_MAX));
    const size_t mark = tdm__fields_enter(f, "keys");
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const size_t item = tdm__fields_enter_item(f, i);
        TDM_TRY(read_signer(f, in_dir, json_array_get(keys, i), &role->signers));
        tdm__fields_leave(f, item);
    }
    tdm__fields_leave(f, mark);
    if ((size_t)numbers.threshold > role->signers.n_keys)
        return tdm__fields_refuse(f, TDM_ERR_FORMAT, "threshold", "%lld signatures can never come from %zu keys",
                                  (long long)numbers.threshold, role->signers.n_keys);
    role->signers.threshold = (size_t)numbers.threshold;
    role->expires_days = numbers.expires_days;
    return TDM_OK;
}

static tdm_status check_role_name(tdm__fields *f, const char *name)
{
    tdm__nearest near = {.wanted = name, .wanted_len = strlen(name)};
    if (tdm__repository_role_is_known(name))
        return TDM_OK;
    for (size_t i = 0; i < N_NEEDED; i++)
        tdm__nearest_offer(&near, needed_roles[i]);
    return tdm__fields_refuse(f, TDM_ERR_FORMAT, "", "'%.40s' is no role%s%s%s", name,
                              near.best ? "; did you mean '" : ": root, targets, snapshot, timestamp, market-XX",
                              near.best ? near.best : "", near.best ? "'?" : "");
}

static tdm_status read_roles(tdm__fields *f, const char *in_dir, json_t *roles, tdm__repository_plan *p)
{
    const char *name;
    json_t *v;
    TDM_TRY(tdm__fields_need_object(f, "roles", roles));
    if (json_object_size(roles) > TDM__REPOSITORY_ROLES_MAX)
        return tdm__fields_refuse(f, TDM_ERR_LIMIT, "roles", "%zu roles, %d are the most", json_object_size(roles),
                                  TDM__REPOSITORY_ROLES_MAX);
    const size_t mark = tdm__fields_enter(f, "roles");
    json_object_foreach(roles, name, v)
    {
        tdm__repository_role *role = &p->roles[p->n_roles];
        const size_t one = tdm__fields_enter(f, name);
        TDM_TRY(check_role_name(f, name));
        TDM_TRY(read_role(f, in_dir, v, role));
        snprintf(role->name, sizeof role->name, "%s", name);
        p->n_roles++;
        tdm__fields_leave(f, one);
    }
    tdm__fields_leave(f, mark);
    for (size_t i = 0; i < N_NEEDED; i++)
        if (!tdm__repository_plan_role(p, needed_roles[i]))
            return tdm__fields_refuse(f, TDM_ERR_FORMAT, "roles", "'%s' is missing", needed_roles[i]);
    return TDM_OK;
}

const tdm__repository_role *tdm__repository_plan_role(const tdm__repository_plan *p, const char *name)
{
    for (size_t i = 0; i < p->n_roles; i++)
        if (strcmp(p->roles[i].name, name) == 0)
            return &p->roles[i];
    return NULL;
}

tdm_status tdm__repository_plan_read(const char *in_dir, tdm__repository_plan **out, tdm_error *err)
{
    char path[PATH_MAX];
    tdm__str text = {0};
    json_t *json = NULL;
    tdm__arena arena;
    tdm__repository_plan *p = tdm__calloc(1, sizeof *p);
    if (!p)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the roles");
    tdm_status s = tdm__repository_yaml_read(in_dir, "roles.yaml", path, &text, &json, err);
    tdm__arena_init(&arena, "roles", 1 << 20);
    tdm__fields f = {.what = path, .yaml = text, .arena = &arena, .err = err};
    if (s == TDM_OK)
        s = tdm__fields_read(&f, json, plan_fields, p);
    if (s == TDM_OK)
        s = read_roles(&f, in_dir, json_object_get(json, "roles"), p);
    if (s == TDM_OK)
        *out = p;
    else
        tdm__free(p);
    tdm__arena_reset(&arena);
    json_decref(json);
    tdm__free((char *)text.ptr);
    return s;
}
