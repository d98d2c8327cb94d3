/* sha256.h - SHA-256 of bytes in memory (libcrypto's, which uses the processor's instructions). It cannot fail. */
#ifndef TDM_BASE_SHA256_H
#define TDM_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { TDM__SHA256_BYTES = 32, TDM__SHA256_TEXT = 65 };

void tdm__sha256(const void *bytes, size_t n, uint8_t out[TDM__SHA256_BYTES]);

/* The same as lower-case hexadecimal text with its NUL. */
void tdm__sha256_hex(const void *bytes, size_t n, char out[TDM__SHA256_TEXT]);

#endif
