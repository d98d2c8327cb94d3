/* unicode.h - characters of a text as the vendors' tokenizers see them: reading UTF-8, classes, NFC.
 *
 * A byte that begins no well-formed UTF-8 sequence (RFC 3629: no surrogates, nothing overlong, at most U+10FFFF)
 * stands alone as a character of class 0, is never changed, and nothing is joined across it.
 */
#ifndef TDM_TEXT_UNICODE_H
#define TDM_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "tandem/status.h"
#include "text/unicode_tables.h"

enum { TDM__NOT_UTF8 = 0x110000 };

/* The length of the character at p (p < end) and its code point, or 1 and TDM__NOT_UTF8. */
size_t tdm__unicode_next(const unsigned char *p, const unsigned char *end, uint32_t *code_point);

/* The code point (no surrogate, at most U+10FFFF) as UTF-8; returns its length. */
size_t tdm__unicode_put(uint32_t code_point, char out[4]);

/* The byte that stands for a code point in a pre-tokenizer's pattern: see the sets in unicode_tables.h. */
static inline uint8_t tdm__unicode_class(uint32_t code_point)
{
    if (code_point < 0x80)
        return (uint8_t)code_point;
    if (code_point >= TDM__NOT_UTF8)
        return 0x80;
    return 0x80 | tdm__unicode_values[tdm__unicode_blocks[code_point >> 7]][code_point & 127];
}

/* Whether NFC may change, reorder or join the code point to what stands before it. */
static inline bool tdm__unicode_joins(uint32_t code_point)
{
    return code_point >= 0x80 && code_point < TDM__NOT_UTF8 &&
           (tdm__unicode_values[tdm__unicode_blocks[code_point >> 7]][code_point & 127] & 0x80) != 0;
}

/* Puts the text into normalisation form C, as the vendors' normaliser does: *out is the text itself when nothing is
 * to change, else the content of scratch, which is overwritten (at most three times the bytes). ERR_NOMEM;
 * ERR_LIMIT beyond the scratch buffer's maximum, and for more than run_max bytes of characters in a row that may join:
 * a run takes 48 bytes of memory a byte. */
tdm_status tdm__unicode_nfc(tdm__str text, size_t run_max, tdm__buf *scratch, tdm__str *out);

#endif
