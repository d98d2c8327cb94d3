/* tokenizer_internal.h - what a tokenizer is made of; shared by its making and its running only. */
#ifndef TDM_TEXT_TOKENIZER_INTERNAL_H
#define TDM_TEXT_TOKENIZER_INTERNAL_H

#include "text/pretokenizer.h"
#include "text/special.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

enum { TDM__TOKENIZER_ENDS_MAX = 16 };

struct tdm__tokenizer {
    tdm__vocabulary vocabulary;
    tdm__special_set special;
    tdm__pretokenizer *pre;   /* byte-level vocabularies only */
    int32_t space_mark;       /* PIECES: the token of U+2581, or -1 */
    int32_t unknown;          /* PIECES: for what has neither token nor bytes, or -1 */
    bool byte_fallback;       /* PIECES: all 256 byte tokens are there */
    bool adds_space, adds_bos;
    int32_t bos, eos;
    int32_t ends[TDM__TOKENIZER_ENDS_MAX];
    size_t n_ends;
};

#endif
