/* abstain.c - the fitted thresholds, the words by which a model declines, and the rule over both.
 *
 * The thresholds were fitted by tools/fit_abstain.py (docs/internals/abstain.md); a threshold that did not help is
 * infinite. The words are how instruction-tuned models begin when they decline: that is an abstention too, of a model
 * that is sure of it, and no probability shows it.
 */
#include "feature/abstain.h"

#include <math.h>
#include <string.h>

static const tdm__abstain_rule rules[] = {
    {"qwen2.5-coder-0.5b", -INFINITY, -1.438f, INFINITY},
    {"qwen2.5-coder-1.5b", -INFINITY, -1.38f, INFINITY},
};

/* In lower case; the model's answer begins so. */
static const char *const decline_openers[] = {
    "i'm sorry, but", "i am sorry, but", "sorry, but i", "i apologize", "as an ai",      "i'm an ai", "i am an ai",
    "i'm unable",     "i am unable",     "i'm not able", "i cannot",    "i can't",       "i don't have",
    "i do not have",  "as of my last",   "对不起",       "抱歉",        "很抱歉",        "非常抱歉",
    "作为一个",       "作为ai",          "我无法",       "我不能",      "我没有办法",
};

const tdm__abstain_rule *tdm__abstain_rule_for(const char *model_name)
{
    const char *slash = strrchr(model_name, '/'); /* a model that was given as a file */
    if (slash)
        model_name = slash + 1;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strncmp(model_name, rules[i].model, strlen(rules[i].model)) == 0)
            return &rules[i];
    return NULL;
}

void tdm__abstain_init(tdm__abstain *a, const tdm__abstain_rule *rule) { *a = (tdm__abstain){.rule = rule}; }

static double term(double p) { return p > 0 ? -p * log(p) : 0; }

/* What the known candidates leave of 1 counts as one more candidate. */
static double entropy(const float *top_logprobs, size_t n)
{
    double sum = 0, rest = 1;
    for (size_t i = 0; i < n; i++) {
        double p = exp((double)top_logprobs[i]);
        sum += term(p);
        rest -= p;
    }
    return sum + term(rest);
}

void tdm__abstain_push(tdm__abstain *a, float logprob, const float *top_logprobs, size_t n)
{
    if (a->n_tokens == TDM__ABSTAIN_TOKENS)
        return;
    if (a->n_tokens == 0 || logprob < a->least_logprob)
        a->least_logprob = logprob;
    a->sum_logprob += (double)logprob;
    a->sum_entropy += entropy(top_logprobs, n);
    a->n_tokens++;
}

/* What the words say of a beginning. */
typedef enum wording { WORDS_ANSWER = 0, WORDS_TOO_FEW, WORDS_DECLINE } wording;

static wording words_of(tdm__str text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\n')) {
        text.ptr++;
        text.len--;
    }
    wording w = WORDS_ANSWER;
    for (size_t i = 0; i < sizeof decline_openers / sizeof decline_openers[0]; i++) {
        const char *o = decline_openers[i];
        size_t n = 0;
        while (n < text.len && o[n] != '\0') {
            char c = text.ptr[n];
            if ((c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c) != o[n])
                break;
            n++;
        }
        if (o[n] == '\0')
            return WORDS_DECLINE;
        if (n == text.len)
            w = WORDS_TOO_FEW;
    }
    return w;
}

static bool is_unsure(const tdm__abstain *a)
{
    const double n = (double)a->n_tokens;
    return a->rule && a->n_tokens > 0 &&
           (a->sum_logprob / n < (double)a->rule->mean_logprob_min || a->least_logprob < a->rule->least_logprob_min ||
            a->sum_entropy / n > (double)a->rule->entropy_max);
}

tdm__abstain_verdict tdm__abstain_decide(const tdm__abstain *a, tdm__str text, bool is_end)
{
    const wording w = words_of(text);
    if (w == WORDS_DECLINE)
        return TDM__ABSTAIN_ABSTAIN;
    const bool is_full = is_end || a->n_tokens == TDM__ABSTAIN_TOKENS;
    if (is_full)
        return is_unsure(a) ? TDM__ABSTAIN_ABSTAIN : TDM__ABSTAIN_ANSWER;
    if (a->rule && a->least_logprob < a->rule->least_logprob_min)
        return TDM__ABSTAIN_ABSTAIN; /* no later token can mend it */
    return a->rule || w == WORDS_TOO_FEW ? TDM__ABSTAIN_WAIT : TDM__ABSTAIN_ANSWER;
}
