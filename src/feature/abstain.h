/* abstain.h - when this device's model should rather not answer: a rule over its own token probabilities.
 *
 * Text of the first tokens is held until the rule has decided, so an answer for which a partner is offered instead was
 * never shown in part. The thresholds were fitted on tests/golden/abstain (docs/internals/abstain.md has rates and the
 * command); a model without fitted thresholds abstains only by saying so: an answer that begins with the words by which
 * models decline ("As an AI language model, I", "抱歉") is an abstention whatever its probabilities are.
 */
#ifndef TDM_FEATURE_ABSTAIN_H
#define TDM_FEATURE_ABSTAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* The rule decides after so many tokens, or at the end of a shorter answer; by so many candidates a place. */
enum { TDM__ABSTAIN_TOKENS = 24, TDM__ABSTAIN_TOP = 5 };

typedef struct tdm__abstain_rule {
    const char *model;         /* catalogue name, or its beginning */
    float mean_logprob_min;    /* of the tokens so far, natural logarithm */
    float least_logprob_min;   /* of the least sure one */
    float entropy_max;         /* mean of the top candidates' and the rest's, nats */
} tdm__abstain_rule;

/* NULL: no thresholds were fitted for this model. */
const tdm__abstain_rule *tdm__abstain_rule_for(const char *model_name);

typedef struct tdm__abstain {
    const tdm__abstain_rule *rule;
    size_t n_tokens;
    double sum_logprob, sum_entropy;
    float least_logprob;
} tdm__abstain;

void tdm__abstain_init(tdm__abstain *a, const tdm__abstain_rule *rule);

/* One more token: its logprob, and those of the n top candidates at its place (natural logarithms). Those beyond the
 * first TDM__ABSTAIN_TOKENS change nothing. */
void tdm__abstain_push(tdm__abstain *a, float logprob, const float *top_logprobs, size_t n);

typedef enum tdm__abstain_verdict {
    TDM__ABSTAIN_WAIT = 0,
    TDM__ABSTAIN_ANSWER,
    TDM__ABSTAIN_ABSTAIN,
} tdm__abstain_verdict;

/* text: of the answer so far. Once it is not WAIT it need not be asked again. is_end: no more tokens will come. */
tdm__abstain_verdict tdm__abstain_decide(const tdm__abstain *a, tdm__str text, bool is_end);

#endif
