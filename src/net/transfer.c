/* transfer.c - tdm__transfer_get over one libcurl easy handle a call.
 *
 * The handle is made, used and freed here, so nothing of one transfer reaches the next. What the answer claims
 * (status, range, length) is checked before its first byte goes to the caller.
 */
#include "net/transfer.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

enum { REDIRECTS_MAX = 5, LOW_SPEED_BYTES = 1024, URL_MAX = 2048 };

typedef struct transfer {
    const tdm__transfer *t;
    CURL *curl;
    uint64_t offset;   /* of the next byte in the file */
    bool checked;      /* the head of the answer has been */
    tdm_status status; /* what ended it from within a callback */
    tdm_error *err;
} transfer;

/* 127.0.0.1, localhost or [::1], then a port or the path: nothing that merely begins like one. */
static bool is_loopback(const char *after_scheme)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        size_t n = strlen(hosts[i]);
        if (strncmp(after_scheme, hosts[i], n) == 0 && (after_scheme[n] == ':' || after_scheme[n] == '/'))
            return true;
    }
    return false;
}

tdm_status tdm__transfer_check_url(const char *url, tdm_error *err)
{
    tdm__str s = tdm__str_from(url);
    bool https = tdm__str_starts(s, TDM_STR("https://")), http = tdm__str_starts(s, TDM_STR("http://"));
    if (s.len > URL_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "the URL has %zu characters, %d are the most", s.len, URL_MAX);
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= 0x20 || s.ptr[i] > 0x7E)
            TDM_FAIL(err, TDM_ERR_INVAL, "the URL has a blank or a character beyond ASCII at %zu", i);
    const char *host = https ? url + 8 : http ? url + 7 : NULL;
    if (!host || (http && !is_loopback(host)))
        TDM_FAIL(err, TDM_ERR_INVAL, "only https, or http to this machine's loopback, is allowed");
    size_t n_host = strcspn(host, "/?#");
    if (n_host == 0 || host[n_host] != '/' || memchr(host, '@', n_host) || memchr(host, '\\', n_host))
        TDM_FAIL(err, TDM_ERR_INVAL, "the URL needs a host without a user name, and a path");
    return TDM_OK;
}

static tdm_status refuse_answer(transfer *x, const char *what, const char *value)
{
    return tdm__fail(x->err, TDM_ERR_UPSTREAM, "the answer's %s is %.60s, the file has %" PRIu64 " bytes", what, value,
                     x->t->bytes_total);
}

/* "bytes FIRST-LAST/TOTAL" of a 206 must be exactly the rest that was asked for. */
static tdm_status check_range(transfer *x)
{
    struct curl_header *head;
    if (curl_easy_header(x->curl, "content-range", 0, CURLH_HEADER, -1, &head) != CURLHE_OK)
        return refuse_answer(x, "range", "missing");
    char wanted[96];
    snprintf(wanted, sizeof wanted, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, x->offset, x->t->bytes_total - 1,
             x->t->bytes_total);
    return strcmp(head->value, wanted) == 0 ? TDM_OK : refuse_answer(x, "range", head->value);
}

static tdm_status check_head(transfer *x)
{
    long http = 0;
    curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &http);
    if (http == 206 && x->offset > 0)
        return check_range(x);
    if (http != 200)
        TDM_FAIL(x->err, TDM_ERR_UPSTREAM, "the server answers with status %ld", http);
    x->offset = 0; /* it ignored the range: from the beginning again */
    curl_off_t promised = -1;
    curl_easy_getinfo(x->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &promised);
    if (promised >= 0 && (uint64_t)promised != x->t->bytes_total) {
        char value[32];
        snprintf(value, sizeof value, "%" PRId64, (int64_t)promised);
        return refuse_answer(x, "length", value);
    }
    return TDM_OK;
}

