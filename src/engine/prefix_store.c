/* prefix_store.c - loans of slots, and the thread that writes them. */
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "engine/prefix_page.h"
#include "engine/prefix_store_internal.h"
#include "os/clock.h"
#include "os/heap.h"
#include "os/thread.h"

enum { DESTROY_WAIT_MS = 1000 };

/* ---- the writer ---- */

static tdm__prefix_offer *find_offer(tdm__prefix_store *s)
{
    for (size_t i = 0; i < s->n_slots; i++)
        if (s->offers[i].next < s->offers[i].n)
            return &s->offers[i];
    return NULL;
}

typedef struct page_of {
    tdm__prefix_key key;
    size_t index;
    bool is_public;
    int64_t used_ns;
} page_of;

/* The next page that is on offer, copied into s->page under the mutex, which keeps the engine from taking it back
 * meanwhile: less than 0.1 ms. False: the store ends. */
static bool take_page(tdm__prefix_store *s, page_of *out)
{
    tdm__prefix_offer *o;
    pthread_mutex_lock(&s->mutex);
    s->is_writing = false;
    pthread_cond_broadcast(&s->idle);
    while (!(o = find_offer(s)) && !s->stop)
        pthread_cond_wait(&s->work, &s->mutex);
    const bool goes_on = o && !(s->stop && tdm__clock_ns() > s->stop_ns);
    if (goes_on) {
        *out = (page_of){o->keys[o->next], o->next, o->next < o->n_public, o->used_ns};
        tdm__prefix_page_gather(s->page, o->kv, o->next++ * TDM__KV_TILE);
        s->is_writing = true;
        s->n_taken++;
    }
    pthread_mutex_unlock(&s->mutex);
    return goes_on;
}

/* Under mutex. */
static void forget_offers(tdm__prefix_store *s)
{
    for (size_t i = 0; i < s->n_slots; i++)
        s->offers[i].n = 0;
}

/* The disk is full, or read-only: nothing more of what is on offer now, and one line. A later offer tries again. */
static void give_up_offers(tdm__prefix_store *s, const tdm_error *why)
{
    pthread_mutex_lock(&s->mutex);
    forget_offers(s);
    pthread_mutex_unlock(&s->mutex);
    if (!s->has_complained)
        tdm__log_say(s->log, TDM__LOG_WARNING, "prompts are computed again after a restart: %s", why->msg);
    s->has_complained = true;
}

static void *writer_main(void *store)
{
    tdm__prefix_store *s = store;
    tdm__prefix_folder_tidy(&s->folder, s->scope == TDM__PREFIX_PUBLIC);
    for (page_of p; take_page(s, &p);) {
        tdm_error err = {0};
        tdm__prefix_page_seal(s->page, s->page_bytes, &p.key, p.is_public);
        if (tdm__prefix_folder_has(&s->folder, &p.key, p.index, s->page, s->page_bytes, p.used_ns))
            continue; /* another slot's, or process's, or behind one that had failed */
        if (tdm__prefix_folder_write(&s->folder, &p.key, p.index, s->page, s->page_bytes, p.used_ns, &err) == TDM_OK)
            atomic_fetch_add(&s->n_written, 1);
        else
            give_up_offers(s, &err);
    }
    return NULL;
}

/* ---- create and destroy ---- */

static size_t pages_max(size_t n_ctx) { return n_ctx / TDM__KV_TILE; }

uint64_t tdm__prefix_store_bytes(const tdm__model *m, tdm__kv_type type, size_t n_slots, size_t n_ctx)
{
    return sizeof(tdm__prefix_store) + tdm__kv_bytes(m, TDM__KV_TILE, type) + TDM__PREFIX_HEAD_BYTES +
           n_slots * (sizeof(tdm__prefix_offer) + pages_max(n_ctx) * sizeof(tdm__prefix_key));
}

static tdm_status start(tdm__prefix_store *s, tdm_error *err)
{
    const size_t n_keys = s->n_slots * s->n_pages_max;
    s->page = tdm__malloc(s->page_bytes);
    s->offers = tdm__calloc(s->n_slots, sizeof s->offers[0]);
    s->keys = tdm__calloc(n_keys, sizeof s->keys[0]);
    if (!s->page || !s->offers || !s->keys)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for the keys of %zu pages", n_keys);
    for (size_t i = 0; i < s->n_slots; i++)
        s->offers[i].keys = s->keys + i * s->n_pages_max;
    int rc = tdm__thread_start(&s->writer, writer_main, s);
    s->has_writer = rc == 0;
    return rc == 0 ? TDM_OK : tdm__fail_os(err, rc, "cannot start a thread to store prompts");
}

