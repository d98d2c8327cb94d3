/* tiny_vocabulary.h - small vocabularies written out by hand, as the keys of a GGUF: for tests and fuzz targets. */
#ifndef TDM_HARNESS_TINY_VOCABULARY_H
#define TDM_HARNESS_TINY_VOCABULARY_H

#include "gguf_maker.h"

/* Ids of a byte-level vocabulary: 0 .. 255 the bytes in the order of their value, then these. */
enum {
    TDM__TINY_HE = 256,
    TDM__TINY_LL,
    TDM__TINY_HELL,
    TDM__TINY_HELLO,
    TDM__TINY_SPACE_HELLO,
    TDM__TINY_TWO_SPACES,
    TDM__TINY_END,
    TDM__TINY_TURN,
    TDM__TINY_TURN_LONG,
    TDM__TINY_CALL,
    TDM__TINY_EUROS,
    TDM__TINY_FILLER,
    TDM__TINY_UNUSED,
    TDM__TINY_BYTES_SIZE
};

/* Ids of a SentencePiece vocabulary: 0 <unk>, 1 <s>, 2 </s>, 3 .. 258 the bytes, then these. */
enum {
    TDM__TINY_PIECE_MARK = 259,
    TDM__TINY_PIECE_A,
    TDM__TINY_PIECE_B,
    TDM__TINY_PIECE_AB,
    TDM__TINY_PIECE_MARK_AB,
    TDM__TINY_PIECE_LESS,
    TDM__TINY_PIECE_S,
    TDM__TINY_PIECE_LESS_S,
    TDM__TINY_PIECE_MORE,
    TDM__TINY_PIECES_SIZE
};

/* The arrays, so that a test can change an entry before they are written. */
typedef struct tdm__tiny_vocabulary {
    const char *model, *pre; /* NULL leaves the key out */
    const char *tokens[320];
    int32_t types[320];
    float scores[320];
    const char *merges[16];
    size_t n_tokens, n_types, n_scores, n_merges; /* 0 leaves the key out */
    char spelled[256][8];
} tdm__tiny_vocabulary;

void tdm__tiny_vocabulary_bytes(tdm__tiny_vocabulary *v, const char *pre);
void tdm__tiny_vocabulary_pieces(tdm__tiny_vocabulary *v);

/* Adds the keys to a file. */
void tdm__tiny_vocabulary_write(const tdm__tiny_vocabulary *v, tdm__maker *m);

#endif
