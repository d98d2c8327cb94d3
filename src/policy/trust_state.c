/* trust_state.c - all that is believed, in one file:
 *
 *   {"_type":"trust-state","root":TEXT,"timestamp":TEXT,"snapshot":TEXT,"targets":TEXT,"markets":{"CN":TEXT,..},
 *    "files":{PATH:TEXT,..},"floors":{"timestamp":n,"snapshot":n,"meta":{NAME:n,..}},"newest_unix_s":n}
 *
 * A TEXT has the exact bytes that were verified. One file, because a rename replaces one file: there is no moment at
 * which the metadata is new and a policy old. What is not signed in it (floors, time) cannot lie below what is.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "os/file.h"
#include "os/heap.h"
#include "policy/trust_internal.h"

enum { STATE_BYTES_MAX = 6 * TDM__TRUST_ALL_BYTES_MAX + (2 << 20) /* a character may be written as six */ };

void tdm__trust_believed_fini(tdm__trust_believed *b)
{
    tdm__trust_document_fini(&b->root);
    tdm__trust_document_fini(&b->timestamp);
    tdm__trust_document_fini(&b->snapshot);
    tdm__trust_document_fini(&b->targets);
    for (size_t i = 0; i < b->n_markets; i++)
        tdm__trust_document_fini(&b->markets[i].document);
    json_decref(b->files);
    *b = (tdm__trust_believed){0};
}

void tdm__trust_floors_fini(tdm__trust_floors *f)
{
    json_decref(f->meta);
    *f = (tdm__trust_floors){0};
}

tdm_status tdm__trust_floors_copy(const tdm__trust_floors *from, tdm__trust_floors *out, tdm_error *err)
{
    json_t *meta = from->meta ? json_copy(from->meta) : json_object();
    if (!meta)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the versions that were seen");
    *out = *from;
    out->meta = meta;
    return TDM_OK;
}

static tdm_status read_text(const json_t *object, const char *key, tdm__trust_document *out, tdm_error *err)
{
    json_t *text = json_object_get(object, key);
    if (!json_is_string(text))
        TDM_FAIL(err, TDM_ERR_FORMAT, "%.40s must be a string, it is %s", key, tdm__json_kind(text));
    out->text = json_incref(text);
    return TDM_OK;
}

static tdm_status read_markets(const json_t *markets, tdm__trust_believed *b, tdm_error *err)
{
    const char *id;
    json_t *text;
    json_object_foreach((json_t *)markets, id, text)
    {
        if (strlen(id) != 2 || b->n_markets == TDM__TRUST_MARKETS_MAX)
            TDM_FAIL(err, TDM_ERR_FORMAT, "markets: %.40s is no market, or there are more than %d", id,
                     TDM__TRUST_MARKETS_MAX);
        tdm__trust_market *m = &b->markets[b->n_markets];
        TDM_TRY(read_text(markets, id, &m->document, err));
        memcpy(m->id, id, sizeof m->id);
        b->n_markets++;
    }
    return TDM_OK;
}

static tdm_status read_files(const json_t *state, tdm__trust_believed *b, tdm_error *err)
{
    const char *path;
    json_t *text;
    const json_t *files = NULL;
    TDM_TRY(tdm__json_get_object(state, "files", "the state", &files, err));
    json_object_foreach((json_t *)files, path, text)
        if (!json_is_string(text))
            TDM_FAIL(err, TDM_ERR_FORMAT, "files: %.80s must be a string, it is %s", path, tdm__json_kind(text));
    b->files = json_incref((json_t *)files);
    return TDM_OK;
}

static tdm_status read_floors(const json_t *state, tdm__trust_floors *f, tdm_error *err)
{
    const json_t *floors = NULL, *meta = NULL;
    const char *name;
    json_t *version;
    TDM_TRY(tdm__json_get_int(state, "newest_unix_s", "the state", 0, INT64_MAX, &f->newest_unix_s, err));
    TDM_TRY(tdm__json_get_object(state, "floors", "the state", &floors, err));
    TDM_TRY(tdm__json_get_int(floors, "timestamp", "floors", 0, INT64_MAX, &f->timestamp, err));
    TDM_TRY(tdm__json_get_int(floors, "snapshot", "floors", 0, INT64_MAX, &f->snapshot, err));
    TDM_TRY(tdm__json_get_object(floors, "meta", "floors", &meta, err));
    json_object_foreach((json_t *)meta, name, version)
        if (!json_is_integer(version))
            TDM_FAIL(err, TDM_ERR_FORMAT, "floors: %.80s must be an integer, it is %s", name, tdm__json_kind(version));
    f->meta = json_incref((json_t *)meta);
    return TDM_OK;
}

