/* verb_language.h - which language a text is in: English, Chinese, or none that the verbs take.
 *
 * By the scripts of its letters, and among Latin ones by the commonest words: no model, no dictionary. A Chinese
 * character counts as much as a Latin word. A mixed text is in the language that has more of it.
 */
#ifndef TDM_FEATURE_VERB_LANGUAGE_H
#define TDM_FEATURE_VERB_LANGUAGE_H

#include "base/str.h"

typedef enum tdm__language_kind {
    TDM__TEXT_UNKNOWN = 0, /* no words */
    TDM__TEXT_ENGLISH,
    TDM__TEXT_CHINESE,
    TDM__TEXT_OTHER,
} tdm__language_kind;

typedef struct tdm__language_found {
    tdm__language_kind kind;
    const char *what; /* OTHER: "Arabic or Hebrew script", for a sentence; static text */
    size_t n_words;   /* words and Chinese characters */
    size_t n_han;
    size_t n_traditional; /* characters that only traditional writing has */
    size_t n_simplified;  /* characters that only simplified writing has */
} tdm__language_found;

tdm__language_found tdm__language_find(tdm__str text);

/* Whether b may stand for a: the same language, and of Chinese the same writing where a shows which. */
bool tdm__language_same(const tdm__language_found *a, const tdm__language_found *b);

#endif
