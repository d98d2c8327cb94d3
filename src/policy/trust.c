/* trust.c - opening, installing, updating: a walk, then one write, then the change in memory.
 *
 * An update writes once, at its end. When it succeeds, all that is new; when it fails, what must not be forgotten: a
 * newer root, and versions that were verified. A process that is killed on the way has not begun, which is no more than
 * whoever can kill it gets by withholding the update.
 *
 * A time is believed, and kept, only while the signed documents are in time at it: so the clock of a device that was
 * set to next year is not remembered, and the clock that is remembered can be ahead of the true one by at most the
 * timestamp's lifetime.
 */
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "os/heap.h"
#include "policy/trust_internal.h"

static int64_t max_time(int64_t a, int64_t b) { return a > b ? a : b; }

static tdm_status list_targets(const tdm__trust_believed *b, tdm__trust_target **out, size_t *n, tdm_error *err)
{
    const char *path;
    json_t *text;
    tdm__trust_target *list = tdm__calloc(json_object_size(b->files) + 1, sizeof *list);
    if (!list)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the list of targets");
    *n = 0;
    json_object_foreach(b->files, path, text)
    {
        tdm__trust_target *one = &list[(*n)++];
        one->path = path;
        one->bytes = tdm__trust_text(text);
        tdm__sha256_hex(one->bytes.ptr, one->bytes.len, one->sha256);
    }
    *out = list;
    return TDM_OK;
}

/* Makes next what t believes; next is empty after. */
static tdm_status believe(tdm__trust *t, tdm__trust_believed *next, tdm_error *err)
{
    tdm__trust_target *targets = NULL;
    size_t n_targets = 0;
    TDM_TRY(list_targets(next, &targets, &n_targets, err));
    tdm__trust_believed_fini(&t->believed);
    tdm__free(t->targets);
    t->believed = *next;
    t->targets = targets;
    t->n_targets = n_targets;
    *next = (tdm__trust_believed){0};
    return TDM_OK;
}

static bool floors_are_equal(const tdm__trust_floors *a, const tdm__trust_floors *b)
{
    return a->timestamp == b->timestamp && a->snapshot == b->snapshot && json_equal(a->meta, b->meta);
}

/* After an update that failed under root: t keeps what root still allows, and floors (taken) if they are new. The
 * update's own error is what the caller hears of; a disk that is full as well changes nothing about it. */
static void keep_after_failure(tdm__trust *t, const tdm__trust_document *root, bool is_rotated,
                               tdm__trust_floors *floors)
{
    bool is_newer = root->version > t->believed.root.version;
    tdm__trust_fault unused = TDM__TRUST_NONE;
    tdm__trust_believed next = {.root = tdm__trust_document_share(root)};
    tdm__trust_walk w = {.stored = &t->believed, .next = &next, .floors = floors, .fault = &unused};
    if (is_newer && (is_rotated || tdm__trust_walk_run(&w) != TDM_OK)) {
        tdm__trust_believed_fini(&next);
        next.root = tdm__trust_document_share(root);
    }
    bool is_changed = is_newer || !floors_are_equal(floors, &t->floors);
    if (is_newer && believe(t, &next, NULL) != TDM_OK)
        is_changed = false;
    tdm__trust_believed_fini(&next);
    if (!is_changed)
        return;
    tdm__trust_floors_fini(&t->floors);
    t->floors = *floors;
    *floors = (tdm__trust_floors){0};
    if (t->state_path)
        (void)tdm__trust_state_save(t->state_path, &t->believed, &t->floors, NULL);
}

/* The walk's error as a fault: what foreign bytes caused and no check named. */
static void name_fault(tdm_status s, tdm__trust_fault *fault)
{
    if (s == TDM_OK)
        *fault = TDM__TRUST_NONE;
    else if (*fault == TDM__TRUST_NONE && s == TDM_ERR_FORMAT)
        *fault = TDM__TRUST_FORMAT;
    else if (*fault == TDM__TRUST_NONE && s == TDM_ERR_LIMIT)
        *fault = TDM__TRUST_ENDLESS;
}

