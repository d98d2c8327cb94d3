/* text_stream.h - the pieces of tokens to text that may be shown: whole characters, stop strings held back.
 *
 * Two stages, both byte by byte. First UTF-8: an incomplete character waits (at most 3 bytes); bytes that are none
 * become U+FFFD, one for each maximal part of a character, as Python's errors="replace" does. Then the stop strings:
 * of the text, exactly the longest suffix that is a proper prefix of a stop string is held back. The first stop string
 * to be complete ends the text (of those that end together, the longest); what stands before it is released, itself
 * never. Fixed memory, constant time a byte on average (Knuth, Morris, Pratt 1977), nothing allocated after init.
 */
#ifndef TDM_ENGINE_TEXT_STREAM_H
#define TDM_ENGINE_TEXT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { TDM__STOPS_MAX = 8, TDM__STOP_BYTES_MAX = 256, TDM__TEXT_OUT_BYTES = 2048 };

typedef struct tdm__stop_string {
    char bytes[TDM__STOP_BYTES_MAX];
    uint16_t border[TDM__STOP_BYTES_MAX]; /* [i]: longest proper prefix of bytes[0..i] that ends it too */
    size_t len;
    size_t matched; /* longest prefix that the text ends with */
} tdm__stop_string;

typedef struct tdm__text_stream {
    tdm__stop_string stops[TDM__STOPS_MAX];
    size_t n_stops;
    uint8_t character[4]; /* the incomplete one */
    unsigned n_character, n_character_wanted;
    char out[TDM__TEXT_OUT_BYTES]; /* released text, then what is held back */
    size_t n_taken;                /* of the released bytes, these were handed over */
    size_t n_out;                  /* released */
    size_t n_held;
    bool stopped;
} tdm__text_stream;

/* Whether s is UTF-8 and ends with a whole character. */
bool tdm__text_is_utf8(tdm__str s);

/* stops are copied: at most TDM__STOPS_MAX, each 1 .. TDM__STOP_BYTES_MAX bytes of UTF-8. */
void tdm__text_stream_init(tdm__text_stream *t, const tdm__str *stops, size_t n_stops);

/* Takes bytes from the front of *in until it is empty, the output is full, or a stop string is complete (`stopped`,
 * and the rest of *in does not matter). Released text is in out[0 .. n_out): take it with _take, then go on. */
void tdm__text_stream_feed(tdm__text_stream *t, tdm__str *in);

/* Ends the text: an incomplete character becomes U+FFFD, what was held back is released. All output was taken. */
void tdm__text_stream_end(tdm__text_stream *t);

/* The released text, valid until the next feed or end; the output counts as empty from now on. */
tdm__str tdm__text_stream_take(tdm__text_stream *t);

#endif
