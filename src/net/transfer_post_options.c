/* transfer_post_options.c - what libcurl is told, in one place to read; and what is known of the peer afterwards.
 *
 * Left at its default because the default is off: cookies, alt-svc, HSTS, redirects, HTTP/0.9, content codings. A name
 * has its addresses handed over; if libcurl should still want to resolve one, the resolver's start is refused.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hex.h"
#include "base/sha256.h"
#include "net/transfer_post_internal.h"

enum { URL_BYTES = 1024 + TDM__HOST_MAX + 32, HEADER_BYTES_MAX = 8192 };

static int refuse_resolver(void *state, void *reserved, void *user)
{
    (void)state;
    (void)reserved;
    (void)user;
    return 1;
}

static bool append(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer)
        *list = longer;
    return longer != NULL;
}

/* "Name: value" in printable characters; names that this file sets are not the caller's. */
static bool header_is_fine(const char *line)
{
    static const char *const own[] = {"host:", "content-type:", "content-length:", "accept:", "expect:", "user-agent:",
                                      "transfer-encoding:", "connection:", "cookie:"};
    const char *colon = strchr(line, ':');
    if (!colon || colon == line || strlen(line) > HEADER_BYTES_MAX || strcspn(line, " ") < (size_t)(colon - line))
        return false;
    for (const char *c = line; *c; c++)
        if (*c < 0x20 || *c > 0x7E)
            return false;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (curl_strnequal(line, own[i], strlen(own[i])))
            return false;
    return true;
}

tdm_status tdm__post_set_headers(tdm__post *p)
{
    bool ok = append(&p->headers, "Content-Type: application/json") &&
              append(&p->headers, "Accept: text/event-stream, application/json") && append(&p->headers, "Expect:");
    for (size_t i = 0; ok && p->t->headers && p->t->headers[i]; i++) {
        if (!header_is_fine(p->t->headers[i])) /* its value may be a key: it is not repeated */
            TDM_FAIL(p->err, TDM_ERR_INVAL, "header %zu of the message is malformed or set by the transfer itself", i);
        ok = append(&p->headers, p->t->headers[i]);
    }
    if (!ok)
        TDM_FAIL(p->err, TDM_ERR_NOMEM, "no memory for a transfer");
    return TDM_OK;
}

static bool set_trust(const tdm__post *p)
{
    CURL *c = p->curl;
    const tdm__endpoint *e = p->t->endpoint;
    bool ok = curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_CERTINFO, 1L) == CURLE_OK;
    if (e->ca_pem && e->ca_pem[0]) { /* these and no others: the system's folder is off too */
        struct curl_blob blob = {(void *)(uintptr_t)e->ca_pem, strlen(e->ca_pem), CURL_BLOB_COPY};
        ok &= curl_easy_setopt(c, CURLOPT_CAINFO, NULL) == CURLE_OK;
        ok &= curl_easy_setopt(c, CURLOPT_CAPATH, NULL) == CURLE_OK;
        ok &= curl_easy_setopt(c, CURLOPT_CAINFO_BLOB, &blob) == CURLE_OK;
    }
    if (e->pin_sha256 && e->pin_sha256[0]) {
        char pin[64];
        snprintf(pin, sizeof pin, "sha256//%s", e->pin_sha256);
        ok &= curl_easy_setopt(c, CURLOPT_PINNEDPUBLICKEY, pin) == CURLE_OK;
    }
    return ok;
}

static bool set_target(const tdm__post *p)
{
    CURL *c = p->curl;
    const tdm__endpoint *e = p->t->endpoint;
    char url[URL_BYTES];
    const bool is_v6 = strchr(p->host, ':') != NULL;
    const int n = snprintf(url, sizeof url, "%s://%s%s%s:%u%s", e->scheme, is_v6 ? "[" : "", p->host, is_v6 ? "]" : "",
                           (unsigned)e->port, e->path);
    bool ok = n > 0 && (size_t)n < sizeof url;
    ok &= curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, e->scheme) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_NOPROXY, "*") == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK;
    if (p->resolved) {
        ok &= curl_easy_setopt(c, CURLOPT_RESOLVE, p->resolved) == CURLE_OK;
        ok &= curl_easy_setopt(c, CURLOPT_RESOLVER_START_FUNCTION, refuse_resolver) == CURLE_OK;
    }
    return ok;
}

bool tdm__post_set_options(tdm__post *p)
{
    CURL *c = p->curl;
    const tdm__str body = p->t->body;
    bool ok = set_target(p) && set_trust(p);
    ok &= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_USERAGENT, "tandem") == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_HTTPHEADER, p->headers) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len) == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_POSTFIELDS, body.len > 0 ? body.ptr : "") == CURLE_OK;
    ok &= curl_easy_setopt(c, CURLOPT_ERRORBUFFER, p->detail) == CURLE_OK;
    /* the walk has its own clock; libcurl's shall never be the first to end a transfer */
    ok &= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)p->t->connect_timeout_ms + 1000) == CURLE_OK;
    return ok;
}

static void note_peer(tdm__post *p)
{
    curl_off_t connect_us = 0;
    char *ip = NULL;
    long port = 0;
    curl_easy_getinfo(p->curl, CURLINFO_CONNECT_TIME_T, &connect_us);
    curl_easy_getinfo(p->curl, CURLINFO_PRIMARY_IP, &ip);
    curl_easy_getinfo(p->curl, CURLINFO_PRIMARY_PORT, &port);
    if (connect_us > 0 && ip && ip[0])
        snprintf(p->result->peer, sizeof p->result->peer, strchr(ip, ':') ? "[%s]:%ld" : "%s:%ld", ip, port);
}

/* libcurl keeps the chain as PEM; its first is the peer's own. */
static void note_certificate(tdm__post *p)
{
    static const char key[] = "Cert:";
    struct curl_certinfo *info = NULL;
    if (curl_easy_getinfo(p->curl, CURLINFO_CERTINFO, &info) != CURLE_OK || !info || info->num_of_certs < 1)
        return;
    for (const struct curl_slist *at = info->certinfo[0]; at; at = at->next) {
        if (strncmp(at->data, key, sizeof key - 1) != 0)
            continue;
        BIO *bio = BIO_new_mem_buf(at->data + sizeof key - 1, -1);
        X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
        uint8_t digest[EVP_MAX_MD_SIZE];
        unsigned len = 0;
        if (x && X509_digest(x, EVP_sha256(), digest, &len) == 1 && len == TDM__SHA256_BYTES)
            tdm__hex_put(digest, len, p->result->certificate_sha256);
        X509_free(x);
        BIO_free(bio);
        return;
    }
}

void tdm__post_note_result(tdm__post *p)
{
    note_peer(p);
    note_certificate(p);
    curl_off_t sent = 0, wait_s = 0;
    struct curl_header *head;
    curl_easy_getinfo(p->curl, CURLINFO_SIZE_UPLOAD_T, &sent);
    p->result->bytes_sent = (uint64_t)sent;
    if (curl_easy_header(p->curl, "retry-after", 0, CURLH_HEADER, -1, &head) == CURLHE_OK &&
        curl_easy_getinfo(p->curl, CURLINFO_RETRY_AFTER, &wait_s) == CURLE_OK)
        p->result->retry_after_s = wait_s < INT32_MAX ? (int)wait_s : INT32_MAX;
}
