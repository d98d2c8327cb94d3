/* http_tls.h - the daemon's certificate and key, checked before anything is served with them.
 *
 * TLS 1.2 with forward secrecy and authenticated ciphers, TLS 1.3 preferred; no renegotiation, compression, tickets or
 * early data. What an operator can get wrong is refused when the files are opened, with a sentence of its own: a key
 * that others may read or that is encrypted, a certificate of another key, one that is expired, not yet valid or too
 * weak. Nobody is asked for a client's certificate. No session key is ever written anywhere.
 */
#ifndef TDM_NET_HTTP_TLS_H
#define TDM_NET_HTTP_TLS_H

#include <stdint.h>

#include "tandem/status.h"

typedef struct tdm__tls tdm__tls;

enum { TDM__TLS_FILE_BYTES_MAX = 256 * 1024, TDM__TLS_CHAIN_MAX = 10 };

/* cert_path: PEM, the server's own certificate first, then the chain without its root. key_path: PEM, mode 0600.
 * ERR_INVAL (mode, encrypted, times), ERR_FORMAT (no PEM, a key of another certificate, too weak), ERR_NOT_FOUND,
 * ERR_IO, ERR_LIMIT. */
tdm_status tdm__tls_open(const char *cert_path, const char *key_path, int64_t now_unix_s, tdm__tls **out,
                         tdm_error *err);

/* Connections that were begun under it live on. NULL-safe. */
void tdm__tls_close(tdm__tls *t);

/* When the certificate's time is over. */
int64_t tdm__tls_expires_unix_s(const tdm__tls *t);

/* For http_server.c: the state of one more connection; NULL without memory. */
struct ssl_st;
struct ssl_st *tdm__tls_accept(tdm__tls *t);

#endif
