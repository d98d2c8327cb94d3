/* dot_block.h - many tokens: the weights of a slab are brought to bytes once, and tokens pass by in blocks.
 *
 * A block is DOT_PANELS panels times up to DOT_TOKENS tokens. Its sums stay in registers over all runs of the slab;
 * weights come from the first-level cache, an activation is broadcast once for all panels. Why so: dots, products and
 * fused additions are done by the same two units, and loads are as many as dots unless panels share them.
 */
#ifndef TDM_KERNEL_DOT_BLOCK_H
#define TDM_KERNEL_DOT_BLOCK_H

#include "kernel/dot_kind.h"

/* The weights of a panel's slab, in the first-level cache. */
typedef struct dot_weights {
    vec q[TDM__SLAB_RUNS][8];
    vec_f32 scale[2 * TDM__SLAB_RUNS][TDM__ACT_LEVELS]; /* of each part, times each level */
    vec_f32 min[TDM__SLAB_RUNS];
    vec min_words[TDM__SLAB_RUNS];
    vec_f32 minus_d_min;
} dot_weights;

/* The slabs that some tokens are multiplied with, and what was asked for of those to come. */
typedef struct dot_slabs {
    dot_weights w[DOT_PANELS];
    size_t n_runs;
    float (*acc[DOT_PANELS])[TDM__PANEL_ROWS];
    const uint8_t *ahead[DOT_PANELS];
    size_t ahead_at, ahead_step, ahead_bytes; /* each run asks for step bytes of each panel, until bytes */
} dot_slabs;

DOT_INLINE void dot_ask(dot_slabs *s)
{
    if (s->ahead_at >= s->ahead_bytes)
        return;
    for (size_t p = 0; p < DOT_PANELS; p++)
        dot_prefetch(s->ahead[p] + s->ahead_at, s->ahead_step);
    s->ahead_at += s->ahead_step;
}

/* The same of the next block's activations, to the first-level cache. */
DOT_INLINE void dot_ask_acts(size_t n, const tdm__act_slab *next, size_t b)
{
#pragma GCC unroll 8
    for (size_t t = 0; t < n; t++)
        __builtin_prefetch((const void *)((uintptr_t)(next + t) + VECTOR * b), 0, 3); /* may lie behind the last */
}

/* One part of run b, for n tokens (a constant), onto slab. The sums start at the base of a run's
 * multiplier: read as floats and with the base taken off they are converted and shifted. */
DOT_INLINE void dot_block_part(size_t n, dot_kind kind, int shift, const dot_weights *w, size_t b,
                               size_t half, const tdm__act_slab *a, vec_f32 slab[DOT_PANELS][DOT_TOKENS])
{
    const size_t first = 16 * half, i = kind.part == 32 ? b : 2 * b + half;
    vec sum[DOT_PANELS][DOT_TOKENS];
#pragma GCC unroll 8
    for (size_t t = 0; t < n; t++)
#pragma GCC unroll 2
        for (size_t p = 0; p < DOT_PANELS; p++)
            sum[p][t] = dot_start(kind.way, shift, a[t].base[b], dot_minus_sum(&a[t], kind.part, b, half));
#pragma GCC unroll 4
    for (size_t c = 0; c < kind.part; c += DOT_STEP) {
        vec q[DOT_PANELS][DOT_STEP / 4];
#pragma GCC unroll 2
        for (size_t p = 0; p < DOT_PANELS; p++)
#pragma GCC unroll 4
            for (size_t g = 0; g < DOT_STEP / 4; g++)
                q[p][g] = w[p].q[b][(first + c) / 4 + g];
#pragma GCC unroll 8
        for (size_t t = 0; t < n; t++)
#pragma GCC unroll 2
            for (size_t p = 0; p < DOT_PANELS; p++)
                sum[p][t] = dot_step(kind, sum[p][t], q[p], a[t].q + 32 * b + first + c);
    }
#pragma GCC unroll 8
    for (size_t t = 0; t < n; t++)
#pragma GCC unroll 2
        for (size_t p = 0; p < DOT_PANELS; p++) {
            vec_f32 moved = vec_f32_sub(vec_as_f32(sum[p][t]), vec_as_f32(vec_set1((uint32_t)a[t].base[b])));
            slab[p][t] = vec_f32_fma(moved, w[p].scale[i][a[t].level[b]], slab[p][t]);
        }
}

