/* unicode_tables.h - classes of code points as the vendors' tokenizers see them.
 *
 * made by tools/make_unicode_tables.py from tokenizers 0.23.3; do not edit. */
#ifndef TDM_TEXT_UNICODE_TABLES_H
#define TDM_TEXT_UNICODE_TABLES_H

#include <stdint.h>

/* A value is class | 0x80 where NFC may change, reorder or join the code point to what stands before
 * it. Class 0 is in none of the sets; it is also that of bytes that are no UTF-8. */
extern const uint8_t tdm__unicode_blocks[0x110000 >> 7];
extern const uint8_t tdm__unicode_values[226][128];

/* Insides of PCRE2 brackets over class bytes: ASCII is itself, all else 0x80 | class. */
#define TDM__SET_LETTER "\\x41-\\x5a\\x61-\\x7a\\x82\\x84-\\x86\\x89\\x8e" /* \p{L} */
#define TDM__SET_NUMBER "\\x30-\\x39\\x83\\x88" /* \p{N} */
#define TDM__SET_SPACE "\\x09-\\x0d\\x20\\x81\\x8a\\x8c" /* \s */
#define TDM__SET_DIGIT "\\x30-\\x39\\x83\\x88\\x8f" /* what the Digits pre-tokenizer takes */
#define TDM__SET_FOLDS_TO_S "\\x53\\x73\\x85" /* what (?i:s) matches */
#define TDM__SET_DEEPSEEK_CASED "\\x41-\\x5a\\x61-\\x7a\\x84-\\x85\\x89\\x8e" /* deepseek-llm's cased letters */
#define TDM__SET_DEEPSEEK_PUNCTUATION "\\x21-\\x2f\\x3a-\\x7e\\x8b-\\x8e" /* deepseek-llm's punctuation */
#define TDM__SET_DEEPSEEK_CJK "\\x86-\\x8c" /* deepseek-llm's Chinese, Japanese, Korean and more */

#endif
