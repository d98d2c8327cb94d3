/* sampler.h - from logits to the next token: penalties, temperature, top_k, top_p, min_p, seed; greedy at 0.
 *
 * Deterministic: same parameters, seed and logits give the same tokens on every machine and thread count. Holds its
 * memory from create on; a draw allocates nothing.
 */
#ifndef TDM_ENGINE_SAMPLER_H
#define TDM_ENGINE_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "tandem/status.h"

enum { TDM__TOP_LOGPROBS_MAX = 20 };

typedef struct tdm__sampling {
    float temperature;       /* 0: greedy; at most 2 */
    int top_k;               /* 0: off */
    float top_p;             /* (0, 1]; 1: off */
    float min_p;             /* [0, 1); 0: off */
    float repeat_penalty;    /* 1: off; divides or multiplies logits of seen tokens */
    float presence_penalty;  /* [-2, 2]; 0: off */
    float frequency_penalty; /* [-2, 2]; 0: off */
    int penalty_last_n;      /* how many tokens back the penalties look, prompt included for repeat_penalty */
    uint64_t seed;
} tdm__sampling;

/* Greedy, everything off. */
tdm__sampling tdm__sampling_default(void);

/* ERR_INVAL with a sentence naming the field, its value and its limits. */
tdm_status tdm__sampling_check(const tdm__sampling *p, tdm_error *err);

typedef struct tdm__token_prob {
    int32_t id;
    float logprob; /* natural logarithm, of the model's own distribution (before temperature and penalties) */
} tdm__token_prob;

typedef struct tdm__sampler tdm__sampler;

tdm_status tdm__sampler_create(size_t n_vocab, tdm__sampler **out, tdm_error *err);
void tdm__sampler_destroy(tdm__sampler *s);

/* Starts a new sequence: parameters are checked before, history is the prompt (borrowed for the call). */
void tdm__sampler_begin(tdm__sampler *s, const tdm__sampling *p, const int32_t *prompt, size_t n_prompt);

/* Draws the next token and remembers it. logits [n_vocab] are not changed. When n_top >= 0, *chosen and the n_top
 * (<= TDM__TOP_LOGPROBS_MAX) most probable tokens, best first, are written. */
int32_t tdm__sampler_next(tdm__sampler *s, const float *logits, int n_top, tdm__token_prob *chosen,
                          tdm__token_prob *top);

#endif
