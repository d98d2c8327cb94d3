/* fuzz_prefix.c - a page of the prefix store over arbitrary bytes: head, check, and what is restored.
 *
 * What passes the check must be what a cache has, byte for byte; and the same payload under a right head must pass.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/prefix_page.h"
#include "fuzz.h"

enum { PAGE_MAX = 1 << 14 };

/* Two layers of two heads, as a model of that shape would have them. */
static tdm__kv make_cache(tdm__kv_type type)
{
    static const tdm__model m = {.hp = {.n_layers = 2, .n_kv_heads = 2, .head_dim = 16}};
    tdm__kv kv;
    if (tdm__kv_init(&kv, &m, TDM__KV_TILE, type, NULL) != TDM_OK)
        abort();
    return kv;
}

int tdm_fuzz_one(const uint8_t *data, size_t len)
{
    static uint8_t page[PAGE_MAX], back[PAGE_MAX];
    tdm__prefix_key key = {{0}};
    for (tdm__kv_type type = TDM__KV_F16; type <= TDM__KV_Q8; type++) {
        tdm__kv kv = make_cache(type);
        const size_t want = tdm__prefix_page_bytes(&kv);
        if (want > PAGE_MAX)
            abort();
        if (len >= 64)
            memcpy(key.bytes, data + 32, sizeof key.bytes);
        if (tdm__prefix_page_has_head(data, len, &key, want) && tdm__prefix_page_restore(data, &kv, 0)) {
            tdm__prefix_page_gather(back, &kv, 0);
            const size_t head = TDM__PREFIX_HEAD_BYTES;
            if (memcmp(back + head, data + head, want - head) != 0)
                abort();
        }
        memset(page, 0, want);
        memcpy(page, data, len < want ? len : want);
        tdm__prefix_page_seal(page, want, &key, len % 2 == 0);
        if (!tdm__prefix_page_has_head(page, want, &key, want) || !tdm__prefix_page_restore(page, &kv, 0))
            abort();
        page[want - 1] ^= 1;
        if (tdm__prefix_page_restore(page, &kv, 0))
            abort();
        tdm__kv_fini(&kv);
    }
    return 0;
}
