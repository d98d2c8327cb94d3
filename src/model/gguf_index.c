/* gguf_index.c - order over a GGUF's names and bytes: lookup tables, and the refusal of what comes twice.
 *
 * Sorting, not hashing: a hostile file may hold a hundred thousand look-alike names, and n log n comparisons of
 * borrowed bytes hold whatever they are. The arrays sorted are of pointers, so that comparing needs no context.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "model/gguf_internal.h"
#include "os/heap.h"

static int compare_str(tdm__str a, tdm__str b)
{
    int order = memcmp(a.ptr, b.ptr, tdm__min_size(a.len, b.len));
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_keys(const void *a, const void *b)
{
    return compare_str((*(const tdm__gguf_kv *const *)a)->key, (*(const tdm__gguf_kv *const *)b)->key);
}

static int compare_names(const void *a, const void *b)
{
    return compare_str((*(const tdm__gguf_tensor *const *)a)->name, (*(const tdm__gguf_tensor *const *)b)->name);
}

static int compare_offsets(const void *a, const void *b)
{
    uint64_t x = (*(const tdm__gguf_tensor *const *)a)->offset, y = (*(const tdm__gguf_tensor *const *)b)->offset;
    return (x > y) - (x < y);
}

tdm_status tdm__gguf_index_kvs(tdm__gguf *g, tdm_error *err)
{
    g->kvs_by_key = tdm__calloc(g->n_kvs + 1, sizeof *g->kvs_by_key);
    if (!g->kvs_by_key)
        TDM_FAIL(err, TDM_ERR_NOMEM, "%s: no memory for an index of %zu keys", g->shown, g->n_kvs);
    for (size_t i = 0; i < g->n_kvs; i++)
        g->kvs_by_key[i] = &g->kvs[i];
    qsort(g->kvs_by_key, g->n_kvs, sizeof *g->kvs_by_key, compare_keys);
    for (size_t i = 1; i < g->n_kvs; i++)
        if (tdm__str_eq(g->kvs_by_key[i - 1]->key, g->kvs_by_key[i]->key))
            TDM_FAIL(err, TDM_ERR_FORMAT, "%s: the key %.*s comes twice", g->shown,
                     TDM__GGUF_SHOWN(g->kvs_by_key[i]->key));
    return TDM_OK;
}

/* Every tensor has at least one byte, and its end lies inside the file, so neighbours by offset tell all. */
static tdm_status check_overlap(tdm__gguf *g, const tdm__gguf_tensor **order, tdm_error *err)
{
    memcpy(order, g->tensors_by_name, g->n_tensors * sizeof *order);
    qsort(order, g->n_tensors, sizeof *order, compare_offsets);
    for (size_t i = 1; i < g->n_tensors; i++)
        if (order[i - 1]->offset + order[i - 1]->n_bytes > order[i]->offset)
            TDM_FAIL(err, TDM_ERR_FORMAT,
                     "%s: tensor %.*s (%" PRIu64 " bytes at offset %" PRIu64
                     ") overlaps tensor %.*s at offset %" PRIu64, g->shown,
                     TDM__GGUF_SHOWN(order[i - 1]->name), order[i - 1]->n_bytes, order[i - 1]->offset,
                     TDM__GGUF_SHOWN(order[i]->name), order[i]->offset);
    return TDM_OK;
}

tdm_status tdm__gguf_index_tensors(tdm__gguf *g, tdm_error *err)
{
    const tdm__gguf_tensor **order = tdm__calloc(g->n_tensors + 1, sizeof *order);
    g->tensors_by_name = tdm__calloc(g->n_tensors + 1, sizeof *g->tensors_by_name);
    tdm_status s = TDM_OK;
    if (!order || !g->tensors_by_name) {
        s = tdm__fail(err, TDM_ERR_NOMEM, "%s: no memory for an index of %zu tensors", g->shown, g->n_tensors);
        goto done;
    }
    for (size_t i = 0; i < g->n_tensors; i++)
        g->tensors_by_name[i] = &g->tensors[i];
    qsort(g->tensors_by_name, g->n_tensors, sizeof *g->tensors_by_name, compare_names);
    for (size_t i = 1; i < g->n_tensors && s == TDM_OK; i++)
        if (tdm__str_eq(g->tensors_by_name[i - 1]->name, g->tensors_by_name[i]->name))
            s = tdm__fail(err, TDM_ERR_FORMAT, "%s: the tensor %.*s comes twice", g->shown,
                          TDM__GGUF_SHOWN(g->tensors_by_name[i]->name));
    if (s == TDM_OK)
        s = check_overlap(g, order, err);
done:
    tdm__free(order);
    return s;
}

const tdm__gguf_kv *tdm__gguf_find(const tdm__gguf *g, const char *key)
{
    tdm__gguf_kv probe = {.key = tdm__str_from(key)};
    const tdm__gguf_kv *at = &probe;
    const tdm__gguf_kv *const *hit = bsearch(&at, g->kvs_by_key, g->n_kvs, sizeof *g->kvs_by_key, compare_keys);
    return hit ? *hit : NULL;
}

const tdm__gguf_tensor *tdm__gguf_tensor_find(const tdm__gguf *g, tdm__str name)
{
    tdm__gguf_tensor probe = {.name = name};
    const tdm__gguf_tensor *at = &probe;
    const tdm__gguf_tensor *const *hit =
        bsearch(&at, g->tensors_by_name, g->n_tensors, sizeof *g->tensors_by_name, compare_names);
    return hit ? *hit : NULL;
}