static tdm_status read_state(const json_t *state, tdm__trust_believed *b, tdm__trust_floors *f, tdm_error *err)
{
    static const char *const known[] = {"_type",   "root",  "timestamp", "snapshot",      "targets",
                                        "markets", "files", "floors",    "newest_unix_s", NULL};
    const json_t *markets = NULL;
    TDM_TRY(tdm__json_check_keys(state, "the state", known, err));
    TDM_TRY(read_text(state, "root", &b->root, err));
    TDM_TRY(read_floors(state, f, err));
    if (!json_object_get(state, "timestamp"))
        return TDM_OK;
    TDM_TRY(read_text(state, "timestamp", &b->timestamp, err));
    TDM_TRY(read_text(state, "snapshot", &b->snapshot, err));
    TDM_TRY(read_text(state, "targets", &b->targets, err));
    TDM_TRY(tdm__json_get_object(state, "markets", "the state", &markets, err));
    TDM_TRY(read_markets(markets, b, err));
    return read_files(state, b, err);
}

tdm_status tdm__trust_state_parse(tdm__str bytes, tdm__trust_believed *b, tdm__trust_floors *f, tdm_error *err)
{
    json_t *state = NULL;
    *b = (tdm__trust_believed){0};
    *f = (tdm__trust_floors){0};
    TDM_TRY(tdm__json_parse(bytes, "the state", STATE_BYTES_MAX, &state, err));
    tdm_status s = read_state(state, b, f, err);
    json_decref(state);
    if (s != TDM_OK) {
        tdm__trust_believed_fini(b);
        tdm__trust_floors_fini(f);
    }
    return s;
}

tdm_status tdm__trust_state_load(const char *path, tdm__trust_believed *b, tdm__trust_floors *f, tdm_error *err)
{
    char *bytes = NULL;
    size_t len = 0;
    int rc = tdm__file_read(path, STATE_BYTES_MAX, &bytes, &len);
    if (rc == EFBIG)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%.200s is longer than it could be", path);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%.200s cannot be read", path);
    tdm_status s = tdm__trust_state_parse((tdm__str){bytes, len}, b, f, err);
    tdm__free(bytes);
    return s;
}

/* A new object, or NULL: no memory. */
static json_t *state_json(const tdm__trust_believed *b, const tdm__trust_floors *f)
{
    json_t *state = json_pack("{s:s, s:O, s:{s:I, s:I, s:O}, s:I}", "_type", "trust-state", "root", b->root.text,
                              "floors", "timestamp", (json_int_t)f->timestamp, "snapshot", (json_int_t)f->snapshot,
                              "meta", f->meta, "newest_unix_s", (json_int_t)f->newest_unix_s);
    if (!state || !b->timestamp.text)
        return state;
    json_t *markets = json_object();
    int failed = 0;
    for (size_t i = 0; i < b->n_markets; i++)
        failed |= json_object_set(markets, b->markets[i].id, b->markets[i].document.text);
    failed |= json_object_set_new(state, "markets", markets);
    failed |= json_object_set(state, "timestamp", b->timestamp.text);
    failed |= json_object_set(state, "snapshot", b->snapshot.text);
    failed |= json_object_set(state, "targets", b->targets.text);
    failed |= json_object_set(state, "files", b->files);
    if (failed) {
        json_decref(state);
        return NULL;
    }
    return state;
}

tdm_status tdm__trust_state_save(const char *path, const tdm__trust_believed *b, const tdm__trust_floors *f,
                                 tdm_error *err)
{
    json_t *state = state_json(b, f);
    char *bytes = state ? tdm__json_text(state, JSON_COMPACT) : NULL;
    json_decref(state);
    if (!bytes)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory to write %.200s", path);
    int rc = tdm__file_write_atomic(path, bytes, strlen(bytes), 0600);
    tdm__free(bytes);
    if (rc != 0)
        return tdm__fail_os(err, rc, "%.200s cannot be written", path);
    return TDM_OK;
}
