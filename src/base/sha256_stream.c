/* sha256_stream.c - libcrypto's plain functions over memory of the caller's.
 *
 * Its newer EVP interface allocates a context for each digest, and a digest that is missing for want of memory has no
 * good end: somebody would compare it, or commit to it. These cannot fail. They use the same instructions.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* 3.0 prefers EVP */
#include "base/sha256_stream.h"

void tdm__sha256_begin(tdm__sha256_stream *s) { SHA256_Init(&s->context); }

void tdm__sha256_push(tdm__sha256_stream *s, const void *bytes, size_t n)
{
    if (n > 0)
        SHA256_Update(&s->context, bytes, n);
}

void tdm__sha256_get(const tdm__sha256_stream *s, uint8_t out[TDM__SHA256_BYTES])
{
    SHA256_CTX copy = s->context;
    SHA256_Final(out, &copy);
}
