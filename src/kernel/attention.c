/* attention.c - attention of a batch of rows over the caches of their sequences, shared out over a team.
 *
 * The work is cut into items: a few neighbouring rows of one sequence (a tile), one kv head, and of its query heads
 * all or, when the team is large, some. One item reads its keys and values once for all its queries. Members take
 * items from a counter, longest contexts first, because rows late in a prompt cost more than early ones. A query's
 * result is defined alone (attention.h), so the cut decides the speed and nothing else.
 */
#include "kernel/attention.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/checked.h"
#include "kernel/kernels.h"

enum {
    ALIGN = 64,
    ITEM_QUERIES_MAX = 128,       /* beyond, sharing a read between more queries gains nothing */
    ITEM_BYTES_MAX = 1024 * 1024, /* scores of an item should stay in the second-level cache */
    SCORES_PAD = 16,              /* floats between two queries' scores, so that columns do not share a cache set */
};

/* One head's numbers for one position: number d to at[d * stride], the scale of run r to scales[r * stride]. */
static void store_head(const tdm__kernels *kn, const tdm__kv_layer *kv, const tdm__kv_numbers *to, const float *x,
                       size_t dim, size_t at, size_t scale, size_t stride)
{
    if (kv->type == TDM__KV_F16) {
        kn->store_f16(x, (uint16_t *)to->at + at, dim, stride);
        return;
    }
    float padded[TDM__SLAB_COLS] = {0}, scales[TDM__SLAB_COLS / TDM__KV_RUN];
    int8_t q[TDM__SLAB_COLS];
    assert(dim <= TDM__SLAB_COLS);
    memcpy(padded, x, dim * sizeof *x);
    kn->quantize_runs(padded, tdm__align_up(dim, TDM__KV_RUN), q, scales);
    int8_t *out = (int8_t *)to->at + at;
    for (size_t d = 0; d < dim; d++)
        out[d * stride] = q[d];
    kn->store_f16(scales, to->scales + scale, tdm__kv_runs(dim), stride);
}

void tdm__kv_store(const tdm__kernels *kn, const tdm__attention_shape *s, tdm__kv_layer *kv, size_t pos,
                   const float *k, const float *v)
{
    assert(pos < kv->capacity && kv->capacity % TDM__KV_TILE == 0);
    size_t dim = s->head_dim, n_runs = tdm__kv_runs(dim), lane = pos % TDM__KV_TILE;
    for (size_t h = 0; h < s->n_kv_heads; h++) {
        size_t place = h * kv->capacity + pos, tile = place - lane;
        store_head(kn, kv, &kv->k, k + h * dim, dim, tile * dim + lane, tile * n_runs + lane, TDM__KV_TILE);
        store_head(kn, kv, &kv->v, v + h * dim, dim, place * dim, place * n_runs, 1);
    }
}

/* The numbers of one kv head. */
static tdm__kv_numbers head_numbers(const tdm__kv_layer *kv, const tdm__kv_numbers *all, size_t dim, size_t head)
{
    size_t first = head * kv->capacity;
    if (kv->type == TDM__KV_F16)
        return (tdm__kv_numbers){.at = (uint16_t *)all->at + first * dim};
    return (tdm__kv_numbers){.at = (int8_t *)all->at + first * dim, .scales = all->scales + first * tdm__kv_runs(dim)};
}

static size_t scores_stride(size_t n_pos) { return tdm__align_up(n_pos, TDM__KV_TILE) + SCORES_PAD; }

/* Scratch of one query in an item: its scores, itself, its result, its count of positions. */
static size_t query_bytes(size_t head_dim, size_t n_pos)
{
    return (scores_stride(n_pos) + 2 * tdm__align_up(head_dim, 16)) * sizeof(float) + sizeof(size_t);
}

size_t tdm__attention_scratch_bytes(const tdm__attention_shape *s, size_t n_ctx, int n_threads)
{
    size_t one = query_bytes(s->head_dim, n_ctx);
    size_t n_queries = tdm__min_size(ITEM_QUERIES_MAX, tdm__max_size(1, ITEM_BYTES_MAX / one));
    return tdm__align_up(n_queries * one, ALIGN) * (size_t)n_threads;
}

/* One run: how it is cut, and what the members share. */
typedef struct run {
    const tdm__kernels *kn;
    const tdm__attention_shape *shape;
    const tdm__attention_row *rows;
    size_t n_rows;
    size_t tile_rows;  /* at most so many rows an item */
    size_t item_heads; /* at most so many query heads an item */
    size_t n_parts;    /* items a kv head's query heads are cut into */
    unsigned char *scratch;
    size_t member_bytes;
    atomic_size_t next_item;
} run;

/* One item's queries, laid out in a member's scratch. */
typedef struct item {
    const tdm__attention_row *rows;
    size_t n_rows;
    size_t kv_head;
    size_t head, n_heads; /* query heads */
    size_t n_pos_max;
    size_t stride;  /* floats from one query's scores to the next's */
    float *scores;  /* [n_rows * n_heads][stride] */
    float *q, *out; /* [n_rows * n_heads][head_dim] */
    size_t *n_pos;  /* [n_rows * n_heads] */
} item;

