/* trust_walk.c - from the timestamp down to the markets' roles: TUF 5.4 to 5.6, in its order; then the files.
 *
 * What is stored already is taken again when it is what the level above names and its role's keys still sign it, so
 * that an update may bring only what has changed. A market whose role was never here may be missing from the source (a
 * device gets the files of its own market); one that was here may not.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "policy/trust_internal.h"

/* A document as the level above names it. */
typedef struct wanted {
    const char *type; /* "targets" */
    const char *name; /* "market-CN" */
    const tdm__trust_role *role;
    const tdm__trust_meta *meta;
    size_t bytes_max;
    const tdm__trust_document *stored; /* NULL, or perhaps it */
} wanted;

static tdm_status read_signed(const tdm__trust_walk *w, const wanted *want, tdm__str bytes, const char *name,
                              tdm__trust_document *out)
{
    tdm__trust_document d = {0};
    TDM_TRY(tdm__trust_document_read(bytes, want->type, name, &d, w->err));
    tdm_status s = tdm__trust_check_signatures(w, &d, want->role, name);
    if (s == TDM_OK && want->meta && d.version != want->meta->version)
        s = tdm__trust_refuse(w, TDM__TRUST_MIX_AND_MATCH, "%s has version %" PRId64 ", %" PRId64 " is named above it",
                              name, d.version, want->meta->version);
    if (s == TDM_OK)
        *out = d;
    else
        tdm__trust_document_fini(&d);
    return s;
}

/* The stored document when it is the wanted one; whatever it lacks is no fault, for the source may have another. */
static bool take_stored(const tdm__trust_walk *w, const wanted *want, const char *name, tdm__trust_document *out)
{
    tdm__trust_fault unused = TDM__TRUST_NONE;
    tdm__trust_walk quiet = *w;
    quiet.fault = &unused;
    quiet.err = NULL;
    if (!want->stored || !want->stored->text)
        return false;
    tdm__str bytes = tdm__trust_text(want->stored->text);
    if (want->meta && !tdm__trust_meta_fits(want->meta, bytes))
        return false;
    return read_signed(&quiet, want, bytes, name, out) == TDM_OK;
}

static tdm_status take_fetched(tdm__trust_walk *w, const wanted *want, const char *name, tdm__trust_document *out)
{
    tdm__buf bytes;
    size_t bytes_max = want->bytes_max;
    if (want->meta && want->meta->length > (int64_t)bytes_max)
        return tdm__trust_refuse(w, TDM__TRUST_ENDLESS, "%s would have %" PRId64 " bytes, %zu are the most", name,
                                 want->meta->length, bytes_max);
    if (want->meta && want->meta->length >= 0)
        bytes_max = (size_t)want->meta->length;
    tdm__buf_init(&bytes, bytes_max);
    tdm_status s = tdm__trust_fetch(w, name, bytes_max, &bytes);
    if (s == TDM_OK && want->meta && !tdm__trust_meta_fits(want->meta, tdm__buf_str(&bytes)))
        s = tdm__trust_refuse(w, TDM__TRUST_MIX_AND_MATCH, "%s is not the one that is named above it", name);
    if (s == TDM_OK)
        s = read_signed(w, want, tdm__buf_str(&bytes), name, out);
    tdm__buf_fini(&bytes);
    return s;
}

static tdm_status take(tdm__trust_walk *w, const wanted *want, tdm__trust_document *out)
{
    char name[80];
    if (want->meta)
        snprintf(name, sizeof name, "%" PRId64 ".%s.json", want->meta->version, want->name);
    else
        snprintf(name, sizeof name, "%s.json", want->name);
    if (!take_stored(w, want, name, out))
        TDM_TRY(take_fetched(w, want, name, out));
    return tdm__trust_count_bytes(w, json_string_length(out->text), name);
}

