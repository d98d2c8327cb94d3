/* prefix_folder.h - the prefix store on the disk: a private folder of pages, and how much of it may be there.
 *
 *      DIR/KEY-INDEX.page      KEY: 64 hexadecimal digits; INDEX: the page's place in its chain, five digits or more
 *
 * The folder is the index: a page is there when its file can be opened. So several processes share one folder without
 * a lock: a page comes by a rename, goes by an unlink, and its name says all that is in it. Its time stamp is that of
 * its last use, the same for a whole chain; the oldest go first and of one chain the last, so none outlives those
 * before it. Pages are not synced: one that a power cut has torn fails its check.
 */
#ifndef TDM_ENGINE_PREFIX_FOLDER_H
#define TDM_ENGINE_PREFIX_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/prefix_key.h"
#include "os/map.h"
#include "tandem/status.h"

enum { TDM__PREFIX_DIR_MAX = 1023 };

typedef struct tdm__prefix_folder {
    char dir[TDM__PREFIX_DIR_MAX + 1];
    uint64_t bytes_max;      /* of all pages, whatever model's */
    uint64_t free_bytes_min; /* left to others on the file system */
    uint64_t bytes;          /* the writer's: of all pages when it last looked, and what it wrote since */
    uint64_t looked_bytes;   /* the writer's: what it wrote since */
} tdm__prefix_folder;

/* Makes what is missing of dir (mode 0700). ERR_IO; ERR_DENIED for a folder that is another user's, or that others may
 * read or write. */
tdm_status tdm__prefix_folder_open(tdm__prefix_folder *f, const char *dir, uint64_t bytes_max, uint64_t free_bytes_min,
                                   tdm_error *err);

/* Maps a page whose head is right. One whose head is wrong, or that others may write, is removed, and what has its name
 * and is no file. False also where the guard of maps (map.h) has no room. Any thread. */
bool tdm__prefix_folder_map(const tdm__prefix_folder *f, const tdm__prefix_key *key, size_t index, size_t len,
                            tdm__map *out);

void tdm__prefix_folder_remove(const tdm__prefix_folder *f, const tdm__prefix_key *key, size_t index);

/* It was used at that time; false: there is none. Any thread. */
bool tdm__prefix_folder_touch(const tdm__prefix_folder *f, const tdm__prefix_key *key, size_t index, int64_t used_ns);

/* Whether a page of these very bytes is there; it was used at that time then. */
bool tdm__prefix_folder_has(const tdm__prefix_folder *f, const tdm__prefix_key *key, size_t index,
                            const uint8_t *page, size_t len, int64_t used_ns);

/* Writes a sealed page, after making room for it. ERR_LIMIT: the disk is too full, or the page larger than the bound.
 * ERR_IO. One thread a folder object. */
tdm_status tdm__prefix_folder_write(tdm__prefix_folder *f, const tdm__prefix_key *key, size_t index,
                                    const uint8_t *page, size_t len, int64_t used_ns, tdm_error *err);

/* What a file of so many bytes takes. */
uint64_t tdm__prefix_on_disk(uint64_t bytes);

/* ---- prefix_trim.c ---- */

/* Removes the oldest pages until at most bytes_max bytes are left, and what killed processes have left half written.
 * Returns what is left. Other files stay. */
uint64_t tdm__prefix_folder_trim(const char *dir, uint64_t bytes_max);

/* For the writer, before its first page: what a wider bound or scope has left goes. */
void tdm__prefix_folder_tidy(tdm__prefix_folder *f, bool is_public_only);

/* Removes all pages and what is half written; other files stay. Fails when one of them is still there. No folder is no
 * failure. */
tdm_status tdm__prefix_folder_erase(const char *dir, tdm_error *err);

#endif
