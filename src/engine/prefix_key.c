/* prefix_key.c - the chain of digests. */
#include "engine/prefix_key.h"

#include <assert.h>
#include <string.h>

#include "base/sha256_stream.h"
#include "engine/prefix_page.h"
#include "model/forward.h"

tdm__prefix_key tdm__prefix_key_root(const tdm__model *m, const tdm__kv *kv)
{
    static const char what[] = "tandem prefix";
    const uint64_t numbers[] = {TDM__PREFIX_VERSION, TDM__FORWARD_VERSION, m->hp.act_terms, (uint64_t)kv->type,
                                kv->n_layers,        kv->n_kv_heads,       kv->head_dim,    TDM__KV_TILE};
    tdm__prefix_key key;
    tdm__sha256_stream s;
    assert(m->packing.has_source);
    tdm__sha256_begin(&s);
    tdm__sha256_push(&s, what, sizeof what);
    tdm__sha256_push(&s, m->packing.source, sizeof m->packing.source);
    tdm__sha256_push(&s, numbers, sizeof numbers);
    for (tdm__kv_part part = 0; part < TDM__KV_N_PARTS; part++) {
        size_t tile_bytes;
        tdm__kv_at(kv, 0, 0, part, 0, &tile_bytes);
        const uint64_t bytes = tile_bytes;
        tdm__sha256_push(&s, &bytes, sizeof bytes);
    }
    tdm__sha256_get(&s, key.bytes);
    return key;
}

tdm__prefix_key tdm__prefix_key_next(const tdm__prefix_key *before, const char *app, uint64_t app_key_id,
                                     const int32_t *tokens)
{
    const uint8_t whose = app != NULL;
    tdm__prefix_key key;
    tdm__sha256_stream s;
    tdm__sha256_begin(&s);
    tdm__sha256_push(&s, before->bytes, sizeof before->bytes);
    tdm__sha256_push(&s, &whose, sizeof whose);
    if (app) {
        tdm__sha256_push(&s, app, strlen(app) + 1); /* its end is part of it */
        tdm__sha256_push(&s, &app_key_id, sizeof app_key_id);
    }
    tdm__sha256_push(&s, tokens, TDM__KV_TILE * sizeof *tokens);
    tdm__sha256_get(&s, key.bytes);
    return key;
}