/* 5.4. A timestamp of the stored one's version is the stored one: nothing new. */
static tdm_status take_timestamp(tdm__trust_walk *w, tdm__trust_meta *snapshot)
{
    tdm__trust_role role;
    tdm__trust_document *d = &w->next->timestamp, again = {0};
    TDM_TRY(tdm__trust_root_role(&w->next->root, "timestamp", &role, w->err));
    wanted want = {.type = "timestamp",
                   .name = "timestamp",
                   .role = &role,
                   .bytes_max = TDM__TRUST_TIMESTAMP_BYTES_MAX,
                   .stored = w->source ? NULL : &w->stored->timestamp};
    TDM_TRY(take(w, &want, d));
    if (w->source && d->version < w->floors->timestamp)
        return tdm__trust_refuse(w, TDM__TRUST_ROLLBACK, "timestamp.json has version %" PRId64 ", %" PRId64 " was seen",
                                 d->version, w->floors->timestamp);
    want.stored = &w->stored->timestamp;
    if (w->source && d->version == w->stored->timestamp.version && take_stored(w, &want, "timestamp.json", &again)) {
        tdm__trust_document_fini(d);
        *d = again;
    }
    TDM_TRY(tdm__trust_meta_read(d, "snapshot.json", snapshot, w->err));
    if (w->source && snapshot->version < w->floors->snapshot)
        return tdm__trust_refuse(w, TDM__TRUST_ROLLBACK,
                                 "timestamp.json names version %" PRId64 " of the snapshot, %" PRId64 " was seen",
                                 snapshot->version, w->floors->snapshot);
    TDM_TRY(tdm__trust_check_expiry(w, d, "timestamp.json"));
    if (w->source) {
        w->floors->timestamp = d->version;
        w->floors->snapshot = snapshot->version;
    }
    return TDM_OK;
}

/* No document may have a lower version than a snapshot before named, or be gone. */
static tdm_status check_snapshot_floors(const tdm__trust_walk *w, const tdm__trust_document *d)
{
    const char *name;
    json_t *floor;
    const json_t *meta = json_object_get(tdm__trust_signed(d), "meta");
    json_object_foreach(w->floors->meta, name, floor)
    {
        const json_t *version = json_object_get(json_object_get(meta, name), "version");
        if (!json_is_integer(version))
            return tdm__trust_refuse(w, TDM__TRUST_ROLLBACK, "the snapshot has lost %.80s", name);
        if (json_integer_value(version) < json_integer_value(floor))
            return tdm__trust_refuse(w, TDM__TRUST_ROLLBACK,
                                     "the snapshot names version %" JSON_INTEGER_FORMAT
                                     " of %.80s, %" JSON_INTEGER_FORMAT " was seen",
                                     json_integer_value(version), name, json_integer_value(floor));
    }
    return TDM_OK;
}

static tdm_status raise_snapshot_floors(const tdm__trust_walk *w, const tdm__trust_document *d)
{
    const char *name;
    json_t *entry;
    json_t *meta = json_object_get(tdm__trust_signed(d), "meta");
    if (json_object_size(meta) > TDM__TRUST_META_MAX)
        return tdm__trust_refuse(w, TDM__TRUST_ENDLESS, "the snapshot names %zu documents, %d are the most",
                                 json_object_size(meta), TDM__TRUST_META_MAX);
    json_object_foreach(meta, name, entry)
    {
        tdm__trust_meta m;
        TDM_TRY(tdm__trust_meta_read(d, name, &m, w->err));
        if (json_object_set_new(w->floors->meta, name, json_integer(m.version)) != 0)
            TDM_FAIL(w->err, TDM_ERR_NOMEM, "no memory for the versions of a snapshot");
    }
    return TDM_OK;
}

/* 5.5 */
static tdm_status take_snapshot(tdm__trust_walk *w, const tdm__trust_meta *meta)
{
    tdm__trust_role role;
    tdm__trust_document *d = &w->next->snapshot;
    TDM_TRY(tdm__trust_root_role(&w->next->root, "snapshot", &role, w->err));
    TDM_TRY(take(w,
                 &(wanted){.type = "snapshot",
                           .name = "snapshot",
                           .role = &role,
                           .meta = meta,
                           .bytes_max = TDM__TRUST_SNAPSHOT_BYTES_MAX,
                           .stored = &w->stored->snapshot},
                 d));
    if (!w->source)
        return TDM_OK;
    TDM_TRY(check_snapshot_floors(w, d));
    TDM_TRY(tdm__trust_check_expiry(w, d, "the snapshot"));
    return raise_snapshot_floors(w, d);
}

