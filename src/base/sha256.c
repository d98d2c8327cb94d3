/* sha256.c - one call into libcrypto. It allocates a context; that it cannot is no outcome a caller could handle: a
 * digest that might be missing would be compared all the same, so the process ends.
 */
#include "base/sha256.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"

void tdm__sha256(const void *bytes, size_t n, uint8_t out[TDM__SHA256_BYTES])
{
    unsigned len = 0;
    if (EVP_Digest(n > 0 ? bytes : "", n, out, &len, EVP_sha256(), NULL) == 1 && len == TDM__SHA256_BYTES)
        return;
    fprintf(stderr, "tandem: libcrypto cannot hash (no memory)\n");
    abort();
}

void tdm__sha256_hex(const void *bytes, size_t n, char out[TDM__SHA256_TEXT])
{
    uint8_t digest[TDM__SHA256_BYTES];
    tdm__sha256(bytes, n, digest);
    tdm__hex_put(digest, sizeof digest, out);
}
