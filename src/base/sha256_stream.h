/* sha256_stream.h - SHA-256 of bytes that come in pieces: a file while it is read, a text while it is released. */
#ifndef TDM_BASE_SHA256_STREAM_H
#define TDM_BASE_SHA256_STREAM_H

#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"

typedef struct tdm__sha256_stream {
    SHA256_CTX context;
} tdm__sha256_stream;

void tdm__sha256_begin(tdm__sha256_stream *s);
void tdm__sha256_push(tdm__sha256_stream *s, const void *bytes, size_t n);

/* What was pushed so far; more may follow. */
void tdm__sha256_get(const tdm__sha256_stream *s, uint8_t out[TDM__SHA256_BYTES]);

#endif
