/* transfer_post.c - one post: check, resolve, send, and one clock for all of its deadlines.
 *
 * A fresh handle a call on a multi interface of its own, driven here in steps of at most STEP_MS, so that cancelling
 * and each deadline are seen in time whatever libcurl waits for. Handles that are reused, in pools keyed by market,
 * come with the gateway; until then no connection of one call is ever seen by another.
 */
#include "net/transfer_post.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "net/resolve.h"
#include "net/transfer_post_internal.h"
#include "os/clock.h"

enum { STEP_MS = 40, HEAD_BYTES_MAX = 64 * 1024 };

static uint64_t ms_since(uint64_t then_ns, uint64_t now_ns)
{
    return now_ns > then_ns ? (now_ns - then_ns) / 1000000 : 0;
}

/* ---- what libcurl calls ---- */

static size_t head_came(char *bytes, size_t size, size_t n, void *user)
{
    (void)bytes;
    tdm__post *p = user;
    n *= size;
    p->heard_ns = tdm__clock_ns();
    p->n_head_bytes += n;
    if (p->n_head_bytes <= HEAD_BYTES_MAX)
        return n;
    p->status = tdm__fail(p->err, TDM_ERR_LIMIT, "the answer's head is longer than %d bytes", HEAD_BYTES_MAX);
    return 0;
}

/* A callback's status to ours: END ends the transfer well. */
static void take_status(tdm__post *p, tdm_status s)
{
    p->has_enough = p->has_enough || s == TDM_END;
    if (s < 0)
        p->status = s;
}

static void give_head(tdm__post *p)
{
    long http = 0;
    char *type = NULL;
    if (p->head_given)
        return;
    p->head_given = true;
    curl_easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &http);
    curl_easy_getinfo(p->curl, CURLINFO_CONTENT_TYPE, &type);
    if (p->t->on_head)
        take_status(p, p->t->on_head(p->t->user, (int)http, type ? type : "", p->err));
}

static bool is_cancelled(tdm__post *p)
{
    if (!p->t->cancel || !atomic_load(p->t->cancel))
        return false;
    p->status = tdm__fail(p->err, TDM_ERR_CANCELLED, "cancelled");
    return true;
}

static size_t bytes_came(char *bytes, size_t size, size_t n, void *user)
{
    tdm__post *p = user;
    n *= size; /* size is 1, says libcurl */
    p->heard_ns = tdm__clock_ns();
    if (is_cancelled(p))
        return CURL_WRITEFUNC_ERROR;
    give_head(p);
    if (n > p->t->answer_bytes_max - p->result->bytes_received)
        p->status = tdm__fail(p->err, TDM_ERR_LIMIT, "the answer is longer than %zu bytes", p->t->answer_bytes_max);
    if (p->status < 0 || p->has_enough)
        return CURL_WRITEFUNC_ERROR;
    p->result->bytes_received += n;
    take_status(p, p->t->on_bytes(p->t->user, (tdm__str){bytes, n}, p->err));
    return p->status < 0 || p->has_enough ? CURL_WRITEFUNC_ERROR : n;
}

/* The connection stands, nothing of the message was written. */
static int connection_stands(void *user, char *peer, char *own, int peer_port, int own_port)
{
    (void)peer, (void)own, (void)peer_port, (void)own_port;
    tdm__post *p = user;
    if (!p->t->may_leave || p->t->may_leave(p->t->user))
        return CURL_PREREQFUNC_OK;
    p->status = tdm__fail(p->err, TDM_ERR_CANCELLED, "what allowed the message does not stand any more");
    return CURL_PREREQFUNC_ABORT;
}

/* ---- the clock ---- */

static tdm_status late(tdm__post *p, const char *what, unsigned limit_ms)
{
    return p->status = tdm__fail(p->err, TDM_ERR_TIMEOUT, "%.100s: %s within %u ms", p->host, what, limit_ms);
}

