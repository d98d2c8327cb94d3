/* turn_pace.h - how many rows of prompts a turn may carry beside running answers, so that no stream stalls.
 *
 * A stream gets one token a turn, so the time of a turn is what its reader waits. The pace learns what a turn costs
 * that carries next tokens only (for each number of streams, as more of them take longer), and what one more row adds.
 * It allows as many rows of prompts as keep a turn below LIMIT times of what turns will take anyway, once these prompts
 * are streams too: a reader's pauses while prompts are read are like those afterwards, and sixteen prompts that come at
 * once are not read at the pace of the one that was first (docs/decisions/014). It also learns what drafted rows add,
 * which are the first rows beside a token that reads all weights anyway and so nearly free, up to some number of them
 * (docs/decisions/023). It is arithmetic on numbers that are given to it: no clock here. What it decides changes when a
 * result comes and no bit of the result.
 */
#ifndef TDM_ENGINE_TURN_PACE_H
#define TDM_ENGINE_TURN_PACE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

enum {
    TDM__PACE_ROWS_MIN = 4,        /* prompts advance, whatever the clock said */
    TDM__PACE_LIMIT_PERCENT = 140, /* of a turn without prompts: below 200, with room for what was not foreseen */
    TDM__PACE_REFRESH = 16,        /* turns; then a turn without prompts is measured again */
    TDM__PACE_DRAFT_REFRESH = 64,  /* turns; then a turn without drafts is measured again, as contexts grow, and what
                                      drafts of some length cost may be tried again */
    TDM__PACE_DRAFT_GROUPS = 6,    /* of numbers of drafted rows: 1, 2, to 4, to 8, to 16, more */
};

/* Zero: nothing is known. */
typedef struct tdm__pace {
    uint64_t decode_ns[TDM__SLOTS_MAX + 1];   /* [n_streams] of a turn without prompts that nothing disturbed */
    uint64_t measured_at[TDM__SLOTS_MAX + 1]; /* number of the turn that told so last */
    uint8_t n_measured[TDM__SLOTS_MAX + 1];   /* it is known from the second time on: the first may be disturbed */
    uint64_t row_ns;                          /* what a row of a prompt adds, moving average; 0: not known */
    uint64_t draft_row_ns[TDM__PACE_DRAFT_GROUPS]; /* what each of so many drafted rows adds, moving average */
    uint64_t draft_measured_at[TDM__PACE_DRAFT_GROUPS]; /* number of the turn that told so last; 0: never */
    uint64_t n_turns;
} tdm__pace;

/* The rows of prompts for a turn with that many streams, while n_prompts jobs have a slot and are no streams yet; 0 ..
 * n_max. 0 only with streams: this turn is to be measured without prompts, and one of the next carries some. */
size_t tdm__pace_prompt_rows(const tdm__pace *p, size_t n_streams, size_t n_prompts, size_t n_max);

/* A turn without drafts took that long. */
void tdm__pace_learn(tdm__pace *p, size_t n_streams, size_t n_prompt_rows, uint64_t ns);

/* What a turn of that many streams will take with so many drafted rows and no prompts; 0: it is to be measured without
 * any. */
uint64_t tdm__pace_draft_turn_ns(const tdm__pace *p, size_t n_streams, size_t n_drafted);

/* A turn with drafts and without prompts took that long. */
void tdm__pace_learn_drafts(tdm__pace *p, size_t n_streams, size_t n_drafted, uint64_t ns);

#endif