static tdm_status keep_after_success(tdm__trust *t, tdm__trust_believed *next, tdm__trust_floors *floors,
                                     int64_t now_unix_s, tdm_error *err)
{
    floors->newest_unix_s = max_time(floors->newest_unix_s, now_unix_s);
    if (t->state_path)
        TDM_TRY(tdm__trust_state_save(t->state_path, next, floors, err));
    TDM_TRY(believe(t, next, err));
    tdm__trust_floors_fini(&t->floors);
    t->floors = *floors;
    *floors = (tdm__trust_floors){0};
    return TDM_OK;
}

/* An update of t; the first one when t believes nothing yet, from root. */
static tdm_status update(tdm__trust *t, tdm__str root, const tdm__trust_source *source, int64_t system_now_unix_s,
                         tdm__trust_fault *fault, tdm_error *err)
{
    const bool is_first = t->believed.root.text == NULL;
    bool is_rotated = false;
    tdm__trust_believed next = {0}, stored = t->believed; /* borrows */
    tdm__trust_floors floors = {0};
    TDM_TRY(tdm__trust_floors_copy(&t->floors, &floors, err));
    tdm__trust_walk w = {.source = source,
                         .stored = &stored,
                         .next = &next,
                         .floors = &floors,
                         .now_unix_s = tdm__trust_now(t, system_now_unix_s, NULL),
                         .fault = fault,
                         .err = err};
    tdm_status s = TDM_OK;
    if (is_first)
        s = tdm__trust_root_first(&w, root);
    else
        next.root = tdm__trust_document_share(&t->believed.root);
    if (s == TDM_OK)
        s = tdm__trust_root_follow(&w, &is_rotated);
    if (is_rotated) { /* recovery from versions that a stolen key made as high as can be */
        stored.timestamp = stored.snapshot = (tdm__trust_document){0};
        floors.timestamp = floors.snapshot = 0;
        json_object_clear(floors.meta);
    }
    if (s == TDM_OK)
        s = tdm__trust_walk_run(&w);
    name_fault(s, fault);
    if (s == TDM_OK)
        s = keep_after_success(t, &next, &floors, w.now_unix_s, err);
    else if (!is_first)
        keep_after_failure(t, &next.root, is_rotated, &floors);
    tdm__trust_believed_fini(&next);
    tdm__trust_floors_fini(&floors);
    return s;
}

tdm_status tdm__trust_update(tdm__trust *t, const tdm__trust_source *source, int64_t system_now_unix_s,
                             tdm__trust_fault *fault, tdm_error *err)
{
    *fault = TDM__TRUST_NONE;
    return update(t, (tdm__str){0}, source, system_now_unix_s, fault, err);
}

static tdm_status first_update(const char *state_path, int64_t newest_unix_s, tdm__str root,
                               const tdm__trust_source *source, int64_t system_now_unix_s, tdm__trust **out,
                               tdm__trust_fault *fault, tdm_error *err)
{
    *fault = TDM__TRUST_NONE;
    tdm__trust *t = tdm__calloc(1, sizeof *t);
    char *path = state_path ? tdm__strdup(state_path) : NULL;
    tdm_status s = TDM_OK;
    if (!t || (state_path && !path)) {
        tdm__free(path);
        s = tdm__fail(err, TDM_ERR_NOMEM, "no memory for what is trusted");
    } else {
        t->state_path = path;
        t->floors.newest_unix_s = newest_unix_s;
        s = update(t, root, source, system_now_unix_s, fault, err);
    }
    if (s == TDM_OK)
        *out = t;
    else
        tdm__trust_destroy(t);
    return s;
}

tdm_status tdm__trust_install(const char *state_path, tdm__str root, const tdm__trust_source *source,
                              int64_t system_now_unix_s, tdm__trust **out, tdm__trust_fault *fault, tdm_error *err)
{
    *fault = TDM__TRUST_NONE;
    if (access(state_path, F_OK) == 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "%.200s is there: a root is installed once, later ones come by updates",
                 state_path);
    return first_update(state_path, TDM__TRUST_BUILT_UNIX_S, root, source, system_now_unix_s, out, fault, err);
}

