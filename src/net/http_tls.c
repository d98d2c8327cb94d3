/* http_tls.c - one SSL_CTX, filled from bytes that were read by us.
 *
 * OpenSSL's own functions that take a file's name would read it anew, after its mode was looked at, and would ask the
 * terminal for a password. So both files are read once and parsed from memory.
 */
#include "net/http_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/rfc3339.h"
#include "os/file.h"
#include "os/heap.h"

struct tdm__tls {
    SSL_CTX *context;
    int64_t expires_unix_s;
};

static const char ciphers_12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                 "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                 "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/* What OpenSSL says of its last failure; it names no bytes of the file. */
static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text ? text : "no reason given";
}

/* ---- the files ---- */

static tdm_status read_certificate(const char *path, BIO **out, char **text, tdm_error *err)
{
    size_t len = 0;
    const int rc = tdm__file_read_regular(path, TDM__TLS_FILE_BYTES_MAX, text, &len);
    if (rc != 0)
        return tdm__fail_os(err, rc, "the certificate %s cannot be read", path);
    *out = BIO_new_mem_buf(*text, (int)len);
    return *out ? TDM_OK : tdm__fail(err, TDM_ERR_NOMEM, "no memory for a certificate");
}

static tdm_status read_key_text(const char *path, char **text, size_t *len, tdm_error *err)
{
    unsigned mode = 0;
    const int rc = tdm__file_read_private(path, TDM__TLS_FILE_BYTES_MAX, text, len, &mode);
    if (rc == EPERM && mode != 0)
        TDM_FAIL(err, TDM_ERR_INVAL, "the key %s has mode %04o: others may read it; chmod 600 it, or draw a new one",
                 path, mode);
    return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "the key %s cannot be read", path);
}

/* OpenSSL asks for the password of an encrypted key here. */
static int note_encrypted(char *buf, int size, int is_writing, void *was_asked)
{
    (void)buf;
    (void)size;
    (void)is_writing;
    *(bool *)was_asked = true;
    return -1;
}

static tdm_status read_key(const char *path, EVP_PKEY **out, tdm_error *err)
{
    char *text = NULL;
    size_t len = 0;
    bool is_encrypted = false;
    TDM_TRY(read_key_text(path, &text, &len, err));
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    if (bio)
        *out = PEM_read_bio_PrivateKey(bio, NULL, note_encrypted, &is_encrypted);
    BIO_free(bio);
    OPENSSL_cleanse(text, len);
    tdm__free(text);
    if (*out)
        return TDM_OK;
    if (is_encrypted)
        TDM_FAIL(err, TDM_ERR_INVAL,
                 "the key %s is encrypted, and nobody is here to type its password: store it plain, mode 0600", path);
    TDM_FAIL(err, TDM_ERR_FORMAT, "%s holds no private key in PEM (%s)", path, reason());
}

/* ---- the certificate ---- */

static int64_t unix_of(const ASN1_TIME *t)
{
    int days = 0, seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    const bool fine = epoch && ASN1_TIME_diff(&days, &seconds, epoch, t) == 1;
    ASN1_TIME_free(epoch);
    return fine ? (int64_t)days * 86400 + seconds : 0; /* a time that is none has expired */
}

static tdm_status check_times(const X509 *cert, const char *path, int64_t now_unix_s, int64_t *expires, tdm_error *err)
{
    char text[TDM__RFC3339_TEXT];
    const int64_t from = unix_of(X509_get0_notBefore(cert));
    *expires = unix_of(X509_get0_notAfter(cert));
    if (now_unix_s < from) {
        tdm__rfc3339_put(from, text);
        TDM_FAIL(err, TDM_ERR_INVAL, "the certificate %s is valid only from %s on", path, text);
    }
    if (now_unix_s > *expires) {
        tdm__rfc3339_put(*expires, text);
        TDM_FAIL(err, TDM_ERR_INVAL, "the certificate %s has expired at %s", path, text);
    }
    return TDM_OK;
}

