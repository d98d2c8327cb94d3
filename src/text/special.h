/* special.h - tokens that are found in a text as a whole, before it is cut into words: control and user-defined ones.
 *
 * The vendors' rule is the leftmost, then the longest. What may match is decided by trust (docs/decisions, "tokens and
 * trust"): control tokens only where every byte is trusted; user-defined ones anywhere, but those that look like
 * markup (<...>) not where the text has provenance and not all their bytes are trusted.
 */
#ifndef TDM_TEXT_SPECIAL_H
#define TDM_TEXT_SPECIAL_H

#include "text/vocabulary.h"

typedef struct tdm__special {
    tdm__str text;
    int32_t id;
    bool control;
    bool markup;
} tdm__special;

typedef struct tdm__special_set {
    tdm__special *items; /* sorted by text */
    size_t n;
    size_t begins[257]; /* items whose first byte is b: [begins[b], begins[b + 1]) */
} tdm__special_set;

/* s is zeroed; on failure the caller still calls fini. Texts are borrowed from v. */
tdm_status tdm__special_init(tdm__special_set *s, const tdm__vocabulary *v, tdm_error *err);
void tdm__special_fini(tdm__special_set *s);

/* The longest allowed token that begins at text[at], or NULL. trusted is NULL or one byte a text byte. At most
 * TDM__TOKEN_BYTES_MAX steps. */
const tdm__special *tdm__special_match(const tdm__special_set *s, tdm__str text, const uint8_t *trusted, size_t at);

#endif
