/* verb_check.h - what a model wrote, looked at by program before anybody sees it.
 *
 * Nothing a model says about its own text is believed; what can be counted is counted: the language, the numbers,
 * names and addresses, the length, and that the text is the text and not talk around it. Pure functions.
 */
#ifndef TDM_FEATURE_VERB_CHECK_H
#define TDM_FEATURE_VERB_CHECK_H

#include "base/arena.h"
#include "base/str.h"
#include "feature/verb_facts.h"
#include "feature/verb_language.h"
#include "tandem/status.h"

/* Why a text does not pass. */
typedef enum tdm__flaw {
    TDM__FLAW_NONE = 0,
    TDM__FLAW_EMPTY,
    TDM__FLAW_CUT, /* it did not end within its tokens */
    TDM__FLAW_LANGUAGE,
    TDM__FLAW_TALK, /* about the text or to the user */
    TDM__FLAW_NUMBER_LOST,
    TDM__FLAW_NAME_LOST, /* or an address */
    TDM__FLAW_QUESTION_LOST,
    TDM__FLAW_NUMBER_ADDED,
    TDM__FLAW_NAME_ADDED,
    TDM__FLAW_TOO_LONG,
    TDM__FLAW_TOO_SHORT,
    TDM__FLAW_REPEATS, /* itself */
    TDM__FLAW_UNCHANGED,
    TDM__FLAW_SAME, /* as another candidate */
} tdm__flaw;

const char *tdm__flaw_text(tdm__flaw f); /* "numbers were lost"; never NULL */

/* The text without what models put around it: a preamble line ("Sure, here is ..:", "以下是..："), a closing offer, a
 * code fence, one pair of quotes around the whole. source: quotes that it has itself stay. */
tdm__str tdm__check_unwrap(tdm__str text, tdm__str source);

/* Whether a sentence or line speaks about the task instead of doing it. */
bool tdm__check_is_talk(tdm__str sentence);

/* Whether some run of words comes again and again: a model that cannot find its end. */
bool tdm__check_repeats(tdm__str text);

/* What a text must be measured against. */
typedef struct tdm__check_rule {
    tdm__str source;
    tdm__facts facts;             /* of source */
    tdm__language_found language; /* of source */
    bool keeps_facts; /* all of the source's facts and a question must be there; none may be added in any case */
    size_t chars_min, chars_max; /* 0: no limit */
} tdm__check_rule;

/* Fills source, facts and language of a rule. ERR_NOMEM. */
tdm_status tdm__check_rule_init(tdm__check_rule *r, tdm__str source, tdm__arena *arena, tdm_error *err);

/* The first flaw of the text in *out; scratch holds what is compared. ERR_NOMEM. */
tdm_status tdm__check_text(const tdm__check_rule *r, tdm__str text, tdm__arena *scratch, tdm__flaw *out,
                           tdm_error *err);

/* How much two texts are alike by their words, whatever their order: 0 (none in common) .. 100 (all). Of Chinese by
 * pairs of characters. ERR_NOMEM. */
tdm_status tdm__check_likeness(tdm__str a, tdm__str b, tdm__arena *scratch, int *out, tdm_error *err);

#endif
