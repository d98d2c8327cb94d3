/* consent.c - what the owner said, in memory and written through.
 *
 * A look asks SQLite whether another process has changed the file (a lock and a read of one page, never a wait): when
 * the file is just being written, what is known stays. All changes end in one reading of the table, so that memory
 * never holds what the disk does not.
 */
#include <string.h>

#include "base/error.h"
#include "base/rfc3339.h"
#include "os/heap.h"
#include "usage/usage_internal.h"

enum { TEXT_BYTES_MAX = 255 };

void tdm__consent_rows_fini(tdm__consent_rows *r)
{
    for (size_t i = 0; i < r->n; i++)
        tdm__free(r->items[i].partner);
    tdm__free(r->items);
    *r = (tdm__consent_rows){0};
}

/* Copies the four texts of the current row into one block. */
static bool take_row(sqlite3_stmt *q, tdm__consent_row *row)
{
    size_t len[4], total = 0;
    const unsigned char *text[4];
    for (int i = 0; i < 4; i++) {
        text[i] = sqlite3_column_text(q, i);
        if (!text[i])
            return false;
        len[i] = (size_t)sqlite3_column_bytes(q, i) + 1;
        total += len[i];
    }
    char *block = tdm__malloc(total);
    if (!block)
        return false;
    char **const places[4] = {&row->partner, &row->feature, &row->profile_sha256, &row->model};
    for (int i = 0; i < 4; i++) {
        memcpy(block, text[i], len[i]);
        *places[i] = block;
        block += len[i];
    }
    row->with_attachments = sqlite3_column_int(q, 4) != 0;
    row->mode = (tdm__consent_mode)sqlite3_column_int(q, 5);
    row->since_unix_s = sqlite3_column_int64(q, 6);
    return true;
}

static tdm_status read_rows(tdm__usage *u, tdm__consent_rows *out, tdm_error *err)
{
    sqlite3_stmt *q = u->sql[TDM__SQL_CONSENT_READ];
    int rc;
    tdm_status s = TDM_OK;
    while (s == TDM_OK && (rc = sqlite3_step(q)) != SQLITE_DONE) {
        if (rc != SQLITE_ROW)
            s = tdm__usage_fail(u, rc, "reading consents", err);
        else if (out->n == TDM__CONSENTS_MAX)
            s = tdm__fail(err, TDM_ERR_LIMIT, "%.200s holds more than %d consents", u->path, TDM__CONSENTS_MAX);
        else if (!take_row(q, &out->items[out->n++]))
            s = tdm__fail(err, TDM_ERR_NOMEM, "no memory for consents");
    }
    sqlite3_reset(q);
    return s;
}

/* The count of the file's changes by others. */
static int read_data_version(tdm__usage *u, int64_t *version)
{
    sqlite3_stmt *q = u->sql[TDM__SQL_DATA_VERSION];
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *version = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return rc;
}

tdm_status tdm__consent_reload(tdm__usage *u, tdm_error *err)
{
    tdm__consent_rows fresh = {.items = tdm__calloc(TDM__CONSENTS_MAX, sizeof *fresh.items)};
    if (!fresh.items)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for consents");
    int64_t version = u->data_version;
    int rc = read_data_version(u, &version); /* before the rows: what comes in between is seen at the next look */
    tdm_status s = rc == SQLITE_ROW ? read_rows(u, &fresh, err) : tdm__usage_fail(u, rc, "looking at it", err);
    if (s == TDM_OK) {
        pthread_mutex_lock(&u->cache_mutex);
        tdm__consent_rows old = u->cache;
        u->cache = fresh;
        u->generation++;
        pthread_mutex_unlock(&u->cache_mutex);
        u->data_version = version;
        fresh = old;
    }
    tdm__consent_rows_fini(&fresh);
    return s;
}

/* Reads what a change that is durable has left. When even that fails nothing is known: every partner is asked about,
 * and the next look reads again. */
static tdm_status take_in(tdm__usage *u, tdm_error *err)
{
    tdm_status s = tdm__consent_reload(u, err);
    if (s != TDM_OK) {
        pthread_mutex_lock(&u->cache_mutex);
        tdm__consent_rows_fini(&u->cache);
        u->generation++;
        pthread_mutex_unlock(&u->cache_mutex);
        u->data_version = -1;
    }
    return s;
}

