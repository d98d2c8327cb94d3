/* usage.c - the owner's file: opening, checking, one way to run a statement.
 *
 * A rollback journal and not a write-ahead log: nothing is written often, the file stays one, and what was erased does
 * not live on in a log. synchronous=EXTRA makes a commit durable including the journal's unlinking; secure_delete
 * overwrites freed cells and pages with zeros. What a disk keeps of blocks that it has given up is beyond a program.
 * Triggers and views are switched off, so that a file can hold data alone.
 */
#include "os/heap.h"
#include "usage/usage_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

enum { FILE_VERSION = 1 };

/* "tdmu", so that no other program's database is taken for ours. */
#define APPLICATION_ID 1952738677

static const char *const texts[TDM__SQL_N] = {
    [TDM__SQL_BEGIN] = "BEGIN IMMEDIATE",
    [TDM__SQL_COMMIT] = "COMMIT",
    [TDM__SQL_ROLLBACK] = "ROLLBACK",
    [TDM__SQL_DATA_VERSION] = "PRAGMA data_version",
    [TDM__SQL_CONSENT_READ] = "SELECT partner, feature, profile_sha256, model, with_attachments, mode, since_unix_s "
                              "FROM consents ORDER BY partner, feature, profile_sha256, model, with_attachments",
    [TDM__SQL_CONSENT_PUT] = "INSERT INTO consents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
                             "ON CONFLICT DO UPDATE SET mode = ?6, since_unix_s = ?7",
    [TDM__SQL_CONSENT_DROP] = "DELETE FROM consents WHERE partner = ?1 AND feature = ?2 AND profile_sha256 = ?3 AND "
                              "model = ?4 AND with_attachments = ?5",
    [TDM__SQL_CONSENT_REVOKE] = "DELETE FROM consents WHERE (?1 IS NULL OR partner = ?1) AND "
                                "(?2 IS NULL OR feature = ?2)",
    [TDM__SQL_RECEIPT_ADD] = "INSERT INTO receipts VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
                             "?13, ?14)",
    [TDM__SQL_RECEIPT_TRIM] = "DELETE FROM receipts WHERE number <= (SELECT max(number) FROM receipts) - ?1",
    [TDM__SQL_RECEIPT_LIST] = "SELECT id, decision, partner, model, feature, filing, market, what, bytes_sent, "
                              "bytes_received, sha256_sent, outcome, at_unix_s, is_emulated FROM receipts "
                              "ORDER BY number DESC LIMIT ?1",
    [TDM__SQL_RECEIPT_ERASE] = "DELETE FROM receipts WHERE ?1 IS NULL OR id = ?1",
};

static const char schema[] =
    "CREATE TABLE consents (partner TEXT NOT NULL, feature TEXT NOT NULL, profile_sha256 TEXT NOT NULL, model TEXT NOT "
    "NULL, with_attachments INTEGER NOT NULL CHECK (with_attachments IN (0, 1)), mode INTEGER NOT NULL CHECK (mode IN "
    "(1, 2)), since_unix_s INTEGER NOT NULL, PRIMARY KEY (partner, feature, profile_sha256, model, with_attachments)) "
    "STRICT, WITHOUT ROWID;"
    "CREATE TABLE receipts (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, decision TEXT NOT NULL, "
    "partner TEXT NOT NULL, model TEXT NOT NULL, feature TEXT NOT NULL, filing TEXT NOT NULL, market TEXT NOT NULL, "
    "what TEXT NOT NULL, bytes_sent INTEGER NOT NULL, bytes_received INTEGER NOT NULL, sha256_sent TEXT NOT NULL, "
    "outcome TEXT NOT NULL, at_unix_s INTEGER NOT NULL, is_emulated INTEGER NOT NULL) STRICT;";

tdm_status tdm__usage_fail(tdm__usage *u, int rc, const char *doing, tdm_error *err)
{
    switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        TDM_FAIL(err, TDM_ERR_INTEGRITY,
                 "%.200s is damaged (%s: %s); nothing was changed, move it away to begin without consents and receipts",
                 u->path, doing, sqlite3_errstr(rc));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        TDM_FAIL(err, TDM_ERR_BUSY, "%.200s is held by another program (%s)", u->path, doing);
    case SQLITE_NOMEM:
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for %.200s (%s)", u->path, doing);
    default:
        TDM_FAIL(err, TDM_ERR_IO, "%.200s: %s: %s", u->path, doing, sqlite3_errstr(rc));
    }
}

tdm_status tdm__usage_step(tdm__usage *u, tdm__usage_sql which, const char *doing, tdm_error *err)
{
    int rc = sqlite3_step(u->sql[which]);
    sqlite3_reset(u->sql[which]);
    sqlite3_clear_bindings(u->sql[which]);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? TDM_OK : tdm__usage_fail(u, rc, doing, err);
}

tdm_status tdm__usage_begin(tdm__usage *u, tdm_error *err)
{
    return tdm__usage_step(u, TDM__SQL_BEGIN, "beginning a change", err);
}

tdm_status tdm__usage_end(tdm__usage *u, tdm_status s, tdm_error *err)
{
    if (s == TDM_OK)
        s = tdm__usage_step(u, TDM__SQL_COMMIT, "making a change durable", err);
    if (s != TDM_OK && !sqlite3_get_autocommit(u->db))
        tdm__usage_step(u, TDM__SQL_ROLLBACK, "taking a change back", NULL);
    return s;
}

