/* kv.c - one zeroed block for the caches of all layers. Pages that no position has touched cost no memory. */
#include "model/kv.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "os/heap.h"

enum { KV_ALIGN = 64 };

static const char *const type_names[TDM__KV_N_TYPES] = {[TDM__KV_F16] = "f16", [TDM__KV_Q8] = "q8"};

int tdm__kv_type_parse(const char *name, tdm__kv_type *out)
{
    for (tdm__kv_type t = 0; t < TDM__KV_N_TYPES; t++)
        if (strcmp(name, type_names[t]) == 0) {
            *out = t;
            return 0;
        }
    return -1;
}

/* Bytes that one head's numbers (keys or values) of one position take, and their scales. */
static size_t number_bytes(size_t head_dim, tdm__kv_type type)
{
    return head_dim * (type == TDM__KV_F16 ? sizeof(uint16_t) : sizeof(int8_t));
}
static size_t scale_bytes(size_t head_dim, tdm__kv_type type)
{
    return type == TDM__KV_F16 ? 0 : tdm__kv_runs(head_dim) * sizeof(uint16_t);
}

static size_t capacity_for(size_t n_ctx) { return tdm__align_up(n_ctx, TDM__KV_TILE); }

size_t tdm__kv_bytes(const tdm__model *m, size_t n_ctx, tdm__kv_type type)
{
    const tdm__hparams *hp = &m->hp;
    size_t position = number_bytes(hp->head_dim, type) + scale_bytes(hp->head_dim, type);
    return hp->n_layers * (2 * hp->n_kv_heads * capacity_for(n_ctx) * position + sizeof(tdm__kv_layer)) + KV_ALIGN;
}

/* Gives the end of what it took from `at` on. */
static unsigned char *place_numbers(const tdm__kv *kv, tdm__kv_numbers *n, unsigned char *at)
{
    size_t positions = kv->n_kv_heads * kv->capacity;
    n->at = at;
    at += positions * number_bytes(kv->head_dim, kv->type);
    if (kv->type == TDM__KV_F16)
        return at;
    n->scales = (uint16_t *)(void *)at;
    return at + positions * scale_bytes(kv->head_dim, kv->type);
}

tdm_status tdm__kv_init(tdm__kv *kv, const tdm__model *m, size_t n_ctx, tdm__kv_type type, tdm_error *err)
{
    const tdm__hparams *hp = &m->hp;
    *kv = (tdm__kv){.type = type,
                    .n_layers = hp->n_layers,
                    .n_kv_heads = hp->n_kv_heads,
                    .head_dim = hp->head_dim,
                    .capacity = capacity_for(n_ctx)};
    kv->layers = tdm__calloc(hp->n_layers, sizeof kv->layers[0]);
    kv->memory = tdm__calloc(1, tdm__kv_bytes(m, n_ctx, type));
    if (!kv->layers || !kv->memory) {
        tdm__kv_fini(kv);
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the cache of %zu positions: it takes %zu bytes", n_ctx,
                 tdm__kv_bytes(m, n_ctx, type));
    }
    unsigned char *at = (unsigned char *)tdm__align_up((uintptr_t)kv->memory, KV_ALIGN);
    for (size_t l = 0; l < hp->n_layers; l++) {
        kv->layers[l] = (tdm__kv_layer){.type = type, .capacity = kv->capacity};
        at = place_numbers(kv, &kv->layers[l].k, at);
        at = place_numbers(kv, &kv->layers[l].v, at);
    }
    return TDM_OK;
}

void tdm__kv_fini(tdm__kv *kv)
{
    tdm__free(kv->layers);
    tdm__free(kv->memory);
    *kv = (tdm__kv){0};
}

/* A tile of keys and the values of its positions are runs of the same length, and so are their scales. */
unsigned char *tdm__kv_at(const tdm__kv *kv, size_t layer, size_t head, tdm__kv_part part, size_t first,
                          size_t *tile_bytes)
{
    assert(layer < kv->n_layers && head < kv->n_kv_heads && first % TDM__KV_TILE == 0 && first < kv->capacity);
    const tdm__kv_layer *l = &kv->layers[layer];
    const tdm__kv_numbers *n = part == TDM__KV_KEYS || part == TDM__KV_KEY_SCALES ? &l->k : &l->v;
    bool is_scales = (part == TDM__KV_KEY_SCALES || part == TDM__KV_VALUE_SCALES) && n->scales;
    unsigned char *base = is_scales ? (unsigned char *)n->scales : n->at;
    size_t bytes = part == TDM__KV_KEYS || part == TDM__KV_VALUES ? number_bytes(kv->head_dim, kv->type)
                                                                  : scale_bytes(kv->head_dim, kv->type);
    *tile_bytes = TDM__KV_TILE * bytes;
    return base + (head * kv->capacity + first) * bytes;
}

void tdm__kv_copy(tdm__kv *to, const tdm__kv *from, size_t begin, size_t end)
{
    assert(begin <= end && end <= to->capacity && end <= from->capacity && to->head_dim == from->head_dim);
    assert(to->type == from->type);
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