static void note_progress(tdm__post *p, uint64_t now_ns)
{
    curl_off_t ready_us = 0, sent = 0;
    curl_easy_getinfo(p->curl, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    curl_easy_getinfo(p->curl, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (p->connected_ns == 0 && ready_us > 0)
        p->connected_ns = p->sent_ns = now_ns;
    if ((uint64_t)sent != p->result->bytes_sent)
        p->sent_ns = now_ns;
    p->result->bytes_sent = (uint64_t)sent;
}

static tdm_status check_clock(tdm__post *p)
{
    const tdm__transfer_message *t = p->t;
    const uint64_t now_ns = tdm__clock_ns();
    note_progress(p, now_ns);
    if (ms_since(p->begin_ns, now_ns) >= t->total_timeout_ms)
        return late(p, "the answer did not end", t->total_timeout_ms);
    if (p->connected_ns == 0)
        return ms_since(p->begin_ns, now_ns) < t->connect_timeout_ms
                   ? TDM_OK
                   : late(p, "no connection", t->connect_timeout_ms);
    if (p->heard_ns == 0)
        return ms_since(p->sent_ns, now_ns) < t->first_byte_timeout_ms
                   ? TDM_OK
                   : late(p, "no byte of an answer", t->first_byte_timeout_ms);
    return ms_since(p->heard_ns, now_ns) < t->idle_timeout_ms
               ? TDM_OK
               : late(p, "nothing more of the answer", t->idle_timeout_ms);
}

/* ---- the walk ---- */

/* Until libcurl is done, or something of ours ends it. *code is libcurl's outcome. */
static tdm_status drive(tdm__post *p, CURLM *multi, CURLcode *code)
{
    int n_running = 1;
    while (n_running > 0 && p->status == TDM_OK && !p->has_enough) {
        if (curl_multi_perform(multi, &n_running) != CURLM_OK)
            TDM_FAIL(p->err, TDM_ERR_IO, "libcurl cannot drive a transfer");
        if (n_running == 0 || is_cancelled(p) || check_clock(p) != TDM_OK)
            break;
        if (curl_multi_poll(multi, NULL, 0, STEP_MS, NULL) != CURLM_OK)
            TDM_FAIL(p->err, TDM_ERR_IO, "libcurl cannot wait for a transfer");
    }
    int n_left;
    const CURLMsg *m = curl_multi_info_read(multi, &n_left);
    *code = m && m->msg == CURLMSG_DONE ? m->data.result : CURLE_ABORTED_BY_CALLBACK;
    return TDM_OK;
}

/* libcurl's outcome as a sentence; p->status has the better one when it ended from within. */
static tdm_status outcome(tdm__post *p, CURLcode code)
{
    if (p->status == TDM_OK && code == CURLE_OK)
        give_head(p); /* an answer without a body */
    if (p->status < 0 || p->has_enough || code == CURLE_OK)
        return p->status;
    const char *what = p->detail[0] ? p->detail : curl_easy_strerror(code);
    if (code == CURLE_OUT_OF_MEMORY)
        TDM_FAIL(p->err, TDM_ERR_NOMEM, "no memory for a transfer");
    return tdm__fail(p->err, code == CURLE_OPERATION_TIMEDOUT ? TDM_ERR_TIMEOUT : TDM_ERR_UPSTREAM, "%.100s: %.250s",
                     p->host, what);
}

static tdm_status run(tdm__post *p)
{
    CURLM *multi = curl_multi_init();
    p->curl = curl_easy_init();
    CURLcode code = CURLE_OK;
    bool ok = multi && p->curl && tdm__post_set_options(p);
    ok = ok && curl_easy_setopt(p->curl, CURLOPT_HEADERFUNCTION, head_came) == CURLE_OK;
    ok = ok && curl_easy_setopt(p->curl, CURLOPT_HEADERDATA, p) == CURLE_OK;
    ok = ok && curl_easy_setopt(p->curl, CURLOPT_PREREQFUNCTION, connection_stands) == CURLE_OK;
    ok = ok && curl_easy_setopt(p->curl, CURLOPT_PREREQDATA, p) == CURLE_OK;
    ok = ok && curl_easy_setopt(p->curl, CURLOPT_WRITEFUNCTION, bytes_came) == CURLE_OK;
    ok = ok && curl_easy_setopt(p->curl, CURLOPT_WRITEDATA, p) == CURLE_OK;
    ok = ok && curl_multi_add_handle(multi, p->curl) == CURLM_OK;
    tdm_status s = ok ? drive(p, multi, &code) : tdm__fail(p->err, TDM_ERR_NOMEM, "no memory for a transfer");
    if (ok && s == TDM_OK)
        s = outcome(p, code);
    if (ok) {
        tdm__post_note_result(p);
        curl_multi_remove_handle(multi, p->curl);
    }
    curl_easy_cleanup(p->curl);
    curl_multi_cleanup(multi);
    return s;
}

/* ---- before it ---- */

static tdm_status check_message(const tdm__transfer_message *t, tdm_error *err)
{
    if (!t->decision_id || !t->decision_id[0] || !t->market || !t->market[0])
        TDM_FAIL(err, TDM_ERR_INVAL, "no byte leaves without a decision and its market");
    if (t->answer_bytes_max == 0 || t->connect_timeout_ms == 0 || t->first_byte_timeout_ms == 0 ||
        t->idle_timeout_ms == 0 || t->total_timeout_ms == 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "a transfer needs a bound of its answer and all four timeouts");
    return tdm__endpoint_check(t->endpoint, t->dns_server, err);
}

/* "HOST:PORT:ADDRESS,[ADDRESS6]", so that libcurl finds what the policy's server said and asks nobody. */
static tdm_status hand_over_addresses(tdm__post *p, const tdm__addresses *a)
{
    char line[TDM__HOST_MAX + 16 + TDM__ADDRESSES_MAX * (TDM__ADDRESS_TEXT + 3)];
    int n = snprintf(line, sizeof line, "%s:%u:", p->host, (unsigned)p->t->endpoint->port);
    for (size_t i = 0; i < a->n; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, strchr(a->text[i], ':') ? "%s[%s]" : "%s%s", i > 0 ? "," : "",
                      a->text[i]);
    p->resolved = curl_slist_append(NULL, line);
    if (!p->resolved)
        TDM_FAIL(p->err, TDM_ERR_NOMEM, "no memory for a transfer");
    return TDM_OK;
}

static tdm_status resolve(tdm__post *p)
{
    const tdm__transfer_message *t = p->t;
    if (tdm__host_is_address(p->host))
        return TDM_OK;
    tdm__addresses found;
    const unsigned limit_ms =
        t->connect_timeout_ms < t->total_timeout_ms ? t->connect_timeout_ms : t->total_timeout_ms;
    TDM_TRY(tdm__resolve(p->host, t->dns_server, limit_ms, t->cancel, &found, p->err));
    return hand_over_addresses(p, &found);
}

/* Headers carry keys. */
static void wipe_and_free(struct curl_slist *list)
{
    for (struct curl_slist *at = list; at; at = at->next)
        for (volatile char *c = at->data; *c; c++)
            *c = '\0';
    curl_slist_free_all(list);
}

tdm_status tdm__transfer_post(const tdm__transfer_message *t, tdm__transfer_result *result, tdm_error *err)
{
    *result = (tdm__transfer_result){.retry_after_s = -1};
    TDM_TRY(check_message(t, err));
    tdm__post p = {.t = t, .result = result, .err = err, .begin_ns = tdm__clock_ns()};
    const size_t len = strlen(t->endpoint->host);
    snprintf(p.host, sizeof p.host, "%.*s", (int)(len - (t->endpoint->host[len - 1] == '.')), t->endpoint->host);
    tdm_status s = tdm__post_set_headers(&p);
    if (s == TDM_OK)
        s = is_cancelled(&p) ? p.status : resolve(&p);
    if (s == TDM_OK)
        s = run(&p);
    wipe_and_free(p.headers);
    curl_slist_free_all(p.resolved);
    return s;
}