static void item_place(item *it, size_t head_dim, unsigned char *scratch)
{
    size_t n_q = it->n_rows * it->n_heads;
    it->n_pos_max = 0;
    for (size_t r = 0; r < it->n_rows; r++)
        it->n_pos_max = tdm__max_size(it->n_pos_max, it->rows[r].pos + 1);
    it->stride = scores_stride(it->n_pos_max);
    it->scores = (float *)(void *)scratch;
    it->q = it->scores + n_q * it->stride;
    it->out = it->q + n_q * head_dim;
    it->n_pos = (size_t *)(void *)(scratch + n_q * (it->stride + 2 * tdm__align_up(head_dim, 16)) * sizeof(float));
}

static void item_compute(const run *w, const item *it)
{
    const tdm__kv_layer *kv = it->rows[0].kv;
    size_t dim = w->shape->head_dim, n_q = it->n_rows * it->n_heads, bytes = it->n_heads * dim * sizeof(float);
    tdm__kv_numbers keys = head_numbers(kv, &kv->k, dim, it->kv_head);
    tdm__kv_numbers values = head_numbers(kv, &kv->v, dim, it->kv_head);

    for (size_t r = 0; r < it->n_rows; r++) {
        memcpy(it->q + r * it->n_heads * dim, it->rows[r].q + it->head * dim, bytes);
        for (size_t h = 0; h < it->n_heads; h++)
            it->n_pos[r * it->n_heads + h] = it->rows[r].pos + 1;
    }
    w->kn->scores[kv->type](&keys, (it->n_pos_max + TDM__KV_TILE - 1) / TDM__KV_TILE, dim, it->q, dim, n_q,
                            w->shape->scale, it->scores, it->stride);
    for (size_t i = 0; i < n_q; i++)
        w->kn->softmax(it->scores + i * it->stride, it->n_pos[i]);
    w->kn->mix[kv->type](&values, dim, it->scores, it->stride, it->n_pos, n_q, it->out, dim);
    for (size_t r = 0; r < it->n_rows; r++)
        memcpy(it->rows[r].out + it->head * dim, it->out + r * it->n_heads * dim, bytes);
}

/* The tile that ends before row `end`: neighbours of one sequence, at most tile_rows. */
static size_t tile_begin(const run *w, size_t end)
{
    size_t begin = end - 1;
    while (begin > 0 && end - begin < w->tile_rows && w->rows[begin - 1].kv == w->rows[end - 1].kv)
        begin--;
    return begin;
}

static void run_member(void *ctx, int member, int n_members)
{
    (void)n_members;
    run *w = ctx;
    const tdm__attention_shape *s = w->shape;
    size_t group = s->n_heads / s->n_kv_heads, items_a_tile = s->n_kv_heads * w->n_parts;
    size_t end = w->n_rows, begin = tile_begin(w, end), i_tile = 0;
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&w->next_item, 1, memory_order_relaxed);
        for (; i_tile < i / items_a_tile; i_tile++) {
            if (begin == 0)
                return;
            end = begin;
            begin = tile_begin(w, end);
        }
        size_t part = i % w->n_parts, first = part * w->item_heads;
        item it = {.rows = w->rows + begin, .n_rows = end - begin, .kv_head = i % items_a_tile / w->n_parts};
        it.head = it.kv_head * group + first;
        it.n_heads = tdm__min_size(w->item_heads, group - first);
        item_place(&it, s->head_dim, w->scratch + (size_t)member * w->member_bytes);
        item_compute(w, &it);
    }
}

/* As many queries an item as fit, but at least an item a member: rows are cut before a kv head's query heads. */
static void run_cut(run *w, size_t n_threads)
{
    const tdm__attention_shape *s = w->shape;
    size_t group = s->n_heads / s->n_kv_heads, n_pos = 0;
    for (size_t r = 0; r < w->n_rows; r++)
        n_pos = tdm__max_size(n_pos, w->rows[r].pos + 1);
    size_t n_queries = tdm__min_size(ITEM_QUERIES_MAX, w->member_bytes / query_bytes(s->head_dim, n_pos));
    assert(n_queries > 0);
    size_t wanted = (n_threads + w->n_rows * s->n_kv_heads - 1) / (w->n_rows * s->n_kv_heads);
    size_t fitting = (group + n_queries - 1) / n_queries;
    w->n_parts = tdm__min_size(group, tdm__max_size(wanted, fitting));
    w->item_heads = (group + w->n_parts - 1) / w->n_parts;
    w->n_parts = (group + w->item_heads - 1) / w->item_heads;
    size_t shared = w->n_rows * s->n_kv_heads * w->n_parts / n_threads;
    w->tile_rows = tdm__max_size(1, tdm__min_size(n_queries / w->item_heads, shared));
}

void tdm__attention(const tdm__kernels *kn, tdm__team *team, const tdm__attention_shape *s,
                    const tdm__attention_row *rows, size_t n_rows, void *scratch, size_t scratch_bytes)
{
    size_t n_threads = (size_t)tdm__team_size(team);
    assert(s->n_heads % s->n_kv_heads == 0 && (uintptr_t)scratch % ALIGN == 0);
    if (n_rows == 0)
        return;
    run w = {.kn = kn,
             .shape = s,
             .rows = rows,
             .n_rows = n_rows,
             .scratch = scratch,
             .member_bytes = scratch_bytes / n_threads / ALIGN * ALIGN};
    run_cut(&w, n_threads);
    tdm__team_run(team, run_member, &w);
}
