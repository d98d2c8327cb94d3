/* kv.c - one zeroed block for the caches of all layers. Pages that no position has touched cost no memory. */
#include "model/kv.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "os/heap.h"

enum { KV_ALIGN = 64 };

/* f16 values of keys (or of values) in one layer. */
static size_t layer_values(const tdm__hparams *hp, size_t capacity)
{
    return hp->n_kv_heads * hp->head_dim * capacity;
}

static size_t capacity_for(size_t n_ctx) { return tdm__align_up(n_ctx, TDM__KV_TILE); }

size_t tdm__kv_bytes(const tdm__model *m, size_t n_ctx)
{
    const tdm__hparams *hp = &m->hp;
    size_t halves = 2 * hp->n_layers * layer_values(hp, capacity_for(n_ctx));
    return halves * sizeof(uint16_t) + hp->n_layers * sizeof(tdm__kv_layer) + KV_ALIGN;
}

tdm_status tdm__kv_init(tdm__kv *kv, const tdm__model *m, size_t n_ctx, tdm_error *err)
{
    const tdm__hparams *hp = &m->hp;
    *kv = (tdm__kv){.n_layers = hp->n_layers,
                    .n_kv_heads = hp->n_kv_heads,
                    .head_dim = hp->head_dim,
                    .capacity = capacity_for(n_ctx)};
    kv->layers = tdm__calloc(hp->n_layers, sizeof kv->layers[0]);
    kv->memory = tdm__calloc(1, tdm__kv_bytes(m, n_ctx));
    if (!kv->layers || !kv->memory) {
        tdm__kv_fini(kv);
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the cache of %zu positions: it takes %zu bytes", n_ctx,
                 tdm__kv_bytes(m, n_ctx));
    }
    uint16_t *at = (uint16_t *)tdm__align_up((uintptr_t)kv->memory, KV_ALIGN);
    size_t n = layer_values(hp, kv->capacity);
    for (size_t l = 0; l < hp->n_layers; l++, at += 2 * n)
        kv->layers[l] = (tdm__kv_layer){.k = at, .v = at + n, .capacity = kv->capacity};
    return TDM_OK;
}

void tdm__kv_fini(tdm__kv *kv)
{
    tdm__free(kv->layers);
    tdm__free(kv->memory);
    *kv = (tdm__kv){0};
}

/* A tile of keys and the values of its positions are runs of the same length: head_dim numbers a position. */
unsigned char *tdm__kv_at(const tdm__kv *kv, size_t layer, size_t head, tdm__kv_part part, size_t first,
                          size_t *tile_bytes)
{
    assert(layer < kv->n_layers && head < kv->n_kv_heads && first % TDM__KV_TILE == 0 && first < kv->capacity);
    const tdm__kv_layer *l = &kv->layers[layer];
    uint16_t *base = part == TDM__KV_KEYS ? l->k : l->v;
    *tile_bytes = TDM__KV_TILE * kv->head_dim * sizeof *base;
    return (unsigned char *)(base + (head * kv->capacity + first) * kv->head_dim);
}

void tdm__kv_copy(tdm__kv *to, const tdm__kv *from, size_t begin, size_t end)
{
    assert(begin <= end && end <= to->capacity && end <= from->capacity && to->head_dim == from->head_dim);
    if (begin == end)
        return;
    size_t first = begin / TDM__KV_TILE * TDM__KV_TILE;
    size_t n_tiles = (end - first + TDM__KV_TILE - 1) / TDM__KV_TILE, tile_bytes;
    for (size_t l = 0; l < to->n_layers; l++)
        for (size_t h = 0; h < to->n_kv_heads; h++)
            for (tdm__kv_part part = 0; part < TDM__KV_N_PARTS; part++) {
                unsigned char *at = tdm__kv_at(to, l, h, part, first, &tile_bytes);
                memcpy(at, tdm__kv_at(from, l, h, part, first, &tile_bytes), n_tiles * tile_bytes);
            }
}
