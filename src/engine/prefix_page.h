/* prefix_page.h - a page of the prefix store as bytes: what one tile of positions has in a cache, and a check of it.
 *
 *       0  "tandem-prefix" and zeros, 16 bytes | 16 TDM__PREFIX_VERSION, u64 | 24 length of the page, u64
 *      32  key                                 | 64 XXH3-128 of all behind the head, canonical
 *      80  1: public, 0: an app's, u64         | 88 40 zeros
 *     128  of each layer, of each head, of each part: the tile (kv.h)
 * Numbers are little-endian, as the tiles are.
 *
 * The check finds what disks, kills and full file systems do to a file. Somebody who can write as this user can make a
 * page that passes, and can as well replace the model or the program. It is made over the bytes that have arrived in
 * the cache, so a page that changes while it is read is found, too.
 */
#ifndef TDM_ENGINE_PREFIX_PAGE_H
#define TDM_ENGINE_PREFIX_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/prefix_key.h"
#include "model/kv.h"

enum { TDM__PREFIX_VERSION = 1, TDM__PREFIX_HEAD_BYTES = 128 };

/* Of a page of such a cache, its head included. */
size_t tdm__prefix_page_bytes(const tdm__kv *kv);

/* Copies the tile of positions first .. first + TDM__KV_TILE - 1 out of kv, behind the head of page
 * [tdm__prefix_page_bytes]. */
void tdm__prefix_page_gather(uint8_t *page, const tdm__kv *kv, size_t first);

/* Writes the head over what was gathered. */
void tdm__prefix_page_seal(uint8_t *page, size_t len, const tdm__prefix_key *key, bool is_public);

/* Whether this head is of a page of public text. */
bool tdm__prefix_page_is_public(const uint8_t head[TDM__PREFIX_HEAD_BYTES]);

/* Whether the len bytes begin as a page with this key and of this length does; len_wanted is the length for the cache
 * at hand. Reads no more than the head. */
bool tdm__prefix_page_has_head(const uint8_t *page, size_t len, const tdm__prefix_key *key, size_t len_wanted);

/* Copies a page whose head is right into kv. False when what has arrived fails the check: nothing at these positions is
 * valid then. */
bool tdm__prefix_page_restore(const uint8_t *page, tdm__kv *kv, size_t first);

#endif
