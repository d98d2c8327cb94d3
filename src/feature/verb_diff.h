/* verb_diff.h - what a corrected text changes, as edits of the source; and which of them a proofreader may make.
 *
 * Words are compared by longest common subsequence, white space is not: it stays the source's, so lines and spacing
 * cannot change. A model that is asked to correct also rephrases, polishes and invents; an edit that is no plausible
 * correction of a slip is left out, so that what remains fixes errors and leaves the rest.
 */
#ifndef TDM_FEATURE_VERB_DIFF_H
#define TDM_FEATURE_VERB_DIFF_H

#include "base/arena.h"
#include "base/str.h"
#include "feature/verb.h"
#include "feature/verb_text.h"
#include "tandem/status.h"

enum { TDM__DIFF_WORDS_MAX = 600 }; /* of either text */

typedef struct tdm__word_list {
    tdm__str text;
    const tdm__word *items; /* [n] */
    size_t n;
} tdm__word_list;

/* ERR_LIMIT: more than TDM__DIFF_WORDS_MAX words. ERR_NOMEM. */
tdm_status tdm__word_list_make(tdm__str text, tdm__arena *arena, tdm__word_list *out, tdm_error *err);

/* Words [old_start, old_end) of one text stand as [new_start, new_end) in the other. */
typedef struct tdm__change {
    size_t old_start, old_end, new_start, new_end;
} tdm__change;

/* In order; *n of them, the arena's. ERR_NOMEM. */
tdm_status tdm__diff_words(const tdm__word_list *old, const tdm__word_list *new, tdm__arena *arena, tdm__change **out,
                           size_t *n, tdm_error *err);

/* Drops the changes that are no plausible corrections; the number that is left. */
size_t tdm__diff_keep_corrections(const tdm__word_list *old, const tdm__word_list *new, tdm__change *changes, size_t n);

/* A change as an edit of bytes of the old text; its text is the arena's. ERR_NOMEM. */
tdm_status tdm__diff_edit(const tdm__word_list *old, const tdm__word_list *new, const tdm__change *c, tdm__arena *arena,
                          tdm__verb_edit *out, tdm_error *err);

#endif
