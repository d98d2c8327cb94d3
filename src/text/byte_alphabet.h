/* byte_alphabet.h - how byte-level vocabularies spell bytes (GPT-2's bytes_to_unicode).
 *
 * Bytes that are printable in Latin-1 are spelled by the character of their number; the other 68, in order, by
 * U+0100 and the following.
 */
#ifndef TDM_TEXT_BYTE_ALPHABET_H
#define TDM_TEXT_BYTE_ALPHABET_H

#include <stdbool.h>
#include <stdint.h>

static inline bool tdm__byte_is_printable(uint32_t byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

/* The code point that spells the byte. */
static inline uint32_t tdm__byte_to_letter(uint8_t byte)
{
    if (tdm__byte_is_printable(byte))
        return byte;
    if (byte <= ' ')
        return 0x100u + byte;
    return byte == 0xAD ? 0x143 : 0x100u + 33 + (byte - 127u); /* 33 below '!', then 127 .. 160, last 173 */
}

/* The byte that the code point spells, or -1. */
static inline int tdm__letter_to_byte(uint32_t letter)
{
    if (letter <= 0xFF)
        return tdm__byte_is_printable(letter) ? (int)letter : -1;
    if (letter <= 0x120)
        return (int)(letter - 0x100);
    if (letter <= 0x142)
        return (int)(letter - 0x121 + 127);
    return letter == 0x143 ? 0xAD : -1;
}

#endif
