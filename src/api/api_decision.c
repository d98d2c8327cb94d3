/* api_decision.c - GET /v1/decisions/ID: the two leaves of an answer, found in the journal.
 *
 * The journal is read front to back and each leaf's hash checked, which takes as long as the journal is: a second for
 * some hundred megabytes. So it is done on a thread of its own, at most LOOKUPS_MAX at once, and nobody's stream waits
 * for it. A lookup is over when its thread has posted its note; a client that left meanwhile changes nothing of that.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/rfc3339.h"
#include "os/heap.h"
#include "os/thread.h"

enum { DECISION_PATH_LEN = sizeof "/v1/decisions/" - 1, LOOKUPS_MAX = 2 };

typedef struct lookup {
    tdm__exchange exchange; /* first: what the connection holds */
    tdm__api *api;
    tdm__http_conn *conn; /* NULL: gone */
    pthread_t thread;
    tdm__loop_note note;
    char id[sizeof ((tdm__leaf_read *)0)->decision_id];
    json_t *opened, *closed; /* the thread's, until the note */
    tdm_status status;
    tdm_error error;
} lookup;

/* ---- its thread ---- */

static json_t *leaf_json(const tdm__leaf_read *leaf)
{
    char at[TDM__RFC3339_TEXT], commitment[65];
    tdm__rfc3339_put(leaf->at_unix_s, at);
    tdm__hex_put(leaf->commitment, sizeof leaf->commitment, commitment);
    json_t *o = json_pack("{s:I, s:s, s:s}", "index", (json_int_t)leaf->index, "at", at, "commitment", commitment);
    if (o && leaf->kind == TDM__LEAF_OPENED)
        json_object_set_new(o, "decision", json_loadb(leaf->decision.ptr, leaf->decision.len, 0, NULL));
    if (o && leaf->kind == TDM__LEAF_CLOSED) {
        json_object_set_new(o, "outcome", json_string(tdm__outcome_name(leaf->outcome)));
        json_object_set_new(o, "peer", json_stringn(leaf->peer.ptr ? leaf->peer.ptr : "", leaf->peer.len));
        json_object_set_new(o, "bytes_out", json_integer((json_int_t)leaf->bytes_out));
    }
    return o;
}

static tdm_status look(void *user, const tdm__leaf_read *leaf, tdm_error *err)
{
    (void)err;
    lookup *l = user;
    if (strcmp(l->id, leaf->decision_id) != 0)
        return TDM_OK;
    json_t **place = leaf->kind == TDM__LEAF_OPENED ? &l->opened : &l->closed;
    json_decref(*place);
    *place = leaf_json(leaf);
    return TDM_OK;
}

static void *lookup_main(void *user)
{
    lookup *l = user;
    l->status = tdm__device_read_journal(l->api->device, look, l, &l->error);
    tdm__loop_post(l->api->loop, &l->note);
    return NULL;
}

/* ---- the loop's thread ---- */

static void refuse(tdm__api *api, tdm__http_conn *c, int status, const char *code, const char *sentence)
{
    tdm__api_error e;
    tdm__api_refuse(&e, status, code, NULL, "%s", sentence);
    tdm__api_answer_error(api, c, TDM__ROUTE_DEVICE, &e, NULL);
}

static void answer(lookup *l)
{
    static const char unknown[] = "this device's journal has no decision of that id";
    tdm__http_conn *c = l->conn;
    if (l->status != TDM_OK)
        refuse(l->api, c, 500, "internal_error", l->error.msg);
    else if (!l->opened)
        refuse(l->api, c, 404, "not_found", unknown);
    else
        tdm__api_answer_json(l->api, c, json_pack("{s:O, s:O?}", "opened", l->opened, "closed", l->closed));
}

static void lookup_ended(void *user)
{
    lookup *l = user;
    tdm__api *api = l->api;
    pthread_join(l->thread, NULL);
    if (l->conn)
        answer(l);
    json_decref(l->opened);
    json_decref(l->closed);
    tdm__free(l);
    api->n_lookups--;
    tdm__api_idle_now(api);
}

static void lookup_gone(tdm__exchange *exchange) { ((lookup *)exchange)->conn = NULL; }

static bool lookup_begin(tdm__api *api, tdm__http_conn *c, tdm__str id)
{
    lookup *l = tdm__calloc(1, sizeof *l);
    if (!l)
        return false;
    *l = (lookup){.exchange = {.gone = lookup_gone}, .api = api, .conn = c, .note = {.fn = lookup_ended, .user = l}};
    snprintf(l->id, sizeof l->id, "%.*s", (int)id.len, id.ptr);
    if (tdm__thread_start(&l->thread, lookup_main, l) != 0) {
        tdm__free(l);
        return false;
    }
    api->n_lookups++;
    tdm__http_conn_set_data(c, &l->exchange);
    return true;
}

void tdm__api_get_decision(tdm__api *api, tdm__http_conn *c, const tdm__http_request *q)
{
    const tdm__str id = {q->path.ptr + DECISION_PATH_LEN, q->path.len - DECISION_PATH_LEN};
    uint8_t bytes[16];
    if (!tdm__hex_get(id, bytes, sizeof bytes))
        refuse(api, c, 404, "not_found", "a decision's id is 32 hexadecimal digits");
    else if (api->n_lookups == LOOKUPS_MAX || !lookup_begin(api, c, id))
        refuse(api, c, 503, "not_ready", "other lookups in the journal are under way");
}
