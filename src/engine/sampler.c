/* sampler.c - filters over a copy of the logits, then one draw.
 *
 * The copy shrinks from step to step: parallel arrays of ids and values, of which the first n are still in. top_k and
 * top_p move the best to the front by quickselect (Hoare 1961) with a sum carried along; nothing is ever sorted. The
 * exponentials are those of the kernel table, which gives the same bits at every level.
 */
#include "engine/sampler.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "os/heap.h"

struct tdm__sampler {
    const tdm__kernels *kernels;
    size_t n_vocab;
    float *x;        /* [n_vocab] logits, later probabilities */
    int32_t *ids;    /* [n_vocab] whose x they are */
    uint32_t *times; /* [n_vocab] scratch of the penalties */
};

tdm__sampling tdm__sampling_default(void)
{
    return (tdm__sampling){.top_p = 1, .repeat_penalty = 1};
}

tdm_status tdm__sampling_check(const tdm__sampling *p, tdm_error *err)
{
    const struct {
        const char *name;
        double value, min, max;
        bool open_min, open_max; /* the limit itself is not allowed */
    } fields[] = {
        {"temperature", (double)p->temperature, 0, 2, false, false},
        {"top_k", (double)p->top_k, 0, INT32_MAX, false, false},
        {"top_p", (double)p->top_p, 0, 1, true, false},
        {"min_p", (double)p->min_p, 0, 1, false, true},
        {"repeat_penalty", (double)p->repeat_penalty, 0.125, 2, false, false}, /* logits are divided by it */
        {"presence_penalty", (double)p->presence_penalty, -2, 2, false, false},
        {"frequency_penalty", (double)p->frequency_penalty, -2, 2, false, false},
        {"penalty_last_n", (double)p->penalty_last_n, 0, INT32_MAX, false, false},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        double v = fields[i].value, min = fields[i].min, max = fields[i].max;
        bool inside = v >= min && v <= max; /* false for NaN */
        if (!inside || (fields[i].open_min && v <= min) || (fields[i].open_max && v >= max))
            TDM_FAIL(err, TDM_ERR_INVAL, "%s is %g, it must be %s %g and %s %g", fields[i].name, v,
                     fields[i].open_min ? "above" : "at least", min, fields[i].open_max ? "below" : "at most", max);
    }
    return TDM_OK;
}

size_t tdm__sampler_bytes(size_t n_vocab)
{
    return sizeof(tdm__sampler) + n_vocab * (sizeof(float) + sizeof(int32_t) + sizeof(uint32_t));
}

tdm_status tdm__sampler_create(const tdm__kernels *k, size_t n_vocab, tdm__sampler **out, tdm_error *err)
{
    assert(n_vocab >= 1 && n_vocab <= INT32_MAX);
    tdm__sampler *s = tdm__calloc(1, sizeof *s);
    if (!s)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a sampler");
    *s = (tdm__sampler){.kernels = k, .n_vocab = n_vocab};
    s->x = tdm__malloc(n_vocab * sizeof s->x[0]);
    s->ids = tdm__malloc(n_vocab * sizeof s->ids[0]);
    s->times = tdm__malloc(n_vocab * sizeof s->times[0]);
    if (!s->x || !s->ids || !s->times) {
        tdm__sampler_destroy(s);
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a sampler over %zu tokens", n_vocab);
    }
    *out = s;
    return TDM_OK;
}

void tdm__sampler_destroy(tdm__sampler *s)
{
    if (!s)
        return;
    tdm__free(s->x);
    tdm__free(s->ids);
    tdm__free(s->times);
    tdm__free(s);
}

/* The largest of n values in *max, and whether all are numbers below infinity. 16 lanes, because compilers keep the
 * order of a single running maximum. */
static bool find_max(const float *x, size_t n, float *max)
{
    enum { LANES = 16 };
    float best[LANES];
    uint32_t bad[LANES] = {0};
    for (size_t j = 0; j < LANES; j++)
        best[j] = -INFINITY;
    for (size_t i = 0; i < n / LANES * LANES; i += LANES)
        for (size_t j = 0; j < LANES; j++) {
            bad[j] |= !(x[i + j] <= FLT_MAX);
            best[j] = x[i + j] > best[j] ? x[i + j] : best[j];
        }
    for (size_t i = n / LANES * LANES; i < n; i++) {
        bad[0] |= !(x[i] <= FLT_MAX);
        best[0] = x[i] > best[0] ? x[i] : best[0];
    }
    for (size_t j = 1; j < LANES; j++) {
        bad[0] |= bad[j];
        best[0] = best[j] > best[0] ? best[j] : best[0];
    }
    *max = best[0];
    return bad[0] == 0;
}

