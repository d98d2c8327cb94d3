/* repository_targets.c - the files that devices get: keys.json and those of each market (repository_market.c).
 *
 * A target is at most 1 MiB, all together what a device takes. The list is sorted by path, so that the same input gives
 * the same metadata.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/heap.h"
#include "policy/repository_internal.h"

void tdm__repository_targets_fini(tdm__repository_targets *t)
{
    for (size_t i = 0; i < t->n; i++)
        tdm__free(t->items[i].bytes);
    tdm__free(t->items);
    *t = (tdm__repository_targets){0};
}

const tdm__repository_target *tdm__repository_targets_find(const tdm__repository_targets *t, const char *path)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->items[i].path, path) == 0)
            return &t->items[i];
    return NULL;
}

tdm_status tdm__repository_target_add(const tdm__repository_collector *c, const char *path, char *bytes, size_t len)
{
    tdm__repository_targets *t = c->targets;
    tdm_status s = TDM_OK;
    if (len > TDM__REPOSITORY_TARGET_BYTES_MAX)
        s = tdm__fail(c->err, TDM_ERR_LIMIT, "%s has %zu bytes, %d are the most", path, len,
                      TDM__REPOSITORY_TARGET_BYTES_MAX);
    else if (t->n == TDM__TRUST_FILES_MAX)
        s = tdm__fail(c->err, TDM_ERR_LIMIT, "%s is one file too many, %d are the most", path, TDM__TRUST_FILES_MAX);
    else if (t->n_bytes + len > TDM__TRUST_ALL_BYTES_MAX)
        s = tdm__fail(c->err, TDM_ERR_LIMIT, "with %s all files have more than %d bytes", path,
                      TDM__TRUST_ALL_BYTES_MAX);
    if (s == TDM_OK && t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 32;
        tdm__repository_target *items = tdm__realloc(t->items, cap * sizeof *items);
        if (items) {
            t->items = items;
            t->cap = cap;
        } else {
            s = tdm__fail(c->err, TDM_ERR_NOMEM, "no memory for %s", path);
        }
    }
    if (s == TDM_OK)
        s = tdm__trust_check_path(path, c->err);
    if (s != TDM_OK) {
        tdm__free(bytes);
        return s;
    }
    tdm__repository_target *one = &t->items[t->n++];
    *one = (tdm__repository_target){.bytes = bytes, .len = len};
    snprintf(one->path, sizeof one->path, "%s", path);
    tdm__sha256_hex(bytes, len, one->sha256);
    t->n_bytes += len;
    return TDM_OK;
}

tdm_status tdm__repository_list_folder(const char *in_dir, const char *name, struct dirent ***out, size_t *n,
                                       tdm_error *err)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", in_dir, name);
    if (len < 0 || (size_t)len >= sizeof path)
        TDM_FAIL(err, TDM_ERR_LIMIT, "the path of %.80s is too long", name);
    *out = NULL;
    *n = 0;
    int found = scandir(path, out, NULL, alphasort);
    if (found < 0 && errno == ENOENT)
        return TDM_OK;
    if (found < 0)
        return tdm__fail_os(err, errno, "%.200s cannot be listed", path);
    for (int i = 0; i < found; i++)
        if ((*out)[i]->d_name[0] == '.')
            tdm__free((*out)[i]);
        else
            (*out)[(*n)++] = (*out)[i];
    return TDM_OK;
}

void tdm__repository_free_list(struct dirent **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tdm__free(names[i]);
    tdm__free(names);
}

/* Each folder of markets/ has its role in roles.yaml. */
static tdm_status check_markets_have_roles(const tdm__repository_collector *c, const tdm__repository_plan *plan)
{
    struct dirent **names = NULL;
    size_t n = 0;
    TDM_TRY(tdm__repository_list_folder(c->in_dir, "markets", &names, &n, c->err));
    tdm_status s = TDM_OK;
    for (size_t i = 0; i < n && s == TDM_OK; i++) {
        char role[TDM__REPOSITORY_ROLE_TEXT];
        int len = snprintf(role, sizeof role, "market-%s", names[i]->d_name);
        if (len < 0 || (size_t)len >= sizeof role || !tdm__repository_plan_role(plan, role))
            s = tdm__fail(c->err, TDM_ERR_FORMAT, "%s/markets/%.80s has no role market-%.40s in roles.yaml", c->in_dir,
                          names[i]->d_name, names[i]->d_name);
    }
    tdm__repository_free_list(names, n);
    return s;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const tdm__repository_target *)a)->path, ((const tdm__repository_target *)b)->path);
}

tdm_status tdm__repository_targets_collect(const char *in_dir, const tdm__repository_plan *plan,
                                           tdm__repository_targets *out, tdm_error *err)
{
    tdm__buf keys;
    *out = (tdm__repository_targets){0};
    tdm__repository_collector c = {.in_dir = in_dir, .is_demo = plan->is_demo, .targets = out, .err = err};
    tdm__buf_init(&keys, TDM__REPOSITORY_TARGET_BYTES_MAX);
    tdm_status s = tdm__repository_keys_compile(in_dir, plan->is_demo, &keys, err);
    if (s == TDM_OK)
        s = tdm__repository_target_add(&c, "keys.json", keys.ptr, keys.len);
    else
        tdm__buf_fini(&keys);
    if (s == TDM_OK)
        s = check_markets_have_roles(&c, plan);
    for (size_t i = 0; i < plan->n_roles && s == TDM_OK; i++) {
        c.market = tdm__repository_market_of(plan->roles[i].name);
        if (c.market)
            s = tdm__repository_market_add(&c);
    }
    if (s == TDM_OK)
        qsort(out->items, out->n, sizeof *out->items, compare_paths);
    return s;
}
