/* drafter.h - which tokens an answer will probably have next, guessed from a text that it mostly repeats.
 *
 * The text is a source that the asker names (what is proofread, a file that is edited), or else the answer's own prompt
 * and what was written so far. A cursor walks along it as the answer does. Where the answer goes its own way, the
 * cursor is put where a small edit would put it (a word replaced, put in, left out), and one or two tokens that fit
 * tell whether that was right; n-grams of a dozen tokens would be several words late after each correction. The
 * drafter also counts how often its next token was the answer's, drafted or not: so it knows what a draft is worth at
 * no cost, also while there is none.
 *
 * A wrong guess costs time and changes nothing: the model draws every token itself. Pure: no clock, no engine, no
 * memory but its own few words; a turn's work is linear in the text at most, and mostly constant.
 */
#ifndef TDM_ENGINE_DRAFTER_H
#define TDM_ENGINE_DRAFTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* The bytes of a token, borrowed; none for a control token. */
typedef tdm__str (*tdm__piece_fn)(const void *tokenizer, int32_t id);

enum {
    TDM__DRAFT_SURE_RUN = 3, /* guesses in a row that were right: the cursor stands well */
    TDM__N_DRAFT_MOODS = 2,  /* not sure, sure */
};

typedef struct tdm__drafter {
    tdm__piece_fn piece;
    const void *tokenizer;
    const int32_t *source; /* [n_source], borrowed; NULL: the history is the text */
    size_t n_source;
    bool is_anchored;
    size_t cursor; /* anchored: the text's token that is expected next */
    size_t left;   /* where the answer last left the text: what comes again is looked for from here */
    size_t n_run;  /* guesses in a row that were right, or tokens that fit at the anchor */
    size_t n_lost; /* tokens since the text was left, 0: it is followed */
    float n_right[TDM__N_DRAFT_MOODS], n_wrong[TDM__N_DRAFT_MOODS]; /* guesses, old ones count less */
} tdm__drafter;

/* source [n_source] and tokenizer are borrowed for as long as the drafter is used. n_source 0: look up. */
void tdm__drafter_init(tdm__drafter *d, const int32_t *source, size_t n_source, tdm__piece_fn piece,
                       const void *tokenizer);

/* The answer has one more token, the last of history [n_history >= 1], prompt first. */
void tdm__drafter_take(tdm__drafter *d, const int32_t *history, size_t n_history);

/* What probably comes next, at most n_max tokens: *ids points into the source or the history. 0: no idea. */
size_t tdm__drafter_propose(const tdm__drafter *d, const int32_t *history, size_t n_history, size_t n_max,
                            const int32_t **ids);

/* How probable it is that the i-th of these is right if those before it are: within (0, 1). */
float tdm__drafter_chance(const tdm__drafter *d, size_t i);

#endif
