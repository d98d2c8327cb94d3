/* trust_files.c - the files that the targets role and the markets' roles have signed: TUF 5.7, but for all of them at
 * once, since a device must have them when the network is gone. A file is text; what it means is its reader's business.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "policy/trust_internal.h"

/* "markets/CN/policy.json" lies at "targets/markets/CN/HASH.policy.json". */
static void file_name(const char *path, const char *sha256, char out[TDM__TRUST_NAME_MAX])
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    snprintf(out, TDM__TRUST_NAME_MAX, "targets/%.*s%s.%s", (int)(base - path), path, sha256, base);
}

static tdm_status fetch_file(tdm__trust_walk *w, const char *path, const tdm__trust_meta *meta, json_t **text)
{
    char name[TDM__TRUST_NAME_MAX];
    tdm__buf bytes;
    file_name(path, meta->sha256, name);
    tdm__buf_init(&bytes, (size_t)meta->length);
    tdm_status s = tdm__trust_fetch(w, name, (size_t)meta->length, &bytes);
    if (s == TDM_OK && !tdm__trust_meta_fits(meta, tdm__buf_str(&bytes)))
        s = tdm__trust_refuse(w, TDM__TRUST_TARGET_HASH, "%s is not the file that was signed", path);
    if (s == TDM_OK) {
        bool has_nul = memchr(tdm__buf_cstr(&bytes), '\0', bytes.len) != NULL;
        *text = has_nul ? NULL : json_stringn(tdm__buf_cstr(&bytes), bytes.len);
        if (!*text)
            s = tdm__trust_refuse(w, TDM__TRUST_FORMAT, "%s is no text in UTF-8", path);
    }
    tdm__buf_fini(&bytes);
    return s;
}

static tdm_status take_file(tdm__trust_walk *w, const char *path, const json_t *entry)
{
    tdm__trust_meta meta;
    TDM_TRY(tdm__trust_meta_parse(entry, path, &meta, w->err));
    if (meta.length < 0 || meta.sha256[0] == '\0')
        return tdm__trust_refuse(w, TDM__TRUST_FORMAT, "%s is signed without length or sha256", path);
    if (meta.length > TDM__TRUST_FILE_BYTES_MAX)
        return tdm__trust_refuse(w, TDM__TRUST_ENDLESS, "%s would have %" PRId64 " bytes, %d are the most", path,
                                 meta.length, TDM__TRUST_FILE_BYTES_MAX);
    if (json_object_size(w->next->files) == TDM__TRUST_FILES_MAX)
        return tdm__trust_refuse(w, TDM__TRUST_ENDLESS, "more than %d files are signed", TDM__TRUST_FILES_MAX);
    TDM_TRY(tdm__trust_count_bytes(w, (size_t)meta.length, path));
    json_t *text = json_incref(json_object_get(w->stored->files, path));
    if (!text || !tdm__trust_meta_fits(&meta, tdm__trust_text(text))) {
        json_decref(text);
        TDM_TRY(fetch_file(w, path, &meta, &text));
    }
    if (json_object_set_new(w->next->files, path, text) != 0)
        TDM_FAIL(w->err, TDM_ERR_NOMEM, "no memory for %s", path);
    return TDM_OK;
}

/* The files of the targets role (delegation NULL) or of a market's. */
static tdm_status take_files(tdm__trust_walk *w, const tdm__trust_document *d, const json_t *delegation)
{
    const char *path;
    json_t *entry;
    const json_t *targets = NULL;
    TDM_TRY(tdm__json_get_object(tdm__trust_signed(d), "targets", "targets", &targets, w->err));
    json_object_foreach((json_t *)targets, path, entry)
    {
        TDM_TRY(tdm__trust_check_path(path, w->err));
        if (delegation ? !tdm__trust_delegation_covers(delegation, path) : tdm__trust_path_is_of_market(path))
            return tdm__trust_refuse(w, TDM__TRUST_WRONG_ROLE, "%s is signed by %s, which may not", path,
                                     delegation ? json_string_value(json_object_get(delegation, "name")) : "targets");
        TDM_TRY(take_file(w, path, entry));
    }
    return TDM_OK;
}

tdm_status tdm__trust_take_files(tdm__trust_walk *w)
{
    TDM_TRY(take_files(w, &w->next->targets, NULL));
    const json_t *delegations = json_object_get(tdm__trust_signed(&w->next->targets), "delegations");
    const json_t *roles = json_object_get(delegations, "roles");
    for (size_t i = 0; i < json_array_size(roles); i++) {
        const json_t *delegation = json_array_get(roles, i);
        char id[3];
        TDM_TRY(tdm__trust_delegation_market(w, delegation, id));
        for (size_t k = 0; k < w->next->n_markets; k++)
            if (strcmp(w->next->markets[k].id, id) == 0)
                TDM_TRY(take_files(w, &w->next->markets[k].document, delegation));
    }
    return TDM_OK;
}