static tdm_status check_max(bool is_finite, float max, size_t n, tdm_error *err)
{
    if (!is_finite)
        TDM_FAIL(err, TDM_ERR_FORMAT, "the model's output is not finite: its file is damaged or not what it says");
    if (max == -INFINITY)
        TDM_FAIL(err, TDM_ERR_FORMAT, "the model gives none of its %zu tokens a probability", n);
    return TDM_OK;
}

static bool has_penalties(const tdm__sampling *p)
{
    return p->repeat_penalty != 1 || p->presence_penalty != 0 || p->frequency_penalty != 0;
}

bool tdm__sampling_reads_best_only(const tdm__sampling *p, int n_top)
{
    return p->temperature == 0 && n_top < 0 && !has_penalties(p);
}

tdm_status tdm__sampling_take_best(const tdm__best *best, size_t n_vocab, tdm__draw *out, tdm_error *err)
{
    TDM_TRY(check_max(!isnan(best->value), best->value, n_vocab, err));
    out->id = best->row;
    return TDM_OK;
}

static int32_t find_first(const float *x, float value)
{
    int32_t i = 0;
    while (x[i] < value)
        i++;
    return i;
}

/* Of repetition: Keskar et al. 2019 (CTRL), as transformers applies it. Of presence and frequency: the formula of
 * OpenAI's API reference. Each value is computed anew from the model's logit, so a token may come several times. */
static void apply_penalties(tdm__sampler *s, const tdm__sampling *p, const tdm__history *h, const float *logits)
{
    size_t n = h->n_tokens, begin = 0;
    if (p->penalty_last_n > 0 && (size_t)p->penalty_last_n < n)
        begin = n - (size_t)p->penalty_last_n;
    for (size_t i = begin; i < n; i++)
        if ((size_t)h->tokens[i] < s->n_vocab)
            s->times[h->tokens[i]] = 0;
    for (size_t i = tdm__max_size(begin, h->n_prompt); i < n; i++)
        if ((size_t)h->tokens[i] < s->n_vocab)
            s->times[h->tokens[i]]++;
    for (size_t i = begin; i < n; i++) {
        size_t t = (size_t)h->tokens[i];
        if (t >= s->n_vocab)
            continue;
        float x = logits[t] < 0 ? logits[t] * p->repeat_penalty : logits[t] / p->repeat_penalty;
        if (s->times[t] > 0)
            x -= (float)s->times[t] * p->frequency_penalty + p->presence_penalty;
        s->x[t] = x;
    }
}

static void swap_entries(tdm__sampler *s, size_t a, size_t b)
{
    float x = s->x[a];
    int32_t id = s->ids[a];
    s->x[a] = s->x[b];
    s->ids[a] = s->ids[b];
    s->x[b] = x;
    s->ids[b] = id;
}

/* splitmix64 (Steele, Lea, Flood 2014): output number n of the generator whose seed is given. */
static uint64_t splitmix64(uint64_t seed, uint64_t n)
{
    uint64_t z = seed + n * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Moves what is better than the entry at pivot to lo .., that entry behind it, and gives its place; *sum: what the
 * better ones weigh. The order is total (value down, id up), so equal values are no special case. */
static size_t partition(tdm__sampler *s, size_t lo, size_t hi, size_t pivot, bool by_mass, double *sum)
{
    swap_entries(s, pivot, hi - 1);
    float x = s->x[hi - 1];
    int32_t id = s->ids[hi - 1];
    size_t mid = lo;
    *sum = 0;
    for (size_t i = lo; i < hi - 1; i++) {
        if (s->x[i] > x || (s->x[i] == x && s->ids[i] < id)) {
            *sum += by_mass ? (double)s->x[i] : 1.0;
            swap_entries(s, i, mid++);
        }
    }
    swap_entries(s, mid, hi - 1);
    return mid;
}

/* Keeps the best entries, each one as long as those better than it weigh less than need; by_mass: their values are
 * summed, else they are counted. Pivots are pseudo-random, so that no logits make it quadratic by design. */
static size_t keep_best(tdm__sampler *s, size_t n, double need, bool by_mass)
{
    size_t lo = 0, hi = n;
    for (uint64_t turn = 1; lo < hi && need > 0; turn++) {
        double sum;
        size_t mid = partition(s, lo, hi, lo + (size_t)(splitmix64(n, turn) % (hi - lo)), by_mass, &sum);
        if (sum >= need) {
            hi = mid;
        } else {
            need -= sum + (by_mass ? (double)s->x[mid] : 1.0);
            lo = mid + 1;
        }
    }
    return lo;
}

/* Drops entries below a value; the others keep their order. */
static size_t drop_below(tdm__sampler *s, size_t n, float value)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (s->x[i] >= value) {
            s->x[kept] = s->x[i];
            s->ids[kept++] = s->ids[i];
        }
    return kept;
}

