/* pretokenizer.h - cuts a text into words before the merges, as the vendor's patterns do.
 *
 * A pre-tokenizer is a row: its names in tokenizer.ggml.pre, its patterns, and what else the name stands for. The
 * patterns are the vendors' own, matched by PCRE2 over one class byte a character (unicode_tables.h), so that the
 * Unicode of the vendors' engines decides and not that of the library here.
 */
#ifndef TDM_TEXT_PRETOKENIZER_H
#define TDM_TEXT_PRETOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "tandem/status.h"

typedef struct tdm__pretokenizer tdm__pretokenizer;

/* ERR_UNSUPPORTED, naming file and value, for a name that is in no row. Immutable afterwards. */
tdm_status tdm__pretokenizer_create(const char *file, tdm__str name, tdm__pretokenizer **out, tdm_error *err);
void tdm__pretokenizer_destroy(tdm__pretokenizer *p);

bool tdm__pretokenizer_normalizes(const tdm__pretokenizer *p);     /* NFC comes first */
bool tdm__pretokenizer_ignores_merges(const tdm__pretokenizer *p); /* a word that is a token is taken whole */
bool tdm__pretokenizer_adds_bos(const tdm__pretokenizer *p);       /* where the file does not say */

/* Gets the words of a text in their order; together they are the text. What it returns < 0 ends the split. */
typedef tdm_status (*tdm__word_fn)(void *user, tdm__str word, tdm_error *err);

/* Linear in the text. Takes one byte a character for the call; a text has less than 4 GiB. */
tdm_status tdm__pretokenizer_split(const tdm__pretokenizer *p, tdm__str text, tdm__word_fn fn, void *user,
                                   tdm_error *err);

#endif