static size_t on_bytes(char *bytes, size_t size, size_t n, void *user)
{
    transfer *x = user;
    n *= size; /* size is 1, says libcurl */
    if (!x->checked) {
        x->checked = true;
        x->status = check_head(x);
    }
    if (x->status == TDM_OK && n > x->t->bytes_total - x->offset)
        x->status = refuse_answer(x, "body", "longer");
    if (x->status == TDM_OK)
        x->status = x->t->write(x->t->user, x->offset, bytes, n, x->err);
    if (x->status != TDM_OK)
        return CURL_WRITEFUNC_ERROR;
    x->offset += n;
    return n;
}

static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    transfer *x = user;
    if (x->t->tick)
        x->t->tick(x->t->user);
    if (!x->t->cancel || !atomic_load(x->t->cancel))
        return 0;
    x->status = tdm__fail(x->err, TDM_ERR_CANCELLED, "cancelled");
    return 1;
}

static bool set_options(transfer *x)
{
    CURL *c = x->curl;
    bool https = strncmp(x->t->url, "https:", 6) == 0;
    char range[32];
    snprintf(range, sizeof range, "%" PRIu64 "-", x->offset);
    bool ok = true;
    ok &= curl_easy_setopt(c, CURLOPT_URL, x->t->url) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, https ? "https" : "http") == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "https") == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_USERAGENT, "tandem") == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)x->t->connect_timeout_s) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)LOW_SPEED_BYTES) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)x->t->stall_timeout_s) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_WRITEDATA, x) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_XFERINFODATA, x) == CURLE_OK;
    if (x->offset > 0)
        ok &= curl_easy_setopt(c, CURLOPT_RANGE, range) == CURLE_OK;
    if (!https)
        ok &= curl_easy_setopt(c, CURLOPT_NOPROXY, "*") == CURLE_OK; /* loopback is not the proxy's business */
    return ok;
}

/* libcurl's outcome as a sentence; x->status has the better one when a callback ended it. */
static tdm_status outcome(transfer *x, CURLcode code, const char *detail)
{
    if (x->status != TDM_OK)
        return x->status;
    if (code == CURLE_OK && !x->checked) /* an answer without a body */
        TDM_TRY(check_head(x));
    if (code == CURLE_OK && x->offset == x->t->bytes_total)
        return TDM_OK;
    if (code == CURLE_OK || code == CURLE_PARTIAL_FILE)
        TDM_FAIL(x->err, TDM_ERR_UPSTREAM, "the connection ended at byte %" PRIu64 " of %" PRIu64, x->offset,
                 x->t->bytes_total);
    if (code == CURLE_OUT_OF_MEMORY)
        TDM_FAIL(x->err, TDM_ERR_NOMEM, "no memory for a transfer");
    return tdm__fail(x->err, code == CURLE_OPERATION_TIMEDOUT ? TDM_ERR_TIMEOUT : TDM_ERR_UPSTREAM, "%.300s",
                     detail[0] ? detail : curl_easy_strerror(code));
}

tdm_status tdm__transfer_get(const tdm__transfer *t, tdm_error *err)
{
    TDM_TRY(tdm__transfer_check_url(t->url, err));
    if (t->offset >= t->bytes_total || t->bytes_total > INT64_MAX)
        TDM_FAIL(err, TDM_ERR_INVAL, "bytes from %" PRIu64 " of a file of %" PRIu64 " cannot be asked for", t->offset,
                 t->bytes_total);
    char detail[CURL_ERROR_SIZE] = "";
    transfer x = {.t = t, .offset = t->offset, .err = err, .curl = curl_easy_init()};
    if (!x.curl || !set_options(&x) || curl_easy_setopt(x.curl, CURLOPT_ERRORBUFFER, detail) != CURLE_OK) {
        curl_easy_cleanup(x.curl);
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a transfer");
    }
    tdm_status s = outcome(&x, curl_easy_perform(x.curl), detail);
    curl_easy_cleanup(x.curl);
    return s;
}