/* 5.6: the targets role, or a delegated one. */
static tdm_status take_targets(tdm__trust_walk *w, const char *name, const tdm__trust_role *role,
                               const tdm__trust_document *stored, tdm__trust_document *out)
{
    char file[40];
    tdm__trust_meta meta;
    snprintf(file, sizeof file, "%s.json", name);
    if (!json_object_get(json_object_get(tdm__trust_signed(&w->next->snapshot), "meta"), file))
        return tdm__trust_refuse(w, TDM__TRUST_MIX_AND_MATCH, "the snapshot does not name %s", file);
    TDM_TRY(tdm__trust_meta_read(&w->next->snapshot, file, &meta, w->err));
    TDM_TRY(take(w,
                 &(wanted){.type = "targets",
                           .name = name,
                           .role = role,
                           .meta = &meta,
                           .bytes_max = TDM__TRUST_TARGETS_BYTES_MAX,
                           .stored = stored},
                 out));
    return tdm__trust_check_expiry(w, out, file);
}

static const tdm__trust_document *stored_market(const tdm__trust_walk *w, const char *id)
{
    for (size_t i = 0; i < w->stored->n_markets; i++)
        if (strcmp(w->stored->markets[i].id, id) == 0)
            return &w->stored->markets[i].document;
    return NULL;
}

static tdm_status take_market(tdm__trust_walk *w, const json_t *keys, const json_t *delegation)
{
    tdm__trust_role role;
    tdm__trust_market *m = &w->next->markets[w->next->n_markets];
    char name[16];
    TDM_TRY(tdm__trust_delegation_market(w, delegation, m->id));
    for (size_t i = 0; i < w->next->n_markets; i++)
        if (strcmp(w->next->markets[i].id, m->id) == 0)
            return tdm__trust_refuse(w, TDM__TRUST_FORMAT, "market-%s is delegated to twice", m->id);
    snprintf(name, sizeof name, "market-%.2s", m->id);
    TDM_TRY(tdm__trust_role_read(keys, delegation, name, &role, w->err));
    const tdm__trust_document *stored = stored_market(w, m->id);
    w->next->n_markets++; /* from here on it is freed with the others */
    tdm_status s = take_targets(w, name, &role, stored, &m->document);
    if (s == TDM_ERR_NOT_FOUND && !stored) {
        *w->fault = TDM__TRUST_NONE;
        w->next->n_markets--;
        return TDM_OK;
    }
    return s;
}

static tdm_status take_markets(tdm__trust_walk *w)
{
    const json_t *delegations = json_object_get(tdm__trust_signed(&w->next->targets), "delegations");
    const json_t *keys = NULL, *roles = NULL;
    if (!delegations)
        return TDM_OK;
    TDM_TRY(tdm__json_get_object(delegations, "keys", "targets: delegations", &keys, w->err));
    TDM_TRY(tdm__json_get_array(delegations, "roles", "targets: delegations", TDM__TRUST_MARKETS_MAX, &roles, w->err));
    for (size_t i = 0; i < json_array_size(roles); i++)
        TDM_TRY(take_market(w, keys, json_array_get(roles, i)));
    return TDM_OK;
}

tdm_status tdm__trust_walk_run(tdm__trust_walk *w)
{
    tdm__trust_role targets;
    tdm__trust_meta snapshot;
    if (!w->source && !w->stored->timestamp.text)
        return TDM_OK; /* a root and nothing under it: the rest waits for an update */
    w->next->files = json_object();
    if (!w->next->files)
        TDM_FAIL(w->err, TDM_ERR_NOMEM, "no memory for the files of an update");
    TDM_TRY(take_timestamp(w, &snapshot));
    TDM_TRY(take_snapshot(w, &snapshot));
    TDM_TRY(tdm__trust_root_role(&w->next->root, "targets", &targets, w->err));
    TDM_TRY(take_targets(w, "targets", &targets, &w->stored->targets, &w->next->targets));
    TDM_TRY(take_markets(w));
    return tdm__trust_take_files(w);
}
