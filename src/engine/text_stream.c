/* text_stream.c - a UTF-8 automaton in front of one matching automaton a stop string. */
#include "engine/text_stream.h"

#include <assert.h>
#include <string.h>

#include "base/checked.h"

enum { BYTES_MAX_A_TURN = 6 /* U+FFFD for a broken character and U+FFFD for the byte that broke it */ };

static const char replacement[3] = "\xef\xbf\xbd"; /* U+FFFD */

/* The longest prefix that text + c ends with, when it ended with one of m bytes before. */
static size_t next_match(const tdm__stop_string *s, size_t m, char c)
{
    while (m > 0 && s->bytes[m] != c)
        m = s->border[m - 1];
    return s->bytes[m] == c ? m + 1 : 0;
}

static void init_stop(tdm__stop_string *s, tdm__str text)
{
    assert(text.len >= 1 && text.len <= TDM__STOP_BYTES_MAX);
    memcpy(s->bytes, text.ptr, text.len);
    s->len = text.len;
    s->matched = 0;
    s->border[0] = 0;
    for (size_t i = 1; i < s->len; i++)
        s->border[i] = (uint16_t)next_match(s, s->border[i - 1], s->bytes[i]);
}

void tdm__text_stream_init(tdm__text_stream *t, const tdm__str *stops, size_t n_stops)
{
    assert(n_stops <= TDM__STOPS_MAX);
    t->n_stops = n_stops;
    for (size_t i = 0; i < n_stops; i++)
        init_stop(&t->stops[i], stops[i]);
    t->n_character = t->n_character_wanted = 0;
    t->n_taken = t->n_out = t->n_held = 0;
    t->stopped = false;
}

/* A whole character. What is held back begins a stop string, hence begins a character: releases are whole too. */
static void put_character(tdm__text_stream *t, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t found = 0, held = 0;
        t->out[t->n_out + t->n_held++] = bytes[i];
        for (size_t k = 0; k < t->n_stops; k++) {
            tdm__stop_string *s = &t->stops[k];
            s->matched = next_match(s, s->matched, bytes[i]);
            held = tdm__max_size(held, s->matched);
            if (s->matched == s->len)
                found = tdm__max_size(found, s->len);
        }
        if (found > 0) {
            t->n_out += t->n_held - found;
            t->n_held = 0;
            t->stopped = true;
            return;
        }
        t->n_out += t->n_held - held;
        t->n_held = held;
    }
}

/* The Unicode Standard, table 3-7: whether c may follow the lead byte of a character. */
static bool may_follow(uint8_t lead, uint8_t c)
{
    uint8_t min = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t max = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return c >= min && c <= max;
}

/* Bytes of the character that begins with c; 0 if none does. */
static unsigned length_from(uint8_t c)
{
    if (c < 0x80)
        return 1;
    return c < 0xc2 || c > 0xf4 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static bool may_continue(const tdm__text_stream *t, uint8_t c)
{
    return t->n_character == 1 ? may_follow(t->character[0], c) : c >= 0x80 && c <= 0xbf;
}

static void begin_character(tdm__text_stream *t, uint8_t c)
{
    t->n_character_wanted = length_from(c);
    if (t->n_character_wanted == 0) {
        put_character(t, replacement, sizeof replacement);
        return;
    }
    t->character[0] = c;
    t->n_character = 1;
}

static void feed_byte(tdm__text_stream *t, uint8_t c)
{
    if (t->n_character > 0 && may_continue(t, c)) {
        t->character[t->n_character++] = c;
    } else {
        if (t->n_character > 0)
            put_character(t, replacement, sizeof replacement);
        t->n_character = 0;
        if (!t->stopped)
            begin_character(t, c);
    }
    if (t->n_character > 0 && t->n_character == t->n_character_wanted) {
        size_t n = t->n_character;
        t->n_character = 0;
        put_character(t, (const char *)t->character, n);
    }
}

bool tdm__text_is_utf8(tdm__str s)
{
    unsigned missing = 0;
    uint8_t lead = 0, previous = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        if (missing == 0) {
            lead = c;
            missing = length_from(c);
            if (missing == 0)
                return false;
        } else if (previous == lead ? !may_follow(lead, c) : c < 0x80 || c > 0xbf) {
            return false; /* a lead byte is no continuation, so `previous` tells which byte this is */
        }
        previous = c;
        missing--;
    }
    return missing == 0;
}

/* Makes room where text was taken. */
static void move_held(tdm__text_stream *t)
{
    memmove(t->out, t->out + t->n_taken, t->n_out - t->n_taken + t->n_held);
    t->n_out -= t->n_taken;
    t->n_taken = 0;
}

void tdm__text_stream_feed(tdm__text_stream *t, tdm__str *in)
{
    move_held(t);
    while (in->len > 0 && !t->stopped && t->n_out + t->n_held + BYTES_MAX_A_TURN <= TDM__TEXT_OUT_BYTES) {
        feed_byte(t, (uint8_t)*in->ptr);
        in->ptr++;
        in->len--;
    }
}

void tdm__text_stream_end(tdm__text_stream *t)
{
    move_held(t);
    if (t->n_character > 0 && !t->stopped)
        put_character(t, replacement, sizeof replacement);
    t->n_character = 0;
    t->n_out += t->n_held;
    t->n_held = 0;
}

tdm__str tdm__text_stream_take(tdm__text_stream *t)
{
    tdm__str s = {t->out + t->n_taken, t->n_out - t->n_taken};
    t->n_taken = t->n_out;
    return s;
}
