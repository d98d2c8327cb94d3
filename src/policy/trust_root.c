/* trust_root.c - the chain of roots: each next one is signed by the threshold of the one before and by its own.
 *
 * Only the last root's expiry counts, for a device that slept through several must still find its way. Whether a root
 * is a demo's never changes along the chain.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "policy/trust_internal.h"

static const char *const role_names[] = {"root", "timestamp", "snapshot", "targets"};

enum { N_ROLES = sizeof role_names / sizeof role_names[0] };

tdm_status tdm__trust_root_role(const tdm__trust_document *root, const char *role, tdm__trust_role *out,
                                tdm_error *err)
{
    const json_t *keys = NULL, *roles = NULL;
    TDM_TRY(tdm__json_get_object(tdm__trust_signed(root), "keys", "the root", &keys, err));
    TDM_TRY(tdm__json_get_object(tdm__trust_signed(root), "roles", "the root", &roles, err));
    return tdm__trust_role_read(keys, json_object_get(roles, role), role, out, err);
}

bool tdm__trust_root_is_demo(const tdm__trust_document *root)
{
    return json_is_true(json_object_get(json_object_get(tdm__trust_signed(root), "x-tandem"), "demo"));
}

/* A root whose roles can all be read, and whose own threshold it meets. */
static tdm_status read_root(const tdm__trust_walk *w, tdm__str bytes, const char *name, tdm__trust_document *out)
{
    tdm__trust_document d = {0};
    tdm__trust_role role;
    bool is_consistent = false;
    if (bytes.len > TDM__TRUST_ROOT_BYTES_MAX)
        return tdm__trust_refuse(w, TDM__TRUST_ENDLESS, "%s has %zu bytes, %d are the most", name, bytes.len,
                                 TDM__TRUST_ROOT_BYTES_MAX);
    TDM_TRY(tdm__trust_document_read(bytes, "root", name, &d, w->err));
    tdm_status s =
        tdm__json_get_bool(tdm__trust_signed(&d), "consistent_snapshot", name, &is_consistent, w->err);
    if (s == TDM_OK && !is_consistent)
        s = tdm__trust_refuse(w, TDM__TRUST_FORMAT, "%s: consistent_snapshot is false, only true is read", name);
    for (size_t i = N_ROLES; i-- > 0 && s == TDM_OK;) /* root's own comes last and stays in role */
        s = tdm__trust_root_role(&d, role_names[i], &role, w->err);
    if (s == TDM_OK)
        s = tdm__trust_check_signatures(w, &d, &role, name);
    if (s == TDM_OK)
        *out = d;
    else
        tdm__trust_document_fini(&d);
    return s;
}

tdm_status tdm__trust_root_first(const tdm__trust_walk *w, tdm__str bytes)
{
    return read_root(w, bytes, "root.json", &w->next->root);
}

/* Whether a key that could sign the role under one root cannot under the next. */
static bool role_lost_key(const tdm__trust_document *before, const tdm__trust_document *after, const char *role)
{
    tdm__trust_role a, b;
    if (tdm__trust_root_role(before, role, &a, NULL) != TDM_OK || tdm__trust_root_role(after, role, &b, NULL) != TDM_OK)
        return true;
    for (size_t i = 0; i < a.n_keys; i++) {
        bool is_kept = false;
        for (size_t k = 0; k < b.n_keys; k++)
            is_kept = is_kept || strcmp(a.keys[i].id, b.keys[k].id) == 0;
        if (!is_kept)
            return true;
    }
    return false;
}

/* The next root after next->root, which is replaced by it. */
static tdm_status take_root(const tdm__trust_walk *w, tdm__str bytes, const char *name, bool *is_rotated)
{
    tdm__trust_document *trusted = &w->next->root, d = {0};
    tdm__trust_role old_role;
    TDM_TRY(tdm__trust_root_role(trusted, "root", &old_role, w->err));
    TDM_TRY(read_root(w, bytes, name, &d));
    tdm_status s = tdm__trust_check_signatures(w, &d, &old_role, name);
    if (s == TDM_OK && d.version <= trusted->version)
        s = tdm__trust_refuse(w, TDM__TRUST_ROLLBACK, "%s has version %" PRId64 ", %" PRId64 " was seen", name,
                              d.version, trusted->version);
    if (s == TDM_OK && d.version != trusted->version + 1)
        s = tdm__trust_refuse(w, TDM__TRUST_MIX_AND_MATCH, "%s has version %" PRId64 ", %" PRId64 " is the next", name,
                              d.version, trusted->version + 1);
    if (s == TDM_OK && tdm__trust_root_is_demo(&d) != tdm__trust_root_is_demo(trusted))
        s = tdm__trust_refuse(w, TDM__TRUST_DEMO, "%s is %s, the root before it is %s", name,
                              tdm__trust_root_is_demo(&d) ? "a demo's" : "no demo's",
                              tdm__trust_root_is_demo(trusted) ? "one" : "none");
    if (s != TDM_OK) {
        tdm__trust_document_fini(&d);
        return s;
    }
    *is_rotated = *is_rotated || role_lost_key(trusted, &d, "timestamp") || role_lost_key(trusted, &d, "snapshot");
    tdm__trust_document_fini(trusted);
    *trusted = d;
    return TDM_OK;
}

tdm_status tdm__trust_root_follow(tdm__trust_walk *w, bool *is_rotated)
{
    tdm__buf bytes;
    tdm_status s = TDM_OK;
    tdm__buf_init(&bytes, TDM__TRUST_ROOT_BYTES_MAX);
    *is_rotated = false;
    for (size_t n_hops = 0; s == TDM_OK; n_hops++) {
        char name[40];
        snprintf(name, sizeof name, "%" PRId64 ".root.json", w->next->root.version + 1);
        tdm__buf_clear(&bytes);
        s = tdm__trust_fetch(w, name, TDM__TRUST_ROOT_BYTES_MAX, &bytes);
        if (s == TDM_OK && n_hops == TDM__TRUST_ROOT_HOPS_MAX)
            s = tdm__trust_refuse(w, TDM__TRUST_ENDLESS, "%s is the root number %zu in one update, %d are the most",
                                  name, n_hops + 1, TDM__TRUST_ROOT_HOPS_MAX);
        if (s == TDM_OK)
            s = take_root(w, tdm__buf_str(&bytes), name, is_rotated);
    }
    tdm__buf_fini(&bytes);
    if (s != TDM_ERR_NOT_FOUND)
        return s;
    *w->fault = TDM__TRUST_NONE; /* the chain's end is no fault */
    return tdm__trust_check_expiry(w, &w->next->root, "the root");
}
