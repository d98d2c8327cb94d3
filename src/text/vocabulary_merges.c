/* vocabulary_merges.c - tokenizer.ggml.merges: "left right", the earlier goes first.
 *
 * As in the vendors' library a merge whose parts or result are no tokens is an error, and of two equal merges the
 * later one counts. Beyond the vendors: a merge that would make a control token or markup, or is made of a control
 * token, is left out, so that no spelling of plain text becomes one.
 */
#include <inttypes.h>

#include "base/error.h"
#include "os/heap.h"
#include "text/vocabulary.h"

static size_t pair_slot(const tdm__vocabulary *v, int32_t left, int32_t right)
{
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    unsigned __int128 product = (unsigned __int128)(pair ^ v->keys[0]) * v->keys[1];
    size_t i = (size_t)((uint64_t)product ^ (uint64_t)(product >> 64)) & v->merges_mask;
    while (v->merges[i].left >= 0 && (v->merges[i].left != left || v->merges[i].right != right))
        i = (i + 1) & v->merges_mask;
    return i;
}

const tdm__merge *tdm__vocabulary_merge(const tdm__vocabulary *v, int32_t left, int32_t right)
{
    const tdm__merge *m = &v->merges[pair_slot(v, left, right)];
    return m->left < 0 ? NULL : m;
}

static tdm_status read_merge(tdm__vocabulary *v, tdm__str entry, size_t i, tdm_error *err)
{
    char text[2 * TDM__TOKEN_BYTES_MAX];
    const char *file = tdm__gguf_name(v->gguf);
    const char *gap = entry.len > 2 ? memchr(entry.ptr + 1, ' ', entry.len - 1) : NULL;
    if (!gap || entry.len - 1 > sizeof text)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: tokenizer.ggml.merges[%zu] is not two tokens with a space between", file, i);
    size_t n_left = (size_t)(gap - entry.ptr), n_right = entry.len - n_left - 1;
    memcpy(text, entry.ptr, n_left);
    memcpy(text + n_left, gap + 1, n_right);
    int32_t left = tdm__vocabulary_find(v, (tdm__str){text, n_left});
    int32_t right = tdm__vocabulary_find(v, (tdm__str){text + n_left, n_right});
    int32_t made = tdm__vocabulary_find(v, (tdm__str){text, n_left + n_right});
    if (left < 0 || right < 0 || made < 0)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: tokenizer.ggml.merges[%zu]: %s is not in tokenizer.ggml.tokens", file, i,
                 left < 0    ? "its first part"
                 : right < 0 ? "its second part"
                             : "what it makes");
    if (tdm__vocabulary_is_plain(v, left) && tdm__vocabulary_is_plain(v, right) &&
        tdm__vocabulary_is_plain(v, made) && !tdm__vocabulary_is_markup(v, made))
        v->merges[pair_slot(v, left, right)] = (tdm__merge){left, right, (uint32_t)i, made};
    return TDM_OK;
}

tdm_status tdm__vocabulary_read_merges(tdm__vocabulary *v, tdm_error *err)
{
    static const char key[] = "tokenizer.ggml.merges";
    const tdm__gguf_kv *kv;
    tdm_status s = tdm__gguf_get_array(v->gguf, key, TDM__GGUF_STRING, &kv, err);
    if (s == TDM_END)
        TDM_FAIL(err, TDM_ERR_FORMAT, "%s: %s is missing", tdm__gguf_name(v->gguf), key);
    TDM_TRY(s);
    uint64_t n = kv->v.array.len;
    if (n >= TDM__VOCABULARY_TOKENS_MAX)
        TDM_FAIL(err, TDM_ERR_LIMIT, "%s: %s has %" PRIu64 " entries, at most %d are read", tdm__gguf_name(v->gguf),
                 key, n, TDM__VOCABULARY_TOKENS_MAX - 1);
    size_t n_slots = 16;
    while (n_slots < n + n / 2)
        n_slots *= 2;
    v->merges = tdm__malloc(n_slots * sizeof *v->merges);
    if (!v->merges)
        TDM_FAIL(err, TDM_ERR_NOMEM, "%s: no memory for %" PRIu64 " merges", tdm__gguf_name(v->gguf), n);
    v->merges_mask = n_slots - 1;
    for (size_t i = 0; i < n_slots; i++)
        v->merges[i].left = -1;
    for (size_t i = 0; i < n; i++)
        TDM_TRY(read_merge(v, tdm__gguf_array_str(v->gguf, kv, i), i, err));
    return TDM_OK;
}
