/* screen.h - the literal terms of a signed pack, found in what is asked and in what is answered.
 *
 * One automaton for all terms (Aho-Corasick over bytes, ASCII letters without case). A stream releases a byte as soon
 * as no term can still begin at or before it that is not decided: exactly the longest suffix that is a prefix of some
 * term is held back. Normalisation, personal data and other actions than stop come later, in this folder.
 */
#ifndef TDM_SCREEN_SCREEN_H
#define TDM_SCREEN_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "tandem/status.h"

typedef struct tdm__screen tdm__screen; /* immutable; any thread */

enum { TDM__SCREEN_TERMS_MAX = 100000, TDM__SCREEN_TERM_BYTES_MAX = 256, TDM__SCREEN_BYTES_MAX = 4 << 20 };

/* packs: the JSON of each: {"_type":"pack","name":..,"version":n,"terms":[{"id":..,"term":..}]}, and "demo" and "about"
 * for people. All packs together hold at most TERMS_MAX terms of 1 to TERM_BYTES_MAX bytes, BYTES_MAX in all (15 bytes
 * of memory for each byte that terms do not share). No pack gives a screen that stops nothing. ERR_FORMAT, ERR_LIMIT,
 * ERR_NOMEM; sentences have a term's id, never the term. */
tdm_status tdm__screen_create(const tdm__str *packs, size_t n_packs, tdm__screen **out, tdm_error *err);
void tdm__screen_destroy(tdm__screen *s); /* NULL-safe */

/* Whether there is no term at all. */
bool tdm__screen_is_empty(const tdm__screen *s);

/* Bytes that a stream may have to hold back: the longest term less one. 0 also where all terms are of one byte. */
size_t tdm__screen_hold_max(const tdm__screen *s);

typedef struct tdm__screen_hit {
    const char *rule; /* the term's id; borrowed from the screen */
    size_t begin, end; /* bytes of the stream */
} tdm__screen_hit;

/* Whether text holds a term; the first one by its end, and of those that end there the longest. */
bool tdm__screen_find(const tdm__screen *s, tdm__str text, tdm__screen_hit *hit);

/* One text that comes in pieces. State is two words: it may be copied. */
typedef struct tdm__screen_stream {
    const tdm__screen *screen;
    uint32_t state;
    size_t n_seen;     /* bytes taken */
    size_t n_released; /* bytes that may leave: [0, n_released) of the stream */
} tdm__screen_stream;

void tdm__screen_stream_init(tdm__screen_stream *t, const tdm__screen *s);
/* Takes a piece. True: a term is complete, *hit says which; what was not released before the call must never be, and
 * no more is taken. False: t->n_released has grown to what may leave now. */
bool tdm__screen_push(tdm__screen_stream *t, tdm__str piece, tdm__screen_hit *hit);
/* The text has ended: everything may leave. */
void tdm__screen_end(tdm__screen_stream *t);

#endif
