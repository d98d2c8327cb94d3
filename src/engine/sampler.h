/* sampler.h - from logits to the next token: penalties, temperature, top_k, top_p, min_p, seed; greedy at 0.
 *
 * The order is that of transformers: penalties, temperature, top_k, top_p, min_p (docs/decisions/002). What is drawn
 * depends on the parameters, the tokens so far and the logits alone: the i-th random number of an answer is a
 * function of (seed, i), so there is no state between draws, and a sampler serves any number of sequences in turn.
 * Same bits on every machine, thread count and instruction set. Its memory is taken at create; a draw allocates
 * nothing and sorts nothing: it selects, in time linear in the vocabulary.
 */
#ifndef TDM_ENGINE_SAMPLER_H
#define TDM_ENGINE_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/kernels.h"
#include "kernel/matmul.h"
#include "tandem/status.h"

enum { TDM__TOP_LOGPROBS_MAX = 20 };

typedef struct tdm__sampling {
    float temperature;       /* 0: greedy, the lowest id of the best; at most 2 */
    int top_k;               /* 0: off; else exactly the k best, lower ids first among equals */
    float top_p;             /* (0, 1]; 1: off */
    float min_p;             /* [0, 1); 0: off; relative to the most probable token */
    float repeat_penalty;    /* (0, 2]; 1: off; divides positive and multiplies negative logits of seen tokens */
    float presence_penalty;  /* [-2, 2]; 0: off; OpenAI's, over generated tokens */
    float frequency_penalty; /* [-2, 2]; 0: off; OpenAI's, over generated tokens */
    int penalty_last_n;      /* how many tokens back the penalties look, the prompt included for repeat_penalty;
                                0: at all of them */
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

/* What a sequence holds so far. */
typedef struct tdm__history {
    const int32_t *tokens; /* [n_tokens], the prompt first */
    size_t n_tokens;
    size_t n_prompt; /* <= n_tokens */
} tdm__history;

/* What was drawn. */
typedef struct tdm__draw {
    int32_t id;
    tdm__token_prob chosen;                     /* with n_top >= 0 */
    tdm__token_prob top[TDM__TOP_LOGPROBS_MAX]; /* [n_top], the most probable first, lower ids first among equals */
} tdm__draw;

/* Whether a draw reads nothing of the logits but the best of them: then they need not exist. */
bool tdm__sampling_reads_best_only(const tdm__sampling *p, int n_top);

/* What tdm__sampler_next draws with such parameters from the n_vocab logits whose best is given; the same errors. */
tdm_status tdm__sampling_take_best(const tdm__best *best, size_t n_vocab, tdm__draw *out, tdm_error *err);

typedef struct tdm__sampler tdm__sampler;

/* Bytes that create will take. */
size_t tdm__sampler_bytes(size_t n_vocab);

/* k is borrowed and outlives the sampler. n_vocab >= 1. */
tdm_status tdm__sampler_create(const tdm__kernels *k, size_t n_vocab, tdm__sampler **out, tdm_error *err);
void tdm__sampler_destroy(tdm__sampler *s);

/* Draws the token that follows h. logits [n_vocab] are not changed; p was checked. n_top: -1 for no logprobs, else
 * 0 .. TDM__TOP_LOGPROBS_MAX. ERR_FORMAT when the logits hold a NaN or +infinity, or nothing but -infinity: then the
 * model computed nonsense, and there is no token to draw. */
tdm_status tdm__sampler_next(tdm__sampler *s, const tdm__sampling *p, const tdm__history *h, const float *logits,
                             int n_top, tdm__draw *out, tdm_error *err);

/* The distribution that next draws from: n ids (in no stated order) with probabilities that sum to about 1, borrowed
 * until the next call. */
typedef struct tdm__distribution {
    const int32_t *ids; /* [n] */
    const float *probs; /* [n] */
    size_t n;
} tdm__distribution;
tdm_status tdm__sampler_filter(tdm__sampler *s, const tdm__sampling *p, const tdm__history *h, const float *logits,
                               tdm__distribution *out, tdm_error *err);

#endif
