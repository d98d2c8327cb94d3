/* attention_reference.c - reference C of the attention kernels: the definitions of attention.h, written down. */
#include <math.h>

#include "kernel/attention.h"
#include "kernel/kernels.h"
#include "kernel/kernels_init.h"
#include "kernel/lanes.h"

static void store_f16_c(const float *x, uint16_t *out, size_t n, size_t out_stride)
{
    for (size_t i = 0; i < n; i++)
        out[i * out_stride] = tdm__f32_to_f16(x[i]);
}

/* Number i of a run whose scale stands at `scale`. */
static float number_of(tdm__kv_type type, const tdm__kv_numbers *n, size_t i, size_t scale)
{
    if (type == TDM__KV_F16)
        return tdm__f16_to_f32(((const uint16_t *)n->at)[i]);
    return (float)((const int8_t *)n->at)[i] * tdm__f16_to_f32(n->scales[scale]);
}

static float key_of(tdm__kv_type type, const tdm__kv_numbers *k, size_t head_dim, size_t pos, size_t d)
{
    size_t tile = pos / TDM__KV_TILE, lane = pos % TDM__KV_TILE;
    return number_of(type, k, (tile * head_dim + d) * TDM__KV_TILE + lane,
                     (tile * tdm__kv_runs(head_dim) + d / TDM__KV_RUN) * TDM__KV_TILE + lane);
}

static float value_of(tdm__kv_type type, const tdm__kv_numbers *v, size_t head_dim, size_t pos, size_t d)
{
    return number_of(type, v, pos * head_dim + d, pos * tdm__kv_runs(head_dim) + d / TDM__KV_RUN);
}

static void scores_any(tdm__kv_type type, const tdm__kv_numbers *k, size_t n_pos, size_t head_dim, const float *q,
                       float scale, float *scores)
{
    for (size_t j = 0; j < n_pos; j++) {
        float sum = 0;
        for (size_t d = 0; d < head_dim; d++)
            sum = fmaf(q[d], key_of(type, k, head_dim, j, d), sum);
        scores[j] = sum * scale;
    }
}

static void scores_f16_c(const tdm__kv_numbers *k_tiles, size_t n_tiles, size_t head_dim, const float *q,
                         size_t q_stride, size_t n_q, float scale, float *scores, size_t scores_stride)
{
    for (size_t i = 0; i < n_q; i++)
        scores_any(TDM__KV_F16, k_tiles, n_tiles * TDM__KV_TILE, head_dim, q + i * q_stride, scale,
                   scores + i * scores_stride);
}

static void scores_q8_c(const tdm__kv_numbers *k_tiles, size_t n_tiles, size_t head_dim, const float *q,
                        size_t q_stride, size_t n_q, float scale, float *scores, size_t scores_stride)
{
    for (size_t i = 0; i < n_q; i++)
        scores_any(TDM__KV_Q8, k_tiles, n_tiles * TDM__KV_TILE, head_dim, q + i * q_stride, scale,
                   scores + i * scores_stride);
}

static void softmax_c(float *x, size_t n)
{
    float max = -INFINITY, lanes[TDM__LANES] = {0};
    for (size_t i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (size_t i = 0; i < n; i++) {
        x[i] = tdm__expf(x[i] - max);
        lanes[i % TDM__LANES] += x[i];
    }
    float inverse = 1.0f / tdm__lanes_sum(lanes);
    for (size_t i = 0; i < n; i++)
        x[i] *= inverse;
}

static void mix_any(tdm__kv_type type, const tdm__kv_numbers *v, size_t head_dim, const float *p, size_t n_pos,
                    float *out)
{
    for (size_t d = 0; d < head_dim; d++) {
        float sum = 0;
        for (size_t j = 0; j < n_pos; j++)
            sum = fmaf(p[j], value_of(type, v, head_dim, j, d), sum);
        out[d] = sum;
    }
}

static void mix_f16_c(const tdm__kv_numbers *v, size_t head_dim, const float *p, size_t p_stride, const size_t *n_pos,
                      size_t n_q, float *out, size_t out_stride)
{
    for (size_t i = 0; i < n_q; i++)
        mix_any(TDM__KV_F16, v, head_dim, p + i * p_stride, n_pos[i], out + i * out_stride);
}

static void mix_q8_c(const tdm__kv_numbers *v, size_t head_dim, const float *p, size_t p_stride, const size_t *n_pos,
                     size_t n_q, float *out, size_t out_stride)
{
    for (size_t i = 0; i < n_q; i++)
        mix_any(TDM__KV_Q8, v, head_dim, p + i * p_stride, n_pos[i], out + i * out_stride);
}

void tdm__kernels_init_attention_c(tdm__kernels *k)
{
    k->store_f16 = store_f16_c;
    k->scores[TDM__KV_F16] = scores_f16_c;
    k->scores[TDM__KV_Q8] = scores_q8_c;
    k->softmax = softmax_c;
    k->mix[TDM__KV_F16] = mix_f16_c;
    k->mix[TDM__KV_Q8] = mix_q8_c;
}
