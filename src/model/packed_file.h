/* packed_file.h - packed weights in the cache: made once for a file of weights, mapped read-only afterwards.
 *
 *      DIR/HASH-1.panels      HASH: SHA-256 of the GGUF, 1: version of the layout. 4,096 bytes of head, then the panels
 *      DIR/IDENTITY.source    the HASH of the GGUF with that device, inode, length, time stamp and first 64 KiB, so
 *                             that a start need not read the file again; and its path, so that what no path leads
 *                             to any more can go (packed_stale.c)
 *
 * A file is believed when it is this user's and nobody else may write it, has the length that its head says, and its
 * head, with the digest of the plan, verifies; else it is made anew. Whoever can write as this user can change what
 * runs here in easier ways; the digest of the panels is in the head for those who want to know.
 */
#ifndef TDM_MODEL_PACKED_FILE_H
#define TDM_MODEL_PACKED_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sha256.h"
#include "base/str.h"
#include "os/map.h"
#include "tandem/status.h"

enum { TDM__PACKED_HEAD_BYTES = 4096 };

/* What the panels of a file must be. */
typedef struct tdm__packed_key {
    uint8_t source[TDM__SHA256_BYTES]; /* of the GGUF */
    uint8_t plan[TDM__SHA256_BYTES];   /* of types, shapes and offsets */
    uint64_t panel_bytes;              /* in all */
} tdm__packed_key;

/* SHA-256 of a shared mapping of a file; its pages are given back as they are read. */
void tdm__packed_digest(const uint8_t *ptr, size_t len, uint8_t out[TDM__SHA256_BYTES]);

/* The hash that an earlier start has noted for the mapped file. ERR_NOT_FOUND. */
tdm_status tdm__packed_source_find(const char *dir, const tdm__map *gguf, uint8_t source[TDM__SHA256_BYTES]);

/* Notes it, in dir, which is made if it is missing. Errors are no harm: the next start reads the file again. */
void tdm__packed_source_note(const char *dir, const tdm__map *gguf, const char *gguf_path,
                             const uint8_t source[TDM__SHA256_BYTES]);

/* Removes what is of no use any more: notes whose path is gone or has a newer note; packed files that no note speaks
 * of, that are of another layout, or that a start began to make an hour ago and a kill has ended. To be called behind
 * the note of what will be made, before that is made. Other processes may do all of this at the same time: what one of
 * them has mapped stays, what it was about to open is made anew. Errors are no harm. */
void tdm__packed_remove_stale(const char *dir);

/* Maps the packed file of that key; panels begin at TDM__PACKED_HEAD_BYTES. ERR_NOT_FOUND, ERR_INTEGRITY. */
tdm_status tdm__packed_file_open(const char *dir, const tdm__packed_key *key, tdm__map *out, tdm_error *err);

/* Makes it: dir with what is missing of it, and the file, whose panels fill(user, memory) writes. ERR_IO. */
tdm_status tdm__packed_file_make(const char *dir, const tdm__packed_key *key,
                                 void (*fill)(void *user, uint8_t *panels), void *user, tdm_error *err);

/* Of a note's text: the hash in hexadecimal, and the path behind it, "" when it has none. False: it is no note. */
bool tdm__packed_note_split(tdm__str text, tdm__str *hash, tdm__str *path);

enum { TDM__PACKED_NOTE_BYTES_MAX = TDM__SHA256_TEXT + 4096 };

#endif
