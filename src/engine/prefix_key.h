/* prefix_key.h - what a page of a prompt's keys and values is called: a digest of everything that decides its bits, and
 * of who may have it.
 *
 * A page is what one tile of TDM__KV_TILE positions has in all layers. Its key is a SHA-256 over the key of the page
 * before it, whose page it is, and its tokens; the chain begins with a key of the model and of how it is computed. So
 * equal keys mean: the same tokens from the first on, the same model, the same bits, the same app. A key tells nobody
 * what the tokens were.
 */
#ifndef TDM_ENGINE_PREFIX_KEY_H
#define TDM_ENGINE_PREFIX_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"
#include "model/kv.h"
#include "model/model.h"

typedef struct tdm__prefix_key {
    uint8_t bytes[TDM__SHA256_BYTES];
} tdm__prefix_key;

/* What all chains of the model begin with: the SHA-256 of its file, the versions of page and arithmetic, the shape and
 * type of kv. m has a known source (packing.h). */
tdm__prefix_key tdm__prefix_key_root(const tdm__model *m, const tdm__kv *kv);

/* The page of tokens [TDM__KV_TILE] behind `before`. app and app_key_id: whose page it is (engine.h); app NULL:
 * anybody's. */
tdm__prefix_key tdm__prefix_key_next(const tdm__prefix_key *before, const char *app, uint64_t app_key_id,
                                     const int32_t *tokens);

#endif
