/* usage_internal.h - what usage.c, consent.c and receipt.c share.
 *
 * Two locks: db_mutex is held while SQLite works and may wait for the disk; cache_mutex is held for a few compares and
 * never while the other is taken. What a decision reads lies under cache_mutex alone.
 */
#ifndef TDM_USAGE_USAGE_INTERNAL_H
#define TDM_USAGE_USAGE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>

#include "usage/usage.h"

enum { TDM__USAGE_BUSY_MS = 5000 }; /* how long a change waits for another process */

typedef enum tdm__usage_sql {
    TDM__SQL_BEGIN = 0,
    TDM__SQL_COMMIT,
    TDM__SQL_ROLLBACK,
    TDM__SQL_DATA_VERSION,
    TDM__SQL_CONSENT_READ,
    TDM__SQL_CONSENT_PUT,
    TDM__SQL_CONSENT_DROP,   /* one row */
    TDM__SQL_CONSENT_REVOKE, /* by partner and feature, NULL: all */
    TDM__SQL_RECEIPT_ADD,
    TDM__SQL_RECEIPT_TRIM,
    TDM__SQL_RECEIPT_LIST,
    TDM__SQL_RECEIPT_ERASE,
    TDM__SQL_N,
} tdm__usage_sql;

typedef struct tdm__consent_row {
    char *partner, *feature, *profile_sha256, *model; /* one block: partner is its beginning */
    bool with_attachments;
    tdm__consent_mode mode;
    int64_t since_unix_s;
} tdm__consent_row;

typedef struct tdm__consent_rows {
    tdm__consent_row *items;
    size_t n;
} tdm__consent_rows;

struct tdm__usage {
    char *path;
    pthread_mutex_t db_mutex;
    sqlite3 *db;                    /* under db_mutex, as these two */
    sqlite3_stmt *sql[TDM__SQL_N];
    int64_t data_version;           /* of the file when the cache was read */
    pthread_mutex_t cache_mutex;
    tdm__consent_rows cache;        /* under cache_mutex, as generation */
    uint64_t generation;
};

/* usage.c; all under db_mutex. */

/* A sentence for what SQLite said: "FILE: doing: reason"; ERR_INTEGRITY for damage, ERR_BUSY, ERR_NOMEM, ERR_IO. */
tdm_status tdm__usage_fail(tdm__usage *u, int rc, const char *doing, tdm_error *err);

/* Steps a statement that gives no rows, and resets it. */
tdm_status tdm__usage_step(tdm__usage *u, tdm__usage_sql which, const char *doing, tdm_error *err);

/* BEGIN IMMEDIATE; end commits when s is TDM_OK and else rolls back, and gives s or what the commit came to. */
tdm_status tdm__usage_begin(tdm__usage *u, tdm_error *err);
tdm_status tdm__usage_end(tdm__usage *u, tdm_status s, tdm_error *err);

/* consent.c: reads all consents into the cache and counts a change. Under db_mutex. */
tdm_status tdm__consent_reload(tdm__usage *u, tdm_error *err);
void tdm__consent_rows_fini(tdm__consent_rows *r);

#endif