/* Takes in what another process has changed. A file that cannot be read now, or is being written by this process,
 * leaves what is known. */
static void look(tdm__usage *u)
{
    if (pthread_mutex_trylock(&u->db_mutex) != 0)
        return;
    int64_t version;
    sqlite3_busy_timeout(u->db, 0);
    if (read_data_version(u, &version) == SQLITE_ROW && version != u->data_version)
        take_in(u, NULL);
    sqlite3_busy_timeout(u->db, TDM__USAGE_BUSY_MS);
    pthread_mutex_unlock(&u->db_mutex);
}

static const tdm__consent_row *find(const tdm__consent_rows *r, const tdm__consent_subject *s, bool with_attachments)
{
    for (size_t i = 0; i < r->n; i++) {
        const tdm__consent_row *c = &r->items[i];
        if (c->with_attachments == with_attachments && strcmp(c->partner, s->partner) == 0 &&
            strcmp(c->feature, s->feature) == 0 && strcmp(c->profile_sha256, s->profile_sha256) == 0 &&
            strcmp(c->model, s->model) == 0)
            return c;
    }
    return NULL;
}

tdm__consent_mode tdm__consent_get(tdm__usage *u, const tdm__consent_subject *s)
{
    look(u);
    pthread_mutex_lock(&u->cache_mutex);
    const tdm__consent_row *plain = find(&u->cache, s, false);
    const tdm__consent_row *asked = s->with_attachments ? find(&u->cache, s, true) : plain;
    tdm__consent_mode mode = asked ? asked->mode : TDM__CONSENT_ASK;
    if (plain && plain->mode == TDM__CONSENT_NEVER)
        mode = TDM__CONSENT_NEVER;
    pthread_mutex_unlock(&u->cache_mutex);
    return mode;
}

uint64_t tdm__consent_generation(tdm__usage *u)
{
    look(u);
    pthread_mutex_lock(&u->cache_mutex);
    uint64_t g = u->generation;
    pthread_mutex_unlock(&u->cache_mutex);
    return g;
}

static tdm_status check_subject(const tdm__consent_subject *s, tdm_error *err)
{
    const char *const texts[4] = {s->partner, s->feature, s->profile_sha256, s->model};
    static const char *const names[4] = {"partner", "feature", "profile's hash", "model"};
    for (size_t i = 0; i < 4; i++) {
        size_t len = texts[i] ? strlen(texts[i]) : 0;
        if (len == 0 || len > TEXT_BYTES_MAX)
            TDM_FAIL(err, TDM_ERR_INVAL, "the %s of a consent has %zu bytes, 1 to %d are taken", names[i], len,
                     TEXT_BYTES_MAX);
    }
    return TDM_OK;
}

/* The five columns that name a row. */
static sqlite3_stmt *bind_subject(tdm__usage *u, tdm__usage_sql which, const tdm__consent_subject *s)
{
    sqlite3_stmt *q = u->sql[which];
    sqlite3_bind_text(q, 1, s->partner, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, s->feature, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 3, s->profile_sha256, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 4, s->model, -1, SQLITE_STATIC);
    sqlite3_bind_int(q, 5, s->with_attachments);
    return q;
}

static tdm_status write_mode(tdm__usage *u, const tdm__consent_subject *s, tdm__consent_mode mode, int64_t now_unix_s,
                             tdm_error *err)
{
    if (mode == TDM__CONSENT_ASK) {
        bind_subject(u, TDM__SQL_CONSENT_DROP, s);
        return tdm__usage_step(u, TDM__SQL_CONSENT_DROP, "taking a consent back", err);
    }
    if (u->cache.n == TDM__CONSENTS_MAX && !find(&u->cache, s, s->with_attachments))
        TDM_FAIL(err, TDM_ERR_LIMIT, "there are %d consents, more are not kept: revoke some", TDM__CONSENTS_MAX);
    sqlite3_stmt *q = bind_subject(u, TDM__SQL_CONSENT_PUT, s);
    sqlite3_bind_int(q, 6, (int)mode);
    sqlite3_bind_int64(q, 7, now_unix_s);
    return tdm__usage_step(u, TDM__SQL_CONSENT_PUT, "writing a consent", err);
}

