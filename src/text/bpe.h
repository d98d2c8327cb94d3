/* bpe.h - byte-pair encoding of one word: its characters or bytes, merged by rank until nothing merges.
 *
 * The symbols of a word form a list; a heap holds the pairs by rank, then place. n symbols take n log n steps. The
 * memory belongs to one call of the tokenizer and grows with its longest word.
 */
#ifndef TDM_TEXT_BPE_H
#define TDM_TEXT_BPE_H

#include "text/vocabulary.h"

typedef struct tdm__bpe_symbol {
    int32_t id;          /* TDM__BPE_NO_ID: not in the vocabulary, merges with nothing */
    int32_t prev, next;  /* -1 at the ends */
    uint32_t rank;       /* of the pair with next; UINT32_MAX: none */
    int32_t made;        /* what that pair gives */
    uint32_t begin, len; /* bytes of the word */
} tdm__bpe_symbol;

enum { TDM__BPE_NO_ID = -1 };

typedef struct tdm__bpe {
    const tdm__vocabulary *v;
    tdm__bpe_symbol *symbols;
    size_t cap;
    uint64_t *heap; /* rank << 32 | symbol; at most three times the symbols */
    size_t n_heap;
} tdm__bpe;

void tdm__bpe_init(tdm__bpe *b, const tdm__vocabulary *v);
void tdm__bpe_fini(tdm__bpe *b);

/* Makes room for n symbols (n < 2^31). ERR_NOMEM. */
tdm_status tdm__bpe_reserve(tdm__bpe *b, size_t n);

/* Merges symbols[0..n), n > 0, of which the caller has set id, begin and len. The result is the list from symbol 0 by
 * next, each with its id. */
void tdm__bpe_merge(tdm__bpe *b, tdm__str word, size_t n);

#endif