static tdm_status run(tdm__usage *u, const char *text, const char *doing, tdm_error *err)
{
    int rc = sqlite3_exec(u->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? TDM_OK : tdm__usage_fail(u, rc, doing, err);
}

/* The first column of the first row of a pragma, as a number and as text (which may be NULL). */
static tdm_status ask(tdm__usage *u, const char *pragma, int64_t *number, bool *is_ok, tdm_error *err)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(u->db, pragma, -1, &q, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(q, 0);
        *is_ok = text && strcmp(text, "ok") == 0;
        *number = sqlite3_column_int64(q, 0);
    }
    sqlite3_finalize(q);
    return rc == SQLITE_ROW ? TDM_OK : tdm__usage_fail(u, rc, "looking at it", err);
}

static tdm_status make_tables(tdm__usage *u, tdm_error *err)
{
    char text[sizeof schema + 160];
    sqlite3_snprintf((int)sizeof text, text,
                     "BEGIN EXCLUSIVE; PRAGMA application_id = %d; PRAGMA user_version = %d; %s COMMIT", APPLICATION_ID,
                     FILE_VERSION, schema);
    return run(u, text, "making its tables", err);
}

/* A new file gets its tables, an old one is checked: each page, each index, each constraint. */
static tdm_status check(tdm__usage *u, tdm_error *err)
{
    int64_t id, version, pages;
    bool is_ok;
    TDM_TRY(ask(u, "PRAGMA page_count", &pages, &is_ok, err));
    if (pages == 0)
        return make_tables(u, err);
    TDM_TRY(ask(u, "PRAGMA application_id", &id, &is_ok, err));
    if (id != APPLICATION_ID)
        TDM_FAIL(err, TDM_ERR_INTEGRITY, "%.200s is a database of another program, consents are not kept in it",
                 u->path);
    TDM_TRY(ask(u, "PRAGMA user_version", &version, &is_ok, err));
    if (version != FILE_VERSION)
        TDM_FAIL(err, TDM_ERR_UNSUPPORTED, "%.200s is of version %lld, this tandem reads %d", u->path,
                 (long long)version, FILE_VERSION);
    TDM_TRY(ask(u, "PRAGMA integrity_check(1)", &version, &is_ok, err));
    return is_ok ? TDM_OK : tdm__usage_fail(u, SQLITE_CORRUPT, "checking it", err);
}

static tdm_status configure(tdm__usage *u, tdm_error *err)
{
    sqlite3_extended_result_codes(u->db, 1);
    sqlite3_busy_timeout(u->db, TDM__USAGE_BUSY_MS);
    sqlite3_db_config(u->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    sqlite3_db_config(u->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, (int *)NULL);
    sqlite3_db_config(u->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, (int *)NULL);
    sqlite3_db_config(u->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
    return run(u, "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA synchronous = EXTRA; "
                  "PRAGMA secure_delete = ON; PRAGMA journal_mode = DELETE",
               "opening it", err);
}

static tdm_status prepare(tdm__usage *u, tdm_error *err)
{
    for (size_t i = 0; i < TDM__SQL_N; i++) {
        int rc = sqlite3_prepare_v3(u->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &u->sql[i], NULL);
        if (rc == SQLITE_ERROR) /* well-formed SQL over tables that are not there */
            rc = SQLITE_CORRUPT;
        if (rc != SQLITE_OK)
            return tdm__usage_fail(u, rc, "reading its tables", err);
    }
    return TDM_OK;
}

/* The file is made here and not by SQLite, so that nobody else ever may read it. */
static tdm_status open_db(tdm__usage *u, tdm_error *err)
{
    int fd = open(u->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return tdm__fail_os(err, errno, "cannot open %.200s for consents and receipts", u->path);
    close(fd);
    int rc = sqlite3_open_v2(u->path, &u->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return tdm__usage_fail(u, rc, "opening it", err);
    TDM_TRY(configure(u, err));
    TDM_TRY(check(u, err));
    TDM_TRY(prepare(u, err));
    return tdm__consent_reload(u, err);
}

tdm_status tdm__usage_open(const char *path, tdm__usage **out, tdm_error *err)
{
    tdm__usage *u = tdm__calloc(1, sizeof *u);
    if (!u)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for consents and receipts");
    pthread_mutex_init(&u->db_mutex, NULL);
    pthread_mutex_init(&u->cache_mutex, NULL);
    u->path = tdm__strdup(path);
    tdm_status s = u->path ? open_db(u, err) : tdm__fail(err, TDM_ERR_NOMEM, "no memory for the path of consents");
    if (s != TDM_OK)
        tdm__usage_close(u);
    else
        *out = u;
    return s;
}

void tdm__usage_close(tdm__usage *u)
{
    if (!u)
        return;
    for (size_t i = 0; i < TDM__SQL_N; i++)
        sqlite3_finalize(u->sql[i]);
    sqlite3_close(u->db);
    tdm__consent_rows_fini(&u->cache);
    pthread_mutex_destroy(&u->db_mutex);
    pthread_mutex_destroy(&u->cache_mutex);
    tdm__free(u->path);
    tdm__free(u);
}
