/* sha256.c - a digest of bytes that lie together. */
#include "base/sha256.h"

#include "base/hex.h"
#include "base/sha256_stream.h"

void tdm__sha256(const void *bytes, size_t n, uint8_t out[TDM__SHA256_BYTES])
{
    tdm__sha256_stream s;
    tdm__sha256_begin(&s);
    tdm__sha256_push(&s, bytes, n);
    tdm__sha256_get(&s, out);
}

void tdm__sha256_hex(const void *bytes, size_t n, char out[TDM__SHA256_TEXT])
{
    uint8_t digest[TDM__SHA256_BYTES];
    tdm__sha256(bytes, n, digest);
    tdm__hex_put(digest, sizeof digest, out);
}