/* The nucleus of Holtzman et al. 2020. What is less probable than (1 - top_p) / n cannot be in it: all such entries
 * together weigh less than 1 - top_p. Half of that is the border, to be safe from rounding. */
static size_t keep_top_p(tdm__sampler *s, size_t n, float top_p)
{
    n = drop_below(s, n, (1 - top_p) / (float)n * 0.5f);
    return keep_best(s, n, (double)top_p, true);
}

tdm_status tdm__sampler_filter(tdm__sampler *s, const tdm__sampling *p, const tdm__history *h, const float *logits,
                               tdm__distribution *out, tdm_error *err)
{
    size_t n = s->n_vocab;
    float max;
    bool is_finite = find_max(logits, n, &max);
    TDM_TRY(check_max(is_finite, max, n, err));
    memcpy(s->x, logits, n * sizeof s->x[0]);
    if (has_penalties(p)) {
        apply_penalties(s, p, h, logits);
        is_finite = find_max(s->x, n, &max);
        TDM_TRY(check_max(is_finite, max, n, err));
    }
    if (p->temperature == 0) {
        s->ids[0] = find_first(s->x, max);
        s->x[0] = 1;
        *out = (tdm__distribution){s->ids, s->x, 1};
        return TDM_OK;
    }
    for (size_t i = 0; i < n; i++) {
        s->ids[i] = (int32_t)i;
        s->x[i] = (s->x[i] - max) / p->temperature;
    }
    if (p->top_k > 0 && (size_t)p->top_k < n)
        n = keep_best(s, n, (double)p->top_k, false);
    s->kernels->softmax(s->x, n);
    if (p->top_p < 1)
        n = keep_top_p(s, n, p->top_p);
    if (p->min_p > 0) {
        find_max(s->x, n, &max);
        n = drop_below(s, n, max * p->min_p);
    }
    *out = (tdm__distribution){s->ids, s->x, n};
    return TDM_OK;
}

/* One of d's ids by a number in [0, 1). */
static int32_t pick(const tdm__distribution *d, double u)
{
    double total = 0, sum = 0;
    for (size_t i = 0; i < d->n; i++)
        total += (double)d->probs[i];
    size_t last = 0;
    for (size_t i = 0; i < d->n; i++) {
        sum += (double)d->probs[i];
        if (sum > u * total)
            return d->ids[i];
        if (d->probs[i] > 0)
            last = i; /* u * total may round up to total */
    }
    return d->ids[last];
}

/* Log-softmax of the model's logits, of the chosen token and the n_top best. The largest probability is 1 / sum of
 * exp(x - max), hence log p = x - max + log p_max. */
static void write_logprobs(tdm__sampler *s, const float *logits, int n_top, tdm__draw *out)
{
    float max;
    find_max(logits, s->n_vocab, &max);
    memcpy(s->x, logits, s->n_vocab * sizeof s->x[0]);
    s->kernels->softmax(s->x, s->n_vocab);
    double log_p_max = log((double)s->x[find_first(logits, max)]);

    int n = 0;
    for (size_t i = 0; n_top > 0 && i < s->n_vocab; i++) {
        if (n == n_top && !(logits[i] > out->top[n - 1].logprob))
            continue;
        int at = n < n_top ? n++ : n - 1; /* logprob holds the logit until all are found */
        for (; at > 0 && logits[i] > out->top[at - 1].logprob; at--)
            out->top[at] = out->top[at - 1];
        out->top[at] = (tdm__token_prob){(int32_t)i, logits[i]};
    }
    for (int i = 0; i < n; i++)
        out->top[i].logprob = (float)((double)out->top[i].logprob - (double)max + log_p_max);
    for (int i = n; i < n_top; i++) /* a vocabulary smaller than n_top */
        out->top[i] = (tdm__token_prob){0, -INFINITY};
    out->chosen = (tdm__token_prob){out->id, (float)((double)logits[out->id] - (double)max + log_p_max)};
}

tdm_status tdm__sampler_next(tdm__sampler *s, const tdm__sampling *p, const tdm__history *h, const float *logits,
                             int n_top, tdm__draw *out, tdm_error *err)
{
    assert(n_top <= TDM__TOP_LOGPROBS_MAX && h->n_prompt <= h->n_tokens);
    tdm__distribution d;
    TDM_TRY(tdm__sampler_filter(s, p, h, logits, &d, err));
    uint64_t random = splitmix64(p->seed, h->n_tokens - h->n_prompt + 1);
    out->id = d.n == 1 ? d.ids[0] : pick(&d, (double)(random >> 11) * 0x1p-53);
    if (n_top >= 0)
        write_logprobs(s, logits, n_top, out);
    return TDM_OK;
}