tdm_status tdm__consent_set(tdm__usage *u, const tdm__consent_subject *s, tdm__consent_mode mode, int64_t now_unix_s,
                            tdm_error *err)
{
    TDM_TRY(check_subject(s, err));
    pthread_mutex_lock(&u->db_mutex); /* the cache is written under it alone, so it may be read here */
    tdm_status status = tdm__usage_begin(u, err);
    if (status == TDM_OK)
        status = tdm__usage_end(u, write_mode(u, s, mode, now_unix_s, err), err);
    if (status == TDM_OK)
        status = take_in(u, err);
    pthread_mutex_unlock(&u->db_mutex);
    return status;
}

tdm_status tdm__consent_revoke(tdm__usage *u, const char *partner, const char *feature, size_t *n, tdm_error *err)
{
    size_t n_gone = 0;
    pthread_mutex_lock(&u->db_mutex);
    sqlite3_stmt *q = u->sql[TDM__SQL_CONSENT_REVOKE];
    tdm_status s = tdm__usage_begin(u, err);
    if (s == TDM_OK) {
        sqlite3_bind_text(q, 1, partner, -1, SQLITE_STATIC); /* NULL binds NULL */
        sqlite3_bind_text(q, 2, feature, -1, SQLITE_STATIC);
        s = tdm__usage_step(u, TDM__SQL_CONSENT_REVOKE, "taking consents back", err);
        n_gone = s == TDM_OK ? (size_t)sqlite3_changes(u->db) : 0;
        s = tdm__usage_end(u, s, err);
    }
    if (s == TDM_OK && n_gone > 0)
        s = take_in(u, err);
    pthread_mutex_unlock(&u->db_mutex);
    if (s == TDM_OK && n)
        *n = n_gone;
    return s;
}

static bool is_kept(const tdm__consent_row *c, const tdm__consent_subject *keep, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(c->partner, keep[i].partner) == 0 && strcmp(c->profile_sha256, keep[i].profile_sha256) == 0 &&
            strcmp(c->model, keep[i].model) == 0)
            return true;
    return false;
}

/* Drops the rows of feature that are not kept; how many. */
static tdm_status drop_others(tdm__usage *u, const char *feature, const tdm__consent_subject *keep, size_t n,
                              size_t *n_gone, tdm_error *err)
{
    for (size_t i = 0; i < u->cache.n; i++) {
        const tdm__consent_row *c = &u->cache.items[i];
        if (strcmp(c->feature, feature) != 0 || is_kept(c, keep, n))
            continue;
        const tdm__consent_subject gone = {.partner = c->partner,
                                           .feature = c->feature,
                                           .profile_sha256 = c->profile_sha256,
                                           .model = c->model,
                                           .with_attachments = c->with_attachments};
        bind_subject(u, TDM__SQL_CONSENT_DROP, &gone);
        TDM_TRY(tdm__usage_step(u, TDM__SQL_CONSENT_DROP, "forgetting the consent to another partner", err));
        (*n_gone)++;
    }
    return TDM_OK;
}

tdm_status tdm__consent_keep_only(tdm__usage *u, const char *feature, const tdm__consent_subject *keep, size_t n,
                                  tdm_error *err)
{
    size_t n_gone = 0;
    pthread_mutex_lock(&u->db_mutex);
    tdm_status s = tdm__usage_begin(u, err);
    if (s == TDM_OK)
        s = tdm__usage_end(u, drop_others(u, feature, keep, n, &n_gone, err), err);
    if (s == TDM_OK && n_gone > 0)
        s = take_in(u, err);
    pthread_mutex_unlock(&u->db_mutex);
    return s;
}

static json_t *row_json(const tdm__consent_row *c)
{
    char since[TDM__RFC3339_TEXT];
    tdm__rfc3339_put(c->since_unix_s, since);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "partner", c->partner, "feature", c->feature, "mode",
                     c->mode == TDM__CONSENT_ALWAYS ? "always" : "never", "since", since, "model", c->model,
                     "profile_sha256", c->profile_sha256, "attachments", (int)c->with_attachments);
}

json_t *tdm__consent_list(tdm__usage *u)
{
    look(u);
    json_t *list = json_array();
    pthread_mutex_lock(&u->cache_mutex);
    for (size_t i = 0; list && i < u->cache.n; i++) {
        if (json_array_append_new(list, row_json(&u->cache.items[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    pthread_mutex_unlock(&u->cache_mutex);
    return list;
}
