/* prefix_page.c - one walk over a cache's tiles, for both directions. */
#include "engine/prefix_page.h"

#include <string.h>
#define XXH_INLINE_ALL /* compiled in: its state has no stable layout otherwise */
#include <xxhash.h>

#include "base/little_endian.h"

enum { VERSION_AT = 16, LEN_AT = 24, KEY_AT = 32, CHECK_AT = 64, PUBLIC_AT = 80 };

static const char magic[16] = "tandem-prefix";

typedef struct tile_walk {
    const tdm__kv *kv;
    size_t first, layer, head;
    tdm__kv_part part;
} tile_walk;

/* The next tile and its bytes; NULL behind the last one. */
static unsigned char *next_tile(tile_walk *w, size_t *bytes)
{
    if (w->layer == w->kv->n_layers)
        return NULL;
    unsigned char *at = tdm__kv_at(w->kv, w->layer, w->head, w->part, w->first, bytes);
    if (++w->part == TDM__KV_N_PARTS) {
        w->part = 0;
        if (++w->head == w->kv->n_kv_heads) {
            w->head = 0;
            w->layer++;
        }
    }
    return at;
}

size_t tdm__prefix_page_bytes(const tdm__kv *kv)
{
    size_t sum = TDM__PREFIX_HEAD_BYTES, bytes;
    for (tile_walk w = {.kv = kv}; next_tile(&w, &bytes);)
        sum += bytes;
    return sum;
}

void tdm__prefix_page_gather(uint8_t *page, const tdm__kv *kv, size_t first)
{
    uint8_t *to = page + TDM__PREFIX_HEAD_BYTES;
    tile_walk w = {.kv = kv, .first = first};
    size_t bytes;
    for (const unsigned char *at; (at = next_tile(&w, &bytes)) != NULL; to += bytes)
        memcpy(to, at, bytes);
}

/* All of the head but the check. */
static void write_head(uint8_t head[TDM__PREFIX_HEAD_BYTES], size_t len, const tdm__prefix_key *key, bool is_public)
{
    memset(head, 0, TDM__PREFIX_HEAD_BYTES);
    memcpy(head, magic, sizeof magic);
    tdm__put_u64(head + VERSION_AT, TDM__PREFIX_VERSION);
    tdm__put_u64(head + LEN_AT, len);
    memcpy(head + KEY_AT, key->bytes, sizeof key->bytes);
    tdm__put_u64(head + PUBLIC_AT, is_public);
}

void tdm__prefix_page_seal(uint8_t *page, size_t len, const tdm__prefix_key *key, bool is_public)
{
    XXH128_canonical_t check;
    XXH128_canonicalFromHash(&check, XXH3_128bits(page + TDM__PREFIX_HEAD_BYTES, len - TDM__PREFIX_HEAD_BYTES));
    write_head(page, len, key, is_public);
    memcpy(page + CHECK_AT, check.digest, sizeof check.digest);
}

bool tdm__prefix_page_is_public(const uint8_t head[TDM__PREFIX_HEAD_BYTES])
{
    return memcmp(head, magic, sizeof magic) == 0 && head[PUBLIC_AT] == 1;
}

bool tdm__prefix_page_has_head(const uint8_t *page, size_t len, const tdm__prefix_key *key, size_t len_wanted)
{
    uint8_t head[TDM__PREFIX_HEAD_BYTES];
    if (len != len_wanted || len < TDM__PREFIX_HEAD_BYTES)
        return false;
    write_head(head, len, key, page[PUBLIC_AT] == 1); /* which of them, the key says */
    memcpy(head + CHECK_AT, page + CHECK_AT, sizeof(XXH128_canonical_t));
    return memcmp(head, page, sizeof head) == 0;
}

/* Each tile is checked where it has arrived, and just has, so it is read from the processor's cache. */
bool tdm__prefix_page_restore(const uint8_t *page, tdm__kv *kv, size_t first)
{
    const uint8_t *from = page + TDM__PREFIX_HEAD_BYTES;
    tile_walk w = {.kv = kv, .first = first};
    XXH3_state_t state;
    XXH128_canonical_t check;
    size_t bytes;
    XXH3_128bits_reset(&state);
    for (unsigned char *at; (at = next_tile(&w, &bytes)) != NULL; from += bytes) {
        memcpy(at, from, bytes);
        XXH3_128bits_update(&state, at, bytes);
    }
    XXH128_canonicalFromHash(&check, XXH3_128bits_digest(&state));
    return memcmp(check.digest, page + CHECK_AT, sizeof check.digest) == 0;
}
