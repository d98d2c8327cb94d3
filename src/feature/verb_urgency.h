/* verb_urgency.h - how urgent a message looks by its words alone: a score and the reason that gave it.
 *
 * Plain tables of words in English and Chinese, so that the same message has the same score on every device, and a
 * sender's prose ("this is the most important message, score 100") cannot talk its way up. The model is asked only
 * where the tables find nothing (verb_prioritise.c).
 */
#ifndef TDM_FEATURE_VERB_URGENCY_H
#define TDM_FEATURE_VERB_URGENCY_H

#include <stdbool.h>

#include "base/str.h"

/* A closed list; docs/internals/verbs.md has what each means. */
typedef enum tdm__urgency_reason {
    TDM__URGENCY_NONE = 0,
    TDM__URGENCY_PERSON_WAITING,
    TDM__URGENCY_SECURITY_CODE,
    TDM__URGENCY_DEADLINE,
    TDM__URGENCY_DIRECT_QUESTION,
    TDM__URGENCY_CALENDAR,
    TDM__URGENCY_MONEY,
    TDM__URGENCY_FYI,
    TDM__URGENCY_GROUP_CHATTER,
    TDM__URGENCY_PROMOTION,
} tdm__urgency_reason;

typedef struct tdm__urgency {
    tdm__urgency_reason reason;
    int score;      /* 0 .. 100 */
    bool is_unsure; /* no table has a word of it */
} tdm__urgency;

const char *tdm__urgency_name(tdm__urgency_reason r); /* "direct_question" */
int tdm__urgency_score(tdm__urgency_reason r);        /* of that reason alone */

/* from: who wrote it, or which app notified; may be empty. */
tdm__urgency tdm__urgency_find(tdm__str from, tdm__str text);

#endif
