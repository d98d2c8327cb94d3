/* dot.c - reference C: a slab of weights times the activations of some tokens.
 *
 * The order of float operations here is the definition in matmul.h. One function serves all kinds; the table has one
 * entry a kind because the fast versions differ.
 */
#include <math.h>
#include <stdbool.h>

#include "kernel/kernels.h"
#include "kernel/kernels_init.h"

/* The exact sum over n columns, from column c (a multiple of 16) on. */
static int32_t sum_products(const tdm__slab *w, size_t r, size_t c, size_t n, int offset, const int8_t *a)
{
    int32_t sum = 0;
    for (size_t k = c; k < c + n; k++)
        sum += (w->q[k / 32][k % 32 / 4][r][k % 4] - offset) * a[k];
    return sum;
}

static int32_t sum_values(const int8_t *a, size_t n)
{
    int32_t sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += a[k];
    return sum;
}

static void dot_runs(const tdm__slab *w, size_t run, bool has_min, size_t n_cols, int offset, const tdm__act_slab *a,
                     size_t n_tokens, float (*acc)[TDM__PANEL_ROWS])
{
    for (size_t t = 0; t < n_tokens; t++)
        for (size_t r = 0; r < TDM__PANEL_ROWS; r++)
            for (size_t c = 0; c < n_cols; c += run) {
                float scale = a[t].scale[c / 32];
                int32_t i = sum_products(w, r, c, run, offset, a[t].q);
                acc[t][r] = fmaf((float)i, w->scale[c / run][r] * scale, acc[t][r]);
                if (has_min)
                    acc[t][r] = fmaf(w->min[c / run][r], scale * (float)sum_values(a[t].q + c, run), acc[t][r]);
            }
}

static void dot_run32_c(const tdm__slab *w, size_t n_cols, int offset, const tdm__act_slab *a, size_t n_tokens,
                        float (*acc)[TDM__PANEL_ROWS])
{
    dot_runs(w, 32, false, n_cols, offset, a, n_tokens, acc);
}

static void dot_run32_min_c(const tdm__slab *w, size_t n_cols, int offset, const tdm__act_slab *a, size_t n_tokens,
                            float (*acc)[TDM__PANEL_ROWS])
{
    dot_runs(w, 32, true, n_cols, offset, a, n_tokens, acc);
}

static void dot_run16_c(const tdm__slab *w, size_t n_cols, int offset, const tdm__act_slab *a, size_t n_tokens,
                        float (*acc)[TDM__PANEL_ROWS])
{
    dot_runs(w, 16, false, n_cols, offset, a, n_tokens, acc);
}

static void dot_run16_min_c(const tdm__slab *w, size_t n_cols, int offset, const tdm__act_slab *a, size_t n_tokens,
                            float (*acc)[TDM__PANEL_ROWS])
{
    dot_runs(w, 16, true, n_cols, offset, a, n_tokens, acc);
}

static void dot_f32_c(const tdm__slab_f32 *w, size_t n_cols, const float *x, size_t x_stride, size_t n_tokens,
                      float (*acc)[TDM__PANEL_ROWS])
{
    for (size_t t = 0; t < n_tokens; t++)
        for (size_t k = 0; k < n_cols; k++)
            for (size_t r = 0; r < TDM__PANEL_ROWS; r++)
                acc[t][r] = fmaf(w->w[k][r], x[t * x_stride + k], acc[t][r]);
}

void tdm__kernels_init_dot_c(tdm__kernels *k)
{
    k->dot[TDM__DOT_RUN32] = dot_run32_c;
    k->dot[TDM__DOT_RUN32_MIN] = dot_run32_min_c;
    k->dot[TDM__DOT_RUN16] = dot_run16_c;
    k->dot[TDM__DOT_RUN16_MIN] = dot_run16_min_c;
    k->dot_f32 = dot_f32_c;
}