tdm_status tdm__trust_verify(tdm__str root, const tdm__trust_source *source, int64_t at_unix_s, tdm__trust **out,
                             tdm__trust_fault *fault, tdm_error *err)
{
    return first_update(NULL, 0, root, source, at_unix_s, out, fault, err);
}

/* Floors and the kept time are not signed, but what is signed bounds them: no version lies above its floor, and a time
 * was kept only while the timestamp was in time. */
static tdm_status check_floors(const tdm__trust_believed *b, const tdm__trust_floors *f, tdm_error *err)
{
    bool is_sound = f->timestamp >= b->timestamp.version && f->snapshot >= b->snapshot.version;
    const char *name;
    json_t *entry;
    if (b->snapshot.json)
        json_object_foreach(json_object_get(tdm__trust_signed(&b->snapshot), "meta"), name, entry)
            is_sound = is_sound && json_integer_value(json_object_get(f->meta, name)) >=
                                       json_integer_value(json_object_get(entry, "version"));
    if (!is_sound)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "the versions that were seen lie below those that are there");
    if (b->timestamp.text && f->newest_unix_s >= b->timestamp.expires_unix_s)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "the time that was kept lies behind the timestamp's expiry");
    return TDM_OK;
}

/* Verifies what was loaded again, and makes it t's. */
static tdm_status reopen(tdm__trust *t, tdm__trust_believed *stored, int64_t system_now_unix_s, tdm_error *err)
{
    tdm__trust_fault unused = TDM__TRUST_NONE;
    tdm__trust_believed next = {0};
    tdm__trust_walk w = {.stored = stored, .next = &next, .floors = &t->floors, .fault = &unused, .err = err};
    tdm_status s = tdm__trust_root_first(&w, tdm__trust_text(stored->root.text));
    if (s == TDM_OK)
        s = tdm__trust_walk_run(&w);
    if (s == TDM_OK && next.n_markets != stored->n_markets)
        s = tdm__fail(err, TDM_ERR_INTEGRITY, "a market is there that is not signed");
    if (s == TDM_OK)
        s = check_floors(&next, &t->floors, err);
    if (s == TDM_OK && system_now_unix_s < tdm__trust_common_expiry(&next))
        t->floors.newest_unix_s = max_time(t->floors.newest_unix_s, system_now_unix_s);
    t->floors.newest_unix_s = max_time(t->floors.newest_unix_s, TDM__TRUST_BUILT_UNIX_S);
    if (s == TDM_OK)
        s = believe(t, &next, err);
    tdm__trust_believed_fini(&next);
    return s;
}

tdm_status tdm__trust_open(const char *state_path, int64_t system_now_unix_s, tdm__trust **out, tdm_error *err)
{
    tdm__trust_believed stored = {0};
    tdm_error why = {0};
    tdm__trust *t = tdm__calloc(1, sizeof *t);
    if (!t || !(t->state_path = tdm__strdup(state_path))) {
        tdm__free(t);
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for what is trusted");
    }
    tdm_status s = tdm__trust_state_load(state_path, &stored, &t->floors, &why);
    bool is_absent = s == TDM_ERR_NOT_FOUND;
    if (s == TDM_OK)
        s = reopen(t, &stored, system_now_unix_s, &why);
    tdm__trust_believed_fini(&stored);
    if (s == TDM_OK) {
        *out = t;
        return TDM_OK;
    }
    tdm__trust_destroy(t);
    if (is_absent || s == TDM_ERR_NOMEM || s == TDM_ERR_IO)
        return tdm__fail(err, s, "%s", why.msg);
    return tdm__fail(err, TDM_ERR_INTEGRITY, "%.150s was changed: %s", state_path, why.msg);
}

void tdm__trust_destroy(tdm__trust *t)
{
    if (!t)
        return;
    tdm__trust_believed_fini(&t->believed);
    tdm__trust_floors_fini(&t->floors);
    tdm__free(t->targets);
    tdm__free(t->state_path);
    tdm__free(t);
}
