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

/* One query against one tile [head_dim][16]. */
static void score_tile(const uint16_t *tile, size_t head_dim, const float *q, float scale, float *scores)
{
    float sums[TDM__KV_TILE] = {0};
    for (size_t d = 0; d < head_dim; d++)
        for (size_t j = 0; j < TDM__KV_TILE; j++)
            sums[j] = fmaf(q[d], tdm__f16_to_f32(tile[d * TDM__KV_TILE + j]), sums[j]);
    for (size_t j = 0; j < TDM__KV_TILE; j++)
        scores[j] = sums[j] * scale;
}

static void scores_c(const uint16_t *k_tiles, size_t n_tiles, size_t head_dim, const float *q, size_t q_stride,
                     size_t n_q, float scale, float *scores, size_t scores_stride)
{
    for (size_t i = 0; i < n_q; i++)
        for (size_t t = 0; t < n_tiles; t++)
            score_tile(k_tiles + t * head_dim * TDM__KV_TILE, head_dim, q + i * q_stride, scale,
                       scores + i * scores_stride + t * TDM__KV_TILE);
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

static void mix_c(const uint16_t *v, size_t head_dim, const float *p, size_t p_stride, const size_t *n_pos,
                  size_t n_q, float *out, size_t out_stride)
{
    for (size_t i = 0; i < n_q; i++)
        for (size_t d = 0; d < head_dim; d++) {
            float sum = 0;
            for (size_t j = 0; j < n_pos[i]; j++)
                sum = fmaf(p[i * p_stride + j], tdm__f16_to_f32(v[j * head_dim + d]), sum);
            out[i * out_stride + d] = sum;
        }
}

void tdm__kernels_init_attention_c(tdm__kernels *k)
{
    k->store_f16 = store_f16_c;
    k->scores = scores_c;
    k->softmax = softmax_c;
    k->mix = mix_c;
}