DOT_INLINE void dot_block_min(size_t n, const dot_weights *w, size_t b, const tdm__act_slab *a,
                              vec_f32 slab[DOT_PANELS][DOT_TOKENS])
{
#pragma GCC unroll 8
    for (size_t t = 0; t < n; t++)
#pragma GCC unroll 2
        for (size_t p = 0; p < DOT_PANELS; p++)
            slab[p][t] = vec_f32_fma(w[p].min[b], vec_f32_set1(a[t].sum[b]), slab[p][t]);
}

DOT_INLINE vec dot_words(size_t part, const dot_weights *w, const tdm__act_slab *a)
{
    vec words = vec_set1(0);
#pragma GCC unroll 8
    for (size_t i = 0; i < TDM__SLAB_COLS / part / 2; i++)
        words = dot_add_words(words, w->min_words[i], part, a, i);
    return words;
}

/* n tokens (a constant) times the slabs. All sums are read before one is written: the second panel
 * may be the first again. */
DOT_INLINE void dot_block(size_t n, dot_kind kind, int shift, dot_slabs *s, const tdm__act_slab *a,
                          size_t at)
{
    const dot_weights *w = s->w;
    vec_f32 slab[DOT_PANELS][DOT_TOKENS];
#pragma GCC unroll 8
    for (size_t t = 0; t < n; t++)
#pragma GCC unroll 2
        for (size_t p = 0; p < DOT_PANELS; p++)
            slab[p][t] = vec_f32_set1(0);
#pragma GCC unroll 1
    for (size_t b = 0; b < s->n_runs; b++) {
        dot_ask(s);
        dot_ask_acts(n, a + at + n, b);
        dot_block_part(n, kind, shift, w, b, 0, a + at, slab);
        if (kind.part == 16)
            dot_block_part(n, kind, shift, w, b, 1, a + at, slab);
        if (kind.min == DOT_MIN_RUN)
            dot_block_min(n, w, b, a + at, slab);
    }
#pragma GCC unroll 8
    for (size_t t = 0; t < n; t++) {
        vec_f32 sums[DOT_PANELS];
#pragma GCC unroll 2
        for (size_t p = 0; p < DOT_PANELS; p++) {
            if (kind.min == DOT_MIN_WORDS)
                slab[p][t] =
                    dot_close(slab[p][t], dot_words(kind.part, &w[p], &a[at + t]), w[p].minus_d_min, &a[at + t]);
            sums[p] = vec_f32_fma(slab[p][t], vec_f32_set1(a[at + t].unit), vec_f32_load(s->acc[p][at + t]));
        }
#pragma GCC unroll 2
        for (size_t p = 0; p < DOT_PANELS; p++)
            vec_f32_store(s->acc[p][at + t], sums[p]);
    }
}

/* n_tokens in blocks of about equal size, at most DOT_TOKENS. */
#define DOT_MANY(name)                                                                                               \
    static void dot_many_##name(int shift, dot_slabs *s, const tdm__act_slab *a, size_t n_tokens)                    \
    {                                                                                                                \
        const dot_kind kind = DOT_KIND_##name;                                                                       \
        const size_t n_blocks = (n_tokens + DOT_TOKENS - 1) / DOT_TOKENS;                                            \
        const size_t n_steps = n_blocks * s->n_runs;                                                                 \
        s->ahead_step = (s->ahead_bytes + n_steps * VECTOR - 1) / (n_steps * VECTOR) * VECTOR;                       \
        for (size_t i = 0, at = 0; i < n_blocks; i++) {                                                              \
            const size_t n = (n_tokens - at + n_blocks - i - 1) / (n_blocks - i);                                    \
            switch (n) {                                                                                             \
                DOT_CASE(1) DOT_CASE(2) DOT_CASE(3) DOT_CASE(4) DOT_CASE(5) DOT_CASE(6)                              \
            }                                                                                                        \
            at += n;                                                                                                 \
        }                                                                                                            \
    }

#define DOT_CASE(n)                                                                                                  \
    case n: dot_block(n <= DOT_TOKENS ? n : 1, kind, shift, s, a, at); break;

DOT_MANY(offset)
DOT_MANY(wide)
DOT_MANY(min_run)
DOT_MANY(min_words)
DOT_MANY(half_offset)
DOT_MANY(half_min_words)

#endif
