/* hex.h - bytes as lower-case hexadecimal text, and back. */
#ifndef TDM_BASE_HEX_H
#define TDM_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* out gets 2 * n characters and a NUL. */
void tdm__hex_put(const uint8_t *bytes, size_t n, char *out);

/* False when hex is not exactly 2 * n lower-case hexadecimal digits. */
bool tdm__hex_get(tdm__str hex, uint8_t *bytes, size_t n);

#endif
