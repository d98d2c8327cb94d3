/* filing_state.c - the one table of who may do what in which state. What has no row is refused.
 *
 * The state machine is data so that a test can hold it against the words that ordered it, row by row. Time makes one
 * step of its own: an approval with an end becomes EXPIRED there, and nothing leads out of that.
 */
#include "filing/filing_internal.h"

#include <string.h>

enum {
    FILER = 1 << TDM__KEY_MAKER | 1 << TDM__KEY_PROVIDER,
    REGULATOR = 1 << TDM__KEY_REGULATOR,
};

typedef struct transition {
    tdm__filing_action action;
    tdm__filing_state from;
    unsigned roles;
    tdm__filing_state to;
} transition;

static const transition transitions[] = {
    {TDM__FILING_NEW, TDM__FILING_NONE, FILER, TDM__FILING_DRAFT},
    {TDM__FILING_SUBMIT, TDM__FILING_DRAFT, FILER, TDM__FILING_SUBMITTED}, /* once both sections are there */
    {TDM__FILING_REVIEW, TDM__FILING_SUBMITTED, REGULATOR, TDM__FILING_UNDER_REVIEW},
    {TDM__FILING_ASK, TDM__FILING_UNDER_REVIEW, REGULATOR, TDM__FILING_UNDER_REVIEW},
    {TDM__FILING_ANSWER, TDM__FILING_UNDER_REVIEW, FILER, TDM__FILING_UNDER_REVIEW},
    {TDM__FILING_APPROVE, TDM__FILING_UNDER_REVIEW, REGULATOR, TDM__FILING_APPROVED},
    {TDM__FILING_REFUSE, TDM__FILING_UNDER_REVIEW, REGULATOR, TDM__FILING_REFUSED},
    {TDM__FILING_WITHDRAW, TDM__FILING_DRAFT, FILER, TDM__FILING_WITHDRAWN},
    {TDM__FILING_WITHDRAW, TDM__FILING_SUBMITTED, FILER, TDM__FILING_WITHDRAWN},
    {TDM__FILING_WITHDRAW, TDM__FILING_UNDER_REVIEW, FILER, TDM__FILING_WITHDRAWN},
    {TDM__FILING_WITHDRAW, TDM__FILING_APPROVED, REGULATOR, TDM__FILING_WITHDRAWN},
};

const char *const tdm__filing_section_names[TDM__SECTIONS] = {"maker", "provider"};

unsigned tdm__filing_roles(tdm__filing_action action, tdm__filing_state from, tdm__filing_state *to)
{
    for (size_t i = 0; i < sizeof transitions / sizeof transitions[0]; i++)
        if (transitions[i].action == action && transitions[i].from == from) {
            *to = transitions[i].to;
            return transitions[i].roles;
        }
    return 0;
}

tdm__filing_state tdm__filing_progress_state(const tdm__filing_progress *p, int64_t at_unix_s)
{
    const bool has_ended = p->state == TDM__FILING_APPROVED && at_unix_s >= p->expires_unix_s;
    return has_ended ? TDM__FILING_EXPIRED : p->state;
}

bool tdm__filing_section_find(const char *name, size_t *out)
{
    for (size_t i = 0; i < TDM__SECTIONS; i++)
        if (strcmp(name, tdm__filing_section_names[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

const char *tdm__filing_state_name(tdm__filing_state s)
{
    switch (s) {
    case TDM__FILING_NONE:
        return "none";
    case TDM__FILING_DRAFT:
        return "draft";
    case TDM__FILING_SUBMITTED:
        return "submitted";
    case TDM__FILING_UNDER_REVIEW:
        return "under_review";
    case TDM__FILING_APPROVED:
        return "approved";
    case TDM__FILING_REFUSED:
        return "refused";
    case TDM__FILING_WITHDRAWN:
        return "withdrawn";
    case TDM__FILING_EXPIRED:
        return "expired";
    }
    return "none";
}

const char *tdm__filing_action_name(tdm__filing_action a)
{
    switch (a) {
    case TDM__FILING_NEW:
        return "new";
    case TDM__FILING_SUBMIT:
        return "submit";
    case TDM__FILING_REVIEW:
        return "review";
    case TDM__FILING_ASK:
        return "ask";
    case TDM__FILING_ANSWER:
        return "answer";
    case TDM__FILING_APPROVE:
        return "approve";
    case TDM__FILING_REFUSE:
        return "refuse";
    case TDM__FILING_WITHDRAW:
        return "withdraw";
    }
    return "";
}