tdm_status tdm__prefix_store_create(const tdm__model *m, const tdm__kv *kv, size_t n_slots, size_t n_ctx,
                                    const tdm__prefix_options *o, tdm__prefix_store **out, tdm_error *err)
{
    tdm_error why = {0};
    *out = NULL;
    if (o->scope == TDM__PREFIX_OFF || !o->dir || !*o->dir || !m->packing.has_source)
        return TDM_OK;
    tdm__prefix_store *s = tdm__calloc(1, sizeof *s);
    if (!s)
        TDM_FAIL(err, TDM_ERR_NOMEM, "no memory for a prefix store");
    if (tdm__prefix_folder_open(&s->folder, o->dir, o->bytes_max ? o->bytes_max : TDM__PREFIX_BYTES_MAX,
                                o->free_bytes_min ? o->free_bytes_min : TDM__PREFIX_FREE_MIN, &why) != TDM_OK) {
        tdm__log_say(o->log, TDM__LOG_WARNING, "prompts are computed again after a restart: %s", why.msg);
        tdm__free(s);
        return TDM_OK;
    }
    s->root = tdm__prefix_key_root(m, kv);
    s->scope = o->scope;
    s->page_bytes = tdm__prefix_page_bytes(kv);
    s->n_slots = n_slots;
    s->n_pages_max = pages_max(n_ctx);
    s->log = o->log;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->work, NULL);
    pthread_cond_init(&s->idle, NULL);
    tdm_status status = start(s, err);
    if (status == TDM_OK)
        *out = s;
    else
        tdm__prefix_store_destroy(s);
    return status;
}

void tdm__prefix_store_destroy(tdm__prefix_store *s)
{
    if (!s)
        return;
    if (s->has_writer) {
        pthread_mutex_lock(&s->mutex);
        s->stop = true;
        s->stop_ns = tdm__clock_ns() + DESTROY_WAIT_MS * UINT64_C(1000000);
        pthread_cond_signal(&s->work);
        pthread_mutex_unlock(&s->mutex);
        pthread_join(s->writer, NULL);
    }
    pthread_cond_destroy(&s->idle);
    pthread_cond_destroy(&s->work);
    pthread_mutex_destroy(&s->mutex);
    tdm__free(s->page);
    tdm__free(s->offers);
    tdm__free(s->keys);
    tdm__free(s);
}

/* ---- loans ---- */

void tdm__prefix_store_offer(tdm__prefix_store *s, size_t slot, const tdm__kv *kv, const tdm__prefix_pages *pages)
{
    if (pages->n_found == pages->n)
        return;
    pthread_mutex_lock(&s->mutex);
    if (pages->epoch == s->epoch) {
        tdm__prefix_offer *o = &s->offers[slot];
        memcpy(o->keys, pages->keys, pages->n * sizeof o->keys[0]);
        o->kv = kv;
        o->next = pages->n_found;
        o->n = pages->n;
        o->n_public = pages->n_public;
        o->used_ns = pages->used_ns;
        pthread_cond_signal(&s->work);
    }
    pthread_mutex_unlock(&s->mutex);
}

void tdm__prefix_store_revoke(tdm__prefix_store *s, size_t slot, size_t n_positions)
{
    pthread_mutex_lock(&s->mutex);
    s->offers[slot].n = tdm__min_size(s->offers[slot].n, n_positions / TDM__KV_TILE);
    pthread_mutex_unlock(&s->mutex);
}

void tdm__prefix_store_begin_anew(tdm__prefix_store *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->mutex);
    s->epoch++;
    forget_offers(s);
    for (const uint64_t last = s->n_taken; s->is_writing && s->n_taken == last;)
        pthread_cond_wait(&s->idle, &s->mutex);
    pthread_mutex_unlock(&s->mutex);
}

void tdm__prefix_store_get_stats(tdm__prefix_store *s, tdm__prefix_stats *out)
{
    *out = (tdm__prefix_stats){0};
    if (s)
        *out = (tdm__prefix_stats){.n_restored = atomic_load(&s->n_restored),
                                   .n_written = atomic_load(&s->n_written),
                                   .n_dropped = atomic_load(&s->n_dropped),
                                   .page_bytes = s->page_bytes};
}
