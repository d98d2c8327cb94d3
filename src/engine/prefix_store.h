/* prefix_store.h - what prompts began with, kept beyond slots and restarts.
 *
 * Three threads meet here. Whoever submits a job finds what there is of its prompt (tdm__prefix_store_find), and waits
 * for the disk there if anybody has to. The engine's thread copies pages into a slot, from the system's page cache by
 * then, and offers what a slot has computed. A thread of the store's own writes what was offered, straight from the
 * slot's cache: an offer is a loan that the engine takes back before it writes there again, so nothing is copied in
 * between, and whatever was not written by then is not stored. The page cache is the memory tier: it is shared by all
 * processes, and the system takes it back when it needs the room.
 */
#ifndef TDM_ENGINE_PREFIX_STORE_H
#define TDM_ENGINE_PREFIX_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "engine/prefix_key.h"
#include "model/kv.h"
#include "os/team.h"
#include "tandem/status.h"

typedef enum tdm__prefix_scope {
    TDM__PREFIX_ALL = 0, /* prompts of an app for the same app, what is public for all */
    TDM__PREFIX_PUBLIC,  /* what is public: no user's text */
    TDM__PREFIX_OFF,
} tdm__prefix_scope;

typedef struct tdm__prefix_options {
    const char *dir; /* NULL or "": no store */
    tdm__prefix_scope scope;
    uint64_t bytes_max;      /* on the disk, of all models; 0: TDM__PREFIX_BYTES_MAX */
    uint64_t free_bytes_min; /* left to others on the disk; 0: TDM__PREFIX_FREE_MIN */
    const tdm__log *log;     /* borrowed; gets one line when the store cannot be used */
} tdm__prefix_options;

#define TDM__PREFIX_BYTES_MAX ((uint64_t)512 << 20)
#define TDM__PREFIX_FREE_MIN ((uint64_t)1 << 30)

typedef struct tdm__prefix_store tdm__prefix_store;

/* Bytes that create takes. */
uint64_t tdm__prefix_store_bytes(const tdm__model *m, tdm__kv_type type, size_t n_slots, size_t n_ctx);

/* *out is NULL, and TDM_OK the result, where there is none: off, no folder, a model without known source, or a folder
 * that cannot be used, which the log says. kv: any of the caches that pages will be of. ERR_NOMEM. */
tdm_status tdm__prefix_store_create(const tdm__model *m, const tdm__kv *kv, size_t n_slots, size_t n_ctx,
                                    const tdm__prefix_options *o, tdm__prefix_store **out, tdm_error *err);

/* Writes what is on offer, for a second at most. The caches are still there. NULL-safe. */
void tdm__prefix_store_destroy(tdm__prefix_store *s);

/* A prompt's pages. */
typedef struct tdm__prefix_pages {
    tdm__prefix_key *keys; /* [n] owned, tdm__free */
    size_t n;              /* whole pages that may be stored */
    size_t n_found;        /* of these, so many first ones were there */
    size_t n_public;       /* so many first ones are anybody's */
    uint64_t epoch;        /* of the store, when they were looked for */
    int64_t used_ns;       /* when: the time stamp of all of them */
} tdm__prefix_pages;

/* Any thread; may wait for the disk, so that the engine's need not. n_public tokens are anybody's, those behind the
 * app's. s may be NULL: none then, as without memory. */
void tdm__prefix_store_find(tdm__prefix_store *s, const char *app, uint64_t app_key_id, const int32_t *tokens,
                            size_t n_tokens, size_t n_public, tdm__prefix_pages *out);

/* ---- the engine's thread ---- */

/* Copies pages begin .. end - 1 into kv, which holds all before them; returns the number of the first one that was not
 * there or failed its check, or end. What kv holds at that page and behind is not valid. */
size_t tdm__prefix_store_restore(tdm__prefix_store *s, tdm__team *team, const tdm__prefix_pages *pages, tdm__kv *kv,
                                 size_t begin, size_t end);

/* Slot's cache kv holds all pages and keeps them until revoke says less: they may be written. Replaces an offer. */
void tdm__prefix_store_offer(tdm__prefix_store *s, size_t slot, const tdm__kv *kv, const tdm__prefix_pages *pages);

/* The first n_positions of the slot's cache stay, what is behind is written from now on. */
void tdm__prefix_store_revoke(tdm__prefix_store *s, size_t slot, size_t n_positions);

/* Any thread, before all is erased: when it returns, nothing is written any more of what is on offer, and of what was
 * looked for before nothing is taken on offer. NULL-safe. */
void tdm__prefix_store_begin_anew(tdm__prefix_store *s);

typedef struct tdm__prefix_stats {
    uint64_t n_restored, n_written, n_dropped; /* pages; dropped: failed their check */
    uint64_t page_bytes;
} tdm__prefix_stats;

void tdm__prefix_store_get_stats(tdm__prefix_store *s, tdm__prefix_stats *out); /* any thread; s may be NULL: zeros */

#endif
