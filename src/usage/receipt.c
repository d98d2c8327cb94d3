/* receipt.c - what left this device, for the owner: to read, to erase. No text of a question or an answer is in it. */
#include <string.h>

#include "base/error.h"
#include "base/rfc3339.h"
#include "usage/usage_internal.h"

enum { N_TEXTS = 8 };

static const char *or_empty(const char *z) { return z ? z : ""; }

json_t *tdm__receipt_json(const tdm__receipt *r)
{
    char at[TDM__RFC3339_TEXT];
    tdm__rfc3339_put(r->at_unix_s, at);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:b}", "id", r->id, "decision",
                     or_empty(r->decision_id), "partner", or_empty(r->partner), "model", or_empty(r->model), "feature",
                     or_empty(r->feature), "filing", or_empty(r->filing), "market", or_empty(r->market), "what",
                     or_empty(r->what), "bytes_sent", (json_int_t)r->bytes_sent, "bytes_received",
                     (json_int_t)r->bytes_received, "sha256_sent", r->sha256_sent, "at", at, "outcome",
                     or_empty(r->outcome), "emulated", (int)r->is_emulated);
}

static void bind_receipt(sqlite3_stmt *q, const tdm__receipt *r)
{
    const char *const texts[N_TEXTS] = {r->id,      r->decision_id, r->partner, r->model,
                                        r->feature, r->filing,      r->market,  r->what};
    for (int i = 0; i < N_TEXTS; i++)
        sqlite3_bind_text(q, i + 1, or_empty(texts[i]), -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 9, (sqlite3_int64)r->bytes_sent);
    sqlite3_bind_int64(q, 10, (sqlite3_int64)r->bytes_received);
    sqlite3_bind_text(q, 11, r->sha256_sent, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 12, or_empty(r->outcome), -1, SQLITE_STATIC);
    sqlite3_bind_int64(q, 13, r->at_unix_s);
    sqlite3_bind_int(q, 14, r->is_emulated);
}

static tdm_status add(tdm__usage *u, const tdm__receipt *r, tdm_error *err)
{
    sqlite3_stmt *q = u->sql[TDM__SQL_RECEIPT_ADD];
    bind_receipt(q, r);
    int rc = sqlite3_step(q);
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    if (rc == SQLITE_CONSTRAINT_UNIQUE)
        TDM_FAIL(err, TDM_ERR_INVAL, "there is a receipt %s already", r->id);
    if (rc != SQLITE_DONE)
        return tdm__usage_fail(u, rc, "writing a receipt", err);
    sqlite3_bind_int(u->sql[TDM__SQL_RECEIPT_TRIM], 1, TDM__RECEIPTS_MAX);
    return tdm__usage_step(u, TDM__SQL_RECEIPT_TRIM, "making room for a receipt", err);
}

tdm_status tdm__receipt_add(tdm__usage *u, const tdm__receipt *r, tdm_error *err)
{
    if (r->id[0] == '\0')
        TDM_FAIL(err, TDM_ERR_INVAL, "a receipt without an id");
    pthread_mutex_lock(&u->db_mutex);
    tdm_status s = tdm__usage_begin(u, err);
    if (s == TDM_OK)
        s = tdm__usage_end(u, add(u, r, err), err);
    pthread_mutex_unlock(&u->db_mutex);
    return s;
}

static const char *column(sqlite3_stmt *q, int i) { return or_empty((const char *)sqlite3_column_text(q, i)); }

static json_t *row_json(sqlite3_stmt *q)
{
    tdm__receipt r = {.decision_id = column(q, 1),
                      .partner = column(q, 2),
                      .model = column(q, 3),
                      .feature = column(q, 4),
                      .filing = column(q, 5),
                      .market = column(q, 6),
                      .what = column(q, 7),
                      .bytes_sent = (uint64_t)sqlite3_column_int64(q, 8),
                      .bytes_received = (uint64_t)sqlite3_column_int64(q, 9),
                      .outcome = column(q, 11),
                      .at_unix_s = sqlite3_column_int64(q, 12),
                      .is_emulated = sqlite3_column_int(q, 13) != 0};
    sqlite3_snprintf((int)sizeof r.id, r.id, "%s", column(q, 0));
    sqlite3_snprintf((int)sizeof r.sha256_sent, r.sha256_sent, "%s", column(q, 10));
    return tdm__receipt_json(&r);
}

json_t *tdm__receipt_list(tdm__usage *u, size_t n_max)
{
    json_t *list = json_array();
    pthread_mutex_lock(&u->db_mutex);
    sqlite3_stmt *q = u->sql[TDM__SQL_RECEIPT_LIST];
    sqlite3_bind_int64(q, 1, n_max < TDM__RECEIPTS_MAX ? (sqlite3_int64)n_max : TDM__RECEIPTS_MAX);
    int rc = SQLITE_DONE;
    while (list && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        if (json_array_append_new(list, row_json(q)) != 0)
            break;
    }
    sqlite3_reset(q);
    pthread_mutex_unlock(&u->db_mutex);
    if (rc != SQLITE_DONE) { /* half a list would hide what left */
        json_decref(list);
        list = NULL;
    }
    return list;
}

tdm_status tdm__receipt_erase(tdm__usage *u, const char *id, size_t *n, tdm_error *err)
{
    size_t n_gone = 0;
    pthread_mutex_lock(&u->db_mutex);
    tdm_status s = tdm__usage_begin(u, err);
    if (s == TDM_OK) {
        sqlite3_bind_text(u->sql[TDM__SQL_RECEIPT_ERASE], 1, id, -1, SQLITE_STATIC);
        s = tdm__usage_step(u, TDM__SQL_RECEIPT_ERASE, "erasing receipts", err);
        n_gone = s == TDM_OK ? (size_t)sqlite3_changes(u->db) : 0;
        s = tdm__usage_end(u, s, err);
    }
    pthread_mutex_unlock(&u->db_mutex);
    if (s == TDM_OK && n)
        *n = n_gone;
    return s;
}
