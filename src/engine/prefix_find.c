/* prefix_find.c - what the store has of a prompt, and taking it into a cache. */
#include <string.h>

#include "base/checked.h"
#include "engine/prefix_page.h"
#include "engine/prefix_store_internal.h"
#include "os/clock.h"
#include "os/heap.h"

enum { PAGES_MIN = 2 /* a shorter prompt is computed again in less time than it takes to care */ };

/* ---- finding ---- */

static bool find_page(tdm__prefix_store *s, const tdm__prefix_pages *pages, size_t index)
{
    tdm__map m;
    if (!tdm__prefix_folder_map(&s->folder, &pages->keys[index], index, s->page_bytes, &m))
        return false;
    tdm__map_warm(&m);
    tdm__map_close(&m);
    return tdm__prefix_folder_touch(&s->folder, &pages->keys[index], index, pages->used_ns);
}

void tdm__prefix_store_find(tdm__prefix_store *s, const char *app, uint64_t app_key_id, const int32_t *tokens,
                            size_t n_tokens, size_t n_public, tdm__prefix_pages *out)
{
    *out = (tdm__prefix_pages){0};
    if (!s)
        return;
    const size_t n_public_pages = n_public / TDM__KV_TILE;
    const size_t n = tdm__min_size(s->scope == TDM__PREFIX_ALL ? n_tokens / TDM__KV_TILE : n_public_pages,
                                   s->n_pages_max);
    if (n < PAGES_MIN || !(out->keys = tdm__malloc(n * sizeof out->keys[0])))
        return;
    out->n = n;
    out->n_public = n_public_pages;
    out->used_ns = tdm__clock_unix_ns();
    pthread_mutex_lock(&s->mutex);
    out->epoch = s->epoch;
    pthread_mutex_unlock(&s->mutex);
    const tdm__prefix_key *before = &s->root;
    for (size_t i = 0; i < n; before = &out->keys[i++])
        out->keys[i] = tdm__prefix_key_next(before, i < n_public_pages ? NULL : app, app_key_id,
                                            tokens + i * TDM__KV_TILE);
    while (out->n_found < n && find_page(s, out, out->n_found))
        out->n_found++;
}

/* ---- restoring ---- */

typedef struct restore_run {
    tdm__prefix_store *s;
    const tdm__prefix_pages *pages;
    tdm__kv *kv;
    size_t begin, end;
    atomic_size_t first_bad;
} restore_run;

static bool restore_page(const restore_run *r, size_t index)
{
    const tdm__prefix_key *key = &r->pages->keys[index];
    tdm__map m;
    if (!tdm__prefix_folder_map(&r->s->folder, key, index, r->s->page_bytes, &m))
        return false;
    const bool is_good = tdm__prefix_page_restore(m.ptr, r->kv, index * TDM__KV_TILE);
    tdm__map_close(&m);
    if (!is_good) {
        tdm__prefix_folder_remove(&r->s->folder, key, index);
        atomic_fetch_add(&r->s->n_dropped, 1);
    }
    return is_good;
}

/* Does not wait for the disk, as find has read the pages ahead, unless the system has dropped them again since. */
static void restore_member(void *run, int i, int n)
{
    restore_run *r = run;
    for (size_t index = r->begin + (size_t)i; index < atomic_load(&r->first_bad); index += (size_t)n) {
        if (restore_page(r, index))
            continue;
        size_t least = atomic_load(&r->first_bad);
        while (index < least && !atomic_compare_exchange_weak(&r->first_bad, &least, index))
            ;
    }
}

size_t tdm__prefix_store_restore(tdm__prefix_store *s, tdm__team *team, const tdm__prefix_pages *pages, tdm__kv *kv,
                                 size_t begin, size_t end)
{
    restore_run r = {.s = s, .pages = pages, .kv = kv, .begin = begin, .end = end};
    atomic_init(&r.first_bad, end);
    tdm__team_run(team, restore_member, &r);
    atomic_fetch_add(&s->n_restored, atomic_load(&r.first_bad) - begin);
    return atomic_load(&r.first_bad);
}