/* The certificates behind the first one. */
static tdm_status take_chain(SSL_CTX *context, BIO *bio, const char *path, tdm_error *err)
{
    X509 *more;
    for (int n = 0; (more = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL; n++) {
        if (n == TDM__TLS_CHAIN_MAX || SSL_CTX_add0_chain_cert(context, more) != 1) {
            X509_free(more);
            TDM_FAIL(err, TDM_ERR_LIMIT, "%s: certificate %d of the chain is not taken (at most %d; %s)", path, n + 1,
                     TDM__TLS_CHAIN_MAX, n == TDM__TLS_CHAIN_MAX ? "too many" : reason());
        }
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s holds a malformed certificate (%s)", path, reason());
    return TDM_OK;
}

static tdm_status take_pair(tdm__tls *t, const char *cert_path, BIO *bio, const char *key_path, EVP_PKEY *key,
                            int64_t now_unix_s, tdm_error *err)
{
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (!cert)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s holds no certificate in PEM (%s)", cert_path, reason());
    tdm_status s = check_times(cert, cert_path, now_unix_s, &t->expires_unix_s, err);
    if (s == TDM_OK && X509_check_private_key(cert, key) != 1)
        s = tdm__fail(err, TDM_ERR_FORMAT, "the certificate %s does not belong to the key %s", cert_path, key_path);
    if (s == TDM_OK && SSL_CTX_use_certificate(t->context, cert) != 1)
        s = tdm__fail(err, TDM_ERR_FORMAT, "the certificate %s is not taken (%s)", cert_path, reason());
    if (s == TDM_OK && SSL_CTX_use_PrivateKey(t->context, key) != 1)
        s = tdm__fail(err, TDM_ERR_FORMAT, "the key %s is not taken (%s)", key_path, reason());
    X509_free(cert);
    return s == TDM_OK ? take_chain(t->context, bio, cert_path, err) : s;
}

/* ---- the context ---- */

/* RFC 7301: a client that names protocols and not ours is told so. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                           unsigned int in_len, void *user)
{
    (void)ssl;
    (void)user;
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* All is said here, so that the machine's openssl.cnf can neither widen nor narrow it. */
static bool configure(SSL_CTX *context)
{
    static const unsigned char id[] = "tandem";
    SSL_CTX_set_security_level(context, 2); /* 112 bits: RSA of 2048, no SHA-1 */
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF); /* lengths and chunks say what is whole */
    SSL_CTX_clear_options(context, SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION | SSL_OP_LEGACY_SERVER_CONNECT);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS); /* an idle connection holds no record buffers */
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_keylog_callback(context, NULL);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, ciphers_12) == 1 &&
           SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1 &&
           SSL_CTX_set_num_tickets(context, 0) == 1 && SSL_CTX_set_max_early_data(context, 0) == 1 &&
           SSL_CTX_set_session_id_context(context, id, sizeof id - 1) == 1;
}

tdm_status tdm__tls_open(const char *cert_path, const char *key_path, int64_t now_unix_s, tdm__tls **out,
                         tdm_error *err)
{
    BIO *bio = NULL;
    char *text = NULL;
    EVP_PKEY *key = NULL;
    ERR_clear_error();
    tdm__tls *t = tdm__calloc(1, sizeof *t);
    if (t)
        t->context = SSL_CTX_new(TLS_server_method());
    tdm_status s = t && t->context && configure(t->context)
                       ? TDM_OK
                       : tdm__fail(err, TDM_ERR_NOMEM, "TLS cannot be set up (%s)", reason());
    if (s == TDM_OK)
        s = read_certificate(cert_path, &bio, &text, err);
    if (s == TDM_OK)
        s = read_key(key_path, &key, err);
    if (s == TDM_OK)
        s = take_pair(t, cert_path, bio, key_path, key, now_unix_s, err);
    EVP_PKEY_free(key);
    BIO_free(bio);
    tdm__free(text);
    ERR_clear_error();
    if (s == TDM_OK)
        *out = t;
    else
        tdm__tls_close(t);
    return s;
}

void tdm__tls_close(tdm__tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->context); /* counted: each connection holds it too */
    tdm__free(t);
}

int64_t tdm__tls_expires_unix_s(const tdm__tls *t) { return t->expires_unix_s; }

struct ssl_st *tdm__tls_accept(tdm__tls *t) { return SSL_new(t->context); }
